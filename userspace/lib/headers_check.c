// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program that uses every name of the headers, in the common subset of C99
 * and C++98. "make check-headers" compiles it in every dialect, with warnings
 * as errors; it is part of no library.
 */
#include <sys/event.h>
#include <kevent.h>

static int evaluations;

static int count(int value)
{
	evaluations++;
	return value;
}

/* Fields swapped on purpose: EV_SET() reads all before it writes any. */
static void set(struct kevent *kev)
{
	EV_SET(kev, kev->fflags, EVFILT_USER, EV_ADD | EV_CLEAR,
	       NOTE_FFCOPY | (unsigned int)kev->ident, kev->data, kev->udata);
}

int main(void)
{
	int (*const wait_fn)(int, const struct kevent *, int, struct kevent *,
			     int, const struct timespec *) = kevent;
	const struct timespec *const forever = NULL;
	struct kevent_info info;
	struct kevent kev[2];
	int kq = kqueue();

	if (kq < 0)
		kq = kqueue1(0);
	if (kq < 0)
		kq = kqueuex(KQUEUE_CLOEXEC);
	if (kq < 0)
		return kqueue_strerror(1)[0] != '\0';

	EV_SET(&kev[count(0)], count(3), EVFILT_READ, EV_ADD, 0, 0, NULL);
	set(&kev[0]);
	if (kqueue_info(kq, &info) || !kqueue_has_filter(&info, EVFILT_USER))
		return 1;
	if (kevent(kq, kev, 1, NULL, 0, NULL))
		return 1;
	return wait_fn(kq, NULL, 0, kev, 2, forever) != evaluations;
}
