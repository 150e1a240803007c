// SPDX-License-Identifier: GPL-2.0
/* Looking at sources: what they are asked, and how long one goes on. */

#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/sched.h>

#include "fixture.h"

/* What must not be asked on behalf of other filters than these. */
static const struct {
	s16 filter;
	__poll_t only;
} asks[] = {
	{ EVFILT_READ, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP },
	{ EVFILT_WRITE, EPOLLOUT | EPOLLWRNORM },
	{ EVFILT_EXCEPT, EPOLLPRI },
};

#define ASKED_ALWAYS	(EPOLLERR | EPOLLHUP)

/* A file's poll is asked for what the filter is about, and for nothing else. */
static void look_asks(struct kunit *test)
{
	struct fixture *fix = test->priv;
	__poll_t asked[ARRAY_SIZE(asks)] = {};
	int n[ARRAY_SIZE(asks)], fd;
	struct test_file tf;
	unsigned int i;

	fd = test_file_open(&tf);
	KUNIT_ASSERT_GE(test, fd, 0);
	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		change_flags(fix->kq, fd, asks[i].filter, EV_ADD);
		test_file_fire(&tf, asks[i].only);
		WRITE_ONCE(tf.asked, 0);
		n[i] = collect(fix->kq, fix->ev, COLLECT_MAX);
		asked[i] = READ_ONCE(tf.asked);
		change_flags(fix->kq, fd, asks[i].filter, EV_DELETE);
	}
	close_fd(fd);
	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		KUNIT_EXPECT_EQ(test, n[i], 1);
		KUNIT_EXPECT_EQ(test, (__force u32)(asked[i] & ~ASKED_ALWAYS),
				(__force u32)asks[i].only);
	}
	KUNIT_EXPECT_TRUE(test, test_file_released(&tf));
}

/* Fires whenever it is looked at, and never has anything to report. */
#define EVFILT_SPIN	(-123)

static ktime_t spin_until;

static int spin_attach(struct knote *kn)
{
	return 1;
}

static void spin_detach(struct knote *kn)
{
}

static bool spin_event(struct knote *kn, struct kevent_record *kev)
{
	/* Or the test would never end if it fails. */
	if (ktime_before(ktime_get(), spin_until))
		knote_activate(kn);
	return false;
}

static const struct kevent_filter spin_filter = {
	.owner = THIS_MODULE,
	.name = "spin",
	.attach = spin_attach,
	.detach = spin_detach,
	.event = spin_event,
};

/* A wait ends when its time is up, though something keeps it from sleeping. */
static void look_ends(struct kunit *test)
{
	struct fixture *fix = test->priv;
	int added, ret;
	bool in_time;

	KUNIT_ASSERT_EQ(test, kevent_filter_register(EVFILT_SPIN, &spin_filter),
			0);
	spin_until = ktime_add_ms(ktime_get(), LIMIT_MS);
	added = change_flags(fix->kq, 1, EVFILT_SPIN, EV_ADD);
	/* There is nothing to store, so there need not be room. */
	ret = kqueue_collect(fix->kq, NULL, 1, ktime_add_ms(ktime_get(), 20));
	in_time = ktime_before(ktime_get(), spin_until);
	change_flags(fix->kq, 1, EVFILT_SPIN, EV_DELETE);
	kevent_filter_unregister(EVFILT_SPIN, &spin_filter);

	KUNIT_EXPECT_EQ(test, added, 0);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_TRUE(test, in_time);
}

/* Always ready. It stops in the look at it, once, if told to. */
#define EVFILT_STOP	(-122)

/**
 * struct stop - two threads that look at one source
 * @kq: the queue
 * @once: the next look is to stop
 * @stopped: it has
 * @go: it may go on
 * @first: the thread that stops in its look
 * @second: one that looks meanwhile, or waits for events
 * @ev: what the first and the second get, not together
 * @ret: what their calls return
 * @asleep: the second was still asleep, when there was something for it
 */
struct stop {
	struct kqueue *kq;
	atomic_t once;
	struct completion stopped;
	struct completion go;
	struct worker first;
	struct worker second;
	struct kevent_record ev[2][2];
	int ret[2];
	bool asleep;
};

static struct stop *stop;

static int stop_attach(struct knote *kn)
{
	return 1;
}

static void stop_detach(struct knote *kn)
{
}

static bool stop_event(struct knote *kn, struct kevent_record *kev)
{
	if (atomic_xchg(&stop->once, 0)) {
		complete(&stop->stopped);
		wait_for_completion(&stop->go);
	}
	return true;
}

static const struct kevent_filter stop_filter = {
	.owner = THIS_MODULE,
	.name = "stop",
	.flags = KEVENT_FILTER_QUICK,
	.attach = stop_attach,
	.detach = stop_detach,
	.event = stop_event,
};

static void stop_first(struct worker *worker)
{
	struct stop *s = container_of(worker, struct stop, first);

	s->ret[0] = collect_wait(s->kq, worker->number, s->ev[0], 2);
}

static void stop_sleeper(struct worker *worker)
{
	struct stop *s = container_of(worker, struct stop, second);

	s->ret[1] = collect_wait(s->kq, worker->number, s->ev[1], 2);
}

static void stop_second(struct worker *worker)
{
	struct stop *s = container_of(worker, struct stop, second);

	s->ret[1] = collect(s->kq, s->ev[1], 2);
}

/* The second waits for the first, or has returned without. False if neither. */
static bool stop_has_met(struct stop *s)
{
	return WAIT_FOR(READ_ONCE(s->kq->lookers) || completion_done(&s->second.done));
}

/* The first has all that is ready in its hands. */
static bool stop_first_run(struct stop *s)
{
	atomic_set(&s->once, 1);
	return worker_start(&s->first, 1, stop_first) &&
	       wait_for_completion_timeout(&s->stopped, msecs_to_jiffies(LIMIT_MS));
}

static void stop_go_on(struct stop *s)
{
	complete(&s->go);
	worker_join(&s->first);
	worker_join(&s->second);
}

/* Meanwhile the second looks. */
static bool stop_run(struct stop *s)
{
	bool ok = stop_first_run(s) && worker_start(&s->second, 2, stop_second) &&
		  stop_has_met(s);

	stop_go_on(s);
	return ok;
}

/* Or it sleeps, and something comes. */
static bool stop_run_asleep(struct stop *s)
{
	bool ok = stop_first_run(s) && worker_start(&s->second, 2, stop_sleeper) &&
		  WAIT_FOR(swait_active(&s->kq->waiters)) &&
		  !change_flags(s->kq, 3, EVFILT_STOP, EV_ADD);

	s->asleep = swait_active(&s->kq->waiters);
	stop_go_on(s);
	return ok;
}

/* Have two threads look, as @run says. */
static void look_by_two(struct kunit *test, struct stop *s, bool (*run)(struct stop *s))
{
	struct fixture *fix = test->priv;
	int added, ready;
	bool ok;

	s->kq = fix->kq;
	init_completion(&s->stopped);
	init_completion(&s->go);
	stop = s;
	KUNIT_ASSERT_EQ(test, kevent_filter_register(EVFILT_STOP, &stop_filter),
			0);
	/* Two, as with one alone a scan does not let go of the queue. */
	added = change_flags(fix->kq, 1, EVFILT_STOP, EV_ADD) ?:
		change_flags(fix->kq, 2, EVFILT_STOP, EV_ADD);
	/* From then on the memory is there: the first waits for nothing else. */
	ready = collect_wait(fix->kq, 1, fix->ev, 2);
	ok = run(s);
	change_flags(fix->kq, 1, EVFILT_STOP, EV_DELETE);
	change_flags(fix->kq, 2, EVFILT_STOP, EV_DELETE);
	change_flags(fix->kq, 3, EVFILT_STOP, EV_DELETE);
	kevent_filter_unregister(EVFILT_STOP, &stop_filter);

	KUNIT_EXPECT_EQ(test, added, 0);
	KUNIT_EXPECT_EQ(test, ready, 2);
	KUNIT_EXPECT_TRUE(test, ok);
	KUNIT_EXPECT_EQ(test, s->ret[0], 2);
	KUNIT_EXPECT_EQ(test, s->ret[1], 2);
}

/* Who does not wait for events gets what is ready, though another looks at it. */
static void look_waits_for_another(struct kunit *test)
{
	struct stop s = {};

	look_by_two(test, &s, stop_run);
}

/* What comes while somebody looks wakes nobody before he leaves, and then somebody. */
static void look_tells_when_it_leaves(struct kunit *test)
{
	struct stop s = {};

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "there all are told at once");
	look_by_two(test, &s, stop_run_asleep);
	KUNIT_EXPECT_TRUE(test, s.asleep);
}

static struct kunit_case look_cases[] = {
	KUNIT_CASE(look_asks),
	KUNIT_CASE(look_ends),
	KUNIT_CASE(look_waits_for_another),
	KUNIT_CASE(look_tells_when_it_leaves),
	{}
};

static struct kunit_suite look_suite = {
	.name = "kevent_look",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = look_cases,
};

kunit_test_suite(look_suite);
