/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests about what a user may have: queues of users that nobody else is, and
 * how many registrations fit in.
 */
#ifndef KEVENT_SELFTESTS_QUOTA_H
#define KEVENT_SELFTESTS_QUOTA_H

#include "common.h"

#define MAX_USER_KNOTES	KQ_PARAM("max_user_knotes")

#define ALICE		54321
#define BOB		54322

/* A new queue that is charged to @uid; -1, and errno, if there is none. */
static inline int queue_of(uid_t uid)
{
	int kq, err;

	if (setresuid(0, 0, 0) || setresuid(uid, uid, 0))
		return -1;
	kq = kqueue();
	err = errno;
	if (setresuid(0, 0, 0))
		return -1;
	errno = err;
	return kq;
}

/* Add user events @first .. @last. Returns 0, or the first errno. */
static inline int add_users(int kq, int first, int last)
{
	int i, err = 0;

	for (i = first; i <= last && !err; i++)
		err = kq_set(kq, i, EVFILT_USER, EV_ADD);
	return err;
}

/* The most that a queue counts for; it is far less. */
#define QUEUE_COST_MOST	64

/*
 * How many registrations a queue counts for: the lowest limit with which one can
 * be made. -1 if there is none. Changes the limit. Needs root.
 */
static inline long queue_cost(void)
{
	long n;
	int kq;

	for (n = 0; n <= QUEUE_COST_MOST; n++) {
		if (write_number(MAX_USER_KNOTES, n))
			return -1;
		kq = queue_of(ALICE);
		if (kq >= 0) {
			close(kq);
			return n;
		}
	}
	return -1;
}

#endif /* KEVENT_SELFTESTS_QUOTA_H */
