// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: mounts, watched with EVFILT_FS.
 *
 * The event says that something was mounted (VQ_MOUNT) or unmounted (VQ_UNMOUNT), and
 * ext how often each. What it was, one has to look; on a machine in use it may have
 * been something else.
 */
#include <err.h>
#include <stdio.h>
#include <sys/stat.h>

#include "demo.h"

static bool is_mounted;			/* as far as we were told */
static unsigned int mounts, unmounts;

/* A mount is on another device than the folder that it is in. */
static bool look(void)
{
	struct stat here, there;

	if (stat(".", &here) || stat(MOUNT_POINT, &there))
		err(1, "%s", MOUNT_POINT);
	return here.st_dev != there.st_dev;
}

static void happened(const struct kevent *kev)
{
	bool now = look();

	if (now && !is_mounted && kev->fflags & VQ_MOUNT && kev->ext[0] > 0) {
		mounts++;
		say("mount", "something was mounted: on %s (VQ_MOUNT)", MOUNT_POINT);
		cue(MOUNTED);
	}
	if (!now && is_mounted && kev->fflags & VQ_UNMOUNT && kev->ext[1] > 0) {
		unmounts++;
		say("mount", "something was unmounted: from %s (VQ_UNMOUNT)",
		    MOUNT_POINT);
		cue(UNMOUNTED);
	}
	is_mounted = now;
}

static struct source source = { happened };

void mounts_start(void)
{
	watch(0, EVFILT_FS, EV_ADD, VQ_MOUNT | VQ_UNMOUNT, 0, &source);
}

void mounts_check(void)
{
	if (operator_may_not_mount())
		puts("  --     mounts are not shown: nobody but root may mount");
	else
		check(mounts == 1 && unmounts == 1,
		      "a file system seen to be mounted (%u) and unmounted (%u)", mounts, unmounts);
}
