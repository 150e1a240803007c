/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A system call that stands still while it stores something, since the memory
 * is served by userfaultfd, and by nobody until the test says so.
 */
#ifndef KEVENT_SELFTESTS_STOPPED_H
#define KEVENT_SELFTESTS_STOPPED_H

#include <linux/userfaultfd.h>
#include <sys/mman.h>
#include <sys/ioctl.h>

#include "peers.h"

#define PAGE	4096

struct stopped {
	int uffd;
	char *area;		/* two pages; the second is missing */
	struct kevent *ev;	/* two records, one in each */
	pthread_t thread;
	int kq;
	int number;		/* for the call's own use */
	int ret;
	int err;
};

/* Why there is no such memory; NULL: there is. */
static inline const char *stopped_open(struct stopped *s)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range.len = PAGE, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	s->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (s->uffd < 0)
		return "needs userfaultfd, and the right to use it for the kernel's faults";
	s->area = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	if (s->area == MAP_FAILED || ioctl(s->uffd, UFFDIO_API, &api))
		return "userfaultfd does not work";
	s->area[0] = 1;
	reg.range.start = (uintptr_t)s->area + PAGE;
	if (ioctl(s->uffd, UFFDIO_REGISTER, &reg))
		return "userfaultfd does not work";
	s->ev = (struct kevent *)(s->area + PAGE) - 1;
	return NULL;
}

/* Run @call in a thread, and return when it has stopped. */
static inline bool stop_call(struct stopped *s, void *(*call)(void *arg))
{
	struct uffd_msg msg;

	return !pthread_create(&s->thread, NULL, call, s) &&
	       wait_poll(s->uffd, POLLIN) &&
	       read(s->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT &&
	       msg.arg.pagefault.address == (uintptr_t)s->area + PAGE;
}

static inline void *collect_two(void *arg)
{
	struct stopped *s = arg;

	s->ret = kq_collect(s->kq, s->ev, 2);
	s->err = s->ret < 0 ? errno : 0;
	return NULL;
}

/* Collect two events, and return when that has stopped before the second. */
static inline bool stop_scan(struct stopped *s, int kq)
{
	s->kq = kq;
	return stop_call(s, collect_two);
}

/* Let the call go on, and wait for its end. */
static inline bool resume_call(struct stopped *s)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)s->area + PAGE, .len = PAGE },
	};

	return !ioctl(s->uffd, UFFDIO_ZEROPAGE, &zero) && !pthread_join(s->thread, NULL);
}

/* What another thread does meanwhile; @act returns 0 if all went as it should. */
struct meanwhile {
	pthread_t thread;
	int (*act)(struct meanwhile *m);
	int tid;
	int done;
	int ret;
	int kq;
	int fd;
};

static inline void *meanwhile_main(void *arg)
{
	struct meanwhile *m = arg;

	__atomic_store_n(&m->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	m->ret = m->act(m);
	__atomic_store_n(&m->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Start it and return when it hangs in the system call @nr. */
static inline bool meanwhile_hangs(struct meanwhile *m, long nr)
{
	return !pthread_create(&m->thread, NULL, meanwhile_main, m) &&
	       WAIT_FOR(__atomic_load_n(&m->tid, __ATOMIC_ACQUIRE)) &&
	       wait_asleep_in(m->tid, nr) &&
	       !__atomic_load_n(&m->done, __ATOMIC_ACQUIRE);
}

static inline bool meanwhile_ends(struct meanwhile *m)
{
	return WAIT_FOR(__atomic_load_n(&m->done, __ATOMIC_ACQUIRE)) &&
	       !pthread_join(m->thread, NULL) && !m->ret;
}

#endif /* KEVENT_SELFTESTS_STOPPED_H */
