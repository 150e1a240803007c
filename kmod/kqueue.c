// SPDX-License-Identifier: GPL-2.0
/* A queue: its life, its ready lists, and its descriptor towards others. */

#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "compat.h"
#include "kqueue.h"

static atomic_long_t kqueues = ATOMIC_LONG_INIT(0);
static atomic64_t kqueue_last_id = ATOMIC64_INIT(0);

long kqueue_count(void)
{
	return atomic_long_read(&kqueues);
}

bool file_is_kqueue(const struct file *file)
{
	return file->f_op == &kqueue_fops;
}

/*
 * Wake those who poll the queue. They are not woken by whoever activates a
 * knote, because their callbacks may lead back to the source that activates:
 *
 *	source.lock -> knote_activate(queue) -> pollers.lock -> epoll.lock
 *	-> epoll's pollers -> knote_activate(queue) -> pollers.lock
 *
 * if an epoll instance is both in the queue and around it.
 */
static void kqueue_wake_pollers(struct irq_work *work)
{
	struct kqueue *kq = container_of(work, struct kqueue, wake_work);
	__poll_t key = EPOLLIN | EPOLLRDNORM;

	if (READ_ONCE(kq->closing))
		__wake_up(&kq->pollers, TASK_NORMAL, 0,
			  poll_to_key(key | EPOLLERR | EPOLLHUP));
	else
		wake_up_poll(&kq->pollers, key);
}

/* One waiter is to look at the queue. Barrier and context as below. */
void kqueue_wake_waiter(struct kqueue *kq)
{
	/* Pairs with the barrier of prepare_to_swait_exclusive(). */
	if (swait_active(&kq->waiters))
		swake_up_one(&kq->waiters);
}

/*
 * Something was put on the queue: tell one waiter, and all pollers.
 *
 * The caller has a full barrier between queueing and this.
 * Context: any.
 */
void kqueue_wake(struct kqueue *kq)
{
	kqueue_wake_waiter(kq);
	/* Pairs with the barrier in kqueue_poll_empty(). */
	if (waitqueue_active(&kq->pollers))
		irq_work_queue(&kq->wake_work);
}

/*
 * A scan leaves with work still queued: pass on the wake-up that brought it
 * here. Pollers know already, but for those who came during the scan's pass
 * and found nothing. Barrier as above. Context: under kq->mtx.
 */
void kqueue_pass_on(struct kqueue *kq)
{
	lockdep_assert_held(&kq->mtx);

	if (READ_ONCE(kq->missed)) {
		WRITE_ONCE(kq->missed, false);
		kqueue_wake(kq);
		return;
	}
	kqueue_wake_waiter(kq);
}

/* Move what has fired from the inbox to the ready list. Under kq->mtx. */
void kqueue_fetch_inbox(struct kqueue *kq)
{
	unsigned int n = kq->nready;
	struct llist_node *first;
	struct knote *kn, *next;

	lockdep_assert_held(&kq->mtx);

	if (llist_empty(&kq->inbox))
		return;

	/*
	 * At no time may the queue look empty to kqueue_has_ready(): so count
	 * one for the inbox before emptying it, which is a full barrier.
	 */
	WRITE_ONCE(kq->nready, n + 1);
	first = llist_reverse_order(llist_del_all(&kq->inbox));
	llist_for_each_entry_safe(kn, next, first, inbox) {
		list_add_tail(&kn->ready, &kq->ready);
		n++;
	}
	WRITE_ONCE(kq->nready, n);
}

/*
 * Take a knote off whatever list it is on. Under kq->mtx, not within a scan's
 * pass over @kn's list, and after detach, or a source could put it back.
 */
void kqueue_unqueue(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	if (!knote_is_queued(kn))
		return;
	if (kn->status & KNOTE_PARKED) {
		kn->status &= ~KNOTE_PARKED;
	} else {
		kqueue_fetch_inbox(kq);
		list_del(&kn->ready);
		WRITE_ONCE(kq->nready, kq->nready - 1);
	}
	atomic_andnot(KNOTE_QUEUED, &kn->state);
}

/*
 * How many knotes wait to be looked at. Exact, unless somebody is working on
 * the queue just now: then it is what can be seen from outside.
 */
unsigned int kqueue_nr_ready(struct kqueue *kq)
{
	unsigned int n;

	if (mutex_trylock(&kq->mtx)) {
		kqueue_fetch_inbox(kq);
		n = kq->nready;
		mutex_unlock(&kq->mtx);
	} else {
		n = READ_ONCE(kq->nready) + !llist_empty(&kq->inbox);
	}
	return n;
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_nr_ready);

/* Make a queue for the caller; NULL if there is no memory. */
struct kqueue *kqueue_alloc(void)
{
	struct kqueue *kq;

	kq = kzalloc(sizeof(*kq), GFP_KERNEL_ACCOUNT);
	if (!kq)
		return NULL;

	kq->user = kevent_user_get();
	if (!kq->user)
		goto free_kq;
	if (rhashtable_init(&kq->idents, &kqueue_ident_params))
		goto put_user;

	init_llist_head(&kq->inbox);
	init_swait_queue_head(&kq->waiters);
	init_waitqueue_head(&kq->pollers);
	init_irq_work(&kq->wake_work, kqueue_wake_pollers);
	mutex_init(&kq->mtx);
	INIT_LIST_HEAD(&kq->ready);
	INIT_LIST_HEAD(&kq->parents);
	INIT_LIST_HEAD(&kq->children);
	kq->files = current->files;
	kq->id = atomic64_inc_return(&kqueue_last_id);
	refcount_set(&kq->refs, 1);
	atomic_long_inc(&kqueues);
	return kq;

put_user:
	kevent_user_put(kq->user);
free_kq:
	kfree(kq);
	return NULL;
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_alloc);

void kqueue_get(struct kqueue *kq)
{
	refcount_inc(&kq->refs);
}

/*
 * The last reference is gone. Context: may sleep.
 *
 * Waiting for the irq_work is not all: it can be queued again while it runs,
 * and so run on two CPUs, and then the first to end says that it is idle:
 *
 *	CPU 0			CPU 1			CPU 2
 *	wake_work, for some
 *	reason not fast ...
 *				source fires
 *				wake_work, is idle
 *							irq_work_sync()
 *							kfree()
 *	... kqueue_wake_pollers()
 *
 * Interrupts are RCU readers, so the memory stays until that one is over.
 */
void kqueue_free(struct kqueue *kq)
{
	bool polled = kq->polled;

	/* On PREEMPT_RT this waits for RCU. */
	if (polled)
		irq_work_sync(&kq->wake_work);
	kevent_user_put(kq->user);
	mutex_destroy(&kq->mtx);
	if (polled)
		kfree_rcu(kq, rcu);
	else
		kfree(kq);
	atomic_long_dec(&kqueues);
}

/* Context: may sleep. */
void kqueue_put(struct kqueue *kq)
{
	if (refcount_dec_and_test(&kq->refs))
		kqueue_free(kq);
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_put);

/*
 * The end of a queue: no registration is left when this returns, and whoever
 * waits or polls learns of it. May be called more than once.
 */
void kqueue_close(struct kqueue *kq)
{
	mutex_lock(&kq->mtx);
	if (!kq->closing) {
		WRITE_ONCE(kq->closing, true);
		kqueue_drop_all(kq);
	}
	mutex_unlock(&kq->mtx);

	swake_up_all(&kq->waiters);
	/* Pairs with the barrier of poll_wait(), after which closing is read. */
	if (wq_has_sleeper(&kq->pollers))
		irq_work_queue(&kq->wake_work);
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_close);

static int kqueue_release(struct inode *inode, struct file *file)
{
	struct kqueue *kq = file->private_data;

	kqueue_close(kq);
	kqueue_put(kq);
	return 0;
}

static int is_same_file(const void *file, struct file *other, unsigned int fd)
{
	return file == other;
}

/* Does the table still have a descriptor of the file? */
static bool files_have(struct files_struct *files, struct file *file)
{
	/*
	 * A table without users is being torn down. Its slots may still be
	 * filled, but all of them are as good as closed.
	 */
	if (!atomic_read(&files->count))
		return false;
	return iterate_fd(files, 0, is_same_file, file);
}

/*
 * A descriptor of the queue was closed. When its owner has no more, the queue
 * is closed, even if other processes got hold of the file: to them it is of no
 * use, and must not keep anything alive. This also ends all comparisons with
 * kq->files before that table can be freed and its address used again.
 */
static int kqueue_flush(struct file *file, fl_owner_t id)
{
	struct kqueue *kq = file->private_data;

	if (id == (fl_owner_t)kq->files && !files_have(id, file))
		kqueue_close(kq);
	return 0;
}

/*
 * It seems that nothing is queued. If that is because a scan is at work, it
 * must tell the pollers what it leaves.
 *
 *	poller				source or scan
 *	into pollers; set missed	queue something
 *	(full barrier)			(full barrier)
 *	look again			any pollers? missed?
 */
static bool kqueue_poll_empty(struct kqueue *kq)
{
	WRITE_ONCE(kq->missed, true);
	/* Pairs with the barriers before kqueue_wake() and kqueue_pass_on(). */
	smp_mb();
	return !kqueue_has_ready(kq) && !READ_ONCE(kq->closing);
}

/*
 * Ready if anything is queued. Looks at nothing else, so polling cannot
 * recurse, whatever is nested in the queue. A queue of others is an error.
 */
static __poll_t kqueue_poll(struct file *file, poll_table *wait)
{
	struct kqueue *kq = file->private_data;

	/* Kernel threads look on behalf of others: aio polls from one. */
	if (kq->files != current->files && !(current->flags & PF_KTHREAD))
		return EPOLLERR;

	WRITE_ONCE(kq->polled, true);
	poll_wait(file, &kq->pollers, wait);
	if (READ_ONCE(kq->closing))
		return EPOLLERR | EPOLLHUP;
	return kqueue_has_ready(kq) || !kqueue_poll_empty(kq) ?
		EPOLLIN | EPOLLRDNORM : 0;
}

static void knote_show(struct seq_file *m, const struct knote *kn)
{
	bool queued = knote_is_queued(kn);
	bool closed = knote_is_closed(kn);
	bool disabled = kn->status & KNOTE_DISABLED;

	seq_printf(m, "ident:%llu filter:%d flags:%#x fflags:%#x data:%lld udata:%#llx state:%s%s%s%s%s%s\n",
		   kn->ident, kn->filter, kn->flags, kn->sfflags, kn->sdata,
		   kn->udata, queued ? "queued" : "",
		   queued && (disabled || closed) ? "," : "",
		   disabled ? "disabled" : "", disabled && closed ? "," : "",
		   closed ? "closed" : "",
		   queued || disabled || closed ? "" : "-");
}

/*
 * The table may be about to be resized. The mutex keeps its knotes where they
 * are meanwhile, in either of two tables, or some would be met in both.
 */
static void kqueue_show_idents(struct seq_file *m, struct kqueue *kq)
{
	struct rhashtable_iter iter;
	unsigned int shown = 0;
	struct knote *kn;

	mutex_lock(&kq->idents.mutex);
	rhashtable_walk_enter(&kq->idents, &iter);
	rhashtable_walk_start(&iter);
	while (!seq_has_overflowed(m)) {
		kn = rhashtable_walk_next(&iter);
		if (!kn)
			break;
		/* That was the first table: the walk goes on with the second. */
		if (IS_ERR(kn))
			continue;
		knote_show(m, kn);
		/* A walk is a section of RCU, and may be a long one. */
		if (++shown % 1024)
			continue;
		rhashtable_walk_stop(&iter);
		cond_resched();
		rhashtable_walk_start(&iter);
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
	mutex_unlock(&kq->idents.mutex);
}

static void kqueue_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct kqueue *kq = file->private_data;
	struct knote *kn;
	unsigned int fd;

	if (mutex_lock_killable(&kq->mtx))
		return;
	if (kq->closing)
		goto out;
	seq_printf(m, "knotes:\t%u\n",
		   kq->nfd_knotes + atomic_read(&kq->idents.nelems));
	for (fd = 0; fd < kq->nfds && !seq_has_overflowed(m); fd++) {
		for (kn = kq->fds[fd]; kn; kn = kn->fd_next)
			knote_show(m, kn);
		cond_resched();
	}
	kqueue_show_idents(m, kq);
out:
	mutex_unlock(&kq->mtx);
}

static int kqueue_open(struct inode *inode, struct file *file)
{
	struct kqueue *kq = kqueue_alloc();

	if (!kq)
		return -ENOMEM;
	file->private_data = kq;
	return stream_open(inode, file);
}

const struct file_operations kqueue_fops = {
	.owner		= THIS_MODULE,
	.open		= kqueue_open,
	.flush		= kqueue_flush,
	.release	= kqueue_release,
	.poll		= kqueue_poll,
	.unlocked_ioctl	= kevent_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= kqueue_show_fdinfo,
	.llseek		= noop_llseek,
};
