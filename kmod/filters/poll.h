/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wait queues of files, and their poll methods. Knows knotes, and nothing of
 * what kinds of files there are.
 */
#ifndef _KEVENT_FILTERS_POLL_H
#define _KEVENT_FILTERS_POLL_H

#include <linux/fs.h>
#include <linux/poll.h>

#include "../knote.h"

/* What each filter asks a poll method for. */
#define EVENTS_READ	(EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define EVENTS_WRITE	(EPOLLOUT | EPOLLWRNORM | EPOLLHUP | EPOLLERR)
#define EVENTS_EXCEPT	(EPOLLPRI)

/* What the filter waits for; knote.events keeps it in less space. */
static inline __poll_t knote_events(const struct knote *kn)
{
	return (__force __poll_t)kn->events;
}

int fd_poll_attach(struct knote *kn);
void fd_poll_detach(struct knote *kn);
__poll_t fd_poll(struct knote *kn);

/* For what knows no better: ready if its poll method says so, and 1. */
bool poll_readable(struct knote *kn, struct kevent_record *kev);
bool poll_writable(struct knote *kn, struct kevent_record *kev);

#endif /* _KEVENT_FILTERS_POLL_H */
