// SPDX-License-Identifier: BSD-2-Clause
/*
 * Asking the module what it is, and telling people why a queue failed.
 */
#include <kevent.h>

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libkevent.h"

PUBLIC int kqueue_info(int kq, struct kevent_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	if (ioctl(kq, KEVENT_IOC_INFO, info) == 0)
		return 0;
	/* Whatever another driver says to an ioctl that it does not know. */
	errno = EBADF;
	return -1;
}

PUBLIC int kqueue_has_filter(const struct kevent_info *info, int filter)
{
	unsigned int bit = 0U - (unsigned int)filter;

	if (bit >= 8 * sizeof(info->filters))
		return 0;
	return info->filters[bit / 64] >> bit % 64 & 1;
}

/* The device could not be opened: is there a module behind it at all? */
static const char *no_device(void)
{
	int saved = errno;
	int loaded = access(KEVENT_SYSFS, F_OK) == 0;

	errno = saved;
	if (loaded)
		return "the kevent module is loaded, but /dev/kevent is not in this container";
	return "the kevent module is not loaded: run 'modprobe kevent' as root";
}

PUBLIC const char *kqueue_strerror(int errnum)
{
	switch (errnum) {
	case ENODEV:
		return no_device();
	case EACCES:
		return "no permission to open /dev/kevent: see FILES in kevent(4) for its mode";
	case EPERM:
		return "this container or a security policy forbids /dev/kevent: allow it there";
	case EMFILE:
		return "too many open descriptors in this process: close some, or raise ulimit -n";
	case ENFILE:
		return "too many open files in the system: raise /proc/sys/fs/file-max";
	case ENOMEM:
		return "no memory for a queue: raise the cgroup's limit, or max_user_knotes";
	case EINVAL:
		return "kqueue1() or kqueuex() was given a flag that it does not know";
	default:
		return strerror(errnum);
	}
}
