/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Topologies of queues, sources and threads that wait: who is woken? Drawn
 * from left to right, as in
 *
 *	t0,t1 => q1 -edge-> q0 -level-> s
 *
 * where two threads wait in kevent() on the queue q1, which watches q0 with
 * EV_CLEAR, which watches the socket s. How a thread waits is in front of =>:
 * p is for poll(2), e for epoll_wait(2) on an epoll instance around the queue.
 */
#ifndef KEVENT_SELFTESTS_WAKEUP_H
#define KEVENT_SELFTESTS_WAKEUP_H

#include <sys/epoll.h>

#include "peers.h"

#define LEVEL		0
#define EDGE		EV_CLEAR

#define QUEUES_MAX	3
#define WAITERS_MAX	2

enum how { NOBODY, KEVENT, POLL, EPOLL, EPOLL_EDGE };

/**
 * struct topology - what is to be set up, and what is to happen
 * @queues: how many, each within the next; with @fan, of each branch
 * @link: LEVEL or EDGE: link[0] of the source in q0, link[1] of q0 in q1 ...
 * @fan: the outermost queue watches two of what it watches
 * @inner_epoll: q0 does not watch the source, but an epoll instance with it
 * @how: how each thread waits
 * @at: in which queue each waits
 * @least: how many are woken, at least; the first thread is among them
 * @most: ... and at most. They differ where it is a race between two threads
 *	who sees an event that one of them takes away
 */
struct topology {
	int queues;
	int link[QUEUES_MAX];
	bool fan;
	bool inner_epoll;
	enum how how[WAITERS_MAX];
	int at[WAITERS_MAX];
	int least;
	int most;
};

/* One of the threads. */
struct sleeper {
	pthread_t thread;
	enum how how;
	int fd;
	int tid;
	int done;
	int ret;
	struct kevent ev;
	int revents;
};

/* The topology, set up. Each branch has its source and its queues. */
struct setup {
	const struct topology *t;
	int branches;
	int source[2][2];	/* socket pairs: the second writes, the first is watched */
	int kq[2][QUEUES_MAX];	/* the outermost is in both branches */
	int epfd[2];		/* inside */
	struct sleeper sleeper[WAITERS_MAX];
};

static inline int epoll_with(int fd, unsigned int events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) ? -1 : epfd;
}

/* What the queue @level of that branch watches. */
static inline int watched(struct setup *s, int branch, int level)
{
	if (level)
		return s->kq[branch][level - 1];
	return s->t->inner_epoll ? s->epfd[branch] : s->source[branch][0];
}

static inline bool setup_branch(struct setup *s, int branch)
{
	int i;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       s->source[branch]))
		return false;
	if (s->t->inner_epoll)
		s->epfd[branch] = epoll_with(s->source[branch][0], EPOLLIN);
	for (i = 0; i < s->t->queues; i++) {
		if (branch && i == s->t->queues - 1)
			s->kq[branch][i] = s->kq[0][i];
		else
			s->kq[branch][i] = kq_open();
		if (kq_set(s->kq[branch][i], watched(s, branch, i), EVFILT_READ,
			   EV_ADD | s->t->link[i]))
			return false;
	}
	return true;
}

static inline bool setup(struct setup *s, const struct topology *t)
{
	int i;

	memset(s, 0, sizeof(*s));
	s->t = t;
	s->branches = t->fan ? 2 : 1;
	for (i = 0; i < s->branches; i++)
		if (!setup_branch(s, i))
			return false;
	return true;
}

static inline int outermost(struct setup *s)
{
	return s->kq[0][s->t->queues - 1];
}

/* All sources get ready, or a little more so. */
static inline bool fire(struct setup *s)
{
	int i;

	for (i = 0; i < s->branches; i++)
		if (!tell(s->source[i][1]))
			return false;
	return true;
}

/*
 * Take all away: the bytes, and then what the queues still think is there. A
 * queue that has not been collected tells those around it of nothing new.
 */
static inline void calm(struct setup *s)
{
	char buf[64];
	int i, level;

	for (i = 0; i < s->branches; i++)
		while (read(s->source[i][0], buf, sizeof(buf)) > 0)
			;
	for (level = 0; level < s->t->queues; level++)
		for (i = 0; i < s->branches; i++)
			kq_count(s->kq[i][level]);
}

static inline void *sleeper_main(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct epoll_event ev;

	__atomic_store_n(&s->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	switch (s->how) {
	case KEVENT:
		s->ret = kq_wait(s->fd, &s->ev, 1, -1);
		break;
	case POLL:
		s->ret = poll(&pfd, 1, -1);
		s->revents = pfd.revents;
		break;
	default:
		s->ret = epoll_wait(s->fd, &ev, 1, -1);
		s->revents = ev.events;
	}
	__atomic_store_n(&s->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static inline bool sleeper_start(struct sleeper *s, enum how way, int fd)
{
	long nr = way == KEVENT ? SYS_ioctl : way == POLL ? SYS_poll : SYS_epoll_wait;

	*s = (struct sleeper){ .how = way, .fd = fd };
	return !pthread_create(&s->thread, NULL, sleeper_main, s) &&
	       WAIT_FOR(__atomic_load_n(&s->tid, __ATOMIC_ACQUIRE)) &&
	       wait_asleep_in(s->tid, nr);
}

/* Let all threads wait. Those of epoll share an instance. */
static inline bool start_all(struct setup *s)
{
	int i, fd, epfd = -1;

	for (i = 0; i < WAITERS_MAX && s->t->how[i] != NOBODY; i++) {
		fd = s->kq[0][s->t->at[i]];
		if (s->t->how[i] >= EPOLL) {
			if (epfd < 0)
				epfd = epoll_with(fd, s->t->how[i] == EPOLL ?
						  EPOLLIN : EPOLLIN | EPOLLET);
			fd = epfd;
		}
		if (!sleeper_start(&s->sleeper[i], s->t->how[i], fd))
			return false;
	}
	return true;
}

static inline int nr_waiters(struct setup *s)
{
	int n = 0;

	while (n < WAITERS_MAX && s->t->how[n] != NOBODY)
		n++;
	return n;
}

static inline int nr_done(struct setup *s)
{
	int i, n = 0;

	for (i = 0; i < nr_waiters(s); i++)
		n += __atomic_load_n(&s->sleeper[i].done, __ATOMIC_ACQUIRE);
	return n;
}

/* Has the thread seen what it should, if it was woken? */
static inline bool saw_right(struct setup *s, int i)
{
	struct sleeper *t = &s->sleeper[i];
	int level = s->t->at[i];
	int branch;

	if (t->ret != 1)
		return false;
	if (t->how != KEVENT)
		return t->revents == (t->how == POLL ? POLLIN : EPOLLIN);
	for (branch = 0; branch < s->branches; branch++)
		if (t->ev.ident == (uintptr_t)watched(s, branch, level) &&
		    t->ev.filter == EVFILT_READ && t->ev.data >= 1 && !(t->ev.flags & EV_EOF))
			return true;
	return false;
}

/*
 * The test: all sleep, the sources fire, the right number is woken and sees the
 * right thing. The rest is woken when they fire again.
 */
#define CHECK_WAKEUPS(s) do {						\
	struct setup *s_ = (s);						\
	int i_, n_ = nr_waiters(s_);					\
									\
	ASSERT_TRUE(start_all(s_));					\
	ASSERT_TRUE(fire(s_));						\
	EXPECT_TRUE(WAIT_FOR(nr_done(s_) >= s_->t->least));		\
	usleep(QUIET_MS * 1000);					\
	EXPECT_LE(s_->t->least, nr_done(s_));				\
	EXPECT_GE(s_->t->most, nr_done(s_));				\
	if (s_->t->least != s_->t->most)				\
		EXPECT_TRUE(s_->sleeper[0].done);			\
	calm(s_);							\
	ASSERT_TRUE(fire(s_));						\
	EXPECT_TRUE(WAIT_FOR(nr_done(s_) == n_));			\
	for (i_ = 0; i_ < n_ && nr_done(s_) == n_; i_++) {		\
		ASSERT_EQ(0, pthread_join(s_->sleeper[i_].thread, NULL));	\
		EXPECT_TRUE(saw_right(s_, i_));				\
	}								\
} while (0)

#endif /* KEVENT_SELFTESTS_WAKEUP_H */
