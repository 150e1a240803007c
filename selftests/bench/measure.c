// SPDX-License-Identifier: BSD-2-Clause
/* Medians, the cost of the clock, and the table that people read. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define LABEL_WIDTH 52
#define COLUMN_WIDTH 11

static double clock_ns;
static unsigned int last_series;
static int ncolumns;
static bool with_ratio;

static unsigned int series_number(struct series *s)
{
	if (!s->number)
		s->number = ++last_series;
	return s->number;
}

void series_add(struct series *s, long long ns)
{
	long long *v;

	mark_series(series_number(s));
	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 1024;
		v = realloc(s->v, s->room * sizeof(*v));
		check(v, "room for the samples");
		s->v = v;
	}
	s->v[s->n++] = ns;
}

static int compare(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return x < y ? -1 : x > y;
}

static double raw_median(struct series *s)
{
	double median = NOT_MEASURED;

	if (s->n) {
		qsort(s->v, s->n, sizeof(*s->v), compare);
		median = (s->v[(s->n - 1) / 2] + s->v[s->n / 2]) / 2.0;
	}
	free(s->v);
	memset(s, 0, sizeof(*s));
	return median;
}

double series_each(struct series *s, int n)
{
	unsigned int number = s->number;
	double median = raw_median(s);

	if (median < 0)
		return NOT_MEASURED;
	median = median > clock_ns ? (median - clock_ns) / n : 0;
	csv_median(median, number, n);
	return median;
}

double series_median(struct series *s)
{
	return series_each(s, 1);
}

void clock_measure(void)
{
	struct series s = {};
	long long start;
	int i;

	for (i = 0; i < 2000; i++) {
		start = now();
		series_add(&s, now() - start);
	}
	clock_ns = raw_median(&s);
}

double clock_cost(void)
{
	return clock_ns;
}

/* Another process runs it: the median is one more value here. */
void series_add_elsewhere(struct series *s, void (*run)(struct series *own))
{
	struct series own = { .number = series_number(s) };
	int fd[2], status;
	double median;
	pid_t pid;

	check(!pipe(fd), "pipe");
	pid = fork();
	check(pid >= 0, "fork");
	if (!pid) {
		run(&own);
		median = series_median(&own) + clock_cost();
		_exit(write(fd[1], &median, sizeof(median)) != sizeof(median));
	}
	check(read(fd[0], &median, sizeof(median)) == sizeof(median) &&
	      waitpid(pid, &status, 0) == pid && !status, "the other process");
	series_add(s, median);
	close(fd[0]);
	close(fd[1]);
}

/* The same, while one more process has done @other and is still there. */
static void series_add_beside(struct series *s, void (*run)(struct series *own),
			      void (*other)(void))
{
	int ready[2], go[2], status;
	char byte = 0;
	pid_t pid;

	check(!pipe(ready) && !pipe(go), "pipe");
	pid = fork();
	check(pid >= 0, "fork");
	if (!pid) {
		close(go[1]);
		other();
		check(write(ready[1], &byte, 1) == 1, "pipe");
		_exit(read(go[0], &byte, 1) != 0);
	}
	close(go[0]);
	check(read(ready[0], &byte, 1) == 1, "the other process");
	series_add_elsewhere(s, run);
	close(go[1]);
	check(waitpid(pid, &status, 0) == pid && !status, "the other process");
	close(ready[0]);
	close(ready[1]);
}

/*
 * What @run takes while another process has done @other, and where nobody has used the
 * module since it was loaded; without the module's file, only the first is known.
 */
void measure_tax(double *value, void (*run)(struct series *own), void (*other)(void))
{
	struct series busy = {}, idle = {};
	int round;

	for (round = 0; round < opt.rounds; round++) {
		if (reload_module())
			series_add_elsewhere(&idle, run);
		series_add_beside(&busy, run, other);
	}
	value[0] = series_median(&busy);
	value[1] = series_median(&idle);
}

/* Start a table. The ratio is that of the first column to the second. */
void table_begin(const char *title, const char *const *columns, const char *ratio)
{
	printf("\n%-*s", LABEL_WIDTH, title);
	for (ncolumns = 0; ncolumns < MAX_COLUMNS && columns[ncolumns]; ncolumns++)
		printf("%*s", COLUMN_WIDTH, columns[ncolumns]);
	with_ratio = ratio;
	if (ratio)
		printf("  %s", ratio);
	putchar('\n');
	fflush(stdout);
	csv_table(title, columns);
}

void table_row(const double *value, const char *fmt, ...)
{
	char label[128];
	va_list args;
	int i;

	va_start(args, fmt);
	vsnprintf(label, sizeof(label), fmt, args);
	va_end(args);
	printf("%-*s", LABEL_WIDTH, label);
	for (i = 0; i < ncolumns; i++) {
		if (value[i] < 0)
			printf("%*s", COLUMN_WIDTH, "-");
		else
			printf("%*.0f", COLUMN_WIDTH, value[i]);
	}
	if (with_ratio && value[0] >= 0 && value[1] > 0)
		printf("  %5.2f", value[0] / value[1]);
	putchar('\n');
	fflush(stdout);
	csv_row(label, value, ncolumns);
}

void table_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("  ");
	vprintf(fmt, args);
	putchar('\n');
	va_end(args);
	fflush(stdout);
}
