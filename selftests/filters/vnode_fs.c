// SPDX-License-Identifier: BSD-2-Clause
/*
 * EVFILT_VNODE on file systems that keep their inodes in their own ways: on each of
 * them the same happens, and the same is told.
 */
#include "filesystems.h"
#include "hints.h"

FIXTURE(fs)
{
	struct filesystems fs;
	int kq;
	int fd;		/* of "file", ten bytes, for reading only */
};

FIXTURE_VARIANT(fs)
{
	const char *(*mount)(struct filesystems *fs);
	const char *filled;	/* where "file" and "dir" lie before it is mounted */
	bool names_apart;	/* each name of a file has an inode of its own */
};

FIXTURE_VARIANT_ADD(fs, tmpfs)
{
	.mount = fs_tmpfs,
};

FIXTURE_VARIANT_ADD(fs, ext4)
{
	.mount = fs_ext4,
};

FIXTURE_VARIANT_ADD(fs, overlay_upper)
{
	.mount = fs_overlay,
	.filled = "upper",
};

/* What is changed is first copied to the upper layer. */
FIXTURE_VARIANT_ADD(fs, overlay_lower)
{
	.mount = fs_overlay,
	.filled = "lower",
};

FIXTURE_VARIANT_ADD(fs, fuse)
{
	.mount = fs_fuse,
	.filled = "server",
	.names_apart = true,
};

FIXTURE_SETUP(fs)
{
	FS_ENTER(&self->fs);
	if (variant->filled)
		ASSERT_TRUE(fs_fill(variant->filled));
	FS_MOUNT(&self->fs, variant->mount);
	if (!variant->filled)
		ASSERT_TRUE(fs_fill("fs"));
	ASSERT_EQ(0, chdir("fs"));
	self->fd = open("file", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(fs)
{
	close(self->kq);
	close(self->fd);
	fs_leave(&self->fs);
}

/* --- Files ------------------------------------------------------------------- */

/* What is written is told of, and whether the file has grown. */
TEST_F(fs, written)
{
	check_written(_metadata, self->kq, self->fd);
}

/* So are size, mode and times that are set. */
TEST_F(fs, attributes)
{
	static const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };

	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, chmod("file", 0640));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	ASSERT_EQ(0, truncate("file", 100));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	ASSERT_EQ(0, truncate("file", 5));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	ASSERT_EQ(0, close(open("file", O_WRONLY | O_TRUNC)));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	ASSERT_EQ(0, utimensat(AT_FDCWD, "file", times, 0));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	/* What comes after that is compared with what was left. */
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE | NOTE_EXTEND);
}

/* What is told of a name; with @apart, whether @want is part of that. */
static unsigned int name_hint(int kq, unsigned int want, bool apart)
{
	struct kevent ev;

	if (kq_wait(kq, &ev, 1, LIMIT_MS) != 1)
		return 0;
	return apart && ev.fflags == (NOTE_LINK | NOTE_DELETE) ? want : ev.fflags;
}

/*
 * Names that come and go are told. Where each is an inode of its own, a name that comes
 * is not counted: then it may be that one has gone as well.
 */
TEST_F(fs, names)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, link("file", "other"));
	ASSERT_EQ(NOTE_LINK, name_hint(self->kq, NOTE_LINK, variant->names_apart));
	ASSERT_EQ(0, unlink("file"));
	ASSERT_EQ(NOTE_DELETE, name_hint(self->kq, NOTE_DELETE, variant->names_apart));
	ASSERT_EQ(0, unlink("other"));
	if (!variant->names_apart)
		ASSERT_HINT(self->kq, self->fd, NOTE_DELETE);
	ASSERT_NONE(self->kq);
}

/* A file that is open is told of without any name. */
TEST_F(fs, nameless)
{
	int fd = open("file", O_RDWR), i;

	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, unlink("file"));
	ASSERT_HINT(self->kq, self->fd, NOTE_DELETE);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(1, pwrite(fd, "x", 1, 10 + i));
		ASSERT_HINT(self->kq, self->fd, NOTE_WRITE | NOTE_EXTEND);
	}
	ASSERT_NONE(self->kq);
}

/* The registration goes with the file, not with its name. */
TEST_F(fs, renamed)
{
	check_renamed(_metadata, self->kq, self->fd);
}

/* A file that another is renamed over is deleted; the other is renamed. */
TEST_F(fs, renamed_over)
{
	check_renamed_over(_metadata, self->kq, self->fd);
}

/* Two that change places are both renamed, and none is deleted. */
TEST_F(fs, exchanged)
{
	check_exchanged(_metadata, self->kq, self->fd);
}

/* Of what is done to it all the time only those are told who ask for it. */
TEST_F(fs, used)
{
	check_used(_metadata, self->kq, self->fd);
}

/* EVFILT_READ of who has read all tells of more. */
TEST_F(fs, grows)
{
	char buf[16];

	ASSERT_EQ(10, read(self->fd, buf, sizeof(buf)));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(write_at("file", O_APPEND, 0, 5));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 5);
	ASSERT_EQ(5, read(self->fd, buf, sizeof(buf)));
	ASSERT_NONE(self->kq);
}

/* --- Directories ------------------------------------------------------------- */

/* What comes, changes its name and goes in a directory. */
TEST_F(fs, entries)
{
	int top = open(".", O_RDONLY), dir = open("dir", O_RDONLY), kq = kq_open();

	ASSERT_EQ(0, kq_vnode(self->kq, top, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, kq_vnode(kq, dir, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, close(create_file("1")));
	ASSERT_HINT(self->kq, top, NOTE_WRITE);
	ASSERT_EQ(0, rename("1", "2"));
	ASSERT_HINT(self->kq, top, NOTE_WRITE);
	ASSERT_EQ(0, unlink("2"));
	ASSERT_HINT(self->kq, top, NOTE_WRITE);
	ASSERT_EQ(0, mkdir("sub", 0700));
	ASSERT_HINT(self->kq, top, NOTE_WRITE | NOTE_LINK);
	ASSERT_EQ(0, rmdir("sub"));
	ASSERT_HINT(self->kq, top, NOTE_WRITE | NOTE_LINK);
	ASSERT_NONE(kq);
	ASSERT_EQ(0, rename("file", "dir/file"));
	ASSERT_HINT(self->kq, top, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_HINT(kq, dir, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_EQ(0, unlink("dir/file"));
	ASSERT_HINT(kq, dir, NOTE_WRITE);
}

/* A directory's own mode and end; the one it is in is told as well. */
TEST_F(fs, directory)
{
	int top = open(".", O_RDONLY), dir = open("dir", O_RDONLY), kq = kq_open();

	ASSERT_EQ(0, kq_vnode(self->kq, dir, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, kq_vnode(kq, top, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, chmod("dir", 0750));
	ASSERT_HINT(self->kq, dir, NOTE_ATTRIB);
	ASSERT_NONE(kq);
	ASSERT_EQ(0, rmdir("dir"));
	ASSERT_HINT(self->kq, dir, NOTE_DELETE);
	ASSERT_HINT(kq, top, NOTE_WRITE | NOTE_LINK);
	ASSERT_NONE(self->kq);
}

/* One that is moved is followed to where it ends. */
TEST_F(fs, moved)
{
	int sub;

	ASSERT_EQ(0, mkdir("sub", 0700));
	sub = open("sub", O_RDONLY);
	ASSERT_EQ(0, kq_vnode(self->kq, sub, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, rename("sub", "dir/sub"));
	ASSERT_HINT(self->kq, sub, NOTE_RENAME);
	ASSERT_EQ(0, rmdir("dir/sub"));
	ASSERT_HINT(self->kq, sub, NOTE_DELETE);
}

/* --- Unmounting -------------------------------------------------------------- */

/* A file that is watched keeps its file system mounted, unless that is forced. */
TEST_F(fs, revoked)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, NOTE_REVOKE));
	ASSERT_EQ(0, chdir(".."));
	ASSERT_EQ(-1, umount("fs"));
	ASSERT_EQ(EBUSY, errno);
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, umount2("fs", MNT_DETACH));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_VNODE, 0, EV_EOF, NOTE_REVOKE);
}

/* Once all is closed nothing keeps it, also not what has lost its name. */
TEST_F(fs, released)
{
	int top = open(".", O_RDONLY), gone;

	gone = create_file("gone");
	ASSERT_EQ(0, kq_vnode(self->kq, top, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES | USES));
	ASSERT_EQ(0, kq_vnode(self->kq, gone, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, link("gone", "again"));
	ASSERT_EQ(0, unlink("gone"));
	ASSERT_EQ(0, unlink("again"));
	ASSERT_EQ(0, close(gone));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, close(top));
	ASSERT_EQ(0, chdir(".."));
	ASSERT_EQ(0, umount("fs"));
	if (self->fs.server) {
		ASSERT_EQ(0, child_status(self->fs.server));
		self->fs.server = 0;
	}
}

TEST_HARNESS_MAIN
