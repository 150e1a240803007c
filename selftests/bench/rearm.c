// SPDX-License-Identifier: BSD-2-Clause
/* Descriptors that deliver once: make ten deliver again, and wait. */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <unistd.h>

#include "bench.h"

#define WATCHED 1000

/* Two ways to be told only once. */
static const struct way {
	const char *name;
	int first;		/* flags to register with */
	int again;		/* flags to re-arm with */
} ways[] = {
	{ "dispatch", EV_ADD | EV_DISPATCH, EV_ENABLE },
	{ "one-shot", EV_ADD | EV_ONESHOT, EV_ADD | EV_ONESHOT },
};

static int kevent_start(const struct pool *p, int n, const struct way *way)
{
	struct kevent *change = calloc(n, sizeof(*change));
	int i, kq = queue_open();

	check(change, "memory");
	for (i = 0; i < n; i++)
		EV_SET(&change[i], p->in[i], EVFILT_READ, way->first, 0, 0, NULL);
	check(!kevent(kq, change, n, NULL, 0, NULL), "kevent");
	free(change);
	return kq;
}

static void kevent_turn(struct series *s, struct pool *p, int n, const struct way *way)
{
	struct kevent change[READY], ev[READY];
	int i, got, kq = kevent_start(p, n, way);
	long long start, end;

	for (i = 0; i < READY; i++)
		EV_SET(&change[i], p->in[pool_ready_index(p, n, i)], EVFILT_READ,
		       way->again, 0, 0, NULL);
	pool_raise_some(p, n);
	check(kevent(kq, NULL, 0, ev, READY, NULL) == READY, "the first events");
	for (i = 0; i < opt.ops; i++) {
		start = now();
		got = kevent(kq, change, READY, ev, READY, NULL);
		end = now();
		check(got == READY, "not all that were re-armed came again");
		series_add(s, end - start);
	}
	pool_lower_some(p, n);
	close(kq);
}

static int epoll_again(int ep, const int *fd, struct epoll_event *ev)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT };
	int i, bad = 0;

	for (i = 0; i < READY; i++) {
		e.data.fd = fd[i];
		bad |= epoll_ctl(ep, EPOLL_CTL_MOD, fd[i], &e);
	}
	return bad ? -1 : epoll_wait(ep, ev, READY, -1);
}

static int epoll_start(const struct pool *p, int n)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT };
	int i, ep = epoll_open();

	for (i = 0; i < n; i++) {
		e.data.fd = p->in[i];
		check(!epoll_ctl(ep, EPOLL_CTL_ADD, p->in[i], &e), "epoll_ctl");
	}
	return ep;
}

static void epoll_turn(struct series *s, struct pool *p, int n)
{
	struct epoll_event ev[READY];
	int i, got, fd[READY], ep = epoll_start(p, n);
	long long start, end;

	for (i = 0; i < READY; i++)
		fd[i] = p->in[pool_ready_index(p, n, i)];
	pool_raise_some(p, n);
	check(epoll_wait(ep, ev, READY, -1) == READY, "the first events");
	for (i = 0; i < opt.ops; i++) {
		start = now();
		got = epoll_again(ep, fd, ev);
		end = now();
		check(got == READY, "not all that were re-armed came again");
		series_add(s, end - start);
	}
	pool_lower_some(p, n);
	close(ep);
}

static void compare(struct pool *p, int n, const struct way *way)
{
	struct series s[2] = {};
	double value[2];
	int round;

	for (round = 0; round < opt.rounds; round++) {
		kevent_turn(&s[KEVENT], p, n, way);
		epoll_turn(&s[EPOLL], p, n);
	}
	value[KEVENT] = series_median(&s[KEVENT]);
	value[EPOLL] = series_median(&s[EPOLL]);
	table_row(value, "eventfds, %d of %d, %s", READY, n, way->name);
}

void bench_rearm(void)
{
	static const char *const columns[] = { "kevent", "epoll", NULL };
	struct pool p;
	size_t i;

	table_begin("Re-arm ten and wait for them", columns, "kevent/epoll");
	pool_open(&p, EVENTFD, opt.max < WATCHED ? opt.max : WATCHED);
	for (i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		compare(&p, p.n, &ways[i]);
	pool_close(&p);
}
