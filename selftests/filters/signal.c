// SPDX-License-Identifier: BSD-2-Clause
/*
 * EVFILT_SIGNAL: what counts as a signal of the process, what becomes of it
 * besides, and how it is reported.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "peers.h"
#include "signals.h"

static int handled;

static void handler(int sig)
{
	(void)sig;
	__atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST);
}

FIXTURE(signal)
{
	int kq;
	struct kevent ev[4];
};

FIXTURE_SETUP(signal)
{
	handled = 0;
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(signal)
{
	close(self->kq);
}

/* What is ignored is counted, and still ignored. */
TEST_F(signal, ignored)
{
	signal(SIGTERM, SIG_IGN);
	ASSERT_EQ(0, kq_set(self->kq, SIGTERM, EVFILT_SIGNAL, EV_ADD));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kill(getpid(), SIGTERM));
	ASSERT_EQ(0, kill(getpid(), SIGTERM));
	EXPECT_EQ(2, sig_count(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* What is blocked is counted as often as it is sent, and pending once as ever. */
TEST_F(signal, blocked)
{
	struct timespec none = { 0, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_TRUE(sig_block(SIGUSR1));
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD));
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	EXPECT_EQ(3, sig_count(self->kq));
	EXPECT_EQ(SIGUSR1, sigtimedwait(&set, NULL, &none));
	EXPECT_EQ(-1, sigtimedwait(&set, NULL, &none));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* A handler runs, and what was sent is counted. */
TEST_F(signal, handled)
{
	signal(SIGUSR1, handler);
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD));
	raise(SIGUSR1);
	raise(SIGUSR1);
	EXPECT_EQ(2, __atomic_load_n(&handled, __ATOMIC_SEQ_CST));
	EXPECT_EQ(2, sig_count(self->kq));
}

static int die_of(int sig)
{
	int kq = sig_watch(sig);

	if (kq < 0)
		return 1;
	kill(getpid(), sig);
	return 2;
}

/* The default action happens: who watches SIGTERM, and no more, dies of it. */
TEST_F(signal, default_action)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		signal(SIGTERM, SIG_DFL);
		_exit(die_of(SIGTERM));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

/* Real-time signals queue up, and each counts; so do all there are, up to the last. */
TEST_F(signal, real_time)
{
	union sigval val = { .sival_int = 7 };
	int sig;

	for (sig = SIGRTMIN; sig <= SIGRTMAX; sig++) {
		signal(sig, SIG_IGN);
		ASSERT_EQ(0, kq_set(self->kq, sig, EVFILT_SIGNAL, EV_ADD));
		ASSERT_EQ(0, sigqueue(getpid(), sig, val));
		ASSERT_EQ(0, sigqueue(getpid(), sig, val));
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
		EXPECT_EQ((uintptr_t)sig, self->ev[0].ident);
		EXPECT_EQ(2, self->ev[0].data);
		EXPECT_EQ(SI_QUEUE, (int)self->ev[0].fflags);
	}
}

/* One that the sender was refused, with EAGAIN, was not sent. */
TEST_F(signal, refused)
{
	struct rlimit none = { 0, 0 };
	union sigval val = { .sival_int = 0 };

	ASSERT_TRUE(sig_block(SIGRTMIN));
	ASSERT_EQ(0, kq_set(self->kq, SIGRTMIN, EVFILT_SIGNAL, EV_ADD));
	ASSERT_EQ(0, setrlimit(RLIMIT_SIGPENDING, &none));
	ASSERT_EQ(-1, sigqueue(getpid(), SIGRTMIN, val));
	ASSERT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, kq_count(self->kq));
}

static void *send_to_thread(void *arg)
{
	pid_t *tid = arg;

	sig_thread(*tid, SIGUSR1);
	return NULL;
}

static void *register_and_wait(void *arg)
{
	struct waiter *w = arg;

	w->err = kq_set(w->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD);
	return waiter_main(arg);
}

/* What is sent to one thread counts for the process, whoever of it has registered. */
TEST_F(signal, threads)
{
	struct waiter w = { .kq = self->kq, .max = 1, .ms = LIMIT_MS };
	pid_t tid = syscall(SYS_gettid);
	pthread_t sender;

	signal(SIGUSR1, SIG_IGN);
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, register_and_wait, &w));
	ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&w.tid, __ATOMIC_ACQUIRE)));
	ASSERT_TRUE(wait_asleep(w.tid));
	ASSERT_EQ(0, pthread_create(&sender, NULL, send_to_thread, &tid));
	ASSERT_EQ(0, pthread_join(sender, NULL));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	EXPECT_EQ(1, w.ev[0].data);
	EXPECT_EQ(SI_TKILL, (int)w.ev[0].fflags);
	EXPECT_EQ((uint64_t)getpid(), w.ev[0].ext[0]);
}

/* Signals of others, parents and children, are nothing to the queue. */
TEST_F(signal, own_process_only)
{
	int status;
	pid_t pid;

	signal(SIGUSR1, SIG_IGN);
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD));
	pid = fork();
	if (!pid) {
		kill(getpid(), SIGUSR1);
		pause();
	}
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, kq_count(self->kq));
}

/*
 * Where processes share descriptors, a registration is for the signals of the one
 * that made it, and stays so when another changes it.
 */
TEST_F(signal, shared_descriptors)
{
	pid_t pid;

	signal(SIGUSR1, SIG_IGN);
	pid = fork_sharing_files();
	if (!pid) {
		if (kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD))
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_TRUE(WAIT_FOR(fdinfo_knotes(self->kq) == 1));
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD));
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	EXPECT_EQ(1, sig_count(self->kq));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE));
}

/*
 * The program changes, and the process stays: its queue goes on counting. Or, if it
 * has @none any more, there is only somebody to tell that the program is here.
 */
static int after_exec(int kq, int none, int unused)
{
	struct kevent ev;

	(void)unused;
	if (none)
		return kill(getppid(), SIGCONT) ? 1 : pause();
	kill(getpid(), SIGUSR1);
	return kq_collect(kq, &ev, 1) == 1 && ev.data == 2 ? 0 : 1;
}

static void *exec_from_thread(void *arg)
{
	exec_self(*(int *)arg, 0, 0);
	return NULL;
}

/* A queue that is kept over exec, and another thread than the first does that. */
static int exec_watching(void)
{
	int kq = sig_watch(SIGUSR1);
	pthread_t thread;

	signal(SIGUSR1, SIG_IGN);
	if (kq < 0 || fcntl(kq, F_SETFD, 0) || kill(getpid(), SIGUSR1) ||
	    pthread_create(&thread, NULL, exec_from_thread, &kq))
		return 98;
	for (;;)
		pause();
}

/* What was sent before exec and after it comes together. */
TEST_F(signal, exec)
{
	EXPECT_EQ(0, IN_CHILD(exec_watching()));
}

/*
 * What a process is sent once it is another program is told to no other process, not
 * even when it is gone.
 */
TEST_F(signal, exec_of_another)
{
	int told = sig_watch(SIGCONT);
	struct kevent ev;
	pid_t pid;

	ASSERT_LE(0, told);
	signal(SIGUSR1, SIG_IGN);
	pid = fork_sharing_files();
	if (!pid) {
		if (kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD))
			_exit(1);
		kill(getpid(), SIGUSR1);
		kill(getppid(), SIGCONT);
		pause();
	}
	ASSERT_EQ(1, kq_wait(told, &ev, 1, LIMIT_MS));
	EXPECT_EQ(1, sig_count(self->kq));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE));

	pid = fork_sharing_files();
	if (!pid) {
		if (kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD))
			_exit(1);
		exec_self(self->kq, 1, 0);
	}
	ASSERT_EQ(1, kq_wait(told, &ev, 1, LIMIT_MS));
	ASSERT_EQ((uint64_t)pid, ev.ext[0]);
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ENABLE));
	EXPECT_EQ(0, kq_count(self->kq));
	close(told);
}

/* kill(2): SI_USER, with the sender's process and real user. */
TEST_F(signal, from_kill)
{
	pid_t pid;

	signal(SIGUSR1, SIG_IGN);
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD));
	pid = fork();
	if (!pid)
		_exit((!geteuid() && setreuid(1234, 0)) || kill(getppid(), SIGUSR1));
	ASSERT_EQ(0, child_status(pid));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	EXPECT_EQ(SI_USER, (int)self->ev[0].fflags);
	EXPECT_EQ((uint64_t)pid, self->ev[0].ext[0]);
	EXPECT_EQ(geteuid() ? geteuid() : 1234, self->ev[0].ext[1]);
}

/* A child that exits: SIGCHLD, with what siginfo has, though nobody handles it. */
TEST_F(signal, from_child)
{
	pid_t pid;

	ASSERT_EQ(0, kq_set(self->kq, SIGCHLD, EVFILT_SIGNAL, EV_ADD));
	pid = fork();
	if (!pid)
		_exit(3);
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
	EXPECT_EQ(CLD_EXITED, (int)self->ev[0].fflags);
	EXPECT_EQ((uint64_t)pid, self->ev[0].ext[0]);
	EXPECT_EQ((uint64_t)getuid(), self->ev[0].ext[1]);
	EXPECT_EQ(3, child_status(pid));
}

/* A timer of POSIX: each expiration counts, and there is no sender. */
TEST_F(signal, from_timer)
{
	struct sigevent how = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	struct itimerspec when = { .it_value.tv_nsec = 1 };
	timer_t timer;

	signal(SIGRTMIN, SIG_IGN);
	ASSERT_EQ(0, kq_set(self->kq, SIGRTMIN, EVFILT_SIGNAL, EV_ADD));
	ASSERT_EQ(0, timer_create(CLOCK_MONOTONIC, &how, &timer));
	ASSERT_EQ(0, timer_settime(timer, 0, &when, NULL));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
	EXPECT_EQ(1, self->ev[0].data);
	EXPECT_EQ(SI_TIMER, (int)self->ev[0].fflags);
	EXPECT_EQ(0, self->ev[0].ext[0]);
	EXPECT_EQ(0, self->ev[0].ext[1]);
	ASSERT_EQ(0, timer_delete(timer));
}

/* setitimer(2): SIGALRM, from the kernel. */
TEST_F(signal, from_alarm)
{
	struct itimerval when = { .it_value.tv_usec = 1 };

	signal(SIGALRM, SIG_IGN);
	ASSERT_EQ(0, kq_set(self->kq, SIGALRM, EVFILT_SIGNAL, EV_ADD));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &when, NULL));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
	EXPECT_EQ(1, self->ev[0].data);
	EXPECT_EQ(SI_KERNEL, (int)self->ev[0].fflags);
	EXPECT_EQ(0, self->ev[0].ext[0]);
}

/* A pipe without a reader: SIGPIPE. */
TEST_F(signal, from_pipe)
{
	int fd[2];

	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, pipe2(fd, O_CLOEXEC));
	ASSERT_EQ(0, close(fd[0]));
	ASSERT_EQ(0, kq_set(self->kq, SIGPIPE, EVFILT_SIGNAL, EV_ADD));
	EXPECT_EQ(-1, write(fd[1], "x", 1));
	EXPECT_EQ(1, sig_count(self->kq));
}

/* A descriptor that has become ready: SIGIO, and no sender but a band. */
TEST_F(signal, from_descriptor)
{
	int fd[2];

	signal(SIGIO, SIG_IGN);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	ASSERT_EQ(0, fcntl(fd[0], F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(fd[0], F_SETSIG, SIGIO));
	ASSERT_EQ(0, fcntl(fd[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	ASSERT_EQ(0, kq_set(self->kq, SIGIO, EVFILT_SIGNAL, EV_ADD));
	ASSERT_EQ(1, write(fd[1], "x", 1));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
	EXPECT_EQ(POLL_IN, (int)self->ev[0].fflags);
	EXPECT_EQ(0, self->ev[0].ext[0]);
	EXPECT_EQ(0, self->ev[0].ext[1]);
}

/* In a session of its own, whose terminal is @fd: is ^C seen? */
static int interrupted_from(int fd)
{
	struct kevent ev;
	int kq;

	if (setsid() < 0 || ioctl(fd, TIOCSCTTY, 0))
		return 1;
	signal(SIGINT, SIG_IGN);
	kq = sig_watch(SIGINT);
	if (kq < 0 || kill(getppid(), SIGCONT))
		return 2;
	return kq_wait(kq, &ev, 1, LIMIT_MS) == 1 ? 0 : 3;
}

/* A terminal: ^C. */
TEST_F(signal, from_terminal)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), tty;
	pid_t pid;

	if (master < 0 || grantpt(master) || unlockpt(master))
		SKIP(return, "no pseudo terminals: %s", strerror(errno));
	tty = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ASSERT_LE(0, tty);
	/* The child says with SIGCONT, which disturbs nobody, that it watches. */
	ASSERT_EQ(0, kq_set(self->kq, SIGCONT, EVFILT_SIGNAL, EV_ADD));
	pid = fork();
	if (!pid)
		_exit(interrupted_from(tty));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 4, LIMIT_MS));
	ASSERT_EQ((uint64_t)pid, self->ev[0].ext[0]);
	ASSERT_EQ(1, write(master, "\003", 1));
	EXPECT_EQ(0, child_status(pid));
}

/* The number and the user of the sender are as the receiver's namespaces see them. */
static int sent_from_outside(int from, int to)
{
	struct kevent ev;
	int kq;

	signal(SIGUSR1, SIG_IGN);
	kq = sig_watch(SIGUSR1);
	if (kq < 0 || !tell(to) || !hear(from))
		return 1;
	if (kq_collect(kq, &ev, 1) != 1 || ev.ext[0] || ev.ext[1] != 65534)
		return 2;
	kill(getpid(), SIGUSR1);
	if (kq_collect(kq, &ev, 1) != 1 || ev.ext[0] != 1 || ev.ext[1] != 65534)
		return 3;
	/* Here it is the kernel that says who the sender is. */
	signal(SIGPIPE, SIG_IGN);
	if (kq_set(kq, SIGPIPE, EVFILT_SIGNAL, EV_ADD) || tell(to) || errno != EPIPE)
		return 4;
	if (kq_collect(kq, &ev, 1) != 1 || ev.ident != SIGPIPE || ev.ext[0] != 1)
		return 5;
	return 0;
}

/*
 * A process in new namespaces of users and processes, which know neither us nor
 * our user: 0, and the user that stands for those without a number.
 */
TEST_F(signal, namespaces)
{
	int in[2], out[2];
	pid_t pid;

	ASSERT_EQ(0, pipe2(in, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(out, O_CLOEXEC));
	pid = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, 0);
	if (pid < 0)
		SKIP(return, "no new namespaces: %s", strerror(errno));
	if (!pid) {
		close(out[0]);
		_exit(sent_from_outside(in[0], out[1]));
	}
	ASSERT_TRUE(hear(out[0]));
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	ASSERT_EQ(0, close(out[0]));
	ASSERT_TRUE(tell(in[1]));
	EXPECT_EQ(0, child_status(pid));
}

/* The edge is implied; what is disabled goes on counting. */
TEST_F(signal, disabled)
{
	signal(SIGUSR1, SIG_IGN);
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD | EV_DISABLE));
	raise(SIGUSR1);
	raise(SIGUSR1);
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ENABLE));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	EXPECT_EQ(EV_CLEAR, self->ev[0].flags);
	EXPECT_EQ(2, self->ev[0].data);
	EXPECT_EQ(0, kq_count(self->kq));
}

/* EV_DISPATCH disables, EV_ONESHOT removes, with the event. */
TEST_F(signal, once)
{
	signal(SIGUSR1, SIG_IGN);
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD | EV_DISPATCH));
	raise(SIGUSR1);
	EXPECT_EQ(1, sig_count(self->kq));
	raise(SIGUSR1);
	raise(SIGUSR1);
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ENABLE));
	EXPECT_EQ(2, sig_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE));

	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD | EV_ONESHOT));
	raise(SIGUSR1);
	EXPECT_EQ(1, sig_count(self->kq));
	EXPECT_EQ(ENOENT, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE));
}

/* What has come is kept when the registration is changed, and goes with it. */
TEST_F(signal, changed)
{
	signal(SIGUSR1, SIG_IGN);
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD));
	raise(SIGUSR1);
	ASSERT_EQ(0, kq_change(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, UD(5)));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	EXPECT_EQ(1, self->ev[0].data);
	EXPECT_EQ(UD(5), self->ev[0].udata);
	raise(SIGUSR1);
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* There is no such signal. */
TEST_F(signal, bad_input)
{
	EXPECT_EQ(EINVAL, kq_set(self->kq, 0, EVFILT_SIGNAL, EV_ADD));
	EXPECT_EQ(EINVAL, kq_set(self->kq, 65, EVFILT_SIGNAL, EV_ADD));
	EXPECT_EQ(EINVAL, kq_set(self->kq, (uintptr_t)-1, EVFILT_SIGNAL, EV_ADD));
	EXPECT_EQ(ENOENT, kq_set(self->kq, SIGUSR2, EVFILT_SIGNAL, EV_DELETE));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
}

/* An event can be handed back as a change, whatever it says of the sender. */
TEST_F(signal, handed_back)
{
	signal(SIGUSR1, SIG_IGN);
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD | EV_DISPATCH));
	ASSERT_TRUE(sig_thread(getpid(), SIGUSR1));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	ASSERT_EQ(SI_TKILL, (int)self->ev[0].fflags);
	self->ev[0].flags = EV_ENABLE;
	ASSERT_EQ(0, kevent(self->kq, self->ev, 1, NULL, 0, NULL));
	raise(SIGUSR1);
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 4));
	EXPECT_EQ(1, self->ev[0].data);
	self->ev[0].flags = EV_ADD | EV_ONESHOT;
	ASSERT_EQ(0, kevent(self->kq, self->ev, 1, NULL, 0, NULL));
}

/* The wider half of an ident is not cut off. */
TEST_F(signal, wide_ident)
{
	if (sizeof(uintptr_t) < 8)
		SKIP(return, "idents are 32 bits wide");
	EXPECT_EQ(EINVAL, kq_set(self->kq, (uintptr_t)(1ULL << 32 | SIGUSR1),
				 EVFILT_SIGNAL, EV_ADD));
}

/* Two queues of one process have their own counts. */
TEST_F(signal, two_queues)
{
	int kq;

	signal(SIGUSR1, SIG_IGN);
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD));
	raise(SIGUSR1);
	kq = sig_watch(SIGUSR1);
	ASSERT_LE(0, kq);
	raise(SIGUSR1);
	EXPECT_EQ(2, sig_count(self->kq));
	EXPECT_EQ(1, sig_count(kq));
	close(kq);
	raise(SIGUSR1);
	EXPECT_EQ(1, sig_count(self->kq));
}

int main(int argc, char **argv)
{
	return exec_or_harness(argc, argv, after_exec);
}
