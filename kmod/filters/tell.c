// SPDX-License-Identifier: GPL-2.0
/* Telling knotes that something has happened; see tell.h. */

#include <linux/sched.h>

#include "tell.h"

/*
 * How many knotes are told directly, and by the work item without a pause. A user
 * can make others do more: each file may have 128 of his inotify instances told
 * by a write, each signal any number of his signalfds.
 */
#define TELL_MAX	16

static struct workqueue_struct *tell_wq;

/* Context: that of the teller's end function. */
void teller_put(struct teller *teller)
{
	if (refcount_dec_and_test(&teller->refs))
		teller->end(teller);
}

/* Tell the first few. */
static void tell(struct teller *teller, struct list_head *list)
{
	struct knote *kn;
	int i;

	lockdep_assert_held(&teller->lock);

	for (i = 0; i < TELL_MAX && !list_empty(list); i++) {
		kn = list_first_entry(list, struct knote, told.node);
		list_del_init(&kn->told.node);
		knote_activate(kn);
	}
}

static void tell_late(struct work_struct *work)
{
	struct teller *teller = container_of(work, struct teller, work);
	bool more;

	do {
		raw_spin_lock_irq(&teller->lock);
		tell(teller, &teller->late);
		more = !list_empty(&teller->late);
		raw_spin_unlock_irq(&teller->lock);
		cond_resched();
	} while (more);
	teller_put(teller);
}

/* For its first knote, of which the reference is. */
void teller_init(struct teller *teller, void (*end)(struct teller *teller))
{
	refcount_set(&teller->refs, 1);
	raw_spin_lock_init(&teller->lock);
	INIT_LIST_HEAD(&teller->armed);
	INIT_LIST_HEAD(&teller->late);
	INIT_WORK(&teller->work, tell_late);
	teller->end = end;
}

/* Have the knote told, once it is armed. A reference is handed over. */
void teller_attach(struct teller *teller, struct knote *kn)
{
	INIT_LIST_HEAD(&kn->told.node);
	kn->told.teller = teller;
}

/* After this the knote is not told any more. Context: may sleep. */
void teller_detach(struct knote *kn)
{
	struct teller *teller = kn->told.teller;

	raw_spin_lock_irq(&teller->lock);
	list_del_init(&kn->told.node);
	raw_spin_unlock_irq(&teller->lock);
	teller_put(teller);
}

/*
 * Something has happened. Context: any, with the lock. The last knote may have
 * gone, and the last reference with it: then both lists are empty, and stay so.
 */
void teller_tell(struct teller *teller)
{
	tell(teller, &teller->armed);
	if (list_empty(&teller->armed))
		return;
	list_splice_tail_init(&teller->armed, &teller->late);
	/*
	 * Those on the list have a reference each, and the work cannot get to
	 * giving one back before the lock is free.
	 */
	if (queue_work(tell_wq, &teller->work))
		refcount_inc(&teller->refs);
}

int __init tell_init(void)
{
	tell_wq = alloc_workqueue("kevent_tell", WQ_UNBOUND, 0);
	return tell_wq ? 0 : -ENOMEM;
}

/* Context: no knote is left. The works give back their references. */
void tell_exit(void)
{
	destroy_workqueue(tell_wq);
}
