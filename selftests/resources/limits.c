// SPDX-License-Identifier: BSD-2-Clause
/* How much a user may have, and what happens when a memory cgroup is full. */
#include "quota.h"

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define MAX		10	/* registrations beside one queue */

FIXTURE(limit)
{
	long saved;		/* the parameter; -1 unless it was changed */
	long cost;		/* what a queue counts for */
};

FIXTURE_SETUP(limit)
{
	self->saved = -1;
	if (geteuid())
		return;
	self->saved = read_number(MAX_USER_KNOTES);
	ASSERT_LT(0, self->saved);
	self->cost = queue_cost();
	ASSERT_LE(0, self->cost);
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, self->cost + MAX));
}

FIXTURE_TEARDOWN(limit)
{
	if (self->saved < 0)
		return;
	EXPECT_EQ(0, setresuid(0, 0, 0));
	EXPECT_EQ(0, write_number(MAX_USER_KNOTES, self->saved));
}

#define WHY_SKIPPED	"changes users and the limit: needs root"

/* One more than a user may have is ENOSPC, as errno and as record. */
TEST_F(limit, enospc)
{
	struct kevent kev;
	int kq;

	if (self->saved < 0)
		SKIP(return, WHY_SKIPPED);
	kq = queue_of(ALICE);
	ASSERT_LE(0, kq);
	ASSERT_EQ(0, add_users(kq, 1, MAX));
	EXPECT_EQ(ENOSPC, kq_set(kq, 99, EVFILT_USER, EV_ADD));
	EXPECT_EQ(ENOSPC, kq_change(kq, 99, EVFILT_TIMER, EV_ADD, 0, 1, NULL));
	EXPECT_EQ(ENOSPC, kq_set(kq, 0, EVFILT_READ, EV_ADD));
	EV_SET(&kev, 99, EVFILT_USER, EV_ADD, 0, 0, NULL);
	ASSERT_EQ(1, kevent(kq, &kev, 1, &kev, 1, NULL));
	EXPECT_EQ(EV_ERROR, kev.flags);
	EXPECT_EQ(ENOSPC, kev.data);
	/* Nothing came of them, and what there is can be used and changed. */
	EXPECT_EQ(ENOENT, kq_trigger(kq, 99));
	EXPECT_EQ(0, kq_set(kq, MAX, EVFILT_USER, EV_ADD));
	EXPECT_EQ(0, kq_trigger(kq, MAX));
	EXPECT_EQ(1, kq_count(kq));
	close(kq);
}

/* Deleting, delivering for the last time and closing give it back at once. */
TEST_F(limit, given_back)
{
	int kq, p[2];

	if (self->saved < 0)
		SKIP(return, WHY_SKIPPED);
	ASSERT_EQ(0, pipe(p));
	kq = queue_of(ALICE);
	ASSERT_LE(0, kq);
	ASSERT_EQ(0, add_users(kq, 1, MAX));

	ASSERT_EQ(0, kq_set(kq, 1, EVFILT_USER, EV_DELETE));
	ASSERT_EQ(0, kq_set(kq, 1, EVFILT_USER, EV_ADD | EV_ONESHOT));
	EXPECT_EQ(ENOSPC, kq_set(kq, 99, EVFILT_USER, EV_ADD));

	ASSERT_EQ(0, kq_trigger(kq, 1));
	ASSERT_EQ(1, kq_count(kq));
	ASSERT_EQ(0, kq_set(kq, p[0], EVFILT_READ, EV_ADD));
	EXPECT_EQ(ENOSPC, kq_set(kq, 99, EVFILT_USER, EV_ADD));

	close(p[0]);
	ASSERT_EQ(0, kq_change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 3600000, NULL));
	EXPECT_EQ(ENOSPC, kq_set(kq, 99, EVFILT_USER, EV_ADD));

	close(kq);
	kq = queue_of(ALICE);
	ASSERT_LE(0, kq);
	EXPECT_EQ(0, add_users(kq, 1, MAX));
	EXPECT_EQ(ENOSPC, kq_set(kq, 99, EVFILT_USER, EV_ADD));
	close(kq);
}

/* The limit is for all queues of a user together, and for each user alone. */
TEST_F(limit, for_each_user)
{
	int a1, a2, b, b2;

	if (self->saved < 0)
		SKIP(return, WHY_SKIPPED);
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, 2 * self->cost + MAX));
	a1 = queue_of(ALICE);
	a2 = queue_of(ALICE);
	b = queue_of(BOB);
	b2 = queue_of(BOB);
	ASSERT_LE(0, a1);
	ASSERT_LE(0, a2);
	ASSERT_LE(0, b);
	ASSERT_LE(0, b2);
	ASSERT_EQ(0, add_users(a1, 1, MAX - 1));
	ASSERT_EQ(0, add_users(a2, 1, 1));
	EXPECT_EQ(ENOSPC, add_users(a1, 100, 100));
	EXPECT_EQ(ENOSPC, add_users(a2, 100, 100));
	EXPECT_EQ(0, add_users(b, 1, MAX));
	EXPECT_EQ(ENOSPC, add_users(b, 100, 100));
	close(a1);
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, self->cost + MAX));
	EXPECT_EQ(0, add_users(a2, 2, MAX));
	EXPECT_EQ(ENOSPC, add_users(a2, 100, 100));
	close(a2);
	close(b);
	close(b2);
}

/* A registration that fails for another reason is not counted. */
TEST_F(limit, failures_are_free)
{
	int i, kq;

	if (self->saved < 0)
		SKIP(return, WHY_SKIPPED);
	kq = queue_of(ALICE);
	ASSERT_LE(0, kq);
	for (i = 0; i < 3 * MAX; i++) {
		ASSERT_EQ(EINVAL, kq_change(kq, i, EVFILT_TIMER, EV_ADD, 0, -1, NULL));
		ASSERT_EQ(ELOOP, kq_set(kq, kq, EVFILT_READ, EV_ADD));
		ASSERT_EQ(EBADF, kq_set(kq, 10000, EVFILT_READ, EV_ADD));
	}
	EXPECT_EQ(0, add_users(kq, 1, MAX));
	close(kq);
}

/* A queue counts, too, by its memory: too many are ENOMEM, as on FreeBSD. */
TEST_F(limit, queues)
{
	enum { FIT = 3 };
	int kq[FIT], i;

	if (self->saved < 0)
		SKIP(return, WHY_SKIPPED);
	ASSERT_LT(0, self->cost);
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, FIT * self->cost));
	for (i = 0; i < FIT; i++) {
		kq[i] = queue_of(ALICE);
		ASSERT_LE(0, kq[i]);
	}
	EXPECT_EQ(-1, queue_of(ALICE));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(ENOSPC, kq_set(kq[0], 1, EVFILT_USER, EV_ADD));
	close(kq[1]);
	kq[1] = queue_of(ALICE);
	EXPECT_LE(0, kq[1]);
	EXPECT_EQ(-1, queue_of(ALICE));
	for (i = 0; i < FIT; i++)
		close(kq[i]);
}

enum { MANY = 3000 };

/*
 * Large queues take their share in portions. That gives nobody more than the
 * limit, and keeps little from others.
 */
TEST_F(limit, portions)
{
	int a1, a2, i, n;

	if (self->saved < 0)
		SKIP(return, WHY_SKIPPED);
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, 2 * self->cost + MANY));
	a1 = queue_of(ALICE);
	a2 = queue_of(ALICE);
	ASSERT_LE(0, a1);
	ASSERT_LE(0, a2);
	ASSERT_EQ(0, add_users(a1, 1, MANY / 2));
	for (n = 0; n < MANY && !add_users(a2, n, n); n++)
		;
	EXPECT_GE(MANY / 2, n);
	EXPECT_LE(MANY / 2 - 64, n);
	/* Used up: what one gives back, the other can have, but for a few. */
	for (i = 1; i <= MANY / 2; i++)
		ASSERT_EQ(0, kq_set(a1, i, EVFILT_USER, EV_DELETE));
	for (; n < 2 * MANY && !add_users(a2, n, n); n++)
		;
	EXPECT_GE(MANY, n);
	EXPECT_LE(MANY - 8, n);
	close(a2);
	EXPECT_EQ(0, add_users(a1, 1, MANY));
	close(a1);
}

/* How much there is of them all is nobody's business but root's. */
TEST(counters)
{
	static const char *const name[] = { "queues", "knotes" };
	char path[64];
	size_t i;

	if (geteuid())
		SKIP(return, WHY_SKIPPED);
	for (i = 0; i < ARRAY_SIZE(name); i++)
		EXPECT_LE(0, kq_counter(name[i]));
	ASSERT_EQ(0, setresuid(ALICE, ALICE, 0));
	for (i = 0; i < ARRAY_SIZE(name); i++) {
		snprintf(path, sizeof(path), "/sys/class/misc/kevent/%s", name[i]);
		EXPECT_EQ(-1, open(path, O_RDONLY | O_CLOEXEC));
		EXPECT_EQ(EACCES, errno);
	}
	ASSERT_EQ(0, setresuid(0, 0, 0));
}

#define FEW	3

/* Of some filters there may be fewer. */
FIXTURE(few)
{
	long saved;		/* the parameter; -1 unless it was changed */
	int fd[2 * FEW];	/* a file */
};

FIXTURE_VARIANT(few)
{
	const char *param;
	int filter;
};

FIXTURE_VARIANT_ADD(few, timers)
{
	.param = KQ_PARAM("max_user_timers"), .filter = EVFILT_TIMER,
};

FIXTURE_VARIANT_ADD(few, files)
{
	.param = KQ_PARAM("max_user_files"), .filter = EVFILT_READ,
};

FIXTURE_SETUP(few)
{
	int i;

	self->fd[0] = memfd_create("watched", MFD_CLOEXEC);
	ASSERT_LE(0, self->fd[0]);
	for (i = 1; i < 2 * FEW; i++)
		self->fd[i] = dup(self->fd[0]);
	self->saved = -1;
	if (geteuid())
		return;
	self->saved = read_number(variant->param);
	ASSERT_LT(0, self->saved);
	ASSERT_EQ(0, write_number(variant->param, FEW));
}

FIXTURE_TEARDOWN(few)
{
	if (self->saved < 0)
		return;
	EXPECT_EQ(0, setresuid(0, 0, 0));
	EXPECT_EQ(0, write_number(variant->param, self->saved));
}

/* Change number @i of that kind. Returns 0, or the errno. */
static int few_set(int kq, int filter, const int *fd, int i, int flags)
{
	return kq_change(kq, filter == EVFILT_TIMER ? i : fd[i], filter, flags, 0,
			 filter == EVFILT_TIMER ? 3600000 : 0, NULL);
}

/* One more is ENOSPC; each that goes makes room; neither others nor their users care. */
TEST_F(few, enospc)
{
	int f = variant->filter, *fd = self->fd, i, kq, bob;

	if (self->saved < 0)
		SKIP(return, WHY_SKIPPED);
	kq = queue_of(ALICE);
	bob = queue_of(BOB);
	ASSERT_LE(0, kq);
	ASSERT_LE(0, bob);
	for (i = 0; i < FEW; i++)
		ASSERT_EQ(0, few_set(kq, f, fd, i, EV_ADD));
	EXPECT_EQ(ENOSPC, few_set(kq, f, fd, FEW, EV_ADD));
	EXPECT_EQ(ENOENT, few_set(kq, f, fd, FEW, EV_ENABLE));
	EXPECT_EQ(0, few_set(kq, f, fd, 0, EV_ADD));
	EXPECT_EQ(0, add_users(kq, 100, 110));
	EXPECT_EQ(0, few_set(bob, f, fd, 0, EV_ADD));
	for (i = 0; i < FEW; i++) {
		ASSERT_EQ(0, few_set(kq, f, fd, i, EV_DELETE));
		ASSERT_EQ(0, few_set(kq, f, fd, FEW, EV_ADD | EV_FORCEONESHOT));
		EXPECT_EQ(ENOSPC, few_set(kq, f, fd, i, EV_ADD));
		ASSERT_EQ(1, kq_count(kq));
		ASSERT_EQ(0, few_set(kq, f, fd, i, EV_ADD));
	}
	/* A failure is not counted, and closing gives back. */
	EXPECT_EQ(EINVAL, kq_change(kq, 1, EVFILT_TIMER, EV_ADD, 0, -1, NULL));
	close(kq);
	kq = queue_of(ALICE);
	for (i = 0; i < FEW; i++)
		EXPECT_EQ(0, few_set(kq, f, fd, i, EV_ADD));
	EXPECT_EQ(ENOSPC, few_set(kq, f, fd, FEW, EV_ADD));
	close(kq);
	close(bob);
}

/* A lower limit takes nothing away; a higher one counts at once. */
TEST_F(limit, changes_at_run_time)
{
	int kq;

	if (self->saved < 0)
		SKIP(return, WHY_SKIPPED);
	kq = queue_of(ALICE);
	ASSERT_LE(0, kq);
	ASSERT_EQ(0, add_users(kq, 1, MAX));
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, self->cost + MAX / 2));
	EXPECT_EQ(0, kq_trigger(kq, MAX));
	EXPECT_EQ(1, kq_count(kq));
	ASSERT_EQ(0, kq_set(kq, MAX, EVFILT_USER, EV_DELETE));
	/* What the queue has in stock is not taken from it. */
	EXPECT_EQ(0, kq_set(kq, MAX, EVFILT_USER, EV_ADD));
	EXPECT_EQ(ENOSPC, kq_set(kq, MAX + 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, self->cost + MAX + 1));
	EXPECT_EQ(0, kq_set(kq, MAX + 1, EVFILT_USER, EV_ADD));
	EXPECT_EQ(ENOSPC, kq_set(kq, 99, EVFILT_USER, EV_ADD));
	close(kq);
}

/* Write @text to @name in @dir. Returns 0, or the errno. */
static int put(const char *dir, const char *name, const char *text)
{
	char path[256];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

/*
 * A memory cgroup of our own. The process is made one that the kernel does not
 * kill for memory, so that it is refused instead; and all its pages are locked,
 * so that it needs no more of them.
 */
#define MEMORY_MIB		4
#define MEMORY_MAX		"4M"

FIXTURE(memory)
{
	char root[64];		/* a mount of cgroup2; empty: there is none */
	char group[96];
	long saved;
	long console;
	int kq;
};

FIXTURE_SETUP(memory)
{
	strcpy(self->root, "/tmp/kevent-cgroup-XXXXXX");
	mkdir("/tmp", 01777);
	if (geteuid() || !mkdtemp(self->root)) {
		self->root[0] = '\0';
		return;
	}
	if (mount("none", self->root, "cgroup2", 0, NULL) ||
	    put(self->root, "cgroup.subtree_control", "+memory")) {
		umount(self->root);
		rmdir(self->root);
		self->root[0] = '\0';
		return;
	}
	snprintf(self->group, sizeof(self->group), "%s/test-%d", self->root, getpid());
	ASSERT_EQ(0, mkdir(self->group, 0755));
	ASSERT_EQ(0, put(self->group, "memory.max", MEMORY_MAX));
	ASSERT_EQ(0, put("/proc/self", "oom_score_adj", "-1000"));
	/*
	 * Each refusal puts a stack trace into the kernel's log, a warning only.
	 * It is kept from the console, where whoever reads along would take it
	 * for a crash.
	 */
	self->console = read_number(CONSOLE_LEVEL);
	ASSERT_LT(0, self->console);
	ASSERT_EQ(0, write_number(CONSOLE_LEVEL, LEVEL_ERRORS));
	self->saved = read_number(MAX_USER_KNOTES);
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, 10000000));
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(memory)
{
	if (!self->root[0])
		return;
	close(self->kq);
	EXPECT_EQ(0, write_number(CONSOLE_LEVEL, self->console));
	EXPECT_EQ(0, write_number(MAX_USER_KNOTES, self->saved));
	EXPECT_EQ(0, put(self->root, "cgroup.procs", "0"));
	EXPECT_TRUE(WAIT_FOR(!rmdir(self->group)));
	EXPECT_EQ(0, umount(self->root));
	EXPECT_EQ(0, rmdir(self->root));
}

/* Without memory a registration is ENOMEM; the queue and all else work on. */
TEST_F_TIMEOUT(memory, enomem, 100)
{
	enum { MOST = 1000000 };
	long before = kq_counter("knotes");
	int i, n, err = 0;

	if (!self->root[0])
		SKIP(return, "needs root and the memory controller of cgroup2");
	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	ASSERT_EQ(0, put(self->group, "cgroup.procs", "0"));
	for (n = 0; n < MOST && !err; n++)
		err = kq_set(self->kq, n, EVFILT_USER, EV_ADD | EV_CLEAR);
	n--;
	ASSERT_EQ(ENOMEM, err);
	/* So many fit in, and nobody got more than was allowed. */
	EXPECT_LT(MEMORY_MIB * 1024 * 1024 / 1024, n);
	EXPECT_GT(MEMORY_MIB * 1024 * 1024 / 128, n);
	EXPECT_EQ(ENOENT, kq_trigger(self->kq, n));
	/* What there is works, and what is given up can be had again. */
	for (i = 0; i < n; i += 1000) {
		EXPECT_EQ(0, kq_trigger(self->kq, i));
		EXPECT_EQ(1, kq_count(self->kq));
	}
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, kq_set(self->kq, i, EVFILT_USER, EV_DELETE));
	EXPECT_TRUE(WAIT_FOR(kq_counter("knotes") <= before));
	EXPECT_EQ(0, add_users(self->kq, 1, 1000));
	EXPECT_EQ(0, kq_trigger(self->kq, 1000));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* The kernel's slabs, in KiB, and what the group is charged, likewise. */
static long slab_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	long kib = -1;

	/* Each CPU keeps a part of the numbers to itself until then. */
	write_number("/proc/sys/vm/stat_refresh", 1);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static long charged_kib(const char *group)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/memory.current", group);
	return read_number(path) / 1024;
}

#define QUEUES		5000

/*
 * Queues are charged with nearly all of the memory that they take; with a
 * registration by name each, all but the small table that finds it. (Each CPU may
 * have been charged for a little more or less than it has used.)
 */
static void check_charged(struct __test_metadata *_metadata, const char *group,
			  bool with_ident)
{
	int first = dup(0), i, kq;
	long slab, charged;

	ASSERT_EQ(0, put(group, "memory.max", "max"));
	ASSERT_EQ(0, put(group, "cgroup.procs", "0"));
	ASSERT_LE(0, dup2(0, first + QUEUES + 1));
	slab = slab_kib();
	charged = charged_kib(group);
	for (i = 0; i < QUEUES; i++) {
		kq = kq_open();
		ASSERT_LE(0, kq);
		if (with_ident)
			ASSERT_EQ(0, kq_set(kq, 1, EVFILT_USER, EV_ADD));
	}
	slab = slab_kib() - slab;
	charged = charged_kib(group) - charged;
	printf("# a queue takes %ld bytes, of which %ld are charged\n",
	       slab * 1024 / QUEUES, charged * 1024 / QUEUES);
	EXPECT_LT(QUEUES / 1024, slab);
	EXPECT_LE(slab * (with_ident ? 75 : 85) / 100, charged);
	close_range(first, ~0U, 0);
}

/* Why memory cannot be compared with what is charged, or NULL. */
static const char *not_comparable(const char *root)
{
	if (!root[0])
		return "needs root and the memory controller of cgroup2";
	/* It notes each allocation in one of its own. */
	if (!access("/sys/kernel/debug/kmemleak", F_OK))
		return "kmemleak takes memory, too";
	return NULL;
}

TEST_F_TIMEOUT(memory, empty_queues_charged, 100)
{
	const char *why = not_comparable(self->root);

	if (why)
		SKIP(return, "%s", why);
	check_charged(_metadata, self->group, false);
}

TEST_F_TIMEOUT(memory, queues_charged, 100)
{
	const char *why = not_comparable(self->root);

	if (why)
		SKIP(return, "%s", why);
	check_charged(_metadata, self->group, true);
}

TEST_HARNESS_MAIN
