// SPDX-License-Identifier: GPL-2.0
/* EVFILT_USER: triggered by the program itself. */

#include "../knote.h"

/*
 * As on FreeBSD, the flags that make a knote are stored as they are, and
 * NOTE_TRIGGER among them does not fire it.
 */
static int user_attach(struct knote *kn)
{
	return 0;
}

static void user_detach(struct knote *kn)
{
}

static void user_combine(struct knote *kn, u32 fflags)
{
	u32 bits = fflags & NOTE_FFLAGSMASK;

	switch (fflags & NOTE_FFCTRLMASK) {
	case NOTE_FFNOP:
		break;
	case NOTE_FFAND:
		kn->sfflags &= bits;
		break;
	case NOTE_FFOR:
		kn->sfflags |= bits;
		break;
	case NOTE_FFCOPY:
		kn->sfflags = bits;
		break;
	}
}

/* EV_CLEAR in a change takes a trigger back, also one of the same change. */
static int user_touch(struct knote *kn, const struct kevent_record *kev)
{
	if (kev->fflags & NOTE_TRIGGER)
		atomic_or(KNOTE_FIRED | KNOTE_ANEW, &kn->state);
	user_combine(kn, kev->fflags);
	kn->sdata = kev->data;
	if (kev->flags & EV_CLEAR)
		atomic_andnot(KNOTE_FIRED, &kn->state);
	return 0;
}

static bool user_event(struct knote *kn, struct kevent_record *kev)
{
	kev->fflags = kn->sfflags;
	kev->data = kn->sdata;
	return atomic_read(&kn->state) & KNOTE_FIRED;
}

/* One that was triggered since the event was made fires again. */
static void user_delivered(struct knote *kn, const struct kevent_record *kev)
{
	if (!(atomic_read(&kn->state) & KNOTE_ANEW))
		atomic_andnot(KNOTE_FIRED, &kn->state);
}

const struct kevent_filter kevent_user_filter = {
	.owner = THIS_MODULE,
	.name = "user",
	.flags = KEVENT_FILTER_QUICK,
	.attach = user_attach,
	.detach = user_detach,
	.touch = user_touch,
	.event = user_event,
	.delivered = user_delivered,
};
