// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: one process and one queue, and no other multiplexer, for all of this at once:
 *
 *   - a TCP echo server with 500 clients,
 *   - which are processes: the server learns how each of them ends,
 *   - its configuration file, which somebody changes: that is noticed and applied,
 *   - SIGHUP, at which it opens its log anew, and SIGTERM, which ends it,
 *   - a log that another program writes, read as it grows,
 *   - a file system that is mounted and goes again,
 *   - timers: for statistics, and for the time that all may take,
 *   - a second thread, which says when it has done its work.
 *
 * What is to happen is in demo_operator.c, from the outside. In the end each part
 * checks what it has been told; the last line is the verdict, as is the exit status.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kevent.h>

#include "demo.h"

#define MAX_EVENTS	64

struct totals totals;

static int kq;
static unsigned long long started;
static bool gave_up;

unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* --- What people see --- */

void say(const char *who, const char *fmt, ...)
{
	unsigned long long ms = (now_ns() - started) / 1000000;
	va_list args;

	printf("[%3llu.%03llu] %-9s", ms / 1000, ms % 1000, who);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

static unsigned int right, wrong;

void check(bool ok, const char *fmt, ...)
{
	va_list args;

	fputs(ok ? "  ok     " : "  WRONG  ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	right += ok;
	wrong += !ok;
}

void give_up(const char *fmt, ...)
{
	va_list args;

	/* What comes after the first trouble mostly comes of it. */
	if (gave_up)
		return;
	gave_up = true;
	wrong++;
	fputs("giving up: ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

/* --- The queue --- */

void apply(const struct kevent *changes, int n)
{
	if (kevent(kq, changes, n, NULL, 0, NULL) < 0)
		err(1, "kevent: ident %ju, filter %d",
		    (uintmax_t)changes->ident, changes->filter);
}

void watch(uintptr_t ident, short filter, unsigned short flags,
	   unsigned int fflags, int64_t data, struct source *source)
{
	struct kevent change;

	EV_SET(&change, ident, filter, flags, fflags, data, source);
	apply(&change, 1);
}

static bool finished(void)
{
	return gave_up || (server_is_done() && processes_are_done());
}

/* Whatever happens, it comes from here. */
static void serve(void)
{
	struct kevent events[MAX_EVENTS];
	unsigned long long before;
	struct source *source;
	int n, i;

	while (!finished()) {
		before = now_ns();
		n = kevent(kq, NULL, 0, events, MAX_EVENTS, NULL);
		if (n < 0)
			err(1, "kevent");
		totals.calls++;
		totals.events += n;
		if (n < MAX_EVENTS)
			totals.told_until = before;
		for (i = 0; i < n; i++) {
			source = events[i].udata;
			source->happened(&events[i]);
		}
	}
}

/* --- The setting --- */

/* A descriptor for each client, and some. */
static void raise_descriptor_limit(void)
{
	const rlim_t need = CLIENTS + 100;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		err(1, "getrlimit");
	if (limit.rlim_cur >= need)
		return;
	limit.rlim_cur = need;
	if (limit.rlim_max < need)
		limit.rlim_max = need;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "%u descriptors are needed (ulimit -n)",
		    (unsigned int)need);
}

/* Work in a folder of our own, which others need not find. */
static void make_folder(char *folder)
{
	if (!mkdtemp(folder) || chdir(folder) || mkdir(MOUNT_POINT, 0700))
		err(1, "%s", folder);
}

static void remove_folder(const char *folder)
{
	static const char *const files[] = {
		CONFIG_FILE, CONFIG_ASIDE, LOG_FILE, LOG_ROTATED, TAIL_FILE
	};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(files[i]);
	/* Still mounted only if something went wrong. */
	umount2(MOUNT_POINT, MNT_DETACH);
	if (rmdir(MOUNT_POINT) || chdir("/") || rmdir(folder))
		warn("%s is left behind", folder);
}

/*
 * The processes come last, when all that they are to meet is there and registered. Two
 * pipes go to them: the end of one is the sign for the clients to talk, through the
 * other the operator learns how far the server has got.
 */
static void start(unsigned int seconds)
{
	struct scene scene = { .server = getpid() };
	int gate[2], cues[2];

	if (pipe2(gate, O_CLOEXEC) || pipe2(cues, O_CLOEXEC))
		err(1, "pipe");
	signals_start();
	timers_start(seconds);
	config_start();
	log_start();
	tail_start();
	mounts_start();
	server_start(&scene.address, gate[1]);
	cues_start(cues[1]);

	say("start", "%d clients come to 127.0.0.1:%d, each is a process",
	    CLIENTS, ntohs(scene.address.sin_port));
	processes_start(&scene, gate[0], cues[0]);
	close(gate[0]);
	close(cues[0]);
}

static void check_all(void)
{
	puts(gave_up ? "checked, as far as it has got:" : "checked:");
	server_check();
	config_check();
	processes_check();
	signals_check();
	log_check();
	tail_check();
	mounts_check();
	timers_check();
}

static unsigned int parse_options(int argc, char **argv)
{
	int seconds = TIME_LIMIT_S, opt;

	while ((opt = getopt(argc, argv, "t:")) >= 0)
		if (opt == 't')
			seconds = atoi(optarg);
		else
			seconds = 0;
	if (seconds > 0 && optind == argc)
		return seconds;
	fprintf(stderr, "Usage: demo [-t seconds]\n"
		"  -t seconds  how long it may take (%d)\n", TIME_LIMIT_S);
	exit(2);
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/kevent-demo.XXXXXX";
	unsigned int seconds = parse_options(argc, argv);

	started = now_ns();
	setvbuf(stdout, NULL, _IOLBF, 0);
	kq = kqueue();
	if (kq < 0) {
		printf("demo: FAIL: %s\n", kqueue_strerror(errno));
		return 1;
	}
	/* Should the queue not even tell that the time is up. */
	alarm(seconds + 10);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	make_folder(folder);

	start(seconds);
	serve();
	processes_stop();
	check_all();
	remove_folder(folder);

	if (wrong) {
		printf("demo: FAIL: %u of %u checks went wrong\n", wrong,
		       right + wrong);
		return 1;
	}
	printf("demo: PASS: all %u checks; one process, one queue: %u events in %u calls, %.1f s\n",
	       right, totals.events, totals.calls, (now_ns() - started) / 1e9);
	return 0;
}
