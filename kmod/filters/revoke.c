// SPDX-License-Identifier: GPL-2.0
/*
 * NOTE_REVOKE: a file cannot be found any more since what it is on was taken out of
 * the tree of mounts, though it is still in use (umount2(2) with MNT_DETACH).
 *
 * That some mount has changed is told by the list of mounts, once for each queue
 * that has such knotes: a work item then tells those, and each looks whether it is
 * concerned. So who mounts pays for a queue, not for its knotes.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/namei.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "../kqueue.h"
#include "mounts.h"

/* How many knotes are told without a pause. */
#define TELL_MAX	16

/**
 * struct mount_watch - tells the knotes of a queue that some mount has changed
 * @file: the list of mounts, of whoever has registered the first of them
 * @wait: on the namespace's wait queue ...
 * @whead: ... which is this; @file holds it
 * @work: tells the knotes
 * @lock: protects the lists, and with them the knotes
 * @revokes: those to tell the next time
 * @due: those that @work is to tell of what has happened so far
 * @users: how many knotes; under kq->mtx, as kq->mounts
 */
struct mount_watch {
	struct file *file;
	wait_queue_entry_t wait;
	wait_queue_head_t *whead;
	struct work_struct work;
	spinlock_t lock;	/* protects revokes and due */
	struct list_head revokes;
	struct list_head due;
	unsigned int users;
};

/**
 * struct revoke - a knote that is told
 * @node: on a list of its queue's mount_watch
 * @kn: the knote
 * @top: what its file's mount was below; only compared. NULL once that has changed
 */
struct revoke {
	struct list_head node;
	struct knote *kn;
	const struct vfsmount *top;
};

/* --- A queue's watch --------------------------------------------------------- */

static void tell_due(struct work_struct *work)
{
	struct mount_watch *watch = container_of(work, struct mount_watch, work);
	struct revoke *revoke;
	bool more = true;
	int i;

	spin_lock(&watch->lock);
	list_splice_tail_init(&watch->revokes, &watch->due);
	spin_unlock(&watch->lock);
	while (more) {
		spin_lock(&watch->lock);
		for (i = 0; i < TELL_MAX && !list_empty(&watch->due); i++) {
			revoke = list_first_entry(&watch->due, struct revoke,
						  node);
			list_move_tail(&revoke->node, &watch->revokes);
			atomic_or(KNOTE_FIRED, &revoke->kn->state);
			knote_activate(revoke->kn);
		}
		more = !list_empty(&watch->due);
		spin_unlock(&watch->lock);
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

/* The mount above all others that the path is below, or its own if it is cut off. */
static const struct vfsmount *top_of(const struct path *path)
{
	struct path pos = *path;
	const struct vfsmount *top;

	path_get(&pos);
	while (follow_up(&pos))
		cond_resched();
	top = pos.mnt;
	path_put(&pos);
	return top;
}

/**
 * revoke_attach() - have a knote told when a mount has changed
 * @kn: a knote of EVFILT_VNODE
 *
 * Context: may sleep; without kq->mtx, and so the others.
 * Return: 0 or a negative errno.
 */
int revoke_attach(struct knote *kn)
{
	struct mount_watch *watch;
	struct revoke *revoke;

	revoke = kzalloc(sizeof(*revoke), GFP_KERNEL_ACCOUNT);
	if (!revoke)
		return -ENOMEM;
	watch = watch_get(kn->kq);
	if (IS_ERR(watch)) {
		kfree(revoke);
		return PTR_ERR(watch);
	}
	revoke->kn = kn;
	kn->poll.revoke = revoke;
	spin_lock(&watch->lock);
	list_add_tail(&revoke->node, &watch->revokes);
	spin_unlock(&watch->lock);
	/* What changes from here on is told. */
	revoke->top = top_of(&kn->poll.file->f_path);
	return 0;
}

void revoke_detach(struct knote *kn)
{
	struct mount_watch *watch = kn->kq->mounts;
	struct revoke *revoke = kn->poll.revoke;

	spin_lock(&watch->lock);
	list_del(&revoke->node);
	spin_unlock(&watch->lock);
	watch_put(kn->kq, watch);
	kfree(revoke);
	kn->poll.revoke = NULL;
}

/* Has its file been cut off since the last look? Once. */
bool revoke_look(struct knote *kn)
{
	struct revoke *revoke = kn->poll.revoke;

	if (!(atomic_read(&kn->state) & KNOTE_FIRED))
		return false;
	atomic_andnot(KNOTE_FIRED, &kn->state);
	/* Pairs with the lock of the list: what has changed is seen. */
	smp_mb__after_atomic();
	if (!revoke->top || top_of(&kn->poll.file->f_path) == revoke->top)
		return false;
	revoke->top = NULL;
	return true;
}
