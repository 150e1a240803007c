/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a registration does, after the manual (kqueue(2)) and FreeBSD, without
 * regard to how the module does it: no lists, no locks, no time.
 */
#ifndef _KEVENT_TESTS_MODEL_H
#define _KEVENT_TESTS_MODEL_H

#include <linux/types.h>
#include <uapi/linux/kevent.h>

/**
 * struct model - one registration, which may exist or not, and its source
 * @key: its ident and filter
 * @count: of the source: as struct source
 * @exists: it has been made and not been removed
 * @disabled: its events are not to be returned
 * @pending: something has happened that is still to be looked at
 * @forced: an event is due whatever the source says
 * @reg: flags (the properties), fflags, data, udata and ext as they are kept
 */
struct model {
	struct {
		u64 ident;
		s16 filter;
	} key;
	s64 count;
	bool exists;
	bool disabled;
	bool pending;
	bool forced;
	struct kevent_record reg;
};

void model_init(struct model *m, u64 ident, s16 filter);
void model_fire(struct model *m);
void model_quiet(struct model *m);
int model_change(struct model *m, const struct kevent_record *kev);
bool model_is_due(const struct model *m);
bool model_collect(struct model *m, struct kevent_record *event);

#endif /* _KEVENT_TESTS_MODEL_H */
