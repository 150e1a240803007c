// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program's life: it is started, followed with all its children, started again
 * when none is left, and stopped.
 *
 * A process that has ended stays a zombie until its parent has waited for it. We
 * are the parent of those that we start, and of all whose own parents are gone, so
 * no number that we send a signal to means somebody else by then, unless a process
 * of the program waited for it just now.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kevsuper.h"

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* --- Processes --------------------------------------------------------------- */

static void add_pid(struct service *s, pid_t pid)
{
	if (s->npids == s->room)
		s->pids = get_more(s->pids, &s->room, sizeof(*s->pids));
	s->pids[s->npids++] = pid;
}

static void remove_pid(struct service *s, pid_t pid)
{
	size_t i;

	for (i = 0; i < s->npids && s->pids[i] != pid; i++)
		;
	if (i < s->npids)
		s->pids[i] = s->pids[--s->npids];
}

static void signal_all(const struct service *s, int sig)
{
	size_t i;

	for (i = 0; i < s->npids; i++)
		kill(s->pids[i], sig);
}

static const char *processes(size_t n)
{
	return n == 1 ? "process" : "processes";
}

/* --- Starting ---------------------------------------------------------------- */

/* In the child, which is followed as soon as the gate opens. */
static void become_program(const struct service *s, int gate)
{
	sigset_t none;
	char byte;

	sigemptyset(&none);
	setpgid(0, 0);
	if (read(gate, &byte, 1) != 1)
		_exit(EXIT_TROUBLE);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(s->wanted->argv[0], s->wanted->argv);
	complain("%s: cannot run %s: %s", s->wanted->name, s->wanted->argv[0],
		 strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Have the timer call service_timer() in so many ms. */
static void set_timer(const struct super *super, struct service *s, long long ms)
{
	if (!apply(super->kq, s->id, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, ms, s))
		complain("%s: no timer: %s", s->wanted->name, strerror(errno));
}

static void clear_timer(const struct super *super, struct service *s)
{
	apply(super->kq, s->id, EVFILT_TIMER, EV_DELETE, 0, 0, s);
}

/* It has ended, or could not even be started: wait before the next time. */
static void start_later(struct super *super, struct service *s)
{
	if (now_ms() - s->started > super->most_delay)
		s->delay = super->first_delay;
	s->state = WAITING;
	set_timer(super, s, s->delay);
	say("%s: starting it again in %.3g s", s->wanted->name, s->delay / 1000.0);
	s->delay = 2 * s->delay < super->most_delay ? 2 * s->delay :
						      super->most_delay;
}

/*
 * The process runs no program before we follow it and its children, so that none of
 * them is missed.
 */
static void start(struct super *super, struct service *s)
{
	int gate[2] = { -1, -1 };
	pid_t pid = -1;

	s->started = now_ms();
	if (!pipe2(gate, O_CLOEXEC))
		pid = fork();
	if (!pid) {
		close(gate[1]);
		become_program(s, gate[0]);
	}
	if (pid > 0 && apply(super->kq, pid, EVFILT_PROC, EV_ADD,
			     NOTE_EXIT | NOTE_TRACK, 0, s)) {
		s->state = RUNNING;
		s->first = pid;
		add_pid(s, pid);
		say("%s: started, process %d", s->wanted->name, pid);
		if (write(gate[1], "", 1) != 1)
			complain("%s: %s", s->wanted->name, strerror(errno));
	} else {
		complain("%s: there is no process for it: %s", s->wanted->name, strerror(errno));
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		start_later(super, s);
	}
	close(gate[0]);
	close(gate[1]);
}

void service_add(struct super *super, struct wanted *wanted)
{
	struct service **end = &super->services;
	struct service *s = get_memory(NULL, sizeof(*s));

	*s = (struct service){ .wanted = wanted, .id = ++super->last_id,
			       .delay = super->first_delay };
	while (*end)
		end = &(*end)->next;
	*end = s;
	start(super, s);
}

/* --- Stopping ---------------------------------------------------------------- */

/* Ask its processes to end, after which it is not started again. */
void service_stop(struct super *super, struct service *s)
{
	s->dropped = true;
	if (s->state == STOPPING || s->state == GONE)
		return;
	if (s->state == WAITING) {
		clear_timer(super, s);
		s->state = GONE;
		return;
	}
	say("%s: stopping %zu %s", s->wanted->name, s->npids, processes(s->npids));
	s->state = STOPPING;
	signal_all(s, SIGTERM);
	set_timer(super, s, super->patience);
}

/* Stop it and start something else instead. */
void service_renew(struct super *super, struct service *s, struct wanted *wanted)
{
	wanted_free(s->renewed);
	s->renewed = wanted;
	if (s->state == WAITING) {
		clear_timer(super, s);
		service_timer(super, s);
		return;
	}
	service_stop(super, s);
	s->dropped = false;
}

static void kill_all(struct super *super, struct service *s)
{
	say("%s: did not end within %.3g s, killing %zu %s", s->wanted->name,
	    super->patience / 1000.0, s->npids, processes(s->npids));
	super->killed = true;
	signal_all(s, SIGKILL);
}

/* What the timer was set for is due. */
void service_timer(struct super *super, struct service *s)
{
	if (s->state == STOPPING) {
		kill_all(super, s);
	} else if (s->state == WAITING) {
		if (s->renewed) {
			wanted_free(s->wanted);
			s->wanted = s->renewed;
			s->renewed = NULL;
			s->delay = super->first_delay;
		}
		start(super, s);
	}
}

/* --- What happens ------------------------------------------------------------ */

static void say_end(const struct service *s, pid_t pid, int status)
{
	const char *what = pid == s->first ? "process" : "child";

	if (WIFSIGNALED(status))
		say("%s: %s %d was killed by signal %d (%s)", s->wanted->name, what,
		    pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		say("%s: %s %d exited with %d", s->wanted->name, what, pid,
		    WEXITSTATUS(status));
}

/* None is left. */
static void ended(struct super *super, struct service *s)
{
	if (s->state == STOPPING) {
		clear_timer(super, s);
		say("%s: stopped", s->wanted->name);
	}
	if (s->dropped || super->stopping) {
		s->state = GONE;
	} else if (s->renewed) {
		s->state = WAITING;
		service_timer(super, s);
	} else {
		start_later(super, s);
	}
}

static void process_ended(struct super *super, struct service *s,
			  const struct kevent *ev)
{
	pid_t pid = ev->ident;

	remove_pid(s, pid);
	/* Others than the first come and go as the program likes. */
	if (pid == s->first || !s->npids)
		say_end(s, pid, ev->data);
	if (!s->npids)
		ended(super, s);
	else if (pid == s->first && s->state == RUNNING)
		say("%s: it has left %zu %s behind, following", s->wanted->name,
		    s->npids, processes(s->npids));
}

/*
 * One of the service's processes has done something. A child that is born while the
 * others are being stopped has not heard of that.
 */
void service_event(struct super *super, const struct kevent *ev)
{
	struct service *s = ev->udata;

	if (ev->fflags & NOTE_CHILD) {
		add_pid(s, ev->ident);
		if (s->state == STOPPING)
			kill(ev->ident, SIGTERM);
	}
	if (ev->fflags & NOTE_TRACKERR)
		complain("%s: %lld %s cannot be followed", s->wanted->name,
			 ev->fflags & NOTE_EXIT ? 1LL : (long long)ev->data,
			 processes(ev->data));
	if (ev->fflags & NOTE_EXIT)
		process_ended(super, s, ev);
}

/* Forget those that are gone. No event of theirs is on its way. */
void services_forget(struct super *super)
{
	struct service **pos = &super->services, *s;

	while (*pos) {
		s = *pos;
		if (s->state != GONE) {
			pos = &s->next;
			continue;
		}
		*pos = s->next;
		wanted_free(s->wanted);
		wanted_free(s->renewed);
		free(s->pids);
		free(s);
	}
}
