/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a filter is. A filter connects knotes to one kind of source: it hooks
 * the source, says when a knote has something to report, and what. Other
 * modules may add filters; see kmod/sample/ for a small one.
 */
#ifndef _KEVENT_FILTER_H
#define _KEVENT_FILTER_H

#include <linux/module.h>
#include <uapi/linux/kevent.h>

struct file;
struct knote;

/* The ident is a descriptor of the caller. For kevent's own filters only. */
#define KEVENT_FILTER_FD	BIT(0)
/* Its functions never wait for others for long: neither sources nor users. */
#define KEVENT_FILTER_QUICK	BIT(1)
/* With QUICK: but for attach, detach and touch. */
#define KEVENT_FILTER_SLOW_ENDS	BIT(2)
/* With FD: descriptors opened with O_PATH serve, too. */
#define KEVENT_FILTER_PATH	BIT(3)

/**
 * struct kevent_filter - the functions of a filter
 * @owner: the module; a knote of the filter keeps it loaded
 * @name: for messages
 * @flags: KEVENT_FILTER_*
 * @attach: connect a new knote to its source. May sleep. Returns 0, 1 if the
 *	source may be ready already, or a negative errno, which the caller of
 *	kevent() gets; nothing may be left connected then.
 * @detach: disconnect. May sleep. When it returns, no callback of the source
 *	can be running or start any more: the knote is about to be freed.
 * @touch: a change met an existing knote; @kev is the change. May sleep. A
 *	filter without it has the knote's sfflags and sdata replaced.
 * @event: is there something to report? Fill in data, fflags, EV_EOF, ext[0] and
 *	ext[1] of @kev, which comes with the knote's flags and ext and with data and
 *	fflags 0; its other members are not there yet. Must not change what it
 *	reports: the event may yet not be delivered. May sleep.
 * @measure: how much there is, for sources that tell it only to user memory:
 *	@scratch has room for a record that is about to be overwritten. May sleep,
 *	and fault. Called by scans after @event has returned true, for knotes that
 *	are KNOTE_SLOW. Returns what @data is to be, or a negative number to leave
 *	it as @event set it. Optional.
 * @stale: a change that adds met an existing knote: does it mean another source
 *	by now, of the same ident? Then that one gets a knote of its own. Must not
 *	sleep. Optional
 * @delivered: @kev has reached the user: forget what it reported. A change may
 *	have met the knote since @event made @kev. Must not sleep. Called only for
 *	knotes with EV_CLEAR. Optional.
 *
 * No two of them are called at once for one knote. With KEVENT_FILTER_QUICK they
 * are called with the queue locked or not, so they must not wait for anybody who
 * may be waiting for it; @attach, @detach and @touch are never if there is
 * KEVENT_FILTER_SLOW_ENDS as well. Without, or if a knote of a descriptor is
 * KNOTE_SLOW, only @delivered may be called with the queue locked.
 * Callbacks of the source tell the queue with knote_activate(), from any context.
 */
struct kevent_filter {
	struct module *owner;
	const char *name;
	unsigned int flags;
	int (*attach)(struct knote *kn);
	void (*detach)(struct knote *kn);
	int (*touch)(struct knote *kn, const struct kevent_record *kev);
	bool (*event)(struct knote *kn, struct kevent_record *kev);
	s64 (*measure)(struct knote *kn, void __user *scratch);
	bool (*stale)(const struct knote *kn, const struct kevent_record *kev);
	void (*delivered)(struct knote *kn, const struct kevent_record *kev);
};

int kevent_filter_register(int filter, const struct kevent_filter *ops);
void kevent_filter_unregister(int filter, const struct kevent_filter *ops);

const struct kevent_filter *kevent_filter_get(int filter);
void kevent_filter_hold(const struct kevent_filter *ops);
void kevent_filter_put(const struct kevent_filter *ops);
void kevent_filter_map(u64 map[2]);

void kevent_fd_prepare(struct knote *kn, struct file *file);
bool kevent_read_unusual(struct knote *kn, struct kevent_record *kev);

extern const struct kevent_filter kevent_read_filter;
extern const struct kevent_filter kevent_write_filter;
extern const struct kevent_filter kevent_except_filter;
extern const struct kevent_filter kevent_empty_filter;
extern const struct kevent_filter kevent_child_filter;
extern const struct kevent_filter kevent_fs_filter;
extern const struct kevent_filter kevent_proc_filter;
extern const struct kevent_filter kevent_procdesc_filter;
extern const struct kevent_filter kevent_signal_filter;
extern const struct kevent_filter kevent_timer_filter;
extern const struct kevent_filter kevent_user_filter;
extern const struct kevent_filter kevent_vnode_filter;

#endif /* _KEVENT_FILTER_H */
