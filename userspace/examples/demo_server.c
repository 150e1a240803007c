// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: the clients' connections.
 *
 *   EVFILT_READ on the listening socket: data is how many wait to be accepted. While
 *	there is no room for more it is disabled (EV_DISABLE), not removed.
 *   EVFILT_READ on a connection: data is how many bytes there are.
 *   EVFILT_WRITE: enabled only while a client lags behind.
 *   EVFILT_EMPTY: all that was sent has arrived, so we may hang up.
 *
 * close() takes the registrations of a descriptor along.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "demo.h"

/**
 * struct conn - a client's connection
 * @source: first, so that udata is the connection as well
 * @id: which client it is, from 1
 * @fd: its descriptor, -1 after its end
 * @leaving: it was told goodbye
 * @start: what is left to send begins here in @buf
 * @end: and ends here
 * @buf: what was read last
 */
struct conn {
	struct source source;
	unsigned int id;
	int fd;
	bool leaving;
	size_t start, end;
	char buf[16384];
};

static struct conn conns[CLIENTS];

static int listener;
static int gate;			/* until all are in */
static bool door_open = true;		/* the listener is enabled */
static bool stopping;

/* What there was. */
static unsigned int accepted, peak, first_accepted;
static unsigned int left, dismissed, broken;
static unsigned int short_writes, resumed;
static unsigned int lies;		/* data promised more than there was */
static unsigned long long bytes_in;

static unsigned long long all_bytes(void)
{
	unsigned long long sum = 0;
	int id;

	for (id = 0; id < CLIENTS; id++)
		sum += client_bytes(id);
	return sum;
}

/* --- The door --- */

static void happened_at_door(const struct kevent *kev);

static struct source door = { happened_at_door };

/* Who comes while it is closed waits in the listening socket, and we are not told. */
static void open_or_close_door(void)
{
	bool room = totals.clients < settings.clients;

	if (room == door_open || stopping)
		return;
	door_open = room;
	watch(listener, EVFILT_READ, room ? EV_ENABLE : EV_DISABLE, 0, 0, &door);
}

/* The configuration has changed. */
void server_settings_changed(void)
{
	first_accepted = accepted;
	open_or_close_door();
}

/* --- A connection's end --- */

/* Have all those who do not wait for our goodbye said everything, and gone? */
static void count_talkers(void)
{
	if (left == CLIENTS - HEAVY_CLIENTS && totals.bytes_out == all_bytes()) {
		say("socket", "%u clients have left (EV_EOF), %u stay", left,
		    totals.clients);
		cue(ALL_TALKED);
	}
}

static void hang_up(struct conn *conn, unsigned int *counter)
{
	close(conn->fd);
	conn->fd = -1;
	++*counter;
	totals.clients--;
	log_line("client %u out", conn->id);
	open_or_close_door();
}

/* Instead of the other filters, wait for the one that tells when it has arrived. */
static void say_goodbye(struct conn *conn)
{
	const ssize_t len = sizeof(GOODBYE) - 1;
	struct kevent changes[3];

	conn->leaving = true;
	if (write(conn->fd, GOODBYE, len) != len) {
		hang_up(conn, &broken);
		return;
	}
	EV_SET(&changes[0], conn->fd, EVFILT_READ, EV_DELETE, 0, 0, NULL);
	EV_SET(&changes[1], conn->fd, EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
	EV_SET(&changes[2], conn->fd, EVFILT_EMPTY, EV_ADD, 0, 0, conn);
	apply(changes, 3);
}

/* --- A connection's life --- */

/* One of the two is always disabled: WRITE, unless the client lags behind. */
static void switch_to(struct conn *conn, int filter)
{
	bool reading = filter == EVFILT_READ;
	struct kevent changes[2];

	EV_SET(&changes[0], conn->fd, EVFILT_READ,
	       reading ? EV_ENABLE : EV_DISABLE, 0, 0, conn);
	EV_SET(&changes[1], conn->fd, EVFILT_WRITE,
	       reading ? EV_DISABLE : EV_ENABLE, 0, 0, conn);
	apply(changes, 2);
}

/* Send what is left. Returns false if the connection has ended. */
static bool send_back(struct conn *conn)
{
	ssize_t n = write(conn->fd, conn->buf + conn->start,
			  conn->end - conn->start);

	if (n < 0 && errno != EAGAIN) {
		hang_up(conn, &broken);
		return false;
	}
	if (n > 0) {
		conn->start += n;
		totals.bytes_out += n;
	}
	return true;
}

static void take_in(struct conn *conn, const struct kevent *kev)
{
	ssize_t n = read(conn->fd, conn->buf, sizeof(conn->buf));

	if (n <= 0) {
		hang_up(conn, n == 0 && kev->flags & EV_EOF ? &left : &broken);
		count_talkers();
		return;
	}
	if (n < kev->data && n < (ssize_t)sizeof(conn->buf))
		lies++;
	bytes_in += n;
	conn->start = 0;
	conn->end = n;
	if (!send_back(conn))
		return;
	if (conn->start == conn->end) {
		count_talkers();
		return;
	}

	if (short_writes++ == 0)
		say("socket", "a client lags behind, %zu of %zu bytes sent: now EVFILT_WRITE",
		    conn->start, conn->end);
	switch_to(conn, EVFILT_WRITE);
}

static void resume(struct conn *conn)
{
	resumed++;
	if (!send_back(conn) || conn->start < conn->end)
		return;
	if (stopping) {
		say_goodbye(conn);
	} else {
		switch_to(conn, EVFILT_READ);
		count_talkers();
	}
}

static void happened_to_client(const struct kevent *kev)
{
	struct conn *conn = kev->udata;

	if (kev->filter == EVFILT_EMPTY)
		hang_up(conn, &dismissed);
	else if (conn->leaving)
		return; /* it came with the event that has led to that */
	else if (kev->filter == EVFILT_READ)
		take_in(conn, kev);
	else
		resume(conn);
}

/* --- A connection's beginning --- */

/* The clients wait for the end of a pipe. */
static void open_gate(void)
{
	if (gate >= 0)
		close(gate);
	gate = -1;
}

static void greet(struct conn *conn)
{
	if (dprintf(conn->fd, "%s\n", settings.greeting) < 0)
		hang_up(conn, &broken);
}

static void add_client(int fd)
{
	struct conn *conn = &conns[accepted++];
	struct kevent changes[2];

	conn->source.happened = happened_to_client;
	conn->id = accepted;
	conn->fd = fd;
	EV_SET(&changes[0], fd, EVFILT_READ, EV_ADD, 0, 0, conn);
	EV_SET(&changes[1], fd, EVFILT_WRITE, EV_ADD | EV_DISABLE, 0, 0, conn);
	apply(changes, 2);

	totals.clients++;
	if (totals.clients > peak)
		peak = totals.clients;
	log_line("client %u in", conn->id);
	greet(conn);
}

static void happened_at_door(const struct kevent *kev)
{
	long long i;
	int fd;

	if (stopping)
		return; /* it came with the signal */
	for (i = 0; i < kev->data && totals.clients < settings.clients; i++) {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			lies++;
			break;
		}
		if (accepted == CLIENTS)
			errx(1, "a stranger has connected to the server");
		add_client(fd);
	}
	open_or_close_door();
	if (accepted == CLIENTS) {
		say("socket", "all %u are in: they begin to talk", accepted);
		open_gate();
		cue(ALL_IN);
	} else if (!door_open) {
		say("socket", "%u clients are in, more may not: the door is closed (EV_DISABLE)",
		    totals.clients);
		cue(FULL);
	}
}

/* --- The server --- */

void server_start(struct sockaddr_in *addr, int gate_fd)
{
	socklen_t len = sizeof(*addr);
	int sndbuf = SERVER_SNDBUF;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	memset(addr, 0, sizeof(*addr));
	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)) ||
	    bind(listener, (struct sockaddr *)addr, len) ||
	    listen(listener, CLIENTS) ||
	    getsockname(listener, (struct sockaddr *)addr, &len))
		err(1, "cannot listen on 127.0.0.1");
	gate = gate_fd;
	watch(listener, EVFILT_READ, EV_ADD, 0, 0, &door);
}

/* Nobody comes in any more; who is there is told goodbye, after what is left to send. */
void server_stop(void)
{
	unsigned int i;

	if (stopping)
		return;
	stopping = true;
	say("socket", "saying goodbye to %u clients; EVFILT_EMPTY tells when it has arrived",
	    totals.clients);
	close(listener);
	open_gate();
	for (i = 0; i < accepted; i++)
		if (conns[i].fd >= 0 && conns[i].start == conns[i].end)
			say_goodbye(&conns[i]);
}

bool server_is_done(void)
{
	return stopping && totals.clients == 0;
}

void server_check(void)
{
	unsigned long long bytes = all_bytes();

	check(peak == CLIENTS, "%u of %d clients were connected at the same time",
	      peak, CLIENTS);
	check(first_accepted == first_settings.clients,
	      "%u of them before the limit of %u was raised", first_accepted,
	      first_settings.clients);
	check(bytes_in == bytes && totals.bytes_out == bytes,
	      "%llu bytes came in and %llu went back, of %llu", bytes_in,
	      totals.bytes_out, bytes);
	check(short_writes > 0 && resumed >= short_writes,
	      "%u times a client lagged behind, %u EVFILT_WRITE events after that",
	      short_writes, resumed);
	check(left == CLIENTS - HEAVY_CLIENTS && !broken,
	      "%u clients left by themselves (EV_EOF), %u connections broke off",
	      left, broken);
	check(dismissed == HEAVY_CLIENTS,
	      "%u of %d others were sent home, once all had arrived (EVFILT_EMPTY)",
	      dismissed, HEAVY_CLIENTS);
	check(lies == 0, "no event of a socket promised more than there was");
}
