// SPDX-License-Identifier: BSD-2-Clause
/* EVFILT_VNODE on directories: what comes and goes in them, and that they go. */
#include <sys/statvfs.h>

#include "files.h"
#include "quota.h"

FIXTURE(dir)
{
	int kq;
	int a;		/* directories */
	int b;
	struct folder folder;
};

FIXTURE_SETUP(dir)
{
	ASSERT_TRUE(folder_enter(&self->folder));
	ASSERT_EQ(0, mkdir("a", 0700));
	ASSERT_EQ(0, mkdir("b", 0700));
	self->a = open("a", O_RDONLY | O_DIRECTORY);
	self->b = open("b", O_RDONLY | O_DIRECTORY);
	ASSERT_LE(0, self->b);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(dir)
{
	close(self->kq);
	folder_leave(&self->folder);
}

static int watch(int kq, int fd)
{
	return kq_vnode(kq, fd, EV_CLEAR, CHANGES);
}

static int create(const char *path)
{
	return close(create_file(path));
}

/* A name that comes, changes or goes is a write. */
TEST_F(dir, names)
{
	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_EQ(0, create("a/1"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE);
	ASSERT_EQ(0, symlink("1", "a/2"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE);
	ASSERT_EQ(0, link("a/1", "a/3"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE);
	ASSERT_EQ(0, rename("a/3", "a/4"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE);
	ASSERT_EQ(0, rename("a/2", "a/1"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE);
	ASSERT_EQ(0, unlink("a/1"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE);
	ASSERT_NONE(self->kq);
}

/* What is done to the files in it, and in those below, is not the directory's. */
TEST_F(dir, files)
{
	ASSERT_EQ(0, mkdir("a/sub", 0700));
	ASSERT_EQ(0, create("a/1"));
	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_EQ(0, truncate("a/1", 100));
	ASSERT_EQ(0, chmod("a/1", 0644));
	ASSERT_EQ(0, create("a/sub/1"));
	ASSERT_NONE(self->kq);
}

/* A subdirectory that comes or goes is a link as well; one that is renamed is not. */
TEST_F(dir, subdirectories)
{
	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_EQ(0, mkdir("a/1", 0700));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE | NOTE_LINK);
	ASSERT_EQ(0, rename("a/1", "a/2"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE);
	ASSERT_EQ(0, rmdir("a/2"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE | NOTE_LINK);
}

/* What moves from one to another extends both, and links them if it is one itself. */
TEST_F(dir, across)
{
	int kq = kq_open();

	ASSERT_EQ(0, create("a/1"));
	ASSERT_EQ(0, mkdir("a/2", 0700));
	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_EQ(0, watch(kq, self->b));
	ASSERT_EQ(0, rename("a/1", "b/1"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_HINT(kq, self->b, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_EQ(0, rename("a/2", "b/2"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE | NOTE_EXTEND | NOTE_LINK);
	ASSERT_HINT(kq, self->b, NOTE_WRITE | NOTE_EXTEND | NOTE_LINK);
}

/* The same where only one of the two is watched. */
TEST_F(dir, across_one)
{
	ASSERT_EQ(0, create("a/1"));
	ASSERT_EQ(0, watch(self->kq, self->b));
	ASSERT_EQ(0, rename("a/1", "b/1"));
	ASSERT_HINT(self->kq, self->b, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_EQ(0, rename("b/1", "a/1"));
	ASSERT_HINT(self->kq, self->b, NOTE_WRITE | NOTE_EXTEND);
}

/* Its own attributes and name are its own. */
TEST_F(dir, itself)
{
	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_EQ(0, chmod("a", 0750));
	ASSERT_HINT(self->kq, self->a, NOTE_ATTRIB);
	ASSERT_EQ(0, rename("a", "c"));
	ASSERT_HINT(self->kq, self->a, NOTE_RENAME);
	ASSERT_EQ(0, create("c/1"));
	ASSERT_HINT(self->kq, self->a, NOTE_WRITE);
}

/* That it is removed is told although it is still open. */
TEST_F(dir, removed)
{
	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_EQ(0, rmdir("a"));
	ASSERT_HINT(self->kq, self->a, NOTE_DELETE);
	ASSERT_NONE(self->kq);
}

/* Of two queues both are told, and of two that are watched the one above, too. */
TEST_F(dir, removed_for_all)
{
	int kq = kq_open(), top = open(".", O_RDONLY);

	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_EQ(0, watch(kq, self->a));
	ASSERT_EQ(0, rmdir("a"));
	ASSERT_HINT(self->kq, self->a, NOTE_DELETE);
	ASSERT_HINT(kq, self->a, NOTE_DELETE);
	ASSERT_EQ(0, watch(kq, top));
	ASSERT_EQ(0, watch(self->kq, self->b));
	ASSERT_EQ(0, rmdir("b"));
	ASSERT_HINT(self->kq, self->b, NOTE_DELETE);
	ASSERT_HINT(kq, top, NOTE_WRITE | NOTE_LINK);
}

/* Also where it has been moved to, however often. */
TEST_F(dir, removed_elsewhere)
{
	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_EQ(0, rename("a", "b/a"));
	ASSERT_HINT(self->kq, self->a, NOTE_RENAME);
	ASSERT_EQ(0, mkdir("c", 0700));
	ASSERT_EQ(0, rename("b/a", "c/x"));
	ASSERT_HINT(self->kq, self->a, NOTE_RENAME);
	ASSERT_EQ(0, rmdir("c/x"));
	ASSERT_HINT(self->kq, self->a, NOTE_DELETE);
}

/* Moved and removed before anybody asked, it is both. */
TEST_F(dir, moved_and_removed)
{
	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_EQ(0, rename("a", "b/a"));
	ASSERT_EQ(0, rmdir("b/a"));
	ASSERT_HINT(self->kq, self->a, NOTE_RENAME | NOTE_DELETE);
	ASSERT_NONE(self->kq);
}

/* One that another is renamed over is deleted. */
TEST_F(dir, renamed_over)
{
	int kq = kq_open();

	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_EQ(0, watch(kq, self->b));
	ASSERT_EQ(0, rename("b", "a"));
	ASSERT_HINT(self->kq, self->a, NOTE_DELETE);
	ASSERT_HINT(kq, self->b, NOTE_RENAME);
}

#define DEEP		2000
#define SLOW_DEEP	400

/* Very many below each other, given up from the top down, end well. */
TEST_F(dir, deep)
{
	int deep = getenv("KEVENT_SLOWNESS") ? SLOW_DEEP : DEEP, fd[DEEP], i;

	for (i = 0; i < deep; i++) {
		ASSERT_EQ(0, mkdir("d", 0700));
		ASSERT_EQ(0, chdir("d"));
		fd[i] = open(".", O_RDONLY | O_DIRECTORY);
		ASSERT_EQ(0, watch(self->kq, fd[i]));
	}
	ASSERT_EQ(0, create("1"));
	for (i = 0; i < deep - 1; i++)
		ASSERT_EQ(0, close(fd[i]));
	ASSERT_HINT(self->kq, fd[deep - 1], NOTE_WRITE);
	ASSERT_EQ(0, close(fd[deep - 1]));
	ASSERT_NONE(self->kq);
}

static unsigned long free_inodes(void)
{
	struct statvfs fs;

	return statvfs(".", &fs) ? 0 : fs.f_ffree;
}

/* Moved into each other while they were watched, they are not kept after that. */
TEST_F(dir, circle)
{
	int kq = kq_open(), a, b;
	unsigned long before;

	if (geteuid())
		SKIP(return, "only root can mount");
	ASSERT_TRUE(own_mounts());
	ASSERT_EQ(0, mount_tmpfs(self->folder.path));
	ASSERT_EQ(0, chdir(self->folder.path));
	before = free_inodes();
	ASSERT_EQ(0, mkdir("a", 0700));
	ASSERT_EQ(0, mkdir("a/b", 0700));
	a = open("a", O_RDONLY);
	b = open("a/b", O_RDONLY);
	ASSERT_EQ(0, watch(kq, b));
	ASSERT_EQ(0, rename("a/b", "b"));
	ASSERT_EQ(0, rename("a", "b/a"));
	ASSERT_EQ(0, watch(self->kq, a));
	ASSERT_EQ(0, close(a));
	ASSERT_EQ(0, close(b));
	ASSERT_EQ(0, rmdir("b/a"));
	ASSERT_EQ(0, rmdir("b"));
	ASSERT_TRUE(WAIT_FOR(free_inodes() == before));
}

/* That it was removed before is told once, to everybody who asks, and when he does. */
TEST_F(dir, removed_before)
{
	int kq = kq_open(), late = kq_open();

	ASSERT_EQ(0, kq_vnode(late, self->a, EV_CLEAR, NOTE_WRITE));
	ASSERT_EQ(0, rmdir("a"));
	ASSERT_NONE(late);
	ASSERT_EQ(0, watch(late, self->a));
	ASSERT_HINT(late, self->a, NOTE_DELETE);
	ASSERT_NONE(late);
	ASSERT_EQ(0, watch(self->kq, self->a));
	ASSERT_HINT(self->kq, self->a, NOTE_DELETE);
	ASSERT_EQ(0, watch(kq, self->a));
	ASSERT_HINT(kq, self->a, NOTE_DELETE);
	ASSERT_NONE(self->kq);
	ASSERT_NONE(kq);
	ASSERT_EQ(0, fchmod(self->a, 0750));
	ASSERT_HINT(self->kq, self->a, NOTE_ATTRIB);
}

/* What was read of it is told to who asks for that. */
TEST_F(dir, used)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->a, EV_CLEAR, USES));
	ASSERT_EQ(0, IN_CHILD(system("ls a > /dev/null")));
	ASSERT_HINT(self->kq, self->a, NOTE_OPEN | NOTE_CLOSE | NOTE_READ);
}

TEST_HARNESS_MAIN
