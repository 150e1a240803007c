/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Being told what happens to a file. fsnotify calls each mark of an inode in turn,
 * in the thread that makes it happen. So all knotes of an inode share one mark, of
 * whatever queue, filter and user they are, and the mark has a teller (tell.h) for
 * them.
 *
 *	file.c, vnode.c	the filters
 *	mark.c		marks: made, found, ended
 *	hint.c		what fsnotify tells, and what that means
 *	nameless.c	marks of files that lose their last name
 */
#ifndef _KEVENT_FILTERS_MARK_H
#define _KEVENT_FILTERS_MARK_H

#include <linux/fsnotify_backend.h>
#include <linux/task_work.h>

#include "tell.h"

/*
 * What can happen to a file or directory, each of which FreeBSD's kernel gives one
 * set of NOTE_* for, a hint: file_hint_notes[].
 */
enum file_hint {
	HINT_WRITE,		/* was written; a name came, went or changed */
	HINT_EXTEND,		/* has grown by that; a name changed its directory */
	HINT_SUBDIR,		/* a subdirectory came or went */
	HINT_SUBDIR_MOVED,	/* one changed its directory */
	HINT_ATTRIB,
	HINT_LINK,
	HINT_DELETE,
	HINT_RENAME,
	HINT_REVOKE,		/* cannot be found any more; see revoke.c */
	HINT_OPEN,
	HINT_CLOSE,
	HINT_CLOSE_WRITE,
	HINT_READ,
	FILE_HINTS
};

extern const u16 file_hint_notes[FILE_HINTS];

/* Those of use alone, of which files have very many. */
#define FILE_USE_NOTES	(NOTE_OPEN | NOTE_CLOSE | NOTE_CLOSE_WRITE | NOTE_READ)

struct file_mark;

/**
 * struct nameless_mark - the mark that a file has once it has lost its own
 * @mark: fsnotify's, which frees the structure
 * @fm: whose this is; has a reference to its mark, so that it stays as long
 */
struct nameless_mark {
	struct fsnotify_mark mark;
	struct file_mark *fm;
};

/**
 * struct file_mark - the mark of an inode
 * @mark: fsnotify's, which frees the structure when nobody looks at it any more.
 *	It keeps the inode
 * @inode: whose it is
 * @used: it is told of use as well
 * @teller: who gives back its last reference takes the mark off the inode. Its
 *	lock protects all that follows but what says otherwise. Armed are those who
 *	are to be told of all
 * @changes: knotes to tell of all but use
 * @contents: knotes to tell only when there may be something else to read
 * @followers: of a directory, how many knotes it has
 * @parent: of a directory, the mark of the one that it is in, with a reference; or
 *	NULL, as when it has no knotes. So what is only somebody's parent has none,
 *	and marks do not keep each other, however directories are moved
 * @nameless: instead of @mark, once fsnotify has given that up; or NULL
 * @call: puts that on, in the thread that has removed the last name ...
 * @work: ... or where that has no user space to return to
 * @lost: 1 if one of them is on its way, to which both then belong; atomic
 * @now: how many hints there have been
 * @latest: the last of them
 * @last: which of them was the last of each kind, counted from 1
 * @size: of the file, when it was last heard of
 * @nlink: likewise, how many names it has
 * @owed: how many names more have come than fsnotify has told of yet; negative if
 *	they have gone
 */
struct file_mark {
	struct fsnotify_mark mark;
	struct inode *inode;
	bool used;
	struct teller teller;
	struct list_head changes;
	struct list_head contents;
	unsigned int followers;
	struct file_mark *parent;
	struct nameless_mark *nameless;
	union {
		struct callback_head call;
		struct work_struct work;
	};
	atomic_t lost;
	u64 now;
	enum file_hint latest;
	u64 last[FILE_HINTS];
	loff_t size;
	unsigned int nlink;
	int owed;
};

static inline struct file_mark *knote_file_mark(const struct knote *kn)
{
	return container_of(kn->told.teller, struct file_mark, teller);
}

/* Context: what struct file_mark says is protected by the teller's lock. */
static inline void file_mark_lock(struct file_mark *fm)
{
	raw_spin_lock_irq(&fm->teller.lock);
}

static inline void file_mark_unlock(struct file_mark *fm)
{
	raw_spin_unlock_irq(&fm->teller.lock);
}

/* nameless.c */
void file_mark_lost(struct fsnotify_mark *mark, struct fsnotify_group *group);
bool mark_is_nameless(const struct fsnotify_mark *mark);
struct file_mark *nameless_find(struct inode *inode);
void nameless_end(struct nameless_mark *nm);
int nameless_init(void);
void nameless_exit(void);

/* Whose mark is it? */
static inline struct file_mark *file_mark_of(struct fsnotify_mark *mark)
{
	if (unlikely(mark_is_nameless(mark)))
		return container_of(mark, struct nameless_mark, mark)->fm;
	return container_of(mark, struct file_mark, mark);
}

/* mark.c */
int file_marks_init(void);
void file_marks_exit(void);

struct file_mark *file_mark_find(struct inode *inode, struct fsnotify_group *group);
int file_mark_attach(struct knote *kn);
void file_mark_detach(struct knote *kn);
int file_mark_uses(struct knote *kn);
int file_mark_follow(struct knote *kn);
struct nameless_mark *file_mark_replace(struct file_mark *fm, struct nameless_mark *nm);
bool file_mark_renewed(struct file_mark *fm, struct nameless_mark *nm, bool told);
bool file_mark_is(struct file_mark *fm, const struct fsnotify_mark *mark);
void file_marks_count(void);
void file_marks_uncount(void);

/* hint.c */
int file_event(struct fsnotify_group *group, u32 mask, const void *data,
	       int data_type, struct inode *dir, const struct qstr *name,
	       u32 cookie, struct fsnotify_iter_info *iter);
u32 file_event_mask(const struct inode *inode);
void file_mark_tell(struct file_mark *fm, enum file_hint hint);

#endif /* _KEVENT_FILTERS_MARK_H */
