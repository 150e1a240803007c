// SPDX-License-Identifier: BSD-2-Clause
/*
 * The end of a child, against pidfd with epoll and against SIGCHLD with signalfd;
 * and what it costs who watches no process.
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* Registrations of another process: so many queues watch so many processes each. */
#define OTHER_QUEUES	62
#define OTHER_PROCESSES	16

#define FOLLOWERS	16

static const struct timespec no_wait;

#define PROGRAM		"/bin/true"

/* How a child's end is noticed; in the order of the columns. */
enum how { BY_KEVENT, BY_PIDFD, BY_SIGNALFD, BY_NOBODY, HOWS };

static const char *const how_name[] = {
	"kevent", "pidfd", "signalfd", "nobody", NULL
};

/* What one of them needs, from before the first child on. */
struct watcher {
	int queue;		/* or epoll */
	int signals;		/* the signalfd */
};

static struct watcher watcher_open(enum how by)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct watcher w = { -1, -1 };
	sigset_t set;

	if (by == BY_KEVENT)
		w.queue = queue_open();
	if (by == BY_PIDFD || by == BY_SIGNALFD)
		w.queue = epoll_open();
	if (by != BY_SIGNALFD)
		return w;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w.signals = signalfd(-1, &set, SFD_CLOEXEC);
	check(w.signals >= 0 &&
	      !epoll_ctl(w.queue, EPOLL_CTL_ADD, w.signals, &ev), "signalfd");
	return w;
}

static void watcher_close(struct watcher *w)
{
	sigset_t set;

	if (w->queue >= 0)
		close(w->queue);
	if (w->signals < 0)
		return;
	close(w->signals);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static bool notice_by_kevent(const struct watcher *w, pid_t pid)
{
	struct kevent ev;

	EV_SET(&ev, pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0, NULL);
	return kevent(w->queue, &ev, 1, &ev, 1, NULL) == 1 &&
	       ev.ident == (uintptr_t)pid && ev.fflags == NOTE_EXIT;
}

static bool notice_by_pidfd(const struct watcher *w, pid_t pid)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd >= 0 && !epoll_ctl(w->queue, EPOLL_CTL_ADD, fd, &ev) &&
	       epoll_wait(w->queue, &ev, 1, -1) == 1 && !close(fd);
}

static bool notice_by_signalfd(const struct watcher *w, pid_t pid)
{
	struct signalfd_siginfo info;
	struct epoll_event ev;

	return epoll_wait(w->queue, &ev, 1, -1) == 1 &&
	       read(w->signals, &info, sizeof(info)) == sizeof(info) &&
	       info.ssi_pid == (uint32_t)pid;
}

static bool notice(const struct watcher *w, enum how by, pid_t pid)
{
	switch (by) {
	case BY_KEVENT:
		return notice_by_kevent(w, pid);
	case BY_PIDFD:
		return notice_by_pidfd(w, pid);
	case BY_SIGNALFD:
		return notice_by_signalfd(w, pid);
	default:
		return true;
	}
}

static pid_t have_child(void)
{
	pid_t pid = fork();

	check(pid >= 0, "fork");
	if (!pid)
		_exit(0);
	return pid;
}

/* From the fork until it has been waited for. */
static void child_whole(struct series *s, enum how by)
{
	struct watcher w = watcher_open(by);
	long long start, end;
	pid_t pid;
	bool good;
	int i;

	for (i = 0; i < opt.ops; i++) {
		start = now();
		pid = have_child();
		good = notice(&w, by, pid) && waitpid(pid, NULL, 0) == pid;
		end = now();
		check(good, "the end of a child was not noticed");
		series_add(s, end - start);
	}
	watcher_close(&w);
}

/* Only the notice, of a child that has ended. */
static void child_notice(struct series *s, enum how by)
{
	struct watcher w = watcher_open(by);
	long long start, end;
	siginfo_t info;
	pid_t pid;
	bool good;
	int i;

	for (i = 0; i < opt.ops; i++) {
		pid = have_child();
		check(!waitid(P_PID, pid, &info, WEXITED | WNOWAIT), "waitid");
		start = now();
		good = notice(&w, by, pid);
		end = now();
		check(good && waitpid(pid, NULL, 0) == pid,
		      "the end of a child was not noticed");
		series_add(s, end - start);
	}
	watcher_close(&w);
}

static void table_of(void (*run)(struct series *s, enum how by), int hows,
		     const char *text)
{
	struct series s[HOWS] = {};
	double value[HOWS];
	int round, by;

	for (round = 0; round < opt.rounds; round++)
		for (by = 0; by < hows; by++)
			run(&s[by], by);
	for (by = 0; by < HOWS; by++)
		value[by] = by < hows ? series_median(&s[by]) : NOT_MEASURED;
	table_row(value, "%s", text);
}

/* For a process that watches nothing. */
static void run_some(struct series *s)
{
	long long start, end;
	int i, status;
	pid_t pid;

	for (i = 0; i < opt.ops; i++) {
		start = now();
		pid = fork();
		check(pid >= 0, "fork");
		if (!pid) {
			execl(PROGRAM, PROGRAM, NULL);
			_exit(1);
		}
		check(waitpid(pid, &status, 0) == pid && !status, PROGRAM);
		end = now();
		series_add(s, end - start);
	}
}

/* They end with who has made them. */
static void watch_many(void)
{
	struct kevent change;
	pid_t idle[OTHER_PROCESSES];
	int i, k, kq;

	for (k = 0; k < OTHER_PROCESSES; k++) {
		idle[k] = fork();
		check(idle[k] >= 0, "fork");
		if (!idle[k]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
		}
	}
	for (i = 0; i < OTHER_QUEUES; i++) {
		kq = queue_open();
		for (k = 0; k < OTHER_PROCESSES; k++) {
			EV_SET(&change, idle[k], EVFILT_PROC, EV_ADD,
			       NOTE_EXIT | NOTE_FORK | NOTE_EXEC, 0, NULL);
			check(!kevent(kq, &change, 1, NULL, 0, NULL), "kevent");
		}
	}
}

static void bench_process_tax(void)
{
	static const char *const columns[] = { "others do", "nobody", NULL };
	double value[2];

	table_begin("Program run by a process that watches none", columns,
		    "busy/idle");
	measure_tax(value, run_some, watch_many);
	table_row(value, "fork, exec, exit, wait; %d registrations elsewhere",
		  OTHER_QUEUES * OTHER_PROCESSES);
}

/* As many queues as may, if @follow is EV_ADD, or else as many that do not. */
static void have_followed(struct series *s, int follow)
{
	struct kevent change, ev[8];
	int i, k, kq[FOLLOWERS];
	long long start, end;
	bool good;
	pid_t pid;

	EV_SET(&change, getpid(), EVFILT_PROC, follow, NOTE_TRACK | NOTE_EXIT, 0, NULL);
	for (k = 0; k < FOLLOWERS; k++) {
		kq[k] = queue_open();
		check(!follow || !kevent(kq[k], &change, 1, NULL, 0, NULL), "kevent");
	}
	for (i = 0; i < opt.ops; i++) {
		start = now();
		pid = have_child();
		good = waitpid(pid, NULL, 0) == pid;
		end = now();
		check(good, "waitpid");
		series_add(s, end - start);
		for (k = 0; k < FOLLOWERS; k++)
			while (kevent(kq[k], NULL, 0, ev, 8, &no_wait) > 0)
				;
	}
	for (k = 0; k < FOLLOWERS; k++)
		close(kq[k]);
}

static void bench_followed(void)
{
	static const char *const columns[] = { "all follow", "none does", NULL };
	struct series s[2] = {};
	double value[2];
	int round;

	table_begin("Child of a process with queues", columns, "all/none");
	for (round = 0; round < opt.rounds; round++) {
		have_followed(&s[0], EV_ADD);
		have_followed(&s[1], 0);
	}
	value[0] = series_median(&s[0]);
	value[1] = series_median(&s[1]);
	table_row(value, "fork, exit, wait; %d queues", FOLLOWERS);
}

void bench_process(void)
{
	table_begin("Child", how_name, "kevent/pidfd");
	table_of(child_whole, HOWS, "fork, exit, notice, wait for it");
	table_of(child_notice, BY_NOBODY, "notice, when it has ended");
	bench_followed();
	bench_process_tax();
}
