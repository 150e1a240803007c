/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A scan, and its parts:
 *
 *	sole.c		all of it, if there is one knote to look at
 *	scan.c		taking knotes, with the queue locked; the usual case
 *	look.c		looking at them and storing events, without the lock
 *	settle.c	what becomes of them, with it
 */
#ifndef _KEVENT_SCAN_H
#define _KEVENT_SCAN_H

#include "kqueue.h"
#include "trace.h"

/* How many knotes a scan holds at a time. */
#define TAKEN_MAX	16

/**
 * struct scan - one pass over the queue
 * @kq: the queue
 * @events: where the next event goes
 * @room: how many more may be stored
 * @end: what kq->nleft will be when all have been met that were queued when the
 *	pass began. What stays ready goes behind them, so none is met twice
 * @nmoved: kq->nmoved when it began, and what this scan has added to it
 * @nputs: kq->nputs, likewise
 * @ntaken: how many knotes are held
 * @nlisted: how many of them, from the first, are on @listed
 * @nlooked: how many have been looked at
 * @rounds: how often some were taken
 * @idle: those among them that had nothing to report, a bit each
 * @drops: those that are to be dropped, likewise
 * @listed: taken from kq->ready; in the end what goes back there
 * @knotes: what is held
 * @data: of those that are looked at directly, what is in them; see look.c
 */
struct scan {
	struct kqueue *kq;
	struct kevent_record __user *events;
	int room;
	unsigned int end;
	unsigned int nmoved;
	unsigned int nputs;
	unsigned int ntaken;
	unsigned int nlisted;
	unsigned int nlooked;
	unsigned int rounds;
	unsigned int idle;
	unsigned int drops;
	struct list_head listed;
	struct knote *knotes[TAKEN_MAX];
	s64 data[TAKEN_MAX];
};

/* sole.c */
int scan_sole(struct kqueue *kq, struct kevent_record __user *events);

/* look.c */
bool knote_event(struct knote *kn, struct kevent_record *kev);
struct knote *scan_look(struct scan *scan, struct kevent_record *kev);
struct knote *scan_look_slowly(struct scan *scan, struct kevent_record *kev);
void knote_trace_delivery(const struct knote *kn, struct kevent_record *kev);
void knote_trace_bytes(const struct knote *kn, s64 data);

/* settle.c */
unsigned int scan_settle_others(struct scan *scan, unsigned int i,
				struct knote *stuck);
void scan_drop_all(struct scan *scan);
void knote_doom(struct kqueue *kq, struct knote *kn);
bool scan_store_slowly(struct scan *scan, struct knote *kn,
		       struct kevent_record *kev);

/*
 * An event has reached the user: its filter forgets what it reported, unless the
 * knote is forgotten as a whole.
 */
static __always_inline void knote_forget(struct knote *kn,
					 struct kevent_record *kev)
{
	if (trace_kevent_deliver_enabled())
		knote_trace_delivery(kn, kev);
	if ((kn->flags & (EV_CLEAR | EV_ONESHOT)) == EV_CLEAR &&
	    kn->ops->delivered)
		kn->ops->delivered(kn, kev);
}

/*
 * Give QUEUED up, with the list node. False if there is news: look again; or if it
 * has seen its last: drop it.
 */
static __always_inline bool knote_rest(struct knote *kn)
{
	int state = atomic_read(&kn->state);

	do {
		if (state & (KNOTE_NEWS | KNOTE_GONE))
			return false;
	} while (!atomic_try_cmpxchg(&kn->state, &state, state & ~KNOTE_QUEUED));
	return true;
}

/*
 * The same where there may be pollers. Of the news they were not told, as the knote was
 * queued when it came; but this scan may return as if nothing were left, which to those
 * who wait for edges means that they will be told.
 */
static inline bool knote_rest_or_tell(struct kqueue *kq, struct knote *kn)
{
	if (knote_rest(kn))
		return true;
	if (!(kn->status & KNOTE_DISABLED))
		WRITE_ONCE(kq->missed, true);
	return false;
}

/* An event was delivered. Does the knote stay ready, to be looked at again? */
static inline bool knote_stays(struct knote *kn)
{
	if (kn->flags & EV_DISPATCH)
		kn->status |= KNOTE_DISABLED;
	return !(kn->flags & (EV_DISPATCH | EV_CLEAR));
}

/* A scan is at work: what is queued from now on need not wake others. */
static inline void scan_enter(struct kqueue *kq)
{
	WRITE_ONCE(kq->nscans, kq->nscans + 1);
}

/* It leaves, or is about to stand still, which leaves what is queued to others. */
static inline void scan_leave(struct kqueue *kq)
{
	WRITE_ONCE(kq->nscans, kq->nscans - 1);
	ready_pass_on(kq);
}

/* Something stays ready, and has gone to the end, where others may not look. */
static inline void scan_has_moved(struct scan *scan)
{
	scan->kq->nmoved++;
	scan->nmoved++;
}

#endif /* _KEVENT_SCAN_H */
