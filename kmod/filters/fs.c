// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_FS: mounts that come, go, or change, in the mount namespace of whoever
 * registers it, as far as he can see them.
 *
 * The kernel says only that something has changed. What that is shows when the list
 * of mounts is compared with what it was at the last look. What came and went
 * between two looks is not seen, nor who mounts again the same on the same place;
 * but that something happened there is: VQ_UPDATE.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../kqueue.h"
#include "mounts.h"
#include "poll.h"

/* FreeBSD's, of which Linux has no more to tell, and one of macOS. */
#define VQ_ALL	(VQ_NOTRESP | VQ_NEEDAUTH | VQ_LOWDISK | VQ_MOUNT | VQ_UNMOUNT | \
		 VQ_DEAD | VQ_ASSIST | VQ_NOTRESPLOCK | VQ_UPDATE)

/**
 * struct mount_changes - between two lists
 * @mounts: have come
 * @unmounts: have gone
 * @updates: have changed
 */
struct mount_changes {
	u32 mounts;
	u32 unmounts;
	u32 updates;
};

/**
 * struct fs_watch - of a knote of EVFILT_FS; belongs to who holds that
 * @list: what was mounted at the last look
 * @stale: that was before the last change
 * @pending: what was asked for and not delivered
 */
struct fs_watch {
	struct mount_list list;
	bool stale;
	struct mount_changes pending;
};

static void compare_entries(const struct mount_entry *old,
			    const struct mount_entry *new,
			    struct mount_changes *changes)
{
	if (old->what != new->what) {
		/* The number of one that has gone serves for another. */
		changes->unmounts++;
		changes->mounts++;
	} else if (old->how != new->how) {
		changes->updates++;
	}
}

static void compare_lists(const struct mount_list *old,
			  const struct mount_list *new,
			  struct mount_changes *changes)
{
	unsigned int i = 0, k = 0;

	while (i < old->n || k < new->n) {
		if (k == new->n || (i < old->n &&
				    old->entries[i].id < new->entries[k].id)) {
			changes->unmounts++;
			i++;
		} else if (i == old->n ||
			   old->entries[i].id > new->entries[k].id) {
			changes->mounts++;
			k++;
		} else {
			compare_entries(&old->entries[i++], &new->entries[k++],
					changes);
		}
	}
}

static void count_changes(struct mount_changes *pending, u32 asked,
			  const struct mount_changes *changes)
{
	if (asked & VQ_MOUNT)
		pending->mounts += changes->mounts;
	if (asked & VQ_UNMOUNT)
		pending->unmounts += changes->unmounts;
	if (asked & VQ_UPDATE)
		pending->updates += changes->updates;
}

/* So many registrations the list is as large as. */
static long list_units(const struct mount_list *list)
{
	return list->n * sizeof(*list->entries) / sizeof(struct knote);
}

/* Read the list, which counts as memory of the queue's user. */
static int read_list(struct knote *kn, struct mount_list *list)
{
	int ret = mounts_read(kn->poll.file, list);

	if (ret)
		return ret;
	ret = kevent_user_charge(kn->kq->user, list_units(list));
	if (ret) {
		kvfree(list->entries);
		*list = (struct mount_list){};
	}
	return ret;
}

static void free_list(struct knote *kn, struct mount_list *list)
{
	kevent_user_uncharge(kn->kq->user, list_units(list));
	kvfree(list->entries);
}

/* Something has changed: what? Returns 0 or a negative errno. */
static int compare(struct knote *kn, bool first)
{
	struct fs_watch *fw = kn->poll.fs;
	struct mount_changes changes = {};
	struct mount_list list;
	int ret = read_list(kn, &list);

	if (ret == -ENOMEM || ret == -EINTR)
		return ret;
	if (!ret) {
		compare_lists(&fw->list, &list, &changes);
		free_list(kn, &fw->list);
		fw->list = list;
	}
	/* It cannot be seen, or is over, or was seen before it was told. */
	if (ret || (first && !changes.mounts && !changes.unmounts))
		changes.updates = max(changes.updates, 1U);
	count_changes(&fw->pending, kn->sfflags, &changes);
	return 0;
}

/*
 * What has changed since the last look? It may be in the list before it is told: then
 * it is not told once more. Returns 0 or a negative errno.
 */
static int look(struct knote *kn)
{
	struct fs_watch *fw = kn->poll.fs;
	bool first = true;
	int ret;

	for (;;) {
		if (fd_poll(kn) & EPOLLERR)
			fw->stale = true;
		if (!fw->stale)
			return 0;
		ret = compare(kn, first);
		if (ret)
			return ret;
		fw->stale = false;
		/* Who changes mounts all the time must not keep us here. */
		if (!first)
			return 0;
		first = false;
	}
}

static void fs_free(struct knote *kn)
{
	fput(kn->poll.file);
	free_list(kn, &kn->poll.fs->list);
	kfree(kn->poll.fs);
}

static void fs_detach(struct knote *kn)
{
	fd_poll_detach(kn);
	fs_free(kn);
}

/* What changes once this has begun is news. Returns 0, 1 or a negative errno. */
static int begin(struct knote *kn)
{
	int ret, ready = fd_poll_attach(kn);

	if (ready < 0)
		return ready;
	ret = read_list(kn, &kn->poll.fs->list);
	if (ret)
		fd_poll_detach(kn);
	return ret ? ret : ready;
}

static int fs_attach(struct knote *kn)
{
	struct file *file;
	int ret;

	if (kn->ident || (kn->sfflags & ~VQ_ALL))
		return -EINVAL;
	file = mounts_open();
	if (IS_ERR(file))
		return PTR_ERR(file);
	kn->poll.fs = kzalloc(sizeof(*kn->poll.fs), GFP_KERNEL_ACCOUNT);
	if (!kn->poll.fs) {
		fput(file);
		return -ENOMEM;
	}
	kn->flags |= EV_CLEAR;
	kn->poll.file = file;
	kn->events = (__force u16)(EPOLLERR | EPOLLPRI);
	ret = begin(kn);
	if (ret < 0)
		fs_free(kn);
	return ret;
}

/* What has happened by then is what was asked for until now. */
static int fs_touch(struct knote *kn, const struct kevent_record *kev)
{
	int ret;

	if (kev->fflags & ~VQ_ALL)
		return -EINVAL;
	ret = look(kn);
	if (!ret)
		kn->sfflags = kev->fflags;
	return ret;
}

static bool fs_event(struct knote *kn, struct kevent_record *kev)
{
	const struct mount_changes *pending = &kn->poll.fs->pending;

	/* Without memory, look again later. */
	if (look(kn))
		knote_activate(kn);
	if (pending->mounts)
		kev->fflags |= VQ_MOUNT;
	if (pending->unmounts)
		kev->fflags |= VQ_UNMOUNT;
	if (pending->updates)
		kev->fflags |= VQ_UPDATE;
	kev->ext[0] = pending->mounts;
	kev->ext[1] = pending->unmounts;
	kev->data = (s64)pending->mounts + pending->unmounts + pending->updates;
	return kev->fflags;
}

static void fs_delivered(struct knote *kn, const struct kevent_record *kev)
{
	struct mount_changes *pending = &kn->poll.fs->pending;

	pending->mounts -= kev->ext[0];
	pending->unmounts -= kev->ext[1];
	pending->updates -= kev->data - kev->ext[0] - kev->ext[1];
}

/* Who changes mounts may keep us from looking at them for some time. */
const struct kevent_filter kevent_fs_filter = {
	.owner = THIS_MODULE,
	.name = "fs",
	.attach = fs_attach,
	.detach = fs_detach,
	.touch = fs_touch,
	.event = fs_event,
	.delivered = fs_delivered,
};
