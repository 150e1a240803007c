// SPDX-License-Identifier: BSD-2-Clause
/*
 * kevent(): one ioctl. struct kevent is the kernel's record (layout.c), so
 * the lists are never copied; only a timespec with 32-bit members is.
 */
/* Both sizes of time_t have an entry here; time_t itself is the original. */
#undef _TIME_BITS

#include <sys/event.h>

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include <linux/time_types.h>

#include "libkevent.h"

/* Only a queue answers this one. */
static int is_queue(int fd)
{
	struct kevent_info info = { .size = sizeof(info) };

	return ioctl(fd, KEVENT_IOC_INFO, &info) == 0;
}

/*
 * A descriptor that is not a queue is EBADF, whatever its driver says to an
 * ioctl that it does not know (most say ENOTTY). So ask before believing an
 * error, except those that only a queue gives and that may be frequent.
 */
static int failed(int kq)
{
	int err = errno;

	if (err != EINTR && err != ENOENT && err != EBADF && !is_queue(kq))
		err = EBADF;
	errno = err;
	return -1;
}

/* @timeout: address of a struct __kernel_timespec, or 0 */
static inline int call(int kq, const struct kevent *changelist, int nchanges,
		       struct kevent *eventlist, int nevents, uintptr_t timeout)
{
	struct kevent_args args = {
		.size = sizeof(args),
		.changes = (uintptr_t)changelist,
		.events = (uintptr_t)eventlist,
		.nchanges = nchanges,
		.nevents = nevents,
		.timeout = timeout,
	};
	int n = ioctl(kq, KEVENT_IOC_KEVENT, &args);

	return n < 0 ? failed(kq) : n;
}

#if UINTPTR_MAX > 0xffffffffUL

/* The kernel's timespec is the program's. */
static_assert(sizeof(struct timespec) == sizeof(struct __kernel_timespec),
	      "struct timespec");

PUBLIC int kevent(int kq, const struct kevent *changelist, int nchanges,
		  struct kevent *eventlist, int nevents,
		  const struct timespec *timeout)
{
	return call(kq, changelist, nchanges, eventlist, nevents,
		    (uintptr_t)timeout);
}

#else

static int call_until(int kq, const struct kevent *changelist, int nchanges,
		      struct kevent *eventlist, int nevents,
		      int64_t sec, int64_t nsec)
{
	struct __kernel_timespec timeout = { .tv_sec = sec, .tv_nsec = nsec };

	return call(kq, changelist, nchanges, eventlist, nevents,
		    (uintptr_t)&timeout);
}

PUBLIC int kevent(int kq, const struct kevent *changelist, int nchanges,
		  struct kevent *eventlist, int nevents,
		  const struct timespec *timeout)
{
	if (!timeout)
		return call(kq, changelist, nchanges, eventlist, nevents, 0);
	return call_until(kq, changelist, nchanges, eventlist, nevents,
			  timeout->tv_sec, timeout->tv_nsec);
}

#if defined(__TIMESIZE) && __TIMESIZE == 32

PUBLIC int __kevent_time64(int kq, const struct kevent *changelist,
			   int nchanges, struct kevent *eventlist, int nevents,
			   const struct timespec_64 *timeout)
{
	if (!timeout)
		return call(kq, changelist, nchanges, eventlist, nevents, 0);
	return call_until(kq, changelist, nchanges, eventlist, nevents,
			  timeout->tv_sec, timeout->tv_nsec);
}

#endif /* __TIMESIZE */
#endif /* UINTPTR_MAX */
