// SPDX-License-Identifier: GPL-2.0
/*
 * Looking at the sources of knotes that a scan holds, and storing their events.
 *
 * Nearly all have bytes to report and nothing else. Of these, as many as follow one
 * another are looked at, and then stored together: that takes one section of access
 * to the user's memory, in which no function may be called. Each of the others is
 * stored by itself.
 */

#include <linux/sched/signal.h>

#include "compat.h"
#include "filters/usual.h"
#include "record.h"
#include "scan.h"

/* For the trace. Fills @kev in. */
noinline void knote_trace_delivery(const struct knote *kn, struct kevent_record *kev)
{
	knote_fill_rest(kn, kev);
	trace_kevent_deliver(kn->kq->id, kev);
}

/* As its filter's event function, but what may be forced is. */
bool knote_event(struct knote *kn, struct kevent_record *kev)
{
	bool found;

	knote_fill(kn, kev);
	if (kn->filter == EVFILT_READ)
		found = kevent_read_unusual(kn, kev);
	else
		found = kn->ops->event(kn, kev);
	return found || (kn->status & KNOTE_FORCED);
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

/* The event of one that has bytes to report. */
static void fill_usual(const struct knote *kn, s64 data, struct kevent_record *kev)
{
	knote_fill(kn, kev);
	kev->data = data;
	knote_fill_rest(kn, kev);
}

noinline void knote_trace_bytes(const struct knote *kn, s64 data)
{
	struct kevent_record kev;

	fill_usual(kn, data, &kev);
	knote_trace_delivery(kn, &kev);
}

static noinline void trace_usual(const struct scan *scan, unsigned int first,
				 unsigned int end)
{
	for (; first < end; first++)
		knote_trace_bytes(scan->knotes[first], scan->data[first]);
}

/*
 * Look at knotes, from the i-th, as long as they are usual: what they have is in
 * scan->data. Returns the number of the first that is not, which has to be asked.
 */
static __always_inline unsigned int look_usual(struct scan *scan, unsigned int i)
{
	struct knote *kn;
	s64 data;

	for (; i < scan->ntaken; i++) {
		kn = scan->knotes[i];
		knote_begin_look(kn);
		if (kn->filter != EVFILT_READ)
			break;
		data = kevent_read_usual(kn);
		if (!data)
			break;
		scan->data[i] = data;
	}
	return i;
}

/*
 * Store the events of those from the @first to before the @end. Returns how far that
 * was possible without a fault.
 */
static __always_inline unsigned int store_usual(struct scan *scan, unsigned int first,
						unsigned int end)
{
	struct knote *const *knote = &scan->knotes[first];
	struct kevent_record __user *to = scan->events;
	const s64 *data = &scan->data[first];
	unsigned int i = first;

	if (!user_write_access_begin(to, (end - first) * sizeof(*to)))
		return i;
	/* No array is indexed in here: checks of bounds are calls, if they fail. */
	for (; i < end; i++, knote++, data++, to++) {
		if (!store_parts(*knote, (*knote)->flags, 0, *data, (*knote)->ext, to))
			break;
	}
	user_write_access_end();
	scan->events = to;
	if (trace_kevent_deliver_enabled())
		trace_usual(scan, first, i);
	return i;
}

/*
 * Look at the i-th knote, which is not a usual one, and store what is found. False if
 * that faults: its event is in @kev.
 */
static bool look_unusual(struct scan *scan, unsigned int i, struct kevent_record *kev)
{
	struct knote *kn = scan->knotes[i];

	if (!knote_event(kn, kev)) {
		scan->idle |= BIT(i);
		return true;
	}
	if (unlikely(!store_event(kn, kev, scan->events))) {
		knote_fill_rest(kn, kev);
		return false;
	}
	knote_forget(kn, kev);
	scan->events++;
	return true;
}

/*
 * Look at what was taken, none of which is slow, and store what is found; user
 * memory must not fault. Returns a knote whose event is in @kev and can be stored
 * only after a fault, or else NULL. What was looked at after that one counts as not
 * looked at: it is still queued, and will be.
 */
struct knote *scan_look(struct scan *scan, struct kevent_record *kev)
{
	struct kevent_record __user *first = scan->events;
	unsigned int i = 0, n = scan->ntaken, end;
	struct knote *stuck = NULL;

	while (i < n) {
		end = look_usual(scan, i);
		if (i < end) {
			i = store_usual(scan, i, end);
			if (unlikely(i < end)) {
				stuck = scan->knotes[i];
				fill_usual(stuck, scan->data[i++], kev);
				break;
			}
		}
		if (i < n && unlikely(!look_unusual(scan, i++, kev))) {
			stuck = scan->knotes[i - 1];
			break;
		}
	}
	scan->nlooked = i;
	scan->room -= scan->events - first;
	return stuck;
}

/* The same for one that is slow, and alone. Its event is always left to store. */
struct knote *scan_look_slowly(struct scan *scan, struct kevent_record *kev)
{
	struct knote *kn = scan->knotes[0];

	scan->nlooked = 1;
	knote_begin_look(kn);
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
