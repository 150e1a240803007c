// SPDX-License-Identifier: GPL-2.0
/*
 * Meddles with closing, so that the selftests meet what is otherwise a matter of
 * luck: see selftests/closing/hook_meddle.c. Not for a machine in use. What it
 * does is asked for by its parameters:
 *
 *	function	where threads can be held: a function of the kernel that is
 *			given a file. One that is hooked too is held ahead of
 *			the hooks that were there before this module
 *	hold		whoever gets there with the file of this descriptor, of
 *			which only the address is kept; until another number, or
 *			none (-1), is written
 *	held		1 while somebody is
 *	swap		this descriptor and the next exchange their files, which no
 *			hook on closing learns of
 *	stuck		ftrace refuses to remove hooks that are to be permanent;
 *			when it is switched off, they who met it are woken
 */

#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/ftrace.h>
#include <linux/jiffies.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "../compat.h"

/* Longer than any test needs, and shorter than what counts as a lockup. */
#define HOLD_MOST	(15 * HZ)

/* --- Holding --------------------------------------------------------------- */

static char *function = "";
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "where threads can be held (default: nowhere)");

static int held;
module_param(held, int, 0444);
MODULE_PARM_DESC(held, "1 while a thread is held");

static const struct file *hold_file;

/* Nobody sleeps between clearing a slot and the hook: so this must not, either. */
static void notrace hold(unsigned long ip, unsigned long parent_ip,
			 struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct file *file = (struct file *)kevent_ftrace_arg(fregs, 0);
	unsigned long end = jiffies + HOLD_MOST;

	if (file != READ_ONCE(hold_file))
		return;
	WRITE_ONCE(held, 1);
	while (file == READ_ONCE(hold_file) && time_before(jiffies, end))
		cpu_relax();
	WRITE_ONCE(held, 0);
}

static struct ftrace_ops hold_ops = {
	.func = hold,
	.flags = KEVENT_FTRACE_FLAGS,
};

static int hold_set(const char *value, const struct kernel_param *param)
{
	struct file *file = NULL;
	int fd, ret;

	ret = kstrtoint(value, 0, &fd);
	if (ret)
		return ret;
	if (fd >= 0) {
		file = fget(fd);
		if (!file)
			return -EBADF;
		fput(file);
	}
	WRITE_ONCE(hold_file, file);
	return 0;
}

static const struct kernel_param_ops hold_param_ops = {
	.set = hold_set,
};

module_param_cb(hold, &hold_param_ops, NULL, 0200);
MODULE_PARM_DESC(hold, "hold who gets to the function with this descriptor's file");

/* --- Past closing ----------------------------------------------------------- */

static int swap_files(struct files_struct *files, unsigned int fd)
{
	struct fdtable *fdt;
	int ret = -EBADF;

	spin_lock(&files->file_lock);
	fdt = files_fdtable(files);
	if (fd < fdt->max_fds - 1 && rcu_access_pointer(fdt->fd[fd]) &&
	    rcu_access_pointer(fdt->fd[fd + 1])) {
		swap(fdt->fd[fd], fdt->fd[fd + 1]);
		ret = 0;
	}
	spin_unlock(&files->file_lock);
	return ret;
}

static int swap_set(const char *value, const struct kernel_param *param)
{
	unsigned int fd;
	int ret = kstrtouint(value, 0, &fd);

	return ret ? ret : swap_files(current->files, fd);
}

static const struct kernel_param_ops swap_param_ops = {
	.set = swap_set,
};

module_param_cb(swap, &swap_param_ops, NULL, 0200);
MODULE_PARM_DESC(swap, "this descriptor and the next exchange their files");

/* --- Refusing to remove ----------------------------------------------------- */

static bool stuck;

/* The first who was refused, until the module goes. */
static struct task_struct *stuck_task;

/* What is called in the place of unregister_ftrace_function(). */
static int stuck_refuse(struct ftrace_ops *ops)
{
	return -ENODEV;
}

static int stuck_before(struct kprobe *probe, struct pt_regs *regs)
{
	struct ftrace_ops *ops =
		(struct ftrace_ops *)regs_get_kernel_argument(regs, 0);

	if (!READ_ONCE(stuck) || !(ops->flags & FTRACE_OPS_FL_PERMANENT))
		return 0;
	if (!stuck_task)
		stuck_task = get_task_struct(current);
	instruction_pointer_set(regs, (unsigned long)stuck_refuse);
	return 1;
}

/* A probe that has this is not optimized, and only those can go elsewhere. */
static void stuck_after(struct kprobe *probe, struct pt_regs *regs,
			unsigned long flags)
{
}

static struct kprobe stuck_probe = {
	.symbol_name = "unregister_ftrace_function",
	.pre_handler = stuck_before,
	.post_handler = stuck_after,
};

/* It may not sleep yet, so whoever writes this does so until it is gone. */
static int stuck_set(const char *value, const struct kernel_param *param)
{
	int ret = param_set_bool(value, param);

	if (!ret && !stuck && stuck_task)
		wake_up_process(stuck_task);
	return ret;
}

static const struct kernel_param_ops stuck_param_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = stuck_set,
	.get = param_get_bool,
};

module_param_cb(stuck, &stuck_param_ops, &stuck, 0644);
MODULE_PARM_DESC(stuck, "ftrace refuses to remove permanent hooks");

/* --- Loading and unloading -------------------------------------------------- */

static int __init meddle_init(void)
{
	int ret = register_kprobe(&stuck_probe);

	if (ret || !*function)
		return ret;
	ret = ftrace_set_filter(&hold_ops, (unsigned char *)function,
				strlen(function), 1);
	if (!ret)
		ret = register_ftrace_function(&hold_ops);
	if (!ret)
		return 0;
	ftrace_free_filter(&hold_ops);
	unregister_kprobe(&stuck_probe);
	return ret;
}
module_init(meddle_init);

static void __exit meddle_exit(void)
{
	WRITE_ONCE(hold_file, NULL);
	if (*function) {
		unregister_ftrace_function(&hold_ops);
		ftrace_free_filter(&hold_ops);
	}
	unregister_kprobe(&stuck_probe);
	if (stuck_task)
		put_task_struct(stuck_task);
}
module_exit(meddle_exit);

MODULE_DESCRIPTION("Meddles with closing, for kevent's selftests");
MODULE_AUTHOR("The kevent developers");
MODULE_LICENSE("GPL");
