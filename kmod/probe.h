/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Probes on the kernel's tracepoints, which are there while somebody needs them.
 *
 * To put one in or take it out stops all CPUs for a moment. So who comes and goes
 * all the time does not do that each time: whether a probe is idle is only looked
 * at PROBE_IDLE after a last user has gone.
 */
#ifndef _KEVENT_PROBE_H
#define _KEVENT_PROBE_H

#include <linux/refcount.h>
#include <linux/tracepoint.h>

/**
 * struct probe - a function that is called at a tracepoint
 * @name: the tracepoint's
 * @func: the function, whose arguments must be those of the tracepoint
 * @tp: the tracepoint; NULL if this kernel has none of that name
 * @users: how many need it. From 0 it only comes under probes_lock
 * @on: it is in place. Under probes_lock
 */
struct probe {
	const char *name;
	void *func;
	struct tracepoint *tp;
	refcount_t users;
	bool on;
};

extern struct probe signal_probe;
extern struct probe fork_probe;
extern struct probe exec_probe;

int probe_get(struct probe *probe);
void probe_put(struct probe *probe);

void probes_init(void);
void probes_exit(void);

#endif /* _KEVENT_PROBE_H */
