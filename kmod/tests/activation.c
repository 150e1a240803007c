// SPDX-License-Identifier: GPL-2.0
/*
 * Activation: from interrupts and from many threads, to threads that sleep or
 * are just about to. Whatever fires is delivered once, and wakes somebody. A
 * wake-up that is lost shows as a look that returns 0 after LIMIT_MS.
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

	if (!IS_ENABLED(CONFIG_PREEMPT_RT) && !in_hardirq())
		irq->elsewhere++;
	source_fire(irq->src);
}

static void fire_irq(void *arg)
{
	struct irq_source *irq = arg;

	irq_work_queue(&irq->work);
}

/* A hard interrupt can fire; the thread that it interrupts may be the sleeper. */
static void activation_from_irq(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct pingpong *pp = pingpong_new(test, 2000);
	struct irq_source irq = { .src = &fix->sources[0] };

	init_irq_work(&irq.work, irq_fire);
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
 * @timers: or interrupts
 * @firings: how many each producer makes
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
	struct crowd_timer {
		struct hrtimer timer;
		struct crowd *crowd;
		unsigned int left;
	} timers[NR_PRODUCERS];
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

	for (i = 0; i < crowd->firings; i++) {
		source_fire(&crowd->fix->sources[i % NR_SOURCES]);
		if (!(i % 64))
			cond_resched();
	}
}

#define CROWD_PERIOD	(500 * NSEC_PER_USEC)

static enum hrtimer_restart crowd_tick(struct hrtimer *timer)
{
	struct crowd_timer *ct = container_of(timer, struct crowd_timer, timer);

	source_fire(&ct->crowd->fix->sources[ct->left % NR_SOURCES]);
	if (!--ct->left)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(timer, CROWD_PERIOD);
	return HRTIMER_RESTART;
}

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
	s64 all = (s64)NR_PRODUCERS * crowd->firings;
	struct kqueue *kq = crowd->fix->kq;
	unsigned int i;
	bool ok;

	ok = wait_event_timeout(crowd->progress,
				atomic64_read(&crowd->all_taken) >= all,
				msecs_to_jiffies(LIMIT_MS));
	atomic_set(&crowd->stop, 1);
	ok &= user_trigger(kq);
	for (i = 0; i < NR_CONSUMERS; i++)
		ok &= worker_join(&crowd->consumers[i]);
	return ok;
}

static void crowd_judge(struct kunit *test, struct crowd *crowd)
{
	unsigned int i, each = NR_PRODUCERS * crowd->firings / NR_SOURCES;

	for (i = 0; i < NR_SOURCES; i++)
		KUNIT_EXPECT_EQ(test, atomic64_read(&crowd->taken[i]), each);
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd->doubled), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&crowd->wrong), 0);
}

/* Many threads fire, some take: each firing arrives once. */
static void activation_from_threads(struct kunit *test)
{
	struct crowd *crowd = crowd_new(test, 4000);
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

/* The same for interrupts of timers, which threads cannot hold up. */
static void activation_from_timers(struct kunit *test)
{
	struct crowd *crowd = crowd_new(test, 1000);
	bool ok = crowd_start_consumers(crowd);
	struct crowd_timer *ct = crowd->timers;
	unsigned int i;

	for (i = 0; i < NR_PRODUCERS; i++, ct++) {
		ct->crowd = crowd;
		ct->left = crowd->firings;
		hrtimer_setup(&ct->timer, crowd_tick, CLOCK_MONOTONIC,
			      HRTIMER_MODE_REL);
		hrtimer_start(&ct->timer, CROWD_PERIOD, HRTIMER_MODE_REL);
	}
	ok &= crowd_finish(crowd);
	for (i = 0; i < NR_PRODUCERS; i++)
		hrtimer_cancel(&crowd->timers[i].timer);
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

/* Start all and wait until they sleep. */
static bool waiters_start(struct waiters *waiters)
{
	bool ok = true;
	unsigned int i;

	for (i = 0; i < NR_WAITERS; i++)
		ok &= worker_start(&waiters->worker[i], i + 1, waiters_wait);
	for (i = 0; ok && i < NR_WAITERS; i++)
		ok &= worker_wait_asleep(&waiters->worker[i]);
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

static bool waiter_done(struct waiters *waiters, unsigned int i)
{
	return completion_done(&waiters->worker[i].done);
}

/* Wait for the first to leave, and until the others sleep. How many left? */
static unsigned int waiters_done(struct waiters *waiters)
{
	ktime_t end = ktime_add_ms(ktime_get(), LIMIT_MS);
	unsigned int i, done;

	do {
		done = 0;
		for (i = 0; i < NR_WAITERS; i++) {
			worker_wait_asleep(&waiters->worker[i]);
			done += waiter_done(waiters, i);
		}
	} while (!done && ktime_before(ktime_get(), end));
	return done;
}

/* One event wakes one thread and leaves the others asleep. */
static void activation_no_herd(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct waiters *waiters = waiters_new(test);
	unsigned long sleeps[NR_WAITERS] = {};
	unsigned int i, done, disturbed = 0;
	bool ok = waiters_start(waiters);

	for (i = 0; i < NR_WAITERS; i++)
		sleeps[i] = READ_ONCE(waiters->worker[i].task->nvcsw);
	source_fire(&fix->sources[0]);
	done = waiters_done(waiters);
	for (i = 0; i < NR_WAITERS; i++)
		if (!waiter_done(waiters, i))
			disturbed += sleeps[i] !=
				READ_ONCE(waiters->worker[i].task->nvcsw);
	for (i = 1; i < NR_WAITERS; i++)
		source_fire(&fix->sources[i]);
	for (i = 0; i < NR_WAITERS; i++)
		ok &= worker_join(&waiters->worker[i]);

	KUNIT_EXPECT_TRUE(test, ok);
	KUNIT_EXPECT_EQ(test, done, 1);
	KUNIT_EXPECT_EQ(test, disturbed, 0);
}

static struct kunit_case activation_cases[] = {
	KUNIT_CASE(activation_wakes_sleeper),
	KUNIT_CASE(activation_wakes_dozer),
	KUNIT_CASE(activation_from_irq),
	KUNIT_CASE(activation_from_threads),
	KUNIT_CASE(activation_from_timers),
	KUNIT_CASE(activation_one_each),
	KUNIT_CASE(activation_no_herd),
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
