/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Telling any number of knotes that something has happened, at a cost to whoever
 * makes it happen that does not depend on how many they are.
 *
 * A source of which many users may have knotes has a teller. It lists the knotes
 * that are armed: that have looked at the source since they were last told. What
 * happens is told to a few of them directly; the rest is left to a work item. Who
 * has been told is off the list, so that the next time there is nothing to do,
 * until the knote's queue looks at the source again.
 *
 * A knote is armed before it looks:
 *
 *	something happens		look
 *	change the source		onto the list, under the lock
 *	who is on the list, under the	has it changed?
 *	lock?
 *
 * Whoever takes the lock second sees what the other did before. The knote is
 * told, or has seen the change, or both; in no order neither. And it is told of
 * what came after it was armed, never of something earlier that the work item has
 * not finished telling of: what is left to that is on a list of its own, from
 * which arming takes the knote.
 */
#ifndef _KEVENT_FILTERS_TELL_H
#define _KEVENT_FILTERS_TELL_H

#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "../knote.h"

/**
 * struct teller - whom to tell
 * @refs: one for each knote, one for @work while it is queued or runs, and those
 *	of whoever has the source
 * @lock: protects the lists, and with them the knotes: a knote is activated
 *	under it, and teller_detach() takes it off under it. Raw, since something
 *	may happen in any context; with interrupts off. It may be taken under
 *	kq->mtx; under it, only what knote_activate() and queue_work() take
 * @armed: knotes to tell the next time, in the order in which they looked
 * @late: knotes that @work is to tell of what has happened so far
 * @work: tells them
 * @end: the last reference was given back, and the lists are empty for ever; may
 *	sleep
 *
 * A knote's part is struct knote_told; its node is empty while it is on no list.
 */
struct teller {
	refcount_t refs;
	raw_spinlock_t lock;	/* protects armed and late */
	struct list_head armed;
	struct list_head late;
	struct work_struct work;
	void (*end)(struct teller *teller);
};

void teller_init(struct teller *teller, void (*end)(struct teller *teller));
void teller_attach(struct teller *teller, struct knote *kn);
void teller_detach(struct knote *kn);
void teller_put(struct teller *teller);
void teller_tell(struct teller *teller);

/* To be called before each look, with the lock. */
static inline void teller_arm(struct knote *kn)
{
	struct teller *teller = kn->told.teller;

	lockdep_assert_held(&teller->lock);
	list_move_tail(&kn->told.node, &teller->armed);
}

int tell_init(void);
void tell_exit(void);

#endif /* _KEVENT_FILTERS_TELL_H */
