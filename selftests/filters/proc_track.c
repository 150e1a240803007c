// SPDX-License-Identifier: BSD-2-Clause
/* EVFILT_PROC with NOTE_TRACK: the children of a process are watched like it. */
#include "expect.h"
#include "puppet.h"
#include "quota.h"

#define ALL		(NOTE_EXIT | NOTE_FORK | NOTE_EXEC)
#define TRACKERS_MAX	(geteuid() ? 8 : 16)	/* half of them are root's */

FIXTURE(track)
{
	int kq;
	struct kevent ev[16];
	struct puppet p;
	long saved;		/* the limit; -1 unless it was changed */
};

FIXTURE_SETUP(track)
{
	self->saved = -1;
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_TRUE(puppet_start(&self->p));
}

FIXTURE_TEARDOWN(track)
{
	if (self->saved >= 0)
		EXPECT_EQ(0, write_number(MAX_USER_KNOTES, self->saved));
	kill(self->p.pid, SIGKILL);
	close(self->kq);
}

static int track(int kq, pid_t pid, int flags, unsigned int fflags)
{
	return kq_change(kq, pid, EVFILT_PROC, EV_ADD | flags, NOTE_TRACK | fflags,
			 0, UD(9));
}

/* The events of one process, in order, put together as "C<parent> F E X<status>". */
static void tell_of(const struct kevent *ev, char *text, size_t size)
{
	size_t len = strlen(text);

	if (ev->fflags & NOTE_CHILD)
		len += snprintf(text + len, size - len, "C%lld ",
				(long long)ev->data);
	if (ev->fflags & NOTE_FORK)
		len += snprintf(text + len, size - len, "F ");
	if (ev->fflags & NOTE_EXEC)
		len += snprintf(text + len, size - len, "E ");
	if (ev->fflags & NOTE_TRACKERR)
		len += snprintf(text + len, size - len, "L%lld ",
				(long long)ev->data);
	if (ev->fflags & NOTE_EXIT)
		snprintf(text + len, size - len, "X%lld ", (long long)ev->data);
}

/*
 * All that comes, about process @of and about any @other, until the end of @of was
 * told. False if that does not come, or anything not of us.
 */
static bool gather(int kq, pid_t of, char *text, char *other, size_t size)
{
	struct kevent ev;

	*text = 0;
	*other = 0;
	while (kq_wait(kq, &ev, 1, LIMIT_MS) == 1 && UD_NUM(&ev) == 9) {
		tell_of(&ev, ev.ident == (uintptr_t)of ? text : other, size);
		if (ev.ident == (uintptr_t)of && (ev.fflags & NOTE_EXIT))
			return true;
	}
	return false;
}

/* A child is told before anything that it does, apart from that, with its parent. */
TEST_F(track, child)
{
	char parent[64], child[64], want[64];

	ASSERT_EQ(0, track(self->kq, self->p.pid, 0, ALL));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_TRUE(gather(self->kq, self->p.pid, parent, child, sizeof(child)));
	EXPECT_STREQ("F X1792 ", parent);
	while (kq_collect(self->kq, self->ev, 1) == 1)
		tell_of(self->ev, child, sizeof(child));
	snprintf(want, sizeof(want), "C%d X0 ", self->p.pid);
	EXPECT_STREQ(want, child);
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
}

/* The child of a process that ends at once is told before that end. */
TEST_F(track, child_before_end)
{
	int i, go[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	for (i = 0; i < 200; i++) {
		pid = fork();
		if (!pid) {
			hear(go[0]);
			_exit(fork() < 0);
		}
		ASSERT_EQ(0, track(self->kq, pid, 0, NOTE_EXIT));
		ASSERT_TRUE(tell(go[1]));
		ASSERT_EQ(1, kq_wait(self->kq, self->ev, 1, LIMIT_MS));
		ASSERT_EQ(NOTE_CHILD, self->ev[0].fflags);
		ASSERT_EQ(pid, self->ev[0].data);
		while (fdinfo_knotes(self->kq))
			ASSERT_LE(1, kq_wait(self->kq, self->ev, 1, LIMIT_MS));
		ASSERT_EQ(0, child_status(pid));
	}
}

/* Only what was asked for is told: here, no forks. */
TEST_F(track, child_only)
{
	ASSERT_EQ(0, track(self->kq, self->p.pid, 0, 0));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 16));
	EXPECT_EQ(NOTE_CHILD, self->ev[0].fflags);
	EXPECT_EQ(self->p.pid, self->ev[0].data);
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
}

/* Threads are no children; the children of threads are. */
TEST_F(track, threads)
{
	ASSERT_EQ(0, track(self->kq, self->p.pid, 0, 0));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_THREAD));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK_THREAD));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 16));
	EXPECT_EQ(NOTE_CHILD, self->ev[0].fflags);
}

/* Children of children are followed, through other programs. */
TEST_F(track, grandchildren)
{
	struct puppet q;
	unsigned int seen = 0;
	int i, n;

	ASSERT_EQ(0, track(self->kq, getpid(), 0, NOTE_EXIT));
	ASSERT_TRUE(puppet_start(&q));
	ASSERT_TRUE(puppet_do(&q, PUPPET_EXEC));
	ASSERT_TRUE(puppet_do(&q, PUPPET_FORK));
	ASSERT_EQ(0, puppet_wait(&q));
	while ((n = kq_collect(self->kq, self->ev, 16)) > 0) {
		for (i = 0; i < n; i++) {
			struct kevent *ev = &self->ev[i];
			bool child = ev->ident == (uintptr_t)q.pid;

			seen += ev->fflags == NOTE_CHILD ? 1 : 16;
			if (ev->fflags != NOTE_CHILD) {
				EXPECT_EQ(NOTE_EXIT, ev->fflags);
				continue;
			}
			EXPECT_EQ(child ? getpid() : q.pid, ev->data);
		}
	}
	EXPECT_EQ(0x22, seen);
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
}

/* A child that shares its parent's memory until it runs a program is told as well. */
TEST_F(track, vfork)
{
	pid_t pid;

	ASSERT_EQ(0, track(self->kq, getpid(), 0, NOTE_EXIT));
	pid = vfork();
	if (!pid)
		_exit(4);
	ASSERT_EQ(4, child_status(pid));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 1));
	EXPECT_EQ(NOTE_CHILD, self->ev[0].fflags);
	EXPECT_EQ(getpid(), self->ev[0].data);
	ASSERT_EVENT(self->kq, pid, EVFILT_PROC, 4 << 8, EV_EOF, NOTE_EXIT);
}

/* The properties are the child's as well; its birth does not use them up. */
TEST_F(track, properties)
{
	static const int flags[] = { EV_ONESHOT, EV_DISPATCH };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, track(self->kq, self->p.pid, flags[i], NOTE_EXIT));
		ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 16));
		EXPECT_EQ(NOTE_CHILD, self->ev[0].fflags);
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 16));
		EXPECT_EQ(NOTE_EXIT, self->ev[0].fflags);
		EXPECT_EQ(flags[i], self->ev[0].flags & flags[i]);
		EXPECT_EQ(1, fdinfo_knotes(self->kq));
		ASSERT_EQ(0, kq_set(self->kq, self->p.pid, EVFILT_PROC, EV_DELETE));
	}
}

/* An event that is the last of its registration does not make it lose a child. */
TEST_F(track, oneshot_fork)
{
	ASSERT_EQ(0, track(self->kq, self->p.pid, EV_ONESHOT, NOTE_FORK | NOTE_EXIT));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 16));
	EXPECT_EQ(NOTE_CHILD, self->ev[0].fflags);
	EXPECT_LE(1, kq_collect(self->kq, self->ev, 16));
	EXPECT_LE(0, kq_collect(self->kq, self->ev, 16));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
}

/* What is known of a child goes when its registration is deleted. */
TEST_F(track, child_deleted)
{
	ASSERT_EQ(0, track(self->kq, self->p.pid, 0, NOTE_EXIT));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 1));
	ASSERT_EQ(0, kq_set(self->kq, self->ev[0].ident, EVFILT_PROC, EV_DELETE));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* From when the parent's is deleted, or asks for less, no more are followed. */
TEST_F(track, ended)
{
	struct puppet q;

	ASSERT_EQ(0, track(self->kq, getpid(), 0, 0));
	ASSERT_TRUE(puppet_start(&q));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 16));
	ASSERT_EQ(0, kq_change(self->kq, getpid(), EVFILT_PROC, EV_ADD, NOTE_FORK, 0,
			       NULL));
	EXPECT_EQ(0, IN_CHILD(0));
	ASSERT_EVENT(self->kq, getpid(), EVFILT_PROC, 0, 0, NOTE_FORK);
	ASSERT_EQ(0, kq_set(self->kq, getpid(), EVFILT_PROC, EV_DELETE));
	EXPECT_EQ(0, IN_CHILD(0));
	EXPECT_EQ(0, kq_count(self->kq));
	/* The child still is, and its children. */
	ASSERT_TRUE(puppet_do(&q, PUPPET_FORK));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 16));
	EXPECT_EQ(q.pid, self->ev[0].data);
	puppet_wait(&q);
}

/* Who stops and begins to follow when it has ended is told of the end all the same. */
TEST_F(track, ended_and_changed)
{
	ASSERT_EQ(0, track(self->kq, self->p.pid, 0, NOTE_EXIT));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_EQ(PUPPET_STATUS, child_status(self->p.pid));
	ASSERT_EQ(0, kq_change(self->kq, self->p.pid, EVFILT_PROC, EV_ADD, NOTE_EXIT,
			       0, UD(9)));
	ASSERT_EQ(0, track(self->kq, self->p.pid, 0, NOTE_EXIT));
	ASSERT_EQ(2, kq_collect(self->kq, self->ev, 16));
	EXPECT_TRUE(self->ev[0].ident == (uintptr_t)self->p.pid ||
		    self->ev[1].ident == (uintptr_t)self->p.pid);
}

/* Several queues may follow one process; too many may not, and one that goes makes room. */
TEST_F(track, many_queues)
{
	int kqs[16], i;

	for (i = 0; i < TRACKERS_MAX; i++) {
		kqs[i] = kq_open();
		ASSERT_LE(0, kqs[i]);
		ASSERT_EQ(0, track(kqs[i], self->p.pid, 0, 0));
	}
	EXPECT_EQ(ENOSPC, track(self->kq, self->p.pid, 0, 0));
	ASSERT_EQ(0, kq_change(self->kq, self->p.pid, EVFILT_PROC, EV_ADD, NOTE_EXIT,
			       0, UD(9)));
	EXPECT_EQ(ENOSPC, track(self->kq, self->p.pid, 0, 0));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	for (i = 0; i < TRACKERS_MAX; i++) {
		ASSERT_EQ(1, kq_collect(kqs[i], self->ev, 16));
		EXPECT_EQ(NOTE_CHILD, self->ev[0].fflags);
	}
	EXPECT_EQ(0, kq_count(self->kq));
	close(kqs[0]);
	EXPECT_EQ(0, track(self->kq, self->p.pid, 0, 0));
}

/* Children for which there is no room are told of to the parent's: how many. */
TEST_F(track, limit)
{
	int i;

	if (geteuid())
		SKIP(return, "only root may change the limit");
	ASSERT_EQ(0, track(self->kq, self->p.pid, 0, NOTE_EXIT));
	self->saved = read_number(MAX_USER_KNOTES);
	ASSERT_EQ(0, write_number(MAX_USER_KNOTES, 0));
	for (i = 0; !kq_set(self->kq, i, EVFILT_USER, EV_ADD); i++)
		;
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_EVENT(self->kq, self->p.pid, EVFILT_PROC, 2, 0, NOTE_TRACKERR);
	ASSERT_EQ(0, kq_set(self->kq, 0, EVFILT_USER, EV_DELETE));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 1));
	EXPECT_EQ(NOTE_CHILD, self->ev[0].fflags);
}

int main(int argc, char **argv)
{
	return exec_or_harness(argc, argv, puppet_after_exec);
}
