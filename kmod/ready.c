// SPDX-License-Identifier: GPL-2.0
/*
 * The ready lists: which knotes of a queue are to be looked at, and who is told
 * that there are any.
 *
 * A knote that fires goes to the inbox, which takes no lock. From there it comes
 * in order to kq->fresh, where most are met by a scan without ever having been
 * on a list; so does, with the queue locked, what a change finds ready, or has not
 * looked at yet. What
 * stays ready, or must be taken out of the middle, is on kq->ready. A scan takes
 * knotes off, and has them to itself until it puts them back: see knote.h.
 */

#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "kqueue.h"
#include "trace.h"

/* After so many steps of a loop whose length a user decides, let others run. */
#define STEPS_AT_ONCE	1024

/* --- Who is told --------------------------------------------------------- */

/*
 * Will somebody look anyhow? A scan that is at work looks whether there is more when
 * it leaves:
 *
 *	source				scan
 *	queue something			not at work any more
 *	(full barrier)			(full barrier)
 *	a scan at work?			anything queued? Then wake a waiter
 *
 * It is at work for a moment, unless it is preempted. With PREEMPT_RT, who waits for
 * a mutex lends its owner his priority; a scan could not be lent any, so that there
 * nobody depends on it.
 */
static bool ready_is_met(const struct kqueue *kq)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) && READ_ONCE(kq->nscans);
}

/* Is there a waiter to be woken? Barrier as below. */
static bool has_waiter(struct kqueue *kq)
{
	/* Pairs with the barrier of prepare_to_swait_exclusive(). */
	return swait_active(&kq->waiters) && !ready_is_met(kq);
}

/* One waiter is to look at the queue. Barrier and context as below. */
static void ready_wake_waiter(struct kqueue *kq)
{
	if (has_waiter(kq))
		swake_up_one(&kq->waiters);
}

/*
 * Something was put on the queue: tell one waiter, and all pollers.
 *
 * The caller has a full barrier between queueing and this.
 * Context: any.
 */
void ready_wake(struct kqueue *kq)
{
	ready_wake_waiter(kq);
	/* Pairs with the barrier in ready_poll_empty(). */
	if (waitqueue_active(&kq->pollers))
		kqueue_wake_pollers(kq);
}

/* The queue is closing: all are to learn of it. Context: may sleep. */
void ready_wake_all(struct kqueue *kq)
{
	swake_up_all(&kq->waiters);
	wake_up_all(&kq->released);
	/* Pairs with the barrier of poll_wait(), after which closing is read. */
	if (wq_has_sleeper(&kq->pollers))
		kqueue_wake_pollers(kq);
}

/*
 * What a scan leaves is queued: pass on the wake-up that brought it here. Pollers
 * know already, but for those who came during the scan's pass and found nothing, and
 * of what came during it. Context: under kq->mtx.
 */
void ready_pass_on_queued(struct kqueue *kq)
{
	if (READ_ONCE(kq->missed)) {
		WRITE_ONCE(kq->missed, false);
		ready_wake(kq);
		return;
	}
	ready_wake_waiter(kq);
}

/*
 * To a poller it seems that nothing is queued. If that is because a scan is at
 * work, it must tell the pollers what it leaves.
 *
 *	poller				source or scan
 *	into pollers; set missed	queue something
 *	(full barrier)			(full barrier)
 *	look again			any pollers? missed?
 */
bool ready_poll_empty(struct kqueue *kq)
{
	WRITE_ONCE(kq->missed, true);
	/* Pairs with the barriers before ready_wake() and ready_pass_on(). */
	smp_mb();
	return !kqueue_has_ready(kq) && !READ_ONCE(kq->closing);
}

/* --- The lists ----------------------------------------------------------- */

void ready_init(struct kqueue *kq)
{
	init_llist_head(&kq->inbox);
	init_swait_queue_head(&kq->waiters);
	init_waitqueue_head(&kq->pollers);
	init_waitqueue_head(&kq->released);
	INIT_LIST_HEAD(&kq->ready);
}

/* True if the caller is the one who set QUEUED, and so owns the list node. */
static bool knote_claim(struct knote *kn)
{
	int old = atomic_fetch_or(KNOTE_QUEUED | KNOTE_NEWS, &kn->state);

	return !(old & KNOTE_QUEUED);
}

/**
 * knote_activate() - a source has something for a knote
 * @kn: the knote; its filter has not returned from detach
 *
 * Puts the knote on its queue's inbox, unless it is waiting to be looked at
 * already, and wakes one waiter. Cheap and idempotent; what the knote has to
 * report is found out later, by the filter's event function: knote_begin_look()
 * has the order against that.
 *
 * A waiter adds itself before it looks at the inbox, and the inbox is filled
 * before the look for waiters.
 *
 * Context: any, also hard interrupt and under a source's wait-queue lock.
 */
void knote_activate(struct knote *kn)
{
	struct kqueue *kq = kn->kq;

	if (!knote_claim(kn))
		return;

	trace_kevent_activate(kq->id, kn->ident, kn->filter);
	/* From here on a scan on another CPU may have the knote. */
	llist_add(&kn->inbox, &kq->inbox);
	ready_wake(kq);
}
EXPORT_SYMBOL_GPL(knote_activate);

/**
 * knote_activate_one() - one of several queues is to take what a source has
 * @kn: a knote of one of them
 *
 * As knote_activate(), and for the same contexts.
 *
 * Return: whether the queue was asleep, and somebody will look at it now because of
 * this: a thread that is in kevent(), or who polls the queue. A thread is among the
 * waiters until it is woken, so if it was for something else before, it does not
 * count. Nor do those of a queue in which a scan is at work, or a knote that was queued
 * already, is disabled, or goes as its event was delivered.
 */
bool knote_activate_one(struct knote *kn)
{
	struct kqueue *kq = kn->kq;
	bool asleep, deaf;

	if (!knote_claim(kn))
		return false;

	/* A scan that disables it, or drops it, says so before it clears QUEUED. */
	deaf = (READ_ONCE(kn->status) & KNOTE_DISABLED) ||
	       (atomic_read(&kn->state) & KNOTE_DELIVERED);
	trace_kevent_activate(kq->id, kn->ident, kn->filter);
	llist_add(&kn->inbox, &kq->inbox);
	/* After that, as ready_wake() does. */
	asleep = has_waiter(kq) || waitqueue_active(&kq->pollers);
	ready_wake(kq);
	return asleep && !deaf;
}

static void append_fresh(struct kqueue *kq, struct llist_node *first,
			 struct llist_node *last)
{
	if (kq->fresh)
		kq->fresh_last->next = first;
	else
		kq->fresh = first;
	kq->fresh_last = last;
}

/* Move what has fired from the inbox to the end of kq->fresh. */
void ready_fetch(struct kqueue *kq)
{
	struct llist_node *pos, *next, *last, *first = NULL;
	unsigned int n = kq->nready;

	lockdep_assert_held(&kq->mtx);

	if (llist_empty(&kq->inbox))
		return;

	/*
	 * At no time may the queue look empty to kqueue_has_ready(): so count
	 * one for the inbox before emptying it, which is a full barrier.
	 */
	WRITE_ONCE(kq->nready, n + 1);
	last = llist_del_all(&kq->inbox);
	for (pos = last; pos; pos = next) {
		next = pos->next;
		pos->next = first;
		first = pos;
		if (!(++n % STEPS_AT_ONCE))
			cond_resched();
	}
	WRITE_ONCE(kq->nready, n);

	append_fresh(kq, first, last);
}

/* Move all to kq->ready, where a knote can be in the middle. */
void ready_flatten(struct kqueue *kq)
{
	struct knote *kn, *next;
	unsigned int steps = 0;

	ready_fetch(kq);
	llist_for_each_entry_safe(kn, next, kq->fresh, inbox) {
		list_add_tail(&kn->ready, &kq->ready);
		if (!(++steps % STEPS_AT_ONCE))
			cond_resched();
	}
	kq->fresh = NULL;
}

/* Put a knote at the end, whose list node the caller owns. Wakes nobody. */
void ready_add(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	kn->inbox.next = NULL;
	append_fresh(kq, &kn->inbox, &kn->inbox);
	WRITE_ONCE(kq->nready, kq->nready + 1);
}

/* As knote_activate(), without telling anybody. True if it was not queued before. */
static __always_inline bool ready_put(struct kqueue *kq, struct knote *kn)
{
	if (!knote_claim(kn))
		return false;
	trace_kevent_activate(kq->id, kn->ident, kn->filter);
	if (!llist_empty(&kq->inbox))
		ready_fetch(kq);
	ready_add(kq, kn);
	return true;
}

/* As knote_activate(), in less time. Context: under kq->mtx. */
void ready_activate(struct kqueue *kq, struct knote *kn)
{
	if (!ready_put(kq, kn))
		return;
	/* Pairs with those who wait for nready to change. */
	smp_mb();
	ready_wake(kq);
}

/*
 * The same by who goes on to collect events, or calls kqueue_look_over() if nothing
 * comes of that, and ready_pass_on() if it takes time. Others are told by his scan,
 * of what it leaves; so it need not be known yet whether there is anything to
 * report. Context: under kq->mtx.
 */
void ready_queue(struct kqueue *kq, struct knote *kn)
{
	if (!ready_put(kq, kn))
		return;
	kq->unlooked = true;
	WRITE_ONCE(kq->missed, true);
}

/* Is it one of the last @n? */
static bool is_among_last(struct kqueue *kq, struct knote *kn, unsigned int n)
{
	struct list_head *pos;

	list_for_each_prev(pos, &kq->ready) {
		if (!n--)
			return false;
		if (pos == &kn->ready)
			return true;
	}
	return false;
}

/*
 * Take a knote off kq->ready that may be anywhere on it. If it was in the inbox
 * until now, as when it fires while it is detached, no scan has counted on it;
 * otherwise, one may have.
 */
static void remove_listed(struct kqueue *kq, struct knote *kn)
{
	unsigned int known = kq->nready;

	ready_flatten(kq);
	if (kq->nready == known || !is_among_last(kq, kn, kq->nready - known)) {
		kq->nleft++;
		kq->nmoved++;
	}
	list_del(&kn->ready);
	WRITE_ONCE(kq->nready, kq->nready - 1);
}

/*
 * Take a knote off whatever list it is on, or out of the park. After detach, or
 * its source could put it back, and while nobody holds it.
 */
void ready_remove(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	if (!knote_is_queued(kn))
		return;
	if (kn->status & KNOTE_PARKED)
		kn->status &= ~KNOTE_PARKED;
	else
		remove_listed(kq, kn);
	atomic_andnot(KNOTE_QUEUED, &kn->state);
}

/*
 * Have it parked, so that its source cannot queue it any more: false if that would take
 * longer than a moment. Before detach, and while nobody holds it.
 *
 * If it is queued, and there is no news, it has been looked at since it was queued, so
 * that it is on kq->ready, or was put on kq->fresh by a scan. With news, it may be
 * anywhere, also nowhere yet, if its source has only just claimed it.
 */
bool ready_park(struct kqueue *kq, struct knote *kn)
{
	int old;

	lockdep_assert_held(&kq->mtx);

	if (kn->status & KNOTE_PARKED)
		return true;
	old = atomic_fetch_or(KNOTE_QUEUED, &kn->state);
	if (old & KNOTE_QUEUED) {
		if ((old & KNOTE_NEWS) || kq->fresh)
			return false;
		list_del(&kn->ready);
		WRITE_ONCE(kq->nready, kq->nready - 1);
		kq->nleft++;
		kq->nmoved++;
	}
	kn->status |= KNOTE_PARKED;
	return true;
}

/* A knote that is parked, and may be looked at now, goes to the end. */
void ready_unpark_one(struct kqueue *kq, struct knote *kn)
{
	kn->status &= ~KNOTE_PARKED;
	ready_add(kq, kn);
	/* Pairs with those who wait for nready to change. */
	smp_mb();
	ready_wake(kq);
}

/*
 * How many knotes wait to be looked at. Exact, unless somebody is working on
 * the queue just now: then it is what can be seen from outside.
 */
unsigned int kqueue_nr_ready(struct kqueue *kq)
{
	unsigned int n;

	if (mutex_trylock(&kq->mtx)) {
		ready_fetch(kq);
		n = kq->nready;
		mutex_unlock(&kq->mtx);
	} else {
		n = READ_ONCE(kq->nready) + !llist_empty(&kq->inbox);
	}
	return n;
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_nr_ready);

/* --- Held knotes --------------------------------------------------------- */

/*
 * Wait until something was released; the lock is given up meanwhile. Returns
 * -EINTR if the thread is being killed, which may have been released, or not.
 */
int ready_wait_released(struct kqueue *kq)
{
	DEFINE_WAIT(wait);

	lockdep_assert_held(&kq->mtx);

	prepare_to_wait(&kq->released, &wait, TASK_KILLABLE);
	mutex_unlock(&kq->mtx);
	if (!fatal_signal_pending(current))
		schedule();
	finish_wait(&kq->released, &wait);
	mutex_lock(&kq->mtx);
	return fatal_signal_pending(current) ? -EINTR : 0;
}
