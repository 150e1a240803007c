// SPDX-License-Identifier: GPL-2.0
/* Many knotes of one file in one table of descriptors: see crowd.h. */

#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "crowd.h"

/* Make a crowd for such knotes as @kn; NULL if there is no memory. */
struct crowd *crowd_alloc(const struct knote *kn, struct hlist_bl_head *bucket)
{
	struct crowd *crowd = kzalloc(sizeof(*crowd), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!crowd)
		return NULL;
	atomic_set(&crowd->head.state, KNOTE_CROWD);
	crowd->head.poll.file = kn->poll.file;
	crowd->files = kn->kq->files;
	crowd->bucket = bucket;
	for (i = 0; i < CROWD_SLOTS; i++)
		crowd->slots[i].number = i;
	raw_spin_lock_init(&crowd->lock);
	INIT_LIST_HEAD(&crowd->knotes);
	return crowd;
}

/* The newest is looked at last. Context: the bucket's lock. */
void crowd_add(struct crowd *crowd, struct knote *kn)
{
	raw_spin_lock(&crowd->lock);
	atomic_or(KNOTE_CROWD, &kn->state);
	list_add_tail(&kn->poll.crowd_node, &crowd->knotes);
	crowd->n++;
	raw_spin_unlock(&crowd->lock);
}

/*
 * A new crowd takes the place of the loose knotes, and takes them in. At no time
 * may the bucket look empty to the hook. Context: the bucket's lock.
 */
void crowd_form(struct crowd *crowd)
{
	struct hlist_bl_node *pos, *next;
	struct knote *kn;

	hlist_bl_add_head(&crowd->head.poll.close_node, crowd->bucket);
	hlist_bl_for_each_entry_safe(kn, pos, next, crowd->bucket,
				     poll.close_node) {
		if (kn == &crowd->head ||
		    !entry_is_of(kn, crowd->head.poll.file, crowd->files))
			continue;
		hlist_bl_del(&kn->poll.close_node);
		crowd_add(crowd, kn);
	}
}

/*
 * A few that are left are loose again, if nobody walks: a walk that is under way
 * or to be would miss them. True if the crowd is over, and the caller frees it.
 * Context: the bucket's lock; as nobody walks, that is the only one.
 */
bool crowd_settle(struct crowd *crowd)
{
	struct knote *kn, *next;

	if (crowd->walkers || crowd->n > CROWD_LOW)
		return false;

	list_for_each_entry_safe(kn, next, &crowd->knotes, poll.crowd_node) {
		atomic_andnot(KNOTE_CROWD, &kn->state);
		hlist_bl_add_head(&kn->poll.close_node, crowd->bucket);
	}
	hlist_bl_del(&crowd->head.poll.close_node);
	return true;
}

/*
 * Take out a knote that was in the crowd when the bucket was locked, unless a
 * walker has been faster: then it is closed. Context: the bucket's lock.
 */
void crowd_remove(struct crowd *crowd, struct knote *kn)
{
	raw_spin_lock(&crowd->lock);
	if (!knote_is_closed(kn)) {
		list_del(&kn->poll.crowd_node);
		atomic_andnot(KNOTE_CROWD, &kn->state);
		crowd->n--;
	}
	raw_spin_unlock(&crowd->lock);
}

/*
 * The current thread has closed a descriptor of the file, which may be that of a
 * knote in the crowd. Returns a slot if a walk must be arranged for: the caller
 * has crowd_walk() called for it, and then puts the module. Context: the hook,
 * the bucket's lock.
 */
struct crowd_slot *crowd_send(struct crowd *crowd)
{
	struct crowd_slot *slot, *free = NULL;

	for (slot = crowd->slots; slot < crowd->slots + CROWD_SLOTS; slot++) {
		if (slot->walker == current) {
			if (!slot->begun)
				return NULL;
			free = NULL;
			break;
		}
		if (!slot->walker && !free)
			free = slot;
	}
	if (!free) {
		crowd->missed = true;
		return NULL;
	}
	free->walker = current;
	free->begun = false;
	crowd->walkers++;
	/* The hook runs, so somebody has a knote, and a queue open. */
	__module_get(THIS_MODULE);
	return free;
}

static struct crowd *slot_crowd(struct crowd_slot *slot)
{
	return container_of(slot, struct crowd, slots[slot->number]);
}

static void walk_begin(struct crowd *crowd, struct crowd_slot *slot)
{
	hlist_bl_lock(crowd->bucket);
	slot->begun = true;
	hlist_bl_unlock(crowd->bucket);
}

/* False if it must be walked again, for those who found no slot. */
static bool walk_end(struct crowd *crowd, struct crowd_slot *slot)
{
	struct hlist_bl_head *bucket = crowd->bucket;
	bool over;

	hlist_bl_lock(bucket);
	if (crowd->missed && crowd->walkers == 1) {
		crowd->missed = false;
		hlist_bl_unlock(bucket);
		return false;
	}
	slot->walker = NULL;
	crowd->walkers--;
	over = crowd_settle(crowd);
	hlist_bl_unlock(bucket);

	if (over)
		kfree(crowd);
	return true;
}

/* How far the looks have to get until all have been looked at from now on. */
static unsigned long walk_target(struct crowd *crowd)
{
	unsigned long target;

	raw_spin_lock(&crowd->lock);
	target = crowd->looked + crowd->n;
	raw_spin_unlock(&crowd->lock);
	return target;
}

/* Take a knote whose descriptor is closed, with a reference to its queue. */
static void walk_take(struct crowd *crowd, struct knote *kn,
		      struct callback_head **taken)
{
	list_del(&kn->poll.crowd_node);
	crowd->n--;
	atomic_or(KNOTE_CLOSED, &kn->state);
	kqueue_get(kn->kq);
	kn->poll.close_work.next = *taken;
	*taken = &kn->poll.close_work;
}

/*
 * Look at some knotes, from the first on, and put the list's head behind them.
 * Returns those whose descriptors are closed; *@more is false if there is nothing
 * more to look at.
 */
static struct callback_head *walk_some(struct crowd *crowd, unsigned long target,
				       bool *more)
{
	struct file *file = crowd->head.poll.file;
	struct callback_head *taken = NULL;
	struct knote *kn, *next;
	long looks;

	raw_spin_lock(&crowd->lock);
	rcu_read_lock();
	looks = clamp_t(long, target - crowd->looked, 0, CROWD_LOOKS);
	crowd->looked += looks;
	list_for_each_entry_safe(kn, next, &crowd->knotes, poll.crowd_node) {
		if (!looks--)
			break;
		if (!still_open(crowd->files, kn->ident, file))
			walk_take(crowd, kn, &taken);
	}
	if (!list_entry_is_head(kn, &crowd->knotes, poll.crowd_node))
		list_move_tail(&crowd->knotes, &kn->poll.crowd_node);
	*more = crowd->n && (long)(target - crowd->looked) > 0;
	rcu_read_unlock();
	raw_spin_unlock(&crowd->lock);
	return taken;
}

static void walk_drop(struct callback_head *taken,
		      void (*drop)(struct knote *kn))
{
	struct knote *kn;

	while (taken) {
		kn = container_of(taken, struct knote, poll.close_work);
		taken = taken->next;
		drop(kn);
		cond_resched();
	}
}

/*
 * Have @drop called for the knotes of all descriptors that have been closed until
 * now. The slot is free after that, and the crowd may be. Context: may sleep; any
 * thread.
 */
void crowd_walk(struct crowd_slot *slot, void (*drop)(struct knote *kn))
{
	struct crowd *crowd = slot_crowd(slot);
	unsigned long target;
	bool more;

	walk_begin(crowd, slot);
	do {
		target = walk_target(crowd);
		do {
			walk_drop(walk_some(crowd, target, &more), drop);
			cond_resched();
		} while (more);
	} while (!walk_end(crowd, slot));
}
