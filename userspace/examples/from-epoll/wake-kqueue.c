// SPDX-License-Identifier: BSD-2-Clause
/* A thread wakes another one, and has a number for it. */
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/event.h>

static void *other_of_kqueue(void *arg)
{
	struct kevent kev;

	EV_SET(&kev, 1, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFCOPY | 42,
	       0, NULL);
	if (kevent(*(int *)arg, &kev, 1, NULL, 0, NULL))
		err(1, "kevent");
	return NULL;
}

int main(void)
{
	struct kevent kev;
	int kq = kqueue();
	pthread_t other;

	if (kq < 0)
		err(1, "cannot begin");
	EV_SET(&kev, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
	if (kevent(kq, &kev, 1, NULL, 0, NULL))
		err(1, "kevent");
	if (pthread_create(&other, NULL, other_of_kqueue, &kq))
		errx(1, "no thread");

	if (kevent(kq, NULL, 0, &kev, 1, NULL) != 1)
		err(1, "kevent");
	printf("woken with %u\n", kev.fflags & NOTE_FFLAGSMASK);
	pthread_join(other, NULL);
	return 0;
}
