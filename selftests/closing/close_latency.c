// SPDX-License-Identifier: BSD-2-Clause
/*
 * How long others wait while somebody closes duplicates of a file that has very
 * many registrations, all within the default limits: a thread that must run now,
 * and its close() of something else.
 *
 * A real-time thread shares a CPU with whoever closes. It wakes up all the time
 * and closes a descriptor of its own. The longest that it was late is printed. But
 * an emulator on a busy machine makes everybody late, so what is asserted is how
 * often it ran: a single close() takes many of its periods, and it can run in each
 * of them only if the close() can be interrupted anywhere.
 */
#include <linux/close_range.h>
#include <sys/eventfd.h>

#include "peers.h"
#include "races.h"

#define DUPS		384	/* with the queues, less than RLIMIT_NOFILE usually is */
#define BASE		500	/* their numbers */
#define QUEUES		100
#define FILL_MS		4000	/* on a slow machine, as many as in this time: */
#define LEAST		40	/* queues */

#define PERIOD_NS	200000
#define CLOSES		16	/* on each CPU */
#define RUNS		20	/* for each close, at least; uninterrupted, a few in its end */
#define RUNS_OF_TWO	10	/* the same where emulated CPUs take turns */
#define RANGE		128	/* duplicates that are closed at once ... */
#define RANGE_COST	16	/* ... in less time than so many singly */

/* Who must not wait. */
struct probe {
	pthread_t thread;
	bool running;
	bool stop;
	int err;		/* why it is no real-time thread */
	int runs;
	int runs_before;	/* what is being measured */
	long long longest;	/* wait, ns */
	long long began;
};

static void *probe_main(void *arg)
{
	struct sched_param param = { .sched_priority = 50 };
	struct probe *p = arg;
	int fd = eventfd(0, EFD_CLOEXEC);
	long long next, late;

	pin(0);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		p->err = errno;
	__atomic_store_n(&p->running, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
		next = ts_ns() + PERIOD_NS;
		sleep_until(next);
		close(dup(fd));
		late = ts_ns() - next;
		if (late > __atomic_load_n(&p->longest, __ATOMIC_RELAXED))
			__atomic_store_n(&p->longest, late, __ATOMIC_RELAXED);
		__atomic_fetch_add(&p->runs, 1, __ATOMIC_RELAXED);
	}
	close(fd);
	return NULL;
}

static bool probe_start(struct probe *p)
{
	return !pthread_create(&p->thread, NULL, probe_main, p) &&
	       WAIT_FOR(__atomic_load_n(&p->running, __ATOMIC_ACQUIRE));
}

static void probe_join(struct probe *p)
{
	__atomic_store_n(&p->stop, true, __ATOMIC_RELEASE);
	pthread_join(p->thread, NULL);
}

/* A file, its duplicates, and the queues that watch each of them. */
struct dups {
	int file;
	int queues;
	int kq[QUEUES];
};

/* Register numbers @from to @to for three events each. */
static bool watch_numbers(int kq, int from, int to)
{
	static const int filters[] = { EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT };
	struct kevent kev[3 * DUPS];
	int i, f, n = 0;

	for (i = from; i < to; i++)
		for (f = 0; f < 3; f++)
			EV_SET(&kev[n++], BASE + i, filters[f],
			       EV_ADD | EV_CLEAR, 0, 0, NULL);
	return !kevent(kq, kev, n, NULL, 0, NULL);
}

/* Open them, and register them in each queue. */
static bool dups_open(struct dups *d, int from, int to)
{
	int i, q;

	for (i = from; i < to; i++)
		if (dup2(d->file, BASE + i) != BASE + i)
			return false;
	for (q = 0; q < d->queues; q++)
		if (!watch_numbers(d->kq[q], from, to))
			return false;
	return true;
}

/* One more queue. */
static bool dups_queue(struct dups *d)
{
	int kq = kq_open();

	if (kq < 0)
		return false;
	d->kq[d->queues++] = kq;
	return watch_numbers(kq, 0, DUPS);
}

/* As many registrations as can be made in some time. */
static bool dups_watch(struct dups *d)
{
	long long end = ts_ms() + FILL_MS;

	while (more_rounds(d->queues, LEAST, QUEUES, end))
		if (!dups_queue(d))
			return false;
	return true;
}

static bool close_numbers(int from, int to)
{
	int i, err = 0;

	for (i = from; i < to; i++)
		err |= close(BASE + i);
	return !err;
}

/* Somebody on another CPU. */
struct other {
	pthread_t thread;
	pthread_barrier_t start;
	bool ok;
};

static void *other_main(void *arg)
{
	struct other *o = arg;

	pin(DUEL_CPUS - 1);
	pthread_barrier_wait(&o->start);
	o->ok = close_numbers(CLOSES, 2 * CLOSES);
	return NULL;
}

static bool close_on_two(void)
{
	struct other o = { 0 };
	bool ok;

	pthread_barrier_init(&o.start, NULL, 2);
	if (pthread_create(&o.thread, NULL, other_main, &o))
		return false;
	pthread_barrier_wait(&o.start);
	ok = close_numbers(0, CLOSES);
	pthread_join(o.thread, NULL);
	return ok && o.ok;
}

FIXTURE(close_latency)
{
	struct probe probe;
	struct dups dups;
};

FIXTURE_SETUP(close_latency)
{
	pin(0);
	self->dups.file = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->dups.file);
	ASSERT_TRUE(dups_open(&self->dups, 0, DUPS));
	ASSERT_TRUE(dups_watch(&self->dups));
	ASSERT_TRUE(probe_start(&self->probe));
}

FIXTURE_TEARDOWN(close_latency)
{
	int i;

	probe_join(&self->probe);
	for (i = 0; i < self->dups.queues; i++)
		close(self->dups.kq[i]);
	EXPECT_TRUE(all_freed());
}

static long long cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void measure_begin(struct probe *p)
{
	__atomic_store_n(&p->longest, 0, __ATOMIC_RELAXED);
	p->runs_before = __atomic_load_n(&p->runs, __ATOMIC_RELAXED);
	p->began = cpu_ns();
}

/* Returns how often the probe ran; *@ns is the time that it took this thread. */
static int measure_end(struct probe *p, const struct dups *d, const char *what,
		       long long *ns)
{
	int runs = __atomic_load_n(&p->runs, __ATOMIC_RELAXED) - p->runs_before;

	*ns = cpu_ns() - p->began;
	fprintf(stderr, "# %d registrations, %s: %lld us; ", 3 * DUPS * d->queues, what,
		*ns / 1000);
	fprintf(stderr, "probe ran %d times, longest wait %lld us\n", runs,
		__atomic_load_n(&p->longest, __ATOMIC_RELAXED) / 1000);
	return runs;
}

/* Whoever closes duplicates of a file that is watched very often pays for it alone. */
TEST_F_TIMEOUT(close_latency, one_by_one, 120)
{
	long long ns;

	if (self->probe.err)
		SKIP(return, "no real-time threads: %s", strerror(self->probe.err));
	measure_begin(&self->probe);
	ASSERT_TRUE(close_numbers(0, CLOSES));
	EXPECT_LE(RUNS * CLOSES, measure_end(&self->probe, &self->dups, "one by one", &ns));
}

/* Two who do that at once do not keep others waiting either. */
TEST_F_TIMEOUT(close_latency, by_two_cpus, 120)
{
	long long ns;

	if (self->probe.err)
		SKIP(return, "no real-time threads: %s", strerror(self->probe.err));
	measure_begin(&self->probe);
	ASSERT_TRUE(close_on_two());
	EXPECT_LE(RUNS_OF_TWO * CLOSES, measure_end(&self->probe, &self->dups, "on two CPUs", &ns));
}

/* A range of them is looked for once, not once for each. */
TEST_F_TIMEOUT(close_latency, close_range, 120)
{
	long long one, all;

	measure_begin(&self->probe);
	ASSERT_TRUE(close_numbers(0, 2));
	measure_end(&self->probe, &self->dups, "two", &one);
	measure_begin(&self->probe);
	ASSERT_EQ(0, close_range(BASE + 2, BASE + RANGE + 1, 0));
	measure_end(&self->probe, &self->dups, "a range", &all);
	/* With KASAN, dropping registrations takes longer than looking at all of them. */
	if (access("/sys/kernel/debug/kmemleak", F_OK))
		EXPECT_LT(all, one / 2 * RANGE_COST);
}

TEST_HARNESS_MAIN
