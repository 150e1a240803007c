// SPDX-License-Identifier: GPL-2.0
/* Applying changes: making, finding, modifying and dropping knotes. */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "compat.h"
#include "fdclose.h"
#include "kqueue.h"
#include "trace.h"

/* The smallest table of descriptors; it grows to the largest number seen. */
#define KQUEUE_FDS_MIN	64

/* Up to this size it is not charged to the user's limit. */
#define KQUEUE_FDS_FREE	256

#define EV_KNOWN	(EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | \
			 EV_ONESHOT | EV_CLEAR | EV_RECEIPT | EV_DISPATCH | \
			 EV_FORCEONESHOT | EV_KEEPUDATA)

const struct rhashtable_params kqueue_ident_params = {
	.key_len = KNOTE_KEY_LEN,
	.key_offset = offsetof(struct knote, ident),
	.head_offset = offsetof(struct knote, hash),
	.automatic_shrinking = true,
};

static bool knote_is_fd(const struct knote *kn)
{
	return kn->ops->flags & KEVENT_FILTER_FD;
}

static struct knote *find_fd(struct kqueue *kq, unsigned int fd, s16 filter)
{
	struct knote *kn;

	if (fd >= kq->nfds)
		return NULL;
	kn = kq->fds[array_index_nospec(fd, kq->nfds)];
	while (kn && kn->filter != filter)
		kn = kn->fd_next;
	return kn;
}

static struct knote *find_ident(struct kqueue *kq, u64 ident, s16 filter)
{
	struct {
		u64 ident;
		s16 filter;
	} key = { ident, filter };

	BUILD_BUG_ON(offsetof(struct knote, filter) !=
		     offsetof(struct knote, ident) + sizeof(u64));
	return rhashtable_lookup_fast(&kq->idents, &key, kqueue_ident_params);
}

/*
 * What a table of descriptors costs its user. One for a few hundred is little
 * beside the queue and its file; but a high number in each of many queues is
 * not to be had for one registration each.
 */
static long fds_units(unsigned int nfds)
{
	if (nfds <= KQUEUE_FDS_FREE)
		return 0;
	return nfds * sizeof(struct knote *) / sizeof(struct knote);
}

/* Make room for the number. It is that of an open file, which bounds it. */
static int grow_fds(struct kqueue *kq, unsigned int fd)
{
	unsigned int size = max_t(unsigned int, KQUEUE_FDS_MIN,
				  roundup_pow_of_two((unsigned long)fd + 1));
	long units = fds_units(size) - fds_units(kq->nfds);
	struct knote **fds;
	int ret;

	if (fd < kq->nfds)
		return 0;

	ret = kevent_user_charge(kq->user, units);
	if (ret)
		return ret;
	fds = kvcalloc(size, sizeof(*fds), GFP_KERNEL_ACCOUNT);
	if (!fds) {
		kevent_user_uncharge(kq->user, units);
		return -ENOMEM;
	}
	if (kq->nfds)
		memcpy(fds, kq->fds, kq->nfds * sizeof(*fds));
	kvfree(kq->fds);
	kq->fds = fds;
	kq->nfds = size;
	return 0;
}

/* Into the queue's table; the first descriptor also brings in the hook. */
static int knote_link(struct kqueue *kq, struct knote *kn)
{
	int ret;

	lockdep_assert_held(&kq->mtx);

	if (knote_is_fd(kn)) {
		if (!kq->nfd_knotes) {
			ret = fdclose_hook_get();
			if (ret)
				return ret;
		}
		kq->nfd_knotes++;
		kn->fd_next = kq->fds[kn->ident];
		kq->fds[kn->ident] = kn;
	} else {
		ret = rhashtable_insert_fast(&kq->idents, &kn->hash,
					     kqueue_ident_params);
		if (ret)
			return ret;
	}
	kn->status |= KNOTE_LINKED;
	return 0;
}

static void knote_unlink(struct kqueue *kq, struct knote *kn)
{
	struct knote **pos;

	lockdep_assert_held(&kq->mtx);

	if (!(kn->status & KNOTE_LINKED))
		return;
	kn->status &= ~KNOTE_LINKED;

	if (knote_is_fd(kn)) {
		pos = &kq->fds[kn->ident];
		while (*pos != kn)
			pos = &(*pos)->fd_next;
		*pos = kn->fd_next;
		if (!--kq->nfd_knotes)
			fdclose_hook_put();
	} else {
		rhashtable_remove_fast(&kq->idents, &kn->hash,
				       kqueue_ident_params);
	}
}

/* Detach and free a knote that is in no table and that nobody else drops. */
static void knote_destroy(struct kqueue *kq, struct knote *kn)
{
	kn->ops->detach(kn);
	kqueue_unqueue(kq, kn);
	knote_free(kn);
}

/*
 * Remove a knote. If its descriptor is being closed just now, it leaves the
 * queue's table here and the closing thread does the rest.
 */
void kqueue_drop(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	knote_unlink(kq, kn);
	if (!knote_is_fd(kn) || fdclose_unwatch(kn))
		knote_destroy(kq, kn);
}

/*
 * The close hook has taken the knote, with a reference to its queue, which may
 * have been closed since, and which the caller gives back.
 */
void kqueue_end_closed(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	knote_unlink(kq, kn);
	knote_destroy(kq, kn);
}

/* The same in the closing thread. */
void kqueue_drop_closed(struct knote *kn)
{
	struct kqueue *kq = kn->kq;

	mutex_lock(&kq->mtx);
	kqueue_end_closed(kq, kn);
	mutex_unlock(&kq->mtx);
	kqueue_put(kq);
}

static void drop_ident(void *ptr, void *arg)
{
	struct knote *kn = ptr;

	kn->status &= ~KNOTE_LINKED;
	knote_destroy(arg, kn);
}

/* Remove all knotes, and the tables. The queue is not used any more. */
void kqueue_drop_all(struct kqueue *kq)
{
	unsigned int fd;

	lockdep_assert_held(&kq->mtx);

	for (fd = 0; fd < kq->nfds; fd++) {
		while (kq->fds[fd])
			kqueue_drop(kq, kq->fds[fd]);
		cond_resched();
	}
	kvfree(kq->fds);
	kq->fds = NULL;
	kevent_user_uncharge(kq->user, fds_units(kq->nfds));
	kq->nfds = 0;

	rhashtable_free_and_destroy(&kq->idents, drop_ident, kq);
}

/*
 * Queue the knote if it has something to report now. While it is disabled that
 * waits: enabling it comes here again.
 */
static void knote_check(struct kqueue *kq, struct knote *kn)
{
	struct kevent_record scratch;

	lockdep_assert_held(&kq->mtx);

	if (kn->status & KNOTE_DISABLED)
		return;

	if (kn->status & KNOTE_PARKED) {
		kn->status &= ~KNOTE_PARKED;
		list_add_tail(&kn->ready, &kq->ready);
		WRITE_ONCE(kq->nready, kq->nready + 1);
		/* Pairs with those who wait for nready to change. */
		smp_mb();
		kqueue_wake(kq);
		return;
	}

	knote_fill(kn, &scratch);
	if ((kn->status & KNOTE_FORCED) || kn->ops->event(kn, &scratch))
		knote_activate(kn);
}

/* The flags of a change that act on a knote, new or not. */
static void knote_set_status(struct knote *kn, u16 flags)
{
	if (flags & EV_ENABLE)
		kn->status &= ~KNOTE_DISABLED;
	else if (flags & EV_DISABLE)
		kn->status |= KNOTE_DISABLED;

	if (flags & EV_FORCEONESHOT) {
		kn->flags |= EV_ONESHOT;
		kn->status |= KNOTE_FORCED;
	}
}

/*
 * Make a knote and connect it. @file is what the descriptor means, NULL for
 * filters of other idents. It becomes visible to the close hook last, when
 * there is nothing left that could fail but the descriptor's being closed.
 */
static int knote_create(struct kqueue *kq, const struct kevent_filter *ops,
			const struct kevent_record *kev, struct file *file)
{
	struct knote *kn;
	int ready, ret;

	if (file) {
		ret = grow_fds(kq, kev->ident);
		if (ret)
			return ret;
	}

	kn = knote_alloc(kq, ops, kev);
	if (IS_ERR(kn))
		return PTR_ERR(kn);

	/* Before attach, so that what fires is not delivered. */
	knote_set_status(kn, kev->flags);
	if (file)
		kn->poll.file = file;
	ready = ops->attach(kn);
	if (ready < 0) {
		/* It may have fired before attach failed. */
		kqueue_unqueue(kq, kn);
		knote_free(kn);
		return ready;
	}

	ret = knote_link(kq, kn);
	if (ret) {
		knote_destroy(kq, kn);
		return ret;
	}
	ret = file ? fdclose_watch(kn) : 0;
	if (ret) {
		kqueue_drop(kq, kn);
		return ret;
	}

	if (ready || (kn->status & KNOTE_FORCED))
		knote_check(kq, kn);
	return 0;
}

/*
 * Change a knote. As on FreeBSD, any change but EV_DELETE replaces udata, and
 * fflags and data unless the filter knows better; the properties and ext stay
 * as they were when the knote was made.
 */
static int knote_modify(struct kqueue *kq, struct knote *kn,
			const struct kevent_record *kev)
{
	int ret;

	if (kn->ops->touch) {
		ret = kn->ops->touch(kn, kev);
		if (ret)
			return ret;
	} else {
		kn->sfflags = kev->fflags;
		kn->sdata = kev->data;
	}
	if (!(kev->flags & EV_KEEPUDATA))
		kn->udata = kev->udata;

	knote_set_status(kn, kev->flags);
	knote_check(kq, kn);
	return 0;
}

static int apply(struct kqueue *kq, const struct kevent_filter *ops,
		 const struct kevent_record *kev, struct knote *kn,
		 struct file *file)
{
	if (!kn)
		return kev->flags & EV_ADD ? knote_create(kq, ops, kev, file) :
					     -ENOENT;
	if (!(kev->flags & EV_DELETE))
		return knote_modify(kq, kn, kev);

	kqueue_drop(kq, kn);
	return 0;
}

static int apply_fd(struct kqueue *kq, const struct kevent_filter *ops,
		    const struct kevent_record *kev)
{
	struct knote *kn;
	struct fd f;
	int ret;

	if (kev->ident > INT_MAX)
		return -EBADF;
	f = fdget(kev->ident);
	if (!fd_file(f))
		return -EBADF;

	/*
	 * The number may have been closed and used again by another thread,
	 * with the first one's hook still on its way to the knote.
	 */
	kn = find_fd(kq, kev->ident, kev->filter);
	if (kn && (kn->poll.file != fd_file(f) || knote_is_closed(kn))) {
		kqueue_drop(kq, kn);
		kn = NULL;
	}
	ret = apply(kq, ops, kev, kn, fd_file(f));
	fdput(f);
	return ret;
}

static int check_flags(u16 flags)
{
	if (flags & ~EV_KNOWN)
		return -EINVAL;
	if ((flags & EV_ENABLE) && (flags & EV_DISABLE))
		return -EINVAL;
	if ((flags & EV_KEEPUDATA) && (flags & EV_ADD))
		return -EINVAL;
	return 0;
}

/**
 * kqueue_apply() - apply one change
 * @kq: the queue, locked and not closed, of the caller's descriptor table
 * @kev: what the user asks for
 *
 * Bits that only events have are passed over, so that a program may hand back
 * what it was given; they are cleared in @kev.
 *
 * Return: 0 or a negative errno; then nothing has changed that can be seen.
 */
int kqueue_apply(struct kqueue *kq, struct kevent_record *kev)
{
	const struct kevent_filter *ops;
	int ret;

	lockdep_assert_held(&kq->mtx);

	kev->flags &= ~EV_SYSFLAGS;
	if (kevent_caller_is_32bit())
		kev->ident = (u32)kev->ident;

	ret = check_flags(kev->flags);
	if (ret)
		goto out;
	ops = kevent_filter_get(kev->filter);
	if (!ops) {
		ret = -EINVAL;
		goto out;
	}
	if (ops->flags & KEVENT_FILTER_FD)
		ret = apply_fd(kq, ops, kev);
	else
		ret = apply(kq, ops, kev,
			    find_ident(kq, kev->ident, kev->filter), NULL);
	kevent_filter_put(ops);
out:
	trace_kevent_register(kq->id, kev, ret);
	return ret;
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_apply);
