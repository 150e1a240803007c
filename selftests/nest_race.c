// SPDX-License-Identifier: BSD-2-Clause
/*
 * Queues that are nested by several threads at once: no cycle and no chain
 * that is too deep may come of it, and none may be refused without a reason.
 * And queues that are closed while others walk through them.
 */
#include "peers.h"
#include "races.h"

#define DEPTH	5	/* how many queues may be in one another */

/* Watch the queue @inner in @outer. Returns 0, or the errno. */
static int nest(int outer, int inner)
{
	return kq_set(outer, inner, EVFILT_READ, EV_ADD | EV_CLEAR);
}

static int part(int outer, int inner)
{
	return kq_set(outer, inner, EVFILT_READ, EV_DELETE);
}

/* What the other thread does. */
struct nesting {
	int outer;
	int inner;
	int err;
};

static void do_nest(void *arg)
{
	struct nesting *n = arg;

	n->err = nest(n->outer, n->inner);
}

/* Exactly one of two has worked, and the other is ELOOP. */
static bool one_of(int a, int b)
{
	return (!a && b == ELOOP) || (a == ELOOP && !b);
}

FIXTURE(nest_race)
{
	int kq[2 * DEPTH];
	struct nesting other;
	struct duel d;
	int err;
};

FIXTURE_SETUP(nest_race)
{
	int i;

	for (i = 0; i < 2 * DEPTH; i++) {
		self->kq[i] = kq_open();
		ASSERT_LE(0, self->kq[i]);
	}
	ASSERT_TRUE(duel_open(&self->d, do_nest, &self->other));
}

FIXTURE_TEARDOWN(nest_race)
{
	int i;

	duel_close(&self->d);
	for (i = 0; i < 2 * DEPTH; i++)
		close(self->kq[i]);
	EXPECT_TRUE(all_freed());
}

/* a watches b, b watches a: who comes first wins. */
TEST_F_TIMEOUT(nest_race, cycle_of_two, RACE_TIMEOUT)
{
	struct rounds r = { .least = 100 };
	int a = self->kq[0], b = self->kq[1];

	self->other = (struct nesting){ .outer = b, .inner = a };
	while (next_round(&r)) {
		DUEL(&self->d, self->err = nest(a, b));
		ASSERT_TRUE(one_of(self->err, self->other.err));
		ASSERT_EQ(0, self->err ? part(b, a) : part(a, b));
	}
	EXPECT_ROUNDS(&r);
}

/* Two links of a cycle of four are there, the other two come at once. */
TEST_F_TIMEOUT(nest_race, cycle_of_four, RACE_TIMEOUT)
{
	struct rounds r = { .least = 100 };
	int *q = self->kq;

	ASSERT_EQ(0, nest(q[0], q[1]));
	ASSERT_EQ(0, nest(q[2], q[3]));
	self->other = (struct nesting){ .outer = q[3], .inner = q[0] };
	while (next_round(&r)) {
		DUEL(&self->d, self->err = nest(q[1], q[2]));
		ASSERT_TRUE(one_of(self->err, self->other.err));
		ASSERT_EQ(0, self->err ? part(q[3], q[0]) : part(q[1], q[2]));
	}
	EXPECT_ROUNDS(&r);
}

/* A chain that can take one more queue gets one at both ends. */
TEST_F_TIMEOUT(nest_race, too_deep, RACE_TIMEOUT)
{
	struct rounds r = { .least = 100 };
	int *q = self->kq;
	int i;

	for (i = 1; i < DEPTH - 1; i++)
		ASSERT_EQ(0, nest(q[i], q[i - 1]));
	self->other = (struct nesting){ .outer = q[0], .inner = q[DEPTH] };
	while (next_round(&r)) {
		DUEL(&self->d, self->err = nest(q[DEPTH + 1], q[DEPTH - 2]));
		ASSERT_TRUE(one_of(self->err, self->other.err));
		ASSERT_EQ(0, self->err ? part(q[0], q[DEPTH]) :
					 part(q[DEPTH + 1], q[DEPTH - 2]));
	}
	EXPECT_ROUNDS(&r);
}

/*
 * A walk goes through all that is connected. So let many queues watch one,
 * and be closed and made again while links to and from that one come and go.
 */
#define PARENTS	32

static int parent(int child)
{
	int kq = kq_open();

	if (nest(kq, child)) {
		close(kq);
		return -1;
	}
	return kq;
}

struct crowd {
	int child;
	int kq[PARENTS];
	bool over;
	long rounds;
	bool failed;
};

static void *come_and_go(void *arg)
{
	struct crowd *c = arg;
	int i;

	while (!__atomic_load_n(&c->over, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < PARENTS; i++) {
			close(c->kq[i]);
			c->kq[i] = parent(c->child);
			if (c->kq[i] < 0)
				c->failed = true;
		}
		__atomic_fetch_add(&c->rounds, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

FIXTURE(nest_walk)
{
	int unused;
};

FIXTURE_SETUP(nest_walk)
{
}

FIXTURE_TEARDOWN(nest_walk)
{
	EXPECT_TRUE(all_freed());
}

/* Walks down to the crowd's child and up through the crowd find what they should. */
TEST_F_TIMEOUT(nest_walk, while_closed, RACE_TIMEOUT)
{
	int below = kq_open(), above = kq_open(), i;
	struct crowd c = { .child = kq_open() };
	struct rounds r = { .least = 100 };
	pthread_t thread;

	for (i = 0; i < PARENTS; i++)
		c.kq[i] = parent(c.child);
	ASSERT_EQ(0, pthread_create(&thread, NULL, come_and_go, &c));
	while (next_round(&r) || c.rounds < 2) {
		ASSERT_EQ(0, nest(c.child, below));
		ASSERT_EQ(ELOOP, nest(below, c.child));
		ASSERT_EQ(0, nest(above, c.child));
		ASSERT_EQ(ELOOP, nest(below, above));
		ASSERT_EQ(0, part(above, c.child));
		ASSERT_EQ(0, part(c.child, below));
	}
	EXPECT_ROUNDS(&r);
	__atomic_store_n(&c.over, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_FALSE(c.failed);
	for (i = 0; i < PARENTS; i++)
		close(c.kq[i]);
	close(c.child);
	close(below);
	close(above);
}

TEST_HARNESS_MAIN
