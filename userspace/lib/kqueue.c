// SPDX-License-Identifier: BSD-2-Clause
/*
 * Making a queue: every open of the device is one.
 */
#include <sys/event.h>

#include <errno.h>
#include <fcntl.h>

#include "libkevent.h"

static int open_queue(int flags)
{
	int kq = open(KEVENT_DEVICE, O_RDWR | flags);

	/* No node, or a node without a driver: the module is not there. */
	if (kq < 0 && (errno == ENOENT || errno == ENXIO))
		errno = ENODEV;
	return kq;
}

PUBLIC int kqueue(void)
{
	return open_queue(O_CLOEXEC);
}

PUBLIC int kqueue1(int flags)
{
	if (flags & ~(O_CLOEXEC | O_NONBLOCK)) {
		errno = EINVAL;
		return -1;
	}
	return open_queue(flags);
}

PUBLIC int kqueuex(unsigned int flags)
{
	if (flags & ~(unsigned int)KQUEUE_CLOEXEC) {
		errno = EINVAL;
		return -1;
	}
	return open_queue(flags & KQUEUE_CLOEXEC ? O_CLOEXEC : 0);
}
