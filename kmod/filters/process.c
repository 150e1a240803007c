// SPDX-License-Identifier: GPL-2.0
/*
 * What a process that is watched has done.
 *
 * Forks and other programs are counted by probes on the kernel's tracepoints,
 * which are in place while somebody wants to know. The end is told by the wait
 * queue that pidfds have as well, when the process can be waited for.
 *
 * Others who fork pay for a look at a counter while there are such probes, and if
 * their process's hash is that of one with knotes, for a look into a hash table.
 * Of a process that is watched, the thread that forks pays for its teller, and
 * for up to PROCESS_TRACKERS_MAX knotes that follow its children.
 */

#include <linux/binfmts.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <trace/events/sched.h>

#include "../compat.h"
#include "../probe.h"
#include "process.h"

/* --- The end ---------------------------------------------------------------- */

/* As wait(2) has it. The process has ended. */
static int exit_status(const struct task_struct *task)
{
	const struct signal_struct *signal = task->signal;

	return signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code :
						   task->exit_code;
}

/* Does somebody debug it who is not its parent? Context: RCU. */
static bool is_lent(const struct task_struct *task)
{
	return READ_ONCE(task->ptrace) &&
	       !same_thread_group(rcu_dereference(task->real_parent),
				  rcu_dereference(task->parent));
}

/*
 * Has it ended? Its leader stays until the last thread has; when a thread has run
 * another program, that is the leader. To a parent, a child that somebody else
 * debugs ends only when that one has let go of it. If nobody is left to ask, it
 * has, and somebody has waited for it.
 *
 * Whoever ends it wakes the pid's wait queue afterwards, each time that changes.
 */
static void look_for_end(struct process *process)
{
	struct task_struct *task;

	lockdep_assert_held(&process->node.teller.lock);

	rcu_read_lock();
	task = pid_task(process->node.key.tgid, PIDTYPE_TGID);
	if (!task) {
		process->ended = true;
		process->released = true;
	} else if (READ_ONCE(task->exit_state) && thread_group_empty(task)) {
		/* The code was there before the state. */
		smp_rmb();
		if (!process->ended)
			process->status = exit_status(task);
		process->ended = true;
		if (!is_lent(task))
			process->released = true;
	}
	rcu_read_unlock();
}

/* Tell all knotes, if it has ended. */
static void tell_of_end(struct process *process)
{
	struct teller *teller = &process->node.teller;

	if (!process->ended)
		return;
	list_splice_tail_init(&process->patient, &teller->armed);
	teller_tell(teller);
}

/* Context: under the wait queue's lock, and usually the list of tasks's. */
static int process_woken(wait_queue_entry_t *wait, unsigned int mode, int sync,
			 void *key)
{
	struct process *process = container_of(wait, struct process, wait);
	unsigned long flags;

	raw_spin_lock_irqsave(&process->node.teller.lock, flags);
	if (!process->released) {
		look_for_end(process);
		tell_of_end(process);
	}
	raw_spin_unlock_irqrestore(&process->node.teller.lock, flags);
	return 0;
}

/* --- Probes ------------------------------------------------------------------ */

/* The process of a probe's task, if it is watched. Context: RCU. */
static struct process *find_process(struct task_struct *task)
{
	struct pid_node *node = pid_node_find(task_tgid(task), 0);

	return node ? container_of(node, struct process, node) : NULL;
}

/* Not a part of process_forked(), which is to be short. */
static noinline void count_fork(struct task_struct *parent,
				struct task_struct *child)
{
	bool thread = same_thread_group(parent, child);
	struct birth *birth = NULL;
	struct process *process;
	unsigned long flags;

	rcu_read_lock();
	process = find_process(parent);
	if (process) {
		raw_spin_lock_irqsave(&process->node.teller.lock, flags);
		process->now.forks += !thread;
		if (!list_empty(&process->trackers))
			birth = track_fork(process, thread);
		if (!thread)
			teller_tell(&process->node.teller);
		raw_spin_unlock_irqrestore(&process->node.teller.lock, flags);
	}
	rcu_read_unlock();
	if (birth)
		track_birth(birth, child);
}

/*
 * A new process, or thread, is about to run for the first time. What the kernel
 * does for itself is not followed.
 *
 * Context: @parent, usually with preemption off.
 */
static void process_forked(void *unused, struct task_struct *parent,
			   struct task_struct *child)
{
	if (pid_is_followed(task_tgid(parent)) &&
	    !((parent->flags | child->flags) & PF_KTHREAD))
		count_fork(parent, child);
}

struct probe fork_probe = {
	.name = "sched_process_fork",
	.func = process_forked,
};
EXPORT_SYMBOL_FOR_KUNIT(fork_probe);

/*
 * Has the process, which is the current one, more rights by its new program, or is
 * it not to be looked at any more?
 */
static bool has_gained(const struct linux_binprm *bprm)
{
	return bprm->secureexec || !kevent_current_is_dumpable();
}

/* Of a thread's program the rest of the process has nothing: that is gone. */
static noinline void count_exec(struct task_struct *task,
				const struct linux_binprm *bprm)
{
	struct process *process;
	unsigned long flags;

	rcu_read_lock();
	process = find_process(task);
	if (process) {
		raw_spin_lock_irqsave(&process->node.teller.lock, flags);
		process->now.execs++;
		if (has_gained(bprm)) {
			process->then = process->now;
			process->raised += process->raised != U32_MAX;
		}
		teller_tell(&process->node.teller);
		raw_spin_unlock_irqrestore(&process->node.teller.lock, flags);
	}
	rcu_read_unlock();
}

/* Context: @task, usually with preemption off. */
static void process_execed(void *unused, struct task_struct *task, pid_t old_pid,
			   struct linux_binprm *bprm)
{
	if (pid_is_followed(task_tgid(task)))
		count_exec(task, bprm);
}

struct probe exec_probe = {
	.name = "sched_process_exec",
	.func = process_execed,
};
EXPORT_SYMBOL_FOR_KUNIT(exec_probe);

/* --- Nodes ------------------------------------------------------------------- */

static void process_end(struct pid_node *node)
{
	struct process *process = container_of(node, struct process, node);

	remove_wait_queue(&node->key.tgid->wait_pidfd, &process->wait);
	track_free_spare(process);
}

/* It may have ended before it is on the wait queue. */
static void process_init(struct pid_node *node)
{
	struct process *process = container_of(node, struct process, node);

	check_trace_callback_type_sched_process_fork(process_forked);
	check_trace_callback_type_sched_process_exec(process_execed);

	INIT_LIST_HEAD(&process->patient);
	INIT_LIST_HEAD(&process->trackers);
	process->status = PROCESS_NO_STATUS;
	init_waitqueue_func_entry(&process->wait, process_woken);
	add_wait_queue(&node->key.tgid->wait_pidfd, &process->wait);
	process_lock(process);
	look_for_end(process);
	process_unlock(process);
}

static const struct pid_node_ops process_ops = {
	.size = sizeof(struct process),
	.init = process_init,
	.end = process_end,
};

/**
 * process_get() - watch a process
 * @tgid: the process
 *
 * Context: may sleep.
 * Return: what it does from now on, to be given back with process_put() or handed
 * over to a knote; or -ENOMEM, or -EINTR if the caller is being killed.
 */
struct process *process_get(struct pid *tgid)
{
	struct pid_node *node = pid_node_get(tgid, 0, &process_ops);

	if (IS_ERR(node))
		return ERR_CAST(node);
	return container_of(node, struct process, node);
}

/* Context: any that may take a spinlock of PREEMPT_RT; nodes end without a wait. */
void process_put(struct process *process)
{
	teller_put(&process->node.teller);
}

/* Is that process its parent? Context: RCU, or the task is the current one. */
bool is_child_of(struct task_struct *task, const struct pid *tgid)
{
	bool is;

	rcu_read_lock();
	is = task_tgid(rcu_dereference(task->real_parent)) == tgid;
	rcu_read_unlock();
	return is;
}

/* Is it the caller's, or a child of that? PROC_SELF, PROC_CHILD, or 0. */
u8 process_kin(struct pid *tgid)
{
	struct task_struct *task;
	u8 kin = 0;

	rcu_read_lock();
	task = pid_task(tgid, PIDTYPE_TGID);
	if (task && same_thread_group(task, current))
		kin = PROC_SELF;
	else if (task && is_child_of(task, task_tgid(current)))
		kin = PROC_CHILD;
	rcu_read_unlock();
	return kin;
}
