/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * In place of libuv's own: a loop has what linux-core.c sets, all else is as on a BSD.
 */
#ifndef UV_LINUX_H
#define UV_LINUX_H

#define UV_PLATFORM_LOOP_FIELDS						\
	uv__io_t inotify_read_watcher;					\
	void *inotify_watchers;						\
	int inotify_fd;

#include "uv/bsd.h"

#endif
