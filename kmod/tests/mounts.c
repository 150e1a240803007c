// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_FS: what two lists of mounts differ in. The knote is a real one, but instead
 * of the kernel's list it is given one that the test has written, and told that it
 * has changed.
 */

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uio.h>

#include "fixture.h"

#define VQ_ASKED	(VQ_MOUNT | VQ_UNMOUNT | VQ_UPDATE)

/* --- A list ---------------------------------------------------------------- */

/**
 * struct list - what the file has, as a mountinfo of procfs
 * @text: its lines
 * @piece: so many bytes at most are read at a time
 * @err: the error of reading it, or 0
 * @changes: so often it says that it has changed
 * @real: the kernel's, which the knote had
 */
static struct list {
	const char *text;
	size_t piece;
	int err;
	unsigned int changes;
	struct file *real;
} list;

static ssize_t list_read(struct kiocb *iocb, struct iov_iter *to)
{
	size_t left = strlen(list.text) - iocb->ki_pos;
	size_t len = min3(left, list.piece, iov_iter_count(to));

	if (list.err)
		return list.err;
	len = copy_to_iter(list.text + iocb->ki_pos, len, to);
	iocb->ki_pos += len;
	return len;
}

static __poll_t list_poll(struct file *file, poll_table *wait)
{
	__poll_t ready = EPOLLIN | EPOLLRDNORM;

	if (list.changes) {
		list.changes--;
		ready |= EPOLLERR | EPOLLPRI;
	}
	return ready;
}

static const struct file_operations list_fops = {
	.owner = THIS_MODULE,
	.read_iter = list_read,
	.poll = list_poll,
	.llseek = noop_llseek,
};

static int watch(struct kunit *test, u16 flags, u32 fflags)
{
	struct fixture *fix = test->priv;
	struct kevent_record kev = {
		.filter = EVFILT_FS,
		.flags = flags,
		.fflags = fflags,
	};

	return change(fix->kq, &kev);
}

static struct knote *knote(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct knote *kn = find_knote(fix->kq, 0, EVFILT_FS);

	KUNIT_ASSERT_NOT_NULL(test, kn);
	return kn;
}

/* The list becomes this one. */
static void show(struct kunit *test, const char *text)
{
	list.text = text;
	list.changes = 1;
	knote_activate(knote(test));
}

/* It has the wait queue of the real one, which must stay. */
static void take_list(struct kunit *test, struct file *file)
{
	struct knote *kn = knote(test);

	list.real = kn->poll.file;
	kn->poll.file = file;
}

/* A knote that has seen no mounts, and asks for all. */
static int mounts_init(struct kunit *test)
{
	struct fixture *fix;
	struct file *file;
	int ret;

	list = (struct list){ .text = "", .piece = PAGE_SIZE };
	ret = fixture_init(test);
	if (ret)
		return ret;
	fix = test->priv;
	file = anon_inode_getfile("[kevent-mounts]", &list_fops, NULL, O_RDONLY);
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = watch(test, EV_ADD, VQ_ASKED);
	if (ret) {
		fput(file);
		return ret;
	}
	take_list(test, file);
	show(test, "");
	return collect(fix->kq, fix->ev, COLLECT_MAX) == 1 ? 0 : -EIO;
}

static void mounts_exit(struct kunit *test)
{
	fixture_exit(test);
	if (list.real)
		fput(list.real);
}

/* --- What is told ----------------------------------------------------------- */

/* So many have come, gone, and changed. */
struct changes {
	u32 mounts;
	u32 unmounts;
	u32 updates;
};

static u32 notes_of(const struct changes *changes)
{
	return (changes->mounts ? VQ_MOUNT : 0) |
	       (changes->unmounts ? VQ_UNMOUNT : 0) |
	       (changes->updates ? VQ_UPDATE : 0);
}

/* An event that tells just this; or none, if it is nothing. */
static void expect_told(struct kunit *test, const struct changes *changes,
			const char *what)
{
	struct fixture *fix = test->priv;
	int n = collect(fix->kq, fix->ev, COLLECT_MAX);

	KUNIT_EXPECT_EQ_MSG(test, n, !!notes_of(changes), "%s", what);
	if (n != 1)
		return;
	KUNIT_EXPECT_EQ(test, fix->ev[0].filter, EVFILT_FS);
	KUNIT_EXPECT_EQ_MSG(test, fix->ev[0].fflags, notes_of(changes), "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, fix->ev[0].ext[0], changes->mounts, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, fix->ev[0].ext[1], changes->unmounts, "%s", what);
	KUNIT_EXPECT_EQ_MSG(test, fix->ev[0].data,
			    (s64)changes->mounts + changes->unmounts + changes->updates,
			    "%s", what);
}

/* From one list to another. */
struct difference {
	const char *what;
	const char *old;
	const char *new;
	struct changes changes;
};

static void expect_difference(struct kunit *test, const struct difference *diff)
{
	struct fixture *fix = test->priv;

	show(test, diff->old);
	KUNIT_EXPECT_EQ(test, collect(fix->kq, fix->ev, COLLECT_MAX), 1);
	show(test, diff->new);
	expect_told(test, &diff->changes, diff->what);
}

/* Nothing stays of it: the next look finds nothing. */
static void expect_differences(struct kunit *test, const struct difference *diff,
			       unsigned int n)
{
	static const size_t pieces[] = { 1, 7, PAGE_SIZE };
	unsigned int i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < ARRAY_SIZE(pieces); k++) {
			list.piece = pieces[k];
			expect_difference(test, &diff[i]);
			expect_told(test, &(struct changes){}, diff[i].what);
		}
}

/* --- Whole mounts ------------------------------------------------------------ */

#define ROOT	"20 1 0:20 / / rw,relatime shared:1 - ramfs rootfs rw\n"
#define PROC	"21 20 0:21 / /proc rw,nosuid - proc none rw\n"
#define TMP	"30 20 0:22 / /tmp rw - tmpfs none rw,size=64k\n"
#define DATA	"131 20 8:1 /sub /data rw master:3 - ext4 /dev/sda1 rw\n"

/* Another one with the number of /tmp; the same with other options; of /data, too. */
#define TMP_OTHER	"30 20 0:23 / /other rw - tmpfs none rw,size=64k\n"
#define TMP_RO		"30 20 0:22 / /tmp ro - tmpfs none rw,size=64k\n"
#define DATA_RO		"131 20 8:1 /sub /data ro master:3 - ext4 /dev/sda1 rw\n"
#define DATA_OTHER	"131 20 8:2 /sub /data rw master:3 - ext4 /dev/sda2 rw\n"

/* What has come, gone, changed, or made place for another of the same number. */
static void mounts_differ(struct kunit *test)
{
	static const struct difference cases[] = {
		{ "none", "", "", { 0, 0, 1 } },
		{ "the first", "", ROOT, { 1, 0, 0 } },
		{ "the last", ROOT, "", { 0, 1, 0 } },
		{ "all come", "", ROOT PROC TMP DATA, { 4, 0, 0 } },
		{ "all go", ROOT PROC TMP DATA, "", { 0, 4, 0 } },
		{ "all others", ROOT PROC, TMP DATA, { 2, 2, 0 } },
		{ "all others, before", TMP DATA, ROOT PROC, { 2, 2, 0 } },
		{ "between each other", ROOT TMP, PROC DATA, { 2, 2, 0 } },
		{ "no difference", ROOT PROC TMP, ROOT PROC TMP, { 0, 0, 1 } },
		{ "one more, first", PROC TMP, ROOT PROC TMP, { 1, 0, 0 } },
		{ "one more, between", ROOT TMP, ROOT PROC TMP, { 1, 0, 0 } },
		{ "one more, last", ROOT PROC, ROOT PROC TMP, { 1, 0, 0 } },
		{ "one less, first", ROOT PROC TMP, PROC TMP, { 0, 1, 0 } },
		{ "one less, between", ROOT PROC TMP, ROOT TMP, { 0, 1, 0 } },
		{ "one less, last", ROOT PROC TMP, ROOT PROC, { 0, 1, 0 } },
		{ "number reused", ROOT TMP DATA, ROOT TMP_OTHER DATA, { 1, 1, 0 } },
		{ "both reused", TMP DATA, TMP_OTHER DATA_OTHER, { 2, 2, 0 } },
		{ "changed", ROOT TMP DATA, ROOT TMP_RO DATA, { 0, 0, 1 } },
		{ "both changed", TMP DATA, TMP_RO DATA_RO, { 0, 0, 2 } },
		{ "changed, and one more", ROOT TMP, ROOT TMP_RO DATA, { 1, 0, 1 } },
		{ "changed, and one less", ROOT TMP, TMP_RO, { 0, 1, 1 } },
		{ "all of that", ROOT TMP DATA, PROC TMP_RO DATA_OTHER, { 2, 2, 1 } },
	};

	expect_differences(test, cases, ARRAY_SIZE(cases));
}

/* In whatever order they are listed, it is the numbers that count. */
static void mounts_unsorted(struct kunit *test)
{
	static const struct difference cases[] = {
		{ "reversed", ROOT PROC TMP DATA, DATA TMP PROC ROOT, { 0, 0, 1 } },
		{ "back", DATA TMP PROC ROOT, ROOT PROC TMP DATA, { 0, 0, 1 } },
		{ "one more", DATA ROOT TMP, PROC TMP DATA ROOT, { 1, 0, 0 } },
		{ "one less", PROC TMP DATA ROOT, DATA ROOT TMP, { 0, 1, 0 } },
		{ "changed", TMP ROOT, ROOT TMP_RO, { 0, 0, 1 } },
		{ "reused", TMP ROOT, ROOT TMP_OTHER, { 1, 1, 0 } },
		/* As text, 131 is before 20, and 9 is last. */
		{ "of one digit", DATA ROOT, DATA ROOT
		  "9 1 0:9 / / rw - ramfs none rw\n", { 1, 0, 0 } },
		/* As signed numbers, or by their difference, the first is less. */
		{ "large", "4294967295 1 0:9 / / rw - ramfs none rw\n" ROOT,
		  ROOT "2147483648 1 0:9 / / rw - ramfs none rw\n"
		  "4294967295 1 0:9 / / rw - ramfs none rw\n", { 1, 0, 0 } },
	};

	expect_differences(test, cases, ARRAY_SIZE(cases));
}

/* --- The fields of a mount -------------------------------------------------- */

/* Another device, root, place, type or source is another mount; the rest changes. */
static void mounts_fields(struct kunit *test)
{
	static const struct difference cases[] = {
		{ "number", "7 1 0:9 / /a rw - t s rw\n",
		  "8 1 0:9 / /a rw - t s rw\n", { 1, 1, 0 } },
		{ "parent", "7 1 0:9 / /a rw - t s rw\n",
		  "7 2 0:9 / /a rw - t s rw\n", { 0, 0, 1 } },
		{ "device", "7 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:8 / /a rw - t s rw\n", { 1, 1, 0 } },
		{ "root", "7 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 /x /a rw - t s rw\n", { 1, 1, 0 } },
		{ "place", "7 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 / /b rw - t s rw\n", { 1, 1, 0 } },
		{ "options", "7 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 / /a ro - t s rw\n", { 0, 0, 1 } },
		{ "shared", "7 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 / /a rw shared:1 - t s rw\n", { 0, 0, 1 } },
		{ "of another group", "7 1 0:9 / /a rw shared:1 - t s rw\n",
		  "7 1 0:9 / /a rw shared:2 - t s rw\n", { 0, 0, 1 } },
		{ "a slave, too", "7 1 0:9 / /a rw shared:1 - t s rw\n",
		  "7 1 0:9 / /a rw shared:1 master:2 - t s rw\n", { 0, 0, 1 } },
		{ "private", "7 1 0:9 / /a rw shared:1 master:2 - t s rw\n",
		  "7 1 0:9 / /a rw - t s rw\n", { 0, 0, 1 } },
		{ "type", "7 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 / /a rw - u s rw\n", { 1, 1, 0 } },
		{ "type, shared", "7 1 0:9 / /a rw shared:1 - t s rw\n",
		  "7 1 0:9 / /a rw shared:1 - u s rw\n", { 1, 1, 0 } },
		{ "source", "7 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 / /a rw - t x rw\n", { 1, 1, 0 } },
		{ "source, shared", "7 1 0:9 / /a rw shared:1 master:2 - t s rw\n",
		  "7 1 0:9 / /a rw shared:1 master:2 - t x rw\n", { 1, 1, 0 } },
		{ "its options", "7 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 / /a rw - t s rw,x\n", { 0, 0, 1 } },
	};

	expect_differences(test, cases, ARRAY_SIZE(cases));
}

/* Where a field ends matters; and a dash ends the first part only if it is alone. */
static void mounts_field_ends(struct kunit *test)
{
	static const struct difference cases[] = {
		{ "a letter moves on", "7 1 0:9 / /a rw - tx s rw\n",
		  "7 1 0:9 / /a rw - t xs rw\n", { 1, 1, 0 } },
		{ "fields change places", "7 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 / /a rw - s t rw\n", { 1, 1, 0 } },
		{ "source is a dash", "7 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 / /a rw - t - rw\n", { 1, 1, 0 } },
		{ "options after a dash", "7 1 0:9 / /a rw - t - rw\n",
		  "7 1 0:9 / /a rw - t - ro\n", { 0, 0, 1 } },
		{ "type is a dash", "7 1 0:9 / /a rw - - s rw\n",
		  "7 1 0:9 / /a rw - - s ro\n", { 0, 0, 1 } },
		{ "dashes in names", "7 1 0:9 / /-/-a- rw - t s rw\n",
		  "7 1 0:9 / /-/-a- rw - t x rw\n", { 1, 1, 0 } },
		{ "dash before a name", "7 1 0:9 / /a rw -x - t s rw\n",
		  "7 1 0:9 / /a rw -x - t x rw\n", { 1, 1, 0 } },
		{ "two dashes", "7 1 0:9 / /a rw -- x y - t s rw\n",
		  "7 1 0:9 / /a rw -- x y - t x rw\n", { 1, 1, 0 } },
		{ "dash behind a name", "7 1 0:9 / /a rw x- - t s rw\n",
		  "7 1 0:9 / /a rw x- - t x rw\n", { 1, 1, 0 } },
		/* The next line begins with its first field. */
		{ "place, below", "7 1 0:9 / /a rw - t s rw\n8 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 / /a rw - t s rw\n8 1 0:9 / /b rw - t s rw\n", { 1, 1, 0 } },
		{ "options, below", "7 1 0:9 / /a rw - t s rw\n8 1 0:9 / /a rw - t s rw\n",
		  "7 1 0:9 / /a rw - t s rw\n8 1 0:9 / /a ro - t s rw\n", { 0, 0, 1 } },
	};

	expect_differences(test, cases, ARRAY_SIZE(cases));
}

/* --- Many --------------------------------------------------------------------- */

#define MANY		1000
#define LINE_ROOM	64

/* A list of many mounts, from the last to the first. */
static char *many(struct kunit *test, unsigned int n)
{
	char *text = kunit_kzalloc(test, MANY * LINE_ROOM, GFP_KERNEL);
	size_t len = 0;

	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_ASSERT_LE(test, n, MANY);
	while (n--)
		len += snprintf(text + len, LINE_ROOM,
				"%u 1 0:%u / /mnt/%u rw,relatime - tmpfs none rw\n",
				100 + n, n, n);
	return text;
}

/* However long a list is, all of it is kept: where it grows, and in between. */
static void mounts_many(struct kunit *test)
{
	static const unsigned int lens[] = {
		0, 1, 63, 64, 65, 127, 128, 129, 255, 256, 257, 512, 513, MANY,
	};
	struct fixture *fix = test->priv;
	char *text[ARRAY_SIZE(lens)];
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(lens); i++)
		text[i] = many(test, lens[i]);
	for (i = 0; i < ARRAY_SIZE(lens); i++)
		for (k = 0; k < ARRAY_SIZE(lens); k++) {
			struct changes changes = {
				.mounts = max(lens[k], lens[i]) - lens[i],
				.unmounts = max(lens[k], lens[i]) - lens[k],
				.updates = i == k,
			};

			show(test, text[i]);
			collect(fix->kq, fix->ev, COLLECT_MAX);
			show(test, text[k]);
			expect_told(test, &changes, "many");
		}
}

/* --- What is asked for, and when ---------------------------------------------- */

/* Two come, three go, one changes. */
#define OLD_SIX		ROOT PROC TMP DATA "40 1 0:1 / /x rw - t s rw\n"
#define NEW_SIX		ROOT TMP_RO DATA_OTHER "50 1 0:1 / /y rw - t s rw\n"

static const struct changes six = { 2, 3, 1 };

/* Only what is asked for is told, and counted. */
static void mounts_asked(struct kunit *test)
{
	struct fixture *fix = test->priv;
	struct changes changes;
	u32 asked, bit;

	for (bit = 0; bit < 8; bit++) {
		asked = (bit & 1 ? VQ_MOUNT : 0) | (bit & 2 ? VQ_UNMOUNT : 0) |
			(bit & 4 ? VQ_UPDATE : 0);
		changes.mounts = asked & VQ_MOUNT ? six.mounts : 0;
		changes.unmounts = asked & VQ_UNMOUNT ? six.unmounts : 0;
		changes.updates = asked & VQ_UPDATE ? six.updates : 0;

		KUNIT_ASSERT_EQ(test, watch(test, EV_ADD, asked), 0);
		show(test, OLD_SIX);
		collect(fix->kq, fix->ev, COLLECT_MAX);
		show(test, NEW_SIX);
		expect_told(test, &changes, "asked");
		expect_told(test, &(struct changes){}, "asked");
	}
	/* Of the others there is never anything to tell. */
	KUNIT_ASSERT_EQ(test, watch(test, EV_ADD, VQ_NOTRESP | VQ_NEEDAUTH |
				    VQ_LOWDISK | VQ_DEAD | VQ_ASSIST |
				    VQ_NOTRESPLOCK), 0);
	show(test, OLD_SIX);
	expect_told(test, &(struct changes){}, "others");
}

/* What has happened before a change of what is asked for is as was asked until then. */
static void mounts_asked_anew(struct kunit *test)
{
	static const struct changes mounts = { 4, 0, 0 };

	KUNIT_ASSERT_EQ(test, watch(test, EV_ADD, VQ_MOUNT), 0);
	show(test, ROOT PROC TMP DATA);
	KUNIT_ASSERT_EQ(test, watch(test, EV_ADD, VQ_UNMOUNT), 0);
	expect_told(test, &mounts, "mounts");
	show(test, ROOT PROC TMP);
	KUNIT_EXPECT_EQ(test, watch(test, EV_ADD, VQ_UPDATE | 0x200), -EINVAL);
	expect_told(test, &(struct changes){ 0, 1, 0 }, "unmounts");
}

/* Looks at several changes are one event; after that it begins anew. */
static void mounts_sum(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, watch(test, EV_DISABLE, VQ_ASKED), 0);
	show(test, ROOT TMP);
	KUNIT_ASSERT_EQ(test, watch(test, EV_ADD | EV_DISABLE, VQ_ASKED), 0);
	show(test, ROOT TMP_RO DATA);
	KUNIT_ASSERT_EQ(test, watch(test, EV_ADD | EV_DISABLE, VQ_ASKED), 0);
	show(test, ROOT);
	KUNIT_ASSERT_EQ(test, watch(test, EV_ADD | EV_DISABLE, VQ_ASKED), 0);
	expect_told(test, &(struct changes){}, "disabled");
	KUNIT_ASSERT_EQ(test, watch(test, EV_ENABLE, VQ_ASKED), 0);
	expect_told(test, &(struct changes){ 3, 2, 1 }, "enabled");
	expect_told(test, &(struct changes){}, "again");
	show(test, ROOT PROC);
	expect_told(test, &(struct changes){ 1, 0, 0 }, "anew");
}

/* A list that has changed again while it was read is no change that was not seen. */
static void mounts_twice(struct kunit *test)
{
	show(test, ROOT);
	list.changes = 2;
	expect_told(test, &(struct changes){ 1, 0, 0 }, "twice");
	expect_told(test, &(struct changes){}, "twice");
	/* If nothing is to be seen, it is one. */
	show(test, ROOT);
	list.changes = 2;
	expect_told(test, &(struct changes){ 0, 0, 1 }, "nothing");
	/* Who changes it all the time does not keep others; it is told later. */
	show(test, ROOT PROC);
	list.changes = UINT_MAX;
	expect_told(test, &(struct changes){ 1, 0, 0 }, "always");
	KUNIT_EXPECT_GT(test, list.changes, UINT_MAX - 10);
}

/* --- Errors --------------------------------------------------------------------- */

/* A list that cannot be read has changed; what it was is compared when it can be. */
static void mounts_unreadable(struct kunit *test)
{
	struct fixture *fix = test->priv;

	show(test, OLD_SIX);
	collect(fix->kq, fix->ev, COLLECT_MAX);
	list.err = -EIO;
	show(test, NEW_SIX);
	expect_told(test, &(struct changes){ 0, 0, 1 }, "unreadable");
	expect_told(test, &(struct changes){}, "unreadable");
	list.err = 0;
	show(test, NEW_SIX);
	expect_told(test, &six, "readable");
}

/* Without memory, and in a thread that is being killed, it is looked at later. */
static void mounts_later(struct kunit *test)
{
	static const int errs[] = { -ENOMEM, -EINTR };
	struct fixture *fix = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errs); i++) {
		show(test, OLD_SIX);
		collect(fix->kq, fix->ev, COLLECT_MAX);
		list.err = errs[i];
		show(test, NEW_SIX);
		expect_told(test, &(struct changes){}, "no memory");
		KUNIT_EXPECT_EQ(test, watch(test, EV_ADD, VQ_MOUNT), errs[i]);
		expect_told(test, &(struct changes){}, "no memory");
		/* Nobody tells it again. */
		list.err = 0;
		expect_told(test, &six, "memory");
		expect_told(test, &(struct changes){}, "memory");
	}
}

static struct kunit_case mounts_cases[] = {
	KUNIT_CASE(mounts_differ),
	KUNIT_CASE(mounts_unsorted),
	KUNIT_CASE(mounts_fields),
	KUNIT_CASE(mounts_field_ends),
	KUNIT_CASE(mounts_many),
	KUNIT_CASE(mounts_asked),
	KUNIT_CASE(mounts_asked_anew),
	KUNIT_CASE(mounts_sum),
	KUNIT_CASE(mounts_twice),
	KUNIT_CASE(mounts_unreadable),
	KUNIT_CASE(mounts_later),
	{}
};

static struct kunit_suite mounts_suite = {
	.name = "kevent_fs",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = mounts_init,
	.exit = mounts_exit,
	.test_cases = mounts_cases,
};

kunit_test_suite(mounts_suite);
