/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the KUnit suites share: a queue, two filters whose sources the test
 * fires, memory to collect events into, descriptors, threads.
 *
 * The order within a test that uses threads: start them, do things, join them,
 * and only then judge. An assertion that fails ends the test's thread where it
 * stands, and must not leave others behind that use its data.
 */
#ifndef _KEVENT_TESTS_FIXTURE_H
#define _KEVENT_TESTS_FIXTURE_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "../compat.h"
#include "../kqueue.h"

/* For what must come; no machine that works reaches it. */
#define LIMIT_MS	30000

/* Wait until @cond holds; false if it still does not after LIMIT_MS. */
#define WAIT_FOR(cond) ({						\
	ktime_t end_ = ktime_add_ms(ktime_get(), LIMIT_MS);		\
	bool holds_;							\
									\
	for (;;) {							\
		holds_ = (cond);					\
		if (holds_ || ktime_after(ktime_get(), end_))		\
			break;						\
		schedule_timeout_uninterruptible(1);			\
	}								\
	holds_;								\
})

/*
 * Two filters. Both report in data how often their source has fired.
 *
 * COUNT: delivery takes what was reported away from the count. A change sets
 *	sfflags alone; fflags TOUCH_FAILS is refused. fflags of an event are
 *	sfflags.
 * LEVEL: the source stays ready, delivered or not, until source_quiet(). It
 *	leaves changes to the module. fflags of an event are sfflags, ext[0] is
 *	sdata.
 */
#define EVFILT_TEST_COUNT	(-125)
#define EVFILT_TEST_LEVEL	(-126)
#define TOUCH_FAILS		0x80u

/**
 * struct source - what a knote of one of these filters watches
 * @lock: who fires and who detaches exclude each other
 * @kn: the knote; NULL before attach and after detach. Under @lock
 * @count: firings, not yet delivered
 * @attached: how often a knote was
 * @detached: how often it went
 * @last_words: fire once more at the end of detach
 * @echo: fire once more at the end of the next event function
 *
 * Their idents are indices of fixture.sources.
 */
struct source {
	raw_spinlock_t lock;	/* between firing and detaching */
	struct knote *kn;
	atomic64_t count;
	unsigned int attached;
	unsigned int detached;
	bool last_words;
	bool echo;
};

void source_fire(struct source *src);
void source_quiet(struct source *src);

/* The most that can be collected at a time, and by how many threads at once. */
#define COLLECT_MAX	64
#define COLLECT_THREADS	16

/**
 * struct fixture - of each test, at test->priv
 * @kq: a queue
 * @ev: room for what the test collects
 * @sources: for the filters above
 * @nr_sources: how many
 * @knotes: how many the module had at the start
 * @modules: how often this module was in use then
 */
struct fixture {
	struct kqueue *kq;
	struct kevent_record ev[COLLECT_MAX];
	struct source *sources;
	unsigned int nr_sources;
	long knotes;
	int modules;
};

/* These four are for each suite. */
int fixture_suite_init(struct kunit_suite *suite);
void fixture_suite_exit(struct kunit_suite *suite);
int fixture_init(struct kunit *test);
void fixture_exit(struct kunit *test);

void fixture_make_sources(struct kunit *test, unsigned int n);
long fixture_knotes(const struct fixture *fix);

/*
 * Apply a change to the queue, which is locked for it as main.c does. Both
 * return what kqueue_apply() does.
 */
int change(struct kqueue *kq, const struct kevent_record *kev);
int change_flags(struct kqueue *kq, u64 ident, s16 filter, u16 flags);

/*
 * Trigger a user event, which is returned to each thread that looks, again and
 * again: so that all see that they are to leave.
 */
bool user_trigger(struct kqueue *kq);

/* A knote by its key, for a look inside; NULL if there is none. */
struct knote *find_knote(struct kqueue *kq, u64 ident, s16 filter);

/*
 * Collect up to @n events as a process does, without waiting or waiting for
 * LIMIT_MS at most, in the memory of thread number @thread; the test itself is
 * 0. Returns what kqueue_collect() does, but -ETIME when the limit is reached.
 */
int collect(struct kqueue *kq, struct kevent_record *ev, int n);
int collect_wait(struct kqueue *kq, unsigned int thread,
		 struct kevent_record *ev, int n);

/*
 * A thread that collects often takes the memory for good: between the two no
 * assertion may end it.
 */
void collect_begin(void);
void collect_end(void);

/**
 * struct worker - a thread
 * @run: what it does
 * @number: for collect_wait(), not 0
 * @done: completed when @run has returned
 * @task: the thread
 *
 * To be embedded in what @run needs.
 */
struct worker {
	void (*run)(struct worker *worker);
	unsigned int number;
	struct completion done;
	struct task_struct *task;
};

bool worker_start(struct worker *worker, unsigned int number,
		  void (*run)(struct worker *worker));
bool worker_join(struct worker *worker);
bool worker_wait_asleep(struct worker *worker);

/**
 * struct test_file - a file whose readiness the test controls
 * @wqh: its pollers
 * @ready: EPOLL*
 * @asked: EPOLL*, for which it was last polled
 * @released: completed at the end of the file
 */
struct test_file {
	wait_queue_head_t wqh;
	atomic_t ready;
	__poll_t asked;
	struct completion released;
};

int test_file_open(struct test_file *tf);
void test_file_fire(struct test_file *tf, __poll_t events);
bool test_file_released(struct test_file *tf);

#endif /* _KEVENT_TESTS_FIXTURE_H */
