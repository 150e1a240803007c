// SPDX-License-Identifier: BSD-2-Clause
/* Register and remove many descriptors. */
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <unistd.h>

#include "bench.h"

enum how { ONE_CALL, SINGLE_CALLS };

static void kevent_fill(struct kevent *change, const struct pool *p, int n, int flags)
{
	int i;

	for (i = 0; i < n; i++)
		EV_SET(&change[i], p->in[i], EVFILT_READ, flags, 0, 0, NULL);
}

static long long kevent_apply(int kq, const struct kevent *change, int n, enum how how)
{
	long long start = now();
	int i, bad = 0;

	if (how == ONE_CALL)
		bad = kevent(kq, change, n, NULL, 0, NULL);
	else
		for (i = 0; i < n; i++)
			bad |= kevent(kq, &change[i], 1, NULL, 0, NULL);
	start = now() - start;
	check(!bad, "kevent");
	return start;
}

static void kevent_turn(struct series *add, struct series *del,
			const struct pool *p, int n, enum how how)
{
	struct kevent *change = calloc(n, sizeof(*change));
	int kq = queue_open();

	check(change, "memory");
	kevent_fill(change, p, n, EV_ADD);
	series_add(add, kevent_apply(kq, change, n, how));
	kevent_fill(change, p, n, EV_DELETE);
	series_add(del, kevent_apply(kq, change, n, how));
	close(kq);
	free(change);
}

static long long epoll_apply(int ep, const struct pool *p, int n, int op)
{
	struct epoll_event e = { .events = EPOLLIN };
	long long start = now();
	int i, bad = 0;

	for (i = 0; i < n; i++) {
		e.data.fd = p->in[i];
		bad |= epoll_ctl(ep, op, p->in[i], &e);
	}
	start = now() - start;
	check(!bad, "epoll_ctl");
	return start;
}

static void epoll_turn(struct series *add, struct series *del, const struct pool *p, int n)
{
	int ep = epoll_open();

	series_add(add, epoll_apply(ep, p, n, EPOLL_CTL_ADD));
	series_add(del, epoll_apply(ep, p, n, EPOLL_CTL_DEL));
	close(ep);
}

static void compare(const struct pool *p, int n, enum how how)
{
	static const char *const word[] = { "one call", "single calls" };
	struct series add[2] = {}, del[2] = {};
	double value[ENGINES];
	int round;

	/* Few are registered in no time: more turns, or it is one sample. */
	for (round = 0; round < opt.rounds * (n < 1000 ? 10 : 1); round++) {
		kevent_turn(&add[KEVENT], &del[KEVENT], p, n, how);
		epoll_turn(&add[EPOLL], &del[EPOLL], p, n);
	}
	value[KEVENT] = series_each(&add[KEVENT], n);
	value[EPOLL] = series_each(&add[EPOLL], n);
	table_row(value, "register %d, %s", n, word[how]);
	value[KEVENT] = series_each(&del[KEVENT], n);
	value[EPOLL] = series_each(&del[EPOLL], n);
	table_row(value, "remove %d, %s", n, word[how]);
}

void bench_register(void)
{
	static const int many[] = { 64, 1000, 10000 };
	static const char *const columns[] = { "kevent", "epoll", NULL };
	struct pool p;
	size_t i;

	table_begin("Register eventfds, each of them", columns, "kevent/epoll");
	pool_open(&p, EVENTFD, opt.max < 10000 ? opt.max : 10000);
	for (i = 0; i < sizeof(many) / sizeof(*many); i++)
		if (many[i] <= p.n)
			compare(&p, many[i], ONE_CALL);
	compare(&p, p.n < 1000 ? p.n : 1000, SINGLE_CALLS);
	pool_close(&p);
}
