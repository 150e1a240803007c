// SPDX-License-Identifier: BSD-2-Clause
/* What is done with a few descriptors, while very many are registered and idle. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum op { COLLECT, ADD, REMOVE, ADD_AND_WAIT, REPLACE, OPS };

static struct pool pool;	/* the idle ones, and as many others as there are operations */

/* Ten are raised, collected and lowered. */
static void collect_ten(struct series *s, const struct poller *with, int q, int n)
{
	int fd[POLLER_BATCH], i, got;
	long long start, end;

	for (i = 0; i < opt.ops; i++) {
		pool_raise_some(&pool, n);
		start = now();
		got = with->wait(q, fd, POLLER_BATCH);
		end = now();
		check(got == READY, "not exactly the ready ones were collected");
		pool_lower_some(&pool, n);
		series_add(s, end - start);
	}
}

/* One of those that are not registered: @apply it to each of them. */
static void apply_each(struct series *s, bool (*apply)(int q, int fd), int q, int n)
{
	long long start, end;
	bool good;
	int i;

	for (i = n; i < n + opt.ops; i++) {
		start = now();
		good = apply(q, pool.in[i]);
		end = now();
		check(good, "one more descriptor");
		series_add(s, end - start);
	}
}

static void add_and_wait(struct series *s, const struct poller *with, int q, int n)
{
	int fd[POLLER_BATCH], i, got;
	long long start, end;

	for (i = n; i < n + opt.ops; i++) {
		pool_raise(&pool, i);
		fd[0] = pool.in[i];
		start = now();
		got = with->add_and_wait(q, fd, 1);
		end = now();
		check(got == 1 && fd[0] == pool.in[i], "not the new one was collected");
		pool_lower(&pool, i);
		check(with->remove(q, pool.in[i]), "remove");
		series_add(s, end - start);
	}
}

/* Any of the registered ones makes place for another, as connections come and go. */
static void replace(struct series *s, const struct poller *with, int q, int n)
{
	int i, victim = 0, fd[POLLER_BATCH];
	long long start, end;
	unsigned int seed = 1;
	bool good;

	for (i = n; i < n + opt.ops; i++) {
		victim = rand_r(&seed) % n;
		start = now();
		good = with->replace(q, pool.in[victim], pool.in[i]);
		end = now();
		check(good, "replace");
		pool_swap(&pool, victim, i);
		series_add(s, end - start);
	}
	/* Who was replaced is silent, and who has come is not. */
	pool_raise(&pool, n);
	pool_raise(&pool, victim);
	check(with->wait(q, fd, POLLER_BATCH) == 1 && fd[0] == pool.in[victim],
	      "not exactly those that are registered were collected");
	pool_lower(&pool, n);
	pool_lower(&pool, victim);
}

static void turn(struct series s[OPS][POLLERS], int way, int n)
{
	const struct poller *with = &poller[way];
	int i, q = with->open();

	for (i = 0; i < n; i++)
		check(with->add(q, pool.in[i]), "register");
	collect_ten(&s[COLLECT][way], with, q, n);
	apply_each(&s[ADD][way], with->add, q, n);
	apply_each(&s[REMOVE][way], with->remove, q, n);
	add_and_wait(&s[ADD_AND_WAIT][way], with, q, n);
	replace(&s[REPLACE][way], with, q, n);
	with->close(q);
}

static void compare(int n)
{
	static const char *const what[OPS] = {
		"collect 10", "register one, in a call of its own",
		"remove one, in a call of its own", "register one that is ready, and wait",
		"replace one by another",
	};
	struct series s[OPS][POLLERS] = {};
	double value[POLLERS];
	int round, way, op;

	/* To register very many takes long, and the operations are many anyway. */
	for (round = 0; round < opt.rounds && round * n < 200000; round++)
		for (way = 0; way < poller_count(); way++)
			turn(s, way, n);
	for (op = 0; op < OPS; op++) {
		for (way = 0; way < POLLERS; way++)
			value[way] = series_median(&s[op][way]);
		table_row(value, "%s, %d idle", what[op], n);
	}
}

void bench_idle(void)
{
	int n;

	table_begin("With idle eventfds registered", poller_name, "kevent/epoll");
	for (n = 1000; n <= opt.max; n *= 10) {
		pool_open(&pool, EVENTFD, n + opt.ops);
		compare(n);
		pool_close(&pool);
	}
	table_note("one call of kevent() replaces, or registers and waits");
	uring_note();
}
