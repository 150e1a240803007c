// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_VNODE on files: what fsnotify's events mean, by what they say and by how the
 * file was before.
 */

#include <linux/bits.h>

#include "files.h"

/* --- Events --------------------------------------------------------------- */

/*
 * What each event of fsnotify means, said of a file by its path (done to an open
 * file), its dentry (to a name) or its inode alone; of a file that is as large as
 * before and has as many names. Of those that are not here nothing is told.
 */
static const struct {
	u32 event;
	u32 notes[DATA_TYPES];
} meanings[] = {
	{ FS_ACCESS, { NOTE_READ, NOTE_ATTRIB, NOTE_ATTRIB } },
	{ FS_MODIFY, { NOTE_WRITE, NOTE_ATTRIB, NOTE_WRITE } },
	{ FS_ATTRIB, { NOTE_ATTRIB, NOTE_ATTRIB, NOTE_LINK | NOTE_DELETE } },
	{ FS_CLOSE_WRITE, { NOTE_CLOSE_WRITE } },
	{ FS_CLOSE_NOWRITE, { NOTE_CLOSE } },
	{ FS_OPEN, { NOTE_OPEN } },
	{ FS_MOVE_SELF, { NOTE_RENAME, NOTE_RENAME, NOTE_RENAME } },
};

static u32 meaning(u32 event, enum data data)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(meanings); i++)
		if (meanings[i].event == event)
			return meanings[i].notes[data];
	return 0;
}

/* Each event that there is or may be, in each way to say it, means what it should. */
static void vnode_events(struct kunit *test)
{
	struct watched *w = watched_file(test);
	enum data data;
	int bit;

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
	for (bit = 0; bit < 32; bit++)
		for (data = 0; data < DATA_TYPES; data++) {
			say(w, BIT(bit), data);
			KUNIT_EXPECT_EQ_MSG(test, told(test, w),
					    meaning(BIT(bit), data),
					    "event %#lx, data %d", BIT(bit), data);
		}
}

/* Several events that come as one mean what each of them means. */
static void vnode_events_at_once(struct kunit *test)
{
	static const struct {
		u32 events;
		enum data data;
		u32 notes;
	} cases[] = {
		{ FS_ATTRIB | FS_MODIFY, BY_DENTRY, NOTE_ATTRIB },
		{ FS_ATTRIB | FS_ACCESS, BY_DENTRY, NOTE_ATTRIB },
		{ FS_OPEN | FS_OPEN_EXEC, BY_PATH, NOTE_OPEN },
		{ FS_MODIFY | FS_ACCESS, BY_PATH, NOTE_WRITE | NOTE_READ },
		{ FS_ATTRIB | FS_MOVE_SELF, BY_INODE,
		  NOTE_LINK | NOTE_DELETE | NOTE_RENAME },
	};
	struct watched *w = watched_file(test);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		say(w, cases[i].events, cases[i].data);
		KUNIT_EXPECT_EQ_MSG(test, told(test, w), cases[i].notes,
				    "events %#x", cases[i].events);
	}
}

/* --- The size ------------------------------------------------------------- */

/* A file has grown if it is larger than it was when it was last heard of. */
static void vnode_size(struct kunit *test)
{
	static const struct {
		loff_t size;
		enum data data;
		u32 notes;
	} steps[] = {
		{ SIZE, BY_PATH, NOTE_WRITE },
		{ SIZE + 1, BY_PATH, NOTE_WRITE | NOTE_EXTEND },
		{ SIZE + 1, BY_PATH, NOTE_WRITE },
		{ SIZE, BY_PATH, NOTE_WRITE },
		{ SIZE + 1, BY_PATH, NOTE_WRITE | NOTE_EXTEND },
		{ SIZE + 2, BY_INODE, NOTE_WRITE | NOTE_EXTEND },
		/* Truncated, up and down: it was not written, but is so large. */
		{ SIZE + 9, BY_DENTRY, NOTE_ATTRIB },
		{ SIZE + 9, BY_PATH, NOTE_WRITE },
		{ 0, BY_DENTRY, NOTE_ATTRIB },
		{ 1, BY_PATH, NOTE_WRITE | NOTE_EXTEND },
		{ 0, BY_PATH, NOTE_WRITE },
		{ LLONG_MAX, BY_PATH, NOTE_WRITE | NOTE_EXTEND },
		{ LLONG_MAX, BY_PATH, NOTE_WRITE },
		{ 1LL << 32, BY_PATH, NOTE_WRITE },
		{ (1LL << 32) + 1, BY_PATH, NOTE_WRITE | NOTE_EXTEND },
	};
	struct watched *w = watched_file(test);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		set_size(w, steps[i].size);
		say(w, FS_MODIFY, steps[i].data);
		KUNIT_EXPECT_EQ_MSG(test, told(test, w), steps[i].notes,
				    "step %u", i);
	}
}

/* What happens before it is watched, and what nobody tells of, is not reported. */
static void vnode_size_before(struct kunit *test)
{
	struct watched *w = watched_file(test);

	say(w, FS_MODIFY, BY_PATH);
	set_size(w, SIZE + 1);
	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
	say(w, FS_MODIFY, BY_PATH);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_WRITE);
	set_size(w, SIZE + 2);
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
}

/* --- Names ---------------------------------------------------------------- */

/* One name after the other, told of at once: each as what it is. */
static void vnode_names(struct kunit *test)
{
	static const int more[] = { 1, -1, -1, 1, 1, 1, -1, -1 };
	struct watched *w = watched_file(test);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	for (i = 0; i < ARRAY_SIZE(more); i++) {
		more_names(w, more[i]);
		KUNIT_EXPECT_EQ(test, told(test, w), 0);
		say(w, FS_ATTRIB, BY_INODE);
		KUNIT_EXPECT_EQ_MSG(test, told(test, w),
				    more[i] > 0 ? NOTE_LINK : NOTE_DELETE,
				    "name %u", i);
	}
	/* The last one. */
	more_names(w, -NAMES);
	say(w, FS_ATTRIB, BY_INODE);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_DELETE);
}

/*
 * Names that come and go at the same time: each changes the count at once, and is
 * told of later. An order of @n of them has a bit for each step, set if a name
 * changes, clear if one is told of.
 */
static bool is_order(unsigned int order, unsigned int n)
{
	unsigned int i, untold = 0;

	for (i = 0; i < 2 * n; i++) {
		if (order & BIT(i))
			untold++;
		else if (!untold--)
			return false;
	}
	return !untold;
}

static u32 change_name(const struct watched *w, bool comes)
{
	more_names(w, comes ? 1 : -1);
	return comes ? NOTE_LINK : NOTE_DELETE;
}

/*
 * Is it right to report @notes? Of what has happened, and what alone has happened
 * since the last report, if it is only one of the two.
 */
static bool may_tell(u32 notes, u32 happened, u32 since)
{
	return notes && !(notes & ~happened) &&
	       (hweight32(since) != 1 || (notes & since));
}

/* The names come where @comes has a bit, else they go. */
static bool names_in_order(struct kunit *test, struct watched *w, unsigned int order,
			   unsigned int n, unsigned int comes)
{
	u32 notes, happened = 0, since = 0, all = 0;
	unsigned int i, k = 0;

	for (i = 0; i < 2 * n; i++) {
		if (order & BIT(i)) {
			since |= change_name(w, comes & BIT(k++));
			continue;
		}
		say(w, FS_ATTRIB, BY_INODE);
		notes = told(test, w);
		happened |= since;
		if (!may_tell(notes, happened, since))
			return false;
		since = 0;
		all |= notes;
	}
	return all == happened;
}

#define NAMES_AT_ONCE	4

/*
 * In whatever order up to four names come, go and are told of: only what has
 * happened is reported, all of it, and in the end nothing is owed.
 */
static void vnode_names_at_once(struct kunit *test)
{
	struct watched *w = watched_file(test);
	unsigned int n, order, comes, done = 0;

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, NOTE_LINK | NOTE_DELETE), 0);
	for (n = 1; n <= NAMES_AT_ONCE; n++)
		for (order = 0; order < BIT(2 * n); order++)
			for (comes = 0; is_order(order, n) && comes < BIT(n); comes++) {
				KUNIT_ASSERT_TRUE_MSG(test,
						      names_in_order(test, w, order, n, comes),
						      "order %#x of %u, coming %#x",
						      order, n, comes);
				done++;
			}
	/* 2 * 1 + 4 * 2 + 8 * 5 + 16 * 14 */
	KUNIT_EXPECT_EQ(test, done, 274);
	KUNIT_EXPECT_EQ(test, knote_file_mark(knote_of(test, w))->owed, 0);
}

/* --- Hints ---------------------------------------------------------------- */

/* Ways to make each hint that a file can give, alone, and its notes. */
static const struct hint {
	u32 event;
	enum data data;
	int size;	/* it becomes so much larger */
	int names;	/* it gets so many more */
	u32 notes;
} hints[] = {
	{ FS_MODIFY, BY_PATH, 0, 0, NOTE_WRITE },
	{ FS_MODIFY, BY_PATH, 1, 0, NOTE_WRITE | NOTE_EXTEND },
	{ FS_ATTRIB, BY_PATH, 0, 0, NOTE_ATTRIB },
	{ FS_ATTRIB, BY_INODE, 0, 1, NOTE_LINK },
	{ FS_ATTRIB, BY_INODE, 0, -1, NOTE_DELETE },
	{ FS_MOVE_SELF, BY_INODE, 0, 0, NOTE_RENAME },
	{ FS_OPEN, BY_PATH, 0, 0, NOTE_OPEN },
	{ FS_CLOSE_NOWRITE, BY_PATH, 0, 0, NOTE_CLOSE },
	{ FS_CLOSE_WRITE, BY_PATH, 0, 0, NOTE_CLOSE_WRITE },
	{ FS_ACCESS, BY_PATH, 0, 0, NOTE_READ },
};

static void give(const struct watched *w, const struct hint *hint)
{
	if (hint->size)
		set_size(w, i_size_read(file_inode(w->file)) + hint->size);
	if (hint->names)
		more_names(w, hint->names);
	say(w, hint->event, hint->data);
}

/* What who has asked for @asked is told of the hint: the whole of it, or nothing. */
static u32 whole(const struct hint *hint, u32 asked)
{
	return hint->notes & asked ? hint->notes : 0;
}

/* Who asks for any bit of a hint gets all of that one, and nothing of others. */
static void vnode_whole_hint(struct kunit *test)
{
	struct watched *w = watched_file(test);
	unsigned int i;
	u32 asked;

	/* From now on it is told of use. */
	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	for (asked = 1; asked <= ALL_NOTES; asked <<= 1) {
		KUNIT_ASSERT_EQ(test, ask(test, w, 0, asked), 0);
		for (i = 0; i < ARRAY_SIZE(hints); i++) {
			give(w, &hints[i]);
			KUNIT_EXPECT_EQ_MSG(test, told(test, w),
					    whole(&hints[i], asked),
					    "asked for %#x, hint %u", asked, i);
		}
	}
	KUNIT_ASSERT_EQ(test, ask(test, w, 0, 0), 0);
	for (i = 0; i < ARRAY_SIZE(hints); i++) {
		give(w, &hints[i]);
		KUNIT_EXPECT_EQ(test, told(test, w), 0);
	}
}

/* Two hints between two looks are both reported, by the same rule, and only they. */
static void vnode_two_hints(struct kunit *test)
{
	static const u32 asks[] = {
		ALL_NOTES, NOTE_WRITE, NOTE_EXTEND, NOTE_LINK | NOTE_OPEN,
		NOTE_ATTRIB | NOTE_DELETE | NOTE_READ,
	};
	struct watched *w = watched_file(test);
	const struct hint *a, *b;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		KUNIT_ASSERT_EQ(test, ask(test, w, 0, asks[i]), 0);
		for (a = hints; a < hints + ARRAY_SIZE(hints); a++)
			for (b = hints; b < hints + ARRAY_SIZE(hints); b++) {
				give(w, a);
				give(w, b);
				KUNIT_EXPECT_EQ_MSG(test, told(test, w),
						    whole(a, asks[i]) | whole(b, asks[i]),
						    "asked for %#x, hints %#x, %#x",
						    asks[i], a->notes, b->notes);
			}
	}
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
}

/* Without EV_CLEAR hints stay, and others join them. */
static void vnode_level(struct kunit *test)
{
	struct watched *w = watched_file(test);
	u32 all = 0;
	unsigned int i;

	KUNIT_ASSERT_EQ(test, ask(test, w, 0, ALL_NOTES), 0);
	for (i = 0; i < ARRAY_SIZE(hints); i++) {
		give(w, &hints[i]);
		all |= hints[i].notes;
		KUNIT_EXPECT_EQ(test, told(test, w), all);
		KUNIT_EXPECT_EQ(test, told(test, w), all);
	}
	KUNIT_EXPECT_EQ(test, all, ALL_NOTES & ~NOTE_REVOKE);
}

/* A change of what is asked for holds for what happens from then on. */
static void vnode_asked_anew(struct kunit *test)
{
	struct watched *w = watched_file(test);

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, NOTE_WRITE), 0);
	say(w, FS_MODIFY, BY_PATH);
	say(w, FS_ATTRIB, BY_PATH);
	KUNIT_ASSERT_EQ(test, ask(test, w, 0, NOTE_ATTRIB | NOTE_RENAME), 0);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_WRITE);
	say(w, FS_MODIFY, BY_PATH);
	say(w, FS_MOVE_SELF, BY_INODE);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_RENAME);
	/* What is refused changes nothing. */
	KUNIT_EXPECT_EQ(test, ask(test, w, 0, ALL_NOTES + 1), -EINVAL);
	say(w, FS_MOVE_SELF, BY_INODE);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_RENAME);
}

/* Who comes later is told of what happens from then on; then all are. */
static void vnode_from_now(struct kunit *test)
{
	struct watched *early = watched_file(test);
	struct watched *late = watched_file(test);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, ask(test, early, EV_CLEAR, ALL_NOTES), 0);
	for (i = 0; i < ARRAY_SIZE(hints); i++)
		give(early, &hints[i]);
	KUNIT_ASSERT_EQ(test, ask(test, late, EV_CLEAR, ALL_NOTES), 0);
	look_at_all(test);
	KUNIT_EXPECT_EQ(test, early->notes, ALL_NOTES & ~NOTE_REVOKE);
	KUNIT_EXPECT_EQ(test, late->notes, 0);
	for (i = 0; i < ARRAY_SIZE(hints); i++) {
		give(late, &hints[i]);
		look_at_all(test);
		KUNIT_EXPECT_EQ(test, early->notes, hints[i].notes);
		KUNIT_EXPECT_EQ(test, late->notes, hints[i].notes);
	}
}

/* As revoke.c does it. */
static void cut_off(struct kunit *test, const struct watched *w)
{
	struct knote *kn = knote_of(test, w);

	atomic_or(KNOTE_FIRED, &kn->state);
	knote_activate(kn);
}

/* That it was cut off is told once, as an end, to who asks for it at that time. */
static void vnode_revoked(struct kunit *test)
{
	struct watched *w = watched_file(test);

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	cut_off(test, w);
	say(w, FS_MODIFY, BY_PATH);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_REVOKE | NOTE_WRITE);
	KUNIT_EXPECT_TRUE(test, w->flags & EV_EOF);
	say(w, FS_MODIFY, BY_PATH);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_WRITE);
	KUNIT_EXPECT_FALSE(test, w->flags & EV_EOF);

	KUNIT_ASSERT_EQ(test, ask(test, w, 0, ALL_NOTES & ~NOTE_REVOKE), 0);
	cut_off(test, w);
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
	KUNIT_ASSERT_EQ(test, ask(test, w, 0, ALL_NOTES), 0);
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
	/* Noticed by the change itself. */
	cut_off(test, w);
	KUNIT_ASSERT_EQ(test, ask(test, w, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_REVOKE);
}

/* --- Without a name ------------------------------------------------------- */

static struct nameless_mark *nameless_of(struct file_mark *fm)
{
	struct nameless_mark *nm;

	file_mark_lock(fm);
	nm = fm->nameless;
	file_mark_unlock(fm);
	return nm;
}

/*
 * The last name has gone: fsnotify gives up the mark. Does the file get another? It is on,
 * and what happened meanwhile is told, when only the knote has the teller.
 */
static bool lose_mark(struct kunit *test, const struct watched *w)
{
	struct file_mark *fm = knote_file_mark(knote_of(test, w));
	const struct nameless_mark *before = nameless_of(fm);

	__fsnotify_inode_delete(file_inode(w->file));
	return WAIT_FOR(nameless_of(fm) != before &&
			refcount_read(&fm->teller.refs) == 1);
}

/* A file that has lost its mark gets another, again and again, for all it asks for. */
static void vnode_nameless(struct kunit *test)
{
	struct watched *w = watched_file(test);
	enum data data;
	int bit, round;

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	for (round = 0; round < 3; round++) {
		KUNIT_ASSERT_TRUE(test, lose_mark(test, w));
		KUNIT_EXPECT_EQ(test, told(test, w), 0);
		for (bit = 0; bit < 32; bit++)
			for (data = 0; data < DATA_TYPES; data++) {
				say(w, BIT(bit), data);
				KUNIT_EXPECT_EQ_MSG(test, told(test, w),
						    meaning(BIT(bit), data),
						    "event %#lx, data %d",
						    BIT(bit), data);
			}
	}
}

/* What happened meanwhile shows by the size only; as what is left to guess. */
static void vnode_nameless_size(struct kunit *test)
{
	struct watched *w = watched_file(test);

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, ALL_NOTES), 0);
	set_size(w, SIZE + 1);
	KUNIT_ASSERT_TRUE(test, lose_mark(test, w));
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_WRITE | NOTE_EXTEND);
	set_size(w, SIZE - 1);
	KUNIT_ASSERT_TRUE(test, lose_mark(test, w));
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_ATTRIB);
	set_size(w, SIZE);
	say(w, FS_MODIFY, BY_PATH);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_WRITE | NOTE_EXTEND);
}

/* Use can be asked for later, too. */
static void vnode_nameless_use(struct kunit *test)
{
	struct watched *w = watched_file(test);

	KUNIT_ASSERT_EQ(test, ask(test, w, EV_CLEAR, NOTE_WRITE), 0);
	KUNIT_ASSERT_TRUE(test, lose_mark(test, w));
	say(w, FS_OPEN, BY_PATH);
	KUNIT_EXPECT_EQ(test, told(test, w), 0);
	KUNIT_ASSERT_EQ(test, ask(test, w, 0, NOTE_WRITE | NOTE_OPEN), 0);
	say(w, FS_OPEN, BY_PATH);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_OPEN);
	say(w, FS_MODIFY, BY_PATH);
	KUNIT_EXPECT_EQ(test, told(test, w), NOTE_WRITE);
}

static struct kunit_case vnode_cases[] = {
	KUNIT_CASE(vnode_events),
	KUNIT_CASE(vnode_events_at_once),
	KUNIT_CASE(vnode_size),
	KUNIT_CASE(vnode_size_before),
	KUNIT_CASE(vnode_names),
	KUNIT_CASE(vnode_names_at_once),
	KUNIT_CASE(vnode_whole_hint),
	KUNIT_CASE(vnode_two_hints),
	KUNIT_CASE(vnode_level),
	KUNIT_CASE(vnode_asked_anew),
	KUNIT_CASE(vnode_from_now),
	KUNIT_CASE(vnode_revoked),
	KUNIT_CASE(vnode_nameless),
	KUNIT_CASE(vnode_nameless_size),
	KUNIT_CASE(vnode_nameless_use),
	{}
};

static struct kunit_suite vnode_suite = {
	.name = "kevent_vnode",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = watched_init,
	.exit = watched_exit,
	.test_cases = vnode_cases,
};

kunit_test_suite(vnode_suite);
