/* SPDX-License-Identifier: GPL-2.0 */
/* EVFILT_SIGNAL. */
#ifndef _KEVENT_FILTERS_SIGNAL_H
#define _KEVENT_FILTERS_SIGNAL_H

int signal_nodes_init(void);
void signal_nodes_exit(void);

#endif /* _KEVENT_FILTERS_SIGNAL_H */
