// SPDX-License-Identifier: BSD-2-Clause
/* Many descriptors of one kind, which can be made ready and idle again. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

/* Writing ends live up here, so that select() can watch the reading ends. */
#define OUT_BASE 20000

const char *const kind_name[KINDS] = { "eventfd", "pipe", "TCP socket" };

void need_descriptors(int n)
{
	struct rlimit lim;

	check(!getrlimit(RLIMIT_NOFILE, &lim), "getrlimit");
	if (lim.rlim_cur >= (rlim_t)n)
		return;
	lim.rlim_cur = n;
	if (lim.rlim_max < (rlim_t)n)
		lim.rlim_max = n;
	if (!setrlimit(RLIMIT_NOFILE, &lim))
		return;
	fprintf(stderr, "bench: %d descriptors are more than RLIMIT_NOFILE allows: %s\n"
		"Run as root, or measure less with -n.\n", n, strerror(errno));
	exit(1);
}

/* Move a descriptor out of the way of those that are watched. */
static int move_up(int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, OUT_BASE);

	check(up >= 0, "descriptors");
	close(fd);
	return up;
}

static void open_eventfds(struct pool *p)
{
	int i;

	for (i = 0; i < p->n; i++) {
		p->in[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		check(p->in[i] >= 0, "eventfd");
		p->out[i] = p->in[i];
	}
}

static void open_pipes(struct pool *p)
{
	int i, fd[2];

	for (i = 0; i < p->n; i++) {
		check(!pipe2(fd, O_NONBLOCK | O_CLOEXEC), "pipe");
		p->in[i] = fd[0];
		p->out[i] = move_up(fd[1]);
	}
}

int tcp_listen(struct sockaddr_in *sin)
{
	socklen_t len = sizeof(*sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0, "socket");
	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	check(!bind(fd, (struct sockaddr *)sin, len) && !listen(fd, 16) &&
	      !getsockname(fd, (struct sockaddr *)sin, &len), "listen");
	return move_up(fd);
}

static void open_tcp(struct pool *p)
{
	struct sockaddr_in sin;
	int listener = tcp_listen(&sin), fd, i;

	for (i = 0; i < p->n; i++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		check(fd >= 0 && !connect(fd, (struct sockaddr *)&sin, sizeof(sin)),
		      "connect to 127.0.0.1 (is lo up?)");
		p->out[i] = move_up(fd);
		p->in[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		check(p->in[i] >= 0, "accept");
	}
	close(listener);
}

void pool_open(struct pool *p, enum fd_kind kind, int n)
{
	need_descriptors(OUT_BASE + 2 * n);
	p->kind = kind;
	p->n = n;
	p->in = calloc(n, sizeof(*p->in));
	p->out = calloc(n, sizeof(*p->out));
	check(p->in && p->out, "memory");
	switch (kind) {
	case PIPE:
		open_pipes(p);
		break;
	case TCP:
		open_tcp(p);
		break;
	default:
		open_eventfds(p);
	}
}

void pool_close(struct pool *p)
{
	int i;

	for (i = 0; i < p->n; i++) {
		close(p->in[i]);
		if (p->out[i] != p->in[i])
			close(p->out[i]);
	}
	free(p->in);
	free(p->out);
}

void pool_raise(struct pool *p, int i)
{
	long long one = 1;
	ssize_t len = p->kind == EVENTFD ? sizeof(one) : 1;

	check(write(p->out[i], &one, len) == len, "write");
}

void pool_lower(struct pool *p, int i)
{
	char buf[64];

	while (read(p->in[i], buf, sizeof(buf)) > 0)
		;
	check(errno == EAGAIN, "read");
}

static void swap(int *a, int *b)
{
	int old = *a;

	*a = *b;
	*b = old;
}

void pool_swap(struct pool *p, int i, int k)
{
	swap(&p->in[i], &p->in[k]);
	swap(&p->out[i], &p->out[k]);
}

/* Which of the first @n is the @k-th of READY that are spread evenly. */
int pool_ready_index(const struct pool *p, int n, int k)
{
	check(n >= READY && n <= p->n, "at least ten descriptors");
	return (long)k * n / READY;
}

/* Return when all have arrived, also over TCP. */
void pool_raise_some(struct pool *p, int n)
{
	struct pollfd pfd[READY];
	int k, i;

	for (k = 0; k < READY; k++) {
		i = pool_ready_index(p, n, k);
		pool_raise(p, i);
		pfd[k] = (struct pollfd){ .fd = p->in[i], .events = POLLIN };
	}
	while (poll(pfd, READY, -1) < READY)
		;
}

void pool_lower_some(struct pool *p, int n)
{
	int k;

	for (k = 0; k < READY; k++)
		pool_lower(p, pool_ready_index(p, n, k));
}
