// SPDX-License-Identifier: BSD-2-Clause
/*
 * Queues of which a program has several, whose descriptors come and go. All are
 * watched for reading, as long as there is something to read (io_uring: each time
 * that more has come).
 */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <unistd.h>

#include "bench.h"

const char *const poller_name[POLLERS + 1] = { "kevent", "epoll", "io_uring" };

static void close_queue(int q)
{
	close(q);
}

static bool kevent_apply(int q, int fd, int flags, void *udata)
{
	struct kevent change;

	EV_SET(&change, fd, EVFILT_READ, flags, 0, 0, udata);
	return !kevent(q, &change, 1, NULL, 0, NULL);
}

static bool kevent_add(int q, int fd)
{
	return kevent_apply(q, fd, EV_ADD, NULL);
}

/* What is changed is what a program may have in mind with the descriptor. */
static bool kevent_change(int q, int fd)
{
	return kevent_apply(q, fd, EV_ADD, &fd);
}

static bool kevent_remove(int q, int fd)
{
	return kevent_apply(q, fd, EV_DELETE, NULL);
}

static bool kevent_replace(int q, int old, int fd)
{
	struct kevent change[2];

	EV_SET(&change[0], old, EVFILT_READ, EV_DELETE, 0, 0, NULL);
	EV_SET(&change[1], fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
	return !kevent(q, change, 2, NULL, 0, NULL);
}

static int kevent_wait(int q, int *fd, int max)
{
	struct kevent ev[POLLER_BATCH];
	int i, n = kevent(q, NULL, 0, ev, max, NULL);

	for (i = 0; i < n; i++)
		fd[i] = ev[i].ident;
	return n;
}

static int kevent_add_and_wait(int q, int *fd, int n)
{
	struct kevent change[POLLER_BATCH], ev[POLLER_BATCH];
	int i;

	for (i = 0; i < n; i++)
		EV_SET(&change[i], fd[i], EVFILT_READ, EV_ADD, 0, 0, NULL);
	n = kevent(q, change, n, ev, POLLER_BATCH, NULL);
	for (i = 0; i < n; i++)
		fd[i] = ev[i].ident;
	return n;
}

static bool epoll_add(int q, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return !epoll_ctl(q, EPOLL_CTL_ADD, fd, &e);
}

static bool epoll_change(int q, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return !epoll_ctl(q, EPOLL_CTL_MOD, fd, &e);
}

static bool epoll_remove(int q, int fd)
{
	return !epoll_ctl(q, EPOLL_CTL_DEL, fd, NULL);
}

static bool epoll_replace(int q, int old, int fd)
{
	return epoll_remove(q, old) && epoll_add(q, fd);
}

static int epoll_wait_for(int q, int *fd, int max)
{
	struct epoll_event ev[POLLER_BATCH];
	int i, n = epoll_wait(q, ev, max, -1);

	for (i = 0; i < n; i++)
		fd[i] = ev[i].data.fd;
	return n;
}

static int epoll_add_and_wait(int q, int *fd, int n)
{
	bool good = true;
	int i;

	for (i = 0; i < n; i++)
		good &= epoll_add(q, fd[i]);
	return good ? epoll_wait_for(q, fd, POLLER_BATCH) : -1;
}

const struct poller poller[POLLERS] = {
	[ON_KEVENT] = {
		queue_open, close_queue, kevent_add, kevent_change, kevent_remove,
		kevent_replace, kevent_wait, kevent_add_and_wait,
	},
	[ON_EPOLL] = {
		epoll_open, close_queue, epoll_add, epoll_change, epoll_remove,
		epoll_replace, epoll_wait_for, epoll_add_and_wait,
	},
#ifdef HAVE_URING
	[ON_URING] = {
		uring_open, uring_close, uring_add, uring_change, uring_remove,
		uring_replace, uring_wait, uring_add_and_wait,
	},
#endif
};

int poller_count(void)
{
	return uring_works() ? POLLERS : ON_URING;
}
