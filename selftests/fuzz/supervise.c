// SPDX-License-Identifier: BSD-2-Clause
/*
 * A round runs in a process of its own, which this one watches from outside:
 * does every actor get on, does it end well, and does the module then have
 * nothing left of it?
 */
#include "fuzz.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether nobody else had queues when we began. */
static bool counters_ours;

static long read_counter(const char *name)
{
	char path[64];
	long val = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/misc/kevent/%s", name);
	f = fopen(path, "re");
	if (!f)
		return -1;
	if (fscanf(f, "%ld", &val) != 1)
		val = -1;
	fclose(f);
	return val;
}

bool counters_watch(void)
{
	counters_ours = !read_counter("queues") && !read_counter("knotes");
	return counters_ours;
}

/* Everything is given back soon after the last process of a round. */
bool counters_settle(void)
{
	long long end = now_ms() + LIMIT_MS;
	long queues, knotes;

	if (!counters_ours)
		return true;
	do {
		queues = read_counter("queues");
		knotes = read_counter("knotes");
		if (!queues && !knotes)
			return true;
		usleep(1000);
	} while (now_ms() < end);
	printf("# %d s after its end the module still has %ld queues, %ld knotes\n",
	       LIMIT_MS / 1000, queues, knotes);
	return false;
}

static void limit_self(void)
{
	struct rlimit files = { 1024, 1024 }, core = { 0, 0 };

	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &core);
}

static void __noreturn child_main(const struct round_kind *kind, uint64_t round)
{
	struct actor *a;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	limit_self();
	signal(SIGPIPE, SIG_IGN);
	signals_block();
	hostile_setup();
	a = actor_new("main", round);
	actor_starts(a);
	kind->run(a, round);
	_exit(0);
}

/* When each actor was last seen to get on. */
struct watch {
	unsigned long beats[ACTORS_MAX];
	long long since[ACTORS_MAX];
};

/* The actor that hangs, or NULL. */
static struct actor *find_stalled(struct watch *w)
{
	long long now = now_ms();
	struct actor *a;
	int i;

	for (i = 0; i < ACTORS_MAX; i++) {
		a = &shared->actor[i];
		if (!a->used || !__atomic_load_n(&a->tid, __ATOMIC_ACQUIRE) ||
		    a->beats != w->beats[i] || !w->since[i]) {
			w->beats[i] = a->beats;
			w->since[i] = now;
		} else if (now - w->since[i] > STALL_SECONDS * 1000LL) {
			return a;
		}
	}
	return NULL;
}

/* Wait for the end of the process; false if it hangs. */
static bool watch_child(int pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	struct watch w = {};
	struct actor *a;

	while (poll(&pfd, 1, 1000) != 1) {
		a = find_stalled(&w);
		if (!a)
			continue;
		printf("# actor %d (%s) has not got on for %d seconds\n", a->index,
		       a->role, STALL_SECONDS);
		actors_show(pid);
		close(pidfd);
		return false;
	}
	close(pidfd);
	return true;
}

/* The round's process, and what it may have left running. */
static int reap(int pid)
{
	int status = 0, other;

	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	/* Its orphans are ours: see PR_SET_CHILD_SUBREAPER. */
	while (waitpid(-1, &other, 0) > 0)
		;
	return status;
}

static bool judge(int status)
{
	if (WIFEXITED(status) && !WEXITSTATUS(status) && !shared->failed)
		return true;
	if (shared->said)
		printf("# %s\n", shared->why);
	else if (WIFSIGNALED(status))
		printf("# its process was killed by signal %d\n", WTERMSIG(status));
	else
		printf("# its process ended with status %#x\n", status);
	actors_show(0);
	return false;
}

bool supervise(const struct round_kind *kind, uint64_t round)
{
	bool good;
	int pid;

	actors_reset();
	shared->failed = 0;
	shared->said = 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		printf("# fork: %s\n", strerror(errno));
		return false;
	}
	if (!pid)
		child_main(kind, round);
	good = watch_child(pid);
	good = judge(reap(pid)) && good;
	return counters_settle() && good;
}
