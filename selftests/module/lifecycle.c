// SPDX-License-Identifier: BSD-2-Clause
/*
 * Nothing outlives its queue, and the module can come and go: loading,
 * unloading, its parameters, and the hook by which it learns of closes.
 *
 * What the module still has is read from its counters, and its timers from
 * the kernel's list of them.
 */
#include "module.h"
#include "peers.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FTRACE_ENABLED	"/proc/sys/kernel/ftrace_enabled"

/* Timers of the module that the kernel has armed, -1 if it will not say. */
static int armed_timers(void)
{
	FILE *f = fopen("/proc/timer_list", "re");
	char line[512];
	int n = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "timer_fired"))
			n++;
	fclose(f);
	return n;
}

/* A queue with one knote of each kind, for a descriptor and beyond. */
static int full_queue(int fd)
{
	int kq = kq_open();

	if (kq_set(kq, fd, EVFILT_READ, EV_ADD) ||
	    kq_set(kq, fd, EVFILT_WRITE, EV_ADD | EV_DISABLE) ||
	    kq_change(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 3600, NULL) ||
	    kq_set(kq, 1, EVFILT_USER, EV_ADD))
		return -1;
	return kq;
}

/* Closing a queue frees its knotes, its timers and its hold on files. */
TEST(close_frees)
{
	int sk[2], kq;

	ASSERT_TRUE(all_freed());
	ASSERT_TRUE(tcp_pair(sk));
	kq = full_queue(sk[0]);
	ASSERT_LE(0, kq);
	EXPECT_EQ(1, kq_counter("queues"));
	EXPECT_EQ(4, kq_counter("knotes"));
	if (armed_timers() >= 0)
		EXPECT_EQ(1, armed_timers());
	ASSERT_EQ(0, close(kq));
	EXPECT_TRUE(all_freed());
	if (armed_timers() >= 0)
		EXPECT_EQ(0, armed_timers());
	ASSERT_EQ(0, close(sk[0]));
	EXPECT_TRUE(at_end(sk[1]));
}

/* EV_DELETE of each knote frees the same. */
TEST(delete_frees)
{
	int fd = eventfd(0, EFD_CLOEXEC), kq = full_queue(fd);

	ASSERT_LE(0, kq);
	ASSERT_EQ(0, kq_set(kq, fd, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, kq_set(kq, fd, EVFILT_WRITE, EV_DELETE));
	ASSERT_EQ(0, kq_set(kq, 1, EVFILT_TIMER, EV_DELETE));
	ASSERT_EQ(0, kq_set(kq, 1, EVFILT_USER, EV_DELETE));
	EXPECT_EQ(0, fdinfo_knotes(kq));
	EXPECT_TRUE(WAIT_FOR(!kq_counter("knotes")));
	EXPECT_EQ(1, kq_counter("queues"));
	if (armed_timers() >= 0)
		EXPECT_EQ(0, armed_timers());
}

/* Knotes that delivered their only event are freed. */
TEST(oneshot_frees)
{
	int fd = eventfd(1, EFD_CLOEXEC), kq = kq_open();
	struct kevent ev[3];

	ASSERT_EQ(0, kq_set(kq, fd, EVFILT_READ, EV_ADD | EV_ONESHOT));
	ASSERT_EQ(0, kq_change(kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT,
			       NOTE_NSECONDS, 1, NULL));
	ASSERT_EQ(1, kq_wait(kq, ev, 1, LIMIT_MS));
	ASSERT_EQ(1, kq_wait(kq, ev, 1, LIMIT_MS));
	EXPECT_EQ(0, fdinfo_knotes(kq));
	EXPECT_TRUE(WAIT_FOR(!kq_counter("knotes")));
}

/* A process that is killed while it waits in kevent() leaves nothing. */
TEST(killed_while_waiting)
{
	struct sockaddr_storage ss;
	int listener, peer, kq, report[2];
	struct kevent ev;
	pid_t pid;

	listener = tcp_listen(&ss);
	ASSERT_LE(0, listener);
	ASSERT_EQ(0, pipe(report));
	pid = fork();
	if (!pid) {
		kq = full_queue(tcp_connect(&ss));
		tell(report[1]);
		kq_wait(kq, &ev, 1, -1);
		_exit(1);
	}
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ASSERT_LE(0, peer);
	ASSERT_TRUE(hear(report[0]));
	EXPECT_EQ(4, kq_counter("knotes"));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(-1, child_status(pid));
	EXPECT_TRUE(at_end(peer));
	EXPECT_TRUE(all_freed());
	if (armed_timers() >= 0)
		EXPECT_EQ(0, armed_timers());
}

/* The module that is being tested, from KEVENT_KO, and loaded again after all. */
FIXTURE(module)
{
	const char *ko;
	int fd;
};

FIXTURE_SETUP(module)
{
	const char *missing = module_missing("KEVENT_KO");

	if (missing)
		SKIP(return, "KEVENT_KO %s", missing);
	self->ko = getenv("KEVENT_KO");
	self->fd = eventfd(1, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(module)
{
	if (self->ko && !module_loaded("kevent"))
		EXPECT_EQ(0, module_load(self->ko, ""));
}

/* Use the module for something. The queue, or -1. */
static int use(int fd)
{
	struct kevent ev;
	int kq = full_queue(fd);

	return kq_wait(kq, &ev, 1, LIMIT_MS) == 1 ? kq : -1;
}

#define LOADS		100
#define LOADS_LEAST	20
#define LOADS_MS	45000

/* The module can be loaded, used and unloaded up to a hundred times. */
TEST_F_TIMEOUT(module, load_unload, 120)
{
	long long end = ts_ms() + LOADS_MS;
	int i, kq;

	if (!self->ko)
		return;
	ASSERT_EQ(0, module_unload("kevent"));
	for (i = 0; more_rounds(i, LOADS_LEAST, LOADS, end); i++) {
		ASSERT_EQ(0, module_load(self->ko, ""));
		kq = use(self->fd);
		ASSERT_LE(0, kq);
		ASSERT_EQ(0, close(kq));
		ASSERT_EQ(0, module_unload("kevent"));
	}
}

/* Unloading is refused while a queue is open, which goes on working. */
TEST_F(module, unload_refused_while_open)
{
	int kq, dup_kq;

	if (!self->ko)
		return;
	kq = kq_open();
	ASSERT_LE(0, kq);
	EXPECT_EQ(EWOULDBLOCK, module_unload("kevent"));
	ASSERT_EQ(0, kq_set(kq, self->fd, EVFILT_READ, EV_ADD));
	EXPECT_EQ(EWOULDBLOCK, module_unload("kevent"));
	ASSERT_READY(kq, self->fd, EVFILT_READ, 1);
	/* Also by a descriptor that is of no use to anybody. */
	dup_kq = dup(kq);
	EXPECT_EQ(0, IN_CHILD(close(kq) || module_unload("kevent") != EWOULDBLOCK));
	ASSERT_EQ(0, close(kq));
	EXPECT_EQ(EWOULDBLOCK, module_unload("kevent"));
	ASSERT_EQ(0, close(dup_kq));
	EXPECT_EQ(0, module_unload("kevent"));
}

#define WATCHED 500

/* Watch many descriptors and close all of them, then the queue. */
static bool close_watched(void)
{
	int kq = kq_open(), fd[WATCHED], i;

	for (i = 0; i < WATCHED; i++) {
		fd[i] = eventfd(i % 2, EFD_CLOEXEC);
		if (fd[i] < 0 || kq_set(kq, fd[i], EVFILT_READ, EV_ADD) ||
		    kq_set(kq, fd[i], EVFILT_WRITE, EV_ADD | EV_CLEAR))
			return false;
	}
	for (i = 0; i < WATCHED; i++)
		close(fd[i]);
	return fdinfo_knotes(kq) == 0 && !close(kq);
}

/* Unloading right after many watched descriptors were closed is safe. */
TEST_F(module, unload_after_close)
{
	int i;

	if (!self->ko)
		return;
	for (i = 0; i < 5; i++) {
		ASSERT_TRUE(close_watched());
		ASSERT_EQ(0, module_unload("kevent"));
		ASSERT_EQ(0, module_load(self->ko, ""));
	}
}

/* So is unloading right after a process with watched descriptors has gone. */
TEST_F(module, unload_after_exit)
{
	int i;

	if (!self->ko)
		return;
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, IN_CHILD(use(self->fd) < 0));
		ASSERT_EQ(0, module_unload("kevent"));
		ASSERT_EQ(0, module_load(self->ko, ""));
	}
}

/* A queue wakes its poller and goes, perhaps before that has ended. */
static bool wake_and_close(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), kq = kq_open();

	return !epoll_ctl(ep, EPOLL_CTL_ADD, kq, &ev) &&
	       !kq_set(kq, 1, EVFILT_USER, EV_ADD) && !kq_trigger(kq, 1) &&
	       !close(kq) && !close(ep);
}

/* And right after queues woke their pollers and were closed. */
TEST_F(module, unload_after_wake)
{
	int i, j;

	if (!self->ko)
		return;
	for (i = 0; i < 3; i++) {
		for (j = 0; j < 200; j++)
			ASSERT_TRUE(wake_and_close());
		ASSERT_EQ(0, module_unload("kevent"));
		ASSERT_EQ(0, module_load(self->ko, ""));
	}
}

/* Forks and sends signals for ever. */
static pid_t start_noise(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	signal(SIGUSR1, SIG_IGN);
	for (;;) {
		pid = fork();
		if (!pid)
			_exit(kill(getppid(), SIGUSR1));
		waitpid(pid, NULL, 0);
	}
}

/* Watch it, its children and our signals, for some events. */
static bool listen_to(pid_t pid)
{
	struct kevent ev[4];
	int kq = kq_open(), i;

	if (kq_change(kq, pid, EVFILT_PROC, EV_ADD, NOTE_TRACK | NOTE_EXIT | NOTE_FORK,
		      0, NULL) || kq_set(kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD))
		return false;
	for (i = 0; i < 10; i++)
		if (kq_wait(kq, ev, 4, LIMIT_MS) < 1)
			return false;
	return !close(kq);
}

/*
 * And while forks and signals go on, of which the probes have just been called. A
 * child that is about to be followed keeps the module until it has seen that nobody
 * does so any more.
 */
TEST_F_TIMEOUT(module, unload_amid_probes, 120)
{
	pid_t noise[2];
	int i;

	if (!self->ko)
		return;
	for (i = 0; i < 2; i++)
		noise[i] = start_noise();
	for (i = 0; i < 6; i++) {
		EXPECT_TRUE(listen_to(noise[i % 2]));
		EXPECT_TRUE(WAIT_FOR(!module_unload("kevent")));
		EXPECT_EQ(0, module_load(self->ko, ""));
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, kill(noise[i], SIGKILL));
		EXPECT_EQ(noise[i], waitpid(noise[i], NULL, 0));
	}
}

static int device_mode(void)
{
	struct stat st;

	return stat("/dev/kevent", &st) ? -1 : (int)(st.st_mode & 07777);
}

/* The parameter mode is the mode of the node that the kernel makes. */
TEST_F(module, mode)
{
	if (!self->ko)
		return;
	ASSERT_EQ(0, module_unload("kevent"));
	EXPECT_TRUE(WAIT_FOR(device_mode() == -1));
	ASSERT_EQ(0, module_load(self->ko, "mode=0640"));
	EXPECT_TRUE(WAIT_FOR(device_mode() == 0640));
	/* Shown as it is given, in octal. */
	EXPECT_EQ(640, read_number(KQ_PARAM("mode")));
	ASSERT_EQ(0, module_unload("kevent"));
	ASSERT_EQ(0, module_load(self->ko, ""));
	EXPECT_TRUE(WAIT_FOR(device_mode() == 0666));
	EXPECT_EQ(666, read_number(KQ_PARAM("mode")));
}

/* The switch that turns function tracing off, as it was afterwards. */
FIXTURE(ftrace)
{
	bool there;
	int fd[2];	/* a pipe */
};

FIXTURE_SETUP(ftrace)
{
	if (access(FTRACE_ENABLED, W_OK))
		SKIP(return, "%s cannot be written here", FTRACE_ENABLED);
	self->there = true;
	ASSERT_EQ(0, pipe2(self->fd, O_CLOEXEC | O_NONBLOCK));
}

FIXTURE_TEARDOWN(ftrace)
{
	if (self->there)
		EXPECT_EQ(0, write_number(FTRACE_ENABLED, 1));
}

/* With a descriptor watched the switch is refused or nothing happens. */
TEST_F(ftrace, off_while_watching)
{
	int err, kq, dup_fd;

	if (!self->there)
		return;
	dup_fd = dup(self->fd[0]);
	kq = kq_with(self->fd[0], EVFILT_READ, EV_ADD, 0, 0);
	ASSERT_LE(0, kq);
	err = write_number(FTRACE_ENABLED, 0);
	/* Newer kernels refuse it to everybody. */
	EXPECT_TRUE(err == EBUSY || err == EOPNOTSUPP || !err);
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(0, fdinfo_knotes(kq));
	ASSERT_TRUE(tell(self->fd[1]));
	ASSERT_QUIET(kq);
	ASSERT_TRUE(hear(dup_fd));
}

/*
 * With the switch off a registration is refused, or its close is seen. The hook
 * stays once it was needed, until the module goes.
 */
TEST_F(ftrace, off_before_watching)
{
	const char *missing = module_missing("KEVENT_KO");
	int err, kq;

	if (!self->there)
		return;
	if (write_number(FTRACE_ENABLED, 0) == EOPNOTSUPP)
		SKIP(return, "the ftrace of this kernel is always on");
	if (missing)
		SKIP(return, "the hook is in, and KEVENT_KO %s", missing);
	ASSERT_EQ(0, module_unload("kevent"));
	ASSERT_EQ(0, module_load(getenv("KEVENT_KO"), ""));
	ASSERT_EQ(0, write_number(FTRACE_ENABLED, 0));
	kq = kq_open();
	err = kq_set(kq, self->fd[0], EVFILT_READ, EV_ADD);
	if (err) {
		EXPECT_EQ(0, fdinfo_knotes(kq));
		ASSERT_EQ(0, write_number(FTRACE_ENABLED, 1));
		ASSERT_EQ(0, kq_set(kq, self->fd[0], EVFILT_READ, EV_ADD));
	}
	EXPECT_EQ(1, fdinfo_knotes(kq));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(0, fdinfo_knotes(kq));
}

TEST_HARNESS_MAIN
