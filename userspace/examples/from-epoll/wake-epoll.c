// SPDX-License-Identifier: BSD-2-Clause
/* A thread wakes another one, and has a number for it. */
#include <err.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *other_of_epoll(void *arg)
{
	const uint64_t number = 42;

	if (write(*(int *)arg, &number, sizeof(number)) < 0)
		err(1, "write");
	return NULL;
}

int main(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int fd = eventfd(0, EFD_CLOEXEC);
	pthread_t other;
	uint64_t number;

	if (ep < 0 || fd < 0)
		err(1, "cannot begin");
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		err(1, "epoll_ctl");
	if (pthread_create(&other, NULL, other_of_epoll, &fd))
		errx(1, "no thread");

	if (epoll_wait(ep, &ev, 1, -1) != 1)
		err(1, "epoll_wait");
	if (read(fd, &number, sizeof(number)) < 0)
		err(1, "read");
	printf("woken with %d\n", (int)number);
	pthread_join(other, NULL);
	return 0;
}
