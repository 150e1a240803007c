// SPDX-License-Identifier: BSD-2-Clause
/*
 * Very many timers that are due at once: how long they keep a real-time thread
 * from its CPU. The kernel runs all of them in one interrupt.
 *
 * The measure is timerfd, of which a user may have as many as descriptors.
 */
#include <sys/resource.h>
#include <sys/timerfd.h>

#include "expect.h"

#define NSEC		1000000000LL
#define ROUNDS		3	/* of each kind */
#define MIN_TIMERS	1000

/* How long before the timers are due, and after, the thread looks at its clock. */
#define BEFORE		(20 * NSEC / 1000)
#define AFTER		(100 * NSEC / 1000)

/* Timers of one kind, all due at the same time on this CPU. */
struct crowd {
	int n;
	int kq;		/* has them, unless it is -1 */
	int *fds;	/* then these are timerfds */
};

static long long realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static bool arm_kevents(const struct crowd *c, long long when)
{
	struct kevent kev[256];
	int i, j;

	for (i = 0; i < c->n; i += j) {
		for (j = 0; j < 256 && i + j < c->n; j++)
			EV_SET(&kev[j], i + j, EVFILT_TIMER, EV_ADD | EV_ONESHOT,
			       NOTE_ABSTIME | NOTE_NSECONDS, when, NULL);
		if (kevent(c->kq, kev, j, NULL, 0, NULL))
			return false;
	}
	return true;
}

static bool arm_timerfds(const struct crowd *c, long long when)
{
	const struct itimerspec its = {
		.it_value = { .tv_sec = when / NSEC, .tv_nsec = when % NSEC },
	};
	int i;

	for (i = 0; i < c->n; i++)
		if (timerfd_settime(c->fds[i], TFD_TIMER_ABSTIME, &its, NULL))
			return false;
	return true;
}

/* Arm them all, early enough. Returns when they are due, or -1. */
static long long arm(const struct crowd *c)
{
	long long lead, when;

	for (lead = NSEC / 2; lead <= 64 * NSEC; lead *= 2) {
		when = realtime_ns() + lead;
		if (!(c->kq < 0 ? arm_timerfds(c, when) : arm_kevents(c, when)))
			return -1;
		if (realtime_ns() < when - 2 * BEFORE)
			return when;
	}
	return -1;
}

/* All have expired; forget that they have. */
static bool collect(const struct crowd *c)
{
	struct kevent kev[256];
	uint64_t count;
	int i, n = 0, got;

	for (i = 0; c->kq < 0 && i < c->n; i++)
		n += read(c->fds[i], &count, sizeof(count)) == sizeof(count);
	while (c->kq >= 0 && n < c->n) {
		got = kq_wait(c->kq, kev, 256, LIMIT_MS);
		if (got <= 0)
			break;
		n += got;
	}
	return n == c->n;
}

/*
 * The longest time, in ns, from one look at the clock to the next around the
 * time @when, by a thread that does nothing else and yields to nobody; -1 if
 * there can be no such thread. Well below a second: for what is beyond it, such
 * threads are stopped, lest they never do.
 */
static long long longest_gap(long long when)
{
	const struct sched_param fifo = { .sched_priority = 50 }, none = { 0 };
	long long begin = when - BEFORE, now, last = begin, longest = 0;
	const struct timespec ts = {
		.tv_sec = begin / NSEC,
		.tv_nsec = begin % NSEC,
	};

	if (sched_setscheduler(0, SCHED_FIFO, &fifo))
		return -1;
	clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL);
	do {
		now = realtime_ns();
		if (now - last > longest)
			longest = now - last;
		last = now;
	} while (now < when + AFTER);
	return sched_setscheduler(0, SCHED_OTHER, &none) ? -1 : longest;
}

/* One round; -1 if something does not work, or a timer did not expire. */
static long long gap_of(const struct crowd *c)
{
	long long when = arm(c), gap;

	if (when < 0)
		return -1;
	gap = longest_gap(when);
	return collect(c) ? gap : -1;
}

static int by_value(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return x < y ? -1 : x > y;
}

static bool make_timerfds(struct crowd *c)
{
	int i;

	c->fds = calloc(c->n, sizeof(*c->fds));
	for (i = 0; c->fds && i < c->n; i++) {
		c->fds[i] = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
		if (c->fds[i] < 0)
			return false;
	}
	return c->fds;
}

static bool stay_on_this_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* As many timers as a user may have; a machine that is slow gets fewer. */
static int how_many(void)
{
	const char *slow = getenv("KEVENT_SLOWNESS");
	long n = read_number(KQ_PARAM("max_user_timers"));

	return slow && atoi(slow) > 1 ? n / atoi(slow) : n;
}

FIXTURE(timers)
{
	struct crowd kevents;
	struct crowd timerfds;
};

FIXTURE_SETUP(timers)
{
	struct rlimit files;

	if (geteuid())
		return;
	self->kevents.n = how_many();
	self->timerfds.n = self->kevents.n;
	ASSERT_LE(MIN_TIMERS, self->kevents.n);
	files.rlim_cur = self->kevents.n + 64;
	files.rlim_max = files.rlim_cur;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	self->kevents.kq = kq_open();
	ASSERT_LE(0, self->kevents.kq);
	self->timerfds.kq = -1;
	ASSERT_TRUE(make_timerfds(&self->timerfds));
	ASSERT_TRUE(stay_on_this_cpu());
}

FIXTURE_TEARDOWN(timers)
{
	int i;

	if (geteuid())
		return;
	close(self->kevents.kq);
	for (i = 0; i < self->timerfds.n; i++)
		close(self->timerfds.fds[i]);
	free(self->timerfds.fds);
}

/*
 * All timers that a user may have keep a real-time thread waiting no longer than
 * as many timerfds, which the same user may have as well. (Where timers run in
 * threads, PREEMPT_RT, neither does.)
 */
TEST_F_TIMEOUT(timers, cost_of_expiry, 90)
{
	long long kevents[ROUNDS], timerfds[ROUNDS];
	int i;

	if (geteuid())
		SKIP(return, "has real-time threads and many descriptors: needs root");

	for (i = 0; i < ROUNDS; i++) {
		kevents[i] = gap_of(&self->kevents);
		ASSERT_LT(0, kevents[i]);
		timerfds[i] = gap_of(&self->timerfds);
		ASSERT_LT(0, timerfds[i]);
	}
	qsort(kevents, ROUNDS, sizeof(*kevents), by_value);
	qsort(timerfds, ROUNDS, sizeof(*timerfds), by_value);
	TH_LOG("%d timers due at once: a real-time thread waits %lld us; as many timerfds: %lld us",
	       self->kevents.n, kevents[ROUNDS / 2] / 1000, timerfds[ROUNDS / 2] / 1000);
	/* Not twice as long; a millisecond, where there is nothing to wait for. */
	EXPECT_LE(kevents[ROUNDS / 2], 2 * timerfds[ROUNDS / 2] + NSEC / 1000);
}

TEST_HARNESS_MAIN
