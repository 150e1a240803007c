// SPDX-License-Identifier: BSD-2-Clause
/*
 * echod: a TCP server that sends back what it gets.
 *
 * Of a connection's two registrations one is always disabled: READ while there
 * is something left to send, WRITE otherwise. So the server never takes in
 * more than it can send, one connection has at most one event in a batch, and
 * after close() there is none: closing a descriptor ends its registrations.
 */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kevent.h>
#include <sys/event.h>

#define MAX_EVENTS	64

/* A connection: what was read and has not been sent back yet. */
struct conn {
	int fd;
	size_t start, end;
	char buf[16384];
};

static int kq;

/* Two changes to one descriptor, or to two filters of it, in one call. */
static int change(int fd, int read_flags, int write_flags, struct conn *conn)
{
	struct kevent kev[2];

	EV_SET(&kev[0], fd, EVFILT_READ, read_flags, 0, 0, conn);
	EV_SET(&kev[1], fd, EVFILT_WRITE, write_flags, 0, 0, conn);
	return kevent(kq, kev, 2, NULL, 0, NULL);
}

static void hang_up(struct conn *conn)
{
	close(conn->fd);
	free(conn);
}

/* Send what there is; @waiting: the WRITE registration is the enabled one. */
static void send_back(struct conn *conn, int waiting)
{
	ssize_t n = write(conn->fd, conn->buf + conn->start,
			  conn->end - conn->start);

	if (n < 0 && errno != EAGAIN) {
		hang_up(conn);
		return;
	}
	if (n > 0)
		conn->start += n;

	if (conn->start < conn->end && !waiting)
		change(conn->fd, EV_DISABLE, EV_ENABLE, conn);
	else if (conn->start == conn->end && waiting)
		change(conn->fd, EV_ENABLE, EV_DISABLE, conn);
}

static void take_in(struct conn *conn)
{
	ssize_t n = read(conn->fd, conn->buf, sizeof(conn->buf));

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		hang_up(conn);
		return;
	}
	conn->start = 0;
	conn->end = n;
	send_back(conn, 0);
}

static void welcome(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *conn;

	if (fd < 0)
		return;
	conn = malloc(sizeof(*conn));
	if (!conn) {
		close(fd);
		return;
	}
	conn->fd = fd;
	if (change(fd, EV_ADD, EV_ADD | EV_DISABLE, conn) < 0) {
		warn("connection refused");
		hang_up(conn);
	}
}

static void handle(const struct kevent *kev)
{
	long long i;

	if (!kev->udata) {
		/* A listening socket: data is the number of connections. */
		for (i = 0; i < kev->data; i++)
			welcome(kev->ident);
	} else if (kev->filter == EVFILT_READ) {
		take_in(kev->udata);
	} else {
		send_back(kev->udata, 1);
	}
}

static int listen_on(int port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(fd, SOMAXCONN))
		err(1, "cannot listen on port %d", port);
	return fd;
}

int main(int argc, char **argv)
{
	int port = argc == 2 ? atoi(argv[1]) : 0;
	struct kevent kev[MAX_EVENTS];
	int n, i;

	if (port <= 0 || port > 65535)
		errx(2, "usage: echod PORT");
	kq = kqueue();
	if (kq < 0)
		errx(1, "%s", kqueue_strerror(errno));

	signal(SIGPIPE, SIG_IGN);
	EV_SET(&kev[0], listen_on(port), EVFILT_READ, EV_ADD, 0, 0, NULL);
	n = kevent(kq, kev, 1, NULL, 0, NULL);
	printf("listening on port %d\n", port);
	while (n >= 0) {
		n = kevent(kq, NULL, 0, kev, MAX_EVENTS, NULL);
		for (i = 0; i < n; i++)
			handle(&kev[i]);
	}
	err(1, "kevent");
}
