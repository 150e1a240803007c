// SPDX-License-Identifier: GPL-2.0
/* Nodes for what knotes watch of processes; see pidnode.h. */

#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../knote.h"
#include "pidnode.h"

/* The keys of one process, and those of its signals, are next to each other. */
static u32 hash_key(const void *data, u32 len, u32 seed)
{
	const struct pid_key *key = data;

	return hash_long((unsigned long)key->tgid + key->sig, 32) ^ seed;
}

static int compare_node(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct pid_key *key = arg->key;
	const struct pid_node *node = obj;

	return node->key.tgid != key->tgid || node->key.sig != key->sig;
}

static const struct rhashtable_params node_params = {
	.key_offset = offsetof(struct pid_node, key),
	.key_len = offsetofend(struct pid_key, sig),
	.head_offset = offsetof(struct pid_node, hash),
	.hashfn = hash_key,
	.obj_cmpfn = compare_node,
	.automatic_shrinking = true,
};

static struct rhashtable pid_nodes;

atomic_t pids_followed[1 << PID_FOLLOWED_BITS];

/**
 * pid_node_find() - the node of a process, for a probe
 * @tgid: the process
 * @sig: a signal, or 0
 *
 * Context: any, under RCU, which alone keeps the node.
 * Return: the node, which may be about to end, or NULL.
 */
struct pid_node *pid_node_find(struct pid *tgid, u32 sig)
{
	struct pid_key key = { tgid, sig };

	return rhashtable_lookup(&pid_nodes, &key, node_params);
}

static void end_node(struct teller *teller)
{
	struct pid_node *node = container_of(teller, struct pid_node, teller);
	struct pid *tgid = node->key.tgid;

	/* Who looked for it meanwhile may have done so already. */
	rhashtable_remove_fast(&pid_nodes, &node->hash, node_params);
	atomic_dec(pid_followed(tgid));
	if (node->ops->end)
		node->ops->end(node);
	put_pid(tgid);
	kfree_rcu(node, rcu);
}

/* The node that there is, with a reference, or NULL. */
static struct pid_node *find_node(const struct pid_key *key)
{
	struct pid_node *node;

	rcu_read_lock();
	node = rhashtable_lookup(&pid_nodes, key, node_params);
	if (node && !refcount_inc_not_zero(&node->teller.refs)) {
		/* Who gave back the last has yet to do this; no harm in twice. */
		rhashtable_remove_fast(&pid_nodes, &node->hash, node_params);
		node = NULL;
	}
	rcu_read_unlock();
	return node;
}

/* A new node; -EEXIST if there is one meanwhile, -EBUSY: try again later. */
static struct pid_node *make_node(const struct pid_key *key,
				  const struct pid_node_ops *ops)
{
	struct pid_node *node = kzalloc(ops->size, GFP_KERNEL_ACCOUNT);
	int ret;

	if (!node)
		return ERR_PTR(-ENOMEM);
	node->key = *key;
	node->ops = ops;
	teller_init(&node->teller, end_node);
	get_pid(key->tgid);
	if (ops->init)
		ops->init(node);
	/* Before it can be found, so that nothing is missed. */
	atomic_inc(pid_followed(key->tgid));
	ret = rhashtable_lookup_insert_fast(&pid_nodes, &node->hash, node_params);
	if (!ret)
		return node;

	atomic_dec(pid_followed(key->tgid));
	if (ops->end)
		ops->end(node);
	put_pid(key->tgid);
	kfree(node);
	return ERR_PTR(ret == -EEXIST || ret == -EBUSY ? ret : -ENOMEM);
}

/**
 * pid_node_get() - find or make a node
 * @tgid: the process
 * @sig: a signal, or 0
 * @ops: what kind of node, always the same for that
 *
 * Context: may wait for the table's worker to have caught up.
 * Return: the node, with a reference for a knote; or -ENOMEM, or -EINTR if the
 * caller is being killed.
 */
struct pid_node *pid_node_get(struct pid *tgid, u32 sig,
			      const struct pid_node_ops *ops)
{
	struct pid_key key = { tgid, sig };
	struct pid_node *node;

	for (;;) {
		node = pid_is_followed(tgid) ? find_node(&key) : NULL;
		if (!node)
			node = make_node(&key, ops);
		if (node == ERR_PTR(-EBUSY))
			schedule_timeout_killable(1);
		else if (node != ERR_PTR(-EEXIST))
			return node;
		if (fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
	}
}

int __init pid_nodes_init(void)
{
	return rhashtable_init(&pid_nodes, &node_params);
}

/* Context: after tell_exit() and probes_exit(). */
void pid_nodes_exit(void)
{
	rhashtable_destroy(&pid_nodes);
}
