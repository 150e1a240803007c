// SPDX-License-Identifier: GPL-2.0
/*
 * The end of registrations and queues while their sources fire. That nothing
 * is used after its end is for the kernel's own checks to see; here, that all
 * ends, that it does so once, and that nothing comes afterwards.
 */

#include <linux/file.h>
#include <linux/fdtable.h>
#include <linux/hrtimer.h>
#include <linux/slab.h>

#include "fixture.h"

/* --- The last moment ------------------------------------------------------ */

/* A queue without events, whatever has been on it. */
static bool is_empty(struct fixture *fix)
{
	return !kqueue_nr_ready(fix->kq) && !kqueue_has_ready(fix->kq) &&
	       !collect(fix->kq, fix->ev, COLLECT_MAX);
}

/* Bring the knote onto each of the lists that it can be on. */
static bool enter_list(struct fixture *fix, unsigned int list)
{
	struct kqueue *kq = fix->kq;
	u16 flags = list == 3 ? EV_ADD | EV_DISABLE : EV_ADD;

	if (change_flags(kq, 0, EVFILT_TEST_LEVEL, flags))
		return false;
	if (!list)
		return true;			/* none */
	source_fire(&fix->sources[0]);
	if (list == 1)
		return true;			/* the inbox */
	/* the ready list, or parked */
	return collect(kq, fix->ev, COLLECT_MAX) == (list == 2);
}

/* A source that fires until detach returns leaves nothing on the queue. */
static void teardown_last_words(struct kunit *test)
{
	struct fixture *fix = test->priv;
	unsigned int list;

	fixture_make_sources(test, 1);
	fix->sources[0].last_words = true;
	for (list = 0; list < 4; list++) {
		source_quiet(&fix->sources[0]);
		KUNIT_ASSERT_TRUE(test, enter_list(fix, list));
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 0, EVFILT_TEST_LEVEL,
						   EV_DELETE), 0);
		KUNIT_EXPECT_TRUE(test, is_empty(fix));
		KUNIT_EXPECT_EQ(test, fixture_knotes(fix), 0);
	}
	KUNIT_EXPECT_EQ(test, fix->sources[0].detached, 4);
}

/* Nor does one that is removed by its delivery. */
static void teardown_last_words_oneshot(struct kunit *test)
{
	struct fixture *fix = test->priv;
	u64 i;

	fixture_make_sources(test, 3);
	for (i = 0; i < 3; i++) {
		fix->sources[i].last_words = true;
		KUNIT_ASSERT_EQ(test, change_flags(fix->kq, i, EVFILT_TEST_COUNT,
						   EV_ADD | EV_ONESHOT), 0);
		source_fire(&fix->sources[i]);
	}
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 3);
	KUNIT_EXPECT_TRUE(test, is_empty(fix));
	KUNIT_EXPECT_EQ(test, fixture_knotes(fix), 0);
}

/* --- Detach against callbacks --------------------------------------------- */

/**
 * struct ticker - a source that a timer's interrupt fires all the time
 * @timer: the timer
 * @kn: its knote
 * @ticks: how often it has fired
 */
struct ticker {
	struct hrtimer timer;
	struct knote *kn;
	unsigned int ticks;
};

static struct ticker ticker;

#define EVFILT_TICKER	(-123)
#define TICKER_PERIOD	NSEC_PER_MSEC

/* When it first fires, from now: so that it hits all moments of what follows. */
static u64 ticker_delay;

static enum hrtimer_restart ticker_tick(struct hrtimer *timer)
{
	WRITE_ONCE(ticker.ticks, ticker.ticks + 1);
	knote_activate(ticker.kn);
	hrtimer_forward_now(timer, TICKER_PERIOD);
	return HRTIMER_RESTART;
}

static int ticker_attach(struct knote *kn)
{
	ticker.kn = kn;
	hrtimer_setup(&ticker.timer, ticker_tick, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_HARD);
	hrtimer_start(&ticker.timer, ticker_delay, HRTIMER_MODE_REL_HARD);
	return 0;
}

static void ticker_detach(struct knote *kn)
{
	hrtimer_cancel(&ticker.timer);
	ticker.kn = NULL;
}

static bool ticker_event(struct knote *kn, struct kevent_record *kev)
{
	kev->data = READ_ONCE(ticker.ticks);
	return kev->data;
}

static const struct kevent_filter ticker_filter = {
	.owner = THIS_MODULE,
	.name = "test-ticker",
	.attach = ticker_attach,
	.detach = ticker_detach,
	.event = ticker_event,
};

/* Registered for some ticks, then removed in one of the ways there are. */
static bool ticker_round(struct fixture *fix, unsigned int round)
{
	struct kqueue *kq = fix->kq;
	bool oneshot = round % 2;

	ticker.ticks = 0;
	ticker_delay = round * 200;
	if (change_flags(kq, 1, EVFILT_TICKER,
			 EV_ADD | (oneshot ? EV_ONESHOT : EV_CLEAR)))
		return false;
	if (round % 3 && collect_wait(kq, 0, fix->ev, 1) != 1)
		return false;
	if (change_flags(kq, 1, EVFILT_TICKER, EV_DELETE) !=
	    (oneshot && round % 3 ? -ENOENT : 0))
		return false;
	return !ticker.kn && is_empty(fix);
}

/* A knote is removed while an interrupt fires it. */
static void teardown_ticker(struct kunit *test)
{
	struct fixture *fix = test->priv;
	unsigned int round = 0;

	KUNIT_ASSERT_EQ(test, kevent_filter_register(EVFILT_TICKER,
						     &ticker_filter), 0);
	while (round < 600 && ticker_round(fix, round))
		round++;
	change_flags(fix->kq, 1, EVFILT_TICKER, EV_DELETE);
	kevent_filter_unregister(EVFILT_TICKER, &ticker_filter);
	KUNIT_EXPECT_EQ(test, round, 600);
}

static int add_timer_ns(struct kqueue *kq, s64 ns)
{
	struct kevent_record kev = {
		.ident = 1,
		.filter = EVFILT_TIMER,
		.flags = EV_ADD,
		.fflags = NOTE_NSECONDS,
		.data = ns,
	};

	return change(kq, &kev);
}

/* A timer is removed, or started again, at the moment when it expires. */
static void teardown_timer(struct kunit *test)
{
	struct fixture *fix = test->priv;
	unsigned int i, bad = 0;

	for (i = 0; i < 600; i++) {
		bad += !!add_timer_ns(fix->kq, 1 + i * 100);
		if (i % 4 == 1)
			bad += !!add_timer_ns(fix->kq, 1 + i);
		if (i % 4 == 2)
			bad += collect_wait(fix->kq, 0, fix->ev, 1) != 1;
		bad += !!change_flags(fix->kq, 1, EVFILT_TIMER, EV_DELETE);
		bad += !is_empty(fix);
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
}

/* --- Threads that fire all the time --------------------------------------- */

#define NR_SOURCES	4
#define NR_THREADS	3

/**
 * struct storm - threads that fire all sources, others that collect
 * @fix: whose sources
 * @kq: whose events
 * @firing: the threads that fire
 * @waiting: the threads that collect, until an error
 * @ret: the error
 * @stop: no more firing
 */
struct storm {
	struct fixture *fix;
	struct kqueue *kq;
	struct worker firing[NR_THREADS];
	struct worker waiting[NR_THREADS];
	int ret[NR_THREADS];
	atomic_t stop;
};

static void storm_fire(struct worker *worker)
{
	struct storm *storm = container_of(worker, struct storm,
					   firing[worker->number - 1]);
	unsigned int i = 0;

	while (!atomic_read(&storm->stop)) {
		source_fire(&storm->fix->sources[i++ % NR_SOURCES]);
		cond_resched();
	}
}

static void storm_wait(struct worker *worker)
{
	unsigned int i = worker->number - 1;
	struct storm *storm = container_of(worker, struct storm, waiting[i]);
	struct kevent_record ev[2];

	do {
		storm->ret[i] = collect_wait(storm->kq, worker->number, ev, 2);
		cond_resched();
	} while (storm->ret[i] >= 0);
}

static struct storm *storm_new(struct kunit *test)
{
	struct storm *storm = kunit_kzalloc(test, sizeof(*storm), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, storm);
	fixture_make_sources(test, NR_SOURCES);
	storm->fix = test->priv;
	return storm;
}

static bool storm_start_firing(struct storm *storm)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < NR_THREADS; i++)
		ok &= worker_start(&storm->firing[i], i + 1, storm_fire);
	return ok;
}

static bool storm_start_waiting(struct storm *storm)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < NR_THREADS; i++)
		ok &= worker_start(&storm->waiting[i], i + 1, storm_wait);
	return ok;
}

static bool storm_stop_firing(struct storm *storm)
{
	unsigned int i;
	bool ok = true;

	atomic_set(&storm->stop, 1);
	for (i = 0; i < NR_THREADS; i++)
		ok &= worker_join(&storm->firing[i]);
	return ok;
}

/* All that waited were told that the queue is closed. */
static bool storm_were_told(struct storm *storm)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < NR_THREADS; i++)
		ok &= worker_join(&storm->waiting[i]) &&
		      storm->ret[i] == -EBADF;
	return ok;
}

/* Registrations come and go while threads fire and threads collect. */
static void teardown_in_storm(struct kunit *test)
{
	static const u16 flags[] = {
		0, EV_CLEAR, EV_ONESHOT, EV_DISPATCH, EV_DISABLE,
	};
	struct storm *storm = storm_new(test);
	struct kqueue *kq = storm->fix->kq;
	unsigned int i, bad = 0;
	bool ok;
	int ret;

	storm->kq = kq;
	ok = storm_start_firing(storm) && storm_start_waiting(storm);
	for (i = 0; i < 2000; i++) {
		bad += !!change_flags(kq, i % NR_SOURCES, EVFILT_TEST_LEVEL,
				      EV_ADD | flags[i % ARRAY_SIZE(flags)]);
		ret = change_flags(kq, (i + 1) % NR_SOURCES, EVFILT_TEST_LEVEL,
				   EV_DELETE);
		/* A one-shot one may have gone by itself. */
		bad += ret && ret != -ENOENT;
		cond_resched();
	}
	kqueue_close(kq);
	ok &= storm_stop_firing(storm);
	ok &= storm_were_told(storm);
	KUNIT_EXPECT_TRUE(test, ok);
	KUNIT_EXPECT_EQ(test, bad, 0);
}

/* No source may know of a knote of a queue that is closed. */
static unsigned int storm_attached(struct storm *storm)
{
	unsigned int i, n = 0;

	for (i = 0; i < NR_SOURCES; i++)
		n += !!READ_ONCE(storm->fix->sources[i].kn);
	return n;
}

static bool storm_close_round(struct storm *storm, unsigned int *left)
{
	unsigned int i;
	bool ok = true;

	storm->kq = kqueue_alloc();
	if (!storm->kq)
		return false;
	for (i = 0; i < NR_SOURCES; i++)
		ok &= !change_flags(storm->kq, i, EVFILT_TEST_COUNT,
				    EV_ADD | (i % 2 ? EV_CLEAR : 0));
	ok &= storm_start_waiting(storm);
	kqueue_close(storm->kq);
	ok &= storm_were_told(storm);
	/* A thread that held some when the queue was closed has ended them. */
	*left += storm_attached(storm);
	ok &= refcount_read(&storm->kq->refs) == 1;
	kqueue_put(storm->kq);
	return ok;
}

/* Queues are closed, and freed, while threads fire and threads collect. */
static void teardown_close_in_storm(struct kunit *test)
{
	struct storm *storm = storm_new(test);
	bool ok = storm_start_firing(storm);
	unsigned int i, left = 0;

	for (i = 0; i < 40; i++)
		ok &= storm_close_round(storm, &left);
	ok &= storm_stop_firing(storm);
	KUNIT_EXPECT_TRUE(test, ok);
	KUNIT_EXPECT_EQ(test, left, 0);
}

/* Closing wakes all that sleep in the queue, with EBADF. */
static void teardown_close_wakes(struct kunit *test)
{
	struct storm *storm = storm_new(test);
	struct kqueue *kq = storm->fix->kq;
	unsigned int i;
	bool ok;

	storm->kq = kq;
	ok = storm_start_waiting(storm);
	for (i = 0; ok && i < NR_THREADS; i++)
		ok &= worker_wait_asleep(&storm->waiting[i]);
	kqueue_close(kq);
	ok &= storm_were_told(storm);
	KUNIT_EXPECT_TRUE(test, ok);
	KUNIT_EXPECT_EQ(test, collect(kq, storm->fix->ev, 1), -EBADF);
}

/* --- The close hook ------------------------------------------------------- */

/**
 * struct closing - a queue that watches a descriptor, and both go
 * @worker: closes the queue
 * @kq: the queue
 * @tf: the file
 * @fd: its number
 */
struct closing {
	struct worker worker;
	struct kqueue *kq;
	struct test_file tf;
	int fd;
};

static void closing_queue(struct worker *worker)
{
	kqueue_close(container_of(worker, struct closing, worker)->kq);
}

/* Open both; three knotes on the number, one of them queued. */
static bool closing_open(struct closing *c)
{
	c->kq = kqueue_alloc();
	c->fd = test_file_open(&c->tf);
	if (!c->kq || c->fd < 0)
		return false;
	if (change_flags(c->kq, c->fd, EVFILT_READ, EV_ADD) ||
	    change_flags(c->kq, c->fd, EVFILT_WRITE, EV_ADD | EV_ONESHOT) ||
	    change_flags(c->kq, c->fd, EVFILT_EXCEPT, EV_ADD | EV_DISABLE))
		return false;
	test_file_fire(&c->tf, EPOLLIN);
	return true;
}

/* Wait until nobody holds the queue any more for the hook. */
static bool closing_let_go(struct closing *c)
{
	return WAIT_FOR(refcount_read(&c->kq->refs) == 1);
}

/* All is over: the file is released, once. Gives the queue back. */
static bool closing_over(struct closing *c)
{
	bool ok = test_file_released(&c->tf) && closing_let_go(c);

	ok &= !c->kq->nfd_knotes && !completion_done(&c->tf.released);
	kqueue_put(c->kq);
	return ok;
}

/*
 * The hook takes the knotes, and the queue is closed before they are dropped:
 * who closes it has waited for the lock for longer.
 */
static void teardown_hook_then_queue(struct kunit *test)
{
	struct closing c = {};
	bool ok;

	KUNIT_ASSERT_TRUE(test, closing_open(&c));
	mutex_lock(&c.kq->mtx);
	ok = worker_start(&c.worker, 1, closing_queue) &&
	     worker_wait_asleep(&c.worker);
	close_fd(c.fd);
	/* Three knotes and a work, each with a reference. */
	ok &= refcount_read(&c.kq->refs) > 3;
	mutex_unlock(&c.kq->mtx);
	ok &= worker_join(&c.worker);
	ok &= closing_over(&c);
	KUNIT_EXPECT_TRUE(test, ok);
}

/* The hook takes the knotes and they are dropped, then the queue is closed. */
static void teardown_hook_alone(struct kunit *test)
{
	struct closing c = {};

	KUNIT_ASSERT_TRUE(test, closing_open(&c));
	close_fd(c.fd);
	KUNIT_EXPECT_TRUE(test, closing_let_go(&c));
	KUNIT_EXPECT_EQ(test, c.kq->nfd_knotes, 0);
	kqueue_close(c.kq);
	KUNIT_EXPECT_TRUE(test, closing_over(&c));
}

/* The queue is closed first; then nothing is left for the hook. */
static void teardown_queue_then_hook(struct kunit *test)
{
	struct closing c = {};

	KUNIT_ASSERT_TRUE(test, closing_open(&c));
	kqueue_close(c.kq);
	KUNIT_EXPECT_EQ(test, c.kq->nfd_knotes, 0);
	close_fd(c.fd);
	KUNIT_EXPECT_EQ(test, refcount_read(&c.kq->refs), 1);
	KUNIT_EXPECT_TRUE(test, closing_over(&c));
}

/* Both at once, as it comes. */
static void teardown_hook_and_queue(struct kunit *test)
{
	struct closing *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	unsigned int i;
	bool ok = true;

	KUNIT_ASSERT_NOT_NULL(test, c);
	for (i = 0; ok && i < 60; i++) {
		ok = closing_open(c) && worker_start(&c->worker, 1, closing_queue);
		if (!ok)
			break;
		close_fd(c->fd);
		ok &= worker_join(&c->worker);
		ok &= closing_over(c);
	}
	KUNIT_EXPECT_EQ(test, i, 60);
	KUNIT_EXPECT_TRUE(test, ok);
}

/*
 * A number is closed and used again, and registered again, before the knote of
 * its first life is dropped: that one goes, and does not take the new one along.
 */
static void teardown_number_again(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct kqueue *kq = fix->kq;
	struct kevent_record again = {
		.filter = EVFILT_READ,
		.flags = EV_ADD,
		.udata = 2,
	};
	struct test_file old, new;
	int fd, fd_again, ret;
	bool released;

	fd = test_file_open(&old);
	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_EQ(test, change_flags(kq, fd, EVFILT_READ, EV_ADD), 0);
	test_file_fire(&old, EPOLLIN);

	mutex_lock(&kq->mtx);
	close_fd(fd);
	fd_again = test_file_open(&new);
	again.ident = fd_again;
	ret = kqueue_apply(kq, &again, 0);
	mutex_unlock(&kq->mtx);
	released = test_file_released(&old);

	KUNIT_EXPECT_EQ(test, fd_again, fd);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_TRUE(test, released);
	KUNIT_EXPECT_EQ(test, kq->nfd_knotes, 1);
	KUNIT_EXPECT_TRUE(test, is_empty(fix));
	test_file_fire(&new, EPOLLIN);
	KUNIT_EXPECT_EQ(test, collect(kq, fix->ev, COLLECT_MAX), 1);
	KUNIT_EXPECT_EQ(test, fix->ev[0].udata, 2);
	close_fd(fd_again);
	KUNIT_EXPECT_TRUE(test, test_file_released(&new));
	KUNIT_EXPECT_TRUE(test, is_empty(fix));
}

static struct kunit_case teardown_cases[] = {
	KUNIT_CASE(teardown_last_words),
	KUNIT_CASE(teardown_last_words_oneshot),
	KUNIT_CASE(teardown_ticker),
	KUNIT_CASE(teardown_timer),
	KUNIT_CASE(teardown_in_storm),
	KUNIT_CASE(teardown_close_in_storm),
	KUNIT_CASE(teardown_close_wakes),
	KUNIT_CASE(teardown_hook_then_queue),
	KUNIT_CASE(teardown_hook_alone),
	KUNIT_CASE(teardown_queue_then_hook),
	KUNIT_CASE(teardown_hook_and_queue),
	KUNIT_CASE(teardown_number_again),
	{}
};

static struct kunit_suite teardown_suite = {
	.name = "kevent_teardown",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = teardown_cases,
};

kunit_test_suite(teardown_suite);
