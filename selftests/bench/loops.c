// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loops of the shape that `perf bench epoll wait` and `perf bench epoll ctl` have:
 * 64 eventfds, which another thread writes in random order, for ever, and of which
 * one is collected and read at a time; or which are added, changed and removed at
 * random. Who has a second thread is a process of its own, see pingpong.c.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define WATCHED	64

static struct pool pool;

/* --- wait -------------------------------------------------------------------- */

static int contender;
static int stop;

/* Counts what it writes. */
static void *writer(void *arg)
{
	uint64_t *written = arg;
	unsigned int seed = 1;
	int i;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (i = WATCHED - 1; i > 0; i--)
			pool_swap(&pool, i, rand_r(&seed) % (i + 1));
		for (i = 0; i < WATCHED; i++)
			pool_raise(&pool, i);
		*written += WATCHED;
	}
	return NULL;
}

/* Back comes what was read. io_uring may have told of it before. */
static uint64_t collect_one(int q)
{
	uint64_t number;
	int fd, len;

	check(poller[contender].wait(q, &fd, 1) == 1, "not one was collected");
	len = read(fd, &number, sizeof(number));
	if (contender == ON_URING && len < 0 && errno == EAGAIN)
		return 0;
	check(len == sizeof(number) && number, "there is nothing to read");
	return number;
}

static long long collect_some(int q, uint64_t *sum)
{
	long long start = now();
	uint64_t number;
	int i = 0;

	while (i < WATCHED) {
		number = collect_one(q);
		*sum += number;
		i += number > 0;
	}
	return now() - start;
}

static void wait_turn(struct series *s)
{
	uint64_t written = 0, sum = 0, rest;
	int i, q = poller[contender].open();
	pthread_t thread;

	for (i = 0; i < WATCHED; i++)
		check(poller[contender].add(q, pool.in[i]), "register");
	check(!pthread_create(&thread, NULL, writer, &written), "threads");
	for (i = 0; i < opt.ops; i++)
		series_add(s, collect_some(q, &sum));
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	for (i = 0; i < WATCHED; i++)
		if (read(pool.in[i], &rest, sizeof(rest)) == sizeof(rest))
			sum += rest;
	check(sum == written, "as much was read as was written");
	/* This process ends, and io_uring may still have something to tell. */
}

static void compare_wait(void)
{
	struct series s[POLLERS] = {};
	double value[POLLERS];
	int round, way;

	for (round = 0; round < opt.rounds; round++)
		for (contender = 0; contender < poller_count(); contender++)
			series_add_elsewhere(&s[contender], wait_turn);
	for (way = 0; way < POLLERS; way++)
		value[way] = series_each(&s[way], WATCHED);
	table_row(value, "wait for one and read it, while a thread writes");
}

/* --- ctl --------------------------------------------------------------------- */

enum op { ADD, CHANGE, REMOVE, OPS };

static bool apply(const struct poller *with, enum op op, int q, int fd)
{
	switch (op) {
	case ADD:
		return with->add(q, fd);
	case CHANGE:
		return with->change(q, fd);
	default:
		return with->remove(q, fd);
	}
}

/* Those that are registered, and no others, are collected when all are ready. */
static void check_registered(const struct poller *with, int q, const bool *registered)
{
	int i, k, n = 0, got, fd[POLLER_BATCH];
	bool left[WATCHED];

	for (i = 0; i < WATCHED; i++) {
		left[i] = registered[i];
		n += registered[i];
		pool_raise(&pool, i);
	}
	while (n > 0) {
		got = with->wait(q, fd, POLLER_BATCH);
		check(got > 0, "collecting");
		for (k = 0; k < got; k++, n--) {
			for (i = 0; pool.in[i] != fd[k]; )
				i++;
			check(left[i], "what is registered, once each");
			left[i] = false;
			pool_lower(&pool, i);
		}
	}
	for (i = 0; i < WATCHED; i++)
		pool_lower(&pool, i);
}

static void ctl_turn(struct series s[OPS][POLLERS], int way)
{
	const struct poller *with = &poller[way];
	bool registered[WATCHED] = {}, good;
	int i, k, q = with->open();
	unsigned int seed = 1;
	long long start, end;
	enum op op;

	for (i = 0; i < opt.ops * OPS; i++) {
		k = rand_r(&seed) % WATCHED;
		op = ADD;
		if (registered[k])
			op = rand_r(&seed) % 2 ? CHANGE : REMOVE;
		start = now();
		good = apply(with, op, q, pool.in[k]);
		end = now();
		check(good, "one of add, change, remove");
		registered[k] = op != REMOVE;
		series_add(&s[op][way], end - start);
	}
	check_registered(with, q, registered);
	with->close(q);
}

static void compare_ctl(void)
{
	static const char *const what[OPS] = { "add", "change", "remove" };
	struct series s[OPS][POLLERS] = {};
	double value[POLLERS];
	int round, way, op;

	for (round = 0; round < opt.rounds; round++)
		for (way = 0; way < poller_count(); way++)
			ctl_turn(s, way);
	for (op = 0; op < OPS; op++) {
		for (way = 0; way < POLLERS; way++)
			value[way] = series_median(&s[op][way]);
		table_row(value, "%s, in random order", what[op]);
	}
}

void bench_loops(void)
{
	pool_open(&pool, EVENTFD, WATCHED);
	table_begin("Loops of perf bench epoll, 64 eventfds", poller_name, "kevent/epoll");
	compare_wait();
	compare_ctl();
	uring_note();
	pool_close(&pool);
}
