// SPDX-License-Identifier: GPL-2.0
/*
 * Being told when a file changes. fsnotify calls each mark of an inode in turn, in
 * the thread that writes. So all knotes of an inode share one mark, of whatever
 * queue and user they are, and the mark has a teller (tell.h) for them.
 */

#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "../compat.h"
#include "../knote.h"
#include "mark.h"
#include "tell.h"

/**
 * struct file_mark - the mark of an inode
 * @mark: fsnotify's, which frees the structure when nobody looks at it any more
 * @teller: who gives back its last reference takes the mark off the inode
 */
struct file_mark {
	struct fsnotify_mark mark;
	struct teller teller;
};

/* It takes no duplicates: an inode has at most one of our marks. */
static struct fsnotify_group *file_group;

/*
 * Marks not yet freed. fanotify can hold on to one while it waits for an
 * answer, where fsnotify_wait_marks_destroyed() does not see it.
 */
static atomic_t file_marks = ATOMIC_INIT(0);

static void end_mark(struct teller *teller)
{
	struct file_mark *fm = container_of(teller, struct file_mark, teller);

	fsnotify_destroy_mark(&fm->mark, file_group);
	fsnotify_put_mark(&fm->mark);
}

/* Context: whoever changed the file, possibly with its inode locked. */
static int file_changed(struct fsnotify_mark *mark, u32 mask,
			struct inode *inode, struct inode *dir,
			const struct qstr *name, u32 cookie)
{
	struct file_mark *fm = container_of(mark, struct file_mark, mark);
	unsigned long flags;

	raw_spin_lock_irqsave(&fm->teller.lock, flags);
	teller_tell(&fm->teller);
	raw_spin_unlock_irqrestore(&fm->teller.lock, flags);
	return 0;
}

static void file_free_mark(struct fsnotify_mark *mark)
{
	kfree(container_of(mark, struct file_mark, mark));
	if (atomic_dec_and_test(&file_marks))
		wake_up_var(&file_marks);
}

static const struct fsnotify_ops file_mark_ops = {
	.handle_inode_event = file_changed,
	.free_mark = file_free_mark,
};

/* The mark that the inode has, with a reference, or NULL. */
static struct file_mark *find_mark(struct inode *inode)
{
	struct fsnotify_mark *mark = fsnotify_find_inode_mark(inode, file_group);
	struct file_mark *fm;

	if (!mark)
		return NULL;
	fm = container_of(mark, struct file_mark, mark);
	if (!refcount_inc_not_zero(&fm->teller.refs)) {
		/* Who gave back the last has yet to do this; no harm in twice. */
		fsnotify_destroy_mark(mark, file_group);
		fm = NULL;
	}
	fsnotify_put_mark(mark);
	return fm;
}

/* A new mark for the inode; -EEXIST if it has got one meanwhile. */
static struct file_mark *make_mark(struct inode *inode)
{
	struct file_mark *fm = kzalloc(sizeof(*fm), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!fm)
		return ERR_PTR(-ENOMEM);
	atomic_inc(&file_marks);
	fsnotify_init_mark(&fm->mark, file_group);
	fm->mark.mask = FS_MODIFY;
	teller_init(&fm->teller, end_mark);

	ret = fsnotify_add_inode_mark(&fm->mark, inode, 0);
	if (ret) {
		fsnotify_put_mark(&fm->mark);
		return ERR_PTR(ret);
	}
	return fm;
}

/*
 * Have the knote told of changes of its file, once it is armed. Returns 0 or a
 * negative errno.
 */
int file_mark_attach(struct knote *kn)
{
	struct inode *inode = file_inode(kn->poll.file);
	struct file_mark *fm;

	do {
		fm = find_mark(inode);
		if (!fm)
			fm = make_mark(inode);
	} while (fm == ERR_PTR(-EEXIST));
	if (IS_ERR(fm))
		return PTR_ERR(fm);

	BUILD_BUG_ON(offsetof(struct knote, poll.told) !=
		     offsetof(struct knote, told));
	teller_attach(&fm->teller, kn);
	return 0;
}

/* Have the knote told of the next change. To be called before each look. */
void file_mark_arm(struct knote *kn)
{
	raw_spin_lock_irq(&kn->told.teller->lock);
	teller_arm(kn);
	raw_spin_unlock_irq(&kn->told.teller->lock);
}

int __init file_marks_init(void)
{
	/*
	 * All users share the group's mutex: no reclaim under it may wait for
	 * a file system.
	 */
	file_group = fsnotify_alloc_group(&file_mark_ops, FSNOTIFY_GROUP_NOFS);
	return PTR_ERR_OR_ZERO(file_group);
}

/* Context: after tell_exit(); marks may be waiting to be freed. */
void file_marks_exit(void)
{
	fsnotify_put_group(file_group);
	wait_var_event(&file_marks, !atomic_read(&file_marks));
	/* The last of them may not have returned from file_free_mark() yet. */
	fsnotify_wait_marks_destroyed();
}
