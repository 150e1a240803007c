// SPDX-License-Identifier: BSD-2-Clause
/* Who does what: progress, the last operations, counters, failures. */
#include "fuzz.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *const operation_name[OPERATIONS] = {
	[OP_OPEN_QUEUE] = "open a queue",
	[OP_OPEN_SOURCE] = "open a source",
	[OP_CLOSE] = "close",
	[OP_CLOSE_RANGE] = "close_range",
	[OP_DUP] = "dup, dup2, dup3",
	[OP_POKE] = "make a source ready",
	[OP_RAISE] = "send a signal",
	[OP_DRAIN] = "empty a source",
	[OP_CHANGE] = "apply changes",
	[OP_COLLECT] = "collect events",
	[OP_BOTH] = "changes and events in one call",
	[OP_WAIT] = "wait for events",
	[OP_NEST] = "a queue in a queue",
	[OP_SHORT_BUFFER] = "a buffer with an end",
	[OP_BAD_BUFFER] = "a list at a bad address",
	[OP_BAD_ARGS] = "arguments without sense",
	[OP_BAD_IOCTL] = "an unknown ioctl",
	[OP_INFO] = "ask for the interface",
	[OP_POLL] = "poll a queue",
	[OP_EPOLL] = "a queue in epoll",
	[OP_FDINFO] = "read fdinfo",
	[OP_FORK] = "fork",
	[OP_EXEC] = "exec",
	[OP_PASS] = "pass over a socket",
	[OP_UNSHARE] = "leave the table",
	[OP_SHARE] = "a process with the same table",
	[OP_THREAD_EXIT] = "a thread ends",
	[OP_SIGNAL] = "interrupted by a signal",
	[OP_SETTLE] = "wait for all that is due",
	[OP_DEAL] = "hand an event to one consumer",
	[OP_END] = "end a registration",
};

struct shared *shared;

void actors_reset(void)
{
	memset(shared->actor, 0, sizeof(shared->actor));
}

/*
 * By the main thread of a round only, in the same order in every run. An actor
 * whose thread is gone keeps its place, for whoever wants to read its trace.
 */
struct actor *actor_new(const char *role, uint64_t round)
{
	struct actor *a;
	int i;

	for (i = 0; i < ACTORS_MAX && shared->actor[i].used; i++)
		;
	if (i == ACTORS_MAX)
		fail(&shared->actor[0], "too many actors");
	a = &shared->actor[i];
	a->used = 1;
	a->index = i;
	a->role = role;
	rng_seed(&a->rng, opt.seed, round, i);
	return a;
}

void actor_starts(struct actor *a)
{
	actor_alive(a);
	__atomic_store_n(&a->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
}

void actor_ends(struct actor *a)
{
	__atomic_store_n(&a->tid, 0, __ATOMIC_RELEASE);
}

void actor_alive(struct actor *a)
{
	count_up(&a->beats);
}

static struct step *last_step(struct actor *a)
{
	return &a->trace[a->steps % TRACE_LENGTH];
}

void op_begin(struct actor *a, enum operation op, long long a0, long long a1,
	      long long a2, long long a3)
{
	actor_alive(a);
	a->steps++;
	*last_step(a) = (struct step){
		.op = op, .number = a->steps, .arg = { a0, a1, a2, a3 },
	};
	count_up(&shared->tried[op]);
}

void op_result(struct actor *a, long result, bool worked)
{
	struct step *s = last_step(a);

	s->result = result;
	s->done = true;
	if (worked)
		count_up(&shared->worked[s->op]);
}

void op_end(struct actor *a, long result)
{
	op_result(a, result, result >= 0);
}

/* The first failure of a run is kept, and ends the round's process. */
void fail(struct actor *a, const char *fmt, ...)
{
	va_list args;
	int len;

	if (__atomic_exchange_n(&shared->failed, 1, __ATOMIC_ACQ_REL)) {
		/* Let the other say what happened: it ends this process. */
		for (;;)
			pause();
	}
	len = snprintf(shared->why, sizeof(shared->why), "actor %d (%s), step %lu: ",
		       a->index, a->role, a->steps);
	va_start(args, fmt);
	vsnprintf(shared->why + len, sizeof(shared->why) - len, fmt, args);
	va_end(args);
	__atomic_store_n(&shared->said, 1, __ATOMIC_RELEASE);
	_exit(1);
}

static void show_step(const struct step *s)
{
	printf("#    %6ld %s (%lld, %#llx, %#llx, %#llx)", s->number,
	       operation_name[s->op], s->arg[0], s->arg[1], s->arg[2], s->arg[3]);
	if (!s->done)
		printf(": not done\n");
	else if (s->result < 0 && s->result > -ERRNOS)
		printf(" = %s\n", strerror(-s->result));
	else
		printf(" = %ld\n", s->result);
}

/* One line of a file in /proc, or nothing. */
static void show_proc(int pid, int tid, const char *name)
{
	char path[96], buf[1024];
	int fd, len;
	char *c;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (len <= 0)
		return;
	buf[len] = 0;
	for (c = buf; *c; c++)
		if (*c == '\n')
			*c = ' ';
	printf("#    %s: %s\n", name, buf);
}

/* What each actor did last, and where it is now if its process still lives. */
void actors_show(int pid)
{
	unsigned long n;
	struct actor *a;

	for (a = shared->actor; a < shared->actor + ACTORS_MAX; a++) {
		if (!a->used)
			continue;
		printf("#  actor %d (%s), thread %d, %lu steps:\n", a->index, a->role,
		       a->tid, a->steps);
		n = a->steps > TRACE_LENGTH ? a->steps - TRACE_LENGTH + 1 : 1;
		for (; n <= a->steps; n++)
			if (a->trace[n % TRACE_LENGTH].number == (long)n)
				show_step(&a->trace[n % TRACE_LENGTH]);
		if (pid && a->tid) {
			show_proc(pid, a->tid, "syscall");
			show_proc(pid, a->tid, "wchan");
			show_proc(pid, a->tid, "stack");
		}
	}
}

/* Per operation; false if one never worked that should have. */
bool statistics_show(bool must_work)
{
	bool good = true;
	int i;

	printf("# %-34s %10s %10s\n", "operation", "tried", "worked");
	for (i = 0; i < OPERATIONS; i++) {
		printf("# %-34s %10lu %10lu\n", operation_name[i], shared->tried[i],
		       shared->worked[i]);
		if (must_work && !shared->worked[i]) {
			printf("# '%s' has never worked\n", operation_name[i]);
			good = false;
		}
	}
	for (i = 0; i < FILTERS; i++) {
		printf("# events of filter %-16d %10lu\n", filter_number[i],
		       shared->delivered[i]);
		if (must_work && !shared->delivered[i]) {
			printf("# filter %d has never had an event\n", filter_number[i]);
			good = false;
		}
	}
	printf("# errors:");
	for (i = 0; i < ERRNOS; i++)
		if (shared->errors[i])
			printf(" %s %lu", strerrorname_np(i), shared->errors[i]);
	printf("\n");
	return good;
}
