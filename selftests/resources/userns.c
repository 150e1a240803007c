// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is used in a user namespace counts for whoever made it, however many user
 * IDs he was given for it, and through namespaces in namespaces.
 */
#include "quota.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* What the user ID 0 of the namespace is outside, and how many follow. */
#define INNER_FIRST	200000
#define INNER_IDS	16

#define ROOM		20

/* What the process in the namespaces has seen. */
struct seen {
	int step;		/* how far it came */
	int filled;		/* registrations of one ID until the limit */
	int err_other;		/* another ID's next one */
	int err_owner;		/* the owner's, outside */
	int err_nested;		/* one in a namespace inside the namespace */
	int refilled;		/* of the other ID when the first has gone */
};

FIXTURE(userns)
{
	long saved;		/* the parameter; -1 unless it was changed */
	long knotes;		/* max_user_knotes */
	long cost;		/* of a queue, in what is limited */
	long max;
	struct seen *seen;
};

FIXTURE_VARIANT(userns)
{
	const char *param;
	int filter;
};

FIXTURE_VARIANT_ADD(userns, registrations)
{
	.param = MAX_USER_KNOTES, .filter = EVFILT_USER,
};

FIXTURE_VARIANT_ADD(userns, timers)
{
	.param = KQ_PARAM("max_user_timers"), .filter = EVFILT_TIMER,
};

FIXTURE_SETUP(userns)
{
	self->saved = -1;
	if (geteuid() || access("/proc/self/ns/user", F_OK))
		return;
	self->seen = mmap(NULL, sizeof(*self->seen), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->seen);
	self->knotes = read_number(MAX_USER_KNOTES);
	self->saved = read_number(variant->param);
	ASSERT_LT(0, self->saved);
	if (variant->filter == EVFILT_USER) {
		self->cost = queue_cost();
		ASSERT_LE(0, self->cost);
	}
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, self->knotes));
	self->max = 4 * self->cost + ROOM;
	ASSERT_EQ(0, write_number(variant->param, self->max));
}

FIXTURE_TEARDOWN(userns)
{
	if (self->saved < 0)
		return;
	EXPECT_EQ(0, write_number(MAX_USER_KNOTES, self->knotes));
	EXPECT_EQ(0, write_number(variant->param, self->saved));
}

static int add(int kq, int filter, int ident)
{
	return kq_change(kq, ident, filter, EV_ADD, 0,
			 filter == EVFILT_TIMER ? 3600000 : 0, NULL);
}

/* Add until it is refused. Returns how many, -1 if for another reason. */
static int fill(int kq, int filter)
{
	int n, err = 0;

	for (n = 0; n < 1000 && !err; n++)
		err = add(kq, filter, n);
	return err == ENOSPC ? n - 1 : -1;
}

static bool put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool send_byte(int fd)
{
	return write(fd, "", 1) == 1;
}

static bool wait_byte(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

/* A queue of the ID @uid of the namespace, as whose user 0 we are. */
static int inner_queue(uid_t uid)
{
	int kq;

	if (setresuid(uid, uid, 0))
		return -1;
	kq = kqueue();
	return setresuid(0, 0, 0) ? -1 : kq;
}

/* A queue in a further namespace: only its maker's ID exists there. */
static int nested_queue(void)
{
	/* Who has changed IDs does not own his files in /proc otherwise. */
	if (unshare(CLONE_NEWUSER) || prctl(PR_SET_DUMPABLE, 1) ||
	    !put_text("/proc/self/uid_map", "0 0 1"))
		return -1;
	return kqueue();
}

/* The process of the user who makes a namespace. Its sockets lead to root. */
static int run_inside(struct seen *s, int filter, int to_root)
{
	int owner, one, other, nested;

	if (setresuid(ALICE, ALICE, ALICE))
		return 1;
	owner = kqueue();
	s->step = 1;
	if (owner < 0 || unshare(CLONE_NEWUSER) || !send_byte(to_root) ||
	    !wait_byte(to_root))
		return 1;
	s->step = 2;
	if (setresuid(0, 0, 0))
		return 1;
	one = inner_queue(3);
	other = inner_queue(INNER_IDS - 1);
	s->step = 3;
	nested = nested_queue();
	if (one < 0 || other < 0 || nested < 0)
		return 1;
	s->step = 4;
	s->filled = fill(one, filter);
	s->err_other = add(other, filter, 1);
	s->err_owner = add(owner, filter, 1);
	s->err_nested = add(nested, filter, 1);
	close(one);
	s->refilled = fill(other, filter);
	return 0;
}

/*
 * Let @pid, which has made a namespace, have a range of user IDs in it, and its
 * group.
 */
static bool give_ids(pid_t pid)
{
	char path[64], map[64];

	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	if (!put_text(path, "0 0 1"))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	snprintf(map, sizeof(map), "0 %d %d", INNER_FIRST, INNER_IDS);
	return put_text(path, map);
}

/* More user IDs in a namespace are not more room. */
TEST_F(userns, owner_pays)
{
	struct seen *s = self->seen;
	int sk[2], bob, status;
	pid_t pid;

	if (self->saved < 0)
		SKIP(return, "needs root, and user namespaces");
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sk));
	pid = fork();
	if (!pid) {
		close(sk[0]);
		_exit(run_inside(s, variant->filter, sk[1]));
	}
	close(sk[1]);
	if (wait_byte(sk[0])) {
		EXPECT_TRUE(give_ids(pid));
		EXPECT_TRUE(send_byte(sk[0]));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(4, s->step);
	/* Four queues and these are all that the owner may have. */
	EXPECT_EQ(self->max - 4 * self->cost, s->filled);
	EXPECT_EQ(ENOSPC, s->err_other);
	EXPECT_EQ(ENOSPC, s->err_owner);
	EXPECT_EQ(ENOSPC, s->err_nested);
	EXPECT_EQ(self->max - 3 * self->cost, s->refilled);
	/* Nobody else pays, and nothing is left. */
	bob = queue_of(BOB);
	EXPECT_EQ(self->max - self->cost, fill(bob, variant->filter));
	close(bob);
	bob = queue_of(ALICE);
	EXPECT_EQ(self->max - self->cost, fill(bob, variant->filter));
	close(bob);
}

TEST_HARNESS_MAIN
