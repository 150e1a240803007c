// SPDX-License-Identifier: GPL-2.0
/* Letting go of knotes, and dropping them. */

#include <linux/sched.h>

#include "compat.h"
#include "fdclose.h"
#include "kqueue.h"
#include "table.h"

/* Detach and free a knote that is in no table and that nobody else drops. */
static void knote_destroy(struct kqueue *kq, struct knote *kn)
{
	bool slow = knote_has_slow_ends(kn);

	lockdep_assert_held(&kq->mtx);

	/* No scan takes it. */
	kn->status |= KNOTE_DEAD;
	filter_begin(kq, kn, slow);
	kn->ops->detach(kn);
	filter_end(kq, slow);
	if (unlikely(knote_is_queued(kn)))
		ready_remove(kq, kn);
	knote_free(kn);
}

/*
 * Drop a knote that is in no table: at once, or when those who hold it let go
 * of it.
 */
void knote_end(struct kqueue *kq, struct knote *kn)
{
	if (!knote_is_held(kn)) {
		knote_destroy(kq, kn);
		return;
	}
	kn->status |= KNOTE_DEAD;
	/* Changes that wait for it need not any more. */
	ready_released(kq);
}

/**
 * kqueue_let_go() - let go of a knote
 * @kq: its queue, locked; the lock may be given up meanwhile
 * @kn: the knote; not to be used any more if it may have been dropped
 * @held: KNOTE_BUSY or KNOTE_TAKEN, or both: what the caller held it by
 */
void kqueue_let_go(struct kqueue *kq, struct knote *kn, u8 held)
{
	lockdep_assert_held(&kq->mtx);

	kn->status &= ~held;
	ready_released(kq);
	if (!(kn->status & KNOTE_DEAD))
		ready_unpark(kq, kn);
	else if (!knote_is_held(kn))
		knote_destroy(kq, kn);
}

/*
 * Remove a knote. If its descriptor is being closed just now, it leaves the
 * queue's table here and the closing thread does the rest.
 */
void kqueue_drop(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	table_remove(kq, kn);
	if (!knote_is_fd(kn) || fdclose_unwatch(kn))
		knote_end(kq, kn);
}

/*
 * The same for a knote that the close hook has taken, with a reference to its
 * queue, which may have been closed since.
 */
void kqueue_end_closed(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	table_remove(kq, kn);
	knote_end(kq, kn);
}

/*
 * Remove all knotes, and the tables. The queue is marked as closing, so nobody
 * else uses those, although the lock may be given up meanwhile.
 */
void kqueue_drop_all(struct kqueue *kq)
{
	struct knote *kn, *next;
	unsigned int fd;

	lockdep_assert_held(&kq->mtx);

	for (fd = 0; fd < kq->nfds; fd++) {
		while (kq->fds[fd])
			kqueue_drop(kq, kq->fds[fd]);
		cond_resched();
	}
	table_free_fds(kq);

	for (kn = table_empty_idents(kq); kn; kn = next) {
		next = kn->fd_next;
		knote_end(kq, kn);
		cond_resched();
	}
}
