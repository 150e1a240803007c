// SPDX-License-Identifier: BSD-2-Clause
/* Both directions of a socket whose other side says something and leaves. */
#include <err.h>
#include <stdio.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	struct kevent want[2], kev;
	int kq = kqueue();
	ssize_t n, sent = 0, got = 0;
	int s[2], end = 0;
	char buf[64];

	if (kq < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		err(1, "cannot begin");
	EV_SET(&want[0], s[0], EVFILT_READ, EV_ADD, 0, 0, NULL);
	EV_SET(&want[1], s[0], EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0, 0,
	       NULL);
	if (kevent(kq, want, 2, NULL, 0, NULL))
		err(1, "kevent");
	if (write(s[1], "hello", 5) != 5 || shutdown(s[1], SHUT_WR))
		err(1, "the other side");

	while (!end || !sent) {
		if (kevent(kq, NULL, 0, &kev, 1, NULL) != 1)
			err(1, "kevent");
		if (kev.filter == EVFILT_READ) {
			n = read(s[0], buf, sizeof(buf));
			if (n < 0)
				err(1, "read");
			got += n;
			/* Nothing comes after what data says. */
			end = (kev.flags & EV_EOF) && n == kev.data;
		} else {
			sent = write(s[0], "hi", 2);
			if (sent < 0)
				err(1, "write");
		}
	}
	printf("sent %zd bytes, got %zd and the end\n", sent, got);
	return 0;
}
