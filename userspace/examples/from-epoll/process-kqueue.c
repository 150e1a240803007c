// SPDX-License-Identifier: BSD-2-Clause
/* A child ends. */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/event.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	struct kevent kev;
	int kq = kqueue();
	pid_t pid;

	if (kq < 0)
		err(1, "cannot begin");
	pid = fork();
	if (pid == 0)
		_exit(7);
	if (pid < 0)
		err(1, "fork");
	EV_SET(&kev, pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);

	if (kevent(kq, &kev, 1, &kev, 1, NULL) != 1)
		err(1, "kevent");
	if (kev.flags & EV_ERROR)
		errx(1, "cannot be watched: %s", strerror(kev.data));
	/* data is its status, but somebody has to wait for it. */
	if (waitpid(pid, NULL, 0) != pid)
		err(1, "waitpid");
	printf("exited with %d\n", WEXITSTATUS((int)kev.data));
	return 0;
}
