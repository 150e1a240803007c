// SPDX-License-Identifier: BSD-2-Clause
/* Changes made up at random: mostly sensible, sometimes not at all. */
#include "model.h"

#include <limits.h>

static uint16_t random_flags(struct rng *r)
{
	static const uint16_t action[] = {
		EV_ADD, EV_ADD, EV_ADD, EV_ADD, EV_ADD, EV_ADD | EV_ENABLE,
		EV_ADD | EV_DISABLE, EV_DELETE, EV_ENABLE, EV_ENABLE, EV_DISABLE, 0,
		EV_ADD | EV_DELETE, EV_ENABLE | EV_KEEPUDATA, EV_KEEPUDATA,
		EV_ADD | EV_FORCEONESHOT, EV_FORCEONESHOT,
	};
	static const uint16_t property[] = {
		EV_CLEAR, EV_CLEAR, EV_ONESHOT, EV_DISPATCH, EV_CLEAR | EV_DISPATCH,
		EV_ONESHOT | EV_CLEAR, EV_RECEIPT,
	};
	uint16_t flags = action[below(r, ARRAY_SIZE(action))];

	if (chance(r, 2))
		flags |= property[below(r, ARRAY_SIZE(property))];
	if (chance(r, 30))
		flags |= 1U << below(r, 16);
	return chance(r, 60) ? rng_next(r) : flags;
}

static int64_t random_number(struct rng *r)
{
	static const int64_t odd[] = {
		INT64_MIN, INT64_MAX, -1, 0, 1, INT_MAX, INT_MIN, UINT_MAX, 1LL << 62,
	};

	return chance(r, 3) ? (int64_t)rng_next(r) : odd[below(r, ARRAY_SIZE(odd))];
}

/* Mostly one that is open. */
static int random_number_of(struct model *m)
{
	int i = below(&m->a->rng, NUMBERS);

	return m->number[i] ? i : (int)below(&m->a->rng, NUMBERS);
}

static void random_vnode(struct rng *r, struct kevent_record *kev)
{
	kev->filter = EVFILT_VNODE;
	kev->fflags = chance(r, 20) ? 1U << below(r, 32) : rng_next(r) & VNODE_NOTES;
	/* Of what it is not there for. */
	if (chance(r, 30))
		kev->ident = QUEUE_BASE + below(r, QUEUES);
}

static void random_fd(struct model *m, struct kevent_record *kev)
{
	struct rng *r = &m->a->rng;
	static const int16_t filter[] = {
		EVFILT_READ, EVFILT_READ, EVFILT_READ, EVFILT_READ, EVFILT_WRITE,
		EVFILT_WRITE, EVFILT_EMPTY, EVFILT_EXCEPT,
	};
	int i = random_number_of(m);

	kev->filter = filter[below(r, ARRAY_SIZE(filter))];
	kev->ident = FD_BASE + i;
	if (m->number[i] && m->number[i]->kind == SOURCE_FILE && chance(r, 2)) {
		random_vnode(r, kev);
		return;
	}
	if (chance(r, 7)) {
		kev->ident = QUEUE_BASE + below(r, QUEUES);
		if (!chance(r, 6))
			kev->filter = EVFILT_READ;
	} else if (chance(r, 30)) {
		kev->ident = chance(r, 2) ? FD_BASE + NUMBERS + 1 :
			(uint64_t)INT_MAX + 1 + below(r, INT_MAX);
	}
	if (kev->filter == EVFILT_EXCEPT) {
		kev->fflags = chance(r, 2) ? 0 : NOTE_OOB;
	} else if (chance(r, 5)) {
		kev->fflags = NOTE_LOWAT;
		kev->data = below(r, 200);
	} else if (chance(r, 5)) {
		kev->fflags = NOTE_FILE_POLL;
	}
	if (kev->filter == EVFILT_READ && chance(r, 4))
		kev->fflags |= NOTE_EXCLUSIVE;
}

static void random_user(struct rng *r, struct kevent_record *kev)
{
	static const uint32_t ctrl[] = {
		NOTE_FFNOP, NOTE_FFAND, NOTE_FFOR, NOTE_FFCOPY,
	};

	kev->filter = EVFILT_USER;
	kev->ident = below(r, IDENTS) | (chance(r, 8) ? 1ULL << 63 : 0);
	kev->fflags = ctrl[below(r, ARRAY_SIZE(ctrl))] | below(r, 256);
	kev->data = below(r, 1000);
	if (chance(r, 2)) {
		kev->fflags |= NOTE_TRIGGER;
		if (!chance(r, 4))
			kev->flags &= ~(EV_ADD | EV_CLEAR | EV_DELETE);
	}
}

static void random_timer(struct rng *r, struct kevent_record *kev)
{
	static const uint32_t unit[] = {
		0, NOTE_MSECONDS, NOTE_SECONDS, NOTE_USECONDS, NOTE_NSECONDS,
		NOTE_NSECONDS, NOTE_NSECONDS | NOTE_ABSTIME, NOTE_SECONDS | NOTE_ABSTIME,
		NOTE_ABSTIME,
	};
	static const int64_t when[] = { 0, 1, 1, 7, 1000, 3600000, INT_MAX, INT64_MAX };

	kev->filter = EVFILT_TIMER;
	kev->ident = below(r, IDENTS);
	kev->fflags = unit[below(r, ARRAY_SIZE(unit))];
	kev->data = when[below(r, ARRAY_SIZE(when))];
	if (chance(r, 20))
		kev->fflags |= 1U << below(r, 32);
	if (chance(r, 20))
		kev->data = random_number(r);
}

static void random_signal(struct rng *r, struct kevent_record *kev)
{
	kev->filter = EVFILT_SIGNAL;
	kev->ident = SIGNAL_BASE + below(r, SIGNALS);
	if (chance(r, 20))
		kev->ident = chance(r, 2) ? 0 : 65ULL << below(r, 58);
	if (chance(r, 20))
		kev->fflags = 1U << below(r, 32);
}

/* Ours, since what others do is not known; of that, children. */
static void random_process(struct rng *r, struct kevent_record *kev)
{
	kev->filter = EVFILT_PROC;
	kev->ident = chance(r, 20) ? 1ULL << (31 + below(r, 33)) : (uint64_t)getpid();
	kev->fflags = (chance(r, 4) ? 0 : NOTE_FORK) | (chance(r, 2) ? NOTE_EXEC : 0) |
		      (chance(r, 2) ? NOTE_EXIT : 0);
	if (chance(r, 20))
		kev->fflags |= 1U << (3 + below(r, 25));
}

static void random_junk(struct rng *r, struct kevent_record *kev)
{
	static const int16_t filter[] = {
		0, 1, EVFILT_AIO, EVFILT_LIO, EVFILT_SENDFILE,
		KEVENT_FILTER_MIN, KEVENT_FILTER_MIN - 1, SHRT_MIN, SHRT_MAX,
	};

	kev->filter = filter[below(r, ARRAY_SIZE(filter))];
	kev->ident = rng_next(r);
	kev->fflags = rng_next(r);
	kev->data = random_number(r);
}

void random_change(struct model *m, struct kevent_record *kev)
{
	struct rng *r = &m->a->rng;

	*kev = (struct kevent_record){ .flags = random_flags(r) };
	switch (below(r, 16)) {
	case 0:
		random_junk(r, kev);
		break;
	case 1 ... 2:
		random_timer(r, kev);
		break;
	case 3:
		if (chance(r, 2))
			random_signal(r, kev);
		else
			random_process(r, kev);
		break;
	case 4 ... 6:
		random_user(r, kev);
		break;
	default:
		random_fd(m, kev);
	}
	record_tag(kev, ++m->generation);
}
