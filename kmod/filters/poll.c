// SPDX-License-Identifier: GPL-2.0
/*
 * Hooking the wait queues of a file. Nearly all files have one, whose entry is
 * embedded in the knote; terminals and FIFOs open for both ways have two, and
 * further entries are chained at the first one's private pointer.
 */

#include <linux/fs.h>
#include <linux/slab.h>

#include "poll.h"

/**
 * struct poll_hook - passed through vfs_poll() to poll_add()
 * @pt: what the file sees
 * @kn: for whom
 * @err: of poll_add(), which cannot return one
 */
struct poll_hook {
	poll_table pt;
	struct knote *kn;
	int err;
};

/*
 * The source has something, or its wait queue is going. Context: under the wait
 * queue's lock, possibly in an interrupt.
 */
static int poll_wake(struct knote *kn, wait_queue_entry_t *wait,
		     wait_queue_head_t **whead, void *key)
{
	lockdep_assert_held(&(*whead)->lock);

	if (!poll_concerns(kn, key))
		return 0;
	knote_activate(kn);
	poll_leave_freed(wait, whead, key);
	return 1;
}

/* The callback of the first wait queue. */
int fd_poll_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct knote *kn = container_of(wait, struct knote, poll.wait);

	return poll_wake(kn, wait, &kn->poll.whead, key);
}

static int poll_wake_more(wait_queue_entry_t *wait, unsigned int mode,
			  int sync, void *key)
{
	struct knote_wait *more = container_of(wait, struct knote_wait, entry);

	return poll_wake(more->kn, wait, &more->whead, key);
}

static void poll_remove(wait_queue_entry_t *wait, wait_queue_head_t **whead)
{
	wait_queue_head_t *head;

	/* A queue that goes away with POLLFREE is freed after RCU. */
	rcu_read_lock();
	/* Pairs with poll_leave_freed(). */
	head = smp_load_acquire(whead);
	if (head)
		remove_wait_queue(head, wait);
	rcu_read_unlock();
}

static void poll_add_more(struct poll_hook *hook, wait_queue_head_t *whead)
{
	struct knote *kn = hook->kn;
	struct knote_wait *more;

	more = kmalloc(sizeof(*more), GFP_KERNEL_ACCOUNT);
	if (!more) {
		hook->err = -ENOMEM;
		return;
	}
	init_waitqueue_func_entry(&more->entry, poll_wake_more);
	more->whead = whead;
	more->kn = kn;
	more->next = kn->poll.wait.private;
	kn->poll.wait.private = more;
	add_wait_queue(whead, &more->entry);
}

/* Called by the file's poll for each of its wait queues. */
static void poll_add(struct file *file, wait_queue_head_t *whead,
		     poll_table *pt)
{
	struct poll_hook *hook = container_of(pt, struct poll_hook, pt);
	struct knote *kn = hook->kn;

	if (hook->err)
		return;
	if (kn->poll.wait.func) {
		poll_add_more(hook, whead);
		return;
	}
	init_waitqueue_func_entry(&kn->poll.wait, fd_poll_wake);
	kn->poll.whead = whead;
	add_wait_queue(whead, &kn->poll.wait);
}

/* Take all entries out. No callback runs after this. */
void fd_poll_detach(struct knote *kn)
{
	struct knote_wait *more = kn->poll.wait.private;
	struct knote_wait *next;

	poll_remove(&kn->poll.wait, &kn->poll.whead);
	for (; more; more = next) {
		next = more->next;
		poll_remove(&more->entry, &more->whead);
		kfree(more);
	}
}

/*
 * Hook the wait queues of the knote's file. Returns 1 if it is ready for the
 * knote's events, 0 if not, or -ENOMEM.
 */
int fd_poll_attach(struct knote *kn)
{
	struct poll_hook hook = { .kn = kn };
	__poll_t mask;

	init_poll_funcptr(&hook.pt, poll_add);
	hook.pt._key = knote_events(kn);
	mask = vfs_poll(kn->poll.file, &hook.pt);
	if (hook.err) {
		fd_poll_detach(kn);
		return hook.err;
	}
	return !!(mask & knote_events(kn));
}

/*
 * What the file says now, asked only for what the knote is about: some do more
 * than look when asked for everything. Video capture starts to stream, sockets
 * may poll their network card.
 */
__poll_t fd_poll(struct knote *kn)
{
	poll_table pt;

	init_poll_funcptr(&pt, NULL);
	pt._key = knote_events(kn);
	return vfs_poll(kn->poll.file, &pt);
}

/* Ready for reading, or hung up. */
bool poll_readable(struct knote *kn, struct kevent_record *kev)
{
	__poll_t mask = fd_poll(kn);

	if (!(mask & EVENTS_READ))
		return false;
	kev->data = !!(mask & EPOLLIN);
	if (mask & EPOLLHUP)
		kev->flags |= EV_EOF;
	return true;
}

bool poll_writable(struct knote *kn, struct kevent_record *kev)
{
	__poll_t mask = fd_poll(kn);

	if (!(mask & EVENTS_WRITE))
		return false;
	kev->data = !!(mask & EPOLLOUT);
	if (mask & EPOLLHUP)
		kev->flags |= EV_EOF;
	return true;
}
