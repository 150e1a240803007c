// SPDX-License-Identifier: GPL-2.0
/* A queue: its life, and its descriptor towards others. */

#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "compat.h"
#include "filters/kind.h"
#include "kqueue.h"

static struct kmem_cache *kqueue_cache;
/* Frees queues whose last reference went where one must not sleep. */
static struct workqueue_struct *free_wq;

static atomic_long_t kqueues = ATOMIC_LONG_INIT(0);
static atomic64_t kqueue_last_id = ATOMIC64_INIT(0);

long kqueue_count(void)
{
	return atomic_long_read(&kqueues);
}

/* The last reference is gone. Context: may sleep. */
static void kqueue_free(struct kqueue *kq)
{
	kqueue_uncharge_spare(kq);
	WARN_ON_ONCE(kq->units);
	kqueue_uncharge_self(kq);
	kevent_user_put(kq->user);
	put_pid(kq->opener);
	mutex_destroy(&kq->mtx);
	kmem_cache_free(kqueue_cache, kq);
	atomic_long_dec(&kqueues);
}

static void free_queue(struct work_struct *work)
{
	kqueue_free(container_of(work, struct kqueue, free_work));
}

/*
 * Make a queue for the caller; NULL if there is no memory, or the user may not
 * have so much.
 */
struct kqueue *kqueue_alloc(void)
{
	struct kqueue *kq;

	kq = kmem_cache_zalloc(kqueue_cache, GFP_KERNEL_ACCOUNT);
	if (!kq)
		return NULL;

	kq->user = kevent_user_get();
	if (!kq->user)
		goto free_kq;
	if (kqueue_charge_self(kq))
		goto put_user;

	ready_init(kq);
	INIT_WORK(&kq->free_work, free_queue);
	mutex_init(&kq->mtx);
	INIT_LIST_HEAD(&kq->parents);
	INIT_LIST_HEAD(&kq->children);
	kq->files = current->files;
	kq->opener = get_pid(task_tgid(current));
	kq->id = atomic64_inc_return(&kqueue_last_id);
	refcount_set(&kq->refs, 1);
	atomic_long_inc(&kqueues);
	return kq;

put_user:
	kevent_user_put(kq->user);
free_kq:
	kmem_cache_free(kqueue_cache, kq);
	return NULL;
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_alloc);

/* Context: may sleep. */
void kqueue_put(struct kqueue *kq)
{
	if (refcount_dec_and_test(&kq->refs))
		kqueue_free(kq);
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_put);

/* Context: any. */
void kqueue_put_atomic(struct kqueue *kq)
{
	if (refcount_dec_and_test(&kq->refs))
		queue_work(free_wq, &kq->free_work);
}

/*
 * The close hook has taken the knote, with a reference to its queue. Context: may
 * sleep; usually in the thread that closed.
 */
void kqueue_drop_closed(struct knote *kn)
{
	struct kqueue *kq = kn->kq;

	mutex_lock(&kq->mtx);
	kqueue_end_closed(kq, kn);
	mutex_unlock(&kq->mtx);
	kqueue_put(kq);
}

/*
 * Does it take a moment to drop it, and no lock that sleeps? For others there is
 * task work. Somebody who holds it ends it himself.
 */
static bool ends_at_once(struct kqueue *kq, struct knote *kn)
{
	if (!knote_is_usual_fd(kn) || knote_has_slow_ends(kn))
		return false;
	return knote_is_held(kn) || ready_park(kq, kn);
}

/*
 * The same, if it can be done at once. The file is not released by that, since who
 * closes it has a reference. Context: the hook, so that preemption may be off.
 */
bool kqueue_try_drop_closed(struct knote *kn)
{
	struct kqueue *kq = kn->kq;
	bool dropped;

	if (IS_ENABLED(CONFIG_PREEMPT_RT) || irqs_disabled() ||
	    !mutex_trylock(&kq->mtx))
		return false;
	dropped = ends_at_once(kq, kn);
	if (dropped)
		kqueue_end_closed(kq, kn);
	mutex_unlock(&kq->mtx);
	if (dropped)
		kqueue_put_atomic(kq);
	return dropped;
}

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
		kqueue_uncharge_spare(kq);
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

/* So many slots are looked at without a chance to be preempted. */
#define SLOTS_AT_ONCE	1024

/*
 * Is the file in one of some slots from @fd on, which goes past them? No lock:
 * a table that is replaced by a larger one meanwhile is still there, as it was.
 */
static bool slots_have(struct files_struct *files, const struct file *file,
		       unsigned int *fd, bool *more)
{
	struct fdtable *fdt;
	bool found = false;
	unsigned int end;

	rcu_read_lock();
	fdt = files_fdtable(files);
	end = min(*fd + SLOTS_AT_ONCE, fdt->max_fds);
	while (*fd < end && !found)
		found = rcu_access_pointer(fdt->fd[(*fd)++]) == file;
	*more = end < fdt->max_fds;
	rcu_read_unlock();
	return found;
}

/* One walk over the table, which others may change meanwhile. */
static bool files_have(struct files_struct *files, const struct file *file)
{
	unsigned int fd = 0;
	bool found, more;

	/* After all that was done to the table by those whom we have seen. */
	spin_lock(&files->file_lock);
	spin_unlock(&files->file_lock);

	do {
		found = slots_have(files, file, &fd, &more);
		cond_resched();
	} while (!found && more);
	return found;
}

/*
 * Has the table still a descriptor of the queue, whose @file is just being closed
 * by the caller?
 *
 * The table may be huge, so it is not locked during the walk, which then can
 * miss a descriptor that another thread moves past it:
 *
 *	this thread			another
 *	look at slot 5
 *					dup2(900, 5)
 *					close(900): clear the slot
 *	look at slot 900
 *					kqueue_flush(): raise flushes
 *
 * Whoever clears a slot comes here before it does anything else. So while
 * flushes stays the same, each thread can spoil one walk, after which it is on
 * its way here and holds the file; and the slot that was missed holds it, too. A
 * descriptor that is always there is found by one of as many walks as there
 * are other references, or threads that have the table.
 */
static bool is_open(struct kqueue *kq, struct files_struct *files,
		    struct file *file)
{
	int flushes, walks;

	do {
		flushes = atomic_read_acquire(&kq->flushes);
		/*
		 * A table without users is being torn down. Its slots may still
		 * be filled, but all of them are as good as closed.
		 */
		for (walks = 0; walks < min_t(long, file_count(file) - 1,
					      atomic_read(&files->count));
		     walks++) {
			if (files_have(files, file))
				return true;
		}
		/* Who has dropped its reference has raised it before. */
		smp_rmb();
	} while (flushes != atomic_read(&kq->flushes));
	return false;
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

	if (id != (fl_owner_t)kq->files)
		return 0;
	atomic_inc(&kq->flushes);
	/* Pairs with is_open(): before our reference goes. */
	smp_mb__after_atomic();
	if (!is_open(kq, id, file))
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

/* As the reader's /proc numbers it, where that is 0 if it is not in sight. */
static pid_t opener_nr(const struct seq_file *m, const struct kqueue *kq)
{
	/* By now the number may be another's. */
	if (!pid_has_task(kq->opener, PIDTYPE_TGID))
		return -1;
	return pid_nr_ns(kq->opener, proc_pid_ns(file_inode(m->file)->i_sb));
}

/* Without the table of idents, and what filters keep at their sources. */
static size_t kqueue_memory(const struct kqueue *kq, unsigned int nknotes)
{
	return sizeof(*kq) + nknotes * sizeof(struct knote) +
	       kq->nfds * sizeof(*kq->fds);
}

static void kqueue_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct kqueue *kq = file->private_data;
	unsigned int fd, nknotes;
	struct knote *kn;

	seq_printf(m, "queue:\t%llu\n", kq->id);
	if (mutex_lock_killable(&kq->mtx))
		return;
	if (kq->closing)
		goto out;
	nknotes = kq->nfd_knotes - kq->nspent + kq->nident_knotes;
	seq_printf(m, "owner:\t%d\nmemory:\t%zu\nknotes:\t%u\n",
		   opener_nr(m, kq), kqueue_memory(kq, nknotes + kq->nspent), nknotes);
	for (fd = 0; fd < kq->nfds && !seq_has_overflowed(m); fd++) {
		for (kn = kq->fds[fd]; kn; kn = kn->fd_next)
			if (!knote_is_spent(kn))
				knote_show(m, kn);
		cond_resched();
	}
	if (kq->has_idents)
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

int __init kqueue_init(void)
{
	kqueue_cache = KMEM_CACHE(kqueue, SLAB_ACCOUNT | SLAB_HWCACHE_ALIGN);
	if (!kqueue_cache)
		return -ENOMEM;
	free_wq = alloc_workqueue("kevent_free", WQ_UNBOUND, 0);
	if (!free_wq) {
		kmem_cache_destroy(kqueue_cache);
		return -ENOMEM;
	}
	kqueue_pollers_init();
	return 0;
}

/* Context: no queue is open, but some may be about to be freed. */
void kqueue_exit(void)
{
	kqueue_pollers_exit();
	destroy_workqueue(free_wq);
	kmem_cache_destroy(kqueue_cache);
}
