// SPDX-License-Identifier: BSD-2-Clause
/* Of two pipes with three bytes each, one is level- and one edge-triggered. */
#include <err.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

int main(void)
{
	struct epoll_event ev[2];
	int level[2], edge[2], nlevel = 0, nedge = 0, i, n;
	char byte;
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || pipe(level) || pipe(edge))
		err(1, "cannot begin");
	ev[0].events = EPOLLIN;
	ev[0].data.fd = level[0];
	ev[1].events = EPOLLIN | EPOLLET;
	ev[1].data.fd = edge[0];
	for (i = 0; i < 2; i++)
		if (epoll_ctl(ep, EPOLL_CTL_ADD, ev[i].data.fd, &ev[i]))
			err(1, "epoll_ctl");
	if (write(level[1], "abc", 3) != 3 || write(edge[1], "abc", 3) != 3)
		err(1, "write");

	/* Of what is ready take one byte, until nothing is. */
	while ((n = epoll_wait(ep, ev, 2, 0)) > 0) {
		for (i = 0; i < n; i++) {
			if (read(ev[i].data.fd, &byte, 1) != 1)
				err(1, "read");
			if (ev[i].data.fd == level[0])
				nlevel++;
			else
				nedge++;
		}
	}
	if (n < 0)
		err(1, "epoll_wait");
	printf("level: %d events, edge: %d\n", nlevel, nedge);
	return 0;
}
