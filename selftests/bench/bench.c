// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench: kevent against epoll, poll, select and io_uring, side by side on one machine.
 *
 * Under QEMU's -icount shift=0 a nanosecond is one instruction of the guest,
 * and the numbers are path lengths, the same in every run.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench.h"

#define HANG_SECONDS 300

struct options opt = { .rounds = 5, .ops = 100, .max = 100000 };

static const struct group {
	const char *name;
	void (*run)(void);
	const char *what;
} groups[] = {
	{ "collect", bench_collect, "collect ten ready of many watched" },
	{ "alone", bench_alone, "collect one, in a program that has no other" },
	{ "entry", bench_entry, "a call alone: what the way into the kernel takes" },
	{ "register", bench_register, "register and remove many" },
	{ "rearm", bench_rearm, "re-arm ten and wait" },
	{ "timer", bench_timer, "arm a timer, wait, collect; put it off" },
	{ "user", bench_user, "trigger a user event, wait; trigger alone" },
	{ "pingpong", bench_pingpong, "two threads that answer each other" },
	{ "connection", bench_connection, "a connection's whole life in a server" },
	{ "chains", bench_chains, "pipes that hand bytes on, as libevent has them" },
	{ "loops", bench_loops, "what perf bench epoll does" },
	{ "signal", bench_signal, "raise a signal, wait; what that costs others" },
	{ "process", bench_process, "have a child, wait; what that costs others" },
	{ "file", bench_file, "write a file, wait; many files; what that costs others" },
	{ "close", bench_close, "close() while many others are watched" },
	{ "memory", bench_memory, "kernel memory of a watched descriptor" },
	{ "idle", bench_idle, "collect, register, replace with many idle ones" },
	{ "producers", bench_producers, "1, 2, 4 producers and consumers; with several CPUs" },
};

#define GROUPS (sizeof(groups) / sizeof(*groups))

static void show_usage(FILE *to)
{
	size_t i;

	fprintf(to, "Usage: bench [-r rounds] [-o operations] [-n descriptors]\n"
		"             [-c file] [-p] [group ...]\n"
		"  -r  turns that kevent and its rivals take, one after the other (%d)\n"
		"  -o  operations in a turn (%d)\n"
		"  -n  watch at most this many, at least 64 (%d)\n"
		"  -c  write all that is measured to this file, as CSV\n"
		"  -p  say where the module is, for a profiler\n"
		"groups, all of them unless named:\n", opt.rounds, opt.ops, opt.max);
	for (i = 0; i < GROUPS; i++)
		fprintf(to, "  %-10s %s\n", groups[i].name, groups[i].what);
}

static int parse(const char *arg, int min)
{
	char *end;
	long n = strtol(arg, &end, 10);

	if (*arg && !*end && n >= min && n <= 1000000)
		return n;
	fprintf(stderr, "bench: '%s' is not a number from %d to 1000000\n", arg, min);
	exit(2);
}

static const struct group *find(const char *name)
{
	size_t i;

	for (i = 0; i < GROUPS; i++)
		if (!strcmp(groups[i].name, name))
			return &groups[i];
	fprintf(stderr, "bench: there is no group '%s'\n", name);
	show_usage(stderr);
	exit(2);
}

static void hung(int sig)
{
	static const char word[] =
		"\nbench: no event for five minutes: something has been lost\n";

	(void)sig;
	_exit(write(STDERR_FILENO, word, sizeof(word) - 1) < 0 ? 2 : 1);
}

/* One group, with a limit: the operations wait for their events for ever. */
static void run(const struct group *g)
{
	alarm(HANG_SECONDS);
	csv_group(g->name);
	g->run();
	alarm(0);
}

static void introduce(void)
{
	struct series s = {};
	struct utsname un;
	long long start;
	int i;

	clock_measure();
	for (i = 0; i < 1000; i++) {
		start = now();
		syscall(SYS_getppid);
		series_add(&s, now() - start);
	}
	uname(&un);
	printf("Linux %s, %ld CPU(s). Medians of %d rounds of %d operations.\n"
	       "Nanoseconds; under -icount shift=0 each is one instruction.\n"
	       "A reading of the clock takes %.0f, which is taken off; a null system call %.0f.\n",
	       un.release, sysconf(_SC_NPROCESSORS_ONLN), opt.rounds, opt.ops,
	       clock_cost(), series_median(&s));
}

int main(int argc, char **argv)
{
	size_t i;
	int c;

	while ((c = getopt(argc, argv, "r:o:n:c:ph")) != -1) {
		switch (c) {
		case 'r':
			opt.rounds = parse(optarg, 1);
			break;
		case 'o':
			opt.ops = parse(optarg, 1);
			break;
		case 'n':
			opt.max = parse(optarg, 64);
			break;
		case 'c':
			csv_open(optarg);
			break;
		case 'p':
			profile_begin();
			break;
		case 'h':
			show_usage(stdout);
			return 0;
		default:
			show_usage(stderr);
			return 2;
		}
	}
	for (c = optind; c < argc; c++)
		find(argv[c]);
	signal(SIGALRM, hung);
	/* Its ring stays: with a high number, it would make each fork dearer. */
	uring_works();
	introduce();
	for (c = optind; c < argc; c++)
		run(find(argv[c]));
	for (i = 0; optind == argc && i < GROUPS; i++)
		run(&groups[i]);
	puts("\nbench: done");
	return 0;
}
