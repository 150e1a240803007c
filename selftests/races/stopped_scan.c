// SPDX-License-Identifier: BSD-2-Clause
/*
 * A scan that stands still in the middle of storing its events, since their
 * memory is served by userfaultfd: what others do meanwhile to what it has in
 * its hands, and to the rest of the queue. So races that are a matter of luck
 * elsewhere are certain here. That nobody waits for the scan is proved by the
 * test's own thread: it does these things, and would never get to where the scan
 * goes on.
 *
 * Two events are collected. The first has been stored and is settled; the second
 * has not when the scan stops, and nothing that its delivery brings about has
 * been done.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "peers.h"
#include "stopped.h"
#include "uring.h"

/* Two pipes with a byte in each are watched. */
FIXTURE(stopped)
{
	struct stopped s;
	const char *missing;
	int kq;
	int a[2];
	int b[2];
};

FIXTURE_VARIANT(stopped)
{
	int flags;
	int left;		/* knotes, after both have been delivered */
	int again;		/* events in the next call */
};

FIXTURE_VARIANT_ADD(stopped, level)
{
	.flags = 0, .left = 2, .again = 2,
};

FIXTURE_VARIANT_ADD(stopped, edge)
{
	.flags = EV_CLEAR, .left = 2, .again = 0,
};

FIXTURE_VARIANT_ADD(stopped, oneshot)
{
	.flags = EV_ONESHOT, .left = 0, .again = 0,
};

FIXTURE_VARIANT_ADD(stopped, dispatch)
{
	.flags = EV_DISPATCH, .left = 2, .again = 0,
};

FIXTURE_SETUP(stopped)
{
	signal(SIGPIPE, SIG_IGN);
	self->missing = stopped_open(&self->s);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, pipe2(self->a, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(0, pipe2(self->b, O_CLOEXEC | O_NONBLOCK));
	ASSERT_TRUE(tell(self->a[1]));
	ASSERT_TRUE(tell(self->b[1]));
	ASSERT_EQ(0, kq_change(self->kq, self->a[0], EVFILT_READ, EV_ADD | variant->flags,
			       0, 0, UD(1)));
	ASSERT_EQ(0, kq_change(self->kq, self->b[0], EVFILT_READ, EV_ADD | variant->flags,
			       0, 0, UD(2)));
}

FIXTURE_TEARDOWN(stopped)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* The call that was stopped has delivered both. */
#define EXPECT_BOTH(s) do {						\
	const struct stopped *s_ = (s);					\
									\
	ASSERT_EQ(2, s_->ret);						\
	EXPECT_EQ(UD(1), s_->ev[0].udata);				\
	EXPECT_EQ(UD(2), s_->ev[1].udata);				\
	EXPECT_EQ(1, s_->ev[0].data);					\
	EXPECT_EQ(1, s_->ev[1].data);					\
} while (0)

/* Nothing happens: both are delivered, once or again, as their flags say. */
TEST_F(stopped, undisturbed)
{
	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(variant->left, fdinfo_knotes(self->kq));
	EXPECT_EQ(variant->again, kq_count(self->kq));
}

/* The source fires: it does not wait, and its edge is not lost. */
TEST_F(stopped, source_fires)
{
	struct kevent ev[2];
	int n = variant->flags == EV_CLEAR ? 1 : variant->again;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(tell(self->b[1]));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	ASSERT_EQ(n, kq_collect(self->kq, ev, 2));
	if (n)
		EXPECT_EQ(2, ev[0].udata == UD(2) ? ev[0].data : ev[1].data);
}

/*
 * Who polls the queue, edge-triggered, is told of that as well if it is news: the
 * call that is under way returns what was before.
 */
TEST_F(stopped, source_fires_polled)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(EPOLL_CLOEXEC), news = variant->flags == EV_CLEAR;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->kq, &ev));
	ASSERT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(tell(self->b[1]));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(news, epoll_wait(ep, &ev, 1, news ? LIMIT_MS : 0));
	close(ep);
}

/*
 * The descriptor whose event is on its way is closed: its registration is gone
 * at once, and the file when the scan goes on.
 */
TEST_F(stopped, descriptor_closed)
{
	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->b[0]));
	EXPECT_EQ(variant->left ? 1 : 0, fdinfo_knotes(self->kq));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(variant->left ? 1 : 0, fdinfo_knotes(self->kq));
	EXPECT_EQ(variant->again ? 1 : 0, kq_count(self->kq));
	EXPECT_FALSE(tell(self->b[1]));
	EXPECT_EQ(EPIPE, errno);
}

/* Another descriptor is closed: when close() returns, the file is released. */
TEST_F(stopped, other_descriptor_closed)
{
	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->a[0]));
	EXPECT_FALSE(tell(self->a[1]));
	EXPECT_EQ(EPIPE, errno);
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(variant->left ? 1 : 0, fdinfo_knotes(self->kq));
	EXPECT_EQ(variant->again ? 1 : 0, kq_count(self->kq));
}

/*
 * A thread of io_uring closes it, which may have no way back to user space and
 * then leaves the rest to a work. That does not wait for the scan either.
 */
TEST_F(stopped, descriptor_closed_by_io_uring)
{
	struct io_uring ring;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	if (io_uring_queue_init(1, &ring, 0))
		SKIP(return, "no io_uring here");
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, uring_close(&ring, self->b[0], IOSQE_ASYNC));
	EXPECT_TRUE(WAIT_FOR(fdinfo_knotes(self->kq) == (variant->left ? 1 : 0)));
	EXPECT_TRUE(tell(self->b[1]));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(variant->again ? 1 : 0, kq_count(self->kq));
	EXPECT_FALSE(tell(self->b[1]));
	EXPECT_EQ(EPIPE, errno);
}

/* Its number is used for another file, whose registration is another one. */
TEST_F(stopped, number_reused)
{
	struct kevent ev[2];
	int other[2];

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, pipe2(other, O_CLOEXEC | O_NONBLOCK));
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->a[0]));
	ASSERT_EQ(self->b[0], dup2(other[0], self->b[0]));
	ASSERT_EQ(0, kq_change(self->kq, self->b[0], EVFILT_READ, EV_ADD, 0, 0, UD(3)));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(tell(other[1]));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ(UD(3), ev[0].udata);
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ(UD(3), ev[0].udata);
}

/* It is deleted: no call that begins after that returns the event. */
TEST_F(stopped, deleted)
{
	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, kq_set(self->kq, self->a[0], EVFILT_READ, EV_ADD));
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	EXPECT_EQ(0, kq_set(self->kq, self->b[0], EVFILT_READ, EV_DELETE));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->b[0], EVFILT_READ, EV_DELETE));
	EXPECT_EQ(variant->left ? 1 : 0, fdinfo_knotes(self->kq));
	EXPECT_EQ(variant->again ? 1 : 0, kq_count(self->kq));
	ASSERT_TRUE(resume_call(&self->s));
	ASSERT_EQ(2, self->s.ret);
	EXPECT_EQ(variant->left ? 1 : 0, fdinfo_knotes(self->kq));
	EXPECT_EQ(variant->again ? 1 : 0, kq_count(self->kq));
}

/* It is deleted and registered again: that is another one, and has its own event. */
TEST_F(stopped, deleted_and_added)
{
	struct kevent ev[2];

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->a[0]));
	ASSERT_EQ(0, kq_set(self->kq, self->b[0], EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, kq_change(self->kq, self->b[0], EVFILT_READ, EV_ADD, 0, 0, UD(3)));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ(UD(3), ev[0].udata);
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ(UD(3), ev[0].udata);
}

/* It is added again: that is not lost with an event that is its last. */
TEST_F(stopped, added)
{
	struct kevent ev[2];

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->a[0]));
	ASSERT_EQ(0, kq_change(self->kq, self->b[0], EVFILT_READ, EV_ADD | variant->flags,
			       0, 0, UD(5)));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	/* By adding it alone it is not enabled. */
	if (variant->flags == EV_DISPATCH)
		ASSERT_EQ(0, kq_set(self->kq, self->b[0], EVFILT_READ, EV_ENABLE));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ(variant->flags == EV_DISPATCH ? NULL : UD(5), ev[0].udata);
}

/* It is disabled, which does not take the event back; enabled, it is there again. */
TEST_F(stopped, disabled)
{
	struct kevent ev[2];

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, kq_change(self->kq, self->b[0], EVFILT_READ, EV_DISABLE, 0, 0, UD(4)));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(variant->again ? 1 : 0, kq_count(self->kq));
	if (!variant->left)
		return;
	ASSERT_EQ(0, close(self->a[0]));
	ASSERT_TRUE(tell(self->b[1]));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_change(self->kq, self->b[0], EVFILT_READ, EV_ENABLE | EV_KEEPUDATA,
			       0, 0, NULL));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ(UD(4), ev[0].udata);
	EXPECT_EQ(2, ev[0].data);
}

/* Nothing else in the queue waits: changes, events, times. */
TEST_F(stopped, others_go_on)
{
	struct kevent ev[2];

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->a[0]));
	EXPECT_EQ(0, kq_wait(self->kq, ev, 2, 10));
	ASSERT_EQ(0, kq_change(self->kq, 5, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, UD(5)));
	ASSERT_EQ(0, kq_trigger(self->kq, 5));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ(5, ev[0].ident);
	ASSERT_EQ(0, kq_change(self->kq, 6, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS,
			       1, UD(6)));
	ASSERT_EQ(1, kq_wait(self->kq, ev, 2, LIMIT_MS));
	EXPECT_EQ(6, ev[0].ident);
	ASSERT_EQ(0, kq_set(self->kq, 5, EVFILT_USER, EV_DELETE));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
}

static int act_poll(struct meanwhile *m)
{
	struct pollfd pfd = { .fd = m->kq, .events = POLLIN };

	return poll(&pfd, 1, -1) != 1 || pfd.revents != POLLIN;
}

/* Somebody polls, and finds nothing: what the scan leaves wakes, or what comes next. */
TEST_F(stopped, polled)
{
	struct meanwhile m = { .act = act_poll, .kq = self->kq };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->a[0]));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_poll));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	if (!variant->again) {
		ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
		ASSERT_EQ(0, kq_trigger(self->kq, 1));
	}
	EXPECT_TRUE(meanwhile_ends(&m));
}

/* The queue is closed: the call that was stopped still has its events. */
TEST_F(stopped, queue_closed)
{
	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->kq));
	ASSERT_TRUE(tell(self->b[1]));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_TRUE(all_freed());
}

/* Both are closed, the queue last or first. */
TEST_F(stopped, both_closed)
{
	bool queue_first = variant->again;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(queue_first ? self->kq : self->b[0]));
	ASSERT_EQ(0, close(queue_first ? self->b[0] : self->kq));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_FALSE(tell(self->b[1]));
	EXPECT_TRUE(all_freed());
}

/* Others collect what the scan does not have, as often as their flags say. */
TEST_F(stopped, collected_by_another)
{
	struct kevent ev[2];

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(variant->again ? 1 : 0, kq_collect(self->kq, ev, 2));
	if (variant->again)
		EXPECT_EQ(UD(1), ev[0].udata);
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(variant->again, kq_count(self->kq));
}

/* A thread that sleeps is told of what the scan leaves. */
TEST_F(stopped, waiter_is_told)
{
	struct waiter w;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->a[0]));
	ASSERT_TRUE(waiter_start(&w, self->kq, 1, -1));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	if (!variant->again) {
		ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
		ASSERT_EQ(0, kq_trigger(self->kq, 1));
	}
	ASSERT_TRUE(waiter_join(&w));
	EXPECT_EQ(variant->again ? (uintptr_t)self->b[0] : 1, w.ev[0].ident);
}

/* And of what comes while the scan stands still, before it goes on. */
TEST_F(stopped, waiter_is_told_meanwhile)
{
	struct waiter w;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL));
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->a[0]));
	ASSERT_TRUE(waiter_start(&w, self->kq, 1, -1));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_TRUE(waiter_join(&w));
	EXPECT_EQ(1, w.ev[0].ident);
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
}

/*
 * Seen from outside, the queue may look empty, and nobody waits for the scan.
 * But who sleeps for that reason is told of what it leaves.
 */
TEST_F(stopped, looked_at_from_outside)
{
	struct pollfd pfd = { .fd = self->kq, .events = POLLIN };
	int outer = kq_open();
	struct waiter w;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, kq_set(outer, 1, EVFILT_USER, EV_ADD));
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, close(self->a[0]));
	ASSERT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, kq_set(outer, self->kq, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, outer, 1, -1));
	ASSERT_TRUE(resume_call(&self->s));
	EXPECT_BOTH(&self->s);
	if (!variant->again)
		ASSERT_EQ(0, kq_trigger(outer, 1));
	ASSERT_TRUE(waiter_join(&w));
	EXPECT_EQ(variant->again ? (uintptr_t)self->kq : 1, w.ev[0].ident);
	if (variant->again)
		EXPECT_EQ(1, w.ev[0].data);
	EXPECT_EQ(variant->again > 0, poll(&pfd, 1, 0));
	close(outer);
}

/* A process that is killed in it has nothing left, and the peers see it. */
TEST_F(stopped, killed)
{
	int go[2], p[2], kq;
	pid_t pid;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, pipe2(go, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		kq = kq_open();
		if (stopped_open(&self->s) || !tell(p[1]) ||
		    kq_set(kq, p[0], EVFILT_READ, EV_ADD | variant->flags) ||
		    kq_set(kq, go[1], EVFILT_WRITE, EV_ADD | variant->flags) ||
		    !stop_scan(&self->s, kq) || !tell(go[1]))
			_exit(1);
		pause();
	}
	close(p[0]);
	close(self->kq);
	ASSERT_TRUE(hear(go[0]));
	EXPECT_EQ(variant->left ? 2 : 1, kq_counter("knotes"));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_TRUE(all_freed());
	EXPECT_FALSE(tell(p[1]));
	EXPECT_EQ(EPIPE, errno);
}

/* Two user events, both edges; the second is on its way when it is triggered again. */
TEST(user_triggered_again)
{
	struct stopped s = {};
	const char *missing = stopped_open(&s);
	int i, kq = kq_open();
	struct kevent ev[2];

	if (missing)
		SKIP(return, "%s", missing);
	for (i = 1; i <= 2; i++) {
		ASSERT_EQ(0, kq_set(kq, i, EVFILT_USER, EV_ADD | EV_CLEAR));
		ASSERT_EQ(0, kq_change(kq, i, EVFILT_USER, 0, NOTE_TRIGGER, 10, NULL));
	}
	ASSERT_TRUE(stop_scan(&s, kq));
	ASSERT_EQ(0, kq_change(kq, 2, EVFILT_USER, 0, NOTE_TRIGGER, 20, NULL));
	EXPECT_EQ(0, kq_count(kq));
	ASSERT_TRUE(resume_call(&s));
	ASSERT_EQ(2, s.ret);
	EXPECT_EQ(10, s.ev[1].data);
	ASSERT_EQ(1, kq_collect(kq, ev, 2));
	EXPECT_EQ(2, ev[0].ident);
	EXPECT_EQ(20, ev[0].data);
	EXPECT_EQ(0, kq_count(kq));
	close(kq);
	EXPECT_TRUE(all_freed());
}

/* A timer is set anew while its event is on its way: it counts from 0, once. */
TEST(timer_set_anew)
{
	struct stopped s = {};
	const char *missing = stopped_open(&s);
	int kq = kq_open();
	struct kevent ev[2];

	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, kq_set(kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_trigger(kq, 1));
	ASSERT_EQ(0, kq_change(kq, 2, EVFILT_TIMER, EV_ADD, NOTE_NSECONDS, 1, NULL));
	ASSERT_TRUE(wait_poll(kq, POLLIN));
	ASSERT_TRUE(WAIT_FOR(fdinfo_queued(kq) == 2));
	ASSERT_TRUE(stop_scan(&s, kq));
	ASSERT_EQ(0, kq_change(kq, 2, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 3600, NULL));
	ASSERT_TRUE(resume_call(&s));
	ASSERT_EQ(2, s.ret);
	EXPECT_LE(1, s.ev[1].data);
	EXPECT_EQ(0, kq_count(kq));
	ASSERT_EQ(0, kq_change(kq, 2, EVFILT_TIMER, EV_ADD, NOTE_NSECONDS, 1, NULL));
	ASSERT_EQ(1, kq_wait(kq, ev, 2, LIMIT_MS));
	EXPECT_LE(1, ev[0].data);
	close(kq);
	EXPECT_TRUE(all_freed());
}

TEST_HARNESS_MAIN
