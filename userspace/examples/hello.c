// SPDX-License-Identifier: BSD-2-Clause
/* hello: wait for the keyboard and for the clock, in one call. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <kevent.h>
#include <sys/event.h>

int main(void)
{
	struct kevent want[2], got;
	char line[256];
	int kq = kqueue();

	if (kq < 0) {
		fprintf(stderr, "hello: %s\n", kqueue_strerror(errno));
		return 1;
	}
	EV_SET(&want[0], STDIN_FILENO, EVFILT_READ, EV_ADD, 0, 0, NULL);
	EV_SET(&want[1], 1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 2, NULL);
	if (kevent(kq, want, 2, NULL, 0, NULL) < 0) {
		perror("kevent");
		return 1;
	}
	while (kevent(kq, NULL, 0, &got, 1, NULL) == 1) {
		if (got.filter == EVFILT_TIMER)
			puts("still here: type something, or ^D to leave");
		else if (read(STDIN_FILENO, line, sizeof(line)) > 0)
			printf("%lld bytes came\n", (long long)got.data);
		else
			return 0;
	}
	return 1;
}
