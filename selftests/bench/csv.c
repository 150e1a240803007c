// SPDX-License-Identifier: BSD-2-Clause
/*
 * The tables for programs, a line for each value:
 *
 *   release,group,table,row,column,value,series,parts
 *
 * The value is the median of that series (see mark.h), divided by parts; both are 0
 * where it is not the median of anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "bench.h"

static FILE *csv;
static const char *group, *table;
static const char *const *column;

/* All medians so far. */
static struct taken {
	double value;
	unsigned int series;
	int parts;
} *taken;
static size_t ntaken;

void csv_open(const char *path)
{
	csv = fopen(path, "we");
	check(csv, path);
	fputs("release,group,table,row,column,value,series,parts\n", csv);
	fflush(csv);
}

void csv_group(const char *name)
{
	group = name;
}

void csv_table(const char *title, const char *const *columns)
{
	table = title;
	column = columns;
}

void csv_median(double value, unsigned int series, int parts)
{
	struct taken *more = realloc(taken, (ntaken + 1) * sizeof(*more));

	check(more, "room for the medians");
	taken = more;
	taken[ntaken++] = (struct taken){ value, series, parts };
}

/* The last of the first @n that is @value. */
static struct taken *find_median(double value, size_t n)
{
	while (n--)
		if (taken[n].value == value)
			return &taken[n];
	return NULL;
}

/*
 * A row has medians that were just taken, column after column, or some that an earlier
 * row had as well: look for the last column first.
 */
static void find_medians(struct taken *found, const double *value, int n)
{
	static const struct taken nothing;
	size_t left = ntaken;
	struct taken *t;

	while (n--) {
		t = find_median(value[n], left);
		if (t)
			left = t - taken;
		else
			t = find_median(value[n], ntaken);
		found[n] = t ? *t : nothing;
	}
}

static void put_text(const char *s)
{
	putc('"', csv);
	for (; *s; s++) {
		if (*s == '"')
			putc('"', csv);
		putc(*s, csv);
	}
	fputs("\",", csv);
}

void csv_row(const char *label, const double *value, int n)
{
	struct taken found[MAX_COLUMNS];
	struct utsname un;
	int i;

	if (!csv)
		return;
	uname(&un);
	find_medians(found, value, n);
	for (i = 0; i < n; i++) {
		if (value[i] < 0)
			continue;
		put_text(un.release);
		put_text(group);
		put_text(table);
		put_text(label);
		put_text(column[i]);
		fprintf(csv, "%.2f,%u,%d\n", value[i], found[i].series, found[i].parts);
	}
	check(!fflush(csv), "the CSV file");
}
