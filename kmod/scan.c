// SPDX-License-Identifier: GPL-2.0
/*
 * Collecting events: look at what is ready, and store it.
 *
 * A scan takes some knotes off the ready list, and has them to itself while it
 * looks at their sources and stores their events, with nothing locked. Then it
 * settles what becomes of them: see knote.h.
 *
 * Events are stored in sections of user access that may not fault.
 * If a page is missing, the knote keeps its event while the scan lets go of
 * everything else and waits for the page.
 */

#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "scan.h"

/* What says how a knote goes on once its event was delivered. */
#define EV_HOW	(EV_ONESHOT | EV_CLEAR | EV_DISPATCH)

/* --- Taking, with the lock ------------------------------------------------ */

static void scan_begin(struct scan *scan, struct kqueue *kq,
		       struct kevent_record __user *events, int room)
{
	lockdep_assert_held(&kq->mtx);

	scan->kq = kq;
	scan->events = events;
	scan->room = room;
	scan->rounds = 0;
	scan->end = kq->nleft + kq->nready;
	scan->nmoved = kq->nmoved;
	scan->nputs = kq->nputs;
}

/* How many that were queued when the pass began have not been met yet. */
static int scan_left(const struct scan *scan)
{
	return scan->end - scan->kq->nleft;
}

/* Take it, if it may be taken, as nearly all may, and is not slow. */
static __always_inline bool take_usual(struct knote *kn)
{
	u8 status = kn->status;

	if (unlikely((status & (KNOTE_NOT_NOW | KNOTE_SLOW)) ||
		     (atomic_read(&kn->state) & KNOTE_OTHERS)))
		return false;
	kn->status = status | KNOTE_HELD;
	return true;
}

/*
 * The same of any other: it is held, as the n-th, or else parked. Returns how many
 * are held then.
 */
static noinline unsigned int meet_other(struct scan *scan, struct knote *kn,
					bool listed, unsigned int n)
{
	if (knote_may_run(kn)) {
		kn->status |= KNOTE_HELD;
		scan->knotes[n] = kn;
		return n + 1;
	}
	if (listed)
		list_del(&kn->ready);
	kn->status |= KNOTE_PARKED;
	return n;
}

/*
 * Take up to @max, which is not 0, of kq->ready. Returns how many were met, taken or
 * parked.
 */
static unsigned int take_listed(struct scan *scan, unsigned int max)
{
	struct list_head *ready = &scan->kq->ready;
	struct list_head *next, *pos = ready->next;
	unsigned int met = 0, n = 0;
	struct knote *kn;

	for (; pos != ready; pos = next) {
		kn = list_entry(pos, struct knote, ready);
		next = pos->next;
		if (likely(take_usual(kn))) {
			scan->knotes[n++] = kn;
		} else if (!knote_is_slow(kn)) {
			n = meet_other(scan, kn, true, n);
		} else {
			if (n)
				break;
			n = meet_other(scan, kn, true, n);
			max = met + 1;
		}
		if (++met == max) {
			pos = next;
			break;
		}
	}
	scan->nlisted = n;
	if (n)
		list_cut_before(&scan->listed, ready, pos);
	return met;
}

/* The same of kq->fresh; what was taken of kq->ready is not slow. */
static unsigned int take_fresh(struct scan *scan, unsigned int max)
{
	unsigned int met = 0, n = scan->nlisted;
	struct kqueue *kq = scan->kq;
	struct llist_node *next, *pos = kq->fresh;
	struct knote *kn;

	for (; pos; pos = next) {
		kn = llist_entry(pos, struct knote, inbox);
		next = pos->next;
		if (likely(take_usual(kn))) {
			scan->knotes[n++] = kn;
		} else if (!knote_is_slow(kn)) {
			n = meet_other(scan, kn, false, n);
		} else {
			if (n)
				break;
			n = meet_other(scan, kn, false, n);
			max = met + 1;
		}
		if (++met == max) {
			pos = next;
			break;
		}
	}
	kq->fresh = pos;
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
	if (met < max && list_empty(&kq->ready) &&
	    !(scan->nlisted && knote_is_slow(scan->knotes[0])))
		met += take_fresh(scan, max - met);
	WRITE_ONCE(kq->nready, kq->nready - met);
	kq->nleft += met;
}

/* --- Settling, with the lock ---------------------------------------------- */

/* Level-triggered ones that come from kq->fresh stay, on @listed. */
static unsigned int settle_level(struct scan *scan, unsigned int i)
{
	struct knote *kn;

	for (; i < scan->nlooked; i++) {
		kn = scan->knotes[i];
		if ((kn->flags & EV_HOW) || (kn->status & KNOTE_DEAD) ||
		    knote_is_gone(kn))
			break;
		kn->status &= ~KNOTE_HELD;
		list_add_tail(&kn->ready, &scan->listed);
	}
	return i;
}

/* Edge-triggered ones rest, from the i-th to the first that is, or cannot. */
static __always_inline unsigned int settle_clear(struct scan *scan, unsigned int i)
{
	struct knote *kn;

	for (; i < scan->nlooked; i++) {
		kn = scan->knotes[i];
		if ((kn->flags & EV_HOW) != EV_CLEAR ||
		    unlikely(kn->status & KNOTE_DEAD) || unlikely(!knote_rest(kn)))
			break;
		kn->status &= ~KNOTE_HELD;
	}
	return i;
}

/* The same of those that are disabled, too. */
static unsigned int settle_dispatch(struct scan *scan, unsigned int i)
{
	struct knote *kn;

	for (; i < scan->nlooked; i++) {
		kn = scan->knotes[i];
		if ((kn->flags & (EV_DISPATCH | EV_ONESHOT)) != EV_DISPATCH ||
		    unlikely(kn->status & KNOTE_DEAD))
			break;
		/* In this order: see knote_activate_one(). */
		kn->status |= KNOTE_DISABLED;
		if (unlikely(!knote_rest(kn)))
			break;
		kn->status &= ~KNOTE_HELD;
	}
	return i;
}

/* One-shots are kept for another time. */
static unsigned int settle_oneshot(struct scan *scan, unsigned int i)
{
	for (; i < scan->nlooked; i++)
		if (!(scan->knotes[i]->flags & EV_ONESHOT) ||
		    !knote_spend(scan->knotes[i]))
			break;
	return i;
}

/*
 * The usual cases, all of them delivered: level-triggered knotes stay where they
 * are, others rest if they did. Returns how many could be settled so, and how many
 * of them stay.
 */
static unsigned int scan_settle_usual(struct scan *scan, unsigned int *stay)
{
	unsigned int i, listed = min(scan->nlisted, scan->nlooked);
	struct knote *kn;

	for (i = 0; i < listed; i++) {
		kn = scan->knotes[i];
		if (unlikely((kn->flags & EV_HOW) || (kn->status & KNOTE_DEAD)))
			break;
		kn->status &= ~KNOTE_HELD;
	}
	*stay = i;
	if (unlikely(i < listed))
		return i;
	i = settle_clear(scan, i);
	if (likely(i == scan->nlooked))
		return i;
	listed = i;
	i = settle_level(scan, i);
	*stay += i - listed;
	return settle_oneshot(scan, settle_dispatch(scan, i));
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

/* --- A pass --------------------------------------------------------------- */

/* After so many rounds, others may help. */
#define ROUNDS_ALONE	8

/* There may be room, and events, for very many rounds. */
static bool scan_goes_on(struct scan *scan)
{
	if (!scan->room || scan_left(scan) <= 0 || scan->nputs != scan->kq->nputs)
		return false;
	if (!(++scan->rounds % ROUNDS_ALONE)) {
		scan_leave(scan->kq);
		scan_enter(scan->kq);
	}
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
		scan_leave(kq);
		mutex_unlock(&kq->mtx);
		stuck = scan_look_slowly(scan, kev);
		mutex_lock(&kq->mtx);
		scan_enter(kq);
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

/* One pass over what is ready, of which there is some. Returns as below. */
static noinline int scan_many(struct kqueue *kq, struct kevent_record __user *events,
			      int nevents)
{
	struct kevent_record kev kevent_uninitialized;
	struct scan scan kevent_uninitialized;
	struct knote *stuck;

again:
	scan_begin(&scan, kq, events, nevents);
	do {
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
	} while (scan_goes_on(&scan));
	if (scan.room == nevents && scan_was_cut_short(&scan)) {
		ready_fetch(kq);
		if (kq->nready)
			goto again;
	}
	return nevents < 0 ? nevents : nevents - scan.room;
}

/*
 * Scan what is ready. With kq->mtx locked, which is given up now and then. Returns the
 * number of events, or -EFAULT if none could be stored.
 */
static __always_inline int scan_ready(struct kqueue *kq,
				      struct kevent_record __user *events, int nevents)
{
	int ret = 0;

	if (!llist_empty(&kq->inbox))
		ready_fetch(kq);
	scan_enter(kq);
	if (kq->nready)
		ret = kq->nready == 1 ? scan_sole(kq, events) : -EAGAIN;
	if (ret == -EAGAIN)
		ret = scan_many(kq, events, nevents);
	if (!kq->nready)
		kq->unlooked = false;
	scan_leave(kq);
	return ret;
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
		ready_pass_on_unlooked(kq);
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
			ready_wake(kq);
		return -EINTR;
	}
	ret = scan_wait_turn(kq);
	while (!ret && !kq->closing) {
		ret = scan_ready(kq, events, nevents);
		if (ret || !last || !kq->nlooks)
			break;
		ret = scan_wait_looks(kq);
	}
	if (!ret && kq->closing)
		ret = -EBADF;
	mutex_unlock(&kq->mtx);
	return ret;
}

/*
 * A first look by who has the queue locked, and goes on with kqueue_scan() if that
 * finds nothing. Returns as scan_ready().
 */
int kqueue_scan_locked(struct kqueue *kq, struct kevent_record __user *events,
		       int nevents)
{
	if (kq->closing || kq->lookers || !kqueue_has_ready(kq))
		return 0;
	return scan_ready(kq, events, nevents);
}

/* Does the knote, which is queued and on no list, stay so? */
static bool look_over(struct kqueue *kq, struct knote *kn)
{
	struct kevent_record kev kevent_uninitialized;

	if (knote_is_slow(kn) || !knote_may_run(kn) || (kn->status & KNOTE_FORCED))
		return true;
	knote_begin_look(kn);
	knote_fill(kn, &kev);
	return kn->ops->event(kn, &kev) || !knote_rest(kn);
}

/* So many are looked over with the queue locked. */
#define LOOKS_AT_ONCE	16

/*
 * What was queued without a look is for others now, who are told; what has nothing
 * to report rests, but for what may wait for others. Takes as long as what is queued,
 * in a call that fails or returns answers. Context: may sleep.
 */
void kqueue_look_over(struct kqueue *kq)
{
	struct knote *kn;
	unsigned int n;

	mutex_lock(&kq->mtx);
	if (!kq->unlooked || kq->closing)
		goto out;
	kq->unlooked = false;
	ready_flatten(kq);
	for (n = kq->nready; n && !kq->closing && !list_empty(&kq->ready); n--) {
		kn = list_first_entry(&kq->ready, struct knote, ready);
		list_del(&kn->ready);
		if (look_over(kq, kn)) {
			list_add_tail(&kn->ready, &kq->ready);
		} else {
			WRITE_ONCE(kq->nready, kq->nready - 1);
			kq->nleft++;
		}
		/* Those who scan may have counted on the order. */
		kq->nmoved++;
		if (n % LOOKS_AT_ONCE)
			continue;
		ready_pass_on(kq);
		mutex_unlock(&kq->mtx);
		cond_resched();
		mutex_lock(&kq->mtx);
	}
	ready_pass_on(kq);
out:
	mutex_unlock(&kq->mtx);
}
