// SPDX-License-Identifier: GPL-2.0
/* The table of filters, to which other modules add. */

#include <linux/bits.h>
#include <linux/limits.h>

#include "fixture.h"

/* Not used by anybody but this file. */
#define EVFILT_FREE	(-124)

static int no_attach(struct knote *kn)
{
	return 0;
}

static void no_detach(struct knote *kn)
{
}

static bool no_event(struct knote *kn, struct kevent_record *kev)
{
	return false;
}

static const struct kevent_filter good = {
	.owner = THIS_MODULE,
	.name = "test",
	.attach = no_attach,
	.detach = no_detach,
	.event = no_event,
};

/* Bit -@filter of the map that programs get. */
static bool in_map(int filter)
{
	u64 map[2];

	kevent_filter_map(map);
	return map[-filter / 64] & BIT_ULL(-filter % 64);
}

/* Only KEVENT_FILTER_MIN to -1 are numbers of filters. */
static void filter_range(struct kunit *test)
{
	static const int bad[] = {
		0, 1, 127, KEVENT_FILTER_MIN - 1, S16_MIN, S16_MAX, INT_MIN,
		INT_MAX,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ(test, kevent_filter_register(bad[i], &good),
				-EINVAL);
		KUNIT_EXPECT_NULL(test, kevent_filter_get(bad[i]));
	}
	KUNIT_ASSERT_EQ(test, kevent_filter_register(KEVENT_FILTER_MIN, &good), 0);
	KUNIT_EXPECT_TRUE(test, in_map(KEVENT_FILTER_MIN));
	KUNIT_EXPECT_PTR_EQ(test, kevent_filter_get(KEVENT_FILTER_MIN), &good);
	kevent_filter_put(&good);
	kevent_filter_unregister(KEVENT_FILTER_MIN, &good);
	KUNIT_EXPECT_FALSE(test, in_map(KEVENT_FILTER_MIN));
}

/* A number that is taken, by the module or by another, stays who has it. */
static void filter_busy(struct kunit *test)
{
	static const int taken[] = {
		EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT, EVFILT_EMPTY,
		EVFILT_VNODE, EVFILT_FS, EVFILT_SIGNAL, EVFILT_PROC,
		EVFILT_PROCDESC, EVFILT_TIMER, EVFILT_USER, EVFILT_TEST_COUNT,
	};
	const struct kevent_filter *owner;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		KUNIT_EXPECT_EQ(test, kevent_filter_register(taken[i], &good),
				-EBUSY);
		/* Nor can somebody else take it away. */
		kevent_filter_unregister(taken[i], &good);
		owner = kevent_filter_get(taken[i]);
		KUNIT_ASSERT_NOT_NULL(test, owner);
		KUNIT_EXPECT_PTR_NE(test, owner, &good);
		kevent_filter_put(owner);
		KUNIT_EXPECT_TRUE(test, in_map(taken[i]));
	}
}

/* A filter without one of the functions that are always called is refused. */
static void filter_missing_function(struct kunit *test)
{
	struct kevent_filter bad[] = { good, good, good };
	unsigned int i;

	bad[0].attach = NULL;
	bad[1].detach = NULL;
	bad[2].event = NULL;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ(test, kevent_filter_register(EVFILT_FREE, &bad[i]),
				-EINVAL);
		KUNIT_EXPECT_FALSE(test, in_map(EVFILT_FREE));
	}
}

/* Descriptors are for the module's own filters. */
static void filter_no_descriptors(struct kunit *test)
{
	struct kevent_filter bad = good;

	bad.flags = KEVENT_FILTER_FD;
	KUNIT_EXPECT_EQ(test, kevent_filter_register(EVFILT_FREE, &bad), -EINVAL);
	KUNIT_EXPECT_NULL(test, kevent_filter_get(EVFILT_FREE));
}

/* The map has a bit for each filter that there is, and no other. */
static void filter_map(struct kunit *test)
{
	const struct kevent_filter *ops;
	u64 map[2];
	int i;

	KUNIT_ASSERT_EQ(test, kevent_filter_register(EVFILT_FREE, &good), 0);
	kevent_filter_map(map);
	KUNIT_EXPECT_FALSE(test, map[0] & 1);
	for (i = 1; i <= -KEVENT_FILTER_MIN; i++) {
		ops = kevent_filter_get(-i);
		KUNIT_EXPECT_EQ_MSG(test, !!(map[i / 64] & BIT_ULL(i % 64)),
				    !!ops, "filter %d", -i);
		if (ops)
			kevent_filter_put(ops);
	}
	KUNIT_EXPECT_TRUE(test, in_map(EVFILT_READ));
	KUNIT_EXPECT_TRUE(test, in_map(EVFILT_EXCEPT));
	KUNIT_EXPECT_TRUE(test, in_map(EVFILT_FREE));
	KUNIT_EXPECT_FALSE(test, in_map(EVFILT_AIO));
	kevent_filter_unregister(EVFILT_FREE, &good);
	KUNIT_EXPECT_FALSE(test, in_map(EVFILT_FREE));
}

/* Programs can use a filter from its registration to its end, and no longer. */
static void filter_life(struct kunit *test)
{
	struct fixture *fix = test->priv;
	unsigned int round;

	for (round = 0; round < 2; round++) {
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 1, EVFILT_FREE,
						   EV_ADD), -EINVAL);
		KUNIT_ASSERT_EQ(test, kevent_filter_register(EVFILT_FREE,
							     &good), 0);
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 1, EVFILT_FREE,
						   EV_ADD), 0);
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 1, EVFILT_FREE,
						   EV_DELETE), 0);
		kevent_filter_unregister(EVFILT_FREE, &good);
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 1, EVFILT_FREE,
						   EV_ADD), -EINVAL);
	}
}

#if defined(MODULE) && defined(CONFIG_MODULE_UNLOAD)
/* Each knote of a filter keeps its module loaded, until it is gone. */
static void filter_holds_module(struct kunit *test)
{
	struct fixture *fix = test->priv;
	int users = module_refcount(THIS_MODULE);

	fixture_make_sources(test, 3);
	KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 0, EVFILT_TEST_COUNT,
					   EV_ADD), 0);
	KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 1, EVFILT_TEST_LEVEL,
					   EV_ADD), 0);
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), users + 2);

	/* What fails holds nothing: there is no such source, no such knote. */
	KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 3, EVFILT_TEST_COUNT,
					   EV_ADD), -ENOENT);
	KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 2, EVFILT_TEST_COUNT,
					   EV_DELETE), -ENOENT);
	KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 0, EVFILT_TEST_COUNT,
					   EV_ADD | EV_KEEPUDATA), -EINVAL);
	/* A change of what exists holds no more. */
	KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 0, EVFILT_TEST_COUNT,
					   EV_ADD), 0);
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), users + 2);

	KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 1, EVFILT_TEST_LEVEL,
					   EV_DELETE), 0);
	KUNIT_EXPECT_EQ(test, module_refcount(THIS_MODULE), users + 1);
}
#endif

/* A filter that refuses a knote leaves none, and it was attached nowhere. */
static void filter_refuses(struct kunit *test)
{
	struct fixture *fix = test->priv;

	fixture_make_sources(test, 1);
	KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 7, EVFILT_TEST_COUNT,
					   EV_ADD | EV_FORCEONESHOT), -ENOENT);
	KUNIT_EXPECT_NULL(test, find_knote(fix->kq, 7, EVFILT_TEST_COUNT));
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 0);
	KUNIT_EXPECT_EQ(test, fixture_knotes(fix), 0);
}

static struct kunit_case filter_cases[] = {
	KUNIT_CASE(filter_range),
	KUNIT_CASE(filter_busy),
	KUNIT_CASE(filter_missing_function),
	KUNIT_CASE(filter_no_descriptors),
	KUNIT_CASE(filter_map),
	KUNIT_CASE(filter_life),
#if defined(MODULE) && defined(CONFIG_MODULE_UNLOAD)
	KUNIT_CASE(filter_holds_module),
#endif
	KUNIT_CASE(filter_refuses),
	{}
};

static struct kunit_suite filter_suite = {
	.name = "kevent_filter",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = filter_cases,
};

kunit_test_suite(filter_suite);
