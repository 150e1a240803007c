/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many registrations of one filter, each with something to report: of as many
 * duplicates of one descriptor, or of as many idents.
 */
#ifndef KEVENT_SELFTESTS_CROWD_H
#define KEVENT_SELFTESTS_CROWD_H

#include "common.h"
#include "peers.h"

#define CROWD_FIRST_FD	200	/* the number of the first duplicate */

/**
 * struct crowd - registrations, with udata 0, 1, 2 ...
 * @kq: the queue
 * @filter: their filter
 * @flags: properties to make them with
 * @fd: of a descriptor's filter: the source. Else -1
 * @n: how many
 */
struct crowd {
	int kq;
	int filter;
	int flags;
	int fd;
	int n;
};

/* Properties to make one with: all ways of delivery. */
static const int crowd_ways[] = { 0, EV_CLEAR, EV_ONESHOT, EV_DISPATCH };

static inline uintptr_t crowd_ident(const struct crowd *c, int i)
{
	return c->fd < 0 ? i : CROWD_FIRST_FD + i;
}

/* Make the @i-th anew, with something to report. Returns 0, or the errno. */
static inline int crowd_make_one(const struct crowd *c, int i)
{
	bool timer = c->filter == EVFILT_TIMER;
	uintptr_t ident = crowd_ident(c, i);
	int err;

	if (c->fd >= 0 && dup2(c->fd, ident) < 0)
		return errno;
	kq_set(c->kq, ident, c->filter, EV_DELETE);
	err = kq_change(c->kq, ident, c->filter, EV_ADD | c->flags,
			timer ? NOTE_ABSTIME : 0, timer, UD(i));
	if (!err && c->filter == EVFILT_USER)
		err = kq_change(c->kq, ident, EVFILT_USER, 0, NOTE_TRIGGER, 0, UD(i));
	return err;
}

/* Make them all anew, in order. Returns 0, or the errno. */
static inline int crowd_make(const struct crowd *c)
{
	int i, err = 0;

	for (i = 0; i < c->n && !err; i++)
		err = crowd_make_one(c, i);
	/* Timers take a moment. */
	if (!err && c->filter == EVFILT_TIMER &&
	    !WAIT_FOR(fdinfo_queued(c->kq) == c->n))
		err = ETIME;
	return err;
}

/* Remove those that are still there. */
static inline void crowd_remove(const struct crowd *c)
{
	int i;

	for (i = 0; i < c->n; i++)
		kq_set(c->kq, crowd_ident(c, i), c->filter, EV_DELETE);
}

#endif /* KEVENT_SELFTESTS_CROWD_H */
