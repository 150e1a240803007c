/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the descriptor filters share. */
#ifndef _KEVENT_FILTERS_FD_H
#define _KEVENT_FILTERS_FD_H

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/poll.h>

#include "../knote.h"

/* Kinds of descriptors, kept in knote.kind. */
enum fd_kind {
	FD_OTHER,	/* can be polled, cannot tell how much */
	FD_SOCKET,
	FD_PIPE,
	FD_EVENTFD,
	FD_KQUEUE,
	FD_FIONREAD,	/* can be polled, and tells by that ioctl */
	FD_FILE,	/* has a size and an offset */
	FD_PLAIN,	/* cannot be polled, never blocks */
};

/* What the filter waits for; knote.events keeps it in less space. */
static inline __poll_t knote_events(const struct knote *kn)
{
	return (__force __poll_t)kn->events;
}

/*
 * What fs/eventfd.c keeps to itself, as of today; used only once it has been
 * seen to be so: see descriptor.c.
 */
struct eventfd_layout {
	struct kref kref;
	wait_queue_head_t wqh;
	__u64 count;
};

extern bool eventfd_layout_good;
u64 eventfd_counter_slow(struct file *file);

static inline u64 eventfd_counter(struct file *file)
{
	const struct eventfd_layout *ctx = file->private_data;

	return likely(READ_ONCE(eventfd_layout_good)) ?
		READ_ONCE(ctx->count) : eventfd_counter_slow(file);
}

/* poll.c: hooking the wait queues of a file, and looking at it */
int fd_poll_attach(struct knote *kn);
void fd_poll_detach(struct knote *kn);
__poll_t fd_poll(struct knote *kn);

/* descriptor.c: what is it, and how much does it hold */
enum fd_kind fd_kind_of(struct file *file);
bool file_is_pipe(const struct file *file);
bool pipe_readable(struct knote *kn, struct kevent_record *kev);
s64 pipe_writable(struct file *file);
bool pipe_has_reader(struct file *file);
s64 fionread(const struct knote *kn, void __user *scratch);

/* socket.c */
bool socket_readable(struct knote *kn, struct kevent_record *kev);
bool socket_writable(struct knote *kn, struct kevent_record *kev);
bool socket_empty(struct knote *kn, struct kevent_record *kev);

#endif /* _KEVENT_FILTERS_FD_H */
