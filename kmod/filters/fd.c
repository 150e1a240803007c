// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT and EVFILT_EMPTY: descriptors.
 *
 * What a descriptor has to report is found out when somebody looks, from what
 * its kind (kind.h) can tell; the wait queues only say when to look.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/indirect_call_wrapper.h>

#include "../kqueue.h"
#include "kind.h"
#include "poll.h"
#include "turn.h"
#include "usual.h"

/* A new knote, before attach: what it is of, and so whether it is SLOW. */
void kevent_fd_prepare(struct knote *kn, struct file *file)
{
	unsigned int flags;

	kn->poll.file = file;
	if (kn->filter == EVFILT_VNODE) {
		kn->kind = FD_PLAIN;
		flags = vnode_flags(file);
	} else {
		kn->kind = fd_kind_of(file);
		flags = knote_kind(kn)->flags;
	}
	if (flags & FD_KIND_SLOW)
		kn->status |= KNOTE_SLOW;
	if (flags & FD_KIND_SLOW_ENDS)
		atomic_or(KNOTE_SLOW_ENDS, &kn->state);
}

static int fd_attach(struct knote *kn, __poll_t events)
{
	int ret;

	kn->events = (__force u16)events;
	ret = INDIRECT_CALL_1(knote_kind(kn)->attach, fd_poll_attach, kn);
	if (ret >= 0)
		get_file(kn->poll.file);
	return ret;
}

static void fd_detach(struct knote *kn)
{
	INDIRECT_CALL_1(knote_kind(kn)->detach, fd_poll_detach, kn);
	fput(kn->poll.file);
}

static int read_attach(struct knote *kn)
{
	int ret = fd_attach(kn, EVENTS_READ);
	int err;

	if (ret < 0 || likely(!(kn->sfflags & NOTE_EXCLUSIVE)))
		return ret;
	err = turn_begin(kn, kn->sfflags);
	if (!err)
		return ret;
	fd_detach(kn);
	return err;
}

/* Changes come here only if the flag is in them, or in the knote: others pay nothing. */
static int read_touch(struct knote *kn, const struct kevent_record *kev)
{
	int ret = turn_touch(kn, kev);

	if (ret)
		return ret;
	kn->sfflags = kev->fflags;
	kn->sdata = kev->data;
	return 0;
}

/*
 * As the event function, of what kevent_read_usual() has seen nothing in; called by
 * scans directly. So are the kinds of which a program may have very many: calls
 * through a pointer are dear.
 */
bool kevent_read_unusual(struct knote *kn, struct kevent_record *kev)
{
	switch (kn->kind) {
	case FD_SOCKET:
		return socket_readable(kn, kev);
	case FD_PIPE:
		return pipe_readable(kn, kev);
	default:
		return knote_kind(kn)->readable(kn, kev);
	}
}

static bool read_event(struct knote *kn, struct kevent_record *kev)
{
	kev->data = kevent_read_usual(kn);
	return kev->data || kevent_read_unusual(kn, kev);
}

static s64 read_measure(struct knote *kn, void __user *scratch)
{
	const struct fd_kind *kind = knote_kind(kn);

	return kind->measure ? kind->measure(kn, scratch) : -1;
}

const struct kevent_filter kevent_read_filter = {
	.owner = THIS_MODULE,
	.name = "read",
	.flags = KEVENT_FILTER_FD,
	.attach = read_attach,
	.detach = fd_detach,
	.touch = read_touch,
	.event = read_event,
	.measure = read_measure,
};

static int write_attach(struct knote *kn)
{
	return fd_attach(kn, EVENTS_WRITE);
}

static bool write_event(struct knote *kn, struct kevent_record *kev)
{
	return knote_kind(kn)->writable(kn, kev);
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
	if (!(knote_kind(kn)->flags & FD_KIND_POLLED) ||
	    !(fd_poll(kn) & EVENTS_EXCEPT))
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
	if (!file_is_socket(kn->poll.file))
		return -EINVAL;
	return fd_attach(kn, EVENTS_WRITE);
}

const struct kevent_filter kevent_empty_filter = {
	.owner = THIS_MODULE,
	.name = "empty",
	.flags = KEVENT_FILTER_FD,
	.attach = empty_attach,
	.detach = fd_detach,
	.event = socket_empty,
};
