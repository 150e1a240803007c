// SPDX-License-Identifier: BSD-2-Clause
/*
 * A filter that another module adds: the sample of kmod/sample/. Its knotes
 * fire whenever somebody writes a number to the module's parameter "fire",
 * and report how often that was.
 */
#include <kevent.h>

#include "expect.h"
#include "module.h"

#define EVFILT_SAMPLE	(-100)
#define FIRE		"/sys/module/kevent_sample/parameters/fire"

FIXTURE(sample)
{
	const char *ko;
	int kq;
};

FIXTURE_SETUP(sample)
{
	const char *missing = module_missing("KEVENT_SAMPLE_KO");

	if (missing)
		SKIP(return, "KEVENT_SAMPLE_KO %s", missing);
	self->ko = getenv("KEVENT_SAMPLE_KO");
	ASSERT_NE(NULL, self->ko);
	if (!module_loaded("kevent_sample"))
		ASSERT_EQ(0, module_load(self->ko, ""));
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(sample)
{
	if (!self->ko)
		return;
	close(self->kq);
	if (module_loaded("kevent_sample"))
		EXPECT_EQ(0, module_unload("kevent_sample"));
}

/* Write to the parameter so many times. */
static bool fire(int times)
{
	while (times--)
		if (write_number(FIRE, 1))
			return false;
	return true;
}

static bool has_sample(int kq)
{
	struct kevent_info info;

	return !kqueue_info(kq, &info) && kqueue_has_filter(&info, EVFILT_SAMPLE);
}

/* The event has the count since the last one; EV_CLEAR need not be asked for. */
TEST_F(sample, counts)
{
	struct kevent ev;

	if (!self->ko)
		return;
	ASSERT_EQ(0, kq_change(self->kq, 7, EVFILT_SAMPLE, EV_ADD, 0, 0, UD(70)));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(fire(3));
	ASSERT_EQ(1, kq_collect(self->kq, &ev, 1));
	EXPECT_EQ(7, ev.ident);
	EXPECT_EQ(EVFILT_SAMPLE, ev.filter);
	EXPECT_EQ(EV_CLEAR, ev.flags);
	EXPECT_EQ(3, ev.data);
	EXPECT_EQ(70, UD_NUM(&ev));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(fire(1));
	ASSERT_READY(self->kq, 7, EVFILT_SAMPLE, 1);
	ASSERT_NONE(self->kq);
}

/* A thread that waits is woken. */
TEST_F(sample, wakes)
{
	struct waiter w;

	if (!self->ko)
		return;
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_SAMPLE, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, self->kq, 4, -1));
	ASSERT_TRUE(fire(1));
	ASSERT_TRUE(waiter_join(&w));
	EXPECT_EQ(1, w.ret);
	EXPECT_EQ(1, w.ev[0].data);
}

/* All knotes fire, of any ident, in any queue. */
TEST_F(sample, reaches_all)
{
	int kq2;

	if (!self->ko)
		return;
	kq2 = kq_open();
	ASSERT_EQ(0, kq_set(self->kq, 0, EVFILT_SAMPLE, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, UINTPTR_MAX, EVFILT_SAMPLE, EV_ADD));
	ASSERT_EQ(0, kq_set(kq2, 5, EVFILT_SAMPLE, EV_ADD));
	ASSERT_TRUE(fire(2));
	EXPECT_EQ(2, kq_count(self->kq));
	ASSERT_READY(kq2, 5, EVFILT_SAMPLE, 2);
	close(kq2);
}

/* A deleted knote fires no more, a disabled one when it is enabled. */
TEST_F(sample, delete_and_disable)
{
	if (!self->ko)
		return;
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_SAMPLE, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_SAMPLE, EV_ADD | EV_DISABLE));
	ASSERT_TRUE(fire(1));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_SAMPLE, EV_DELETE));
	ASSERT_TRUE(fire(1));
	ASSERT_NONE(self->kq);
	EXPECT_EQ(ENOENT, kq_set(self->kq, 1, EVFILT_SAMPLE, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_SAMPLE, EV_ENABLE));
	ASSERT_READY(self->kq, 2, EVFILT_SAMPLE, 2);
}

/* A knote keeps the filter's module loaded: by delete or close it is free. */
TEST_F(sample, unload_refused_while_used)
{
	int kq2;

	if (!self->ko)
		return;
	kq2 = kq_open();
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_SAMPLE, EV_ADD));
	ASSERT_EQ(0, kq_set(kq2, 1, EVFILT_SAMPLE, EV_ADD));
	EXPECT_EQ(EWOULDBLOCK, module_unload("kevent_sample"));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_SAMPLE, EV_DELETE));
	EXPECT_EQ(EWOULDBLOCK, module_unload("kevent_sample"));
	ASSERT_TRUE(fire(1));
	ASSERT_READY(kq2, 1, EVFILT_SAMPLE, 1);
	ASSERT_EQ(0, close(kq2));
	EXPECT_EQ(0, module_unload("kevent_sample"));
}

/* Kevent itself cannot be unloaded while another module adds to it. */
TEST_F(sample, holds_kevent)
{
	if (!self->ko)
		return;
	if (!module_loaded("kevent"))
		SKIP(return, "kevent is built in");
	ASSERT_EQ(0, close(self->kq));
	EXPECT_EQ(EWOULDBLOCK, module_unload("kevent"));
	self->kq = kq_open();
}

/* The queue's list of filters has the filter while the module is loaded. */
TEST_F(sample, comes_and_goes)
{
	if (!self->ko)
		return;
	EXPECT_TRUE(has_sample(self->kq));
	ASSERT_EQ(0, module_unload("kevent_sample"));
	EXPECT_FALSE(has_sample(self->kq));
	EXPECT_EQ(EINVAL, kq_set(self->kq, 1, EVFILT_SAMPLE, EV_ADD));
	ASSERT_EQ(0, module_load(self->ko, ""));
	EXPECT_TRUE(has_sample(self->kq));
	EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_SAMPLE, EV_ADD));
	ASSERT_TRUE(fire(1));
	ASSERT_READY(self->kq, 1, EVFILT_SAMPLE, 1);
}

TEST_HARNESS_MAIN
