// SPDX-License-Identifier: BSD-2-Clause
/* Every 10 milliseconds something is to be done, three times. */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

int main(void)
{
	const struct itimerspec every = {
		.it_interval.tv_nsec = 10000000,
		.it_value.tv_nsec = 10000000,
	};
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t expirations;
	int i;

	if (ep < 0 || fd < 0 || timerfd_settime(fd, 0, &every, NULL))
		err(1, "cannot begin");
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		err(1, "epoll_ctl");

	for (i = 0; i < 3; i++) {
		if (epoll_wait(ep, &ev, 1, -1) != 1)
			err(1, "epoll_wait");
		if (read(fd, &expirations, sizeof(expirations)) < 0)
			err(1, "read");
		if (!expirations)
			errx(1, "it has not expired");
	}
	printf("expired, %d times\n", i);
	return 0;
}
