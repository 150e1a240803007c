// SPDX-License-Identifier: GPL-2.0
/*
 * Being told when a file changes: any number of knotes, at a cost to whoever
 * changes the file that does not depend on how many they are.
 *
 * fsnotify calls each mark of an inode in turn, in the thread that writes. So
 * all knotes of an inode share one mark, of whatever queue and user they are,
 * and the mark lists those that are armed: that have looked at the file since
 * they were last told. A change tells a few of them itself and leaves the rest
 * to a work item. Who has been told is off the list, so that the next change
 * finds nothing to do, until the knote's queue looks at the file again.
 *
 * A knote is armed before it looks:
 *
 *	change				look
 *	the file is larger		onto the list, under the lock
 *	who is on the list, under the	is the file larger?
 *	lock?
 *
 * Whoever takes the lock second sees what the other did before. The knote is
 * told, or has seen the change, or both; in no order neither. And it is told by
 * a change that came after it was armed, never by an earlier one that the work
 * item has not finished telling of: what is left to that is on a list of its
 * own, from which arming takes the knote.
 */

#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "../compat.h"
#include "../knote.h"
#include "mark.h"

/*
 * How many knotes a change tells itself, and the work item without a pause. A
 * user can make inotify do more at each write: it lets him have 128 instances.
 */
#define TELL_MAX	16

/**
 * struct file_mark - the mark of an inode
 * @mark: fsnotify's, which frees the structure when nobody looks at it any more
 * @refs: one for each knote, and one for @work while it is queued or runs; who
 *	gives back the last takes the mark off the inode
 * @lock: protects the lists, and with them the knotes: a knote is activated
 *	under it, and detach takes it off under it. It may be taken under kq->mtx;
 *	under it, only raw locks are: what knote_activate() and queue_work() take
 * @armed: knotes to tell of the next change, in the order in which they looked
 * @late: knotes that @work is to tell of the changes so far
 * @work: tells them
 *
 * A knote's node is poll.wait.entry, which is empty while it is on no list; its
 * mark is poll.wait.private.
 */
struct file_mark {
	struct fsnotify_mark mark;
	refcount_t refs;
	spinlock_t lock;	/* protects armed and late */
	struct list_head armed;
	struct list_head late;
	struct work_struct work;
};

/* It takes no duplicates: an inode has at most one of our marks. */
static struct fsnotify_group *file_group;
static struct workqueue_struct *file_wq;

/*
 * Marks not yet freed. fanotify can hold on to one while it waits for an
 * answer, where fsnotify_wait_marks_destroyed() does not see it.
 */
static atomic_t file_marks = ATOMIC_INIT(0);

static void put_mark(struct file_mark *fm)
{
	if (!refcount_dec_and_test(&fm->refs))
		return;
	fsnotify_destroy_mark(&fm->mark, file_group);
	fsnotify_put_mark(&fm->mark);
}

/* Tell the first few. */
static void tell(struct file_mark *fm, struct list_head *list)
{
	struct knote *kn;
	int i;

	lockdep_assert_held(&fm->lock);

	for (i = 0; i < TELL_MAX && !list_empty(list); i++) {
		kn = list_first_entry(list, struct knote, poll.wait.entry);
		list_del_init(&kn->poll.wait.entry);
		knote_activate(kn);
	}
}

static void tell_late(struct work_struct *work)
{
	struct file_mark *fm = container_of(work, struct file_mark, work);
	bool more;

	do {
		spin_lock(&fm->lock);
		tell(fm, &fm->late);
		more = !list_empty(&fm->late);
		spin_unlock(&fm->lock);
		cond_resched();
	} while (more);
	put_mark(fm);
}

/*
 * Context: whoever changed the file, possibly with its inode locked. The last
 * knote may have gone, and the last reference with it: then both lists are
 * empty, and stay so.
 */
static int file_changed(struct fsnotify_mark *mark, u32 mask,
			struct inode *inode, struct inode *dir,
			const struct qstr *name, u32 cookie)
{
	struct file_mark *fm = container_of(mark, struct file_mark, mark);

	spin_lock(&fm->lock);
	tell(fm, &fm->armed);
	if (!list_empty(&fm->armed)) {
		list_splice_tail_init(&fm->armed, &fm->late);
		/*
		 * Those on the list have a reference each, and the work cannot
		 * get to giving one back before the lock is free.
		 */
		if (queue_work(file_wq, &fm->work))
			refcount_inc(&fm->refs);
	}
	spin_unlock(&fm->lock);
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
	if (!refcount_inc_not_zero(&fm->refs)) {
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
	refcount_set(&fm->refs, 1);
	spin_lock_init(&fm->lock);
	INIT_LIST_HEAD(&fm->armed);
	INIT_LIST_HEAD(&fm->late);
	INIT_WORK(&fm->work, tell_late);

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

	INIT_LIST_HEAD(&kn->poll.wait.entry);
	kn->poll.wait.private = fm;
	return 0;
}

/* After this the knote is not told any more. */
void file_mark_detach(struct knote *kn)
{
	struct file_mark *fm = kn->poll.wait.private;

	spin_lock(&fm->lock);
	list_del_init(&kn->poll.wait.entry);
	spin_unlock(&fm->lock);
	put_mark(fm);
}

/* Have the knote told of the next change. To be called before each look. */
void file_mark_arm(struct knote *kn)
{
	struct file_mark *fm = kn->poll.wait.private;

	spin_lock(&fm->lock);
	list_move_tail(&kn->poll.wait.entry, &fm->armed);
	spin_unlock(&fm->lock);
}

int __init file_marks_init(void)
{
	file_wq = alloc_workqueue("kevent_files", WQ_UNBOUND, 0);
	if (!file_wq)
		return -ENOMEM;
	/*
	 * All users share the group's mutex: no reclaim under it may wait for
	 * a file system.
	 */
	file_group = fsnotify_alloc_group(&file_mark_ops, FSNOTIFY_GROUP_NOFS);
	if (IS_ERR(file_group)) {
		destroy_workqueue(file_wq);
		return PTR_ERR(file_group);
	}
	return 0;
}

/* Context: all knotes are detached, their marks may be waiting to be freed. */
void file_marks_exit(void)
{
	/* The works give back their references. */
	destroy_workqueue(file_wq);
	fsnotify_put_group(file_group);
	wait_var_event(&file_marks, !atomic_read(&file_marks));
	/* The last of them may not have returned from file_free_mark() yet. */
	fsnotify_wait_marks_destroyed();
}
