// SPDX-License-Identifier: GPL-2.0
/*
 * Queues that watch queues. Cycles are refused and so are chains of more than
 * KQUEUE_NEST_MAX, so that one wake-up leads to a bounded number of others.
 *
 * All under nest_lock, which is global: nesting is rare, and a walk crosses
 * queues. A walk visits each queue once, whatever the number of paths to it,
 * by stamping it; its depth is bounded since no longer chain exists.
 */

#include <linux/mutex.h>
#include <linux/slab.h>

#include "kqueue.h"

/**
 * struct nest_link - @parent watches @child
 * @parent: the outer queue
 * @child: the inner queue; the knote of the link holds its file
 * @of_parent: on @parent->children
 * @of_child: on @child->parents
 */
struct nest_link {
	struct kqueue *parent;
	struct kqueue *child;
	struct list_head of_parent;
	struct list_head of_child;
};

static DEFINE_MUTEX(nest_lock);
static u64 nest_stamp;

/* The longest chain of queues from @kq inwards, itself included. */
static unsigned int height_below(struct kqueue *kq)
{
	struct nest_link *link;
	unsigned int height = 0;

	if (kq->nest_stamp == nest_stamp)
		return kq->nest_height;

	list_for_each_entry(link, &kq->children, of_parent)
		height = max(height, height_below(link->child));
	kq->nest_stamp = nest_stamp;
	kq->nest_height = height + 1;
	return kq->nest_height;
}

/* The same outwards. */
static unsigned int height_above(struct kqueue *kq)
{
	struct nest_link *link;
	unsigned int height = 0;

	if (kq->nest_stamp == nest_stamp)
		return kq->nest_height;

	list_for_each_entry(link, &kq->parents, of_child)
		height = max(height, height_above(link->parent));
	kq->nest_stamp = nest_stamp;
	kq->nest_height = height + 1;
	return kq->nest_height;
}

static bool nest_allowed(struct kqueue *parent, struct kqueue *child)
{
	unsigned int below, above;

	lockdep_assert_held(&nest_lock);

	nest_stamp++;
	below = height_below(child);
	/* The walk has been at the parent: it is below the child. */
	if (parent->nest_stamp == nest_stamp)
		return false;

	nest_stamp++;
	above = height_above(parent);
	return above + below <= KQUEUE_NEST_MAX;
}

/*
 * Note that @parent is to watch @child. Returns the link for nest_remove(), or
 * an error pointer: -ELOOP, -ENOMEM. Context: may sleep.
 */
struct nest_link *nest_add(struct kqueue *parent, struct kqueue *child)
{
	struct nest_link *link;

	link = kmalloc(sizeof(*link), GFP_KERNEL_ACCOUNT);
	if (!link)
		return ERR_PTR(-ENOMEM);
	link->parent = parent;
	link->child = child;

	mutex_lock(&nest_lock);
	if (nest_allowed(parent, child)) {
		list_add(&link->of_parent, &parent->children);
		list_add(&link->of_child, &child->parents);
	} else {
		kfree(link);
		link = ERR_PTR(-ELOOP);
	}
	mutex_unlock(&nest_lock);
	return link;
}

void nest_remove(struct nest_link *link)
{
	mutex_lock(&nest_lock);
	list_del(&link->of_parent);
	list_del(&link->of_child);
	mutex_unlock(&nest_lock);
	kfree(link);
}
