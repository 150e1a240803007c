// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: one process and one queue, and no other multiplexer, for
 *
 *   - a TCP echo server with 500 clients at the same time, each a process,
 *   - a log file that another process appends to,
 *   - a timer that prints statistics, and one that limits the whole,
 *   - a trigger that a second thread pulls when all the others have gone.
 *
 * It checks its totals; the last line is the verdict, as is the exit status.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <kevent.h>
#include <sys/event.h>

#include "demo.h"

#define MAX_EVENTS	64
#define TICK_MS		500
#define TELL_EVERY	100	/* clients between two lines about them */

/* Idents of what is not a descriptor; free to choose, for each filter. */
enum { TICK, TIME_LIMIT, GOODBYE };

/**
 * struct conn - a client's connection
 * @fd: its descriptor
 * @start: what is left to send begins here in @buf
 * @end: and ends here
 * @buf: what was read last
 */
struct conn {
	int fd;
	size_t start, end;
	char buf[16384];
};

static struct conn conns[CLIENTS];

/**
 * struct server - what the server has and has seen
 * @kq: the queue
 * @listener: accepts clients
 * @log: the log, read as it grows
 * @gate: closed when all clients are connected: they wait for it
 * @crowd: the other processes
 * @started: when, in ns
 * @calls: of kevent() that returned events
 * @events: that they returned
 * @accepted: clients that came
 * @open: clients that are connected
 * @peak: most of them at the same time
 * @bytes_in: received
 * @bytes_out: sent back
 * @short_writes: times that a client had no room for all of it
 * @resumed: EVFILT_WRITE events after that
 * @eof: connections whose end came with EV_EOF
 * @broken: connections that ended otherwise
 * @lies: events whose data promised more than there was
 * @lines: right lines of the log
 * @wrong_lines: others
 * @line: the line that is not complete yet
 * @line_len: its length
 * @ticks: expirations of the timer
 * @not_before: the timer was started after this time, in ns
 * @not_after: and before this
 * @told: the trigger was pulled: nobody else is left
 * @failed: processes of the crowd that failed
 * @late: the time limit is over
 */
struct server {
	int kq;
	int listener;
	int log;
	int gate;
	struct crowd crowd;
	unsigned long long started;
	unsigned int calls, events;
	unsigned int accepted, open, peak;
	unsigned long long bytes_in, bytes_out;
	unsigned int short_writes, resumed;
	unsigned int eof, broken, lies;
	int lines, wrong_lines;
	char line[80];
	size_t line_len;
	unsigned long long ticks;
	unsigned long long not_before, not_after;
	bool told;
	unsigned int failed;
	bool late;
};

static unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* A line with the time since the start and the source that it comes from. */
static __printf(3, 4) void say(const struct server *s, const char *source,
			       const char *fmt, ...)
{
	unsigned long long ms = (now_ns() - s->started) / 1000000;
	va_list args;

	printf("[%3llu.%03llu] %-7s ", ms / 1000, ms % 1000,
	       source);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

/* --- The echo server --- */

/* One of the two is always disabled: WRITE, unless the client lags behind. */
static void switch_to(struct server *s, struct conn *conn, int filter)
{
	bool reading = filter == EVFILT_READ;
	struct kevent kev[2];

	EV_SET(&kev[0], conn->fd, EVFILT_READ,
	       reading ? EV_ENABLE : EV_DISABLE, 0, 0, conn);
	EV_SET(&kev[1], conn->fd, EVFILT_WRITE,
	       reading ? EV_DISABLE : EV_ENABLE, 0, 0, conn);
	if (kevent(s->kq, kev, 2, NULL, 0, NULL) < 0)
		err(1, "kevent: connection %d", conn->fd);
}

/* The end of a connection; close() takes its registrations along. */
static void hang_up(struct server *s, struct conn *conn, bool eof)
{
	close(conn->fd);
	s->open--;
	if (eof)
		s->eof++;
	else
		s->broken++;
	if (eof && s->eof % TELL_EVERY == 0)
		say(s, "socket", "%u clients have closed (EV_EOF)", s->eof);
}

/* Send what is left. Returns false if the connection has ended. */
static bool send_back(struct server *s, struct conn *conn)
{
	ssize_t n = write(conn->fd, conn->buf + conn->start,
			  conn->end - conn->start);

	if (n < 0 && errno != EAGAIN) {
		hang_up(s, conn, false);
		return false;
	}
	if (n > 0) {
		conn->start += n;
		s->bytes_out += n;
	}
	return true;
}

static void take_in(struct server *s, struct conn *conn,
		    const struct kevent *kev)
{
	ssize_t n = read(conn->fd, conn->buf, sizeof(conn->buf));

	if (n <= 0) {
		hang_up(s, conn, n == 0 && kev->flags & EV_EOF);
		return;
	}
	if (n < kev->data && n < (ssize_t)sizeof(conn->buf))
		s->lies++;
	s->bytes_in += n;
	conn->start = 0;
	conn->end = n;
	if (!send_back(s, conn) || conn->start == conn->end)
		return;

	if (s->short_writes++ == 0)
		say(s, "socket", "a client lags behind, %zu of %zu bytes sent: now EVFILT_WRITE",
		    conn->start, conn->end);
	switch_to(s, conn, EVFILT_WRITE);
}

static void resume(struct server *s, struct conn *conn)
{
	s->resumed++;
	if (send_back(s, conn) && conn->start == conn->end)
		switch_to(s, conn, EVFILT_READ);
}

static void add_client(struct server *s, int fd)
{
	struct conn *conn = &conns[s->accepted++];
	struct kevent kev[2];

	conn->fd = fd;
	EV_SET(&kev[0], fd, EVFILT_READ, EV_ADD, 0, 0, conn);
	EV_SET(&kev[1], fd, EVFILT_WRITE, EV_ADD | EV_DISABLE, 0, 0, conn);
	if (kevent(s->kq, kev, 2, NULL, 0, NULL) < 0)
		err(1, "kevent: new connection");

	s->open++;
	if (s->open > s->peak)
		s->peak = s->open;
	if (s->accepted % TELL_EVERY == 0)
		say(s, "socket", "%u clients are connected", s->open);
	if (s->open == CLIENTS) {
		close(s->gate);
		say(s, "socket", "all are here: the gate opens, they talk");
	}
}

/* data is how many connections there are to accept. */
static void welcome(struct server *s, const struct kevent *kev)
{
	long long i;
	int fd;

	for (i = 0; i < kev->data; i++) {
		fd = accept4(s->listener, NULL, NULL,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			s->lies++;
			return;
		}
		if (s->accepted == CLIENTS)
			errx(1, "a stranger has connected to the server");
		add_client(s, fd);
	}
}

/* --- The log --- */

static void check_line(struct server *s)
{
	char expected[sizeof(s->line)];

	log_line(expected, sizeof(expected), s->lines + s->wrong_lines + 1);
	if (strcmp(s->line, expected) == 0)
		s->lines++;
	else
		s->wrong_lines++;
	s->line[strcspn(s->line, "\n")] = '\0';
	if (s->lines % 4 == 1)
		say(s, "log", "\"%s\"", s->line);
	s->line_len = 0;
}

/* data is how many bytes were appended since the last look. */
static void follow_log(struct server *s, const struct kevent *kev)
{
	char buf[1024];
	ssize_t n, i;

	n = read(s->log, buf, sizeof(buf));
	if (n < kev->data && n < (ssize_t)sizeof(buf))
		s->lies++;
	for (i = 0; i < n; i++) {
		if (s->line_len < sizeof(s->line) - 1)
			s->line[s->line_len++] = buf[i];
		if (buf[i] == '\n') {
			s->line[s->line_len] = '\0';
			check_line(s);
		}
	}
}

/* --- Timers, and the trigger of the second thread --- */

static void tick(struct server *s, const struct kevent *kev)
{
	if (kev->ident == TIME_LIMIT) {
		s->late = true;
		return;
	}
	/* data is the number of expirations: none is lost. */
	s->ticks += kev->data;
	say(s, "timer", "%3u clients, %5.2f MB echoed, %2d lines, %u events in %u calls",
	    s->open, s->bytes_out / 1e6, s->lines, s->events, s->calls);
}

static void pull(struct server *s, const struct kevent *kev)
{
	s->told = true;
	s->failed = kev->fflags & NOTE_FFLAGSMASK;
	say(s, "user", "the second thread says: all processes have ended, %u failed",
	    s->failed);
}

/* The second thread: it waits for the processes, then pulls the trigger. */
static void *watch_crowd(void *arg)
{
	struct server *s = arg;
	unsigned int failed = crowd_wait(&s->crowd);
	struct kevent kev;

	EV_SET(&kev, GOODBYE, EVFILT_USER, 0,
	       NOTE_TRIGGER | NOTE_FFCOPY | failed, 0, NULL);
	if (kevent(s->kq, &kev, 1, NULL, 0, NULL) < 0)
		err(1, "kevent: trigger");
	return NULL;
}

/* --- The loop --- */

static void handle(struct server *s, const struct kevent *kev)
{
	struct conn *conn = kev->udata;

	switch (kev->filter) {
	case EVFILT_READ:
		if (conn)
			take_in(s, conn, kev);
		else if ((int)kev->ident == s->listener)
			welcome(s, kev);
		else
			follow_log(s, kev);
		break;
	case EVFILT_WRITE:
		resume(s, conn);
		break;
	case EVFILT_TIMER:
		tick(s, kev);
		break;
	case EVFILT_USER:
		pull(s, kev);
		break;
	}
}

static bool finished(const struct server *s)
{
	if (s->late || s->failed)
		return true;
	return s->told && s->open == 0 &&
	       s->lines + s->wrong_lines == LOG_LINES;
}

static void serve(struct server *s)
{
	struct kevent kev[MAX_EVENTS];
	int n, i;

	while (!finished(s)) {
		n = kevent(s->kq, NULL, 0, kev, MAX_EVENTS, NULL);
		if (n < 0)
			err(1, "kevent");
		s->calls++;
		s->events += n;
		for (i = 0; i < n; i++)
			handle(s, &kev[i]);
	}
}

/* --- The setting --- */

/* A descriptor for each client, and some. */
static void raise_descriptor_limit(void)
{
	const rlim_t need = CLIENTS + 100;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		err(1, "getrlimit");
	if (limit.rlim_cur >= need)
		return;
	limit.rlim_cur = need;
	if (limit.rlim_max < need)
		limit.rlim_max = need;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "%u descriptors are needed (ulimit -n)",
		    (unsigned int)need);
}

static int listen_on_loopback(struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*addr);
	int sndbuf = SERVER_SNDBUF;

	memset(addr, 0, sizeof(*addr));
	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf)) ||
	    bind(fd, (struct sockaddr *)addr, len) ||
	    listen(fd, CLIENTS) ||
	    getsockname(fd, (struct sockaddr *)addr, &len))
		err(1, "cannot listen on 127.0.0.1");
	return fd;
}

/* The log has a name only for as long as it takes to open it twice. */
static int open_log(int *writer)
{
	char path[] = "/tmp/kevent-demo.XXXXXX";
	int reader;

	*writer = mkostemp(path, O_APPEND | O_CLOEXEC);
	if (*writer < 0)
		err(1, "%s", path);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	if (reader < 0)
		err(1, "%s", path);
	unlink(path);
	return reader;
}

static void invite_crowd(struct server *s)
{
	struct sockaddr_in addr;
	int writer, gate[2];

	s->listener = listen_on_loopback(&addr);
	s->log = open_log(&writer);
	if (pipe2(gate, O_CLOEXEC))
		err(1, "pipe");
	s->gate = gate[1];

	say(s, "start", "%d clients for 127.0.0.1:%d, each a process, and a logger",
	    CLIENTS, ntohs(addr.sin_port));
	s->crowd = crowd_start(&addr, gate[0], writer,
			       (int[]){ s->kq, s->listener, s->log, s->gate,
					-1 });
	close(gate[0]);
	close(writer);
}

/* All that the server waits for, in one call. */
static void register_sources(struct server *s)
{
	struct kevent kev[5];

	EV_SET(&kev[0], s->listener, EVFILT_READ, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[1], s->log, EVFILT_READ, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[2], TICK, EVFILT_TIMER, EV_ADD, 0, TICK_MS, NULL);
	EV_SET(&kev[3], TIME_LIMIT, EVFILT_TIMER, EV_ADD | EV_ONESHOT,
	       NOTE_SECONDS, TIME_LIMIT_S, NULL);
	EV_SET(&kev[4], GOODBYE, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
	s->not_before = now_ns();
	if (kevent(s->kq, kev, 5, NULL, 0, NULL) < 0)
		err(1, "kevent: registering");
	s->not_after = now_ns();
}

/* --- The verdict --- */

static unsigned int wrong;

static __printf(2, 3) void check(bool ok, const char *fmt, ...)
{
	va_list args;

	fputs(ok ? "  ok     " : "  WRONG  ", stdout);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	wrong += !ok;
}

static unsigned long long all_bytes(void)
{
	unsigned long long sum = 0;
	int id;

	for (id = 0; id < CLIENTS; id++)
		sum += client_bytes(id);
	return sum;
}

/* How often a timer has expired that was started at @start. */
static unsigned long long periods_since(unsigned long long start)
{
	return (now_ns() - start) / (TICK_MS * 1000000ULL);
}

static void check_totals(const struct server *s)
{
	unsigned long long least = periods_since(s->not_after);
	unsigned long long most = periods_since(s->not_before);
	unsigned long long bytes = all_bytes();

	puts("totals:");
	check(!s->late, "within %d s", TIME_LIMIT_S);
	check(s->peak == CLIENTS, "%u of %d clients connected at the same time",
	      s->peak, CLIENTS);
	check(s->bytes_in == bytes, "%llu of %llu bytes received",
	      s->bytes_in, bytes);
	check(s->bytes_out == bytes, "%llu of %llu bytes sent back",
	      s->bytes_out, bytes);
	check(s->told && s->failed == 0,
	      "every client found each byte as it had sent it");
	check(s->eof == CLIENTS && s->broken == 0,
	      "%u of %d clients seen to close with EV_EOF, %u otherwise",
	      s->eof, CLIENTS, s->broken);
	check(s->short_writes > 0 && s->resumed >= s->short_writes,
	      "%u short writes, finished in %u EVFILT_WRITE events",
	      s->short_writes, s->resumed);
	check(s->lines == LOG_LINES && s->wrong_lines == 0,
	      "%d of %d lines of the log, in order", s->lines, LOG_LINES);
	/* The last one may have come after the last look at the queue. */
	check(s->ticks + 1 >= least && s->ticks <= most,
	      "%llu ticks of a timer of %d ms, %llu to %llu expected",
	      s->ticks, TICK_MS, least ? least - 1 : 0, most);
	check(s->lies == 0, "no event promised more than there was");
}

int main(void)
{
	struct server s = { .started = now_ns() };
	pthread_t thread;

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	s.kq = kqueue();
	if (s.kq < 0) {
		printf("demo: FAIL: %s\n", kqueue_strerror(errno));
		return 1;
	}
	invite_crowd(&s);
	register_sources(&s);
	if (pthread_create(&thread, NULL, watch_crowd, &s))
		errx(1, "cannot start a thread");
	serve(&s);

	check_totals(&s);
	if (wrong) {
		printf("demo: FAIL: %u of the totals are wrong\n", wrong);
		return 1;
	}
	pthread_join(thread, NULL);
	printf("demo: PASS: %d clients and more in one queue: %u events in %u calls, %.1f s\n",
	       CLIENTS, s.events, s.calls, (now_ns() - s.started) / 1e9);
	return 0;
}
