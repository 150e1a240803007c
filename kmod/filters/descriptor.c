// SPDX-License-Identifier: GPL-2.0
/* What a descriptor is, and how much it holds. */

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/pipe_fs_i.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include <asm/ioctls.h>

#include "../compat.h"
#include "../kqueue.h"
#include "fd.h"

static bool file_is_eventfd(struct file *file)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(file);

	if (IS_ERR(ctx))
		return false;
	eventfd_ctx_put(ctx);
	return true;
}

static bool file_is_inotify(const struct file *file)
{
	return file_inode(file)->i_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       !strcmp(file->f_path.dentry->d_name.name, "inotify");
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

/*
 * A size and an offset say something about the files of a disk, though not
 * about directories, whose offset is the file system's business. FUSE has a
 * poll method for all its files, others only where reading waits for something
 * (the likes of /proc/mounts).
 */
static bool file_has_size(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	if (!S_ISREG(inode->i_mode) && !S_ISBLK(inode->i_mode))
		return false;
	return !file->f_op->poll || inode->i_sb->s_magic == FUSE_SUPER_MAGIC;
}

enum fd_kind fd_kind_of(struct file *file)
{
	umode_t mode = file_inode(file)->i_mode;

	if (S_ISSOCK(mode))
		return FD_SOCKET;
	if (file_is_pipe(file))
		return FD_PIPE;
	if (file_has_size(file))
		return FD_FILE;
	if (!file->f_op->poll)
		return FD_PLAIN;
	if (file_is_kqueue(file))
		return FD_KQUEUE;
	if (file_is_eventfd(file))
		return FD_EVENTFD;
	if (S_ISCHR(mode) || S_ISFIFO(mode) || file_is_inotify(file))
		return FD_FIONREAD;
	return FD_OTHER;
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
	struct file *file = kn->poll.file;
	struct pipe_inode_info *pipe = file->private_data;

	/* The writing end never is, whatever poll says when the reader goes. */
	if (!(file->f_mode & FMODE_READ))
		return false;

	if (!READ_ONCE(pipe->writers) && (fd_poll(kn) & EPOLLHUP))
		kev->flags |= EV_EOF;
	/* Bytes second, or an end with bytes before it might look empty. */
	kev->data = pipe_bytes(pipe);
	return kev->data || (kev->flags & EV_EOF);
}

/* The room in a pipe: a write can always fill whole free pages. */
s64 pipe_writable(struct file *file)
{
	struct pipe_inode_info *pipe = file->private_data;
	unsigned int used = pipe_occupancy(READ_ONCE(pipe->head),
					   READ_ONCE(pipe->tail));
	unsigned int max = READ_ONCE(pipe->max_usage);

	return used < max ? (s64)(max - used) * PAGE_SIZE : 0;
}

bool pipe_has_reader(struct file *file)
{
	struct pipe_inode_info *pipe = file->private_data;

	return READ_ONCE(pipe->readers);
}

/*
 * The counter of an eventfd. Only fs/eventfd.c knows its structure; all that
 * it tells others is a line in fdinfo, which takes thousands of instructions
 * to print and parse. So the counter is read where the structure has it as of
 * today, but only after that has been seen to agree with the line, twice in a
 * row, for two eventfds whose counters are not 0.
 */
bool eventfd_layout_good __read_mostly;

/* The last eventfd that agreed, if the last did; only compared. */
static void *eventfd_agreed;

static u64 eventfd_counter_shown(struct file *file)
{
	static const char name[] = "eventfd-count:";
	struct seq_file m = {};
	char buf[128] = {};
	u64 count = 0;
	char *value;

	m.buf = buf;
	m.size = sizeof(buf) - 1;
	if (!file->f_op->show_fdinfo)
		return 0;
	file->f_op->show_fdinfo(&m, file);
	value = strstr(buf, name);
	if (value && sscanf(value + strlen(name), "%llx", &count) != 1)
		count = 0;
	return count;
}

/* The counter, until it is known where to read it. */
u64 eventfd_counter_slow(struct file *file)
{
	struct eventfd_layout *ctx = file->private_data;
	u64 before = READ_ONCE(ctx->count);
	u64 shown = eventfd_counter_shown(file);
	void *agreed;

	/* If it changed meanwhile, another time will tell. */
	if (!shown || before != READ_ONCE(ctx->count))
		return shown;
	agreed = xchg(&eventfd_agreed, before == shown ? ctx : NULL);
	if (before == shown && agreed && agreed != ctx)
		WRITE_ONCE(eventfd_layout_good, true);
	return shown;
}

/* The bytes that can be read, from those who tell it by ioctl, to user memory. */
s64 fionread(const struct knote *kn, void __user *scratch)
{
	struct file *file = kn->poll.file;
	int __user *answer = scratch;
	int bytes;

	if (!file->f_op->unlocked_ioctl)
		return -1;
	if (security_file_ioctl(file, FIONREAD, (unsigned long)answer) ||
	    file->f_op->unlocked_ioctl(file, FIONREAD, (unsigned long)answer) ||
	    get_user(bytes, answer) || bytes < 1)
		return -1;
	return bytes;
}
