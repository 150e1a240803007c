// SPDX-License-Identifier: GPL-2.0
/*
 * Files that have lost their last name, but are still open. fsnotify takes all marks
 * off such an inode, when the name that went is not the one by which it was opened.
 * Who has it open may still write it, so it gets a mark again.
 *
 * That cannot be done where the mark is lost, in the midst of fsnotify's work on the
 * inode, but in a work item, which keeps the inode and its file system meanwhile. What
 * is done to the file until then shows by its size at most.
 */

#include <linux/fs.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "../compat.h"
#include "mark.h"

/* It takes duplicates: each struct file_mark of an inode may have one. */
static struct fsnotify_group *nameless_group;

static struct workqueue_struct *renew_wq;

/* For so many jiffies fsnotify may take to be done with an inode. */
#define DONE_AFTER	100

/* Have the file told of again. It is pinned, and so is the mark. */
static void renew(struct work_struct *work)
{
	struct nameless_mark *nm = container_of(work, struct nameless_mark, work);
	struct super_block *sb = nm->inode->i_sb;
	struct file_mark *fm = nm->fm;
	struct inode *inode = nm->inode;
	int ret, tries;

	for (tries = 0; tries < DONE_AFTER; tries++) {
		if (READ_ONCE(inode->i_fsnotify_marks) != nm->old)
			break;
		schedule_timeout_uninterruptible(1);
	}
	nm->mark.mask = READ_ONCE(fm->mark.mask);
	do {
		ret = fsnotify_add_inode_mark(&nm->mark, inode, 0);
		if (ret == -ENOENT)
			schedule_timeout_uninterruptible(1);
	} while (ret == -ENOENT && tries++ < DONE_AFTER);
	file_mark_renewed(fm, ret ? NULL : nm);
	if (ret)
		fsnotify_put_mark(&nm->mark);
	teller_put(&fm->teller);
	iput(inode);
	deactivate_super(sb);
}

static struct nameless_mark *nameless_make(struct file_mark *fm,
					   struct fsnotify_mark *lost)
{
	struct nameless_mark *nm;
	unsigned int flags;

	/* Whoever removes the name has the directory locked. */
	flags = memalloc_nofs_save();
	nm = kzalloc(sizeof(*nm), GFP_KERNEL | __GFP_NOFAIL);
	memalloc_nofs_restore(flags);
	file_marks_count();
	fsnotify_init_mark(&nm->mark, nameless_group);
	nm->old = READ_ONCE(lost->connector);
	nm->inode = fm->inode;
	nm->fm = fm;
	/* So that there is a teller for whoever calls it: until it is freed. */
	refcount_inc(&fm->mark.refcnt);
	INIT_WORK(&nm->work, renew);
	return nm;
}

/*
 * fsnotify gives up a mark: since nobody needs it any more, or the inode goes; or
 * since that has no name any more.
 */
void file_mark_lost(struct fsnotify_mark *mark, struct fsnotify_group *group)
{
	struct file_mark *fm = file_mark_of(mark);
	struct nameless_mark *nm;
	struct super_block *sb;

	if (!refcount_inc_not_zero(&fm->teller.refs))
		return;
	/* Who has it open keeps both. */
	sb = fm->inode->i_sb;
	if (!atomic_inc_not_zero(&sb->s_active))
		goto put_teller;
	if (!igrab(fm->inode))
		goto put_super;
	nm = nameless_make(fm, mark);
	queue_work(renew_wq, &nm->work);
	return;

put_super:
	deactivate_super(sb);
put_teller:
	teller_put(&fm->teller);
}

static void nameless_free_mark(struct fsnotify_mark *mark)
{
	struct nameless_mark *nm = container_of(mark, struct nameless_mark, mark);

	fsnotify_put_mark(&nm->fm->mark);
	kfree(nm);
	file_marks_uncount();
}

static const struct fsnotify_ops nameless_ops = {
	.handle_event = file_event,
	.freeing_mark = file_mark_lost,
	.free_mark = nameless_free_mark,
};

bool mark_is_nameless(const struct fsnotify_mark *mark)
{
	return mark->group == nameless_group;
}

/* Its file_mark ends, or has got another. */
void nameless_end(struct nameless_mark *nm)
{
	fsnotify_destroy_mark(&nm->mark, nameless_group);
	fsnotify_put_mark(&nm->mark);
}

int __init nameless_init(void)
{
	renew_wq = alloc_workqueue("kevent_renew", WQ_UNBOUND, 0);
	if (!renew_wq)
		return -ENOMEM;
	nameless_group = fsnotify_alloc_group(&nameless_ops, FSNOTIFY_GROUP_NOFS |
					      FSNOTIFY_GROUP_DUPS);
	if (!IS_ERR(nameless_group))
		return 0;
	destroy_workqueue(renew_wq);
	return -ENOMEM;
}

/* Context: no knote is left; works may be on their way to notice. */
void nameless_exit(void)
{
	destroy_workqueue(renew_wq);
	fsnotify_put_group(nameless_group);
}
