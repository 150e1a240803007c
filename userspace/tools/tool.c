// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the tools share. The queue tells them of signals, so they have no handlers, and
 * nothing that could interrupt anything.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>

#include "tool.h"

#include <kevent.h>

/* --- Talking --------------------------------------------------------------------- */

static void talk(FILE *to, const char *fmt, va_list args)
{
	flockfile(to);
	fprintf(to, "%s: ", tool_name);
	vfprintf(to, fmt, args);
	putc('\n', to);
	fflush(to);
	funlockfile(to);
}

/* What happens, in one line. */
void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	talk(stdout, fmt, args);
	va_end(args);
}

/* What goes wrong, likewise. */
void complain(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	talk(stderr, fmt, args);
	va_end(args);
}

/* --- Memory ---------------------------------------------------------------------- */

/* As realloc(); there is no way to go on without. */
void *get_memory(void *old, size_t size)
{
	void *p = realloc(old, size);

	if (p)
		return p;
	complain("there is no memory");
	exit(EXIT_TROUBLE);
}

/* An array of elements of that size, which is full, gets twice as much room. */
void *get_more(void *array, size_t *room, size_t size)
{
	*room = *room ? 2 * *room : 8;
	return get_memory(array, *room * size);
}

char *copy_text(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(get_memory(NULL, size), text, size);
}

/* --- The queue ------------------------------------------------------------------- */

/* Returns -1 if there is none, which was said. */
int open_queue(void)
{
	int kq = kqueue();

	if (kq < 0)
		complain("no queue: %s", kqueue_strerror(errno));
	return kq;
}

/* Make a change. False if that fails, with the errno. */
bool apply(int kq, uintptr_t ident, short filter, int flags, unsigned int fflags,
	   long long data, void *udata)
{
	struct kevent kev;

	EV_SET(&kev, ident, filter, flags, fflags, data, udata);
	return !kevent(kq, &kev, 1, NULL, 0, NULL);
}

/*
 * Have the queue tell of these signals, ended by 0, whatever becomes of them. As it
 * does so from now on, they are blocked only after that, so that none is lost.
 */
bool watch_signals(int kq, const int *sig)
{
	for (; *sig; sig++)
		if (!apply(kq, *sig, EVFILT_SIGNAL, EV_ADD, 0, 0, NULL))
			return false;
	return true;
}

/* Nothing else becomes of them. @set has them then. */
bool block_signals(const int *sig, sigset_t *set)
{
	sigemptyset(set);
	for (; *sig; sig++)
		sigaddset(set, *sig);
	return !sigprocmask(SIG_BLOCK, set, NULL);
}
