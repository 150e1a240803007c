// SPDX-License-Identifier: GPL-2.0
/*
 * The table of kinds, and which of them a file is. The kinds that have nothing
 * of their own are here.
 */

#include <linux/fs.h>
#include <linux/magic.h>

#include "../kqueue.h"
#include "file.h"
#include "kind.h"
#include "pipe.h"
#include "poll.h"
#include "socket.h"

static bool always_ready(struct knote *kn, struct kevent_record *kev)
{
	return true;
}

/*
 * Nobody knows what its poll method waits for: a driver's lock, a server in
 * user space (CUSE), all of epoll's sources. Those of timerfd, signalfd and
 * pidfd take only spinlocks, but have no mark by which to know them.
 */
static const struct fd_kind other_kind = {
	.flags = FD_KIND_POLLED | FD_KIND_SLOW,
	.attach = fd_poll_attach,
	.detach = fd_poll_detach,
	.readable = poll_readable,
	.writable = poll_writable,
};

/*
 * Has a size and an offset. The file system is not asked for them; but what marks
 * inodes have is a matter of all users, under one lock of fsnotify's.
 */
static const struct fd_kind file_kind = {
	.flags = FD_KIND_SLOW_ENDS,
	.attach = file_attach,
	.detach = file_detach,
	.readable = file_readable,
	.writable = always_ready,
};

static int plain_attach(struct knote *kn)
{
	return 1;
}

static void plain_detach(struct knote *kn)
{
}

/* Cannot be polled and never blocks. It is not asked anything. */
static const struct fd_kind plain_kind = {
	.attach = plain_attach,
	.detach = plain_detach,
	.readable = always_ready,
	.writable = always_ready,
};

const struct fd_kind *const fd_kinds[FD_KINDS] = {
	[FD_OTHER] = &other_kind,
	[FD_SOCKET] = &socket_kind,
	[FD_SOCKET_OTHER] = &socket_other_kind,
	[FD_PIPE] = &pipe_kind,
	[FD_EVENTFD] = &eventfd_kind,
	[FD_QUEUE] = &queue_kind,
	[FD_FIONREAD] = &fionread_kind,
	[FD_FILE] = &file_kind,
	[FD_PLAIN] = &plain_kind,
	[FD_TURNS] = &turns_kind,
};

/*
 * Do the sizes of this file system's files say how much can be read? Not where
 * files are made up while they are read (/proc/PID), nor of what has no name
 * (anonymous inodes, which since 6.16 are regular files). These have no space,
 * and so no function of their own that tells how much; nor have two that are
 * real.
 */
static bool sb_has_sizes(const struct super_block *sb)
{
	return sb->s_op->statfs != simple_statfs ||
	       sb->s_magic == RAMFS_MAGIC || sb->s_magic == V9FS_MAGIC;
}

/*
 * A size and an offset say something about the files of a disk, though not
 * about directories, whose offset is the file system's business. FUSE has a
 * poll method for all its files, others only where reading waits for something
 * (the likes of /proc/mounts) or one may wait for a change (sysfs).
 */
static bool file_has_size(const struct file *file)
{
	const struct inode *inode = file_inode(file);

	if (S_ISBLK(inode->i_mode))
		return !file->f_op->poll;
	if (!S_ISREG(inode->i_mode))
		return false;
	return inode->i_sb->s_magic == FUSE_SUPER_MAGIC ||
	       (!file->f_op->poll && sb_has_sizes(inode->i_sb));
}

enum fd_kind_index fd_kind_of(struct file *file)
{
	if (file_is_socket(file))
		return file_is_quick_socket(file) ? FD_SOCKET : FD_SOCKET_OTHER;
	if (file_is_pipe(file))
		return FD_PIPE;
	if (file_has_size(file))
		return FD_FILE;
	if (!file->f_op->poll)
		return FD_PLAIN;
	if (file_is_kqueue(file))
		return FD_QUEUE;
	if (file_is_eventfd(file))
		return FD_EVENTFD;
	if (file_has_fionread(file))
		return FD_FIONREAD;
	return FD_OTHER;
}
