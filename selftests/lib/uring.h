/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests do by io_uring, one request at a time. */
#ifndef KEVENT_SELFTESTS_URING_H
#define KEVENT_SELFTESTS_URING_H

#include <liburing.h>

/* Wait for one that has been submitted. Returns its result, or -errno. */
static inline int uring_result(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe(ring, &cqe);

	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

/* Close @fd; with IOSQE_ASYNC, one of io_uring's own threads does. */
static inline int uring_close(struct io_uring *ring, int fd, unsigned int flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	int ret;

	io_uring_prep_close(sqe, fd);
	io_uring_sqe_set_flags(sqe, flags);
	ret = io_uring_submit(ring);
	return ret == 1 ? uring_result(ring) : ret;
}

#endif /* KEVENT_SELFTESTS_URING_H */
