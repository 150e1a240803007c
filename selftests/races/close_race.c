// SPDX-License-Identifier: BSD-2-Clause
/*
 * Closing a descriptor while other threads register it, or use its number for
 * something else.
 */
#include "peers.h"

#include <sys/eventfd.h>

FIXTURE(close_race)
{
	int kq;
};

FIXTURE_SETUP(close_race)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(close_race)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

#define ROUNDS		6000
#define ROUNDS_LEAST	300
#define RACE_MS		12000

/*
 * One thread registers a number while another closes it, or puts another file
 * on it, round after round.
 */
struct race {
	pthread_barrier_t start, end;
	int kq;
	int number;		/* registered and closed */
	int ready;		/* a readable file */
	int idle;		/* one that never is */
	bool replace;		/* put idle on the number instead of closing it */
	bool stop;		/* there are no more rounds */
	int err;		/* of the registration */
};

/* Let the two meet at ever different points. */
static void stagger(int n)
{
	while (n--)
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void *race_register(void *arg)
{
	struct race *r = arg;
	int i;

	for (i = 0; ; i++) {
		pthread_barrier_wait(&r->start);
		if (r->stop)
			return NULL;
		stagger(i * 7 % 257);
		r->err = kq_set(r->kq, r->number, EVFILT_READ, EV_ADD);
		pthread_barrier_wait(&r->end);
	}
}

static bool race_round(struct race *r, int i)
{
	int err;

	if (dup2(r->ready, r->number) != r->number)
		return false;
	pthread_barrier_wait(&r->start);
	stagger(i * 13 % 251);
	err = r->replace ? dup2(r->idle, r->number) : close(r->number);
	pthread_barrier_wait(&r->end);
	return err >= 0;
}

/* The number is closed, so nothing may be left, even if it is used again. */
static const char *race_closed(struct race *r)
{
	if (r->err && r->err != EBADF)
		return "neither registered nor EBADF";
	if (fdinfo_knotes(r->kq))
		return "a knote has stayed";
	if (dup2(r->ready, r->number) != r->number || kq_count(r->kq))
		return "the next file has inherited";
	return NULL;
}

/* A knote of the new file may be there, but none of the old one. */
static const char *race_replaced(struct race *r)
{
	int there = fdinfo_knotes(r->kq), err;

	if (r->err && r->err != EBADF)
		return "neither registered nor EBADF";
	if (kq_count(r->kq))
		return "an event of the old file";
	err = kq_set(r->kq, r->number, EVFILT_READ, EV_DELETE);
	if (err != (there ? 0 : ENOENT))
		return "fdinfo and EV_DELETE disagree";
	return NULL;
}

/* Returns what went wrong, or NULL. */
static const char *race_run(struct race *r, bool replace)
{
	long long end = ts_ms() + RACE_MS;
	const char *wrong = NULL;
	pthread_t thread;
	int i;

	r->replace = replace;
	r->number = 700;
	r->ready = eventfd(1, EFD_CLOEXEC);
	r->idle = eventfd(0, EFD_CLOEXEC);
	pthread_barrier_init(&r->start, NULL, 2);
	pthread_barrier_init(&r->end, NULL, 2);
	if (pthread_create(&thread, NULL, race_register, r))
		return "no thread";
	for (i = 0; !wrong && more_rounds(i, ROUNDS_LEAST, ROUNDS, end); i++) {
		if (!race_round(r, i))
			wrong = "descriptors";
		else
			wrong = replace ? race_replaced(r) : race_closed(r);
	}
	fprintf(stderr, "# %d rounds\n", i);
	if (wrong)
		fprintf(stderr, "# %s (EV_ADD: %s)\n", wrong, strerror(r->err));
	r->stop = true;
	pthread_barrier_wait(&r->start);
	pthread_join(thread, NULL);
	return wrong;
}

/* A registration that races with close() ends as EBADF or closed, not stale. */
TEST_F_TIMEOUT(close_race, with_register, 100)
{
	struct race r = { .kq = self->kq };

	EXPECT_EQ(NULL, race_run(&r, false));
}

/* A registration that races with dup2() is of the new file, or not at all. */
TEST_F_TIMEOUT(close_race, dup2_with_register, 100)
{
	struct race r = { .kq = self->kq };

	EXPECT_EQ(NULL, race_run(&r, true));
}

#define REUSERS		4
#define REUSES		20000
#define REUSES_LEAST	300

static int reuse_failed;
static long reuses;

/*
 * Register a number that another thread is perhaps still closing. The knote
 * must be there until the number is closed, and be gone when the file gets
 * ready after that.
 */
static bool reuse_number(int kq, int i)
{
	int fd = eventfd(0, EFD_CLOEXEC), dup_fd = dup(fd);

	if (fd < 0 || dup_fd < 0 || kq_set(kq, fd, EVFILT_READ, EV_ADD))
		return false;
	if (i % 2 && kq_set(kq, fd, EVFILT_READ, EV_DELETE))
		return false;
	return !close(fd) && !eventfd_write(dup_fd, 1) && !close(dup_fd);
}

static void *reuse_numbers(void *arg)
{
	long long end = ts_ms() + RACE_MS;
	int kq = *(int *)arg, i;

	for (i = 0; more_rounds(i, REUSES_LEAST, REUSES, end); i++)
		if (!reuse_number(kq, i))
			__atomic_fetch_add(&reuse_failed, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&reuses, i, __ATOMIC_RELAXED);
	return NULL;
}

/* Threads reuse each other's numbers: no knote is lost, no event is stale. */
TEST_F_TIMEOUT(close_race, reuse_under_load, 100)
{
	pthread_t thread[REUSERS];
	struct waiter w;
	int i;

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, self->kq, 16, -1));
	for (i = 0; i < REUSERS; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, reuse_numbers, &self->kq));
	for (i = 0; i < REUSERS; i++)
		pthread_join(thread[i], NULL);
	TH_LOG("%ld rounds", reuses);
	EXPECT_EQ(0, reuse_failed);
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	EXPECT_FALSE(waiter_done(&w));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	EXPECT_EQ(EVFILT_USER, w.ev[0].filter);
}

TEST_HARNESS_MAIN
