// SPDX-License-Identifier: GPL-2.0
/*
 * How much a user may have. Any user may open the device, and queues and knotes
 * are kernel memory, so there is a limit for each user ID, as for epoll.
 *
 * Of some there may be fewer, since they can cost others time: timers that are
 * due at once expire in one interrupt, those who watch one file are told of a write one
 * after the other, and what one who is exclusive does not get to is offered to the others.
 *
 * A user who makes a user namespace can be many users in it. So what is used
 * in a namespace counts for the user there, for the namespace's owner in the
 * parent namespace, and so on outwards, and the limit holds at each of these
 * levels; as for inotify.
 *
 * A queue takes what its knotes need in portions, so that its registrations
 * change a number of its own and not, all CPUs together, those of its user.
 */

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "kqueue.h"

/**
 * struct kevent_user - what one user ID has in one user namespace
 * @node: in the table of users, under users_lock
 * @parent: the owner of the namespace, outside of it; NULL in the first one
 * @ns: the namespace
 * @uid: who
 * @refs: open queues, and users whose parent this is; under users_lock
 * @units: what is charged to them: a unit is the memory of a registration
 * @scarce: how many they have of what there may be fewer of
 *
 * Each user holds its parent and its namespace, and with the latter all those
 * around it.
 */
struct kevent_user {
	struct hlist_node node;
	struct kevent_user *parent;
	struct user_namespace *ns;
	kuid_t uid;
	unsigned long refs;
	atomic_long_t units;
	atomic_t scarce[KEVENT_SCARCE];
};

/* By namespace and user ID. */
static DEFINE_HASHTABLE(users, 10);
static DEFINE_SPINLOCK(users_lock);

/*
 * How many units a queue takes at once: one for each PORTION_PART that it has, so
 * that small queues take little more than they use.
 */
#define PORTION_PART	16U
#define PORTION_LEAST	4U
#define PORTION_MOST	32U

/* A queue counts for so many registrations: its memory, and its file's. */
#define QUEUE_UNITS \
	DIV_ROUND_UP(sizeof(struct kqueue) + sizeof(struct file), \
		     sizeof(struct knote))

static ulong max_user_knotes;
module_param(max_user_knotes, ulong, 0644);
MODULE_PARM_DESC(max_user_knotes,
		 "registrations that a user may have (default: 4% of low memory)");

static uint max_scarce[KEVENT_SCARCE] = {
	[KEVENT_TIMERS] = 65536,
	[KEVENT_FILES] = 8192,
	[KEVENT_TURNS] = 1024,
};

module_param_named(max_user_timers, max_scarce[KEVENT_TIMERS], uint, 0644);
MODULE_PARM_DESC(max_user_timers,
		 "timers that a user may have (default: 65536)");
module_param_named(max_user_files, max_scarce[KEVENT_FILES], uint, 0644);
MODULE_PARM_DESC(max_user_files,
		 "watched regular files that a user may have (default: 8192)");

module_param_named(max_user_exclusive, max_scarce[KEVENT_TURNS], uint, 0644);
MODULE_PARM_DESC(max_user_exclusive,
		 "registrations with NOTE_EXCLUSIVE that a user may have (default: 1024)");

static unsigned long user_key(const struct user_namespace *ns, kuid_t uid)
{
	return hash_ptr(ns, 32) ^ __kuid_val(uid);
}

/* Find a user and hold it. */
static struct kevent_user *user_find(const struct user_namespace *ns,
				     kuid_t uid)
{
	struct kevent_user *user;

	lockdep_assert_held(&users_lock);

	hash_for_each_possible(users, user, node, user_key(ns, uid)) {
		if (user->ns == ns && uid_eq(user->uid, uid)) {
			user->refs++;
			return user;
		}
	}
	return NULL;
}

static struct kevent_user *user_alloc(struct user_namespace *ns, kuid_t uid,
				      struct kevent_user *parent)
{
	struct kevent_user *user;

	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return NULL;
	user->ns = get_user_ns(ns);
	user->uid = uid;
	user->parent = parent;
	user->refs = 1;
	return user;
}

/* Is anything still charged to them? */
static bool user_has_any(const struct kevent_user *user)
{
	int what;

	for (what = 0; what < KEVENT_SCARCE; what++)
		if (atomic_read(&user->scarce[what]))
			return true;
	return atomic_long_read(&user->units);
}

static void user_free(struct kevent_user *user)
{
	put_user_ns(user->ns);
	kfree(user);
}

/*
 * Find or make a user, and hold it; NULL if there is no memory. The reference to
 * its parent, which is the only one that it can have, is the caller's no more.
 */
static struct kevent_user *user_get(struct user_namespace *ns, kuid_t uid,
				    struct kevent_user *parent)
{
	struct kevent_user *user, *made;

	spin_lock(&users_lock);
	user = user_find(ns, uid);
	spin_unlock(&users_lock);
	if (user)
		goto put_parent;

	made = user_alloc(ns, uid, parent);
	if (!made)
		goto put_parent;
	spin_lock(&users_lock);
	/* Somebody else may have made it meanwhile. */
	user = user_find(ns, uid);
	if (!user)
		hash_add(users, &made->node, user_key(ns, uid));
	spin_unlock(&users_lock);
	if (!user)
		return made;
	user_free(made);
put_parent:
	kevent_user_put(parent);
	return user;
}

/*
 * Find or make the record of the caller, and those of all who answer for it, from
 * the outermost namespace inwards. NULL if there is no memory.
 */
struct kevent_user *kevent_user_get(void)
{
	const struct cred *cred = current_cred();
	struct kevent_user *user = NULL;
	struct user_namespace *ns;
	kuid_t uid;
	int level;

	for (level = 0; level <= cred->user_ns->level; level++) {
		uid = cred->euid;
		for (ns = cred->user_ns; ns->level > level; ns = ns->parent)
			uid = ns->owner;
		user = user_get(ns, uid, user);
		if (!user)
			break;
	}
	return user;
}

/* Context: may not be atomic. */
void kevent_user_put(struct kevent_user *user)
{
	struct kevent_user *parent;
	bool last;

	for (; user; user = parent) {
		parent = user->parent;
		spin_lock(&users_lock);
		last = !--user->refs;
		if (last)
			hash_del(&user->node);
		spin_unlock(&users_lock);
		if (!last)
			break;
		WARN_ON_ONCE(user_has_any(user));
		user_free(user);
	}
}

/* Give back to all below @end. Context: any. */
static void uncharge_below(struct kevent_user *user, long units,
			   const struct kevent_user *end)
{
	for (; user != end; user = user->parent)
		atomic_long_sub(units, &user->units);
}

/* False if that would be too many: then at no time has it seemed so to others. */
static bool charge_one(struct kevent_user *user, long units)
{
	long old = atomic_long_read(&user->units);

	do {
		if (old + units > READ_ONCE(max_user_knotes))
			return false;
	} while (!atomic_long_try_cmpxchg(&user->units, &old, old + units));
	return true;
}

/* Charge so many units, or fail with -ENOSPC. Context: any. */
int kevent_user_charge(struct kevent_user *user, long units)
{
	struct kevent_user *at;

	for (at = user; at; at = at->parent) {
		if (!charge_one(at, units))
			goto undo;
	}
	return 0;

undo:
	uncharge_below(user, units, at);
	return -ENOSPC;
}

void kevent_user_uncharge(struct kevent_user *user, long units)
{
	uncharge_below(user, units, NULL);
}

static void give_back_below(struct kevent_user *user, enum kevent_scarce what,
			    const struct kevent_user *end)
{
	for (; user != end; user = user->parent)
		atomic_dec(&user->scarce[what]);
}

/* As charge_one(). */
static bool take_one(struct kevent_user *user, enum kevent_scarce what)
{
	int max = min_t(uint, READ_ONCE(max_scarce[what]), INT_MAX);
	int old = atomic_read(&user->scarce[what]);

	do {
		if (old >= max)
			return false;
	} while (!atomic_try_cmpxchg(&user->scarce[what], &old, old + 1));
	return true;
}

/* One more of these, or fail with -ENOSPC. Context: any. */
int kevent_user_take(struct kevent_user *user, enum kevent_scarce what)
{
	struct kevent_user *at;

	for (at = user; at; at = at->parent) {
		if (!take_one(at, what))
			goto undo;
	}
	return 0;

undo:
	give_back_below(user, what, at);
	return -ENOSPC;
}

void kevent_user_give_back(struct kevent_user *user, enum kevent_scarce what)
{
	give_back_below(user, what, NULL);
}

/* Charge the queue itself, or fail with -ENOSPC. */
int kqueue_charge_self(struct kqueue *kq)
{
	return kevent_user_charge(kq->user, QUEUE_UNITS);
}

void kqueue_uncharge_self(struct kqueue *kq)
{
	kevent_user_uncharge(kq->user, QUEUE_UNITS);
}

static unsigned int portion_of(const struct kqueue *kq)
{
	return clamp(kq->units / PORTION_PART, PORTION_LEAST, PORTION_MOST);
}

/* Take a portion, and use one of it; if it is not to be had, then just that. */
static noinline int take_portion(struct kqueue *kq)
{
	unsigned int n = portion_of(kq);

	if (kevent_user_charge(kq->user, n)) {
		if (kevent_user_charge(kq->user, 1))
			return -ENOSPC;
		n = 1;
	}
	kq->units += n;
	kq->spare += n - 1;
	return 0;
}

/* Give back all that is not in use, but for so much. */
static noinline void give_back_spare(struct kqueue *kq, unsigned int keep)
{
	unsigned int n = kq->spare - keep;

	kq->spare = keep;
	kq->units -= n;
	kevent_user_uncharge(kq->user, n);
}

/* Charge one registration of the queue, or fail with -ENOSPC. */
int kqueue_charge(struct kqueue *kq)
{
	lockdep_assert_held(&kq->mtx);

	if (unlikely(!kq->spare))
		return take_portion(kq);
	kq->spare--;
	return 0;
}

/*
 * Give one back. What is kept of these is enough for the next portion: whoever
 * makes and removes by turns does not come to the user's numbers.
 */
void kqueue_uncharge(struct kqueue *kq)
{
	lockdep_assert_held(&kq->mtx);

	kq->spare++;
	if (kq->spare > 2 * PORTION_LEAST && kq->spare > 2 * portion_of(kq))
		give_back_spare(kq, portion_of(kq));
}

/* Give back all that is not in use. */
void kqueue_uncharge_spare(struct kqueue *kq)
{
	give_back_spare(kq, 0);
}

void kevent_limit_init(void)
{
	struct sysinfo si;

	if (max_user_knotes)
		return;

	si_meminfo(&si);
	max_user_knotes = ((si.totalram - si.totalhigh) / 25 << PAGE_SHIFT) /
			  sizeof(struct knote);
}

void kevent_limit_exit(void)
{
	WARN_ON(!hash_empty(users));
}
