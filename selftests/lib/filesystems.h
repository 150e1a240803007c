/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * File systems for tests: each is mounted at "fs", in a folder on a tmpfs, where the
 * folders lie of which those consist that have none of their own.
 */
#ifndef KEVENT_SELFTESTS_FILESYSTEMS_H
#define KEVENT_SELFTESTS_FILESYSTEMS_H

#include "files.h"
#include "fuse.h"

/* Where a test has its file systems. */
struct filesystems {
	struct folder folder;
	pid_t server;	/* of the one in user space; 0: none */
};

/* --- Mounting ---------------------------------------------------------------- */

/* Each returns NULL, or why it cannot be mounted. */

static inline const char *fs_tmpfs(struct filesystems *fs)
{
	(void)fs;
	return mount_tmpfs("fs") ? strerror(errno) : NULL;
}

static inline const char *fs_ext4(struct filesystems *fs)
{
	int fd = create_file("image");

	(void)fs;
	if (fd < 0 || ftruncate(fd, 8 << 20) || close(fd))
		return strerror(errno);
	/* A shell may have another one built in. */
	if (IN_CHILD(execl("/sbin/mke2fs", "mke2fs", "-q", "-F", "-t", "ext4",
			   "image", NULL)))
		return "there is no mke2fs (package e2fsprogs)";
	if (system("mount -t ext4 -o loop image fs"))
		return "a file with ext4 in it cannot be mounted";
	return NULL;
}

static inline const char *fs_overlay(struct filesystems *fs)
{
	static const char options[] =
		"lowerdir=lower,upperdir=upper,workdir=work,index=off";

	(void)fs;
	return mount("overlay", "fs", "overlay", 0, options) ? "there is no overlayfs" :
							      NULL;
}

static inline const char *fs_fuse(struct filesystems *fs)
{
	fs->server = server_start("server", "fs");
	if (fs->server > 0)
		return NULL;
	fs->server = 0;
	return "there is no FUSE";
}

/* --- Coming and going -------------------------------------------------------- */

/* What a file system has at first: a file of ten bytes, and a folder. */
static inline bool fs_fill(const char *path)
{
	char name[32];

	snprintf(name, sizeof(name), "%s/file", path);
	if (!write_at(name, O_CREAT, 0, 10))
		return false;
	snprintf(name, sizeof(name), "%s/dir", path);
	return !mkdir(name, 0700);
}

/* Go where they are to be mounted. Needs root. */
static inline bool fs_enter(struct filesystems *fs)
{
	fs->server = 0;
	return own_mounts() && folder_enter(&fs->folder) &&
	       !mount_tmpfs(fs->folder.path) && !chdir(fs->folder.path) &&
	       !mkdir("fs", 0700) && !mkdir("lower", 0700) && !mkdir("upper", 0700) &&
	       !mkdir("work", 0700) && !mkdir("server", 0700);
}

static inline void fs_leave(const struct filesystems *fs)
{
	if (chdir(fs->folder.path))
		return;
	umount2("fs", MNT_DETACH);
	if (fs->server) {
		kill(fs->server, SIGKILL);
		waitpid(fs->server, NULL, 0);
	}
	umount2(fs->folder.path, MNT_DETACH);
	folder_leave(&fs->folder);
}

/* The same in a test or its setup, which is skipped if they cannot be. */
#define FS_ENTER(fs) do {						\
	if (geteuid())							\
		SKIP_ALL("only root can mount");			\
	ASSERT_TRUE(fs_enter(fs));					\
} while (0)

#define FS_MOUNT(fs, mount) do {					\
	struct filesystems *fs_ = (fs);					\
	const char *why_ = (mount)(fs_);				\
									\
	if (why_) {							\
		fs_leave(fs_);						\
		SKIP_ALL("%s", why_);					\
	}								\
} while (0)

#endif /* KEVENT_SELFTESTS_FILESYSTEMS_H */
