// SPDX-License-Identifier: GPL-2.0
/* Applying changes: making, finding, modifying and dropping knotes. */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
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

/* The key of a knote in kq->idents. */
struct ident_key {
	u64 ident;
	s16 filter;
};

static u32 ident_hash(u64 ident, s16 filter, u32 seed)
{
	return hash_64(ident ^ ((u64)(u16)filter << 48) ^ seed, 32);
}

static u32 hash_key(const void *data, u32 len, u32 seed)
{
	const struct ident_key *key = data;

	return ident_hash(key->ident, key->filter, seed);
}

static u32 hash_knote(const void *data, u32 len, u32 seed)
{
	const struct knote *kn = data;

	return ident_hash(kn->ident, kn->filter, seed);
}

static int compare_knote(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct ident_key *key = arg->key;
	const struct knote *kn = obj;

	return kn->ident != key->ident || kn->filter != key->filter;
}

/* Most have few. The hash is a cheap one: who makes chains long has them. */
static const struct rhashtable_params ident_params = {
	.nelem_hint = 6,
	.key_len = sizeof(struct ident_key),
	.head_offset = offsetof(struct knote, hash),
	.hashfn = hash_key,
	.obj_hashfn = hash_knote,
	.obj_cmpfn = compare_knote,
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
	struct ident_key key = { ident, filter };

	if (!kq->has_idents)
		return NULL;
	return rhashtable_lookup_fast(&kq->idents, &key, ident_params);
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
	unsigned int size;
	struct knote **fds;
	long units;
	int ret;

	if (likely(fd < kq->nfds))
		return 0;

	size = max_t(unsigned int, KQUEUE_FDS_MIN,
		     roundup_pow_of_two((unsigned long)fd + 1));
	units = fds_units(size) - fds_units(kq->nfds);
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

/*
 * The table is there from the first on: most queues have none, and its memory is
 * charged to nobody, 16 bytes a knote at most. It cannot grow twice without its
 * worker, for which we wait if a program is so fast. -EEXIST if another thread
 * was faster, -EBADF if the queue was closed.
 */
static int insert_ident(struct kqueue *kq, struct knote *kn)
{
	struct ident_key key = { kn->ident, kn->filter };
	int ret;

	if (!kq->has_idents) {
		if (rhashtable_init(&kq->idents, &ident_params))
			return -ENOMEM;
		kq->has_idents = true;
	}
	for (;;) {
		ret = rhashtable_lookup_insert_key(&kq->idents, &key, &kn->hash,
						   ident_params);
		if (ret != -EBUSY)
			break;
		mutex_unlock(&kq->mtx);
		schedule_timeout_killable(1);
		mutex_lock(&kq->mtx);
		if (kq->closing)
			return -EBADF;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	if (ret)
		return ret == -EEXIST ? ret : -ENOMEM;
	kq->nident_knotes++;
	return 0;
}

/* Into the queue's table. */
static int knote_link(struct kqueue *kq, struct knote *kn)
{
	int ret;

	lockdep_assert_held(&kq->mtx);

	if (knote_is_fd(kn)) {
		ret = grow_fds(kq, kn->ident);
		if (ret)
			return ret;
		if (!kq->nfd_knotes++)
			fdclose_follow(kq);
		kn->fd_next = kq->fds[kn->ident];
		kq->fds[kn->ident] = kn;
	} else {
		ret = insert_ident(kq, kn);
		if (ret)
			return ret;
	}
	kn->status |= KNOTE_LINKED;
	kq->links++;
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
			fdclose_unfollow(kq);
	} else {
		rhashtable_remove_fast(&kq->idents, &kn->hash, ident_params);
		kq->nident_knotes--;
	}
}

/* --- Holding, dropping ---------------------------------------------------- */

/*
 * Around calls of the filter. A knote that is SLOW is held BUSY instead of
 * keeping the queue locked; it may be DEAD after that.
 */
static void filter_begin(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	if (knote_is_slow(kn)) {
		kn->status |= KNOTE_BUSY;
		mutex_unlock(&kq->mtx);
	}
}

static void filter_end(struct kqueue *kq, struct knote *kn)
{
	if (knote_is_slow(kn))
		mutex_lock(&kq->mtx);
}

/* Detach and free a knote that is in no table and that nobody else drops. */
static void knote_destroy(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	/* No scan takes it. */
	kn->status |= KNOTE_DEAD;
	filter_begin(kq, kn);
	kn->ops->detach(kn);
	filter_end(kq, kn);
	ready_remove(kq, kn);
	knote_free(kn);
}

/*
 * Drop a knote that is in no table: at once, or when those who hold it let go
 * of it.
 */
static void knote_end(struct kqueue *kq, struct knote *kn)
{
	if (knote_is_held(kn))
		kn->status |= KNOTE_DEAD;
	else
		knote_destroy(kq, kn);
}

/**
 * kqueue_let_go() - let go of a knote
 * @kq: its queue, locked; the lock may be given up meanwhile
 * @kn: the knote; not to be used any more if it may have been dropped
 * @held: KNOTE_BUSY or KNOTE_TAKEN, or both: what the caller held it by
 */
void kqueue_let_go(struct kqueue *kq, struct knote *kn, u8 held)
{
	lockdep_assert_held(&kq->mtx);

	kn->status &= ~held;
	ready_released(kq);
	if (!(kn->status & KNOTE_DEAD))
		ready_unpark(kq, kn);
	else if (!knote_is_held(kn))
		knote_destroy(kq, kn);
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
		knote_end(kq, kn);
}

/*
 * The same for a knote that the close hook has taken, with a reference to its
 * queue, which may have been closed since.
 */
void kqueue_end_closed(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	knote_unlink(kq, kn);
	knote_end(kq, kn);
}

/* Onto a chain: to drop it, the table's own lock must not be held. */
static void collect_ident(void *ptr, void *arg)
{
	struct knote **chain = arg;
	struct knote *kn = ptr;

	kn->status &= ~KNOTE_LINKED;
	kn->fd_next = *chain;
	*chain = kn;
}

static void drop_idents(struct kqueue *kq)
{
	struct knote *kn, *next, *chain = NULL;

	if (!kq->has_idents)
		return;
	kq->has_idents = false;
	kq->nident_knotes = 0;
	rhashtable_free_and_destroy(&kq->idents, collect_ident, &chain);
	for (kn = chain; kn; kn = next) {
		next = kn->fd_next;
		knote_end(kq, kn);
		cond_resched();
	}
}

/*
 * Remove all knotes, and the tables. The queue is marked as closing, so nobody
 * else uses those, although the lock may be given up meanwhile.
 */
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

	drop_idents(kq);
}

/* --- Changing ------------------------------------------------------------- */

/*
 * Has the knote something to report now? While it is disabled that does not
 * matter: enabling it comes here again. Context: as functions of the filter.
 */
static bool knote_is_ready(struct knote *kn)
{
	struct kevent_record scratch;

	if (kn->status & (KNOTE_DISABLED | KNOTE_PARKED))
		return false;
	if (kn->status & KNOTE_FORCED)
		return true;
	knote_fill(kn, &scratch);
	return kn->ops->event(kn, &scratch);
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

/* A new knote, BUSY: connect it to its source. The queue is not locked. */
static struct knote *knote_make(struct kqueue *kq,
				const struct kevent_filter *ops,
				const struct kevent_record *kev,
				struct file *file, bool *ready)
{
	struct knote *kn = knote_alloc(kq, ops, kev);
	int ret;

	if (IS_ERR(kn))
		return kn;

	/* Before attach, so that what fires is not delivered. */
	kn->status |= KNOTE_BUSY;
	knote_set_status(kn, kev->flags);
	if (file)
		kn->poll.file = file;
	ret = ops->attach(kn);
	if (ret < 0) {
		/* It may have fired before attach failed. */
		mutex_lock(&kq->mtx);
		ready_remove(kq, kn);
		mutex_unlock(&kq->mtx);
		knote_free(kn);
		return ERR_PTR(ret);
	}
	*ready = (ret || (kn->status & KNOTE_FORCED)) && knote_is_ready(kn);
	return kn;
}

static struct knote *find_knote(struct kqueue *kq,
				const struct kevent_filter *ops, u64 ident,
				s16 filter)
{
	return ops->flags & KEVENT_FILTER_FD ? find_fd(kq, ident, filter) :
					       find_ident(kq, ident, filter);
}

/*
 * Put a new knote, which is BUSY, into the tables, or end it. It becomes visible
 * to the close hook last, when there is nothing left that could fail but the
 * descriptor's being closed. @links is kq->links as it was when the queue had no
 * such knote. Returns -EEXIST if another thread was faster, -EBADF if the
 * descriptor or the queue was closed.
 */
static int knote_publish(struct kqueue *kq, struct knote *kn, bool ready,
			 unsigned int links)
{
	int ret;

	lockdep_assert_held(&kq->mtx);

	if (kq->closing)
		ret = -EBADF;
	else if (kq->links != links &&
		 find_knote(kq, kn->ops, kn->ident, kn->filter))
		ret = -EEXIST;
	else
		ret = knote_link(kq, kn);

	if (ret) {
		knote_end(kq, kn);
		goto out;
	}
	if (knote_is_fd(kn)) {
		ret = fdclose_watch(kn);
		if (ret) {
			kqueue_drop(kq, kn);
			goto out;
		}
	}
	if (ready)
		knote_activate(kn);
out:
	kqueue_let_go(kq, kn, KNOTE_BUSY);
	return ret;
}

/* @file is what the descriptor means, NULL for filters of other idents. */
static int knote_create(struct kqueue *kq, const struct kevent_filter *ops,
			const struct kevent_record *kev, struct file *file)
{
	unsigned int links = kq->links;
	struct knote *kn;
	bool ready;
	int ret;

	mutex_unlock(&kq->mtx);
	/* Before the first descriptor, so that none is closed unnoticed. */
	ret = file && !READ_ONCE(kq->nfd_knotes) ? fdclose_hook_get() : 0;
	if (!ret) {
		kn = knote_make(kq, ops, kev, file, &ready);
		ret = PTR_ERR_OR_ZERO(kn);
	}
	mutex_lock(&kq->mtx);
	return ret ? ret : knote_publish(kq, kn, ready, links);
}

/* What a change says about the event. As functions of the filter. */
static int knote_touch(struct knote *kn, const struct kevent_record *kev)
{
	if (kn->ops->touch)
		return kn->ops->touch(kn, kev);
	kn->sfflags = kev->fflags;
	kn->sdata = kev->data;
	return 0;
}

/*
 * Change a knote, which is not BUSY. As on FreeBSD, any change but EV_DELETE
 * replaces udata, and fflags and data unless the filter knows better; the
 * properties and ext stay as they were when the knote was made.
 */
static int knote_modify(struct kqueue *kq, struct knote *kn,
			const struct kevent_record *kev)
{
	bool ready;
	int ret;

	filter_begin(kq, kn);
	ret = knote_touch(kn, kev);
	filter_end(kq, kn);
	if (!ret) {
		if (!(kev->flags & EV_KEEPUDATA))
			kn->udata = kev->udata;
		knote_set_status(kn, kev->flags);
		filter_begin(kq, kn);
		ready = knote_is_ready(kn);
		filter_end(kq, kn);
		if (ready && !(kn->status & KNOTE_DEAD))
			knote_activate(kn);
	}
	if (knote_is_slow(kn))
		kqueue_let_go(kq, kn, KNOTE_BUSY);
	else
		ready_unpark(kq, kn);
	return ret;
}

/*
 * The knote that a change is about, if there is one. It may have to wait until
 * nobody else is calling the knote's filter; scans then leave it to us, or with
 * many of them that might never be. @file as above.
 */
static struct knote *find_free(struct kqueue *kq,
			       const struct kevent_filter *ops,
			       const struct kevent_record *kev,
			       struct file *file)
{
	struct knote *kn;
	int ret = 0;

	for (;;) {
		if (kq->closing)
			return ERR_PTR(-EBADF);
		kn = find_knote(kq, ops, kev->ident, kev->filter);
		/*
		 * The number may have been closed and used again by another
		 * thread, with the first one's hook still on its way.
		 */
		if (kn && file &&
		    (kn->poll.file != file || knote_is_closed(kn))) {
			fdclose_suspect(kn);
			kqueue_drop(kq, kn);
			continue;
		}
		if (!kn || (kev->flags & EV_DELETE))
			return kn;
		if (ret || !(kn->status & KNOTE_BUSY))
			break;
		atomic_or(KNOTE_WANTED, &kn->state);
		ret = ready_wait_released(kq);
	}
	if (atomic_read(&kn->state) & KNOTE_WANTED)
		atomic_andnot(KNOTE_WANTED, &kn->state);
	if (!ret)
		return kn;
	ready_unpark(kq, kn);
	return ERR_PTR(ret);
}

static int apply(struct kqueue *kq, const struct kevent_filter *ops,
		 const struct kevent_record *kev, struct file *file)
{
	struct knote *kn;
	int ret;

	do {
		kn = find_free(kq, ops, kev, file);
		if (IS_ERR(kn))
			return PTR_ERR(kn);
		if (kn)
			break;
		if (!(kev->flags & EV_ADD))
			return -ENOENT;
		ret = knote_create(kq, ops, kev, file);
		if (ret != -EEXIST)
			return ret;
	} while (!fatal_signal_pending(current));

	if (!kn)
		return -EINTR;
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
	if (!fd_file(f)) {
		kn = find_fd(kq, kev->ident, kev->filter);
		if (kn)
			fdclose_suspect(kn);
		return -EBADF;
	}
	ret = apply(kq, ops, kev, fd_file(f));
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
 * @kq: the queue, locked, of the caller's descriptor table; the lock may be given
 *	up meanwhile
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

	ret = kq->closing ? -EBADF : check_flags(kev->flags);
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
		ret = apply(kq, ops, kev, NULL);
	kevent_filter_put(ops);
out:
	trace_kevent_register(kq->id, kev, ret);
	return ret;
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_apply);
