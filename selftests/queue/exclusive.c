// SPDX-License-Identifier: BSD-2-Clause
/*
 * NOTE_EXCLUSIVE: one of the queues that watch a descriptor is woken for each thing that
 * comes, and they take turns. What becomes of a wake-up whose process does not get to it
 * is in exclusive_pass.c.
 */
#include "prefork.h"

#include <linux/aio_abi.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define WORKERS		8
#define OFFERS		(3 * WORKERS)

/**
 * struct tally - the crew, and what it has reported
 * @c: the crew
 * @count: how much each has taken
 * @taken: how much all have
 * @for_nothing: how often one had an event, but there was nothing to take any more
 */
struct tally {
	struct crew c;
	int count[WORKERS];
	int taken;
	int for_nothing;
};

FIXTURE(exclusive)
{
	struct tally t;
};

FIXTURE_VARIANT(exclusive)
{
	enum source source;
	int flags;
	bool polls;
};

FIXTURE_VARIANT_ADD(exclusive, tcp) { .source = SOURCE_TCP };
FIXTURE_VARIANT_ADD(exclusive, unix_stream) { .source = SOURCE_UNIX };
FIXTURE_VARIANT_ADD(exclusive, udp) { .source = SOURCE_UDP };
FIXTURE_VARIANT_ADD(exclusive, pipe) { .source = SOURCE_PIPE };
FIXTURE_VARIANT_ADD(exclusive, eventfd) { .source = SOURCE_EVENTFD };
FIXTURE_VARIANT_ADD(exclusive, clear) { .source = SOURCE_TCP, .flags = EV_CLEAR };
FIXTURE_VARIANT_ADD(exclusive, dispatch) { .source = SOURCE_TCP, .flags = EV_DISPATCH };
FIXTURE_VARIANT_ADD(exclusive, oneshot) { .source = SOURCE_TCP, .flags = EV_ONESHOT };
FIXTURE_VARIANT_ADD(exclusive, polled) { .source = SOURCE_TCP, .polls = true };

FIXTURE_SETUP(exclusive)
{
	self->t.c = (struct crew){
		.source = variant->source,
		.flags = variant->flags,
		.fflags = NOTE_EXCLUSIVE,
		.polls = variant->polls,
	};
	ASSERT_TRUE(crew_open(&self->t.c));
}

FIXTURE_TEARDOWN(exclusive)
{
	crew_end(&self->t.c);
	EXPECT_TRUE(all_freed());
}

/* All have gone back to wait; until then, some may report that there was nothing. */
static bool all_wait(struct tally *t)
{
	char what;

	return WAIT_FOR(({
		while (crew_hear(&t->c, &what, 0) >= 0)
			t->for_nothing++;
		all_rest(&t->c);
	})) && crew_rests(&t->c);
}

/* Something comes while all wait, and somebody takes it. Who; or -1. */
static int offer_one(struct tally *t)
{
	char what = NOTHING;
	int who;

	if (!all_wait(t) || !crew_offer(&t->c))
		return -1;
	while ((who = crew_hear(&t->c, &what, LIMIT_MS)) >= 0 && what != DONE)
		t->for_nothing++;
	if (who >= 0) {
		t->count[who]++;
		t->taken++;
	}
	return who;
}

static long sum_of_sleeps(const struct crew *c)
{
	long sum = 0;
	int i;

	for (i = 0; i < c->n; i++)
		sum += c->w[i].sleeps;
	return sum;
}

/*
 * Something comes so many times, each taken before the next. How often workers have gone
 * to sleep, all together, as they do once more for each time that they are woken; or -1.
 */
static long offer_all(struct tally *t)
{
	long before, sleeps;
	int n;

	if (!all_wait(t))
		return -1;
	before = sum_of_sleeps(&t->c);
	for (n = 0; n < OFFERS; n++)
		if (offer_one(t) < 0)
			return -1;
	if (!all_wait(t))
		return -1;
	sleeps = sum_of_sleeps(&t->c) - before;
	printf("# %d came: %d returns from kevent(), %ld threads woken\n", OFFERS,
	       t->taken + t->for_nothing, sleeps);
	fflush(stdout);
	return sleeps;
}

/* Each thing that comes wakes one worker, not all; a slow machine may pass some on. */
TEST_F(exclusive, one_is_woken)
{
	long sleeps;

	ASSERT_TRUE(crew_start(&self->t.c, WORKERS));
	sleeps = offer_all(&self->t);
	EXPECT_EQ(OFFERS, self->t.taken);
	EXPECT_LE(OFFERS, sleeps);
	EXPECT_GT(OFFERS + OFFERS / 2, sleeps);
	EXPECT_GT(OFFERS / 2, self->t.for_nothing);
}

/* Without the flag all are woken each time: what is counted above can be more. */
TEST_F(exclusive, all_are_woken_without)
{
	self->t.c.fflags = 0;
	ASSERT_TRUE(crew_start(&self->t.c, WORKERS));
	EXPECT_LE(OFFERS * WORKERS, offer_all(&self->t));
	EXPECT_EQ(OFFERS, self->t.taken);
}

/* Each worker has taken one more. */
static bool one_each(struct tally *t)
{
	int i;

	memset(t->count, 0, sizeof(t->count));
	for (i = 0; i < WORKERS; i++)
		if (offer_one(t) < 0)
			return false;
	for (i = 0; i < WORKERS; i++)
		if (t->count[i] != 1)
			return false;
	return true;
}

/* They take turns: of eight things that come, each of eight workers takes one. */
TEST_F(exclusive, turns)
{
	ASSERT_TRUE(crew_start(&self->t.c, WORKERS));
	EXPECT_TRUE(PROVEN(one_each(&self->t)));
	EXPECT_TRUE(PROVEN(one_each(&self->t)));
}

/* --- In one process -------------------------------------------------------------- */

FIXTURE(exclusive_queues)
{
	int kq[2];
	int fd[2];
	struct waiter w[2];
};

FIXTURE_SETUP(exclusive_queues)
{
	int i;

	for (i = 0; i < 2; i++) {
		self->kq[i] = kq_open();
		ASSERT_LE(0, self->kq[i]);
	}
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->fd));
}

FIXTURE_TEARDOWN(exclusive_queues)
{
	int i;

	for (i = 0; i < 2; i++) {
		close(self->kq[i]);
		close(self->fd[i]);
	}
	EXPECT_TRUE(all_freed());
}

static int add(int kq, int fd, unsigned int fflags, long long data)
{
	return kq_change(kq, fd, EVFILT_READ, EV_ADD, fflags, data, NULL);
}

/* Where nobody sleeps, all find what has come when they look. */
TEST_F(exclusive_queues, nobody_sleeps)
{
	ASSERT_EQ(0, add(self->kq[0], self->fd[0], NOTE_EXCLUSIVE, 0));
	ASSERT_EQ(0, add(self->kq[1], self->fd[0], NOTE_EXCLUSIVE, 0));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(self->kq[0], self->fd[0], EVFILT_READ, 1);
	ASSERT_READY(self->kq[1], self->fd[0], EVFILT_READ, 1);
}

/* A low-water mark is for one queue: another, which needs less, is woken all the same. */
TEST_F(exclusive_queues, low_water_mark)
{
	ASSERT_EQ(0, add(self->kq[0], self->fd[0], NOTE_EXCLUSIVE | NOTE_LOWAT, 2));
	ASSERT_EQ(0, add(self->kq[1], self->fd[0], NOTE_EXCLUSIVE | NOTE_LOWAT, 1));
	ASSERT_TRUE(waiter_start(&self->w[0], self->kq[0], 1, -1));
	ASSERT_TRUE(waiter_start(&self->w[1], self->kq[1], 1, -1));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_TRUE(waiter_join(&self->w[1]));
	EXPECT_EQ(1, self->w[1].ret);
	EXPECT_FALSE(waiter_done(&self->w[0]));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_TRUE(waiter_join(&self->w[0]));
}

/*
 * A one-shot that a change has looked at, and that is removed then, has not delivered
 * anything: what woke its queue is passed on.
 */
TEST_F(exclusive_queues, one_shot_deleted)
{
	const int flags = EV_ADD | EV_ONESHOT;
	struct pollfd pfd = { .fd = self->kq[0], .events = POLLIN };
	struct epoll_event in = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), fd = self->fd[0];

	/* Somebody polls it, and so it may be asleep. */
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->kq[0], &in));
	ASSERT_EQ(0, kq_change(self->kq[0], fd, EVFILT_READ, flags, NOTE_EXCLUSIVE, 0, NULL));
	ASSERT_EQ(0, add(self->kq[1], fd, NOTE_EXCLUSIVE, 0));
	ASSERT_TRUE(waiter_start(&self->w[1], self->kq[1], 1, -1));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_EQ(1, poll(&pfd, 1, 0));
	ASSERT_EQ(0, kq_change(self->kq[0], fd, EVFILT_READ, flags, NOTE_EXCLUSIVE, 0, NULL));
	ASSERT_EQ(0, kq_set(self->kq[0], fd, EVFILT_READ, EV_DELETE));
	ASSERT_TRUE(waiter_join(&self->w[1]));
	EXPECT_EQ(1, self->w[1].ret);
	close(ep);
}

/*
 * What is passed on wakes who raises the very eventfd that it comes from. That waits for
 * no lock which is held meanwhile.
 */
TEST_F(exclusive_queues, eventfd_raises_itself)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), e = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event in = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_POLL,
		.aio_fildes = ep,
		.aio_buf = POLLIN,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = e,
	}, *cbs[] = { &cb };
	aio_context_t ctx = 0;
	struct io_event done;
	uint64_t count = 1;

	if (syscall(SYS_io_setup, 1, &ctx))
		SKIP(return, "no aio here");
	ASSERT_EQ(0, add(self->kq[0], e, NOTE_EXCLUSIVE, 0));
	ASSERT_TRUE(waiter_start(&self->w[0], self->kq[0], 1, -1));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, e, &in));
	ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, cbs));
	ASSERT_EQ(sizeof(count), write(e, &count, sizeof(count)));
	ASSERT_TRUE(waiter_join(&self->w[0]));
	ASSERT_EQ(0, kq_set(self->kq[0], e, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, &done, NULL));
	ASSERT_EQ(0, syscall(SYS_io_destroy, ctx));
	/* By us, and for that it was polled. */
	EXPECT_EQ(sizeof(count), read(e, &count, sizeof(count)));
	EXPECT_EQ(2, count);
	close(e);
	close(ep);
}

static long memory_of(int kq)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	return find_number(path, "memory: %ld");
}

/* A one-shot that had the flag once goes when it has delivered: it is not kept. */
TEST_F(exclusive_queues, one_shot_taken_back)
{
	const int flags = EV_ADD | EV_ONESHOT;
	int kq = self->kq[0], fd = self->fd[0];
	long before;

	ASSERT_EQ(0, add(kq, fd, 0, 0));
	ASSERT_EQ(0, kq_set(kq, fd, EVFILT_READ, EV_DELETE));
	before = memory_of(kq);
	ASSERT_EQ(0, kq_change(kq, fd, EVFILT_READ, flags, NOTE_EXCLUSIVE, 0, NULL));
	ASSERT_EQ(0, kq_change(kq, fd, EVFILT_READ, flags, 0, 0, NULL));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(kq, fd, EVFILT_READ, 1);
	EXPECT_EQ(before, memory_of(kq));
}

/* Signalfds share a wait queue: one is not told of another's signal in its stead. */
TEST_F(exclusive_queues, shared_wait_queue)
{
	static const int sig[2] = { SIGUSR1, SIGUSR2 };
	struct signalfd_siginfo info;
	sigset_t set;
	int i, fd[2];

	sigemptyset(&set);
	sigaddset(&set, sig[0]);
	sigaddset(&set, sig[1]);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	for (i = 0; i < 2; i++) {
		sigemptyset(&set);
		sigaddset(&set, sig[i]);
		fd[i] = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
		ASSERT_EQ(0, add(self->kq[i], fd[i], NOTE_EXCLUSIVE, 0));
		ASSERT_TRUE(waiter_start(&self->w[i], self->kq[i], 1, -1));
	}
	for (i = 1; i >= 0; i--) {
		ASSERT_EQ(0, kill(getpid(), sig[i]));
		ASSERT_TRUE(waiter_join(&self->w[i]));
		EXPECT_EQ(1, self->w[i].ret);
		ASSERT_EQ(sizeof(info), read(fd[i], &info, sizeof(info)));
		close(fd[i]);
	}
}

/* What is not woken for things to take has the flag, and works as ever. */
TEST_F(exclusive_queues, makes_no_difference)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int pty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec soon = { .it_value.tv_nsec = 1 };
	struct kevent ev[8];

	ASSERT_EQ(0, timerfd_settime(timer, 0, &soon, NULL));
	ASSERT_EQ(0, kq_set(self->kq[1], 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_trigger(self->kq[1], 1));
	EXPECT_EQ(0, add(self->kq[0], file, NOTE_EXCLUSIVE, 0));
	EXPECT_EQ(0, add(self->kq[0], pty, NOTE_EXCLUSIVE, 0));
	EXPECT_EQ(0, add(self->kq[0], self->kq[1], NOTE_EXCLUSIVE, 0));
	EXPECT_EQ(2, kq_collect(self->kq[0], ev, 8));
	EXPECT_EQ(0, add(self->kq[0], timer, NOTE_EXCLUSIVE, 0));
	EXPECT_EQ(0, add(self->kq[0], file, NOTE_EXCLUSIVE, 0));
	EXPECT_EQ(3, WAIT_FOR(kq_count(self->kq[0]) == 3) ? 3 : 0);
	EXPECT_EQ(0, add(self->kq[0], pty, 0, 0));
	EXPECT_EQ(3, kq_collect(self->kq[0], ev, 8));
	close(timer);
	close(pty);
	close(file);
}

/* There is a limit: ENOSPC, and a change that fails changes nothing. */
TEST_F(exclusive_queues, limit)
{
	long max = read_number(KQ_PARAM("max_user_exclusive"));

	ASSERT_EQ(0, add(self->kq[0], self->fd[0], NOTE_EXCLUSIVE, 0));
	ASSERT_EQ(0, add(self->kq[1], self->fd[0], 0, 0));
	if (write_number(KQ_PARAM("max_user_exclusive"), 1))
		SKIP_ALL("needs root");
	EXPECT_EQ(ENOSPC, add(self->kq[1], self->fd[0], NOTE_EXCLUSIVE, 0));
	EXPECT_EQ(ENOSPC, add(self->kq[1], self->fd[1], NOTE_EXCLUSIVE, 0));
	EXPECT_EQ(1, fdinfo_knotes(self->kq[1]));
	EXPECT_EQ(0, add(self->kq[0], self->fd[0], 0, 0));
	EXPECT_EQ(0, add(self->kq[1], self->fd[0], NOTE_EXCLUSIVE, 0));
	EXPECT_EQ(ENOSPC, add(self->kq[0], self->fd[0], NOTE_EXCLUSIVE, 0));
	EXPECT_EQ(0, kq_set(self->kq[1], self->fd[0], EVFILT_READ, EV_DELETE));
	EXPECT_EQ(0, add(self->kq[0], self->fd[0], NOTE_EXCLUSIVE, 0));
	ASSERT_EQ(0, write_number(KQ_PARAM("max_user_exclusive"), max));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(self->kq[0], self->fd[0], EVFILT_READ, 1);
}

TEST_HARNESS_MAIN
