// SPDX-License-Identifier: BSD-2-Clause
/* Both directions of a socket whose other side says something and leaves. */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	const uint32_t in = EPOLLIN | EPOLLRDHUP;
	struct epoll_event ev = { .events = in | EPOLLOUT };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	ssize_t n, sent = 0, got = 0;
	int s[2], end = 0;
	char buf[64];

	if (ep < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		err(1, "cannot begin");
	if (epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &ev))
		err(1, "epoll_ctl");
	if (write(s[1], "hello", 5) != 5 || shutdown(s[1], SHUT_WR))
		err(1, "the other side");

	while (!end) {
		if (epoll_wait(ep, &ev, 1, -1) != 1)
			err(1, "epoll_wait");
		if (ev.events & in) {
			n = read(s[0], buf, sizeof(buf));
			if (n < 0)
				err(1, "read");
			got += n;
			end = n == 0;
		}
		if (ev.events & EPOLLOUT) {
			sent = write(s[0], "hi", 2);
			/* There is nothing more to say. */
			ev.events = in;
			if (sent < 0 || epoll_ctl(ep, EPOLL_CTL_MOD, s[0], &ev))
				err(1, "write");
		}
	}
	printf("sent %zd bytes, got %zd and the end\n", sent, got);
	return 0;
}
