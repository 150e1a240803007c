// SPDX-License-Identifier: BSD-2-Clause
/* What many watched descriptors cost a close() that has nothing to do with them. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum closed { DUPLICATE, LAST_ONE, CLOSED };
enum load { BY_KEVENT, NOBODY, BY_EPOLL, LOADS };

#define MAX_ROUNDS 3		/* each has a wait of a minute in it */

static int fresh(enum closed what)
{
	static int null = -1;
	int fd;

	if (null < 0)
		null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fd = what == DUPLICATE ? dup(null) : eventfd(0, EFD_CLOEXEC);
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

/* Another process, which watches nothing, closes: back comes its median. */
static void close_elsewhere(struct series *s)
{
	struct series own = {};
	double median;
	int fd[2], status;
	pid_t pid;

	check(!pipe(fd), "pipe");
	pid = fork();
	check(pid >= 0, "fork");
	if (!pid) {
		close_some(&own, DUPLICATE);
		median = series_median(&own) + clock_cost();
		_exit(write(fd[1], &median, sizeof(median)) != sizeof(median));
	}
	check(read(fd[0], &median, sizeof(median)) == sizeof(median) &&
	      waitpid(pid, &status, 0) == pid && !status, "the other process");
	series_add(s, median);
	close(fd[0]);
	close(fd[1]);
}

/* Is the module's hook on every close() in place, as far as one can see? */
static bool hooked(void)
{
	FILE *f = fopen("/sys/kernel/tracing/enabled_functions", "re");
	char line[256];
	bool found = !f;

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "filp_flush") || strstr(line, "filp_close"))
			found = true;
	if (f)
		fclose(f);
	return found;
}

/*
 * It stays for a minute after its last use: nearly free where time is counted
 * in instructions, since the guest has nothing else to do.
 */
static void wait_for_no_hook(void)
{
	static const struct timespec pause = { .tv_sec = 1 };
	int i;

	for (i = 0; i < 90 && hooked(); i++)
		nanosleep(&pause, NULL);
}

static void turn(struct series s[CLOSED][LOADS], struct series elsewhere[LOADS],
		 const struct pool *p, enum load load)
{
	static const int by[] = { [BY_KEVENT] = KEVENT, [BY_EPOLL] = EPOLL };
	int what;

	if (load == NOBODY)
		wait_for_no_hook();
	else
		engine[by[load]].open(p->in, p->n, LEVEL);
	for (what = 0; what < CLOSED; what++)
		close_some(&s[what][load], what);
	close_elsewhere(&elsewhere[load]);
	if (load != NOBODY)
		engine[by[load]].close();
}

static void medians(struct series *s, double *value)
{
	int load;

	for (load = 0; load < LOADS; load++)
		value[load] = series_median(&s[load]);
}

void bench_close(void)
{
	static const char *const columns[] = { "kevent", "nobody", "epoll", NULL };
	struct series s[CLOSED][LOADS] = {}, elsewhere[LOADS] = {};
	double value[LOADS];
	enum load load;
	struct pool p;
	int round;

	pool_open(&p, EVENTFD, opt.max);
	table_begin("Close an unrelated descriptor, others watched by",
		    columns, "kevent/nobody");
	for (round = 0; round < opt.rounds && round < MAX_ROUNDS; round++)
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
