// SPDX-License-Identifier: BSD-2-Clause
/* A socket whose event is told once, until it is armed again. */
#include <err.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int s[2], first, silent, again;
	char byte;

	if (ep < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		err(1, "cannot begin");
	if (epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &ev))
		err(1, "epoll_ctl");
	if (write(s[1], "ab", 2) != 2)
		err(1, "write");

	first = epoll_wait(ep, &ev, 1, -1);
	if (first != 1 || read(s[0], &byte, 1) != 1)
		err(1, "no event");
	silent = epoll_wait(ep, &ev, 1, 0);

	ev.events = EPOLLIN | EPOLLONESHOT;
	if (epoll_ctl(ep, EPOLL_CTL_MOD, s[0], &ev))
		err(1, "epoll_ctl");
	again = epoll_wait(ep, &ev, 1, -1);
	if (silent < 0 || again < 0)
		err(1, "epoll_wait");
	printf("armed: %d, silent: %d, again: %d\n", first, silent, again);
	return 0;
}
