// SPDX-License-Identifier: GPL-2.0
/* The marks of files that are watched; see mark.h. */

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "../compat.h"
#include "../kqueue.h"
#include "mark.h"

/* It takes no duplicates: an inode has at most one of our marks. */
static struct fsnotify_group *file_group;

/* Its marks stay for a moment: see file_mark_uses(). */
static struct fsnotify_group *nudge_group;

static struct kmem_cache *mark_cache;

/*
 * Marks not yet freed, of all groups. fanotify can hold on to one while it waits
 * for an answer, where fsnotify_wait_marks_destroyed() does not see it.
 */
static atomic_t file_marks = ATOMIC_INIT(0);

void file_marks_count(void)
{
	atomic_inc(&file_marks);
}

void file_marks_uncount(void)
{
	if (atomic_dec_and_test(&file_marks))
		wake_up_var(&file_marks);
}

static void file_free_mark(struct fsnotify_mark *mark)
{
	kmem_cache_free(mark_cache, container_of(mark, struct file_mark, mark));
	file_marks_uncount();
}

static const struct fsnotify_ops file_mark_ops = {
	.handle_event = file_event,
	.freeing_mark = file_mark_lost,
	.free_mark = file_free_mark,
};

/* The last reference was given back. */
static void end_mark(struct teller *teller)
{
	struct file_mark *fm = container_of(teller, struct file_mark, teller);

	if (unlikely(fm->nameless))
		nameless_end(fm->nameless);
	WARN_ON_ONCE(fm->parent);
	fsnotify_destroy_mark(&fm->mark, file_group);
	fsnotify_put_mark(&fm->mark);
}

/*
 * The inode's mark that is of the group, with a reference, or NULL. One that is ending
 * is taken off: who gave back the last reference has yet to do so; no harm in twice.
 */
struct file_mark *file_mark_find(struct inode *inode, struct fsnotify_group *group)
{
	struct fsnotify_mark *mark;
	struct file_mark *fm;

	while ((mark = fsnotify_find_inode_mark(inode, group))) {
		fm = file_mark_of(mark);
		if (!refcount_inc_not_zero(&fm->teller.refs)) {
			fsnotify_destroy_mark(mark, group);
			fm = NULL;
		}
		fsnotify_put_mark(mark);
		if (fm)
			return fm;
	}
	return NULL;
}

static struct file_mark *find_mark(struct inode *inode)
{
	struct file_mark *fm = file_mark_find(inode, file_group);

	return fm ? fm : nameless_find(inode);
}

/* A new mark for the inode; -EEXIST if it has got one meanwhile. */
static struct file_mark *make_mark(struct inode *inode)
{
	struct file_mark *fm = kmem_cache_zalloc(mark_cache, GFP_KERNEL_ACCOUNT);
	int ret;

	if (!fm)
		return ERR_PTR(-ENOMEM);
	file_marks_count();
	fsnotify_init_mark(&fm->mark, file_group);
	fm->mark.mask = file_event_mask(inode);
	teller_init(&fm->teller, end_mark);
	INIT_LIST_HEAD(&fm->changes);
	INIT_LIST_HEAD(&fm->contents);
	fm->inode = inode;
	fm->size = i_size_read(inode);
	fm->nlink = READ_ONCE(inode->i_nlink);

	ret = fsnotify_add_inode_mark(&fm->mark, inode, 0);
	if (ret) {
		fsnotify_put_mark(&fm->mark);
		return ERR_PTR(ret);
	}
	return fm;
}

/*
 * Has a mark to be tried again? fsnotify may just be taking off others, as it does when
 * a name goes that was the last; that does not take long.
 */
static bool again(int err)
{
	if (err != -ENOENT)
		return err == -EEXIST;
	schedule_timeout_killable(1);
	return !fatal_signal_pending(current);
}

/* Context: may sleep; the caller keeps the inode. Returns with a reference. */
static struct file_mark *file_mark_get(struct inode *inode)
{
	struct file_mark *fm;

	do {
		fm = find_mark(inode);
		if (!fm)
			fm = make_mark(inode);
	} while (IS_ERR(fm) && again(PTR_ERR(fm)));
	return fm == ERR_PTR(-ENOENT) ? ERR_PTR(-EINTR) : fm;
}

/*
 * Is it a directory's? So said vnode_flags(): the inode itself may say something else
 * once its file system has found it to be bad.
 */
static bool follows(const struct knote *kn)
{
	return knote_is_slow(kn);
}

/* A directory has got a knote, of which the reference is. */
static void begin_following(struct file_mark *fm)
{
	file_mark_lock(fm);
	fm->followers++;
	file_mark_unlock(fm);
}

/* ... or is about to lose one. */
static void end_following(struct file_mark *fm)
{
	struct file_mark *parent = NULL;

	file_mark_lock(fm);
	if (!--fm->followers)
		swap(fm->parent, parent);
	file_mark_unlock(fm);
	if (parent)
		teller_put(&parent->teller);
}

/**
 * file_mark_attach() - have a knote told what happens to its file
 * @kn: the knote, of a descriptor; is told once it is on a list of the mark
 *
 * Context: may sleep.
 * Return: 0; -ENOSPC if its user watches as many files as he may; -ENOMEM; -EINTR if
 * the caller is being killed.
 */
int file_mark_attach(struct knote *kn)
{
	struct file_mark *fm;
	int ret;

	BUILD_BUG_ON(offsetof(struct knote, poll.told) !=
		     offsetof(struct knote, told));
	BUILD_BUG_ON(offsetof(struct knote, poll.vnode.told) !=
		     offsetof(struct knote, told));

	ret = kevent_user_take(kn->kq->user, KEVENT_FILES);
	if (ret)
		return ret;
	fm = file_mark_get(file_inode(kn->poll.file));
	if (IS_ERR(fm)) {
		kevent_user_give_back(kn->kq->user, KEVENT_FILES);
		return PTR_ERR(fm);
	}
	teller_attach(&fm->teller, kn);
	if (follows(kn))
		begin_following(fm);
	return 0;
}

void file_mark_detach(struct knote *kn)
{
	struct file_mark *fm = knote_file_mark(kn);

	if (follows(kn))
		end_following(fm);
	teller_detach(kn);
	kevent_user_give_back(kn->kq->user, KEVENT_FILES);
}

/* --- Use --------------------------------------------------------------------- */

static int nudge_event(struct fsnotify_mark *mark, u32 mask, struct inode *inode,
		       struct inode *dir, const struct qstr *name, u32 cookie)
{
	return 0;
}

static void nudge_free_mark(struct fsnotify_mark *mark)
{
	kfree(mark);
	file_marks_uncount();
}

static const struct fsnotify_ops nudge_ops = {
	.handle_inode_event = nudge_event,
	.free_mark = nudge_free_mark,
};

/*
 * Have fsnotify sum up anew what the marks of an inode ask for. It does so for
 * whoever adds one, but lets no module ask for it. Returns 0 or a negative errno.
 */
static int nudge(struct inode *inode)
{
	struct fsnotify_mark *mark = kzalloc(sizeof(*mark), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!mark)
		return -ENOMEM;
	file_marks_count();
	fsnotify_init_mark(mark, nudge_group);
	/* Something that an inode which is in use is never told of. */
	mark->mask = FS_UNMOUNT;
	ret = fsnotify_add_inode_mark(mark, inode, 0);
	if (!ret)
		fsnotify_destroy_mark(mark, nudge_group);
	fsnotify_put_mark(mark);
	return ret;
}

static void widen(struct fsnotify_mark *mark)
{
	WRITE_ONCE(mark->mask, mark->mask | FS_OPEN | FS_ACCESS |
			       FS_CLOSE_WRITE | FS_CLOSE_NOWRITE);
}

/**
 * file_mark_uses() - have a file's mark told of use as well: that it is opened, read
 * @kn: a knote of the mark
 *
 * That costs whoever uses the file, until the mark ends.
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM; -EINTR if the caller is being killed.
 */
int file_mark_uses(struct knote *kn)
{
	struct file_mark *fm = knote_file_mark(kn);
	int ret;

	if (READ_ONCE(fm->used))
		return 0;
	file_mark_lock(fm);
	widen(&fm->mark);
	if (fm->nameless)
		widen(&fm->nameless->mark);
	file_mark_unlock(fm);
	do {
		ret = nudge(fm->inode);
	} while (ret && again(ret));
	if (!ret)
		WRITE_ONCE(fm->used, true);
	return ret == -ENOENT ? -EINTR : ret;
}

/* --- Files that have lost their last name ------------------------------------ */

/* Is it the one by which fsnotify tells, or tries to? Context: interrupts are on. */
bool file_mark_is(struct file_mark *fm, const struct fsnotify_mark *mark)
{
	bool is;

	file_mark_lock(fm);
	is = mark == (fm->nameless ? &fm->nameless->mark : &fm->mark);
	file_mark_unlock(fm);
	return is;
}

/*
 * fsnotify has given up the mark, and @nm is to be put on its inode. From here on it
 * asks for what the mark does. Returns what was to be before, or NULL.
 */
struct nameless_mark *file_mark_replace(struct file_mark *fm, struct nameless_mark *nm)
{
	file_mark_lock(fm);
	WRITE_ONCE(nm->mark.mask, fm->mark.mask);
	swap(fm->nameless, nm);
	file_mark_unlock(fm);
	return nm;
}

/*
 * That was done, or, if what happens to the file will not be @told any more, could not
 * be. What has happened meanwhile shows by its size. Returns false if another one has
 * taken the place of @nm by now.
 */
bool file_mark_renewed(struct file_mark *fm, struct nameless_mark *nm, bool told)
{
	loff_t size;
	bool is;

	file_mark_lock(fm);
	size = i_size_read(fm->inode);
	if (size != fm->size || !told) {
		list_splice_tail_init(&fm->contents, &fm->teller.armed);
		file_mark_tell(fm, size > fm->size ? HINT_EXTEND : HINT_ATTRIB);
	}
	fm->size = size;
	is = fm->nameless == nm;
	file_mark_unlock(fm);
	return is;
}

/* --- Directories ------------------------------------------------------------- */

/* The mark of the directory that @dentry, one as well, is in; NULL if in none. */
static struct file_mark *parent_mark(struct dentry *dentry)
{
	struct dentry *dir = dget_parent(dentry);
	struct file_mark *fm = NULL;

	if (dir != dentry)
		fm = file_mark_get(d_inode(dir));
	dput(dir);
	return fm;
}

/* Does the mark have that of the directory that it is in? Others may change it. */
static bool is_followed(struct file_mark *fm, struct dentry *dentry)
{
	struct dentry *dir = dget_parent(dentry);
	bool is = dir == dentry;

	file_mark_lock(fm);
	if (fm->parent && fm->parent->inode == d_inode(dir))
		is = true;
	file_mark_unlock(fm);
	dput(dir);
	return is;
}

/* Has it been removed before its parent's mark could tell? Then this does. */
static void look_for_removal(struct file_mark *fm)
{
	file_mark_lock(fm);
	if (IS_DEADDIR(fm->inode) && !fm->last[HINT_DELETE])
		file_mark_tell(fm, HINT_DELETE);
	file_mark_unlock(fm);
}

/**
 * file_mark_follow() - have a directory's mark told that it is removed
 * @kn: a knote of the mark, armed
 *
 * Only the directory that it is in is told of that, which is another when it was
 * renamed. After that all who are armed come here, possibly at the same time:
 *
 *	rename				here
 *	move it				which one is it in?
 *	who is armed?			remember that one
 *					is it still in that one?
 *
 * Who remembers the wrong one last notices, or was told after that. And what is removed
 * is seen to be so, or is told of:
 *
 *	rmdir				here
 *	S_DEAD				put a mark on the one that it is in
 *	smp_mb(), of its reference	smp_mb()
 *	has that a mark?		S_DEAD?
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM; -EINTR if the caller is being killed.
 */
int file_mark_follow(struct knote *kn)
{
	struct dentry *dentry = kn->poll.file->f_path.dentry;
	struct file_mark *fm = knote_file_mark(kn);
	struct file_mark *parent;

	while (!is_followed(fm, dentry)) {
		parent = parent_mark(dentry);
		if (IS_ERR(parent))
			return PTR_ERR(parent);
		file_mark_lock(fm);
		swap(fm->parent, parent);
		file_mark_unlock(fm);
		if (parent)
			teller_put(&parent->teller);
		/* Somebody may move it to and fro for ever. */
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	smp_mb(); /* See above. */
	look_for_removal(fm);
	return 0;
}

/* --- All marks --------------------------------------------------------------- */

static struct fsnotify_group *make_group(const struct fsnotify_ops *ops, int flags)
{
	/*
	 * All users share the group's mutex: no reclaim under it may wait for
	 * a file system.
	 */
	return fsnotify_alloc_group(ops, FSNOTIFY_GROUP_NOFS | flags);
}

int __init file_marks_init(void)
{
	mark_cache = KMEM_CACHE(file_mark, SLAB_ACCOUNT);
	if (!mark_cache)
		return -ENOMEM;
	file_group = make_group(&file_mark_ops, 0);
	if (IS_ERR(file_group))
		goto free_cache;
	nudge_group = make_group(&nudge_ops, FSNOTIFY_GROUP_DUPS);
	if (IS_ERR(nudge_group))
		goto put_file_group;
	if (!nameless_init())
		return 0;

	fsnotify_put_group(nudge_group);
put_file_group:
	fsnotify_put_group(file_group);
free_cache:
	kmem_cache_destroy(mark_cache);
	return -ENOMEM;
}

/* Context: after tell_exit(); marks may be waiting to be freed. */
void file_marks_exit(void)
{
	nameless_exit();
	fsnotify_put_group(nudge_group);
	fsnotify_put_group(file_group);
	wait_var_event(&file_marks, !atomic_read(&file_marks));
	/* The last of them may not have returned from file_marks_uncount() yet. */
	fsnotify_wait_marks_destroyed();
	kmem_cache_destroy(mark_cache);
}
