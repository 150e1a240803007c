// SPDX-License-Identifier: BSD-2-Clause
/*
 * A queue as something to wait for: in another queue, in epoll, poll(2),
 * select(2) and io_uring. What goes round in a circle is in nested_cycle.c.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>

#include "expect.h"
#include "uring.h"

#define DEPTH	5	/* how many queues may be in one another */

/* A queue with @n user events, 1 .. @n, that fire at the edge. */
static int user_queue(int n)
{
	int kq = kq_open();
	int i;

	for (i = 1; i <= n; i++)
		if (kq_set(kq, i, EVFILT_USER, EV_ADD | EV_CLEAR))
			return -1;
	return kq;
}

/* Watch the queue @inner in @outer. Returns 0, or the errno. */
static int nest(int outer, int inner)
{
	return kq_set(outer, inner, EVFILT_READ, EV_ADD);
}

/* Let the bottom of the chain be kq[0], and each queue watch the one below. */
static bool chain(int kq[], int n)
{
	int i;

	for (i = 0; i < n; i++) {
		kq[i] = i ? kq_open() : user_queue(1);
		if (kq[i] < 0 || (i && nest(kq[i], kq[i - 1])))
			return false;
	}
	return true;
}

/* An event comes through two levels: the outer queue tells of the inner one, that of its source. */
TEST(two_levels)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int inner = kq_with(fd, EVFILT_READ, EV_ADD, 0, 0);
	int outer = kq_with(inner, EVFILT_READ, EV_ADD, 0, 0);
	__u64 val = 3;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_NONE(outer);
		ASSERT_EQ(sizeof(val), write(fd, &val, sizeof(val)));
		ASSERT_READY(outer, inner, EVFILT_READ, 1);
		ASSERT_READY(inner, fd, EVFILT_READ, 3);
		ASSERT_EQ(sizeof(val), read(fd, &val, sizeof(val)));
		ASSERT_NONE(inner);
	}
	ASSERT_NONE(outer);
}

/* data is the number of events that are queued in the inner queue. */
TEST(counts_events)
{
	int inner = user_queue(4);
	int outer = kq_with(inner, EVFILT_READ, EV_ADD, 0, 0);
	struct kevent ev;
	int i;

	ASSERT_NONE(outer);
	for (i = 1; i <= 4; i++) {
		ASSERT_EQ(0, kq_trigger(inner, i));
		ASSERT_EQ(0, kq_trigger(inner, i));
		ASSERT_READY(outer, inner, EVFILT_READ, i);
	}
	for (i = 3; i >= 0; i--) {
		ASSERT_EQ(1, kq_collect(inner, &ev, 1));
		if (i)
			ASSERT_READY(outer, inner, EVFILT_READ, i);
	}
	ASSERT_NONE(outer);
}

/* With EV_CLEAR the outer queue tells of each new event in the inner one once. */
TEST(edge)
{
	int inner = user_queue(2);
	int outer = kq_with(inner, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0);

	ASSERT_EQ(0, kq_trigger(inner, 1));
	ASSERT_READY(outer, inner, EVFILT_READ, 1);
	ASSERT_QUIET(outer);
	ASSERT_EQ(0, kq_trigger(inner, 2));
	ASSERT_READY(outer, inner, EVFILT_READ, 2);
	ASSERT_QUIET(outer);
	ASSERT_EQ(2, kq_count(inner));
	ASSERT_QUIET(outer);
	ASSERT_EQ(0, kq_trigger(inner, 1));
	ASSERT_READY(outer, inner, EVFILT_READ, 1);
}

/* An event at the bottom of the deepest chain wakes a thread that waits at the top. */
TEST(chain_wakes)
{
	struct waiter w;
	int kq[DEPTH];
	int i;

	ASSERT_TRUE(chain(kq, DEPTH));
	ASSERT_TRUE(waiter_start(&w, kq[DEPTH - 1], 4, -1));
	ASSERT_EQ(0, kq_trigger(kq[0], 1));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	for (i = DEPTH - 1; i > 0; i--)
		ASSERT_READY(kq[i], kq[i - 1], EVFILT_READ, 1);
	ASSERT_READY(kq[0], 1, EVFILT_USER, 0);
	for (i = 0; i < DEPTH; i++)
		ASSERT_NONE(kq[i]);
}

/* Two queues may watch one, and one may watch two that watch the same. */
TEST(diamond)
{
	int bottom = user_queue(1);
	int left = kq_with(bottom, EVFILT_READ, EV_ADD, 0, 0);
	int right = kq_with(bottom, EVFILT_READ, EV_ADD, 0, 0);
	int top = kq_open();
	struct kevent ev[3];
	int n = 0;

	ASSERT_EQ(0, nest(top, left));
	ASSERT_EQ(0, nest(top, right));
	ASSERT_EQ(0, kq_trigger(bottom, 1));
	ASSERT_TRUE(WAIT_FOR((n = kq_collect(top, ev, 3)) == 2));
	ASSERT_NE(ev[0].ident, ev[1].ident);
	ASSERT_READY(left, bottom, EVFILT_READ, 1);
	ASSERT_READY(right, bottom, EVFILT_READ, 1);
}

/* A queue can be read only: other filters refuse it. */
TEST(read_only)
{
	int inner = user_queue(1), outer = kq_open();

	ASSERT_EQ(EINVAL, kq_set(outer, inner, EVFILT_WRITE, EV_ADD));
	ASSERT_EQ(EINVAL, kq_set(outer, inner, EVFILT_EMPTY, EV_ADD));
	ASSERT_EQ(EINVAL, kq_change(outer, inner, EVFILT_EXCEPT, EV_ADD,
				    NOTE_OOB, 0, NULL));
	ASSERT_EQ(ENOENT, kq_set(outer, inner, EVFILT_WRITE, EV_DELETE));
	ASSERT_NONE(outer);
}

/* Cycles of one, two and three queues are ELOOP and leave nothing behind; the rest works on. */
TEST(loops)
{
	int a = user_queue(1), b = user_queue(1), c = user_queue(1);

	ASSERT_EQ(ELOOP, nest(a, a));
	ASSERT_EQ(ELOOP, nest(a, dup(a)));
	ASSERT_EQ(0, nest(a, b));
	ASSERT_EQ(ELOOP, nest(b, a));
	ASSERT_EQ(ELOOP, nest(b, dup(a)));
	ASSERT_EQ(0, nest(b, c));
	ASSERT_EQ(ELOOP, nest(c, a));
	ASSERT_EQ(ELOOP, nest(c, b));
	ASSERT_EQ(ENOENT, kq_set(c, a, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, nest(a, c));
	/* Without its link from a to b, the cycle is none. */
	ASSERT_EQ(0, kq_set(a, b, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, nest(b, a));
	ASSERT_EQ(0, kq_trigger(c, 1));
	ASSERT_READY(a, c, EVFILT_READ, 1);
}

/* A chain of five queues is the deepest, grown at the top, at the bottom or joined. */
TEST(depth_limit)
{
	int kq[DEPTH], three[3], two[2], more = kq_open();

	ASSERT_TRUE(chain(kq, DEPTH));
	ASSERT_EQ(ELOOP, nest(more, kq[DEPTH - 1]));
	ASSERT_EQ(ELOOP, nest(kq[0], more));
	ASSERT_EQ(0, nest(more, kq[DEPTH - 2]));
	ASSERT_TRUE(chain(three, 3));
	ASSERT_TRUE(chain(two, 2));
	ASSERT_EQ(ELOOP, nest(three[0], kq[2]));
	ASSERT_EQ(0, nest(three[0], two[1]));
	ASSERT_EQ(ELOOP, nest(more, three[2]));
}

/* What is deleted or closed no longer counts for the limit. */
TEST(depth_is_given_back)
{
	int kq[DEPTH], more = kq_open();

	ASSERT_TRUE(chain(kq, DEPTH));
	ASSERT_EQ(ELOOP, nest(more, kq[DEPTH - 1]));
	ASSERT_EQ(0, kq_set(kq[1], kq[0], EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, nest(more, kq[DEPTH - 1]));
	ASSERT_EQ(ELOOP, nest(kq[1], kq[0]));
	close(kq[3]);
	ASSERT_EQ(0, nest(kq[1], kq[0]));
	ASSERT_EQ(0, nest(more, kq[2]));
	ASSERT_EQ(0, kq_trigger(kq[0], 1));
	ASSERT_READY(more, kq[2], EVFILT_READ, 1);
}

/* Closing the inner queue takes its events out of the outer one. */
TEST(inner_closed)
{
	int inner = user_queue(1);
	int outer = kq_with(inner, EVFILT_READ, EV_ADD, 0, 0);

	ASSERT_EQ(0, kq_trigger(inner, 1));
	ASSERT_READY(outer, inner, EVFILT_READ, 1);
	close(inner);
	ASSERT_NONE(outer);
	ASSERT_EQ(EBADF, kq_set(outer, inner, EVFILT_READ, EV_DELETE));
}

/* epoll tells of a queue while it has events; at the edge, of each new one. */
TEST(in_epoll)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int level = epoll_create1(EPOLL_CLOEXEC);
	int edge = epoll_create1(EPOLL_CLOEXEC);
	int kq = user_queue(2);
	int i;

	ASSERT_EQ(0, epoll_ctl(level, EPOLL_CTL_ADD, kq, &ev));
	ev.events |= EPOLLET;
	ASSERT_EQ(0, epoll_ctl(edge, EPOLL_CTL_ADD, kq, &ev));
	ASSERT_EQ(0, epoll_wait(level, &ev, 1, 0));
	for (i = 1; i <= 2; i++) {
		ASSERT_EQ(0, kq_trigger(kq, i));
		ASSERT_EQ(1, epoll_wait(level, &ev, 1, LIMIT_MS));
		ASSERT_EQ(1, epoll_wait(level, &ev, 1, LIMIT_MS));
		ASSERT_EQ(EPOLLIN, ev.events);
		ASSERT_EQ(1, epoll_wait(edge, &ev, 1, LIMIT_MS));
		ASSERT_EQ(0, epoll_wait(edge, &ev, 1, QUIET_MS));
	}
	ASSERT_EQ(2, kq_count(kq));
	ASSERT_EQ(0, epoll_wait(level, &ev, 1, 0));
	ASSERT_EQ(0, epoll_wait(edge, &ev, 1, QUIET_MS));
}

/* poll(2) and select(2) tell of a queue while it has events. */
TEST(in_poll_and_select)
{
	struct timeval now = { 0 };
	int kq = user_queue(1);
	struct pollfd pfd = { .fd = kq, .events = POLLIN | POLLOUT };
	fd_set set;

	ASSERT_EQ(0, poll(&pfd, 1, 0));
	FD_ZERO(&set);
	FD_SET(kq, &set);
	ASSERT_EQ(0, select(kq + 1, &set, NULL, NULL, &now));
	ASSERT_EQ(0, kq_trigger(kq, 1));
	ASSERT_EQ(1, poll(&pfd, 1, 0));
	ASSERT_EQ(POLLIN, pfd.revents);
	FD_SET(kq, &set);
	ASSERT_EQ(1, select(kq + 1, &set, NULL, NULL, &now));
	ASSERT_TRUE(FD_ISSET(kq, &set));
	ASSERT_EQ(1, kq_count(kq));
	ASSERT_EQ(0, poll(&pfd, 1, 0));
}

static void *poll_main(void *arg)
{
	struct pollfd *pfd = arg;

	return UD(poll(pfd, 1, LIMIT_MS));
}

/* A thread that sleeps in poll(2) is woken by an event. */
TEST(poll_wakes)
{
	int kq = user_queue(1);
	struct pollfd pfd = { .fd = kq, .events = POLLIN };
	pthread_t thread;
	void *ret;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, pthread_create(&thread, NULL, poll_main, &pfd));
		ASSERT_EQ(0, kq_trigger(kq, 1));
		ASSERT_EQ(0, pthread_join(thread, &ret));
		ASSERT_EQ(UD(1), ret);
		ASSERT_EQ(POLLIN, pfd.revents);
		ASSERT_EQ(1, kq_count(kq));
	}
}

/* Ask the ring to poll @fd once; returns how many requests that were. */
static int ask_to_poll(struct io_uring *ring, int fd)
{
	io_uring_prep_poll_add(io_uring_get_sqe(ring), fd, POLLIN);
	return io_uring_submit(ring);
}

/* io_uring polls a queue: it completes when an event comes, and when the queue is closed. */
TEST(in_io_uring)
{
	int kq = user_queue(1);
	struct io_uring ring;
	int res;

	if (io_uring_queue_init(2, &ring, 0))
		SKIP(return, "no io_uring here");
	ASSERT_EQ(1, ask_to_poll(&ring, kq));
	ASSERT_EQ(0, io_uring_cq_ready(&ring));
	ASSERT_EQ(0, kq_trigger(kq, 1));
	ASSERT_EQ(POLLIN, uring_result(&ring));
	ASSERT_EQ(1, kq_count(kq));
	ASSERT_EQ(1, ask_to_poll(&ring, kq));
	ASSERT_EQ(0, io_uring_cq_ready(&ring));
	close(kq);
	res = uring_result(&ring);
	ASSERT_LE(0, res);
	ASSERT_EQ(POLLERR, res & POLLERR);
	ASSERT_EQ(0, io_uring_cq_ready(&ring));
}

TEST_HARNESS_MAIN
