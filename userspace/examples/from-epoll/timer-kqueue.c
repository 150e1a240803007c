// SPDX-License-Identifier: BSD-2-Clause
/* Every 10 milliseconds something is to be done, three times. */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/event.h>

int main(void)
{
	struct kevent want, got;
	int kq = kqueue();
	int i;

	if (kq < 0)
		err(1, "cannot begin");
	EV_SET(&want, 1, EVFILT_TIMER, EV_ADD, NOTE_MSECONDS, 10, NULL);

	for (i = 0; i < 3; i++) {
		if (kevent(kq, &want, i == 0, &got, 1, NULL) != 1)
			err(1, "kevent");
		if (got.flags & EV_ERROR)
			errx(1, "no timer: %s", strerror(got.data));
		/* How many expirations. */
		if (!got.data)
			errx(1, "it has not expired");
	}
	printf("expired, %d times\n", i);
	return 0;
}
