// SPDX-License-Identifier: BSD-2-Clause
/*
 * The command: some time after something has changed it is run, once for all that did
 * so meanwhile; what changes while it runs is for one more run.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kevwatch.h"

#define TIMER		1	/* its number in the queue */
#define MOST_BYTES	100000	/* of a variable; the kernel takes 128 KiB */

/* --- What has changed ------------------------------------------------------------ */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sort them, each once. */
static void sort_paths(struct run *run)
{
	size_t i, n = 0;

	if (!run->npaths)
		return;
	qsort(run->path, run->npaths, sizeof(*run->path), by_text);
	for (i = 1; i < run->npaths; i++) {
		if (strcmp(run->path[n], run->path[i]))
			run->path[++n] = run->path[i];
		else
			free(run->path[i]);
	}
	run->npaths = n + 1;
}

/* Most changes are of few paths, again and again. */
static void make_room(struct run *run)
{
	if (run->npaths < run->room)
		return;
	sort_paths(run);
	if (run->room && run->npaths <= run->room / 2)
		return;
	run->path = get_more(run->path, &run->room, sizeof(*run->path));
}

static void forget_paths(struct run *run)
{
	while (run->npaths)
		free(run->path[--run->npaths]);
}

/* Before a run, what comes soon after the first change is waited for. */
static void wait_for_more(struct watch *w)
{
	if (w->run.waiting || w->run.pid)
		return;
	if (apply(w->kq, TIMER, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, w->run.delay,
		  NULL))
		w->run.waiting = true;
	else
		complain("no timer: %s", strerror(errno));
}

void run_changed(struct watch *w, const char *path)
{
	if (!w->run.command)
		return;
	make_room(&w->run);
	w->run.path[w->run.npaths++] = copy_text(path);
	wait_for_more(w);
}

/* --- Running --------------------------------------------------------------------- */

/* As many as there is room for, in a line each; and how many there are. */
static void set_variables(const struct run *run)
{
	char *text = get_memory(NULL, MOST_BYTES + 1), number[32];
	size_t i, len, used = 0;

	for (i = 0; i < run->npaths; i++) {
		len = strlen(run->path[i]);
		if (used + len + 1 > MOST_BYTES)
			break;
		if (used)
			text[used++] = '\n';
		memcpy(text + used, run->path[i], len);
		used += len;
	}
	text[used] = '\0';
	snprintf(number, sizeof(number), "%zu", run->npaths);
	setenv("KEVWATCH_PATHS", text, 1);
	setenv("KEVWATCH_COUNT", number, 1);
	free(text);
}

/* In the child. What we have changed for ourselves is as it was before. */
static void become_command(const struct watch *w)
{
	sigset_t none;

	set_variables(&w->run);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setrlimit(RLIMIT_NOFILE, &w->limit);
	execl("/bin/sh", "sh", "-c", w->run.command, (char *)NULL);
	complain("cannot run /bin/sh: %s", strerror(errno));
	_exit(127);
}

/* Of a child that has ended before it is watched, the queue tells at once. */
static void start(struct watch *w)
{
	pid_t pid;

	sort_paths(&w->run);
	fflush(stdout);
	pid = fork();
	if (!pid)
		become_command(w);
	forget_paths(&w->run);
	if (pid < 0) {
		complain("there is no process for the command: %s", strerror(errno));
		return;
	}
	w->run.pid = pid;
	if (!apply(w->kq, pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL)) {
		complain("cannot watch the command, waiting: %s", strerror(errno));
		run_ended(w);
	}
}

/* The delay is over. */
void run_timer(struct watch *w)
{
	w->run.waiting = false;
	if (!w->run.pid)
		start(w);
}

void run_ended(struct watch *w)
{
	int status;

	if (waitpid(w->run.pid, &status, 0) != w->run.pid)
		complain("what became of the command is unknown: %s", strerror(errno));
	else if (WIFSIGNALED(status))
		complain("the command was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		complain("the command exited with %d", WEXITSTATUS(status));
	w->run.pid = 0;
	if (w->run.npaths)
		wait_for_more(w);
}
