// SPDX-License-Identifier: BSD-2-Clause
/*
 * A connection's whole life in a server: accept, register, wait for the request, read
 * it, answer, close. The clients have sent theirs before; what they do takes no time
 * here. Without a queue, the server takes for granted that all is there.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define MOST	10		/* connections at a time */
#define REQUEST	64		/* bytes, as of the answer */

enum { NO_QUEUE = ON_URING, WAYS };

static struct sockaddr_in address;
static int listener;
static struct pool pool;	/* what else is registered, and idle */

static void write_request(char *buf, int number)
{
	memset(buf, 0, REQUEST);
	snprintf(buf, REQUEST, "request %d", number);
}

static void clients_start(int *fd, int n)
{
	char buf[REQUEST];
	int i;

	for (i = 0; i < n; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		check(fd[i] >= 0 && !connect(fd[i], (struct sockaddr *)&address,
					     sizeof(address)), "connect");
		write_request(buf, i);
		check(write(fd[i], buf, REQUEST) == REQUEST, "send");
	}
}

/* Each has got its own back, and then the end. */
static void clients_stop(const int *fd, int n)
{
	char buf[REQUEST], want[REQUEST];
	int i;

	for (i = 0; i < n; i++) {
		write_request(want, i);
		check(recv(fd[i], buf, REQUEST, MSG_WAITALL) == REQUEST &&
		      !memcmp(buf, want, REQUEST) && !read(fd[i], buf, 1),
		      "a wrong answer");
		close(fd[i]);
	}
}

static bool accept_all(int *fd, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		fd[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd[i] < 0)
			return false;
	}
	return true;
}

static bool answer(int fd)
{
	char buf[REQUEST];

	return read(fd, buf, REQUEST) == REQUEST &&
	       write(fd, buf, REQUEST) == REQUEST && !close(fd);
}

/* What the server does for @n connections; closing them is all that they need. */
static bool serve(int way, int q, int n)
{
	int fd[POLLER_BATCH], i;
	bool good = true;

	if (way != NO_QUEUE)
		good = poller[way].wait(q, fd, POLLER_BATCH) == 1 && fd[0] == listener;
	good = good && accept_all(fd, n);
	if (way != NO_QUEUE)
		good = good && poller[way].add_and_wait(q, fd, n) == n;
	for (i = 0; i < n && good; i++)
		good = answer(fd[i]);
	return good;
}

static void turn(struct series *s, int way, int n, int idle)
{
	int q = way == NO_QUEUE ? -1 : poller[way].open(), client[MOST], i;
	long long start, end;
	bool good;

	for (i = 0; i < idle; i++)
		check(poller[way].add(q, pool.in[i]), "register");
	if (way != NO_QUEUE)
		check(poller[way].add(q, listener), "register");
	for (i = 0; i < opt.ops; i += n) {
		clients_start(client, n);
		start = now();
		good = serve(way, q, n);
		end = now();
		check(good, "not all connections were served");
		clients_stop(client, n);
		series_add(s, end - start);
	}
	if (way != NO_QUEUE)
		poller[way].close(q);
}

static void compare(int n, int idle)
{
	int round, way, ways = idle ? NO_QUEUE : WAYS;
	struct series s[WAYS] = {};
	double value[WAYS];

	for (round = 0; round < opt.rounds; round++)
		for (way = 0; way < ways; way++)
			turn(&s[way], way, n, idle);
	for (way = 0; way < WAYS; way++)
		value[way] = series_median(&s[way]);
	table_row(value, "%d at a time, %d idle eventfds", n, idle);
}

void bench_connection(void)
{
	static const char *const columns[] = { "kevent", "epoll", "no queue", NULL };

	pool_open(&pool, EVENTFD, opt.max < 10000 ? opt.max : 10000);
	table_begin("Connections: accept, register, read, write, close", columns,
		    "kevent/epoll");
	listener = tcp_listen(&address);
	compare(1, 0);
	compare(MOST, 0);
	compare(1, pool.n);
	close(listener);
	pool_close(&pool);
}
