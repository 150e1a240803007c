// SPDX-License-Identifier: BSD-2-Clause
/* EVFILT_PROCDESC: the end of a process, by a pidfd. */
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "expect.h"
#include "puppet.h"
#include "quota.h"

#define PIDFD_OF_THREAD	O_EXCL	/* PIDFD_THREAD, since 6.9 */

FIXTURE(procdesc)
{
	int kq;
	struct puppet p;
	int fd;
};

FIXTURE_SETUP(procdesc)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_TRUE(puppet_start(&self->p));
	self->fd = syscall(SYS_pidfd_open, self->p.pid, 0);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(procdesc)
{
	kill(self->p.pid, SIGKILL);
	close(self->kq);
}

static int watch(int kq, int fd)
{
	return kq_change(kq, fd, EVFILT_PROCDESC, EV_ADD, NOTE_EXIT, 0, NULL);
}

static bool end(struct puppet *p)
{
	return puppet_begin(p, PUPPET_EXIT) &&
	       !waitid(P_PID, p->pid, NULL, WEXITED | WNOWAIT);
}

#define ASSERT_ENDED(kq, fd, status)					\
	ASSERT_EVENT(kq, fd, EVFILT_PROCDESC, status, EV_EOF, NOTE_EXIT)

/* The end, with the status; then the registration is gone, and not the pidfd. */
TEST_F(procdesc, exit)
{
	ASSERT_EQ(0, watch(self->kq, self->fd));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_ENDED(self->kq, self->fd, PUPPET_STATUS << 8);
	ASSERT_EQ(self->p.pid, waitpid(self->p.pid, NULL, WNOHANG));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(ENOENT, kq_set(self->kq, self->fd, EVFILT_PROCDESC, EV_DELETE));
}

/* What ended before is told at once, with the status. */
TEST_F(procdesc, ended_before)
{
	ASSERT_TRUE(end(&self->p));
	ASSERT_EQ(0, watch(self->kq, self->fd));
	ASSERT_ENDED(self->kq, self->fd, PUPPET_STATUS << 8);
}

/* So is what was waited for, but nobody knows the status any more: -1. */
TEST_F(procdesc, waited_for_before)
{
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_EQ(PUPPET_STATUS, child_status(self->p.pid));
	ASSERT_EQ(0, watch(self->kq, self->fd));
	ASSERT_ENDED(self->kq, self->fd, -1);
}

/* The status is known of what was waited for since it is watched. */
TEST_F(procdesc, waited_for_since)
{
	ASSERT_EQ(0, watch(self->kq, self->fd));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_EQ(PUPPET_STATUS, child_status(self->p.pid));
	ASSERT_ENDED(self->kq, self->fd, PUPPET_STATUS << 8);
}

/* Another user who was given the pidfd is told the status. */
TEST_F(procdesc, whoever_has_it)
{
	int up[2];
	pid_t pid;

	if (geteuid())
		SKIP(return, "only root can become somebody else");
	ASSERT_EQ(0, pipe(up));
	pid = fork();
	if (!pid) {
		struct kevent ev;
		int kq;

		if (setresuid(ALICE, ALICE, ALICE))
			_exit(1);
		kq = kq_open();
		if (watch(kq, self->fd) || !tell(up[1]))
			_exit(2);
		_exit(kq_wait(kq, &ev, 1, LIMIT_MS) == 1 &&
		      ev.data == PUPPET_STATUS << 8 ? 0 : 3);
	}
	ASSERT_TRUE(hear(up[0]));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	EXPECT_EQ(0, child_status(pid));
}

/* When the pidfd is closed the registration is gone, duplicates or not. */
TEST_F(procdesc, closed)
{
	int fd = dup(self->fd);

	ASSERT_EQ(0, watch(self->kq, self->fd));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, fdinfo_knotes(self->kq));
	ASSERT_TRUE(end(&self->p));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, watch(self->kq, fd));
	ASSERT_ENDED(self->kq, fd, PUPPET_STATUS << 8);
}

/* READ on a pidfd is another registration, and stays what it was. */
TEST_F(procdesc, beside_read)
{
	struct kevent ev[4];

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, watch(self->kq, self->fd));
	ASSERT_TRUE(end(&self->p));
	ASSERT_EQ(2, kq_collect(self->kq, ev, 4));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 4));
	ASSERT_EQ(EVFILT_READ, ev[0].filter);
}

/* Who does not ask for the end is told nothing, and is gone with it. */
TEST_F(procdesc, not_asked_for)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_PROCDESC, EV_ADD));
	ASSERT_TRUE(end(&self->p));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, fdinfo_knotes(self->kq));
}

/* A disabled one is told when it is enabled. */
TEST_F(procdesc, disabled)
{
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_PROCDESC,
			       EV_ADD | EV_DISABLE, NOTE_EXIT, 0, NULL));
	ASSERT_TRUE(end(&self->p));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_PROCDESC, EV_ENABLE,
			       NOTE_EXIT, 0, NULL));
	ASSERT_ENDED(self->kq, self->fd, PUPPET_STATUS << 8);
}

/* What is no pidfd of a process is EINVAL, what is no descriptor EBADF. */
TEST_F(procdesc, bad_input)
{
	int evfd = eventfd(0, EFD_CLOEXEC), dir = open("/proc/self", O_RDONLY);
	int thread = syscall(SYS_pidfd_open, getpid(), PIDFD_OF_THREAD);

	ASSERT_LE(0, evfd);
	ASSERT_LE(0, dir);
	EXPECT_EQ(EINVAL, watch(self->kq, evfd));
	EXPECT_EQ(EINVAL, watch(self->kq, dir));
	EXPECT_EQ(EINVAL, watch(self->kq, self->kq));
	EXPECT_EQ(EINVAL, watch(self->kq, self->p.to));
	EXPECT_EQ(EBADF, watch(self->kq, 1000));
	EXPECT_EQ(EBADF, watch(self->kq, -1));
	EXPECT_EQ(EINVAL, kq_change(self->kq, self->fd, EVFILT_PROCDESC, EV_ADD,
				    NOTE_FORK, 0, NULL));
	/* 6.8 and before know no pidfds of threads. */
	if (thread >= 0)
		EXPECT_EQ(EINVAL, watch(self->kq, thread));
	ASSERT_EQ(0, watch(self->kq, self->fd));
	EXPECT_EQ(EINVAL, kq_change(self->kq, self->fd, EVFILT_PROCDESC, EV_ADD,
				    NOTE_TRACK, 0, NULL));
	ASSERT_TRUE(end(&self->p));
	ASSERT_ENDED(self->kq, self->fd, PUPPET_STATUS << 8);
}

TEST_HARNESS_MAIN
