// SPDX-License-Identifier: BSD-2-Clause
/* kevstat: show the queues there are, whose they are, and what they watch. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "kevstat.h"

#define DEVICE		"/sys/class/misc/kevent/dev"
#define LONGEST		1000000	/* s */

const char *const tool_name = "kevstat";

/* The number in a file, -1 if it cannot be read. */
long long read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	long long number;

	if (!f)
		return -1;
	if (fscanf(f, "%lld", &number) != 1)
		number = -1;
	fclose(f);
	return number;
}

/* --- Reports --------------------------------------------------------------------- */

/**
 * struct options - what is wanted
 * @pid: processes; all if there are none
 * @npids: how many
 * @room: for how many there is room
 * @verbose: registrations, each
 * @json: objects
 * @total: sums
 * @ms: the time between reports; 0: there is one
 */
struct options {
	pid_t *pid;
	size_t npids;
	size_t room;
	bool verbose;
	bool json;
	bool total;
	long long ms;
};

/* Which device queues are open files of. False if there is none, which was said. */
static bool find_device(struct report *r)
{
	FILE *f = fopen(DEVICE, "re");
	unsigned int major, minor;
	bool ok = f && fscanf(f, "%u:%u", &major, &minor) == 2;

	if (f)
		fclose(f);
	if (ok)
		r->device = makedev(major, minor);
	else
		complain("there is no " DEVICE ": is the module loaded?");
	return ok;
}

/* What cannot be looked at is said, and not tried again. */
static void scan_some(struct report *r, struct options *o, int *status)
{
	size_t i, left = 0;
	int error;

	for (i = 0; i < o->npids; i++) {
		error = scan_process(r, o->pid[i]);
		if (!error) {
			o->pid[left++] = o->pid[i];
			continue;
		}
		if (error == ENOENT || error == ESRCH)
			complain("there is no process %d", o->pid[i]);
		else
			complain("cannot look at process %d: %s", o->pid[i],
				 strerror(error));
		*status = EXIT_TROUBLE;
	}
	o->npids = left;
}

static bool scan(struct report *r, struct options *o, int *status)
{
	bool some = o->npids, ok;

	r->verbose = o->verbose;
	ok = find_device(r);
	if (ok && some)
		scan_some(r, o, status);
	else if (ok)
		ok = scan_all(r);
	if (ok)
		scan_end(r);
	else
		*status = EXIT_TROUBLE;
	return ok && (!some || o->npids);
}

static void print(FILE *to, struct report *r, const struct options *o)
{
	char now[64];
	time_t t = time(NULL);

	if (o->json) {
		json_report(to, r);
		return;
	}
	if (o->ms && strftime(now, sizeof(now), "%Y-%m-%d %H:%M:%S", localtime(&t)))
		fprintf(to, "%s\n", now);
	show_report(to, r, o->total);
}

/* All at once, when it is complete. */
static bool draw(struct report *r, const struct options *o)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	bool ok;

	if (!to)
		return false;
	print(to, r, o);
	ok = !fclose(to) && watch_draw(text, len);
	free(text);
	return ok;
}

/* If nobody wants to read it, that is the end, but no trouble. */
static bool write_report(struct report *r, const struct options *o, int *status)
{
	static bool again;
	bool ok;

	errno = 0;
	if (o->ms && !o->json && isatty(STDOUT_FILENO)) {
		ok = draw(r, o);
	} else {
		if (again && !o->json)
			putchar('\n');
		print(stdout, r, o);
		ok = !fflush(stdout);
	}
	again = true;
	if (ok)
		return true;
	if (errno != EPIPE) {
		complain("cannot write: %s", strerror(errno));
		*status = EXIT_TROUBLE;
	}
	return false;
}

/* What was not looked at. */
static void note(const struct report *r)
{
	if (r->forbidden)
		complain("processes that may not be looked at: %lu", r->forbidden);
	if (r->ended)
		complain("processes that have ended meanwhile: %lu", r->ended);
}

static struct report report;

static int report_all(struct options *o)
{
	int status = EXIT_SHOWN;
	bool go_on;

	do {
		report_free(&report);
		go_on = scan(&report, o, &status) &&
			write_report(&report, o, &status) && o->ms && watch_wait();
	} while (go_on);
	note(&report);
	return status;
}

/* --- Options --------------------------------------------------------------------- */

static void show_usage(FILE *to)
{
	fputs("Usage: kevstat [option ...]\n"
	      "Show the queues of /dev/kevent: whose they are, what they watch, how much of\n"
	      "that is ready, and what memory they take.\n"
	      "  -p, --pid=PID          of this process only; may be given several times\n"
	      "  -v, --verbose          each registration, and each descriptor of a queue\n"
	      "  -j, --json             a JSON object, in one line\n"
	      "  -w, --watch[=SECONDS]  again after so many seconds (2), until it is ended\n"
	      "  -t, --total            sums, and how much there may be\n"
	      "  -h, --help             show this\n"
	      "SIGTERM, SIGINT: end.\n"
	      "Exit status: 0 shown, or was ended, 1 a process could not be looked at, or\n"
	      "there is no module, 2 wrong usage.\n", to);
}

static bool parse_pid(struct options *o, const char *text)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (!*text || *end || errno || pid <= 0 || pid > INT_MAX) {
		complain("-p %s: not the number of a process", text);
		return false;
	}
	if (o->npids == o->room)
		o->pid = get_more(o->pid, &o->room, sizeof(*o->pid));
	o->pid[o->npids++] = pid;
	return true;
}

static bool parse_period(struct options *o, const char *text)
{
	double s = 2;
	char *end;

	if (text) {
		s = strtod(text, &end);
		if (!*text || *end || !(s >= 0.001 && s <= LONGEST)) {
			complain("-w%s: not a number of seconds, 0.001 to %d", text,
				 LONGEST);
			return false;
		}
	}
	o->ms = s * 1000 + 0.5;
	return true;
}

static const struct option long_options[] = {
	{ "pid", required_argument, NULL, 'p' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "json", no_argument, NULL, 'j' },
	{ "watch", optional_argument, NULL, 'w' },
	{ "total", no_argument, NULL, 't' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 }
};

/* Whether to go on; else the exit status is in @status. */
static bool parse_option(struct options *o, int opt, int *status)
{
	switch (opt) {
	case 'p':
		return parse_pid(o, optarg);
	case 'v':
		o->verbose = true;
		return true;
	case 'j':
		o->json = true;
		return true;
	case 'w':
		return parse_period(o, optarg);
	case 't':
		o->total = true;
		return true;
	case 'h':
		show_usage(stdout);
		*status = EXIT_SHOWN;
		return false;
	}
	show_usage(stderr);
	return false;
}

static bool parse_options(struct options *o, int argc, char **argv, int *status)
{
	int opt;

	*status = EXIT_USAGE;
	while ((opt = getopt_long(argc, argv, "p:vjw::th", long_options, NULL)) >= 0)
		if (!parse_option(o, opt, status))
			return false;
	if (optind == argc)
		return true;
	show_usage(stderr);
	return false;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	int status;

	if (!parse_options(&o, argc, argv, &status))
		return status;
	if (o.ms && !watch_begin(o.ms)) {
		complain("cannot watch signals: %s", strerror(errno));
		return EXIT_TROUBLE;
	}
	status = report_all(&o);
	report_free(&report);
	free(o.pid);
	return status;
}
