// SPDX-License-Identifier: BSD-2-Clause
/*
 * A load: clients that ask a server over TCP, each again and again. The server, a
 * process of its own, sends back what came, and the clients check each byte of it. Both
 * wait with libev.
 */
#include "loops.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS		200
#define REQUESTS	100	/* of each client */
#define LENGTH		700	/* of each request */

struct peer {
	ev_io io;
	struct stream in;
	unsigned char bytes[LENGTH];
	int requests;		/* that this client has sent */
	unsigned int number;
};

/* --- The server -------------------------------------------------------- */

static int connected;

static void serve(struct ev_loop *loop, ev_io *io, int events)
{
	unsigned char bytes[LENGTH];
	ssize_t n = read(io->fd, bytes, sizeof(bytes));

	expect(events == EV_READ);
	expect(n >= 0);
	if (n) {
		expect(write(io->fd, bytes, n) == n);
		return;
	}
	ev_io_stop(loop, io);
	close(io->fd);
	if (!--connected)
		ev_break(loop, EVBREAK_ALL);
}

static void run_server(int fds[][2])
{
	struct ev_loop *loop = open_loop();
	static ev_io io[CLIENTS];
	int i;

	for (i = 0; i < CLIENTS; i++) {
		close(fds[i][0]);
		ev_io_init(&io[i], serve, fds[i][1], EV_READ);
		ev_io_start(loop, &io[i]);
	}
	connected = CLIENTS;
	ev_run(loop, 0);
	expect(!connected);
}

/* --- The clients ------------------------------------------------------- */

static int served;

static void ask(struct peer *p)
{
	struct stream out;

	stream_init(&out, p->requests * CLIENTS + p->number, LENGTH);
	p->in = out;
	stream_make(&out, p->bytes, LENGTH);
	expect(write(p->io.fd, p->bytes, LENGTH) == LENGTH);
	p->requests++;
}

static void answered(struct ev_loop *loop, ev_io *io, int events)
{
	struct peer *p = (struct peer *)io;
	ssize_t n = read(io->fd, p->bytes, LENGTH);

	expect(events == EV_READ);
	expect(n > 0);
	expect(stream_check(&p->in, p->bytes, n));
	if (p->in.left)
		return;
	served++;
	if (p->requests < REQUESTS) {
		ask(p);
		return;
	}
	ev_io_stop(loop, io);
	close(io->fd);
}

static void run_clients(int fds[][2])
{
	struct ev_loop *loop = open_loop();
	static struct peer peers[CLIENTS];
	ev_tstamp begin = ev_time();
	int i;

	for (i = 0; i < CLIENTS; i++) {
		close(fds[i][1]);
		peers[i].number = i;
		ev_io_init(&peers[i].io, answered, fds[i][0], EV_READ);
		ev_io_start(loop, &peers[i].io);
		ask(&peers[i]);
	}
	ev_run(loop, 0);
	expect(served == CLIENTS * REQUESTS);
	printf("# load: %.0f requests/s\n", served / (ev_time() - begin));
}

void load(void)
{
	static int fds[CLIENTS][2];
	int i, status;
	pid_t pid;

	for (i = 0; i < CLIENTS; i++)
		tcp_pair(fds[i]);
	pid = fork();
	expect(pid >= 0);
	if (!pid) {
		run_server(fds);
		_exit(0);
	}
	run_clients(fds);
	expect(waitpid(pid, &status, 0) == pid && !status);
}
