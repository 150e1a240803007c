/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that are watched. Below each other:
 *
 *	proc.c, procdesc.c	the filters: by number, by descriptor
 *	track.c			following children
 *	process.c		what a process has done
 *	pidnode.c, tell.c	whom to tell
 */
#ifndef _KEVENT_FILTERS_PROCESS_H
#define _KEVENT_FILTERS_PROCESS_H

#include <linux/pid.h>
#include <linux/wait.h>

#include "pidnode.h"

struct birth;
struct kqueue;

/* Bits of knote_proc.is, and for EVFILT_PROCDESC of knote.events. */
/* The user may be told the status, and of forks and other programs. */
#define PROC_KNOWN	BIT(0)
/* That stays so, whatever program it runs. */
#define PROC_ALWAYS	BIT(1)
/* It is a child of the user's process, */
#define PROC_CHILD	BIT(2)
/* or that process itself. */
#define PROC_SELF	BIT(3)
/* fork_probe is held. */
#define PROC_FORKS	BIT(4)
/* Once it was told that it is a child: is it to be delivered only once more, */
#define PROC_ONESHOT	BIT(5)
/* or disabled by that? */
#define PROC_DISPATCH	BIT(6)

/* The status is not to be told, or is not known: neither exited nor killed. */
#define PROCESS_NO_STATUS	(-1)

/*
 * So many knotes may follow the children of one process: each fork pays for them.
 * Half of them are for those who may watch it whatever it runs.
 */
#define PROCESS_TRACKERS_MAX	16

/**
 * struct process_counts - how often a process did something since it is watched
 * @forks: new processes; threads do not count
 * @execs: other programs run
 */
struct process_counts {
	u32 forks;
	u32 execs;
};

/**
 * struct process - a process that is watched
 * @node: its teller's lock protects all that follows but @wait
 * @wait: on the pid's wait queue, from when the node is found to its end
 * @now: what it has done
 * @then: what it had done when it last gained rights by running a program
 * @raised: how often it did; does not wrap around. Who could watch it before is
 *	told no more than @then, and of its end
 * @patient: knotes to tell of nothing but the end
 * @status: once it has @ended: as wait(2) has it, or PROCESS_NO_STATUS
 * @ended: all its threads have
 * @released: and a debugger that is not its parent has let go of it, so that its
 *	parent can wait for it
 * @trackers: knotes that are to follow its children, by their proc.tracker
 * @ntrackers: how many they are
 * @spare: memory for the births of children, see track.c
 * @nspare: how many those are
 */
struct process {
	struct pid_node node;
	wait_queue_entry_t wait;
	struct process_counts now;
	struct process_counts then;
	u32 raised;
	int status;
	bool ended;
	bool released;
	struct list_head patient;
	struct list_head trackers;
	unsigned int ntrackers;
	struct birth *spare;
	unsigned int nspare;
};

static inline struct process *knote_process(const struct knote *kn)
{
	return container_of(kn->told.teller, struct process, node.teller);
}

/* Has it ended, for a user of whom it @is a child, or is not? */
static inline bool process_has_ended(const struct process *process, u8 is)
{
	return is & PROC_CHILD ? process->released : process->ended;
}

/* Context: what struct process says is protected by the teller's lock. */
static inline void process_lock(struct process *process)
{
	raw_spin_lock_irq(&process->node.teller.lock);
}

static inline void process_unlock(struct process *process)
{
	raw_spin_unlock_irq(&process->node.teller.lock);
}

/*
 * May the knote's user be told of what the process did while it had gained rights
 * @raised times?
 */
static inline bool may_know(const struct knote *kn, u32 raised)
{
	return (kn->proc.is & PROC_ALWAYS) ||
	       ((kn->proc.is & PROC_KNOWN) && kn->proc.raised == raised &&
		raised != U32_MAX);
}

struct process *process_get(struct pid *tgid);
void process_put(struct process *process);
u8 process_kin(struct pid *tgid);
bool is_child_of(struct task_struct *task, const struct pid *tgid);

/**
 * struct seed - what the knote of a child that is followed is made from
 * @parent: the process whose child the current one is
 * @is: PROC_* that the parent's knote hands on
 * @level: likewise
 */
struct seed {
	struct process *parent;
	u8 is;
	u8 level;
};

/* It is not in a change's data for anybody to see: see kqueue_apply_birth(). */
static inline struct seed *birth_seed(const struct kevent_record *kev)
{
	return (struct seed *)(uintptr_t)kev->data;
}

/* The number of a process in the namespace at that level of all around it. */
static inline pid_t pid_nr_at(const struct pid *pid, unsigned int level)
{
	return level <= pid->level ? pid->numbers[level].nr : 0;
}

/* track.c */
int track_begin(struct process *process, struct knote *kn);
void track_end(struct process *process, struct knote *kn);
struct birth *track_fork(struct process *process, bool thread);
void track_birth(struct birth *birth, struct task_struct *child);
void track_owe(struct process *parent, const struct kqueue *kq);
void track_settle(struct process *parent, const struct kqueue *kq);
void track_free_spare(struct process *process);

#endif /* _KEVENT_FILTERS_PROCESS_H */
