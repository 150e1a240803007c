// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads raise events, others collect them from one queue. A producer raises a
 * descriptor again only when a consumer has had its last event, so that each event
 * counted was raised by its own write(): none are merged.
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
	double events, ns;
};

struct consumer {
	pthread_t thread;
	const struct flow *flow;
	int fd;
	long long events;
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
	struct consumer consumer[MOST];
	pthread_t thread[MOST];
	int fd = f->start(), i;
	long long begin;

	stop = 0;
	for (i = 0; i < producers; i++)
		check(!pthread_create(&thread[i], NULL, producer, (void *)(intptr_t)i),
		      "threads");
	begin = now();
	for (i = 0; i < consumers; i++) {
		consumer[i] = (struct consumer){ .flow = f, .fd = fd };
		check(!pthread_create(&consumer[i].thread, NULL, consume, &consumer[i]),
		      "threads");
	}
	for (i = 0; i < consumers; i++) {
		pthread_join(consumer[i].thread, NULL);
		f->events += consumer[i].events;
	}
	f->ns += now() - begin;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < producers; i++)
		pthread_join(thread[i], NULL);
	close(fd);
	finish(producers);
}

static void compare(int producers, int consumers)
{
	struct flow kevents = { .start = kevent_start, .take = kevent_take };
	struct flow epolls = { .start = epoll_start, .take = epoll_take };
	double value[2];
	int round;

	for (round = 0; round < opt.rounds; round++) {
		turn(&kevents, producers, consumers);
		turn(&epolls, producers, consumers);
	}
	value[KEVENT] = kevents.events * 1e9 / kevents.ns;
	value[EPOLL] = epolls.events * 1e9 / epolls.ns;
	table_row(value, "%d producer%s, %d consumer%s", producers,
		  producers == 1 ? "" : "s", consumers, consumers == 1 ? "" : "s");
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

	table_begin("Events a second (more is better)", columns, "kevent/epoll");
	if (cpus < 2) {
		table_note("left out: several producers need more than this one CPU (CPUS=4)");
		return;
	}
	pool_open(&pool, EVENTFD, MOST * EACH);
	pending = calloc(pool.n, 1);
	check(pending, "memory");
	compare(1, 1);
	compare(2, 2);
	compare(4, 4);
	compare(4, 1);
	table_note("time, by %ld CPUs%s", cpus, emulated() ?
		   ", which are emulated, one at a time: a hint, no more" : "");
	free(pending);
	pool_close(&pool);
}
