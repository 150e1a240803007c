// SPDX-License-Identifier: GPL-2.0
/*
 * Learning that a descriptor was closed.
 *
 * A descriptor's knote holds a reference to the file, so something must tell
 * when the descriptor goes: close, dup2 over it, close_range, exec, exit. They
 * all pass through one function of the kernel, with the file and the table as
 * arguments; a hook on it (closehook.c) finds the knotes of both in a fixed
 * hash table.
 *
 * The hook runs before the closing thread goes on, with preemption possibly
 * off, so it only takes the knotes out of the table and marks them, which
 * stops their delivery. They are dropped in task work, that is before the
 * thread returns to user space: when close() has returned, the knote is gone
 * and the file released. (If two threads close two numbers of one file at once,
 * one of them may be the one to drop the knotes of both.)
 *
 * Registration against close:
 *
 *	registering			closing
 *	look up file by number
 *	follow the table
 *	knote into the table		(file_lock: clear the slot)
 *	(file_lock: still the file	hook: is the table followed?
 *	 in the slot?)			hook: any knotes in the table?
 *
 * Slots are cleared under the table's file_lock only, so one of the two has it
 * first: either the hook finds the knote or the registration finds the slot
 * changed. The hook needs no barrier for that. (A table that nobody has any more
 * is cleared without the lock, but then nobody can register either.)
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "closehook.h"
#include "compat.h"
#include "fdclose.h"
#include "kqueue.h"

/* When to look again for a queue that somebody is at work on. */
#define LATE_RETRY	DIV_ROUND_UP(HZ, 100)

/*
 * One bucket for every so many pages of memory: 1 MiB a GiB, as little as the
 * kernel's own tables of dentries and inodes. Most are empty even when a user
 * has all the knotes that he may, and then a close is cheap.
 */
#define PAGES_PER_BUCKET	2
#define BUCKET_BITS_MIN		10
#define BUCKET_BITS_MAX		19

/*
 * Knotes of descriptors by file and descriptor table, so that whoever else has
 * the file open meets none of them. A bucket's bit lock protects its chain.
 */
static struct hlist_bl_head *close_table;
static unsigned int close_bits;

static struct hlist_bl_head *bucket_of(const struct file *file,
				       const struct files_struct *files)
{
	unsigned long both = (unsigned long)file ^ (unsigned long)files;

	return &close_table[hash_long(both, close_bits)];
}

/*
 * Does the number still lead to the file? Then it is a duplicate that was
 * closed. A table without users is being torn down: all of it is closed,
 * whatever the slots still hold. Under RCU or the table's last reference.
 */
static bool still_open(struct files_struct *files, unsigned int fd,
		       const struct file *file)
{
	return atomic_read(&files->count) &&
	       files_lookup_fd_raw(files, fd) == file;
}

/* Drop what the hook has taken. In the thread that closed. */
static void close_knote(struct callback_head *work)
{
	kqueue_drop_closed(container_of(work, struct knote, poll.close_work));
	module_put(THIS_MODULE);
}

/*
 * The same for threads that do not run task work (any more). Each queue has
 * its own work, which does not wait for the queue: who holds that may be storing
 * events, for as long as their memory's owner wants, and a workqueue runs only
 * so many works at a time.
 */
static struct workqueue_struct *late_wq;

static void close_late_knotes(struct work_struct *work)
{
	struct kqueue *kq = container_of(to_delayed_work(work), struct kqueue,
					 late_work);
	struct knote *kn, *next;
	struct llist_node *first;
	unsigned long n = 0;

	/* Another run may have had them. Those that are left hold the module. */
	if (llist_empty(&kq->late_knotes)) {
		kqueue_put(kq);
		return;
	}
	if (!mutex_trylock(&kq->mtx)) {
		/* With our reference, unless the hook was faster. */
		if (!queue_delayed_work(late_wq, &kq->late_work, LATE_RETRY))
			kqueue_put(kq);
		return;
	}
	first = llist_del_all(&kq->late_knotes);
	llist_for_each_entry_safe(kn, next, first, poll.close_llist) {
		kqueue_end_closed(kq, kn);
		n++;
	}
	mutex_unlock(&kq->mtx);

	for (; n; n--) {
		kqueue_put(kq);
		module_put(THIS_MODULE);
	}
	kqueue_put(kq);
}

static void free_queue(struct work_struct *work)
{
	kqueue_free(container_of(work, struct kqueue, free_work));
}

void fdclose_init_queue(struct kqueue *kq)
{
	init_llist_head(&kq->late_knotes);
	INIT_DELAYED_WORK(&kq->late_work, close_late_knotes);
	INIT_WORK(&kq->free_work, free_queue);
}

/* As kqueue_put(), where one must not sleep. */
static void kqueue_put_atomic(struct kqueue *kq)
{
	if (refcount_dec_and_test(&kq->refs))
		queue_work(late_wq, &kq->free_work);
}

static void close_later(struct knote *kn)
{
	struct kqueue *kq = kn->kq;

	/* Kernel threads and io_uring's workers do not return to user space. */
	if (!(current->flags & (PF_KTHREAD | PF_IO_WORKER))) {
		init_task_work(&kn->poll.close_work, close_knote);
		if (!task_work_add(current, &kn->poll.close_work, TWA_RESUME))
			return;
	}
	/*
	 * Once on the list, the knote may be dropped by a work that is running,
	 * and the queue with it. So the work that we queue has a reference.
	 */
	kqueue_get(kq);
	llist_add(&kn->poll.close_llist, &kq->late_knotes);
	if (!queue_delayed_work(late_wq, &kq->late_work, 0))
		kqueue_put_atomic(kq);
}

/*
 * Take the knotes of a closed descriptor out of the table. Each then holds a
 * reference to its queue, which may be closed before the knote is dropped, and
 * to this module, which must not go before the work has run.
 */
static void close_file(struct hlist_bl_head *bucket, struct file *file,
		       struct files_struct *files)
{
	struct callback_head *taken = NULL;
	struct hlist_bl_node *pos, *next;
	struct knote *kn;

	rcu_read_lock();
	hlist_bl_lock(bucket);
	hlist_bl_for_each_entry_safe(kn, pos, next, bucket, poll.close_node) {
		if (kn->poll.file != file || kn->kq->files != files ||
		    still_open(files, kn->ident, file))
			continue;
		hlist_bl_del(&kn->poll.close_node);
		atomic_or(KNOTE_CLOSED, &kn->state);
		kqueue_get(kn->kq);
		__module_get(THIS_MODULE);
		kn->poll.close_work.next = taken;
		taken = &kn->poll.close_work;
	}
	hlist_bl_unlock(bucket);
	rcu_read_unlock();

	while (taken) {
		kn = container_of(taken, struct knote, poll.close_work);
		taken = taken->next;
		close_later(kn);
	}
}

/* A descriptor of @file was taken out of @files, which is followed: so what? */
static __always_inline bool close_is_idle(const struct file *file,
					  const struct files_struct *files)
{
	return hlist_bl_empty(bucket_of(file, files));
}

static __always_inline void descriptor_closed(struct file *file,
					      struct files_struct *files)
{
	struct hlist_bl_head *bucket = bucket_of(file, files);

	if (!hlist_bl_empty(bucket))
		close_file(bucket, file, files);
}

static noinline void notrace close_call(struct file *file,
					struct files_struct *files)
{
	closehook_call(file, files, descriptor_closed);
}

#ifdef KEVENT_CLOSE_FTRACE
static void notrace close_ftrace(unsigned long ip, unsigned long parent_ip,
				 struct ftrace_ops *ops,
				 struct ftrace_regs *fregs)
{
	struct file *file = closehook_ftrace_file(fregs);
	struct files_struct *files = closehook_ftrace_files(fregs);

	if (!closehook_is_idle(file, files, close_is_idle))
		close_call(file, files);
}
#endif

#ifdef KEVENT_CLOSE_KPROBE
static int close_kprobe(struct kprobe *probe, struct pt_regs *regs)
{
	struct file *file = closehook_kprobe_file(regs);
	struct files_struct *files = closehook_kprobe_files(regs);

	if (!closehook_is_idle(file, files, close_is_idle))
		close_call(file, files);
	return 0;
}
#endif

static const struct closehook_callbacks close_callbacks = {
#ifdef KEVENT_CLOSE_FTRACE
	.ftrace = close_ftrace,
#endif
#ifdef KEVENT_CLOSE_KPROBE
	.kprobe = close_kprobe,
#endif
};

/*
 * Have the hook in place, before the first descriptor is registered and from
 * then on. See closehook_get() for the errors. Context: may sleep, and the first
 * time for long.
 */
int fdclose_hook_get(void)
{
	return closehook_get();
}

/* The queue has a descriptor's knote, or more: closes in its table matter. */
void fdclose_follow(struct kqueue *kq)
{
	closehook_follow(kq->files);
}

/* It has none any more. */
void fdclose_unfollow(struct kqueue *kq)
{
	closehook_unfollow(kq->files);
}

/*
 * The knote's number is in use, and means another file or none; but the hook
 * has not come for it. Perhaps it is on its way. Context: kq->mtx, in a thread
 * of kq->files; before the knote is dropped.
 */
void fdclose_suspect(struct knote *kn)
{
	lockdep_assert_held(&kn->kq->mtx);

	if (!knote_is_closed(kn) &&
	    closehook_accuse(kn->poll.file, kn->kq->files))
		closehook_judge(knote_is_closed(kn));
}

/*
 * Have the knote dropped when its descriptor is closed. The caller holds the
 * queue locked, the hook, and is sure of the file. False if the descriptor has
 * been closed since the file was looked up: the caller undoes the registration,
 * and must ask fdclose_unwatch() whether the hook was faster.
 */
bool fdclose_watch(struct knote *kn)
{
	struct hlist_bl_head *bucket = bucket_of(kn->poll.file, kn->kq->files);
	struct files_struct *files = current->files;
	bool open;

	lockdep_assert_held(&kn->kq->mtx);

	hlist_bl_lock(bucket);
	hlist_bl_add_head(&kn->poll.close_node, bucket);
	hlist_bl_unlock(bucket);

	/* Against the hook; see the drawing above. */
	spin_lock(&files->file_lock);
	open = files_lookup_fd_locked(files, kn->ident) == kn->poll.file;
	spin_unlock(&files->file_lock);
	return open;
}

/*
 * Take the knote out of the table. False if the hook has it already: it will
 * be dropped soon, and by nobody else.
 */
bool fdclose_unwatch(struct knote *kn)
{
	struct hlist_bl_head *bucket = bucket_of(kn->poll.file, kn->kq->files);
	bool ours;

	lockdep_assert_held(&kn->kq->mtx);

	hlist_bl_lock(bucket);
	ours = !knote_is_closed(kn);
	if (ours)
		hlist_bl_del(&kn->poll.close_node);
	hlist_bl_unlock(bucket);
	return ours;
}

int __init fdclose_init(void)
{
	unsigned long buckets = totalram_pages() / PAGES_PER_BUCKET;
	int ret;

	close_bits = clamp_t(unsigned int, order_base_2(buckets), BUCKET_BITS_MIN,
			     BUCKET_BITS_MAX);
	close_table = kvcalloc(1UL << close_bits, sizeof(*close_table),
			       GFP_KERNEL);
	if (!close_table)
		return -ENOMEM;
	late_wq = alloc_workqueue("kevent", WQ_UNBOUND, 0);
	if (!late_wq) {
		ret = -ENOMEM;
		goto free_table;
	}

	ret = closehook_init(&close_callbacks);
	if (ret)
		goto free_wq;
	return 0;

free_wq:
	destroy_workqueue(late_wq);
free_table:
	kvfree(close_table);
	return ret;
}

/*
 * Context: no queue is left. The last close_knote() may have given back its
 * reference to the module and not yet returned from it, in a thread that has
 * yet to reach user space; that is what the grace period of tasks is for.
 */
void fdclose_exit(void)
{
	closehook_exit();
	destroy_workqueue(late_wq);
	synchronize_rcu_tasks();
	kvfree(close_table);
}
