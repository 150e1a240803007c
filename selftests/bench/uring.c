// SPDX-License-Identifier: BSD-2-Clause
/*
 * io_uring as a way to wait for descriptors: each has a multishot poll, which tells
 * each time that more has come. What is to be told is left for the thread that waits
 * (IORING_SETUP_DEFER_TASKRUN, Linux 6.1), as programs have it that want to be fast.
 */
#include "bench.h"

#ifdef HAVE_URING
#include <errno.h>
#include <liburing.h>
#include <poll.h>

#define RINGS	4		/* at a time, in all threads */
#define ENTRIES	4096		/* the more, the faster are removals from many */

static struct io_uring rings[RINGS];
static bool used[RINGS];

static int ring_start(struct io_uring *ring)
{
	return io_uring_queue_init(ENTRIES, ring, IORING_SETUP_SINGLE_ISSUER |
				   IORING_SETUP_DEFER_TASKRUN);
}

/* Ask the kernel, once. */
bool uring_works(void)
{
	static int answer = -1;
	struct io_uring ring;

	if (answer < 0) {
		answer = !ring_start(&ring);
		if (answer)
			io_uring_queue_exit(&ring);
	}
	return answer;
}

int uring_open(void)
{
	int q = 0;

	while (q < RINGS && __atomic_exchange_n(&used[q], true, __ATOMIC_ACQ_REL))
		q++;
	check(q < RINGS && !ring_start(&rings[q]), "io_uring");
	return q;
}

void uring_close(int q)
{
	io_uring_queue_exit(&rings[q]);
	__atomic_store_n(&used[q], false, __ATOMIC_RELEASE);
}

static void prepare(struct io_uring *ring, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (!sqe) {
		check(io_uring_submit(ring) == ENTRIES, "io_uring_submit");
		sqe = io_uring_get_sqe(ring);
	}
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, fd);
}

bool uring_add(int q, int fd)
{
	prepare(&rings[q], fd);
	return io_uring_submit(&rings[q]) == 1;
}

/* What is submitted is to be answered by @n, of which none is from a descriptor. */
static bool answers(struct io_uring *ring, int submitted, int n)
{
	struct io_uring_cqe *cqe[2];
	bool good = io_uring_submit_and_wait(ring, n) == submitted &&
		    (int)io_uring_peek_batch_cqe(ring, cqe, 2) == n;
	int i;

	for (i = 0; i < n && good; i++)
		good = cqe[i]->res == 0 || cqe[i]->res == -ECANCELED;
	io_uring_cq_advance(ring, n);
	return good;
}

static void prepare_change(struct io_uring *ring, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_poll_update(sqe, fd, fd, POLLIN, IORING_POLL_UPDATE_EVENTS |
				  IORING_POLL_UPDATE_USER_DATA | IORING_POLL_ADD_MULTI);
	io_uring_sqe_set_data64(sqe, fd);
}

bool uring_change(int q, int fd)
{
	prepare_change(&rings[q], fd);
	return answers(&rings[q], 1, 1);
}

static void prepare_remove(struct io_uring *ring, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_poll_remove(sqe, fd);
	io_uring_sqe_set_data64(sqe, fd);
}

/* Both the poll and what ends it say so. */
bool uring_remove(int q, int fd)
{
	prepare_remove(&rings[q], fd);
	return answers(&rings[q], 1, 2);
}

bool uring_replace(int q, int old, int fd)
{
	prepare_remove(&rings[q], old);
	prepare(&rings[q], fd);
	return answers(&rings[q], 2, 2);
}

/* What has been told so far, without asking the kernel. */
static int take(struct io_uring *ring, int *fd, int max)
{
	struct io_uring_cqe *cqe[POLLER_BATCH];
	int i, n = io_uring_peek_batch_cqe(ring, cqe, max);

	for (i = 0; i < n; i++) {
		if (cqe[i]->res < 0 || !(cqe[i]->flags & IORING_CQE_F_MORE))
			return -1;
		fd[i] = io_uring_cqe_get_data64(cqe[i]);
	}
	io_uring_cq_advance(ring, n);
	return n;
}

static int submit_and_take(struct io_uring *ring, int *fd, int max)
{
	return io_uring_submit_and_wait(ring, 1) < 0 ? -1 : take(ring, fd, max);
}

int uring_wait(int q, int *fd, int max)
{
	int n = take(&rings[q], fd, max);

	return n ? n : submit_and_take(&rings[q], fd, max);
}

int uring_add_and_wait(int q, int *fd, int n)
{
	int i;

	for (i = 0; i < n; i++)
		prepare(&rings[q], fd[i]);
	return submit_and_take(&rings[q], fd, POLLER_BATCH);
}

/* The contender. */
static int contender;
static int found[POLLER_BATCH];

int uring_watch(const int *fd, int n, enum mode mode)
{
	int i;

	(void)mode;
	contender = uring_open();
	for (i = 0; i < n; i++)
		prepare(&rings[contender], fd[i]);
	check(io_uring_submit(&rings[contender]) >= 0, "io_uring_submit");
	return contender;
}

int uring_collect(void)
{
	return uring_wait(contender, found, POLLER_BATCH);
}

int uring_fd(int i)
{
	return found[i];
}

void uring_stop(void)
{
	uring_close(contender);
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
