// SPDX-License-Identifier: BSD-2-Clause
/* A child ends. */
#include <err.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	siginfo_t info;
	pid_t pid;
	int fd;

	if (ep < 0)
		err(1, "cannot begin");
	pid = fork();
	if (pid == 0)
		_exit(7);
	fd = pid < 0 ? -1 : pidfd_open(pid, 0);
	if (fd < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		err(1, "no pidfd");

	if (epoll_wait(ep, &ev, 1, -1) != 1)
		err(1, "epoll_wait");
	if (waitid(P_PIDFD, fd, &info, WEXITED))
		err(1, "waitid");
	printf("exited with %d\n", info.si_status);
	return 0;
}
