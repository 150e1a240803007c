// SPDX-License-Identifier: BSD-2-Clause
/* Somebody sends SIGTERM: who? */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <sys/event.h>
#include <unistd.h>

int main(void)
{
	struct kevent kev;
	int kq = kqueue();

	/* Ignored, or it would kill; the queue learns of it all the same. */
	if (kq < 0 || signal(SIGTERM, SIG_IGN) == SIG_ERR)
		err(1, "cannot begin");
	EV_SET(&kev, SIGTERM, EVFILT_SIGNAL, EV_ADD, 0, 0, NULL);
	if (kevent(kq, &kev, 1, NULL, 0, NULL))
		err(1, "cannot watch signals");

	if (kill(getpid(), SIGTERM))
		err(1, "kill");
	if (kevent(kq, NULL, 0, &kev, 1, NULL) != 1)
		err(1, "kevent");
	printf("signal %d, from %s\n", (int)kev.ident,
	       (pid_t)kev.ext[0] == getpid() ? "myself" : "somebody");
	return 0;
}
