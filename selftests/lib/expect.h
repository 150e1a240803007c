/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a test expects to find in a queue.
 */
#ifndef KEVENT_SELFTESTS_EXPECT_H
#define KEVENT_SELFTESTS_EXPECT_H

#include <limits.h>

#include "common.h"

/* A value of data that the test does not look at. */
#define ANY	LLONG_MIN

/*
 * The queue has exactly one event, or gets it within LIMIT_MS, and it is as
 * given. Of its flags, EV_EOF and EV_ERROR are compared.
 */
#define ASSERT_EVENT(queue, id, filt, num, eof, ff) do {		\
	struct kevent got_[4] = { 0 };					\
	long long num_ = (num);						\
									\
	ASSERT_EQ(1, kq_wait(queue, got_, 4, LIMIT_MS));		\
	ASSERT_EQ((uintptr_t)(id), got_[0].ident);			\
	ASSERT_EQ(filt, got_[0].filter);				\
	ASSERT_EQ(eof, got_[0].flags & (EV_EOF | EV_ERROR));		\
	ASSERT_EQ((unsigned int)(ff), got_[0].fflags);			\
	ASSERT_EQ(num_, num_ == ANY ? ANY : (long long)got_[0].data);		\
} while (0)

/* The usual event: neither end of file nor fflags. */
#define ASSERT_READY(queue, id, filt, num)				\
	ASSERT_EVENT(queue, id, filt, num, 0, 0)

/* Nothing is there now, where it would have come at once. */
#define ASSERT_NONE(queue)	ASSERT_EQ(0, kq_count(queue))

/* Nothing comes. */
#define ASSERT_QUIET(queue) do {					\
	struct kevent got_[1];						\
									\
	ASSERT_EQ(0, kq_wait(queue, got_, 1, QUIET_MS));		\
} while (0)

/*
 * Wait until the first event of the queue has @want as its data. Returns the
 * last data seen, or -1 if there was no event.
 */
static inline long long kq_data(int kq, long long want)
{
	long long end = ts_ms() + LIMIT_MS;
	struct kevent ev;
	long long data;

	do {
		data = kq_wait(kq, &ev, 1, QUIET_MS) == 1 ? ev.data : -1;
	} while (data != want && ts_ms() < end);
	return data;
}

/* The only, level-triggered knote of the queue settles at this data. */
#define ASSERT_DATA(queue, want) do {					\
	long long want_ = (want);						\
									\
	ASSERT_EQ(want_, kq_data(queue, want_));			\
} while (0)

/* A new queue with one knote in it, or -1. */
static inline int kq_with(uintptr_t ident, int filter, int flags,
			  unsigned int fflags, long long data)
{
	int kq = kq_open();

	if (kq < 0)
		return -1;
	errno = kq_change(kq, ident, filter, flags, fflags, data, NULL);
	if (!errno)
		return kq;
	fprintf(stderr, "# cannot watch %ju: %s\n", (uintmax_t)ident,
		strerror(errno));
	close(kq);
	return -1;
}

#endif /* KEVENT_SELFTESTS_EXPECT_H */
