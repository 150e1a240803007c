/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file system in user space: a process that shows a folder again at another place,
 * by libfuse's high-level interface, as most such file systems do.
 */
#ifndef KEVENT_SELFTESTS_FUSE_H
#define KEVENT_SELFTESTS_FUSE_H

#define FUSE_USE_VERSION 31
#include <fuse3/fuse.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "peers.h"

/*
 * libfuse would load modules if it were told to. A static program cannot, of which the
 * linker warns: so the Makefile has it call this in the place of dlopen().
 */
void *__wrap_dlopen(const char *file, int mode)
{
	(void)file;
	(void)mode;
	return NULL;
}

/* --- What it does ------------------------------------------------------------ */

/* The folder is the server's root, so all paths are right as they are. */

static inline int fuse_result(int ret)
{
	return ret < 0 ? -errno : ret;
}

static int server_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	return fuse_result(lstat(path, st));
}

static int server_mkdir(const char *path, mode_t mode)
{
	return fuse_result(mkdir(path, mode));
}

static int server_unlink(const char *path)
{
	return fuse_result(unlink(path));
}

static int server_rmdir(const char *path)
{
	return fuse_result(rmdir(path));
}

static int server_rename(const char *from, const char *to, unsigned int flags)
{
	return fuse_result(renameat2(AT_FDCWD, from, AT_FDCWD, to, flags));
}

static int server_link(const char *from, const char *to)
{
	return fuse_result(link(from, to));
}

static int server_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	(void)fi;
	return fuse_result(chmod(path, mode));
}

static int server_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	(void)fi;
	return fuse_result(truncate(path, size));
}

static int server_utimens(const char *path, const struct timespec times[2],
			  struct fuse_file_info *fi)
{
	(void)fi;
	return fuse_result(utimensat(AT_FDCWD, path, times, 0));
}

static int server_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
	int fd = open(path, fi->flags, mode);

	fi->fh = fd;
	return fd < 0 ? -errno : 0;
}

static int server_open(const char *path, struct fuse_file_info *fi)
{
	return server_create(path, 0, fi);
}

static int server_read(const char *path, char *buf, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	(void)path;
	return fuse_result(pread(fi->fh, buf, size, offset));
}

static int server_write(const char *path, const char *buf, size_t size, off_t offset,
			struct fuse_file_info *fi)
{
	(void)path;
	return fuse_result(pwrite(fi->fh, buf, size, offset));
}

static int server_release(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	return fuse_result(close(fi->fh));
}

static const struct fuse_operations server_operations = {
	.getattr = server_getattr,
	.mkdir = server_mkdir,
	.unlink = server_unlink,
	.rmdir = server_rmdir,
	.rename = server_rename,
	.link = server_link,
	.chmod = server_chmod,
	.truncate = server_truncate,
	.utimens = server_utimens,
	.create = server_create,
	.open = server_open,
	.read = server_read,
	.write = server_write,
	.release = server_release,
};

/* --- Its life ---------------------------------------------------------------- */

/* Until the file system is gone. Returns the exit status. */
static inline int server_run(const char *folder, const char *mount_point, int ready)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse *fuse;
	int err;

	if (fuse_opt_add_arg(&args, "server"))
		return 1;
	fuse = fuse_new(&args, &server_operations, sizeof(server_operations), NULL);
	fuse_opt_free_args(&args);
	if (!fuse || fuse_mount(fuse, mount_point))
		return 1;
	err = chroot(folder) || chdir("/") || !tell(ready) || fuse_loop(fuse);
	fuse_destroy(fuse);
	return err;
}

/*
 * Show @folder at @mount_point. Returns the process, once it is mounted, or -1 if it
 * cannot be. It ends with the file system, or its parent.
 */
static inline pid_t server_start(const char *folder, const char *mount_point)
{
	int ready[2];
	pid_t pid;
	bool ok;

	if (pipe2(ready, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		close(ready[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(server_run(folder, mount_point, ready[1]));
	}
	close(ready[1]);
	ok = hear(ready[0]);
	close(ready[0]);
	if (pid > 0 && !ok)
		waitpid(pid, NULL, 0);
	return ok ? pid : -1;
}

#endif /* KEVENT_SELFTESTS_FUSE_H */
