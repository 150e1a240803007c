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

/* Does a wake-up matter to the knote? Without a key, the source does not say. */
static inline bool poll_concerns(const struct knote *kn, void *key)
{
	__poll_t events = key_to_poll(key);

	return !events || (events & (knote_events(kn) | POLLFREE));
}

/*
 * For callbacks: if the wait queue is going (POLLFREE), the entry must be out of it
 * before they return. Once whead is NULL, nothing keeps detach from finishing and the
 * knote from being freed, so that comes last.
 */
static inline void poll_leave_freed(wait_queue_entry_t *wait,
				    wait_queue_head_t **whead, void *key)
{
	if (!(key_to_poll(key) & POLLFREE))
		return;
	list_del_init(&wait->entry);
	/* Pairs with who reads it before he locks the wait queue. */
	smp_store_release(whead, NULL);
}

int fd_poll_attach(struct knote *kn);
void fd_poll_detach(struct knote *kn);
int fd_poll_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key);
__poll_t fd_poll(struct knote *kn);

/* For what knows no better: ready if its poll method says so, and 1. */
bool poll_readable(struct knote *kn, struct kevent_record *kev);
bool poll_writable(struct knote *kn, struct kevent_record *kev);

#endif /* _KEVENT_FILTERS_POLL_H */
