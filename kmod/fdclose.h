/* SPDX-License-Identifier: GPL-2.0 */
/* Learning that a descriptor was closed. */
#ifndef _KEVENT_FDCLOSE_H
#define _KEVENT_FDCLOSE_H

#include <linux/types.h>

struct file;
struct knote;
struct kqueue;

int fdclose_init(bool (*try_drop)(struct knote *kn), void (*drop)(struct knote *kn));
void fdclose_exit(void);

int fdclose_hook_get(void);

void fdclose_follow(struct kqueue *kq);
void fdclose_unfollow(struct kqueue *kq);

void fdclose_suspect(struct knote *kn);

bool fdclose_is_open(unsigned int fd, const struct file *file);
int fdclose_watch(struct knote *kn, bool shared);
bool fdclose_unwatch(struct knote *kn);

#endif /* _KEVENT_FDCLOSE_H */
