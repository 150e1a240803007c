// SPDX-License-Identifier: BSD-2-Clause
/*
 * NOTE_EXCLUSIVE: a wake-up is passed on to another queue if who was woken does not get to
 * it: is killed, stopped or busy, or does not want it any more. And who is woken if the
 * flag comes and goes, beside others that do not have it, and by two things at once.
 */
#include "prefork.h"

#define WORKERS		3

/* What is sooner than this was not passed on by itself. */
#define SOON_MS		(PASS_AFTER_MS - 5)

FIXTURE(exclusive_pass)
{
	struct crew c;
};

FIXTURE_VARIANT(exclusive_pass)
{
	int flags;
};

FIXTURE_VARIANT_ADD(exclusive_pass, level) { .flags = 0 };
FIXTURE_VARIANT_ADD(exclusive_pass, clear) { .flags = EV_CLEAR };
FIXTURE_VARIANT_ADD(exclusive_pass, dispatch) { .flags = EV_DISPATCH };

FIXTURE_SETUP(exclusive_pass)
{
	self->c = (struct crew){
		.source = SOURCE_UNIX,
		.flags = variant->flags,
		.fflags = NOTE_EXCLUSIVE,
		.manual = true,
	};
	ASSERT_TRUE(crew_open(&self->c));
	ASSERT_TRUE(crew_start(&self->c, WORKERS));
}

FIXTURE_TEARDOWN(exclusive_pass)
{
	crew_end(&self->c);
	EXPECT_TRUE(all_freed());
}

/* Something comes while all wait. Who tells of it first; -1: nobody. */
static int offer(struct crew *c)
{
	return crew_calm(c) && crew_offer(c) ? crew_event(c) : -1;
}

/* One of the first @n is woken by that, the others of them are not. */
static bool wakes_one(struct crew *c, int n)
{
	int i, who = offer(c);

	if (who < 0 || !crew_take(c))
		return false;
	for (i = 0; i < n; i++)
		if (i != who && !c->w[i].away && !slept_on(c, i))
			return false;
	return true;
}

/* Who was woken has other things to do: after a while another is woken, and takes it. */
TEST_F(exclusive_pass, busy)
{
	struct crew *c = &self->c;
	int i, j;

	ASSERT_TRUE(PROVEN(wakes_one(c, WORKERS)));
	i = offer(c);
	ASSERT_LE(0, i);
	j = crew_event(c);
	ASSERT_LE(0, j);
	ASSERT_NE(i, j);
	EXPECT_TRUE(worker_do(c, j, TAKE));
	EXPECT_FALSE(worker_do(c, i, TAKE));
	EXPECT_TRUE(PROVEN(wakes_one(c, WORKERS)));
}

/* If neither gets to it, nor the next, all are woken; not again, or in turn for ever. */
TEST_F(exclusive_pass, all_busy)
{
	struct crew *c = &self->c;
	bool had[WORKERS] = { false };
	char what;
	int i, n;

	ASSERT_LE(0, i = offer(c));
	had[i] = true;
	for (n = 1; n < WORKERS; n++) {
		i = crew_event(c);
		ASSERT_LE(0, i);
		EXPECT_FALSE(had[i]);
		had[i] = true;
	}
	EXPECT_EQ(-1, crew_hear(c, &what, 4 * PASS_AFTER_MS));
	/* Edge-triggered, they rest now, with what has come still there. */
	for (i = 0; i < WORKERS && variant->flags == EV_CLEAR; i++)
		ASSERT_TRUE(worker_goes_on(c, i));
	EXPECT_EQ(-1, crew_hear(c, &what, 4 * PASS_AFTER_MS));
	EXPECT_TRUE(crew_take(c));
	EXPECT_TRUE(PROVEN(wakes_one(c, WORKERS)));
}

/* Who was woken is stopped: another takes it, and nothing is amiss when he goes on. */
TEST_F(exclusive_pass, stopped)
{
	struct crew *c = &self->c;
	int i, j;

	ASSERT_TRUE(PROVEN(wakes_one(c, WORKERS)));
	i = offer(c);
	ASSERT_LE(0, i);
	ASSERT_TRUE(worker_stop(c, i));
	j = crew_event(c);
	ASSERT_LE(0, j);
	EXPECT_TRUE(worker_do(c, j, TAKE));
	EXPECT_TRUE(PROVEN(wakes_one(c, WORKERS)));
	ASSERT_TRUE(worker_continue(c, i));
	EXPECT_FALSE(worker_do(c, i, TAKE));
	EXPECT_TRUE(PROVEN(wakes_one(c, WORKERS)));
	EXPECT_TRUE(PROVEN(offer(c) == i));
}

/* Who was woken is killed: another takes it. */
TEST_F(exclusive_pass, killed)
{
	struct crew *c = &self->c;
	int i, j;

	ASSERT_TRUE(PROVEN(wakes_one(c, WORKERS)));
	i = offer(c);
	ASSERT_LE(0, i);
	worker_kill(c, i);
	j = crew_event(c);
	ASSERT_LE(0, j);
	EXPECT_TRUE(worker_do(c, j, TAKE));
	EXPECT_TRUE(PROVEN(wakes_one(c, WORKERS)));
}

/* It comes to the last soon, where nobody else is there to be woken. */
static bool wakes_soon(struct crew *c, int who)
{
	long long begin;
	bool soon;
	int i;

	if (!crew_calm(c))
		return false;
	begin = ts_ms();
	i = crew_offer(c) ? crew_event(c) : -1;
	soon = ts_ms() - begin < SOON_MS;
	return i == who && worker_do(c, i, TAKE) && soon;
}

/* Those who were stopped, or killed, while they slept are passed over. */
TEST_F(exclusive_pass, away)
{
	struct crew *c = &self->c;
	int i;

	ASSERT_TRUE(crew_calm(c));
	for (i = 0; i < WORKERS - 1; i++)
		ASSERT_TRUE(worker_stop(c, i));
	EXPECT_TRUE(PROVEN(wakes_soon(c, WORKERS - 1)));
	for (i = 0; i < WORKERS - 1; i++)
		ASSERT_TRUE(worker_continue(c, i));
	EXPECT_TRUE(PROVEN(wakes_one(c, WORKERS)));
	ASSERT_TRUE(crew_calm(c));
	for (i = 0; i < WORKERS - 1; i++)
		worker_kill(c, i);
	EXPECT_TRUE(PROVEN(wakes_soon(c, WORKERS - 1)));
}

/* All but one have been disabled since there was something, and sleep. */
static bool passes_over_disabled(struct crew *c, int who)
{
	int i;

	if (!crew_calm(c))
		return false;
	for (i = 0; i < WORKERS; i++)
		if (!worker_do(c, i, JOIN))
			return false;
	if (!crew_calm(c))
		return false;
	for (i = 0; i < WORKERS; i++)
		if (i != who && !worker_do(c, i, DISABLE))
			return false;
	return wakes_soon(c, who);
}

/* Those who sleep with the registration disabled are passed over, too. */
TEST_F(exclusive_pass, all_but_one_disabled)
{
	int i;

	/* From the last, or it would be his turn each time. */
	for (i = WORKERS - 1; i >= 0; i--)
		EXPECT_TRUE(PROVEN(passes_over_disabled(&self->c, i)));
}

/*
 * Who was woken does something by which he will not see to it: another is woken at once,
 * not only when the time is over.
 */
static bool passes_soon(struct crew *c, char order)
{
	int i, j = -1;
	long long begin;
	bool soon;

	if (!crew_calm(c))
		return false;
	begin = ts_ms();
	i = crew_offer(c) ? crew_event(c) : -1;
	if (i >= 0 && worker_do(c, i, order))
		j = crew_event(c);
	soon = ts_ms() - begin < SOON_MS;
	return j >= 0 && j != i && worker_do(c, j, TAKE) && worker_do(c, i, JOIN) && soon;
}

/* He closes the descriptor. */
TEST_F(exclusive_pass, closed)
{
	EXPECT_TRUE(PROVEN(passes_soon(&self->c, CLOSE)));
}

/* He removes the registration. */
TEST_F(exclusive_pass, deleted)
{
	EXPECT_TRUE(PROVEN(passes_soon(&self->c, FORGET)));
}

/* He disables it. */
TEST_F(exclusive_pass, disabled)
{
	EXPECT_TRUE(PROVEN(passes_soon(&self->c, DISABLE)));
}

/* He has the flag taken back. */
TEST_F(exclusive_pass, taken_back)
{
	EXPECT_TRUE(PROVEN(passes_soon(&self->c, SHARE)));
}

/* All of us share a CPU, which is ours while we are a real-time thread (needs root). */
static bool share_cpu(struct crew *c)
{
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	for (i = 0; i < c->n; i++)
		if (sched_setaffinity(c->w[i].pid, sizeof(set), &set))
			return false;
	return !sched_setaffinity(0, sizeof(set), &set);
}

static bool hog_cpu(bool hog)
{
	struct sched_param param = { .sched_priority = hog };

	return !sched_setscheduler(0, hog ? SCHED_FIFO : SCHED_OTHER, &param);
}

/* Two things come, before anybody has got to looking at the first: each wakes one. */
static bool two_soon(struct crew *c)
{
	int i = -1, j = -1;
	long long begin;
	bool offered;

	if (!crew_calm(c) || !hog_cpu(true))
		return false;
	begin = ts_ms();
	offered = crew_offer(c) && crew_offer(c);
	if (hog_cpu(false) && offered) {
		i = crew_event(c);
		j = crew_event(c);
	}
	return i >= 0 && j >= 0 && i != j && ts_ms() - begin < SOON_MS;
}

TEST_F(exclusive_pass, two_at_once)
{
	ASSERT_TRUE(share_cpu(&self->c));
	if (!hog_cpu(true) || !hog_cpu(false))
		SKIP(return, "needs the right to be a real-time thread");
	EXPECT_TRUE(PROVEN(two_soon(&self->c)));
}

/* A change takes the flag back, and then all are woken; another gives it again. */
TEST_F(exclusive_pass, changed)
{
	struct crew *c = &self->c;
	int i;

	ASSERT_TRUE(crew_calm(c));
	for (i = 0; i < WORKERS; i++)
		ASSERT_TRUE(worker_do(c, i, SHARE));
	ASSERT_TRUE(crew_calm(c));
	ASSERT_TRUE(crew_offer(c));
	for (i = 0; i < WORKERS; i++)
		EXPECT_LE(0, crew_event(c));
	ASSERT_TRUE(crew_calm(c));
	for (i = 0; i < WORKERS; i++)
		ASSERT_TRUE(worker_do(c, i, JOIN));
	EXPECT_TRUE(PROVEN(wakes_one(c, WORKERS)));
}

/* Both that do not have the flag are woken, and one of the others. */
static bool wakes_beside(struct crew *c)
{
	int i, n, who = -1, beside = 0;

	if (!crew_calm(c) || !crew_offer(c))
		return false;
	for (n = 0; n < 3; n++) {
		i = crew_event(c);
		if (i < 0)
			return false;
		if (i >= WORKERS)
			beside++;
		else
			who = i;
	}
	if (!crew_take(c) || beside != 2)
		return false;
	for (i = 0; i < WORKERS; i++)
		if (i != who && !slept_on(c, i))
			return false;
	return true;
}

TEST_F(exclusive_pass, beside)
{
	self->c.fflags = 0;
	ASSERT_TRUE(crew_start(&self->c, WORKERS + 2));
	EXPECT_TRUE(PROVEN(wakes_beside(&self->c)));
}

TEST_HARNESS_MAIN
