// SPDX-License-Identifier: GPL-2.0
/*
 * Collecting events: look at what is ready, and store it.
 *
 * A scan takes some knotes off the ready list, and has them to itself while it
 * looks at their sources and stores their events, with nothing locked. Then it
 * settles what becomes of them: see knote.h.
 *
 * Each event is stored at once, in a section of user access that may not fault.
 * If a page is missing, the knote keeps its event while the scan lets go of
 * everything else and waits for the page.
 */

#include <linux/indirect_call_wrapper.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "kqueue.h"
#include "record.h"
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
 * @idle: those among them that had nothing to report, a bit each
 * @drops: those that are to be dropped, likewise
 * @listed: taken from kq->ready; in the end what goes back there
 * @knotes: what is held
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
	unsigned int idle;
	unsigned int drops;
	struct list_head listed;
	struct knote *knotes[TAKEN_MAX];
};

/* --- Taking, with the lock ------------------------------------------------ */

static void scan_begin(struct scan *scan, struct kqueue *kq,
		       struct kevent_record __user *events, int room)
{
	lockdep_assert_held(&kq->mtx);

	ready_fetch(kq);
	scan->kq = kq;
	scan->events = events;
	scan->room = room;
	scan->end = kq->nleft + kq->nready;
	scan->nmoved = kq->nmoved;
	scan->nputs = kq->nputs;
}

/* How many that were queued when the pass began have not been met yet. */
static int scan_left(const struct scan *scan)
{
	return scan->end - scan->kq->nleft;
}

/* Not to be looked at now: off the list, which is @listed's if that is so. */
static void scan_park(struct knote *kn, bool listed)
{
	if (listed)
		list_del(&kn->ready);
	kn->status |= KNOTE_PARKED;
}

/*
 * Take it, if it may be taken; else park it. @n are held already. Returns how
 * many then are.
 */
static __always_inline unsigned int scan_meet(struct scan *scan,
					      struct knote *kn, bool listed,
					      unsigned int n)
{
	if (unlikely(!knote_may_run(kn))) {
		scan_park(kn, listed);
		return n;
	}
	kn->status |= KNOTE_HELD;
	scan->knotes[n] = kn;
	return n + 1;
}

/* Take up to @max of kq->ready. Returns how many were met, taken or parked. */
static unsigned int take_listed(struct scan *scan, unsigned int max)
{
	struct kqueue *kq = scan->kq;
	unsigned int met = 0, n = 0;
	struct knote *kn, *next;

	list_for_each_entry_safe(kn, next, &kq->ready, ready) {
		if (met == max)
			break;
		if (unlikely(knote_is_slow(kn))) {
			if (n)
				break;
			max = met + 1;
		}
		met++;
		n = scan_meet(scan, kn, true, n);
	}
	scan->nlisted = n;
	if (n)
		list_cut_before(&scan->listed, &kq->ready, &kn->ready);
	return met;
}

/* The same of kq->fresh; what was taken of kq->ready is not slow. */
static unsigned int take_fresh(struct scan *scan, unsigned int max)
{
	struct llist_node *pos = scan->kq->fresh;
	unsigned int met = 0, n = scan->nlisted;
	struct knote *kn;

	for (; pos && met < max; met++) {
		kn = llist_entry(pos, struct knote, inbox);
		if (unlikely(knote_is_slow(kn))) {
			if (n)
				break;
			max = met + 1;
		}
		pos = pos->next;
		n = scan_meet(scan, kn, false, n);
	}
	scan->kq->fresh = pos;
	scan->ntaken = n;
	return met;
}

/*
 * Take what is to be looked at next, the oldest first; what may not be looked at
 * now is parked. A slow one is taken alone, since others would have to wait for
 * it. Nothing may be held after that, although there is more.
 */
static void scan_take(struct scan *scan)
{
	unsigned int max = min3(scan->room, TAKEN_MAX, scan_left(scan));
	struct kqueue *kq = scan->kq;
	unsigned int met = 0;

	INIT_LIST_HEAD(&scan->listed);
	scan->nlisted = 0;
	if (!list_empty(&kq->ready))
		met = take_listed(scan, max);
	scan->ntaken = scan->nlisted;
	scan->nlooked = 0;
	scan->idle = 0;
	scan->drops = 0;
	if (list_empty(&kq->ready) &&
	    !(scan->nlisted && knote_is_slow(scan->knotes[0])))
		met += take_fresh(scan, max - met);
	WRITE_ONCE(kq->nready, kq->nready - met);
	kq->nleft += met;
}

/* --- Looking and storing, without it -------------------------------------- */

/* Most knotes are of one filter: spare them the indirect call. */
static __always_inline bool knote_event(struct knote *kn,
					struct kevent_record *kev)
{
	knote_begin_look(kn);
	knote_fill(kn, kev);
	if (INDIRECT_CALL_1(kn->ops->event, kevent_read_event, kn, kev))
		return true;
	return kn->status & KNOTE_FORCED;
}

/* Ask a source that answers only to user memory, which is to be stored to. */
static void knote_measure(struct knote *kn, struct kevent_record *kev,
			  struct kevent_record __user *scratch)
{
	s64 data;

	if (!kn->ops->measure)
		return;
	data = kn->ops->measure(kn, scratch);
	if (data >= 0)
		kev->data = data;
}

/*
 * An event has reached the user: its filter forgets what it reported, unless the
 * knote is forgotten as a whole.
 */
static __always_inline void knote_forget(struct knote *kn,
					 struct kevent_record *kev)
{
	if (trace_kevent_deliver_enabled()) {
		knote_fill_rest(kn, kev);
		trace_kevent_deliver(kn->kq->id, kev);
	}
	if ((kn->flags & (EV_CLEAR | EV_ONESHOT)) == EV_CLEAR &&
	    kn->ops->delivered)
		kn->ops->delivered(kn, kev);
}

/*
 * Look at what was taken, none of which is slow, and store what is found; user
 * memory must not fault. Returns a knote whose event is in @kev and can be stored
 * only after a fault, or else NULL.
 */
static struct knote *scan_look(struct scan *scan, struct kevent_record *kev)
{
	struct kevent_record __user *to = scan->events;
	unsigned int i = 0, n = scan->ntaken;
	struct knote *stuck = NULL;
	struct knote *kn;

	while (i < n) {
		kn = scan->knotes[i++];
		if (!knote_event(kn, kev)) {
			scan->idle |= BIT(i - 1);
			continue;
		}
		if (unlikely(!store_event(kn, kev, to))) {
			knote_fill_rest(kn, kev);
			stuck = kn;
			break;
		}
		knote_forget(kn, kev);
		to++;
	}
	scan->nlooked = i;
	scan->room -= to - scan->events;
	scan->events = to;
	return stuck;
}

/* The same for one that is slow, and alone. Its event is always left to store. */
static struct knote *scan_look_slowly(struct scan *scan,
				      struct kevent_record *kev)
{
	struct knote *kn = scan->knotes[0];

	scan->nlooked = 1;
	if (!knote_event(kn, kev)) {
		scan->idle = BIT(0);
		/* Its source may have given up on us, if we are being killed. */
		if (fatal_signal_pending(current))
			atomic_or(KNOTE_NEWS, &kn->state);
		return NULL;
	}
	knote_measure(kn, kev, scan->events);
	knote_fill_rest(kn, kev);
	return kn;
}

/* --- Settling, with the lock ---------------------------------------------- */

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
 * The same, where there may be pollers. Of the news they were not told, as the knote
 * was queued when it came; but this scan may return as if nothing were left, which
 * to those who wait for edges means that they will be told.
 */
static bool knote_rest_or_tell(struct kqueue *kq, struct knote *kn)
{
	if (knote_rest(kn))
		return true;
	if (!(kn->status & KNOTE_DISABLED))
		WRITE_ONCE(kq->missed, true);
	return false;
}

/* An event was delivered. Does the knote stay ready, to be looked at again? */
static bool knote_stays(struct knote *kn)
{
	if (kn->flags & EV_DISPATCH)
		kn->status |= KNOTE_DISABLED;
	return !(kn->flags & (EV_DISPATCH | EV_CLEAR));
}

/*
 * A knote that is off all lists is to be dropped: it leaves the tables, but as it
 * is TAKEN that is all. Who lets go of it ends it.
 */
static void scan_doom(struct kqueue *kq, struct knote *kn)
{
	/* From here on its source may put it on the inbox. */
	atomic_andnot(KNOTE_QUEUED, &kn->state);
	if (!(kn->status & KNOTE_DEAD))
		kqueue_drop(kq, kn);
}

/*
 * Drop those that are held until now. That may mean to wait, with the lock given
 * up; when it is, nobody waits for any of them, nor finds it. Most scans have none,
 * and do not come here.
 */
static noinline void scan_drop_all(struct scan *scan)
{
	unsigned int left;
	struct knote *kn;

	for (left = scan->drops; left; left &= left - 1) {
		kn = scan->knotes[__ffs(left)];
		kn->status &= ~KNOTE_BUSY;
		scan_doom(scan->kq, kn);
	}
	for (left = scan->drops; left; left &= left - 1)
		kqueue_let_go(scan->kq, scan->knotes[__ffs(left)], KNOTE_TAKEN);
}

/*
 * Let go of the i-th knote, which was looked at: it will be dropped, or rests
 * until its source fires, or stays ready. In the last case it is on scan->listed:
 * true.
 */
static bool scan_settle_one(struct scan *scan, unsigned int i)
{
	bool delivered = !(scan->idle & BIT(i));
	struct knote *kn = scan->knotes[i];

	if (i < scan->nlisted)
		list_del(&kn->ready);
	if (unlikely((kn->status & KNOTE_DEAD) ||
		     (delivered && (kn->flags & EV_ONESHOT)) ||
		     knote_is_gone(kn))) {
		scan->drops |= BIT(i);
		return false;
	}
	kn->status &= ~KNOTE_HELD;
	if (!(delivered && knote_stays(kn)) && knote_rest_or_tell(scan->kq, kn))
		return false;
	list_add_tail(&kn->ready, &scan->listed);
	return true;
}

/*
 * What was not looked at goes back to the front. Another scan may have been at
 * the front since, and put back something, too: then the order is not what it
 * was, and who counts on it has to begin again.
 */
static void scan_put_back(struct scan *scan)
{
	struct kqueue *kq = scan->kq;
	unsigned int i = scan->ntaken;
	struct knote *kn;

	kq->nputs++;
	scan->nputs++;
	while (i-- > scan->nlooked) {
		kn = scan->knotes[i];
		if (i < scan->nlisted)
			list_del(&kn->ready);
		if (kn->status & KNOTE_DEAD) {
			scan->drops |= BIT(i);
			continue;
		}
		kn->status &= ~KNOTE_HELD;
		list_add(&kn->ready, &kq->ready);
		WRITE_ONCE(kq->nready, kq->nready + 1);
		kq->nleft--;
	}
}

/* Something stays ready, and has gone to the end, where others may not look. */
static void scan_has_moved(struct scan *scan)
{
	scan->kq->nmoved++;
	scan->nmoved++;
}

/*
 * The usual cases, all of them delivered: level-triggered knotes stay where they
 * are, edge-triggered ones rest. Returns how many could be settled so, and how
 * many of them stay.
 */
static unsigned int scan_settle_usual(struct scan *scan, unsigned int *stay)
{
	unsigned int i, n = scan->nlooked, nlisted = scan->nlisted;
	struct knote *kn;
	u8 status;
	u16 how;

	for (i = 0; i < n; i++) {
		kn = scan->knotes[i];
		how = kn->flags & (EV_ONESHOT | EV_CLEAR | EV_DISPATCH);
		status = kn->status;
		if (status & KNOTE_DEAD)
			break;
		if (i < nlisted ? how : how != EV_CLEAR || !knote_rest(kn))
			break;
		kn->status = status & ~KNOTE_HELD;
	}
	*stay = min(i, nlisted);
	return i;
}

/*
 * The others, from the i-th, but for the one that is @stuck: it stays TAKEN. And what
 * was not looked at. Returns how many stay on scan->listed.
 */
static noinline unsigned int scan_settle_others(struct scan *scan, unsigned int i,
						struct knote *stuck)
{
	unsigned int stay = 0;
	struct knote *kn;

	if (scan->nlooked < scan->ntaken)
		scan_put_back(scan);
	for (; i < scan->nlooked; i++) {
		kn = scan->knotes[i];
		if (unlikely(kn == stuck)) {
			kn->status &= ~KNOTE_BUSY;
			if (i < scan->nlisted)
				list_del(&kn->ready);
			continue;
		}
		stay += scan_settle_one(scan, i);
	}
	return stay;
}

/*
 * Let go of all that is held, but for the one that is @stuck. What is dropped comes
 * last: until all others are where they belong, the lock must not be given up.
 */
static void scan_settle(struct scan *scan, struct knote *stuck)
{
	unsigned int i = 0, stay = 0;
	struct kqueue *kq = scan->kq;

	lockdep_assert_held(&kq->mtx);

	if (likely(!scan->idle && !stuck))
		i = scan_settle_usual(scan, &stay);
	if (unlikely(i < scan->ntaken))
		stay += scan_settle_others(scan, i, stuck);
	if (stay) {
		if (kq->fresh)
			ready_flatten(kq);
		list_splice_tail(&scan->listed, &kq->ready);
		WRITE_ONCE(kq->nready, kq->nready + stay);
		scan_has_moved(scan);
	}
	if (unlikely(scan->drops))
		scan_drop_all(scan);
	ready_released(kq);
}

/*
 * Store the event of a knote that is TAKEN, which may mean to wait for a page,
 * for as long as somebody wants. Then settle it, too. Changes of the knote have
 * gone on; if one is at work just now, the filter forgets when that is done.
 */
static bool scan_store_slowly(struct scan *scan, struct knote *kn,
			      struct kevent_record *kev)
{
	struct kqueue *kq = scan->kq;
	bool stored;

	ready_pass_on(kq);
	mutex_unlock(&kq->mtx);
	stored = store_record(kev, scan->events);
	mutex_lock(&kq->mtx);

	if (stored) {
		scan->events++;
		scan->room--;
		while (kn->ops->delivered && (kn->status & KNOTE_BUSY) &&
		       !ready_wait_released(kq))
			;
		if (!(kn->status & (KNOTE_BUSY | KNOTE_DEAD)))
			knote_forget(kn, kev);
	}
	/* By the event: a knote may have begun to end since that was made. */
	if ((kn->status & KNOTE_DEAD) ||
	    (stored && ((kn->flags | kev->flags) & EV_ONESHOT))) {
		scan_doom(kq, kn);
		kqueue_let_go(kq, kn, KNOTE_TAKEN);
	} else {
		kn->status &= ~KNOTE_TAKEN;
		if (!stored || knote_stays(kn) || !knote_rest_or_tell(kq, kn)) {
			ready_add(kq, kn);
			scan_has_moved(scan);
		}
	}
	ready_released(kq);
	return stored;
}

/* --- A pass --------------------------------------------------------------- */

static bool scan_has_more(const struct scan *scan)
{
	return scan->room && scan_left(scan) > 0 &&
	       scan->nputs == scan->kq->nputs;
}

/* There may be room, and events, for very many rounds. */
static bool scan_goes_on(const struct scan *scan)
{
	if (!scan_has_more(scan))
		return false;
	cond_resched();
	return !fatal_signal_pending(current);
}

/*
 * Some that were queued may not have been met: others that came after them were
 * taken out, or another scan has had them and put them at the end. That does not
 * matter if something was found.
 */
static bool scan_was_cut_short(const struct scan *scan)
{
	return (scan->nmoved != scan->kq->nmoved ||
		scan->nputs != scan->kq->nputs) &&
	       !fatal_signal_pending(current);
}

/* Look at what was taken, and store what can be stored at once. */
static struct knote *scan_look_unlocked(struct scan *scan,
					struct kevent_record *kev)
{
	struct kqueue *kq = scan->kq;
	struct knote *stuck;

	if (unlikely(knote_is_slow(scan->knotes[0]))) {
		ready_pass_on(kq);
		mutex_unlock(&kq->mtx);
		stuck = scan_look_slowly(scan, kev);
		mutex_lock(&kq->mtx);
		return stuck;
	}
	kq->nlooks++;
	mutex_unlock(&kq->mtx);
	pagefault_disable();
	stuck = scan_look(scan, kev);
	pagefault_enable();
	mutex_lock(&kq->mtx);
	kq->nlooks--;
	return stuck;
}

/*
 * One pass over what is ready. With kq->mtx locked, which is given up now and
 * then. Returns the number of events, or -EFAULT if none could be stored.
 */
static int scan_pass(struct kqueue *kq, struct kevent_record __user *events,
		     int nevents)
{
	struct kevent_record kev kevent_uninitialized;
	struct scan scan kevent_uninitialized;
	struct knote *stuck;
	bool more;

again:
	scan_begin(&scan, kq, events, nevents);
	for (more = scan_has_more(&scan); more; more = scan_goes_on(&scan)) {
		scan_take(&scan);
		if (!scan.ntaken)
			continue;
		stuck = scan_look_unlocked(&scan, &kev);
		scan_settle(&scan, stuck);

		if (stuck && !scan_store_slowly(&scan, stuck, &kev)) {
			if (scan.room == nevents)
				nevents = -EFAULT;
			break;
		}
	}
	if (scan.room == nevents && scan_was_cut_short(&scan))
		goto again;
	ready_pass_on(kq);
	return nevents < 0 ? nevents : nevents - scan.room;
}

/*
 * The last look of a call must not miss what is ready at all times, only because
 * another scan has it in its hands. So it waits until those have let go, unless
 * they wait for something themselves, and looks again; no new ones begin
 * meanwhile.
 */
static int scan_wait_looks(struct kqueue *kq)
{
	int ret;

	kq->lookers++;
	ret = ready_wait_released(kq);
	kq->lookers--;
	ready_released(kq);
	return ret;
}

/* Let those go first who are at their last look. */
static int scan_wait_turn(struct kqueue *kq)
{
	while (unlikely(kq->lookers) && !kq->closing) {
		if (!ready_wait_released(kq))
			continue;
		ready_pass_on(kq);
		return -EINTR;
	}
	return 0;
}

/*
 * Scan the queue once. @last: there is no other look after this. Returns the number
 * of events, or -EBADF if the queue is closed, -EFAULT, -EINTR. Context: may sleep.
 */
int kqueue_scan(struct kqueue *kq, struct kevent_record __user *events,
		int nevents, bool last)
{
	int ret;

	if (mutex_lock_killable(&kq->mtx)) {
		/* We may have been woken for something: it is for others. */
		if (kqueue_has_ready(kq))
			ready_wake_waiter(kq);
		return -EINTR;
	}
	ret = scan_wait_turn(kq);
	while (!ret && !kq->closing) {
		ret = scan_pass(kq, events, nevents);
		if (ret || !last || !kq->nlooks)
			break;
		ret = scan_wait_looks(kq);
	}
	if (!ret && kq->closing)
		ret = -EBADF;
	mutex_unlock(&kq->mtx);
	return ret;
}
