// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of knotes that a scan has looked at. All with the queue locked, but
 * while an event is stored that has to wait for a page.
 */

#include "compat.h"
#include "record.h"
#include "scan.h"

/*
 * A knote that is off all lists is to be dropped. It leaves the tables; if it is TAKEN
 * that is all, and who lets go of it ends it.
 */
void knote_doom(struct kqueue *kq, struct knote *kn)
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
void scan_drop_all(struct scan *scan)
{
	unsigned int left;
	struct knote *kn;

	for (left = scan->drops; left; left &= left - 1) {
		kn = scan->knotes[__ffs(left)];
		kn->status &= ~KNOTE_BUSY;
		knote_doom(scan->kq, kn);
	}
	scan_leave(scan->kq);
	for (left = scan->drops; left; left &= left - 1)
		kqueue_let_go(scan->kq, scan->knotes[__ffs(left)], KNOTE_TAKEN);
	scan_enter(scan->kq);
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
	if (delivered && (kn->flags & EV_ONESHOT) && knote_spend(kn))
		return false;
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

/*
 * The others, from the i-th, but for the one that is @stuck: it stays TAKEN. And what
 * was not looked at. Returns how many stay on scan->listed.
 */
unsigned int scan_settle_others(struct scan *scan, unsigned int i,
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
 * Store the event of a knote that is TAKEN, which may mean to wait for a page,
 * for as long as somebody wants. Then settle it, too. Changes of the knote have
 * gone on; if one is at work just now, the filter forgets when that is done.
 */
bool scan_store_slowly(struct scan *scan, struct knote *kn,
		       struct kevent_record *kev)
{
	struct kqueue *kq = scan->kq;
	bool stored, last;

	scan_leave(kq);
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
	last = stored && ((kn->flags | kev->flags) & EV_ONESHOT);
	if (last)
		atomic_or(KNOTE_DELIVERED, &kn->state);
	if ((kn->status & KNOTE_DEAD) || last) {
		knote_doom(kq, kn);
		kqueue_let_go(kq, kn, KNOTE_TAKEN);
	} else {
		kn->status &= ~KNOTE_TAKEN;
		if (!stored || knote_stays(kn) || !knote_rest_or_tell(kq, kn)) {
			ready_add(kq, kn);
			scan_has_moved(scan);
		}
	}
	ready_released(kq);
	scan_enter(kq);
	return stored;
}
