// SPDX-License-Identifier: GPL-2.0
/* Pipes and FIFOs. */

#include <linux/fs.h>
#include <linux/pipe_fs_i.h>

#include "../compat.h"
#include "kind.h"
#include "poll.h"

static struct pipe_inode_info *knote_pipe(const struct knote *kn)
{
	return kn->poll.file->private_data;
}

/*
 * A pipe or FIFO proper. Others have such inodes too, with methods and private
 * data of their own: those of sunrpc's rpc_pipefs.
 */
bool file_is_pipe(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	return S_ISFIFO(inode->i_mode) && inode->i_pipe &&
	       inode->i_pipe == file->private_data;
}

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
 * The bytes in a pipe. Its mutex is held by readers and writers while they
 * copy, which may take as long as somebody wants: do not wait if killed.
 */
static s64 pipe_bytes(struct pipe_inode_info *pipe)
{
	unsigned int i, used;
	s64 bytes = 0;

	if (mutex_lock_killable(&pipe->mutex))
		return 0;
	used = pipe_occupancy(pipe->head, pipe->tail);
	for (i = 0; i < used; i++)
		bytes += pipe->bufs[(pipe->tail + i) &
				    (pipe->ring_size - 1)].len;
	mutex_unlock(&pipe->mutex);
	return bytes;
}

/* Bytes, or the end: poll knows whether there ever was a writer. */
bool pipe_readable(struct knote *kn, struct kevent_record *kev)
{
	struct pipe_inode_info *pipe = knote_pipe(kn);

	/* The writing end never is, whatever poll says when the reader goes. */
	if (!(kn->poll.file->f_mode & FMODE_READ))
		return false;

	if (!READ_ONCE(pipe->writers) && (fd_poll(kn) & EPOLLHUP))
		kev->flags |= EV_EOF;
	/* Bytes second, or an end with bytes before it might look empty. */
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

static bool pipe_writable(struct knote *kn, struct kevent_record *kev)
{
	__poll_t mask = fd_poll(kn);

	if (!(kn->poll.file->f_mode & FMODE_WRITE) || !(mask & EVENTS_WRITE))
		return false;
	kev->data = pipe_room(knote_pipe(kn));
	/* No reader is left. */
	if (mask & EPOLLERR)
		kev->flags |= EV_EOF;
	return true;
}

const struct fd_kind pipe_kind = {
	.name = "pipe",
	.flags = FD_KIND_POLLED,
	.attach = pipe_attach,
	.detach = fd_poll_detach,
	.readable = pipe_readable,
	.writable = pipe_writable,
};
