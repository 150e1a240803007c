// SPDX-License-Identifier: BSD-2-Clause
/*
 * /proc/PID/fdinfo/N of a queue lists its knotes.
 */
#include <sys/eventfd.h>
#include <sys/mount.h>

#include "expect.h"
#include "peers.h"
#include "races.h"

#define MAX_LINES	2048
#define NO_LINE		LONG_MIN

/* One line of the file. */
struct line {
	unsigned long long ident;
	int filter;
	unsigned int flags;
	unsigned int fflags;
	long long data;
	unsigned long long udata;
	char state[32];
};

struct info {
	long long queue;	/* what these lines say; NO_LINE: there is none */
	long owner;
	long memory;
	long count;		/* "knotes:" */
	int n;			/* knotes listed */
	bool standard;		/* the kernel's own lines are there, too */
	struct line line[MAX_LINES];
};

FIXTURE(fdinfo)
{
	int kq;
	struct info info;
};

FIXTURE_SETUP(fdinfo)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(fdinfo)
{
	close(self->kq);
}

static bool parse(const char *text, struct line *l)
{
	return sscanf(text,
		      "ident:%llu filter:%d flags:%x fflags:%x data:%lld udata:%llx state:%31s\n",
		      &l->ident, &l->filter, &l->flags, &l->fflags, &l->data,
		      &l->udata, l->state) == 7;
}

/* Read @pid's file of the descriptor @fd; false if it cannot be understood. */
static bool read_fdinfo(struct info *info, pid_t pid, int fd)
{
	bool ok = true, pos = false, flags = false;
	char path[64], text[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	f = fopen(path, "r");
	if (!f)
		return false;
	*info = (struct info){ .queue = NO_LINE, .owner = NO_LINE, .memory = NO_LINE,
			       .count = NO_LINE };
	while (fgets(text, sizeof(text), f)) {
		pos |= !strncmp(text, "pos:", 4);
		flags |= !strncmp(text, "flags:", 6);
		if (sscanf(text, "queue:\t%lld\n", &info->queue) == 1 ||
		    sscanf(text, "owner:\t%ld\n", &info->owner) == 1 ||
		    sscanf(text, "memory:\t%ld\n", &info->memory) == 1 ||
		    sscanf(text, "knotes:\t%ld\n", &info->count) == 1 ||
		    strncmp(text, "ident:", 6))
			continue;
		ok &= info->n < MAX_LINES && parse(text, &info->line[info->n]);
		info->n++;
	}
	fclose(f);
	info->standard = pos && flags;
	return ok;
}

/* The only line of (@ident, @filter), or NULL. */
static struct line *find(struct info *info, unsigned long long ident,
			 int filter)
{
	struct line *found = NULL;
	int i;

	for (i = 0; i < info->n; i++) {
		if (info->line[i].ident != ident || info->line[i].filter != filter)
			continue;
		if (found)
			return NULL;
		found = &info->line[i];
	}
	return found;
}

/* An empty queue has the usual lines, a count of 0 and no knote. */
TEST_F(fdinfo, empty)
{
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_TRUE(self->info.standard);
	ASSERT_EQ(0, self->info.count);
	ASSERT_EQ(0, self->info.n);
}

/* Each knote is a line with what it was registered with, descriptors and others. */
TEST_F(fdinfo, lists_knotes)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct line *l;

	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR,
			       NOTE_LOWAT, 17, UD(0xabcd)));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_WRITE, EV_ADD | EV_DISPATCH));
	ASSERT_EQ(0, kq_change(self->kq, (uintptr_t)-1, EVFILT_TIMER,
			       EV_ADD | EV_ONESHOT, NOTE_SECONDS, 1000, NULL));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_TRUE(self->info.standard);
	ASSERT_EQ(3, self->info.count);
	ASSERT_EQ(3, self->info.n);

	l = find(&self->info, fd, EVFILT_READ);
	ASSERT_NE(NULL, l);
	ASSERT_EQ(EV_CLEAR, l->flags);
	ASSERT_EQ(NOTE_LOWAT, l->fflags);
	ASSERT_EQ(17, l->data);
	ASSERT_EQ(0xabcd, l->udata);
	l = find(&self->info, fd, EVFILT_WRITE);
	ASSERT_NE(NULL, l);
	ASSERT_EQ(EV_DISPATCH, l->flags);
	l = find(&self->info, (uintptr_t)-1, EVFILT_TIMER);
	ASSERT_NE(NULL, l);
	ASSERT_NE(0, l->flags & EV_ONESHOT);
	ASSERT_EQ(NOTE_SECONDS, l->fflags);
	ASSERT_EQ(1000, l->data);
}

/* Deleting and closing take lines away. */
TEST_F(fdinfo, forgets_knotes)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_WRITE, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_DELETE));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_EQ(2, self->info.count);
	ASSERT_EQ(2, self->info.n);
	ASSERT_NE(NULL, find(&self->info, fd, EVFILT_WRITE));
	ASSERT_NE(NULL, find(&self->info, 1, EVFILT_USER));
	close(fd);
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_EQ(0, self->info.count);
	ASSERT_EQ(0, self->info.n);
}

/* The state tells what is queued and what is disabled, and changes with them. */
TEST_F(fdinfo, state)
{
	int i;

	for (i = 1; i <= 4; i++)
		ASSERT_EQ(0, kq_set(self->kq, i, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_trigger(self->kq, 2));
	ASSERT_EQ(0, kq_set(self->kq, 3, EVFILT_USER, EV_DISABLE));
	ASSERT_EQ(0, kq_trigger(self->kq, 4));
	ASSERT_EQ(0, kq_set(self->kq, 4, EVFILT_USER, EV_DISABLE));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_EQ(4, self->info.count);
	ASSERT_STREQ("-", find(&self->info, 1, EVFILT_USER)->state);
	ASSERT_STREQ("queued", find(&self->info, 2, EVFILT_USER)->state);
	ASSERT_STREQ("disabled", find(&self->info, 3, EVFILT_USER)->state);
	ASSERT_STREQ("queued,disabled", find(&self->info, 4, EVFILT_USER)->state);

	ASSERT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, 3, EVFILT_USER, EV_ENABLE));
	ASSERT_EQ(0, kq_set(self->kq, 4, EVFILT_USER, EV_ENABLE));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_STREQ("-", find(&self->info, 2, EVFILT_USER)->state);
	ASSERT_STREQ("-", find(&self->info, 3, EVFILT_USER)->state);
	ASSERT_STREQ("queued", find(&self->info, 4, EVFILT_USER)->state);
}

/* Reading the file consumes nothing and disturbs nothing. */
TEST_F(fdinfo, only_looks)
{
	int fd = eventfd(5, EFD_CLOEXEC | EFD_NONBLOCK);

	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_STREQ("queued", find(&self->info, fd, EVFILT_READ)->state);
	ASSERT_READY(self->kq, fd, EVFILT_READ, 5);
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_STREQ("-", find(&self->info, fd, EVFILT_READ)->state);
	ASSERT_NONE(self->kq);
}

/* A long list, of far more than a page, is complete and has each knote once. */
TEST_F(fdinfo, long_list)
{
	int i;

	for (i = 0; i < 2000; i++)
		ASSERT_EQ(0, kq_set(self->kq, i, EVFILT_USER, EV_ADD));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_EQ(2000, self->info.count);
	ASSERT_EQ(2000, self->info.n);
	for (i = 0; i < 2000; i++)
		ASSERT_NE(NULL, find(&self->info, i, EVFILT_USER));
}

struct churn {
	int kq;
	bool over;
	int failed;
};

/* Add and delete so many that the kernel's table of them grows and shrinks. */
static void *churn_main(void *arg)
{
	struct churn *c = arg;
	struct kevent kev[64];
	int i, n;

	for (n = 0; !__atomic_load_n(&c->over, __ATOMIC_ACQUIRE); n = (n + 64) % 3200) {
		for (i = 0; i < 64; i++)
			EV_SET(&kev[i], (n + i) % 1600, EVFILT_USER,
			       n < 1600 ? EV_ADD : EV_DELETE, 0, 0, NULL);
		c->failed |= kevent(c->kq, kev, 64, NULL, 0, NULL);
	}
	return NULL;
}

/* While that table changes its size, in the background, each is listed once. */
TEST_F(fdinfo, while_resized)
{
	struct rounds r = { .least = 100 };
	struct churn c = { .kq = self->kq };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, churn_main, &c));
	while (next_round(&r)) {
		ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
		ASSERT_EQ(self->info.count, self->info.n);
	}
	EXPECT_ROUNDS(&r);
	__atomic_store_n(&c.over, true, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, c.failed);
}

/* The memory grows with registrations and with high numbers, and shrinks again. */
TEST_F(fdinfo, memory)
{
	long empty, one;
	int fd, i;

	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	empty = self->info.memory;
	ASSERT_LT(0, empty);
	ASSERT_EQ(0, kq_set(self->kq, 0, EVFILT_USER, EV_ADD));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	one = self->info.memory - empty;
	ASSERT_LT(0, one);
	for (i = 1; i < 100; i++)
		ASSERT_EQ(0, kq_set(self->kq, i, EVFILT_USER, EV_ADD));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_EQ(empty + 100 * one, self->info.memory);
	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, kq_set(self->kq, i, EVFILT_USER, EV_DELETE));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_EQ(empty, self->info.memory);
	fd = fcntl(eventfd(0, EFD_CLOEXEC), F_DUPFD_CLOEXEC, 1000);
	ASSERT_LE(1000, fd);
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	ASSERT_LE(empty + one + fd * (long)sizeof(long), self->info.memory);
}

/* Each queue has a number of its own, and all its descriptors have that. */
TEST_F(fdinfo, number)
{
	int dup_fd = dup(self->kq), other = kq_open();
	long long queue;

	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	queue = self->info.queue;
	ASSERT_LT(0, queue);
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), dup_fd));
	EXPECT_EQ(queue, self->info.queue);
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), other));
	EXPECT_LT(queue, self->info.queue);
}

/* The queue of another process can be looked at, too. */
TEST_F(fdinfo, other_process)
{
	int ready[2], go[2], kq = -1, status;
	pid_t child;
	char c;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	child = fork();
	if (!child) {
		kq = kq_with(4711, EVFILT_USER, EV_ADD, 0, 0);
		close(go[1]);
		_exit(write(ready[1], &kq, sizeof(kq)) != sizeof(kq) ||
		      read(go[0], &c, 1));
	}
	ASSERT_EQ(sizeof(kq), read(ready[0], &kq, sizeof(kq)));
	ASSERT_LE(0, kq);
	ASSERT_TRUE(read_fdinfo(&self->info, child, kq));
	ASSERT_EQ(1, self->info.count);
	ASSERT_NE(NULL, find(&self->info, 4711, EVFILT_USER));
	close(go[1]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, status);
}

/* A copy is of the owner's queue, and when he closes it, of none. */
TEST_F(fdinfo, owner)
{
	pid_t child = fork();
	long long queue;

	if (!child) {
		pause();
		_exit(0);
	}
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), self->kq));
	queue = self->info.queue;
	EXPECT_EQ(getpid(), self->info.owner);
	ASSERT_TRUE(read_fdinfo(&self->info, child, self->kq));
	EXPECT_EQ(queue, self->info.queue);
	EXPECT_EQ(getpid(), self->info.owner);
	EXPECT_EQ(0, self->info.count);
	ASSERT_EQ(0, close(self->kq));
	ASSERT_TRUE(read_fdinfo(&self->info, child, self->kq));
	EXPECT_EQ(queue, self->info.queue);
	EXPECT_EQ(NO_LINE, self->info.owner);
	EXPECT_EQ(NO_LINE, self->info.memory);
	EXPECT_EQ(NO_LINE, self->info.count);
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, NULL, 0));
}

/* An owner who has ended, while others have his table, is not to be taken for them. */
TEST_F(fdinfo, owner_ended)
{
	pid_t pid = fork_sharing_files();
	int kq;

	if (!pid)
		_exit(kq_with(1, EVFILT_USER, EV_ADD, 0, 0));
	kq = child_status(pid);
	ASSERT_LE(0, kq);
	ASSERT_TRUE(read_fdinfo(&self->info, getpid(), kq));
	EXPECT_EQ(-1, self->info.owner);
	EXPECT_EQ(1, self->info.count);
}

/* What a process of its own pid namespace finds there: 0 if that is as it has to be. */
static int look_from_inside(struct info *info, int outer)
{
	int kq = kq_open();

	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, NULL))
		return 1;
	if (!read_fdinfo(info, getpid(), kq) || info->owner != getpid())
		return 2;
	return !read_fdinfo(info, getpid(), outer) || info->owner ? 3 : 0;
}

/* A pid namespace's /proc has its own number of the owner; 0 for one from outside. */
TEST_F(fdinfo, owner_namespace)
{
	if (unshare(CLONE_NEWPID | CLONE_NEWNS))
		SKIP(return, "needs root");
	ASSERT_EQ(0, IN_CHILD(look_from_inside(&self->info, self->kq)));
}

TEST_HARNESS_MAIN
