// SPDX-License-Identifier: BSD-2-Clause
/*
 * kevwatch: tell what happens to files and directories, and run a command then. One
 * queue tells of files, signals, the command's end and the time.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kevwatch.h"

#define EVENTS		64	/* taken at a time */
#define MOST_DELAY	3600000	/* ms */

const char *const tool_name = "kevwatch";

/* --- Before anything is told ----------------------------------------------------- */

/* Signals are blocked, and told by the queue all the same. */
static bool take_signals(const struct watch *w)
{
	static const int signals[] = { SIGTERM, SIGINT, 0 };
	sigset_t set;

	return watch_signals(w->kq, signals) && block_signals(signals, &set) &&
	       signal(SIGPIPE, SIG_IGN) != SIG_ERR;
}

/* There is a descriptor for each file that is watched. */
static void raise_limit(struct watch *w)
{
	struct rlimit most;

	if (getrlimit(RLIMIT_NOFILE, &w->limit))
		return;
	most = w->limit;
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_NOFILE, &most);
}

/* --- What happens ---------------------------------------------------------------- */

/* Only take note: of what, shows when everything is known that has happened by now. */
static void file_event(struct watch *w, struct node *node, unsigned int notes)
{
	if (!node->notes)
		list_add(&w->noted, node);
	node->notes |= notes;
	if (node_has_entries(w, node) && notes & (NOTE_WRITE | NOTE_DELETE))
		node_dirty(w, node);
	if (node->role == ENTRY && notes & NOTE_RENAME)
		node_dirty(w, node->parent);
	if (node->role == DOOR || notes & (NOTE_DELETE | NOTE_RENAME))
		if (node->top)
			node->top->look = true;
}

static void handle(struct watch *w, const struct kevent *ev)
{
	switch (ev->filter) {
	case EVFILT_VNODE:
		file_event(w, ev->udata, ev->fflags);
		break;
	case EVFILT_TIMER:
		run_timer(w);
		break;
	case EVFILT_PROC:
		run_ended(w);
		break;
	case EVFILT_SIGNAL:
		w->stop = true;
	}
}

/*
 * First the names, so that whatever else is told of a file has the one that it has
 * by now. No event is on its way of what is freed then.
 */
static void tell(struct watch *w)
{
	size_t i;

	do {
		settle(w);
		tops_look(w);
	} while (w->dirty.n);
	for (i = 0; i < w->noted.n; i++)
		if (!w->noted.node[i]->dead)
			tell_notes(w, w->noted.node[i]);
	w->noted.n = 0;
	trash_empty(w);
}

/* Can it be read, what we say? If nobody wants to, that is the end. */
static bool is_heard(const struct watch *w, int *status)
{
	if (!w->unheard)
		return true;
	if (w->unheard != EPIPE) {
		complain("cannot write: %s", strerror(w->unheard));
		*status = EXIT_TROUBLE;
	}
	return false;
}

static int watch_all(struct watch *w, int status)
{
	struct kevent ev[EVENTS];
	int i, n;

	while (!w->stop) {
		n = kevent(w->kq, NULL, 0, ev, EVENTS, NULL);
		if (n < 0) {
			complain("cannot wait: %s", strerror(errno));
			return EXIT_TROUBLE;
		}
		for (i = 0; i < n; i++)
			handle(w, &ev[i]);
		tell(w);
		if (!is_heard(w, &status))
			return status;
		if (!tops_left(w)) {
			complain("nothing is left to watch");
			return EXIT_TROUBLE;
		}
	}
	return status;
}

/* --- Options --------------------------------------------------------------------- */

static void show_usage(FILE *to)
{
	fputs("Usage: kevwatch [option ...] path ...\n"
	      "Tell what happens to files, and in directories, in a line each.\n"
	      "  -r, --recursive      in the directories below them, too\n"
	      "  -e, --events=LIST    only this, separated by commas: created deleted renamed\n"
	      "                       written extended attributes linked (all these), opened\n"
	      "                       closed closed-write read; all\n"
	      "  -j, --json           a JSON object in each line\n"
	      "  -q, --quiet          no lines, for use with -x\n"
	      "  -x, --exec=COMMAND   then have the shell run this; $KEVWATCH_PATHS has the\n"
	      "                       paths, $KEVWATCH_COUNT says how many\n"
	      "  -d, --delay=MS       once for all that happens within this time (100)\n"
	      "  -h, --help           show this\n"
	      "SIGTERM, SIGINT: end.\n"
	      "Exit status: 0 was ended, 1 a path could not be watched, or none is left,\n"
	      "2 wrong usage.\n", to);
}

/* The event of that name, of @len bytes; 0: there is none. */
static unsigned int parse_event(const char *name, size_t len)
{
	unsigned int i;

	if (len == 3 && !strncmp(name, "all", 3))
		return ALL_WHATS;
	for (i = 0; i < WHATS; i++)
		if (strlen(what_names[i]) == len &&
		    !strncmp(name, what_names[i], len))
			return 1 << i;
	return 0;
}

static bool parse_events(struct watch *w, const char *list)
{
	unsigned int event;
	size_t len;

	w->wanted = 0;
	for (;; list += len + 1) {
		len = strcspn(list, ",");
		event = parse_event(list, len);
		if (!event) {
			complain("-e: there is no event '%.*s'", (int)len, list);
			return false;
		}
		w->wanted |= event;
		if (!list[len])
			return true;
	}
}

static bool parse_delay(struct watch *w, const char *text)
{
	char *end;

	errno = 0;
	w->run.delay = strtoll(text, &end, 10);
	if (*text && !*end && !errno && w->run.delay >= 0 && w->run.delay <= MOST_DELAY)
		return true;
	complain("-d %s: not a number of milliseconds, 0 to %d", text, MOST_DELAY);
	return false;
}

static const struct option long_options[] = {
	{ "recursive", no_argument, NULL, 'r' },
	{ "events", required_argument, NULL, 'e' },
	{ "json", no_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "exec", required_argument, NULL, 'x' },
	{ "delay", required_argument, NULL, 'd' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 }
};

/* Whether to go on; else the exit status is in @status. */
static bool parse_option(struct watch *w, int opt, int *status)
{
	switch (opt) {
	case 'r':
		w->recursive = true;
		return true;
	case 'e':
		return parse_events(w, optarg);
	case 'j':
		w->json = true;
		return true;
	case 'q':
		w->quiet = true;
		return true;
	case 'x':
		w->run.command = optarg;
		return true;
	case 'd':
		return parse_delay(w, optarg);
	case 'h':
		show_usage(stdout);
		*status = 0;
		return false;
	}
	show_usage(stderr);
	return false;
}

static bool parse_options(struct watch *w, int argc, char **argv, int *status)
{
	int opt;

	*status = EXIT_USAGE;
	while ((opt = getopt_long(argc, argv, "re:jqx:d:h", long_options, NULL)) >= 0)
		if (!parse_option(w, opt, status))
			return false;
	if (optind < argc)
		return true;
	show_usage(stderr);
	return false;
}

/* Returns the exit status, as far as it is known by now. */
static int add_paths(struct watch *w, char **path)
{
	int status = EXIT_STOPPED, error;

	for (; *path; path++) {
		error = top_add(w, *path);
		if (!error)
			continue;
		complain("cannot watch %s: %s", *path, strerror(error));
		status = EXIT_TROUBLE;
	}
	return status;
}

static struct watch state = { .wanted = USUAL_WHATS, .run = { .delay = 100 } };

int main(int argc, char **argv)
{
	struct watch *w = &state;
	int status;

	if (!parse_options(w, argc, argv, &status))
		return status;
	w->kq = open_queue();
	if (w->kq < 0)
		return EXIT_TROUBLE;
	setvbuf(stdout, NULL, _IOLBF, 0);
	raise_limit(w);
	status = add_paths(w, argv + optind);
	if (!w->tops)
		return status;
	/* Until all is found, which may take a while, signals do what they always do. */
	tell(w);
	if (!take_signals(w)) {
		complain("cannot watch signals: %s", strerror(errno));
		return EXIT_TROUBLE;
	}
	w->started = true;
	complain("watching");
	return watch_all(w, status);
}
