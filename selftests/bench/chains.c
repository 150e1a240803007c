// SPDX-License-Identifier: BSD-2-Clause
/*
 * Chains, as the benchmark of libevent has them: many pipes are watched, a byte comes
 * through a few of them, and who reads one writes one to the next pipe, until so many
 * have been written.
 */
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"

#define WRITES	1000

static struct pool pool;
static int *place;		/* by descriptor: where it is in the pool */

static void places(void)
{
	int i, most = 0;

	for (i = 0; i < pool.n; i++)
		if (pool.in[i] > most)
			most = pool.in[i];
	place = calloc(most + 1, sizeof(*place));
	check(place, "memory");
	for (i = 0; i < pool.n; i++)
		place[pool.in[i]] = i;
}

/* Read a byte, and hand it on while some are @left to write. */
static void hand_on(int fd, int n, int *left)
{
	char byte = 0;

	check(read(fd, &byte, 1) == 1 && byte == 1, "the byte that was told of");
	if (!*left)
		return;
	--*left;
	check(write(pool.out[(place[fd] + 1) % n], &byte, 1) == 1, "write");
}

static void start_chains(int n)
{
	int k;

	for (k = 0; k < READY; k++)
		pool_raise(&pool, pool_ready_index(&pool, n, k));
}

/* All ten are as fast, so each time they wait for ten. */
static void turn(struct series *s, int who, int n, enum mode mode)
{
	const struct engine *e = &engine[who];
	int left = WRITES, i, seen, got;
	long long start;

	e->open(pool.in, n, mode);
	start_chains(n);
	for (seen = 0; seen < READY + WRITES; seen += READY) {
		start = now();
		got = e->wait();
		for (i = 0; i < got; i++)
			hand_on(e->fd(i), n, &left);
		series_add(s, now() - start);
		check(got == READY, "not exactly the bytes there were have been told of");
	}
	e->close();
	for (i = 0; i < n; i++)
		pool_lower(&pool, i);
}

static void compare(int n)
{
	struct series s[ENGINES] = {};
	double value[ENGINES];
	int round, who;
	enum mode mode;

	for (round = 0; round < opt.rounds; round++)
		for (who = 0; who < ENGINES; who++) {
			mode = who == URING ? EDGE : LEVEL;
			if (engine[who].can(pool.in, n, mode))
				turn(&s[who], who, n, mode);
		}
	for (who = 0; who < ENGINES; who++)
		value[who] = series_each(&s[who], READY);
	table_row(value, "%d pipes, %d active, %d writes", n, READY, WRITES);
}

void bench_chains(void)
{
	int n;

	table_begin("Chains of pipes: wait, read, write, each byte", engine_name,
		    "kevent/epoll");
	pool_open(&pool, PIPE, opt.max < 10000 ? opt.max : 10000);
	places();
	for (n = 100; n <= pool.n; n *= 10)
		compare(n);
	uring_note();
	free(place);
	pool_close(&pool);
}
