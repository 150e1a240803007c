// SPDX-License-Identifier: BSD-2-Clause
/*
 * Many descriptors, many threads, many changes: nothing lost, nothing twice.
 */
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "expect.h"

#define NFDS		100000	/* on a slow machine what it opens in this time: */
#define OPEN_MS		10000
#define NFDS_LEAST	5000
#define NREADY		1000
#define MAX_KNOTES	KQ_PARAM("max_user_knotes")

struct herd {
	int kq;
	int n;			/* descriptors */
	int fds[NFDS];
	struct kevent kev[NFDS];
	bool wanted[NFDS];	/* its event is to come */
};

static struct herd herd;

FIXTURE(hundred_thousand)
{
	struct herd *herd;
	long limit;	/* the module's, before */
	long knotes;	/* in all processes, before */
};

FIXTURE_SETUP(hundred_thousand)
{
	struct rlimit need = { NFDS + 100, NFDS + 100 };

	if (setrlimit(RLIMIT_NOFILE, &need))
		SKIP(_exit(255), "needs root, for so many descriptors");
	self->limit = read_number(MAX_KNOTES);
	if (self->limit < NFDS + 100)
		ASSERT_EQ(0, write_number(MAX_KNOTES, NFDS + 100));
	self->knotes = kq_counter("knotes");
	self->herd = &herd;
	self->herd->kq = kq_open();
	ASSERT_LE(0, self->herd->kq);
}

FIXTURE_TEARDOWN(hundred_thousand)
{
	if (self->limit < NFDS + 100)
		write_number(MAX_KNOTES, self->limit);
}

#define STRIDE	7919u	/* a prime */

static bool add_all(struct herd *h)
{
	long long end = ts_ms() + OPEN_MS;
	int i;

	for (i = 0; more_rounds(i, NFDS_LEAST, NFDS, end); i++) {
		h->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (h->fds[i] < 0)
			return false;
		EV_SET(&h->kev[i], h->fds[i], EVFILT_READ,
		       EV_ADD | EV_CLEAR, 0, 0, UD(i));
	}
	/* An even number, for make_ready(), and no multiple of its stride. */
	while (i % 2 || i % STRIDE == 0)
		close(h->fds[--i]);
	h->n = i;
	return !kevent(h->kq, h->kev, h->n, NULL, 0, NULL);
}

/* Make NREADY of them ready, here and there, those at even indexes wanted. */
static bool make_ready(struct herd *h, bool odd_too)
{
	__u64 val = 2;
	unsigned int i, n;

	for (n = 0; n < NREADY; n++) {
		i = n * STRIDE % h->n;
		if (write(h->fds[i], &val, sizeof(val)) != sizeof(val))
			return false;
		h->wanted[i] = odd_too || i % 2 == 0;
	}
	return true;
}

/* The @n events are of wanted descriptors, each once. */
static bool check_ready(struct herd *h, int n)
{
	uintptr_t num;
	__u64 val;
	int i;

	for (i = 0; i < n; i++) {
		num = UD_NUM(&h->kev[i]);
		if (!h->wanted[num] || h->kev[i].data != 2 ||
		    h->kev[i].ident != (uintptr_t)h->fds[num])
			return false;
		h->wanted[num] = 0;
		if (read(h->fds[num], &val, sizeof(val)) != sizeof(val))
			return false;
	}
	return true;
}

/* Of up to 100,000 descriptors, added in one call, the ready are found; closing leaves none. */
TEST_F_TIMEOUT(hundred_thousand, sparse, 120)
{
	struct herd *h = self->herd;
	int i;

	ASSERT_TRUE(add_all(h));
	TH_LOG("%d descriptors", h->n);
	ASSERT_NONE(h->kq);
	ASSERT_TRUE(make_ready(h, true));
	ASSERT_EQ(NREADY, kq_collect(h->kq, h->kev, NFDS));
	ASSERT_TRUE(check_ready(h, NREADY));
	ASSERT_NONE(h->kq);

	for (i = 0; i < h->n / 2; i++)
		EV_SET(&h->kev[i], h->fds[2 * i + 1], EVFILT_READ,
		       EV_DELETE, 0, 0, NULL);
	ASSERT_EQ(0, kevent(h->kq, h->kev, h->n / 2, NULL, 0, NULL));
	ASSERT_TRUE(make_ready(h, false));
	ASSERT_EQ(NREADY / 2, kq_collect(h->kq, h->kev, NFDS));
	ASSERT_TRUE(check_ready(h, NREADY / 2));

	for (i = 0; i < h->n; i++)
		close(h->fds[i]);
	ASSERT_NONE(h->kq);
	ASSERT_TRUE(WAIT_FOR(kq_counter("knotes") <= self->knotes));
}

#define NTHREADS	8
#define NSOURCES	64
#define TRIGGERS	20000	/* fewer on a slow machine */
#define TRIGGERS_LEAST	1000
#define TRIGGER_MS	8000
#define STOP		UD(NSOURCES)	/* udata of the event that ends it */

enum { IDLE, FIRED, TAKEN };

struct crowd {
	int kq;
	int filter;
	int flags;
	int fd[NSOURCES];		/* eventfds, if READ */
	atomic_int state[NSOURCES];
	atomic_long delivered;
	atomic_long wrong;		/* delivered without being fired */
};

FIXTURE(crowd)
{
	struct crowd c;
};

FIXTURE_VARIANT(crowd)
{
	int filter;
	int flags;
};

FIXTURE_VARIANT_ADD(crowd, user_clear)
{
	.filter = EVFILT_USER,
	.flags = EV_CLEAR,
};

FIXTURE_VARIANT_ADD(crowd, user_dispatch)
{
	.filter = EVFILT_USER,
	.flags = EV_CLEAR | EV_DISPATCH,
};

FIXTURE_VARIANT_ADD(crowd, eventfd_clear)
{
	.filter = EVFILT_READ,
	.flags = EV_CLEAR,
};

FIXTURE_VARIANT_ADD(crowd, eventfd_dispatch)
{
	.filter = EVFILT_READ,
	.flags = EV_DISPATCH,
};

FIXTURE_VARIANT_ADD(crowd, eventfd_oneshot)
{
	.filter = EVFILT_READ,
	.flags = EV_ONESHOT,
};

static uintptr_t crowd_ident(struct crowd *c, int i)
{
	return c->filter == EVFILT_USER ? (uintptr_t)i : (uintptr_t)c->fd[i];
}

static int crowd_change(struct crowd *c, int i, int flags)
{
	return kq_change(c->kq, crowd_ident(c, i), c->filter, flags, 0, 0, UD(i));
}

FIXTURE_SETUP(crowd)
{
	struct crowd *c = &self->c;
	int i;

	c->kq = kq_open();
	c->filter = variant->filter;
	c->flags = variant->flags;
	for (i = 0; i < NSOURCES; i++) {
		c->fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_LE(0, c->fd[i]);
		ASSERT_EQ(0, crowd_change(c, i, EV_ADD | c->flags));
	}
	ASSERT_EQ(0, kq_change(c->kq, NSOURCES, EVFILT_USER, EV_ADD, 0, 0, STOP));
}

FIXTURE_TEARDOWN(crowd)
{
	close(self->c.kq);
}

/* Fire one source, again and again when its last event has been dealt with. */
static bool crowd_fire(struct crowd *c, int i)
{
	__u64 one = 1;

	while (atomic_load(&c->state[i]) != IDLE)
		sched_yield();
	atomic_store(&c->state[i], FIRED);
	if (c->filter == EVFILT_READ)
		return write(c->fd[i], &one, sizeof(one)) == sizeof(one);
	return !kq_change(c->kq, i, EVFILT_USER, 0, NOTE_TRIGGER, 0, UD(i));
}

/* One event: it must have been fired, and nobody else has it. */
static void crowd_take(struct crowd *c, int i)
{
	int want = FIRED;
	__u64 val;

	if (!atomic_compare_exchange_strong(&c->state[i], &want, TAKEN)) {
		atomic_fetch_add(&c->wrong, 1);
		return;
	}
	atomic_fetch_add(&c->delivered, 1);
	if (c->filter == EVFILT_READ &&
	    (read(c->fd[i], &val, sizeof(val)) < 0 || val != 1))
		atomic_fetch_add(&c->wrong, 1);
	if (((c->flags & EV_ONESHOT) && crowd_change(c, i, EV_ADD | c->flags)) ||
	    ((c->flags & EV_DISPATCH) && crowd_change(c, i, EV_ENABLE)))
		atomic_fetch_add(&c->wrong, 1);
	atomic_store(&c->state[i], IDLE);
}

static void *crowd_main(void *arg)
{
	struct crowd *c = arg;
	struct kevent ev[4];
	int i, n;

	for (;;) {
		n = kq_wait(c->kq, ev, 4, -1);
		if (n <= 0)
			return UD(1);
		for (i = 0; i < n; i++)
			if (ev[i].udata != STOP)
				crowd_take(c, UD_NUM(&ev[i]));
		for (i = 0; i < n; i++)
			if (ev[i].udata == STOP)
				return NULL;
	}
}

/* Eight threads wait on one queue: each of up to 20,000 events is delivered once, to one. */
TEST_F_TIMEOUT(crowd, exactly_once, 120)
{
	struct crowd *c = &self->c;
	pthread_t thread[NTHREADS];
	long long end;
	void *ret;
	int i, n;

	for (i = 0; i < NTHREADS; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, crowd_main, c));
	end = ts_ms() + TRIGGER_MS;
	for (n = 0; more_rounds(n, TRIGGERS_LEAST, TRIGGERS, end); n++)
		ASSERT_TRUE(crowd_fire(c, n * 29 % NSOURCES));
	for (i = 0; i < NSOURCES; i++)
		ASSERT_TRUE(WAIT_FOR(atomic_load(&c->state[i]) == IDLE));
	ASSERT_EQ(0, kq_change(c->kq, NSOURCES, EVFILT_USER, 0, NOTE_TRIGGER,
			       0, STOP));
	for (i = 0; i < NTHREADS; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], &ret));
		ASSERT_EQ(NULL, ret);
	}
	TH_LOG("%d events", n);
	ASSERT_EQ(n, atomic_load(&c->delivered));
	ASSERT_EQ(0, atomic_load(&c->wrong));
	ASSERT_EQ(1, kq_count(c->kq));
}

static int count_done(struct waiter *w, int n)
{
	int i, done = 0;

	for (i = 0; i < n; i++)
		done += waiter_done(&w[i]);
	return done;
}

/* The threads that have nothing to return were not even woken. */
static bool others_slept_on(struct waiter *w, const long sleeps[])
{
	int i;

	for (i = 0; i < NTHREADS; i++)
		if (!waiter_done(&w[i]) && count_sleeps(w[i].tid) != sleeps[i])
			return false;
	return true;
}

/* One event wakes one of eight threads, and the others sleep on; three are taken by three. */
TEST(wakes_one)
{
	struct waiter w[NTHREADS];
	long sleeps[NTHREADS];
	int kq = kq_open();
	int i, events = 0;

	for (i = 1; i <= 4; i++)
		ASSERT_EQ(0, kq_set(kq, i, EVFILT_USER, EV_ADD | EV_CLEAR));
	for (i = 0; i < NTHREADS; i++)
		ASSERT_TRUE(waiter_start(&w[i], kq, 1, -1));
	for (i = 0; i < NTHREADS; i++) {
		sleeps[i] = count_sleeps(w[i].tid);
		ASSERT_LT(0, sleeps[i]);
	}
	ASSERT_EQ(0, kq_trigger(kq, 1));
	ASSERT_TRUE(WAIT_FOR(count_done(w, NTHREADS) == 1));
	ASSERT_QUIET(kq);
	ASSERT_EQ(1, count_done(w, NTHREADS));
	ASSERT_TRUE(others_slept_on(w, sleeps));
	for (i = 2; i <= 4; i++)
		ASSERT_EQ(0, kq_trigger(kq, i));
	ASSERT_TRUE(WAIT_FOR(count_done(w, NTHREADS) == 4));
	ASSERT_QUIET(kq);
	ASSERT_EQ(4, count_done(w, NTHREADS));
	close(kq);
	for (i = 0; i < NTHREADS; i++) {
		ASSERT_TRUE(waiter_join(&w[i]));
		events += w[i].ret == 1;
		ASSERT_TRUE(w[i].ret == 1 || w[i].err == EBADF);
	}
	ASSERT_EQ(4, events);
}

TEST_HARNESS_MAIN
