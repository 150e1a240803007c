// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_READ on files that have a size and an offset. They never block, so
 * they have no wait queue; when a regular file is written or truncated,
 * fsnotify tells.
 */

#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>

#include "../kqueue.h"
#include "file.h"

/**
 * struct file_mark - a knote's mark on its inode
 * @mark: fsnotify's, which frees the structure when nobody looks at it any more
 * @lock: protects @kn against a callback that is late
 * @kn: whose it is; NULL once the knote is detached
 */
struct file_mark {
	struct fsnotify_mark mark;
	spinlock_t lock;	/* protects kn */
	struct knote *kn;
};

static struct fsnotify_group *file_group;

/*
 * Marks not yet freed. fanotify can hold on to one while it waits for an
 * answer, where fsnotify_wait_marks_destroyed() does not see it.
 */
static atomic_t file_marks = ATOMIC_INIT(0);

/* Context: whoever changed the file, possibly with its inode locked. */
static int file_changed(struct fsnotify_mark *mark, u32 mask,
			struct inode *inode, struct inode *dir,
			const struct qstr *name, u32 cookie)
{
	struct file_mark *fm = container_of(mark, struct file_mark, mark);

	spin_lock(&fm->lock);
	if (fm->kn)
		knote_activate(fm->kn);
	spin_unlock(&fm->lock);
	return 0;
}

static void file_free_mark(struct fsnotify_mark *mark)
{
	kfree(container_of(mark, struct file_mark, mark));
	if (atomic_dec_and_test(&file_marks))
		wake_up_var(&file_marks);
}

static const struct fsnotify_ops file_ops = {
	.handle_inode_event = file_changed,
	.free_mark = file_free_mark,
};

/* Only regular files that are read can have more to read later. */
static bool file_needs_mark(const struct knote *kn)
{
	return kn->filter == EVFILT_READ &&
	       S_ISREG(file_inode(kn->poll.file)->i_mode);
}

int file_attach(struct knote *kn)
{
	struct file_mark *fm;
	int ret;

	if (!file_needs_mark(kn))
		return 1;

	ret = kevent_user_take(kn->kq->user, KEVENT_FILES);
	if (ret)
		return ret;
	fm = kzalloc(sizeof(*fm), GFP_KERNEL_ACCOUNT);
	if (!fm) {
		ret = -ENOMEM;
		goto give_back;
	}
	atomic_inc(&file_marks);
	fsnotify_init_mark(&fm->mark, file_group);
	fm->mark.mask = FS_MODIFY;
	spin_lock_init(&fm->lock);
	fm->kn = kn;

	ret = fsnotify_add_inode_mark(&fm->mark, file_inode(kn->poll.file), 0);
	if (ret) {
		fsnotify_put_mark(&fm->mark);
		goto give_back;
	}
	kn->poll.wait.private = fm;
	return 1;

give_back:
	kevent_user_give_back(kn->kq->user, KEVENT_FILES);
	return ret;
}

void file_detach(struct knote *kn)
{
	struct file_mark *fm = kn->poll.wait.private;

	if (!fm)
		return;
	spin_lock(&fm->lock);
	fm->kn = NULL;
	spin_unlock(&fm->lock);
	fsnotify_destroy_mark(&fm->mark, file_group);
	fsnotify_put_mark(&fm->mark);
	kevent_user_give_back(kn->kq->user, KEVENT_FILES);
}

/* From the offset to the end; negative beyond it, which is news as well. */
bool file_readable(struct knote *kn, struct kevent_record *kev)
{
	struct file *file = kn->poll.file;
	struct inode *inode = file_inode(file);

	if (S_ISBLK(inode->i_mode))
		inode = file->f_mapping->host;
	kev->data = i_size_read(inode) - READ_ONCE(file->f_pos);
	return kev->data || (kn->sfflags & NOTE_FILE_POLL);
}

int __init file_filter_init(void)
{
	file_group = fsnotify_alloc_group(&file_ops, FSNOTIFY_GROUP_DUPS);
	return PTR_ERR_OR_ZERO(file_group);
}

/* Context: all knotes are detached, their marks may be waiting to be freed. */
void file_filter_exit(void)
{
	fsnotify_put_group(file_group);
	wait_var_event(&file_marks, !atomic_read(&file_marks));
	/* The last of them may not have returned from file_free_mark() yet. */
	fsnotify_wait_marks_destroyed();
}
