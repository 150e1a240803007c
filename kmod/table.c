// SPDX-License-Identifier: GPL-2.0
/*
 * The tables of a queue's knotes: by descriptor, and by ident for all others.
 * All under kq->mtx.
 */

#include <linux/jhash.h>
#include <linux/mm.h>
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "fdclose.h"
#include "kqueue.h"
#include "table.h"

/* The smallest table of descriptors; it grows to the largest number seen. */
#define KQUEUE_FDS_MIN	64

/* Up to this size it is not charged to the user's limit. */
#define KQUEUE_FDS_FREE	256

/* The key of a knote in kq->idents. */
struct ident_key {
	u64 ident;
	s16 filter;
	bool hidden;
};

static __always_inline u32 ident_hash(u64 ident, s16 filter, u32 seed)
{
	return jhash_3words(lower_32_bits(ident), upper_32_bits(ident),
			    (u16)filter, seed);
}

static __always_inline u32 hash_key(const void *data, u32 len, u32 seed)
{
	const struct ident_key *key = data;

	return ident_hash(key->ident, key->filter, seed);
}

static __always_inline u32 hash_knote(const void *data, u32 len, u32 seed)
{
	const struct knote *kn = data;

	return ident_hash(kn->ident, kn->filter, seed);
}

static int compare_knote(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct ident_key *key = arg->key;
	const struct knote *kn = obj;

	return kn->ident != key->ident || kn->filter != key->filter ||
	       knote_is_hidden(kn) != key->hidden;
}

/* Most queues have few. */
static const struct rhashtable_params ident_params = {
	.nelem_hint = 6,
	.key_len = sizeof(struct ident_key),
	.head_offset = offsetof(struct knote, hash),
	.hashfn = hash_key,
	.obj_hashfn = hash_knote,
	.obj_cmpfn = compare_knote,
	.automatic_shrinking = true,
};

/* As table_find_ident(), of any but the last that was looked up. */
struct knote *table_look_up(struct kqueue *kq, u64 ident, s16 filter)
{
	struct ident_key key = { ident, filter };
	struct knote *kn;

	if (!kq->nident_knotes)
		return NULL;
	kn = rhashtable_lookup_fast(&kq->idents, &key, ident_params);
	if (kn)
		kq->last_ident = kn;
	return kn;
}

/* It is not what changes of its ident are about any more. */
static void forget_last(struct kqueue *kq, const struct knote *kn)
{
	if (kq->last_ident == kn)
		kq->last_ident = NULL;
}

/* One of those that the ident meant before, if there is any. */
struct knote *table_find_hidden(struct kqueue *kq, u64 ident, s16 filter)
{
	struct ident_key key = { ident, filter, true };

	if (!kq->nhidden)
		return NULL;
	return rhashtable_lookup_fast(&kq->idents, &key, ident_params);
}

/* The knote's ident is to be free for another. -EBUSY if there are too many. */
int table_hide(struct kqueue *kq, struct knote *kn)
{
	lockdep_assert_held(&kq->mtx);

	if (kq->nhidden >= KQUEUE_HIDDEN_MAX)
		return -EBUSY;
	atomic_or(KNOTE_HIDDEN, &kn->state);
	kq->nhidden++;
	forget_last(kq, kn);
	return 0;
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
static noinline int grow_fds(struct kqueue *kq, unsigned int fd)
{
	unsigned int size;
	struct knote **fds;
	long units;
	int ret;

	size = max_t(unsigned int, KQUEUE_FDS_MIN,
		     roundup_pow_of_two((unsigned long)fd + 1));
	units = fds_units(size) - fds_units(kq->nfds);
	ret = units ? kevent_user_charge(kq->user, units) : 0;
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
 * charged to nobody, 16 bytes a knote at most. It may want its worker to have
 * caught up, for which we wait if a program is so fast. -EEXIST if another thread
 * was faster, -EBADF if the queue was closed.
 */
static noinline int insert_ident(struct kqueue *kq, struct knote *kn)
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
		kn->status |= KNOTE_BUSY;
		ready_pass_on_unlooked(kq);
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

/*
 * Put a knote into its table. 0, -ENOMEM, -ENOSPC, or as insert_ident(). The lock
 * may be given up meanwhile; then the knote is BUSY.
 */
int table_add(struct kqueue *kq, struct knote *kn)
{
	struct knote **chain;
	int ret;

	lockdep_assert_held(&kq->mtx);

	if (!knote_is_fd(kn)) {
		ret = insert_ident(kq, kn);
		if (ret)
			return ret;
	} else {
		if (unlikely(kn->ident >= kq->nfds)) {
			ret = grow_fds(kq, kn->ident);
			if (ret)
				return ret;
		}
		if (!kq->nfd_knotes++)
			fdclose_follow(kq);
		chain = &kq->fds[kn->ident];
		kn->fd_next = *chain;
		*chain = kn;
	}
	kn->status |= KNOTE_LINKED;
	kq->links++;
	return 0;
}

static noinline void remove_ident(struct kqueue *kq, struct knote *kn)
{
	rhashtable_remove_fast(&kq->idents, &kn->hash, ident_params);
	forget_last(kq, kn);
	kq->nident_knotes--;
	kq->nhidden -= knote_is_hidden(kn);
}

void table_remove(struct kqueue *kq, struct knote *kn)
{
	struct knote **pos;

	lockdep_assert_held(&kq->mtx);

	if (!(kn->status & KNOTE_LINKED))
		return;
	kn->status &= ~KNOTE_LINKED;

	if (!knote_is_fd(kn)) {
		remove_ident(kq, kn);
		return;
	}
	pos = &kq->fds[kn->ident];
	while (*pos != kn)
		pos = &(*pos)->fd_next;
	*pos = kn->fd_next;
	kq->nspent -= knote_is_spent(kn);
	if (!--kq->nfd_knotes)
		fdclose_unfollow(kq);
}

/* Give up the table of descriptors, which is empty. */
void table_free_fds(struct kqueue *kq)
{
	lockdep_assert_held(&kq->mtx);

	kvfree(kq->fds);
	kq->fds = NULL;
	kevent_user_uncharge(kq->user, fds_units(kq->nfds));
	kq->nfds = 0;
}

/*
 * Onto a chain, as the table's own lock is held. From here on it is DEAD: no scan
 * takes it, and who holds it already will end it.
 */
static void collect_ident(void *ptr, void *arg)
{
	struct knote **chain = arg;
	struct knote *kn = ptr;

	kn->status &= ~KNOTE_LINKED;
	kn->status |= KNOTE_DEAD;
	if (knote_is_held(kn))
		return;
	kn->fd_next = *chain;
	*chain = kn;
}

/*
 * Take all knotes out of the table of idents, and free that. They are DEAD, and
 * those that nobody holds are returned as a chain by their fd_next, to be ended.
 */
struct knote *table_empty_idents(struct kqueue *kq)
{
	struct knote *chain = NULL;

	lockdep_assert_held(&kq->mtx);

	if (!kq->has_idents)
		return NULL;
	kq->has_idents = false;
	kq->last_ident = NULL;
	kq->nident_knotes = 0;
	kq->nhidden = 0;
	rhashtable_free_and_destroy(&kq->idents, collect_ident, &chain);
	return chain;
}
