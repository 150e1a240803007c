// SPDX-License-Identifier: GPL-2.0
/*
 * Queues that watch queues. Cycles are refused and so are chains of more than
 * KQUEUE_NEST_MAX, so that one wake-up leads to a bounded number of others.
 *
 * A walk crosses queues, all of one table of descriptors: so there is a lock for
 * each table, or for the few that share it by chance. How many queues there are
 * is up to the program, and others do not wait for its walks. A walk visits each
 * queue once, whatever the number of paths to it, by stamping it; its depth is
 * bounded since no longer chain exists.
 */

#include <linux/hash.h>
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

/**
 * struct nest_room - the nesting within some tables of descriptors
 * @lock: protects all links between their queues
 * @stamp: of the last walk
 */
struct nest_room {
	struct mutex lock;	/* see above */
	u64 stamp;
};

#define NEST_ROOM_BITS	6

static struct nest_room nest_rooms[1 << NEST_ROOM_BITS];

static struct nest_room *nest_room_of(const struct kqueue *kq)
{
	return &nest_rooms[hash_ptr(kq->files, NEST_ROOM_BITS)];
}

/* The longest chain of queues from @kq inwards, itself included. */
static unsigned int height_below(struct kqueue *kq, u64 stamp)
{
	struct nest_link *link;
	unsigned int height = 0;

	if (kq->nest_stamp == stamp)
		return kq->nest_height;

	list_for_each_entry(link, &kq->children, of_parent)
		height = max(height, height_below(link->child, stamp));
	kq->nest_stamp = stamp;
	kq->nest_height = height + 1;
	return kq->nest_height;
}

/* The same outwards. */
static unsigned int height_above(struct kqueue *kq, u64 stamp)
{
	struct nest_link *link;
	unsigned int height = 0;

	if (kq->nest_stamp == stamp)
		return kq->nest_height;

	list_for_each_entry(link, &kq->parents, of_child)
		height = max(height, height_above(link->parent, stamp));
	kq->nest_stamp = stamp;
	kq->nest_height = height + 1;
	return kq->nest_height;
}

static bool nest_allowed(struct nest_room *room, struct kqueue *parent,
			 struct kqueue *child)
{
	unsigned int below, above;

	lockdep_assert_held(&room->lock);

	below = height_below(child, ++room->stamp);
	/* The walk has been at the parent: it is below the child. */
	if (parent->nest_stamp == room->stamp)
		return false;

	above = height_above(parent, ++room->stamp);
	return above + below <= KQUEUE_NEST_MAX;
}

/*
 * Note that @parent is to watch @child, of the same table. Returns the link for
 * nest_remove(), or an error pointer: -ELOOP, -ENOMEM. Context: may sleep.
 */
struct nest_link *nest_add(struct kqueue *parent, struct kqueue *child)
{
	struct nest_room *room = nest_room_of(parent);
	struct nest_link *link;

	link = kmalloc(sizeof(*link), GFP_KERNEL_ACCOUNT);
	if (!link)
		return ERR_PTR(-ENOMEM);
	link->parent = parent;
	link->child = child;

	mutex_lock(&room->lock);
	if (nest_allowed(room, parent, child)) {
		list_add(&link->of_parent, &parent->children);
		list_add(&link->of_child, &child->parents);
	} else {
		kfree(link);
		link = ERR_PTR(-ELOOP);
	}
	mutex_unlock(&room->lock);
	return link;
}

void nest_remove(struct nest_link *link)
{
	struct nest_room *room = nest_room_of(link->parent);

	mutex_lock(&room->lock);
	list_del(&link->of_parent);
	list_del(&link->of_child);
	mutex_unlock(&room->lock);
	kfree(link);
}

void __init nest_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nest_rooms); i++)
		mutex_init(&nest_rooms[i].lock);
}
