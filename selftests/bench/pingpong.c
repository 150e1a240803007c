// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two threads that answer each other, each with a queue of its own: a number goes
 * there, and the next one comes back. They are in a process of their own, as libc's
 * read() and the like take longer from the first thread on.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bench.h"

enum over { PIPES, EVENTFDS, OVERS };
enum { ON_READ = POLLERS, WAYS };	/* a blocking read() as well */

/* The end of a thread: it waits for @in, and the other does for @out. */
struct side {
	int in, out;
	int way;
	int queue;
};

static void send_number(const struct side *s, uint64_t number)
{
	check(write(s->out, &number, sizeof(number)) == sizeof(number), "write");
}

static uint64_t next_number(const struct side *s)
{
	int fd[POLLER_BATCH];
	uint64_t number;

	if (s->way != ON_READ)
		check(poller[s->way].wait(s->queue, fd, POLLER_BATCH) == 1 && fd[0] == s->in,
		      "not exactly the descriptor with the number was collected");
	check(read(s->in, &number, sizeof(number)) == sizeof(number), "read");
	return number;
}

static void side_start(struct side *s)
{
	if (s->way == ON_READ)
		return;
	s->queue = poller[s->way].open();
	check(poller[s->way].add(s->queue, s->in), "register");
}

static void side_stop(struct side *s)
{
	if (s->way != ON_READ)
		poller[s->way].close(s->queue);
}

/* The first number is for both to be there before the time is taken. */
static void *answer(void *arg)
{
	struct side *s = arg;
	int i;

	side_start(s);
	for (i = 0; i <= opt.ops; i++)
		send_number(s, next_number(s) + 1);
	side_stop(s);
	return NULL;
}

static void ask(struct series *samples, struct side *s)
{
	long long start, end;
	uint64_t got;
	int i;

	side_start(s);
	for (i = 0; i <= opt.ops; i++) {
		start = now();
		send_number(s, 2 * i + 1);
		got = next_number(s);
		end = now();
		check(got == 2 * (uint64_t)i + 2, "a wrong answer");
		if (i)
			series_add(samples, end - start);
	}
	side_stop(s);
}

/* Here to there. An eventfd holds a number as a pipe does. */
static void connect_them(struct side *from, struct side *to, enum over over)
{
	int flags = O_CLOEXEC | (from->way == ON_READ ? 0 : O_NONBLOCK), fd[2];

	if (over == PIPES) {
		check(!pipe2(fd, flags), "pipe");
	} else {
		fd[0] = eventfd(0, flags);
		fd[1] = dup(fd[0]);
		check(fd[0] >= 0 && fd[1] >= 0, "eventfd");
	}
	from->out = fd[1];
	to->in = fd[0];
}

/* What the other process is to do. */
static int way_now;
static enum over over_now;

static void turn(struct series *samples)
{
	struct side here = { .way = way_now }, there = { .way = way_now };
	pthread_t thread;

	connect_them(&here, &there, over_now);
	connect_them(&there, &here, over_now);
	check(!pthread_create(&thread, NULL, answer, &there), "threads");
	ask(samples, &here);
	pthread_join(thread, NULL);
	close(here.in);
	close(here.out);
	close(there.in);
	close(there.out);
}

/* --- Triggers ---------------------------------------------------------------- */

static void trigger(int kq, unsigned int number)
{
	struct kevent change;

	EV_SET(&change, 1, EVFILT_USER, 0,
	       NOTE_TRIGGER | NOTE_FFCOPY | (number & NOTE_FFLAGSMASK), 0, NULL);
	check(!kevent(kq, &change, 1, NULL, 0, NULL), "trigger");
}

static unsigned int triggered(int kq)
{
	struct kevent ev;

	check(kevent(kq, NULL, 0, &ev, 1, NULL) == 1 && ev.ident == 1,
	      "the trigger was not delivered");
	return ev.fflags;
}

static int queue_here, queue_there;

static void *answer_triggers(void *arg)
{
	int i;

	for (i = 0; i <= opt.ops; i++)
		trigger(queue_here, triggered(queue_there) + 1);
	return arg;
}

static void trigger_turn(struct series *samples)
{
	long long start, end;
	pthread_t thread;
	unsigned int got;
	int i;

	queue_here = trigger_queue();
	queue_there = trigger_queue();
	check(!pthread_create(&thread, NULL, answer_triggers, NULL), "threads");
	for (i = 0; i <= opt.ops; i++) {
		start = now();
		trigger(queue_there, 2 * i + 1);
		got = triggered(queue_here);
		end = now();
		check(got == 2 * (unsigned int)i + 2, "a wrong answer");
		if (i)
			series_add(samples, end - start);
	}
	pthread_join(thread, NULL);
	close(queue_here);
	close(queue_there);
}

/* --- The table --------------------------------------------------------------- */

static void compare(double *value, enum over over)
{
	struct series s[WAYS] = {};
	int round, way;

	over_now = over;
	for (round = 0; round < opt.rounds; round++)
		for (way = 0; way < WAYS; way++) {
			way_now = way;
			if (way == ON_READ || way < poller_count())
				series_add_elsewhere(&s[way], turn);
		}
	for (way = 0; way < WAYS; way++)
		value[way] = series_median(&s[way]);
}

void bench_pingpong(void)
{
	static const char *const columns[] = {
		"kevent", "epoll", "io_uring", "read", NULL
	};
	struct series s = {};
	double value[WAYS];
	int round;

	table_begin("Two threads, there and back", columns, "kevent/epoll");
	compare(value, PIPES);
	table_row(value, "a number through pipes");
	compare(value, EVENTFDS);
	table_row(value, "a number through eventfds");
	for (round = 0; round < opt.rounds; round++)
		series_add_elsewhere(&s, trigger_turn);
	value[ON_KEVENT] = series_median(&s);
	table_row(value, "the same, kevent with triggers");
	table_note("read: blocking, without a queue");
	uring_note();
}
