// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads raise events, others collect them from one queue. A producer raises a
 * descriptor again only when a consumer has had its last event, so that each event
 * counted was raised by its own write(): none are merged.
 *
 * On an emulated machine the time says little, as its CPUs do not run at once. What
 * there was of sleeps, of interrupts that one CPU sends another (to wake a thread
 * there), of calls that collect and, where the kernel counts them, of locks says more.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <unistd.h>

#include "bench.h"
#include "counts.h"

#define MOST 4			/* producers, and consumers */
#define EACH 256		/* descriptors of a producer */
#define BATCH 64		/* what the consumer takes at once */
#define TURN_NS 1000000000LL

static struct pool pool;
static char *pending;		/* by descriptor: raised, not yet collected */
static int stop;

static void *producer(void *arg)
{
	int first = (intptr_t)arg * EACH, i, idle;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		idle = 0;
		for (i = first; i < first + EACH; i++) {
			if (__atomic_load_n(&pending[i], __ATOMIC_ACQUIRE)) {
				idle++;
				continue;
			}
			__atomic_store_n(&pending[i], 1, __ATOMIC_RELAXED);
			pool_raise(&pool, i);
		}
		if (idle == EACH)
			sched_yield();
	}
	return NULL;
}

static void collected(uintptr_t i)
{
	check(__atomic_exchange_n(&pending[i], 0, __ATOMIC_RELEASE),
	      "an event that nobody has raised");
}

static int kevent_start(void)
{
	int i, bad = 0, kq = queue_open();
	struct kevent change;

	for (i = 0; i < pool.n; i++) {
		EV_SET(&change, pool.in[i], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0,
		       (void *)(uintptr_t)i);
		bad |= kevent(kq, &change, 1, NULL, 0, NULL);
	}
	check(!bad, "kevent");
	return kq;
}

static int kevent_take(int kq)
{
	static const struct timespec limit = { .tv_nsec = 100000000 };
	struct kevent ev[BATCH];
	int i, n = kevent(kq, NULL, 0, ev, BATCH, &limit);

	for (i = 0; i < n; i++)
		collected((uintptr_t)ev[i].udata);
	return n;
}

static int epoll_start(void)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int i, bad = 0, ep = epoll_open();

	for (i = 0; i < pool.n; i++) {
		e.data.u64 = i;
		bad |= epoll_ctl(ep, EPOLL_CTL_ADD, pool.in[i], &e);
	}
	check(!bad, "epoll_ctl");
	return ep;
}

static int epoll_take(int ep)
{
	struct epoll_event ev[BATCH];
	int i, n = epoll_wait(ep, ev, BATCH, 100);

	for (i = 0; i < n; i++)
		collected(ev[i].data.u64);
	return n;
}

/* A contender, and what has come in how much time. */
struct flow {
	int (*start)(void);
	int (*take)(int fd);
	const char *locks;	/* what the names of its locks begin with */
	double events, ns;
	double count[COUNTS];
};

struct consumer {
	pthread_t thread;
	const struct flow *flow;
	int fd;
	long long events, calls;
};

static void *consume(void *arg)
{
	struct consumer *c = arg;
	long long begin = now();
	int n;

	while (now() - begin < TURN_NS) {
		n = c->flow->take(c->fd);
		check(n >= 0, "collecting");
		c->events += n;
		c->calls++;
	}
	return NULL;
}

/* What was raised and not collected is all that there is to be taken back. */
static void finish(int producers)
{
	int i;

	for (i = 0; i < producers * EACH; i++) {
		pool_lower(&pool, i);
		pending[i] = 0;
	}
}

static void turn(struct flow *f, int producers, int consumers)
{
	double before[COUNTS], after[COUNTS];
	struct consumer consumer[MOST];
	pthread_t thread[MOST];
	int fd = f->start(), i;
	long long begin, calls = 0;

	stop = 0;
	for (i = 0; i < producers; i++)
		check(!pthread_create(&thread[i], NULL, producer, (void *)(intptr_t)i),
		      "threads");
	counts_read(before, f->locks);
	begin = now();
	for (i = 0; i < consumers; i++) {
		consumer[i] = (struct consumer){ .flow = f, .fd = fd };
		check(!pthread_create(&consumer[i].thread, NULL, consume, &consumer[i]),
		      "threads");
	}
	for (i = 0; i < consumers; i++) {
		pthread_join(consumer[i].thread, NULL);
		f->events += consumer[i].events;
		calls += consumer[i].calls;
	}
	f->ns += now() - begin;
	counts_read(after, f->locks);
	after[CALLS] = calls;
	for (i = 0; i < COUNTS; i++)
		f->count[i] += after[i] - before[i];
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < producers; i++)
		pthread_join(thread[i], NULL);
	close(fd);
	finish(producers);
}

static const struct crew {
	int producers;
	int consumers;
} crews[] = { { 1, 1 }, { 2, 2 }, { 4, 4 }, { 4, 1 }, { 1, 4 } };

#define CREWS (sizeof(crews) / sizeof(*crews))

static struct flow flows[CREWS][2];

static void measure(const struct crew *c, struct flow f[2])
{
	int round;

	f[KEVENT] = (struct flow){
		.start = kevent_start, .take = kevent_take, .locks = "&kq->" };
	f[EPOLL] = (struct flow){
		.start = epoll_start, .take = epoll_take, .locks = "&ep->" };
	for (round = 0; round < opt.rounds; round++) {
		turn(&f[KEVENT], c->producers, c->consumers);
		turn(&f[EPOLL], c->producers, c->consumers);
	}
}

static void row(const double *value, const struct crew *c)
{
	table_row(value, "%d producer%s, %d consumer%s", c->producers,
		  c->producers == 1 ? "" : "s", c->consumers,
		  c->consumers == 1 ? "" : "s");
}

/* What there was of it for a thousand events. */
static void show(const char *title, int which)
{
	static const char *const columns[] = { "kevent", "epoll", NULL };
	double value[2];
	size_t i;
	int who;

	table_begin(title, columns, "kevent/epoll");
	for (i = 0; i < CREWS; i++) {
		for (who = KEVENT; who <= EPOLL; who++)
			value[who] = flows[i][who].count[which] * 1000 /
				     flows[i][who].events;
		row(value, &crews[i]);
	}
}

static void show_counts(void)
{
	show("Sleeps for a thousand of these events", SLEEPS);
	show("Interrupts to other CPUs for a thousand", INTERRUPTS);
	show("Calls that collect for a thousand", CALLS);
	if (!counts_have_locks()) {
		table_note("left out: locks, which this kernel does not count (KERNEL=debug)");
		return;
	}
	show("Locks taken for a thousand, all there are", LOCKS);
	show("The queue's locks taken for a thousand", OWN_LOCKS);
	show("Those that another CPU had before", OWN_BOUNCED);
	show("Those that were not free", OWN_CONTENDED);
}

static bool emulated(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	bool found = false;
	char line[256];

	check(f, "/proc/cpuinfo");
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "QEMU TCG");
	fclose(f);
	return found;
}

void bench_producers(void)
{
	static const char *const columns[] = { "kevent", "epoll", NULL };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	double value[2];
	size_t i;
	int who;

	table_begin("Events a second (more is better)", columns, "kevent/epoll");
	if (cpus < 2) {
		table_note("left out: several producers need more than this one CPU (CPUS=4)");
		return;
	}
	pool_open(&pool, EVENTFD, MOST * EACH);
	pending = calloc(pool.n, 1);
	check(pending, "memory");
	if (counts_have_locks())
		counts_switch_locks(true);
	for (i = 0; i < CREWS; i++) {
		measure(&crews[i], flows[i]);
		for (who = KEVENT; who <= EPOLL; who++)
			value[who] = flows[i][who].events * 1e9 / flows[i][who].ns;
		row(value, &crews[i]);
	}
	table_note("time, by %ld CPUs%s", cpus, emulated() ?
		   ", which are emulated, one at a time: a hint, no more" : "");
	free(pending);
	pool_close(&pool);

	if (counts_have_locks())
		counts_switch_locks(false);
	show_counts();
}
