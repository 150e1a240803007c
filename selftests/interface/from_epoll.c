// SPDX-License-Identifier: BSD-2-Clause
/*
 * What kevent-from-epoll(7) says: its pairs of programs do the same, with as many
 * descriptors and system calls as it states, and its differences are there.
 */
#include <dirent.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/socket.h>

#include "expect.h"

/* The programs, each with its main() under the name that pairs.h makes. */
#define main edge_epoll
#include "../../userspace/examples/from-epoll/edge-epoll.c"
#undef main
#define main edge_kqueue
#include "../../userspace/examples/from-epoll/edge-kqueue.c"
#undef main
#define main rearm_epoll
#include "../../userspace/examples/from-epoll/rearm-epoll.c"
#undef main
#define main rearm_kqueue
#include "../../userspace/examples/from-epoll/rearm-kqueue.c"
#undef main
#define main duplex_epoll
#include "../../userspace/examples/from-epoll/duplex-epoll.c"
#undef main
#define main duplex_kqueue
#include "../../userspace/examples/from-epoll/duplex-kqueue.c"
#undef main
#define main timer_epoll
#include "../../userspace/examples/from-epoll/timer-epoll.c"
#undef main
#define main timer_kqueue
#include "../../userspace/examples/from-epoll/timer-kqueue.c"
#undef main
#define main signal_epoll
#include "../../userspace/examples/from-epoll/signal-epoll.c"
#undef main
#define main signal_kqueue
#include "../../userspace/examples/from-epoll/signal-kqueue.c"
#undef main
#define main process_epoll
#include "../../userspace/examples/from-epoll/process-epoll.c"
#undef main
#define main process_kqueue
#include "../../userspace/examples/from-epoll/process-kqueue.c"
#undef main
#define main file_epoll
#include "../../userspace/examples/from-epoll/file-epoll.c"
#undef main
#define main file_kqueue
#include "../../userspace/examples/from-epoll/file-kqueue.c"
#undef main
#define main wake_epoll
#include "../../userspace/examples/from-epoll/wake-epoll.c"
#undef main
#define main wake_kqueue
#include "../../userspace/examples/from-epoll/wake-kqueue.c"
#undef main

/* Before and after a program: none of them makes this call. */
#define MARKER	SYS_getppid

/* What a program did. */
struct outcome {
	int status;		/* what it returned, -1 if it crashed */
	char said[80];
	int calls;		/* between the markers, if it was watched */
	int fds;		/* the most that were open, without those before */
};

/* --- Running them -------------------------------------------------------------- */

/* In a child: the program as a whole, and what it prints into @out. */
static void perform(int (*program)(void), int out, bool watched)
{
	static char buf[4096];
	char path[32];
	sigset_t set;
	int status;

	/* What it prints is not written before the end. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", out);
	if (!freopen(path, "w", stdout) || setvbuf(stdout, buf, _IOFBF, sizeof(buf)))
		_exit(99);
	if (watched) {
		/* A signal that is ignored, too, interrupts who is watched. */
		sigemptyset(&set);
		sigaddset(&set, SIGCHLD);
		sigprocmask(SIG_BLOCK, &set, NULL);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
	}
	syscall(MARKER);
	status = program();
	syscall(MARKER);
	fflush(stdout);
	_exit(status);
}

/*
 * What the C library does to make threads and processes, to have memory, and to think
 * of a name, for which it takes the time if there is nothing random yet. Some of it
 * depends on its version, and all is the same with epoll and with kqueue.
 */
static bool is_upkeep(long nr)
{
	switch (nr) {
	case SYS_brk:
	case SYS_clock_gettime:
	case SYS_clone:
	case SYS_clone3:
	case SYS_exit:
	case SYS_futex:
	case SYS_getrandom:
	case SYS_madvise:
	case SYS_mmap:
	case SYS_mprotect:
	case SYS_munmap:
	case SYS_rseq:
	case SYS_rt_sigaction:
	case SYS_rt_sigprocmask:
	case SYS_set_robust_list:
		return true;
	}
	return false;
}

static int count_fds(pid_t pid)
{
	char path[32];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* One of its threads is about to make a system call. */
static void note_call(struct outcome *seen, pid_t pid, pid_t tid, int *markers,
		      int *before)
{
	struct __ptrace_syscall_info info;
	int fds;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, (void *)sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	fds = count_fds(pid);
	if (info.entry.nr == MARKER && !(*markers)++)
		*before = fds;
	if (!*markers || *markers > 2)
		return;
	if (fds - *before > seen->fds)
		seen->fds = fds - *before;
	if (info.entry.nr != MARKER && *markers == 1 && !is_upkeep(info.entry.nr))
		seen->calls++;
}

/* Follow the child and its threads through all their system calls to the end. */
static int follow(pid_t pid, struct outcome *seen)
{
	int status, sig, markers = 0, before = 0;
	pid_t tid;

	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL,
		   (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
			    PTRACE_O_EXITKILL)))
		return -1;
	for (tid = pid, sig = 0; ;) {
		ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(uintptr_t)sig);
		do {
			tid = waitpid(-1, &status, __WALL);
			if (tid < 0)
				return -1;
			if (tid == pid && !WIFSTOPPED(status))
				return WIFEXITED(status) && markers == 2 ?
				       WEXITSTATUS(status) : -1;
		} while (!WIFSTOPPED(status));
		sig = WSTOPSIG(status);
		if (sig == (SIGTRAP | 0x80))
			note_call(seen, pid, tid, &markers, &before);
		/* Of a new thread, and that there is one; else it is for itself. */
		if (sig == SIGSTOP || (sig & ~0x80) == SIGTRAP)
			sig = 0;
	}
}

static struct outcome run(int (*program)(void), bool watched)
{
	struct outcome seen = { .status = -1 };
	ssize_t len;
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC))
		return seen;
	fflush(stdout);
	pid = fork();
	if (!pid)
		perform(program, fd[1], watched);
	close(fd[1]);
	seen.status = watched ? follow(pid, &seen) : child_status(pid);
	len = read(fd[0], seen.said, sizeof(seen.said) - 1);
	if (len > 0 && seen.said[len - 1] == '\n')
		seen.said[len - 1] = '\0';
	close(fd[0]);
	return seen;
}

/* --- The pairs ----------------------------------------------------------------- */

FIXTURE(pair)
{
};

FIXTURE_VARIANT(pair)
{
	int (*epoll)(void);
	int (*kqueue)(void);
	const char *prints;
	int epoll_fds;
	int epoll_calls;
	int kqueue_fds;
	int kqueue_calls;
};

#define PAIR(name, text, efds, ecalls, kfds, kcalls)			\
	FIXTURE_VARIANT_ADD(pair, name) {				\
		.epoll = name##_epoll,					\
		.kqueue = name##_kqueue,				\
		.prints = text,						\
		.epoll_fds = efds,					\
		.epoll_calls = ecalls,					\
		.kqueue_fds = kfds,					\
		.kqueue_calls = kcalls,					\
	}

#include "../../userspace/examples/from-epoll/pairs.h"

FIXTURE_SETUP(pair)
{
	mkdir("/tmp", 01777);
}

FIXTURE_TEARDOWN(pair)
{
}

/* Both print what the page says. */
TEST_F(pair, print_the_same)
{
	struct outcome epoll = run(variant->epoll, false);
	struct outcome kqueue = run(variant->kqueue, false);

	EXPECT_EQ(0, epoll.status);
	EXPECT_STREQ(variant->prints, epoll.said);
	EXPECT_EQ(0, kqueue.status);
	EXPECT_STREQ(variant->prints, kqueue.said);
}

/* Each needs as many descriptors and system calls as the page says. */
TEST_F(pair, cost_what_is_stated)
{
	struct outcome epoll = run(variant->epoll, true);
	struct outcome kqueue = run(variant->kqueue, true);

	EXPECT_STREQ(variant->prints, epoll.said);
	EXPECT_EQ(variant->epoll_fds, epoll.fds);
	EXPECT_EQ(variant->epoll_calls, epoll.calls);
	EXPECT_STREQ(variant->prints, kqueue.said);
	EXPECT_EQ(variant->kqueue_fds, kqueue.fds);
	EXPECT_EQ(variant->kqueue_calls, kqueue.calls);
}

/* --- The differences ----------------------------------------------------------- */

FIXTURE(differ)
{
	int ep;
	int kq;
	int pipe[2];
	int sock[2];
};

FIXTURE_SETUP(differ)
{
	mkdir("/tmp", 01777);
	self->ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->ep);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, pipe(self->pipe));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->sock));
}

FIXTURE_TEARDOWN(differ)
{
}

/* Returns 0, or the errno. */
static int ep_set(int ep, int op, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(ep, op, fd, &ev) ? errno : 0;
}

static int ep_add(int ep, int fd, uint32_t events)
{
	return ep_set(ep, EPOLL_CTL_ADD, fd, events);
}

/* What epoll has of one descriptor now; 0: nothing. */
static uint32_t ep_events(int ep)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, 0) == 1 ? ev.events : 0;
}

static int send_byte(int fd)
{
	return write(fd, "x", 1) != 1;
}

/* What is closed ends its registration, though a duplicate is open; not with epoll. */
TEST_F(differ, close)
{
	ASSERT_LE(0, dup(self->pipe[0]));
	ASSERT_EQ(0, ep_add(self->ep, self->pipe[0], EPOLLIN));
	ASSERT_EQ(0, kq_set(self->kq, self->pipe[0], EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, send_byte(self->pipe[1]));
	ASSERT_EQ(0, close(self->pipe[0]));
	EXPECT_EQ(EPOLLIN, ep_events(self->ep));
	ASSERT_NONE(self->kq);
}

/* A child can use its parent's epoll, and not its queue. */
TEST_F(differ, fork)
{
	struct kevent kev;

	ASSERT_EQ(0, ep_add(self->ep, self->pipe[0], EPOLLIN));
	ASSERT_EQ(0, kq_set(self->kq, self->pipe[0], EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, send_byte(self->pipe[1]));
	EXPECT_EQ(EPOLLIN, IN_CHILD(ep_events(self->ep)));
	EXPECT_EQ(EBADF, IN_CHILD(kq_collect(self->kq, &kev, 1) < 0 ? errno : 0));
}

/* To add what is there modifies it; epoll has EEXIST. */
TEST_F(differ, add_again)
{
	struct kevent kev;

	ASSERT_EQ(0, ep_add(self->ep, self->pipe[0], EPOLLIN));
	EXPECT_EQ(EEXIST, ep_add(self->ep, self->pipe[0], EPOLLIN));
	ASSERT_EQ(0, kq_set(self->kq, self->pipe[0], EVFILT_READ, EV_ADD));
	EXPECT_EQ(0, kq_change(self->kq, self->pipe[0], EVFILT_READ, EV_ADD, 0, 0,
			       UD(7)));
	ASSERT_EQ(0, send_byte(self->pipe[1]));
	ASSERT_EQ(1, kq_collect(self->kq, &kev, 1));
	EXPECT_EQ(7, UD_NUM(&kev));
}

/* What is level-triggered stays so, until it is removed; epoll can modify it. */
TEST_F(differ, trigger_stays)
{
	struct kevent kev[2];

	ASSERT_EQ(0, ep_add(self->ep, self->pipe[0], EPOLLIN));
	ASSERT_EQ(0, kq_set(self->kq, self->pipe[0], EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, send_byte(self->pipe[1]));
	ASSERT_EQ(0, ep_set(self->ep, EPOLL_CTL_MOD, self->pipe[0],
			    EPOLLIN | EPOLLET));
	ASSERT_EQ(0, kq_set(self->kq, self->pipe[0], EVFILT_READ, EV_ADD | EV_CLEAR));
	EXPECT_EQ(EPOLLIN, ep_events(self->ep));
	EXPECT_EQ(0, ep_events(self->ep));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(1, kq_count(self->kq));
	EV_SET(&kev[0], self->pipe[0], EVFILT_READ, EV_DELETE, 0, 0, NULL);
	EV_SET(&kev[1], self->pipe[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL);
	ASSERT_EQ(0, kevent(self->kq, kev, 2, NULL, 0, NULL));
	EXPECT_EQ(1, kq_count(self->kq));
	ASSERT_NONE(self->kq);
}

/* An edge comes with new data though old was left, and with a change. */
TEST_F(differ, edge)
{
	ASSERT_EQ(0, ep_add(self->ep, self->pipe[0], EPOLLIN | EPOLLET));
	ASSERT_EQ(0, kq_set(self->kq, self->pipe[0], EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, send_byte(self->pipe[1]));
	EXPECT_EQ(EPOLLIN, ep_events(self->ep));
	ASSERT_READY(self->kq, self->pipe[0], EVFILT_READ, 1);
	EXPECT_EQ(0, ep_events(self->ep));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, send_byte(self->pipe[1]));
	EXPECT_EQ(EPOLLIN, ep_events(self->ep));
	ASSERT_READY(self->kq, self->pipe[0], EVFILT_READ, 2);
	ASSERT_EQ(0, ep_set(self->ep, EPOLL_CTL_MOD, self->pipe[0],
			    EPOLLIN | EPOLLET));
	ASSERT_EQ(0, kq_set(self->kq, self->pipe[0], EVFILT_READ, EV_ADD));
	EXPECT_EQ(EPOLLIN, ep_events(self->ep));
	ASSERT_READY(self->kq, self->pipe[0], EVFILT_READ, 2);
}

/* The end comes with the data before it, to who watches for reading alone. */
TEST_F(differ, end)
{
	ASSERT_EQ(0, ep_add(self->ep, self->sock[0], EPOLLIN | EPOLLRDHUP));
	ASSERT_EQ(0, kq_set(self->kq, self->sock[0], EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, self->sock[0], EVFILT_WRITE,
			    EV_ADD | EV_DISABLE));
	ASSERT_EQ(0, send_byte(self->sock[1]));
	ASSERT_EQ(0, shutdown(self->sock[1], SHUT_WR));
	EXPECT_EQ(EPOLLIN | EPOLLRDHUP, ep_events(self->ep));
	ASSERT_EVENT(self->kq, self->sock[0], EVFILT_READ, 1, EV_EOF, 0);
	ASSERT_EQ(0, kq_set(self->kq, self->sock[0], EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, self->sock[0], EVFILT_WRITE, EV_ENABLE));
	ASSERT_READY(self->kq, self->sock[0], EVFILT_WRITE, ANY);
}

/* Hang-ups and errors are for who watches; epoll tells who asks for nothing, too. */
TEST_F(differ, hangup)
{
	ASSERT_EQ(0, ep_add(self->ep, self->pipe[1], 0));
	ASSERT_EQ(0, kq_set(self->kq, self->pipe[1], EVFILT_WRITE, EV_ADD));
	ASSERT_EQ(0, close(self->pipe[0]));
	EXPECT_EQ(EPOLLERR, ep_events(self->ep));
	ASSERT_EVENT(self->kq, self->pipe[1], EVFILT_WRITE, ANY, EV_EOF, 0);
	ASSERT_EQ(0, kq_set(self->kq, self->pipe[1], EVFILT_WRITE, EV_DELETE));
	EXPECT_EQ(EPIPE, kq_set(self->kq, self->pipe[1], EVFILT_WRITE, EV_ADD));
}

/* The event has the error of a connection; with epoll it takes a call to know it. */
TEST_F(differ, refused)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	socklen_t len = sizeof(to);
	int err, s = socket(AF_INET, SOCK_STREAM, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ASSERT_EQ(0, bind(s, (struct sockaddr *)&to, sizeof(to)));
	ASSERT_EQ(0, getsockname(s, (struct sockaddr *)&to, &len));
	ASSERT_EQ(-1, connect(client, (struct sockaddr *)&to, sizeof(to)));
	ASSERT_EQ(0, ep_add(self->ep, client, EPOLLOUT));
	ASSERT_EQ(0, kq_set(self->kq, client, EVFILT_WRITE, EV_ADD));
	ASSERT_EVENT(self->kq, client, EVFILT_WRITE, ANY, EV_EOF, ECONNREFUSED);
	EXPECT_EQ(EPOLLERR, EPOLLERR & ep_events(self->ep));
	len = sizeof(err);
	ASSERT_EQ(0, getsockopt(client, SOL_SOCKET, SO_ERROR, &err, &len));
	EXPECT_EQ(ECONNREFUSED, err);
}

/* A regular file can be watched, which it cannot be with epoll. */
TEST_F(differ, regular_file)
{
	FILE *f = tmpfile();

	ASSERT_NE(NULL, f);
	ASSERT_EQ(3, pwrite(fileno(f), "abc", 3, 0));
	EXPECT_EQ(EPERM, ep_add(self->ep, fileno(f), EPOLLIN));
	ASSERT_EQ(0, kq_set(self->kq, fileno(f), EVFILT_READ, EV_ADD));
	ASSERT_READY(self->kq, fileno(f), EVFILT_READ, 3);
}

/* A change that fails is told in the list; where there is no room, it ends the call. */
TEST_F(differ, errors)
{
	struct kevent kev[3], got[4];

	EV_SET(&kev[0], 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[1], 2, EVFILT_USER, EV_DELETE, 0, 0, UD(7));
	EV_SET(&kev[2], 3, EVFILT_USER, EV_ADD, 0, 0, NULL);
	ASSERT_EQ(1, kevent(self->kq, kev, 3, got, 4, NULL));
	EXPECT_EQ(EV_ERROR, got[0].flags);
	EXPECT_EQ(ENOENT, got[0].data);
	EXPECT_EQ(7, UD_NUM(&got[0]));
	EXPECT_EQ(0, kq_trigger(self->kq, 3));
	ASSERT_EQ(0, kq_set(self->kq, 3, EVFILT_USER, EV_DELETE));

	ASSERT_EQ(-1, kevent(self->kq, kev, 3, NULL, 0, NULL));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(ENOENT, kq_trigger(self->kq, 3));
	ASSERT_READY(self->kq, 1, EVFILT_USER, 0);

	/* With EV_RECEIPT each is answered, and no events are collected. */
	kev[0].flags |= EV_RECEIPT;
	kev[2].flags |= EV_RECEIPT;
	ASSERT_EQ(3, kevent(self->kq, kev, 3, got, 4, NULL));
	EXPECT_EQ(0, got[0].data);
	EXPECT_EQ(ENOENT, got[1].data);
	EXPECT_EQ(0, got[2].data);
}

/* Without room for events it does not wait, and time 0 does not either. */
TEST_F(differ, no_wait)
{
	struct kevent kev;

	EXPECT_EQ(0, kevent(self->kq, NULL, 0, NULL, 0, NULL));
	EXPECT_EQ(0, kq_collect(self->kq, &kev, 1));
}

/* What is ready goes behind the others, with both. */
TEST_F(differ, turns)
{
	struct epoll_event ev;
	struct kevent kev;
	int i, fd, ep_sum = 0, kq_sum = 0, want = 0;

	for (i = 0; i < 3; i++) {
		fd = eventfd(1, 0);
		want += 1 << fd;
		ASSERT_EQ(0, ep_add(self->ep, fd, EPOLLIN));
		ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	}
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, epoll_wait(self->ep, &ev, 1, 0));
		ep_sum += 1 << ev.data.fd;
		ASSERT_EQ(1, kq_collect(self->kq, &kev, 1));
		kq_sum += 1 << kev.ident;
	}
	EXPECT_EQ(want, ep_sum);
	EXPECT_EQ(want, kq_sum);
}

/* Of several queues that watch the same, each wakes a thread. */
TEST_F(differ, several_queues)
{
	struct waiter w[2];
	int i, kq[2] = { self->kq, kq_open() };

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, kq_set(kq[i], self->pipe[0], EVFILT_READ, EV_ADD));
		ASSERT_TRUE(waiter_start(&w[i], kq[i], 1, -1));
	}
	ASSERT_EQ(0, send_byte(self->pipe[1]));
	for (i = 0; i < 2; i++)
		ASSERT_TRUE(waiter_join(&w[i]));
}

/* Two signals of one kind are counted; signalfd has one of them. */
TEST_F(differ, signals)
{
	struct signalfd_siginfo info[2];
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD));
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	ASSERT_EQ(0, kill(getpid(), SIGUSR1));
	EXPECT_EQ((ssize_t)sizeof(info[0]), read(fd, info, sizeof(info)));
	ASSERT_EVENT(self->kq, SIGUSR1, EVFILT_SIGNAL, 2, 0, SI_USER);
}

/* A name that goes is told at once; to inotify, when the file has gone as well. */
TEST_F(differ, deleted)
{
	char name[] = "/tmp/from-epoll-XXXXXX";
	int in = inotify_init1(IN_NONBLOCK), fd = mkstemp(name);
	struct inotify_event ev;

	ASSERT_LE(0, inotify_add_watch(in, name, IN_DELETE_SELF));
	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_VNODE, EV_ADD | EV_CLEAR,
			       NOTE_DELETE, 0, NULL));
	ASSERT_EQ(0, unlink(name));
	ASSERT_EVENT(self->kq, fd, EVFILT_VNODE, 0, 0, NOTE_DELETE);
	EXPECT_EQ(-1, read(in, &ev, sizeof(ev)));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ((ssize_t)sizeof(ev), read(in, &ev, sizeof(ev)));
}

/* Closing a queue wakes who waits in it, with EBADF. */
TEST_F(differ, close_queue)
{
	struct waiter w;

	ASSERT_TRUE(waiter_start(&w, self->kq, 1, -1));
	ASSERT_EQ(0, close(self->kq));
	ASSERT_TRUE(waiter_join(&w));
	EXPECT_EQ(-1, w.ret);
	EXPECT_EQ(EBADF, w.err);
}

TEST_HARNESS_MAIN
