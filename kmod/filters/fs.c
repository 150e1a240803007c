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
 * struct fs_watch - of a knote of EVFILT_FS; belongs to who holds that
 * @list: what was mounted at the last look
 * @stale: that was before the last change
 * @mounts: how many have come that were asked for and not delivered
 * @unmounts: likewise, have gone
 * @updates: likewise, have changed
 */
struct fs_watch {
	struct mount_list list;
	bool stale;
	u32 mounts;
	u32 unmounts;
	u32 updates;
};

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
	if (!changes->mounts && !changes->unmounts && !changes->updates)
		changes->updates = 1;
}

static void count_changes(struct fs_watch *fw, u32 asked,
			  const struct mount_changes *changes)
{
	if (asked & VQ_MOUNT)
		fw->mounts += changes->mounts;
	if (asked & VQ_UNMOUNT)
		fw->unmounts += changes->unmounts;
	if (asked & VQ_UPDATE)
		fw->updates += changes->updates;
}

/* What has changed since the last look? Returns 0 or a negative errno. */
static int look(struct knote *kn)
{
	struct fs_watch *fw = kn->poll.fs;
	struct mount_changes changes = {};
	struct mount_list list;
	int ret;

	if (fd_poll(kn) & EPOLLERR)
		fw->stale = true;
	if (!fw->stale)
		return 0;
	ret = mounts_read(kn->poll.file, &list);
	if (ret)
		return ret;
	compare_lists(&fw->list, &list, &changes);
	count_changes(fw, kn->sfflags, &changes);
	kvfree(fw->list.entries);
	fw->list = list;
	fw->stale = false;
	return 0;
}

static void fs_free(struct knote *kn)
{
	fput(kn->poll.file);
	kvfree(kn->poll.fs->list.entries);
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
	ret = mounts_read(kn->poll.file, &kn->poll.fs->list);
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
	const struct fs_watch *fw = kn->poll.fs;

	/* Without memory, look again later. */
	if (look(kn))
		knote_activate(kn);
	if (fw->mounts)
		kev->fflags |= VQ_MOUNT;
	if (fw->unmounts)
		kev->fflags |= VQ_UNMOUNT;
	if (fw->updates)
		kev->fflags |= VQ_UPDATE;
	kev->ext[0] = fw->mounts;
	kev->ext[1] = fw->unmounts;
	kev->data = (s64)fw->mounts + fw->unmounts + fw->updates;
	return kev->fflags;
}

static void fs_delivered(struct knote *kn, const struct kevent_record *kev)
{
	struct fs_watch *fw = kn->poll.fs;

	fw->mounts -= kev->ext[0];
	fw->unmounts -= kev->ext[1];
	fw->updates -= kev->data - kev->ext[0] - kev->ext[1];
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
