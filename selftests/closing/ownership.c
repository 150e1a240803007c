// SPDX-License-Identifier: BSD-2-Clause
/*
 * A queue belongs to the descriptor table that opened it: what others can do
 * with its descriptor (nothing), and what they can keep alive (nothing).
 */
#include "peers.h"

/* fd[0], the reading end of a pipe, is watched by the queue. */
FIXTURE(ownership)
{
	int kq;
	int fd[2];
};

FIXTURE_SETUP(ownership)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, pipe2(self->fd, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(0, kq_set(self->kq, self->fd[0], EVFILT_READ, EV_ADD));
}

FIXTURE_TEARDOWN(ownership)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* Is the queue refused here, for changes, events, both, and to poll? */
static bool refused(int kq)
{
	struct pollfd pfd = { .fd = kq, .events = POLLIN };
	struct kevent kev;

	EV_SET(&kev, 9, EVFILT_USER, EV_ADD, 0, 0, NULL);
	if (kevent(kq, &kev, 1, NULL, 0, NULL) != -1 || errno != EBADF)
		return false;
	if (kq_collect(kq, &kev, 1) != -1 || errno != EBADF)
		return false;
	if (kq_wait(kq, &kev, 1, -1) != -1 || errno != EBADF)
		return false;
	return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLERR;
}

/* A forked child that closes its copy changes nothing for the parent. */
TEST_F(ownership, child_closes_copy)
{
	ASSERT_EQ(0, IN_CHILD(close(self->fd[0]) || dup2(self->fd[1], self->fd[0]) < 0));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 1);
}

/* A forked child gets EBADF and POLLERR from the queue, the parent does not. */
TEST_F(ownership, refused_in_child)
{
	ASSERT_TRUE(tell(self->fd[1]));
	EXPECT_EQ(0, IN_CHILD(!refused(self->kq)));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 1);
}

/* A child that closes the queue's descriptor does not close the queue. */
TEST_F(ownership, child_closes_queue)
{
	ASSERT_EQ(0, IN_CHILD(close(self->kq)));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 1);
}

/* A new queue tells of @fd when somebody has written to @peer. */
static bool works_in_new_queue(int fd, int peer)
{
	struct kevent ev;
	int kq = kq_open();

	return kq >= 0 && !kq_set(kq, fd, EVFILT_READ, EV_ADD) && tell(peer) &&
	       kq_wait(kq, &ev, 1, LIMIT_MS) == 1;
}

/* A child's own queue on the same descriptors is independent. */
TEST_F(ownership, queue_of_child)
{
	ASSERT_EQ(0, IN_CHILD(!works_in_new_queue(self->fd[0], self->fd[1])));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 1);
}

/* A vfork()ed child has the parent's memory, but not its queue. */
TEST_F(ownership, refused_after_vfork)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(!refused(self->kq));
	EXPECT_EQ(0, child_status(pid));
	EXPECT_FALSE(refused(self->kq));
	EXPECT_EQ(0, kq_set(self->kq, 9, EVFILT_USER, EV_DELETE));
}

/* A process that shares the descriptor table shares the queue. */
TEST_F(ownership, shared_table)
{
	struct kevent ev;
	pid_t pid;

	ASSERT_TRUE(tell(self->fd[1]));
	pid = fork_sharing_files();
	if (!pid)
		_exit(kq_set(self->kq, 5, EVFILT_USER, EV_ADD) ||
		      kq_collect(self->kq, &ev, 1) != 1);
	ASSERT_EQ(0, child_status(pid));
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 1);
}

/* What a process that shares the table closes is closed for the queue. */
TEST_F(ownership, closed_through_shared_table)
{
	pid_t pid = fork_sharing_files();

	if (!pid)
		_exit(close(self->fd[0]));
	ASSERT_EQ(0, child_status(pid));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
}

static void *leave_table(void *arg)
{
	int kq = *(int *)arg;

	return UD(!unshare(CLONE_FILES) && refused(kq));
}

/* A thread that leaves the table by unshare() gets EBADF; the rest does not. */
TEST_F(ownership, refused_after_unshare)
{
	pthread_t thread;
	void *ok;

	ASSERT_EQ(0, pthread_create(&thread, NULL, leave_table, &self->kq));
	ASSERT_EQ(0, pthread_join(thread, &ok));
	EXPECT_EQ(1, (uintptr_t)ok);
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 1);
}

/* A duplicate of the queue's descriptor is the same queue, to the last one. */
TEST_F(ownership, duplicate_of_queue)
{
	int dup_kq = dup(self->kq);

	ASSERT_LE(0, dup_kq);
	ASSERT_EQ(0, kq_set(dup_kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, close(self->kq));
	EXPECT_EQ(2, fdinfo_knotes(dup_kq));
	ASSERT_EQ(0, kq_trigger(dup_kq, 1));
	ASSERT_READY(dup_kq, 1, EVFILT_USER, 0);
	ASSERT_EQ(0, close(dup_kq));
	EXPECT_TRUE(all_freed());
}

/* Received by another process the queue is EBADF; the sender keeps it. */
TEST_F(ownership, refused_when_received)
{
	int via[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, via));
	pid = fork();
	if (!pid) {
		close(self->kq);
		_exit(!refused(receive_fd(via[1])));
	}
	ASSERT_TRUE(send_fd(via[0], self->kq));
	EXPECT_EQ(0, child_status(pid));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 1);
}

/* Received by the process that sent it, it is a duplicate. */
TEST_F(ownership, received_by_owner)
{
	int via[2], got;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, via));
	ASSERT_TRUE(send_fd(via[0], self->kq));
	got = receive_fd(via[1]);
	ASSERT_LE(0, got);
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_READY(got, self->fd[0], EVFILT_READ, 1);
	ASSERT_EQ(0, close(got));
	ASSERT_READY(self->kq, self->fd[0], EVFILT_READ, 1);
}

/* The queue dies with its owner's last descriptor, though one is in flight. */
TEST_F(ownership, closed_while_in_flight)
{
	int via[2], got;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, via));
	ASSERT_TRUE(send_fd(via[0], self->kq));
	ASSERT_EQ(0, close(self->kq));
	EXPECT_TRUE(WAIT_FOR(!kq_counter("knotes")));
	got = receive_fd(via[1]);
	ASSERT_LE(0, got);
	EXPECT_TRUE(refused(got));
	close(got);
}

/*
 * A process with a watched connection to @ss forks a child that keeps both
 * the queue and the connection; then it closes the queue, or exits.
 */
static void leave_child_behind(const struct sockaddr_storage *ss, int report, int close_queue)
{
	int kq = kq_open(), fd = tcp_connect(ss);

	if (kq < 0 || fd < 0 || kq_set(kq, fd, EVFILT_READ, EV_ADD) ||
	    kq_set(kq, fd, EVFILT_WRITE, EV_ADD))
		_exit(1);
	if (!fork()) {
		tell(report);
		_exit(hear(report));
	}
	if (!close_queue)
		_exit(!tell(report));
	close(kq);
	tell(report);
	_exit(hear(report));
}

FIXTURE(behind)
{
	int unused;
};

FIXTURE_VARIANT(behind)
{
	bool close_queue;
};

FIXTURE_VARIANT_ADD(behind, after_close)
{
	.close_queue = true,
};

FIXTURE_VARIANT_ADD(behind, after_exit)
{
	.close_queue = false,
};

FIXTURE_SETUP(behind)
{
}

FIXTURE_TEARDOWN(behind)
{
	EXPECT_TRUE(all_freed());
}

/* A child with copies of everything keeps the file open, but no registration. */
TEST_F(behind, child_keeps_nothing)
{
	struct connected c;

	ASSERT_TRUE(connected_start(&c, leave_child_behind, variant->close_queue));
	/* One word from the child, one from its parent. */
	ASSERT_TRUE(hear(c.report) && hear(c.report));
	if (!variant->close_queue)
		ASSERT_EQ(0, child_status(c.pid));
	EXPECT_TRUE(WAIT_FOR(!kq_counter("knotes")));
	EXPECT_FALSE(at_end(c.peer));
	EXPECT_EQ(EAGAIN, errno);
	close(c.report);
	EXPECT_TRUE(WAIT_FOR(at_end(c.peer)));
}

/*
 * The queue that watches a socket lies in that socket's own receive buffer, where
 * it can be freed only by freeing the socket. Returns the queue, or -1.
 */
static int watch_own_grave(int sk, int other)
{
	int kq = kq_open();

	if (kq < 0 || kq_set(kq, sk, EVFILT_READ, EV_ADD) ||
	    kq_set(kq, sk, EVFILT_WRITE, EV_ADD) || !send_fd(other, kq))
		return -1;
	return kq;
}

/* The other end is closed, perhaps with something unread in it. */
static bool at_end_or_reset(int sk)
{
	return at_end(sk) || errno == ECONNRESET;
}

/* A socket with its own queue in its buffer is freed when the process exits. */
TEST(cycle_through_buffer_freed_by_exit)
{
	int sk[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sk));
	ASSERT_EQ(0, IN_CHILD(watch_own_grave(sk[1], sk[0]) < 0));
	close(sk[1]);
	EXPECT_TRUE(at_end_or_reset(sk[0]));
	EXPECT_TRUE(all_freed());
}

/* It is freed as well when both descriptors are closed, in either order. */
TEST(cycle_through_buffer_freed_by_close)
{
	int sk[2], kq, queue_first;

	for (queue_first = 0; queue_first < 2; queue_first++) {
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sk));
		kq = watch_own_grave(sk[1], sk[0]);
		ASSERT_LE(0, kq);
		ASSERT_EQ(0, close(queue_first ? kq : sk[1]));
		ASSERT_EQ(0, close(queue_first ? sk[1] : kq));
		EXPECT_TRUE(at_end_or_reset(sk[0]));
		EXPECT_TRUE(all_freed());
		close(sk[0]);
	}
}

/*
 * Runs after exec with a queue that watches two pipes, of which exec has
 * closed one: @kept and @kept_in are the ends of the other.
 */
static int after_exec(int kq, int kept, int kept_in)
{
	struct kevent ev;

	if (fdinfo_knotes(kq) != 2)
		return 2;
	if (kq_collect(kq, &ev, 1) != 0)
		return 3;
	if (!tell(kept_in) || kq_wait(kq, &ev, 1, LIMIT_MS) != 1)
		return 4;
	if (ev.ident != (uintptr_t)kept || ev.data != 1 || ev.udata != UD(77))
		return 5;
	if (!hear(kept) || kq_trigger(kq, 1) || kq_wait(kq, &ev, 1, LIMIT_MS) != 1)
		return 6;
	return ev.filter != EVFILT_USER;
}

static void exec_with_queue(void)
{
	int kq = kqueue(), kept[2], closed[2];

	if (kq < 0 || fcntl(kq, F_SETFD, 0) || pipe(kept) ||
	    pipe2(closed, O_CLOEXEC) || !tell(closed[1]))
		_exit(1);
	if (kq_change(kq, kept[0], EVFILT_READ, EV_ADD, 0, 0, UD(77)) ||
	    kq_set(kq, closed[0], EVFILT_READ, EV_ADD) ||
	    kq_set(kq, 1, EVFILT_USER, EV_ADD))
		_exit(1);
	exec_self(kq, kept[0], kept[1]);
}

/* A queue without close-on-exec survives exec, with what else survives. */
TEST(queue_survives_exec)
{
	pid_t pid = fork();

	if (!pid)
		exec_with_queue();
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(all_freed());
}

int main(int argc, char **argv)
{
	return exec_or_harness(argc, argv, after_exec);
}
