/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of EVFILT_SIGNAL share. */
#ifndef KEVENT_SELFTESTS_SIGNALS_H
#define KEVENT_SELFTESTS_SIGNALS_H

#include <sys/wait.h>

#include "common.h"

/* A queue that watches the signal, or -1. */
static inline int sig_watch(int sig)
{
	int kq = kq_open();

	return kq < 0 || kq_set(kq, sig, EVFILT_SIGNAL, EV_ADD) ? -1 : kq;
}

/* How many have come since the last call, of the one signal that is watched. */
static inline long long sig_count(int kq)
{
	struct kevent ev;

	return kq_collect(kq, &ev, 1) == 1 ? ev.data : 0;
}

static inline bool sig_block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	return !pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* To a thread, not to its process. */
static inline bool sig_thread(pid_t tid, int sig)
{
	return !syscall(SYS_tgkill, getpid(), tid, sig);
}

#endif /* KEVENT_SELFTESTS_SIGNALS_H */
