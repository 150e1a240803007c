/* SPDX-License-Identifier: GPL-2.0 */
/* The counter of an eventfd. */
#ifndef _KEVENT_FILTERS_EVENTFD_H
#define _KEVENT_FILTERS_EVENTFD_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/wait.h>

#include "../knote.h"

/*
 * What fs/eventfd.c keeps to itself, as of today; used only once it has been
 * seen to be so: see eventfd.c.
 */
struct eventfd_layout {
	struct kref kref;
	wait_queue_head_t wqh;
	__u64 count;
	unsigned int flags;
	int id;
};

extern bool eventfd_layout_good;
u64 eventfd_counter_slow(const struct knote *kn);

/* Without asking anybody; 0 as well if that cannot be done. */
static __always_inline u64 eventfd_usual_counter(const struct knote *kn)
{
	const struct eventfd_layout *ctx = kn->poll.file->private_data;

	return likely(READ_ONCE(eventfd_layout_good)) ? READ_ONCE(ctx->count) : 0;
}

static inline u64 eventfd_counter(const struct knote *kn)
{
	const struct eventfd_layout *ctx = kn->poll.file->private_data;

	return likely(READ_ONCE(eventfd_layout_good)) ?
		READ_ONCE(ctx->count) : eventfd_counter_slow(kn);
}

#endif /* _KEVENT_FILTERS_EVENTFD_H */
