// SPDX-License-Identifier: BSD-2-Clause
/*
 * EVFILT_FS, and NOTE_REVOKE of EVFILT_VNODE: mounts that come and go. Each test has
 * a mount namespace of its own, which takes root.
 */
#include <sys/wait.h>

#include "files.h"

#define ALL	(VQ_MOUNT | VQ_UNMOUNT | VQ_UPDATE)

FIXTURE(mounts)
{
	int kq;
	struct folder folder;
};

FIXTURE_SETUP(mounts)
{
	if (geteuid())
		SKIP_ALL("only root can mount");
	ASSERT_TRUE(own_mounts());
	ASSERT_TRUE(folder_enter(&self->folder));
	ASSERT_EQ(0, mount_tmpfs(self->folder.path));
	ASSERT_EQ(0, chdir(self->folder.path));
	ASSERT_EQ(0, mkdir("a", 0700));
	ASSERT_EQ(0, mkdir("b", 0700));
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

/* The mounts go with the namespace. */
FIXTURE_TEARDOWN(mounts)
{
	close(self->kq);
	umount2(self->folder.path, MNT_DETACH);
	folder_leave(&self->folder);
}

static int watch(int kq, unsigned int fflags)
{
	return kq_change(kq, 0, EVFILT_FS, EV_ADD, fflags, 0, NULL);
}

#define ASSERT_CHANGED(kq, num, ff)	ASSERT_EVENT(kq, 0, EVFILT_FS, num, 0, ff)

/* What comes, goes or changes is told once, and how much of it. */
TEST_F(mounts, told)
{
	ASSERT_EQ(0, watch(self->kq, ALL));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_CHANGED(self->kq, 1, VQ_MOUNT);
	ASSERT_EQ(0, mount(NULL, "a", NULL, MS_REMOUNT | MS_NOEXEC, NULL));
	ASSERT_CHANGED(self->kq, 1, VQ_UPDATE);
	ASSERT_EQ(0, mount(NULL, "a", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	ASSERT_CHANGED(self->kq, 1, VQ_UPDATE);
	ASSERT_EQ(0, umount("a"));
	ASSERT_CHANGED(self->kq, 1, VQ_UNMOUNT);
	ASSERT_NONE(self->kq);
}

/* How many have come and gone stands apart as well. */
TEST_F(mounts, counted)
{
	struct kevent ev;

	ASSERT_EQ(0, mount_tmpfs("b"));
	ASSERT_EQ(0, watch(self->kq, ALL));
	ASSERT_EQ(0, umount("b"));
	ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_EQ(1, kq_wait(self->kq, &ev, 1, LIMIT_MS));
	ASSERT_EQ(VQ_MOUNT | VQ_UNMOUNT, ev.fflags);
	ASSERT_EQ(2, (int)ev.ext[0]);
	ASSERT_EQ(1, (int)ev.ext[1]);
	ASSERT_EQ(3, ev.data);
	ASSERT_NONE(self->kq);
}

/* Who asks for some is not told of others. */
TEST_F(mounts, asked)
{
	ASSERT_EQ(0, watch(self->kq, VQ_UNMOUNT));
	ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, umount("a"));
	ASSERT_CHANGED(self->kq, 1, VQ_UNMOUNT);
	ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_EQ(0, watch(self->kq, VQ_MOUNT));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, mount_tmpfs("b"));
	ASSERT_CHANGED(self->kq, 1, VQ_MOUNT);
}

/* A tree that is taken out at once, or lazily, counts by its mounts. */
TEST_F(mounts, trees)
{
	ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_EQ(0, mkdir("a/1", 0700));
	ASSERT_EQ(0, mount_tmpfs("a/1"));
	ASSERT_EQ(0, watch(self->kq, ALL));
	ASSERT_EQ(0, mount("a", "b", NULL, MS_BIND | MS_REC, NULL));
	ASSERT_CHANGED(self->kq, 2, VQ_MOUNT);
	ASSERT_EQ(0, umount2("a", MNT_DETACH));
	ASSERT_CHANGED(self->kq, 2, VQ_UNMOUNT);
}

/* What is mounted elsewhere comes here by propagation; what is private does not. */
TEST_F(mounts, propagated)
{
	int go[2], status;
	pid_t pid;

	ASSERT_EQ(0, mount(NULL, self->folder.path, NULL, MS_SHARED, NULL));
	ASSERT_EQ(0, watch(self->kq, ALL));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid)
		_exit(unshare(CLONE_NEWNS) || mount_tmpfs("a"));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_CHANGED(self->kq, 1, VQ_MOUNT);
	pid = fork();
	if (!pid)
		_exit(unshare(CLONE_NEWNS) ||
		      mount(NULL, self->folder.path, NULL, MS_PRIVATE, NULL) ||
		      mount_tmpfs("b"));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_NONE(self->kq);
}

/* It does not need /proc. */
TEST_F(mounts, no_proc)
{
	ASSERT_EQ(0, mount_tmpfs("/proc"));
	ASSERT_EQ(0, watch(self->kq, ALL));
	ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_CHANGED(self->kq, 1, VQ_MOUNT);
}

/* What was counted while it was disabled is told later; EV_ONESHOT tells once. */
TEST_F(mounts, flags)
{
	ASSERT_EQ(0, kq_change(self->kq, 0, EVFILT_FS, EV_ADD | EV_DISABLE, ALL, 0,
			       NULL));
	ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, kq_change(self->kq, 0, EVFILT_FS, EV_ENABLE, ALL, 0, NULL));
	ASSERT_CHANGED(self->kq, 1, VQ_MOUNT);
	ASSERT_EQ(0, kq_set(self->kq, 0, EVFILT_FS, EV_DELETE));
	ASSERT_EQ(0, kq_change(self->kq, 0, EVFILT_FS, EV_ADD | EV_ONESHOT, ALL, 0,
			       NULL));
	ASSERT_EQ(0, umount("a"));
	ASSERT_CHANGED(self->kq, 1, VQ_UNMOUNT);
	ASSERT_EQ(ENOENT, kq_set(self->kq, 0, EVFILT_FS, EV_DELETE));
}

/* There is only one of them, and bits that are none are refused. */
TEST_F(mounts, invalid)
{
	ASSERT_EQ(EINVAL, kq_change(self->kq, 1, EVFILT_FS, EV_ADD, ALL, 0, NULL));
	ASSERT_EQ(EINVAL, watch(self->kq, 0x200));
	ASSERT_EQ(0, watch(self->kq, VQ_NOTRESP | VQ_DEAD));
	ASSERT_EQ(EINVAL, watch(self->kq, NOTE_EXIT));
}

/* A file whose mount is taken out while it is open is revoked, and still there. */
TEST_F(mounts, revoked)
{
	int fd, other;

	ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_EQ(0, mount_tmpfs("b"));
	fd = create_file("a/file");
	other = create_file("b/file");
	ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR, NOTE_REVOKE | NOTE_ATTRIB));
	ASSERT_EQ(0, kq_vnode(self->kq, other, EV_CLEAR, NOTE_REVOKE));
	ASSERT_EQ(-1, umount("a"));
	ASSERT_EQ(EBUSY, errno);
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, umount2("a", MNT_DETACH));
	ASSERT_EVENT(self->kq, fd, EVFILT_VNODE, 0, EV_EOF, NOTE_REVOKE);
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(0, fchmod(fd, 0640));
	ASSERT_EVENT(self->kq, fd, EVFILT_VNODE, 0, 0, NOTE_ATTRIB);
}

/* So are those that are on a mount below, and directories. */
TEST_F(mounts, revoked_below)
{
	int dir;

	ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_EQ(0, mkdir("a/1", 0700));
	ASSERT_EQ(0, mount_tmpfs("a/1"));
	dir = open("a/1", O_RDONLY);
	ASSERT_EQ(0, kq_vnode(self->kq, dir, EV_CLEAR, NOTE_REVOKE));
	ASSERT_EQ(0, umount2("a", MNT_DETACH));
	ASSERT_EVENT(self->kq, dir, EVFILT_VNODE, 0, EV_EOF, NOTE_REVOKE);
}

/* Very many of them are all told. */
TEST_F(mounts, revoked_many)
{
	struct kevent ev[256];
	int i, n = 0, got;

	ASSERT_EQ(0, mount_tmpfs("a"));
	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, kq_vnode(self->kq, create_file("a/file"), EV_CLEAR, NOTE_REVOKE));
	ASSERT_EQ(0, umount2("a", MNT_DETACH));
	while (n < 200) {
		got = kq_wait(self->kq, ev, 256, LIMIT_MS);
		ASSERT_LT(0, got);
		for (i = 0; i < got; i++)
			ASSERT_EQ(NOTE_REVOKE, ev[i].fflags);
		n += got;
	}
	ASSERT_EQ(200, n);
	ASSERT_NONE(self->kq);
}

/* On top of more mounts than anybody has, it cannot be told. */
TEST_F(mounts, revoked_too_high)
{
	int i;

	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, mount_tmpfs("a"));
	ASSERT_EQ(ELOOP, kq_vnode(self->kq, create_file("a/file"), EV_CLEAR, NOTE_REVOKE));
	ASSERT_EQ(0, kq_vnode(self->kq, create_file("a/file"), EV_CLEAR, NOTE_WRITE));
}

/* Once the descriptor is closed nothing keeps the file system. */
TEST_F(mounts, released)
{
	int fd, dir;

	ASSERT_EQ(0, mount_tmpfs("a"));
	fd = create_file("a/file");
	dir = open("a", O_RDONLY);
	ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR, NOTE_REVOKE | NOTE_WRITE));
	ASSERT_EQ(0, kq_vnode(self->kq, dir, EV_CLEAR, NOTE_REVOKE | NOTE_WRITE));
	ASSERT_EQ(-1, umount("a"));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, close(dir));
	ASSERT_EQ(0, umount("a"));
}

TEST_HARNESS_MAIN
