/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What knotes are about that watch processes: a node for each signal of each
 * process, or for the process itself, shared by all knotes about it, of whatever
 * queue and user they are. Probes find it by the process.
 */
#ifndef _KEVENT_FILTERS_PIDNODE_H
#define _KEVENT_FILTERS_PIDNODE_H

#include <linux/hash.h>
#include <linux/rhashtable-types.h>

#include "tell.h"

struct pid;

/**
 * struct pid_key - what of a process
 * @tgid: the process
 * @sig: a signal of it, or 0 for the process itself
 */
struct pid_key {
	struct pid *tgid;
	u32 sig;
};

/**
 * struct pid_node - the first member of a node
 * @hash: in the table of all nodes
 * @key: holds a reference to the process's pid
 * @ops: what kind of node
 * @teller: tells the knotes; its lock protects all of the node that changes
 * @rcu: a probe may still look at a node that is out of the table
 */
struct pid_node {
	struct rhash_head hash;
	struct pid_key key;
	const struct pid_node_ops *ops;
	struct teller teller;
	struct rcu_head rcu;
};

/**
 * struct pid_node_ops - a kind of node
 * @size: how large it is
 * @init: it is about to be found. May sleep. Optional
 * @end: no knote is left, but it may still be looked at. Must not sleep. Optional
 */
struct pid_node_ops {
	size_t size;
	void (*init)(struct pid_node *node);
	void (*end)(struct pid_node *node);
};

/*
 * How many nodes there are for the processes of each hash: to see that there are
 * none takes no time.
 */
#define PID_FOLLOWED_BITS	10
extern atomic_t pids_followed[1 << PID_FOLLOWED_BITS];

static inline atomic_t *pid_followed(const struct pid *tgid)
{
	return &pids_followed[hash_ptr(tgid, PID_FOLLOWED_BITS)];
}

/* May there be nodes of the process? For probes; no is certain. */
static inline bool pid_is_followed(const struct pid *tgid)
{
	return atomic_read(pid_followed(tgid));
}

struct pid_node *pid_node_find(struct pid *tgid, u32 sig);
struct pid_node *pid_node_get(struct pid *tgid, u32 sig,
			      const struct pid_node_ops *ops);

int pid_nodes_init(void);
void pid_nodes_exit(void);

#endif /* _KEVENT_FILTERS_PIDNODE_H */
