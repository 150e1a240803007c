// SPDX-License-Identifier: BSD-2-Clause
/* Waiting: how long, who is woken, signals, the end, poll() of a queue. */
#include "common.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>

#define NWAITERS	4

FIXTURE(wait)
{
	int kq;
	struct waiter w[NWAITERS];
	struct kevent ev[64];
};

FIXTURE_SETUP(wait)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(wait)
{
	close(self->kq);
}

/* Register user events 1 .. @n. Returns 0, or the errno. */
static int add_users(int kq, int n, int flags)
{
	int i, err = 0;

	for (i = 1; i <= n && !err; i++)
		err = kq_set(kq, i, EVFILT_USER, EV_ADD | flags);
	return err;
}

/* Start NWAITERS waiters for one event each. */
static bool start_all(struct waiter *w, int kq)
{
	int i;

	for (i = 0; i < NWAITERS; i++)
		if (!waiter_start(&w[i], kq, 1, -1))
			return false;
	return true;
}

static int nr_done(struct waiter *w)
{
	int i, n = 0;

	for (i = 0; i < NWAITERS; i++)
		n += waiter_done(&w[i]);
	return n;
}

/* A timeout of 0 returns at once, in an empty queue and in a quiet one. */
TEST_F(wait, zero)
{
	EXPECT_EQ(0, kq_collect(self->kq, self->ev, 64));
	ASSERT_EQ(0, add_users(self->kq, 1, 0));
	EXPECT_EQ(0, kq_collect(self->kq, self->ev, 64));
}

/* A timeout is never cut short, to the nanosecond. */
TEST_F(wait, relative)
{
	static const long ns[] = { 1, 1000, 200000, 3000000, 50000000, 100000001 };
	struct timespec ts = { 0 };
	long long start;
	size_t i;

	ASSERT_EQ(0, add_users(self->kq, 1, 0));
	for (i = 0; i < ARRAY_SIZE(ns); i++) {
		ts.tv_nsec = ns[i];
		start = ts_ns();
		EXPECT_EQ(0, kevent(self->kq, NULL, 0, self->ev, 64, &ts));
		EXPECT_LE(ns[i], ts_ns() - start);
		EXPECT_GT(LIMIT_MS, (ts_ns() - start) / 1000000);
	}
}

/* An event ends a wait long before its timeout, and one without a timeout. */
TEST_F(wait, event_ends_wait)
{
	ASSERT_EQ(0, add_users(self->kq, 1, EV_CLEAR));
	ASSERT_TRUE(waiter_start(&self->w[0], self->kq, 16, 3600000));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_TRUE(waiter_join(&self->w[0]));
	EXPECT_EQ(1, self->w[0].ret);
	ASSERT_TRUE(waiter_start(&self->w[0], self->kq, 16, -1));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_TRUE(waiter_join(&self->w[0]));
	EXPECT_EQ(1, self->w[0].ret);
}

/* A change by another thread ends a wait: what is ready is added or enabled. */
TEST_F(wait, change_ends_wait)
{
	int p[2];

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(1, write(p[1], "x", 1));
	ASSERT_TRUE(waiter_start(&self->w[0], self->kq, 16, -1));
	ASSERT_EQ(0, kq_set(self->kq, p[0], EVFILT_READ, EV_ADD | EV_DISPATCH));
	ASSERT_TRUE(waiter_join(&self->w[0]));
	EXPECT_EQ(1, self->w[0].ret);
	ASSERT_TRUE(waiter_start(&self->w[0], self->kq, 16, -1));
	ASSERT_EQ(0, kq_set(self->kq, p[0], EVFILT_READ, EV_ENABLE));
	ASSERT_TRUE(waiter_join(&self->w[0]));
	EXPECT_EQ(1, self->w[0].ret);
	/* Disabled again: it fires meanwhile, and a scan passes over it. */
	ASSERT_EQ(1, write(p[1], "x", 1));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(waiter_start(&self->w[0], self->kq, 16, -1));
	ASSERT_EQ(0, kq_set(self->kq, p[0], EVFILT_READ, EV_ENABLE));
	ASSERT_TRUE(waiter_join(&self->w[0]));
	ASSERT_EQ(1, self->w[0].ret);
	EXPECT_EQ(2, self->w[0].ev[0].data);
}

FIXTURE(wake)
{
	int kq;
	struct waiter w[NWAITERS];
};

FIXTURE_VARIANT(wake)
{
	int flags;
};

FIXTURE_VARIANT_ADD(wake, clear) { .flags = EV_CLEAR };
FIXTURE_VARIANT_ADD(wake, oneshot) { .flags = EV_ONESHOT };
FIXTURE_VARIANT_ADD(wake, dispatch) { .flags = EV_DISPATCH };

FIXTURE_SETUP(wake)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, add_users(self->kq, NWAITERS, variant->flags));
	ASSERT_TRUE(start_all(self->w, self->kq));
}

FIXTURE_TEARDOWN(wake)
{
	close(self->kq);
}

/* Four threads wait: each event wakes one, the others do not even stir. */
TEST_F(wake, one_event_one_waiter)
{
	long before[NWAITERS];
	int i, n;

	for (n = 1; n <= NWAITERS; n++) {
		for (i = 0; i < NWAITERS; i++)
			before[i] = waiter_done(&self->w[i]) ? 0 : count_sleeps(self->w[i].tid);
		ASSERT_EQ(0, kq_trigger(self->kq, n));
		ASSERT_TRUE(WAIT_FOR(nr_done(self->w) == n));
		usleep(QUIET_MS * 1000 / 4);
		EXPECT_EQ(n, nr_done(self->w));
		for (i = 0; i < NWAITERS; i++) {
			if (waiter_done(&self->w[i]))
				continue;
			EXPECT_EQ(before[i], count_sleeps(self->w[i].tid));
		}
	}
	for (i = 0; i < NWAITERS; i++) {
		ASSERT_TRUE(waiter_join(&self->w[i]));
		EXPECT_EQ(1, self->w[i].ret);
	}
}

/* Several events at once wake as many threads, each with another event. */
TEST_F(wake, pass_on)
{
	struct kevent kev[NWAITERS];
	int i, seen = 0;

	for (i = 0; i < NWAITERS; i++)
		EV_SET(&kev[i], 1 + i, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	ASSERT_EQ(0, kevent(self->kq, kev, NWAITERS, NULL, 0, NULL));
	for (i = 0; i < NWAITERS; i++) {
		ASSERT_TRUE(waiter_join(&self->w[i]));
		ASSERT_EQ(1, self->w[i].ret);
		seen |= 1 << self->w[i].ev[0].ident;
	}
	EXPECT_EQ((1 << (NWAITERS + 1)) - 2, seen);
}

/* A level event goes to all who wait, one passing it on to the next. */
TEST_F(wait, level_passes_on)
{
	int i;

	ASSERT_EQ(0, add_users(self->kq, 1, 0));
	ASSERT_TRUE(start_all(self->w, self->kq));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	for (i = 0; i < NWAITERS; i++) {
		ASSERT_TRUE(waiter_join(&self->w[i]));
		EXPECT_EQ(1, self->w[i].ret);
	}
}

/* Closing a queue wakes all who wait in it, with EBADF; not so its duplicate. */
TEST_F(wait, close_wakes_all)
{
	int i, dup_kq = dup(self->kq);

	ASSERT_LE(0, dup_kq);
	ASSERT_EQ(0, add_users(self->kq, 3, 0));
	ASSERT_TRUE(start_all(self->w, self->kq));
	close(dup_kq);
	usleep(QUIET_MS * 1000 / 4);
	EXPECT_EQ(0, nr_done(self->w));
	close(self->kq);
	for (i = 0; i < NWAITERS; i++) {
		ASSERT_TRUE(waiter_join(&self->w[i]));
		EXPECT_EQ(-1, self->w[i].ret);
		EXPECT_EQ(EBADF, self->w[i].err);
	}
}

static void on_signal(int sig)
{
	(void)sig;
}

static void catch_signal(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(sig, &sa, NULL);
}

struct changer {
	int kq;
	int tid;
	int ret;
	int err;
	struct timespec *timeout;
};

/* Registers user event 1 and waits, in one call. */
static void *changer_main(void *arg)
{
	struct changer *c = arg;
	struct kevent kev;

	EV_SET(&kev, 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	__atomic_store_n(&c->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	c->ret = kevent(c->kq, &kev, 1, &kev, 1, c->timeout);
	c->err = errno;
	return NULL;
}

/* A signal is EINTR, in spite of SA_RESTART, and the changes are applied. */
TEST_F(wait, interrupted)
{
	struct timespec hour = { .tv_sec = 3600 };
	struct timespec *timeout[] = { NULL, &hour };
	pthread_t thread;
	size_t i;

	catch_signal(SIGUSR1, SA_RESTART);
	for (i = 0; i < ARRAY_SIZE(timeout); i++) {
		struct changer c = { .kq = self->kq, .timeout = timeout[i] };

		ASSERT_EQ(0, pthread_create(&thread, NULL, changer_main, &c));
		ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&c.tid, __ATOMIC_ACQUIRE)));
		ASSERT_TRUE(wait_asleep(c.tid));
		ASSERT_EQ(0, pthread_kill(thread, SIGUSR1));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(-1, c.ret);
		EXPECT_EQ(EINTR, c.err);
		EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE));
	}
}

/* In a child: wait for the pipe to be readable. */
static int wait_for_pipe(int fd)
{
	struct kevent kev;
	int kq = kq_open();

	if (kq_set(kq, fd, EVFILT_READ, EV_ADD))
		return 1;
	return kevent(kq, NULL, 0, &kev, 1, NULL) == 1 ? 0 : errno;
}

/* Being stopped for a while is no signal that was caught: the call goes on. */
TEST_F(wait, stopped)
{
	int fd[2], status;
	pid_t pid;

	ASSERT_EQ(0, pipe(fd));
	pid = fork();
	if (!pid)
		_exit(wait_for_pipe(fd[0]));
	ASSERT_TRUE(wait_asleep(pid));
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	ASSERT_EQ(1, write(fd[1], "x", 1));
	EXPECT_EQ(0, child_status(pid));
}

static int nr_alarms;

static void on_alarm(int sig)
{
	(void)sig;
	nr_alarms++;
}

/* An event that is there wins over a signal: never EINTR. */
TEST_F(wait, event_before_signal)
{
	struct itimerval every = { .it_interval.tv_usec = 1000, .it_value.tv_usec = 1000 };
	struct sigaction sa = { .sa_handler = on_alarm };
	long long end;

	sigaction(SIGALRM, &sa, NULL);
	ASSERT_EQ(0, add_users(self->kq, 1, 0));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &every, NULL));
	end = ts_ms() + LIMIT_MS;
	while (nr_alarms < 100 && ts_ms() < end)
		ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, -1));
	memset(&every, 0, sizeof(every));
	setitimer(ITIMER_REAL, &every, NULL);
	EXPECT_LE(100, nr_alarms);
}

#define EVENTS	500

struct taker {
	pthread_t thread;
	int kq;
	int taken;
	int interrupted;
	int failed;
};

/* Take events one at a time until the queue is closed. */
static void *taker_main(void *arg)
{
	struct taker *t = arg;
	struct kevent ev;
	int n;

	for (;;) {
		n = kq_wait(t->kq, &ev, 1, -1);
		if (n == 1) {
			__atomic_add_fetch(&t->taken, 1, __ATOMIC_RELEASE);
		} else if (errno == EINTR) {
			__atomic_add_fetch(&t->interrupted, 1, __ATOMIC_RELEASE);
		} else {
			t->failed = errno;
			return NULL;
		}
	}
}

static int taken(struct taker *t)
{
	return __atomic_load_n(&t[0].taken, __ATOMIC_ACQUIRE) +
	       __atomic_load_n(&t[1].taken, __ATOMIC_ACQUIRE);
}

static bool both_interrupted(struct taker *t)
{
	return __atomic_load_n(&t[0].interrupted, __ATOMIC_ACQUIRE) &&
	       __atomic_load_n(&t[1].interrupted, __ATOMIC_ACQUIRE);
}

/* As WAIT_FOR(taken(t) == n), but without sleeping between the looks. */
static bool wait_taken(struct taker *t, int n)
{
	long long end = ts_ms() + LIMIT_MS;

	while (taken(t) != n) {
		if (ts_ms() > end)
			return false;
		sched_yield();
	}
	return true;
}

/* A thread that is woken and interrupted at once takes no event with it. */
TEST_F(wait, signals_lose_nothing)
{
	struct taker t[2] = { { .kq = self->kq }, { .kq = self->kq } };
	long long end = ts_ms() + LIMIT_MS;
	int i, events;

	catch_signal(SIGUSR1, 0);
	ASSERT_EQ(0, add_users(self->kq, 1, EV_CLEAR));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&t[i].thread, NULL, taker_main, &t[i]));
	/* Until each has been interrupted as it waited, by chance. */
	for (i = 0; i < EVENTS || (!both_interrupted(t) && ts_ms() < end); i++) {
		/* Both of them may be asleep, and either may get the wake-up. */
		pthread_kill(t[i % 2].thread, SIGUSR1);
		ASSERT_EQ(0, kq_trigger(self->kq, 1));
		pthread_kill(t[i / 2 % 2].thread, SIGUSR1);
		ASSERT_TRUE(wait_taken(t, i + 1)) TH_LOG("event %d is lost", i);
	}
	events = i;
	close(self->kq);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(t[i].thread, NULL));
		EXPECT_EQ(EBADF, t[i].failed);
		EXPECT_LT(0, t[i].interrupted);
	}
	EXPECT_EQ(events, taken(t));
}

/* What poll() says of the queue just now. */
static int poll_now(int kq)
{
	struct pollfd p = { .fd = kq, .events = POLLIN | POLLOUT | POLLPRI };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

/* poll() finds a queue readable exactly while something is queued. */
TEST_F(wait, poll_readable)
{
	ASSERT_EQ(0, add_users(self->kq, 1, EV_CLEAR));
	EXPECT_EQ(0, poll_now(self->kq));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(POLLIN, poll_now(self->kq));
	EXPECT_EQ(POLLIN, poll_now(self->kq));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(0, poll_now(self->kq));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(POLLIN, poll_now(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE));
	EXPECT_EQ(0, poll_now(self->kq));
	/* A level event stays queued. */
	ASSERT_EQ(0, add_users(self->kq, 1, 0));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(POLLIN, poll_now(self->kq));
}

/* select() agrees with poll(). */
TEST_F(wait, select_readable)
{
	struct timeval zero = { 0 };
	fd_set rd;

	ASSERT_EQ(0, add_users(self->kq, 1, EV_CLEAR));
	FD_ZERO(&rd);
	FD_SET(self->kq, &rd);
	EXPECT_EQ(0, select(self->kq + 1, &rd, NULL, NULL, &zero));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	FD_SET(self->kq, &rd);
	EXPECT_EQ(1, select(self->kq + 1, &rd, NULL, NULL, &zero));
}

struct poller {
	int kq;
	int tid;
	int revents;
};

static void *poller_main(void *arg)
{
	struct poller *p = arg;
	struct pollfd pfd = { .fd = p->kq, .events = POLLIN };

	__atomic_store_n(&p->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	if (ppoll(&pfd, 1, NULL, NULL) == 1)
		p->revents = pfd.revents;
	return NULL;
}

/* A thread asleep in poll() of a queue is woken by an event. */
TEST_F(wait, poll_wakes)
{
	pthread_t thread;
	int i;

	ASSERT_EQ(0, add_users(self->kq, 1, EV_CLEAR));
	for (i = 0; i < 20; i++) {
		struct poller p = { .kq = self->kq };

		ASSERT_EQ(0, pthread_create(&thread, NULL, poller_main, &p));
		ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&p.tid, __ATOMIC_ACQUIRE)));
		ASSERT_TRUE(wait_asleep_in(p.tid, SYS_ppoll));
		ASSERT_EQ(0, kq_trigger(self->kq, 1));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(POLLIN, p.revents);
		EXPECT_EQ(1, kq_count(self->kq));
	}
}

/* epoll of a queue: level while something is queued, edge once an event. */
TEST_F(wait, epoll_readable)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 1 };
	int level = epoll_create1(EPOLL_CLOEXEC);
	int edge = epoll_create1(EPOLL_CLOEXEC);
	int i;

	ASSERT_EQ(0, add_users(self->kq, 1, EV_CLEAR));
	ASSERT_EQ(0, epoll_ctl(level, EPOLL_CTL_ADD, self->kq, &ev));
	ev.events |= EPOLLET;
	ASSERT_EQ(0, epoll_ctl(edge, EPOLL_CTL_ADD, self->kq, &ev));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, epoll_wait(level, &ev, 1, 0));
		EXPECT_EQ(0, epoll_wait(edge, &ev, 1, 0));
		ASSERT_EQ(0, kq_trigger(self->kq, 1));
		EXPECT_EQ(1, epoll_wait(level, &ev, 1, LIMIT_MS));
		EXPECT_EQ(EPOLLIN, ev.events);
		EXPECT_EQ(1, epoll_wait(edge, &ev, 1, LIMIT_MS));
		EXPECT_EQ(1, epoll_wait(level, &ev, 1, 0));
		EXPECT_EQ(0, epoll_wait(edge, &ev, 1, 0));
		EXPECT_EQ(1, kq_count(self->kq));
	}
	close(level);
	close(edge);
}

TEST_HARNESS_MAIN
