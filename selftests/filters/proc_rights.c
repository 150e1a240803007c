// SPDX-License-Identifier: BSD-2-Clause
/*
 * EVFILT_PROC: whom processes may be watched by, how much those are told, and by
 * which numbers. All of these need root, to be several users.
 */
#include <sys/prctl.h>
#include <sys/stat.h>

#include "expect.h"
#include "puppet.h"
#include "quota.h"

#define ALL	(NOTE_EXIT | NOTE_FORK | NOTE_EXEC)

FIXTURE(rights)
{
	int kq;
	struct kevent ev[4];
	struct puppet p;	/* Alice's, and a child of ours */
};

/* Become @uid, with nothing of root's left. */
static bool become(uid_t uid)
{
	return !setresgid(uid, uid, uid) && !setresuid(uid, uid, uid);
}

/* Who changes its user hides from the new one, as long as it is the old program. */
static pid_t fork_alice(void)
{
	pid_t pid = fork();

	if (!pid && (!become(ALICE) || prctl(PR_SET_DUMPABLE, 1)))
		_exit(98);
	return pid;
}

FIXTURE_SETUP(rights)
{
	if (geteuid())
		SKIP(return, "only root can become somebody else");
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_TRUE(puppet_start_by(&self->p, fork_alice));
}

FIXTURE_TEARDOWN(rights)
{
	kill(self->p.pid, SIGKILL);
	unlink(PUPPET_SETUID_FILE);
	close(self->kq);
}

static int watch(int kq, pid_t pid, unsigned int fflags)
{
	return kq_change(kq, pid, EVFILT_PROC, EV_ADD, fflags, 0, NULL);
}

/* What @uid gets who asks for each of the notes of @pid: an errno each. */
struct answers {
	int exit;
	int fork;
	int exec;
	int track;
};

/* Asked by a process of that user; -1 if that did not work. */
static struct answers ask(uid_t uid, pid_t pid)
{
	struct answers a = { -1, -1, -1, -1 };
	int fd[2], kq;

	if (pipe(fd))
		return a;
	if (!fork()) {
		kq = become(uid) ? kq_open() : -1;
		a.exit = watch(kq, pid, NOTE_EXIT);
		a.fork = watch(kq, pid, NOTE_EXIT | NOTE_FORK);
		a.exec = watch(kq, pid, NOTE_EXEC);
		a.track = watch(kq, pid, NOTE_TRACK);
		_exit(write(fd[1], &a, sizeof(a)) != sizeof(a));
	}
	wait(NULL);
	if (read(fd[0], &a, sizeof(a)) != sizeof(a))
		a.exit = -1;
	close(fd[0]);
	close(fd[1]);
	return a;
}

#define EXPECT_ANSWERS(a, want_exit, want) do {				\
	struct answers a_ = (a);					\
	int want_ = (want);						\
									\
	EXPECT_EQ(want_exit, a_.exit);					\
	EXPECT_EQ(want_, a_.fork);					\
	EXPECT_EQ(want_, a_.exec);					\
	EXPECT_EQ(want_, a_.track);					\
} while (0)

/* Everybody may ask for the end; for more, the user, and who may debug all. */
TEST_F(rights, who_may_watch)
{
	EXPECT_ANSWERS(ask(ALICE, self->p.pid), 0, 0);
	EXPECT_ANSWERS(ask(BOB, self->p.pid), 0, EACCES);
	EXPECT_ANSWERS(ask(ALICE, getpid()), 0, EACCES);
	EXPECT_EQ(0, watch(self->kq, self->p.pid, ALL | NOTE_TRACK));
}

static pid_t fork_hidden_alice(void)
{
	pid_t pid = fork_alice();

	if (!pid)
		prctl(PR_SET_DUMPABLE, 0);
	return pid;
}

/* Of a process that does not want to be looked at (PR_SET_DUMPABLE), not the user. */
TEST_F(rights, hidden)
{
	struct puppet q;

	ASSERT_TRUE(puppet_start_by(&q, fork_hidden_alice));
	EXPECT_ANSWERS(ask(ALICE, q.pid), 0, EACCES);
	EXPECT_EQ(0, watch(self->kq, q.pid, ALL | NOTE_TRACK));
	puppet_wait(&q);
}

/* A watcher of @uid, who asks for @fflags, then goes on when told, and tells us. */
struct watcher {
	pid_t pid;
	int to, from;
	int kq;
};

static bool start_watcher(struct watcher *w, uid_t uid, pid_t of,
			  unsigned int fflags)
{
	int to[2], from[2];

	if (pipe(to) || pipe(from))
		return false;
	w->pid = fork();
	w->to = w->pid ? to[1] : to[0];
	w->from = w->pid ? from[0] : from[1];
	close(w->pid ? to[0] : to[1]);
	close(w->pid ? from[1] : from[0]);
	if (w->pid)
		return hear(w->from);
	w->kq = become(uid) ? kq_open() : -1;
	if (w->kq < 0 || watch(w->kq, of, fflags) || !tell(w->from))
		_exit(1);
	return true;
}

/* What the watcher is told next: its notes, and data in @data. In the watcher. */
static unsigned int next_notes(struct watcher *w, long long *data)
{
	struct kevent ev;

	if (kq_wait(w->kq, &ev, 1, LIMIT_MS) != 1)
		return 0;
	*data = ev.data;
	return ev.fflags;
}

/* Who may not know the status is told of the end without it: -1. */
TEST_F(rights, status)
{
	struct watcher alice, bob;
	long long data;

	ASSERT_TRUE(start_watcher(&alice, ALICE, self->p.pid, NOTE_EXIT));
	if (!alice.pid)
		_exit(next_notes(&alice, &data) != NOTE_EXIT ||
		      data != PUPPET_STATUS << 8);
	ASSERT_TRUE(start_watcher(&bob, BOB, self->p.pid, NOTE_EXIT));
	if (!bob.pid)
		_exit(next_notes(&bob, &data) != NOTE_EXIT || data != -1);
	ASSERT_EQ(0, watch(self->kq, self->p.pid, NOTE_EXIT));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	EXPECT_EQ(0, child_status(alice.pid));
	EXPECT_EQ(0, child_status(bob.pid));
	ASSERT_EVENT(self->kq, self->p.pid, EVFILT_PROC, PUPPET_STATUS << 8, EV_EOF,
		     NOTE_EXIT);
}

/* A copy of this program that is root's, whoever runs it. */
static bool make_setuid_file(void)
{
	int in = open("/proc/self/exe", O_RDONLY), out;
	char buf[4096];
	ssize_t n;

	out = open(PUPPET_SETUID_FILE, O_CREAT | O_EXCL | O_WRONLY, 0755);
	if (in < 0 || out < 0)
		return false;
	while ((n = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, n) != n)
			return false;
	close(in);
	return !fchmod(out, 04755) && !close(out);
}

/*
 * A process that runs a setuid program is followed no further than that by its
 * user, but for its end, of which he does not get the status; nor are its children.
 * Who may debug all is told everything, and so is its parent.
 */
TEST_F(rights, setuid)
{
	struct watcher w;
	long long data;

	ASSERT_TRUE(make_setuid_file());
	ASSERT_TRUE(start_watcher(&w, ALICE, self->p.pid, ALL | NOTE_TRACK));
	if (!w.pid) {
		hear(w.to);
		if (next_notes(&w, &data) != (NOTE_FORK | NOTE_EXEC))
			_exit(2);
		if (next_notes(&w, &data) != NOTE_CHILD ||
		    next_notes(&w, &data) != NOTE_EXIT || !tell(w.from))
			_exit(3);
		hear(w.to);
		if (kq_count(w.kq))
			_exit(4);
		if (watch(w.kq, self->p.pid, NOTE_FORK) ||
		    watch(w.kq, self->p.pid, ALL) || !tell(w.from))
			_exit(5);
		if (next_notes(&w, &data) != NOTE_EXIT || data != -1)
			_exit(6);
		_exit(kq_count(w.kq) ? 7 : 0);
	}
	ASSERT_EQ(0, watch(self->kq, self->p.pid, ALL));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_EXEC_SETUID));
	ASSERT_TRUE(tell(w.to));
	ASSERT_TRUE(hear(w.from));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 1));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_EXEC));
	EXPECT_ANSWERS(ask(ALICE, self->p.pid), 0, EACCES);
	ASSERT_TRUE(tell(w.to));
	ASSERT_TRUE(hear(w.from));
	ASSERT_TRUE(puppet_begin(&self->p, PUPPET_EXIT));
	EXPECT_EQ(0, child_status(w.pid));
	ASSERT_EVENT(self->kq, self->p.pid, EVFILT_PROC, PUPPET_STATUS << 8, EV_EOF,
		     ALL);
}

/* What a user's own process runs with more rights than his is not told either. */
TEST_F(rights, setuid_child)
{
	struct kevent ev;
	struct puppet q;
	unsigned int told = 0;
	int kq;

	ASSERT_TRUE(make_setuid_file());
	ASSERT_EQ(0, IN_CHILD(({
		int bad = !become(ALICE) || prctl(PR_SET_DUMPABLE, 1);

		kq = kq_open();
		bad |= watch(kq, getpid(), ALL | NOTE_TRACK);
		bad |= !puppet_start(&q) || !puppet_do(&q, PUPPET_EXEC_SETUID);
		bad |= !puppet_do(&q, PUPPET_FORK);
		bad |= !puppet_do(&q, PUPPET_FORK);
		bad |= puppet_wait(&q);
		/* Our fork; the child's birth, program and end; nothing else. */
		while (kq_collect(kq, &ev, 1) == 1) {
			bad |= ev.ident != (uintptr_t)getpid() &&
			       ev.ident != (uintptr_t)q.pid;
			bad |= ev.ident == (uintptr_t)q.pid &&
			       (ev.fflags & NOTE_FORK);
			told |= ev.fflags;
		}
		bad || told != (NOTE_CHILD | ALL);
	})));
}

/* To ask for more after that does not tell what was done since. */
TEST_F(rights, setuid_changed)
{
	struct watcher w;
	struct kevent ev;

	ASSERT_TRUE(make_setuid_file());
	ASSERT_TRUE(start_watcher(&w, ALICE, self->p.pid, NOTE_EXIT));
	if (!w.pid) {
		hear(w.to);
		if (watch(w.kq, self->p.pid, ALL))
			_exit(1);
		if (kq_collect(w.kq, &ev, 1) || !tell(w.from))
			_exit(2);
		hear(w.to);
		_exit(kq_collect(w.kq, &ev, 1) ? 3 : 0);
	}
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_EXEC_SETUID));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(tell(w.to));
	ASSERT_TRUE(hear(w.from));
	ASSERT_TRUE(puppet_do(&self->p, PUPPET_FORK));
	ASSERT_TRUE(tell(w.to));
	EXPECT_EQ(0, child_status(w.pid));
}

/* In a pid namespace, idents and parents are as it has them; outside, as we have. */
TEST_F(rights, namespaces)
{
	struct kevent ev;
	int kq, status;
	pid_t pid;

	ASSERT_EQ(0, watch(self->kq, getpid(), NOTE_TRACK));
	ASSERT_EQ(0, unshare(CLONE_NEWPID));
	pid = fork();
	if (!pid) {
		kq = kq_open();
		if (watch(kq, 1, NOTE_TRACK) || IN_CHILD(0) ||
		    kq_wait(kq, &ev, 1, LIMIT_MS) != 1)
			_exit(1);
		if (ev.ident != 2 || ev.fflags != NOTE_CHILD || ev.data != 1)
			_exit(2);
		_exit(watch(kq, 3, NOTE_EXIT) == ESRCH ? 0 : 3);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(2, kq_collect(self->kq, self->ev, 4));
	EXPECT_EQ((uintptr_t)pid, self->ev[0].ident);
	EXPECT_EQ(getpid(), self->ev[0].data);
	EXPECT_LT((uintptr_t)2, self->ev[1].ident);
	EXPECT_EQ(pid, self->ev[1].data);
}

/* --- Numbers that are used again ------------------------------------------- */

FIXTURE(reused)
{
	int kq;
	struct kevent ev[16];
	int go[2];		/* through which children are told to exit */
};

FIXTURE_SETUP(reused)
{
	if (geteuid())
		SKIP(return, "only root can choose numbers");
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, pipe(self->go));
}

FIXTURE_TEARDOWN(reused)
{
	close(self->kq);
}

/* A child with the number @pid, or any if that is 0, which exits when told. */
static pid_t fork_as(pid_t pid, int code, int go)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack,
			 stack_size, tls, set_tid, set_tid_size;
	} args = {
		.exit_signal = SIGCHLD,
		.set_tid = pid ? (uintptr_t)&pid : 0,
		.set_tid_size = pid ? 1 : 0,
	};
	pid_t child = syscall(SYS_clone3, &args, sizeof(args));

	if (!child) {
		hear(go);
		_exit(code);
	}
	return child;
}

/* Have a child that is watched exit. Returns its number, or -1. */
static pid_t run_child(int kq, pid_t pid, int code, const int go[2])
{
	pid_t child = fork_as(pid, code, go[0]);
	int err = watch(kq, child, NOTE_EXIT);

	bool ended = tell(go[1]) && child_status(child) == code;

	errno = err;
	return ended && !err ? child : -1;
}

/* What the old process has left to tell is told, besides what the new one does. */
TEST_F(reused, both)
{
	pid_t pid = run_child(self->kq, 0, 1, self->go);

	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, fork_as(pid, 2, self->go[0]));
	ASSERT_EQ(0, watch(self->kq, pid, NOTE_EXIT));
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
	ASSERT_EVENT(self->kq, pid, EVFILT_PROC, 1 << 8, EV_EOF, NOTE_EXIT);
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	ASSERT_TRUE(tell(self->go[1]));
	ASSERT_EVENT(self->kq, pid, EVFILT_PROC, 2 << 8, EV_EOF, NOTE_EXIT);
	EXPECT_EQ(2, child_status(pid));
}

/* Children that are followed are told apart as well. */
TEST_F(reused, children)
{
	long long births = 0, ends = 0;
	pid_t pid;
	int n;

	ASSERT_EQ(0, watch(self->kq, getpid(), NOTE_EXIT | NOTE_TRACK));
	pid = fork_as(0, 1, self->go[0]);
	ASSERT_TRUE(tell(self->go[1]));
	ASSERT_EQ(1, child_status(pid));
	ASSERT_EQ(pid, fork_as(pid, 2, self->go[0]));
	ASSERT_TRUE(tell(self->go[1]));
	ASSERT_EQ(2, child_status(pid));
	while ((n = kq_collect(self->kq, self->ev, 16)) > 0) {
		while (n--) {
			ASSERT_EQ((uintptr_t)pid, self->ev[n].ident);
			if (self->ev[n].fflags == NOTE_CHILD)
				births++;
			else
				ends += self->ev[n].data;
		}
	}
	EXPECT_EQ(2, births);
	EXPECT_EQ(3 << 8, ends);
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
}

/* EV_DELETE is about all that the number ever meant. */
TEST_F(reused, deleted)
{
	pid_t pid = run_child(self->kq, 0, 1, self->go);

	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, fork_as(pid, 2, self->go[0]));
	ASSERT_EQ(0, watch(self->kq, pid, NOTE_EXIT));
	ASSERT_EQ(0, kq_set(self->kq, pid, EVFILT_PROC, EV_DELETE));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(tell(self->go[1]));
	EXPECT_EQ(2, child_status(pid));
}

/* A disabled one gives way to the new one. */
TEST_F(reused, disabled)
{
	pid_t pid = run_child(self->kq, 0, 1, self->go);

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, kq_change(self->kq, pid, EVFILT_PROC, EV_DISABLE, NOTE_EXIT, 0,
			       NULL));
	ASSERT_EQ(pid, fork_as(pid, 2, self->go[0]));
	ASSERT_EQ(0, watch(self->kq, pid, NOTE_EXIT));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_TRUE(tell(self->go[1]));
	ASSERT_EVENT(self->kq, pid, EVFILT_PROC, 2 << 8, EV_EOF, NOTE_EXIT);
	EXPECT_EQ(2, child_status(pid));
}

/* Many times is refused, until somebody collects; nothing is lost of the others. */
TEST_F(reused, too_often)
{
	pid_t pid = run_child(self->kq, 0, 0, self->go);
	int i;

	for (i = 1; i < 9; i++)
		ASSERT_EQ(pid, run_child(self->kq, pid, i, self->go));
	EXPECT_EQ(-1, run_child(self->kq, pid, 9, self->go));
	EXPECT_EQ(EBUSY, errno);
	ASSERT_EQ(9, kq_collect(self->kq, self->ev, 16));
	for (i = 0; i < 9; i++)
		EXPECT_EQ(i << 8, self->ev[i].data);
	EXPECT_EQ(pid, run_child(self->kq, pid, 9, self->go));
}

int main(int argc, char **argv)
{
	return exec_or_harness(argc, argv, puppet_after_exec);
}
