// SPDX-License-Identifier: BSD-2-Clause
/* Somebody writes into a file, and gives it another mode. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	char name[] = "/tmp/from-epoll-XXXXXX";
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	int fd = inotify_init1(IN_CLOEXEC);
	int file = mkstemp(name);
	struct inotify_event in;

	if (ep < 0 || fd < 0 || file < 0)
		err(1, "cannot begin");
	if (inotify_add_watch(fd, name, IN_MODIFY | IN_ATTRIB) < 0)
		err(1, "%s", name);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		err(1, "epoll_ctl");

	if (write(file, "something", 9) != 9 || fchmod(file, 0400))
		err(1, "%s", name);
	while (epoll_wait(ep, &ev, 1, 0) > 0) {
		/* A file's own events have no name, and so this size. */
		if (read(fd, &in, sizeof(in)) != sizeof(in))
			err(1, "read");
		if (in.mask & IN_MODIFY)
			printf("written ");
		if (in.mask & IN_ATTRIB)
			printf("changed\n");
	}
	return unlink(name);
}
