// SPDX-License-Identifier: BSD-2-Clause
/*
 * Descriptors that are neither sockets nor pipes nor files: terminals,
 * eventfd, timerfd, signalfd, inotify, pidfd, message queues, epoll, devices.
 *
 * Each is watched by two queues, level and edge: nothing before it is ready,
 * the event with its data when it is, nothing after it is drained.
 */
#include <limits.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <termios.h>

#include "expect.h"

struct queues {
	int level;
	int edge;
};

FIXTURE(fd)
{
	struct queues q;
};

FIXTURE_SETUP(fd)
{
	self->q.level = kq_open();
	self->q.edge = kq_open();
	ASSERT_LE(0, self->q.level);
	ASSERT_LE(0, self->q.edge);
}

FIXTURE_TEARDOWN(fd)
{
	close(self->q.level);
	close(self->q.edge);
}

/* Watch @fd in both queues. */
static bool watch(struct queues *q, int fd, int filter)
{
	return !kq_set(q->level, fd, filter, EV_ADD) &&
	       !kq_set(q->edge, fd, filter, EV_ADD | EV_CLEAR);
}

/* The queues have nothing. */
#define ASSERT_IDLE(both) do {						\
	struct queues *q_ = (both);					\
									\
	ASSERT_NONE(q_->level);						\
	ASSERT_NONE(q_->edge);						\
} while (0)

/* The level queue has the event and keeps it, the edge queue has it once. */
#define ASSERT_BOTH(both, id, filt, num) do {				\
	struct queues *q_ = (both);					\
	long long val_ = (num);						\
	int id_ = (id), filt_ = (filt);					\
									\
	ASSERT_READY(q_->level, id_, filt_, val_);			\
	ASSERT_READY(q_->level, id_, filt_, val_);			\
	ASSERT_READY(q_->edge, id_, filt_, val_);			\
	ASSERT_NONE(q_->edge);						\
} while (0)

static bool write_u64(int fd, __u64 val)
{
	return write(fd, &val, sizeof(val)) == sizeof(val);
}

static __u64 read_u64(int fd)
{
	__u64 val = 0;

	return read(fd, &val, sizeof(val)) == sizeof(val) ? val : 0;
}

/* eventfd: data of READ is the counter. */
TEST_F(fd, eventfd_read)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	ASSERT_TRUE(watch(&self->q, fd, EVFILT_READ));
	ASSERT_IDLE(&self->q);
	ASSERT_TRUE(write_u64(fd, 5));
	ASSERT_BOTH(&self->q, fd, EVFILT_READ, 5);
	ASSERT_TRUE(write_u64(fd, 7000000000));
	ASSERT_BOTH(&self->q, fd, EVFILT_READ, 7000000005);
	ASSERT_EQ(7000000005, read_u64(fd));
	ASSERT_IDLE(&self->q);
	ASSERT_TRUE(write_u64(fd, 1));
	ASSERT_BOTH(&self->q, fd, EVFILT_READ, 1);
}

/* eventfd with EFD_SEMAPHORE: data is the counter, and each read takes one. */
TEST_F(fd, eventfd_semaphore)
{
	int fd = eventfd(3, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
	int i;

	ASSERT_TRUE(watch(&self->q, fd, EVFILT_READ));
	ASSERT_BOTH(&self->q, fd, EVFILT_READ, 3);
	for (i = 2; i > 0; i--) {
		ASSERT_EQ(1, read_u64(fd));
		ASSERT_READY(self->q.level, fd, EVFILT_READ, i);
	}
	ASSERT_EQ(1, read_u64(fd));
	ASSERT_IDLE(&self->q);
	ASSERT_TRUE(write_u64(fd, 2));
	ASSERT_BOTH(&self->q, fd, EVFILT_READ, 2);
}

/* eventfd: data of WRITE is how much can be added; a full counter is not writable. */
TEST_F(fd, eventfd_write)
{
	__u64 max = UINT64_MAX - 1;
	int fd = eventfd(10, EFD_CLOEXEC | EFD_NONBLOCK);

	ASSERT_TRUE(watch(&self->q, fd, EVFILT_WRITE));
	ASSERT_BOTH(&self->q, fd, EVFILT_WRITE, (__s64)(max - 10));
	ASSERT_TRUE(write_u64(fd, max - 10 - 100));
	ASSERT_READY(self->q.level, fd, EVFILT_WRITE, 100);
	ASSERT_TRUE(write_u64(fd, 100));
	ASSERT_IDLE(&self->q);
	ASSERT_EQ(max, read_u64(fd));
	ASSERT_BOTH(&self->q, fd, EVFILT_WRITE, (__s64)max);
}

/* timerfd: READ fires when the timer expires, once, and again for the next time. */
TEST_F(fd, timerfd)
{
	struct itimerspec soon = { .it_value.tv_nsec = 50000000 };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int i;

	ASSERT_TRUE(watch(&self->q, fd, EVFILT_READ));
	for (i = 0; i < 3; i++) {
		ASSERT_IDLE(&self->q);
		ASSERT_EQ(0, timerfd_settime(fd, 0, &soon, NULL));
		ASSERT_BOTH(&self->q, fd, EVFILT_READ, 1);
		ASSERT_EQ(1, read_u64(fd));
	}
	ASSERT_IDLE(&self->q);
}

/* timerfd: it tells nobody how often it expired but by read(2), so data is 1. */
TEST_F(fd, timerfd_expirations)
{
	struct itimerspec its = { .it_interval.tv_sec = 1000 };
	int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	/* Due 3500, 2500, 1500 and 500 seconds ago, and in 500 seconds. */
	ASSERT_EQ(0, clock_gettime(CLOCK_REALTIME, &its.it_value));
	its.it_value.tv_sec -= 3500;
	ASSERT_TRUE(watch(&self->q, fd, EVFILT_READ));
	ASSERT_IDLE(&self->q);
	ASSERT_EQ(0, timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL));
	ASSERT_BOTH(&self->q, fd, EVFILT_READ, 1);
	ASSERT_EQ(4, read_u64(fd));
	ASSERT_IDLE(&self->q);
}

/* signalfd: a pending signal fires READ, until it is read. */
TEST_F(fd, signalfd)
{
	struct signalfd_siginfo info;
	sigset_t set;
	int fd, i;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	ASSERT_TRUE(watch(&self->q, fd, EVFILT_READ));
	for (i = 0; i < 3; i++) {
		ASSERT_IDLE(&self->q);
		ASSERT_EQ(0, kill(getpid(), SIGUSR1));
		ASSERT_BOTH(&self->q, fd, EVFILT_READ, 1);
		ASSERT_EQ(sizeof(info), read(fd, &info, sizeof(info)));
	}
	ASSERT_IDLE(&self->q);
}

/* inotify: data of READ is the number of bytes to read. */
TEST_F(fd, inotify)
{
	char dir[] = "/tmp/kevent-XXXXXX", path[64], buf[4096];
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int i, len;

	ASSERT_NE(NULL, mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	ASSERT_LE(0, inotify_add_watch(fd, dir, IN_CREATE));
	ASSERT_TRUE(watch(&self->q, fd, EVFILT_READ));
	/* An event with its name, which is padded to the size of an event. */
	len = 2 * sizeof(struct inotify_event);
	for (i = 0; i < 2; i++) {
		ASSERT_IDLE(&self->q);
		close(creat(path, 0600));
		ASSERT_BOTH(&self->q, fd, EVFILT_READ, len);
		ASSERT_EQ(0, unlink(path));
		ASSERT_EQ(len, read(fd, buf, sizeof(buf)));
	}
	ASSERT_IDLE(&self->q);
	ASSERT_EQ(0, rmdir(dir));
}

/* pidfd: READ fires when the process has ended, before and after it is reaped. */
TEST_F(fd, pidfd)
{
	int fd, go[2], status;
	pid_t child;
	char c;

	ASSERT_EQ(0, pipe2(go, O_CLOEXEC));
	child = fork();
	if (!child) {
		close(go[1]);
		_exit(read(go[0], &c, 1));
	}
	fd = syscall(SYS_pidfd_open, child, 0);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(watch(&self->q, fd, EVFILT_READ));
	ASSERT_IDLE(&self->q);
	close(go[1]);
	ASSERT_BOTH(&self->q, fd, EVFILT_READ, 1);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	/* Some kernels call it hung up then. */
	ASSERT_EQ(1, kq_count(self->q.level));
}

/* POSIX message queue: READ while there is a message, WRITE while there is room. */
TEST_F(fd, mqueue)
{
	struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	char name[32], buf[16];
	int fd, kqw;

	snprintf(name, sizeof(name), "/kevent-%d", getpid());
	fd = mq_open(name, O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, 0600, &attr);
	ASSERT_LE(0, fd);
	mq_unlink(name);
	kqw = kq_with(fd, EVFILT_WRITE, EV_ADD, 0, 0);
	ASSERT_TRUE(watch(&self->q, fd, EVFILT_READ));
	ASSERT_IDLE(&self->q);
	ASSERT_READY(kqw, fd, EVFILT_WRITE, ANY);
	ASSERT_EQ(0, mq_send(fd, "a", 1, 0));
	ASSERT_BOTH(&self->q, fd, EVFILT_READ, 1);
	ASSERT_EQ(0, mq_send(fd, "b", 1, 0));
	ASSERT_NONE(kqw);
	ASSERT_EQ(1, mq_receive(fd, buf, sizeof(buf), NULL));
	ASSERT_READY(kqw, fd, EVFILT_WRITE, ANY);
	ASSERT_EQ(1, mq_receive(fd, buf, sizeof(buf), NULL));
	ASSERT_NONE(self->q.level);
	ASSERT_EQ(0, mq_send(fd, "c", 1, 0));
	ASSERT_READY(self->q.level, fd, EVFILT_READ, 1);
	ASSERT_READY(self->q.edge, fd, EVFILT_READ, 1);
	close(kqw);
}

/* epoll: READ fires while a descriptor in it is ready. */
TEST_F(fd, epoll)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int inner = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int fd = epoll_create1(EPOLL_CLOEXEC);
	int i;

	ASSERT_EQ(0, epoll_ctl(fd, EPOLL_CTL_ADD, inner, &ev));
	ASSERT_TRUE(watch(&self->q, fd, EVFILT_READ));
	for (i = 0; i < 3; i++) {
		ASSERT_IDLE(&self->q);
		ASSERT_TRUE(write_u64(inner, 1));
		ASSERT_BOTH(&self->q, fd, EVFILT_READ, 1);
		ASSERT_EQ(1, read_u64(inner));
	}
	ASSERT_IDLE(&self->q);
}

struct pty {
	int master;
	int slave;
};

/* A terminal that passes bytes as they are; @lflag says what the line does. */
static bool pty_open(struct pty *p, tcflag_t lflag)
{
	struct termios t;

	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->master < 0 || unlockpt(p->master)) {
		fprintf(stderr, "# no terminal: %s. Is devpts mounted on /dev/pts?\n",
			strerror(errno));
		return false;
	}
	p->slave = ioctl(p->master, TIOCGPTPEER,
			 O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->slave < 0 || tcgetattr(p->slave, &t))
		return false;
	cfmakeraw(&t);
	t.c_lflag |= lflag;
	return !tcsetattr(p->slave, TCSANOW, &t);
}

/* The bytes have arrived: a terminal passes them on from a work item. */
static bool wait_bytes(int fd, int want)
{
	int have = -1;

	return WAIT_FOR(!ioctl(fd, FIONREAD, &have) && have == want);
}

/* pty: each end is readable with the bytes that the other has written. */
TEST_F(fd, pty_both_ends)
{
	char buf[16];
	struct pty p;
	int i, from, to;

	ASSERT_TRUE(pty_open(&p, 0));
	for (i = 0; i < 2; i++) {
		to = i ? p.master : p.slave;
		from = i ? p.slave : p.master;
		ASSERT_TRUE(watch(&self->q, to, EVFILT_READ));
		ASSERT_IDLE(&self->q);
		ASSERT_EQ(5, write(from, "hello", 5));
		ASSERT_TRUE(wait_bytes(to, 5));
		ASSERT_BOTH(&self->q, to, EVFILT_READ, 5);
		ASSERT_EQ(2, read(to, buf, 2));
		ASSERT_READY(self->q.level, to, EVFILT_READ, 3);
		ASSERT_EQ(3, read(to, buf, sizeof(buf)));
		ASSERT_IDLE(&self->q);
		ASSERT_EQ(1, write(from, "x", 1));
		ASSERT_READY(self->q.edge, to, EVFILT_READ, 1);
		ASSERT_EQ(0, kq_set(self->q.level, to, EVFILT_READ, EV_DELETE));
	}
}

/* pty: in canonical mode READ waits for the whole line. */
TEST_F(fd, pty_line)
{
	struct pty p;
	char buf[16];

	ASSERT_TRUE(pty_open(&p, ICANON));
	ASSERT_TRUE(watch(&self->q, p.slave, EVFILT_READ));
	ASSERT_EQ(3, write(p.master, "abc", 3));
	ASSERT_QUIET(self->q.level);
	ASSERT_QUIET(self->q.edge);
	ASSERT_EQ(2, write(p.master, "d\n", 2));
	ASSERT_BOTH(&self->q, p.slave, EVFILT_READ, 5);
	ASSERT_EQ(5, read(p.slave, buf, sizeof(buf)));
	ASSERT_IDLE(&self->q);
}

/* Take what has come to the master; true if the slave can write again. */
static bool pty_drain(struct pty *p)
{
	struct pollfd pfd = { .fd = p->slave, .events = POLLOUT };
	char buf[4096];

	while (read(p->master, buf, sizeof(buf)) > 0)
		;
	return poll(&pfd, 1, 0) == 1;
}

/* pty: WRITE stops when the other end does not read, and comes back when it does. */
TEST_F(fd, pty_write)
{
	static char buf[1000];
	struct pollfd pfd;
	struct pty p;

	ASSERT_TRUE(pty_open(&p, 0));
	pfd = (struct pollfd){ .fd = p.slave, .events = POLLOUT };
	ASSERT_EQ(0, kq_set(self->q.level, p.slave, EVFILT_WRITE, EV_ADD));
	ASSERT_READY(self->q.level, p.slave, EVFILT_WRITE, ANY);
	do {
		while (write(p.slave, buf, sizeof(buf)) > 0)
			;
	} while (poll(&pfd, 1, QUIET_MS) == 1);
	ASSERT_EQ(EAGAIN, errno);
	ASSERT_QUIET(self->q.level);
	ASSERT_TRUE(WAIT_FOR(pty_drain(&p)));
	ASSERT_READY(self->q.level, p.slave, EVFILT_WRITE, ANY);
}

/* pty: when the other end closes, READ has EV_EOF, at either end. */
TEST_F(fd, pty_hangup)
{
	struct pty p, q;

	ASSERT_TRUE(pty_open(&p, 0));
	ASSERT_TRUE(pty_open(&q, 0));
	ASSERT_TRUE(watch(&self->q, p.slave, EVFILT_READ));
	ASSERT_IDLE(&self->q);
	close(p.master);
	ASSERT_EVENT(self->q.level, p.slave, EVFILT_READ, ANY, EV_EOF, 0);
	ASSERT_EVENT(self->q.edge, p.slave, EVFILT_READ, ANY, EV_EOF, 0);
	close(p.slave);
	ASSERT_TRUE(watch(&self->q, q.master, EVFILT_READ));
	ASSERT_IDLE(&self->q);
	close(q.slave);
	ASSERT_EVENT(self->q.level, q.master, EVFILT_READ, ANY, EV_EOF, 0);
	ASSERT_EVENT(self->q.edge, q.master, EVFILT_READ, ANY, EV_EOF, 0);
}

/* pty: in packet mode EXCEPT tells of a change of state until it is read. */
TEST_F(fd, pty_packet)
{
	int on = 1;
	struct pty p;
	char c = 0;

	ASSERT_TRUE(pty_open(&p, 0));
	ASSERT_EQ(0, ioctl(p.master, TIOCPKT, &on));
	ASSERT_EQ(0, kq_change(self->q.level, p.master, EVFILT_EXCEPT, EV_ADD,
			       NOTE_OOB, 0, NULL));
	ASSERT_NONE(self->q.level);
	ASSERT_EQ(0, tcflush(p.slave, TCIFLUSH));
	ASSERT_EVENT(self->q.level, p.master, EVFILT_EXCEPT, ANY, 0, NOTE_OOB);
	ASSERT_EQ(1, read(p.master, &c, 1));
	ASSERT_EQ(TIOCPKT_FLUSHREAD, c);
	ASSERT_NONE(self->q.level);
}

/* Devices and directories, which poll(2) calls always ready, are accepted and always ready. */
TEST_F(fd, always_ready)
{
	static const char * const path[] = { "/dev/null", "/dev/zero", "/", "/proc" };
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(path); i++) {
		fd = open(path[i], O_RDONLY | O_CLOEXEC);
		ASSERT_EQ(0, kq_set(self->q.level, fd, EVFILT_READ, EV_ADD));
		ASSERT_READY(self->q.level, fd, EVFILT_READ, ANY);
		ASSERT_READY(self->q.level, fd, EVFILT_READ, ANY);
		ASSERT_EQ(0, kq_set(self->q.level, fd, EVFILT_READ, EV_DELETE));
		ASSERT_EQ(0, kq_set(self->q.level, fd, EVFILT_WRITE, EV_ADD));
		ASSERT_READY(self->q.level, fd, EVFILT_WRITE, ANY);
		close(fd);
		ASSERT_NONE(self->q.level);
	}
}

/* What is no open descriptor is EBADF: O_PATH, closed and impossible numbers. */
TEST_F(fd, bad_descriptors)
{
	int path = open("/", O_PATH | O_CLOEXEC);
	int closed = dup(path);
	const uintptr_t bad[] = {
		path, closed, INT_MAX, (uintptr_t)INT_MAX + 1, -1, -2,
		((uintptr_t)1 << 32) + self->q.edge,
	};
	unsigned int i;

	close(closed);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_EQ(EBADF, kq_set(self->q.level, bad[i], EVFILT_READ, EV_ADD));
		ASSERT_EQ(EBADF, kq_set(self->q.level, bad[i], EVFILT_WRITE, EV_ADD));
	}
	ASSERT_NONE(self->q.level);
}

/* EMPTY is for sockets only. */
TEST_F(fd, empty_needs_socket)
{
	int fd = eventfd(1, EFD_CLOEXEC);

	ASSERT_EQ(EINVAL, kq_set(self->q.level, fd, EVFILT_EMPTY, EV_ADD));
	ASSERT_EQ(ENOENT, kq_set(self->q.level, fd, EVFILT_EMPTY, EV_DELETE));
}

TEST_HARNESS_MAIN
