// SPDX-License-Identifier: GPL-2.0
/* Applying changes: finding, making and modifying knotes. */

#include <linux/fdtable.h>
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

/**
 * struct change - one change, on its way
 * @kev: what the user asks for
 * @ops: the filter
 * @file: what the descriptor means, NULL for filters of other idents
 * @shared: see fdclose_watch()
 * @room: so many events the caller goes on to collect; 0: he does not, or may not
 */
struct change {
	const struct kevent_record *kev;
	const struct kevent_filter *ops;
	struct file *file;
	bool shared;
	unsigned int room;
};

/* Has the knote something to report now? Context: as functions of the filter. */
static noinline bool knote_look(struct knote *kn)
{
	struct kevent_record scratch kevent_uninitialized;

	knote_fill(kn, &scratch);
	/* What is gone is met by a scan, too, which drops it. */
	return kn->ops->event(kn, &scratch) || knote_is_gone(kn);
}

/* The same of one that matters: a disabled one is looked at when it is enabled. */
static bool knote_is_ready(struct knote *kn)
{
	if (kn->status & (KNOTE_DISABLED | KNOTE_PARKED))
		return false;
	return (kn->status & KNOTE_FORCED) || knote_look(kn);
}

/*
 * Will the caller meet what is queued now, when he collects? Then nobody need look
 * before that. What is queued already comes first.
 */
static __always_inline bool is_met_soon(const struct kqueue *kq, unsigned int room)
{
	return kq->nready < room && llist_empty(&kq->inbox);
}

/* Queue the knote, which is not SLOW, if it is ready. @room as in struct change. */
static __always_inline void knote_check(struct kqueue *kq, struct knote *kn,
					unsigned int room)
{
	if (is_met_soon(kq, room)) {
		if (!(kn->status & (KNOTE_DISABLED | KNOTE_PARKED)))
			ready_queue(kq, kn);
	} else if (knote_is_ready(kn)) {
		ready_activate(kq, kn);
	}
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
 * Connect a new knote to its source. Returns whether it may be ready, and if it is
 * @slow whether it is, or a negative errno. Context: as functions of the filter.
 */
static int knote_attach(struct knote *kn, bool slow)
{
	int ret = kn->ops->attach(kn);

	if (ret < 0)
		return ret;
	ret = ret || (kn->status & KNOTE_FORCED);
	return slow ? ret && knote_is_ready(kn) : ret;
}

/*
 * Make a knote and connect it to its source, without putting it into any table.
 * If it is SLOW, or has SLOW_ENDS, it is BUSY, and the lock was given up meanwhile.
 */
static struct knote *knote_make(struct kqueue *kq, const struct change *change,
				bool *ready)
{
	struct knote *kn;
	bool slow;
	int ret;

	kn = knote_alloc(kq, change->ops, change->kev);
	if (unlikely(kn == ERR_PTR(-ENOSPC)) && kq->nspent) {
		kqueue_drop_spent(kq);
		kn = knote_alloc(kq, change->ops, change->kev);
	}
	if (IS_ERR(kn))
		return kn;
	if (change->file)
		kevent_fd_prepare(kn, change->file);
	slow = knote_has_slow_ends(kn);
	knote_set_status(kn, change->kev->flags);
	filter_begin(kq, kn, slow);
	ret = knote_attach(kn, slow);
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
static int knote_publish(struct kqueue *kq, struct knote *kn,
			 const struct change *change, bool ready,
			 unsigned int links)
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
	if (unlikely(ret == -ENOSPC) && kq->nspent) {
		kqueue_drop_spent(kq);
		ret = table_add(kq, kn);
	}

	busy = kn->status & KNOTE_BUSY;
	if (ret) {
		knote_end(kq, kn);
		goto out;
	}
	if (knote_is_fd(kn)) {
		ret = fdclose_watch(kn, change->shared);
		if (ret) {
			kqueue_drop(kq, kn);
			goto out;
		}
	}
	if (ready && knote_has_slow_ends(kn))
		ready_activate(kq, kn);
	else if (ready)
		knote_check(kq, kn, change->room);
out:
	if (busy)
		kqueue_let_go(kq, kn, KNOTE_BUSY);
	return ret;
}

/* Before the first descriptor, so that none is closed unnoticed. Once a queue. */
static noinline int get_hook(struct kqueue *kq)
{
	int ret;

	ready_pass_on_unlooked(kq);
	mutex_unlock(&kq->mtx);
	ret = fdclose_hook_get();
	mutex_lock(&kq->mtx);
	return !ret && kq->closing ? -EBADF : ret;
}

static int knote_create(struct kqueue *kq, const struct change *change)
{
	unsigned int links = kq->links;
	struct knote *kn;
	bool ready;
	int ret;

	if (change->file && !kq->nfd_knotes) {
		ret = get_hook(kq);
		if (ret)
			return ret;
	}
	kn = knote_make(kq, change, &ready);
	if (IS_ERR(kn))
		return PTR_ERR(kn);
	return knote_publish(kq, kn, change, ready, links);
}

/* What a change says about the event. As functions of the filter. */
static int knote_touch(struct knote *kn, const struct kevent_record *kev)
{
	/* Most changes are of EVFILT_READ, which has a say in this flag alone. */
	if (kn->ops->touch &&
	    (kn->ops != &kevent_read_filter ||
	     ((kn->sfflags | kev->fflags) & NOTE_EXCLUSIVE)))
		return kn->ops->touch(kn, kev);
	kn->sfflags = kev->fflags;
	kn->sdata = kev->data;
	return 0;
}

/*
 * Make the change, after touching. As on FreeBSD, any change but EV_DELETE replaces
 * udata, and fflags and data unless the filter knows better; the properties and ext
 * stay as they were when the knote was made.
 */
static __always_inline void knote_set(struct knote *kn, const struct kevent_record *kev)
{
	if (!(kev->flags & EV_KEEPUDATA))
		kn->udata = kev->udata;
	knote_set_status(kn, kev->flags);
}

/* Change a knote, which is not BUSY, and of which functions may be slow. */
static int knote_modify_slowly(struct kqueue *kq, struct knote *kn,
			       const struct change *change)
{
	bool slow = knote_is_slow(kn);
	bool ready;
	int ret;

	/* As while it is left to a change that waits: see find_free(). */
	kq->nlooks += !slow;
	filter_begin(kq, kn, true);
	ret = knote_touch(kn, change->kev);
	filter_end(kq, true);
	kq->nlooks -= !slow;
	if (!ret) {
		knote_set(kn, change->kev);
		filter_begin(kq, kn, slow);
		ready = knote_is_ready(kn);
		filter_end(kq, slow);
		if (ready && !(kn->status & KNOTE_DEAD))
			ready_activate(kq, kn);
	}
	kqueue_let_go(kq, kn, KNOTE_BUSY);
	return ret;
}

/* The same if none is. */
static __always_inline int knote_modify(struct kqueue *kq, struct knote *kn,
					const struct kevent_record *kev,
					unsigned int room)
{
	int ret = knote_touch(kn, kev);

	if (!ret) {
		knote_set(kn, kev);
		knote_check(kq, kn, room);
	}
	/* Also if it fails: a scan may have parked it while this change waited for it. */
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
static struct knote *find_any(struct kqueue *kq, const struct change *change)
{
	const struct kevent_record *kev = change->kev;
	struct knote *kn = table_find(kq, change->ops, kev->ident, kev->filter);

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
static bool is_leaving(const struct knote *kn, const struct kevent_record *kev)
{
	return (kev->flags & EV_ADD) && (kn->flags & EV_ONESHOT) &&
	       (kn->status & KNOTE_HELD) == KNOTE_TAKEN;
}

/*
 * The knote that a change is about, if there is one. It may have to wait until
 * nobody else is calling the knote's filter; scans then leave it to us, or with
 * many of them that might never be.
 */
static struct knote *find_free(struct kqueue *kq, const struct change *change)
{
	const struct kevent_record *kev = change->kev;
	struct file *file = change->file;
	struct knote *kn;
	int ret = 0;
	bool quick;

	for (;;) {
		if (kq->closing)
			return ERR_PTR(-EBADF);
		kn = find_any(kq, change);
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
		if (kn && unlikely(knote_is_spent(kn))) {
			if (!(kev->flags & EV_ADD))
				return NULL;
			if (!(kev->flags & EV_DELETE) && knote_revive(kn, kev))
				return kn;
			kqueue_drop(kq, kn);
			continue;
		}
		if (!kn || (kev->flags & EV_DELETE))
			return kn;
		if (unlikely(is_leaving(kn, kev))) {
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
		ready_pass_on_unlooked(kq);
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

/* @found: there was a knote when the caller looked, just now. */
static int apply(struct kqueue *kq, const struct change *change, bool found)
{
	u16 flags = change->kev->flags;
	bool find = found || !(flags & EV_ADD);
	struct knote *kn;
	int ret;

	do {
		kn = find ? find_free(kq, change) : NULL;
		find = true;
		if (IS_ERR(kn))
			return PTR_ERR(kn);
		if (kn)
			break;
		if (!(flags & EV_ADD))
			return -ENOENT;
		ret = knote_create(kq, change);
		if (ret != -EEXIST)
			return ret;
	} while (!fatal_signal_pending(current));

	if (!kn)
		return -EINTR;
	if (!(flags & EV_DELETE))
		return knote_has_slow_ends(kn) ?
			knote_modify_slowly(kq, kn, change) :
			knote_modify(kq, kn, change->kev, change->room);
	kqueue_drop(kq, kn);
	if (!change->file)
		drop_hidden(kq, change->kev);
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
	const struct change change = { .kev = kev, .ops = &kevent_child_filter };
	int ret = apply(kq, &change, true);

	kev->data = 0;
	trace_kevent_register(kq->id, kev, ret);
	return ret;
}

static int apply_fd(struct kqueue *kq, struct change *change, bool found)
{
	const struct kevent_record *kev = change->kev;
	struct file *raw;
	struct knote *kn;
	struct fd f;
	int ret;

	if (kev->ident > INT_MAX)
		return -EBADF;
	/* If it is read too early, it is too large: fdget() reads it, too. */
	change->shared = atomic_read(&current->files->count) > 1;
	f = fdget(kev->ident);
	if (fd_file(f)) {
		change->file = fd_file(f);
		ret = apply(kq, change, found);
		fdput(f);
		return ret;
	}
	raw = change->ops->flags & KEVENT_FILTER_PATH ? fget_raw(kev->ident) : NULL;
	if (raw) {
		change->file = raw;
		ret = apply(kq, change, found);
		fput(raw);
		return ret;
	}
	kn = table_find_fd(kq, kev->ident, kev->filter);
	if (kn)
		fdclose_suspect(kn);
	return -EBADF;
}

/*
 * Can the knote be changed just so? Not if that might mean to wait, or if it is
 * perhaps not the one that is meant.
 */
static __always_inline bool is_at_hand(const struct knote *kn,
				       const struct kevent_record *kev)
{
	return !(kn->status & (KNOTE_BUSY | KNOTE_SLOW)) &&
	       !(atomic_read(&kn->state) & (KNOTE_OTHERS | KNOTE_SLOW_ENDS)) &&
	       !is_leaving(kn, kev);
}

/*
 * Does the number still mean the file of its knote? Who asks has no reference to what
 * it means now, and needs none: it is only compared. If others have the table, it may
 * be replaced by a larger one meanwhile.
 */
static __always_inline bool fd_is_same(unsigned int fd, const struct file *file)
{
	struct files_struct *files = current->files;
	bool same;

	if (likely(atomic_read(&files->count) == 1))
		return files_lookup_fd_raw(files, fd) == file;
	rcu_read_lock();
	same = files_lookup_fd_raw(files, fd) == file;
	rcu_read_unlock();
	return same;
}

/* The same of a descriptor's; or one that is spent becomes such. */
static __always_inline bool is_fd_at_hand(struct knote *kn,
					  const struct kevent_record *kev)
{
	if (!fd_is_same(kev->ident, kn->poll.file))
		return false;
	return is_at_hand(kn, kev) ||
	       ((kev->flags & (EV_ADD | EV_DELETE)) == EV_ADD &&
		knote_is_spent(kn) && !knote_is_closed(kn) &&
		knote_revive(kn, kev));
}

static __always_inline bool is_ident_at_hand(const struct knote *kn,
					     const struct kevent_record *kev)
{
	return is_at_hand(kn, kev) && !(kev->flags & EV_DELETE) &&
	       !is_stale(kn, kev);
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

/* A change of a descriptor's knote. */
static __always_inline int change_fd(struct kqueue *kq, const struct kevent_filter *ops,
				     const struct kevent_record *kev, unsigned int room)
{
	struct change change;
	struct knote *kn;

	kn = kev->ident < kq->nfds ?
		table_find_fd(kq, kev->ident, kev->filter) : NULL;
	if (!kn || !is_fd_at_hand(kn, kev)) {
		change = (struct change){ kev, ops, NULL, false, room };
		return apply_fd(kq, &change, kn);
	}
	if (!(kev->flags & EV_DELETE))
		return knote_modify(kq, kn, kev, room);
	kqueue_drop(kq, kn);
	return 0;
}

/* The same of any other ident, by a filter that was got for that. */
static int change_ident(struct kqueue *kq, const struct kevent_filter *ops,
			const struct kevent_record *kev, unsigned int room)
{
	struct change change;
	struct knote *kn;
	int ret;

	kn = table_find_ident(kq, kev->ident, kev->filter);
	if (kn && is_ident_at_hand(kn, kev)) {
		ret = knote_modify(kq, kn, kev, room);
	} else {
		change = (struct change){ kev, ops, NULL, false, room };
		ret = apply(kq, &change, kn);
	}
	kevent_filter_put(ops);
	return ret;
}

/**
 * kqueue_apply() - apply one change
 * @kq: the queue, locked, of the caller's descriptor table; the lock may be given
 *	up meanwhile
 * @kev: what the user asks for
 * @room: so many events the caller goes on to collect, or calls kqueue_look_over();
 *	0: he does not. What may be ready, and will be met then, is queued without a
 *	look, and nobody is told
 *
 * Bits that only events have are passed over, so that a program may hand back
 * what it was given; they are cleared in @kev.
 *
 * Return: 0 or a negative errno; then nothing has changed that can be seen.
 */
int kqueue_apply(struct kqueue *kq, struct kevent_record *kev, unsigned int room)
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
	if (!ops)
		ret = -EINVAL;
	else if (ops->flags & KEVENT_FILTER_FD)
		ret = change_fd(kq, ops, kev, room);
	else
		ret = change_ident(kq, ops, kev, room);
out:
	trace_kevent_register(kq->id, kev, ret);
	return ret;
}
EXPORT_SYMBOL_FOR_KUNIT(kqueue_apply);
