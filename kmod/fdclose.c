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
 * stops their delivery. If nobody has the queue locked, and nothing about them takes
 * time, they are dropped there and then, else in task work, that is before the
 * thread returns to user space: when close() has returned, the knote is gone
 * and the file released. (If two threads close two numbers of one file at once,
 * one of them may be the one to drop the knotes of both.) Where one file has many
 * knotes, finding those that are closed is left to task work as well: they are a
 * crowd, see crowd.h.
 *
 * The threads of io_uring run task work between two requests, so before one of
 * them closes anything else. It is the same that releases the files they close.
 * Only kernel threads never do; for them a worker of ours does it.
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
 * is cleared without the lock, but then nobody can register either. One that only
 * the registering thread has is cleared by nobody meanwhile.)
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "closehook.h"
#include "compat.h"
#include "crowd.h"
#include "fdclose.h"
#include "kqueue.h"

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
 * the file open meets none of them. A bucket's bit lock protects its chain. An
 * entry is a knote, or stands for a crowd.
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
 * To be called for each knote that the hook has taken: the first by the hook, and
 * if that says false the second, which may sleep.
 */
static bool (*try_drop_closed)(struct knote *kn);
static void (*drop_closed)(struct knote *kn);

/* In the thread that closed. */
static void close_knote(struct callback_head *work)
{
	drop_closed(container_of(work, struct knote, poll.close_work));
	module_put(THIS_MODULE);
}

static void walk_crowd(struct callback_head *work)
{
	crowd_walk(container_of(work, struct crowd_slot, work), drop_closed);
	module_put(THIS_MODULE);
}

/* What threads have closed that do not run task work (any more). */
static struct workqueue_struct *late_wq;
static LLIST_HEAD(late_calls);

/* Makes the calls that task work would have made, oldest first. */
static void call_late(struct work_struct *unused)
{
	struct llist_node *node = llist_reverse_order(llist_del_all(&late_calls));
	struct callback_head *call;

	while (node) {
		call = (struct callback_head *)node;
		node = node->next;
		call->func(call);
		cond_resched();
	}
}

static DECLARE_WORK(late_work, call_late);

/*
 * Have @func called before the current thread returns to user space, or else
 * soon. Context: the hook.
 */
static void call_later(struct callback_head *call, task_work_func_t func)
{
	init_task_work(call, func);
	if (!(current->flags & PF_KTHREAD) &&
	    !task_work_add(current, call, TWA_RESUME))
		return;

	/* The link of the one list serves the other, and the function stays. */
	BUILD_BUG_ON(offsetof(struct callback_head, next) ||
		     sizeof(struct llist_node) >
		     offsetof(struct callback_head, func));
	llist_add((struct llist_node *)call, &late_calls);
	queue_work(late_wq, &late_work);
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
	struct crowd_slot *slot = NULL;
	struct hlist_bl_node *pos, *next;
	struct crowd *crowd;
	struct knote *kn;

	rcu_read_lock();
	hlist_bl_lock(bucket);
	hlist_bl_for_each_entry_safe(kn, pos, next, bucket, poll.close_node) {
		if (!entry_is_of(kn, file, files))
			continue;
		crowd = entry_crowd(kn);
		if (crowd) {
			slot = crowd_send(crowd);
			break;
		}
		if (still_open(files, kn->ident, file))
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

	if (slot)
		call_later(&slot->work, walk_crowd);
	while (taken) {
		kn = container_of(taken, struct knote, poll.close_work);
		taken = taken->next;
		if (try_drop_closed(kn))
			module_put(THIS_MODULE);
		else
			call_later(&kn->poll.close_work, close_knote);
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
 * The crowd of the knotes of @file in @files, or else how many of them are loose.
 * Under the bucket's lock.
 */
static struct crowd *find_crowd(struct hlist_bl_head *bucket,
				const struct file *file,
				const struct files_struct *files,
				unsigned int *loose)
{
	struct hlist_bl_node *pos;
	struct crowd *crowd;
	struct knote *kn;

	hlist_bl_for_each_entry(kn, pos, bucket, poll.close_node) {
		if (!entry_is_of(kn, file, files))
			continue;
		crowd = entry_crowd(kn);
		if (crowd)
			return crowd;
		(*loose)++;
	}
	return NULL;
}

/*
 * Has the hook come for the knote? In a crowd nobody knows before somebody has
 * walked; so if anybody walks, or is about to, it may have.
 */
static bool hook_has_come(struct knote *kn)
{
	struct hlist_bl_head *bucket = bucket_of(kn->poll.file, kn->kq->files);
	unsigned int loose = 0;
	bool come;

	hlist_bl_lock(bucket);
	come = knote_is_closed(kn);
	if (!come && knote_in_crowd(kn))
		come = find_crowd(bucket, kn->poll.file, kn->kq->files,
				  &loose)->walkers;
	hlist_bl_unlock(bucket);
	return come;
}

/*
 * The knote's number is in use, and means another file or none; but the hook
 * has not come for it. Perhaps it is on its way. Context: kq->mtx, in a thread
 * of kq->files; before the knote is dropped.
 */
void fdclose_suspect(struct knote *kn)
{
	lockdep_assert_held(&kn->kq->mtx);

	if (!hook_has_come(kn) &&
	    closehook_accuse(kn->poll.file, kn->kq->files))
		closehook_judge(hook_has_come(kn));
}

/* Put the knote into the table, if its bucket is empty, as most are. */
static __always_inline bool add_alone(struct hlist_bl_head *bucket,
				      struct knote *kn)
{
	bool alone;

	hlist_bl_lock(bucket);
	alone = !hlist_bl_first(bucket);
	if (alone)
		hlist_bl_add_head(&kn->poll.close_node, bucket);
	hlist_bl_unlock(bucket);
	return alone;
}

/*
 * Put it there beside others. False if that takes a new crowd, and *@spare is
 * none; else it is used, and NULL after that.
 */
static bool try_add(struct hlist_bl_head *bucket, struct knote *kn,
		    struct crowd **spare)
{
	unsigned int loose = 0;
	struct crowd *crowd;
	bool added = true;

	hlist_bl_lock(bucket);
	crowd = find_crowd(bucket, kn->poll.file, kn->kq->files, &loose);
	if (crowd) {
		crowd_add(crowd, kn);
	} else if (loose < CROWD_MIN) {
		hlist_bl_add_head(&kn->poll.close_node, bucket);
	} else if (*spare) {
		crowd_form(*spare);
		crowd_add(*spare, kn);
		*spare = NULL;
	} else {
		added = false;
	}
	hlist_bl_unlock(bucket);
	return added;
}

static noinline int add_beside(struct hlist_bl_head *bucket, struct knote *kn)
{
	struct crowd *spare = NULL;

	while (!try_add(bucket, kn, &spare)) {
		spare = crowd_alloc(kn, bucket);
		if (!spare)
			return -ENOMEM;
	}
	/* Another queue's registration may have made it needless. */
	kfree(spare);
	return 0;
}

/* Does the number mean the file, in the caller's table? Context: may not sleep. */
bool fdclose_is_open(unsigned int fd, const struct file *file)
{
	struct files_struct *files = current->files;
	bool open;

	spin_lock(&files->file_lock);
	open = files_lookup_fd_locked(files, fd) == file;
	spin_unlock(&files->file_lock);
	return open;
}

/*
 * Have the knote dropped when its descriptor is closed. The caller holds the
 * queue locked, the hook, and is sure of the file. @shared: others had the
 * descriptor table, too, before the caller looked the file up. If not, they still
 * do not: only the caller could share it. Fails with -ENOMEM, or with -EBADF if
 * the descriptor has been closed since the file was looked up: the caller undoes
 * the registration, and must ask fdclose_unwatch() whether the hook was faster.
 */
int fdclose_watch(struct knote *kn, bool shared)
{
	struct hlist_bl_head *bucket = bucket_of(kn->poll.file, kn->kq->files);
	int ret;

	lockdep_assert_held(&kn->kq->mtx);

	if (!add_alone(bucket, kn)) {
		ret = add_beside(bucket, kn);
		if (ret)
			return ret;
	}
	/* Against the hook; see the drawing above. */
	return shared && !fdclose_is_open(kn->ident, kn->poll.file) ? -EBADF : 0;
}

/*
 * Take the knote out of its crowd, unless a walker is faster. Returns the crowd if
 * it is over, to be freed. Under the bucket's lock: even if a walker takes the
 * knote now, the crowd does not go.
 */
static noinline struct crowd *leave_crowd(struct hlist_bl_head *bucket,
					  struct knote *kn)
{
	unsigned int loose = 0;
	struct crowd *crowd;

	crowd = find_crowd(bucket, kn->poll.file, kn->kq->files, &loose);
	crowd_remove(crowd, kn);
	return crowd_settle(crowd) ? crowd : NULL;
}

/*
 * Take the knote out of the table, if it is in it. False if the hook, or a walk
 * that it sent for, has it already: it will be dropped soon, and by nobody else.
 * Nobody follows kq->files for the knote any more when this has returned, so it
 * has been called for all of a queue before kqueue_close() returns.
 */
bool fdclose_unwatch(struct knote *kn)
{
	struct hlist_bl_head *bucket = bucket_of(kn->poll.file, kn->kq->files);
	struct crowd *over = NULL;
	int state;
	bool ours;

	lockdep_assert_held(&kn->kq->mtx);

	hlist_bl_lock(bucket);
	state = atomic_read(&kn->state) & (KNOTE_CLOSED | KNOTE_CROWD);
	if (likely(!state))
		hlist_bl_del_init(&kn->poll.close_node);
	else if (state == KNOTE_CROWD)
		over = leave_crowd(bucket, kn);
	ours = !knote_is_closed(kn);
	hlist_bl_unlock(bucket);

	if (unlikely(over))
		kfree(over);
	return ours;
}

/*
 * @drop is called for each knote whose descriptor was closed, with a reference to
 * its queue, in a context that may sleep; but of those that are in no crowd, only if
 * @try_drop has said false, which is called before that, in the hook.
 */
int __init fdclose_init(bool (*try_drop)(struct knote *kn),
			void (*drop)(struct knote *kn))
{
	unsigned long buckets = totalram_pages() / PAGES_PER_BUCKET;
	int ret;

	try_drop_closed = try_drop;
	drop_closed = drop;

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
