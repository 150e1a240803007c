// SPDX-License-Identifier: BSD-2-Clause
/*
 * Several threads do everything at random, to the same few descriptor numbers
 * and queues, for a while. What must hold: no call fails with an errno that it
 * does not have, no crash, no lock-up, and nothing is left in the module.
 *
 * KEVENT_STRESS_SEED=<n> repeats the choices of a run, KEVENT_STRESS_SECONDS=<n>
 * makes it longer or shorter.
 */
#include "peers.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>

#define THREADS		6
#define SECONDS		20
#define FIRST_FD	100	/* numbers that are opened, watched, closed */
#define FDS		48
#define FIRST_KQ	200	/* numbers that hold queues, or not */
#define KQS		4

static int stop;
static long applied, collected;

struct player {
	pthread_t thread;
	unsigned int seed;
	const char *wrong;	/* what was done when this errno came */
	int err;
};

static unsigned int pick(struct player *p, unsigned int n)
{
	p->seed = p->seed * 1103515245 + 12345;
	return (p->seed >> 16) % n;
}

static int some_fd(struct player *p)
{
	return FIRST_FD + pick(p, FDS);
}

static int some_kq(struct player *p)
{
	return FIRST_KQ + pick(p, KQS);
}

/* Put a new descriptor on a number, and close whatever it was before. */
static void place(int fd, int number)
{
	dup2(fd, number);
	close(fd);
}

static void open_pair(struct player *p, const int fd[2])
{
	place(fd[0], some_fd(p));
	place(fd[1], some_fd(p));
}

static void do_open(struct player *p)
{
	int fd[2];

	switch (pick(p, 5)) {
	case 0:
		if (!pipe2(fd, O_NONBLOCK | O_CLOEXEC))
			open_pair(p, fd);
		break;
	case 1:
		if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd))
			open_pair(p, fd);
		break;
	case 2:
		if (tcp_pair(fd) && !fcntl(fd[0], F_SETFL, O_NONBLOCK) &&
		    !fcntl(fd[1], F_SETFL, O_NONBLOCK))
			open_pair(p, fd);
		break;
	case 3:
		place(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), some_fd(p));
		break;
	default:
		place(eventfd(pick(p, 2), EFD_NONBLOCK), some_fd(p));
	}
}

static void do_dup(struct player *p)
{
	dup2(some_fd(p), some_fd(p));
}

static void do_close(struct player *p)
{
	close(some_fd(p));
}

static void do_close_range(struct player *p)
{
	int first = some_fd(p), last = first + pick(p, 6);

	close_range(first, last < FIRST_FD + FDS ? last : first, 0);
}

static void do_write(struct player *p)
{
	unsigned long long one = 1;

	if (write(some_fd(p), &one, sizeof(one)) < 0)
		return;
}

static void do_read(struct player *p)
{
	char buf[4096];

	if (read(some_fd(p), buf, sizeof(buf)) < 0)
		return;
}

/* Queues come and go under those who use them. */
static void do_queue(struct player *p)
{
	if (pick(p, 8))
		return;
	if (pick(p, 4))
		place(kqueue(), some_kq(p));
	else
		close(some_kq(p));
}

/* All errors that a change can have when anything may be closed at any time. */
static bool change_may_fail(int err)
{
	return err == EBADF || err == ENOENT || err == EINVAL || err == ELOOP ||
	       err == EPIPE || err == ENOMEM || err == ENOSPC;
}

static void apply(struct player *p, const char *what, struct kevent *kev, int n)
{
	if (kevent(some_kq(p), kev, n, NULL, 0, NULL) < 0 && !change_may_fail(errno)) {
		p->wrong = what;
		p->err = errno;
	}
	__atomic_fetch_add(&applied, n, __ATOMIC_RELAXED);
}

static int some_flags(struct player *p)
{
	static const int flags[] = {
		EV_ADD, EV_ADD, EV_ADD | EV_CLEAR, EV_ADD | EV_ONESHOT,
		EV_ADD | EV_DISPATCH, EV_ADD | EV_DISABLE, EV_ADD | EV_CLEAR | EV_DISPATCH,
		EV_DELETE, EV_ENABLE, EV_DISABLE, 0, EV_ADD | EV_FORCEONESHOT,
	};

	return flags[pick(p, sizeof(flags) / sizeof(*flags))];
}

static void fd_change(struct player *p, struct kevent *kev)
{
	static const int filters[] = {
		EVFILT_READ, EVFILT_READ, EVFILT_READ, EVFILT_WRITE, EVFILT_WRITE,
		EVFILT_EXCEPT, EVFILT_EMPTY,
	};
	int filter = filters[pick(p, sizeof(filters) / sizeof(*filters))];
	int fd = pick(p, 16) ? some_fd(p) : some_kq(p);

	EV_SET(kev, fd, filter, some_flags(p), pick(p, 8) ? 0 : NOTE_LOWAT, pick(p, 9),
	       UD(pick(p, 1000)));
}

static void other_change(struct player *p, struct kevent *kev)
{
	if (pick(p, 2))
		EV_SET(kev, pick(p, 8), EVFILT_TIMER, some_flags(p), NOTE_USECONDS,
		       pick(p, 3000), NULL);
	else
		EV_SET(kev, pick(p, 8), EVFILT_USER, some_flags(p),
		       NOTE_FFOR | pick(p, 16) | (pick(p, 2) ? NOTE_TRIGGER : 0), 0, NULL);
}

static void do_change(struct player *p)
{
	struct kevent kev[8];
	int i, n = 1 + pick(p, 8);

	for (i = 0; i < n; i++) {
		if (pick(p, 3))
			fd_change(p, &kev[i]);
		else
			other_change(p, &kev[i]);
	}
	apply(p, "a change", kev, n);
}

static void do_collect(struct player *p)
{
	struct timespec ts = { .tv_nsec = pick(p, 4) ? 0 : pick(p, 1000000) };
	struct kevent ev[16];
	int i, n = kevent(some_kq(p), NULL, 0, ev, 1 + pick(p, 16), &ts);

	if (n < 0 && errno != EBADF) {
		p->wrong = "collecting";
		p->err = errno;
	}
	for (i = 0; i < n; i++)
		if (ev[i].flags & EV_ERROR || ev[i].filter >= 0) {
			p->wrong = "an event that cannot be";
			p->err = ev[i].data;
		}
	if (n > 0)
		__atomic_fetch_add(&collected, n, __ATOMIC_RELAXED);
}

static void do_poll(struct player *p)
{
	struct pollfd pfd[2] = {
		{ .fd = some_kq(p), .events = POLLIN },
		{ .fd = some_kq(p), .events = POLLIN },
	};

	poll(pfd, 2, 0);
}

/* A child has copies of everything, uses them as it must not, and exits. */
static void do_fork(struct player *p)
{
	int kq = some_kq(p), fd = some_fd(p), status;
	pid_t pid;

	if (pick(p, 40))
		return;
	pid = fork();
	if (!pid)
		_exit(kq_set(kq, fd, EVFILT_READ, EV_ADD) != EBADF);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status) {
		p->wrong = "a child that used the queue";
		p->err = status;
	}
}

static void do_fdinfo(struct player *p)
{
	fdinfo_knotes(some_kq(p));
}

static void (*const moves[])(struct player *p) = {
	do_open, do_open, do_dup, do_close, do_close_range, do_write, do_write,
	do_read, do_queue, do_change, do_change, do_change, do_change, do_collect,
	do_collect, do_collect, do_poll, do_fork, do_fdinfo,
};

static void *play(void *arg)
{
	struct player *p = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED) && !p->wrong)
		moves[pick(p, sizeof(moves) / sizeof(*moves))](p);
	return NULL;
}

static long setting(const char *name, long otherwise)
{
	const char *val = getenv(name);

	return val && *val ? atol(val) : otherwise;
}

/* In a child. Returns its exit status. */
static int play_all(unsigned int seed, long seconds)
{
	static struct player player[THREADS];
	long long end = ts_ms() + 1000 * seconds;
	int i, bad = 0;

	signal(SIGPIPE, SIG_IGN);
	lo_up();
	for (i = 0; i < THREADS; i++) {
		player[i].seed = seed + i;
		if (pthread_create(&player[i].thread, NULL, play, &player[i]))
			return 1;
	}
	while (ts_ms() < end)
		usleep(100000);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++) {
		pthread_join(player[i].thread, NULL);
		if (!player[i].wrong)
			continue;
		printf("# thread %d: %s: %s\n", i, player[i].wrong, strerror(player[i].err));
		bad = 1;
	}
	printf("# %ld changes, %ld events\n", applied, collected);
	fflush(stdout);
	return bad || !applied || !collected;
}

FIXTURE(stress)
{
	int unused;
};

FIXTURE_SETUP(stress)
{
}

FIXTURE_TEARDOWN(stress)
{
	EXPECT_TRUE(all_freed());
}

/* Everything at once does no harm and leaves nothing. */
TEST_F_TIMEOUT(stress, everything_at_random, 600)
{
	unsigned int seed = setting("KEVENT_STRESS_SEED", ts_ns() % 1000000);
	long seconds = setting("KEVENT_STRESS_SECONDS", SECONDS);

	printf("# seed %u, %ld seconds\n", seed, seconds);
	fflush(stdout);
	EXPECT_EQ(0, IN_CHILD(play_all(seed, seconds)));
}

TEST_HARNESS_MAIN
