// SPDX-License-Identifier: GPL-2.0
/*
 * Choosing, installing, testing and removing the hook on closing.
 *
 * Which function. close(2), dup2, close_range, exec, exit and io_uring pass a
 * file and a table to filp_close(); but where that is split, close(2) goes
 * directly to its first half, filp_flush() (since 6.6). So that one is hooked
 * if the kernel has it, else filp_close(). A compiler may have put the half
 * into its callers, in part or in some of them, and a kernel may be different
 * again: therefore the hook is not believed before it was seen to work.
 *
 * The test. Of a close by filp_close(), as all but close(2) do it, the module
 * makes one itself. close(2) cannot be called from inside, and nothing that is
 * exported goes its way: that must be a process. Whoever closes something in
 * the meantime is as good as another, since the hook can tell that it was
 * called in that system call; on a machine where nobody does, the kernel's
 * helper is started, modprobe, which cannot do its work without. No descriptor
 * is registered before both have been seen.
 *
 * States:
 *
 *	chosen		at load: there is a function, and a way to hook it
 *	installed	by the first who needs it, until the module goes: what
 *			it costs those who do not is little, and removing it
 *			takes as long as any task stays in the kernel
 *	trusted		once it has passed the test
 *
 * All that changes these, but load and unload, happens in one work, so that
 * those who wait for it can be killed: ftrace's own lock may be held by others
 * for as long as they like.
 *
 * What could keep the hook from being called later. kernel.ftrace_enabled
 * cannot be set to 0 while it is installed (with ftrace; before 7.x, which
 * never lets anybody). What is written to set_ftrace_filter or notrace is about
 * tracers only; function graph, BPF and livepatch's own redirection of
 * the function share the place with it. A kprobe can be switched off, by
 * kprobes/enabled in debugfs and, where it stands on an ftrace place, by
 * kernel.ftrace_enabled: so it is tried again for each queue that begins to
 * watch descriptors. What remains, such as a livepatch of close(2) itself, a
 * driver that takes files out of a table past filp_close(), or a kprobe
 * that is switched off under queues that watch: that is noticed when the
 * number of a missed close is used again, see closehook_accuse().
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kallsyms.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include "closehook.h"

/* How long others are given to close something before and after the helper. */
#define TEST_BEFORE	msecs_to_jiffies(50)
#define TEST_AFTER	msecs_to_jiffies(1000)

/* The helper is not started more often, should it be of no use. */
#define TEST_AGAIN	(10 * HZ)

static char *close_hook = "";
module_param(close_hook, charp, 0444);
MODULE_PARM_DESC(close_hook,
		 "how to follow closing: [ftrace|kprobe][:function(file, table)] (default: chosen)");

static bool close_test = true;
module_param(close_test, bool, 0444);
MODULE_PARM_DESC(close_test,
		 "do not register descriptors before a close was seen (default: Y)");

/**
 * struct closehook_method - a way to hook a function
 * @name: as the parameter has it
 * @choose: can the function be hooked so? 0 or an error
 * @install: do it
 * @remove: undo @install; may fail, then the hook is still called
 * @destroy: undo @choose
 * @fades: it can be switched off behind our back
 */
struct closehook_method {
	const char *name;
	int (*choose)(unsigned long ip);
	int (*install)(void);
	int (*remove)(void);
	void (*destroy)(void);
	bool fades;
};

/* Written when loading. */
static const struct closehook_callbacks *hook_callbacks;
static const struct closehook_method *hook_method;
static const char *hook_function;
static struct workqueue_struct *hook_wq;

/* The work's; the others read @hook_trusted without a lock. */
static bool hook_installed;
static bool hook_trusted;
static unsigned long hook_helper_at;	/* when it may be started next; 0: now */

/* What came of the work, and how often it has run. */
static int hook_result;
static unsigned int hook_runs;
static DECLARE_WAIT_QUEUE_HEAD(hook_wait);

atomic_t closehook_followed[1 << CLOSEHOOK_FOLLOWED_BITS] ____cacheline_aligned;
DEFINE_STATIC_KEY_TRUE(closehook_in_test);

/* --- Methods -------------------------------------------------------------- */

#ifdef KEVENT_CLOSE_FTRACE
/* PERMANENT: kernel.ftrace_enabled cannot be set to 0 while this is in. */
static struct ftrace_ops hook_ops = {
	.flags = FTRACE_OPS_FL_PERMANENT | KEVENT_FTRACE_FLAGS,
};

static int ftrace_choose(unsigned long ip)
{
	hook_ops.func = hook_callbacks->ftrace;
	return ftrace_set_filter_ip(&hook_ops, ip, 0, 1);
}

static int ftrace_install(void)
{
	return register_ftrace_function(&hook_ops);
}

static int ftrace_remove(void)
{
	return unregister_ftrace_function(&hook_ops);
}

static void ftrace_destroy(void)
{
	ftrace_free_filter(&hook_ops);
}
#endif

#ifdef KEVENT_CLOSE_KPROBE
static struct kprobe hook_probe;
static unsigned long hook_ip;

static int kprobe_choose(unsigned long ip)
{
	hook_ip = ip;
	return 0;
}

static int kprobe_install(void)
{
	memset(&hook_probe, 0, sizeof(hook_probe));
	hook_probe.addr = (kprobe_opcode_t *)hook_ip;
	hook_probe.pre_handler = hook_callbacks->kprobe;
	return register_kprobe(&hook_probe);
}

static int kprobe_remove(void)
{
	unregister_kprobe(&hook_probe);
	return 0;
}

static void kprobe_destroy(void)
{
}
#endif

/* The better one first. */
static const struct closehook_method hook_methods[] = {
#ifdef KEVENT_CLOSE_FTRACE
	{ "ftrace", ftrace_choose, ftrace_install, ftrace_remove,
	  ftrace_destroy, false },
#endif
#ifdef KEVENT_CLOSE_KPROBE
	{ "kprobe", kprobe_choose, kprobe_install, kprobe_remove,
	  kprobe_destroy, true },
#endif
	{}
};

/* --- Choosing ------------------------------------------------------------- */

#ifdef KEVENT_CLOSE_KPROBE
/* Symbols of modules come with the module's name behind. */
static bool in_kernel_proper(unsigned long ip)
{
	char *name = kmalloc(KSYM_SYMBOL_LEN, GFP_KERNEL);
	bool proper = name && sprint_symbol(name, ip) && !strchr(name, '[');

	kfree(name);
	return proper;
}

/* Where the function is: a probe that is never armed tells. 0: nowhere. */
static unsigned long find_function(const char *name)
{
	struct kprobe probe = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long ip;

	if (register_kprobe(&probe))
		return 0;
	ip = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	return in_kernel_proper(ip) ? ip : 0;
}
#else
static unsigned long find_function(const char *name)
{
	return strcmp(name, "filp_close") ? 0 : (unsigned long)filp_close;
}
#endif

/* Try all methods, or that of which @only begins with the name. */
static int choose_method(const char *function, const char *only)
{
	const struct closehook_method *method;
	unsigned long ip = find_function(function);
	int ret = -ENOENT;

	if (!ip)
		return ret;
	for (method = hook_methods; method->name; method++) {
		if (*only && strcmp(only, method->name))
			continue;
		ret = method->choose(ip);
		if (ret)
			continue;
		hook_method = method;
		hook_function = function;
		return 0;
	}
	return ret;
}

/* What the parameter says comes first; "" or a part of it leaves the choice. */
static int choose(void)
{
	static char method[8];
	const char *function = strchrnul(close_hook, ':');
	size_t len = function - close_hook;
	int ret;

	if (len >= sizeof(method))
		return -EINVAL;
	memcpy(method, close_hook, len);
	if (*function)
		return choose_method(function + 1, method);

	ret = choose_method("filp_flush", method);
	return ret ? choose_method("filp_close", method) : 0;
}

/* --- Testing -------------------------------------------------------------- */

/* The file whose close the module makes itself; only the work writes these. */
static const struct file *pulse_file;
static bool pulse_seen;
static bool close_seen;

/*
 * Is this close(2)? Exit, after a thread was killed in there, is not: it has
 * no table any more. Nor are those whose registers are nobody's.
 */
static bool in_close(const struct files_struct *files)
{
	if (current->flags & (PF_KTHREAD | PF_IO_WORKER | PF_EXITING) ||
	    files != current->files || in_compat_syscall())
		return false;
	return syscall_get_nr(current, current_pt_regs()) == __NR_close;
}

/* A call of the hook that is in test. Context: the hook's. */
void notrace closehook_look(const struct file *file,
			    const struct files_struct *files)
{
	if (file == READ_ONCE(pulse_file))
		WRITE_ONCE(pulse_seen, true);
	else if (!READ_ONCE(close_seen) && in_close(files))
		WRITE_ONCE(close_seen, true);
}

static const struct file_operations pulse_fops = {
	.owner = THIS_MODULE,
};

/* Close a file by filp_close(). Does the hook see it? 0 or an error. */
static int pulse(void)
{
	struct file *file = anon_inode_getfile("[kevent-test]", &pulse_fops,
					       NULL, O_RDONLY);

	if (IS_ERR(file))
		return PTR_ERR(file);
	/* The last reference is ours, so that nothing is left to be done later. */
	get_file(file);
	WRITE_ONCE(pulse_seen, false);
	WRITE_ONCE(pulse_file, file);
	filp_close(file, NULL);
	WRITE_ONCE(pulse_file, NULL);
	__fput_sync(file);
	return READ_ONCE(pulse_seen) ? 0 : -EOPNOTSUPP;
}

static bool wait_for_close(unsigned long patience)
{
	unsigned long end = jiffies + patience;

	while (!READ_ONCE(close_seen) && time_before(jiffies, end))
		usleep_range(1000, 2000);
	return READ_ONCE(close_seen);
}

static int see_close(void)
{
	if (READ_ONCE(close_seen))
		return 0;
	if (hook_helper_at && time_before(jiffies, hook_helper_at))
		return -EOPNOTSUPP;
	if (wait_for_close(TEST_BEFORE))
		return 0;
	/* There is no such module: that it was looked for is all we want. */
	request_module("kevent-close-test");
	if (wait_for_close(TEST_AFTER))
		return 0;
	hook_helper_at = (jiffies + TEST_AGAIN) | 1;
	pr_err("no close(2) was seen by a hook on %s (%s), so closing cannot be followed: descriptors are refused\n",
	       hook_function, hook_method->name);
	return -EOPNOTSUPP;
}

static int test(void)
{
	int ret = pulse();

	if (ret == -EOPNOTSUPP)
		pr_err_ratelimited("closes are not seen by a hook on %s (%s)%s: descriptors are refused\n",
				   hook_function, hook_method->name,
				   hook_method->fades ?
				   ": are kprobes switched off?" : "");
	return ret ? ret : see_close();
}

/* --- Installing ----------------------------------------------------------- */

static int install(void)
{
	int ret;

	if (hook_installed)
		return 0;
	ret = hook_method->install();
	if (ret)
		pr_warn_ratelimited("cannot follow the closing of descriptors (%d)%s\n",
				    ret, ret == -EBUSY ?
				    ": is kernel.ftrace_enabled 0?" : "");
	else
		hook_installed = true;
	return ret;
}

static int install_and_test(void)
{
	int ret = install();

	if (!ret && close_test)
		ret = test();
	if (!ret && !hook_method->fades) {
		static_branch_disable(&closehook_in_test);
		/* Pairs with closehook_get(). */
		smp_store_release(&hook_trusted, true);
	}
	return ret;
}

static void hook_work_fn(struct work_struct *work)
{
	WRITE_ONCE(hook_result, hook_trusted ? 0 : install_and_test());
	/* Pairs with closehook_get(). */
	smp_store_release(&hook_runs, hook_runs + 1);
	wake_up_all(&hook_wait);
}

static DECLARE_WORK(hook_work, hook_work_fn);

static bool has_run_since(unsigned int runs)
{
	/* Pairs with hook_work_fn(). */
	return smp_load_acquire(&hook_runs) != runs;
}

/**
 * closehook_get() - have the hook in place and working
 *
 * Quick, but for the first caller, and with a kprobe. The hook stays until the
 * module goes. Context: may sleep, for long if others hold ftrace's locks; with
 * nothing held that others need.
 *
 * Return: 0, -EBUSY if kernel.ftrace_enabled is 0, -EOPNOTSUPP if closes are
 * not seen, -EINTR if the caller was killed, -ENOMEM.
 */
int closehook_get(void)
{
	unsigned int runs;

	/* Pairs with install_and_test(). */
	if (likely(smp_load_acquire(&hook_trusted)))
		return 0;

	runs = READ_ONCE(hook_runs);
	queue_work(hook_wq, &hook_work);
	if (wait_event_killable(hook_wait, has_run_since(runs)))
		return -EINTR;
	return READ_ONCE(hook_result);
}

/* --- What is missed later ------------------------------------------------- */

/*
 * A close that seems to have been missed: the slot holds another file, or none,
 * and the hook has not come for it. It may still come, since between clearing
 * the slot and the hook there is a moment; but not after a grace period of
 * tasks, as nobody sleeps in between. One at a time: who has set @accusing owns
 * the rest, and hands it to the work.
 *
 *	accusing			closing
 *	slot is another's		clear the slot
 *	follow the table		hook: is the table followed?
 *	write the file			take what is registered, mark it
 *	(full barrier)			(barrier)
 *	is it marked by now?		is the file accused?
 *
 * Either the accuser finds the mark, or the hook the accusation. (What is
 * registered may be gone when the hook comes. It then has seen a later state of
 * its bucket than the accuser's, and so sees the accusation too.)
 */
static unsigned long accusing;
const struct file *closehook_accused;
static const struct files_struct *accused_table;
static bool accused_heard;
static bool miss_told;

/* The hook comes for the file that was accused. Context: the hook's. */
void notrace closehook_heard(const struct file *file,
			     const struct files_struct *files)
{
	/* Pairs with the release in closehook_accuse(). */
	smp_rmb();
	if (files == READ_ONCE(accused_table))
		WRITE_ONCE(accused_heard, true);
}

static void accusation_drop(void)
{
	WRITE_ONCE(closehook_accused, NULL);
	closehook_unfollow(accused_table);
	clear_bit_unlock(0, &accusing);
}

static void accused_work_fn(struct work_struct *work)
{
	synchronize_rcu_tasks();
	if (!READ_ONCE(accused_heard)) {
		WRITE_ONCE(miss_told, true);
		pr_warn("a descriptor was closed, and the hook on %s (%s) was not called: there may be events of closed descriptors, and files that stay open\n",
			hook_function, hook_method->name);
	}
	accusation_drop();
}

static DECLARE_DELAYED_WORK(accused_work, accused_work_fn);

/**
 * closehook_accuse() - a descriptor was closed, it seems behind our back
 * @file: its file
 * @files: the table, which is followed
 *
 * Return: true if the caller shall look once more whether the hook has come
 * for it, and then call closehook_judge(). Context: any.
 */
bool closehook_accuse(const struct file *file,
		      const struct files_struct *files)
{
	if (READ_ONCE(miss_told) || test_and_set_bit_lock(0, &accusing))
		return false;
	closehook_follow(files);
	WRITE_ONCE(accused_heard, false);
	WRITE_ONCE(accused_table, files);
	/* Pairs with closehook_call(); see the drawing above. */
	smp_store_release(&closehook_accused, file);
	/* Before the caller's look at the mark; see there, too. */
	smp_mb();
	return true;
}

/* @innocent: the hook has come for it, after all. Otherwise time will tell. */
void closehook_judge(bool innocent)
{
	if (innocent)
		accusation_drop();
	else
		queue_delayed_work(hook_wq, &accused_work, HZ);
}

/* --- Loading and unloading ------------------------------------------------ */

int __init closehook_init(const struct closehook_callbacks *callbacks)
{
	int ret;

	hook_callbacks = callbacks;
	if (!hook_methods[0].name) {
		pr_err("this kernel has neither ftrace with arguments nor kprobes: closing of descriptors cannot be followed\n");
		return -EOPNOTSUPP;
	}
	hook_wq = alloc_workqueue("kevent_hook", WQ_UNBOUND, 0);
	if (!hook_wq)
		return -ENOMEM;
	ret = choose();
	if (ret) {
		pr_err("there is no function to hook%s%s: %d\n",
		       *close_hook ? " as told: " : "", close_hook, ret);
		destroy_workqueue(hook_wq);
	}
	return ret;
}

/*
 * Does not return before the hook is removed. After ftrace has found itself
 * broken it never is: its callers go on calling us, so the module must stay. It
 * is tried again whenever somebody wakes us.
 */
static void remove_or_stay(void)
{
	int ret = hook_method->remove();

	if (!ret)
		return;
	pr_err("the hook on %s cannot be removed (%d): the module stays until the machine is booted again\n",
	       hook_function, ret);
	do {
		set_current_state(TASK_IDLE | TASK_FREEZABLE);
		schedule();
	} while (hook_method->remove());
}

/* Context: nobody asks for the hook any more. Afterwards it is not called. */
void closehook_exit(void)
{
	cancel_work_sync(&hook_work);
	if (cancel_delayed_work_sync(&accused_work))
		accusation_drop();
	if (hook_installed)
		remove_or_stay();
	hook_method->destroy();
	destroy_workqueue(hook_wq);
}
