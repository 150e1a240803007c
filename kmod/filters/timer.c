// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_TIMER.
 *
 * The timer runs once and then waits for somebody to look, who adds what was
 * missed and starts it again in step with its first start. So a period of a
 * nanosecond costs no more than a period of an hour while nobody looks, no
 * expiration is lost, and none drifts.
 */

#include <linux/hrtimer.h>
#include <linux/math64.h>

#include "../compat.h"
#include "../kqueue.h"
#include "timer.h"

#define NOTE_TIMER_UNITS	(NOTE_SECONDS | NOTE_MSECONDS | \
				 NOTE_USECONDS | NOTE_NSECONDS)

/* How many nanoseconds the unit has; 0 if there is no such unit. */
static s64 timer_unit(u32 fflags)
{
	if (fflags & ~(NOTE_TIMER_UNITS | NOTE_ABSTIME))
		return 0;

	switch (fflags & NOTE_TIMER_UNITS) {
	case NOTE_SECONDS:
		return NSEC_PER_SEC;
	case 0:
	case NOTE_MSECONDS:
		return NSEC_PER_MSEC;
	case NOTE_USECONDS:
		return NSEC_PER_USEC;
	case NOTE_NSECONDS:
		return 1;
	default:
		return 0;
	}
}

/*
 * The user's time in nanoseconds, or -EINVAL. What is too long is as long as
 * can be. A relative time of 0 is one unit for a timer that repeats. The knote
 * keeps what the user gave, which is what fdinfo shows.
 */
s64 kevent_timer_ns(u32 fflags, s64 data, u16 flags)
{
	s64 unit = timer_unit(fflags);

	if (!unit || data < 0)
		return -EINVAL;
	if (!data && !(fflags & NOTE_ABSTIME) && !(flags & EV_ONESHOT))
		data = 1;
	return data > div64_s64(KTIME_MAX, unit) ? KTIME_MAX : data * unit;
}
EXPORT_SYMBOL_FOR_KUNIT(kevent_timer_ns);

static enum hrtimer_restart timer_fired(struct hrtimer *timer)
{
	struct knote *kn = container_of(timer, struct knote, timer.timer);

	atomic_or(KNOTE_FIRED, &kn->state);
	knote_activate(kn);
	return HRTIMER_NORESTART;
}

static bool timer_is_periodic(const struct knote *kn)
{
	return !(kn->sfflags & NOTE_ABSTIME) && !(kn->flags & EV_ONESHOT);
}

/* Within that time a timer is hardly started before it expires. */
#define TIMER_SOON	NSEC_PER_USEC

/*
 * A time of CLOCK_REALTIME stays reported until the user does something about it;
 * all others are forgotten once delivered.
 */
static void timer_prepare(struct knote *kn, bool absolute)
{
	if (!absolute)
		kn->flags |= EV_CLEAR;
	hrtimer_setup(&kn->timer.timer, timer_fired,
		      absolute ? CLOCK_REALTIME : CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS);
}

/*
 * Start what was prepared, with what sfflags and sdata come to, which is @ns. Returns
 * whether it has expired meanwhile, as a time in the past has: that takes no interrupt.
 */
static bool timer_start(struct knote *kn, s64 ns)
{
	struct hrtimer *timer = &kn->timer.timer;
	bool absolute = kn->sfflags & NOTE_ABSTIME;
	ktime_t now = absolute ? ktime_get_real() : ktime_get();
	ktime_t end = absolute ? ns : ktime_add_safe(now, ns);

	if (!absolute && ns <= TIMER_SOON)
		now = ktime_get();
	if (now < end) {
		hrtimer_start(timer, end, HRTIMER_MODE_ABS);
		return false;
	}
	hrtimer_set_expires(timer, end);
	atomic_or(KNOTE_FIRED, &kn->state);
	return true;
}

static int timer_attach(struct knote *kn)
{
	s64 ns = kevent_timer_ns(kn->sfflags, kn->sdata, kn->flags);
	int ret;

	if (ns < 0)
		return ns;
	ret = kevent_user_take(kn->kq->user, KEVENT_TIMERS);
	if (ret)
		return ret;
	timer_prepare(kn, kn->sfflags & NOTE_ABSTIME);
	return timer_start(kn, ns);
}

static void timer_detach(struct knote *kn)
{
	hrtimer_cancel(&kn->timer.timer);
	kevent_user_give_back(kn->kq->user, KEVENT_TIMERS);
}

/*
 * EV_ADD starts the timer again with a new time and forgets what expired;
 * other changes leave it alone. A bad time leaves it running as it is.
 */
static int timer_touch(struct knote *kn, const struct kevent_record *kev)
{
	s64 ns;

	if (!(kev->flags & EV_ADD))
		return 0;
	ns = kevent_timer_ns(kev->fflags, kev->data, kn->flags);
	if (ns < 0)
		return ns;

	hrtimer_cancel(&kn->timer.timer);
	atomic_andnot(KNOTE_FIRED, &kn->state);
	atomic_or(KNOTE_ANEW, &kn->state);
	kn->timer.count = 0;
	/* It may have another clock now. */
	if ((kn->sfflags ^ kev->fflags) & NOTE_ABSTIME)
		timer_prepare(kn, kev->fflags & NOTE_ABSTIME);
	kn->sfflags = kev->fflags;
	kn->sdata = kev->data;
	/* Who calls this looks whether it has expired. */
	timer_start(kn, ns);
	return 0;
}

/*
 * Move the timer, which has expired, to the next multiple of its period. Returns how
 * many that was. As hrtimer_forward_now(), which would make a period of less than a
 * tick one of a tick where timers are no better than that.
 */
static u64 timer_forward(struct hrtimer *timer, s64 period)
{
	s64 late = ktime_get() - hrtimer_get_expires(timer);
	u64 periods = div64_s64(max(late, 0LL), period) + 1;

	hrtimer_add_expires(timer, periods * period);
	return periods;
}

/* Count what has expired since the last look, and go on. */
static void timer_catch_up(struct knote *kn)
{
	struct hrtimer *timer = &kn->timer.timer;
	s64 period;

	if (!(atomic_read(&kn->state) & KNOTE_FIRED))
		return;
	/* Nobody else clears it. */
	atomic_andnot(KNOTE_FIRED, &kn->state);
	if (!timer_is_periodic(kn)) {
		kn->timer.count++;
		return;
	}
	/* Until it has expired, it must not be moved. */
	hrtimer_cancel(timer);
	period = kevent_timer_ns(kn->sfflags, kn->sdata, kn->flags);
	kn->timer.count += timer_forward(timer, period);
	hrtimer_restart(timer);
}

static bool timer_event(struct knote *kn, struct kevent_record *kev)
{
	timer_catch_up(kn);
	kev->data = min_t(u64, kn->timer.count, S64_MAX);
	return kn->timer.count;
}

/* Not what was counted since the timer was set anew. */
static void timer_delivered(struct knote *kn, const struct kevent_record *kev)
{
	if (!(atomic_read(&kn->state) & KNOTE_ANEW))
		kn->timer.count -= kev->data;
}

const struct kevent_filter kevent_timer_filter = {
	.owner = THIS_MODULE,
	.name = "timer",
	.flags = KEVENT_FILTER_QUICK,
	.attach = timer_attach,
	.detach = timer_detach,
	.touch = timer_touch,
	.event = timer_event,
	.delivered = timer_delivered,
};
