// SPDX-License-Identifier: GPL-2.0
/*
 * NOTE_REVOKE: a file cannot be found any more since what it is on was taken out of
 * the tree of mounts, though it is still in use (umount2(2) with MNT_DETACH).
 *
 * That some mount has changed is told by the list of mounts, once for each queue
 * that has such knotes: a work item then looks at the file of each, and tells those
 * that are concerned. So who mounts pays for a queue, not for its knotes.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/namei.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "../kqueue.h"
#include "mounts.h"

/**
 * struct mount_watch - tells the knotes of a queue that some mount has changed
 * @file: the list of mounts, of whoever has registered the first of them
 * @wait: on the namespace's wait queue ...
 * @whead: ... which is this; @file holds it
 * @work: looks at the knotes' files, tells the knotes
 * @lock: protects what follows, and with that the knotes
 * @revokes: those to look at the next time
 * @due: those that @work is to look at for what has happened so far
 * @runs: how often @work has begun
 * @at: the one that @work is looking at, without the lock; it must not go
 * @done: where they wait who want it to go
 * @users: how many knotes; under kq->mtx, as kq->mounts
 */
struct mount_watch {
	struct file *file;
	wait_queue_entry_t wait;
	wait_queue_head_t *whead;
	struct work_struct work;
	spinlock_t lock;	/* protects revokes, due, runs and at */
	struct list_head revokes;
	struct list_head due;
	unsigned int runs;
	struct revoke *at;
	wait_queue_head_t done;
	unsigned int users;
};

/**
 * struct revoke - a knote that is told
 * @node: on a list of its queue's mount_watch
 * @kn: the knote
 * @top: the mount above all others that its file was below; only compared. NULL once
 *	it is not any more. Belongs to the work
 */
struct revoke {
	struct list_head node;
	struct knote *kn;
	const struct vfsmount *top;
};

/* --- Where a file is --------------------------------------------------------- */

/*
 * A look goes up from mount to mount, each time with a lock that all who mount need;
 * and anybody can put any number on top of each other.
 */
#define MOUNTS_MAX	64

/*
 * The mount above all others that the path is below, or its own if it is cut off; or
 * NULL if there are too many. @passed: was @mark on the way? Context: may sleep.
 */
static const struct vfsmount *top_of(const struct path *path,
				     const struct vfsmount *mark, bool *passed)
{
	struct path pos = *path;
	const struct vfsmount *top;
	int n;

	*passed = false;
	path_get(&pos);
	for (n = 0; n < MOUNTS_MAX; n++) {
		top = pos.mnt;
		*passed |= top == mark;
		if (!follow_up(&pos))
			break;
	}
	path_put(&pos);
	return n < MOUNTS_MAX ? top : NULL;
}

/**
 * struct look - where a file is; good for all that are on the same mount, in a run
 * @mnt: that mount
 * @mark: what was to be passed
 * @top: what top_of() has said
 * @passed: likewise
 */
struct look {
	const struct vfsmount *mnt;
	const struct vfsmount *mark;
	const struct vfsmount *top;
	bool passed;
};

/* It may also be that what was the top was mounted somewhere. */
static bool was_cut_off(struct revoke *revoke, struct look *look)
{
	const struct path *path = &revoke->kn->poll.file->f_path;

	if (!revoke->top)
		return false;
	if (look->mnt != path->mnt || look->mark != revoke->top) {
		look->mnt = path->mnt;
		look->mark = revoke->top;
		look->top = top_of(path, revoke->top, &look->passed);
	}
	/* It cannot be known any more. */
	if (!look->top)
		return false;
	revoke->top = look->passed ? look->top : NULL;
	return !look->passed;
}

/* --- A queue's watch --------------------------------------------------------- */

/* The next to look at, which then cannot go; or NULL. */
static struct revoke *begin_next(struct mount_watch *watch)
{
	struct revoke *revoke;

	spin_lock(&watch->lock);
	revoke = list_first_entry_or_null(&watch->due, struct revoke, node);
	if (revoke)
		list_move_tail(&revoke->node, &watch->revokes);
	WRITE_ONCE(watch->at, revoke);
	spin_unlock(&watch->lock);
	return revoke;
}

/* Who waits for it to go must not be kept up: it is let go of before the next. */
static void end_look(struct mount_watch *watch)
{
	/* Pairs with revoke_detach(): what was done to it was done before. */
	smp_store_release(&watch->at, NULL);
	wake_up_all(&watch->done);
}

static void tell_due(struct work_struct *work)
{
	struct mount_watch *watch = container_of(work, struct mount_watch, work);
	struct look look = {};
	struct revoke *revoke;

	spin_lock(&watch->lock);
	WRITE_ONCE(watch->runs, watch->runs + 1);
	list_splice_tail_init(&watch->revokes, &watch->due);
	spin_unlock(&watch->lock);
	while ((revoke = begin_next(watch))) {
		if (was_cut_off(revoke, &look)) {
			atomic_or(KNOTE_FIRED, &revoke->kn->state);
			knote_activate(revoke->kn);
		}
		end_look(watch);
		cond_resched();
	}
}

/* Context: whoever changes mounts, with the lock of all of them. */
static int mounts_changed(wait_queue_entry_t *wait, unsigned int mode, int sync,
			  void *key)
{
	struct mount_watch *watch = container_of(wait, struct mount_watch, wait);

	queue_work(system_unbound_wq, &watch->work);
	return 1;
}

/**
 * struct watch_hook - passed through vfs_poll() to add_watch()
 * @pt: what the file sees
 * @watch: for whom
 */
struct watch_hook {
	poll_table pt;
	struct mount_watch *watch;
};

static void add_watch(struct file *file, wait_queue_head_t *whead, poll_table *pt)
{
	struct watch_hook *hook = container_of(pt, struct watch_hook, pt);

	hook->watch->whead = whead;
	add_wait_queue(whead, &hook->watch->wait);
}

static struct mount_watch *watch_make(void)
{
	struct watch_hook hook;

	hook.watch = kzalloc(sizeof(*hook.watch), GFP_KERNEL_ACCOUNT);
	if (!hook.watch)
		return ERR_PTR(-ENOMEM);
	hook.watch->file = mounts_open();
	if (IS_ERR(hook.watch->file)) {
		struct file *err = hook.watch->file;

		kfree(hook.watch);
		return ERR_CAST(err);
	}
	INIT_WORK(&hook.watch->work, tell_due);
	spin_lock_init(&hook.watch->lock);
	INIT_LIST_HEAD(&hook.watch->revokes);
	INIT_LIST_HEAD(&hook.watch->due);
	init_waitqueue_head(&hook.watch->done);
	init_waitqueue_func_entry(&hook.watch->wait, mounts_changed);
	init_poll_funcptr(&hook.pt, add_watch);
	hook.pt._key = EPOLLERR | EPOLLPRI;
	vfs_poll(hook.watch->file, &hook.pt);
	return hook.watch;
}

static void watch_free(struct mount_watch *watch)
{
	if (watch->whead)
		remove_wait_queue(watch->whead, &watch->wait);
	cancel_work_sync(&watch->work);
	fput(watch->file);
	kfree(watch);
}

static struct mount_watch *watch_get(struct kqueue *kq)
{
	struct mount_watch *watch, *spare = NULL;

	for (;;) {
		mutex_lock(&kq->mtx);
		if (!kq->mounts)
			swap(kq->mounts, spare);
		watch = kq->mounts;
		if (watch)
			watch->users++;
		mutex_unlock(&kq->mtx);
		if (spare)
			watch_free(spare);
		if (watch)
			return watch;
		spare = watch_make();
		if (IS_ERR(spare))
			return spare;
	}
}

static void watch_put(struct kqueue *kq, struct mount_watch *watch)
{
	bool last;

	mutex_lock(&kq->mtx);
	last = !--watch->users;
	if (last)
		kq->mounts = NULL;
	mutex_unlock(&kq->mtx);
	if (last)
		watch_free(watch);
}

/* --- A knote ----------------------------------------------------------------- */

/*
 * Where the file is, is seen before it is looked at for the first time:
 *
 *	a mount changes			here
 *	queue the work			how often has it begun?
 *					where is the file?
 *	the work begins			has it begun since?
 *	look at those listed		no: onto the list
 *
 * If it has, the change may have come after the look, and before the list. Returns 0
 * or a negative errno.
 */
static int begin(struct mount_watch *watch, struct revoke *revoke)
{
	unsigned int runs;
	bool passed, listed;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		/* Before the look: else that may be older than the run. */
		runs = smp_load_acquire(&watch->runs);
		revoke->top = top_of(&revoke->kn->poll.file->f_path, NULL, &passed);
		if (!revoke->top)
			return -ELOOP;
		spin_lock(&watch->lock);
		listed = watch->runs == runs;
		if (listed)
			list_add_tail(&revoke->node, &watch->revokes);
		spin_unlock(&watch->lock);
	} while (!listed);
	return 0;
}

/**
 * revoke_attach() - have a knote told when a mount has changed
 * @kn: a knote of EVFILT_VNODE
 *
 * Context: may sleep; without kq->mtx, and so the others.
 * Return: 0; -ELOOP if too many mounts are on top of each other where its file is;
 * -ENOMEM; -EINTR if the caller is being killed; an error of mounts_open().
 */
int revoke_attach(struct knote *kn)
{
	struct mount_watch *watch;
	struct revoke *revoke;
	int ret;

	revoke = kzalloc(sizeof(*revoke), GFP_KERNEL_ACCOUNT);
	if (!revoke)
		return -ENOMEM;
	watch = watch_get(kn->kq);
	if (IS_ERR(watch)) {
		kfree(revoke);
		return PTR_ERR(watch);
	}
	revoke->kn = kn;
	ret = begin(watch, revoke);
	if (ret) {
		watch_put(kn->kq, watch);
		kfree(revoke);
		return ret;
	}
	kn->poll.revoke = revoke;
	return 0;
}

void revoke_detach(struct knote *kn)
{
	struct mount_watch *watch = kn->kq->mounts;
	struct revoke *revoke = kn->poll.revoke;

	spin_lock(&watch->lock);
	list_del(&revoke->node);
	spin_unlock(&watch->lock);
	/* Pairs with end_look(). */
	wait_event(watch->done, smp_load_acquire(&watch->at) != revoke);
	watch_put(kn->kq, watch);
	kfree(revoke);
	kn->poll.revoke = NULL;
}

/* Has its file been cut off? Once. Context: any. */
bool revoke_look(struct knote *kn)
{
	if (!(atomic_read(&kn->state) & KNOTE_FIRED))
		return false;
	atomic_andnot(KNOTE_FIRED, &kn->state);
	return true;
}
