// SPDX-License-Identifier: GPL-2.0
/*
 * The scan of a queue in which one knote is queued: programs that have little to do see
 * no other.
 *
 * As for one it takes but a moment, the queue stays locked meanwhile: nobody can come
 * in between, so that the knote need not be held, and what stays ready stays where
 * it is. What is unusual or might take longer is left to the scan of many.
 */

#include "compat.h"
#include "filters/usual.h"
#include "record.h"
#include "scan.h"

static struct knote *first_ready(const struct kqueue *kq)
{
	if (!list_empty(&kq->ready))
		return list_first_entry(&kq->ready, struct knote, ready);
	return llist_entry(kq->fresh, struct knote, inbox);
}

/* Can it be looked at like this, and settled? */
static __always_inline bool is_plain(const struct knote *kn)
{
	return !(kn->status & (KNOTE_NOT_NOW | KNOTE_SLOW)) &&
	       !(atomic_read(&kn->state) & (KNOTE_OTHERS | KNOTE_GONE));
}

/* Look at one that has more to say than that there are bytes, or nothing. */
static noinline int look_closely(struct knote *kn, struct kevent_record __user *to)
{
	struct kevent_record kev kevent_uninitialized;
	bool found = knote_event(kn, &kev);

	if (knote_is_gone(kn))
		return -EAGAIN;
	if (!found)
		return 0;
	if (!store_event(kn, &kev, to))
		return -EAGAIN;
	knote_forget(kn, &kev);
	return 1;
}

/* How many events it had, and has no more, or -EAGAIN. User memory must not fault. */
static __always_inline int look_plain(struct knote *kn, struct kevent_record __user *to)
{
	s64 data = 0;

	knote_begin_look(kn);
	if (kn->filter == EVFILT_READ)
		data = kevent_read_usual(kn);
	if (!data)
		return look_closely(kn, to);
	if (unlikely(!store_one(kn, kn->flags, 0, data, kn->ext, to)))
		return -EAGAIN;
	if (trace_kevent_deliver_enabled())
		knote_trace_bytes(kn, data);
	return 1;
}

/* It stays ready, where ready_park() and others expect it. */
static void keep(struct kqueue *kq, struct knote *kn)
{
	if (!kq->fresh)
		return;
	kq->fresh = NULL;
	list_add_tail(&kn->ready, &kq->ready);
}

static __always_inline void take_off(struct kqueue *kq, struct knote *kn)
{
	if (kq->fresh)
		kq->fresh = NULL;
	else
		list_del(&kn->ready);
}

/* It is no more among those that are to be looked at. */
static __always_inline void leave(struct kqueue *kq)
{
	WRITE_ONCE(kq->nready, 0);
	kq->nleft++;
}

/* It rests, unless there is news. */
static __always_inline void rest(struct kqueue *kq, struct knote *kn)
{
	/* First: once it rests, who queues it has the list node. */
	take_off(kq, kn);
	if (likely(knote_rest_or_tell(kq, kn))) {
		leave(kq);
		return;
	}
	list_add_tail(&kn->ready, &kq->ready);
}

/* A one-shot has been delivered. */
static noinline void spend_or_drop(struct kqueue *kq, struct knote *kn)
{
	bool slow;

	take_off(kq, kn);
	leave(kq);
	if (knote_spend(kn))
		return;
	slow = knote_has_slow_ends(kn);
	if (slow)
		scan_leave(kq);
	knote_doom(kq, kn);
	if (slow)
		scan_enter(kq);
}

/* An event was delivered. */
static __always_inline void settle(struct kqueue *kq, struct knote *kn)
{
	if (kn->flags & EV_ONESHOT)
		spend_or_drop(kq, kn);
	else if (knote_stays(kn))
		keep(kq, kn);
	else
		rest(kq, kn);
}

/*
 * Scan the queue, in which one knote is queued. Returns the number of events, or
 * -EAGAIN if the scan of many has to do that. Context: with kq->mtx locked, which is
 * given up only in the end, if a one-shot was delivered.
 */
int scan_sole(struct kqueue *kq, struct kevent_record __user *events)
{
	struct knote *kn = first_ready(kq);
	int found;

	lockdep_assert_held(&kq->mtx);

	if (!is_plain(kn))
		return -EAGAIN;
	pagefault_disable();
	found = look_plain(kn, events);
	pagefault_enable();
	if (unlikely(found < 0))
		return found;
	if (found)
		settle(kq, kn);
	else
		rest(kq, kn);
	return found;
}
