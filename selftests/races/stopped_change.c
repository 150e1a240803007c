// SPDX-License-Identifier: BSD-2-Clause
/*
 * A call that stands still between two of its changes, or after them, since the
 * memory for its answer is served by userfaultfd: what others can do meanwhile. And
 * calls that do not come to collect what their changes have made ready.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "peers.h"
#include "stopped.h"

/*
 * A number is closed, and opened again for what is there in @reopen, between two
 * changes of one call, the second of which registers it.
 */
FIXTURE(reopened)
{
	struct stopped s;
	const char *missing;
	int kq;
	int fd;
	int reopen;
};

FIXTURE_VARIANT(reopened)
{
	bool same;		/* it leads to the same file as before */
};

FIXTURE_VARIANT_ADD(reopened, other_file)
{
	.same = false,
};

FIXTURE_VARIANT_ADD(reopened, same_file)
{
	.same = true,
};

FIXTURE_SETUP(reopened)
{
	self->missing = stopped_open(&self->s);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->fd = eventfd(1, EFD_CLOEXEC);
	self->reopen = variant->same ? dup(self->fd) : eventfd(1, EFD_CLOEXEC);
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD, 0, 0, UD(1)));
}

FIXTURE_TEARDOWN(reopened)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* The answer to the first change goes to where the call stops. */
static void *change_two(void *arg)
{
	struct stopped *s = arg;
	struct kevent kev[2];

	EV_SET(&kev[0], 9, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, NULL);
	EV_SET(&kev[1], s->number, EVFILT_READ, EV_ADD, 0, 0, UD(2));
	s->ret = kevent(s->kq, kev, 2, (struct kevent *)(s->area + PAGE), 2, NULL);
	s->err = s->ret < 0 ? errno : 0;
	return NULL;
}

/* The change makes a registration of its own, which stays. */
TEST_F(reopened, amid_changes)
{
	struct stopped *s = &self->s;
	struct kevent ev[2];

	if (self->missing)
		SKIP(return, "%s", self->missing);
	s->kq = self->kq;
	s->number = self->fd;
	ASSERT_TRUE(stop_call(s, change_two));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(self->fd, dup2(self->reopen, self->fd));
	ASSERT_TRUE(resume_call(s));
	EXPECT_EQ(1, s->ret);
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ((uintptr_t)self->fd, ev[0].ident);
	EXPECT_EQ(UD(2), ev[0].udata);
}

/* Triggers a user event; the answer to the change after that is where it stops. */
static void *trigger_and_answer(void *arg)
{
	struct stopped *s = arg;
	struct kevent kev[2];

	EV_SET(&kev[0], s->number, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	EV_SET(&kev[1], 9, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, NULL);
	s->ret = kevent(s->kq, kev, 2, (struct kevent *)(s->area + PAGE), 2, NULL);
	s->err = s->ret < 0 ? errno : 0;
	return NULL;
}

/*
 * A call has triggered a user event and would collect it next, but does not come to
 * that. Somebody waits in the queue, or polls it, edge-triggered, and has seen that
 * it was empty.
 */
FIXTURE(uncollected)
{
	int kq;
	int ep;
	struct waiter w;
	struct kevent kev[2];
};

FIXTURE_VARIANT(uncollected)
{
	bool polled;
};

FIXTURE_VARIANT_ADD(uncollected, waiting)
{
	.polled = false,
};

FIXTURE_VARIANT_ADD(uncollected, polled)
{
	.polled = true,
};

FIXTURE_SETUP(uncollected)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_USER, EV_ADD | EV_CLEAR));
	if (variant->polled) {
		ASSERT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->kq, &ev));
		ASSERT_EQ(0, epoll_wait(self->ep, &ev, 1, 0));
	} else {
		ASSERT_TRUE(waiter_start(&self->w, self->kq, 1, -1));
	}
	EV_SET(&self->kev[0], 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	EV_SET(&self->kev[1], 2, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
}

FIXTURE_TEARDOWN(uncollected)
{
	close(self->kq);
	close(self->ep);
	EXPECT_TRUE(all_freed());
}

/* Who waits gets the event @id; who polls is told, and collects it. */
#define EXPECT_TOLD(id) do {						\
	struct epoll_event told_;					\
									\
	if (variant->polled) {						\
		ASSERT_EQ(1, epoll_wait(self->ep, &told_, 1, LIMIT_MS));	\
		ASSERT_EQ(1, kq_collect(self->kq, self->w.ev, 2));	\
	} else {							\
		ASSERT_TRUE(waiter_join(&self->w));			\
		ASSERT_EQ(1, self->w.ret);				\
	}								\
	EXPECT_EQ(id, self->w.ev[0].ident);				\
	EXPECT_EQ(0, kq_count(self->kq));				\
} while (0)

/* Another change asks for an answer, with which the call returns. */
TEST_F(uncollected, answered)
{
	struct kevent ev[2];

	self->kev[1].flags = EV_ADD | EV_RECEIPT;
	self->kev[1].fflags = 0;
	EXPECT_EQ(1, kevent(self->kq, self->kev, 2, ev, 2, NULL));
	EXPECT_TOLD(1);
}

/* Another change fails, and so does the call, as the answer cannot be stored. */
TEST_F(uncollected, answer_faults)
{
	struct kevent *nowhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
				      -1, 0);

	self->kev[1].ident = 99;
	EXPECT_EQ(-1, kevent(self->kq, self->kev, 2, nowhere, 2, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TOLD(1);
}

/* The event cannot be stored. */
TEST_F(uncollected, event_faults)
{
	struct kevent *nowhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
				      -1, 0);

	EXPECT_EQ(-1, kevent(self->kq, self->kev, 1, nowhere, 1, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TOLD(1);
}

/* The timeout is none. */
TEST_F(uncollected, bad_timeout)
{
	struct timespec ts = { .tv_nsec = -1 };
	struct kevent_args args = {
		.size = sizeof(args),
		.changes = (uintptr_t)self->kev,
		.nchanges = 1,
		.events = (uintptr_t)self->kev,
		.nevents = 1,
		.timeout = (uintptr_t)&ts,
	};

	EXPECT_EQ(-1, kq_ioctl(self->kq, &args));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TOLD(1);
}

/* The changes after the first sixteen cannot be read. */
TEST_F(uncollected, changes_fault)
{
	char *area = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kevent *kev = (struct kevent *)(area + PAGE) - 16;
	int i;

	for (i = 0; i < 16; i++)
		kev[i] = self->kev[0];
	ASSERT_EQ(0, munmap(area + PAGE, PAGE));
	EXPECT_EQ(-1, kevent(self->kq, kev, 17, self->kev, 2, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TOLD(1);
}

/* What was enabled by such a call and has nothing to report is not taken for ready. */
TEST_F(uncollected, nothing_to_report)
{
	struct pollfd pfd = { .fd = self->kq, .events = POLLIN };
	struct kevent ev[2];
	int p[2];

	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	ASSERT_EQ(0, kq_set(self->kq, p[0], EVFILT_READ, EV_ADD | EV_DISABLE));
	EV_SET(&self->kev[0], p[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL);
	self->kev[1].ident = 99;
	ASSERT_EQ(1, kevent(self->kq, self->kev, 2, ev, 2, NULL));
	EXPECT_EQ(EV_ERROR, ev[0].flags);
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	EXPECT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_TOLD(1);
}

/* It has room for one of two: the other one is for others. */
TEST_F(uncollected, no_room)
{
	struct kevent ev;

	ASSERT_EQ(1, kevent(self->kq, self->kev, 2, &ev, 1, NULL));
	EXPECT_EQ(1, ev.ident);
	EXPECT_TOLD(2);
}

/* The answer of another change waits for a page: nobody else waits for that. */
TEST_F(uncollected, stopped)
{
	struct stopped s = {};
	const char *missing = stopped_open(&s);

	if (missing)
		SKIP(return, "%s", missing);
	s.kq = self->kq;
	s.number = 1;
	ASSERT_TRUE(stop_call(&s, trigger_and_answer));
	EXPECT_TOLD(1);
	ASSERT_TRUE(resume_call(&s));
	EXPECT_EQ(1, s.ret);
}

TEST_HARNESS_MAIN
