/* SPDX-License-Identifier: GPL-2.0 */
/* NOTE_EXCLUSIVE: queues that take turns in being woken. */
#ifndef _KEVENT_FILTERS_TURN_H
#define _KEVENT_FILTERS_TURN_H

#include "../knote.h"

int turn_begin(struct knote *kn, u32 fflags);
int turn_touch(struct knote *kn, const struct kevent_record *kev);

int turns_init(void);
void turns_exit(void);

#endif /* _KEVENT_FILTERS_TURN_H */
