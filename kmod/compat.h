/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every difference between the kernels that kevent builds for. The rest of
 * the module reads as if written for today's kernel.
 */
#ifndef _KEVENT_COMPAT_H
#define _KEVENT_COMPAT_H

#include <linux/compat.h>
#include <linux/eventfd.h>
#include <linux/export.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/ftrace.h>
#include <linux/hrtimer.h>
#include <linux/magic.h>
#include <linux/mm_types.h>
#include <linux/pipe_fs_i.h>
#include <linux/ptrace.h>
#include <linux/sched/coredump.h>
#include <linux/sched/task.h>
#include <linux/tracepoint.h>
#include <linux/version.h>
#include <net/sock.h>
#ifdef KEVENT_TASK_EXEC_STATE
#include <linux/sched/exec_state.h>
#endif

/*
 * 6.12 made struct fd a tagged word behind fd_file() (88a2f6468d01); stable
 * kernels got it at various points, so ask for the macro.
 */
#ifndef fd_file
#define fd_file(f)	((f).file)
#endif

/* 6.13 joined hrtimer_init() and the setting of the function (908a1d775422). */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void hrtimer_setup(struct hrtimer *timer,
				 enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* 6.10 made this of fsnotify_find_mark(). */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
static inline struct fsnotify_mark *
fsnotify_find_inode_mark(struct inode *inode, struct fsnotify_group *group)
{
	return fsnotify_find_mark(&inode->i_fsnotify_marks, group);
}
#endif

/* By 6.12 all groups are so, and there is no such flag. */
#ifndef FSNOTIFY_GROUP_NOFS
#define FSNOTIFY_GROUP_NOFS	0
#endif

/*
 * How the kernel's function that closes can be hooked: by ftrace if it hands
 * over arguments (all registers serve too), or by a kprobe.
 */
#if defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS) || \
	defined(CONFIG_DYNAMIC_FTRACE_WITH_REGS)
#define KEVENT_CLOSE_FTRACE
#endif
#ifdef CONFIG_KPROBES
#define KEVENT_CLOSE_KPROBE
#endif

/*
 * 6.2 gave all architectures ftrace_regs_get_argument() (94d095ffa0e1). Before,
 * the registers have to be asked for in full.
 */
#ifdef KEVENT_CLOSE_FTRACE
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0) && \
	defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS)
#define KEVENT_FTRACE_FLAGS	0
static inline unsigned long kevent_ftrace_arg(struct ftrace_regs *fregs, int n)
{
	return ftrace_regs_get_argument(fregs, n);
}
#elif defined(CONFIG_X86_64) && defined(CONFIG_DYNAMIC_FTRACE_WITH_ARGS)
#define KEVENT_FTRACE_FLAGS	0
static inline unsigned long kevent_ftrace_arg(struct ftrace_regs *fregs, int n)
{
	/* The argument registers are saved even when the rest is not. */
	return regs_get_kernel_argument(&fregs->regs, n);
}
#else
#define KEVENT_FTRACE_FLAGS	FTRACE_OPS_FL_SAVE_REGS
static inline unsigned long kevent_ftrace_arg(struct ftrace_regs *fregs, int n)
{
	return regs_get_kernel_argument(ftrace_get_regs(fregs), n);
}
#endif
#endif /* KEVENT_CLOSE_FTRACE */

/* Declared also where there are none, but then not there. */
#ifndef CONFIG_TRACEPOINTS
#define tracepoint_probe_register(tp, func, data)	\
	((void)(tp), (void)(func), -EOPNOTSUPP)
#define tracepoint_probe_unregister(tp, func, data)	do { } while (0)
#define for_each_kernel_tracepoint(func, data)		((void)(func))
#endif

/*
 * How many bytes a unix stream has for its reader, or -EINVAL if it listens. All
 * kernels export this; since 6.15 no header of theirs declares it, nor what it
 * looks at (84960bf24031).
 */
long unix_inq_len(struct sock *sk);

/*
 * Have a pipe wake its readers for each write, not only when it was empty. It
 * once did so for whoever had polled it, and 7.x does for whoever asks for edges.
 * Kbuild looks for the member that says so.
 */
static inline void pipe_wake_each_write(struct pipe_inode_info *pipe)
{
#ifdef KEVENT_PIPE_PSEUDO_EDGETRIGGER
	WRITE_ONCE(pipe->pseudo_edgetrigger, true);
#endif
}

/*
 * May those who have a task's credentials look at it? The task has a note of that
 * for when its memory is gone, which stable kernels got at various points. Before,
 * nothing said that they may not. 7.x moved all of that, and the namespace in which
 * others may, to the task. Kbuild looks for both.
 *
 * kevent_current_is_dumpable(): in a process with memory, in any context.
 * kevent_may_look(): of any task, for the caller; not if preemption is off.
 */
#ifdef KEVENT_TASK_EXEC_STATE
static inline bool kevent_current_is_dumpable(void)
{
	struct task_exec_state *state;
	bool is;

	rcu_read_lock();
	state = rcu_dereference(current->exec_state);
	is = READ_ONCE(state->dumpable) == TASK_DUMPABLE_OWNER;
	rcu_read_unlock();
	return is;
}

static inline bool kevent_may_look(struct task_struct *task)
{
	struct task_exec_state *state;
	bool may;

	rcu_read_lock();
	state = rcu_dereference(task->exec_state);
	may = !state || READ_ONCE(state->dumpable) == TASK_DUMPABLE_OWNER ||
	      ns_capable_noaudit(state->user_ns, CAP_SYS_PTRACE);
	rcu_read_unlock();
	return may;
}
#else
static inline bool kevent_current_is_dumpable(void)
{
	return get_dumpable(current->mm) == SUID_DUMP_USER;
}

static inline bool kevent_may_look(struct task_struct *task)
{
	struct user_namespace *ns = &init_user_ns;
	bool may;

	task_lock(task);
	if (task->mm) {
		ns = task->mm->user_ns;
		may = get_dumpable(task->mm) == SUID_DUMP_USER;
	} else {
#ifdef KEVENT_TASK_USER_DUMPABLE
		may = task->user_dumpable;
#else
		may = true;
#endif
	}
	may = may || ns_capable_noaudit(ns, CAP_SYS_PTRACE);
	task_unlock(task);
	return may;
}
#endif

/*
 * The process of a pidfd, or NULL if the file is none of a process. 6.9 gave them
 * a file system, and made some of threads; before, they are known by their name.
 */
static inline struct pid *kevent_pidfd_pid(const struct file *file)
{
	const struct inode *inode = file_inode(file);

#ifdef PID_FS_MAGIC
	if (inode->i_sb->s_magic == PID_FS_MAGIC)
		return file->f_flags & O_EXCL ? NULL : inode->i_private;
#endif
	if (inode->i_sb->s_magic == ANON_INODE_FS_MAGIC &&
	    !strcmp(file->f_path.dentry->d_name.name, "[pidfd]"))
		return file->private_data;
	return NULL;
}

/*
 * For batches of records on the stack, of which only what was written is read:
 * kernels that zero all of the stack (INIT_STACK_ALL_ZERO) would spend more
 * time on that than on what is done with them.
 */
#if __has_attribute(__uninitialized__)
#define kevent_uninitialized	__attribute__((__uninitialized__))
#else
#define kevent_uninitialized
#endif

/*
 * What the KUnit suites use beyond what other modules may is exported only if
 * they are built. 6.13 made namespaces strings (cdd30ebb1b9f).
 */
#ifndef KEVENT_KUNIT_TEST
#define EXPORT_SYMBOL_FOR_KUNIT(symbol)
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define EXPORT_SYMBOL_FOR_KUNIT(symbol) \
	EXPORT_SYMBOL_NS_GPL(symbol, EXPORTED_FOR_KUNIT_TESTING)
#define KEVENT_IMPORT_FOR_KUNIT	MODULE_IMPORT_NS(EXPORTED_FOR_KUNIT_TESTING)
#else
#define EXPORT_SYMBOL_FOR_KUNIT(symbol) \
	EXPORT_SYMBOL_NS_GPL(symbol, "EXPORTED_FOR_KUNIT_TESTING")
#define KEVENT_IMPORT_FOR_KUNIT	MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING")
#endif

/*
 * True if the caller's identifiers are 32 bits wide, so that the upper half
 * of an ident is padding.
 */
static inline bool kevent_caller_is_32bit(void)
{
	return !IS_ENABLED(CONFIG_64BIT) || in_compat_syscall();
}

#endif /* _KEVENT_COMPAT_H */
