// SPDX-License-Identifier: GPL-2.0
/*
 * Waking those who poll a queue: epoll, another queue, io_uring, poll(2).
 *
 * They are not woken by whoever activates a knote, because their callbacks may
 * lead back to the source that activates:
 *
 *	source.lock -> knote_activate(queue) -> pollers.lock -> epoll.lock
 *	-> epoll's pollers -> knote_activate(queue) -> pollers.lock
 *
 * if an epoll instance is both in the queue and around it. An irq_work does it,
 * at once, but with none of these locks held.
 *
 * The irq_works belong to the CPUs, and queues wait in a list for them. An
 * irq_work in each queue could not be freed with the queue, since the kernel
 * still touches it when its function has returned, on PREEMPT_RT in a thread that
 * nothing needs to wait for. A queue in a list has a reference for that, which
 * the function gives back when it is done with the queue.
 */

#include <linux/irq_work.h>
#include <linux/percpu.h>
#include <linux/poll.h>

#include "kqueue.h"

/**
 * struct poller_wakes - of one CPU
 * @work: wakes the pollers of
 * @queues: these
 */
struct poller_wakes {
	struct irq_work work;
	struct llist_head queues;
};

static DEFINE_PER_CPU(struct poller_wakes, poller_wakes);

static void wake_pollers_of(struct kqueue *kq)
{
	__poll_t key = EPOLLIN | EPOLLRDNORM;

	if (READ_ONCE(kq->closing))
		__wake_up(&kq->pollers, TASK_NORMAL, 0,
			  poll_to_key(key | EPOLLERR | EPOLLHUP));
	else
		wake_up_poll(&kq->pollers, key);
}

/* Context: hard interrupt; on PREEMPT_RT a thread. */
static void wake_pollers(struct irq_work *work)
{
	struct poller_wakes *wakes = container_of(work, struct poller_wakes,
						  work);
	struct llist_node *first = llist_del_all(&wakes->queues);
	struct kqueue *kq, *next;

	llist_for_each_entry_safe(kq, next, first, wake_node) {
		/*
		 * From here on it may be put on a list again. A full barrier:
		 * who found it on ours has queued something before, which those
		 * who are woken now see.
		 */
		atomic_xchg(&kq->waking, 0);
		wake_pollers_of(kq);
		kqueue_put_atomic(kq);
	}
}

/*
 * Wake all who poll the queue, soon. The caller knows that the queue has a
 * reference. Context: any.
 */
void kqueue_wake_pollers(struct kqueue *kq)
{
	struct poller_wakes *wakes;

	if (atomic_xchg(&kq->waking, 1))
		return;
	kqueue_get(kq);
	preempt_disable();
	wakes = this_cpu_ptr(&poller_wakes);
	/* If there are others, the work is yet to come for them. */
	if (llist_add(&kq->wake_node, &wakes->queues))
		irq_work_queue(&wakes->work);
	preempt_enable();
}

void __init kqueue_pollers_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct poller_wakes *wakes = per_cpu_ptr(&poller_wakes, cpu);

		init_irq_work(&wakes->work, wake_pollers);
		init_llist_head(&wakes->queues);
	}
}

/*
 * Context: no queue is open, so none is put on the lists any more. Afterwards no
 * wake_pollers() is left that has not returned.
 */
void kqueue_pollers_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		irq_work_sync(&per_cpu_ptr(&poller_wakes, cpu)->work);
}
