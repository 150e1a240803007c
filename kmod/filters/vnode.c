// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_VNODE: what happens to files and directories, by a descriptor of theirs.
 *
 * The kernel hints at what it does to a file, and a knote that asks for any bit of a
 * hint has all of it reported, as on FreeBSD. Hints are kept until they are
 * delivered, and after that, too, unless the knote has EV_CLEAR. They are not put
 * into knotes when they are given, since who gives them should not have to go
 * through all of those: the mark counts them, and a knote that looks takes those that
 * are newer than its last look.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>

#include "../compat.h"
#include "../kqueue.h"
#include "kind.h"
#include "mark.h"
#include "mounts.h"

#define VNODE_NOTES	(NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | \
			 NOTE_LINK | NOTE_RENAME | NOTE_REVOKE | FILE_USE_NOTES)

/*
 * All that a look at a file needs is in its mark. The mark of a directory depends on
 * that of the one above, which may have to be found and made.
 */
unsigned int vnode_flags(const struct file *file)
{
	return S_ISDIR(file_inode(file)->i_mode) ? FD_KIND_SLOW :
						   FD_KIND_SLOW_ENDS;
}

/*
 * Is it a file that has, or had, a name? Sockets, pipes, memory and the like are
 * in file systems that nobody can mount, many of them as one inode, or that the kernel
 * has mounted for itself. Queues have the device's.
 */
static bool has_vnode(const struct file *file)
{
	return !(file_inode(file)->i_sb->s_flags & SB_NOUSER) &&
	       !(file->f_path.mnt->mnt_flags & MNT_INTERNAL) &&
	       !file_is_kqueue(file);
}

/*
 * Who could open it may watch it; who could only write it, not what others do who
 * change nothing. Of a descriptor that only stands for a name that says nothing: then
 * he must be able to read it, as for inotify.
 */
static bool may_watch(struct file *file, u32 fflags)
{
	fmode_t enough = fflags & FILE_USE_NOTES ? FMODE_READ :
						   FMODE_READ | FMODE_WRITE;

	return (file->f_mode & enough) || !file_permission(file, MAY_READ);
}

/* --- Hints ------------------------------------------------------------------- */

/* To be told of what happens next. */
static void arm(struct knote *kn, struct file_mark *fm)
{
	lockdep_assert_held(&fm->teller.lock);

	if (kn->sfflags & FILE_USE_NOTES)
		teller_arm(kn);
	else
		list_move_tail(&kn->told.node, &fm->changes);
}

static void take_hint(struct knote *kn, enum file_hint hint)
{
	if (file_hint_notes[hint] & kn->sfflags)
		kn->poll.vnode.hints |= BIT(hint);
}

/* Take the hints that are new and that are asked for; most often it is one. */
static void take_hints(struct knote *kn, const struct file_mark *fm)
{
	u64 seen = kn->poll.vnode.seen;
	enum file_hint hint;

	lockdep_assert_held(&fm->teller.lock);

	if (seen == fm->now)
		return;
	kn->poll.vnode.seen = fm->now;
	if (seen + 1 == fm->now) {
		take_hint(kn, fm->latest);
		return;
	}
	for (hint = 0; hint < FILE_HINTS; hint++)
		if (fm->last[hint] > seen)
			take_hint(kn, hint);
}

static u32 notes_of(unsigned int hints)
{
	u32 notes = 0;

	for (; hints; hints &= hints - 1)
		notes |= file_hint_notes[__ffs(hints)];
	return notes;
}

/* Has its file been cut off? That is told if it was asked for when it was noticed. */
static void take_revoke(struct knote *kn)
{
	if (kn->poll.revoke && revoke_look(kn))
		take_hint(kn, HINT_REVOKE);
}

/* --- The filter -------------------------------------------------------------- */

static void vnode_detach(struct knote *kn)
{
	if (kn->poll.revoke)
		revoke_detach(kn);
	file_mark_detach(kn);
	fput(kn->poll.file);
}

static bool is_dir(const struct knote *kn)
{
	return knote_is_slow(kn);
}

/* What not all ask for, and costs something. Returns 0 or a negative errno. */
static int prepare(struct knote *kn, u32 fflags)
{
	int ret = 0;

	if (fflags & FILE_USE_NOTES)
		ret = file_mark_uses(kn);
	if (!ret && (fflags & NOTE_REVOKE) && !kn->poll.revoke)
		ret = revoke_attach(kn);
	return ret;
}

/* A directory can only be removed once: that it is comes first, if so. Is it? */
static bool take_removed(struct knote *kn, struct file_mark *fm)
{
	bool removed;

	file_mark_lock(fm);
	removed = fm->last[HINT_DELETE];
	if (removed)
		take_hint(kn, HINT_DELETE);
	file_mark_unlock(fm);
	return removed;
}

/*
 * Begin with what happens from now on. Returns as attach. Whether a directory was
 * removed before that, nobody can tell who removes it at the same time.
 */
static int begin(struct knote *kn)
{
	struct file_mark *fm = knote_file_mark(kn);
	int ret = prepare(kn, kn->sfflags);

	if (ret)
		return ret;
	file_mark_lock(fm);
	kn->poll.vnode.seen = fm->now;
	arm(kn, fm);
	file_mark_unlock(fm);
	if (!is_dir(kn))
		return 0;
	ret = file_mark_follow(kn);
	return ret ? ret : take_removed(kn, fm);
}

static int vnode_attach(struct knote *kn)
{
	struct file *file = kn->poll.file;
	int ret;

	BUILD_BUG_ON(BITS_PER_TYPE(kn->poll.vnode.hints) < FILE_HINTS);

	if ((kn->sfflags & ~VNODE_NOTES) || !has_vnode(file))
		return -EINVAL;
	if (!may_watch(file, kn->sfflags))
		return -EACCES;
	ret = file_mark_attach(kn);
	if (ret)
		return ret;
	get_file(file);
	ret = begin(kn);
	if (ret < 0)
		vnode_detach(kn);
	return ret;
}

/* What is asked for from now on; what was until now, and has happened, is kept. */
static int vnode_touch(struct knote *kn, const struct kevent_record *kev)
{
	struct file_mark *fm = knote_file_mark(kn);
	u32 more = kev->fflags & ~kn->sfflags;
	int ret;

	if (kev->fflags & ~VNODE_NOTES)
		return -EINVAL;
	/* What he has been told until now he may be told on. */
	if ((more & FILE_USE_NOTES) && !may_watch(kn->poll.file, more))
		return -EACCES;
	ret = prepare(kn, kev->fflags);
	if (ret)
		return ret;
	file_mark_lock(fm);
	take_hints(kn, fm);
	if (!(more & NOTE_REVOKE))
		take_revoke(kn);
	kn->sfflags = kev->fflags;
	/* It may have been noticed since prepare(). */
	if (more & NOTE_REVOKE)
		take_revoke(kn);
	file_mark_unlock(fm);
	if (is_dir(kn) && (more & NOTE_DELETE))
		take_removed(kn, fm);
	return 0;
}

static bool vnode_event(struct knote *kn, struct kevent_record *kev)
{
	struct file_mark *fm = knote_file_mark(kn);

	file_mark_lock(fm);
	arm(kn, fm);
	if (is_dir(kn)) {
		file_mark_unlock(fm);
		/* Without memory, look again later. */
		if (file_mark_follow(kn))
			knote_activate(kn);
		file_mark_lock(fm);
	}
	take_hints(kn, fm);
	take_revoke(kn);
	file_mark_unlock(fm);
	kev->fflags = notes_of(kn->poll.vnode.hints);
	if (kev->fflags & NOTE_REVOKE)
		kev->flags |= EV_EOF;
	return kev->fflags;
}

/* What has happened since, but was reported with the same bits, goes with them. */
static void vnode_delivered(struct knote *kn, const struct kevent_record *kev)
{
	unsigned int hints = kn->poll.vnode.hints;

	for (; hints; hints &= hints - 1)
		if (!(file_hint_notes[__ffs(hints)] & ~kev->fflags))
			kn->poll.vnode.hints &= ~BIT(__ffs(hints));
}

const struct kevent_filter kevent_vnode_filter = {
	.owner = THIS_MODULE,
	.name = "vnode",
	.flags = KEVENT_FILTER_FD | KEVENT_FILTER_PATH,
	.attach = vnode_attach,
	.detach = vnode_detach,
	.touch = vnode_touch,
	.event = vnode_event,
	.delivered = vnode_delivered,
};
