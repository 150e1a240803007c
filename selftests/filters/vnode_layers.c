// SPDX-License-Identifier: BSD-2-Clause
/*
 * EVFILT_VNODE where one file system shows the files of another: what is done to them
 * here, and what of it is told there. It goes with the inode of the descriptor.
 */
#include <sys/utsname.h>

#include "filesystems.h"

FIXTURE(layers)
{
	struct filesystems fs;
	int kq;
};

FIXTURE_SETUP(layers)
{
	FS_ENTER(&self->fs);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(layers)
{
	close(self->kq);
	fs_leave(&self->fs);
}

/* All that can happen to "file" below @dir, which then is gone. */
static bool strike(const char *dir)
{
	bool ok = !chdir(dir) && write_at("file", O_APPEND, 0, 1) &&
		  !chmod("file", 0640) && !link("file", "other") &&
		  !rename("other", "third") && !truncate("file", 5) &&
		  !unlink("third") && !unlink("file");

	return !chdir("..") && ok;
}

/* A descriptor of @path that is watched for @fflags, or -1. */
static int watched(int kq, const char *path, unsigned int fflags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || kq_vnode(kq, fd, EV_CLEAR, fflags) ? -1 : fd;
}

/* --- overlayfs --------------------------------------------------------------- */

/* A file of the lower layer that is copied up stays what the descriptor means. */
TEST_F(layers, copied_up)
{
	int before, after, kq = kq_open();
	struct stat was, is;

	ASSERT_TRUE(fs_fill("lower"));
	FS_MOUNT(&self->fs, fs_overlay);
	before = watched(self->kq, "fs/file", CHANGES);
	ASSERT_LE(0, before);
	ASSERT_EQ(0, access("upper/file", F_OK) && errno != ENOENT);
	ASSERT_EQ(0, chmod("fs/file", 0640));
	ASSERT_HINT(self->kq, before, NOTE_ATTRIB);
	ASSERT_EQ(0, access("upper/file", F_OK));
	after = watched(kq, "fs/file", CHANGES);
	ASSERT_LE(0, after);
	ASSERT_EQ(0, fstat(before, &was));
	ASSERT_EQ(0, fstat(after, &is));
	ASSERT_EQ(was.st_ino, is.st_ino);
	ASSERT_TRUE(write_at("fs/file", O_APPEND, 0, 1));
	ASSERT_HINT(self->kq, before, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_HINT(kq, after, NOTE_WRITE | NOTE_EXTEND);
}

/* What is done in a layer itself is not told to who watches by the overlay. */
TEST_F(layers, done_beneath)
{
	ASSERT_TRUE(fs_fill("upper"));
	FS_MOUNT(&self->fs, fs_overlay);
	ASSERT_LE(0, watched(self->kq, "fs/file", CHANGES | USES));
	ASSERT_LE(0, watched(self->kq, "fs", CHANGES));
	ASSERT_TRUE(strike("upper"));
	ASSERT_QUIET(self->kq);
}

/* The lower layer is never changed, and that it is read is not told there. */
TEST_F(layers, lower_watched)
{
	ASSERT_TRUE(fs_fill("lower"));
	FS_MOUNT(&self->fs, fs_overlay);
	ASSERT_LE(0, watched(self->kq, "lower/file", CHANGES));
	ASSERT_LE(0, watched(self->kq, "lower", CHANGES));
	ASSERT_TRUE(strike("fs"));
	ASSERT_QUIET(self->kq);
}

static bool kernel_has(int major, int minor)
{
	struct utsname name;
	int a, b;

	return !uname(&name) && sscanf(name.release, "%d.%d", &a, &b) == 2 &&
	       (a > major || (a == major && b >= minor));
}

/* In the upper one it is told of attributes and names, and since 6.5 of contents. */
TEST_F(layers, upper_watched)
{
	int fd;

	ASSERT_TRUE(fs_fill("upper"));
	FS_MOUNT(&self->fs, fs_overlay);
	fd = watched(self->kq, "upper/file", CHANGES);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(write_at("fs/file", O_APPEND, 0, 1));
	if (kernel_has(6, 5))
		ASSERT_HINT(self->kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, chmod("fs/file", 0640));
	ASSERT_HINT(self->kq, fd, NOTE_ATTRIB);
	ASSERT_EQ(0, rename("fs/file", "fs/other"));
	ASSERT_HINT(self->kq, fd, NOTE_RENAME);
	ASSERT_EQ(0, unlink("fs/other"));
	ASSERT_HINT(self->kq, fd, NOTE_DELETE);
}

/* Names of one lower file are files of their own, of which each is told its own. */
TEST_F(layers, lower_names)
{
	int one, two, kq = kq_open();

	ASSERT_TRUE(fs_fill("lower"));
	ASSERT_EQ(0, link("lower/file", "lower/other"));
	FS_MOUNT(&self->fs, fs_overlay);
	one = watched(self->kq, "fs/file", CHANGES);
	two = watched(kq, "fs/other", CHANGES);
	ASSERT_TRUE(write_at("fs/file", O_APPEND, 0, 1));
	ASSERT_HINT(self->kq, one, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_NONE(kq);
	ASSERT_EQ(0, unlink("fs/other"));
	ASSERT_HINT(kq, two, NOTE_DELETE);
	ASSERT_NONE(self->kq);
}

/* --- FUSE -------------------------------------------------------------------- */

/* What the server, or another behind it, does to its files is not told. */
TEST_F(layers, done_by_server)
{
	ASSERT_TRUE(fs_fill("server"));
	FS_MOUNT(&self->fs, fs_fuse);
	ASSERT_LE(0, watched(self->kq, "fs/file", CHANGES));
	ASSERT_LE(0, watched(self->kq, "fs", CHANGES));
	ASSERT_TRUE(strike("server"));
	ASSERT_QUIET(self->kq);
}

/* What it does as it is asked to is told where it does it, as of any program. */
TEST_F(layers, server_watched)
{
	int fd;

	ASSERT_TRUE(fs_fill("server"));
	FS_MOUNT(&self->fs, fs_fuse);
	fd = watched(self->kq, "server/file", CHANGES);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(write_at("fs/file", O_APPEND, 0, 1));
	ASSERT_HINT(self->kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_EQ(0, unlink("fs/file"));
	ASSERT_HINT(self->kq, fd, NOTE_DELETE);
}

/* A server that dies takes nothing along: the file is told of, and then let go. */
TEST_F(layers, server_dies)
{
	int fd;

	ASSERT_TRUE(fs_fill("server"));
	FS_MOUNT(&self->fs, fs_fuse);
	fd = watched(self->kq, "fs/file", CHANGES | USES);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, kill(self->fs.server, SIGKILL));
	ASSERT_EQ(self->fs.server, waitpid(self->fs.server, NULL, 0));
	self->fs.server = 0;
	ASSERT_NE(0, chmod("fs/file", 0640));
	ASSERT_QUIET(self->kq);
	/* There is nobody whom it could be told. */
	ASSERT_EQ(-1, close(fd));
	ASSERT_EQ(0, umount("fs"));
}

TEST_HARNESS_MAIN
