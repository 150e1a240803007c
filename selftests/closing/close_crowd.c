// SPDX-License-Identifier: BSD-2-Clause
/*
 * Very many registrations of one file: duplicates of it in several queues, some
 * of which are closed, in any way, by several threads, while others register,
 * delete, or exit. Exactly those of closed numbers are gone, when the close
 * returns, and with the last one the file.
 */
#include <linux/close_range.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "peers.h"
#include "races.h"
#include "uring.h"

#define BASE		500	/* the first number */
#define MOST		3000
#define SOME		600
#define QUEUES		3

/* fd[0], the reading end of a pipe, has so many duplicates; each queue has all. */
struct many {
	int n;
	int fd[2];
	int kq[QUEUES];
};

static bool watch_all(int kq, int n)
{
	struct kevent kev[MOST];
	int i;

	for (i = 0; i < n; i++)
		EV_SET(&kev[i], BASE + i, EVFILT_READ, EV_ADD, 0, 0, NULL);
	return !kevent(kq, kev, n, NULL, 0, NULL);
}

static bool many_open(struct many *m, int n)
{
	int i;

	m->n = n;
	if (pipe2(m->fd, O_CLOEXEC | O_NONBLOCK))
		return false;
	for (i = 0; i < n; i++)
		if (dup3(m->fd[0], BASE + i, O_CLOEXEC) != BASE + i)
			return false;
	for (i = 0; i < QUEUES; i++) {
		m->kq[i] = kq_open();
		if (m->kq[i] < 0 || !watch_all(m->kq[i], n))
			return false;
	}
	return true;
}

/* How many each queue has, or -1 if they differ. */
static long many_knotes(struct many *m)
{
	long n = fdinfo_knotes(m->kq[0]);
	int q;

	for (q = 1; q < QUEUES; q++)
		if (fdinfo_knotes(m->kq[q]) != n)
			return -1;
	return n;
}

/* The queue has events of those numbers that are to be left, and of no other. */
static bool only_these(int kq, int n, const bool *left)
{
	struct kevent ev[MOST];
	int i, got, want = 0;

	for (i = 0; i < n; i++)
		want += left[i];
	got = kq_collect(kq, ev, MOST);
	for (i = 0; i < got; i++)
		if (!left[ev[i].ident - BASE])
			return false;
	return got == want;
}

/* Nothing has the reading end any more: seen at once, without waiting. */
static bool released(struct many *m)
{
	close(m->fd[0]);
	return !tell(m->fd[1]) && errno == EPIPE;
}

/* A thread that closes, or what else it does, some of the numbers. */
struct closer {
	pthread_t thread;
	void (*act)(struct closer *c);
	struct many *m;
	int first;
	int end;
	int step;
	bool failed;
};

static void *closer_main(void *arg)
{
	struct closer *c = arg;

	c->act(c);
	return NULL;
}

static bool closer_start(struct closer *c)
{
	return !pthread_create(&c->thread, NULL, closer_main, c);
}

static bool closer_join(struct closer *c)
{
	return !pthread_join(c->thread, NULL) && !c->failed;
}

static void act_close(struct closer *c)
{
	int i;

	for (i = c->first; i < c->end; i += c->step)
		c->failed |= close(BASE + i);
}

/* Each number gets another file. */
static void act_dup2(struct closer *c)
{
	int i, other = eventfd(0, EFD_CLOEXEC);

	for (i = c->first; i < c->end; i += c->step)
		c->failed |= dup2(other, BASE + i) != BASE + i;
	close(other);
}

/* Half of each step at once. */
static void act_close_range(struct closer *c)
{
	int i;

	for (i = c->first; i < c->end; i += c->step)
		c->failed |= close_range(BASE + i, BASE + i + c->step / 2 - 1, 0);
}

/* The number may be closed by now. */
static void act_delete(struct closer *c)
{
	int i, q, err;

	for (i = c->first; i < c->end; i += c->step) {
		for (q = 0; q < QUEUES; q++) {
			err = kq_set(c->m->kq[q], BASE + i, EVFILT_READ, EV_DELETE);
			c->failed |= err && err != EBADF && err != ENOENT;
		}
	}
}

static void act_register(struct closer *c)
{
	int i, q, err;

	for (i = c->first; i < c->end; i += c->step) {
		for (q = 0; q < QUEUES; q++) {
			err = kq_set(c->m->kq[q], BASE + i, EVFILT_WRITE, EV_ADD);
			c->failed |= err && err != EBADF;
		}
	}
}

static void act_close_queues(struct closer *c)
{
	int q;

	for (q = 0; q < QUEUES; q++)
		c->failed |= close(c->m->kq[q]);
}

FIXTURE(close_crowd)
{
	struct many m;
};

FIXTURE_SETUP(close_crowd)
{
	struct rlimit need;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &need));
	need.rlim_cur = need.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &need));
	if (need.rlim_cur < BASE + MOST)
		SKIP(_exit(255), "needs more descriptors");
	signal(SIGPIPE, SIG_IGN);
}

FIXTURE_TEARDOWN(close_crowd)
{
	act_close_queues(&(struct closer){ .m = &self->m });
	EXPECT_TRUE(all_freed());
}

/* Four threads close in four ways: exactly the others are left, in each queue. */
TEST_F_TIMEOUT(close_crowd, the_right_ones_are_left, 120)
{
	struct many *m = &self->m;
	struct closer c[] = {
		{ .act = act_close, .first = 0, .end = 750, .step = 5 },
		{ .act = act_dup2, .first = 751, .end = 1500, .step = 5 },
		{ .act = act_close_range, .first = 1500, .end = 2250, .step = 50 },
		{ .act = act_delete, .first = 2252, .end = MOST, .step = 5 },
	};
	bool left[MOST];
	unsigned int t;
	int i, q;

	ASSERT_TRUE(many_open(m, MOST));
	memset(left, true, sizeof(left));
	for (t = 0; t < 4; t++) {
		c[t].m = m;
		for (i = c[t].first; i < c[t].end; i++)
			if ((i - c[t].first) % c[t].step < (t == 2 ? 25 : 1))
				left[i] = false;
		ASSERT_TRUE(closer_start(&c[t]));
	}
	for (t = 0; t < 4; t++)
		EXPECT_TRUE(closer_join(&c[t]));
	EXPECT_EQ(MOST - 3 * 150 - 375, many_knotes(m));
	ASSERT_TRUE(tell(m->fd[1]));
	for (q = 0; q < QUEUES; q++)
		EXPECT_TRUE(only_these(m->kq[q], MOST, left));
}

/* Whoever closes finds its registrations gone, each time. */
TEST_F_TIMEOUT(close_crowd, gone_when_close_returns, 120)
{
	struct many *m = &self->m;
	int i;

	ASSERT_TRUE(many_open(m, SOME));
	for (i = 0; i < SOME; i++) {
		ASSERT_EQ(0, close(BASE + i));
		ASSERT_EQ(QUEUES * (SOME - i - 1), kq_counter("knotes"));
	}
	EXPECT_TRUE(released(m));
}

FIXTURE(together)
{
	struct many m;
};

FIXTURE_VARIANT(together)
{
	int threads;
};

FIXTURE_VARIANT_ADD(together, two)
{
	.threads = 2,
};

FIXTURE_VARIANT_ADD(together, thirty)
{
	.threads = 30,
};

FIXTURE_SETUP(together)
{
	signal(SIGPIPE, SIG_IGN);
	ASSERT_TRUE(many_open(&self->m, SOME));
}

FIXTURE_TEARDOWN(together)
{
	act_close_queues(&(struct closer){ .m = &self->m });
	EXPECT_TRUE(all_freed());
}

/* However many threads close: when all have, nothing holds the file. */
TEST_F_TIMEOUT(together, released_by_the_last, 120)
{
	struct closer c[30] = { 0 };
	struct many *m = &self->m;
	int t;

	for (t = 0; t < variant->threads; t++) {
		c[t] = (struct closer){
			.act = act_close, .first = t, .end = SOME, .step = variant->threads,
		};
		ASSERT_TRUE(closer_start(&c[t]));
	}
	for (t = 0; t < variant->threads; t++)
		EXPECT_TRUE(closer_join(&c[t]));
	EXPECT_EQ(0, many_knotes(m));
	EXPECT_TRUE(released(m));
}

FIXTURE(against)
{
	struct many m;
};

FIXTURE_VARIANT(against)
{
	void (*act)(struct closer *c);
};

FIXTURE_VARIANT_ADD(against, deletes)
{
	.act = act_delete,
};

FIXTURE_VARIANT_ADD(against, registers)
{
	.act = act_register,
};

FIXTURE_VARIANT_ADD(against, closes_queues)
{
	.act = act_close_queues,
};

FIXTURE_SETUP(against)
{
	signal(SIGPIPE, SIG_IGN);
	ASSERT_TRUE(many_open(&self->m, SOME));
}

FIXTURE_TEARDOWN(against)
{
	act_close_queues(&(struct closer){ .m = &self->m });
	EXPECT_TRUE(all_freed());
}

/* Two threads close all numbers, a third does something with the same ones. */
TEST_F_TIMEOUT(against, nothing_is_left, 120)
{
	struct many *m = &self->m;
	struct closer c[] = {
		{ .act = act_close, .first = 0, .end = SOME, .step = 2 },
		{ .act = act_close, .first = 1, .end = SOME, .step = 2 },
		{ .act = variant->act, .m = m, .first = 0, .end = SOME, .step = 1 },
	};
	unsigned int t;

	for (t = 0; t < 3; t++)
		ASSERT_TRUE(closer_start(&c[t]));
	for (t = 0; t < 3; t++)
		EXPECT_TRUE(closer_join(&c[t]));
	EXPECT_TRUE(released(m));
	EXPECT_EQ(variant->act == act_close_queues ? -1 : 0, many_knotes(m));
}

/* A child that has registered the same file exits: only its own are gone, at once. */
TEST_F_TIMEOUT(close_crowd, a_child_exits, 120)
{
	struct many *m = &self->m;
	bool left[MOST];
	pid_t pid;
	int kq;

	ASSERT_TRUE(many_open(m, SOME));
	pid = fork();
	if (!pid) {
		kq = kq_open();
		_exit(kq < 0 || !watch_all(kq, SOME) ||
		      kq_counter("knotes") != (QUEUES + 1) * SOME);
	}
	EXPECT_EQ(0, child_status(pid));
	EXPECT_EQ(QUEUES * SOME, kq_counter("knotes"));
	EXPECT_EQ(SOME, many_knotes(m));
	memset(left, true, sizeof(left));
	ASSERT_TRUE(tell(m->fd[1]));
	EXPECT_TRUE(only_these(m->kq[0], SOME, left));
	EXPECT_EQ(0, close_range(BASE, BASE + SOME - 1, 0));
	EXPECT_TRUE(released(m));
}

/* They become few and many again, by deleting and registering, and are found. */
TEST_F_TIMEOUT(close_crowd, few_and_many_again, 120)
{
	struct many *m = &self->m;
	int i, n;

	ASSERT_TRUE(many_open(m, 20));
	for (n = 0; n < 20; n++) {
		for (i = n; i < 20; i++)
			ASSERT_EQ(0, kq_set(m->kq[i % QUEUES], BASE + i, EVFILT_READ,
					    EV_DELETE));
		for (i = n; i < 20; i++)
			ASSERT_EQ(0, kq_set(m->kq[i % QUEUES], BASE + i, EVFILT_READ,
					    EV_ADD));
		ASSERT_EQ(0, close(BASE + n));
		ASSERT_EQ(19 - n, many_knotes(m));
	}
	EXPECT_TRUE(released(m));
}

/* io_uring closes them, itself or in one of its threads. */
TEST_F_TIMEOUT(close_crowd, io_uring, 120)
{
	struct many *m = &self->m;
	struct io_uring ring;
	int i;

	if (io_uring_queue_init(1, &ring, 0))
		SKIP(return, "no io_uring here");
	ASSERT_TRUE(many_open(m, SOME));
	for (i = 0; i < SOME; i++)
		ASSERT_EQ(0, uring_close(&ring, BASE + i, i % 2 ? IOSQE_ASYNC : 0));
	EXPECT_TRUE(WAIT_FOR(!many_knotes(m)));
	close(m->fd[0]);
	EXPECT_TRUE(WAIT_FOR(!tell(m->fd[1])));
}

static void *hog_main(void *stop)
{
	struct sched_param param = { .sched_priority = 1 };

	pin(DUEL_CPUS - 1);
	sched_setscheduler(0, SCHED_FIFO, &param);
	while (!__atomic_load_n((int *)stop, __ATOMIC_ACQUIRE))
		;
	return NULL;
}

/*
 * A thread of io_uring has released what it has closed before it closes anything
 * else, though no other thread, of the kernel's either, has a CPU to help it: so
 * nobody has more files open that way than io_uring has threads.
 */
TEST_F_TIMEOUT(close_crowd, io_uring_thread_releases, 120)
{
	struct sched_param param = { .sched_priority = 1 };
	struct many *m = &self->m;
	int i, bad = 0, stop = 0;
	struct io_uring ring;
	pthread_t hog;

	if (io_uring_queue_init(1, &ring, 0))
		SKIP(return, "no io_uring here");
	ASSERT_TRUE(many_open(m, 40));
	pin(0);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		SKIP(return, "no real-time threads: %s", strerror(errno));
	ASSERT_EQ(0, pthread_create(&hog, NULL, hog_main, &stop));
	for (i = 0; i < 40; i++) {
		bad += uring_close(&ring, BASE + i, IOSQE_ASYNC) != 0;
		bad += fdinfo_knotes(m->kq[i % QUEUES]) > 40 - i;
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	pthread_join(hog, NULL);
	EXPECT_EQ(0, bad);
	close(m->fd[0]);
	EXPECT_TRUE(WAIT_FOR(!tell(m->fd[1])));
}

TEST_HARNESS_MAIN
