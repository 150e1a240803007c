// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: a log that another program writes, as tail -f reads it.
 *
 * EVFILT_READ on a file: data is how far the end is from the offset. Whenever the
 * file grows there is an event again.
 */
#include <err.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

static int fd;
static char line[80];			/* the one that is not complete yet */
static size_t line_len;
static unsigned int wrong_lines, lies;

static void check_line(void)
{
	char expected[sizeof(line)];

	line[line_len] = '\0';
	tail_line(expected, sizeof(expected), totals.lines + wrong_lines + 1);
	if (strcmp(line, expected))
		wrong_lines++;
	else
		totals.lines++;
	line[strcspn(line, "\n")] = '\0';
	if (totals.lines % 10 == 1)
		say("tail", "\"%s\"", line);
	if (totals.lines + wrong_lines == TAIL_LINES)
		cue(ALL_TAILED);
	line_len = 0;
}

static void happened(const struct kevent *kev)
{
	char buf[1024];
	ssize_t n, i;

	n = read(fd, buf, sizeof(buf));
	if (n < kev->data && n < (ssize_t)sizeof(buf))
		lies++;
	for (i = 0; i < n; i++) {
		if (line_len < sizeof(line) - 1)
			line[line_len++] = buf[i];
		if (buf[i] == '\n')
			check_line();
	}
}

static struct source tail = { happened };

void tail_start(void)
{
	fd = open(TAIL_FILE, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		err(1, "%s", TAIL_FILE);
	watch(fd, EVFILT_READ, EV_ADD, 0, 0, &tail);
}

void tail_check(void)
{
	check(totals.lines == TAIL_LINES && wrong_lines == 0 && lies == 0,
	      "%u of %d lines of %s, in order, as many bytes as the events said",
	      totals.lines, TAIL_LINES, TAIL_FILE);
}
