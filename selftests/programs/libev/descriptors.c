// SPDX-License-Identifier: BSD-2-Clause
/*
 * What descriptors tell a loop of libev. All data is checked byte by byte.
 */
#include "loops.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS	64
#define LENGTH	100000	/* bytes of a stream */
#define CHUNK	4096	/* at a time, at most */

/* One end of a pair: what it has to send, and what it is to receive. */
struct end {
	ev_io io;
	struct stream out;
	struct stream in;
	unsigned char unsent[CHUNK];
	size_t nunsent;
	bool half;		/* the socket lives on when all is sent */
	int *open;		/* how many ends are not done */
};

static void watch(struct ev_loop *loop, ev_io *io, int events)
{
	ev_io_stop(loop, io);
	ev_io_set(io, io->fd, events);
	if (events)
		ev_io_start(loop, io);
}

static void end_done(struct ev_loop *loop, struct end *end)
{
	ev_io_stop(loop, &end->io);
	close(end->io.fd);
	if (!--*end->open)
		ev_break(loop, EVBREAK_ALL);
}

/* Sends some; when all is sent, the other side is told so. */
static void end_write(struct ev_loop *loop, struct end *end)
{
	ssize_t n;

	if (!end->nunsent) {
		end->nunsent = 1 + draw(CHUNK);
		if (end->nunsent > end->out.left)
			end->nunsent = end->out.left;
		stream_make(&end->out, end->unsent, end->nunsent);
	}
	n = write(end->io.fd, end->unsent, end->nunsent);
	expect(n > 0);
	end->nunsent -= n;
	memmove(end->unsent, end->unsent + n, end->nunsent);
	if (end->nunsent || end->out.left)
		return;
	if (!end->half) {
		end_done(loop, end);
		return;
	}
	expect(!shutdown(end->io.fd, SHUT_WR));
	watch(loop, &end->io, EV_READ);
}

static void end_read(struct ev_loop *loop, struct end *end)
{
	unsigned char bytes[CHUNK];
	ssize_t n = read(end->io.fd, bytes, 1 + draw(CHUNK));

	expect(n >= 0);
	expect(stream_check(&end->in, bytes, n));
	if (n)
		return;
	expect(!end->in.left);
	/* What comes to its end first keeps on sending. */
	if (end->nunsent || end->out.left)
		watch(loop, &end->io, EV_WRITE);
	else
		end_done(loop, end);
}

static void end_ready(struct ev_loop *loop, ev_io *io, int events)
{
	struct end *end = (struct end *)io;

	expect(!(events & ~io->events));
	if (events & EV_READ)
		end_read(loop, end);
	else if (events & EV_WRITE)
		end_write(loop, end);
}

static void end_start(struct ev_loop *loop, struct end *end, int fd, int events)
{
	expect(!fcntl(fd, F_SETFL, O_NONBLOCK));
	ev_io_init(&end->io, end_ready, fd, events);
	ev_io_start(loop, &end->io);
	++*end->open;
}

/* Streams go through pipes, each to the last byte, and then it ends. */
static void pipes(void)
{
	struct ev_loop *loop = open_loop();
	static struct end from[PAIRS], to[PAIRS];
	int i, fds[2], open = 0;

	for (i = 0; i < PAIRS; i++) {
		expect(!pipe(fds));
		from[i].open = &open;
		to[i].open = &open;
		stream_init(&from[i].out, i, LENGTH);
		stream_init(&to[i].in, i, LENGTH);
		end_start(loop, &from[i], fds[1], EV_WRITE);
		end_start(loop, &to[i], fds[0], EV_READ);
	}
	ev_run(loop, 0);
	expect(!open);
}

static void both_ways(void (*make_pair)(int fds[2]))
{
	struct ev_loop *loop = open_loop();
	static struct end ends[2 * PAIRS];
	int i, fds[2], open = 0;

	for (i = 0; i < 2 * PAIRS; i++) {
		if (i % 2 == 0)
			make_pair(fds);
		ends[i].open = &open;
		ends[i].half = true;
		stream_init(&ends[i].out, i, LENGTH);
		stream_init(&ends[i].in, i ^ 1, LENGTH);
		end_start(loop, &ends[i], fds[i % 2], EV_READ | EV_WRITE);
	}
	ev_run(loop, 0);
	expect(!open);
}

static void unix_pair(int fds[2])
{
	expect(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
}

/* Streams go through each of many sockets both ways, and each ends by itself. */
static void unix_sockets(void)
{
	both_ways(unix_pair);
}

static void tcp_sockets(void)
{
	both_ways(tcp_pair);
}

/* What was written before the other side was closed can all be read afterwards. */
static void closed_with_data(void)
{
	struct ev_loop *loop = open_loop();
	static struct end ends[3 * PAIRS];
	unsigned char bytes[CHUNK];
	struct stream out;
	int i, fds[2], open = 0;

	for (i = 0; i < 3 * PAIRS; i++) {
		if (i % 3 == 0)
			expect(!pipe(fds));
		else if (i % 3 == 1)
			unix_pair(fds);
		else
			tcp_pair(fds);
		ends[i].open = &open;
		stream_init(&out, i, CHUNK);
		stream_init(&ends[i].in, i, CHUNK);
		stream_make(&out, bytes, CHUNK);
		/* One half before the loop knows the descriptor, one after that. */
		expect(write(fds[1], bytes, CHUNK / 2) == CHUNK / 2);
		end_start(loop, &ends[i], fds[0], EV_READ);
		ev_run(loop, EVRUN_NOWAIT);
		expect(write(fds[1], bytes + CHUNK / 2, CHUNK / 2) == CHUNK / 2);
		close(fds[1]);
	}
	ev_run(loop, 0);
	expect(!open);
}

static void count_io(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	expect(!(events & ~io->events));
	++*(int *)io->data;
}

/*
 * Runs the loop until it has told something. It may take a round in which it is told
 * itself that a descriptor has been closed: libev then asks anew.
 */
static void wait_told(struct ev_loop *loop, const int *told)
{
	while (!*told)
		ev_run(loop, EVRUN_ONCE);
	expect(*told == 1);
}

/* A connection that is reset, and one that is refused, wake who waits for them. */
static void reset_and_refused(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(1),
	};
	struct linger now = { .l_onoff = 1 };
	struct ev_loop *loop = open_loop();
	socklen_t size = sizeof(int);
	int fds[2], fd, error, told = 0;
	ev_io io;
	char byte;

	tcp_pair(fds);
	ev_io_init(&io, count_io, fds[0], EV_READ);
	io.data = &told;
	ev_io_start(loop, &io);
	ev_run(loop, EVRUN_NOWAIT);
	expect(!told);
	expect(!setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(fds[1]);
	wait_told(loop, &told);
	expect(read(fds[0], &byte, 1) < 0 && errno == ECONNRESET);
	ev_io_stop(loop, &io);
	close(fds[0]);

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	expect(fd >= 0);
	connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	ev_io_init(&io, count_io, fd, EV_WRITE);
	io.data = &told;
	ev_io_start(loop, &io);
	told = 0;
	wait_told(loop, &told);
	expect(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
	expect(error == ECONNREFUSED);
}

/*
 * A number is used again, while what it was lives on as a duplicate: the loop tells
 * of what the number is now, and of that only.
 */
static void number_used_again(void)
{
	struct ev_loop *loop = open_loop();
	int i, old[2], new[2], duplicate, told = 0;
	ev_io io;

	for (i = 0; i < 500; i++) {
		expect(!pipe(old));
		duplicate = dup(old[0]);
		expect(duplicate >= 0);
		ev_io_init(&io, count_io, old[0], EV_READ);
		io.data = &told;
		ev_io_start(loop, &io);
		ev_run(loop, EVRUN_NOWAIT);
		ev_io_stop(loop, &io);
		close(old[0]);
		expect(!pipe(new));
		expect(new[0] == old[0]);
		ev_io_set(&io, new[0], EV_READ);
		ev_io_start(loop, &io);
		expect(write(old[1], "", 1) == 1);
		ev_run(loop, EVRUN_NOWAIT);
		expect(!told);
		expect(write(new[1], "", 1) == 1);
		wait_told(loop, &told);
		told = 0;
		ev_io_stop(loop, &io);
		close_all(new, 2);
		close(old[1]);
		close(duplicate);
	}
}

/* A loop tells of that which was asked for last: one, the other, both, nothing. */
static void interest(void)
{
	static const int wanted[] = { EV_READ, EV_WRITE, EV_READ | EV_WRITE, 0 };
	struct ev_loop *loop = open_loop();
	int i, fds[2], events, told;
	ev_io io;

	unix_pair(fds);
	ev_io_init(&io, count_io, fds[0], 0);
	io.data = &told;
	for (i = 0; i < 2000; i++) {
		bool full = draw(2);
		char byte;

		events = wanted[draw(4)];
		watch(loop, &io, events);
		if (full)
			expect(write(fds[1], "", 1) == 1);
		told = 0;
		ev_run(loop, EVRUN_NOWAIT);
		/* With neither it would have nothing to run for. */
		expect(told == ((events & EV_WRITE) || ((events & EV_READ) && full)));
		if (full)
			expect(read(fds[0], &byte, 1) == 1);
	}
}

/* Of many, those that are ready are told, and each once. */
static void many(void)
{
	enum { MANY = 1000, ROUNDS = 100 };
	struct ev_loop *loop = open_loop();
	static int told[MANY];
	static int fds[MANY][2];
	static ev_io io[MANY];
	int i, round;
	char byte;

	for (i = 0; i < MANY; i++) {
		unix_pair(fds[i]);
		ev_io_init(&io[i], count_io, fds[i][0], EV_READ);
		io[i].data = &told[i];
		ev_io_start(loop, &io[i]);
	}
	for (round = 0; round < ROUNDS; round++) {
		for (i = draw(50); i < MANY; i += 1 + draw(50))
			expect(write(fds[i][1], "", 1) == 1);
		memset(told, 0, sizeof(told));
		ev_run(loop, EVRUN_NOWAIT);
		for (i = 0; i < MANY; i++)
			expect(told[i] == (recv(fds[i][0], &byte, 1, MSG_DONTWAIT) == 1));
	}
}

/* A file can be read to its end, as if it were a pipe. */
static void file(void)
{
	char name[] = "/tmp/loops.XXXXXX";
	unsigned char bytes[CHUNK];
	struct ev_loop *loop = open_loop();
	struct stream out;
	static struct end end;
	int i, open = 0, fd = mkstemp(name);

	expect(fd >= 0);
	unlink(name);
	stream_init(&out, 0, 10 * CHUNK);
	stream_init(&end.in, 0, 10 * CHUNK);
	for (i = 0; i < 10; i++) {
		stream_make(&out, bytes, CHUNK);
		expect(write(fd, bytes, CHUNK) == CHUNK);
	}
	expect(!lseek(fd, 0, SEEK_SET));
	end.open = &open;
	end_start(loop, &end, fd, EV_READ);
	while (end.in.left)
		ev_run(loop, EVRUN_ONCE);
}

const struct test descriptor_tests[] = {
	{ "pipes", pipes },
	{ "unix_sockets", unix_sockets },
	{ "tcp_sockets", tcp_sockets },
	{ "closed_with_data", closed_with_data },
	{ "reset_and_refused", reset_and_refused },
	{ "number_used_again", number_used_again },
	{ "interest", interest },
	{ "many", many },
	{ "file", file },
	{ }
};
