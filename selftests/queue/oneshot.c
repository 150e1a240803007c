// SPDX-License-Identifier: BSD-2-Clause
/*
 * One-shots of descriptors that have delivered: they are gone in every respect, and
 * can be added again, as new ones.
 */
#include <poll.h>
#include <sys/eventfd.h>

#include "peers.h"
#include "quota.h"

FIXTURE(oneshot)
{
	int kq;
	int fd;			/* watched */
	int peer;		/* a write makes it readable */
	struct kevent ev[4];
};

FIXTURE_VARIANT(oneshot)
{
	int (*make)(int fd[2]);
	int filter;
	bool shared;		/* a thread has the descriptor table as well */
};

static int make_eventfd(int fd[2])
{
	fd[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fd[1] = dup(fd[0]);
	return fd[0] < 0 || fd[1] < 0;
}

static int make_pipe(int fd[2])
{
	return pipe2(fd, O_CLOEXEC | O_NONBLOCK);
}

static int make_tcp(int fd[2])
{
	return !tcp_pair(fd) || fcntl(fd[0], F_SETFL, O_NONBLOCK);
}

FIXTURE_VARIANT_ADD(oneshot, eventfd)
{
	.make = make_eventfd, .filter = EVFILT_READ,
};

FIXTURE_VARIANT_ADD(oneshot, pipe)
{
	.make = make_pipe, .filter = EVFILT_READ,
};

FIXTURE_VARIANT_ADD(oneshot, tcp)
{
	.make = make_tcp, .filter = EVFILT_READ,
};

FIXTURE_VARIANT_ADD(oneshot, tcp_shared)
{
	.make = make_tcp, .filter = EVFILT_READ, .shared = true,
};

static void *idle_thread(void *arg)
{
	pause();
	return arg;
}

/* The descriptor has delivered, and is readable no more. */
FIXTURE_SETUP(oneshot)
{
	pthread_t thread;
	int fd[2];

	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, variant->make(fd));
	self->fd = fd[0];
	self->peer = fd[1];
	if (variant->shared)
		ASSERT_EQ(0, pthread_create(&thread, NULL, idle_thread, NULL));
}

FIXTURE_TEARDOWN(oneshot)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* Eight bytes, as an eventfd wants them. */
static bool put(int fd)
{
	uint64_t one = 1;

	return write(fd, &one, sizeof(one)) == sizeof(one);
}

static bool take(int fd)
{
	uint64_t val;

	return read(fd, &val, sizeof(val)) == sizeof(val);
}

static int add_once(int kq, int fd, int flags, void *udata)
{
	return kq_change(kq, fd, EVFILT_READ, EV_ADD | EV_ONESHOT | flags, 0, 0, udata);
}

/* Add it, and have it deliver. */
#define DELIVER(flags, ud) do {						\
	void *ud_ = (ud);						\
									\
	ASSERT_EQ(0, add_once(self->kq, self->fd, flags, ud_));		\
	ASSERT_TRUE(put(self->peer));					\
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));		\
	EXPECT_EQ(ud_, self->ev[0].udata);				\
	EXPECT_EQ(0, kq_count(self->kq));				\
} while (0)

/* There is none: not to changes, nor in fdinfo, nor in the count of all. */
TEST_F(oneshot, is_gone)
{
	char path[64];

	DELIVER(0, UD(1));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->kq);
	EXPECT_EQ(-1, find_number(path, "ident:%ld"));
	EXPECT_EQ(0, kq_counter("knotes"));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->fd, EVFILT_READ, EV_ENABLE));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->fd, EVFILT_READ, EV_DISABLE));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->fd, EVFILT_READ, EV_FORCEONESHOT));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->fd, EVFILT_READ, EV_DELETE));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* Added again while it is readable, it delivers, with what it was given now. */
TEST_F(oneshot, again_ready)
{
	struct kevent kev;

	DELIVER(0, UD(1));
	EV_SET(&kev, self->fd, EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0, UD(2));
	kev.ext[0] = 10;
	kev.ext[3] = 13;
	ASSERT_EQ(1, kevent(self->kq, &kev, 1, self->ev, 4, NULL));
	EXPECT_EQ(UD(2), self->ev[0].udata);
	EXPECT_EQ(10, self->ev[0].ext[0]);
	EXPECT_EQ(13, self->ev[0].ext[3]);
	EXPECT_EQ(EV_ONESHOT, self->ev[0].flags);
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
	ASSERT_EQ(0, add_once(self->kq, self->fd, 0, UD(3)));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	EXPECT_EQ(1, kq_counter("knotes"));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	EXPECT_EQ(UD(3), self->ev[0].udata);
	EXPECT_EQ(0, self->ev[0].ext[0]);
}

/* Added again when it is not readable any more, it waits for that. */
TEST_F(oneshot, again_not_ready)
{
	struct kevent kev;

	DELIVER(0, UD(1));
	ASSERT_TRUE(take(self->fd));
	EV_SET(&kev, self->fd, EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0, UD(2));
	ASSERT_EQ(0, kevent(self->kq, &kev, 1, self->ev, 4, &(struct timespec){ 0 }));
	ASSERT_TRUE(put(self->peer));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
	EXPECT_EQ(UD(2), self->ev[0].udata);
	EXPECT_EQ(8, self->ev[0].data + 7 * (variant->make == make_eventfd));
}

/* What its source does meanwhile wakes nobody, nor is it lost to who adds it again. */
TEST_F(oneshot, source_fires_meanwhile)
{
	struct pollfd pfd = { .fd = self->kq, .events = POLLIN };
	struct waiter w;
	long sleeps;

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	DELIVER(0, UD(1));
	ASSERT_TRUE(take(self->fd));
	ASSERT_TRUE(waiter_start(&w, self->kq, 1, -1));
	sleeps = count_sleeps(w.tid);
	ASSERT_TRUE(put(self->peer));
	EXPECT_EQ(0, poll(&pfd, 1, QUIET_MS / 4));
	EXPECT_EQ(sleeps, count_sleeps(w.tid));
	ASSERT_EQ(0, add_once(self->kq, self->fd, 0, UD(2)));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	EXPECT_EQ(UD(2), w.ev[0].udata);
}

/* It may be added again as something else: a level, an edge, disabled. */
TEST_F(oneshot, again_otherwise)
{
	DELIVER(0, UD(1));
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD, 0, 0, UD(2)));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_DELETE));
	ASSERT_TRUE(take(self->fd));

	DELIVER(0, UD(3));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_DELETE));
	ASSERT_TRUE(take(self->fd));

	DELIVER(0, UD(4));
	ASSERT_EQ(0, add_once(self->kq, self->fd, EV_DISABLE, UD(5)));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ENABLE | EV_KEEPUDATA));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	EXPECT_EQ(UD(5), self->ev[0].udata);
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
}

/* To delete it with the same change is to no purpose, as when there never was one. */
TEST_F(oneshot, again_and_deleted)
{
	int i;

	for (i = 0; i < 2; i++) {
		DELIVER(0, UD(1));
		ASSERT_EQ(0, add_once(self->kq, self->fd, EV_DELETE, UD(2)));
		EXPECT_EQ(1, fdinfo_knotes(self->kq));
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
		EXPECT_EQ(UD(2), self->ev[0].udata);
		ASSERT_TRUE(take(self->fd));
	}
}

/* With a mark below which it is not to deliver, it is not what it was. */
TEST_F(oneshot, again_with_mark)
{
	DELIVER(0, UD(1));
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD | EV_ONESHOT,
			       NOTE_LOWAT, 9, UD(2)));
	EXPECT_EQ(variant->make != make_tcp, kq_count(self->kq));
	ASSERT_TRUE(put(self->peer));
	if (variant->make == make_tcp) {
		ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
		EXPECT_EQ(16, self->ev[0].data);
	}
}

/* Its file is not held: when the last descriptor is closed, the other side sees it. */
TEST_F(oneshot, closed)
{
	DELIVER(0, UD(1));
	ASSERT_EQ(0, close(self->fd));
	signal(SIGPIPE, SIG_IGN);
	if (variant->make != make_eventfd)
		EXPECT_TRUE(WAIT_FOR(!put(self->peer)));
	EXPECT_EQ(EBADF, add_once(self->kq, self->fd, 0, UD(2)));
}

/* Its number means another file by now: so does what is added. */
TEST_F(oneshot, number_reused)
{
	int other[2];

	DELIVER(0, UD(1));
	ASSERT_EQ(0, pipe2(other, O_CLOEXEC));
	ASSERT_EQ(self->fd, dup2(other[0], self->fd));
	ASSERT_EQ(0, add_once(self->kq, self->fd, 0, UD(2)));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(put(other[1]));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
	EXPECT_EQ(UD(2), self->ev[0].udata);
	EXPECT_EQ(8, self->ev[0].data);
}

/* The end comes while it is gone: who adds it again is told. */
TEST_F(oneshot, ends_meanwhile)
{
	if (variant->make == make_eventfd)
		SKIP(return, "an eventfd has no end");
	DELIVER(0, UD(1));
	ASSERT_EQ(0, close(self->peer));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, add_once(self->kq, self->fd, 0, UD(2)));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
	EXPECT_NE(0, self->ev[0].flags & EV_EOF);
	EXPECT_EQ(8, self->ev[0].data);
}

/* Hundreds that have delivered do not count against the user's limit. */
TEST(limit_reached)
{
	long saved = read_number(MAX_USER_KNOTES);
	int i, n = 200, kq, fd;
	struct kevent ev[256];

	if (geteuid())
		SKIP(return, "changes the limit: needs root");
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, queue_cost() + n));
	fd = eventfd(1, EFD_CLOEXEC);
	kq = queue_of(ALICE);
	ASSERT_LE(0, kq);
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, add_once(kq, fcntl(fd, F_DUPFD_CLOEXEC, 0), 0, NULL));
	EXPECT_EQ(n, kq_collect(kq, ev, 256));
	EXPECT_EQ(0, fdinfo_knotes(kq));
	for (i = 0; i < n; i++)
		EXPECT_EQ(0, kq_set(kq, i, EVFILT_USER, EV_ADD));
	EXPECT_EQ(n, fdinfo_knotes(kq));
	EXPECT_EQ(0, write_number(MAX_USER_KNOTES, saved));
	close(kq);
	EXPECT_TRUE(all_freed());
}

TEST_HARNESS_MAIN
