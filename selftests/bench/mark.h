/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What "make profile" sees of the benchmark: NOPs, which nobody else takes for more.
 * What is between two readings of the clock is one pass of an operation, and after
 * it is said to which series it belongs.
 */
#ifndef KEVENT_BENCH_MARK_H
#define KEVENT_BENCH_MARK_H

#define MARK_START	1	/* the clock has been read */
#define MARK_END	2	/* it is about to be */
#define MARK_ZERO	3	/* a bit of a number, the highest first */
#define MARK_ONE	4
#define MARK_SERIES	5	/* the number is that of the last pass's series */
#define MARK_RELOAD	6	/* the module has been loaded anew */

/* An address that is not used, with this in it. */
#define MARK_BASE	0x4b450000

#ifdef __x86_64__
#define MARK(n) \
	({ __asm__ __volatile__("nopl %c0(%%rax)" : : "i" (MARK_BASE + (n)) : "memory"); })
#else
#define MARK(n) do { } while (0)
#endif

static inline void mark_series(unsigned int number)
{
	unsigned int bit;

	for (bit = 1 << 15; bit; bit >>= 1) {
		if (number & bit)
			MARK(MARK_ONE);
		else
			MARK(MARK_ZERO);
	}
	MARK(MARK_SERIES);
}

#endif /* KEVENT_BENCH_MARK_H */
