// SPDX-License-Identifier: BSD-2-Clause
/* What many watched descriptors cost a close() that has nothing to do with them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

enum closed { DUPLICATE, LAST_ONE, CLOSED };

/*
 * Nobody watches with the module's hook on close() in place, as it stays once a
 * descriptor was registered, or in a module just loaded, which has none.
 */
enum load { BY_KEVENT, NO_HOOK, IDLE_HOOK, BY_EPOLL, LOADS };

/* Where the module looks for what was closed depends on the file: have some. */
#define FILES 64

static int fresh(enum closed what)
{
	static int null[FILES], turn;
	int *file = &null[turn++ % FILES], fd;

	if (!*file)
		*file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fd = what == DUPLICATE ? dup(*file) : eventfd(0, EFD_CLOEXEC);
	check(fd >= 0, "descriptors");
	return fd;
}

static void close_some(struct series *s, enum closed what)
{
	long long start, end;
	int i, fd;

	for (i = 0; i < opt.ops; i++) {
		fd = fresh(what);
		start = now();
		close(fd);
		end = now();
		series_add(s, end - start);
	}
}

/* For a process that watches nothing. */
static void close_elsewhere(struct series *s)
{
	close_some(s, DUPLICATE);
}

/* Back comes whether there is something to measure. */
static bool load_begin(const struct pool *p, enum load load)
{
	switch (load) {
	case BY_KEVENT:
		engine[KEVENT].open(p->in, p->n, LEVEL);
		return true;
	case BY_EPOLL:
		engine[EPOLL].open(p->in, p->n, LEVEL);
		return true;
	case NO_HOOK:
		return reload_module();
	default:
		engine[KEVENT].open(p->in, 1, LEVEL);
		engine[KEVENT].close();
		return true;
	}
}

static void load_end(enum load load)
{
	if (load == BY_KEVENT)
		engine[KEVENT].close();
	else if (load == BY_EPOLL)
		engine[EPOLL].close();
}

static void turn(struct series s[CLOSED][LOADS], struct series elsewhere[LOADS],
		 const struct pool *p, enum load load)
{
	int what;

	if (!load_begin(p, load))
		return;
	for (what = 0; what < CLOSED; what++)
		close_some(&s[what][load], what);
	series_add_elsewhere(&elsewhere[load], close_elsewhere);
	load_end(load);
}

static void medians(struct series *s, double *value)
{
	int load;

	for (load = 0; load < LOADS; load++)
		value[load] = s[load].n ? series_median(&s[load]) :
					  NOT_MEASURED;
}

void bench_close(void)
{
	static const char *const columns[] = {
		"kevent", "no hook", "nobody", "epoll", NULL
	};
	struct series s[CLOSED][LOADS] = {}, elsewhere[LOADS] = {};
	double value[LOADS];
	enum load load;
	struct pool p;
	int round;

	pool_open(&p, EVENTFD, opt.max);
	table_begin("Close an unrelated descriptor, others watched by",
		    columns, "kevent/no hook");
	for (round = 0; round < opt.rounds; round++)
		for (load = 0; load < LOADS; load++)
			turn(s, elsewhere, &p, load);
	medians(s[DUPLICATE], value);
	table_row(value, "a duplicate, %d eventfds watched", p.n);
	medians(s[LAST_ONE], value);
	table_row(value, "an eventfd, %d eventfds watched", p.n);
	medians(elsewhere, value);
	table_row(value, "a duplicate in a process that has no queue");
	pool_close(&p);
}
