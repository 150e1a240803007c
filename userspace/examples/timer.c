// SPDX-License-Identifier: BSD-2-Clause
/*
 * timer: the three kinds of timer in one queue, without a descriptor for any.
 * Ends by itself after two seconds.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <kevent.h>
#include <sys/event.h>

enum { TICK = 1, NAP, ALARM };

/* @ms after the epoch, as CLOCK_REALTIME has it two seconds from now. */
static long long in_two_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (now.tv_sec + 2) * 1000LL + now.tv_nsec / 1000000;
}

int main(void)
{
	const struct timespec nap = { .tv_nsec = 700000000 };
	struct kevent want[3], got;
	int kq = kqueue();

	if (kq < 0)
		errx(1, "%s", kqueue_strerror(errno));

	/* Every 300 ms; once, after 500 ms; when the clock shows a time. */
	EV_SET(&want[0], TICK, EVFILT_TIMER, EV_ADD, 0, 300, NULL);
	EV_SET(&want[1], NAP, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS,
	       500000, NULL);
	EV_SET(&want[2], ALARM, EVFILT_TIMER, EV_ADD | EV_ONESHOT,
	       NOTE_MSECONDS | NOTE_ABSTIME, in_two_seconds(), NULL);
	if (kevent(kq, want, 3, NULL, 0, NULL) < 0)
		err(1, "kevent");

	while (kevent(kq, NULL, 0, &got, 1, NULL) == 1) {
		switch (got.ident) {
		case TICK:
			/* data says how many times it has expired. */
			printf("tick x %lld\n", (long long)got.data);
			break;
		case NAP:
			puts("not looking for 700 ms: no tick is lost");
			nanosleep(&nap, NULL);
			break;
		case ALARM:
			puts("two seconds are over");
			return 0;
		}
	}
	err(1, "kevent");
}
