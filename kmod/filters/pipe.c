// SPDX-License-Identifier: GPL-2.0
/* Pipes and FIFOs. */

#include "../compat.h"
#include "kind.h"
#include "pipe.h"
#include "poll.h"

/*
 * So many slots are looked at with interrupts off: all that a plain user can
 * have in a pipe. Root's may have many more.
 */
#define PIPE_SLOTS	256

static int pipe_attach(struct knote *kn)
{
	struct pipe_inode_info *pipe = knote_pipe(kn);

	if (kn->filter == EVFILT_WRITE &&
	    (kn->poll.file->f_mode & FMODE_WRITE) && !READ_ONCE(pipe->readers))
		return -EPIPE;
	if (kn->filter == EVFILT_READ && (kn->flags & EV_CLEAR))
		pipe_wake_each_write(pipe);
	return fd_poll_attach(kn);
}

/*
 * The bytes in a pipe, without its mutex: readers and writers hold that while
 * they copy, which takes as long as somebody wants who serves a page fault of
 * theirs, or feeds the socket that they splice from. The lock of rd_wait is
 * enough to keep the ring: pipe_resize_ring() replaces and frees it under that.
 *
 * What is in it moves on while we look, and may be old by the time it is used.
 * A slot whose ops are NULL is not filled yet, or not any more, and has what it
 * had for a length; so has, between two stores of its writer, one that is just
 * being filled. To count a byte too soon or too late does no harm, as it is the
 * same for who looks a moment sooner or later. Only to find nothing where there
 * is something would, since no wake-up need follow if the pipe was never empty:
 *
 *	writer			reader			here
 *							slot 1 is the only one
 *	fills slot 2, and wakes
 *	nobody
 *				takes all of slot 1
 *							slot 1 has nothing
 *
 * So nothing is believed only if nothing has moved meanwhile.
 */
static noinline s64 pipe_bytes(struct pipe_inode_info *pipe)
{
	unsigned int head, tail, used, i = 0;
	const struct pipe_buffer *buf;
	s64 bytes = 0;
	bool again;

	do {
		spin_lock_irq(&pipe->rd_wait.lock);
		tail = READ_ONCE(pipe->tail);
		/* Or there might seem to be more than all. */
		smp_rmb();
		head = READ_ONCE(pipe->head);
		used = min(pipe_occupancy(head, tail), pipe->ring_size);
		again = used > i + PIPE_SLOTS;
		if (again)
			used = i + PIPE_SLOTS;
		for (; i < used; i++) {
			buf = &pipe->bufs[(tail + i) & (pipe->ring_size - 1)];
			if (READ_ONCE(buf->ops))
				bytes += READ_ONCE(buf->len);
		}
		/* Pairs with the mutex between the two above. */
		smp_rmb();
		if (!bytes && head != READ_ONCE(pipe->head)) {
			again = true;
			i = 0;
		}
		spin_unlock_irq(&pipe->rd_wait.lock);
	} while (again);
	return bytes;
}

/* An end that cannot be used as the filter would, but tells of the other. */
static bool pipe_ended(struct kevent_record *kev, bool ended)
{
	if (ended)
		kev->flags |= EV_EOF;
	return ended;
}

/*
 * Bytes, or the end: poll knows whether there ever was a writer. The writing
 * end tells when the last reader has gone, and it has had one: to open a FIFO
 * for writing alone waits for that.
 */
bool pipe_readable(struct knote *kn, struct kevent_record *kev)
{
	struct pipe_inode_info *pipe = knote_pipe(kn);
	unsigned int writers;

	if (!(kn->poll.file->f_mode & FMODE_READ))
		return pipe_ended(kev, !READ_ONCE(pipe->readers));

	writers = READ_ONCE(pipe->writers);
	if (!writers && (fd_poll(kn) & EPOLLHUP))
		kev->flags |= EV_EOF;
	/* Bytes second, or an end with bytes before it might look empty. */
	smp_rmb();
	kev->data = pipe_bytes(pipe);
	return kev->data || (kev->flags & EV_EOF);
}

/* The room in a pipe: a write can always fill whole free pages. */
static s64 pipe_room(struct pipe_inode_info *pipe)
{
	unsigned int used = pipe_occupancy(READ_ONCE(pipe->head),
					   READ_ONCE(pipe->tail));
	unsigned int max = READ_ONCE(pipe->max_usage);

	return used < max ? (s64)(max - used) * PAGE_SIZE : 0;
}

/* The reading end tells when the last writer has gone, if there was one. */
static bool pipe_writable(struct knote *kn, struct kevent_record *kev)
{
	__poll_t mask = fd_poll(kn);

	if (!(kn->poll.file->f_mode & FMODE_WRITE))
		return pipe_ended(kev, mask & EPOLLHUP);
	if (!(mask & EVENTS_WRITE))
		return false;
	kev->data = pipe_room(knote_pipe(kn));
	/* No reader is left. */
	if (mask & EPOLLERR)
		kev->flags |= EV_EOF;
	return true;
}

const struct fd_kind pipe_kind = {
	.flags = FD_KIND_POLLED | FD_KIND_TURNS,
	.attach = pipe_attach,
	.detach = fd_poll_detach,
	.readable = pipe_readable,
	.writable = pipe_writable,
};
