// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who is woken by queues in queues, and by queues within and around epoll.
 * Single queues are in wakeup.c.
 *
 * Unlike epoll, a queue counts what is in it: it tells those around it when
 * something was queued that was not, not each time that a source fires. And a
 * thread that collects from an inner queue takes the event from those outside.
 */
#include "wakeup.h"

FIXTURE(nested)
{
	struct setup s;
};

FIXTURE_VARIANT(nested)
{
	struct topology t;
};

/* t0 => q1 -level-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, kevent_level_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .how = { KEVENT }, .at = { 1 },
	       .least = 1, .most = 1 },
};

/* t0 => q1 -edge-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, kevent_edge_level)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .how = { KEVENT }, .at = { 1 },
	       .least = 1, .most = 1 },
};

/* t0 => q1 -level-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, kevent_level_edge)
{
	.t = { .queues = 2, .link = { EDGE, LEVEL }, .how = { KEVENT }, .at = { 1 },
	       .least = 1, .most = 1 },
};

/* t0 => q1 -edge-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, kevent_edge_edge)
{
	.t = { .queues = 2, .link = { EDGE, EDGE }, .how = { KEVENT }, .at = { 1 },
	       .least = 1, .most = 1 },
};

/* t0 p=> q1 -level-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, poll_level_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .how = { POLL }, .at = { 1 },
	       .least = 1, .most = 1 },
};

/* t0 p=> q1 -edge-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, poll_edge_level)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .how = { POLL }, .at = { 1 },
	       .least = 1, .most = 1 },
};

/* t0 p=> q1 -level-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, poll_level_edge)
{
	.t = { .queues = 2, .link = { EDGE, LEVEL }, .how = { POLL }, .at = { 1 },
	       .least = 1, .most = 1 },
};

/* t0 p=> q1 -edge-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, poll_edge_edge)
{
	.t = { .queues = 2, .link = { EDGE, EDGE }, .how = { POLL }, .at = { 1 },
	       .least = 1, .most = 1 },
};

/* t0,t1 => q1 -level-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, two_kevent_level_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .how = { KEVENT, KEVENT }, .at = { 1, 1 },
	       .least = 2, .most = 2 },
};

/* t0,t1 => q1 -edge-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, two_kevent_edge_level)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .how = { KEVENT, KEVENT }, .at = { 1, 1 },
	       .least = 1, .most = 1 },
};

/* t0,t1 => q1 -level-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, two_kevent_level_edge)
{
	.t = { .queues = 2, .link = { EDGE, LEVEL }, .how = { KEVENT, KEVENT }, .at = { 1, 1 },
	       .least = 2, .most = 2 },
};

/* t0,t1 => q1 -edge-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, two_kevent_edge_edge)
{
	.t = { .queues = 2, .link = { EDGE, EDGE }, .how = { KEVENT, KEVENT }, .at = { 1, 1 },
	       .least = 1, .most = 1 },
};

/* t0 => q1, t1 p=> q1 -level-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, kevent_poll_level_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .how = { KEVENT, POLL }, .at = { 1, 1 },
	       .least = 2, .most = 2 },
};

/* t0 => q1, t1 p=> q1 -edge-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, kevent_poll_edge_level)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .how = { KEVENT, POLL }, .at = { 1, 1 },
	       .least = 1, .most = 2 },
};

/* t0 => q1, t1 p=> q1 -level-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, kevent_poll_level_edge)
{
	.t = { .queues = 2, .link = { EDGE, LEVEL }, .how = { KEVENT, POLL }, .at = { 1, 1 },
	       .least = 2, .most = 2 },
};

/* t0 => q1, t1 p=> q1 -edge-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, kevent_poll_edge_edge)
{
	.t = { .queues = 2, .link = { EDGE, EDGE }, .how = { KEVENT, POLL }, .at = { 1, 1 },
	       .least = 1, .most = 2 },
};

/* t1 => q1 -level-> q0 -level-> s, t0 => q0 */
FIXTURE_VARIANT_ADD(nested, kevent_inside_kevent_outside_level_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .how = { KEVENT, KEVENT }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 => q1 -edge-> q0 -level-> s, t0 => q0 */
FIXTURE_VARIANT_ADD(nested, kevent_inside_kevent_outside_edge_level)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .how = { KEVENT, KEVENT }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 => q1 -level-> q0 -edge-> s, t0 => q0 */
FIXTURE_VARIANT_ADD(nested, kevent_inside_kevent_outside_level_edge)
{
	.t = { .queues = 2, .link = { EDGE, LEVEL }, .how = { KEVENT, KEVENT }, .at = { 0, 1 },
	       .least = 1, .most = 2 },
};

/* t1 => q1 -edge-> q0 -edge-> s, t0 => q0 */
FIXTURE_VARIANT_ADD(nested, kevent_inside_kevent_outside_edge_edge)
{
	.t = { .queues = 2, .link = { EDGE, EDGE }, .how = { KEVENT, KEVENT }, .at = { 0, 1 },
	       .least = 1, .most = 2 },
};

/* t1 => q1 -level-> q0 -level-> s, t0 p=> q0 */
FIXTURE_VARIANT_ADD(nested, poll_inside_kevent_outside_level_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .how = { POLL, KEVENT }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 => q1 -edge-> q0 -level-> s, t0 p=> q0 */
FIXTURE_VARIANT_ADD(nested, poll_inside_kevent_outside_edge_level)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .how = { POLL, KEVENT }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 => q1 -level-> q0 -edge-> s, t0 p=> q0 */
FIXTURE_VARIANT_ADD(nested, poll_inside_kevent_outside_level_edge)
{
	.t = { .queues = 2, .link = { EDGE, LEVEL }, .how = { POLL, KEVENT }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 => q1 -edge-> q0 -edge-> s, t0 p=> q0 */
FIXTURE_VARIANT_ADD(nested, poll_inside_kevent_outside_edge_edge)
{
	.t = { .queues = 2, .link = { EDGE, EDGE }, .how = { POLL, KEVENT }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 p=> q1 -level-> q0 -level-> s, t0 => q0 */
FIXTURE_VARIANT_ADD(nested, kevent_inside_poll_outside_level_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .how = { KEVENT, POLL }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 p=> q1 -edge-> q0 -level-> s, t0 => q0 */
FIXTURE_VARIANT_ADD(nested, kevent_inside_poll_outside_edge_level)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .how = { KEVENT, POLL }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 p=> q1 -level-> q0 -edge-> s, t0 => q0 */
FIXTURE_VARIANT_ADD(nested, kevent_inside_poll_outside_level_edge)
{
	.t = { .queues = 2, .link = { EDGE, LEVEL }, .how = { KEVENT, POLL }, .at = { 0, 1 },
	       .least = 1, .most = 2 },
};

/* t1 p=> q1 -edge-> q0 -edge-> s, t0 => q0 */
FIXTURE_VARIANT_ADD(nested, kevent_inside_poll_outside_edge_edge)
{
	.t = { .queues = 2, .link = { EDGE, EDGE }, .how = { KEVENT, POLL }, .at = { 0, 1 },
	       .least = 1, .most = 2 },
};

/* t1 p=> q1 -level-> q0 -level-> s, t0 p=> q0 */
FIXTURE_VARIANT_ADD(nested, poll_inside_poll_outside_level_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .how = { POLL, POLL }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 p=> q1 -edge-> q0 -level-> s, t0 p=> q0 */
FIXTURE_VARIANT_ADD(nested, poll_inside_poll_outside_edge_level)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .how = { POLL, POLL }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 p=> q1 -level-> q0 -edge-> s, t0 p=> q0 */
FIXTURE_VARIANT_ADD(nested, poll_inside_poll_outside_level_edge)
{
	.t = { .queues = 2, .link = { EDGE, LEVEL }, .how = { POLL, POLL }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t1 p=> q1 -edge-> q0 -edge-> s, t0 p=> q0 */
FIXTURE_VARIANT_ADD(nested, poll_inside_poll_outside_edge_edge)
{
	.t = { .queues = 2, .link = { EDGE, EDGE }, .how = { POLL, POLL }, .at = { 0, 1 },
	       .least = 2, .most = 2 },
};

/* t0 => q1 -level-> q0,q0' -level-> s,s' */
FIXTURE_VARIANT_ADD(nested, fan_kevent_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .fan = true, .how = { KEVENT },
	       .at = { 1 }, .least = 1, .most = 1 },
};

/* t0 => q1 -edge-> q0,q0' -level-> s,s' */
FIXTURE_VARIANT_ADD(nested, fan_kevent_edge)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .fan = true, .how = { KEVENT },
	       .at = { 1 }, .least = 1, .most = 1 },
};

/* t0 p=> q1 -level-> q0,q0' -level-> s,s' */
FIXTURE_VARIANT_ADD(nested, fan_poll_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .fan = true, .how = { POLL }, .at = { 1 },
	       .least = 1, .most = 1 },
};

/* t0 p=> q1 -edge-> q0,q0' -level-> s,s' */
FIXTURE_VARIANT_ADD(nested, fan_poll_edge)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .fan = true, .how = { POLL }, .at = { 1 },
	       .least = 1, .most = 1 },
};

/* t0,t1 => q1 -level-> q0,q0' -level-> s,s' */
FIXTURE_VARIANT_ADD(nested, fan_two_kevent_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .fan = true, .how = { KEVENT, KEVENT },
	       .at = { 1, 1 }, .least = 2, .most = 2 },
};

/* t0,t1 => q1 -edge-> q0,q0' -level-> s,s' */
FIXTURE_VARIANT_ADD(nested, fan_two_kevent_edge)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .fan = true, .how = { KEVENT, KEVENT },
	       .at = { 1, 1 }, .least = 2, .most = 2 },
};

/* t0 => q1, t1 p=> q1 -level-> q0,q0' -level-> s,s' */
FIXTURE_VARIANT_ADD(nested, fan_kevent_poll_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .fan = true, .how = { KEVENT, POLL },
	       .at = { 1, 1 }, .least = 2, .most = 2 },
};

/* t0 => q1, t1 p=> q1 -edge-> q0,q0' -level-> s,s' */
FIXTURE_VARIANT_ADD(nested, fan_kevent_poll_edge)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .fan = true, .how = { KEVENT, POLL },
	       .at = { 1, 1 }, .least = 2, .most = 2 },
};

/* t0,t1 p=> q1 -level-> q0,q0' -level-> s,s' */
FIXTURE_VARIANT_ADD(nested, fan_two_poll_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .fan = true, .how = { POLL, POLL },
	       .at = { 1, 1 }, .least = 2, .most = 2 },
};

/* t0,t1 p=> q1 -edge-> q0,q0' -level-> s,s' */
FIXTURE_VARIANT_ADD(nested, fan_two_poll_edge)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .fan = true, .how = { POLL, POLL },
	       .at = { 1, 1 }, .least = 2, .most = 2 },
};

/* t0 => q2 -level-> q1 -level-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, deep_kevent_level_level_level)
{
	.t = { .queues = 3, .link = { LEVEL, LEVEL, LEVEL }, .how = { KEVENT }, .at = { 2 },
	       .least = 1, .most = 1 },
};

/* t0 => q2 -level-> q1 -edge-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, deep_kevent_level_edge_level)
{
	.t = { .queues = 3, .link = { LEVEL, EDGE, LEVEL }, .how = { KEVENT }, .at = { 2 },
	       .least = 1, .most = 1 },
};

/* t0 => q2 -edge-> q1 -level-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, deep_kevent_edge_level_edge)
{
	.t = { .queues = 3, .link = { EDGE, LEVEL, EDGE }, .how = { KEVENT }, .at = { 2 },
	       .least = 1, .most = 1 },
};

/* t0 => q2 -edge-> q1 -edge-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, deep_kevent_edge_edge_edge)
{
	.t = { .queues = 3, .link = { EDGE, EDGE, EDGE }, .how = { KEVENT }, .at = { 2 },
	       .least = 1, .most = 1 },
};

/* t0,t1 => q2 -level-> q1 -level-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, deep_two_kevent_level_level_level)
{
	.t = { .queues = 3, .link = { LEVEL, LEVEL, LEVEL }, .how = { KEVENT, KEVENT },
	       .at = { 2, 2 }, .least = 2, .most = 2 },
};

/* t0,t1 => q2 -level-> q1 -edge-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, deep_two_kevent_level_edge_level)
{
	.t = { .queues = 3, .link = { LEVEL, EDGE, LEVEL }, .how = { KEVENT, KEVENT },
	       .at = { 2, 2 }, .least = 2, .most = 2 },
};

/* t0,t1 => q2 -edge-> q1 -level-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, deep_two_kevent_edge_level_edge)
{
	.t = { .queues = 3, .link = { EDGE, LEVEL, EDGE }, .how = { KEVENT, KEVENT },
	       .at = { 2, 2 }, .least = 1, .most = 1 },
};

/* t0,t1 => q2 -edge-> q1 -edge-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, deep_two_kevent_edge_edge_edge)
{
	.t = { .queues = 3, .link = { EDGE, EDGE, EDGE }, .how = { KEVENT, KEVENT },
	       .at = { 2, 2 }, .least = 1, .most = 1 },
};

/* t0 p=> q2 -level-> q1 -level-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, deep_poll_level_level_level)
{
	.t = { .queues = 3, .link = { LEVEL, LEVEL, LEVEL }, .how = { POLL }, .at = { 2 },
	       .least = 1, .most = 1 },
};

/* t0 p=> q2 -level-> q1 -edge-> q0 -level-> s */
FIXTURE_VARIANT_ADD(nested, deep_poll_level_edge_level)
{
	.t = { .queues = 3, .link = { LEVEL, EDGE, LEVEL }, .how = { POLL }, .at = { 2 },
	       .least = 1, .most = 1 },
};

/* t0 p=> q2 -edge-> q1 -level-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, deep_poll_edge_level_edge)
{
	.t = { .queues = 3, .link = { EDGE, LEVEL, EDGE }, .how = { POLL }, .at = { 2 },
	       .least = 1, .most = 1 },
};

/* t0 p=> q2 -edge-> q1 -edge-> q0 -edge-> s */
FIXTURE_VARIANT_ADD(nested, deep_poll_edge_edge_edge)
{
	.t = { .queues = 3, .link = { EDGE, EDGE, EDGE }, .how = { POLL }, .at = { 2 },
	       .least = 1, .most = 1 },
};

/* t0,t1 e=> q1 -level-> q0 -level-> s, epoll at the level */
FIXTURE_VARIANT_ADD(nested, two_epoll_outside_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .how = { EPOLL, EPOLL }, .at = { 1, 1 },
	       .least = 2, .most = 2 },
};

/* t0,t1 e=> q1 -edge-> q0 -level-> s, epoll at the level */
FIXTURE_VARIANT_ADD(nested, two_epoll_outside_edge)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .how = { EPOLL, EPOLL }, .at = { 1, 1 },
	       .least = 2, .most = 2 },
};

/* t0,t1 e=> q1 -level-> q0 -level-> s, epoll at the edge */
FIXTURE_VARIANT_ADD(nested, two_epoll_edge_outside_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .how = { EPOLL_EDGE, EPOLL_EDGE },
	       .at = { 1, 1 }, .least = 1, .most = 1 },
};

/* t0,t1 e=> q1 -edge-> q0 -level-> s, epoll at the edge */
FIXTURE_VARIANT_ADD(nested, two_epoll_edge_outside_edge)
{
	.t = { .queues = 2, .link = { LEVEL, EDGE }, .how = { EPOLL_EDGE, EPOLL_EDGE },
	       .at = { 1, 1 }, .least = 1, .most = 1 },
};

/* t0,t1 => q0 -level-> epoll -level-> s */
FIXTURE_VARIANT_ADD(nested, two_kevent_epoll_inside_1_level)
{
	.t = { .queues = 1, .link = { LEVEL }, .inner_epoll = true,
	       .how = { KEVENT, KEVENT }, .at = { 0, 0 }, .least = 2, .most = 2 },
};

/* t0,t1 => q0 -edge-> epoll -level-> s */
FIXTURE_VARIANT_ADD(nested, two_kevent_epoll_inside_1_edge)
{
	.t = { .queues = 1, .link = { EDGE }, .inner_epoll = true,
	       .how = { KEVENT, KEVENT }, .at = { 0, 0 }, .least = 1, .most = 1 },
};

/* t0,t1 => q1 -level-> q0 -level-> epoll -level-> s */
FIXTURE_VARIANT_ADD(nested, two_kevent_epoll_inside_2_level)
{
	.t = { .queues = 2, .link = { LEVEL, LEVEL }, .inner_epoll = true,
	       .how = { KEVENT, KEVENT }, .at = { 1, 1 }, .least = 2, .most = 2 },
};

/* t0,t1 => q1 -edge-> q0 -edge-> epoll -level-> s */
FIXTURE_VARIANT_ADD(nested, two_kevent_epoll_inside_2_edge)
{
	.t = { .queues = 2, .link = { EDGE, EDGE }, .inner_epoll = true,
	       .how = { KEVENT, KEVENT }, .at = { 1, 1 }, .least = 1, .most = 1 },
};

FIXTURE_SETUP(nested)
{
	ASSERT_TRUE(setup(&self->s, &variant->t));
}

FIXTURE_TEARDOWN(nested)
{
}

/* The right number of threads is woken, and sees the right thing. */
TEST_F(nested, sleeping)
{
	CHECK_WAKEUPS(&self->s);
}

/* What one collects: @again tells whether the same event is found a second time. */
static bool collect_one(int kq, int ident, bool again)
{
	struct kevent ev[4];
	int n = kq_wait(kq, ev, 4, LIMIT_MS);

	if (n != 1 || ev[0].ident != (uintptr_t)ident || ev[0].data != 1)
		return false;
	return kq_collect(kq, ev, 4) == again;
}

/*
 * Nobody sleeps: from the outside in, a level is found again and an edge is
 * not; when the source is read and that is seen, nothing is left anywhere.
 */
static bool collect_chain(struct setup *s)
{
	int i, top = s->t->queues - 1;

	if (!fire(s))
		return false;
	for (i = top; i >= 0; i--)
		if (!collect_one(s->kq[0][i], watched(s, 0, i), s->t->link[i] == LEVEL))
			return false;
	calm(s);
	for (i = top; i >= 0; i--)
		if (kq_count(s->kq[0][i]))
			return false;
	return true;
}

FIXTURE(chain)
{
	int unused;
};

FIXTURE_VARIANT(chain)
{
	int queues;
};

/* q1 -?-> q0 -?-> s */
FIXTURE_VARIANT_ADD(chain, two)
{
	.queues = 2,
};

/* q2 -?-> q1 -?-> q0 -?-> s */
FIXTURE_VARIANT_ADD(chain, three)
{
	.queues = 3,
};

FIXTURE_SETUP(chain)
{
}

FIXTURE_TEARDOWN(chain)
{
}

/* All combinations of level and edge. */
TEST_F(chain, collected_from_outside_in)
{
	struct topology t = { .queues = variant->queues };
	struct setup s;
	int i, level;

	for (i = 0; i < 1 << t.queues; i++) {
		for (level = 0; level < t.queues; level++)
			t.link[level] = i & (1 << level) ? EDGE : LEVEL;
		ASSERT_TRUE(setup(&s, &t));
		EXPECT_TRUE(collect_chain(&s) && collect_chain(&s))
			TH_LOG("combination %d", i);
	}
}

TEST_HARNESS_MAIN
