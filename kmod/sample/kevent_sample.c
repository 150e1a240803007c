// SPDX-License-Identifier: GPL-2.0
/*
 * A filter in a module of its own, to copy from. EVFILT_SAMPLE (-100) fires
 * each time that somebody writes to the parameter "fire"; data counts the
 * times since the last delivery. The ident is any number.
 */

#include <linux/list.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../filter.h"
#include "../knote.h"

#define EVFILT_SAMPLE	(-100)

/**
 * struct sample - what the filter keeps for a knote
 * @node: on samples
 * @kn: the knote; valid while the sample is on the list
 * @count: times it fired since the last delivery
 */
struct sample {
	struct list_head node;
	struct knote *kn;
	atomic64_t count;
};

/* All knotes of the filter, under samples_lock. */
static LIST_HEAD(samples);
static DEFINE_SPINLOCK(samples_lock);

static int sample_attach(struct knote *kn)
{
	struct sample *sample;

	if (kn->sfflags)
		return -EINVAL;
	sample = kzalloc(sizeof(*sample), GFP_KERNEL_ACCOUNT);
	if (!sample)
		return -ENOMEM;
	sample->kn = kn;
	kn->priv[0] = sample;
	kn->flags |= EV_CLEAR;

	spin_lock(&samples_lock);
	list_add(&sample->node, &samples);
	spin_unlock(&samples_lock);
	return 0;
}

/* Once it is off the list, nobody activates the knote any more. */
static void sample_detach(struct knote *kn)
{
	struct sample *sample = kn->priv[0];

	spin_lock(&samples_lock);
	list_del(&sample->node);
	spin_unlock(&samples_lock);
	kfree(sample);
}

static bool sample_event(struct knote *kn, struct kevent_record *kev)
{
	struct sample *sample = kn->priv[0];

	kev->data = atomic64_read(&sample->count);
	return kev->data;
}

/* What fired since @kev was made stays for the next time. */
static void sample_delivered(struct knote *kn, const struct kevent_record *kev)
{
	struct sample *sample = kn->priv[0];

	if (atomic64_sub_return(kev->data, &sample->count))
		knote_activate(kn);
}

static const struct kevent_filter sample_filter = {
	.owner = THIS_MODULE,
	.name = "sample",
	.attach = sample_attach,
	.detach = sample_detach,
	.event = sample_event,
	.delivered = sample_delivered,
};

static int sample_fire(const char *value, const struct kernel_param *param)
{
	struct sample *sample;

	spin_lock(&samples_lock);
	list_for_each_entry(sample, &samples, node) {
		atomic64_inc(&sample->count);
		knote_activate(sample->kn);
	}
	spin_unlock(&samples_lock);
	return 0;
}

static const struct kernel_param_ops fire_ops = {
	.set = sample_fire,
};

module_param_cb(fire, &fire_ops, NULL, 0200);
MODULE_PARM_DESC(fire, "write anything to fire all knotes of the filter");

static int __init sample_init(void)
{
	return kevent_filter_register(EVFILT_SAMPLE, &sample_filter);
}
module_init(sample_init);

static void __exit sample_exit(void)
{
	kevent_filter_unregister(EVFILT_SAMPLE, &sample_filter);
}
module_exit(sample_exit);

MODULE_DESCRIPTION("A sample filter for kevent");
MODULE_AUTHOR("The kevent developers");
MODULE_LICENSE("GPL");
