// SPDX-License-Identifier: BSD-2-Clause
/* EVFILT_USER: the flag operations, and when a trigger comes through. */
#include "common.h"

FIXTURE(user)
{
	int kq;
	struct kevent ev[64];
};

FIXTURE_SETUP(user)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(user)
{
	close(self->kq);
}

/* Change user event 1. Returns 0, or the errno. */
static int change(int kq, int flags, unsigned int fflags)
{
	return kq_change(kq, 1, EVFILT_USER, flags, fflags, 0, NULL);
}

/* NOTE_FFNOP, AND, OR and COPY do what they say to the 24 flags, and no more. */
TEST_F(user, flag_operations)
{
	static const struct {
		unsigned int op;
		unsigned int want;
	} step[] = {
		{ NOTE_FFCOPY | 0xff00ff, 0xff00ff },
		{ NOTE_FFNOP | 0x00ff00, 0xff00ff },
		{ NOTE_FFOR | 0x000f00, 0xff0fff },
		{ NOTE_FFAND | 0x0f0f0f, 0x0f0f0f },
		{ NOTE_FFAND | 0, 0 },
		{ NOTE_FFOR | 0x3effffff, 0xffffff },
		{ NOTE_FFCOPY | 0x3e000001, 0x000001 },
	};
	size_t i;

	ASSERT_EQ(0, change(self->kq, EV_ADD | EV_CLEAR, 0x123456));
	ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(0x123456, self->ev[0].fflags);
	for (i = 0; i < ARRAY_SIZE(step); i++) {
		/* Once together with the trigger, once before it. */
		ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER | step[i].op));
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
		EXPECT_EQ(step[i].want, self->ev[0].fflags) TH_LOG("step %zu", i);
		ASSERT_EQ(0, change(self->kq, 0, step[i].op));
		EXPECT_EQ(0, kq_count(self->kq));
		ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER));
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
		EXPECT_EQ(step[i].want, self->ev[0].fflags) TH_LOG("step %zu", i);
	}
}

/* The flags outlive a delivery, also with EV_CLEAR: operations build on them. */
TEST_F(user, flags_stay)
{
	ASSERT_EQ(0, change(self->kq, EV_ADD | EV_CLEAR, 0));
	ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER | NOTE_FFOR | 1));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(1, self->ev[0].fflags);
	ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER | NOTE_FFOR | 2));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(3, self->ev[0].fflags);
}

/* data is what the last change said. */
TEST_F(user, last_data)
{
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_USER, EV_ADD, 0, -5, NULL));
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, INT64_MIN, NULL));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(INT64_MIN, self->ev[0].data);
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_USER, 0, NOTE_FFNOP, 77, NULL));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(77, self->ev[0].data);
}

/* NOTE_TRIGGER in the EV_ADD that creates the event does not fire it. */
TEST_F(user, add_trigger_new)
{
	ASSERT_EQ(0, change(self->kq, EV_ADD, NOTE_TRIGGER));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, change(self->kq, EV_ADD, NOTE_TRIGGER));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* Without EV_CLEAR a triggered event comes until it is deleted. */
TEST_F(user, level)
{
	int i;

	ASSERT_EQ(0, change(self->kq, EV_ADD, 0));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(0, change(self->kq, EV_DELETE, 0));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* With EV_CLEAR each trigger comes once. */
TEST_F(user, clear)
{
	int i;

	ASSERT_EQ(0, change(self->kq, EV_ADD | EV_CLEAR, 0));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER));
		EXPECT_EQ(1, kq_count(self->kq));
		EXPECT_EQ(0, kq_count(self->kq));
	}
}

/* With EV_ONESHOT the first trigger is the last. */
TEST_F(user, oneshot)
{
	ASSERT_EQ(0, change(self->kq, EV_ADD | EV_ONESHOT, 0));
	ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(ENOENT, change(self->kq, 0, NOTE_TRIGGER));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* Triggers that nobody has collected are one event, their flags combined. */
TEST_F(user, merge)
{
	int i;

	ASSERT_EQ(0, change(self->kq, EV_ADD | EV_CLEAR, 0));
	for (i = 0; i < 24; i++)
		ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER | NOTE_FFOR | 1U << i));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(NOTE_FFLAGSMASK, self->ev[0].fflags);
	EXPECT_EQ(0, kq_count(self->kq));
}

/* A change that has EV_CLEAR takes its own trigger back. */
TEST_F(user, clear_and_trigger)
{
	ASSERT_EQ(0, change(self->kq, EV_ADD, 0));
	ASSERT_EQ(0, change(self->kq, EV_CLEAR, NOTE_TRIGGER));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, change(self->kq, EV_ADD | EV_CLEAR, NOTE_TRIGGER));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* A change that has EV_CLEAR takes back a trigger of before. */
TEST_F(user, clear_takes_back)
{
	ASSERT_EQ(0, change(self->kq, EV_ADD, 0));
	ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER));
	EXPECT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(0, change(self->kq, EV_CLEAR, 0));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* Changes of flags, and EV_ADD again, leave a pending trigger pending. */
TEST_F(user, modify_keeps_trigger)
{
	ASSERT_EQ(0, change(self->kq, EV_ADD | EV_CLEAR, 0));
	ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER));
	ASSERT_EQ(0, change(self->kq, 0, NOTE_FFCOPY | 9));
	ASSERT_EQ(0, change(self->kq, EV_ADD, 0));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(9, self->ev[0].fflags);
	EXPECT_EQ(0, kq_count(self->kq));
}

/* A trigger can enable at the same time, or be kept for later. */
TEST_F(user, disabled)
{
	ASSERT_EQ(0, change(self->kq, EV_ADD | EV_CLEAR | EV_DISABLE, 0));
	ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, change(self->kq, EV_ENABLE, 0));
	EXPECT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(0, change(self->kq, EV_DISABLE, NOTE_TRIGGER));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, change(self->kq, EV_ENABLE, NOTE_TRIGGER));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* A trigger brings its udata along, or leaves it with EV_KEEPUDATA. */
TEST_F(user, udata)
{
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_USER, EV_ADD, 0, 0, UD(1)));
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_USER, EV_KEEPUDATA,
			       NOTE_TRIGGER, 0, UD(2)));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(1, UD_NUM(self->ev));
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, UD(3)));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(3, UD_NUM(self->ev));
}

/* A trigger from another thread wakes a thread that waits. */
TEST_F(user, wakes_waiter)
{
	struct waiter w;
	int i;

	ASSERT_EQ(0, change(self->kq, EV_ADD | EV_CLEAR, 0));
	for (i = 0; i < 50; i++) {
		ASSERT_TRUE(waiter_start(&w, self->kq, 16, -1));
		ASSERT_EQ(0, change(self->kq, 0, NOTE_TRIGGER | NOTE_FFCOPY | i));
		ASSERT_TRUE(waiter_join(&w));
		ASSERT_EQ(1, w.ret);
		EXPECT_EQ(i, w.ev[0].fflags);
	}
}

#define ROUNDS	500

struct player {
	int mine;		/* the queue whose event 1 we wait for */
	int other;		/* the queue whose event 1 we trigger */
	int rounds;		/* done so far */
};

static void *play(void *arg)
{
	struct player *p = arg;
	struct kevent ev;

	while (p->rounds < ROUNDS && kq_wait(p->mine, &ev, 1, LIMIT_MS) == 1 &&
	       !kq_trigger(p->other, 1))
		p->rounds++;
	return NULL;
}

/* Two threads with a queue each trigger one another: no trigger is lost. */
TEST_F(user, ping_pong)
{
	struct player a = { .mine = self->kq, .other = kq_open() };
	struct player b = { .mine = a.other, .other = a.mine };
	pthread_t thread;

	ASSERT_LE(0, a.other);
	ASSERT_EQ(0, change(a.mine, EV_ADD | EV_CLEAR, 0));
	ASSERT_EQ(0, change(a.other, EV_ADD | EV_CLEAR, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, play, &b));
	ASSERT_EQ(0, kq_trigger(a.mine, 1));
	play(&a);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(ROUNDS, a.rounds);
	EXPECT_EQ(ROUNDS, b.rounds);
}

TEST_HARNESS_MAIN
