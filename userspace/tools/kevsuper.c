// SPDX-License-Identifier: BSD-2-Clause
/*
 * kevsuper: start programs and keep them running. One queue tells of processes,
 * signals and timers, so there is no signal handler, and nothing that could
 * interrupt anything.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kevsuper.h"

const char *const tool_name = "kevsuper";

/*
 * Signals are blocked, and told by the queue all the same. The children of our
 * children become ours when their parents end.
 */
static bool prepare(const struct super *super)
{
	static const int signals[] = { SIGHUP, SIGTERM, SIGINT, 0 };
	sigset_t set;

	return watch_signals(super->kq, signals) && block_signals(signals, &set) &&
	       !prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* --- Programs that come and go ------------------------------------------------ */

static struct service *find_service(const struct super *super, const char *name)
{
	struct service *s;

	for (s = super->services; s; s = s->next)
		if (s->state != GONE && !strcmp(s->wanted->name, name))
			return s;
	return NULL;
}

/* Is that what the service runs, or is about to? */
static bool is_same(const struct service *s, const struct wanted *w)
{
	const struct wanted *now = s->renewed ? s->renewed : s->wanted;

	return !strcmp(now->argv[2], w->argv[2]);
}

static bool is_in(const struct wanted *list, const char *name)
{
	for (; list; list = list->next)
		if (!strcmp(list->name, name))
			return true;
	return false;
}

/* Read the file again: start what is new, stop what is not there any more. */
static void reload(struct super *super, const char *path)
{
	struct wanted *list, *w, *next;
	struct service *s;

	if (!path) {
		say("there is no file to read again");
		return;
	}
	say("reading %s again", path);
	list = wanted_from_file(path);
	if (!list) {
		complain("everything stays as it was");
		return;
	}
	for (s = super->services; s; s = s->next)
		if (!s->dropped && !is_in(list, s->wanted->name))
			service_stop(super, s);
	for (w = list; w; w = next) {
		next = w->next;
		w->next = NULL;
		s = find_service(super, w->name);
		if (!s)
			service_add(super, w);
		else if (!s->dropped && is_same(s, w))
			wanted_free(w);
		else
			service_renew(super, s, w);
	}
}

static void stop(struct super *super, int sig)
{
	struct service *s;

	if (super->stopping)
		return;
	say("stopping, as signal %d (%s) asks for", sig, strsignal(sig));
	super->stopping = true;
	for (s = super->services; s; s = s->next)
		service_stop(super, s);
}

/* --- What happens ------------------------------------------------------------ */

static void handle(struct super *super, const char *path, const struct kevent *ev)
{
	switch (ev->filter) {
	case EVFILT_PROC:
		service_event(super, ev);
		break;
	case EVFILT_TIMER:
		service_timer(super, ev->udata);
		break;
	case EVFILT_SIGNAL:
		if (ev->ident != SIGHUP)
			stop(super, ev->ident);
		else if (!super->stopping)
			reload(super, path);
	}
}

/*
 * Until all are gone. One event at a time, since what it leads to may take others
 * back, and with them what they are about.
 */
static int supervise(struct super *super, const char *path)
{
	struct kevent ev;

	while (super->services) {
		if (kevent(super->kq, NULL, 0, &ev, 1, NULL) < 0) {
			complain("cannot wait: %s", strerror(errno));
			return EXIT_TROUBLE;
		}
		handle(super, path, &ev);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		services_forget(super);
	}
	say("all have ended");
	return super->killed ? EXIT_KILLED : EXIT_STOPPED;
}

/* --- Options ----------------------------------------------------------------- */

static void show_usage(FILE *to)
{
	fputs("Usage: kevsuper [option ...] file\n"
	      "       kevsuper [option ...] -- command [argument ...]\n"
	      "Start programs and keep them running: those of a file, which has a line\n"
	      "\"name: command\" for each, or one. SIGHUP: read the file again. SIGTERM,\n"
	      "SIGINT: stop them all.\n"
	      "  -d seconds  wait before one is started again, twice as long each time (1)\n"
	      "  -m seconds  but not longer than this (60)\n"
	      "  -k seconds  kill what does not end within that time (10)\n"
	      "  -h          show this\n"
	      "Exit status: 0 all were stopped, 1 trouble, 2 wrong usage or file, 3 some had\n"
	      "to be killed.\n", to);
}

/* Seconds as ms, 0 if it is none. */
static long long parse_seconds(const char *text)
{
	char *end;
	double s = strtod(text, &end);

	return *text && !*end && s >= 0.001 && s <= 1e6 ? s * 1000 + 0.5 : 0;
}

/* Whether to go on; else the exit status is in @status. */
static bool parse_options(struct super *super, int argc, char **argv, int *status)
{
	long long *number;
	int opt;

	*status = EXIT_USAGE;
	while ((opt = getopt(argc, argv, "+d:m:k:h")) >= 0) {
		switch (opt) {
		case 'd':
			number = &super->first_delay;
			break;
		case 'm':
			number = &super->most_delay;
			break;
		case 'k':
			number = &super->patience;
			break;
		case 'h':
			show_usage(stdout);
			*status = 0;
			return false;
		default:
			show_usage(stderr);
			return false;
		}
		*number = parse_seconds(optarg);
		if (!*number) {
			complain("-%c %s: not a number of seconds, 0.001 to 1000000",
				 opt, optarg);
			return false;
		}
	}
	if (super->most_delay < super->first_delay)
		super->most_delay = super->first_delay;
	if (optind < argc)
		return true;
	show_usage(stderr);
	return false;
}

int main(int argc, char **argv)
{
	struct super super = { .first_delay = 1000, .most_delay = 60000,
			       .patience = 10000 };
	const char *path = NULL;
	struct wanted *list = NULL, *next;
	int status;

	if (!parse_options(&super, argc, argv, &status))
		return status;
	if (strcmp(argv[optind - 1], "--")) {
		path = argv[optind];
		if (optind + 1 < argc)
			complain("one file, or a command after --");
		else
			list = wanted_from_file(path);
	} else {
		list = wanted_from_args(argv + optind);
	}
	if (!list)
		return EXIT_USAGE;

	super.kq = open_queue();
	if (super.kq < 0)
		return EXIT_TROUBLE;
	if (!prepare(&super)) {
		complain("cannot watch signals: %s", strerror(errno));
		return EXIT_TROUBLE;
	}
	for (; list; list = next) {
		next = list->next;
		list->next = NULL;
		service_add(&super, list);
	}
	return supervise(&super, path);
}
