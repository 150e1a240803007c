// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: processes, watched with EVFILT_PROC.
 *
 * Three are started here, and one of them starts the clients. It is watched with
 * NOTE_TRACK, by which the queue follows its children by itself: the first event of
 * each is NOTE_CHILD, the last one NOTE_EXIT, whose data is the status as wait(2) has
 * it. Only their parent could wait for them; the queue tells us all the same.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demo.h"

/**
 * struct helper - a process that is started here
 * @source: first, so that udata is the helper as well, and that of its children
 * @name: for messages
 * @live: what it does; returns its exit status
 * @notes: what is to be told of it
 * @pid: its process
 * @ended: it has
 * @status: and that is how
 * @waited: that is what wait() said, too
 */
struct helper {
	struct source source;
	const char *name;
	int (*live)(const struct scene *scene, int fd);
	unsigned int notes;
	pid_t pid;
	bool ended;
	int status;
	bool waited;
};

static void happened(const struct kevent *kev);

static struct helper parent = {
	.source = { happened }, .name = "the clients' parent",
	.live = be_clients, .notes = NOTE_EXIT | NOTE_TRACK,
};

static struct helper other = {
	.source = { happened }, .name = "the other program",
	.live = be_other_program, .notes = NOTE_EXIT,
};

static struct helper operator = {
	.source = { happened }, .name = "the operator",
	.live = be_operator, .notes = NOTE_EXIT,
};

/* The clients' processes; 0 after their end. */
static pid_t clients[CLIENTS];
static unsigned int born, ended, strange;
static unsigned int heard_first, heard_second;

/* --- Clients --- */

static void client_born(const struct kevent *kev)
{
	/* data is the parent. */
	if (kev->data != parent.pid || born == CLIENTS) {
		strange++;
		return;
	}
	clients[born++] = kev->ident;
	totals.processes++;
	if (born == CLIENTS) {
		say("process", "%u clients were born (NOTE_TRACK, NOTE_CHILD)", born);
		cue(ALL_BORN);
	}
}

static void count_status(pid_t pid, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == HEARD_FIRST)
		heard_first++;
	else if (WIFEXITED(status) && WEXITSTATUS(status) == HEARD_SECOND)
		heard_second++;
	else
		give_up("a client, process %d, has failed: status %#x", pid, status);
}

static void client_ended(const struct kevent *kev)
{
	unsigned int i;

	for (i = 0; i < born; i++)
		if (clients[i] == (pid_t)kev->ident)
			break;
	if (i == born || !(kev->flags & EV_EOF)) {
		strange++;
		return;
	}
	clients[i] = 0;
	ended++;
	totals.processes--;
	count_status(kev->ident, kev->data);
	if (ended == CLIENTS - HEAVY_CLIENTS || ended == CLIENTS)
		say("process", "%u clients have ended (NOTE_EXIT), %u heard \"%s\", %u \"%s\"",
		    ended, heard_first, first_settings.greeting, heard_second,
		    second_settings.greeting);
}

/* --- Those that are started here --- */

/* It is told when the parent can wait for it. */
static void helper_ended(struct helper *h, const struct kevent *kev)
{
	int status = -1;

	h->ended = true;
	h->status = kev->data;
	h->waited = waitpid(h->pid, &status, WNOHANG) == h->pid &&
		    status == h->status;
	if (h->status && !(h == &operator && operator_may_not_mount()))
		give_up("%s has failed: status %#x", h->name, h->status);
}

static void happened(const struct kevent *kev)
{
	struct helper *h = kev->udata;

	if (kev->fflags & NOTE_TRACKERR)
		give_up("a client cannot be followed");
	if (kev->fflags & NOTE_CHILD)
		client_born(kev);
	if (!(kev->fflags & NOTE_EXIT))
		return;
	if ((pid_t)kev->ident == h->pid)
		helper_ended(h, kev);
	else
		client_ended(kev);
}

/* Of all descriptors keep @fd, as 3: the server's are none of the process's business. */
static int keep_only(int fd)
{
	if (fd >= 0 && dup2(fd, 3) < 0)
		err(1, "dup2");
	if (close_range(fd < 0 ? 3 : 4, ~0U, 0))
		err(1, "close_range");
	return 3;
}

/* In the new process, which ends with the server, and begins when it is watched. */
static void become_helper(const struct helper *h, const struct scene *scene,
			  int go, int fd)
{
	char byte;

	signal(SIGHUP, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || read(go, &byte, 1) != 1)
		_exit(FAILED);
	_exit(h->live(scene, keep_only(fd)));
}

static void start_helper(struct helper *h, const struct scene *scene, int fd)
{
	int go[2];

	if (pipe2(go, O_CLOEXEC))
		err(1, "pipe");
	h->pid = fork();
	if (h->pid < 0)
		err(1, "cannot start a process");
	if (h->pid == 0) {
		close(go[1]);
		become_helper(h, scene, go[0], fd);
	}
	watch(h->pid, EVFILT_PROC, EV_ADD, h->notes, 0, &h->source);
	if (write(go[1], "", 1) != 1)
		err(1, "pipe");
	close(go[0]);
	close(go[1]);
}

void processes_start(const struct scene *scene, int gate, int cues)
{
	start_helper(&operator, scene, cues);
	start_helper(&other, scene, -1);
	start_helper(&parent, scene, gate);
}

bool processes_are_done(void)
{
	return parent.ended && other.ended && operator.ended;
}

static void stop_helper(struct helper *h)
{
	if (h->ended)
		return;
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
}

/* If all went well there is nothing to stop. The clients end with their parent. */
void processes_stop(void)
{
	stop_helper(&operator);
	stop_helper(&other);
	stop_helper(&parent);
}

bool is_operator(pid_t pid)
{
	return pid == operator.pid;
}

/* The operator says so itself, in its status. */
bool operator_may_not_mount(void)
{
	return operator.ended && WIFEXITED(operator.status) &&
	       WEXITSTATUS(operator.status) == NO_MOUNT;
}

void processes_check(void)
{
	const unsigned int first = first_settings.clients;

	check(born == CLIENTS && ended == CLIENTS && strange == 0,
	      "%u of %d client processes seen to begin, and %u to end", born,
	      CLIENTS, ended);
	check(heard_first == first && heard_second == CLIENTS - first,
	      "their statuses: %u heard \"%s\", %u \"%s\", and each byte of theirs",
	      heard_first, first_settings.greeting, heard_second,
	      second_settings.greeting);
	check(parent.waited && other.waited && operator.waited,
	      "of three other processes wait() has the same status");
}
