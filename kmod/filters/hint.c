// SPDX-License-Identifier: GPL-2.0
/*
 * What fsnotify tells of a file, and what that means to those who watch it.
 *
 * fsnotify has one event for several things that FreeBSD tells apart: a name that
 * came or went is a changed attribute of the file, a change of its size is a write
 * of it. So the mark remembers how the file was before; and whether it was done to
 * an open file, to a name or to the inode says by which call.
 */

#include <linux/fs.h>

#include "../compat.h"
#include "mark.h"

const u16 file_hint_notes[FILE_HINTS] = {
	[HINT_WRITE] = NOTE_WRITE,
	[HINT_EXTEND] = NOTE_WRITE | NOTE_EXTEND,
	[HINT_SUBDIR] = NOTE_WRITE | NOTE_LINK,
	[HINT_SUBDIR_MOVED] = NOTE_WRITE | NOTE_EXTEND | NOTE_LINK,
	[HINT_ATTRIB] = NOTE_ATTRIB,
	[HINT_LINK] = NOTE_LINK,
	[HINT_DELETE] = NOTE_DELETE,
	[HINT_RENAME] = NOTE_RENAME,
	[HINT_REVOKE] = NOTE_REVOKE,
	[HINT_OPEN] = NOTE_OPEN,
	[HINT_CLOSE] = NOTE_CLOSE,
	[HINT_CLOSE_WRITE] = NOTE_CLOSE_WRITE,
	[HINT_READ] = NOTE_READ,
};

/* What a mark asks for at first; FS_ISDIR and the like come along. */
#define SELF_EVENTS	(FS_ATTRIB | FS_MODIFY | FS_MOVE_SELF)
#define ENTRY_EVENTS	(FS_CREATE | FS_DELETE | FS_RENAME)

u32 file_event_mask(const struct inode *inode)
{
	return S_ISDIR(inode->i_mode) ? SELF_EVENTS | ENTRY_EVENTS : SELF_EVENTS;
}

/* Those who are to be told of it become armed. */
static void happened(struct file_mark *fm, enum file_hint hint)
{
	lockdep_assert_held(&fm->teller.lock);

	fm->last[hint] = ++fm->now;
	fm->latest = hint;
	if (hint < HINT_OPEN)
		list_splice_tail_init(&fm->changes, &fm->teller.armed);
}

/* --- The file itself --------------------------------------------------------- */

/*
 * A name has come or gone, of several perhaps that do so at the same time: the
 * count may have changed for others already whose events are yet to come. If it
 * has not changed at all, one has come and one has gone. Or it was not counted: where
 * the server of a FUSE file system gives each name an inode of its own, a name that
 * comes is not. But the server may have told the right count since, and then one has
 * gone. Better one hint too many than the other one lost.
 *
 * A directory has one name. That it has gone shows if it was renamed over.
 */
static void names_changed(struct file_mark *fm, const struct inode *inode)
{
	unsigned int nlink = READ_ONCE(inode->i_nlink);
	int more = nlink - fm->nlink;
	int due = fm->owed + more;

	fm->nlink = nlink;
	if (S_ISDIR(inode->i_mode)) {
		if (IS_DEADDIR(inode) && !fm->last[HINT_DELETE])
			happened(fm, HINT_DELETE);
		return;
	}
	if (more > 0 || (!more && due > 0)) {
		happened(fm, HINT_LINK);
		fm->owed = due - 1;
	} else if (more < 0 || due < 0) {
		happened(fm, HINT_DELETE);
		fm->owed = due + 1;
	} else {
		happened(fm, HINT_LINK);
		happened(fm, HINT_DELETE);
	}
}

static void contents_changed(struct file_mark *fm, const struct inode *inode,
			     bool written)
{
	loff_t size = i_size_read(inode);

	if (!written)
		happened(fm, HINT_ATTRIB);
	else if (size > fm->size)
		happened(fm, HINT_EXTEND);
	else
		happened(fm, HINT_WRITE);
	fm->size = size;
	list_splice_tail_init(&fm->contents, &fm->teller.armed);
}

/* By whoever has the file open, or may open it. */
static void was_used(struct file_mark *fm, u32 mask)
{
	if (mask & FS_OPEN)
		happened(fm, HINT_OPEN);
	if (mask & FS_ACCESS)
		happened(fm, HINT_READ);
	if (mask & FS_CLOSE_WRITE)
		happened(fm, HINT_CLOSE_WRITE);
	if (mask & FS_CLOSE_NOWRITE)
		happened(fm, HINT_CLOSE);
}

/*
 * It was done to an open file, or else to what a name stands for (as utimes(2) and
 * truncate(2) do), or to an inode whose names have changed.
 */
static void self_event(struct file_mark *fm, u32 mask, int data_type,
		       const struct inode *inode)
{
	bool open = data_type == FSNOTIFY_EVENT_PATH;

	/* By the kernel itself without a name, as kernfs does. */
	if (mask & FS_MODIFY)
		contents_changed(fm, inode,
				 data_type != FSNOTIFY_EVENT_DENTRY);
	if (mask & FS_ATTRIB) {
		if (data_type == FSNOTIFY_EVENT_INODE)
			names_changed(fm, inode);
		else
			happened(fm, HINT_ATTRIB);
	}
	if (mask & FS_MOVE_SELF)
		happened(fm, HINT_RENAME);
	if (open)
		was_used(fm, mask);
	else if (mask & FS_ACCESS)
		happened(fm, HINT_ATTRIB);
}

/* --- Telling ----------------------------------------------------------------- */

/* Context: as file_event(), and both of these. */
static void tell_self(struct fsnotify_mark *mark, u32 mask, int data_type,
		      const struct inode *inode)
{
	struct file_mark *fm = file_mark_of(mark);
	unsigned long flags;
	u64 before;

	raw_spin_lock_irqsave(&fm->teller.lock, flags);
	before = fm->now;
	/* Others may have asked for more. */
	self_event(fm, mask & READ_ONCE(mark->mask), data_type, inode);
	if (fm->now != before)
		teller_tell(&fm->teller);
	raw_spin_unlock_irqrestore(&fm->teller.lock, flags);
}

/* Context: the teller's lock. */
void file_mark_tell(struct file_mark *fm, enum file_hint hint)
{
	happened(fm, hint);
	teller_tell(&fm->teller);
}

static void tell_hint(struct fsnotify_mark *mark, enum file_hint hint)
{
	struct file_mark *fm = file_mark_of(mark);
	unsigned long flags;

	raw_spin_lock_irqsave(&fm->teller.lock, flags);
	/* A directory can be removed only once; who follows it may have seen it. */
	if (hint != HINT_DELETE || !fm->last[hint])
		file_mark_tell(fm, hint);
	raw_spin_unlock_irqrestore(&fm->teller.lock, flags);
}

/* --- Directories ------------------------------------------------------------- */

static enum file_hint entry_hint(u32 mask, const void *data, int data_type,
				 const struct inode *dir)
{
	struct dentry *moved;

	if (mask & FS_RENAME) {
		moved = fsnotify_data_dentry(data, data_type);
		/* Who renames has both directories locked. */
		if (d_inode(moved->d_parent) != dir)
			return mask & FS_ISDIR ? HINT_SUBDIR_MOVED : HINT_EXTEND;
		return HINT_WRITE;
	}
	return mask & FS_ISDIR ? HINT_SUBDIR : HINT_WRITE;
}

/*
 * A directory that is removed is told of only to the one that it was in, since the
 * inode goes only with the last who has it open.
 */
static void tell_removed(struct fsnotify_group *group, struct inode *inode)
{
	struct fsnotify_mark *mark = fsnotify_find_inode_mark(inode, group);

	if (!mark)
		return;
	tell_hint(mark, HINT_DELETE);
	fsnotify_put_mark(mark);
}

/* A rename is told of once, to both directories, or the one that it is in. */
static void entry_event(struct fsnotify_iter_info *iter, u32 mask,
			enum file_hint hint)
{
	struct fsnotify_mark *from = fsnotify_iter_inode_mark(iter);
	struct fsnotify_mark *to = NULL;

	if (mask & FS_RENAME)
		to = fsnotify_iter_mark(iter, FSNOTIFY_ITER_TYPE_INODE2);
	if (from)
		tell_hint(from, hint);
	if (to && to != from)
		tell_hint(to, hint);
}

/*
 * Context: whoever does it, possibly with inodes locked, in the course of whose
 * system call this may sleep; but it does not.
 */
int file_event(struct fsnotify_group *group, u32 mask, const void *data,
	       int data_type, struct inode *dir, const struct qstr *name,
	       u32 cookie, struct fsnotify_iter_info *iter)
{
	struct fsnotify_mark *mark = fsnotify_iter_inode_mark(iter);
	struct inode *inode = fsnotify_data_inode(data, data_type);

	if (mask & ALL_FSNOTIFY_DIRENT_EVENTS) {
		if (mask & ENTRY_EVENTS)
			entry_event(iter, mask,
				    entry_hint(mask, data, data_type, dir));
		if ((mask & FS_DELETE) && (mask & FS_ISDIR))
			tell_removed(group, inode);
	} else if (mark) {
		tell_self(mark, mask, data_type, inode);
	}
	return 0;
}
