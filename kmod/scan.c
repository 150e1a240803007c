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
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "kqueue.h"
#include "trace.h"

/**
 * struct scan - one pass over the queue
 * @kq: the queue
 * @todo: knotes that were ready when the pass began, oldest first. What
 *	becomes ready again goes to kq->ready, so that none is met twice
 * @ntodo: length of @todo
 * @nbatch: how many of the below are in use
 * @knotes: whose records are in @records
 * @records: to be copied out
 */
struct scan {
	struct kqueue *kq;
	struct list_head todo;
	unsigned int ntodo;
	unsigned int nbatch;
	struct knote *knotes[KEVENT_BATCH];
	struct kevent_record records[KEVENT_BATCH];
};

static void scan_begin(struct scan *scan, struct kqueue *kq)
{
	kqueue_fetch_inbox(kq);

	scan->kq = kq;
	INIT_LIST_HEAD(&scan->todo);
	list_splice_init(&kq->ready, &scan->todo);
	scan->ntodo = kq->nready;
	WRITE_ONCE(kq->nready, 0);
}

/*
 * Put back what was not looked at, before what was. If anything is left, other
 * threads are told: one of them may have been woken for it and found the queue
 * busy, and a poller may have found it empty during the pass.
 */
static void scan_end(struct scan *scan)
{
	struct kqueue *kq = scan->kq;

	list_splice(&scan->todo, &kq->ready);
	WRITE_ONCE(kq->nready, kq->nready + scan->ntodo);

	/* Pairs with those who queue themselves, then look at nready. */
	smp_mb();
	if (kqueue_has_ready(kq))
		kqueue_pass_on(kq);
}

static void fill_record(const struct knote *kn, struct kevent_record *kev)
{
	kev->ident = kn->ident;
	kev->filter = kn->filter;
	kev->flags = kn->flags;
	kev->fflags = 0;
	kev->data = 0;
	kev->udata = kn->udata;
	memcpy(kev->ext, kn->ext, sizeof(kev->ext));
}

/*
 * Has the knote something to report? It is on no list, and QUEUED is still
 * set. Clear that first and look then: see knote_activate(). What must not be
 * delivered keeps QUEUED, so that its source does not bother the queue again.
 */
static bool knote_look(struct knote *kn, struct kevent_record *kev)
{
	if ((kn->status & KNOTE_DISABLED) || knote_is_closed(kn)) {
		kn->status |= KNOTE_PARKED;
		return false;
	}

	atomic_andnot(KNOTE_QUEUED, &kn->state);
	/* Pairs with the claiming of QUEUED in knote_activate(). */
	smp_mb__after_atomic();

	fill_record(kn, kev);
	return kn->ops->event(kn, kev) || (kn->status & KNOTE_FORCED);
}

static void scan_fill(struct scan *scan, unsigned int max)
{
	struct knote *kn;

	scan->nbatch = 0;
	while (scan->nbatch < max && scan->ntodo) {
		kn = list_first_entry(&scan->todo, struct knote, ready);
		list_del(&kn->ready);
		scan->ntodo--;

		if (knote_look(kn, &scan->records[scan->nbatch]))
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

	if (kn->flags & EV_DISPATCH) {
		kn->status |= KNOTE_DISABLED;
	} else if (!(kn->flags & EV_CLEAR) && knote_claim_queued(kn)) {
		/* Level: look again next time, after all others. */
		list_add_tail(&kn->ready, &kq->ready);
		WRITE_ONCE(kq->nready, kq->nready + 1);
	}
}

/* A record could not be copied: back to where the knote was. */
static void scan_undo(struct scan *scan, struct knote *kn)
{
	if (knote_claim_queued(kn)) {
		list_add(&kn->ready, &scan->todo);
		scan->ntodo++;
	}
}

/* Copy the batch out. Returns how many records arrived. */
static unsigned int scan_copy(struct scan *scan,
			      struct kevent_record __user *events)
{
	size_t size = scan->nbatch * sizeof(*events);
	size_t left = copy_to_user(events, scan->records, size);
	unsigned int copied = (size - left) / sizeof(*events);
	unsigned int i;

	for (i = scan->nbatch; i > copied; i--)
		scan_undo(scan, scan->knotes[i - 1]);
	for (i = 0; i < copied; i++)
		knote_delivered(scan->kq, scan->knotes[i], &scan->records[i]);
	return copied;
}

/* One pass. Returns the number of events, or -EFAULT if none could be stored. */
static int scan_pass(struct kqueue *kq, struct kevent_record __user *events,
		     int nevents)
{
	unsigned int copied;
	struct scan scan;
	int done = 0;

	scan_begin(&scan, kq);
	while (done < nevents) {
		kq->scratch = events + done;
		scan_fill(&scan, min(nevents - done, KEVENT_BATCH));
		if (!scan.nbatch)
			break;
		copied = scan_copy(&scan, events + done);
		done += copied;
		if (copied < scan.nbatch) {
			if (!done)
				done = -EFAULT;
			break;
		}
	}
	kq->scratch = NULL;
	scan_end(&scan);
	return done;
}

static int kqueue_scan(struct kqueue *kq, struct kevent_record __user *events,
		       int nevents)
{
	int ret = 0;

	if (!kqueue_has_ready(kq) && !READ_ONCE(kq->closing))
		return 0;

	if (mutex_lock_killable(&kq->mtx))
		return -EINTR;
	if (kq->closing)
		ret = -EBADF;
	else
		ret = scan_pass(kq, events, nevents);
	mutex_unlock(&kq->mtx);
	return ret;
}

/*
 * Sleep until something is queued, a signal comes or time is up; true in the
 * last case. Waiters are exclusive: each event wakes one of them.
 */
static bool kqueue_sleep(struct kqueue *kq, ktime_t deadline)
{
	ktime_t *expires = deadline == KTIME_MAX ? NULL : &deadline;
	bool timed_out = false;
	DEFINE_WAIT(wait);

	prepare_to_wait_exclusive(&kq->waiters, &wait,
				  TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!kqueue_has_ready(kq) && !READ_ONCE(kq->closing) &&
	    !signal_pending(current))
		timed_out = !schedule_hrtimeout_range(expires,
						      current->timer_slack_ns,
						      HRTIMER_MODE_ABS);
	finish_wait(&kq->waiters, &wait);
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
	int ret;

	for (;;) {
		ret = kqueue_scan(kq, events, nevents);
		if (ret || timed_out)
			return ret;
		if (signal_pending(current))
			return -EINTR;
		timed_out = kqueue_sleep(kq, deadline);
	}
}
