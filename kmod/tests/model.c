// SPDX-License-Identifier: GPL-2.0
/* A registration as the manual has it: see model.h. */

#include <linux/errno.h>
#include <linux/string.h>

#include "fixture.h"
#include "model.h"

#define ACTIONS		(EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | \
			 EV_FORCEONESHOT | EV_KEEPUDATA)
#define PROPERTIES	(EV_ONESHOT | EV_CLEAR | EV_RECEIPT | EV_DISPATCH)

void model_init(struct model *m, u64 ident, s16 filter)
{
	memset(m, 0, sizeof(*m));
	m->key.ident = ident;
	m->key.filter = filter;
}

/* Recorded also while disabled. */
void model_fire(struct model *m)
{
	m->count++;
	if (m->exists)
		m->pending = true;
}

void model_quiet(struct model *m)
{
	m->count = 0;
}

static int bad_flags(u16 flags)
{
	if (flags & ~(ACTIONS | PROPERTIES))
		return -EINVAL;
	if ((flags & EV_ENABLE) && (flags & EV_DISABLE))
		return -EINVAL;
	if ((flags & EV_ADD) && (flags & EV_KEEPUDATA))
		return -EINVAL;
	return 0;
}

static int model_make(struct model *m, const struct kevent_record *kev)
{
	if (!(kev->flags & EV_ADD))
		return -ENOENT;
	m->exists = true;
	m->disabled = false;
	m->pending = false;
	m->forced = false;
	m->reg = *kev;
	m->reg.flags &= PROPERTIES;
	return 0;
}

static int model_modify(struct model *m, const struct kevent_record *kev)
{
	/* This filter knows better what to do with fflags and data. */
	if (m->key.filter == EVFILT_TEST_COUNT) {
		if (kev->fflags == TOUCH_FAILS)
			return -EDOM;
	} else {
		m->reg.data = kev->data;
	}
	m->reg.fflags = kev->fflags;
	if (!(kev->flags & EV_KEEPUDATA))
		m->reg.udata = kev->udata;
	return 0;
}

static void model_act(struct model *m, u16 flags)
{
	if (flags & EV_ENABLE)
		m->disabled = false;
	if (flags & EV_DISABLE)
		m->disabled = true;
	if (flags & EV_FORCEONESHOT) {
		m->reg.flags |= EV_ONESHOT;
		m->forced = true;
		m->pending = true;
	}
	/* A condition that holds already counts as something that happens. */
	if (!m->disabled && m->count > 0)
		m->pending = true;
}

int model_change(struct model *m, const struct kevent_record *change)
{
	struct kevent_record kev = *change;
	int ret;

	kev.flags &= ~EV_SYSFLAGS;
	ret = bad_flags(kev.flags);
	if (ret)
		return ret;

	if (m->exists && (kev.flags & EV_DELETE)) {
		m->exists = false;
		return 0;
	}
	ret = m->exists ? model_modify(m, &kev) : model_make(m, &kev);
	if (!ret)
		model_act(m, kev.flags);
	return ret;
}

/* Will the next look return an event? */
bool model_is_due(const struct model *m)
{
	return m->exists && !m->disabled && m->pending &&
	       (m->count > 0 || m->forced);
}

static void model_event(const struct model *m, struct kevent_record *event)
{
	*event = m->reg;
	event->data = m->count;
	if (m->key.filter == EVFILT_TEST_LEVEL)
		event->ext[0] = m->reg.data;
}

/* Look. Returns whether there is an event, and which. */
bool model_collect(struct model *m, struct kevent_record *event)
{
	u16 flags = m->reg.flags;

	if (!m->exists || m->disabled)
		return false;
	if (!model_is_due(m)) {
		m->pending = false;
		return false;
	}

	model_event(m, event);
	if (flags & EV_ONESHOT) {
		m->exists = false;
		return true;
	}
	if (flags & EV_CLEAR) {
		m->pending = false;
		if (m->key.filter == EVFILT_TEST_COUNT)
			m->count = 0;
	}
	if (flags & EV_DISPATCH) {
		m->pending = false;
		m->disabled = true;
	}
	return true;
}
