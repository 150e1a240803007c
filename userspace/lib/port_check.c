// SPDX-License-Identifier: BSD-2-Clause
/*
 * A program such as <kevent-port.h> is for: it says which libc it wants, without asking
 * whether that was said before, never includes <sys/event.h>, and keeps numbers in
 * udata. "make check-headers" compiles it with that header before it, in every dialect,
 * with warnings as errors; it is part of no library.
 */
#define _FILE_OFFSET_BITS	64
#ifdef WANTS_GNU
#define _GNU_SOURCE
#endif
#ifdef WANTS_POSIX
#define _POSIX_C_SOURCE		200112L
#endif
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

/* As nginx has it where it finds no kqueue. */
#define NGX_EXCLUSIVE_EVENT	EPOLLEXCLUSIVE

/* There are two functions of this name: the macros decide which it is. */
#ifdef WANTS_GNU
static char *(*const text)(int, char *, size_t) = strerror_r;
#endif
#ifdef WANTS_POSIX
static int (*const text)(int, char *, size_t) = strerror_r;
#endif

int main(void)
{
	struct timespec now = { 0, 0 };
	struct kevent kev;
	char line[80];

#ifdef __cplusplus
	EV_SET(&kev, 0, EVFILT_USER, EV_ADD, 0, 0, line);
	line[0] = '\0';
#else
	EV_SET(&kev, 0, EVFILT_USER, EV_ADD, 0, 0, 1);
	if (!text(0, line, sizeof(line)))
		return 1;
#endif
	return kevent(kqueue(), &kev, 1, &kev, 1, &now) & (int)NGX_EXCLUSIVE_EVENT;
}
