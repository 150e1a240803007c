/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * <kevent-port.h> - for programs that do not expect kqueue on Linux
 *
 * They have it, but for the BSDs only, and need a little help to be built here. It
 * is not for them to include: let the compiler do that, before all else, with
 *
 *	cc $(pkg-config --cflags libkevent-port) ...
 *
 * which comes to -include kevent-port.h. kevent-port(7) tells which program needs
 * what.
 *
 * For C and C++ as in <sys/event.h>, and assembler, where it is empty.
 */
#ifndef _KEVENT_PORT_H
#define _KEVENT_PORT_H

#ifndef __ASSEMBLER__

/*
 * The header for programs that include it on BSDs only, as nginx does. The one beside
 * this, whatever else is called so.
 *
 * Nothing of libc comes with it, so what the program then defines (_GNU_SOURCE,
 * _POSIX_C_SOURCE, _FILE_OFFSET_BITS) is as good as ever. But where time_t can have
 * two sizes, so does kevent(), and libc's headers say which: there these have to be
 * on the command line.
 */
#if __SIZEOF_LONG__ > 4
#define __KEVENT_WITHOUT_LIBC
#endif
#include "sys/event.h"
#undef __KEVENT_WITHOUT_LIBC

/*
 * nginx defines it with epoll, but not if there is kqueue as well, and uses it, if
 * epoll is what its configuration chooses. In the words of nginx, so that this is no
 * other definition where it has its own.
 */
#define NGX_EXCLUSIVE_EVENT	EPOLLEXCLUSIVE

/*
 * Numbers in udata, which was an integer on NetBSD: libevent has some. Compilers of
 * today refuse that in C (gcc from 14 on, clang from 16 on).
 */
#ifndef __cplusplus
#ifdef __clang__
#if __has_warning("-Wint-conversion")
#pragma clang diagnostic ignored "-Wint-conversion"
#endif
#elif defined(__GNUC__) && __GNUC__ >= 5
#pragma GCC diagnostic ignored "-Wint-conversion"
#endif
#endif

#endif /* __ASSEMBLER__ */

#endif /* _KEVENT_PORT_H */
