/* SPDX-License-Identifier: BSD-2-Clause */
/* An io_uring of one entry, without a library: enough to close something. */
#ifndef KEVENT_SELFTESTS_RING_H
#define KEVENT_SELFTESTS_RING_H

#include "common.h"

#include <linux/io_uring.h>
#include <sys/mman.h>

struct ring {
	int fd;
	char *sq, *cq;
	struct io_uring_sqe *sqe;
	struct io_uring_params p;
};

static inline void *ring_map(struct ring *r, size_t size, off_t what)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    r->fd, what);
}

static inline bool ring_open(struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = syscall(SYS_io_uring_setup, 1, &r->p);
	if (r->fd < 0)
		return false;
	r->sq = ring_map(r, r->p.sq_off.array + sizeof(int), IORING_OFF_SQ_RING);
	r->cq = ring_map(r, r->p.cq_off.cqes + 2 * sizeof(struct io_uring_cqe),
			 IORING_OFF_CQ_RING);
	r->sqe = ring_map(r, sizeof(*r->sqe), IORING_OFF_SQES);
	return r->sq != MAP_FAILED && r->cq != MAP_FAILED && r->sqe != MAP_FAILED;
}

/*
 * Close @fd through the ring; with IOSQE_ASYNC, one of io_uring's own threads
 * does. Returns the result of the only request.
 */
static inline int ring_close(struct ring *r, int fd, int flags)
{
	struct io_uring_cqe *cqe = (void *)(r->cq + r->p.cq_off.cqes);
	unsigned int *tail = (void *)(r->sq + r->p.sq_off.tail);

	memset(r->sqe, 0, sizeof(*r->sqe));
	r->sqe->opcode = IORING_OP_CLOSE;
	r->sqe->fd = fd;
	r->sqe->flags = flags;
	*(unsigned int *)(r->sq + r->p.sq_off.array) = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		return -errno;
	return cqe->res;
}

#endif /* KEVENT_SELFTESTS_RING_H */
