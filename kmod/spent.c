// SPDX-License-Identifier: GPL-2.0
/*
 * One-shots whose event was delivered. To the user they are gone, and most programs
 * add them again; so they are kept, attached to their source and in all tables, and
 * what adds them again need not make them again. Changes do not see them otherwise,
 * nor do counts and fdinfo. They go as others do, when their descriptor is closed or
 * the queue; and when the user's limit is reached.
 *
 * Those whom a source wakes pass over one more entry, as they would if it had not
 * fired yet.
 */

#include <linux/sched.h>

#include "compat.h"
#include "filters/kind.h"
#include "kqueue.h"

/* So many of a queue: their memory is charged, but nobody sees for what. */
#define KQUEUE_SPENT_MAX	1024

/*
 * Only knotes of which attach has nothing to say that depends on the time (a pipe
 * may have lost its readers), of kinds of which programs have many. And that can be
 * dropped without giving up the lock: once NOTE_EXCLUSIVE was given, they cannot.
 */
static bool may_be_kept(const struct knote *kn)
{
	if (kn->sfflags || (kn->status & (KNOTE_FORCED | KNOTE_DEAD)) ||
	    knote_has_slow_ends(kn) ||
	    (atomic_read(&kn->state) & (KNOTE_CLOSED | KNOTE_GONE)))
		return false;
	return knote_is_usual_fd(kn) &&
	       !(kn->kind == FD_PIPE && kn->filter == EVFILT_WRITE);
}

/*
 * The event of a one-shot was delivered. Keep the knote, which is queued and off all
 * lists; nobody holds it then. False if it is to be dropped instead: it is marked
 * so. Context: under kq->mtx, by who holds it, if anybody does.
 */
bool knote_spend(struct knote *kn)
{
	struct kqueue *kq = kn->kq;

	lockdep_assert_held(&kq->mtx);

	if (!may_be_kept(kn) || kq->nspent >= KQUEUE_SPENT_MAX)
		goto drop;
	kn->status = (kn->status & ~KNOTE_HELD) | KNOTE_PARKED;
	atomic_or(KNOTE_SPENT, &kn->state);
	kq->nspent++;
	knote_count_one(-1);
	return true;

drop:
	atomic_or(KNOTE_DELIVERED, &kn->state);
	return false;
}

/*
 * It is added again: as what it was it is new, and the caller goes on to change it,
 * by which he looks whether it is ready. False if it cannot be that one. Context:
 * under kq->mtx.
 */
bool knote_revive(struct knote *kn, const struct kevent_record *kev)
{
	struct kqueue *kq = kn->kq;

	lockdep_assert_held(&kq->mtx);

	if ((kev->flags & KNOTE_FLAGS) != kn->flags || kev->fflags)
		return false;
	knote_set_what(kn, kev);
	kn->status &= ~(KNOTE_PARKED | KNOTE_DISABLED);
	/* From here on its source may queue it. */
	atomic_andnot(KNOTE_SPENT | KNOTE_WANTED | KNOTE_QUEUED | KNOTE_NEWS, &kn->state);
	/*
	 * What it did before, when it found QUEUED set, is seen by who looks now.
	 * Pairs with the full barrier of knote_claim().
	 */
	smp_mb__after_atomic();
	kq->nspent--;
	knote_count_one(1);
	return true;
}

/* Have none. Context: under kq->mtx, which is not given up. */
void kqueue_drop_spent(struct kqueue *kq)
{
	struct knote *kn, *next;
	unsigned int fd;

	lockdep_assert_held(&kq->mtx);

	for (fd = 0; fd < kq->nfds && kq->nspent; fd++) {
		for (kn = kq->fds[fd]; kn; kn = next) {
			next = kn->fd_next;
			if (knote_is_spent(kn))
				kqueue_drop(kq, kn);
		}
		cond_resched();
	}
}
