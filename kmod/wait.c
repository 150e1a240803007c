// SPDX-License-Identifier: GPL-2.0
/* Collecting events: waiting until there are any. */

#include <linux/freezer.h>
#include <linux/hrtimer.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "kqueue.h"

/*
 * Sleep until something is queued, a signal comes or time is up; true in the
 * last case, also if something is queued that keeps us from sleeping: it may
 * turn out to be nothing, again and again.
 *
 * Each event wakes one waiter, the one that has slept longest. It may be awake
 * already, for another reason: whoever leaves here looks at the queue; one that
 * is frozen does so when it is thawed.
 */
static noinline bool kqueue_sleep(struct kqueue *kq, ktime_t deadline)
{
	bool timed_out = false;
	DECLARE_SWAITQUEUE(wait);

	prepare_to_swait_exclusive(&kq->waiters, &wait,
				   TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (kqueue_has_ready(kq) || READ_ONCE(kq->closing) ||
	    signal_pending(current))
		timed_out = ktime_get() >= deadline;
	else if (deadline == KTIME_MAX)
		schedule();
	else
		timed_out = !schedule_hrtimeout_range(&deadline,
						      current->timer_slack_ns,
						      HRTIMER_MODE_ABS);
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
			ret = kqueue_scan(kq, events, nevents, timed_out);
		if (ret || timed_out)
			return ret;
		if (signal_pending(current))
			return -EINTR;
		timed_out = kqueue_sleep(kq, deadline);
	}
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_collect);
