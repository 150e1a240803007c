// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT and EVFILT_EMPTY: descriptors.
 *
 * What a descriptor has to report is found out when somebody looks, from its
 * poll method and from what its kind can tell; the wait queues only say when
 * to look.
 */

#include <linux/file.h>
#include <linux/fs.h>

#include "../compat.h"
#include "../kqueue.h"
#include "fd.h"
#include "file.h"

#define EVENTS_READ	(EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define EVENTS_WRITE	(EPOLLOUT | EPOLLWRNORM | EPOLLHUP | EPOLLERR)
#define EVENTS_EXCEPT	(EPOLLPRI)

/* The counter of an eventfd can take so much. */
#define EVENTFD_MAX	(ULLONG_MAX - 1)

/*
 * A queue watches a queue: only of the same table, and without cycles. The
 * wait entry's private pointer keeps the link; a queue has one wait queue.
 */
static int kqueue_attach(struct knote *kn)
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

static void kqueue_detach(struct knote *kn)
{
	struct nest_link *link = kn->poll.wait.private;

	kn->poll.wait.private = NULL;
	fd_poll_detach(kn);
	nest_remove(link);
}

static int attach_kind(struct knote *kn)
{
	switch (kn->kind) {
	case FD_KQUEUE:
		return kqueue_attach(kn);
	case FD_FILE:
		return file_attach(kn);
	case FD_PLAIN:
		return 1;
	case FD_PIPE:
		if (kn->filter == EVFILT_READ && (kn->flags & EV_CLEAR))
			pipe_wake_each_write(kn->poll.file->private_data);
		fallthrough;
	default:
		return fd_poll_attach(kn);
	}
}

static int fd_attach(struct knote *kn, __poll_t events)
{
	int ret;

	kn->kind = fd_kind_of(kn->poll.file);
	if (kn->kind == FD_OTHER || kn->kind == FD_FIONREAD)
		kn->status |= KNOTE_SLOW;
	kn->events = (__force u16)events;
	ret = attach_kind(kn);
	if (ret >= 0)
		get_file(kn->poll.file);
	return ret;
}

static void fd_detach(struct knote *kn)
{
	switch (kn->kind) {
	case FD_KQUEUE:
		kqueue_detach(kn);
		break;
	case FD_FILE:
		file_detach(kn);
		break;
	case FD_PLAIN:
		break;
	default:
		fd_poll_detach(kn);
	}
	fput(kn->poll.file);
}

static int read_attach(struct knote *kn)
{
	int ret = fd_attach(kn, EVENTS_READ);

	/* A low-water mark may be below what poll calls readable. */
	if (!ret && (kn->sfflags & NOTE_LOWAT))
		ret = 1;
	return ret;
}

/* Like a file's poll: ready for reading, or hung up. */
static bool poll_readable(struct knote *kn, struct kevent_record *kev,
			  s64 data, __poll_t mask)
{
	kev->data = data;
	if (mask & EPOLLHUP)
		kev->flags |= EV_EOF;
	return true;
}

/*
 * Another thread may have emptied the inner queue since it was polled, or be
 * scanning it so that it seems empty. Then poll again, which makes that scan
 * tell us of what it leaves.
 */
static bool kqueue_readable(struct knote *kn, struct kevent_record *kev,
			    __poll_t mask)
{
	struct file *file = kn->poll.file;
	unsigned int n = kqueue_nr_ready(file->private_data);

	if (!n)
		mask = fd_poll(kn);
	return (mask & EVENTS_READ) &&
	       poll_readable(kn, kev, max(n, 1U), mask);
}

/* Called by the scan directly. */
bool kevent_read_event(struct knote *kn, struct kevent_record *kev)
{
	struct file *file = kn->poll.file;
	__poll_t mask;

	switch (kn->kind) {
	case FD_FILE:
		return file_readable(kn, kev);
	case FD_PLAIN:
		return true;
	case FD_EVENTFD:
		kev->data = eventfd_counter(file);
		return kev->data;
	case FD_SOCKET:
		return socket_readable(kn, kev);
	case FD_PIPE:
		return pipe_readable(kn, kev);
	}

	mask = fd_poll(kn);
	if (!(mask & EVENTS_READ))
		return false;

	switch (kn->kind) {
	case FD_KQUEUE:
		return kqueue_readable(kn, kev, mask);
	default:
		return poll_readable(kn, kev, !!(mask & EPOLLIN), mask);
	}
}

static s64 read_measure(struct knote *kn, void __user *scratch)
{
	return kn->kind == FD_FIONREAD && (fd_poll(kn) & EPOLLIN) ?
		fionread(kn, scratch) : -1;
}

const struct kevent_filter kevent_read_filter = {
	.owner = THIS_MODULE,
	.name = "read",
	.flags = KEVENT_FILTER_FD,
	.attach = read_attach,
	.detach = fd_detach,
	.event = kevent_read_event,
	.measure = read_measure,
};

static int write_attach(struct knote *kn)
{
	struct file *file = kn->poll.file;
	int ret;

	if (file_is_pipe(file) && (file->f_mode & FMODE_WRITE) &&
	    !pipe_has_reader(file))
		return -EPIPE;
	ret = fd_attach(kn, EVENTS_WRITE);
	/* As above; and poll may not tell that a socket was shut down. */
	if (!ret && kn->kind == FD_SOCKET)
		ret = 1;
	return ret;
}

static bool write_event(struct knote *kn, struct kevent_record *kev)
{
	struct file *file = kn->poll.file;
	__poll_t mask;

	switch (kn->kind) {
	case FD_FILE:
	case FD_PLAIN:
		return true;
	case FD_EVENTFD:
		/* As the counter, to be read as unsigned. */
		kev->data = EVENTFD_MAX - eventfd_counter(file);
		return kev->data;
	case FD_SOCKET:
		return socket_writable(kn, kev);
	}

	mask = fd_poll(kn);
	if (!(mask & EVENTS_WRITE))
		return false;

	if (kn->kind == FD_PIPE) {
		if (!(file->f_mode & FMODE_WRITE))
			return false;
		kev->data = pipe_writable(file);
		/* No reader is left. */
		if (mask & EPOLLERR)
			kev->flags |= EV_EOF;
		return true;
	}
	kev->data = !!(mask & EPOLLOUT);
	if (mask & EPOLLHUP)
		kev->flags |= EV_EOF;
	return true;
}

const struct kevent_filter kevent_write_filter = {
	.owner = THIS_MODULE,
	.name = "write",
	.flags = KEVENT_FILTER_FD,
	.attach = write_attach,
	.detach = fd_detach,
	.event = write_event,
};

/* Out-of-band data of a socket, packet mode of a pty, a changed sysfs file. */
static int except_attach(struct knote *kn)
{
	struct file *file = kn->poll.file;

	if ((kn->sfflags & ~NOTE_OOB) || !file->f_op->poll ||
	    file_is_kqueue(file))
		return -EINVAL;
	return fd_attach(kn, EVENTS_EXCEPT);
}

static int except_touch(struct knote *kn, const struct kevent_record *kev)
{
	if (kev->fflags & ~NOTE_OOB)
		return -EINVAL;
	kn->sfflags = kev->fflags;
	return 0;
}

static bool except_event(struct knote *kn, struct kevent_record *kev)
{
	if (kn->kind == FD_FILE || !(fd_poll(kn) & EVENTS_EXCEPT))
		return false;
	kev->fflags = NOTE_OOB;
	return true;
}

const struct kevent_filter kevent_except_filter = {
	.owner = THIS_MODULE,
	.name = "except",
	.flags = KEVENT_FILTER_FD,
	.attach = except_attach,
	.detach = fd_detach,
	.touch = except_touch,
	.event = except_event,
};

static int empty_attach(struct knote *kn)
{
	int ret;

	if (!S_ISSOCK(file_inode(kn->poll.file)->i_mode))
		return -EINVAL;
	ret = fd_attach(kn, EVENTS_WRITE);
	/* Whether it is empty has little to do with whether it is writable. */
	return ret < 0 ? ret : 1;
}

static bool empty_event(struct knote *kn, struct kevent_record *kev)
{
	return socket_empty(kn, kev);
}

const struct kevent_filter kevent_empty_filter = {
	.owner = THIS_MODULE,
	.name = "empty",
	.flags = KEVENT_FILTER_FD,
	.attach = empty_attach,
	.detach = fd_detach,
	.event = empty_event,
};
