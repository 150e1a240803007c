// SPDX-License-Identifier: GPL-2.0
/* Making, counting and freeing knotes. */

#include <linux/percpu.h>
#include <linux/slab.h>

#include "compat.h"
#include "kqueue.h"
#include "knote.h"

static struct kmem_cache *knote_cache;

/* All but those that are spent: made and freed may fall on different CPUs. */
static DEFINE_PER_CPU(long, knotes);

/* One more, or one less. */
void knote_count_one(int one)
{
	this_cpu_add(knotes, one);
}

/*
 * Make a knote from the change that asks for it. It is charged to the queue's
 * user and to the caller's memory cgroup; it is in no table yet. Context: kq->mtx.
 */
struct knote *knote_alloc(struct kqueue *kq, const struct kevent_filter *ops,
			  const struct kevent_record *kev)
{
	struct knote *kn;
	int ret;

	ret = kqueue_charge(kq);
	if (ret)
		return ERR_PTR(ret);

	kn = kmem_cache_zalloc(knote_cache, GFP_KERNEL_ACCOUNT);
	if (!kn) {
		kqueue_uncharge(kq);
		return ERR_PTR(-ENOMEM);
	}
	this_cpu_inc(knotes);

	kn->kq = kq;
	kn->ops = ops;
	if (!(ops->flags & KEVENT_FILTER_FD)) {
		kevent_filter_hold(ops);
		if (!(ops->flags & KEVENT_FILTER_QUICK))
			kn->status = KNOTE_SLOW;
		if (ops->flags & KEVENT_FILTER_SLOW_ENDS)
			atomic_set(&kn->state, KNOTE_SLOW_ENDS);
	}
	kn->ident = kev->ident;
	kn->filter = kev->filter;
	knote_set_what(kn, kev);
	return kn;
}

/*
 * Free a knote that is out of all tables and detached: nobody can have a pointer
 * to it. That is also so for those that were in kq->idents, although RCU protects
 * hash tables: it is looked up and walked only with the queue locked, and the
 * worker that resizes it steps on knotes only in buckets that it has locked.
 * Context: kq->mtx, as for knote_alloc().
 */
void knote_free(struct knote *kn)
{
	const struct kevent_filter *ops = kn->ops;

	kqueue_uncharge(kn->kq);
	if (!knote_is_spent(kn))
		knote_count_one(-1);
	kmem_cache_free(knote_cache, kn);
	if (!(ops->flags & KEVENT_FILTER_FD))
		kevent_filter_put(ops);
}

long knote_count(void)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += per_cpu(knotes, cpu);
	return sum;
}
EXPORT_SYMBOL_FOR_KUNIT(knote_count);

int knote_cache_init(void)
{
	knote_cache = KMEM_CACHE(knote, SLAB_ACCOUNT);
	return knote_cache ? 0 : -ENOMEM;
}

/* Context: no queue is left, so no knote. */
void knote_cache_exit(void)
{
	kmem_cache_destroy(knote_cache);
}
