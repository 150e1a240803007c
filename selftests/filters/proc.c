// SPDX-License-Identifier: BSD-2-Clause
/*
 * EVFILT_PROC: what a process does, and its end. Its children are proc_track.c's,
 * and who may watch it proc_rights.c's.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "expect.h"
#include "puppet.h"

/* Many enough that one which comes too early is seen. */
#define CHILDREN	10000
#define SLOW_CHILDREN	500	/* on a slow machine */

#define ALL	(NOTE_EXIT | NOTE_FORK | NOTE_EXEC)

FIXTURE(proc)
{
	int kq;
	struct kevent ev[4];
	struct puppet p;
};

FIXTURE_SETUP(proc)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_TRUE(puppet_start(&self->p));
}

FIXTURE_TEARDOWN(proc)
{
	kill(self->p.pid, SIGKILL);
	close(self->kq);
}

static int watch(int kq, pid_t pid, unsigned int fflags)
{
	return kq_change(kq, pid, EVFILT_PROC, EV_ADD, fflags, 0, UD(5));
}

/* What wait(2) says of a process that has exited, or was killed. */
static int exited(int code)
{
	return code << 8;
}

/* The only event there is: of the puppet, with these notes, and this data. */
#define ASSERT_TOLD(notes, num) do {					\
	unsigned int notes_ = (notes);					\
									\
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));		\
	ASSERT_EQ((uintptr_t)self->p.pid, self->ev[0].ident);		\
	ASSERT_EQ(EVFILT_PROC, self->ev[0].filter);			\
	ASSERT_EQ(UD(5), self->ev[0].udata);				\
	ASSERT_EQ(notes_, self->ev[0].fflags);				\
	ASSERT_EQ(num, self->ev[0].data);				\
	ASSERT_EQ(notes_ & NOTE_EXIT ? EV_EOF | EV_ONESHOT : 0,		\
		  self->ev[0].flags & (EV_EOF | EV_ONESHOT));		\
} while (0)

/* The end, with the status; then the registration is gone. */
TEST_F(proc, exit)
{
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_EXIT));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_TOLD(NOTE_EXIT, exited(PUPPET_STATUS));
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->p.pid, EVFILT_PROC, EV_DELETE));
	EXPECT_EQ(PUPPET_STATUS, child_status(self->p.pid));
}

/* The status of one that was killed says so. */
TEST_F(proc, killed)
{
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_EXIT));
	ASSERT_EQ(0, kill(self->p.pid, SIGTERM));
	ASSERT_TOLD(NOTE_EXIT, SIGTERM);
}

/*
 * When the end is told, the parent can wait for it at once, without exception,
 * whether the child ended before it was watched, meanwhile or later.
 */
TEST_F_TIMEOUT(proc, can_be_waited_for, 240)
{
	int most = getenv("KEVENT_SLOWNESS") ? SLOW_CHILDREN : CHILDREN;
	int i, status;
	pid_t pid;

	for (i = 0; i < most; i++) {
		pid = fork();
		if (!pid)
			_exit(i % 256);
		ASSERT_EQ(0, watch(self->kq, pid, NOTE_EXIT));
		ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
		ASSERT_EQ(pid, waitpid(pid, &status, WNOHANG));
		ASSERT_EQ((uintptr_t)pid, self->ev[0].ident);
		ASSERT_EQ(status, self->ev[0].data);
		ASSERT_EQ(exited(i % 256), status);
	}
}

/* Forks are told, also those of other threads, and threads are none. */
TEST_F(proc, fork)
{
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_FORK));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TOLD(NOTE_FORK, 0);
	EXPECT_EQ(1, self->ev[0].ext[0]);
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_THREAD));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK_THREAD));
	ASSERT_TOLD(NOTE_FORK, 0);
}

/* Other programs are told, also when another thread than the first runs them. */
TEST_F(proc, exec)
{
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_EXEC));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_EXEC));
	ASSERT_TOLD(NOTE_EXEC, 0);
	EXPECT_EQ(1, self->ev[0].ext[1]);
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_EXEC_THREAD));
	ASSERT_TOLD(NOTE_EXEC, 0);
}

/* What happens until somebody asks comes as one, with how often it did. */
TEST_F(proc, merged)
{
	ASSERT_EQ(0, watch(self->kq, self->p.pid, ALL));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_EXEC));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_EQ(0, waitid(P_PID, self->p.pid, NULL, WEXITED | WNOWAIT));
	ASSERT_TOLD(ALL, exited(PUPPET_STATUS));
	EXPECT_EQ(2, self->ev[0].ext[0]);
	EXPECT_EQ(1, self->ev[0].ext[1]);
	EXPECT_EQ(0, kq_count(self->kq));
}

/* Who did not ask for the end is told what is left, or nothing, and is gone. */
TEST_F(proc, end_not_asked_for)
{
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_FORK));
	ASSERT_EQ(0, watch(self->kq, getpid(), NOTE_FORK));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	ASSERT_EQ(PUPPET_STATUS, ({
		puppet_begin(&self->p, PUPPET_EXIT);
		child_status(self->p.pid);
	}));
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_TRUE(puppet_start(&self->p));
	EXPECT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_FORK));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_EQ(PUPPET_STATUS, child_status(self->p.pid));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	EXPECT_EQ(NOTE_FORK, self->ev[0].fflags);
	EXPECT_EQ(EV_EOF | EV_ONESHOT, self->ev[0].flags & (EV_EOF | EV_ONESHOT));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
}

/* Before it is waited for, one that has ended is told at once; afterwards it is none. */
TEST_F(proc, ended_before)
{
	int status;

	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_EQ(0, waitid(P_PID, self->p.pid, NULL, WEXITED | WNOWAIT));
	EXPECT_EQ(ESRCH, watch(self->kq, self->p.pid, NOTE_FORK | NOTE_EXEC));
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_EXIT));
	ASSERT_TOLD(NOTE_EXIT, exited(PUPPET_STATUS));
	ASSERT_EQ(self->p.pid, waitpid(self->p.pid, &status, 0));
	EXPECT_EQ(ESRCH, watch(self->kq, self->p.pid, NOTE_EXIT));
}

/* It ends when its last thread does, whichever was the first. */
TEST_F(proc, first_thread_leaves)
{
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_LEAVE));
	ASSERT_EQ(0, watch(self->kq, self->p.pid, ALL));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TOLD(NOTE_FORK, 0);
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_TOLD(NOTE_EXIT, exited(PUPPET_STATUS));
	EXPECT_EQ(PUPPET_STATUS, child_status(self->p.pid));
}

/* Of a child whose end nobody wants to know (SIGCHLD ignored), it is told as well. */
TEST_F(proc, nobody_waits)
{
	struct puppet q;

	signal(SIGCHLD, SIG_IGN);
	ASSERT_TRUE(puppet_start(&q));
	ASSERT_EQ(0, kq_change(self->kq, q.pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0,
			       NULL));
	ASSERT_TRUE(puppet_begin(&q, PUPPET_EXIT));
	ASSERT_EVENT(self->kq, q.pid, EVFILT_PROC, exited(PUPPET_STATUS), EV_EOF,
		     NOTE_EXIT);
	EXPECT_EQ(-1, waitpid(q.pid, NULL, 0));
	puppet_end(&q);
}

/* A process that is no child can be watched; so can one that gets another parent. */
TEST_F(proc, grandchild)
{
	pid_t pid, *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int up[2], down[2];

	ASSERT_NE(MAP_FAILED, shared);
	ASSERT_EQ(0, pipe(up));
	ASSERT_EQ(0, pipe(down));
	pid = fork();
	if (!pid) {
		if (!fork()) {
			*shared = getpid();
			close(down[1]);
			tell(up[1]);
			hear(down[0]);
			_exit(3);
		}
		_exit(0);
	}
	ASSERT_TRUE(hear(up[0]));
	ASSERT_EQ(0, child_status(pid));
	ASSERT_EQ(0, watch(self->kq, *shared, NOTE_EXIT));
	close(down[0]);
	close(down[1]);
	ASSERT_EVENT(self->kq, *shared, EVFILT_PROC, exited(3), EV_EOF, NOTE_EXIT);
}

/* Somebody else's debugger holds the end back from the parent, and from no other. */
TEST_F(proc, debugged)
{
	int kq_other, status;
	struct puppet q;
	pid_t tracer;
	int up[2], down[2];

	ASSERT_EQ(0, pipe(up));
	ASSERT_EQ(0, pipe(down));
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	ASSERT_TRUE(puppet_start(&q));
	ASSERT_EQ(0, watch(self->kq, q.pid, NOTE_EXIT));
	tracer = fork();
	if (!tracer) {
		kq_other = kq_open();
		if (ptrace(PTRACE_SEIZE, q.pid, 0, 0) ||
		    watch(kq_other, q.pid, NOTE_EXIT) || !tell(up[1]))
			_exit(1);
		if (kq_wait(kq_other, self->ev, 1, LIMIT_MS) != 1 || !tell(up[1]))
			_exit(2);
		hear(down[0]);
		_exit(waitpid(q.pid, &status, 0) == q.pid ? 0 : 3);
	}
	ASSERT_TRUE(hear(up[0]));
	ASSERT_TRUE(puppet_begin(&q, PUPPET_EXIT));
	ASSERT_TRUE(hear(up[0]));
	EXPECT_EQ(0, waitpid(q.pid, &status, WNOHANG));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(tell(down[1]));
	ASSERT_EVENT(self->kq, q.pid, EVFILT_PROC, exited(PUPPET_STATUS), EV_EOF,
		     NOTE_EXIT);
	EXPECT_EQ(q.pid, waitpid(q.pid, &status, WNOHANG));
	EXPECT_EQ(0, child_status(tracer));
	puppet_end(&q);
}

/* Its own process can be watched, too. */
TEST_F(proc, own_process)
{
	ASSERT_EQ(0, watch(self->kq, getpid(), ALL));
	EXPECT_EQ(0, IN_CHILD(0));
	ASSERT_EVENT(self->kq, getpid(), EVFILT_PROC, 0, 0, NOTE_FORK);
}

/* A change replaces what is asked for, and what was not is no news later. */
TEST_F(proc, change_notes)
{
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_EXEC));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_FORK));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TOLD(NOTE_FORK, 0);
	EXPECT_EQ(1, self->ev[0].ext[0]);
	ASSERT_EQ(0, watch(self->kq, self->p.pid, 0));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_EXEC));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* EV_DISABLE keeps what happens, for EV_ENABLE; EV_DISPATCH does so by itself. */
TEST_F(proc, disabled)
{
	ASSERT_EQ(0, kq_change(self->kq, self->p.pid, EVFILT_PROC,
			       EV_ADD | EV_DISPATCH, ALL, 0, UD(5)));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TOLD(NOTE_FORK, 0);
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_change(self->kq, self->p.pid, EVFILT_PROC, EV_ENABLE, ALL,
			       0, UD(5)));
	ASSERT_TOLD(NOTE_FORK, 0);
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_EQ(0, waitid(P_PID, self->p.pid, NULL, WEXITED | WNOWAIT));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_change(self->kq, self->p.pid, EVFILT_PROC, EV_ENABLE, ALL,
			       0, UD(5)));
	ASSERT_TOLD(NOTE_EXIT, exited(PUPPET_STATUS));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
}

/* EV_ONESHOT: the first event is the last, whatever it tells. */
TEST_F(proc, oneshot)
{
	ASSERT_EQ(0, kq_change(self->kq, self->p.pid, EVFILT_PROC,
			       EV_ADD | EV_ONESHOT, ALL, 0, UD(5)));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	EXPECT_EQ(NOTE_FORK, self->ev[0].fflags);
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
}

/* What was deleted is not told, although it had happened. */
TEST_F(proc, deleted)
{
	ASSERT_EQ(0, watch(self->kq, self->p.pid, ALL));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_EQ(0, kq_set(self->kq, self->p.pid, EVFILT_PROC, EV_DELETE));
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->p.pid, EVFILT_PROC, EV_DELETE));
}

/* An event can be handed back as a change. */
TEST_F(proc, handed_back)
{
	ASSERT_EQ(0, watch(self->kq, self->p.pid, ALL));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TOLD(NOTE_FORK, 0);
	ASSERT_EQ(0, kevent(self->kq, self->ev, 1, NULL, 0, NULL));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TOLD(NOTE_FORK, 0);
}

/* Who waits for the end alone is not disturbed by what the process does before. */
TEST_F(proc, undisturbed)
{
	int other = kq_open();

	ASSERT_EQ(0, watch(other, self->p.pid, NOTE_FORK | NOTE_EXEC));
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_EXIT));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_EXEC));
	EXPECT_EQ(1, fdinfo_queued(other));
	EXPECT_EQ(0, fdinfo_queued(self->kq));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_TOLD(NOTE_EXIT, exited(PUPPET_STATUS));
}

/* All queues that watch a process are told, of whatever process they are. */
TEST_F(proc, many_queues)
{
	int kqs[40], i;

	for (i = 0; i < 40; i++) {
		kqs[i] = kq_open();
		ASSERT_LE(0, kqs[i]);
		ASSERT_EQ(0, watch(kqs[i], self->p.pid, ALL));
	}
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	ASSERT_EQ(0, waitid(P_PID, self->p.pid, NULL, WEXITED | WNOWAIT));
	for (i = 0; i < 40; i++)
		ASSERT_EVENT(kqs[i], self->p.pid, EVFILT_PROC,
			     exited(PUPPET_STATUS), EV_EOF, NOTE_EXIT | NOTE_FORK);
}

/* What is no process, or none of ours, is ESRCH; what is no note EINVAL. */
TEST_F(proc, bad_input)
{
	pid_t gone = fork();

	if (!gone)
		_exit(0);
	ASSERT_EQ(0, child_status(gone));
	EXPECT_EQ(ESRCH, watch(self->kq, gone, NOTE_EXIT));
	EXPECT_EQ(ESRCH, watch(self->kq, 0, NOTE_EXIT));
	EXPECT_EQ(ESRCH, watch(self->kq, -1, NOTE_EXIT));
	EXPECT_EQ(ESRCH, watch(self->kq, -getpid(), NOTE_EXIT));
	EXPECT_EQ(EINVAL, watch(self->kq, self->p.pid, NOTE_EXIT | 0x100000));
	EXPECT_EQ(EINVAL, watch(self->kq, self->p.pid, 8));
	EXPECT_EQ(ENOENT, kq_change(self->kq, self->p.pid, EVFILT_PROC, EV_ENABLE,
				    ALL, 0, NULL));
	ASSERT_EQ(0, watch(self->kq, self->p.pid, ALL));
	EXPECT_EQ(EINVAL, watch(self->kq, self->p.pid, 8));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TOLD(NOTE_FORK, 0);
}

static void *thread_id(void *arg)
{
	pid_t *tid = arg;

	__atomic_store_n(tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	pause();
	return NULL;
}

/* The number of a thread is that of no process. */
TEST_F(proc, no_thread)
{
	pthread_t thread;
	pid_t tid = 0;

	ASSERT_EQ(0, pthread_create(&thread, NULL, thread_id, &tid));
	ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&tid, __ATOMIC_ACQUIRE)));
	EXPECT_EQ(ESRCH, watch(self->kq, tid, NOTE_EXIT));
}

/* A number wider than any process's is no other process. */
TEST_F(proc, wide_ident)
{
	if (sizeof(uintptr_t) < 8)
		SKIP(return, "idents are 32 bits wide");
	EXPECT_EQ(ESRCH, kq_change(self->kq, (uintptr_t)(1ULL << 32 | self->p.pid),
				   EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL));
}

int main(int argc, char **argv)
{
	return exec_or_harness(argc, argv, puppet_after_exec);
}
