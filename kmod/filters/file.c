// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_READ on files that have a size and an offset. They never block, so
 * they have no wait queue; when a regular file is written or truncated, its
 * mark tells.
 */

#include <linux/fs.h>

#include "../kqueue.h"
#include "file.h"
#include "mark.h"

/* Only regular files that are read can have more to read later. */
static bool file_needs_mark(const struct knote *kn)
{
	return kn->filter == EVFILT_READ &&
	       S_ISREG(file_inode(kn->poll.file)->i_mode);
}

int file_attach(struct knote *kn)
{
	int ret = file_needs_mark(kn) ? file_mark_attach(kn) : 0;

	return ret ? ret : 1;
}

void file_detach(struct knote *kn)
{
	if (kn->told.teller)
		file_mark_detach(kn);
}

/* To be told of the next change. To be called before each look. */
static void arm(struct knote *kn)
{
	struct file_mark *fm = knote_file_mark(kn);

	file_mark_lock(fm);
	list_move_tail(&kn->told.node, &fm->contents);
	file_mark_unlock(fm);
}

/* From the offset to the end; negative beyond it, which is news as well. */
bool file_readable(struct knote *kn, struct kevent_record *kev)
{
	struct file *file = kn->poll.file;
	struct inode *inode = file_inode(file);

	if (kn->told.teller)
		arm(kn);
	if (S_ISBLK(inode->i_mode))
		inode = file->f_mapping->host;
	kev->data = i_size_read(inode) - READ_ONCE(file->f_pos);
	return kev->data || (kn->sfflags & NOTE_FILE_POLL);
}
