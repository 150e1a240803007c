// SPDX-License-Identifier: BSD-2-Clause
/*
 * Closing a descriptor number ends what was registered for it, whoever else
 * has the file open, and the file is really closed.
 */
#include "peers.h"
#include "uring.h"

#include <linux/close_range.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/* fd[0], the reading end of a pipe, is what most tests watch. */
FIXTURE(close)
{
	int kq;
	int fd[2];
};

FIXTURE_SETUP(close)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, pipe2(self->fd, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(0, kq_set(self->kq, self->fd[0], EVFILT_READ, EV_ADD));
}

FIXTURE_TEARDOWN(close)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* A closed number has no event ever after, though a duplicate is readable. */
TEST_F(close, duplicate_left_open)
{
	int dup_fd = dup(self->fd[0]);

	ASSERT_LE(0, dup_fd);
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_QUIET(self->kq);
	ASSERT_TRUE(hear(dup_fd));
}

/* EV_DELETE finds no descriptor after close, and no knote after reuse. */
TEST_F(close, delete_after_close)
{
	int other = eventfd(0, EFD_CLOEXEC);

	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(EBADF, kq_set(self->kq, self->fd[0], EVFILT_READ, EV_DELETE));
	ASSERT_EQ(self->fd[0], dup2(other, self->fd[0]));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->fd[0], EVFILT_READ, EV_DELETE));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->fd[0], EVFILT_READ, EV_ENABLE));
}

/* Another file on the number does not inherit; it can be watched itself. */
TEST_F(close, reuse_inherits_nothing)
{
	int ready = eventfd(3, EFD_CLOEXEC);

	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_EQ(self->fd[0], dup2(ready, self->fd[0]));
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(0, kq_set(self->kq, self->fd[0], EVFILT_READ, EV_ADD));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 3);
}

/* An event that waits in the queue disappears with the number. */
TEST_F(close, pending_event_disappears)
{
	int dup_fd = dup(self->fd[0]);

	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_TRUE(wait_poll(self->kq, POLLIN));
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(hear(dup_fd));
}

/* The same for an edge and for a knote that is disabled. */
TEST_F(close, pending_edge_and_disabled_disappear)
{
	int dup_fd = dup(self->fd[0]), kq = self->kq;

	ASSERT_EQ(0, kq_set(kq, self->fd[1], EVFILT_WRITE, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_set(kq, self->fd[0], EVFILT_READ, EV_DISABLE));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_EQ(0, close(self->fd[1]));
	ASSERT_NONE(kq);
	EXPECT_EQ(0, fdinfo_knotes(kq));
	ASSERT_TRUE(hear(dup_fd));
}

/* Two numbers of one file have a knote each: closing one leaves the other. */
TEST_F(close, other_number_stays)
{
	int dup_fd = dup(self->fd[0]);

	ASSERT_EQ(0, kq_set(self->kq, dup_fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(self->kq, dup_fd, EVFILT_READ, 1);
}

/* A TCP peer sees the end as soon as close() of a watched socket returns. */
TEST_F(close, tcp_peer_sees_end)
{
	int sk[2];

	ASSERT_TRUE(tcp_pair(sk));
	ASSERT_EQ(0, kq_set(self->kq, sk[0], EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, close(sk[0]));
	EXPECT_TRUE(at_end(sk[1]));
}

/* The same with READ and WRITE knotes in two queues. */
TEST_F(close, tcp_peer_sees_end_two_queues)
{
	int sk[2], kq2 = kq_open();

	ASSERT_TRUE(tcp_pair(sk));
	ASSERT_EQ(0, kq_set(self->kq, sk[0], EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, sk[0], EVFILT_WRITE, EV_ADD));
	ASSERT_EQ(0, kq_set(kq2, sk[0], EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_set(kq2, sk[0], EVFILT_WRITE, EV_ADD | EV_ONESHOT));
	ASSERT_EQ(0, close(sk[0]));
	EXPECT_TRUE(at_end(sk[1]));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	EXPECT_EQ(0, fdinfo_knotes(kq2));
	close(kq2);
}

/* The reader of a pipe sees the end after close of the watched other end. */
TEST_F(close, pipe_reader_sees_end)
{
	char byte;

	ASSERT_EQ(0, kq_set(self->kq, self->fd[1], EVFILT_WRITE, EV_ADD));
	ASSERT_EQ(0, close(self->fd[1]));
	EXPECT_EQ(0, read(self->fd[0], &byte, 1));
	ASSERT_EVENT(self->kq, self->fd[0], EVFILT_READ, 0, EV_EOF, 0);
}

/* dup2() over a watched number is a close of it. */
TEST_F(close, dup2_over)
{
	int ready = eventfd(1, EFD_CLOEXEC);

	ASSERT_EQ(self->fd[0], dup2(ready, self->fd[0]));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->fd[0], EVFILT_READ, EV_DELETE));
	ASSERT_QUIET(self->kq);
	signal(SIGPIPE, SIG_IGN);
	EXPECT_FALSE(tell(self->fd[1]));
	EXPECT_EQ(EPIPE, errno);
}

/* dup3() over a watched number is a close of it. */
TEST_F(close, dup3_over)
{
	int ready = eventfd(1, EFD_CLOEXEC);

	ASSERT_EQ(self->fd[0], dup3(ready, self->fd[0], O_CLOEXEC));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->fd[0], EVFILT_READ, EV_DELETE));
	ASSERT_QUIET(self->kq);
}

/* dup2() of a number onto itself closes nothing. */
TEST_F(close, dup2_onto_itself)
{
	ASSERT_EQ(self->fd[0], dup2(self->fd[0], self->fd[0]));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 1);
}

/* Nor does dup2() of a file onto a number that already holds it. */
TEST_F(close, dup2_of_same_file)
{
	int dup_fd = dup(self->fd[0]);

	ASSERT_EQ(self->fd[0], dup2(dup_fd, self->fd[0]));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 1);
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_NONE(self->kq);
}

/* close_range() drops the knotes of the range, and only those. */
TEST_F(close, close_range)
{
	int base = 600, i;

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(base + i, dup2(self->fd[0], base + i));
		ASSERT_EQ(0, kq_set(self->kq, base + i, EVFILT_READ, EV_ADD));
	}
	ASSERT_EQ(0, close_range(base + 1, base + 6, 0));
	EXPECT_EQ(3, fdinfo_knotes(self->kq));
	ASSERT_TRUE(tell(self->fd[1]));
	EXPECT_EQ(3, kq_count(self->kq));
	EXPECT_EQ(EBADF, kq_set(self->kq, base + 3, EVFILT_READ, EV_DELETE));
	EXPECT_EQ(0, kq_set(self->kq, base + 7, EVFILT_READ, EV_DELETE));
}

/*
 * Runs after exec, with the queue, a number that exec has closed, and a pipe
 * to whoever wants to know that it has got this far.
 */
static int after_exec(int kq, int closed, int report)
{
	if (fdinfo_knotes(kq) != 0)
		return 2;
	if (kq_set(kq, closed, EVFILT_READ, EV_DELETE) != EBADF)
		return 3;
	/* Stay, so that exit has no part in what the test sees. */
	if (!tell(report) || hear(report))
		return 4;
	return 0;
}

/*
 * In a child that becomes after_exec(): a queue that survives, a connection
 * to @ss that does not, made so by @how.
 */
static void exec_with_watched(const struct sockaddr_storage *ss, int report, int how)
{
	int kq = kqueue1(0), fd = tcp_connect(ss);

	fcntl(fd, F_SETFD, 0);
	if (how == CLOSE_RANGE_CLOEXEC)
		close_range(fd, fd, CLOSE_RANGE_CLOEXEC);
	else
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (kq < 0 || fd < 0 || kq_set(kq, fd, EVFILT_READ, EV_ADD) ||
	    kq_set(kq, fd, EVFILT_WRITE, EV_ADD))
		_exit(98);
	exec_self(kq, fd, report);
}

FIXTURE(exec)
{
	int unused;
};

FIXTURE_VARIANT(exec)
{
	int how;
};

FIXTURE_VARIANT_ADD(exec, o_cloexec)
{
	.how = 0,
};

FIXTURE_VARIANT_ADD(exec, close_range_cloexec)
{
	.how = CLOSE_RANGE_CLOEXEC,
};

FIXTURE_SETUP(exec)
{
}

FIXTURE_TEARDOWN(exec)
{
	EXPECT_TRUE(all_freed());
}

/* Close-on-exec is a close: knotes go, the peer sees the end, the queue lives. */
TEST_F(exec, closes)
{
	struct connected c;

	ASSERT_TRUE(connected_start(&c, exec_with_watched, variant->how));
	ASSERT_TRUE(hear(c.report));
	EXPECT_TRUE(at_end(c.peer));
	close(c.report);
	EXPECT_EQ(0, child_status(c.pid));
}

/* A process that has a watched connection, and a child that has its queue. */
static void exit_with_watched(const struct sockaddr_storage *ss, int report, int unused)
{
	int kq = kqueue1(0), fd = tcp_connect(ss);

	(void)unused;
	if (kq < 0 || fd < 0 || kq_set(kq, fd, EVFILT_READ, EV_ADD))
		_exit(98);
	if (!fork()) {
		close(fd);
		tell(report);
		_exit(hear(report));
	}
	/* Not before the child has closed its copy of the connection. */
	close(report);
	hear(fd);
	_exit(0);
}

/* Exit is a close, though another process still has the queue's descriptor. */
TEST(exit_closes)
{
	struct connected c;

	ASSERT_TRUE(connected_start(&c, exit_with_watched, 0));
	ASSERT_TRUE(hear(c.report));
	ASSERT_TRUE(tell(c.peer));
	ASSERT_EQ(0, child_status(c.pid));
	EXPECT_TRUE(at_end(c.peer));
	EXPECT_TRUE(WAIT_FOR(!kq_counter("knotes")));
	close(c.report);
	EXPECT_TRUE(all_freed());
}

/* A thread closes what another waits for: that one sleeps on, for the rest. */
TEST_F(close, while_another_waits)
{
	int dup_fd = dup(self->fd[0]);
	struct waiter w;

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, self->kq, 16, -1));
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_TRUE(wait_poll(dup_fd, POLLIN));
	EXPECT_FALSE(waiter_done(&w));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	EXPECT_EQ(EVFILT_USER, w.ev[0].filter);
}

/* A close by io_uring is a close. */
TEST_F(close, io_uring)
{
	struct io_uring ring;

	if (io_uring_queue_init(1, &ring, 0))
		SKIP(return, "no io_uring here");
	ASSERT_EQ(0, uring_close(&ring, self->fd[0], 0));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
	EXPECT_EQ(EBADF, kq_set(self->kq, self->fd[0], EVFILT_READ, EV_DELETE));
	signal(SIGPIPE, SIG_IGN);
	EXPECT_FALSE(tell(self->fd[1]));
	EXPECT_EQ(EPIPE, errno);
}

int main(int argc, char **argv)
{
	return exec_or_harness(argc, argv, after_exec);
}
