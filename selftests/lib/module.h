/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading and unloading modules, for the tests that are told where they are:
 * KEVENT_KO, KEVENT_SAMPLE_KO and KEVENT_MEDDLE_KO are the paths of kevent.ko,
 * kevent_sample.ko and kevent_meddle.ko. Without them, or without the right to,
 * they skip.
 */
#ifndef KEVENT_SELFTESTS_MODULE_H
#define KEVENT_SELFTESTS_MODULE_H

#include "common.h"

/* Returns 0, or the errno; @path is of the environment, and may be NULL. */
static inline int module_load(const char *path, const char *params)
{
	int fd = open(path ?: "", O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0 || syscall(SYS_finit_module, fd, params, 0))
		err = errno;
	if (fd >= 0)
		close(fd);
	return err;
}

/* Returns 0, or the errno: EWOULDBLOCK if it is in use. */
static inline int module_unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0;
}

static inline bool module_loaded(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	return !access(path, F_OK);
}

/* Why the modules in the environment variables cannot be loaded, or NULL. */
static inline const char *module_missing(const char *variable)
{
	const char *path = getenv(variable);

	if (!path)
		return "is not set: the path of the module";
	if (access(path, R_OK))
		return "is not the path of a module that can be read";
	if (geteuid())
		return "is set, but only root can load modules";
	return NULL;
}

#endif /* KEVENT_SELFTESTS_MODULE_H */
