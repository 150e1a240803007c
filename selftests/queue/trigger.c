// SPDX-License-Identifier: BSD-2-Clause
/* When an event comes, and how often: level, edge, one-shot, dispatch. */
#include "common.h"

#include <sys/eventfd.h>

/* No multiple of the 16 that the kernel copies at a time, nor of WANT. */
#define MANY	100
#define WANT	7

FIXTURE(trig)
{
	int kq;
	int rd;			/* a pipe */
	int wr;
	char buf[64];
	struct kevent ev[128];
};

FIXTURE_SETUP(trig)
{
	int p[2];

	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, pipe(p));
	self->rd = p[0];
	self->wr = p[1];
}

FIXTURE_TEARDOWN(trig)
{
	close(self->rd);
	close(self->wr);
	close(self->kq);
}

/* Register READ of @fd with @flags. */
static int watch(int kq, int fd, int flags)
{
	return kq_set(kq, fd, EVFILT_READ, EV_ADD | flags);
}

/* A level event comes as long as the condition holds, with current data. */
TEST_F(trig, level)
{
	int i;

	ASSERT_EQ(0, watch(self->kq, self->rd, 0));
	EXPECT_EQ(0, kq_count(self->kq));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(1, write(self->wr, "x", 1));
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
		EXPECT_EQ(i, self->ev[0].data);
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
		EXPECT_EQ(i, self->ev[0].data);
	}
	ASSERT_EQ(2, read(self->rd, self->buf, 2));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(1, self->ev[0].data);
	ASSERT_EQ(1, read(self->rd, self->buf, 64));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* A level event whose condition is gone when it is collected does not come. */
TEST_F(trig, level_stale)
{
	ASSERT_EQ(0, watch(self->kq, self->rd, 0));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	ASSERT_EQ(1, read(self->rd, self->buf, 64));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* EV_CLEAR: one event for each change, none for what is merely left. */
TEST_F(trig, edge)
{
	ASSERT_EQ(0, watch(self->kq, self->rd, EV_CLEAR));
	ASSERT_EQ(2, write(self->wr, "xx", 2));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(2, self->ev[0].data);
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(1, read(self->rd, self->buf, 1));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(3, write(self->wr, "xxx", 3));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(5, self->ev[0].data);
	EXPECT_EQ(0, kq_count(self->kq));
}

/* EV_CLEAR reports what is there when it is registered. */
TEST_F(trig, edge_initial)
{
	ASSERT_EQ(1, write(self->wr, "x", 1));
	ASSERT_EQ(0, watch(self->kq, self->rd, EV_CLEAR));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* EV_ONESHOT: one event, and the registration is gone. */
TEST_F(trig, oneshot)
{
	ASSERT_EQ(0, watch(self->kq, self->rd, EV_ONESHOT));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	EXPECT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->rd, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, watch(self->kq, self->rd, EV_ONESHOT));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* EV_DISPATCH: one event, then disabled until EV_ENABLE, which looks again. */
TEST_F(trig, dispatch)
{
	ASSERT_EQ(0, watch(self->kq, self->rd, EV_DISPATCH));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ENABLE));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(2, self->ev[0].data);
	ASSERT_EQ(2, read(self->rd, self->buf, 64));
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ENABLE));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* One call can enable again and collect. */
TEST_F(trig, dispatch_rearm_in_one)
{
	struct kevent kev;
	int i;

	ASSERT_EQ(0, watch(self->kq, self->rd, EV_DISPATCH));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	EXPECT_EQ(1, kq_count(self->kq));
	EV_SET(&kev, self->rd, EVFILT_READ, EV_ENABLE, 0, 0, NULL);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(1, kevent(self->kq, &kev, 1, self->ev, 64, NULL));
}

/* EV_ONESHOT wins over EV_CLEAR and EV_DISPATCH. */
TEST_F(trig, oneshot_combined)
{
	static const int flags[] = { EV_CLEAR, EV_DISPATCH, EV_CLEAR | EV_DISPATCH };
	size_t i;

	ASSERT_EQ(1, write(self->wr, "x", 1));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		ASSERT_EQ(0, watch(self->kq, self->rd, EV_ONESHOT | flags[i]));
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
		EXPECT_EQ(EV_ONESHOT | flags[i], self->ev[0].flags);
		EXPECT_EQ(ENOENT, kq_set(self->kq, self->rd, EVFILT_READ, EV_ENABLE));
	}
}

/* EV_DISPATCH keeps a trigger for the next EV_ENABLE, with EV_CLEAR it ends. */
TEST_F(trig, dispatch_clear)
{
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_DISPATCH));
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_USER, EV_ADD | EV_DISPATCH | EV_CLEAR));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_EQ(0, kq_trigger(self->kq, 2));
	EXPECT_EQ(2, kq_count(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ENABLE));
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_USER, EV_ENABLE));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(1, self->ev[0].ident);
	ASSERT_EQ(0, kq_trigger(self->kq, 2));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(2, self->ev[0].ident);
}

/* A disabled registration records what happens, EV_ENABLE delivers it. */
TEST_F(trig, disabled_records)
{
	ASSERT_EQ(0, watch(self->kq, self->rd, EV_CLEAR | EV_DISABLE));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR | EV_DISABLE));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ENABLE));
	EXPECT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ENABLE));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* EV_DISABLE takes back a queued event, EV_ENABLE brings it again. */
TEST_F(trig, disable_after_trigger)
{
	ASSERT_EQ(0, watch(self->kq, self->rd, EV_CLEAR));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_DISABLE));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_DISABLE));
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ENABLE));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ENABLE));
	EXPECT_EQ(2, kq_count(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* With room for one event, ready descriptors take turns in a fixed order. */
TEST_F(trig, round_robin)
{
	enum { N = 5 };
	uintptr_t order[N];
	int p[N][2];
	int i, j;

	for (i = 0; i < N; i++) {
		ASSERT_EQ(0, pipe(p[i]));
		ASSERT_EQ(1, write(p[i][1], "x", 1));
		ASSERT_EQ(0, watch(self->kq, p[i][0], 0));
	}
	for (i = 0; i < N; i++) {
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 1));
		order[i] = self->ev[0].ident;
		for (j = 0; j < i; j++)
			EXPECT_NE(order[j], order[i]);
	}
	for (i = 0; i < 4 * N; i++) {
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 1));
		EXPECT_EQ(order[i % N], self->ev[0].ident);
	}
}

/* A source that fires all the time does not keep another one from its turn. */
TEST_F(trig, busy_source)
{
	int i, seen = 0;

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	ASSERT_EQ(0, watch(self->kq, self->rd, 0));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, kq_trigger(self->kq, 1));
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 1));
		seen += self->ev[0].filter == EVFILT_READ;
	}
	EXPECT_EQ(10, seen);
}

/* One call never returns a registration twice, however much room there is. */
TEST_F(trig, once_a_call)
{
	struct kevent kev[3];
	int i;

	ASSERT_EQ(1, write(self->wr, "x", 1));
	EV_SET(&kev[0], self->rd, EVFILT_READ, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[1], self->wr, EVFILT_WRITE, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[2], 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	ASSERT_EQ(0, kevent(self->kq, kev, 3, NULL, 0, NULL));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(3, kq_collect(self->kq, self->ev, 128));
}

/* Stale events in front do not hide a real one behind them. */
TEST_F(trig, stale_in_front)
{
	int fd[20];
	eventfd_t val;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = eventfd(0, 0);
		ASSERT_LE(0, fd[i]);
		ASSERT_EQ(0, watch(self->kq, fd[i], 0));
		ASSERT_EQ(0, eventfd_write(fd[i], 1));
	}
	ASSERT_EQ(0, watch(self->kq, self->rd, 0));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	for (i = 0; i < ARRAY_SIZE(fd); i++)
		ASSERT_EQ(8, read(fd[i], &val, 8));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 1));
	EXPECT_EQ(self->rd, self->ev[0].ident);
}

/* A stale event does not end a wait: the timeout is waited out. */
TEST_F(trig, stale_does_not_end_wait)
{
	long long start;

	ASSERT_EQ(0, watch(self->kq, self->rd, 0));
	ASSERT_EQ(1, write(self->wr, "x", 1));
	ASSERT_EQ(1, read(self->rd, self->buf, 64));
	start = ts_ns();
	EXPECT_EQ(0, kq_wait(self->kq, self->ev, 64, 100));
	EXPECT_LE(100000000, ts_ns() - start);
}

FIXTURE(many)
{
	int kq;
	int fd[MANY];		/* eventfds, all of them ready */
	int times[MANY];	/* how often each was returned */
	struct kevent ev[128];
};

FIXTURE_VARIANT(many)
{
	int flags;
	bool level;
};

FIXTURE_VARIANT_ADD(many, level) { .flags = 0, .level = true };
FIXTURE_VARIANT_ADD(many, clear) { .flags = EV_CLEAR };
FIXTURE_VARIANT_ADD(many, oneshot) { .flags = EV_ONESHOT };
FIXTURE_VARIANT_ADD(many, dispatch) { .flags = EV_DISPATCH };

FIXTURE_SETUP(many)
{
	struct kevent kev[MANY];
	int i;

	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	for (i = 0; i < MANY; i++) {
		self->fd[i] = eventfd(1 + i, 0);
		ASSERT_LE(0, self->fd[i]);
		EV_SET(&kev[i], self->fd[i], EVFILT_READ, EV_ADD | variant->flags,
		       0, 0, UD(i));
	}
	ASSERT_EQ(0, kevent(self->kq, kev, MANY, NULL, 0, NULL));
}

FIXTURE_TEARDOWN(many)
{
	int i;

	for (i = 0; i < MANY; i++)
		close(self->fd[i]);
	close(self->kq);
}

/* Count each of the @n events in @times; false if one is not as it should be. */
static bool tally(const struct kevent *ev, int n, const int *fd, int *times)
{
	int i;

	for (i = 0; i < n; i++) {
		uintptr_t num = UD_NUM(&ev[i]);

		if (num >= MANY || ev[i].ident != (uintptr_t)fd[num] ||
		    ev[i].data != (long long)num + 1)
			return false;
		times[num]++;
	}
	return true;
}

/* 100 ready, 7 a call: level ones take turns exactly, others come once. */
TEST_F(many, seven_a_call)
{
	int i, n, got = 0;

	for (i = 0; i < MANY; i++) {
		n = kq_collect(self->kq, self->ev, WANT);
		ASSERT_LE(0, n);
		ASSERT_TRUE(tally(self->ev, n, self->fd, self->times));
		got += n;
		if (variant->level)
			EXPECT_EQ(WANT, n);
	}
	EXPECT_EQ(variant->level ? WANT * MANY : MANY, got);
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(variant->level ? WANT : 1, self->times[i]);
}

/* 100 ready, room for 128: all of them in one call, each once. */
TEST_F(many, all_in_one_call)
{
	int i;

	ASSERT_EQ(MANY, kq_collect(self->kq, self->ev, 128));
	ASSERT_TRUE(tally(self->ev, MANY, self->fd, self->times));
	for (i = 0; i < MANY; i++)
		EXPECT_EQ(1, self->times[i]);
	EXPECT_EQ(variant->level ? MANY : 0, kq_collect(self->kq, self->ev, 128));
}

TEST_HARNESS_MAIN
