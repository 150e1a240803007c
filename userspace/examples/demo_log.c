// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: the server's own log, and what rotates it.
 *
 * The operator renames the file and sends SIGHUP; what is written in between still
 * goes to the renamed one. A second thread then reads that to its end, while the
 * server goes on. It has a result for the queue: EVFILT_USER, which it triggers with
 * a change as any other, whose data comes out with the event.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

#define ARCHIVIST	1	/* ident: any number will do */

static int fd;
static unsigned int lines;		/* written so far, each has its number */
static unsigned int lines_before;	/* until the log was reopened */
static bool reopened;
static pthread_t thread;
static bool archived;
static long long archived_lines;

/* Returns how many lines there are, numbered from @first; -1 if they are not. */
static long long count_lines(const char *path, unsigned int first)
{
	FILE *file = fopen(path, "re");
	unsigned int next = first, number;
	char line[200];

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file) &&
	       sscanf(line, "%u ", &number) == 1 && number == next &&
	       line[strlen(line) - 1] == '\n')
		next++;
	if (!feof(file))
		next = first - 1;
	fclose(file);
	return (long long)next - first;
}

static void open_log(void)
{
	fd = open(LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		err(1, "%s", LOG_FILE);
}

void log_line(const char *fmt, ...)
{
	char line[200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (dprintf(fd, "%u %s\n", ++lines, line) < 0)
		err(1, "%s", LOG_FILE);
}

/* --- The second thread --- */

static void happened(const struct kevent *kev)
{
	archived = true;
	archived_lines = kev->data;
	say("thread", "%s has %lld lines, said the second thread (EVFILT_USER)",
	    LOG_ROTATED, archived_lines);
	cue(ARCHIVED);
}

static struct source archivist = { happened };

static void *archive(void *unused)
{
	(void)unused;
	watch(ARCHIVIST, EVFILT_USER, 0, NOTE_TRIGGER,
	      count_lines(LOG_ROTATED, 1), &archivist);
	return NULL;
}

/* --- The log --- */

/* At SIGHUP; a second one changes nothing. */
void log_reopen(void)
{
	if (reopened)
		return;
	reopened = true;
	lines_before = lines;
	close(fd);
	open_log();
	say("signal", "SIGHUP: %s is a new file from line %u on", LOG_FILE,
	    lines + 1);
	if (pthread_create(&thread, NULL, archive, NULL))
		errx(1, "cannot start a thread");
}

void log_start(void)
{
	open_log();
	log_line("the demo begins");
	watch(ARCHIVIST, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, &archivist);
}

void log_check(void)
{
	if (reopened)
		pthread_join(thread, NULL);
	check(archived && archived_lines == lines_before,
	      "the second thread has counted %lld lines in %s, of %u",
	      archived_lines, LOG_ROTATED, lines_before);
	check(reopened && lines > lines_before &&
	      count_lines(LOG_FILE, lines_before + 1) == lines - lines_before,
	      "%s goes on where that ends, with lines %u to %u", LOG_FILE,
	      lines_before + 1, lines);
}
