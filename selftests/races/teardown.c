// SPDX-License-Identifier: BSD-2-Clause
/*
 * The end of things that are in use just now: the last descriptor of a file
 * whose queue is being scanned, a queue into which events come, a queue and
 * what it watches, a chain of queues from both ends, a process.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "peers.h"
#include "races.h"

/* Both ends of something: fd[0] is watched, through fd[1] it gets ready. */
static bool open_pipe(int fd[2])
{
	return !pipe2(fd, O_CLOEXEC | O_NONBLOCK);
}

static bool open_unix(int fd[2])
{
	return !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd);
}

static bool open_tcp(int fd[2])
{
	return tcp_pair(fd) && !fcntl(fd[0], F_SETFL, O_NONBLOCK) &&
	       !fcntl(fd[1], F_SETFL, O_NONBLOCK);
}

/* Is the watched end really closed, as its other end sees it at once? */
static bool pipe_gone(int fd)
{
	char byte = 0;

	return write(fd, &byte, 1) < 0 && errno == EPIPE;
}

static bool socket_gone(int fd)
{
	/* A reset, if there was something unread in it. */
	return at_end(fd) || errno == ECONNRESET;
}

/* What TCP sends to its end may be delivered a moment later. */
static bool tcp_gone(int fd)
{
	return WAIT_FOR(socket_gone(fd));
}

FIXTURE(last_descriptor)
{
	int kq;
	int fd[2];
	int err;
};

FIXTURE_VARIANT(last_descriptor)
{
	bool (*open)(int fd[2]);
	bool (*gone)(int fd);
	bool write;		/* make it ready meanwhile, instead of collecting */
};

FIXTURE_VARIANT_ADD(last_descriptor, pipe_scanned)
{
	.open = open_pipe, .gone = pipe_gone,
};

FIXTURE_VARIANT_ADD(last_descriptor, pipe_written)
{
	.open = open_pipe, .gone = pipe_gone, .write = true,
};

FIXTURE_VARIANT_ADD(last_descriptor, unix_scanned)
{
	.open = open_unix, .gone = socket_gone,
};

FIXTURE_VARIANT_ADD(last_descriptor, unix_written)
{
	.open = open_unix, .gone = socket_gone, .write = true,
};

FIXTURE_VARIANT_ADD(last_descriptor, tcp_scanned)
{
	.open = open_tcp, .gone = tcp_gone,
};

FIXTURE_VARIANT_ADD(last_descriptor, tcp_written)
{
	.open = open_tcp, .gone = tcp_gone, .write = true,
};

FIXTURE_SETUP(last_descriptor)
{
	signal(SIGPIPE, SIG_IGN);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(last_descriptor)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

struct closing {
	int fd;
	int err;
};

static void do_close(void *arg)
{
	struct closing *c = arg;

	c->err = close(c->fd) ? errno : 0;
}

/* The event is of the watched descriptor; none at all is right, too. */
static bool event_is_of(int kq, int fd)
{
	struct kevent ev[4];
	int n = kq_collect(kq, ev, 4);

	return !n || (n == 1 && ev[0].ident == (uintptr_t)fd && !(ev[0].flags & EV_ERROR));
}

/* When close() has returned, the other end sees it, and no event is left. */
TEST_F_TIMEOUT(last_descriptor, closed, RACE_TIMEOUT)
{
	struct rounds r = { .least = 60 };
	struct closing c;
	struct duel d;
	bool ok = true;

	ASSERT_TRUE(duel_open(&d, do_close, &c));
	while (next_round(&r)) {
		ASSERT_TRUE(variant->open(self->fd));
		ASSERT_EQ(0, kq_set(self->kq, self->fd[0], EVFILT_READ, EV_ADD));
		if (!variant->write)
			ASSERT_TRUE(tell(self->fd[1]));
		c.fd = self->fd[0];
		if (variant->write)
			DUEL(&d, tell(self->fd[1]));
		else
			DUEL(&d, ok = event_is_of(self->kq, self->fd[0]));
		ASSERT_TRUE(ok);
		ASSERT_EQ(0, c.err);
		ASSERT_EQ(0, fdinfo_knotes(self->kq));
		ASSERT_EQ(0, kq_count(self->kq));
		ASSERT_TRUE(variant->gone(self->fd[1]));
		close(self->fd[1]);
	}
	EXPECT_ROUNDS(&r);
	duel_close(&d);
}

/*
 * A queue that is closed while sources fire. What fires is set up once a round
 * and fired by one thread while the other closes.
 */
struct firing {
	int kq;
	int fd;			/* the source, or -1 */
	int err;
	void (*fire)(struct firing *f);
};

static bool watch_eventfd(struct firing *f)
{
	return !kq_set(f->kq, f->fd, EVFILT_READ, EV_ADD | EV_CLEAR) &&
	       !kq_set(f->kq, f->fd, EVFILT_WRITE, EV_ADD | EV_CLEAR);
}

static void fire_eventfd(struct firing *f)
{
	int i;

	for (i = 0; i < 4; i++)
		if (eventfd_write(f->fd, 1))
			f->err = errno;
}

/* Expirations come by themselves, from the interrupt. */
static bool watch_timers(struct firing *f)
{
	int i, err = 0;

	for (i = 0; i < 8; i++)
		err |= kq_change(f->kq, i, EVFILT_TIMER, EV_ADD, NOTE_USECONDS, 1 + 7 * i, NULL);
	return !err;
}

static void fire_timers(struct firing *f)
{
	(void)f;
	usleep(50);
}

/* Triggers go through the queue itself: so they may fail, but only so. */
static bool watch_user(struct firing *f)
{
	return !kq_set(f->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR);
}

static void fire_user(struct firing *f)
{
	int err = kq_trigger(f->kq, 1);

	f->err = err == EBADF ? 0 : err;
}

static bool watch_file(struct firing *f)
{
	return !kq_set(f->kq, f->fd, EVFILT_READ, EV_ADD);
}

static void fire_file(struct firing *f)
{
	if (pwrite(f->fd, "x", 1, 0) != 1)
		f->err = errno;
}

static int a_file(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static int an_eventfd(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* A queue in the queue, fired through its own descriptor. */
static int a_queue(void)
{
	int kq = kq_open();

	kq_set(kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR);
	return kq;
}

static void fire_inner(struct firing *f)
{
	f->err = kq_trigger(f->fd, 1);
}

static int none(void)
{
	return -1;
}

FIXTURE(queue_closed)
{
	struct firing f;
};

FIXTURE_VARIANT(queue_closed)
{
	int (*source)(void);
	bool (*watch)(struct firing *f);
	void (*fire)(struct firing *f);
};

FIXTURE_VARIANT_ADD(queue_closed, eventfd)
{
	.source = an_eventfd, .watch = watch_eventfd, .fire = fire_eventfd,
};

FIXTURE_VARIANT_ADD(queue_closed, timers)
{
	.source = none, .watch = watch_timers, .fire = fire_timers,
};

FIXTURE_VARIANT_ADD(queue_closed, user)
{
	.source = none, .watch = watch_user, .fire = fire_user,
};

FIXTURE_VARIANT_ADD(queue_closed, file)
{
	.source = a_file, .watch = watch_file, .fire = fire_file,
};

FIXTURE_VARIANT_ADD(queue_closed, inner_queue)
{
	.source = a_queue, .watch = watch_file, .fire = fire_inner,
};

FIXTURE_SETUP(queue_closed)
{
	mkdir("/tmp", 01777);
	self->f = (struct firing){ .fd = variant->source(), .fire = variant->fire };
}

FIXTURE_TEARDOWN(queue_closed)
{
	close(self->f.fd);
	EXPECT_TRUE(all_freed());
}

static void fire_once(void *arg)
{
	struct firing *f = arg;

	f->fire(f);
}

/* The queue is closed while it is fired into: the source goes on, nothing is left. */
TEST_F_TIMEOUT(queue_closed, while_fired, RACE_TIMEOUT)
{
	struct rounds r = { .least = 100 };
	struct firing *f = &self->f;
	bool inner = variant->fire == fire_inner;
	struct duel d;

	ASSERT_TRUE(duel_open(&d, fire_once, f));
	while (next_round(&r)) {
		f->kq = kq_open();
		ASSERT_LE(0, f->kq);
		ASSERT_TRUE(variant->watch(f));
		DUEL(&d, close(f->kq));
		ASSERT_EQ(0, f->err);
		ASSERT_EQ(inner, kq_counter("queues"));
	}
	EXPECT_ROUNDS(&r);
	duel_close(&d);
	if (inner)
		ASSERT_EQ(1, kq_count(f->fd));
}

/* A thread that waits in a queue until that is closed. */
struct sleeper {
	pthread_t thread;
	int kq;
	int tid;
	int done;
	int ret;
	int err;
	int revents;
};

static void *poll_main(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd pfd = { .fd = s->kq, .events = POLLIN };

	__atomic_store_n(&s->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	s->ret = poll(&pfd, 1, -1);
	s->revents = pfd.revents;
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *kevent_main(void *arg)
{
	struct sleeper *s = arg;
	struct kevent ev;

	__atomic_store_n(&s->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	do {
		s->ret = kq_wait(s->kq, &ev, 1, -1);
	} while (s->ret > 0);
	s->err = errno;
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static bool sleeper_start(struct sleeper *s, void *(*call)(void *arg), int kq)
{
	*s = (struct sleeper){ .kq = kq };
	return !pthread_create(&s->thread, NULL, call, s);
}

static bool sleeper_asleep(struct sleeper *s, long nr)
{
	return WAIT_FOR(__atomic_load_n(&s->tid, __ATOMIC_ACQUIRE)) &&
	       wait_asleep_in(s->tid, nr);
}

static bool sleeper_join(struct sleeper *s)
{
	return WAIT_FOR(__atomic_load_n(&s->done, __ATOMIC_ACQUIRE)) &&
	       !pthread_join(s->thread, NULL);
}

static bool got_ebadf(struct sleeper *s)
{
	return sleeper_join(s) && s->ret == -1 && s->err == EBADF;
}

FIXTURE(teardown)
{
	struct duel d;
};

FIXTURE_SETUP(teardown)
{
	signal(SIGPIPE, SIG_IGN);
}

FIXTURE_TEARDOWN(teardown)
{
	duel_close(&self->d);
	EXPECT_TRUE(all_freed());
}

/* Those who wait in a queue, and who comes to wait, while it is closed: all get EBADF. */
TEST_F_TIMEOUT(teardown, queue_waited_in, RACE_TIMEOUT)
{
	struct rounds r = { .least = 40 };
	struct sleeper first, second, other;
	struct closing c;
	struct kevent ev;
	int n, err;

	ASSERT_TRUE(duel_open(&self->d, do_close, &c));
	while (next_round(&r)) {
		c.fd = kq_open();
		ASSERT_EQ(0, kq_set(c.fd, 1, EVFILT_USER, EV_ADD));
		ASSERT_TRUE(sleeper_start(&first, kevent_main, c.fd));
		ASSERT_TRUE(sleeper_start(&second, kevent_main, c.fd));
		ASSERT_TRUE(sleeper_start(&other, poll_main, c.fd));
		ASSERT_TRUE(sleeper_asleep(&first, SYS_ioctl) &&
			    sleeper_asleep(&second, SYS_ioctl) &&
			    sleeper_asleep(&other, SYS_poll));
		DUEL(&self->d, n = kq_wait(c.fd, &ev, 1, -1); err = errno);
		ASSERT_TRUE(n == -1 && err == EBADF);
		ASSERT_TRUE(got_ebadf(&first));
		ASSERT_TRUE(got_ebadf(&second));
		ASSERT_TRUE(sleeper_join(&other));
		/* It looks again by number, and that may be closed already. */
		ASSERT_TRUE(other.ret == 1 &&
			    other.revents & (POLLERR | POLLHUP | POLLNVAL));
		ASSERT_TRUE(all_freed());
	}
	EXPECT_ROUNDS(&r);
}

/*
 * The queue and what it watches are closed at once: the last reference to the
 * queue may be that of the closing of the descriptor.
 */
TEST_F_TIMEOUT(teardown, queue_and_descriptor_closed, RACE_TIMEOUT)
{
	struct rounds r = { .least = 100 };
	struct closing c;
	int fd[2], kq;

	ASSERT_TRUE(duel_open(&self->d, do_close, &c));
	while (next_round(&r)) {
		kq = kq_open();
		ASSERT_TRUE(open_unix(fd));
		ASSERT_EQ(0, kq_set(kq, fd[0], EVFILT_READ, EV_ADD));
		ASSERT_EQ(0, kq_set(kq, fd[0], EVFILT_WRITE, EV_ADD | EV_CLEAR));
		c.fd = r.done % 2 ? fd[0] : kq;
		DUEL(&self->d, close(r.done % 2 ? kq : fd[0]));
		ASSERT_EQ(0, c.err);
		ASSERT_TRUE(at_end(fd[1]));
		close(fd[1]);
		ASSERT_EQ(0, kq_counter("queues"));
		ASSERT_TRUE(all_freed());
	}
	EXPECT_ROUNDS(&r);
}

/* Deleting and closing at once: the registration goes once, and the file is free. */
TEST_F_TIMEOUT(teardown, deleted_and_closed, RACE_TIMEOUT)
{
	struct rounds r = { .least = 100 };
	struct closing c;
	int fd[2], kq = kq_open(), err;

	ASSERT_TRUE(duel_open(&self->d, do_close, &c));
	while (next_round(&r)) {
		ASSERT_TRUE(open_unix(fd));
		ASSERT_EQ(0, kq_set(kq, fd[0], EVFILT_WRITE, EV_ADD));
		c.fd = fd[0];
		DUEL(&self->d, err = kq_set(kq, fd[0], EVFILT_WRITE, EV_DELETE));
		ASSERT_TRUE(!err || err == EBADF || err == ENOENT);
		ASSERT_TRUE(at_end(fd[1]));
		close(fd[1]);
		ASSERT_EQ(0, fdinfo_knotes(kq));
		ASSERT_EQ(0, kq_counter("knotes"));
	}
	EXPECT_ROUNDS(&r);
	close(kq);
}

/* A chain of queues, closed from both ends at once, with events running through. */
#define DEPTH	5

struct chain {
	int kq[DEPTH];
	int fd;			/* watched by kq[0] */
	int closed;		/* how many close() calls have worked */
};

static bool chain_open(struct chain *c)
{
	int i;

	c->closed = 0;
	for (i = 0; i < DEPTH; i++) {
		c->kq[i] = kq_open();
		if (kq_set(c->kq[i], i ? c->kq[i - 1] : c->fd, EVFILT_READ, EV_ADD | EV_CLEAR))
			return false;
	}
	return true;
}

static void chain_close(struct chain *c, int i)
{
	if (!close(c->kq[i]))
		__atomic_fetch_add(&c->closed, 1, __ATOMIC_RELAXED);
}

static void close_upwards(void *arg)
{
	struct chain *c = arg;
	int i;

	for (i = 0; i < DEPTH; i++)
		chain_close(c, i);
}

static void close_downwards(struct chain *c)
{
	int i;

	eventfd_write(c->fd, 1);
	for (i = DEPTH - 1; i >= 0; i--)
		chain_close(c, i);
}

/* Each queue is closed once, who waits at the top gets EBADF, nothing is left. */
TEST_F_TIMEOUT(teardown, chain_closed_from_both_ends, RACE_TIMEOUT)
{
	struct rounds r = { .least = 40 };
	struct chain c = { .fd = an_eventfd() };
	struct sleeper top;

	ASSERT_TRUE(duel_open(&self->d, close_upwards, &c));
	while (next_round(&r)) {
		ASSERT_TRUE(chain_open(&c));
		ASSERT_TRUE(sleeper_start(&top, kevent_main, c.kq[DEPTH - 1]));
		DUEL(&self->d, close_downwards(&c));
		ASSERT_TRUE(got_ebadf(&top));
		ASSERT_EQ(DEPTH, c.closed);
		ASSERT_TRUE(all_freed());
	}
	EXPECT_ROUNDS(&r);
}

/* A process with a queue of everything, which is killed amid events. */
static void live_and_fire(int peer, int go)
{
	int kq = kq_open(), inner = a_queue(), efd = an_eventfd();
	struct kevent ev[4];

	if (kq < 0 || kq_set(kq, peer, EVFILT_READ, EV_ADD) ||
	    kq_set(kq, peer, EVFILT_WRITE, EV_ADD) ||
	    kq_set(kq, inner, EVFILT_READ, EV_ADD) ||
	    kq_set(kq, efd, EVFILT_WRITE, EV_ADD) ||
	    kq_change(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_USECONDS, 30, NULL) || !tell(go))
		_exit(1);
	for (;;)
		if (kq_trigger(inner, 1) || kq_wait(kq, ev, 4, -1) < 0)
			_exit(1);
}

static void do_kill(void *arg)
{
	kill(*(pid_t *)arg, SIGKILL);
}

/* Killed while we write to what it watches: the connection ends, nothing is left. */
TEST_F_TIMEOUT(teardown, process_killed, RACE_TIMEOUT)
{
	struct rounds r = { .least = 20 };
	int fd[2], go[2], status;
	pid_t pid;

	ASSERT_TRUE(open_pipe(go));
	ASSERT_EQ(0, fcntl(go[0], F_SETFL, 0));
	ASSERT_TRUE(duel_open(&self->d, do_kill, &pid));
	while (next_round(&r)) {
		ASSERT_TRUE(open_unix(fd));
		pid = fork();
		if (!pid) {
			close(fd[1]);
			live_and_fire(fd[0], go[1]);
		}
		close(fd[0]);
		ASSERT_TRUE(hear(go[0]));
		DUEL(&self->d, tell(fd[1]));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
		ASSERT_TRUE(socket_gone(fd[1]));
		ASSERT_TRUE(all_freed());
		close(fd[1]);
	}
	EXPECT_ROUNDS(&r);
}

TEST_HARNESS_MAIN
