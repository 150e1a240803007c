// SPDX-License-Identifier: GPL-2.0
/* A queue: its life, and its descriptor towards others. */

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

	ready_init(kq);
	mutex_init(&kq->mtx);
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
 *	... wake_pollers()
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

	ready_wake_all(kq);
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
	return kqueue_has_ready(kq) || !ready_poll_empty(kq) ?
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
