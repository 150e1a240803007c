// SPDX-License-Identifier: BSD-2-Clause
/*
 * Nested queues under fire: a queue in an epoll instance in the same queue,
 * which the kernel cannot refuse and which must be harmless, and chains that
 * are torn down while events run through them.
 *
 * What is hammered belongs to a child process; when that has gone, nothing of
 * it may be left in the module.
 */
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "expect.h"

#define HAMMER_MS	5000	/* for each of two kinds of knotes */
#define ROUNDS		100	/* of chains torn down */
#define DEPTH		5

/* The queue @q and the epoll instance @e watch each other; @x is an eventfd in @q */
struct cycle {
	int q;
	int e;
	int x;
	atomic_bool stop;
	atomic_long causes;	/* what may make @e ready: triggers and changes */
	atomic_long e_events;	/* events of @e in @q */
	atomic_long x_events;
	atomic_long rounds[8];	/* of each thread */
};

static int watch_q(struct cycle *c, int op, unsigned int events)
{
	struct epoll_event ev = { .events = events, .data.fd = c->q };

	atomic_fetch_add(&c->causes, 1);
	return epoll_ctl(c->e, op, c->q, &ev);
}

static int watch_e(struct cycle *c, int flags)
{
	atomic_fetch_add(&c->causes, 1);
	return kq_set(c->q, c->e, EVFILT_READ, flags);
}

static bool cycle_open(struct cycle *c, int flags)
{
	memset(c, 0, sizeof(*c));
	c->q = kq_open();
	c->e = epoll_create1(EPOLL_CLOEXEC);
	c->x = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return c->q >= 0 && !watch_e(c, flags) &&
	       !kq_set(c->q, c->x, EVFILT_READ, EV_ADD | EV_CLEAR) &&
	       !watch_q(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void trigger(struct cycle *c)
{
	__u64 one = 1;

	atomic_fetch_add(&c->causes, 1);
	if (write(c->x, &one, sizeof(one)) < 0)
		atomic_store(&c->stop, true);
}

/* Take events from @q, waiting @ms for the first. Returns how many. */
static int take(struct cycle *c, int ms)
{
	struct kevent ev[8];
	__u64 val;
	int i, n = kq_wait(c->q, ev, 8, ms);

	for (i = 0; i < n; i++) {
		if (ev[i].ident == (uintptr_t)c->x) {
			atomic_fetch_add(&c->x_events, 1);
			if (read(c->x, &val, sizeof(val)) < 0)
				continue;
		} else {
			atomic_fetch_add(&c->e_events, 1);
		}
	}
	return n;
}

/* Take events until there are none for QUIET_MS. Returns how many, at most 1000. */
static int take_all(struct cycle *c)
{
	int n, sum = 0;

	do {
		n = take(c, QUIET_MS);
		sum += n;
	} while (n > 0 && sum < 1000);
	return sum;
}

FIXTURE(cycle)
{
	struct cycle c;
	long queues;
	long knotes;
};

FIXTURE_VARIANT(cycle)
{
	int flags;
};

FIXTURE_VARIANT_ADD(cycle, level)
{
	.flags = EV_ADD,
};

FIXTURE_VARIANT_ADD(cycle, edge)
{
	.flags = EV_ADD | EV_CLEAR,
};

FIXTURE_SETUP(cycle)
{
	self->queues = kq_counter("queues");
	self->knotes = kq_counter("knotes");
	ASSERT_LE(0, self->queues);
	ASSERT_LE(0, self->knotes);
}

FIXTURE_TEARDOWN(cycle)
{
}

/* A trigger in the cycle is one event of its source, few of epoll, and then there is rest. */
TEST_F(cycle, bounded)
{
	struct epoll_event ev;
	struct cycle *c = &self->c;
	int i;

	ASSERT_TRUE(cycle_open(c, variant->flags));
	take_all(c);
	atomic_store(&c->e_events, 0);
	for (i = 1; i <= 20; i++) {
		trigger(c);
		ASSERT_EQ(1, epoll_wait(c->e, &ev, 1, LIMIT_MS));
		ASSERT_EQ(c->q, ev.data.fd);
		ASSERT_GT(1000, take_all(c));
		ASSERT_EQ(i, atomic_load(&c->x_events));
		ASSERT_GE(2 * i, atomic_load(&c->e_events));
		ASSERT_EQ(0, epoll_wait(c->e, &ev, 1, 0));
	}
}

struct hammer {
	struct cycle *c;
	int id;
	int flags;
	void (*round)(struct hammer *h);
	pthread_t thread;
};

static void round_trigger(struct hammer *h)
{
	trigger(h->c);
	sched_yield();
}

static void round_take(struct hammer *h)
{
	take(h->c, 20);
}

static void round_epoll(struct hammer *h)
{
	struct epoll_event ev[4];

	epoll_wait(h->c->e, ev, 4, 20);
}

static void round_epoll_ctl(struct hammer *h)
{
	watch_q(h->c, EPOLL_CTL_DEL, 0);
	watch_q(h->c, EPOLL_CTL_ADD, EPOLLIN);
	watch_q(h->c, EPOLL_CTL_MOD, EPOLLIN | EPOLLET);
}

static void round_register(struct hammer *h)
{
	watch_e(h->c, EV_DELETE);
	watch_e(h->c, h->flags);
}

/* A second queue joins the circle and leaves it with an event queued. */
static void round_join(struct hammer *h)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int q = kq_with(h->c->e, EVFILT_READ, h->flags, 0, 0);

	epoll_ctl(h->c->e, EPOLL_CTL_ADD, q, &ev);
	kq_set(q, 1, EVFILT_USER, EV_ADD);
	kq_trigger(q, 1);
	atomic_fetch_add(&h->c->causes, 3);
	close(q);
}

static void *hammer_main(void *arg)
{
	struct hammer *h = arg;

	while (!atomic_load(&h->c->stop)) {
		h->round(h);
		atomic_fetch_add(&h->c->rounds[h->id], 1);
	}
	return NULL;
}

static void (* const rounds[])(struct hammer *h) = {
	round_trigger, round_trigger, round_take, round_take, round_epoll,
	round_epoll_ctl, round_register, round_join,
};

/* Every thread went on to the end, and what they did had bounded effects. */
static bool hammer_check(struct cycle *c, int left, int flags)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rounds); i++) {
		fprintf(stderr, "# thread %u: %ld rounds\n", i, c->rounds[i]);
		ok &= c->rounds[i] >= 20;
	}
	fprintf(stderr, "# %ld causes, %ld events of the source, %ld of epoll, %d at the end\n",
		c->causes, c->x_events, c->e_events, left);
	ok &= c->e_events <= 2 * c->causes;
	ok &= left <= 16;
	/* It still works. */
	watch_e(c, EV_DELETE);
	watch_q(c, EPOLL_CTL_MOD, EPOLLIN);
	ok &= !watch_e(c, flags);
	take_all(c);
	c->x_events = 0;
	trigger(c);
	take_all(c);
	return ok && c->x_events == 1;
}

/* Also ends the process with all of it open and threads asleep in it. */
static bool hammer(struct cycle *c, int flags)
{
	struct hammer h[ARRAY_SIZE(rounds)];
	struct waiter w;
	unsigned int i;
	bool ok;

	if (!cycle_open(c, flags))
		return false;
	for (i = 0; i < ARRAY_SIZE(rounds); i++) {
		h[i] = (struct hammer){
			.c = c, .id = i, .flags = flags, .round = rounds[i],
		};
		if (pthread_create(&h[i].thread, NULL, hammer_main, &h[i]))
			return false;
	}
	usleep(HAMMER_MS * 1000);
	atomic_store(&c->stop, true);
	for (i = 0; i < ARRAY_SIZE(rounds); i++)
		pthread_join(h[i].thread, NULL);
	ok = hammer_check(c, take_all(c), flags);
	return ok && waiter_start(&w, c->q, 4, -1);
}

/* Eight threads hammer both: no deadlock, no storm, and all is freed when the process ends. */
TEST_F_TIMEOUT(cycle, hammered, 60)
{
	ASSERT_EQ(0, IN_CHILD(!hammer(&self->c, variant->flags)));
	ASSERT_TRUE(WAIT_FOR(kq_counter("queues") <= self->queues));
	ASSERT_TRUE(WAIT_FOR(kq_counter("knotes") <= self->knotes));
}

static void *trigger_until_closed(void *arg)
{
	int kq = *(int *)arg;
	int err;

	do {
		err = kq_trigger(kq, 1);
	} while (!err);
	return UD(err);
}

static void *wait_until_closed(void *arg)
{
	int kq = *(int *)arg;
	struct kevent ev;
	int n;

	do {
		n = kq_wait(kq, &ev, 1, -1);
	} while (n >= 0);
	return UD(errno);
}

/* One chain, torn down from the top or the bottom while events run through it. */
static bool tear_down(bool from_top)
{
	pthread_t bottom, top;
	void *err[2];
	int kq[DEPTH];
	int i;

	for (i = 0; i < DEPTH; i++) {
		kq[i] = i ? kq_with(kq[i - 1], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0) :
			    kq_with(1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0);
		if (kq[i] < 0)
			return false;
	}
	if (pthread_create(&bottom, NULL, trigger_until_closed, &kq[0]) ||
	    pthread_create(&top, NULL, wait_until_closed, &kq[DEPTH - 1]))
		return false;
	sched_yield();
	for (i = 0; i < DEPTH; i++)
		close(kq[from_top ? DEPTH - 1 - i : i]);
	return !pthread_join(bottom, &err[0]) && !pthread_join(top, &err[1]) &&
	       err[0] == UD(EBADF) && err[1] == UD(EBADF);
}

/* Chains closed from either end under a trigger and a waiter: both get EBADF, nothing is left. */
TEST(chains_torn_down)
{
	long queues = kq_counter("queues");
	long knotes = kq_counter("knotes");
	int i;

	ASSERT_LE(0, queues);
	ASSERT_LE(0, knotes);
	for (i = 0; i < ROUNDS; i++)
		ASSERT_TRUE(tear_down(i % 2));
	ASSERT_TRUE(WAIT_FOR(kq_counter("queues") <= queues));
	ASSERT_TRUE(WAIT_FOR(kq_counter("knotes") <= knotes));
}

TEST_HARNESS_MAIN
