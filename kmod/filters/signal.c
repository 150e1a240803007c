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
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <trace/events/signal.h>

#include "../compat.h"
#include "../kqueue.h"
#include "../probe.h"
#include "pidnode.h"

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
 * @node: its teller's lock protects what follows
 * @count: how many have been sent
 * @last: by whom
 */
struct signal_node {
	struct pid_node node;
	u64 count;
	struct signal_sender last;
};

static const struct pid_node_ops signal_node_ops = {
	.size = sizeof(struct signal_node),
};

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
	struct signal_node *signal;
	struct pid_node *node;
	unsigned long flags;

	rcu_read_lock();
	node = pid_node_find(tgid, sig);
	if (node) {
		signal = container_of(node, struct signal_node, node);
		raw_spin_lock_irqsave(&node->teller.lock, flags);
		signal->count++;
		fill_sender(&signal->last, sig, info, receiver);
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

	if (pid_is_followed(tgid) && result != TRACE_SIGNAL_OVERFLOW_FAIL)
		count_signal(tgid, sig, info, receiver);
}

struct probe signal_probe = {
	.name = "signal_generate",
	.func = signal_sent,
};
EXPORT_SYMBOL_FOR_KUNIT(signal_probe);

/* --- The filter ------------------------------------------------------------ */

static struct signal_node *knote_signal(const struct knote *kn)
{
	return container_of(kn->told.teller, struct signal_node, node.teller);
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
	struct signal_node *signal;
	struct pid_node *node;
	int ret;

	BUILD_BUG_ON(offsetof(struct knote, signal.told) !=
		     offsetof(struct knote, told));

	check_trace_callback_type_signal_generate(signal_sent);

	if (!kn->ident || kn->ident > _NSIG)
		return -EINVAL;
	ret = probe_get(&signal_probe);
	if (ret)
		return ret;
	node = pid_node_get(task_tgid(current), kn->ident, &signal_node_ops);
	if (IS_ERR(node)) {
		probe_put(&signal_probe);
		return PTR_ERR(node);
	}
	signal = container_of(node, struct signal_node, node);
	kn->flags |= EV_CLEAR;
	kn->signal.exec_id = current->self_exec_id;
	teller_attach(&node->teller, kn);
	raw_spin_lock_irq(&node->teller.lock);
	kn->signal.seen = signal->count;
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
	struct signal_node *signal = knote_signal(kn);
	struct pid_node *node = &signal->node;

	raw_spin_lock_irq(&node->teller.lock);
	teller_arm(kn);
	kev->data = signal->count - kn->signal.seen;
	kev->fflags = signal->last.code;
	kev->ext[0] = (u32)signal->last.pid;
	kev->ext[1] = signal->last.uid;
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
