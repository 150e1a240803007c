// SPDX-License-Identifier: BSD-2-Clause
/*
 * io_uring as a way to wait for descriptors: each has a multishot poll, which tells
 * each time that more has come. What is to be told is left for the thread that waits
 * (IORING_SETUP_DEFER_TASKRUN, Linux 6.1), as programs have it that want to be fast.
 *
 * A thread has one ring, for good: the kernel takes one apart later, and interrupts
 * (EINTR) whatever call who had it waits in by then.
 */
#include "bench.h"

#ifdef HAVE_URING
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENTRIES	4096		/* the more, the faster are removals from many */

static __thread struct io_uring ring;
static __thread pid_t owner;	/* not who has forked this process */

static bool ring_start(void)
{
	if (owner == gettid())
		return true;
	if (io_uring_queue_init(ENTRIES, &ring, IORING_SETUP_SINGLE_ISSUER |
				IORING_SETUP_DEFER_TASKRUN))
		return false;
	owner = gettid();
	return true;
}

/* Ask the kernel, once. */
bool uring_works(void)
{
	static int answer = -1;

	if (answer < 0)
		answer = ring_start();
	return answer;
}

/* There is one for each thread, which needs no number. */
int uring_open(void)
{
	check(ring_start(), "io_uring");
	return 0;
}

/* What is polled, by descriptor. */
static __thread bool *polled;
static __thread int room;

static void note(int fd, bool yes)
{
	int more = 2 * (fd + 1);

	if (fd >= room) {
		polled = realloc(polled, more);
		check(polled, "memory");
		memset(polled + room, 0, more - room);
		room = more;
	}
	polled[fd] = yes;
}

static void prepare(int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe) {
		check(io_uring_submit(&ring) == ENTRIES, "io_uring_submit");
		sqe = io_uring_get_sqe(&ring);
	}
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, fd);
	note(fd, true);
}

bool uring_add(int q, int fd)
{
	(void)q;
	prepare(fd);
	return io_uring_submit(&ring) == 1;
}

/* What is submitted is to be answered by @n, of which none is from a descriptor. */
static bool answers(int submitted, int n)
{
	struct io_uring_cqe *cqe[2];
	bool good = io_uring_submit_and_wait(&ring, n) == submitted &&
		    (int)io_uring_peek_batch_cqe(&ring, cqe, 2) == n;
	int i;

	for (i = 0; i < n && good; i++)
		good = cqe[i]->res == 0 || cqe[i]->res == -ECANCELED;
	io_uring_cq_advance(&ring, n);
	return good;
}

static void prepare_change(int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_poll_update(sqe, fd, fd, POLLIN, IORING_POLL_UPDATE_EVENTS |
				  IORING_POLL_UPDATE_USER_DATA | IORING_POLL_ADD_MULTI);
	io_uring_sqe_set_data64(sqe, fd);
}

bool uring_change(int q, int fd)
{
	(void)q;
	prepare_change(fd);
	return answers(1, 1);
}

static void prepare_remove(int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	io_uring_prep_poll_remove(sqe, fd);
	io_uring_sqe_set_data64(sqe, fd);
	note(fd, false);
}

/* Both the poll and what ends it say so. */
bool uring_remove(int q, int fd)
{
	(void)q;
	prepare_remove(fd);
	return answers(1, 2);
}

bool uring_replace(int q, int old, int fd)
{
	(void)q;
	prepare_remove(old);
	prepare(fd);
	return answers(2, 2);
}

/* To cancel all at once takes time that grows with the square of their number. */
void uring_close(int q)
{
	struct io_uring_cqe *cqe;
	int fd, ended;

	(void)q;
	for (fd = 0; fd < room; fd++) {
		if (!polled[fd])
			continue;
		prepare_remove(fd);
		check(io_uring_submit(&ring) == 1, "io_uring_submit");
		for (ended = 0; ended < 2; io_uring_cqe_seen(&ring, cqe)) {
			check(!io_uring_wait_cqe(&ring, &cqe), "io_uring_wait_cqe");
			ended += !(cqe->flags & IORING_CQE_F_MORE);
		}
	}
}

/* What has been told so far, without asking the kernel. */
static int take(int *fd, int max)
{
	struct io_uring_cqe *cqe[POLLER_BATCH];
	int i, n = io_uring_peek_batch_cqe(&ring, cqe, max);

	for (i = 0; i < n; i++) {
		if (cqe[i]->res < 0 || !(cqe[i]->flags & IORING_CQE_F_MORE))
			return -1;
		fd[i] = io_uring_cqe_get_data64(cqe[i]);
	}
	io_uring_cq_advance(&ring, n);
	return n;
}

static int submit_and_take(int *fd, int max)
{
	return io_uring_submit_and_wait(&ring, 1) < 0 ? -1 : take(fd, max);
}

int uring_wait(int q, int *fd, int max)
{
	int n = take(fd, max);

	(void)q;
	return n ? n : submit_and_take(fd, max);
}

int uring_add_and_wait(int q, int *fd, int n)
{
	int i;

	(void)q;
	for (i = 0; i < n; i++)
		prepare(fd[i]);
	return submit_and_take(fd, POLLER_BATCH);
}

/* The contender. */
static int found[POLLER_BATCH];

int uring_watch(const int *fd, int n, enum mode mode)
{
	int i, q = uring_open();

	(void)mode;
	for (i = 0; i < n; i++)
		prepare(fd[i]);
	check(io_uring_submit(&ring) >= 0, "io_uring_submit");
	return q;
}

int uring_collect(void)
{
	return uring_wait(0, found, POLLER_BATCH);
}

int uring_fd(int i)
{
	return found[i];
}

void uring_stop(void)
{
	uring_close(0);
}

#else

bool uring_works(void)
{
	return false;
}

#endif

/* There is no level: it tells what has come, not what is there. */
bool uring_can(const int *fd, int n, enum mode mode)
{
	(void)fd;
	(void)n;
	return mode == EDGE && uring_works();
}

void uring_note(void)
{
#ifdef HAVE_URING
	if (uring_works())
		table_note("io_uring: multishot poll, which tells what has come (edge)");
	else
		table_note("io_uring: not measured, the kernel refuses (5.19 and older do)");
#else
	table_note("io_uring: not measured, built without liburing 2.3 or newer");
#endif
}
