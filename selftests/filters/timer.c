// SPDX-License-Identifier: BSD-2-Clause
/* EVFILT_TIMER: units, counts, changes, the clock of day, many at a time. */
#include "common.h"

#define MS	1000000LL	/* in ns */

FIXTURE(timer)
{
	int kq;
	struct kevent ev[256];
};

FIXTURE_SETUP(timer)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(timer)
{
	close(self->kq);
}

/* Timer @ident of @data units. Returns 0, or the errno. */
static int arm(int kq, uintptr_t ident, int flags, unsigned int fflags, long long data)
{
	return kq_change(kq, ident, EVFILT_TIMER, EV_ADD | flags, fflags, data, NULL);
}

/* Let time pass, to see what has become of a timer after that. */
static void pass(long long ns)
{
	struct timespec ts = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static long long realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/*
 * What a periodic timer must have counted is known to within the time that
 * the calls themselves take: @before and @after each, of arming and looking.
 */
struct span {
	long long armed_before;
	long long armed_after;
	long long seen_before;
	long long seen_after;
};

static bool count_is_exact(const struct span *s, long long period, long long count)
{
	long long least = (s->seen_before - s->armed_after) / period;
	long long most = (s->seen_after - s->armed_before) / period;

	if (count >= least && count <= most)
		return true;
	fprintf(stderr, "# %lld expirations, should be %lld to %lld\n", count, least, most);
	return false;
}

/* Arm a periodic timer and note when. */
static int arm_span(int kq, struct span *s, unsigned int fflags, long long data)
{
	int err;

	s->armed_before = ts_ns();
	err = arm(kq, 1, 0, fflags, data);
	s->armed_after = ts_ns();
	return err;
}

/*
 * The count of the one timer of the queue; -1 if it does not come. It waits,
 * since the interrupt of an expiration may come a little after its time.
 */
static long long count_now(int kq, struct span *s)
{
	struct kevent ev;
	int n;

	s->seen_before = ts_ns();
	n = kq_wait(kq, &ev, 1, LIMIT_MS);
	s->seen_after = ts_ns();
	return n == 1 ? ev.data : -1;
}

/* Each unit means what it says: never early, and the default is ms. */
TEST_F(timer, units)
{
	static const struct {
		unsigned int fflags;
		long long data;
		long long ns;
	} unit[] = {
		{ 0, 20, 20 * MS }, { NOTE_MSECONDS, 21, 21 * MS },
		{ NOTE_USECONDS, 22001, 22001000 }, { NOTE_NSECONDS, 23000001, 23000001 },
		{ NOTE_SECONDS, 1, 1000 * MS },
	};
	long long start;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unit); i++) {
		start = ts_ns();
		ASSERT_EQ(0, arm(self->kq, i, EV_ONESHOT, unit[i].fflags, unit[i].data));
		ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, LIMIT_MS));
		EXPECT_LE(unit[i].ns, ts_ns() - start) TH_LOG("unit %zu", i);
		EXPECT_EQ(i, self->ev[0].ident);
		EXPECT_EQ(EVFILT_TIMER, self->ev[0].filter);
		EXPECT_EQ(1, self->ev[0].data);
	}
}

/* EV_ONESHOT: one expiration, and the timer is gone. */
TEST_F(timer, oneshot)
{
	ASSERT_EQ(0, arm(self->kq, 1, EV_ONESHOT, 0, 5));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, LIMIT_MS));
	EXPECT_EQ(1, self->ev[0].data);
	EXPECT_EQ(0, kq_wait(self->kq, self->ev, 64, QUIET_MS));
	EXPECT_EQ(ENOENT, kq_set(self->kq, 1, EVFILT_TIMER, EV_DELETE));
}

/* A one-shot timer counts one expiration, however late it is collected. */
TEST_F(timer, oneshot_late)
{
	ASSERT_EQ(0, arm(self->kq, 1, EV_ONESHOT, 0, 2));
	pass(50 * MS);
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(1, self->ev[0].data);
}

/* A periodic timer does not drift: its sum follows the clock exactly. */
TEST_F(timer, periodic)
{
	long long n, sum = 0;
	struct span s;
	int i;

	ASSERT_EQ(0, arm_span(self->kq, &s, 0, 1));
	for (i = 0; i < 400; i++) {
		ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, LIMIT_MS));
		ASSERT_LE(1, self->ev[0].data);
		sum += self->ev[0].data;
	}
	n = count_now(self->kq, &s);
	ASSERT_LE(0, n);
	EXPECT_TRUE(count_is_exact(&s, MS, sum + n));
	/* EV_CLEAR is what makes the count start again, though nobody asked. */
	EXPECT_EQ(EV_CLEAR, self->ev[0].flags);
}

/* Expirations that nobody collected come as one event with their number. */
TEST_F(timer, overrun)
{
	struct span s;
	long long n;

	ASSERT_EQ(0, arm_span(self->kq, &s, NOTE_USECONDS, 1500));
	pass(60 * MS);
	n = count_now(self->kq, &s);
	EXPECT_LE(40, n);
	EXPECT_TRUE(count_is_exact(&s, 1500000, n));
	pass(60 * MS);
	n += count_now(self->kq, &s);
	EXPECT_TRUE(count_is_exact(&s, 1500000, n));
}

/* EV_ADD of an armed timer starts it anew and forgets what it counted. */
TEST_F(timer, readd_discards)
{
	ASSERT_EQ(0, arm(self->kq, 1, 0, 0, 2));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, LIMIT_MS));
	pass(20 * MS);
	/* This makes the queue look at the timer, and still delivers nothing. */
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_TIMER, EV_ENABLE));
	ASSERT_EQ(0, arm(self->kq, 1, 0, NOTE_SECONDS, 3600));
	EXPECT_EQ(0, kq_wait(self->kq, self->ev, 64, QUIET_MS));
}

/* EV_ADD takes the new period and unit; the time runs from then on. */
TEST_F(timer, readd_modifies)
{
	struct span s;
	long long n;

	ASSERT_EQ(0, arm(self->kq, 1, 0, NOTE_SECONDS, 3600));
	ASSERT_EQ(0, arm_span(self->kq, &s, NOTE_USECONDS, 3000));
	pass(50 * MS);
	n = count_now(self->kq, &s);
	EXPECT_TRUE(count_is_exact(&s, 3 * MS, n));
	ASSERT_EQ(0, arm_span(self->kq, &s, 0, 5));
	pass(50 * MS);
	n = count_now(self->kq, &s);
	EXPECT_TRUE(count_is_exact(&s, 5 * MS, n));
}

/* A disabled timer keeps counting; EV_ENABLE delivers it all, not restarted. */
TEST_F(timer, disabled_counts)
{
	struct span s;
	long long n;

	ASSERT_EQ(0, arm_span(self->kq, &s, 0, 5));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_TIMER, EV_DISABLE));
	pass(52 * MS);
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_TIMER, EV_ENABLE));
	n = count_now(self->kq, &s);
	EXPECT_LE(10, n);
	EXPECT_TRUE(count_is_exact(&s, 5 * MS, n));
}

/* EV_DISPATCH: silent after an event, and counting, until EV_ENABLE. */
TEST_F(timer, dispatch)
{
	struct span s = { .armed_before = ts_ns() };
	long long n, m;

	ASSERT_EQ(0, arm(self->kq, 1, EV_DISPATCH, 0, 5));
	s.armed_after = ts_ns();
	pass(21 * MS);
	n = count_now(self->kq, &s);
	EXPECT_TRUE(count_is_exact(&s, 5 * MS, n));
	pass(31 * MS);
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_TIMER, EV_ENABLE));
	m = count_now(self->kq, &s);
	EXPECT_LE(6, m);
	EXPECT_TRUE(count_is_exact(&s, 5 * MS, n + m));
}

/* A deleted timer is silent, also when it is deleted as it fires. */
TEST_F(timer, delete_armed)
{
	int i;

	for (i = 0; i < 3000; i++) {
		ASSERT_EQ(0, arm(self->kq, i % 3, 0, NOTE_NSECONDS, 1 + i * 50));
		ASSERT_EQ(0, kq_set(self->kq, i % 3, EVFILT_TIMER, EV_DELETE));
	}
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(0, kq_wait(self->kq, self->ev, 64, QUIET_MS));
}

/* What makes no sense is EINVAL, and leaves nothing registered. */
TEST_F(timer, invalid)
{
	static const struct {
		unsigned int fflags;
		long long data;
	} bad[] = {
		{ 0, -1 }, { NOTE_SECONDS, INT64_MIN }, { NOTE_ABSTIME, -1 },
		{ NOTE_SECONDS | NOTE_MSECONDS, 1 }, { NOTE_USECONDS | NOTE_NSECONDS, 1 },
		{ NOTE_SECONDS | NOTE_NSECONDS | NOTE_ABSTIME, 1 },
		{ 0x20, 1 }, { 0x100 | NOTE_SECONDS, 1 }, { 0x80000000, 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(EINVAL, arm(self->kq, 1, 0, bad[i].fflags, bad[i].data))
			TH_LOG("%#x, %lld", bad[i].fflags, bad[i].data);
		EXPECT_EQ(ENOENT, kq_set(self->kq, 1, EVFILT_TIMER, EV_DELETE));
	}
}

/* An EV_ADD that makes no sense is EINVAL and leaves an armed timer alone. */
TEST_F(timer, invalid_readd)
{
	struct span s;
	long long n;

	ASSERT_EQ(0, arm_span(self->kq, &s, 0, 5));
	EXPECT_EQ(EINVAL, arm(self->kq, 1, 0, 0, -1));
	EXPECT_EQ(EINVAL, arm(self->kq, 1, 0, NOTE_SECONDS | NOTE_MSECONDS, 1));
	pass(30 * MS);
	n = count_now(self->kq, &s);
	EXPECT_TRUE(count_is_exact(&s, 5 * MS, n));
}

/* A period of 0 is one unit; a one-shot of 0 fires at once. */
TEST_F(timer, zero)
{
	struct span s;
	long long n;

	ASSERT_EQ(0, arm_span(self->kq, &s, 0, 0));
	pass(20 * MS);
	n = count_now(self->kq, &s);
	EXPECT_TRUE(count_is_exact(&s, MS, n));
	ASSERT_EQ(0, arm(self->kq, 1, 0, NOTE_SECONDS, 0));
	EXPECT_EQ(0, kq_wait(self->kq, self->ev, 64, QUIET_MS));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_TIMER, EV_DELETE));
	/* Less than the unit, or it could not be told from a period of 1 s. */
	ASSERT_EQ(0, arm(self->kq, 2, EV_ONESHOT, NOTE_SECONDS, 0));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, 900));
	EXPECT_EQ(2, self->ev[0].ident);
}

/* The longest times do not wrap around: accepted, silent, deletable. */
TEST_F(timer, huge)
{
	static const unsigned int unit[] = { 0, NOTE_SECONDS, NOTE_MSECONDS,
					     NOTE_USECONDS, NOTE_NSECONDS };
	static const long long data[] = { INT64_MAX, INT64_MAX - 1, INT64_MAX / 2,
					  INT64_MAX / 1000 + 1, 1LL << 54, 1LL << 62 };
	size_t i, j, n = 0;

	for (i = 0; i < ARRAY_SIZE(unit); i++) {
		for (j = 0; j < ARRAY_SIZE(data); j++) {
			EXPECT_EQ(0, arm(self->kq, n++, 0, unit[i], data[j]));
			EXPECT_EQ(0, arm(self->kq, n++, EV_ONESHOT, unit[i], data[j]));
		}
		/* The first three are far away in any unit, also since 1970. */
		for (j = 0; j < 3; j++)
			EXPECT_EQ(0, arm(self->kq, n++, 0, unit[i] | NOTE_ABSTIME, data[j]));
	}
	EXPECT_EQ(0, kq_wait(self->kq, self->ev, 64, QUIET_MS));
	while (n--)
		EXPECT_EQ(0, kq_set(self->kq, n, EVFILT_TIMER, EV_DELETE));
}

/* The call that makes a timer tells of it if it is due, and so if it sets it anew. */
TEST_F(timer, due_in_its_call)
{
	struct timespec none = {};
	struct kevent change[2];
	int round;

	EV_SET(&change[0], 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 0, NULL);
	EV_SET(&change[1], 2, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME, 1, NULL);
	for (round = 0; round < 100; round++) {
		ASSERT_EQ(2, kevent(self->kq, change, 2, self->ev, 64, &none));
		EXPECT_EQ(1, self->ev[0].data);
		EXPECT_EQ(1, self->ev[1].data);
	}
}

/* One that is due and disabled counts, is told when it is enabled, and can be deleted. */
TEST_F(timer, due_disabled)
{
	struct span s;

	s.armed_before = ts_ns();
	ASSERT_EQ(0, arm(self->kq, 1, EV_DISABLE, NOTE_NSECONDS, 1));
	s.armed_after = ts_ns();
	ASSERT_EQ(0, arm(self->kq, 2, EV_DISABLE | EV_ONESHOT, 0, 0));
	pass(MS);
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_TIMER, EV_DELETE));
	s.seen_before = ts_ns();
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_TIMER, EV_ENABLE));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, LIMIT_MS));
	s.seen_after = ts_ns();
	EXPECT_TRUE(count_is_exact(&s, 1, self->ev[0].data));
}

/* NOTE_ABSTIME in the past fires at once and stays until it is deleted. */
TEST_F(timer, abstime_past)
{
	long long now = realtime_ns();
	int i;

	ASSERT_EQ(0, arm(self->kq, 1, 0, NOTE_ABSTIME | NOTE_SECONDS, now / 1000000000 - 10));
	ASSERT_EQ(0, arm(self->kq, 2, 0, NOTE_ABSTIME, 0));
	ASSERT_TRUE(WAIT_FOR(kq_count(self->kq) == 2));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(2, kq_collect(self->kq, self->ev, 64));
		EXPECT_EQ(1, self->ev[0].data);
		EXPECT_EQ(1, self->ev[1].data);
		EXPECT_EQ(0, self->ev[0].flags);
	}
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_TIMER, EV_DELETE));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(2, self->ev[0].ident);
}

/* NOTE_ABSTIME in the future: not before its time, in each unit, once. */
TEST_F(timer, abstime_future)
{
	static const struct {
		unsigned int fflags;
		long long ns;
	} unit[] = {
		{ 0, MS }, { NOTE_MSECONDS, MS }, { NOTE_USECONDS, 1000 },
		{ NOTE_NSECONDS, 1 }, { NOTE_SECONDS, 1000 * MS },
	};
	long long at;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unit); i++) {
		at = (realtime_ns() + 30 * MS) / unit[i].ns + 1;
		ASSERT_EQ(0, arm(self->kq, i, 0, NOTE_ABSTIME | unit[i].fflags, at));
		ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, LIMIT_MS));
		EXPECT_LE(at * unit[i].ns, realtime_ns());
		EXPECT_EQ(i, self->ev[0].ident);
		EXPECT_EQ(1, self->ev[0].data);
		/* It is over, and stays so: the count does not go on. */
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
		EXPECT_EQ(1, self->ev[0].data);
		ASSERT_EQ(0, kq_set(self->kq, i, EVFILT_TIMER, EV_DELETE));
	}
}

/* NOTE_ABSTIME goes when it is added again, or with EV_ONESHOT. */
TEST_F(timer, abstime_ends)
{
	ASSERT_EQ(0, arm(self->kq, 1, 0, NOTE_ABSTIME, 1));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, LIMIT_MS));
	ASSERT_EQ(0, arm(self->kq, 1, 0, NOTE_ABSTIME, realtime_ns() / MS + 3600000));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, arm(self->kq, 2, EV_ONESHOT, NOTE_ABSTIME, 1));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, LIMIT_MS));
	EXPECT_EQ(2, self->ev[0].ident);
	EXPECT_EQ(ENOENT, kq_set(self->kq, 2, EVFILT_TIMER, EV_DELETE));
}

/* 10,000 timers in one queue: each comes, once, and none early. */
TEST_F(timer, ten_thousand)
{
	enum { N = 10000, SPREAD = 500 };
	static struct kevent kev[N];
	static bool seen[N];
	long long start = ts_ns();
	int i, n, got = 0;

	for (i = 0; i < N; i++)
		EV_SET(&kev[i], i, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0,
		       1 + i * 7919 % SPREAD, UD(i));
	ASSERT_EQ(0, kevent(self->kq, kev, N, NULL, 0, NULL));
	while (got < N) {
		n = kq_wait(self->kq, self->ev, ARRAY_SIZE(self->ev), LIMIT_MS);
		ASSERT_LT(0, n);
		for (i = 0; i < n; i++, got++) {
			int num = self->ev[i].ident;

			ASSERT_EQ(num, UD_NUM(&self->ev[i]));
			ASSERT_EQ(1, self->ev[i].data);
			ASSERT_FALSE(seen[num]);
			seen[num] = true;
			ASSERT_LE(kev[num].data * MS, ts_ns() - start);
		}
	}
	EXPECT_EQ(0, kq_wait(self->kq, self->ev, 64, QUIET_MS));
}

/* All interrupts since the boot. */
static long long interrupts(void)
{
	return find_number("/proc/stat", "intr %ld");
}

/* Periods of 1 ns that nobody collects: an interrupt each, and no more. */
TEST_F(timer, nanosecond_idle)
{
	long long alone, with;
	int i;

	alone = interrupts();
	ASSERT_LE(0, alone);
	pass(200 * MS);
	alone = interrupts() - alone;
	with = interrupts();
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, arm(self->kq, i, 0, NOTE_NSECONDS, 1));
	pass(200 * MS);
	with = interrupts() - with;
	EXPECT_GT(100 + 1000 + 4 * alone, with);
	EXPECT_EQ(100, kq_collect(self->kq, self->ev, 256));
}

/* A period of 1 ns is counted, and does not keep other events away. */
TEST_F(timer, nanosecond_busy)
{
	long long sum = 0;
	struct span s;

	ASSERT_EQ(0, arm_span(self->kq, &s, NOTE_NSECONDS, 1));
	ASSERT_EQ(0, arm(self->kq, 2, EV_ONESHOT, 0, 20));
	do {
		ASSERT_EQ(1, kq_wait(self->kq, self->ev, 1, LIMIT_MS));
		if (self->ev[0].ident == 1)
			sum += self->ev[0].data;
	} while (self->ev[0].ident == 1);
	sum += count_now(self->kq, &s);
	EXPECT_TRUE(count_is_exact(&s, 1, sum));
	EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_TIMER, EV_DELETE));
	EXPECT_EQ(0, kq_count(self->kq));
}

TEST_HARNESS_MAIN
