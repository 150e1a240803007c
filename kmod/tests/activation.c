// SPDX-License-Identifier: GPL-2.0
/*
 * Activation: from interrupts and from many threads, to threads that sleep or
 * are just about to. Whatever fires is delivered once, and wakes somebody. A
 * wake-up that is lost shows as a look that takes LIMIT_MS.
 */

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/sched.h>

#include "fixture.h"

/* --- One thread, one source ----------------------------------------------- */

/**
 * struct pingpong - a thread takes what one source fires, one by one
 * @worker: the thread
 * @kq: the queue
 * @rounds: how many it is to take
 * @taken: how many it has
 * @wrong: looks that did not return just that
 * @ack: completed for each
 */
struct pingpong {
	struct worker worker;
	struct kqueue *kq;
	unsigned int rounds;
	unsigned int taken;
	unsigned int wrong;
	struct completion ack;
};

static void pingpong_take(struct worker *worker)
{
	struct pingpong *pp = container_of(worker, struct pingpong, worker);
	struct kevent_record ev;
	int n;

	for (; pp->taken < pp->rounds; pp->taken++) {
		n = collect_wait(pp->kq, worker->number, &ev, 1);
		if (n != 1 || ev.data != 1)
			pp->wrong++;
		complete(&pp->ack);
		/* All others will be late, too. */
		if (n != 1)
			return;
	}
}

/* Prepared for a source with EV_CLEAR; @rounds may be any. */
static struct pingpong *pingpong_new(struct kunit *test, unsigned int rounds)
{
	struct pingpong *pp = kunit_kzalloc(test, sizeof(*pp), GFP_KERNEL);
	struct fixture *fix = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, pp);
	fixture_make_sources(test, 1);
	KUNIT_ASSERT_EQ(test, change_flags(fix->kq, 0, EVFILT_TEST_COUNT,
					   EV_ADD | EV_CLEAR), 0);
	pp->kq = fix->kq;
	pp->rounds = rounds;
	init_completion(&pp->ack);
	return pp;
}

static bool pingpong_acked(struct pingpong *pp)
{
	return wait_for_completion_timeout(&pp->ack,
					   msecs_to_jiffies(2 * LIMIT_MS));
}

/* Fire; if @asleep, only when the taker sleeps. Then wait for it. */
static void pingpong_play(struct pingpong *pp, bool asleep,
			  void (*fire)(void *arg), void *arg)
{
	unsigned int i;

	for (i = 0; i < pp->rounds && !pp->wrong; i++) {
		if (asleep && !worker_wait_asleep(&pp->worker))
			pp->wrong++;
		fire(arg);
		if (!pingpong_acked(pp))
			pp->wrong++;
	}
}

static void pingpong_run(struct kunit *test, struct pingpong *pp, bool asleep,
			 void (*fire)(void *arg), void *arg)
{
	bool started = worker_start(&pp->worker, 1, pingpong_take);

	if (started) {
		pingpong_play(pp, asleep, fire, arg);
		worker_join(&pp->worker);
	}
	KUNIT_EXPECT_TRUE(test, started);
	KUNIT_EXPECT_EQ(test, pp->wrong, 0);
	KUNIT_EXPECT_EQ(test, pp->taken, pp->rounds);
}

static void fire_here(void *arg)
{
	source_fire(arg);
}

/* A thread that sleeps in a look is woken by what fires. */
static void activation_wakes_sleeper(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct pingpong *pp = pingpong_new(test, 200);

	pingpong_run(test, pp, true, fire_here, &fix->sources[0]);
}

/* So is one that is just about to sleep. */
static void activation_wakes_dozer(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct pingpong *pp = pingpong_new(test, 2000);

	pingpong_run(test, pp, false, fire_here, &fix->sources[0]);
}

/**
 * struct irq_source - fires from an interrupt
 * @work: the interrupt
 * @src: what fires
 * @elsewhere: how often it came not in an interrupt
 */
struct irq_source {
	struct irq_work work;
	struct source *src;
	unsigned int elsewhere;
};

static void irq_fire(struct irq_work *work)
{
	struct irq_source *irq = container_of(work, struct irq_source, work);

	if (!in_hardirq())
		irq->elsewhere++;
	source_fire(irq->src);
}

static void fire_irq(void *arg)
{
	struct irq_source *irq = arg;

	irq_work_queue(&irq->work);
}

/*
 * A hard interrupt can fire, on real-time kernels too; the thread that it
 * interrupts may be the sleeper.
 */
static void activation_from_irq(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct pingpong *pp = pingpong_new(test, 2000);
	struct irq_source irq = { .src = &fix->sources[0] };

	irq.work = IRQ_WORK_INIT_HARD(irq_fire);
	pingpong_run(test, pp, false, fire_irq, &irq);
	irq_work_sync(&irq.work);
	KUNIT_EXPECT_EQ(test, irq.elsewhere, 0);
}

/* --- Many of all ---------------------------------------------------------- */

#define NR_SOURCES	8
#define NR_PRODUCERS	4
#define NR_CONSUMERS	3

/**
 * struct crowd - producers fire, consumers take, each firing is counted
 * @fix: the fixture
 * @producers: threads
 * @consumers: threads
 * @timer: or an interrupt
 * @left: how often that has yet to come
 * @firings: how many there are to be, of all sources
 * @taken: of each source
 * @all_taken: of all
 * @holders: how many consumers have an event of each source, that is dispatched
 * @doubled: events that a second consumer got meanwhile
 * @wrong: looks and changes that failed
 * @stop: consumers shall leave
 * @progress: woken when something was taken
 */
struct crowd {
	struct fixture *fix;
	struct worker producers[NR_PRODUCERS];
	struct worker consumers[NR_CONSUMERS];
	struct hrtimer timer;
	unsigned int left;
	unsigned int firings;
	atomic64_t taken[NR_SOURCES];
	atomic64_t all_taken;
	atomic_t holders[NR_SOURCES];
	atomic_t doubled;
	atomic_t wrong;
	atomic_t stop;
	wait_queue_head_t progress;
};

static u16 crowd_flags(u64 ident)
{
	return ident % 2 ? EV_CLEAR : EV_CLEAR | EV_DISPATCH;
}

static bool crowd_is_good(const struct kevent_record *ev)
{
	return ev->ident < NR_SOURCES && ev->data > 0;
}

/* From here on no other consumer may get one that is dispatched. */
static void crowd_hold(struct crowd *crowd, const struct kevent_record *ev)
{
	if ((ev->flags & EV_DISPATCH) &&
	    atomic_inc_return(&crowd->holders[ev->ident]) != 1)
		atomic_inc(&crowd->doubled);
}

static void crowd_take(struct crowd *crowd, const struct kevent_record *ev)
{
	u64 i = ev->ident;

	atomic64_add(ev->data, &crowd->taken[i]);
	atomic64_add(ev->data, &crowd->all_taken);
	wake_up(&crowd->progress);
	if (!(ev->flags & EV_DISPATCH))
		return;
	atomic_dec(&crowd->holders[i]);
	if (change_flags(crowd->fix->kq, i, EVFILT_TEST_COUNT, EV_ENABLE))
		atomic_inc(&crowd->wrong);
}

static void crowd_consume(struct crowd *crowd, struct worker *worker)
{
	struct kevent_record ev[3];
	int i, n;

	while (!atomic_read(&crowd->stop)) {
		n = collect_wait(crowd->fix->kq, worker->number, ev,
				 ARRAY_SIZE(ev));
		for (i = 0; i < n; i++)
			if (ev[i].filter == EVFILT_TEST_COUNT &&
			    crowd_is_good(&ev[i]))
				crowd_hold(crowd, &ev[i]);
			else if (ev[i].filter == EVFILT_TEST_COUNT)
				n = -1;
		if (n <= 0) {
			atomic_inc(&crowd->wrong);
			return;
		}
		for (i = 0; i < n; i++)
			if (ev[i].filter == EVFILT_TEST_COUNT)
				crowd_take(crowd, &ev[i]);
		cond_resched();
	}
}

static void crowd_consumer(struct worker *worker)
{
	crowd_consume(container_of(worker, struct crowd,
				   consumers[worker->number - 1]), worker);
}

static void crowd_producer(struct worker *worker)
{
	struct crowd *crowd = container_of(worker, struct crowd,
					   producers[worker->number - 1]);
	unsigned int i;

	for (i = 0; i < crowd->firings / NR_PRODUCERS; i++) {
		source_fire(&crowd->fix->sources[i % NR_SOURCES]);
		if (!(i % 64))
			cond_resched();
	}
}

/* Leaves the CPU some time for others, also on a slow machine. */
#define CROWD_PERIOD	NSEC_PER_MSEC

static enum hrtimer_restart crowd_tick(struct hrtimer *timer)
{
	struct crowd *crowd = container_of(timer, struct crowd, timer);

	source_fire(&crowd->fix->sources[crowd->left % NR_SOURCES]);
	if (!--crowd->left)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, CROWD_PERIOD);
	return HRTIMER_RESTART;
}

/* @firings: of all producers together. */
static struct crowd *crowd_new(struct kunit *test, unsigned int firings)
{
	struct crowd *crowd = kunit_kzalloc(test, sizeof(*crowd), GFP_KERNEL);
	struct fixture *fix = test->priv;
	u64 i;

	KUNIT_ASSERT_NOT_NULL(test, crowd);
	fixture_make_sources(test, NR_SOURCES);
	for (i = 0; i < NR_SOURCES; i++)
		KUNIT_ASSERT_EQ(test, change_flags(fix->kq, i, EVFILT_TEST_COUNT,
						   EV_ADD | crowd_flags(i)), 0);
	crowd->fix = fix;
	crowd->firings = firings;
	init_waitqueue_head(&crowd->progress);
	return crowd;
}

static bool crowd_start_consumers(struct crowd *crowd)
{
	bool started = true;
	unsigned int i;

	for (i = 0; i < NR_CONSUMERS; i++)
		started &= worker_start(&crowd->consumers[i], i + 1,
					crowd_consumer);
	return started;
}

/* All is fired; wait until all is taken, then send the consumers home. */
static bool crowd_finish(struct crowd *crowd)
{
	struct kqueue *kq = crowd->fix->kq;
	unsigned int i;
	bool ok;

	ok = wait_event_timeout(crowd->progress,
				atomic64_read(&crowd->all_taken) >=
				crowd->firings,
				msecs_to_jiffies(LIMIT_MS));
	atomic_set(&crowd->stop, 1);
	ok &= user_trigger(kq);
	for (i = 0; i < NR_CONSUMERS; i++)
		ok &= worker_join(&crowd->consumers[i]);
	return ok;
}

static void crowd_judge(struct kunit *test, struct crowd *crowd)
{
	unsigned int i, each = crowd->firings / NR_SOURCES;

	for (i = 0; i < NR_SOURCES; i++)
		KUNIT_EXPECT_EQ(test, atomic64_read(&crowd->taken[i]), each);
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd->doubled), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd->wrong), 0);
}

/* Many threads fire, some take: each firing arrives once. */
static void activation_from_threads(struct kunit *test)
{
	struct crowd *crowd = crowd_new(test, 16000);
	bool ok = crowd_start_consumers(crowd);
	unsigned int i;

	for (i = 0; i < NR_PRODUCERS; i++)
		ok &= worker_start(&crowd->producers[i], i + 1, crowd_producer);
	for (i = 0; i < NR_PRODUCERS; i++)
		ok &= worker_join(&crowd->producers[i]);
	ok &= crowd_finish(crowd);
	KUNIT_EXPECT_TRUE(test, ok);
	crowd_judge(test, crowd);
}

/* The same for the interrupt of a timer, which threads cannot hold up. */
static void activation_from_timer(struct kunit *test)
{
	struct crowd *crowd = crowd_new(test, 1000);
	bool ok = crowd_start_consumers(crowd);

	crowd->left = crowd->firings;
	hrtimer_setup(&crowd->timer, crowd_tick, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_HARD);
	hrtimer_start(&crowd->timer, CROWD_PERIOD, HRTIMER_MODE_REL_HARD);
	ok &= crowd_finish(crowd);
	hrtimer_cancel(&crowd->timer);
	KUNIT_EXPECT_TRUE(test, ok);
	crowd_judge(test, crowd);
}

/* --- Who is woken --------------------------------------------------------- */

#define NR_WAITERS	6

/**
 * struct waiters - threads that wait for one event each
 * @kq: the queue
 * @worker: the threads
 * @ret: what their look returned
 * @ev: what they got
 */
struct waiters {
	struct kqueue *kq;
	struct worker worker[NR_WAITERS];
	int ret[NR_WAITERS];
	struct kevent_record ev[NR_WAITERS];
};

static void waiters_wait(struct worker *worker)
{
	unsigned int i = worker->number - 1;
	struct waiters *waiters = container_of(worker, struct waiters,
					       worker[i]);

	waiters->ret[i] = collect_wait(waiters->kq, worker->number,
				       &waiters->ev[i], 1);
}

static struct waiters *waiters_new(struct kunit *test)
{
	struct waiters *waiters = kunit_kzalloc(test, sizeof(*waiters),
						GFP_KERNEL);
	struct fixture *fix = test->priv;
	u64 i;

	KUNIT_ASSERT_NOT_NULL(test, waiters);
	fixture_make_sources(test, NR_WAITERS);
	for (i = 0; i < NR_WAITERS; i++)
		KUNIT_ASSERT_EQ(test, change_flags(fix->kq, i, EVFILT_TEST_COUNT,
						   EV_ADD | EV_CLEAR), 0);
	waiters->kq = fix->kq;
	return waiters;
}

/* How many threads are on the queue to be woken. */
static unsigned int nr_waiting(struct kqueue *kq)
{
	struct list_head *pos;
	unsigned int n = 0;

	raw_spin_lock_irq(&kq->waiters.lock);
	list_for_each(pos, &kq->waiters.task_list)
		n++;
	raw_spin_unlock_irq(&kq->waiters.lock);
	return n;
}

/* Start all and wait until they sleep in the queue. */
static bool waiters_start(struct waiters *waiters)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < NR_WAITERS; i++)
		ok &= worker_start(&waiters->worker[i], i + 1, waiters_wait);
	if (!WAIT_FOR(nr_waiting(waiters->kq) == NR_WAITERS))
		return false;
	/* One that has queued itself only may yet see what fires by itself. */
	for (i = 0; ok && i < NR_WAITERS; i++)
		ok = worker_wait_asleep(&waiters->worker[i]);
	return ok;
}

/* Each event wakes one thread, so that as many leave as there are events. */
static void activation_one_each(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct waiters *waiters = waiters_new(test);
	unsigned int i, seen = 0;
	bool ok = waiters_start(waiters);

	for (i = 0; i < NR_WAITERS; i++)
		source_fire(&fix->sources[i]);
	for (i = 0; i < NR_WAITERS; i++)
		ok &= worker_join(&waiters->worker[i]);

	KUNIT_EXPECT_TRUE(test, ok);
	for (i = 0; i < NR_WAITERS; i++) {
		KUNIT_EXPECT_EQ(test, waiters->ret[i], 1);
		seen |= BIT(waiters->ev[i].ident);
	}
	KUNIT_EXPECT_EQ(test, seen, BIT(NR_WAITERS) - 1);
}

/* An event that stays ready is passed on: all that wait return with it. */
static void activation_passed_on(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct waiters *waiters = waiters_new(test);
	bool ok = waiters_start(waiters) && user_trigger(fix->kq);
	unsigned int i;

	for (i = 0; i < NR_WAITERS; i++)
		ok &= worker_join(&waiters->worker[i]);

	KUNIT_EXPECT_TRUE(test, ok);
	for (i = 0; i < NR_WAITERS; i++) {
		KUNIT_EXPECT_EQ(test, waiters->ret[i], 1);
		KUNIT_EXPECT_EQ(test, waiters->ev[i].filter, EVFILT_USER);
	}
}

/* One event wakes one thread and leaves the others asleep. */
static void activation_no_herd(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct waiters *waiters = waiters_new(test);
	bool ok = waiters_start(waiters);
	unsigned int i, left[NR_WAITERS];

	for (i = 0; i < NR_WAITERS; i++) {
		source_fire(&fix->sources[i]);
		left[i] = nr_waiting(fix->kq);
	}
	for (i = 0; i < NR_WAITERS; i++)
		ok &= worker_join(&waiters->worker[i]);

	KUNIT_EXPECT_TRUE(test, ok);
	for (i = 0; i < NR_WAITERS; i++)
		KUNIT_EXPECT_EQ(test, waiters->ret[i], 1);
	KUNIT_EXPECT_EQ(test, left[0], NR_WAITERS - 1);
	for (i = 1; i < NR_WAITERS; i++)
		KUNIT_EXPECT_LE(test, left[i], left[i - 1]);
}

/* --- Just when somebody looks --------------------------------------------- */

/*
 * What fires between the look at the source and the end of that look is not
 * lost, whether the look has found something or not.
 */
static void look_twice(struct kunit *test, u16 flags, bool ready, bool listed)
{
	struct fixture *fix = test->priv;
	struct source *src = &fix->sources[0];
	int n;

	KUNIT_ASSERT_EQ(test, change_flags(fix->kq, 0, EVFILT_TEST_LEVEL,
					   EV_ADD | flags), 0);
	source_fire(src);
	if (listed)
		KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, 1), 1);
	if (!ready)
		source_quiet(src);
	src->echo = true;

	n = collect(fix->kq, fix->ev, 1);
	if (ready)
		KUNIT_EXPECT_EQ(test, n, 1);
	/* One that was on the list may have been looked at again at once. */
	if (ready || n == 0)
		n = collect(fix->kq, fix->ev, 1);
	KUNIT_EXPECT_EQ(test, n, 1);
	KUNIT_EXPECT_EQ(test, fix->ev[0].data, ready ? 2 : 1);
	KUNIT_EXPECT_EQ(test, change_flags(fix->kq, 0, EVFILT_TEST_LEVEL,
					   EV_DELETE), 0);
	source_quiet(src);
}

/*
 * A source that fires while it is looked at is looked at again. One that is
 * ready and not EV_CLEAR is in any case.
 */
static void activation_during_look(struct kunit *test)
{
	fixture_make_sources(test, 1);
	look_twice(test, 0, false, false);
	look_twice(test, 0, false, true);
	look_twice(test, EV_CLEAR, true, false);
	look_twice(test, EV_CLEAR, false, false);
}

static struct kunit_case activation_cases[] = {
	KUNIT_CASE(activation_wakes_sleeper),
	KUNIT_CASE(activation_wakes_dozer),
	KUNIT_CASE(activation_from_irq),
	KUNIT_CASE(activation_from_threads),
	KUNIT_CASE(activation_from_timer),
	KUNIT_CASE(activation_one_each),
	KUNIT_CASE(activation_passed_on),
	KUNIT_CASE(activation_no_herd),
	KUNIT_CASE(activation_during_look),
	{}
};

static struct kunit_suite activation_suite = {
	.name = "kevent_activation",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = activation_cases,
};

kunit_test_suite(activation_suite);
