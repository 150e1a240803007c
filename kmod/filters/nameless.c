// SPDX-License-Identifier: GPL-2.0
/*
 * Files that have lost their last name, but are still open. fsnotify takes all marks
 * off such an inode, when the name that went is not the one by which it was opened.
 * Who has it open may still write it, so it gets a mark again.
 *
 * That cannot be done where the mark is lost, in the midst of fsnotify's work on the
 * inode, but before the thread that has removed the name is back in user space: so what
 * it does next is told. Threads of the kernel leave it to a work item. Meanwhile the
 * inode and its file system are kept. What others do to the file at the same time may
 * show by its size only.
 */

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../compat.h"
#include "mark.h"

/* It takes duplicates: each struct file_mark of an inode may have one. */
static struct fsnotify_group *nameless_group;

static struct workqueue_struct *renew_wq;

/* How long fsnotify may take to be done with an inode, ms: usually, and at most. */
#define DONE_AFTER	20
#define PATIENCE	10000

static struct nameless_mark *nameless_make(struct file_mark *fm)
{
	/* There is nobody to tell that there is no memory. */
	struct nameless_mark *nm = kzalloc(sizeof(*nm), GFP_KERNEL | __GFP_NOFAIL);

	file_marks_count();
	fsnotify_init_mark(&nm->mark, nameless_group);
	nm->fm = fm;
	/* So that there is a teller for whoever calls it: until it is freed. */
	refcount_inc(&fm->mark.refcnt);
	return nm;
}

/* Returns false if fsnotify does not want any mark on it. */
static bool nameless_put_on(struct nameless_mark *nm)
{
	int ms;

	for (ms = 1; ms < PATIENCE; ms *= 2) {
		if (!fsnotify_add_inode_mark(&nm->mark, nm->fm->inode, 0))
			return true;
		msleep(ms);
	}
	return false;
}

/*
 * Only what is on the inode can be lost, so that renewals follow each other. Were one
 * to overtake this one all the same, it would have given up our mark before that is put
 * on, and nobody else would take it off.
 */
static void replace_mark(struct file_mark *fm)
{
	struct nameless_mark *nm = nameless_make(fm), *old;

	/* One reference is the file_mark's, one is ours. */
	refcount_inc(&nm->mark.refcnt);
	old = file_mark_replace(fm, nm);
	if (old)
		nameless_end(old);
	if (!file_mark_renewed(fm, nm, nameless_put_on(nm)))
		fsnotify_destroy_mark(&nm->mark, nameless_group);
	fsnotify_put_mark(&nm->mark);
}

/* Have the file told of again. It is pinned, and so are the mark and the module. */
static void renew(struct file_mark *fm)
{
	struct super_block *sb = fm->inode->i_sb;
	struct inode *inode = fm->inode;

	/* From here on it may be lost again. */
	atomic_set_release(&fm->lost, 0);
	replace_mark(fm);
	teller_put(&fm->teller);
	iput(inode);
	deactivate_super(sb);
	/* Whoever unloads the module waits for us to have left it: fdclose_exit(). */
	module_put(THIS_MODULE);
}

static void renew_in_task(struct callback_head *call)
{
	renew(container_of(call, struct file_mark, call));
}

/* fsnotify has yet to be done with the inode. */
static void renew_in_worker(struct work_struct *work)
{
	msleep(DONE_AFTER);
	renew(container_of(work, struct file_mark, work));
}

/*
 * Who only frees memory has not removed the name, and has other things to do; nor may
 * he come back to user space soon.
 */
static void renew_soon(struct file_mark *fm)
{
	init_task_work(&fm->call, renew_in_task);
	if (!(current->flags & (PF_KTHREAD | PF_IO_WORKER | PF_MEMALLOC)) &&
	    !task_work_add(current, &fm->call, TWA_RESUME))
		return;
	INIT_WORK(&fm->work, renew_in_worker);
	queue_work(renew_wq, &fm->work);
}

/*
 * What renew() needs. It is there as long as anybody has the file open; else nobody
 * is to be told any more. The file system comes last, since to give it back may take
 * a lock of it that the caller has. Until then it cannot go: either the caller keeps
 * it, or is about to end it himself.
 */
static bool pin(struct file_mark *fm)
{
	if (!try_module_get(THIS_MODULE))
		return false;
	if (!igrab(fm->inode))
		goto put_module;
	if (atomic_inc_not_zero(&fm->inode->i_sb->s_active))
		return true;
	iput(fm->inode);
put_module:
	module_put(THIS_MODULE);
	return false;
}

/*
 * fsnotify gives up a mark: since nobody needs it any more, or the inode goes; or
 * since that has no name any more. Context: may be in the course of reclaim.
 */
void file_mark_lost(struct fsnotify_mark *mark, struct fsnotify_group *group)
{
	struct file_mark *fm = file_mark_of(mark);

	if (!refcount_inc_not_zero(&fm->teller.refs))
		return;
	if (file_mark_is(fm, mark) && !atomic_xchg(&fm->lost, 1)) {
		if (pin(fm)) {
			renew_soon(fm);
			return;
		}
		atomic_set_release(&fm->lost, 0);
	}
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

/* The mark that the inode has, with a reference, or NULL. */
struct file_mark *nameless_find(struct inode *inode)
{
	return file_mark_find(inode, nameless_group);
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

/* Context: no knote is left, and no work. */
void nameless_exit(void)
{
	destroy_workqueue(renew_wq);
	fsnotify_put_group(nameless_group);
}
