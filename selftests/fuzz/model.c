// SPDX-License-Identifier: BSD-2-Clause
/* The model: registrations, and what a change does to them. */
#include "model.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define FLAGS_KNOWN	0x03ff
#define PROPERTIES	(EV_ONESHOT | EV_CLEAR | EV_RECEIPT | EV_DISPATCH)
#define NEST_MAX	5

bool filter_is_fd(int filter)
{
	return filter != EVFILT_TIMER && filter != EVFILT_USER &&
	       filter != EVFILT_SIGNAL && filter != EVFILT_PROC;
}

struct file *number_file(const struct model *m, uint64_t ident)
{
	uint64_t i = ident - FD_BASE;

	return i < NUMBERS ? m->number[i] : NULL;
}

struct queue *number_queue(const struct model *m, uint64_t ident)
{
	uint64_t i = ident - QUEUE_BASE;

	return i < QUEUES ? m->slot[i] : NULL;
}

struct note *note_find(struct queue *q, uint64_t ident, int filter)
{
	struct note *n;

	for (n = q->note; n < q->note + NOTES; n++)
		if (n->used && n->ident == ident && n->filter == filter)
			return n;
	return NULL;
}

/* All registrations of a descriptor go when that number is closed. */
void model_drop_number(struct model *m, uint64_t number)
{
	struct note *n;
	int i;

	for (i = 0; i < QUEUES; i++)
		for (n = m->queue[i].note; n < m->queue[i].note + NOTES; n++)
			if (n->used && n->ident == number && filter_is_fd(n->filter))
				n->used = false;
}

bool note_is_async(const struct model *m, const struct note *n)
{
	struct file *f;

	if (n->filter == EVFILT_TIMER)
		return true;
	if (!filter_is_fd(n->filter))
		return false;
	f = number_file(m, n->ident);
	return !f || source_is_async(f->kind);
}

/* Another queue may be woken in its stead, and pass that on to it later. */
bool note_takes_turns(const struct note *n)
{
	return n->filter == EVFILT_READ &&
	       (n->fflags & (NOTE_EXCLUSIVE | NOTE_LOWAT)) == NOTE_EXCLUSIVE;
}

/* Its event may come behind our back, or not at all, whatever the source does. */
bool note_is_loose(const struct model *m, const struct note *n)
{
	return note_is_async(m, n) || note_takes_turns(n);
}

/* A queue is looked at for its contents later: it may be anything. */
static enum ready queue_ready(const struct queue *q)
{
	return queue_most(q) ? READY_UNSURE : READY_NO;
}

static enum ready timer_ready(const struct note *n)
{
	switch (n->timer) {
	case TIMER_NEVER:
		return READY_NO;
	case TIMER_STAYS:
		return READY_YES;
	default:
		return READY_UNSURE;
	}
}

enum ready note_ready(struct model *m, const struct note *n)
{
	if (n->filter == EVFILT_USER)
		return n->fired ? READY_YES : READY_NO;
	if (n->filter == EVFILT_SIGNAL)
		return n->sent ? READY_YES : READY_NO;
	if (n->filter == EVFILT_PROC)
		return n->sent && (n->fflags & NOTE_FORK) ? READY_YES : READY_NO;
	if (n->filter == EVFILT_TIMER)
		return timer_ready(n);
	if (n->filter == EVFILT_VNODE)
		return n->told ? READY_YES : READY_NO;
	if (number_queue(m, n->ident))
		return queue_ready(number_queue(m, n->ident));
	return fd_ready(m, n);
}

/* --- Timers ---------------------------------------------------------------- */

static int64_t timer_unit(uint32_t fflags)
{
	if (fflags & ~0x1fU)
		return 0;
	switch (fflags & 0xf) {
	case 0:
	case NOTE_MSECONDS:
		return 1000000;
	case NOTE_SECONDS:
		return 1000000000;
	case NOTE_USECONDS:
		return 1000;
	case NOTE_NSECONDS:
		return 1;
	}
	return 0;
}

static bool timer_valid(const struct kevent_record *kev)
{
	return timer_unit(kev->fflags) && kev->data >= 0;
}

static void timer_start(struct note *n)
{
	bool absolute = n->fflags & NOTE_ABSTIME;
	int64_t data = n->data;
	double ns;

	if (!data && !absolute && !(n->flags & EV_ONESHOT))
		data = 1;
	ns = (double)data * timer_unit(n->fflags);
	if (!absolute)
		n->flags |= EV_CLEAR;
	n->period = !absolute && !(n->flags & EV_ONESHOT) && ns < 1e18 ? ns : 0;
	n->start = now_ns();
	n->expired = 0;
	/* Wherever the clock of this machine stands. */
	if (ns <= (absolute ? 1e9 : 1e6))
		n->timer = TIMER_SOON;
	else if (ns >= (absolute ? 8e18 : 1e12))
		n->timer = TIMER_NEVER;
	else
		n->timer = TIMER_SOMETIME;
	if (n->timer == TIMER_SOON)
		n->queued = QUEUED_OWED;
	else if (n->timer == TIMER_SOMETIME)
		n->queued = QUEUED_MAYBE;
}

/* --- Nesting --------------------------------------------------------------- */

static bool watches(const struct model *m, const struct queue *q,
		    const struct queue *child)
{
	const struct note *n;

	for (n = q->note; n < q->note + NOTES; n++)
		if (n->used && n->filter == EVFILT_READ &&
		    number_queue(m, n->ident) == child)
			return true;
	return false;
}

/* The longest chain from the queue inwards, or outwards. */
static int chain(const struct model *m, const struct queue *q, bool inwards)
{
	const struct queue *other;
	int longest = 0, length;

	for (other = m->queue; other < m->queue + QUEUES; other++) {
		if (!other->refs || !(inwards ? watches(m, q, other) : watches(m, other, q)))
			continue;
		length = chain(m, other, inwards);
		if (length > longest)
			longest = length;
	}
	return longest + 1;
}

static bool leads_to(const struct model *m, const struct queue *from,
		     const struct queue *to)
{
	const struct queue *other;

	if (from == to)
		return true;
	for (other = m->queue; other < m->queue + QUEUES; other++)
		if (other->refs && watches(m, from, other) && leads_to(m, other, to))
			return true;
	return false;
}

static int nest_error(const struct model *m, const struct queue *q,
		      const struct queue *child)
{
	if (leads_to(m, child, q))
		return -ELOOP;
	return chain(m, child, true) + chain(m, q, false) > NEST_MAX ? -ELOOP : 0;
}

/* --- Changes --------------------------------------------------------------- */

static bool kind_is_socket(enum source kind)
{
	switch (kind) {
	case SOURCE_UNIX:
	case SOURCE_PACKET:
	case SOURCE_TCP:
	case SOURCE_UDP:
	case SOURCE_LISTEN:
		return true;
	default:
		return false;
	}
}

/* Why a descriptor cannot be registered: a negative errno, or 0. */
static int attach_error(const struct model *m, const struct queue *q,
			const struct kevent_record *kev)
{
	const struct queue *child = number_queue(m, kev->ident);
	const struct file *f = number_file(m, kev->ident);

	if (child)
		return kev->filter == EVFILT_READ ? nest_error(m, q, child) : -EINVAL;
	if (!f)
		return -EBADF;
	switch (kev->filter) {
	case EVFILT_WRITE:
		if (f->kind == SOURCE_PIPE && f->end == 1 && !f->peer)
			return -EPIPE;
		return 0;
	case EVFILT_EXCEPT:
		if (kev->fflags & ~NOTE_OOB)
			return -EINVAL;
		return f->kind == SOURCE_FILE || f->kind == SOURCE_NULL ? -EINVAL : 0;
	case EVFILT_EMPTY:
		return kind_is_socket(f->kind) ? 0 : -EINVAL;
	case EVFILT_VNODE:
		return f->kind == SOURCE_FILE && !(kev->fflags & ~VNODE_NOTES) ?
			0 : -EINVAL;
	}
	return 0;
}

static void set_status(struct note *n, uint16_t flags)
{
	if (flags & EV_ENABLE)
		n->disabled = false;
	else if (flags & EV_DISABLE)
		n->disabled = true;
	if (flags & EV_FORCEONESHOT) {
		n->flags |= EV_ONESHOT;
		n->forced = true;
	}
}

/* The module looks whether there is something, unless it is disabled. */
static void look(struct model *m, struct note *n)
{
	enum ready ready = note_ready(m, n);

	if (n->disabled)
		return;
	if (n->forced || ready == READY_YES)
		n->queued = QUEUED_YES;
	else if (ready == READY_UNSURE && n->queued == QUEUED_NO)
		n->queued = QUEUED_MAYBE;
}

/* It has happened so often, to whatever queue watches it. */
static void happened(struct model *m, uint64_t ident, int filter, int count)
{
	struct note *n;
	int i;

	for (i = 0; i < QUEUES; i++) {
		n = m->queue[i].refs ? note_find(&m->queue[i], ident, filter) : NULL;
		if (!n)
			continue;
		n->sent += count;
		/* A disabled one is told as well, and lies on the queue for a while. */
		if (n->queued == QUEUED_NO)
			n->queued = QUEUED_MAYBE;
		look(m, n);
	}
}

/* So many of the signal were sent, one by one. */
void model_raised(struct model *m, int sig, int count)
{
	happened(m, sig, EVFILT_SIGNAL, count);
}

/* We had a child. */
void model_forked(struct model *m)
{
	happened(m, getpid(), EVFILT_PROC, 1);
}

/* That was done to the file: who asks for any of it is told of all. */
void model_used(struct model *m, const struct file *f, uint32_t notes)
{
	struct note *n;
	int i, k;

	for (i = 0; i < QUEUES; i++) {
		for (k = 0; k < NUMBERS && m->queue[i].refs; k++) {
			n = m->number[k] == f ?
				note_find(&m->queue[i], FD_BASE + k, EVFILT_VNODE) :
				NULL;
			if (!n)
				continue;
			if (n->fflags & notes)
				n->told |= notes;
			if (n->queued == QUEUED_NO)
				n->queued = QUEUED_MAYBE;
			look(m, n);
		}
	}
}

static bool process_valid(const struct kevent_record *kev)
{
	return !(kev->fflags & ~(NOTE_EXIT | NOTE_FORK | NOTE_EXEC | NOTE_TRACK |
				 NOTE_TRACKERR | NOTE_CHILD));
}

static bool signal_valid(const struct kevent_record *kev)
{
	return kev->ident >= 1 && kev->ident <= 64;
}

static struct note *note_new(struct model *m, struct queue *q)
{
	struct note *n;

	for (n = q->note; n < q->note + NOTES; n++) {
		if (n->used)
			continue;
		memset(n, 0, sizeof(*n));
		n->used = true;
		return n;
	}
	fail(m->a, "the model has no room for more registrations");
}

static int create(struct model *m, struct queue *q, const struct kevent_record *kev)
{
	int err = 0;
	struct note *n;

	if (filter_is_fd(kev->filter))
		err = attach_error(m, q, kev);
	else if (kev->filter == EVFILT_TIMER && !timer_valid(kev))
		err = -EINVAL;
	else if (kev->filter == EVFILT_SIGNAL && !signal_valid(kev))
		err = -EINVAL;
	else if (kev->filter == EVFILT_PROC && !process_valid(kev))
		err = -EINVAL;
	else if (kev->filter == EVFILT_PROC && kev->ident != (uint64_t)getpid())
		err = -ESRCH;
	if (err)
		return err;
	n = note_new(m, q);
	n->ident = kev->ident;
	n->filter = kev->filter;
	n->flags = kev->flags & PROPERTIES;
	n->fflags = kev->fflags;
	n->data = kev->data;
	n->udata = kev->udata;
	memcpy(n->ext, kev->ext, sizeof(n->ext));
	set_status(n, kev->flags);
	if (n->filter == EVFILT_SIGNAL || n->filter == EVFILT_PROC)
		n->flags |= EV_CLEAR;
	if (n->filter == EVFILT_TIMER)
		timer_start(n);
	else if (note_is_loose(m, n))
		n->queued = QUEUED_MAYBE;
	look(m, n);
	return 0;
}

static void touch_user(struct note *n, const struct kevent_record *kev)
{
	uint32_t bits = kev->fflags & NOTE_FFLAGSMASK;

	if (kev->fflags & NOTE_TRIGGER)
		n->fired = true;
	switch (kev->fflags & NOTE_FFCTRLMASK) {
	case NOTE_FFAND:
		n->fflags &= bits;
		break;
	case NOTE_FFOR:
		n->fflags |= bits;
		break;
	case NOTE_FFCOPY:
		n->fflags = bits;
		break;
	}
	n->data = kev->data;
	if (kev->flags & EV_CLEAR)
		n->fired = false;
}

static int touch(struct note *n, const struct kevent_record *kev)
{
	switch (n->filter) {
	case EVFILT_USER:
		touch_user(n, kev);
		return 0;
	case EVFILT_SIGNAL:
		return 0;
	case EVFILT_PROC:
		if (!process_valid(kev))
			return -EINVAL;
		if (kev->fflags & ~n->fflags & NOTE_FORK)
			n->sent = 0;
		n->fflags = kev->fflags;
		return 0;
	case EVFILT_TIMER:
		if (!(kev->flags & EV_ADD))
			return 0;
		if (!timer_valid(kev))
			return -EINVAL;
		n->fflags = kev->fflags;
		n->data = kev->data;
		timer_start(n);
		return 0;
	case EVFILT_EXCEPT:
		if (kev->fflags & ~NOTE_OOB)
			return -EINVAL;
		break;
	case EVFILT_VNODE:
		if (kev->fflags & ~VNODE_NOTES)
			return -EINVAL;
		break;
	}
	n->fflags = kev->fflags;
	n->data = kev->data;
	return 0;
}

static int modify(struct model *m, struct note *n, const struct kevent_record *kev)
{
	int err = touch(n, kev);

	if (err)
		return err;
	if (!(kev->flags & EV_KEEPUDATA))
		n->udata = kev->udata;
	set_status(n, kev->flags);
	look(m, n);
	return 0;
}

/* Do to the model what the change does; returns 0 or a negative errno. */
int model_apply(struct model *m, struct queue *q, const struct kevent_record *kev)
{
	uint16_t flags = kev->flags & ~EV_SYSFLAGS;
	struct note *n;

	if ((flags & ~FLAGS_KNOWN) || (flags & EV_ENABLE && flags & EV_DISABLE) ||
	    (flags & EV_KEEPUDATA && flags & EV_ADD))
		return -EINVAL;
	if (filter_index(kev->filter) < 0)
		return -EINVAL;
	if (filter_is_fd(kev->filter) && !number_file(m, kev->ident) &&
	    !number_queue(m, kev->ident))
		return -EBADF;
	n = note_find(q, kev->ident, kev->filter);
	if (!n)
		return flags & EV_ADD ? create(m, q, kev) : -ENOENT;
	if (!(flags & EV_DELETE))
		return modify(m, n, kev);
	n->used = false;
	return 0;
}
