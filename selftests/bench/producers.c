// SPDX-License-Identifier: BSD-2-Clause
/*
 * Four threads raise events, one collects them. A producer raises a
 * descriptor again only when the consumer has had its last event, so that
 * each event counted was raised by its own write(): none are merged.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <unistd.h>

#include "bench.h"

#define PRODUCERS 4
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
	__atomic_store_n(&pending[i], 0, __ATOMIC_RELEASE);
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

/* What came, and in how much time. */
struct flow {
	double events, ns;
};

static void turn(struct flow *f, int (*start)(void), int (*take)(int fd))
{
	pthread_t thread[PRODUCERS];
	long long begin, events = 0;
	int fd = start(), i, n;

	stop = 0;
	for (i = 0; i < PRODUCERS; i++)
		check(!pthread_create(&thread[i], NULL, producer, (void *)(intptr_t)i),
		      "threads");
	begin = now();
	while (now() - begin < TURN_NS) {
		n = take(fd);
		check(n >= 0, "collecting");
		events += n;
	}
	f->events += events;
	f->ns += now() - begin;
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < PRODUCERS; i++)
		pthread_join(thread[i], NULL);
	close(fd);
	for (i = 0; i < pool.n; i++) {
		pool_lower(&pool, i);
		collected(i);
	}
}

void bench_producers(void)
{
	static const char *const columns[] = { "kevent", "epoll", NULL };
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct flow kevents = {}, epolls = {};
	double value[2];
	int round;

	table_begin("Events a second (more is better)", columns, "kevent/epoll");
	if (cpus < 2) {
		table_note("left out: several producers need more than this one CPU");
		return;
	}
	pool_open(&pool, EVENTFD, PRODUCERS * EACH);
	pending = calloc(pool.n, 1);
	check(pending, "memory");
	for (round = 0; round < opt.rounds; round++) {
		turn(&kevents, kevent_start, kevent_take);
		turn(&epolls, epoll_start, epoll_take);
	}
	value[KEVENT] = kevents.events * 1e9 / kevents.ns;
	value[EPOLL] = epolls.events * 1e9 / epolls.ns;
	table_row(value, "%d producers, 1 consumer, %ld CPUs", PRODUCERS, cpus);
	free(pending);
	pool_close(&pool);
}
