// SPDX-License-Identifier: GPL-2.0
/* Loading and unloading, the misc device, decoding an ioctl. */

#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sysfs.h>
#include <linux/time64.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "fdclose.h"
#include "filters/mark.h"
#include "filters/mounts.h"
#include "filters/pidnode.h"
#include "filters/tell.h"
#include "filters/turn.h"
#include "kqueue.h"
#include "probe.h"
#include "record.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static ushort mode = 0666;

/* A mode is read in octal, so show it as such. */
static int mode_get(char *buf, const struct kernel_param *param)
{
	return sysfs_emit(buf, "0%o\n", mode);
}

static const struct kernel_param_ops mode_ops = {
	.set = param_set_ushort,
	.get = mode_get,
};

module_param_cb(mode, &mode_ops, &mode, 0444);
MODULE_PARM_DESC(mode, "permissions of /dev/kevent (default: 0666)");

/* Read the argument, which a newer program may know in a longer form. */
static int copy_args(struct kevent_args *args, void __user *arg)
{
	size_t rest;
	int ret;

	BUILD_BUG_ON(sizeof(*args) != KEVENT_ARGS_SIZE_VER0);

	if (!load_args(args, arg))
		return -EFAULT;
	if (args->size == sizeof(*args))
		return 0;
	if (args->size < sizeof(*args) || args->size > PAGE_SIZE)
		return -EINVAL;

	/* What this kernel does not know must be unused. */
	rest = args->size - sizeof(*args);
	ret = check_zeroed_user(arg + sizeof(*args), rest);
	if (ret < 0)
		return ret;
	return ret ? 0 : -EINVAL;
}

/*
 * A change failed or wants an answer: store a record, or without room give
 * back the error, with which the call ends. Returns whether there was room.
 */
static int answer(const struct kevent_record *change,
		  struct kevent_record __user *events, int room, int err)
{
	struct kevent_record kev = *change;

	if (!room)
		return err;
	kev.flags = EV_ERROR;
	kev.data = -err;
	return copy_to_user(events, &kev, sizeof(kev)) ? -EFAULT : 1;
}

/*
 * Apply one batch; the queue is locked, but not while an answer is stored, which
 * may mean to wait for a page. @last: with luck, collecting is what comes next.
 * Returns the number of records stored, or an error.
 */
static int apply_batch(struct kqueue *kq, struct kevent_record *changes,
		       unsigned int n, struct kevent_record __user *events,
		       int room, bool last)
{
	int stored = 0;
	unsigned int i;
	bool collects;
	int err, ret;

	for (i = 0; i < n; i++) {
		/* As on FreeBSD: passed over, without an answer. */
		if (!changes[i].filter)
			continue;
		collects = last && !stored && !(changes[i].flags & EV_RECEIPT);
		err = kqueue_apply(kq, &changes[i], collects ? room : 0);
		if (!err && !(changes[i].flags & EV_RECEIPT))
			continue;
		ready_pass_on_unlooked(kq);
		mutex_unlock(&kq->mtx);
		ret = answer(&changes[i], events + stored, room - stored, err);
		mutex_lock(&kq->mtx);
		if (ret < 0)
			return ret;
		stored += ret;
	}
	return stored;
}

/*
 * Apply all changes. A batch is copied in before any of its answers is
 * written, and there are never more answers than changes read, so the two
 * lists may be one. If all goes well, and the caller goes on to collect with
 * a first look, that is done as long as the queue is locked: @found is its result;
 * or NULL. Returns the number of answers, or an error.
 */
static noinline_for_stack int apply_changes(struct kqueue *kq,
					    const struct kevent_args *args,
					    int *found)
{
	const struct kevent_record __user *changes =
		u64_to_user_ptr(args->changes);
	struct kevent_record __user *events = u64_to_user_ptr(args->events);
	struct kevent_record batch[KEVENT_BATCH] kevent_uninitialized;
	int left = args->nchanges;
	int stored = 0;
	int n, ret;

	while (left) {
		if (fatal_signal_pending(current))
			return -EINTR;
		n = min(left, KEVENT_BATCH);
		if (!load_records(batch, changes, n))
			return -EFAULT;

		if (mutex_lock_killable(&kq->mtx))
			return -EINTR;
		ret = apply_batch(kq, batch, n, events + stored,
				  args->nevents - stored, n == left);
		if (found && n == left && !(ret | stored))
			*found = kqueue_scan_locked(kq, events, args->nevents);
		mutex_unlock(&kq->mtx);
		if (ret < 0)
			return ret;

		stored += ret;
		changes += n;
		left -= n;
		if (left)
			cond_resched_tasks_rcu_qs();
	}
	return stored;
}

static int copy_timeout(struct timespec64 *ts, u64 addr)
{
	struct __kernel_timespec __user *user = u64_to_user_ptr(addr);

	return get_timespec64(ts, user) ? -EFAULT : 0;
}

/* Until when to wait, as kqueue_collect() takes it. */
static int timeout_deadline(const struct timespec64 *ts, ktime_t *deadline)
{
	if (!timespec64_valid(ts))
		return -EINVAL;

	if (!ts->tv_sec && !ts->tv_nsec)
		*deadline = 0;
	else if (ts->tv_sec > INT_MAX)
		*deadline = KTIME_MAX;
	else
		*deadline = ktime_add_safe(ktime_get(), timespec64_to_ktime(*ts));
	return 0;
}

/* Collect events. */
static __always_inline int collect(struct kqueue *kq, const struct kevent_args *args,
				   const struct timespec64 *ts)
{
	ktime_t deadline = KTIME_MAX;
	int ret;

	if (args->timeout) {
		ret = timeout_deadline(ts, &deadline);
		if (ret)
			goto fail;
	}
	ret = kqueue_collect(kq, u64_to_user_ptr(args->events), args->nevents,
			     deadline);
	if (ret == -EFAULT)
		goto fail;
	/*
	 * As on FreeBSD, who was stopped for a while and goes on has caught no
	 * signal. Changes must not be applied twice, nor a timeout begin anew.
	 */
	if (ret == -EINTR && !args->nchanges && deadline == KTIME_MAX)
		return -ERESTARTNOHAND;
	return ret;

fail:
	/* Changes may have counted on it. */
	kqueue_look_over(kq);
	return ret;
}

/* Apply changes, and then collect events, if there is room for any. */
static __always_inline int change_and_collect(struct kqueue *kq,
					      const struct kevent_args *args,
					      const struct timespec64 *ts)
{
	bool collects = args->nevents && !(args->timeout && !timespec64_valid(ts));
	int found = 0;
	int ret;

	ret = apply_changes(kq, args, collects ? &found : NULL);
	if (!ret && found > 0)
		return found;
	if (!ret && !found)
		return args->nevents ? collect(kq, args, ts) : 0;
	/* They may have counted on it that we collect. */
	if (args->nevents)
		kqueue_look_over(kq);
	return ret ?: found;
}

static int ioc_kevent(struct kqueue *kq, void __user *arg)
{
	struct kevent_args args kevent_uninitialized;
	struct timespec64 ts kevent_uninitialized;
	int ret;

	ret = copy_args(&args, arg);
	if (ret)
		return ret;
	if (args.flags || args.nchanges < 0 || args.nevents < 0)
		return -EINVAL;
	if (args.timeout) {
		ret = copy_timeout(&ts, args.timeout);
		if (ret)
			return ret;
	}
	if (args.nchanges)
		return change_and_collect(kq, &args, &ts);
	return args.nevents ? collect(kq, &args, &ts) : 0;
}

static int ioc_info(void __user *arg)
{
	struct kevent_info info = { .abi = KEVENT_ABI_VERSION };
	u32 size;

	BUILD_BUG_ON(sizeof(info) != KEVENT_INFO_SIZE_VER0);

	if (get_user(size, (u32 __user *)arg))
		return -EFAULT;
	if (size < sizeof(info))
		return -EINVAL;
	info.size = sizeof(info);
	kevent_filter_map(info.filters);
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

/**
 * kevent_ioctl() - the ioctls of <linux/kevent.h>, for all word sizes
 * @file: the queue
 * @cmd: KEVENT_IOC_*
 * @arg: address of its structure
 *
 * A queue takes changes from, and gives events to, only those who share the
 * descriptor table in which it was opened: idents are numbers of that table.
 */
long kevent_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kqueue *kq = file->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case KEVENT_IOC_KEVENT:
		if (kq->files != current->files)
			return -EBADF;
		return ioc_kevent(kq, user);
	case KEVENT_IOC_INFO:
		return ioc_info(user);
	default:
		return -ENOTTY;
	}
}

/* For root: to others, what goes on in all processes is of no concern. */
static ssize_t queues_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%ld\n", kqueue_count());
}
static DEVICE_ATTR_ADMIN_RO(queues);

static ssize_t knotes_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%ld\n", knote_count());
}
static DEVICE_ATTR_ADMIN_RO(knotes);

static struct attribute *kevent_attrs[] = {
	&dev_attr_queues.attr,
	&dev_attr_knotes.attr,
	NULL
};
ATTRIBUTE_GROUPS(kevent);

static struct miscdevice kevent_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "kevent",
	.fops	= &kqueue_fops,
	.groups	= kevent_groups,
};

static int __init kevent_init(void)
{
	int ret;

	kevent_limit_init();
	nest_init();
	ret = knote_cache_init();
	if (ret)
		return ret;
	ret = kqueue_init();
	if (ret)
		goto free_cache;
	ret = file_marks_init();
	if (ret)
		goto free_queues;
	ret = pid_nodes_init();
	if (ret)
		goto free_files;
	probes_init();
	ret = tell_init();
	if (ret)
		goto free_nodes;
	ret = turns_init();
	if (ret)
		goto free_tell;
	ret = fdclose_init(kqueue_try_drop_closed, kqueue_drop_closed);
	if (ret)
		goto free_turns;

	kevent_device.mode = mode & 0777;
	ret = misc_register(&kevent_device);
	if (ret)
		goto free_fdclose;
	return 0;

free_fdclose:
	fdclose_exit();
free_turns:
	turns_exit();
free_tell:
	tell_exit();
free_nodes:
	pid_nodes_exit();
free_files:
	file_marks_exit();
free_queues:
	kqueue_exit();
free_cache:
	knote_cache_exit();
	return ret;
}
module_init(kevent_init);

/*
 * No queue is open, each would hold the module; what is left is what runs
 * after the last close.
 */
static void __exit kevent_exit(void)
{
	misc_deregister(&kevent_device);
	fdclose_exit();
	turns_exit();
	tell_exit();
	probes_exit();
	pid_nodes_exit();
	file_marks_exit();
	mounts_exit();
	kqueue_exit();
	knote_cache_exit();
	kevent_limit_exit();
}
module_exit(kevent_exit);

MODULE_DESCRIPTION("FreeBSD's kqueue: one queue for all a program waits for");
MODULE_AUTHOR("The kevent developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("1.0");
