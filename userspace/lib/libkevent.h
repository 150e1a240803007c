/* SPDX-License-Identifier: BSD-2-Clause */
/* What the sources of libkevent share. */
#ifndef LIBKEVENT_H
#define LIBKEVENT_H

#include <linux/kevent.h>

#include <stdint.h>

#define KEVENT_DEVICE	"/dev/kevent"
#define KEVENT_SYSFS	"/sys/class/misc/kevent"

/* The rest of the library is compiled with -fvisibility=hidden. */
#define PUBLIC		__attribute__((visibility("default")))

/* struct timespec of a 32-bit program with a 64-bit time_t. */
struct timespec_64 {
	int64_t tv_sec;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	int32_t pad;
	int32_t tv_nsec;
#else
	int32_t tv_nsec;
	int32_t pad;
#endif
};

struct kevent;

/* kevent() of such a program, if others have a 32-bit one: <sys/event.h>. */
int __kevent_time64(int kq, const struct kevent *changelist, int nchanges,
		    struct kevent *eventlist, int nevents,
		    const struct timespec_64 *timeout);

#endif /* LIBKEVENT_H */
