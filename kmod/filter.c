// SPDX-License-Identifier: GPL-2.0
/* The table of filters, indexed by the negated filter number. */

#include <linux/bitmap.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>

#include "compat.h"
#include "filter.h"

#define NR_FILTERS	(1 - KEVENT_FILTER_MIN)

/*
 * kevent's own filters are there as long as the queue is; counting references
 * to them would only cost time.
 */
static const struct kevent_filter *const builtin_filters[NR_FILTERS] = {
	[-EVFILT_READ] = &kevent_read_filter,
	[-EVFILT_WRITE] = &kevent_write_filter,
	[-EVFILT_EXCEPT] = &kevent_except_filter,
	[-EVFILT_EMPTY] = &kevent_empty_filter,
	[-EVFILT_VNODE] = &kevent_vnode_filter,
	[-EVFILT_PROC] = &kevent_proc_filter,
	[-EVFILT_SIGNAL] = &kevent_signal_filter,
	[-EVFILT_FS] = &kevent_fs_filter,
	[-EVFILT_TIMER] = &kevent_timer_filter,
	[-EVFILT_PROCDESC] = &kevent_procdesc_filter,
	[-EVFILT_USER] = &kevent_user_filter,
};

/* Those of other modules. */
static const struct kevent_filter __rcu *other_filters[NR_FILTERS];

/* Serialises the writers of that table; readers use RCU. */
static DEFINE_MUTEX(filters_lock);

static bool filter_in_range(int filter)
{
	return filter < 0 && filter >= KEVENT_FILTER_MIN;
}

static noinline const struct kevent_filter *get_other(unsigned int i)
{
	const struct kevent_filter *ops;

	rcu_read_lock();
	ops = rcu_dereference(other_filters[i]);
	if (ops && !try_module_get(ops->owner))
		ops = NULL;
	rcu_read_unlock();
	return ops;
}

/*
 * Find a filter and keep its module loaded until kevent_filter_put(), which those
 * of descriptors do not need. Returns NULL for an unknown number or a module that
 * is going.
 */
const struct kevent_filter *kevent_filter_get(int filter)
{
	unsigned int i;

	if (!filter_in_range(filter))
		return NULL;
	i = array_index_nospec(-filter, NR_FILTERS);
	return likely(builtin_filters[i]) ? builtin_filters[i] : get_other(i);
}
EXPORT_SYMBOL_FOR_KUNIT(kevent_filter_get);

/* One more reference, for a caller who has one. */
void kevent_filter_hold(const struct kevent_filter *ops)
{
	if (ops->owner != THIS_MODULE)
		__module_get(ops->owner);
}

void kevent_filter_put(const struct kevent_filter *ops)
{
	if (ops->owner != THIS_MODULE)
		module_put(ops->owner);
}
EXPORT_SYMBOL_FOR_KUNIT(kevent_filter_put);

/* The map of struct kevent_info: bit -f for filter f. */
void kevent_filter_map(u64 map[2])
{
	unsigned int i;

	map[0] = 0;
	map[1] = 0;
	for (i = 1; i < NR_FILTERS; i++)
		if (builtin_filters[i] || rcu_access_pointer(other_filters[i]))
			map[i / 64] |= BIT_ULL(i % 64);
}
EXPORT_SYMBOL_FOR_KUNIT(kevent_filter_map);

/**
 * kevent_filter_register() - add a filter
 * @filter: its number, as programs will use it: KEVENT_FILTER_MIN to -1
 * @ops: its functions; must stay until kevent_filter_unregister()
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL for a number out of range, a missing function or the flag
 * KEVENT_FILTER_FD; -EBUSY if the number is taken.
 */
int kevent_filter_register(int filter, const struct kevent_filter *ops)
{
	int ret = 0;

	if (!filter_in_range(filter) || (ops->flags & KEVENT_FILTER_FD) ||
	    !ops->attach || !ops->detach || !ops->event)
		return -EINVAL;

	mutex_lock(&filters_lock);
	if (builtin_filters[-filter] ||
	    rcu_access_pointer(other_filters[-filter]))
		ret = -EBUSY;
	else
		rcu_assign_pointer(other_filters[-filter], ops);
	mutex_unlock(&filters_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(kevent_filter_register);

/**
 * kevent_filter_unregister() - take a filter away
 * @filter: its number
 * @ops: what was registered
 *
 * To be called from the exit function of the module that registered it: each
 * knote of the filter holds a reference to that module, so there are none
 * left, and none can be made any more.
 *
 * Context: process context, may sleep.
 */
void kevent_filter_unregister(int filter, const struct kevent_filter *ops)
{
	if (WARN_ON(!filter_in_range(filter)))
		return;

	mutex_lock(&filters_lock);
	if (rcu_access_pointer(other_filters[-filter]) == ops)
		RCU_INIT_POINTER(other_filters[-filter], NULL);
	mutex_unlock(&filters_lock);
	synchronize_rcu();
}
EXPORT_SYMBOL_GPL(kevent_filter_unregister);
