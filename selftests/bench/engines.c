// SPDX-License-Identifier: BSD-2-Clause
/*
 * The contenders. Each watches descriptors for reading and collects those
 * that are ready, as a program would that has to know which they are: after
 * poll() and select() it must look for them itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

const char *const engine_name[MAX_COLUMNS + 1] = {
	"kevent", "epoll", "poll", "select", "io_uring"
};

void check_failed(const char *what)
{
	fflush(stdout);
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

int queue_open(void)
{
	int kq = kqueue();

	check(kq >= 0, "no queue (is the module loaded, /dev/kevent there?)");
	return kq;
}

int trigger_queue(void)
{
	struct kevent change;
	int kq = queue_open();

	EV_SET(&change, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
	check(!kevent(kq, &change, 1, NULL, 0, NULL), "kevent");
	return kq;
}

int epoll_open(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	check(ep >= 0, "epoll_create1");
	return ep;
}

static int kq = -1;
static struct kevent kev[2 * READY];

static int kevent_open(const int *fd, int n, enum mode mode)
{
	static const int flag[] = {
		[LEVEL] = 0, [EDGE] = EV_CLEAR, [DISPATCH] = EV_DISPATCH,
	};
	struct kevent *change = calloc(n, sizeof(*change));
	int i, ret;

	check(change, "memory");
	kq = queue_open();
	for (i = 0; i < n; i++)
		EV_SET(&change[i], fd[i], EVFILT_READ, EV_ADD | flag[mode], 0, 0, NULL);
	ret = kevent(kq, change, n, NULL, 0, NULL);
	free(change);
	check(!ret, "kevent");
	return kq;
}

static int kevent_wait(void)
{
	return kevent(kq, NULL, 0, kev, 2 * READY, NULL);
}

static int kevent_fd(int i)
{
	return kev[i].ident;
}

static void kevent_close(void)
{
	close(kq);
}

static int ep = -1;
static struct epoll_event epev[2 * READY];

static int epoll_start(const int *fd, int n, enum mode mode)
{
	static const unsigned int flag[] = {
		[LEVEL] = 0, [EDGE] = EPOLLET, [DISPATCH] = EPOLLONESHOT,
	};
	struct epoll_event e = { .events = EPOLLIN | flag[mode] };
	int i;

	ep = epoll_open();
	for (i = 0; i < n; i++) {
		e.data.fd = fd[i];
		check(!epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e), "epoll_ctl");
	}
	return ep;
}

static int epoll_collect(void)
{
	return epoll_wait(ep, epev, 2 * READY, -1);
}

static int epoll_fd(int i)
{
	return epev[i].data.fd;
}

static void epoll_stop(void)
{
	close(ep);
}

static struct pollfd *pollfds;
static int npollfds;
static int found[2 * READY];

static int poll_start(const int *fd, int n, enum mode mode)
{
	int i;

	(void)mode;
	npollfds = n;
	pollfds = calloc(n, sizeof(*pollfds));
	check(pollfds, "memory");
	for (i = 0; i < n; i++)
		pollfds[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
	return 0;
}

static int poll_collect(void)
{
	int i, n = 0, left = poll(pollfds, npollfds, -1);

	for (i = 0; n < left; i++)
		if (pollfds[i].revents)
			found[n++ % (2 * READY)] = pollfds[i].fd;
	return n;
}

static void poll_stop(void)
{
	free(pollfds);
}

static fd_set watched;
static int nwatched;

static bool select_can(const int *fd, int n, enum mode mode)
{
	return mode == LEVEL && fd[n - 1] < FD_SETSIZE;
}

static int select_start(const int *fd, int n, enum mode mode)
{
	int i;

	(void)mode;
	FD_ZERO(&watched);
	nwatched = 0;
	for (i = 0; i < n; i++) {
		FD_SET(fd[i], &watched);
		if (fd[i] >= nwatched)
			nwatched = fd[i] + 1;
	}
	return 0;
}

static int select_collect(void)
{
	fd_set set = watched;
	int i, n = 0, left = select(nwatched, &set, NULL, NULL, NULL);

	for (i = 0; n < left; i++)
		if (FD_ISSET(i, &set))
			found[n++ % (2 * READY)] = i;
	return n;
}

static void select_stop(void)
{
}

static int found_fd(int i)
{
	return found[i];
}

static bool can_all(const int *fd, int n, enum mode mode)
{
	(void)fd;
	(void)n;
	(void)mode;
	return true;
}

static bool can_level(const int *fd, int n, enum mode mode)
{
	(void)fd;
	(void)n;
	return mode == LEVEL;
}

const struct engine engine[ENGINES] = {
	[KEVENT] = { kevent_open, kevent_wait, kevent_close, can_all, kevent_fd },
	[EPOLL] = { epoll_start, epoll_collect, epoll_stop, can_all, epoll_fd },
	[POLL] = { poll_start, poll_collect, poll_stop, can_level, found_fd },
	[SELECT] = { select_start, select_collect, select_stop, select_can, found_fd },
#ifdef HAVE_URING
	[URING] = { uring_watch, uring_collect, uring_stop, uring_can, uring_fd },
#else
	[URING] = { .can = uring_can },
#endif
};

/* Load the module anew: false if we are not told where it is, or may not. */
bool reload_module(void)
{
	const char *path = getenv("KEVENT_KO");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	bool ok;

	if (fd < 0)
		return false;
	ok = !syscall(SYS_delete_module, "kevent", O_NONBLOCK) &&
	     !syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	if (ok)
		profile_reload();
	return ok;
}
