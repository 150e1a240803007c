/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * <sys/event.h> - FreeBSD's kqueue interface, on Linux
 *
 * Link with -lkevent. The numbers come from <linux/kevent.h>; kqueue(2) and
 * kevent(4) describe what they do. For C89 and later and C++98 and later, in
 * 64-bit and 32-bit programs.
 */

/*
 * What programs find here on BSDs. Not for <kevent-port.h>: that comes before
 * everything else, and the first header of libc ends the time in which a program
 * can say which libc it wants (_GNU_SOURCE and the like). So nothing below needs
 * these, and the program gets them when it includes <sys/event.h> itself.
 */
#ifndef __KEVENT_WITHOUT_LIBC
#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#endif

#ifndef _SYS_EVENT_H
#define _SYS_EVENT_H

#include <linux/kevent.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Some modes of some compilers hide it: prototypes need no more than this. */
struct timespec;

/* What <stdint.h> calls uintptr_t, int64_t and uint64_t, as compilers know it. */
#ifdef __UINT64_TYPE__
typedef __UINTPTR_TYPE__ __kevent_uintptr_t;
typedef __INT64_TYPE__ __kevent_int64_t;
typedef __UINT64_TYPE__ __kevent_uint64_t;
#else
#include <stdint.h>
typedef uintptr_t __kevent_uintptr_t;
typedef int64_t __kevent_int64_t;
typedef uint64_t __kevent_uint64_t;
#endif

/*
 * A 32-bit program hands the kernel the same 64 bytes as a 64-bit one, so the
 * two pointer-sized members are filled up to 64 bits. EV_SET() clears what is
 * added; a program that fills the members itself should name them (.ident =),
 * not count them.
 */
#if __SIZEOF_POINTER__ > 4
#define __KEVENT_PAD_BEFORE	0
#define __KEVENT_PAD_AFTER	0
#elif __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define __KEVENT_PAD_BEFORE	1
#define __KEVENT_PAD_AFTER	0
#else
#define __KEVENT_PAD_BEFORE	0
#define __KEVENT_PAD_AFTER	1
#endif

/**
 * struct kevent - one change to a queue, or one event from it
 * @ident: what is watched: a descriptor, a timer's or trigger's name, ...
 * @filter: the kind of source, one of EVFILT_*
 * @flags: EV_* actions (in), EV_EOF and EV_ERROR (out)
 * @fflags: flags of the filter, NOTE_*
 * @data: a value of the filter: bytes, connections, expirations, an errno
 * @udata: the program's own, returned with each event
 * @ext: ext[0] and ext[1] are the filter's where it has a use for them;
 *	ext[2] and ext[3] are always the program's own
 */
struct kevent {
#if __KEVENT_PAD_BEFORE
	unsigned int __ident_pad;
#endif
	__kevent_uintptr_t ident;
#if __KEVENT_PAD_AFTER
	unsigned int __ident_pad;
#endif
	short filter;
	unsigned short flags;
	unsigned int fflags;
	__kevent_int64_t data;
#if __KEVENT_PAD_BEFORE
	unsigned int __udata_pad;
#endif
	void *udata;
#if __KEVENT_PAD_AFTER
	unsigned int __udata_pad;
#endif
	__kevent_uint64_t ext[4];
};

/* The work of EV_SET(): as a function, each argument is evaluated once. */
static __inline void __kevent_set(struct kevent *kevp, __kevent_uintptr_t ident,
				  short filter, unsigned short flags,
				  unsigned int fflags, __kevent_int64_t data,
				  void *udata)
{
	kevp->ident = ident;
	kevp->filter = filter;
	kevp->flags = flags;
	kevp->fflags = fflags;
	kevp->data = data;
	kevp->udata = udata;
	kevp->ext[0] = 0;
	kevp->ext[1] = 0;
	kevp->ext[2] = 0;
	kevp->ext[3] = 0;
#if __KEVENT_PAD_BEFORE || __KEVENT_PAD_AFTER
	kevp->__ident_pad = 0;
	kevp->__udata_pad = 0;
#endif
}

#undef __KEVENT_PAD_BEFORE
#undef __KEVENT_PAD_AFTER

/* Fill *@kevp; ext becomes 0. A call without a value, as FreeBSD's macro. */
#define EV_SET(kevp, ident, filter, flags, fflags, data, udata)		\
	__kevent_set((kevp), (ident), (filter), (flags), (fflags),	\
		     (data), (udata))

/*
 * Names that are not for the kernel, only for programs that have them from
 * elsewhere. See kevent-port(7) for those that are left out, and why.
 */

/* Arrays of this size have a place for each filter f, at ~f: FreeBSD, libkqueue. */
#define EVFILT_SYSCOUNT		(-KEVENT_FILTER_MIN)

/* The end of a child, with its status in data: macOS, libkqueue. Here as with any. */
#define NOTE_EXITSTATUS		NOTE_EXIT

/* kqueuex() */
#define KQUEUE_CLOEXEC		0x00000001

/*
 * Where the size of time_t is the program's choice (_TIME_BITS, glibc on
 * 32-bit machines), kevent() has a second entry for the larger one.
 */
#if defined(__TIMESIZE) && defined(_TIME_BITS)
#if __TIMESIZE == 32 && _TIME_BITS == 64
#define __KEVENT_TIME64		__asm__("__kevent_time64")
#endif
#endif
#ifndef __KEVENT_TIME64
#define __KEVENT_TIME64
#endif

/* Make a new queue, close-on-exec. Returns its descriptor, or -1 and errno. */
int kqueue(void);

/* The same, with @flags of O_CLOEXEC and O_NONBLOCK, as on NetBSD. */
int kqueue1(int flags);

/* The same, with @flags of KQUEUE_CLOEXEC, as on FreeBSD. */
int kqueuex(unsigned int flags);

/*
 * Apply @nchanges changes to the queue @kq, then wait at most @timeout (NULL:
 * for ever) for events and store up to @nevents of them. Returns how many were
 * stored, 0 after the time has passed, or -1 and errno.
 */
int kevent(int kq, const struct kevent *changelist, int nchanges,
	   struct kevent *eventlist, int nevents,
	   const struct timespec *timeout) __KEVENT_TIME64;

#undef __KEVENT_TIME64

#ifdef __cplusplus
}
#endif

#endif /* _SYS_EVENT_H */
