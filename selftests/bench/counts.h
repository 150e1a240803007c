/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel counts; see counts.c. */
#ifndef KEVENT_BENCH_COUNTS_H
#define KEVENT_BENCH_COUNTS_H

#include <stdbool.h>

enum {
	SLEEPS,			/* of threads of ours */
	CALLS,			/* that collect: for who makes them to count */
	INTERRUPTS,		/* that one CPU has sent another */
	LOCKS,			/* taken, all that there are */
	OWN_LOCKS,		/* those of which the name begins with ... */
	OWN_BOUNCED,		/* ... that another CPU had before */
	OWN_CONTENDED,		/* ... that were not free */
	COUNTS
};

/* Since the beginning; of locks, while they are counted. @own: see OWN_LOCKS. */
void counts_read(double count[COUNTS], const char *own);
bool counts_have_locks(void);
void counts_switch_locks(bool on);

#endif /* KEVENT_BENCH_COUNTS_H */
