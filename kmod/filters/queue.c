// SPDX-License-Identifier: GPL-2.0
/*
 * A queue in a queue: only of the same descriptor table, and without cycles.
 * Looking at one is reading counters: it never waits. But others may be walking
 * through their queues when this one is to be linked to another.
 */

#include <linux/fs.h>

#include "../kqueue.h"
#include "kind.h"
#include "poll.h"

/*
 * The wait entry's private pointer keeps the link of the two; it is free, since
 * a queue has one wait queue.
 */
static int queue_attach(struct knote *kn)
{
	struct kqueue *child = kn->poll.file->private_data;
	struct nest_link *link;
	int ret;

	if (kn->filter != EVFILT_READ)
		return -EINVAL;
	if (child->files != kn->kq->files)
		return -EBADF;

	link = nest_add(kn->kq, child);
	if (IS_ERR(link))
		return PTR_ERR(link);
	ret = fd_poll_attach(kn);
	if (ret < 0)
		nest_remove(link);
	else
		kn->poll.wait.private = link;
	return ret;
}

static void queue_detach(struct knote *kn)
{
	struct nest_link *link = kn->poll.wait.private;

	kn->poll.wait.private = NULL;
	fd_poll_detach(kn);
	nest_remove(link);
}

/*
 * Another thread may have emptied the inner queue since it was polled, or be
 * scanning it so that it seems empty. Then poll again, which makes that scan
 * tell us of what it leaves.
 */
static bool queue_readable(struct knote *kn, struct kevent_record *kev)
{
	unsigned int n;

	if (!poll_readable(kn, kev))
		return false;
	n = kqueue_nr_ready(kn->poll.file->private_data);
	if (!n && !poll_readable(kn, kev))
		return false;
	kev->data = max(n, 1U);
	return true;
}

const struct fd_kind queue_kind = {
	.flags = FD_KIND_POLLED | FD_KIND_SLOW_ENDS,
	.attach = queue_attach,
	.detach = queue_detach,
	.readable = queue_readable,
	.writable = poll_writable,
};
