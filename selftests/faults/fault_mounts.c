// SPDX-License-Identifier: BSD-2-Clause
/*
 * EVFILT_FS when memory runs out at any point, where the list of mounts is long enough
 * to grow twice: what has changed is told by the next look that has memory, all of it.
 */
#include "fault.h"
#include "files.h"
#include "peers.h"

#define ALL	(VQ_MOUNT | VQ_UNMOUNT | VQ_UPDATE)

/* The list has room for 64, then 128, then 256. */
#define MANY	140
#define MOVED	3	/* so many go, and come at another place */

/* Memory for reading the list, and each time that it grows. */
#define LEAST	4

FIXTURE(mounts)
{
	struct fault f;
	int kq;
	struct folder folder;
};

static int mount_at(const char *path)
{
	return mount("source", path, NULL, MS_BIND, NULL);
}

/* Where the @num-th of those that move is, on one side or the other. */
static const char *place(int side, int num)
{
	static char path[16];

	snprintf(path, sizeof(path), "%c%d", 'a' + side, num);
	return path;
}

static int side;

/* They go, and come on the other side. Returns 0, or the errno. */
static int move_mounts(void)
{
	int i;

	for (i = 0; i < MOVED; i++)
		if (umount(place(side, i)) || mount_at(place(!side, i)))
			return errno;
	side = !side;
	return 0;
}

/* Many mounts that stay, and those that move. Returns 0, or the errno. */
static int make_mounts(void)
{
	char path[16];
	int i;

	if (mkdir("source", 0700) || mkdir("more", 0700))
		return errno;
	for (i = 0; i < MANY; i++) {
		snprintf(path, sizeof(path), "m%d", i);
		if (mkdir(path, 0700) || mount_at(path))
			return errno;
	}
	for (i = 0; i < MOVED; i++)
		if (mkdir(place(0, i), 0700) || mkdir(place(1, i), 0700) ||
		    mount_at(place(side, i)))
			return errno;
	return 0;
}

static int watch(int kq, unsigned int fflags)
{
	return kq_change(kq, 0, EVFILT_FS, EV_ADD, fflags, 0, NULL);
}

FIXTURE_SETUP(mounts)
{
	const char *why = fault_setup(&self->f);

	if (why)
		SKIP(_exit(255), "%s", why);
	ASSERT_TRUE(own_mounts());
	ASSERT_TRUE(folder_enter(&self->folder));
	ASSERT_EQ(0, mount_tmpfs(self->folder.path));
	ASSERT_EQ(0, chdir(self->folder.path));
	ASSERT_EQ(0, make_mounts());
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	/* The first of all has the kernel mount something, which stays. */
	ASSERT_EQ(0, watch(self->kq, ALL));
	ASSERT_EQ(0, kq_set(self->kq, 0, EVFILT_FS, EV_DELETE));
}

/* The mounts go with the namespace. */
FIXTURE_TEARDOWN(mounts)
{
	EXPECT_TRUE(fault_done(&self->f));
	close(self->kq);
	EXPECT_EQ(0, chdir("/"));
	EXPECT_EQ(0, umount2(self->folder.path, MNT_DETACH));
	folder_leave(&self->folder);
	EXPECT_TRUE(all_freed());
}

static int call_watch(const struct fault_case *c)
{
	return watch(c->kq[0], ALL);
}

static int undo_watch(const struct fault_case *c)
{
	return kq_set(c->kq[0], 0, EVFILT_FS, EV_DELETE);
}

/* Registering fails with ENOMEM, and leaves nothing. */
TEST_F_TIMEOUT(mounts, add, 120)
{
	struct fault_case c = {
		.name = "add, with many mounts", .call = call_watch,
		.undo = undo_watch, .kq = { self->kq, -1 },
		.may = MAY_ENOMEM | MAY_EFAULT, .least = 8 + LEAST,
	};

	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	ASSERT_EQ(0, kq_count(self->kq));
}

static bool all_moved(const struct kevent *ev)
{
	return ev->fflags == (VQ_MOUNT | VQ_UNMOUNT) && ev->data == 2 * MOVED &&
	       ev->ext[0] == MOVED && ev->ext[1] == MOVED;
}

/* A look that has no memory finds nothing, this time. */
static int call_look(const struct fault_case *c)
{
	struct kevent ev;
	int n = kq_collect(c->kq[0], &ev, 1);

	if (n != 1)
		return n ? errno : ENOMEM;
	return all_moved(&ev) ? 0 : EINVAL;
}

static int undo_look(const struct fault_case *c)
{
	(void)c;
	return move_mounts();
}

/* A look that fails changes nothing: the next one tells of all that has changed. */
TEST_F_TIMEOUT(mounts, look, 120)
{
	struct fault_case c = {
		.name = "look at many mounts", .call = call_look,
		.undo = undo_look, .kq = { self->kq, -1 },
		.may = MAY_ENOMEM | MAY_EFAULT, .least = LEAST,
	};

	ASSERT_EQ(0, watch(self->kq, ALL));
	ASSERT_EQ(0, move_mounts());
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	ASSERT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(0, kq_count(self->kq));
}

static int call_ask(const struct fault_case *c)
{
	return watch(c->kq[0], VQ_UPDATE);
}

/* What was seen by the change is told as it was asked for before that. */
static int undo_ask(const struct fault_case *c)
{
	return call_look(c) ? : watch(c->kq[0], ALL) ? : move_mounts();
}

/* A change of what is asked for looks as well, and is not made if that fails. */
TEST_F_TIMEOUT(mounts, ask, 120)
{
	struct fault_case c = {
		.name = "ask for other changes of many mounts", .call = call_ask,
		.undo = undo_ask, .kq = { self->kq, -1 },
		.may = MAY_ENOMEM | MAY_EFAULT, .least = LEAST,
	};

	ASSERT_EQ(0, watch(self->kq, ALL));
	ASSERT_EQ(0, move_mounts());
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
}

/* Add what there is to what was told. How many events: 0, 1, or -1 for an error. */
static int add_up(int kq, struct kevent *sum)
{
	struct kevent ev;
	int n = kq_collect(kq, &ev, 1);

	if (n == 1) {
		sum->data += ev.data;
		sum->ext[0] += ev.ext[0];
		sum->ext[1] += ev.ext[1];
	}
	return n;
}

/*
 * The @nth step of a look fails, and then more changes. Returns 0 if it had no memory,
 * 1 if it did not need that, or -1 for an error.
 */
static int fail_and_change(struct fault *f, int kq, int nth, struct kevent *sum)
{
	int n;

	if (move_mounts() || !fault_set(f, nth))
		return -1;
	n = add_up(kq, sum);
	fault_end(f);
	if (n < 0 && errno == EFAULT)
		n = 1;
	return n < 0 || mount_at("more") || add_up(kq, sum) != 1 ? -1 : n;
}

/* All that has moved, and one more. */
static bool is_sum(const struct kevent *sum)
{
	return sum->data == 2 * MOVED + 1 && sum->ext[0] == MOVED + 1 &&
	       sum->ext[1] == MOVED;
}

/* Each step in turn. How many looks had no memory, or -1 if one has told the wrong. */
static int sweep(struct fault *f, int kq)
{
	int n, found, failed = 0;

	for (n = 1, f->hit = true; f->hit; n++) {
		struct kevent sum = { 0 };

		found = fail_and_change(f, kq, n, &sum);
		if (found < 0 || !is_sum(&sum) || kq_count(kq) || umount("more") ||
		    kq_count(kq) != 1 || n > FAULT_MOST) {
			printf("# number %d fails: %lld changes told\n", n,
			       (long long)sum.data);
			return -1;
		}
		failed += !found;
	}
	return failed;
}

/* What has changed before and after a look that failed is told together, once. */
TEST_F_TIMEOUT(mounts, more_changes, 120)
{
	int attempt, failed, found;
	size_t pass;

	ASSERT_EQ(0, watch(self->kq, ALL));
	for (pass = 0; pass < FAULT_PASSES; pass++) {
		ASSERT_TRUE(fault_pass_begin(&self->f, pass));
		/* As in fault_sweep(): one that was jumped over has another chance. */
		for (attempt = 0, failed = 0;
		     attempt < FAULT_ATTEMPTS && failed < LEAST; attempt++) {
			found = sweep(&self->f, self->kq);
			ASSERT_LE(0, found);
			failed += found;
		}
		EXPECT_LE(LEAST, failed);
	}
}

TEST_HARNESS_MAIN
