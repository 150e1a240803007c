// SPDX-License-Identifier: BSD-2-Clause
/*
 * What else a loop of libev tells of; loops in loops, and after a fork.
 */
#include "loops.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- Timers ------------------------------------------------------------ */

#define TIMERS	200

static ev_tstamp last_due;
static int expired;

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	ev_tstamp due = *(ev_tstamp *)w->data;

	(void)events;
	expect(ev_now(loop) >= due);
	expect(due >= last_due);
	last_due = due;
	expired++;
}

/* Timers expire in the order in which they are due, and none too early. */
static void timers(void)
{
	struct ev_loop *loop = open_loop();
	static ev_tstamp due[TIMERS];
	static ev_timer w[TIMERS];
	ev_tstamp after;
	int i;

	for (i = 0; i < TIMERS; i++) {
		after = 0.001 * (1 + draw(300));
		due[i] = ev_now(loop) + after;
		ev_timer_init(&w[i], on_timer, after, 0);
		w[i].data = &due[i];
		ev_timer_start(loop, &w[i]);
	}
	ev_run(loop, 0);
	expect(expired == TIMERS);
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)events;
	if (++expired == 50)
		ev_timer_stop(loop, w);
}

/* One that repeats does so until it is stopped, while nothing else happens. */
static void repeated(void)
{
	struct ev_loop *loop = open_loop();
	ev_tstamp begin = ev_time();
	ev_timer w;

	ev_timer_init(&w, on_tick, 0.01, 0.01);
	ev_timer_start(loop, &w);
	ev_run(loop, 0);
	expect(expired == 50);
	expect(ev_time() - begin >= 0.49);
}

/* --- Threads ----------------------------------------------------------- */

#define THREADS	4
#define SENDS	500

struct sender {
	struct ev_loop *loop;
	ev_async w;
	sem_t seen;
	int count;
};

static void *send_all(void *data)
{
	struct sender *s = data;
	int i;

	for (i = 0; i < SENDS; i++) {
		ev_async_send(s->loop, &s->w);
		sem_wait(&s->seen);
	}
	return NULL;
}

static void on_async(struct ev_loop *loop, ev_async *w, int events)
{
	struct sender *s = w->data;

	(void)events;
	if (++s->count == SENDS)
		ev_async_stop(loop, w);
	sem_post(&s->seen);
}

/* Threads wake the loop, none of which goes on before it was heard. */
static void async(void)
{
	struct ev_loop *loop = open_loop();
	static struct sender senders[THREADS];
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++) {
		senders[i].loop = loop;
		sem_init(&senders[i].seen, 0, 0);
		ev_async_init(&senders[i].w, on_async);
		senders[i].w.data = &senders[i];
		ev_async_start(loop, &senders[i].w);
	}
	for (i = 0; i < THREADS; i++)
		expect(!pthread_create(&threads[i], NULL, send_all, &senders[i]));
	ev_run(loop, 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		expect(senders[i].count == SENDS);
	}
}

/* --- Signals and children ---------------------------------------------- */

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)loop;
	(void)events;
	++*(int *)w->data;
}

/* Each signal is told, of two kinds, however they come. */
static void signals(void)
{
	static const int numbers[2] = { SIGUSR1, SIGUSR2 };
	struct ev_loop *loop = open_loop();
	int i, which, told[2] = { 0 };
	ev_signal w[2];

	for (i = 0; i < 2; i++) {
		ev_signal_init(&w[i], on_signal, numbers[i]);
		w[i].data = &told[i];
		ev_signal_start(loop, &w[i]);
	}
	for (i = 0; i < 500; i++) {
		which = draw(2);
		kill(getpid(), numbers[which]);
		while (!told[which])
			ev_run(loop, EVRUN_ONCE);
		expect(told[which] == 1);
		expect(!told[!which]);
		told[which] = 0;
	}
}

#define CHILDREN	50

static int reaped;

static void on_child(struct ev_loop *loop, ev_child *w, int events)
{
	int i = *(int *)w->data;

	(void)events;
	expect(w->rpid == w->pid);
	if (i % 2)
		expect(WIFEXITED(w->rstatus) && WEXITSTATUS(w->rstatus) == i);
	else
		expect(WIFSIGNALED(w->rstatus) && WTERMSIG(w->rstatus) == SIGKILL);
	ev_child_stop(loop, w);
	if (++reaped == CHILDREN)
		ev_break(loop, EVBREAK_ALL);
}

/* The end of each child is told, and how it came about. */
static void children(void)
{
	struct ev_loop *loop = open_default_loop();
	static ev_child w[CHILDREN];
	static int number[CHILDREN];
	pid_t pid;
	int i;

	for (i = 0; i < CHILDREN; i++) {
		pid = fork();
		expect(pid >= 0);
		if (!pid) {
			if (i % 2)
				_exit(i);
			kill(getpid(), SIGKILL);
		}
		number[i] = i;
		ev_child_init(&w[i], on_child, pid, 0);
		w[i].data = &number[i];
		ev_child_start(loop, &w[i]);
	}
	ev_run(loop, 0);
	expect(reaped == CHILDREN);
}

/* --- Forks, and loops in loops ----------------------------------------- */

static void on_byte(struct ev_loop *loop, ev_io *io, int events)
{
	unsigned char byte;

	(void)loop;
	expect(events == EV_READ);
	expect(read(io->fd, &byte, 1) == 1);
	*(int *)io->data += byte;
}

/*
 * Writes into pipes that the loop watches what adds up to a number of its own, and has
 * it run until all has come.
 */
static void feed(struct ev_loop *loop, int fds[][2], int n, int number, int *sum)
{
	unsigned char byte = number;
	int i;

	*sum = 0;
	for (i = 0; i < n; i++)
		expect(write(fds[i][1], &byte, 1) == 1);
	while (*sum < n * number)
		ev_run(loop, EVRUN_ONCE);
	expect(*sum == n * number);
	ev_run(loop, EVRUN_NOWAIT);
	expect(*sum == n * number);
}

/*
 * After a fork, both loops go on: each hears of the pipes that its process has
 * made since, and in the end the parent's of those that both have.
 */
static void after_fork(void)
{
	enum { PIPES = 20 };
	struct ev_loop *loop = open_loop();
	int i, status, sum = 0, shared[PIPES][2], own[PIPES][2];
	ev_io io[2][PIPES];
	pid_t pid;

	for (i = 0; i < PIPES; i++) {
		expect(!pipe(shared[i]));
		ev_io_init(&io[0][i], on_byte, shared[i][0], EV_READ);
		io[0][i].data = &sum;
		ev_io_start(loop, &io[0][i]);
	}
	feed(loop, shared, PIPES, 3, &sum);
	pid = fork();
	expect(pid >= 0);
	if (!pid) {
		ev_loop_fork(loop);
		ev_run(loop, EVRUN_NOWAIT);
	}
	for (i = 0; i < PIPES; i++) {
		expect(!pipe(own[i]));
		ev_io_init(&io[1][i], on_byte, own[i][0], EV_READ);
		io[1][i].data = &sum;
		ev_io_start(loop, &io[1][i]);
	}
	feed(loop, own, PIPES, pid ? 5 : 7, &sum);
	if (!pid) {
		feed(loop, shared, PIPES, 11, &sum);
		_exit(0);
	}
	expect(waitpid(pid, &status, 0) == pid && !status);
	feed(loop, shared, PIPES, 13, &sum);
}

/* The loop in another one, which waits with poll(), is heard through that. */
static void embedded(void)
{
	enum { PIPES = 20 };
	struct ev_loop *outer = ev_loop_new(EVBACKEND_POLL | EVFLAG_NOENV);
	struct ev_loop *inner = open_loop();
	int i, round, sum, fds[PIPES][2];
	ev_embed embed;
	ev_io io[PIPES];

	expect(outer);
	expect(ev_backend(inner) & ev_embeddable_backends());
	for (i = 0; i < PIPES; i++) {
		expect(!pipe(fds[i]));
		ev_io_init(&io[i], on_byte, fds[i][0], EV_READ);
		io[i].data = &sum;
		ev_io_start(inner, &io[i]);
	}
	ev_embed_init(&embed, NULL, inner);
	ev_embed_start(outer, &embed);
	for (round = 1; round < 100; round++)
		feed(outer, fds, PIPES, round, &sum);
}

const struct test loop_tests[] = {
	{ "timers", timers },
	{ "repeated", repeated },
	{ "async", async },
	{ "signals", signals },
	{ "children", children },
	{ "after_fork", after_fork },
	{ "embedded", embedded },
	{ }
};
