// SPDX-License-Identifier: BSD-2-Clause
/* Signals, against signalfd with epoll; and what they cost who does not listen. */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bench.h"

/* Registrations of another process: so many queues watch so many signals each. */
#define OTHER_QUEUES	16
#define OTHER_SIGNALS	62

static void kevent_signal(struct series *s)
{
	int i, got, kq = queue_open();
	struct kevent change, ev;
	pid_t pid = getpid();
	long long start, end;

	EV_SET(&change, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, NULL);
	check(!kevent(kq, &change, 1, NULL, 0, NULL), "kevent");
	signal(SIGUSR1, SIG_IGN);
	for (i = 0; i < opt.ops; i++) {
		start = now();
		kill(pid, SIGUSR1);
		got = kevent(kq, NULL, 0, &ev, 1, NULL);
		end = now();
		check(got == 1 && ev.data == 1, "the signal was not delivered");
		series_add(s, end - start);
	}
	signal(SIGUSR1, SIG_DFL);
	close(kq);
}

static void signalfd_signal(struct series *s)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int i, fd, ep = epoll_open();
	struct signalfd_siginfo info;
	pid_t pid = getpid();
	long long start, end;
	sigset_t set;
	bool good;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	check(fd >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), "signalfd");
	for (i = 0; i < opt.ops; i++) {
		start = now();
		good = !kill(pid, SIGUSR1) &&
		       epoll_wait(ep, &ev, 1, -1) == 1 &&
		       read(fd, &info, sizeof(info)) == sizeof(info);
		end = now();
		check(good && info.ssi_signo == SIGUSR1, "the signal was lost");
		series_add(s, end - start);
	}
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	close(fd);
	close(ep);
}

/* For a process that watches nothing. */
static void send_some(struct series *s)
{
	pid_t pid = getpid();
	long long start, end;
	int i;

	signal(SIGUSR1, SIG_IGN);
	for (i = 0; i < opt.ops; i++) {
		start = now();
		kill(pid, SIGUSR1);
		end = now();
		series_add(s, end - start);
	}
}

static void watch_many(void)
{
	struct kevent change;
	int i, sig, kq;

	for (i = 0; i < OTHER_QUEUES; i++) {
		kq = queue_open();
		for (sig = 1; sig <= OTHER_SIGNALS; sig++) {
			EV_SET(&change, sig, EVFILT_SIGNAL, EV_ADD, 0, 0, NULL);
			check(!kevent(kq, &change, 1, NULL, 0, NULL), "kevent");
		}
	}
}

static void bench_signal_tax(void)
{
	static const char *const columns[] = { "others do", "nobody", NULL };
	double value[2];

	table_begin("Signal to a process that watches none", columns, "busy/idle");
	measure_tax(value, send_some, watch_many);
	table_row(value, "%d registrations of another process",
		  OTHER_QUEUES * OTHER_SIGNALS);
}

void bench_signal(void)
{
	static const char *const columns[] = { "kevent", "epoll", NULL };
	struct series s[2] = {};
	double value[2];
	int round;

	table_begin("Signal", columns, "kevent/epoll");
	for (round = 0; round < opt.rounds; round++) {
		kevent_signal(&s[KEVENT]);
		signalfd_signal(&s[EPOLL]);
	}
	value[KEVENT] = series_median(&s[KEVENT]);
	value[EPOLL] = series_median(&s[EPOLL]);
	table_row(value, "send, wait (epoll: signalfd, read it)");
	bench_signal_tax();
}
