// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program that watches one eventfd, and nothing else. From the first ones the module
 * learns how to read their counters, so it matters whether there were others since it
 * was loaded.
 */
#include "bench.h"

#define OTHERS 4

/* Who measures in the other process. */
static const struct engine *contender;

static void collect_it(struct series *s)
{
	long long start, end;
	struct pool p;
	int i, got;

	pool_open(&p, EVENTFD, 1);
	contender->open(p.in, 1, LEVEL);
	pool_raise(&p, 0);
	for (i = 0; i < opt.ops; i++) {
		start = now();
		got = contender->wait();
		end = now();
		check(got == 1 && contender->fd(0) == p.in[0],
		      "the only eventfd was not collected");
		series_add(s, end - start);
	}
	contender->close();
	pool_close(&p);
}

static void turn(struct series s[ENGINES])
{
	static const int any;
	int who;

	for (who = 0; who < ENGINES; who++) {
		contender = &engine[who];
		if (contender->can(&any, 1, LEVEL))
			series_add_elsewhere(&s[who], collect_it);
	}
}

/* Have the module see others. */
static void meet_others(void)
{
	struct pool p;
	int i;

	pool_open(&p, EVENTFD, OTHERS);
	engine[KEVENT].open(p.in, OTHERS, LEVEL);
	for (i = 0; i < OTHERS; i++)
		pool_raise(&p, i);
	check(engine[KEVENT].wait() == OTHERS, "not all were collected");
	engine[KEVENT].close();
	pool_close(&p);
}

static void row(struct series s[ENGINES], const char *what)
{
	double value[ENGINES];
	int who;

	for (who = 0; who < ENGINES; who++)
		value[who] = series_median(&s[who]);
	table_row(value, "%s", what);
}

void bench_alone(void)
{
	struct series first[ENGINES] = {}, later[ENGINES] = {};
	int round;

	table_begin("Collect one eventfd, level, alone in a program", engine_name,
		    "kevent/epoll");
	for (round = 0; round < opt.rounds; round++) {
		if (reload_module())
			turn(first);
		meet_others();
		turn(later);
	}
	row(first, "the only one since the module was loaded");
	row(later, "others were watched before");
	uring_note();
}
