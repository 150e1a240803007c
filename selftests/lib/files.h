/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests that use files: a folder of their own, mounts of their own, and how
 * EVFILT_VNODE is asked.
 */
#ifndef KEVENT_SELFTESTS_FILES_H
#define KEVENT_SELFTESTS_FILES_H

#include <sys/mount.h>
#include <sys/stat.h>

#include "expect.h"

/* All but what says that the file is used. */
#define CHANGES	(NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB |	\
		 NOTE_LINK | NOTE_RENAME | NOTE_REVOKE)
#define USES	(NOTE_OPEN | NOTE_CLOSE | NOTE_CLOSE_WRITE | NOTE_READ)

static inline int kq_vnode(int kq, int fd, int flags, unsigned int fflags)
{
	return kq_change(kq, fd, EVFILT_VNODE, EV_ADD | flags, fflags, 0, NULL);
}

#define ASSERT_HINT(kq, fd, fflags)					\
	ASSERT_EVENT(kq, fd, EVFILT_VNODE, 0, 0, fflags)

/* --- Folders ----------------------------------------------------------------- */

/* Its path. */
struct folder {
	char path[32];
};

/* Make a new one, which anybody may look into, and go there. */
static inline bool folder_enter(struct folder *f)
{
	strcpy(f->path, "/tmp/kevent-XXXXXX");
	return mkdtemp(f->path) && !chmod(f->path, 0755) && !chdir(f->path);
}

/* Remove it with all that is in it. */
static inline void folder_leave(const struct folder *f)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", f->path);
	if (chdir("/") || system(command))
		fprintf(stderr, "# cannot remove %s\n", f->path);
}

/* What this process mounts from now on is its own, and goes with it. Needs root. */
static inline bool own_mounts(void)
{
	return !unshare(CLONE_NEWNS) &&
	       !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static inline int mount_tmpfs(const char *path)
{
	return mount("none", path, "tmpfs", 0, NULL);
}

/* --- Files ------------------------------------------------------------------- */

/* A descriptor of the new file, or of the old one of that name. */
static inline int create_file(const char *path)
{
	return open(path, O_CREAT | O_RDWR, 0600);
}

/* Another process opens the file and writes @len bytes at @offset. */
static inline bool write_at(const char *path, int flags, off_t offset, int len)
{
	static const char zeros[4096];

	return !IN_CHILD(pwrite(open(path, O_WRONLY | flags, 0600), zeros, len,
				offset) != len);
}

#endif /* KEVENT_SELFTESTS_FILES_H */
