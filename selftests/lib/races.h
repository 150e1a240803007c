/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Races that others had to repair, in epoll, aio, io_uring and elsewhere, and
 * where it is tested that they are not here:
 *
 *   class of bug				tested in
 *   a wait queue dies before its file		pollfree.c
 *   the file is already dead when polled	teardown.c
 *   a reference dropped under the object's
 *     own lock, or the object freed too soon	teardown.c, stopped_scan.c
 *   closing against delivery			teardown.c, scan_race.c,
 *						stopped_scan.c
 *   scanning against deletion			scan_race.c, stopped_scan.c
 *   a queue closed against activation		teardown.c
 *   chains closed from both ends		teardown.c, nested_cycle.c
 *   a number's next file inherits		scan_race.c, stopped_scan.c,
 *						close_race.c
 *   a wake-up lost between two locks		lost_wakeup.c
 *   ... or swallowed by a waiter that leaves	waiter_leaves.c
 *   ... or by a queue that others rely on	exclusive_race.c, exclusive_pass.c
 *   starvation by an unfair lock		lost_wakeup.c
 *   too many or too few are woken		wakeup.c, wakeup_nested.c,
 *						exclusive.c
 *   wake-ups that recurse			nested_cycle.c
 *   loops and depth of nesting			nested.c, nest_race.c
 *   a walk over what RCU does not protect	nest_race.c
 *   a big lock went, and with it what it
 *     protected by accident			stress.c, scan_race.c
 *   cycles of descriptors in flight		inflight.c, ownership.c
 *   who can close a queue, who can keep it	close.c, ownership.c
 *   memory that nobody is charged for		limits.c
 *   pages of a mapped ring that are freed;
 *     trust in what is shared with a program	nowhere: there is no mapped ring
 *
 * Two parties meet again and again, each time at another point: a "duel". In
 * some rounds both start on two CPUs at once. In others they are on one, and the
 * second, being a real-time thread, wakes up from a timer amid what the first is
 * doing; this also works where an emulator runs one CPU at a time.
 *
 * KEVENT_RACE_SECONDS=<n> makes each race last so long (at most 60).
 */
#ifndef KEVENT_SELFTESTS_RACES_H
#define KEVENT_SELFTESTS_RACES_H

#include "common.h"

#define RACE_MS		1500	/* how long a race lasts, if enough rounds are done */
#define RACE_MOST_MS	50000	/* how long it may take to do enough of them */
#define RACE_TIMEOUT	110	/* seconds for a test, which none needs */

/* Rounds of a race: it lasts a while, but has at least so many rounds. */
struct rounds {
	int least;
	int done;
	long long begin;
};

static inline long long race_ms(void)
{
	const char *val = getenv("KEVENT_RACE_SECONDS");

	return val && *val ? 1000 * atoll(val) : RACE_MS;
}

static inline bool next_round(struct rounds *r)
{
	long long now = ts_ms(), limit = race_ms();

	if (!r->done)
		r->begin = now;
	if (r->done < r->least && limit < RACE_MOST_MS)
		limit = RACE_MOST_MS;
	if (now - r->begin >= limit)
		return false;
	r->done++;
	return true;
}

/* There were enough of them. */
#define EXPECT_ROUNDS(r) do {						\
	const struct rounds *r_ = (r);					\
									\
	printf("# %d rounds\n", r_->done);				\
	fflush(stdout);							\
	EXPECT_LE(r_->least, r_->done);					\
} while (0)

static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Let the two meet at ever different points. */
static inline void stagger(int n)
{
	while (n--)
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/**
 * struct duel - a second thread that strikes once a round
 * @strike: what it does
 * @arg: with what
 * @round: counts them
 * @same: both are on one CPU in this round
 * @span: how long the first party's part takes, ns
 * @lag: how long it takes that one to begin, once the second sleeps, ns
 * @begun: when it began
 * @slept: when the second went to sleep
 */
struct duel {
	pthread_t thread;
	pthread_barrier_t start;
	pthread_barrier_t end;
	void (*strike)(void *arg);
	void *arg;
	int round;
	bool same;
	bool over;
	long long span;
	long long lag;
	long long begun;
	long long slept;
};

#define DUEL_CPUS	2	/* 0 and 1; with only one, all rounds are on it */
#define DUEL_BLOCK	16	/* rounds in one of the two ways */

static inline void sleep_until(long long ns)
{
	struct timespec ts = {
		.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000,
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static inline void *duel_main(void *arg)
{
	struct sched_param param = { .sched_priority = 1 };
	struct duel *d = arg;

	/* Without the right to, the rounds on one CPU prove less. */
	sched_setscheduler(0, SCHED_FIFO, &param);
	for (;;) {
		pthread_barrier_wait(&d->start);
		if (d->over)
			return NULL;
		if (d->round % DUEL_BLOCK == 1)
			pin(d->same ? 0 : DUEL_CPUS - 1);
		if (d->same) {
			d->slept = ts_ns();
			sleep_until(d->slept + d->lag + d->span * (d->round * 37 % 64) / 48);
		} else {
			stagger(d->round * 13 % 1021);
		}
		d->strike(d->arg);
		pthread_barrier_wait(&d->end);
	}
}

/* Any threads that take part should be there before, or will be pinned, too. */
static inline bool duel_open(struct duel *d, void (*strike)(void *arg), void *arg)
{
	*d = (struct duel){ .strike = strike, .arg = arg };
	pin(0);
	pthread_barrier_init(&d->start, NULL, 2);
	pthread_barrier_init(&d->end, NULL, 2);
	return !pthread_create(&d->thread, NULL, duel_main, d);
}

static inline void duel_begin(struct duel *d)
{
	d->same = d->round++ / DUEL_BLOCK % 2;
	pthread_barrier_wait(&d->start);
	if (!d->same)
		stagger(d->round * 7 % 1031);
	d->begun = ts_ns();
}

/* A mean that forgets. */
static inline void duel_learn(long long *mean, long long ns)
{
	*mean = *mean ? (7 * *mean + ns) / 8 : ns;
}

static inline void duel_end(struct duel *d)
{
	long long now = ts_ns();

	if (!d->same)
		duel_learn(&d->span, now - d->begun);
	pthread_barrier_wait(&d->end);
	if (d->same && d->begun > d->slept)
		duel_learn(&d->lag, d->begun - d->slept);
}

static inline void duel_close(struct duel *d)
{
	d->over = true;
	pthread_barrier_wait(&d->start);
	pthread_join(d->thread, NULL);
}

/* One round: @first against what the second thread does. */
#define DUEL(d, first) do {						\
	struct duel *d_ = (d);						\
									\
	duel_begin(d_);							\
	first;								\
	duel_end(d_);							\
} while (0)

#endif /* KEVENT_SELFTESTS_RACES_H */
