// SPDX-License-Identifier: BSD-2-Clause
/* The ioctls, and what is checked of every call whoever makes it. */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define POISON	0xa5

const int16_t filter_number[FILTERS] = {
	EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT, EVFILT_EMPTY, EVFILT_TIMER,
	EVFILT_USER, EVFILT_SIGNAL, EVFILT_PROC, EVFILT_VNODE,
};

const struct timespec no_time;

int queue_open(int flags)
{
	return open("/dev/kevent", O_RDWR | flags);
}

int filter_index(int filter)
{
	int i;

	for (i = 0; i < FILTERS; i++)
		if (filter_number[i] == filter)
			return i;
	return -1;
}

/* What a single change can fail with; kevent(4) and kqueue(2) say when. */
bool is_change_error(int err)
{
	switch (err) {
	case EBADF:
	case EINVAL:
	case ESRCH:
	case ENOENT:
	case ENOMEM:
	case ENOSPC:
	case ELOOP:
	case EPIPE:
		return true;
	}
	return false;
}

int call_raw(int kq, unsigned int cmd, void *arg)
{
	int ret = ioctl(kq, cmd, arg);

	if (ret >= 0)
		return ret;
	if (errno < ERRNOS)
		count_up(&shared->errors[errno]);
	return -errno;
}

int call_args(struct actor *a, int kq, struct kevent_args *args)
{
	struct kevent_args before = *args;
	int ret = call_raw(kq, KEVENT_IOC_KEVENT, args);

	count_up(&shared->calls);
	if (memcmp(&before, args, sizeof(before)))
		fail(a, "the call has changed its arguments");
	return ret;
}

/*
 * A change carries in udata and ext what it is about, and whose: then any
 * record that mixes up two registrations shows.
 */
static uint64_t tag_of(uint64_t ident, int filter, uint32_t generation)
{
	return (uint64_t)generation << 32 | (uint64_t)(uint8_t)-filter << 24 |
	       (ident & 0xffffff);
}

static uint64_t scramble(uint64_t x)
{
	return (x ^ x >> 29) * 0xbf58476d1ce4e5b9;
}

void record_tag(struct kevent_record *kev, uint32_t generation)
{
	uint64_t tag = tag_of(kev->ident, kev->filter, generation);

	kev->udata = tag;
	kev->ext[0] = tag;
	kev->ext[1] = ~tag;
	kev->ext[2] = scramble(tag);
	kev->ext[3] = ~scramble(tag);
}

uint32_t record_generation(const struct kevent_record *kev)
{
	return kev->udata >> 32;
}

/* Of a signal, whose first two parts of ext say who has sent it: we, or nobody yet. */
static void signal_check(struct actor *a, const struct kevent_record *kev)
{
	if ((kev->udata & 0xffffffff) != tag_of(kev->ident, kev->filter, 0) ||
	    kev->ext[3] != ~kev->ext[2])
		fail(a, "signal %llu has udata %#llx, ext %#llx of another",
		     kev->ident, kev->udata, kev->ext[2]);
	if (kev->ext[1] != (kev->ext[0] ? getuid() : 0) ||
	    (kev->ext[0] && kev->ext[0] != (uint64_t)getpid()))
		fail(a, "signal %llu was sent by process %lld of user %lld", kev->ident,
		     kev->ext[0], kev->ext[1]);
}

/* Of our process, or of a child that is followed as it is. */
static void process_check(struct actor *a, const struct kevent_record *kev)
{
	if ((kev->udata & 0xffffffff) != tag_of(getpid(), kev->filter, 0) ||
	    kev->ext[3] != ~kev->ext[2])
		fail(a, "process %llu has udata %#llx, ext %#llx of another",
		     kev->ident, kev->udata, kev->ext[2]);
	if ((kev->fflags & NOTE_CHILD) &&
	    (kev->fflags != NOTE_CHILD || kev->data != getpid()))
		fail(a, "process %llu was born with fflags %#x, data %lld",
		     kev->ident, kev->fflags, kev->data);
	if ((kev->fflags & NOTE_EXIT) && kev->ident == (uint64_t)getpid())
		fail(a, "our own process has ended, it says");
}

/* A record that answers a change, or reports an event, of one registration. */
void record_check(struct actor *a, const struct kevent_record *kev)
{
	uint64_t want = tag_of(kev->ident, kev->filter, 0);

	if ((kev->udata & 0xffffffff) != want || (kev->ext[0] & 0xffffffff) != want)
		fail(a, "ident %llu filter %d has udata %#llx, ext %#llx of another",
		     kev->ident, kev->filter, kev->udata, kev->ext[0]);
	if (kev->ext[1] != ~kev->ext[0] || kev->ext[2] != scramble(kev->ext[0]) ||
	    kev->ext[3] != ~kev->ext[2])
		fail(a, "ident %llu filter %d: the parts of ext are not of one change",
		     kev->ident, kev->filter);
}

/* Of any file, whatever was done to it; EV_FORCEONESHOT does without. */
static void vnode_check(struct actor *a, const struct kevent_record *kev)
{
	if ((kev->fflags & ~VNODE_NOTES) || kev->data)
		fail(a, "descriptor %llu: fflags %#x, data %lld happened to it",
		     kev->ident, kev->fflags, kev->data);
}

static void event_check(struct actor *a, const struct kevent_record *kev)
{
	int index = filter_index(kev->filter);

	if (index < 0)
		fail(a, "an event of filter %d, which does not exist", kev->filter);
	if (kev->flags & ~(EV_ONESHOT | EV_CLEAR | EV_RECEIPT | EV_DISPATCH | EV_EOF))
		fail(a, "an event with flags %#x", kev->flags);
	if (kev->filter == EVFILT_SIGNAL)
		signal_check(a, kev);
	else if (kev->filter == EVFILT_PROC)
		process_check(a, kev);
	else
		record_check(a, kev);
	if (kev->filter == EVFILT_VNODE)
		vnode_check(a, kev);
	count_up(&shared->delivered[index]);
	count_up(&shared->events);
}

static void answer_check(struct actor *a, const struct kevent_record *kev)
{
	if (kev->flags != EV_ERROR)
		fail(a, "an answer with flags %#x", kev->flags);
	if (kev->data && !is_change_error(kev->data))
		fail(a, "a change was answered with error %lld", kev->data);
}

/* Is there an event twice? Not in one call. */
static void check_unique(struct actor *a, const struct kevent_record *kev, int n)
{
	int i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < i; k++)
			if (kev[i].ident == kev[k].ident &&
			    kev[i].filter == kev[k].filter)
				fail(a, "ident %llu filter %d twice in one call",
				     kev[i].ident, kev[i].filter);
}

/* All records of one call are answers, or all are events. */
void records_check(struct actor *a, const struct kevent_record *kev, int n)
{
	bool answers = n && (kev->flags & EV_ERROR);
	int i;

	for (i = 0; i < n; i++) {
		if (answers)
			answer_check(a, &kev[i]);
		else
			event_check(a, &kev[i]);
	}
	if (!answers)
		check_unique(a, kev, n);
}

void records_poison(struct kevent_record *kev, int n)
{
	if (kev && n)
		memset(kev, POISON, n * sizeof(*kev));
}

void records_untouched(struct actor *a, const struct kevent_record *kev, int n)
{
	const unsigned char *byte = (const unsigned char *)kev;
	size_t i;

	for (i = 0; i < n * sizeof(*kev); i++)
		if (byte[i] != POISON)
			fail(a, "byte %zu behind the last record was written", i);
}

/* kevent() with lists that are what they should be. Or a negative errno. */
int call_kevent(struct actor *a, const struct call *c)
{
	struct kevent_args args = {
		.size = sizeof(args),
		.changes = (uintptr_t)c->changes,
		.events = (uintptr_t)c->events,
		.nchanges = c->nchanges,
		.nevents = c->nevents,
		.timeout = (uintptr_t)c->timeout,
	};
	int ret, written;

	records_poison(c->events, c->nevents);
	if (c->one_list) {
		memcpy(c->events, c->changes, c->nchanges * sizeof(*c->changes));
		args.changes = args.events;
	}
	ret = call_args(a, c->kq, &args);
	if (ret > c->nevents)
		fail(a, "%d records in room for %d", ret, c->nevents);
	if (ret < 0 && ret != -EINTR && !is_change_error(-ret))
		fail(a, "kevent: %s", strerror(-ret));
	if (ret >= 0) {
		records_check(a, c->events, ret);
		written = c->one_list && ret < c->nchanges ? c->nchanges : ret;
		records_untouched(a, c->events + written, c->nevents - written);
	} else if (!c->nchanges) {
		records_untouched(a, c->events, c->nevents);
	}
	return ret;
}

int call_change(struct actor *a, int kq, const struct kevent_record *kev)
{
	struct call c = { .kq = kq, .changes = kev, .nchanges = 1 };

	return call_kevent(a, &c);
}
