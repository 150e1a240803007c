// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_SIGNAL: signals that are sent to the process that made the registration,
 * or to one of its threads.
 *
 * A probe on the kernel's tracepoint for that counts each of them, whatever then
 * becomes of it: it may be blocked, ignored, pending already. What the process has
 * set up for it is not touched. For each signal of each process for which there
 * are knotes, there is a node with the count; a knote remembers how many it has
 * delivered. So none is lost, however many come before somebody looks.
 *
 * A process that has run another program since, while others that shared its
 * descriptors have not, may have become one whose signals are none of their
 * business: they are told of none from then on.
 *
 * Others who send signals pay for a look at a counter, and if the process's hash
 * is that of one with knotes, for a look into a hash table. Who sends one that is
 * watched pays for the node's teller as well.
 */

#include <linux/cred.h>
#include <linux/hash.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <trace/events/signal.h>

#include "../compat.h"
#include "../kqueue.h"
#include "../probe.h"
#include "signal.h"
#include "tell.h"

/**
 * struct signal_key - a signal of a process
 * @tgid: the process
 * @sig: the signal
 */
struct signal_key {
	struct pid *tgid;
	u32 sig;
};

/**
 * struct signal_sender - what siginfo says about the last that was sent
 * @code: si_code
 * @pid: in the receiver's namespace; 0 if nobody, or nobody there
 * @uid: likewise
 */
struct signal_sender {
	int code;
	pid_t pid;
	uid_t uid;
};

/**
 * struct signal_node - a signal of a process, for which there are knotes
 * @hash: in signal_nodes
 * @key: holds a reference to the process's pid
 * @teller: tells the knotes; its lock protects what follows
 * @count: how many have been sent
 * @last: by whom
 * @rcu: the probe may still look at a node that is out of the table
 */
struct signal_node {
	struct rhash_head hash;
	struct signal_key key;
	struct teller teller;
	u64 count;
	struct signal_sender last;
	struct rcu_head rcu;
};

static int compare_node(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct signal_key *key = arg->key;
	const struct signal_node *node = obj;

	return node->key.tgid != key->tgid || node->key.sig != key->sig;
}

static const struct rhashtable_params signal_params = {
	.key_offset = offsetof(struct signal_node, key),
	.key_len = offsetofend(struct signal_key, sig),
	.head_offset = offsetof(struct signal_node, hash),
	.obj_cmpfn = compare_node,
	.automatic_shrinking = true,
};

static struct rhashtable signal_nodes;

/*
 * How many nodes there are for the processes of each hash: to see that there are
 * none takes no time.
 */
#define FOLLOWED_BITS	10
static atomic_t followed[1 << FOLLOWED_BITS];

static atomic_t *followed_of(const struct pid *tgid)
{
	return &followed[hash_ptr(tgid, FOLLOWED_BITS)];
}

/* --- The probe ------------------------------------------------------------- */

/* Does siginfo have a sender? Of the union in it, which is used depends on this. */
static bool code_has_sender(int sig, int code)
{
	switch (code) {
	case SI_TIMER:
	case SI_SIGIO:
	case SI_ASYNCIO:	/* of USB, an address */
		return false;
	default:
		return code <= 0 ||
		       (sig == SIGCHLD && code >= CLD_EXITED && code <= NSIGCHLD);
	}
}

/* What the kernel has put into @info is as the receiver sees it. */
static void fill_sender(struct signal_sender *sender, int sig,
			const struct kernel_siginfo *info,
			struct task_struct *receiver)
{
	*sender = (struct signal_sender){ .code = SI_KERNEL };

	if (info == SEND_SIG_PRIV)
		return;
	if (info == SEND_SIG_NOINFO) {
		sender->code = SI_USER;
		sender->pid = task_tgid_nr_ns(current,
					      task_active_pid_ns(receiver));
		sender->uid = from_kuid_munged(task_cred_xxx(receiver, user_ns),
					       current_uid());
		return;
	}
	sender->code = info->si_code;
	if (code_has_sender(sig, info->si_code)) {
		sender->pid = info->si_pid;
		sender->uid = info->si_uid;
	}
}

/* Not a part of signal_sent(), which is to be short. */
static noinline void count_signal(struct pid *tgid, int sig,
				  const struct kernel_siginfo *info,
				  struct task_struct *receiver)
{
	struct signal_key key = { tgid, sig };
	struct signal_node *node;
	unsigned long flags;

	rcu_read_lock();
	node = rhashtable_lookup(&signal_nodes, &key, signal_params);
	if (node) {
		raw_spin_lock_irqsave(&node->teller.lock, flags);
		node->count++;
		fill_sender(&node->last, sig, info, receiver);
		teller_tell(&node->teller);
		raw_spin_unlock_irqrestore(&node->teller.lock, flags);
	}
	rcu_read_unlock();
}

/*
 * A signal was sent, of which @result says what becomes of it. One that found no
 * room to be queued was not: the sender gets EAGAIN.
 *
 * Context: any, with the receiver's siglock. On PREEMPT_RT that is no raw one, but
 * preemption is off here, so only raw ones can be taken.
 */
static void signal_sent(void *unused, int sig, struct kernel_siginfo *info,
			struct task_struct *receiver, int group, int result)
{
	struct pid *tgid = task_tgid(receiver);

	if (atomic_read(followed_of(tgid)) && result != TRACE_SIGNAL_OVERFLOW_FAIL)
		count_signal(tgid, sig, info, receiver);
}

struct probe signal_probe = {
	.name = "signal_generate",
	.func = signal_sent,
};
EXPORT_SYMBOL_FOR_KUNIT(signal_probe);

/* --- Nodes ----------------------------------------------------------------- */

static void signal_node_end(struct teller *teller)
{
	struct signal_node *node = container_of(teller, struct signal_node, teller);
	struct pid *tgid = node->key.tgid;

	/* Who looked for it meanwhile may have done so already. */
	rhashtable_remove_fast(&signal_nodes, &node->hash, signal_params);
	atomic_dec(followed_of(tgid));
	put_pid(tgid);
	kfree_rcu(node, rcu);
}

/* The node that there is, with a reference, or NULL. */
static struct signal_node *find_node(const struct signal_key *key)
{
	struct signal_node *node;

	rcu_read_lock();
	node = rhashtable_lookup(&signal_nodes, key, signal_params);
	if (node && !refcount_inc_not_zero(&node->teller.refs)) {
		/* Who gave back the last has yet to do this; no harm in twice. */
		rhashtable_remove_fast(&signal_nodes, &node->hash, signal_params);
		node = NULL;
	}
	rcu_read_unlock();
	return node;
}

/* A new node; -EEXIST if there is one meanwhile, -EBUSY: try again later. */
static struct signal_node *make_node(const struct signal_key *key)
{
	struct signal_node *node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!node)
		return ERR_PTR(-ENOMEM);
	node->key = *key;
	teller_init(&node->teller, signal_node_end);
	get_pid(key->tgid);
	/* Before it can be found, so that nothing is missed. */
	atomic_inc(followed_of(key->tgid));
	ret = rhashtable_lookup_insert_fast(&signal_nodes, &node->hash,
					    signal_params);
	if (!ret)
		return node;

	atomic_dec(followed_of(key->tgid));
	put_pid(key->tgid);
	kfree(node);
	return ERR_PTR(ret == -EEXIST || ret == -EBUSY ? ret : -ENOMEM);
}

/* May wait for the table's worker to have caught up. */
static struct signal_node *get_node(const struct signal_key *key)
{
	struct signal_node *node;

	for (;;) {
		node = find_node(key);
		if (!node)
			node = make_node(key);
		if (node == ERR_PTR(-EBUSY))
			schedule_timeout_killable(1);
		else if (node != ERR_PTR(-EEXIST))
			return node;
		if (fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
	}
}

/* --- The filter ------------------------------------------------------------ */

static struct signal_node *knote_node(const struct knote *kn)
{
	return container_of(kn->told.teller, struct signal_node, teller);
}

/*
 * Has the process become another program than the queue's other users? Once it is
 * gone nobody can tell. After what they are to see was read: what came later is
 * not in it.
 */
static bool is_another_program(const struct knote *kn, struct pid *tgid)
{
	struct task_struct *task;
	bool another;

	if (tgid == task_tgid(current))
		return false;
	rcu_read_lock();
	task = pid_task(tgid, PIDTYPE_TGID);
	another = !task ||
		  READ_ONCE(task->self_exec_id) != kn->signal.exec_id;
	rcu_read_unlock();
	return another;
}

/*
 * Each delivery resets the count, as on FreeBSD. Its fflags are passed over, here
 * and in later changes, so that an event can be handed back as a change.
 */
static int signal_attach(struct knote *kn)
{
	struct signal_key key = { task_tgid(current), kn->ident };
	struct signal_node *node;
	int ret;

	BUILD_BUG_ON(offsetof(struct knote, signal.told) !=
		     offsetof(struct knote, told));

	if (!kn->ident || kn->ident > _NSIG)
		return -EINVAL;
	ret = probe_get(&signal_probe);
	if (ret)
		return ret;
	node = get_node(&key);
	if (IS_ERR(node)) {
		probe_put(&signal_probe);
		return PTR_ERR(node);
	}
	kn->flags |= EV_CLEAR;
	kn->signal.exec_id = current->self_exec_id;
	teller_attach(&node->teller, kn);
	raw_spin_lock_irq(&node->teller.lock);
	kn->signal.seen = node->count;
	teller_arm(kn);
	raw_spin_unlock_irq(&node->teller.lock);
	return 0;
}

static void signal_detach(struct knote *kn)
{
	teller_detach(kn);
	probe_put(&signal_probe);
}

static int signal_touch(struct knote *kn, const struct kevent_record *kev)
{
	return 0;
}

static bool signal_event(struct knote *kn, struct kevent_record *kev)
{
	struct signal_node *node = knote_node(kn);

	raw_spin_lock_irq(&node->teller.lock);
	teller_arm(kn);
	kev->data = node->count - kn->signal.seen;
	kev->fflags = node->last.code;
	kev->ext[0] = (u32)node->last.pid;
	kev->ext[1] = node->last.uid;
	raw_spin_unlock_irq(&node->teller.lock);
	return kev->data && !is_another_program(kn, node->key.tgid);
}

static void signal_delivered(struct knote *kn, const struct kevent_record *kev)
{
	kn->signal.seen += kev->data;
}

const struct kevent_filter kevent_signal_filter = {
	.owner = THIS_MODULE,
	.name = "signal",
	.flags = KEVENT_FILTER_QUICK | KEVENT_FILTER_SLOW_ENDS,
	.attach = signal_attach,
	.detach = signal_detach,
	.touch = signal_touch,
	.event = signal_event,
	.delivered = signal_delivered,
};

int __init signal_nodes_init(void)
{
	check_trace_callback_type_signal_generate(signal_sent);
	return rhashtable_init(&signal_nodes, &signal_params);
}

/* Context: after tell_exit() and probes_exit(). */
void signal_nodes_exit(void)
{
	rhashtable_destroy(&signal_nodes);
}
