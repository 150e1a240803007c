// SPDX-License-Identifier: BSD-2-Clause
/* Somebody sends SIGTERM: who? */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

int main(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	struct signalfd_siginfo info;
	sigset_t set;
	int fd;

	/* Blocked, or it would kill. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (ep < 0 || sigprocmask(SIG_BLOCK, &set, NULL))
		err(1, "cannot begin");
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		err(1, "no signalfd");

	if (kill(getpid(), SIGTERM))
		err(1, "kill");
	if (epoll_wait(ep, &ev, 1, -1) != 1)
		err(1, "epoll_wait");
	if (read(fd, &info, sizeof(info)) != sizeof(info))
		err(1, "read");
	printf("signal %d, from %s\n", (int)info.ssi_signo,
	       (pid_t)info.ssi_pid == getpid() ? "myself" : "somebody");
	return 0;
}
