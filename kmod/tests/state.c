// SPDX-License-Identifier: GPL-2.0
/*
 * The states of a registration: whatever is done to one, in whatever order,
 * does what it does to the model.
 */

#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "fixture.h"
#include "model.h"

#define PROPERTIES	(EV_ONESHOT | EV_CLEAR | EV_RECEIPT | EV_DISPATCH)

/* All that a change may say; and all bits that it may have. */
#define ALL_CHANGES	0x0400u

/* Registrations of a queue, and of how many steps a trail is kept. */
#define NR_REGS		3
#define TRAIL		32

/* What can be done: one of these, or a change with some flags. */
#define STEP_FIRE	0x10000u
#define STEP_QUIET	0x20000u
#define STEP_COLLECT	0x30000u
#define STEP_KIND	0x30000u
#define STEP_REFUSED	0x40000u	/* by its filter, if that is COUNT */
#define STEP_REG(n)	((n) << 20)

/**
 * struct rig - registrations and their models, side by side
 * @test: the test
 * @fix: its fixture
 * @models: those of the first @nr sources
 * @nr: how many
 * @changes: a number for each change, from which its values are made
 * @trail: the last steps, for who has to find out
 * @steps: how many there were since the last reset
 */
struct rig {
	struct kunit *test;
	struct fixture *fix;
	struct model models[NR_REGS];
	unsigned int nr;
	u32 changes;
	u32 trail[TRAIL];
	unsigned int steps;
};

static void rig_print_step(struct rig *rig, u32 step)
{
	unsigned int reg = step >> 20;

	switch (step & STEP_KIND) {
	case STEP_FIRE:
		kunit_err(rig->test, "  fire %u\n", reg);
		break;
	case STEP_QUIET:
		kunit_err(rig->test, "  quiet %u\n", reg);
		break;
	case STEP_COLLECT:
		kunit_err(rig->test, "  collect\n");
		break;
	default:
		kunit_err(rig->test, "  change %u: flags %#x%s\n", reg,
			  step & 0xffff, step & STEP_REFUSED ? ", refused" : "");
	}
}

/* Say what is wrong and how it came to be. */
static bool rig_fail(struct rig *rig, const char *what, s64 got, s64 want)
{
	unsigned int i = rig->steps > TRAIL ? rig->steps - TRAIL : 0;

	KUNIT_FAIL(rig->test, "%s: %lld instead of %lld, filter %d, after:",
		   what, got, want, rig->models[0].key.filter);
	for (; i < rig->steps; i++)
		rig_print_step(rig, rig->trail[i % TRAIL]);
	return false;
}

static struct rig *rig_new(struct kunit *test, unsigned int nr)
{
	struct rig *rig = kunit_kzalloc(test, sizeof(*rig), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, rig);
	fixture_make_sources(test, nr);
	rig->test = test;
	rig->fix = test->priv;
	rig->nr = nr;
	return rig;
}

/* Remove all registrations and begin anew with those of @filter. */
static bool rig_reset(struct rig *rig, s16 filter)
{
	unsigned int i;
	int ret;

	for (i = 0; i < rig->nr; i++) {
		if (rig->models[i].exists) {
			ret = change_flags(rig->fix->kq, i,
					   rig->models[i].key.filter, EV_DELETE);
			if (ret)
				return rig_fail(rig, "delete", ret, 0);
		}
		source_quiet(&rig->fix->sources[i]);
		model_init(&rig->models[i], i, filter);
	}
	rig->steps = 0;
	if (kqueue_has_ready(rig->fix->kq))
		return rig_fail(rig, "queue without any looks ready", 1, 0);
	return true;
}

static bool rig_change(struct rig *rig, struct model *m, u32 step)
{
	u32 n = ++rig->changes;
	struct kevent_record kev = {
		.ident = m->key.ident,
		.filter = m->key.filter,
		.flags = step,
		.fflags = step & STEP_REFUSED ? TOUCH_FAILS : n << 8,
		.data = ~(s64)n,
		.udata = n * 3ull << 20,
		.ext = { n + 1, n + 2, n + 3, n + 4 },
	};
	int got, want;

	want = model_change(m, &kev);
	got = change(rig->fix->kq, &kev);
	return got == want || rig_fail(rig, "change", got, want);
}

/* How many events the models have, and which is that of @ident. */
static unsigned int rig_expect(struct rig *rig, struct kevent_record *want,
			       bool *due)
{
	unsigned int i, n = 0;

	for (i = 0; i < rig->nr; i++) {
		due[i] = model_collect(&rig->models[i], &want[i]);
		want[i].ident = i;
		want[i].filter = rig->models[i].key.filter;
		n += due[i];
	}
	return n;
}

/*
 * Each expected event once, with all its members, and no other. The queue must
 * have looked ready before if there are any, and not if there are none after.
 */
static bool rig_collect(struct rig *rig)
{
	struct kevent_record want[NR_REGS];
	bool due[NR_REGS];
	bool ready = kqueue_has_ready(rig->fix->kq);
	struct kevent_record *ev = rig->fix->ev;
	int n = rig_expect(rig, want, due);
	int got, i;
	u64 reg;

	got = collect(rig->fix->kq, ev, COLLECT_MAX);
	if (got != n)
		return rig_fail(rig, "events", got, n);
	if (n && !ready)
		return rig_fail(rig, "queue with events looks ready", 0, 1);
	if (!n && kqueue_has_ready(rig->fix->kq))
		return rig_fail(rig, "queue without events looks ready", 1, 0);

	for (i = 0; i < n; i++) {
		reg = ev[i].ident;
		if (reg >= rig->nr || !due[reg])
			return rig_fail(rig, "event again or of nobody", reg, -1);
		due[reg] = false;
		if (ev[i].flags != want[reg].flags)
			return rig_fail(rig, "flags", ev[i].flags,
					want[reg].flags);
		if (ev[i].data != want[reg].data)
			return rig_fail(rig, "data", ev[i].data,
					want[reg].data);
		if (memcmp(&ev[i], &want[reg], sizeof(*want)))
			return rig_fail(rig, "udata", ev[i].udata,
					want[reg].udata);
	}
	return true;
}

/* Do it to the registration and to the model; false if they differ. */
static bool rig_step(struct rig *rig, u32 step)
{
	unsigned int reg = step >> 20;
	struct model *m = &rig->models[reg];

	rig->trail[rig->steps++ % TRAIL] = step;
	switch (step & STEP_KIND) {
	case STEP_FIRE:
		model_fire(m);
		source_fire(&rig->fix->sources[reg]);
		return true;
	case STEP_QUIET:
		model_quiet(m);
		source_quiet(&rig->fix->sources[reg]);
		return true;
	case STEP_COLLECT:
		return rig_collect(rig);
	default:
		return rig_change(rig, m, step);
	}
}

static bool rig_steps(struct rig *rig, const u32 *steps, unsigned int n)
{
	for (; n; n--, steps++)
		if (!rig_step(rig, *steps))
			return false;
	return true;
}

static const s16 kinds[] = { EVFILT_TEST_COUNT, EVFILT_TEST_LEVEL };

/* --- All sequences of some steps ------------------------------------------ */

static const u32 sequence_steps[] = {
	STEP_FIRE, STEP_QUIET, STEP_COLLECT, EV_ENABLE, EV_DISABLE, EV_ADD,
	EV_FORCEONESHOT, EV_DELETE, STEP_REFUSED | EV_ENABLE,
};

/* Steps after the one that makes the registration. */
#define SEQUENCE_LENGTH	3

/* Number @n of all sequences, beginning with EV_ADD and @flags. */
static bool run_sequence(struct rig *rig, s16 filter, bool ready, u16 flags,
			 unsigned int n)
{
	unsigned int i;

	if (!rig_reset(rig, filter))
		return false;
	if (ready && !rig_step(rig, STEP_FIRE))
		return false;
	if (!rig_step(rig, EV_ADD | flags))
		return false;
	for (i = 0; i < SEQUENCE_LENGTH; i++) {
		if (!rig_step(rig, sequence_steps[n % ARRAY_SIZE(sequence_steps)]))
			return false;
		n /= ARRAY_SIZE(sequence_steps);
	}
	/* What was kept in the dark comes to light. */
	return rig_step(rig, STEP_COLLECT) && rig_step(rig, EV_ENABLE) &&
	       rig_step(rig, STEP_COLLECT);
}

/* In every other one, the source is ready from the start. */
static bool run_sequences(struct rig *rig, s16 filter, bool ready, u16 flags)
{
	unsigned int i, n = 1;

	for (i = 0; i < SEQUENCE_LENGTH; i++)
		n *= ARRAY_SIZE(sequence_steps);
	for (i = 0; i < n; i++)
		if (!run_sequence(rig, filter, ready ^ (i & 1), flags, i))
			return false;
	return true;
}

/*
 * Each combination of properties, made enabled or disabled, ready or not, goes
 * through all sequences as the model does. The two filters take turns, and so
 * do sources that are ready from the start with such that are not.
 */
static void state_sequences(struct kunit *test)
{
	struct rig *rig = rig_new(test, 1);
	unsigned int flags;
	u32 turn = 0;

	collect_begin();
	for (flags = 0; flags < ALL_CHANGES; flags++) {
		if (flags & ~(EV_ONESHOT | EV_CLEAR | EV_DISPATCH | EV_DISABLE))
			continue;
		turn++;
		if (!run_sequences(rig, kinds[turn % 2], turn & 2, flags))
			break;
	}
	collect_end();
}

/* --- All changes in some states ------------------------------------------- */

/* How a registration gets into a state, with properties and without. */
static const u32 states[][4] = {
	{ 0 },					/* there is none */
	{ EV_ADD },				/* nothing happened */
	{ EV_ADD, STEP_FIRE },			/* queued */
	{ EV_ADD, STEP_FIRE, STEP_QUIET },	/* queued for nothing */
	{ EV_ADD, STEP_FIRE, STEP_COLLECT },	/* collected */
	{ EV_ADD, EV_DISABLE },			/* disabled */
	{ EV_ADD, EV_DISABLE, STEP_FIRE },	/* disabled, then fired */
	{ EV_ADD, STEP_FIRE, EV_DISABLE },	/* fired, then disabled */
	/* the same, and a thread has seen it: it is on no list any more */
	{ EV_ADD, EV_DISABLE, STEP_FIRE, STEP_COLLECT },
	{ EV_ADD, EV_DISABLE, EV_FORCEONESHOT },
};

static bool enter_state(struct rig *rig, const u32 *state, u16 properties)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(states[0]) && state[i]; i++)
		if (!rig_step(rig, state[i] == EV_ADD ? EV_ADD | properties :
							state[i]))
			return false;
	return true;
}

/* One change in one state, and what becomes visible of it. */
static bool run_change(struct rig *rig, s16 filter, const u32 *state,
		       u16 properties, u16 flags)
{
	static const u32 look[] = {
		STEP_COLLECT, STEP_FIRE, STEP_COLLECT, EV_ENABLE, STEP_COLLECT,
	};

	return rig_reset(rig, filter) &&
	       enter_state(rig, state, properties) &&
	       rig_step(rig, flags) &&
	       rig_steps(rig, look, ARRAY_SIZE(look));
}

/* Those changes of which the number of flags is even, or odd. */
static bool run_changes(struct rig *rig, bool odd, s16 filter, u16 properties)
{
	unsigned int state, flags;

	for (state = 0; state < ARRAY_SIZE(states); state++)
		for (flags = 0; flags < ALL_CHANGES; flags++)
			if (hweight32(flags) % 2 == odd &&
			    !run_change(rig, filter, states[state], properties,
					flags))
				return false;
	return true;
}

/*
 * A change with any of the 1024 combinations of flags, in any state, of two
 * kinds of registrations each.
 */
static void state_changes(struct kunit *test)
{
	struct rig *rig = rig_new(test, 1);

	collect_begin();
	if (run_changes(rig, false, EVFILT_TEST_LEVEL, 0) &&
	    run_changes(rig, true, EVFILT_TEST_LEVEL, EV_ONESHOT) &&
	    run_changes(rig, true, EVFILT_TEST_COUNT, EV_CLEAR))
		run_changes(rig, false, EVFILT_TEST_COUNT, EV_DISPATCH);
	collect_end();
}

/* Bits that no change may have are refused, those of an event are ignored. */
static void state_other_bits(struct kunit *test)
{
	struct rig *rig = rig_new(test, 1);
	unsigned int state, bit;

	collect_begin();
	for (state = 0; state < ARRAY_SIZE(states); state++)
		for (bit = ALL_CHANGES; bit <= 0x8000; bit <<= 1)
			if (!run_change(rig, EVFILT_TEST_COUNT, states[state],
					0, bit) ||
			    !run_change(rig, EVFILT_TEST_COUNT, states[state],
					0, bit | EV_ADD | EV_CLEAR))
				goto out;
out:
	collect_end();
}

/* --- Long ways of several ------------------------------------------------- */

#define WALKS		60
#define WALK_LENGTH	400

/* Mostly what keeps registrations alive. */
static u32 random_step(struct rnd_state *rnd)
{
	u32 reg = STEP_REG(prandom_u32_state(rnd) % NR_REGS);
	u32 n = prandom_u32_state(rnd);

	switch (prandom_u32_state(rnd) % 8) {
	case 0:
	case 1:
		return reg | STEP_FIRE;
	case 2:
		return reg | STEP_QUIET;
	case 3:
	case 4:
		return STEP_COLLECT;
	case 5:
		return reg | EV_ADD | (n & (PROPERTIES | EV_DISABLE));
	case 6:
		return reg | (n & 1 ? EV_ENABLE : EV_DISABLE) |
		       (n & 14 ? 0 : STEP_REFUSED);
	default:
		return reg | (n % ALL_CHANGES);
	}
}

static bool run_walk(struct rig *rig, struct rnd_state *rnd, s16 filter)
{
	unsigned int i;

	if (!rig_reset(rig, filter))
		return false;
	for (i = 0; i < WALK_LENGTH; i++)
		if (!rig_step(rig, random_step(rnd)))
			return false;
	return true;
}

/* Long random sequences, always the same, with several in one queue. */
static void state_walks(struct kunit *test)
{
	struct rig *rig = rig_new(test, NR_REGS);
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, 1);
	collect_begin();
	for (i = 0; i < WALKS; i++)
		if (!run_walk(rig, &rnd, kinds[i % 2]))
			break;
	collect_end();
}

/* --- Order ---------------------------------------------------------------- */

#define NR_LEVEL	20

/* Level-triggered ones take turns: none comes twice before all have come. */
static void state_round_robin(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct kevent_record *ev = fix->ev;
	unsigned int seen[NR_LEVEL] = {};
	unsigned int i, round;
	int n, total = 0;

	fixture_make_sources(test, NR_LEVEL);
	for (i = 0; i < NR_LEVEL; i++) {
		KUNIT_ASSERT_EQ(test, change_flags(fix->kq, i, EVFILT_TEST_LEVEL,
						   EV_ADD), 0);
		source_fire(&fix->sources[i]);
	}
	/* Not a divisor of their number. */
	for (round = 0; total < 3 * NR_LEVEL; round++) {
		n = collect(fix->kq, ev, 3);
		KUNIT_ASSERT_EQ(test, n, 3);
		for (i = 0; i < n; i++) {
			KUNIT_EXPECT_EQ(test, seen[ev[i].ident],
					total / NR_LEVEL);
			seen[ev[i].ident]++;
			total++;
		}
	}
}

/* What fired first is returned first. */
static void state_first_in_first_out(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct kevent_record *ev = fix->ev;
	unsigned int i;

	fixture_make_sources(test, NR_LEVEL);
	for (i = 0; i < NR_LEVEL; i++)
		KUNIT_ASSERT_EQ(test, change_flags(fix->kq, i, EVFILT_TEST_COUNT,
						   EV_ADD | EV_CLEAR), 0);
	for (i = 0; i < NR_LEVEL; i++)
		source_fire(&fix->sources[i * 7 % NR_LEVEL]);
	KUNIT_ASSERT_EQ(test, collect(fix->kq, ev, COLLECT_MAX), NR_LEVEL);
	for (i = 0; i < NR_LEVEL; i++)
		KUNIT_EXPECT_EQ(test, ev[i].ident, i * 7 % NR_LEVEL);
}

static struct kunit_case state_cases[] = {
	KUNIT_CASE(state_sequences),
	KUNIT_CASE(state_changes),
	KUNIT_CASE(state_other_bits),
	KUNIT_CASE(state_walks),
	KUNIT_CASE(state_round_robin),
	KUNIT_CASE(state_first_in_first_out),
	{}
};

static struct kunit_suite state_suite = {
	.name = "kevent_state",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = state_cases,
};

kunit_test_suite(state_suite);
