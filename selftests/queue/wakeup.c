// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who is woken by one queue, in all the ways to wait for it: kevent(), poll(2),
 * epoll. Queues in queues are in wakeup_nested.c.
 *
 * In kevent(), a thread takes an event that is edge-triggered away from the
 * others, while a level goes from one to the next. Nobody takes anything away
 * in poll(2) and epoll_wait(2), which only look.
 */
#include "wakeup.h"

FIXTURE(wakeup)
{
	struct setup s;
};

FIXTURE_VARIANT(wakeup)
{
	struct topology t;
};

/* t0 => q0 -level-> s */
FIXTURE_VARIANT_ADD(wakeup, kevent_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .how = { KEVENT }, .least = 1, .most = 1 },
};

/* t0 => q0 -edge-> s */
FIXTURE_VARIANT_ADD(wakeup, kevent_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .how = { KEVENT }, .least = 1, .most = 1 },
};

/* t0,t1 => q0 -level-> s: the level wakes both, one after the other */
FIXTURE_VARIANT_ADD(wakeup, two_kevent_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .how = { KEVENT, KEVENT },
	       .least = 2, .most = 2 },
};

/* t0,t1 => q0 -edge-> s: one takes the edge, the other sleeps on */
FIXTURE_VARIANT_ADD(wakeup, two_kevent_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .how = { KEVENT, KEVENT },
	       .least = 1, .most = 1 },
};

/* t0 p=> q0 -level-> s */
FIXTURE_VARIANT_ADD(wakeup, poll_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .how = { POLL }, .least = 1, .most = 1 },
};

/* t0 p=> q0 -edge-> s: an edge that nobody collects stays */
FIXTURE_VARIANT_ADD(wakeup, poll_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .how = { POLL }, .least = 1, .most = 1 },
};

/* t0,t1 p=> q0 -level-> s */
FIXTURE_VARIANT_ADD(wakeup, two_poll_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .how = { POLL, POLL },
	       .least = 2, .most = 2 },
};

/* t0,t1 p=> q0 -edge-> s */
FIXTURE_VARIANT_ADD(wakeup, two_poll_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .how = { POLL, POLL },
	       .least = 2, .most = 2 },
};

/* t0 => q0 -level-> s, t1 p=> q0: collecting a level hides it from poll only for a moment */
FIXTURE_VARIANT_ADD(wakeup, kevent_poll_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .how = { KEVENT, POLL },
	       .least = 2, .most = 2 },
};

/* t0 => q0 -edge-> s, t1 p=> q0: t1 sees the edge if it looks before t0 takes it */
FIXTURE_VARIANT_ADD(wakeup, kevent_poll_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .how = { KEVENT, POLL },
	       .least = 1, .most = 2 },
};

/* t0 e=> q0 -level-> s */
FIXTURE_VARIANT_ADD(wakeup, epoll_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .how = { EPOLL }, .least = 1, .most = 1 },
};

/* t0 e=> q0 -edge-> s */
FIXTURE_VARIANT_ADD(wakeup, epoll_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .how = { EPOLL }, .least = 1, .most = 1 },
};

/* t0,t1 e=> q0 -edge-> s: epoll at the level wakes both, since nobody collects */
FIXTURE_VARIANT_ADD(wakeup, two_epoll_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .how = { EPOLL, EPOLL },
	       .least = 2, .most = 2 },
};

/* t0,t1 e=> q0 -level-> s, epoll at the edge: one is woken, whatever the queue's link */
FIXTURE_VARIANT_ADD(wakeup, two_edge_epoll_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .how = { EPOLL_EDGE, EPOLL_EDGE },
	       .least = 1, .most = 1 },
};

/* t0,t1 e=> q0 -edge-> s, epoll at the edge */
FIXTURE_VARIANT_ADD(wakeup, two_edge_epoll_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .how = { EPOLL_EDGE, EPOLL_EDGE },
	       .least = 1, .most = 1 },
};

/* t0 => q0 -level-> s, t1 e=> q0 */
FIXTURE_VARIANT_ADD(wakeup, kevent_epoll_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .how = { KEVENT, EPOLL },
	       .least = 2, .most = 2 },
};

/* t0 => q0 -edge-> s, t1 e=> q0 */
FIXTURE_VARIANT_ADD(wakeup, kevent_epoll_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .how = { KEVENT, EPOLL },
	       .least = 1, .most = 2 },
};

/* t0 => q0 -level-> s,s' */
FIXTURE_VARIANT_ADD(wakeup, fan_kevent_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .fan = true, .how = { KEVENT },
	       .least = 1, .most = 1 },
};

/* t0 => q0 -edge-> s,s' */
FIXTURE_VARIANT_ADD(wakeup, fan_kevent_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .fan = true, .how = { KEVENT },
	       .least = 1, .most = 1 },
};

/* t0,t1 => q0 -level-> s,s' */
FIXTURE_VARIANT_ADD(wakeup, fan_two_kevent_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .fan = true, .how = { KEVENT, KEVENT },
	       .least = 2, .most = 2 },
};

/* t0,t1 => q0 -edge-> s,s': each takes one of the edges */
FIXTURE_VARIANT_ADD(wakeup, fan_two_kevent_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .fan = true, .how = { KEVENT, KEVENT },
	       .least = 2, .most = 2 },
};

/* t0 p=> q0 -edge-> s,s' */
FIXTURE_VARIANT_ADD(wakeup, fan_poll_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .fan = true, .how = { POLL },
	       .least = 1, .most = 1 },
};

/* t0 => q0 -level-> s,s', t1 p=> q0 */
FIXTURE_VARIANT_ADD(wakeup, fan_kevent_poll_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .fan = true, .how = { KEVENT, POLL },
	       .least = 2, .most = 2 },
};

/* t0 => q0 -edge-> s,s', t1 p=> q0: t0 takes one, and the other stays for t1 to see */
FIXTURE_VARIANT_ADD(wakeup, fan_kevent_poll_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .fan = true, .how = { KEVENT, POLL },
	       .least = 2, .most = 2 },
};

/* t0 => q0 -edge-> s,s', t1 e=> q0 */
FIXTURE_VARIANT_ADD(wakeup, fan_kevent_epoll_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .fan = true, .how = { KEVENT, EPOLL },
	       .least = 2, .most = 2 },
};

FIXTURE_SETUP(wakeup)
{
	ASSERT_TRUE(setup(&self->s, &variant->t));
}

FIXTURE_TEARDOWN(wakeup)
{
}

/* The right number of threads is woken, and sees the right thing. */
TEST_F(wakeup, sleeping)
{
	CHECK_WAKEUPS(&self->s);
}

/* Two threads that each took an edge of two have taken different ones. */
TEST(edges_are_shared_out)
{
	struct topology t = {
		.queues = 1, .link = { EDGE }, .fan = true, .how = { KEVENT, KEVENT },
	};
	struct setup s;
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_TRUE(setup(&s, &t));
		ASSERT_TRUE(start_all(&s));
		ASSERT_TRUE(fire(&s));
		ASSERT_TRUE(WAIT_FOR(nr_done(&s) == 2));
		ASSERT_EQ(0, pthread_join(s.sleeper[0].thread, NULL));
		ASSERT_EQ(0, pthread_join(s.sleeper[1].thread, NULL));
		EXPECT_NE(s.sleeper[0].ev.ident, s.sleeper[1].ev.ident);
		EXPECT_EQ(0, kq_count(outermost(&s)));
	}
}

TEST_HARNESS_MAIN
