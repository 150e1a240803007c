/* SPDX-License-Identifier: GPL-2.0 */
/* Learning that a descriptor was closed. */
#ifndef _KEVENT_FDCLOSE_H
#define _KEVENT_FDCLOSE_H

#include <linux/types.h>

struct knote;

int fdclose_init(void);
void fdclose_exit(void);

int fdclose_hook_get(void);
void fdclose_hook_put(void);

int fdclose_watch(struct knote *kn);
bool fdclose_unwatch(struct knote *kn);

#endif /* _KEVENT_FDCLOSE_H */
