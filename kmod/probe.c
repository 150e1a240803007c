// SPDX-License-Identifier: GPL-2.0
/* Probes on the kernel's tracepoints; see probe.h. */

#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "probe.h"

#define PROBE_IDLE	(5 * HZ)

static struct probe *const probes[] = {
	&signal_probe, &fork_probe, &exec_probe
};

static DEFINE_MUTEX(probes_lock);

static void remove_idle(struct work_struct *work)
{
	unsigned int i;

	mutex_lock(&probes_lock);
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		if (!probes[i]->on || refcount_read(&probes[i]->users))
			continue;
		tracepoint_probe_unregister(probes[i]->tp, probes[i]->func, NULL);
		probes[i]->on = false;
	}
	mutex_unlock(&probes_lock);
}

static DECLARE_DELAYED_WORK(idle_work, remove_idle);

static int put_in(struct probe *probe)
{
	int ret;

	if (probe->on)
		return 0;
	if (!probe->tp)
		return -EOPNOTSUPP;
	ret = tracepoint_probe_register(probe->tp, probe->func, NULL);
	probe->on = !ret;
	return ret;
}

/**
 * probe_get() - have the function called from now on
 * @probe: which one
 *
 * Context: may sleep, for as long as others work on tracepoints.
 * Return: 0, -EOPNOTSUPP if the kernel has no such tracepoint, -ENOMEM, -EINTR if
 * the caller was killed.
 */
int probe_get(struct probe *probe)
{
	int ret = 0;

	if (refcount_inc_not_zero(&probe->users))
		return 0;
	if (mutex_lock_killable(&probes_lock))
		return -EINTR;
	/* Another may have been faster. */
	if (!refcount_inc_not_zero(&probe->users)) {
		ret = put_in(probe);
		if (!ret)
			refcount_set(&probe->users, 1);
	}
	mutex_unlock(&probes_lock);
	return ret;
}

/* The caller does not need it any more; it may still be called. Context: any. */
void probe_put(struct probe *probe)
{
	if (refcount_dec_and_test(&probe->users))
		schedule_delayed_work(&idle_work, PROBE_IDLE);
}

static void find_probe(struct tracepoint *tp, void *unused)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(tp->name, probes[i]->name))
			probes[i]->tp = tp;
}

void __init probes_init(void)
{
	for_each_kernel_tracepoint(find_probe, NULL);
}

/* Context: nobody needs any. Afterwards none is called. */
void probes_exit(void)
{
	cancel_delayed_work_sync(&idle_work);
	remove_idle(NULL);
	tracepoint_synchronize_unregister();
}
