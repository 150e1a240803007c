// SPDX-License-Identifier: GPL-2.0
/*
 * Collecting events: scan what is ready, copy it out, wait.
 *
 * A scan holds kq->mtx throughout, also while it copies to the user and may
 * fault. Sources do not take it, so they go on; changes and other scans of the
 * same queue wait, and no knote can be freed under the scan.
 *
 * Records are copied a batch at a time, and only then is anything done that
 * delivery brings about. What could not be copied is queued again.
 */

#include <linux/freezer.h>
#include <linux/indirect_call_wrapper.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "kqueue.h"
#include "trace.h"

/**
 * struct scan - one pass over the queue
 * @kq: the queue
 * @todo: knotes that were on kq->ready when the pass began, oldest first
 * @pos: the next of them to look at. Those before it have been looked at and
 *	stay ready; they go to the end of the queue, so none is met twice
 * @ntodo: length of @todo
 * @fresh: knotes that were in the inbox then, oldest first; looked at after
 *	@todo, and most of them never on a list
 * @nbatch: how many of the below are in use
 * @knotes: whose records are in @records
 * @records: to be copied out
 */
struct scan {
	struct kqueue *kq;
	struct list_head todo;
	struct list_head *pos;
	unsigned int ntodo;
	struct llist_node *fresh;
	unsigned int nbatch;
	struct knote *knotes[KEVENT_BATCH];
	struct kevent_record records[KEVENT_BATCH];
};

static void scan_begin(struct scan *scan, struct kqueue *kq)
{
	lockdep_assert_held(&kq->mtx);

	scan->kq = kq;
	scan->fresh = llist_reverse_order(llist_del_all(&kq->inbox));
	INIT_LIST_HEAD(&scan->todo);
	list_splice_init(&kq->ready, &scan->todo);
	scan->pos = scan->todo.next;
	scan->ntodo = kq->nready;
	WRITE_ONCE(kq->nready, 0);
}

/*
 * Put back first what was not looked at, then what was and stays ready. If
 * anything is left, other threads are told: one of them may have been woken for
 * it and found the queue busy, and a poller may have found it empty.
 */
static void scan_end(struct scan *scan)
{
	struct kqueue *kq = scan->kq;
	struct knote *kn, *next;
	LIST_HEAD(done);

	list_cut_before(&done, &scan->todo, scan->pos);
	llist_for_each_entry_safe(kn, next, scan->fresh, inbox) {
		list_add_tail(&kn->ready, &scan->todo);
		scan->ntodo++;
	}
	list_splice(&scan->todo, &kq->ready);
	list_splice_tail(&done, &kq->ready);
	WRITE_ONCE(kq->nready, kq->nready + scan->ntodo);

	/* Pairs with those who queue themselves, then look at nready. */
	smp_mb();
	if (kqueue_has_ready(kq))
		kqueue_pass_on(kq);
}

/* Most knotes are of one filter: spare them the indirect call. */
static bool knote_event(struct knote *kn, struct kevent_record *kev)
{
	knote_fill(kn, kev);
	return INDIRECT_CALL_1(kn->ops->event, kevent_read_event, kn, kev) ||
	       (kn->status & KNOTE_FORCED);
}

/* To the end of the queue, unless it is on it: still, or again. */
static void knote_requeue(struct kqueue *kq, struct knote *kn)
{
	if (knote_claim_queued(kn)) {
		list_add_tail(&kn->ready, &kq->ready);
		WRITE_ONCE(kq->nready, kq->nready + 1);
	}
}

static void scan_unlink(struct scan *scan, struct knote *kn)
{
	list_del(&kn->ready);
	scan->ntodo--;
}

/* What must not be delivered now: disabled, or its descriptor is closed. */
static bool knote_is_held_back(const struct knote *kn)
{
	return (kn->status & KNOTE_DISABLED) || knote_is_closed(kn);
}

static bool knote_is_level(const struct knote *kn)
{
	return !(kn->flags & (EV_ONESHOT | EV_CLEAR | EV_DISPATCH));
}

/*
 * Look at a knote that is on no list. QUEUED is cleared first, after which its
 * source may queue it again: see knote_activate(). One that is held back is
 * parked: it keeps QUEUED, so that its source does not bother the queue.
 */
static bool look_unlinked(struct knote *kn, struct kevent_record *kev)
{
	if (knote_is_held_back(kn)) {
		kn->status |= KNOTE_PARKED;
		return false;
	}
	atomic_andnot(KNOTE_QUEUED, &kn->state);
	/* Pairs with the claiming of QUEUED in knote_activate(). */
	smp_mb__after_atomic();

	return knote_event(kn, kev);
}

/*
 * Look at a knote on the list. If it is level-triggered and has something to
 * report, which is the usual case, it stays where it is. Only what seems not
 * to be ready is unlinked, and then looked at once more, for what came before
 * QUEUED was cleared.
 */
static bool look_listed(struct scan *scan, struct knote *kn,
			struct kevent_record *kev)
{
	if (knote_is_level(kn) && !knote_is_held_back(kn) &&
	    knote_event(kn, kev))
		return true;
	scan_unlink(scan, kn);
	return look_unlinked(kn, kev);
}

/* The next knote that has something to report, or NULL. */
static __always_inline struct knote *scan_next(struct scan *scan,
					       struct kevent_record *kev)
{
	struct knote *kn;
	bool found;

	for (;;) {
		if (scan->pos != &scan->todo) {
			kn = list_entry(scan->pos, struct knote, ready);
			scan->pos = scan->pos->next;
			found = look_listed(scan, kn, kev);
		} else if (scan->fresh) {
			kn = llist_entry(scan->fresh, struct knote, inbox);
			scan->fresh = scan->fresh->next;
			found = look_unlinked(kn, kev);
		} else {
			return NULL;
		}
		if (found)
			return kn;
		/* There may be very many that turn out not to be ready. */
		if (fatal_signal_pending(current)) {
			/* Its source may have given up on us for that reason. */
			if (!(kn->status & KNOTE_PARKED))
				knote_requeue(scan->kq, kn);
			return NULL;
		}
		cond_resched();
	}
}

/* See kevent_filter.measure. */
static void knote_measure(struct knote *kn, struct kevent_record *kev,
			  struct kevent_record __user *scratch)
{
	s64 data = kn->ops->measure(kn, scratch);

	if (data >= 0)
		kev->data = data;
}

/* @to: where the records will be copied, and what is there now is not needed */
static void scan_fill(struct scan *scan, struct kevent_record __user *to,
		      unsigned int max)
{
	struct knote *kn;

	scan->nbatch = 0;
	while (scan->nbatch < max) {
		kn = scan_next(scan, &scan->records[scan->nbatch]);
		if (!kn)
			break;
		if ((kn->status & KNOTE_SLOW) && kn->ops->measure)
			knote_measure(kn, &scan->records[scan->nbatch], to);
		scan->knotes[scan->nbatch++] = kn;
	}
}

/* A record has reached the user: do what its flags ask for. */
static void knote_delivered(struct kqueue *kq, struct knote *kn,
			    const struct kevent_record *kev)
{
	trace_kevent_deliver(kq->id, kev);

	if (kn->flags & EV_ONESHOT) {
		kqueue_drop(kq, kn);
		return;
	}
	if ((kn->flags & EV_CLEAR) && kn->ops->delivered)
		kn->ops->delivered(kn, kev);
	if (kn->flags & EV_DISPATCH)
		kn->status |= KNOTE_DISABLED;
	else if (!(kn->flags & EV_CLEAR) && !knote_is_queued(kn))
		knote_requeue(kq, kn);
}

/*
 * Store the batch in one section of user access, and without the checks that
 * copy_to_user() has for sizes not known in advance. Returns how many records
 * arrived; of one that faults, a part may have been stored.
 */
static unsigned int store_records(const struct scan *scan,
				  struct kevent_record __user *to)
{
	const struct kevent_record *kev = scan->records;
	unsigned int i = 0;

	if (!user_write_access_begin(to, scan->nbatch * sizeof(*to)))
		return 0;
	for (; i < scan->nbatch; i++, kev++, to++) {
		unsafe_put_user(kev->ident, &to->ident, fault);
		unsafe_put_user(kev->filter, &to->filter, fault);
		unsafe_put_user(kev->flags, &to->flags, fault);
		unsafe_put_user(kev->fflags, &to->fflags, fault);
		unsafe_put_user(kev->data, &to->data, fault);
		unsafe_put_user(kev->udata, &to->udata, fault);
		unsafe_put_user(kev->ext[0], &to->ext[0], fault);
		unsafe_put_user(kev->ext[1], &to->ext[1], fault);
		unsafe_put_user(kev->ext[2], &to->ext[2], fault);
		unsafe_put_user(kev->ext[3], &to->ext[3], fault);
	}
fault:
	user_write_access_end();
	return i;
}

/* Copy the batch out. Returns how many records arrived. */
static unsigned int scan_copy(struct scan *scan,
			      struct kevent_record __user *events)
{
	unsigned int copied = store_records(scan, events);
	unsigned int i;

	for (i = 0; i < copied; i++)
		knote_delivered(scan->kq, scan->knotes[i], &scan->records[i]);
	for (; i < scan->nbatch; i++)
		knote_requeue(scan->kq, scan->knotes[i]);
	return copied;
}

/* One pass. Returns the number of events, or -EFAULT if none could be stored. */
static int scan_pass(struct kqueue *kq, struct kevent_record __user *events,
		     int nevents)
{
	unsigned int copied;
	struct scan scan kevent_uninitialized;
	int done = 0;

	scan_begin(&scan, kq);
	while (done < nevents) {
		scan_fill(&scan, events + done,
			  min(nevents - done, KEVENT_BATCH));
		if (!scan.nbatch)
			break;
		copied = scan_copy(&scan, events + done);
		done += copied;
		if (copied < scan.nbatch) {
			if (!done)
				done = -EFAULT;
			break;
		}
		/* There may be room, and events, for very many batches. */
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	scan_end(&scan);
	return done;
}

static int kqueue_scan(struct kqueue *kq, struct kevent_record __user *events,
		       int nevents)
{
	int ret;

	if (mutex_lock_killable(&kq->mtx)) {
		/* We may have been woken for something: it is for others. */
		if (kqueue_has_ready(kq))
			kqueue_wake_waiter(kq);
		return -EINTR;
	}
	if (kq->closing)
		ret = -EBADF;
	else
		ret = scan_pass(kq, events, nevents);
	mutex_unlock(&kq->mtx);
	return ret;
}

/*
 * Sleep until something is queued, a signal comes or time is up; true in the
 * last case, also if something is queued that keeps us from sleeping: it may
 * turn out to be nothing, again and again.
 *
 * Each event wakes one waiter, the one that has slept longest. It may be awake
 * already, for another reason: whoever leaves here looks at the queue; one that
 * is frozen does so when it is thawed.
 */
static bool kqueue_sleep(struct kqueue *kq, ktime_t deadline)
{
	ktime_t *expires = deadline == KTIME_MAX ? NULL : &deadline;
	bool timed_out;
	DECLARE_SWAITQUEUE(wait);

	prepare_to_swait_exclusive(&kq->waiters, &wait,
				   TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!kqueue_has_ready(kq) && !READ_ONCE(kq->closing) &&
	    !signal_pending(current))
		timed_out = !schedule_hrtimeout_range(expires,
						      current->timer_slack_ns,
						      HRTIMER_MODE_ABS);
	else
		timed_out = expires && ktime_get() >= deadline;
	finish_swait(&kq->waiters, &wait);
	return timed_out;
}

/**
 * kqueue_collect() - collect events, waiting for the first if there is none
 * @kq: the queue
 * @events: where to store them
 * @nevents: how many at most; more than 0
 * @deadline: of CLOCK_MONOTONIC, until when to wait: 0 not at all, KTIME_MAX
 *	for ever
 *
 * A thread that was woken looks at the queue before it sees that time is up or
 * a signal came, so the wake-up is never lost to the others.
 *
 * Return: how many were stored, 0 if time was up, or -EBADF if the queue was
 * closed, -EFAULT, -EINTR.
 */
int kqueue_collect(struct kqueue *kq, struct kevent_record __user *events,
		   int nevents, ktime_t deadline)
{
	bool timed_out = !deadline;
	int ret = 0;

	for (;;) {
		/*
		 * The last look waits for another's scan, during which the
		 * queue may seem empty. Before that, sleeping will do: the
		 * other passes on what it leaves.
		 */
		if (timed_out || kqueue_has_ready(kq) || READ_ONCE(kq->closing))
			ret = kqueue_scan(kq, events, nevents);
		if (ret || timed_out)
			return ret;
		if (signal_pending(current))
			return -EINTR;
		timed_out = kqueue_sleep(kq, deadline);
	}
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_collect);
