// SPDX-License-Identifier: GPL-2.0
/* EVFILT_TIMER: how long a user's time is, and what the timer makes of it. */

#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/time64.h>

#include "../filters/timer.h"
#include "fixture.h"

/* One of each unit is as long as its name says; none at all is a millisecond. */
static void timer_units(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_SECONDS, 1, 0), 1000000000);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_MSECONDS, 1, 0), 1000000);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_USECONDS, 1, 0), 1000);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_NSECONDS, 1, 0), 1);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(0, 1, 0), 1000000);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(0, 86400000, 0),
			86400000000000);
}

/* Two units, or a flag that is none of the timer's, is no time. */
static void timer_bad_flags(struct kunit *test)
{
	u32 fflags;

	for (fflags = 0; fflags < 0x40; fflags++) {
		bool good = !(fflags & 0x20) && hweight32(fflags & 0xf) <= 1;

		KUNIT_EXPECT_EQ_MSG(test, kevent_timer_ns(fflags, 5, 0) > 0,
				    good, "fflags %#x", fflags);
		if (!good)
			KUNIT_EXPECT_EQ(test, kevent_timer_ns(fflags, 5, 0),
					-EINVAL);
	}
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(0x80000000, 5, 0), -EINVAL);
}

/* No time is negative, whatever its unit. */
static void timer_negative(struct kunit *test)
{
	static const s64 times[] = { -1, -1000, S32_MIN, S64_MIN + 1, S64_MIN };
	static const u16 flags[] = { 0, EV_ONESHOT };
	unsigned int i, j, unit;

	for (i = 0; i < ARRAY_SIZE(times); i++)
		for (j = 0; j < ARRAY_SIZE(flags); j++)
			for (unit = 1; unit <= NOTE_ABSTIME; unit <<= 1)
				KUNIT_EXPECT_EQ(test,
						kevent_timer_ns(unit, times[i],
								flags[j]),
						-EINVAL);
}

/* 0 is one unit if the timer repeats; else it is 0: at once, or the epoch. */
static void timer_zero(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_SECONDS, 0, 0), NSEC_PER_SEC);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_MSECONDS, 0, 0), NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_USECONDS, 0, 0), NSEC_PER_USEC);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_NSECONDS, 0, 0), 1);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(0, 0, EV_CLEAR | EV_DISPATCH),
			NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_SECONDS, 0, EV_ONESHOT), 0);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(0, 0, EV_ONESHOT | EV_CLEAR), 0);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_ABSTIME, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, kevent_timer_ns(NOTE_ABSTIME | NOTE_SECONDS, 0,
					      EV_ONESHOT), 0);
}

/* The longest time that fits is exact; one unit more is as long as can be. */
static void timer_longest(struct kunit *test)
{
	static const struct {
		u32 unit;
		s64 fits;
		s64 ns;
	} edges[] = {
		{ NOTE_SECONDS, 9223372036LL, 9223372036000000000LL },
		{ NOTE_MSECONDS, 9223372036854LL, 9223372036854000000LL },
		{ NOTE_USECONDS, 9223372036854775LL, 9223372036854775000LL },
		{ NOTE_NSECONDS, S64_MAX - 1, S64_MAX - 1 },
		{ NOTE_SECONDS | NOTE_ABSTIME, 9223372036LL,
		  9223372036000000000LL },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(edges); i++) {
		u32 unit = edges[i].unit;
		s64 fits = edges[i].fits;

		KUNIT_EXPECT_EQ(test, kevent_timer_ns(unit, fits, 0),
				edges[i].ns);
		KUNIT_EXPECT_EQ(test, kevent_timer_ns(unit, fits + 1, 0),
				KTIME_MAX);
		KUNIT_EXPECT_EQ(test, kevent_timer_ns(unit, S64_MAX, 0),
				KTIME_MAX);
		KUNIT_EXPECT_EQ(test, kevent_timer_ns(unit, S64_MAX / 2 + 1, 0) > 0,
				true);
	}
}

static int add_timer_knote(struct kunit *test, u64 ident, u16 flags, u32 fflags,
			   s64 data)
{
	struct fixture *fix = test->priv;
	struct kevent_record kev = {
		.ident = ident,
		.filter = EVFILT_TIMER,
		.flags = EV_ADD | flags,
		.fflags = fflags,
		.data = data,
	};

	return change(fix->kq, &kev);
}

/* Until when the timer @ident runs, on its clock. */
static ktime_t expires(struct kunit *test, u64 ident)
{
	struct fixture *fix = test->priv;
	struct knote *kn = find_knote(fix->kq, ident, EVFILT_TIMER);

	return kn ? hrtimer_get_expires(&kn->timer.timer) : 0;
}

/* A relative time begins with EV_ADD, in each unit. */
static void timer_expires(struct kunit *test)
{
	static const struct {
		u32 unit;
		s64 data;
	} hour[] = {
		{ NOTE_SECONDS, 3600 },
		{ 0, 3600000 },
		{ NOTE_MSECONDS, 3600000 },
		{ NOTE_USECONDS, 3600000000LL },
		{ NOTE_NSECONDS, 3600000000000LL },
	};
	ktime_t before, after, began;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hour); i++) {
		before = ktime_get();
		KUNIT_ASSERT_EQ(test, add_timer_knote(test, i, 0, hour[i].unit,
						      hour[i].data), 0);
		after = ktime_get();
		began = ktime_sub_ns(expires(test, i), 3600 * NSEC_PER_SEC);
		KUNIT_EXPECT_GE(test, began, before);
		KUNIT_EXPECT_LE(test, began, after);
	}
}

/* The longest time does not overflow into the past. */
static void timer_never_expires(struct kunit *test)
{
	struct fixture *fix = test->priv;

	KUNIT_ASSERT_EQ(test, add_timer_knote(test, 1, 0, NOTE_SECONDS,
					      S64_MAX), 0);
	KUNIT_ASSERT_EQ(test, add_timer_knote(test, 2, EV_ONESHOT, NOTE_NSECONDS,
					      S64_MAX), 0);
	KUNIT_ASSERT_EQ(test, add_timer_knote(test, 3, 0,
					      NOTE_SECONDS | NOTE_ABSTIME,
					      S64_MAX), 0);
	KUNIT_EXPECT_EQ(test, expires(test, 1), KTIME_MAX);
	KUNIT_EXPECT_EQ(test, expires(test, 2), KTIME_MAX);
	KUNIT_EXPECT_EQ(test, expires(test, 3), KTIME_MAX);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 0);
}

/* A time of the clock that is past comes at once, and stays. */
static void timer_absolute_past(struct kunit *test)
{
	struct fixture *fix = test->priv;
	s64 now = ktime_to_ms(ktime_get_real());
	unsigned int i;

	KUNIT_ASSERT_EQ(test, add_timer_knote(test, 1, 0, NOTE_ABSTIME,
					      now - 1000), 0);
	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_EQ(test, collect_wait(fix->kq, 0, fix->ev, 1), 1);
		KUNIT_EXPECT_EQ(test, fix->ev[0].ident, 1);
		KUNIT_EXPECT_EQ(test, fix->ev[0].data, 1);
		KUNIT_EXPECT_EQ(test, fix->ev[0].flags, 0);
	}
	/* The epoch is past, too. */
	KUNIT_ASSERT_EQ(test, change_flags(fix->kq, 1, EVFILT_TIMER, EV_DELETE), 0);
	KUNIT_ASSERT_EQ(test, add_timer_knote(test, 2, EV_ONESHOT,
					      NOTE_ABSTIME | NOTE_NSECONDS, 0), 0);
	KUNIT_ASSERT_EQ(test, collect_wait(fix->kq, 0, fix->ev, 1), 1);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ident, 2);
	KUNIT_EXPECT_FALSE(test, find_knote(fix->kq, 2, EVFILT_TIMER));
}

/* A time of the clock that is to come does not, and is exact in each unit. */
static void timer_absolute_future(struct kunit *test)
{
	struct fixture *fix = test->priv;
	s64 when = ktime_divns(ktime_get_real(), NSEC_PER_SEC) + 3600;

	KUNIT_ASSERT_EQ(test, add_timer_knote(test, 1, 0, NOTE_ABSTIME |
					      NOTE_SECONDS, when), 0);
	KUNIT_ASSERT_EQ(test, add_timer_knote(test, 2, 0, NOTE_ABSTIME,
					      when * 1000), 0);
	KUNIT_ASSERT_EQ(test, add_timer_knote(test, 3, 0, NOTE_ABSTIME |
					      NOTE_USECONDS, when * 1000000), 0);
	KUNIT_EXPECT_EQ(test, expires(test, 1), when * NSEC_PER_SEC);
	KUNIT_EXPECT_EQ(test, expires(test, 2), when * NSEC_PER_SEC);
	KUNIT_EXPECT_EQ(test, expires(test, 3), when * NSEC_PER_SEC);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 0);
}

/* A time that is refused leaves no timer, or the one that was there. */
static void timer_refused(struct kunit *test)
{
	ktime_t was;

	KUNIT_EXPECT_EQ(test, add_timer_knote(test, 1, 0, 0, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, add_timer_knote(test, 1, 0, NOTE_SECONDS |
					      NOTE_USECONDS, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, expires(test, 1), 0);

	KUNIT_ASSERT_EQ(test, add_timer_knote(test, 1, 0, NOTE_SECONDS, 3600), 0);
	was = expires(test, 1);
	KUNIT_EXPECT_EQ(test, add_timer_knote(test, 1, 0, 0, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, add_timer_knote(test, 1, 0, 0x20, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, expires(test, 1), was);
}

static struct kunit_case timer_cases[] = {
	KUNIT_CASE(timer_units),
	KUNIT_CASE(timer_bad_flags),
	KUNIT_CASE(timer_negative),
	KUNIT_CASE(timer_zero),
	KUNIT_CASE(timer_longest),
	KUNIT_CASE(timer_expires),
	KUNIT_CASE(timer_never_expires),
	KUNIT_CASE(timer_absolute_past),
	KUNIT_CASE(timer_absolute_future),
	KUNIT_CASE(timer_refused),
	{}
};

static struct kunit_suite timer_suite = {
	.name = "kevent_timer",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = timer_cases,
};

kunit_test_suite(timer_suite);
