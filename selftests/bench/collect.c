// SPDX-License-Identifier: BSD-2-Clause
/* Collect ten ready of many watched descriptors. */
#include "bench.h"

#define WARM_UP 3

/* poll() and select() look at everything each time: a few are enough. */
static int ops_for(int who, int n)
{
	int fair = who == KEVENT || who == EPOLL ? opt.ops : 20000 / n;

	if (fair < 10)
		fair = 10;
	return fair < opt.ops ? fair : opt.ops;
}

static void turn(struct series *s, int who, struct pool *p, int n, enum mode mode)
{
	const struct engine *e = &engine[who];
	int i, got, ops = ops_for(who, n) + WARM_UP;
	long long start, end;

	e->open(p->in, n, mode);
	if (mode == LEVEL)
		pool_raise_some(p, n);
	for (i = 0; i < ops; i++) {
		if (mode == EDGE)
			pool_raise_some(p, n);
		start = now();
		got = e->wait();
		end = now();
		check(got == READY, "not exactly the ready ones were collected");
		if (mode == EDGE)
			pool_lower_some(p, n);
		if (i >= WARM_UP)
			series_add(s, end - start);
	}
	if (mode == LEVEL)
		pool_lower_some(p, n);
	e->close();
}

static void compare(struct pool *p, int n, enum mode mode)
{
	struct series s[ENGINES] = {};
	double value[ENGINES];
	int round, who;

	for (round = 0; round < opt.rounds; round++)
		for (who = 0; who < ENGINES; who++)
			if (engine[who].can(p->in, n, mode))
				turn(&s[who], who, p, n, mode);
	for (who = 0; who < ENGINES; who++)
		value[who] = series_median(&s[who]);
	table_row(value, "%ss, %s, %d of %d", kind_name[p->kind],
		  mode == EDGE ? "edge" : "level", READY, n);
}

void bench_collect(void)
{
	enum mode mode;
	enum fd_kind kind;
	struct pool p;
	int n;

	table_begin("Collect the ready descriptors", engine_name, "kevent/epoll");
	for (kind = EVENTFD; kind < KINDS; kind++) {
		pool_open(&p, kind, opt.max < 10000 ? opt.max : 10000);
		for (mode = LEVEL; mode <= EDGE; mode++)
			for (n = 10; n <= p.n; n *= 10)
				compare(&p, n, mode);
		pool_close(&p);
	}
	uring_note();
}
