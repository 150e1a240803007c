// SPDX-License-Identifier: BSD-2-Clause
/*
 * A source that stands still: whoever asks it waits until its owner lets it go
 * on. It is an epoll instance, whose poll method takes a mutex which is held by
 * a thread that stores events to memory served by userfaultfd. What a queue is
 * asked to do meanwhile that has nothing to do with this source is done: that
 * the test's own thread gets to the end proves it.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "peers.h"
#include "stopped.h"

/* A queue, an epoll instance with two eventfds that are ready, and a pipe. */
FIXTURE(source)
{
	struct stopped s;
	const char *missing;
	int kq;
	int ep;
	int pipe[2];
};

FIXTURE_SETUP(source)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int i;

	signal(SIGPIPE, SIG_IGN);
	self->missing = stopped_open(&self->s);
	self->kq = kq_open();
	self->ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->kq);
	ASSERT_LE(0, self->ep);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_ADD, eventfd(1, EFD_CLOEXEC), &ev));
	ASSERT_EQ(0, pipe2(self->pipe, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(0, kq_set(self->kq, self->pipe[0], EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, 5, EVFILT_USER, EV_ADD | EV_CLEAR));
}

FIXTURE_TEARDOWN(source)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* The second of two events is stored where it stops. */
static void *epoll_two(void *arg)
{
	struct stopped *s = arg;
	struct epoll_event *ev = (struct epoll_event *)(s->area + PAGE) - 1;

	s->ret = epoll_wait(s->number, ev, 2, 0);
	return NULL;
}

static bool source_stops(struct stopped *s, int ep)
{
	s->number = ep;
	return stop_call(s, epoll_two);
}

static int act_add(struct meanwhile *m)
{
	return kq_change(m->kq, m->fd, EVFILT_READ, EV_ADD, 0, 0, UD(9));
}

static int act_add_in_vain(struct meanwhile *m)
{
	return act_add(m) != EBADF;
}

static int act_disable(struct meanwhile *m)
{
	return kq_set(m->kq, m->fd, EVFILT_READ, EV_DISABLE);
}

/* It looks at the source, and finds it ready. */
static int act_collect(struct meanwhile *m)
{
	struct kevent ev;

	return kq_wait(m->kq, &ev, 1, -1) != 1 || ev.ident != (uintptr_t)m->fd;
}

/* The same, but the queue is closed, or is not: that the call ends is all. */
static int act_collect_whatever(struct meanwhile *m)
{
	struct kevent ev;

	kq_wait(m->kq, &ev, 1, -1);
	return 0;
}

/* Times are kept, other sources are changed and reported, other files closed. */
#define EXPECT_OTHERS_GO_ON() do {					\
	struct kevent ev_[2];						\
									\
	EXPECT_EQ(0, kq_wait(self->kq, ev_, 2, 10));			\
	EXPECT_EQ(0, kq_trigger(self->kq, 5));				\
	EXPECT_EQ(1, kq_collect(self->kq, ev_, 2));			\
	EXPECT_EQ(5, ev_[0].ident);					\
	EXPECT_TRUE(tell(self->pipe[1]));				\
	EXPECT_EQ(1, kq_wait(self->kq, ev_, 2, LIMIT_MS));		\
	EXPECT_EQ((uintptr_t)self->pipe[0], ev_[0].ident);		\
	EXPECT_EQ(0, kq_set(self->kq, 6, EVFILT_USER, EV_ADD));		\
	EXPECT_EQ(0, kq_set(self->kq, 6, EVFILT_USER, EV_DELETE));	\
	EXPECT_EQ(0, close(self->pipe[0]));				\
	EXPECT_FALSE(tell(self->pipe[1]));				\
	EXPECT_EQ(EPIPE, errno);					\
} while (0)

/* It is being registered: nobody else waits, and then it is. */
TEST_F(source, added)
{
	struct meanwhile m = { .act = act_add, .kq = self->kq, .fd = self->ep };
	struct kevent ev[2];

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(source_stops(&self->s, self->ep));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_ioctl));
	EXPECT_OTHERS_GO_ON();
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->ep, EVFILT_READ, EV_DELETE));
	ASSERT_TRUE(resume_call(&self->s));
	ASSERT_TRUE(meanwhile_ends(&m));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ(UD(9), ev[0].udata);
}

/* Its descriptor is closed while it is being registered: nothing is left of it. */
TEST_F(source, closed_while_added)
{
	struct meanwhile m = { .act = act_add_in_vain, .kq = self->kq, .fd = self->ep };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(source_stops(&self->s, self->ep));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_ioctl));
	ASSERT_EQ(0, close(self->ep));
	ASSERT_TRUE(resume_call(&self->s));
	ASSERT_TRUE(meanwhile_ends(&m));
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
}

/*
 * Another thread makes its number that of another file meanwhile, and registers
 * that: it is too late for the first, and the second stays.
 */
TEST_F(source, number_used_again_while_added)
{
	struct meanwhile m = { .act = act_add_in_vain, .kq = self->kq, .fd = self->ep };
	int fd = eventfd(7, EFD_CLOEXEC);
	struct kevent ev[2];

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(source_stops(&self->s, self->ep));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_ioctl));
	ASSERT_EQ(self->ep, dup2(fd, self->ep));
	ASSERT_EQ(0, kq_set(self->kq, self->ep, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_TRUE(meanwhile_ends(&m));
	EXPECT_EQ(3, fdinfo_knotes(self->kq));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ((uintptr_t)self->ep, ev[0].ident);
	EXPECT_EQ(7, ev[0].data);
}

/* The queue is closed while it is being registered. */
TEST_F(source, queue_closed_while_added)
{
	struct meanwhile m = { .act = act_add_in_vain, .kq = self->kq, .fd = self->ep };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(source_stops(&self->s, self->ep));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_ioctl));
	ASSERT_EQ(0, close(self->kq));
	ASSERT_TRUE(resume_call(&self->s));
	ASSERT_TRUE(meanwhile_ends(&m));
	EXPECT_TRUE(all_freed());
}

/* A scan looks at it: nobody else waits, and then it has the event. */
TEST_F(source, looked_at)
{
	struct meanwhile m = { .act = act_collect, .kq = self->kq, .fd = self->ep };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, kq_set(self->kq, self->ep, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(source_stops(&self->s, self->ep));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_ioctl));
	EXPECT_OTHERS_GO_ON();
	ASSERT_TRUE(resume_call(&self->s));
	ASSERT_TRUE(meanwhile_ends(&m));
}

/* A change of its registration waits for the scan that looks at it. */
TEST_F(source, changed_while_looked_at)
{
	struct meanwhile look = { .act = act_collect, .kq = self->kq, .fd = self->ep };
	struct meanwhile m = { .act = act_disable, .kq = self->kq, .fd = self->ep };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, kq_set(self->kq, self->ep, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(source_stops(&self->s, self->ep));
	ASSERT_TRUE(meanwhile_hangs(&look, SYS_ioctl));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_ioctl));
	EXPECT_OTHERS_GO_ON();
	ASSERT_TRUE(resume_call(&self->s));
	ASSERT_TRUE(meanwhile_ends(&look));
	ASSERT_TRUE(meanwhile_ends(&m));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, self->ep, EVFILT_READ, EV_ENABLE));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* It is deleted while a scan looks at it, and registered again after that. */
TEST_F(source, deleted_while_looked_at)
{
	struct meanwhile m = { .act = act_collect_whatever, .kq = self->kq };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, kq_set(self->kq, self->ep, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(source_stops(&self->s, self->ep));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_ioctl));
	EXPECT_EQ(0, kq_set(self->kq, self->ep, EVFILT_READ, EV_DELETE));
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(resume_call(&self->s));
	/* If the scan was told that the source is ready, it has an event, else it waits. */
	ASSERT_EQ(0, kq_trigger(self->kq, 5));
	ASSERT_TRUE(meanwhile_ends(&m));
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, self->ep, EVFILT_READ, EV_ADD));
	EXPECT_LE(1, kq_count(self->kq));
}

/* It is closed while a scan looks at it, and the queue after it. */
TEST_F(source, closed_while_looked_at)
{
	struct meanwhile m = { .act = act_collect_whatever, .kq = self->kq };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, kq_set(self->kq, self->ep, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(source_stops(&self->s, self->ep));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_ioctl));
	ASSERT_EQ(0, close(self->ep));
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
	ASSERT_EQ(0, close(self->kq));
	ASSERT_TRUE(resume_call(&self->s));
	ASSERT_TRUE(meanwhile_ends(&m));
	EXPECT_TRUE(all_freed());
}

TEST_HARNESS_MAIN
