// SPDX-License-Identifier: GPL-2.0
/* EVFILT_VNODE on directories: what happens to their entries, and to them. */

#include "files.h"

/* What is told of an entry that is a file, and of one that is a directory. */
static const struct {
	u32 event;
	u32 notes[2];
} entries[] = {
	{ FS_CREATE, { NOTE_WRITE, NOTE_WRITE | NOTE_LINK } },
	{ FS_DELETE, { NOTE_WRITE, NOTE_WRITE | NOTE_LINK } },
	/* Those that come with FS_RENAME say nothing more. */
	{ FS_MOVED_FROM, { 0, 0 } },
	{ FS_MOVED_TO, { 0, 0 } },
	/* Within it. */
	{ FS_RENAME, { NOTE_WRITE, NOTE_WRITE } },
};

/* Entries that come, go and are renamed; the directory is told, and no other. */
static void dir_entries(struct kunit *test)
{
	struct dentry *a = make_dir(test, root_dir(), "a");
	struct dentry *entry = make_dir(test, a, "entry");
	struct watched *w = watched_dir(test, a);
	struct watched *above = watched_dir(test, root_dir());
	unsigned int i, is_dir;

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	KUNIT_ASSERT_EQ(test, ask(test, above, EV_CLEAR, ALL_NOTES), 0);
	for (i = 0; i < ARRAY_SIZE(entries); i++)
		for (is_dir = 0; is_dir < 2; is_dir++) {
			say_entry(d_inode(a), entries[i].event |
				  (is_dir ? FS_ISDIR : 0), entry);
			look_at_all(test);
			KUNIT_EXPECT_EQ_MSG(test, w->notes, entries[i].notes[is_dir],
					    "event %#x, %u", entries[i].event, is_dir);
			KUNIT_EXPECT_EQ(test, above->notes, 0);
		}
}

/* An entry that changes its directory is told of in both, wherever it comes from. */
static void dir_moved_entry(struct kunit *test)
{
	struct dentry *from = make_dir(test, root_dir(), "from");
	struct dentry *to = make_dir(test, root_dir(), "to");
	struct dentry *entry = make_dir(test, to, "entry");
	struct watched *left = watched_dir(test, from);
	struct watched *came = watched_dir(test, to);
	struct watched *above = watched_dir(test, root_dir());
	struct fixture *fix = test->priv;

	KUNIT_ASSERT_EQ(test, ask(test, left, EV_CLEAR, ALL_NOTES), 0);
	KUNIT_ASSERT_EQ(test, ask(test, above, EV_CLEAR, ALL_NOTES), 0);
	say_entry(d_inode(from), FS_RENAME, entry);
	look_at_all(test);
	KUNIT_EXPECT_EQ(test, left->notes, NOTE_WRITE | NOTE_EXTEND);
	KUNIT_EXPECT_EQ(test, above->notes, 0);

	KUNIT_ASSERT_EQ(test, ask(test, came, EV_CLEAR, ALL_NOTES), 0);
	say_entry(d_inode(from), FS_RENAME, entry);
	look_at_all(test);
	KUNIT_EXPECT_EQ(test, left->notes, NOTE_WRITE | NOTE_EXTEND);
	KUNIT_EXPECT_EQ(test, came->notes, NOTE_WRITE | NOTE_EXTEND);
	say_entry(d_inode(from), FS_RENAME | FS_ISDIR, entry);
	look_at_all(test);
	KUNIT_EXPECT_EQ(test, left->notes, NOTE_WRITE | NOTE_EXTEND | NOTE_LINK);
	KUNIT_EXPECT_EQ(test, came->notes, NOTE_WRITE | NOTE_EXTEND | NOTE_LINK);
	KUNIT_EXPECT_EQ(test, above->notes, 0);

	change_flags(fix->kq, left->fd, EVFILT_VNODE, EV_DELETE);
	say_entry(d_inode(from), FS_RENAME, entry);
	look_at_all(test);
	KUNIT_EXPECT_EQ(test, left->notes, 0);
	KUNIT_EXPECT_EQ(test, came->notes, NOTE_WRITE | NOTE_EXTEND);
}

/* What happens to a directory itself, and to those above and below it: not to it. */
static void dir_itself(struct kunit *test)
{
	static const struct {
		u32 event;
		enum data data;
		u32 notes;
	} cases[] = {
		{ FS_ATTRIB, BY_DENTRY, NOTE_ATTRIB },
		{ FS_ATTRIB, BY_PATH, NOTE_ATTRIB },
		/* Its link count says nothing of its name. */
		{ FS_ATTRIB, BY_INODE, 0 },
		{ FS_MOVE_SELF, BY_INODE, NOTE_RENAME },
		{ FS_OPEN, BY_PATH, NOTE_OPEN },
		{ FS_ACCESS, BY_PATH, NOTE_READ },
		{ FS_ACCESS, BY_DENTRY, NOTE_ATTRIB },
		{ FS_CLOSE_NOWRITE, BY_PATH, NOTE_CLOSE },
		{ FS_DELETE_SELF, BY_INODE, 0 },
	};
	struct dentry *a = make_dir(test, root_dir(), "a");
	struct dentry *below = make_dir(test, a, "below");
	struct watched *w = watched_dir(test, a);
	struct watched *others[] = {
		watched_dir(test, root_dir()), watched_dir(test, below),
	};
	unsigned int i;

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	KUNIT_ASSERT_EQ(test, ask(test, others[0], EV_CLEAR, ALL_NOTES), 0);
	KUNIT_ASSERT_EQ(test, ask(test, others[1], EV_CLEAR, ALL_NOTES), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		say(w, cases[i].event, cases[i].data);
		look_at_all(test);
		KUNIT_EXPECT_EQ_MSG(test, w->notes, cases[i].notes, "case %u", i);
		KUNIT_EXPECT_EQ(test, others[0]->notes, 0);
		KUNIT_EXPECT_EQ(test, others[1]->notes, 0);
	}
}

/* As rmdir(2) does it, and a rename over it: before anybody is told. */
static void remove_dir(struct dentry *dir)
{
	d_inode(dir)->i_flags |= S_DEAD;
}

/* That it is removed is told once, by the one that it was in, watched or not. */
static void dir_removed(struct kunit *test)
{
	struct dentry *a = make_dir(test, root_dir(), "a");
	struct watched *w = watched_dir(test, a);

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
	remove_dir(a);
	say_entry(d_inode(root_dir()), FS_DELETE | FS_ISDIR, a);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_DELETE);
	say_entry(d_inode(root_dir()), FS_DELETE | FS_ISDIR, a);
	say(w, FS_ATTRIB, BY_INODE);
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
}

/* So it is when it was renamed over, of which no directory is told. */
static void dir_renamed_over(struct kunit *test)
{
	struct dentry *a = make_dir(test, root_dir(), "a");
	struct watched *w = watched_dir(test, a);

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
	remove_dir(a);
	say(w, FS_ATTRIB, BY_INODE);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_DELETE);
	say(w, FS_ATTRIB, BY_INODE);
	say_entry(d_inode(root_dir()), FS_DELETE | FS_ISDIR, a);
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
}

/* And if it was gone before it was registered; or before anybody could tell. */
static void dir_removed_before(struct kunit *test)
{
	struct dentry *a = make_dir(test, root_dir(), "a");
	struct dentry *b = make_dir(test, root_dir(), "b");
	struct watched *early = watched_dir(test, a);
	struct watched *late = watched_dir(test, b);

	remove_dir(a);
	KUNIT_ASSERT_EQ(test, ask(test, early, EV_CLEAR, ALL_NOTES), 0);
	KUNIT_EXPECT_EQ(test, told(test, early), NOTE_DELETE);
	say_entry(d_inode(root_dir()), FS_DELETE | FS_ISDIR, a);
	KUNIT_EXPECT_EQ(test, told(test, early), 0);

	KUNIT_ASSERT_EQ(test, ask(test, late, EV_CLEAR, ALL_NOTES), 0);
	say(late, FS_ATTRIB, BY_DENTRY);
	remove_dir(b);
	KUNIT_EXPECT_EQ(test, told(test, late), NOTE_ATTRIB | NOTE_DELETE);
	KUNIT_EXPECT_EQ(test, told(test, late), 0);
}

static struct kunit_case dir_cases[] = {
	KUNIT_CASE(dir_entries),
	KUNIT_CASE(dir_moved_entry),
	KUNIT_CASE(dir_itself),
	KUNIT_CASE(dir_removed),
	KUNIT_CASE(dir_renamed_over),
	KUNIT_CASE(dir_removed_before),
	{}
};

static struct kunit_suite dir_suite = {
	.name = "kevent_vnode_dir",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = watched_init,
	.exit = watched_exit,
	.test_cases = dir_cases,
};

kunit_test_suite(dir_suite);
