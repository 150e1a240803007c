// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_PROC, with the probes called as the kernel calls them: which forks count,
 * and what a program does that gains rights. The process that is watched is the
 * first one, which knows nothing of that.
 */

#include <linux/binfmts.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "fixture.h"
#include "../filters/process.h"
#include "../probe.h"

#define INIT	1

typedef void (*fork_func_t)(void *data, struct task_struct *parent,
			    struct task_struct *child);
typedef void (*exec_func_t)(void *data, struct task_struct *task, pid_t old_pid,
			    struct linux_binprm *bprm);

/* Two processes, neither of them the kernel's. */
struct pair {
	struct task_struct *init;
	struct task_struct *other;
};

static void put_pair(struct pair *pair)
{
	if (pair->init)
		put_task_struct(pair->init);
	if (pair->other)
		put_task_struct(pair->other);
}

/* What loads this module is one. False if there are not both. */
static bool find_pair(struct pair *pair)
{
	struct task_struct *task;

	*pair = (struct pair){};
	rcu_read_lock();
	for_each_process(task) {
		if (task->flags & PF_KTHREAD)
			continue;
		if (task->pid == INIT)
			pair->init = get_task_struct(task);
		else if (!pair->other)
			pair->other = get_task_struct(task);
	}
	rcu_read_unlock();
	return pair->init && pair->other;
}

static void call_fork(struct task_struct *parent, struct task_struct *child)
{
	fork_func_t forked = fork_probe.func;

	preempt_disable();
	forked(NULL, parent, child);
	preempt_enable();
}

static void call_exec(struct task_struct *task)
{
	static struct linux_binprm bprm = { .secureexec = 1 };
	exec_func_t execed = exec_probe.func;

	preempt_disable();
	execed(NULL, task, task->pid, &bprm);
	preempt_enable();
}

static int watch_init(struct kqueue *kq, u32 fflags)
{
	struct kevent_record kev = {
		.ident = INIT, .filter = EVFILT_PROC, .flags = EV_ADD,
		.fflags = fflags,
	};

	return change(kq, &kev);
}

/* New processes count, of this parent; not threads, nor what the kernel makes. */
static void proc_forks(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct pair pair;
	int i;

	KUNIT_ASSERT_TRUE(test, find_pair(&pair));
	KUNIT_EXPECT_EQ(test, watch_init(fix->kq, NOTE_FORK), 0);
	call_fork(pair.init, pair.init);
	call_fork(pair.init, current);
	call_fork(current, pair.other);
	call_fork(pair.other, pair.init);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 0);
	for (i = 0; i < 1000; i++)
		call_fork(pair.init, pair.other);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 1);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ident, INIT);
	KUNIT_EXPECT_EQ(test, fix->ev[0].fflags, NOTE_FORK);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ext[0], 1000);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ext[1], 0);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 0);
	put_pair(&pair);
}

/* Who has the capability is told of what a process does that has gained rights. */
static void proc_raised(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct pair pair;

	KUNIT_ASSERT_TRUE(test, find_pair(&pair));
	KUNIT_EXPECT_EQ(test, watch_init(fix->kq, NOTE_FORK | NOTE_EXEC), 0);
	call_exec(pair.init);
	call_fork(pair.init, pair.other);
	call_exec(pair.init);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 1);
	KUNIT_EXPECT_EQ(test, fix->ev[0].fflags, NOTE_FORK | NOTE_EXEC);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ext[0], 1);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ext[1], 2);
	put_pair(&pair);
}

/* Who has not is told of what was before, of that program, and no more. */
static void proc_hidden(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct knote *kn;
	struct pair pair;

	KUNIT_ASSERT_TRUE(test, find_pair(&pair));
	KUNIT_EXPECT_EQ(test, watch_init(fix->kq, NOTE_FORK | NOTE_EXEC), 0);
	kn = find_knote(fix->kq, INIT, EVFILT_PROC);
	KUNIT_EXPECT_NOT_NULL(test, kn);
	if (kn)
		kn->proc.is &= ~PROC_ALWAYS;
	call_fork(pair.init, pair.other);
	call_exec(pair.init);
	call_fork(pair.init, pair.other);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 1);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ext[0], 1);
	KUNIT_EXPECT_EQ(test, fix->ev[0].ext[1], 1);
	call_fork(pair.init, pair.other);
	call_exec(pair.init);
	call_fork(pair.init, pair.other);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 0);
	put_pair(&pair);
}

static struct kunit_case proc_cases[] = {
	KUNIT_CASE(proc_forks),
	KUNIT_CASE(proc_raised),
	KUNIT_CASE(proc_hidden),
	{}
};

static struct kunit_suite proc_suite = {
	.name = "kevent_proc",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = proc_cases,
};

kunit_test_suite(proc_suite);
