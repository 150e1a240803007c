/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kinds of descriptors. The filters (fd.c) choose one when a descriptor is
 * registered and ask it from then on. Below each other:
 *
 *	fd.c		the filters
 *	kind.c		the table of kinds, and which one a file is
 *	turn.c		a kind around others: NOTE_EXCLUSIVE
 *	pipe.c ...	the kinds
 *	poll.c		wait queues and poll methods
 */
#ifndef _KEVENT_FILTERS_KIND_H
#define _KEVENT_FILTERS_KIND_H

#include "../knote.h"

/* Indices of the table, kept in knote.kind. */
enum fd_kind_index {
	FD_OTHER,
	FD_SOCKET,
	FD_SOCKET_OTHER,
	FD_PIPE,
	FD_EVENTFD,
	FD_QUEUE,
	FD_FIONREAD,
	FD_FILE,
	FD_PLAIN,
	FD_TURNS,
	FD_KINDS
};

/*
 * Its functions may wait for others: for a driver, a server in user space, a
 * lock that is held while somebody's memory is copied. Knotes of such a kind
 * get KNOTE_SLOW. Of the kinds without it, each says why it does not wait.
 */
#define FD_KIND_SLOW	BIT(0)
/* Has wait queues and a poll method that is to be believed. */
#define FD_KIND_POLLED	BIT(1)
/* Only its attach and detach may wait for others: KNOTE_SLOW_ENDS. */
#define FD_KIND_SLOW_ENDS	BIT(2)
/*
 * Its wait queue is no other's, and what it is woken for is the same for all who wait:
 * one of them can see to it. Not so signalfds, which share theirs with those of other
 * signals, or the readers of /dev/kmsg, each of whom reads all.
 */
#define FD_KIND_TURNS	BIT(3)

/**
 * struct fd_kind - the functions of a kind
 * @flags: FD_KIND_*
 * @attach: connect a knote of any of the filters, as kevent_filter.attach does.
 *	The caller takes the reference to the file
 * @detach: disconnect it
 * @readable: the event function of EVFILT_READ
 * @writable: the event function of EVFILT_WRITE
 * @measure: as kevent_filter.measure, for EVFILT_READ. Optional
 */
struct fd_kind {
	unsigned int flags;
	int (*attach)(struct knote *kn);
	void (*detach)(struct knote *kn);
	bool (*readable)(struct knote *kn, struct kevent_record *kev);
	bool (*writable)(struct knote *kn, struct kevent_record *kev);
	s64 (*measure)(struct knote *kn, void __user *scratch);
};

extern const struct fd_kind *const fd_kinds[FD_KINDS];

enum fd_kind_index fd_kind_of(struct file *file);

static inline const struct fd_kind *knote_kind(const struct knote *kn)
{
	return fd_kinds[kn->kind];
}

/*
 * Of the kinds of which a program has very many? They have a wait queue, and all that
 * is done with them takes a short time. To detach one, the close hook may not sleep;
 * and what attach has found of it holds as long as it is attached, but that a pipe
 * had a reader.
 */
static inline bool knote_is_usual_fd(const struct knote *kn)
{
	return (kn->filter == EVFILT_READ || kn->filter == EVFILT_WRITE) &&
	       (kn->kind == FD_SOCKET || kn->kind == FD_PIPE ||
		kn->kind == FD_EVENTFD);
}

/* eventfd.c; see eventfd.h */
extern const struct fd_kind eventfd_kind;
bool file_is_eventfd(struct file *file);

/* pipe.c */
extern const struct fd_kind pipe_kind;
bool pipe_readable(struct knote *kn, struct kevent_record *kev);

/* queue.c */
extern const struct fd_kind queue_kind;

/* socket.c */
extern const struct fd_kind socket_kind;
extern const struct fd_kind socket_other_kind;
bool file_is_quick_socket(struct file *file);
bool socket_readable(struct knote *kn, struct kevent_record *kev);
bool socket_empty(struct knote *kn, struct kevent_record *kev);

/* turn.c; see turn.h */
extern const struct fd_kind turns_kind;

/* vnode.c: FD_KIND_*, for EVFILT_VNODE alone; to it, all files are one kind */
unsigned int vnode_flags(const struct file *file);

/* fionread.c */
extern const struct fd_kind fionread_kind;
bool file_has_fionread(const struct file *file);

#endif /* _KEVENT_FILTERS_KIND_H */
