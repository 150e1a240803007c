// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_PROC: processes, by their number in the user's pid namespace. As on
 * FreeBSD, any process may be watched, what it does is collected until somebody
 * asks, and a knote ends with its process.
 *
 * That a process ends may be learnt by everybody, as with pidfds. Its status, and
 * what it does before, is for those who could look at it with ptrace(2), the
 * status also for its parent. Who could when the knote was made may go on, but
 * only until the process gains rights by running a program: see struct process.
 *
 * A child that is followed has one knote. On FreeBSD it has two, so that the event
 * that it was born (NOTE_CHILD) and all others stay apart; here that one comes by
 * itself, and first.
 */

#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "../compat.h"
#include "../kqueue.h"
#include "../probe.h"
#include "process.h"

/* Those that only events have are passed over, so that one can be handed back. */
#define PROC_FFLAGS	(NOTE_EXIT | NOTE_FORK | NOTE_EXEC | NOTE_TRACK | \
			 NOTE_TRACKERR | NOTE_CHILD)

/* What not everybody may ask for. */
#define PROC_PRIVATE	(NOTE_FORK | NOTE_EXEC | NOTE_TRACK)

/* --- Rights ------------------------------------------------------------------ */

/* May the caller look at processes of those credentials, without a capability? */
static bool ids_match(const struct cred *of)
{
	const struct cred *cred = current_cred();

	return uid_eq(cred->uid, of->euid) && uid_eq(cred->uid, of->suid) &&
	       uid_eq(cred->uid, of->uid) && gid_eq(cred->gid, of->egid) &&
	       gid_eq(cred->gid, of->sgid) && gid_eq(cred->gid, of->gid) &&
	       cred->user_ns == of->user_ns &&
	       cap_issubset(of->cap_permitted, cred->cap_permitted);
}

/*
 * As ptrace(2) decides who may read, which no module can ask it for. Security
 * modules are asked only whether the caller has the capability.
 */
static u8 rights_to(struct task_struct *task)
{
	const struct cred *of;
	bool match, capable;

	rcu_read_lock();
	of = __task_cred(task);
	match = same_thread_group(task, current) || ids_match(of);
	capable = ns_capable_noaudit(of->user_ns, CAP_SYS_PTRACE);
	rcu_read_unlock();
	/* Who gives up rights stops being looked at before his credentials change. */
	smp_rmb();
	if (!(match || capable) ||
	    !(same_thread_group(task, current) || kevent_may_look(task)))
		return 0;
	return capable ? PROC_KNOWN | PROC_ALWAYS : PROC_KNOWN;
}

/* What its user knows by now, or need not. Context: the process is locked. */
static void begin_with(struct knote *kn, u32 raised,
		       const struct process_counts *past)
{
	kn->proc.raised = raised;
	kn->proc.forks = past->forks;
	kn->proc.execs = past->execs;
}

/*
 * The caller asks for @fflags. Who may not any more, but could, gets no error for
 * that, but is told nothing new. Returns 0, -EACCES, or -ESRCH if there is no
 * process any more.
 */
static int take_rights(struct knote *kn, struct process *process, u32 fflags)
{
	struct process_counts past;
	struct task_struct *task;
	u32 raised;
	u8 rights;

	process_lock(process);
	raised = process->raised;
	past = process->now;
	process_unlock(process);
	if (may_know(kn, raised))
		return 0;

	/* What it gains from here on will show. */
	task = get_pid_task(process->node.key.tgid, PIDTYPE_TGID);
	if (!task)
		return -ESRCH;
	rights = rights_to(task);
	put_task_struct(task);
	if (!rights)
		return (fflags & PROC_PRIVATE) && !(kn->proc.is & PROC_KNOWN) ?
			-EACCES : 0;

	process_lock(process);
	kn->proc.is |= rights;
	begin_with(kn, raised, &past);
	/* Children that it had until now were not all counted: begin anew. */
	kn->proc.since = process->now.forks;
	kn->proc.unseen = 0;
	process_unlock(process);
	return 0;
}

/* What the knote's user may know of what the process has done; or NULL. */
static const struct process_counts *known_counts(const struct knote *kn,
						 const struct process *process)
{
	if (may_know(kn, process->raised))
		return &process->now;
	if ((kn->proc.is & PROC_KNOWN) && kn->proc.raised == process->raised - 1)
		return &process->then;
	return NULL;
}

/* --- Attaching ------------------------------------------------------------- */

static int hold_fork_probe(struct knote *kn, u32 fflags)
{
	int ret;

	if (!(fflags & (NOTE_FORK | NOTE_TRACK)) || (kn->proc.is & PROC_FORKS))
		return 0;
	ret = probe_get(&fork_probe);
	if (!ret)
		kn->proc.is |= PROC_FORKS;
	return ret;
}

/* That it is a child was delivered, or will never be. */
static void settle_birth(struct knote *kn, struct process *parent)
{
	track_settle(parent, kn->kq);
	process_put(parent);
}

/*
 * exec_probe is held by all: it says when the status is not for everybody any
 * more who could be told.
 */
static void proc_detach(struct knote *kn)
{
	track_end(knote_process(kn), kn);
	teller_detach(kn);
	if (kn->proc.parent)
		settle_birth(kn, kn->proc.parent);
	if (kn->proc.is & PROC_FORKS)
		probe_put(&fork_probe);
	probe_put(&exec_probe);
}

/*
 * To be told first that it is a child, which ends nothing. What the user wants to
 * happen to its knote when an event is delivered is for the next. Context: after
 * track_owe(); the process is locked, or is nobody else's business yet.
 */
static void make_child(struct knote *kn, struct seed *seed)
{
	refcount_inc(&seed->parent->node.teller.refs);
	kn->proc.parent = seed->parent;
	kn->proc.is |= seed->is;
	if (kn->flags & EV_ONESHOT)
		kn->proc.is |= PROC_ONESHOT;
	if (kn->flags & EV_DISPATCH)
		kn->proc.is |= PROC_DISPATCH;
	kn->flags &= ~(EV_ONESHOT | EV_DISPATCH);
}

/* A child's status, all that most ask for, is its parent's business anyway. */
static bool needs_rights(const struct knote *kn)
{
	return (kn->sfflags & PROC_PRIVATE) || !(kn->proc.is & PROC_CHILD);
}

/*
 * Connect a knote to a process, which is a child that is followed if there is a
 * @seed. If that fails, proc_detach() has to follow.
 */
static int watch(struct knote *kn, struct process *process, struct seed *seed)
{
	int ret;

	BUILD_BUG_ON(offsetof(struct knote, proc.told) !=
		     offsetof(struct knote, told));

	teller_attach(&process->node.teller, kn);
	INIT_LIST_HEAD(&kn->proc.tracker);
	kn->flags |= EV_CLEAR;
	if (seed) {
		track_owe(seed->parent, kn->kq);
		make_child(kn, seed);
	}
	ret = hold_fork_probe(kn, kn->sfflags);
	if (ret)
		return ret;

	process_lock(process);
	begin_with(kn, process->raised, &process->now);
	process_unlock(process);
	if (!seed) {
		kn->proc.is |= process_kin(process->node.key.tgid);
		if (needs_rights(kn))
			ret = take_rights(kn, process, kn->sfflags);
		if (ret)
			return ret;
	}
	if (READ_ONCE(process->ended) && !(kn->sfflags & NOTE_EXIT))
		return -ESRCH;
	return kn->sfflags & NOTE_TRACK ? track_begin(process, kn) : 0;
}

/* Returns as kevent_filter.attach. */
static int proc_connect(struct knote *kn, struct pid *tgid, struct seed *seed)
{
	struct process *process;
	int ret;

	ret = probe_get(&exec_probe);
	if (ret)
		return ret;
	process = process_get(tgid);
	if (IS_ERR(process)) {
		probe_put(&exec_probe);
		return PTR_ERR(process);
	}
	ret = watch(kn, process, seed);
	if (!ret)
		return 1;
	proc_detach(kn);
	return ret;
}

static int proc_attach(struct knote *kn)
{
	struct pid *pid;
	int ret;

	if (kn->sfflags & ~PROC_FFLAGS)
		return -EINVAL;
	pid = kn->ident <= INT_MAX ? find_get_pid(kn->ident) : NULL;
	if (!pid)
		return -ESRCH;
	kn->proc.level = task_active_pid_ns(current)->level;
	/* It may be the number of another thread. */
	ret = pid_has_task(pid, PIDTYPE_TGID) ? proc_connect(kn, pid, NULL) :
						-ESRCH;
	put_pid(pid);
	return ret;
}

/* The current process is a child that is followed: see kqueue_apply_birth(). */
static int child_attach(struct knote *kn)
{
	struct seed *seed = (struct seed *)(uintptr_t)kn->sdata;

	kn->sdata = 0;
	kn->proc.level = seed->level;
	return proc_connect(kn, task_tgid(current), seed);
}

/* --- Changing ---------------------------------------------------------------- */

/* Follow the children, or do not any more. */
static int change_tracking(struct knote *kn, struct process *process, u32 fflags)
{
	if ((fflags ^ kn->sfflags) & NOTE_TRACK) {
		if (fflags & NOTE_TRACK)
			return track_begin(process, kn);
		track_end(process, kn);
	}
	return 0;
}

/* Has the change been made for a child that is followed, by kqueue_apply_birth()? */
static bool is_birth(const struct kevent_record *kev)
{
	return kev->flags & EV_FLAG1;
}

/* Of what was not asked for until now, nothing that happened before is news. */
static void begin_to_ask(struct knote *kn, const struct process *process, u32 added)
{
	const struct process_counts *counts = known_counts(kn, process);

	if (!counts)
		return;
	if (added & NOTE_FORK)
		kn->proc.forks = counts->forks;
	if (added & NOTE_EXEC)
		kn->proc.execs = counts->execs;
}

static int proc_touch(struct knote *kn, const struct kevent_record *kev)
{
	struct process *process = knote_process(kn);
	u32 fflags = kev->fflags;
	int ret;

	if (fflags & ~PROC_FFLAGS)
		return -EINVAL;
	if (is_birth(kev)) {
		fflags |= kn->sfflags;
	} else if (fflags & PROC_PRIVATE) {
		ret = take_rights(kn, process, fflags);
		if (ret == -EACCES)
			return ret;
	}
	ret = hold_fork_probe(kn, fflags);
	if (ret)
		return ret;
	ret = change_tracking(kn, process, fflags);
	if (ret)
		return ret;

	if (is_birth(kev))
		track_owe(birth_seed(kev)->parent, kn->kq);
	process_lock(process);
	begin_to_ask(kn, process, fflags & ~kn->sfflags);
	if (is_birth(kev))
		make_child(kn, birth_seed(kev));
	kn->sfflags = fflags;
	process_unlock(process);
	return 0;
}

/* Is the number that of another process by now? Context: that of the change. */
static bool proc_stale(const struct knote *kn, const struct kevent_record *kev)
{
	struct pid *tgid = knote_process(kn)->node.key.tgid;
	struct pid *pid;
	bool stale;

	if (is_birth(kev))
		return tgid != task_tgid(current);
	rcu_read_lock();
	pid = find_vpid(kev->ident);
	stale = pid && pid != tgid && pid_has_task(pid, PIDTYPE_TGID);
	rcu_read_unlock();
	return stale;
}

/* --- Reporting --------------------------------------------------------------- */

/* Who knows of more than he may know now is told of no more. */
static u32 count_since(u32 known, u32 count)
{
	return (s32)(count - known) > 0 ? count - known : 0;
}

/* What has happened since the last event. */
static void report_counts(const struct knote *kn, const struct process *process,
			  struct kevent_record *kev)
{
	const struct process_counts *counts = known_counts(kn, process);

	kev->ext[0] = 0;
	kev->ext[1] = 0;
	if (!counts)
		return;
	if (kn->sfflags & NOTE_FORK)
		kev->ext[0] = count_since(kn->proc.forks, counts->forks);
	if (kn->sfflags & NOTE_EXEC)
		kev->ext[1] = count_since(kn->proc.execs, counts->execs);
	if (kev->ext[0])
		kev->fflags |= NOTE_FORK;
	if (kev->ext[1])
		kev->fflags |= NOTE_EXEC;
}

/* Are there children that are followed, and were not told yet? */
static bool has_unseen(const struct knote *kn)
{
	return (kn->sfflags & NOTE_TRACK) && kn->proc.unseen;
}

/* The process has ended, and so does the knote, with this event if there is any. */
static void report_end(struct knote *kn, const struct process *process,
		       struct kevent_record *kev)
{
	bool known = may_know(kn, process->raised) || (kn->proc.is & PROC_CHILD);

	/* It goes with this event, or now. */
	atomic_or(KNOTE_GONE, &kn->state);
	if (kn->sfflags & NOTE_EXIT) {
		kev->fflags |= NOTE_EXIT;
		kev->data = known ? process->status : PROCESS_NO_STATUS;
	}
	if (kev->fflags)
		kev->flags |= EV_ONESHOT | EV_EOF;
}

/* The birth was delivered: now the user's properties apply. */
static void be_no_child(struct knote *kn, struct kevent_record *kev)
{
	u16 flags = 0;

	if (kn->proc.is & PROC_ONESHOT)
		flags |= EV_ONESHOT;
	if (kn->proc.is & PROC_DISPATCH)
		flags |= EV_DISPATCH;
	kn->proc.is &= ~(PROC_ONESHOT | PROC_DISPATCH);
	kn->flags |= flags;
	kev->flags |= flags;
}

/* Fill in what there is to report, if there is anything. The process is locked. */
static bool report(struct knote *kn, const struct process *process,
		   struct kevent_record *kev)
{
	if (kn->proc.parent) {
		kev->fflags = NOTE_CHILD;
		kev->data = pid_nr_at(kn->proc.parent->node.key.tgid,
				      kn->proc.level);
		kev->ext[0] = 0;
		kev->ext[1] = 0;
		return true;
	}
	be_no_child(kn, kev);
	/* With its last event it would go, and they would not be followed. */
	if ((kn->flags & EV_ONESHOT) && has_unseen(kn))
		return false;
	report_counts(kn, process, kev);
	if (kn->proc.lost) {
		kev->fflags |= NOTE_TRACKERR;
		kev->data = kn->proc.lost;
	}
	if (process_has_ended(process, kn->proc.is) && !has_unseen(kn))
		report_end(kn, process, kev);
	return kev->fflags;
}

/* To be told of the end only, unless it may be told of more, and wants to be. */
static void arm(struct knote *kn, struct process *process)
{
	if ((kn->sfflags & (NOTE_FORK | NOTE_EXEC)) &&
	    may_know(kn, process->raised))
		teller_arm(kn);
	else
		list_move_tail(&kn->told.node, &process->patient);
}

static bool proc_event(struct knote *kn, struct kevent_record *kev)
{
	struct process *process = knote_process(kn);
	bool ready;

	process_lock(process);
	arm(kn, process);
	ready = report(kn, process, kev);
	process_unlock(process);
	return ready;
}

/* A change may have made all that is past already. */
static void forget_counts(struct knote *kn, const struct process *process,
			  const struct kevent_record *kev)
{
	kn->proc.forks += min_t(u32, kev->ext[0],
				count_since(kn->proc.forks, process->now.forks));
	kn->proc.execs += min_t(u32, kev->ext[1],
				count_since(kn->proc.execs, process->now.execs));
	if (kev->fflags & NOTE_TRACKERR)
		kn->proc.lost -= min_t(u32, kev->data, kn->proc.lost);
}

/* Has anything happened that had to wait until the birth was delivered? */
static bool has_more(const struct knote *kn, const struct process *process)
{
	return process->ended || kn->proc.lost ||
	       process->now.forks != kn->proc.forks ||
	       process->now.execs != kn->proc.execs;
}

static void proc_delivered(struct knote *kn, const struct kevent_record *kev)
{
	struct process *process = knote_process(kn);
	struct process *parent = NULL;

	process_lock(process);
	if (kev->fflags & NOTE_CHILD) {
		parent = kn->proc.parent;
		kn->proc.parent = NULL;
		/* It is looked at again, although nobody tells us. */
		if (has_more(kn, process))
			atomic_or(KNOTE_NEWS, &kn->state);
	} else {
		forget_counts(kn, process, kev);
	}
	process_unlock(process);
	if (parent)
		settle_birth(kn, parent);
}

const struct kevent_filter kevent_proc_filter = {
	.owner = THIS_MODULE,
	.name = "proc",
	.flags = KEVENT_FILTER_QUICK | KEVENT_FILTER_SLOW_ENDS,
	.attach = proc_attach,
	.detach = proc_detach,
	.touch = proc_touch,
	.event = proc_event,
	.stale = proc_stale,
	.delivered = proc_delivered,
};

/* The same, for knotes that are made for children. */
const struct kevent_filter kevent_child_filter = {
	.owner = THIS_MODULE,
	.name = "proc",
	.flags = KEVENT_FILTER_QUICK | KEVENT_FILTER_SLOW_ENDS,
	.attach = child_attach,
	.detach = proc_detach,
	.touch = proc_touch,
	.event = proc_event,
	.stale = proc_stale,
	.delivered = proc_delivered,
};
