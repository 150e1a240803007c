/* SPDX-License-Identifier: GPL-2.0 */
/* Being told when a file changes. */
#ifndef _KEVENT_FILTERS_MARK_H
#define _KEVENT_FILTERS_MARK_H

struct knote;

int file_marks_init(void);
void file_marks_exit(void);

int file_mark_attach(struct knote *kn);
void file_mark_arm(struct knote *kn);

#endif /* _KEVENT_FILTERS_MARK_H */
