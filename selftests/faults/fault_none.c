// SPDX-License-Identifier: BSD-2-Clause
/*
 * No memory at all: nothing new can be made, and that is all. What there is
 * can be changed, fires, is collected, removed and closed.
 */
#include "fault.h"
#include "sources.h"

FIXTURE(none)
{
	struct fault f;
	struct sources all;
	int kq;
	int ctl;		/* make-it-fail of this thread */
};

FIXTURE_SETUP(none)
{
	const char *why = fault_setup(&self->f);

	if (why)
		SKIP(_exit(255), "%s", why);
	self->ctl = open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, self->ctl);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_TRUE(sources_open(&self->all));
}

FIXTURE_TEARDOWN(none)
{
	EXPECT_EQ(1, write(self->ctl, "0", 1));
	EXPECT_TRUE(fault_done(&self->f));
	close_range(3, ~0U, 0);
	EXPECT_TRUE(all_freed());
}

/* Between these, every allocation of the thread fails: see whether it does. */
static void no_memory(int ctl)
{
	if (write(ctl, "1", 1) != 1 || open("/dev/null", O_RDONLY) >= 0 ||
	    errno != ENOMEM)
		_exit(1);
}

static void memory(int ctl)
{
	if (write(ctl, "0", 1) != 1)
		_exit(1);
}

/* Try to make every registration. How many gave the error @want? */
static int add_all(int kq, const struct sources *all, int flags, int want, int *tried)
{
	int i, k, n = 0;

	*tried = 2;
	for (i = 0; i < all->n; i++)
		for (k = 0; all->s[i].filter[k]; k++, ++*tried)
			n += kq_set(kq, all->s[i].fd, all->s[i].filter[k], flags) == want;
	n += kq_set(kq, 1, EVFILT_USER, flags) == want;
	n += kq_change(kq, 1, EVFILT_TIMER, flags, NOTE_SECONDS, 1000, NULL) == want;
	return n;
}

/* Register everything there is. Returns how many there are, or -1. */
static int add_everything(int kq, const struct sources *all, int flags)
{
	int tried, n = add_all(kq, all, flags, 0, &tried);

	return n == tried ? n : -1;
}

/* Nothing can be registered or opened, and it leaves no trace. */
TEST_F(none, nothing_new)
{
	int refused, tried, kq, err;

	no_memory(self->ctl);
	refused = add_all(self->kq, &self->all, EV_ADD, ENOMEM, &tried);
	kq = open("/dev/kevent", O_RDWR | O_CLOEXEC);
	err = errno;
	memory(self->ctl);
	EXPECT_EQ(tried, refused);
	EXPECT_EQ(-1, kq);
	EXPECT_EQ(ENOMEM, err);
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
	EXPECT_EQ(tried, add_everything(self->kq, &self->all, EV_ADD));
	EXPECT_EQ(tried, fdinfo_knotes(self->kq));
}

/* What there is can be modified, disabled, enabled and deleted. */
TEST_F(none, changes)
{
	int modified, disabled, enabled, deleted, tried;

	ASSERT_LT(0, add_everything(self->kq, &self->all, EV_ADD));
	no_memory(self->ctl);
	modified = add_all(self->kq, &self->all, EV_ADD, 0, &tried);
	disabled = add_all(self->kq, &self->all, EV_DISABLE, 0, &tried);
	enabled = add_all(self->kq, &self->all, EV_ENABLE, 0, &tried);
	deleted = add_all(self->kq, &self->all, EV_DELETE, 0, &tried);
	memory(self->ctl);
	EXPECT_EQ(tried, modified);
	EXPECT_EQ(tried, disabled);
	EXPECT_EQ(tried, enabled);
	EXPECT_EQ(tried, deleted);
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
}

/* Events come, the same as with memory, level-triggered and for the last time. */
TEST_F(none, collecting)
{
	static struct kevent ev[OUT_MOST];
	int with, without, again, last;
	int tried = add_everything(self->kq, &self->all, EV_ADD | EV_ONESHOT);

	ASSERT_LT(0, tried);
	no_memory(self->ctl);
	without = kq_collect(self->kq, ev, OUT_MOST);
	again = kq_collect(self->kq, ev, OUT_MOST);
	memory(self->ctl);
	EXPECT_LT(tried / 2, without);
	EXPECT_EQ(0, again);
	EXPECT_EQ(tried - without, fdinfo_knotes(self->kq));

	/* One-shot knotes are gone; made anew, they give as many. */
	EXPECT_EQ(tried, add_everything(self->kq, &self->all, EV_ADD));
	with = kq_collect(self->kq, ev, OUT_MOST);
	no_memory(self->ctl);
	last = kq_collect(self->kq, ev, OUT_MOST);
	memory(self->ctl);
	EXPECT_EQ(without, with);
	EXPECT_EQ(with, last);
}

/* Descriptors and queues can be closed, which removes all that belongs to them. */
TEST_F(none, closing)
{
	int i, closed = 0, left;

	ASSERT_LT(0, add_everything(self->kq, &self->all, EV_ADD));
	no_memory(self->ctl);
	for (i = 0; i < self->all.n; i++)
		closed += !close(self->all.s[i].fd);
	memory(self->ctl);
	left = fdinfo_knotes(self->kq);
	EXPECT_EQ(self->all.n, closed);
	/* The trigger and the timer. */
	EXPECT_EQ(2, left);
	no_memory(self->ctl);
	i = close(self->kq);
	memory(self->ctl);
	EXPECT_EQ(0, i);
}

TEST_HARNESS_MAIN
