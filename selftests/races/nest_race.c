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
 * A walk goes through all that is connected. Let many queues watch one, so that
 * most of the time of a change is the walk through them, and close them all
 * meanwhile. The change itself is refused: it would be too deep.
 */
#define PARENTS	32

struct crowd {
	int parent[PARENTS];
	int child;
	int chain[DEPTH];
};

static bool parents_open(struct crowd *c)
{
	int i, err = 0;

	for (i = 0; i < PARENTS; i++) {
		c->parent[i] = kq_open();
		err |= nest(c->parent[i], c->child);
	}
	return !err;
}

static void parents_close(void *arg)
{
	struct crowd *c = arg;
	int i;

	for (i = 0; i < PARENTS; i++)
		close(c->parent[i]);
}

FIXTURE(nest_walk)
{
	struct crowd c;
	struct duel d;
};

FIXTURE_SETUP(nest_walk)
{
	struct crowd *c = &self->c;
	int i;

	c->child = kq_open();
	for (i = 0; i < DEPTH; i++) {
		c->chain[i] = kq_open();
		ASSERT_EQ(0, i ? nest(c->chain[i], c->chain[i - 1]) : 0);
	}
	ASSERT_TRUE(duel_open(&self->d, parents_close, c));
}

FIXTURE_TEARDOWN(nest_walk)
{
	int i;

	duel_close(&self->d);
	close(self->c.child);
	for (i = 0; i < DEPTH; i++)
		close(self->c.chain[i]);
	EXPECT_TRUE(all_freed());
}

/* Queues are closed while another is about to be linked to what they watch. */
TEST_F_TIMEOUT(nest_walk, while_closed, RACE_TIMEOUT)
{
	struct rounds r = { .least = 40 };
	struct crowd *c = &self->c;
	int err = 0;

	while (next_round(&r)) {
		ASSERT_TRUE(parents_open(c));
		DUEL(&self->d, err = nest(c->child, c->chain[DEPTH - 1]));
		ASSERT_EQ(ELOOP, err);
		ASSERT_EQ(DEPTH - 1, kq_counter("knotes"));
	}
	EXPECT_ROUNDS(&r);
}

TEST_HARNESS_MAIN
