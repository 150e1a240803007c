// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program that uses every name of the headers, in the common subset of C99
 * and C++98. "make check-headers" compiles it in every dialect, with warnings
 * as errors; it is part of no library.
 */
#include <sys/event.h>
#include <kevent.h>

/*
 * Names of other systems that must stay undefined: nothing here does what they say,
 * and programs ask with #ifdef whether they can be used.
 */
#if defined(LIBKQUEUE) || defined(EVFILT_LIBKQUEUE) || defined(EVFILT_NETDEV) || \
	defined(EVFILT_MACHPORT) || defined(EV_FLAG0) || defined(EV_POLL) || \
	defined(EV_OOBAND) || defined(EV_UDATA_SPECIFIC) || defined(EV_VANISHED)
#error a filter or flag is defined that nothing here has
#endif
#if defined(NOTE_ABSOLUTE) || defined(NOTE_LEEWAY) || defined(NOTE_MACHTIME) || \
	defined(NOTE_LINKUP) || defined(NOTE_NONE) || defined(NOTE_REAP) || \
	defined(NOTE_SIGNAL) || defined(NOTE_TRUNCATE) || defined(NOTE_EOF)
#error a note is defined that nothing here has
#endif
#if NOTE_EXITSTATUS != NOTE_EXIT
#error NOTE_EXITSTATUS
#endif

static int evaluations;

/* A place for each filter, at ~filter. */
static const char *const name[EVFILT_SYSCOUNT] = { "EVFILT_READ" };

static const char *name_of(const struct kevent *kev)
{
	return name[~kev->filter];
}

/* The members have the types of <stdint.h>, by whatever names. */
static uint64_t sum(const struct kevent *kev)
{
	const uintptr_t *ident = &kev->ident;
	const int64_t *data = &kev->data;
	const uint64_t *ext = kev->ext;

	return *ident + (uint64_t)*data + *ext;
}

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
	if (!name_of(&kev[0]) || sum(&kev[0]) != 3)
		return 1;
	set(&kev[0]);
	if (kqueue_info(kq, &info) || !kqueue_has_filter(&info, EVFILT_USER))
		return 1;
	if (kevent(kq, kev, 1, NULL, 0, NULL))
		return 1;
	return wait_fn(kq, NULL, 0, kev, 2, forever) != evaluations;
}
