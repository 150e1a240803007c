// SPDX-License-Identifier: GPL-2.0
/*
 * How many knotes a user may have. Any user may open the device, and knotes
 * are kernel memory, so there is a limit for each user ID, as for epoll.
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
 */
struct kevent_user {
	kuid_t uid;
	unsigned long queues;
	atomic_long_t units;
};

/* By user ID; changed under users_lock. */
static DEFINE_XARRAY(users);
static DEFINE_MUTEX(users_lock);

static ulong max_user_knotes;
module_param(max_user_knotes, ulong, 0644);
MODULE_PARM_DESC(max_user_knotes,
		 "registrations that a user may have (default: 4% of low memory)");

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
		WARN_ON_ONCE(atomic_long_read(&user->units));
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
