// SPDX-License-Identifier: GPL-2.0
/* Applying changes: making, finding, modifying and dropping knotes. */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "fdclose.h"
#include "kqueue.h"
#include "table.h"
#include "trace.h"

#define EV_KNOWN	(EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | \
			 EV_ONESHOT | EV_CLEAR | EV_RECEIPT | EV_DISPATCH | \
			 EV_FORCEONESHOT | EV_KEEPUDATA)

/* --- Holding, dropping ---------------------------------------------------- */

/*
 * Around calls of the filter, of which the knote says whether they are @slow. If
 * so it is held BUSY instead of keeping the queue locked; it may be DEAD after
 * that.
 */
static void filter_begin(struct kqueue *kq, struct knote *kn, bool slow)
{
	lockdep_assert_held(&kq->mtx);

	if (slow) {
		kn->status |= KNOTE_BUSY;
		mutex_unlock(&kq->mtx);
	}
}

static void filter_end(struct kqueue *kq, bool slow)
{
	if (slow)
		mutex_lock(&kq->mtx);
}

/* Detach and free a knote that is in no table and that nobody else drops. */
static void knote_destroy(struct kqueue *kq, struct knote *kn)
{
	bool slow = knote_has_slow_ends(kn);

	lockdep_assert_held(&kq->mtx);

	/* No scan takes it. */
	kn->status |= KNOTE_DEAD;
	filter_begin(kq, kn, slow);
	kn->ops->detach(kn);
	filter_end(kq, slow);
	if (unlikely(knote_is_queued(kn)))
		ready_remove(kq, kn);
	knote_free(kn);
}

/*
 * Drop a knote that is in no table: at once, or when those who hold it let go
 * of it.
 */
static void knote_end(struct kqueue *kq, struct knote *kn)
{
	if (!knote_is_held(kn)) {
		knote_destroy(kq, kn);
		return;
	}
	kn->status |= KNOTE_DEAD;
	/* Changes that wait for it need not any more. */
	ready_released(kq);
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

	table_remove(kq, kn);
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

	table_remove(kq, kn);
	knote_end(kq, kn);
}

/*
 * Remove all knotes, and the tables. The queue is marked as closing, so nobody
 * else uses those, although the lock may be given up meanwhile.
 */
void kqueue_drop_all(struct kqueue *kq)
{
	struct knote *kn, *next;
	unsigned int fd;

	lockdep_assert_held(&kq->mtx);

	for (fd = 0; fd < kq->nfds; fd++) {
		while (kq->fds[fd])
			kqueue_drop(kq, kq->fds[fd]);
		cond_resched();
	}
	table_free_fds(kq);

	for (kn = table_empty_idents(kq); kn; kn = next) {
		next = kn->fd_next;
		knote_end(kq, kn);
		cond_resched();
	}
}

/* --- Changing ------------------------------------------------------------- */

/*
 * Has the knote something to report now? While it is disabled that does not
 * matter: enabling it comes here again. Context: as functions of the filter.
 */
static bool knote_is_ready(struct knote *kn)
{
	struct kevent_record scratch kevent_uninitialized;

	if (kn->status & (KNOTE_DISABLED | KNOTE_PARKED))
		return false;
	if (kn->status & KNOTE_FORCED)
		return true;
	knote_fill(kn, &scratch);
	/* What is gone is met by a scan, too, which drops it. */
	return kn->ops->event(kn, &scratch) || knote_is_gone(kn);
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
 * Connect a new knote to its source. Returns whether it is ready, or a negative
 * errno. Context: as functions of the filter.
 */
static int knote_attach(struct knote *kn)
{
	int ret = kn->ops->attach(kn);

	if (ret < 0)
		return ret;
	return (ret || (kn->status & KNOTE_FORCED)) && knote_is_ready(kn);
}

/*
 * Make a knote and connect it to its source, without putting it into any table.
 * If it is SLOW, or has SLOW_ENDS, it is BUSY, and the lock was given up meanwhile.
 */
static struct knote *knote_make(struct kqueue *kq,
				const struct kevent_filter *ops,
				const struct kevent_record *kev,
				struct file *file, bool *ready)
{
	struct knote *kn = knote_alloc(kq, ops, kev);
	bool slow;
	int ret;

	if (IS_ERR(kn))
		return kn;
	if (file)
		kevent_fd_prepare(kn, file);
	slow = knote_has_slow_ends(kn);
	knote_set_status(kn, kev->flags);
	filter_begin(kq, kn, slow);
	ret = knote_attach(kn);
	filter_end(kq, slow);
	if (ret < 0) {
		/* It may have fired before attach failed. */
		ready_remove(kq, kn);
		knote_free(kn);
		return ERR_PTR(ret);
	}
	*ready = ret;
	return kn;
}

/*
 * Put a new knote into the tables, or end it. It becomes visible to the close
 * hook last, when there is nothing left that could fail but the descriptor's
 * being closed. It may be BUSY, if not before, then since the table made us wait.
 * @links is kq->links as it was when the queue had no such knote. Returns -EEXIST
 * if another thread was faster, -EBADF if the descriptor or the queue was closed.
 */
static int knote_publish(struct kqueue *kq, struct knote *kn, bool ready,
			 unsigned int links, bool shared)
{
	bool busy;
	int ret;

	lockdep_assert_held(&kq->mtx);

	if (kq->closing)
		ret = -EBADF;
	else if (kq->links != links &&
		 table_find(kq, kn->ops, kn->ident, kn->filter))
		ret = -EEXIST;
	else
		ret = table_add(kq, kn);

	busy = kn->status & KNOTE_BUSY;
	if (ret) {
		knote_end(kq, kn);
		goto out;
	}
	if (knote_is_fd(kn)) {
		ret = fdclose_watch(kn, shared);
		if (ret) {
			kqueue_drop(kq, kn);
			goto out;
		}
	}
	if (ready)
		ready_activate(kq, kn);
out:
	if (busy)
		kqueue_let_go(kq, kn, KNOTE_BUSY);
	return ret;
}

/* Before the first descriptor, so that none is closed unnoticed. Once a queue. */
static noinline int get_hook(struct kqueue *kq)
{
	int ret;

	mutex_unlock(&kq->mtx);
	ret = fdclose_hook_get();
	mutex_lock(&kq->mtx);
	return !ret && kq->closing ? -EBADF : ret;
}

/*
 * @file is what the descriptor means, NULL for filters of other idents; @shared:
 * see fdclose_watch().
 */
static int knote_create(struct kqueue *kq, const struct kevent_filter *ops,
			const struct kevent_record *kev, struct file *file,
			bool shared)
{
	unsigned int links = kq->links;
	struct knote *kn;
	bool ready;
	int ret;

	if (file && !kq->nfd_knotes) {
		ret = get_hook(kq);
		if (ret)
			return ret;
	}
	kn = knote_make(kq, ops, kev, file, &ready);
	if (IS_ERR(kn))
		return PTR_ERR(kn);
	return knote_publish(kq, kn, ready, links, shared);
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
	bool slow = knote_is_slow(kn), busy = knote_has_slow_ends(kn);
	bool ready;
	int ret;

	/* As while it is left to a change that waits: see find_free(). */
	kq->nlooks += busy && !slow;
	filter_begin(kq, kn, busy);
	ret = knote_touch(kn, kev);
	filter_end(kq, busy);
	kq->nlooks -= busy && !slow;
	if (!ret) {
		if (!(kev->flags & EV_KEEPUDATA))
			kn->udata = kev->udata;
		knote_set_status(kn, kev->flags);
		filter_begin(kq, kn, slow);
		ready = knote_is_ready(kn);
		filter_end(kq, slow);
		if (ready && !(kn->status & KNOTE_DEAD))
			ready_activate(kq, kn);
	}
	if (busy)
		kqueue_let_go(kq, kn, KNOTE_BUSY);
	else
		ready_unpark(kq, kn);
	return ret;
}

/*
 * The caller has looked the number up before he found the knote there, which is
 * of another file or is closed. Either it is what is left: another thread has
 * closed the number and used it again, and the first hook is still on its way. Or
 * the caller is who comes late, and the knote is what another thread has made of
 * the number since; then -EBADF. It cannot become so now, with the queue locked.
 */
static int drop_stale(struct kqueue *kq, struct knote *kn,
		      const struct file *file)
{
	if (!fdclose_is_open(kn->ident, file))
		return -EBADF;
	fdclose_suspect(kn);
	kqueue_drop(kq, kn);
	return 0;
}

/*
 * The ident of a knote means something else by now. What it has to report is
 * delivered all the same, unless the user has disabled it.
 */
static int retire(struct kqueue *kq, struct knote *kn)
{
	int ret;

	if (kn->status & KNOTE_DISABLED) {
		kqueue_drop(kq, kn);
		return 0;
	}
	ret = table_hide(kq, kn);
	/* No change waits for it any more. */
	atomic_andnot(KNOTE_WANTED, &kn->state);
	ready_unpark(kq, kn);
	return ret;
}

/* As table_find(); of idents that have a new meaning, what changes are about. */
static struct knote *find_any(struct kqueue *kq,
			      const struct kevent_filter *ops,
			      const struct kevent_record *kev)
{
	struct knote *kn = table_find(kq, ops, kev->ident, kev->filter);

	if (unlikely(!kn && kq->nhidden) && !(kev->flags & EV_ADD))
		kn = table_find_hidden(kq, kev->ident, kev->filter);
	return kn;
}

static bool is_stale(const struct knote *kn, const struct kevent_record *kev)
{
	return (kev->flags & EV_ADD) && kn->ops->stale && kn->ops->stale(kn, kev);
}

/*
 * Its last event is on its way to another thread, who will end it after that: what
 * is added now is another one. Should that thread get a fault instead (EFAULT), the
 * event goes with the knote, which has been replaced by then.
 */
static bool is_spent(const struct knote *kn, const struct kevent_record *kev)
{
	return (kev->flags & EV_ADD) && (kn->flags & EV_ONESHOT) &&
	       (kn->status & KNOTE_HELD) == KNOTE_TAKEN;
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
	bool quick;

	for (;;) {
		if (kq->closing)
			return ERR_PTR(-EBADF);
		kn = find_any(kq, ops, kev);
		if (kn && file &&
		    (kn->poll.file != file || knote_is_closed(kn))) {
			ret = drop_stale(kq, kn, file);
			if (ret)
				return ERR_PTR(ret);
			continue;
		}
		if (kn && !file && is_stale(kn, kev)) {
			ret = retire(kq, kn);
			if (ret)
				return ERR_PTR(ret);
			continue;
		}
		if (!kn || (kev->flags & EV_DELETE))
			return kn;
		if (unlikely(is_spent(kn, kev))) {
			kqueue_drop(kq, kn);
			continue;
		}
		if (ret || !(kn->status & KNOTE_BUSY))
			break;
		/*
		 * While it is left to us, it is out of the others' sight. Not if
		 * it is hidden: another may take its place meanwhile.
		 */
		quick = !knote_is_slow(kn);
		kq->nlooks += quick;
		if (!knote_is_hidden(kn))
			atomic_or(KNOTE_WANTED, &kn->state);
		ret = ready_wait_released(kq);
		kq->nlooks -= quick;
		if (quick)
			ready_released(kq);
	}
	if (atomic_read(&kn->state) & KNOTE_WANTED)
		atomic_andnot(KNOTE_WANTED, &kn->state);
	if (!ret)
		return kn;
	ready_unpark(kq, kn);
	return ERR_PTR(ret);
}

/* Those of which the ident reminds nobody any more go with the one it means. */
static void drop_hidden(struct kqueue *kq, const struct kevent_record *kev)
{
	struct knote *kn;

	while (unlikely(kq->nhidden)) {
		kn = table_find_hidden(kq, kev->ident, kev->filter);
		if (!kn)
			break;
		kqueue_drop(kq, kn);
	}
}

/* @file and @shared as for knote_create(). */
static int apply(struct kqueue *kq, const struct kevent_filter *ops,
		 const struct kevent_record *kev, struct file *file,
		 bool shared)
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
		ret = knote_create(kq, ops, kev, file, shared);
		if (ret != -EEXIST)
			return ret;
	} while (!fatal_signal_pending(current));

	if (!kn)
		return -EINTR;
	if (!(kev->flags & EV_DELETE))
		return knote_modify(kq, kn, kev);
	kqueue_drop(kq, kn);
	if (!file)
		drop_hidden(kq, kev);
	return 0;
}

/**
 * kqueue_apply_birth() - have a child followed as its parent is
 * @kq: the queue, locked; the lock may be given up meanwhile
 * @kev: what the parent's knote asks for, with the child as ident, EV_FLAG1, and
 *	a struct seed's address as data, which is taken out
 *
 * Context: the child, before it has done anything.
 * Return: as kqueue_apply(), but an existing knote of the child follows it as well.
 */
int kqueue_apply_birth(struct kqueue *kq, struct kevent_record *kev)
{
	int ret = apply(kq, &kevent_child_filter, kev, NULL, false);

	kev->data = 0;
	trace_kevent_register(kq->id, kev, ret);
	return ret;
}

static int apply_fd(struct kqueue *kq, const struct kevent_filter *ops,
		    const struct kevent_record *kev)
{
	/* If it is read too early, it is too large: fdget() reads it, too. */
	bool shared = atomic_read(&current->files->count) > 1;
	struct file *raw;
	struct knote *kn;
	struct fd f;
	int ret;

	if (kev->ident > INT_MAX)
		return -EBADF;
	f = fdget(kev->ident);
	if (fd_file(f)) {
		ret = apply(kq, ops, kev, fd_file(f), shared);
		fdput(f);
		return ret;
	}
	raw = ops->flags & KEVENT_FILTER_PATH ? fget_raw(kev->ident) : NULL;
	if (raw) {
		ret = apply(kq, ops, kev, raw, shared);
		fput(raw);
		return ret;
	}
	kn = table_find_fd(kq, kev->ident, kev->filter);
	if (kn)
		fdclose_suspect(kn);
	return -EBADF;
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
	if (ops->flags & KEVENT_FILTER_FD) {
		ret = apply_fd(kq, ops, kev);
	} else {
		ret = apply(kq, ops, kev, NULL, false);
		kevent_filter_put(ops);
	}
out:
	trace_kevent_register(kq->id, kev, ret);
	return ret;
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_apply);
