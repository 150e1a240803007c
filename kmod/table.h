/* SPDX-License-Identifier: GPL-2.0 */
/* The tables of a queue's knotes. All under kq->mtx. */
#ifndef _KEVENT_TABLE_H
#define _KEVENT_TABLE_H

#include <linux/nospec.h>

#include "kqueue.h"

/* So many knotes of a queue may be hidden: they can all be of one ident. */
#define KQUEUE_HIDDEN_MAX	8

struct knote *table_look_up(struct kqueue *kq, u64 ident, s16 filter);
struct knote *table_find_hidden(struct kqueue *kq, u64 ident, s16 filter);
int table_hide(struct kqueue *kq, struct knote *kn);
int table_add(struct kqueue *kq, struct knote *kn);
void table_remove(struct kqueue *kq, struct knote *kn);
void table_free_fds(struct kqueue *kq);
struct knote *table_empty_idents(struct kqueue *kq);

static inline struct knote *table_find_ident(struct kqueue *kq, u64 ident,
					     s16 filter)
{
	struct knote *kn = kq->last_ident;

	if (kn && kn->ident == ident && kn->filter == filter)
		return kn;
	return table_look_up(kq, ident, filter);
}

static inline bool knote_is_fd(const struct knote *kn)
{
	return kn->ops->flags & KEVENT_FILTER_FD;
}

static inline struct knote *table_find_fd(struct kqueue *kq, unsigned int fd,
					  s16 filter)
{
	struct knote *kn;

	if (fd >= kq->nfds)
		return NULL;
	kn = kq->fds[array_index_nospec(fd, kq->nfds)];
	while (kn && kn->filter != filter)
		kn = kn->fd_next;
	return kn;
}

static inline struct knote *table_find(struct kqueue *kq,
				       const struct kevent_filter *ops,
				       u64 ident, s16 filter)
{
	return ops->flags & KEVENT_FILTER_FD ?
		table_find_fd(kq, ident, filter) :
		table_find_ident(kq, ident, filter);
}

#endif /* _KEVENT_TABLE_H */
