// SPDX-License-Identifier: GPL-2.0
/*
 * Following the children of a process (NOTE_TRACK): a child gets a knote like its
 * parent's before it has done anything.
 *
 * Knotes cannot be made where a fork is noticed, since preemption is off there. So
 * the child makes them itself, in task work that it does before it first returns
 * to user space; or before it ends, if it never does.
 *
 * Task work needs memory, a birth, which cannot be had there either: on PREEMPT_RT
 * nobody may allocate with preemption off. So it is there before: a process that
 * is followed has at least one spare birth for each of its threads. Who has forked
 * refills them in task work of its own, and so does a new thread, before they are
 * back in user space, where they could fork. So from one refill to the next, each
 * thread that was there at the first takes at most one.
 *
 *	parent				child
 *	fork: take a birth
 *	run the child			make the knotes, then fork, exec, exit
 *	refill
 *	return to user space
 *
 * The knotes are charged to the queue's user. If one cannot be made, its parent's
 * reports NOTE_TRACKERR.
 */

#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/task_work.h>

#include "../kqueue.h"
#include "process.h"

/**
 * struct birth - a child that is to be followed, or a thread that may fork
 * @born: the child's work
 * @refill: the parent's
 * @next: while it is spare
 * @process: the parent, with a reference, which may have ended before the work
 * @works: how many of the two have yet to be done; each keeps the module
 * @nth: the child is the parent's so manyth
 * @raised: the parent's
 * @thread: it is no child, but a thread
 */
struct birth {
	struct callback_head born;
	struct callback_head refill;
	struct birth *next;
	struct process *process;
	refcount_t works;
	u32 nth;
	u32 raised;
	bool thread;
};

/* --- Births ------------------------------------------------------------------ */

static void add_spare(struct process *process, struct birth *birth)
{
	process_lock(process);
	birth->next = process->spare;
	process->spare = birth;
	process->nspare++;
	process_unlock(process);
}

/* Have one for each thread of the process, of which @task is one, and one more. */
static int refill_spare(struct process *process, struct task_struct *task)
{
	struct birth *birth;

	while (READ_ONCE(process->nspare) <= get_nr_threads(task)) {
		birth = kmalloc(sizeof(*birth), GFP_KERNEL_ACCOUNT);
		if (!birth)
			return -ENOMEM;
		add_spare(process, birth);
	}
	return 0;
}

/* Context: no knote is left. */
void track_free_spare(struct process *process)
{
	struct birth *birth, *next;

	for (birth = process->spare; birth; birth = next) {
		next = birth->next;
		kfree(birth);
	}
	process->spare = NULL;
}

/*
 * One of the works is done. Of the last memory there is nothing is given back: if
 * there was none to refill with, at least some children are followed.
 */
static void birth_done(struct birth *birth)
{
	struct process *process = birth->process;

	if (refcount_dec_and_test(&birth->works)) {
		if (READ_ONCE(process->nspare))
			kfree(birth);
		else
			add_spare(process, birth);
		process_put(process);
	}
	/* Whoever unloads the module waits for us to have left it: fdclose_exit(). */
	module_put(THIS_MODULE);
}

static void birth_refill(struct callback_head *work)
{
	struct birth *birth = container_of(work, struct birth, refill);

	/* Without memory the next child may not be followed, which will be told. */
	if (!list_empty(&birth->process->trackers))
		refill_spare(birth->process, current);
	birth_done(birth);
}

/* --- The child --------------------------------------------------------------- */

/* Did the knote follow the process when it forked? */
static bool was_there(const struct knote *kn, const struct birth *birth)
{
	return (s32)(birth->nth - kn->proc.since) > 0;
}

/* Is the knote to follow the child? Not if it came later, or lost the right to. */
static bool is_follower(const struct knote *kn, const struct birth *birth)
{
	return was_there(kn, birth) && may_know(kn, birth->raised);
}

/* The queue's knote that is to follow the child; or NULL. */
static struct knote *find_follower(const struct birth *birth,
				   const struct kqueue *kq)
{
	struct knote *kn;

	lockdep_assert_held(&kq->mtx);
	lockdep_assert_held(&birth->process->node.teller.lock);

	list_for_each_entry(kn, &birth->process->trackers, proc.tracker)
		if (kn->kq == kq && !(kn->status & KNOTE_DEAD) &&
		    is_follower(kn, birth))
			return kn;
	return NULL;
}

/* What is to be watched of the child. */
static void fill_birth(const struct knote *kn, struct seed *seed,
		       struct kevent_record *kev)
{
	u16 flags = kn->flags & (EV_ONESHOT | EV_CLEAR | EV_DISPATCH);

	if (kn->proc.is & PROC_ONESHOT)
		flags |= EV_ONESHOT;
	if (kn->proc.is & PROC_DISPATCH)
		flags |= EV_DISPATCH;
	seed->level = kn->proc.level;
	seed->is = kn->proc.is & (PROC_KNOWN | PROC_ALWAYS);
	if ((kn->proc.is & PROC_SELF) &&
	    is_child_of(current, seed->parent->node.key.tgid))
		seed->is |= PROC_CHILD;
	*kev = (struct kevent_record){
		.ident = pid_nr_at(task_tgid(current), seed->level),
		.filter = kn->filter,
		.flags = EV_ADD | EV_KEEPUDATA | EV_FLAG1 | flags,
		.fflags = kn->sfflags,
		.data = (uintptr_t)seed,
		.udata = kn->udata,
		.ext = { 0, 0, kn->ext[2], kn->ext[3] },
	};
}

/* A child could not be followed. */
static void knote_lost(struct knote *kn)
{
	if (kn->proc.lost < U16_MAX)
		kn->proc.lost++;
	knote_activate(kn);
}

/**
 * track_settle() - a child of a process was delivered to a queue, or will not be
 * @parent: the process
 * @kq: the queue
 *
 * A knote that follows children is told of its process's end only when all of them
 * were delivered: who counts them would think that none is left, while one that was
 * born a moment before is about to come. So the knote counts those that are on their
 * way: each from the fork on, until its work is done, and with a knote of its own
 * until that was delivered, or goes.
 *
 * The knote that has counted the child may have gone, and another one may follow the
 * process; that one then may be told of the end too early.
 *
 * Context: any that may take a spinlock of PREEMPT_RT.
 */
void track_settle(struct process *parent, const struct kqueue *kq)
{
	struct knote *kn;

	process_lock(parent);
	list_for_each_entry(kn, &parent->trackers, proc.tracker) {
		if (kn->kq == kq && kn->proc.unseen && !--kn->proc.unseen &&
		    (parent->ended || (kn->flags & EV_ONESHOT)))
			knote_activate(kn);
	}
	process_unlock(parent);
}

/* One more is on its way, for which track_settle() is to follow. */
void track_owe(struct process *parent, const struct kqueue *kq)
{
	struct knote *kn;

	process_lock(parent);
	list_for_each_entry(kn, &parent->trackers, proc.tracker)
		kn->proc.unseen += kn->kq == kq;
	process_unlock(parent);
}

/* The knote may have gone, and its place may be that of another meanwhile. */
static void follow_in(struct kqueue *kq, const struct birth *birth)
{
	struct process *process = birth->process;
	struct seed seed = { .parent = process };
	struct kevent_record kev;
	struct knote *kn;

	mutex_lock(&kq->mtx);
	process_lock(process);
	kn = find_follower(birth, kq);
	if (kn)
		fill_birth(kn, &seed, &kev);
	process_unlock(process);
	if (kn && kqueue_apply_birth(kq, &kev)) {
		process_lock(process);
		kn = find_follower(birth, kq);
		if (kn)
			knote_lost(kn);
		process_unlock(process);
	}
	track_settle(process, kq);
	mutex_unlock(&kq->mtx);
}

/* The queues that follow the child, with a reference to each. */
static unsigned int find_queues(const struct birth *birth, struct kqueue **kqs)
{
	struct process *process = birth->process;
	unsigned int i, n = 0;
	struct knote *kn;

	process_lock(process);
	list_for_each_entry(kn, &process->trackers, proc.tracker) {
		for (i = 0; i < n && kqs[i] != kn->kq; i++)
			;
		if (i < n || !was_there(kn, birth))
			continue;
		kqueue_get(kn->kq);
		kqs[n++] = kn->kq;
	}
	process_unlock(process);
	return n;
}

static void birth_born(struct callback_head *work)
{
	struct birth *birth = container_of(work, struct birth, born);
	struct kqueue *kqs[PROCESS_TRACKERS_MAX];
	unsigned int n;

	if (birth->thread) {
		refill_spare(birth->process, current);
	} else {
		for (n = find_queues(birth, kqs); n; n--) {
			follow_in(kqs[n - 1], birth);
			kqueue_put(kqs[n - 1]);
		}
	}
	birth_done(birth);
}

/* --- The parent -------------------------------------------------------------- */

/* Numbers wrap around: what is very long ago must not seem to come. */
static void keep_up(struct knote *kn, u32 forks)
{
	if (forks - kn->proc.since > U32_MAX / 4)
		kn->proc.since = forks - U32_MAX / 4;
}

/**
 * track_fork() - a process that is followed forks
 * @process: the process, locked
 * @thread: that is only a new thread of it
 *
 * Context: any; knotes follow it, so the module stays.
 * Return: what to give to track_birth(); NULL if nothing was there.
 */
struct birth *track_fork(struct process *process, bool thread)
{
	struct birth *birth = process->spare;
	struct knote *kn;

	lockdep_assert_held(&process->node.teller.lock);

	if (birth) {
		process->spare = birth->next;
		process->nspare--;
		refcount_inc(&process->node.teller.refs);
		birth->process = process;
		birth->nth = process->now.forks;
		birth->raised = process->raised;
		birth->thread = thread;
		__module_get(THIS_MODULE);
		__module_get(THIS_MODULE);
	}
	if (thread)
		return birth;

	list_for_each_entry(kn, &process->trackers, proc.tracker) {
		keep_up(kn, process->now.forks);
		if (!may_know(kn, process->raised))
			continue;
		if (birth)
			kn->proc.unseen++;
		else
			knote_lost(kn);
	}
	return birth;
}

/**
 * track_birth() - have a child followed
 * @birth: from track_fork()
 * @child: which has not run yet
 *
 * Context: the parent, preemption may be off. Neither of the two can be so far in
 * ending that it does no task work any more.
 */
void track_birth(struct birth *birth, struct task_struct *child)
{
	refcount_set(&birth->works, 2);
	init_task_work(&birth->refill, birth_refill);
	init_task_work(&birth->born, birth_born);
	WARN_ON_ONCE(task_work_add(current, &birth->refill, TWA_RESUME));
	WARN_ON_ONCE(task_work_add(child, &birth->born, TWA_RESUME));
}

static int add_tracker(struct process *process, struct knote *kn)
{
	unsigned int max = PROCESS_TRACKERS_MAX;
	int ret = -ENOSPC;

	if (!(kn->proc.is & PROC_ALWAYS))
		max /= 2;
	process_lock(process);
	if (process->ntrackers < max) {
		process->ntrackers++;
		kn->proc.since = process->now.forks;
		kn->proc.unseen = 0;
		list_add_tail(&kn->proc.tracker, &process->trackers);
		ret = 0;
	}
	process_unlock(process);
	return ret;
}

/**
 * track_begin() - follow the children of a process from now on
 * @process: the process
 * @kn: the knote that is to, which does not yet
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM; -ENOSPC if too many do so already.
 */
int track_begin(struct process *process, struct knote *kn)
{
	struct task_struct *task;
	int ret;

	task = get_pid_task(process->node.key.tgid, PIDTYPE_TGID);
	if (!task)
		return 0;
	/* Once more when new threads refill, for those that came meanwhile. */
	ret = refill_spare(process, task) ? : add_tracker(process, kn) ? :
	      refill_spare(process, task);
	put_task_struct(task);
	if (ret)
		track_end(process, kn);
	return ret;
}

/* No more. Also for a knote that does not. */
void track_end(struct process *process, struct knote *kn)
{
	process_lock(process);
	if (!list_empty(&kn->proc.tracker)) {
		list_del_init(&kn->proc.tracker);
		process->ntrackers--;
	}
	/* Nobody settles that any more. */
	kn->proc.unseen = 0;
	process_unlock(process);
}
