// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the kernel counts of this program and of the whole machine, where time says
 * little.
 *
 * Locks are counted by kernels with CONFIG_LOCK_STAT, as the debug kernel is, once they
 * are told to: all of them, or only those of one kind of queue.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "counts.h"

#define LOCK_STAT "/proc/lock_stat"
#define LOCK_SWITCH "/proc/sys/kernel/lock_stat"

bool counts_have_locks(void)
{
	return access(LOCK_STAT, R_OK) == 0;
}

void counts_switch_locks(bool on)
{
	int fd = open(LOCK_SWITCH, O_WRONLY | O_CLOEXEC);

	check(fd >= 0 && write(fd, on ? "1" : "0", 1) == 1, LOCK_SWITCH);
	close(fd);
}

/* How often threads of ours have gone to sleep. */
static double count_sleeps(void)
{
	struct rusage usage;

	check(!getrusage(RUSAGE_SELF, &usage), "getrusage");
	return usage.ru_nvcsw;
}

/* A line of /proc/interrupts: what one CPU has sent another to wake or call it. */
static void count_interrupts(char *line, double *count, const char *own)
{
	char *word = strtok(line, "\n ");

	(void)own;
	if (!word || (strcmp(word, "RES:") && strcmp(word, "CAL:")))
		return;
	while ((word = strtok(NULL, "\n ")) && *word >= '0' && *word <= '9')
		count[INTERRUPTS] += atof(word);
}

/*
 * A line of /proc/lock_stat that has a class of locks: its name, and then how often a
 * thread waited for one that was last taken on another CPU, and how often for any; four
 * times; how often one was taken that was last taken on another CPU, and how often any;
 * and more times.
 */
static void count_locks(char *line, double *count, const char *own)
{
	double contended, bounced, taken;
	char *end = strrchr(line, ':');

	if (!end || sscanf(end, ": %*f %lf %*f %*f %*f %*f %lf %lf", &contended, &bounced,
			   &taken) != 3)
		return;
	count[LOCKS] += taken;
	line += strspn(line, " ");
	if (strncmp(line, own, strlen(own)))
		return;
	count[OWN_LOCKS] += taken;
	count[OWN_BOUNCED] += bounced;
	count[OWN_CONTENDED] += contended;
}

static void each_line(const char *path, double *count, const char *own,
		      void (*tally)(char *line, double *count, const char *own))
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	check(f, path);
	while (getline(&line, &room, f) >= 0)
		tally(line, count, own);
	free(line);
	fclose(f);
}

void counts_read(double count[COUNTS], const char *own)
{
	memset(count, 0, COUNTS * sizeof(*count));
	count[SLEEPS] = count_sleeps();
	each_line("/proc/interrupts", count, own, count_interrupts);
	if (counts_have_locks())
		each_line(LOCK_STAT, count, own, count_locks);
}
