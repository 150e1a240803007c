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
#include "tell.h"

/* Only regular files that are read can have more to read later. */
static bool file_needs_mark(const struct knote *kn)
{
	return kn->filter == EVFILT_READ &&
	       S_ISREG(file_inode(kn->poll.file)->i_mode);
}

int file_attach(struct knote *kn)
{
	int ret;

	if (!file_needs_mark(kn))
		return 1;

	ret = kevent_user_take(kn->kq->user, KEVENT_FILES);
	if (ret)
		return ret;
	ret = file_mark_attach(kn);
	if (ret) {
		kevent_user_give_back(kn->kq->user, KEVENT_FILES);
		return ret;
	}
	return 1;
}

void file_detach(struct knote *kn)
{
	if (!kn->told.teller)
		return;
	teller_detach(kn);
	kevent_user_give_back(kn->kq->user, KEVENT_FILES);
}

/* From the offset to the end; negative beyond it, which is news as well. */
bool file_readable(struct knote *kn, struct kevent_record *kev)
{
	struct file *file = kn->poll.file;
	struct inode *inode = file_inode(file);

	if (kn->told.teller)
		file_mark_arm(kn);
	if (S_ISBLK(inode->i_mode))
		inode = file->f_mapping->host;
	kev->data = i_size_read(inode) - READ_ONCE(file->f_pos);
	return kev->data || (kn->sfflags & NOTE_FILE_POLL);
}
