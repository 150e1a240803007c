// SPDX-License-Identifier: GPL-2.0
/*
 * Terminals and inotify: those that tell how many bytes there are by
 * ioctl(FIONREAD). Numbers of ioctls are private to drivers, so nobody else is
 * asked.
 *
 * They tell user memory only. A scan has some that it is about to overwrite,
 * but to write there may mean to wait for whoever serves a page fault. Besides,
 * the poll method of a terminal is its driver's and waits for the work that
 * carries its input.
 */

#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <linux/security.h>
#include <linux/uaccess.h>

#include <asm/ioctls.h>

#include "kind.h"
#include "poll.h"

/* Those that <linux/major.h> does not name; see Documentation/admin-guide. */
#define ACM_TTY_MAJOR		166
#define USB_SERIAL_MAJOR	188
#define LOW_DENSITY_MAJOR	204
#define RFCOMM_MAJOR		216
#define HVC_MAJOR		229

/*
 * A terminal. No structure that a module may look at says so, but the numbers
 * that Linux has given away once and for all do. A terminal whose driver takes
 * any number that is free is not recognised, and tells no bytes.
 */
static bool is_tty(const struct file *file)
{
	const struct inode *inode = file_inode(file);
	unsigned int major = imajor(inode);

	if (!S_ISCHR(inode->i_mode))
		return false;
	switch (major) {
	case TTY_MAJOR:
	case TTYAUX_MAJOR:
	case ACM_TTY_MAJOR:
	case USB_SERIAL_MAJOR:
	case LOW_DENSITY_MAJOR:
	case RFCOMM_MAJOR:
	case HVC_MAJOR:
		return true;
	default:
		return major >= UNIX98_PTY_MASTER_MAJOR &&
		       major < UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT;
	}
}

static bool is_inotify(const struct file *file)
{
	return file_inode(file)->i_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       !strcmp(file->f_path.dentry->d_name.name, "inotify");
}

bool file_has_fionread(const struct file *file)
{
	return is_tty(file) || is_inotify(file);
}

static s64 fionread(struct knote *kn, void __user *scratch)
{
	struct file *file = kn->poll.file;
	int __user *answer = scratch;
	int bytes;

	if (security_file_ioctl(file, FIONREAD, (unsigned long)answer) ||
	    file->f_op->unlocked_ioctl(file, FIONREAD, (unsigned long)answer) ||
	    get_user(bytes, answer) || bytes < 1)
		return -1;
	return bytes;
}

const struct fd_kind fionread_kind = {
	.flags = FD_KIND_POLLED | FD_KIND_SLOW,
	.attach = fd_poll_attach,
	.detach = fd_poll_detach,
	.readable = poll_readable,
	.writable = poll_writable,
	.measure = fionread,
};
