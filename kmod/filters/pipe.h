/* SPDX-License-Identifier: GPL-2.0 */
/* What is asked of pipes most often. */
#ifndef _KEVENT_FILTERS_PIPE_H
#define _KEVENT_FILTERS_PIPE_H

#include <linux/fs.h>
#include <linux/pipe_fs_i.h>

#include "../knote.h"

/*
 * A pipe or FIFO proper. Others have such inodes too, with methods and private
 * data of their own: those of sunrpc's rpc_pipefs.
 */
static inline bool file_is_pipe(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	return S_ISFIFO(inode->i_mode) && inode->i_pipe &&
	       inode->i_pipe == file->private_data;
}

static inline struct pipe_inode_info *knote_pipe(const struct knote *kn)
{
	return kn->poll.file->private_data;
}

/*
 * The bytes of the usual pipe, which are in one slot; 0 of all others, which
 * pipe_bytes() can count: there is why the lock.
 */
static __always_inline unsigned int pipe_slot_bytes(struct pipe_inode_info *pipe)
{
	const struct pipe_buffer *buf;
	unsigned int bytes = 0;
	unsigned int tail;

	spin_lock_irq(&pipe->rd_wait.lock);
	tail = READ_ONCE(pipe->tail);
	if (pipe_occupancy(READ_ONCE(pipe->head), tail) == 1) {
		buf = &pipe->bufs[tail & (pipe->ring_size - 1)];
		if (READ_ONCE(buf->ops))
			bytes = READ_ONCE(buf->len);
	}
	spin_unlock_irq(&pipe->rd_wait.lock);
	return bytes;
}

/* The same of a reading end that has a writer; else 0. */
static __always_inline unsigned int pipe_usual_bytes(const struct knote *kn)
{
	struct pipe_inode_info *pipe = knote_pipe(kn);

	if (!(kn->poll.file->f_mode & FMODE_READ) || !READ_ONCE(pipe->writers))
		return 0;
	/* Bytes second, or an end with bytes before it might look empty. */
	smp_rmb();
	return pipe_slot_bytes(pipe);
}

#endif /* _KEVENT_FILTERS_PIPE_H */
