// SPDX-License-Identifier: GPL-2.0
/*
 * How many knotes a user may have. Any user may open the device, and knotes
 * are kernel memory, so there is a limit for each user ID, as for epoll.
 *
 * Of some there may be fewer, since they can cost others time: timers that are
 * due at once expire in one interrupt, and the knotes of one file are told of a
 * change one after the other.
 */

#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/xarray.h>

#include "kqueue.h"

/**
 * struct kevent_user - what one user ID has
 * @uid: who
 * @queues: open queues, under users_lock; the structure goes with the last
 * @units: what is charged to them: a unit is the memory of a registration
 * @scarce: how many they have of what there may be fewer of
 */
struct kevent_user {
	kuid_t uid;
	unsigned long queues;
	atomic_long_t units;
	atomic_t scarce[KEVENT_SCARCE];
};

/* By user ID; changed under users_lock. */
static DEFINE_XARRAY(users);
static DEFINE_MUTEX(users_lock);

static ulong max_user_knotes;
module_param(max_user_knotes, ulong, 0644);
MODULE_PARM_DESC(max_user_knotes,
		 "registrations that a user may have (default: 4% of low memory)");

static uint max_scarce[KEVENT_SCARCE] = {
	[KEVENT_TIMERS] = 65536,
	[KEVENT_FILES] = 8192,
};

module_param_named(max_user_timers, max_scarce[KEVENT_TIMERS], uint, 0644);
MODULE_PARM_DESC(max_user_timers,
		 "timers that a user may have (default: 65536)");
module_param_named(max_user_files, max_scarce[KEVENT_FILES], uint, 0644);
MODULE_PARM_DESC(max_user_files,
		 "watched regular files that a user may have (default: 8192)");

/* Find or make the caller's record; NULL if there is no memory. */
struct kevent_user *kevent_user_get(void)
{
	kuid_t uid = current_euid();
	struct kevent_user *user;

	mutex_lock(&users_lock);
	user = xa_load(&users, __kuid_val(uid));
	if (!user) {
		user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
		if (!user)
			goto out;
		user->uid = uid;
		if (xa_err(xa_store(&users, __kuid_val(uid), user,
				    GFP_KERNEL_ACCOUNT))) {
			kfree(user);
			user = NULL;
			goto out;
		}
	}
	user->queues++;
out:
	mutex_unlock(&users_lock);
	return user;
}

void kevent_user_put(struct kevent_user *user)
{
	mutex_lock(&users_lock);
	if (!--user->queues) {
		WARN_ON_ONCE(atomic_long_read(&user->units) ||
			     atomic_read(&user->scarce[KEVENT_TIMERS]) ||
			     atomic_read(&user->scarce[KEVENT_FILES]));
		xa_erase(&users, __kuid_val(user->uid));
		kfree(user);
	}
	mutex_unlock(&users_lock);
}

/* Charge so many units, or fail with -ENOSPC. Context: any. */
int kevent_user_charge(struct kevent_user *user, long units)
{
	if (atomic_long_add_return(units, &user->units) <=
	    READ_ONCE(max_user_knotes))
		return 0;

	atomic_long_sub(units, &user->units);
	return -ENOSPC;
}

void kevent_user_uncharge(struct kevent_user *user, long units)
{
	atomic_long_sub(units, &user->units);
}

/* One more of these, or fail with -ENOSPC. Context: any. */
int kevent_user_take(struct kevent_user *user, enum kevent_scarce what)
{
	if (atomic_inc_return(&user->scarce[what]) <=
	    min_t(uint, READ_ONCE(max_scarce[what]), INT_MAX))
		return 0;

	atomic_dec(&user->scarce[what]);
	return -ENOSPC;
}

void kevent_user_give_back(struct kevent_user *user, enum kevent_scarce what)
{
	atomic_dec(&user->scarce[what]);
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
	WARN_ON(!xa_empty(&users));
	xa_destroy(&users);
}
