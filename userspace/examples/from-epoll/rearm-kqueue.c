// SPDX-License-Identifier: BSD-2-Clause
/* A socket whose event is told once, until it is armed again. */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	const struct timespec now = { 0 };
	struct kevent kev;
	int kq = kqueue();
	int s[2], first, silent, again;
	char byte;

	if (kq < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		err(1, "cannot begin");
	if (write(s[1], "ab", 2) != 2)
		err(1, "write");

	EV_SET(&kev, s[0], EVFILT_READ, EV_ADD | EV_DISPATCH, 0, 0, NULL);
	first = kevent(kq, &kev, 1, &kev, 1, NULL);
	if (first == 1 && (kev.flags & EV_ERROR))
		errx(1, "cannot be watched: %s", strerror(kev.data));
	if (first != 1 || read(s[0], &byte, 1) != 1)
		err(1, "no event");
	silent = kevent(kq, NULL, 0, &kev, 1, &now);

	EV_SET(&kev, s[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL);
	again = kevent(kq, &kev, 1, &kev, 1, NULL);
	if (silent < 0 || again < 0)
		err(1, "kevent");
	printf("armed: %d, silent: %d, again: %d\n", first, silent, again);
	return 0;
}
