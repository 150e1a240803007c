// SPDX-License-Identifier: BSD-2-Clause
/* EVFILT_VNODE on files: what happens to them, and which hint says so. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/xattr.h>

#include "hints.h"
#include "quota.h"

static char buf[16];	/* for what is read, at which nobody looks */

FIXTURE(vnode)
{
	int kq;
	int fd;		/* of "file", ten bytes, for reading only */
	struct folder folder;
};

FIXTURE_SETUP(vnode)
{
	ASSERT_TRUE(folder_enter(&self->folder));
	ASSERT_TRUE(write_at("file", O_CREAT, 0, 10));
	self->fd = open("file", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(vnode)
{
	close(self->kq);
	close(self->fd);
	folder_leave(&self->folder);
}

/* What is written is told of, and whether the file has grown. */
TEST_F(vnode, written)
{
	check_written(_metadata, self->kq, self->fd);
}

/* Who asks for one bit of a hint gets the whole. */
TEST_F(vnode, whole_hint)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, NOTE_WRITE));
	ASSERT_TRUE(write_at("file", 0, 10, 1));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, 0, NOTE_EXTEND));
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(write_at("file", 0, 11, 1));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE | NOTE_EXTEND);
}

/* What was not asked for is no news, and does not come with what is. */
TEST_F(vnode, not_asked)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, NOTE_ATTRIB));
	ASSERT_TRUE(write_at("file", 0, 10, 1));
	ASSERT_EQ(0, rename("file", "other"));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, chmod("other", 0644));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
}

/* Asked for nothing, it tells nothing. */
TEST_F(vnode, nothing_asked)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, 0, 0));
	ASSERT_TRUE(write_at("file", 0, 10, 1));
	ASSERT_EQ(0, unlink("file"));
	ASSERT_NONE(self->kq);
}

/* To set the size is to set an attribute, up, down, by name and by O_TRUNC. */
TEST_F(vnode, truncated)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, truncate("file", 100));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	ASSERT_EQ(0, IN_CHILD(ftruncate(open("file", O_RDWR), 5)));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	ASSERT_EQ(0, close(open("file", O_WRONLY | O_TRUNC)));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	/* What comes after that is compared with what was left. */
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE | NOTE_EXTEND);
}

/* Mode, owner, times, extended attributes: all of them are attributes. */
TEST_F(vnode, attributes)
{
	static const struct timespec times[][2] = {
		{ { .tv_sec = 1 }, { .tv_sec = 2 } },
		{ { .tv_sec = 1 }, { .tv_nsec = UTIME_OMIT } },
		{ { .tv_nsec = UTIME_OMIT }, { .tv_sec = 1 } },
	};
	int i;

	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES | USES));
	ASSERT_EQ(0, chmod("file", 0640));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	ASSERT_EQ(0, chown("file", geteuid(), getegid()));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, utimensat(AT_FDCWD, "file", times[i], 0));
		ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	}
	/* Only root may, and not on every file system. */
	if (!setxattr("file", "trusted.kevent", "1", 1, 0))
		ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	ASSERT_NONE(self->kq);
}

/* Names that come are links, names that go are deletions, of which none is the last. */
TEST_F(vnode, names)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, link("file", "other"));
	ASSERT_HINT(self->kq, self->fd, NOTE_LINK);
	ASSERT_EQ(0, unlink("file"));
	ASSERT_HINT(self->kq, self->fd, NOTE_DELETE);
	ASSERT_EQ(0, unlink("other"));
	ASSERT_HINT(self->kq, self->fd, NOTE_DELETE);
	/* The file is still there. */
	ASSERT_EQ(0, fchmod(self->fd, 0600));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
}

/* A file that got its name later, and loses it, is still told of. */
TEST_F(vnode, nameless_again)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600), i;
	char by_fd[32];

	ASSERT_LE(0, fd);
	snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
	ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, linkat(AT_FDCWD, by_fd, AT_FDCWD, "other", AT_SYMLINK_FOLLOW));
	ASSERT_HINT(self->kq, fd, NOTE_LINK);
	ASSERT_EQ(0, unlink("other"));
	ASSERT_HINT(self->kq, fd, NOTE_DELETE);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(1, pwrite(fd, "x", 1, i));
		ASSERT_HINT(self->kq, fd, NOTE_WRITE | NOTE_EXTEND);
	}
	/* Who asks for more of it gets that, too. */
	ASSERT_EQ(0, kq_vnode(self->kq, fd, 0, NOTE_READ));
	ASSERT_EQ(1, pread(fd, by_fd, 1, 0));
	ASSERT_HINT(self->kq, fd, NOTE_READ);
}

/* The registration goes with the file, not with its name. */
TEST_F(vnode, renamed)
{
	check_renamed(_metadata, self->kq, self->fd);
}

/* A file that another is renamed over is deleted; the other is renamed. */
TEST_F(vnode, renamed_over)
{
	check_renamed_over(_metadata, self->kq, self->fd);
}

/* Two that change places are both renamed, and none is deleted. */
TEST_F(vnode, exchanged)
{
	check_exchanged(_metadata, self->kq, self->fd);
}

/* Of what is done to it all the time only those are told who ask for it. */
TEST_F(vnode, used)
{
	check_used(_metadata, self->kq, self->fd);
}

/* Who asks for more of a file than others before him gets it, and they do not. */
TEST_F(vnode, used_later)
{
	int kq = kq_open();

	ASSERT_EQ(0, kq_vnode(kq, self->fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, NOTE_WRITE));
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, 0, NOTE_WRITE | NOTE_READ));
	ASSERT_EQ(1, read(self->fd, buf, 1));
	ASSERT_HINT(self->kq, self->fd, NOTE_READ);
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE);
	ASSERT_HINT(kq, self->fd, NOTE_WRITE);
}

/* Without EV_CLEAR what has happened is reported for ever. */
TEST_F(vnode, level)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, 0, CHANGES));
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE);
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE);
	ASSERT_EQ(0, rename("file", "other"));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE | NOTE_RENAME);
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE | NOTE_RENAME);
}

/* What happens before anybody asks is one event. */
TEST_F(vnode, merged)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, chmod("file", 0640));
	ASSERT_TRUE(write_at("file", 0, 10, 1));
	ASSERT_EQ(0, rename("file", "other"));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB | NOTE_WRITE | NOTE_EXTEND |
					NOTE_RENAME);
	ASSERT_NONE(self->kq);
}

/* A change replaces what is asked for; what has happened by then is kept. */
TEST_F(vnode, changed)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, NOTE_WRITE));
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_EQ(0, chmod("file", 0640));
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, 0, NOTE_ATTRIB));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE);
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, chmod("file", 0600));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_VNODE, EV_ENABLE));
	ASSERT_EQ(0, chmod("file", 0640));
	ASSERT_NONE(self->kq);
}

/* While it is disabled it is not delivered, and not lost. */
TEST_F(vnode, disabled)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR | EV_DISABLE, NOTE_WRITE));
	ASSERT_TRUE(write_at("file", 0, 10, 1));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_VNODE, EV_ENABLE,
			       NOTE_WRITE, 0, NULL));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_NONE(self->kq);
}

/* EV_DISPATCH disables it with each delivery, EV_ONESHOT removes it. */
TEST_F(vnode, dispatch_oneshot)
{
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR | EV_DISPATCH, NOTE_WRITE));
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE);
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_VNODE, EV_ENABLE,
			       NOTE_WRITE, 0, NULL));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_VNODE, EV_DELETE));

	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_ONESHOT, NOTE_WRITE));
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE);
	ASSERT_EQ(ENOENT, kq_set(self->kq, self->fd, EVFILT_VNODE, EV_DELETE));
}

/* What happens wakes a thread that waits, and who polls the queue. */
TEST_F(vnode, wakes)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);
	struct waiter w;

	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->kq, &ev));
	ASSERT_TRUE(waiter_start(&w, self->kq, 4, -1));
	ASSERT_EQ(0, unlink("file"));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	ASSERT_EQ(NOTE_DELETE, w.ev[0].fflags);
	ASSERT_EQ(0, fchmod(self->fd, 0600));
	ASSERT_EQ(1, epoll_wait(ep, &ev, 1, LIMIT_MS));
}

/* READ and VNODE of one descriptor do not see what is the other's. */
TEST_F(vnode, beside_read)
{
	struct kevent ev[4];

	ASSERT_EQ(10, read(self->fd, buf, 10));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES | NOTE_READ));
	ASSERT_TRUE(write_at("file", 0, 10, 5));
	ASSERT_EQ(2, kq_wait(self->kq, ev, 4, LIMIT_MS));
	ASSERT_EQ(0, chmod("file", 0640));
	ASSERT_HINT(self->kq, self->fd, NOTE_ATTRIB);
	ASSERT_EQ(1, pread(self->fd, buf, 1, 0));
	ASSERT_HINT(self->kq, self->fd, NOTE_READ);
	ASSERT_EQ(0, truncate("file", 20));
	ASSERT_EQ(2, kq_wait(self->kq, ev, 4, LIMIT_MS));
}

/* The registration ends with the descriptor, which leaves no mark on the file. */
TEST_F(vnode, closed)
{
	int fd = dup(self->fd);

	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, unlink("file"));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(EBADF, kq_set(self->kq, self->fd, EVFILT_VNODE, EV_DELETE));
	ASSERT_EQ(0, close(fd));
}

/* A descriptor of O_PATH serves: of a file, and of a symbolic link itself. */
TEST_F(vnode, path_only)
{
	int fd = open("file", O_PATH), lfd;

	ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR, CHANGES));
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_HINT(self->kq, fd, NOTE_WRITE);
	ASSERT_EQ(0, close(fd));
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_NONE(self->kq);

	ASSERT_EQ(0, symlink("nowhere", "other"));
	lfd = open("other", O_PATH | O_NOFOLLOW);
	ASSERT_EQ(0, kq_vnode(self->kq, lfd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, unlink("other"));
	ASSERT_HINT(self->kq, lfd, NOTE_DELETE);
	/* No other filter takes it. */
	ASSERT_EQ(EBADF, kq_set(self->kq, lfd, EVFILT_READ, EV_ADD));
}

/* Who could not read the file may not watch it by a descriptor of O_PATH. */
TEST_F(vnode, path_forbidden)
{
	if (geteuid())
		SKIP(return, "only root can become somebody else");
	ASSERT_EQ(0, chmod("file", 0600));
	ASSERT_EQ(EACCES, IN_CHILD(setresuid(ALICE, ALICE, ALICE) ? 1 :
		kq_vnode(kq_open(), open("file", O_PATH), 0, CHANGES)));
	ASSERT_EQ(0, chmod("file", 0644));
	ASSERT_EQ(0, IN_CHILD(setresuid(ALICE, ALICE, ALICE) ? 1 :
		kq_vnode(kq_open(), open("file", O_PATH), 0, CHANGES)));
}

/* Who can only write a file is not told what others do who change nothing. */
TEST_F(vnode, only_writable)
{
	int fd;

	if (geteuid())
		SKIP(return, "only root can become somebody else");
	ASSERT_EQ(0, chmod("file", 0622));
	ASSERT_EQ(0, seteuid(ALICE));
	fd = open("file", O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(EACCES, kq_vnode(self->kq, fd, 0, NOTE_WRITE | NOTE_READ));
	ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(EACCES, kq_vnode(self->kq, fd, EV_CLEAR, NOTE_OPEN));
	ASSERT_EQ(0, seteuid(0));
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_HINT(self->kq, fd, NOTE_WRITE);
	ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR, NOTE_OPEN));
	/* What was granted once is not asked for again. */
	ASSERT_EQ(0, seteuid(ALICE));
	ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR | EV_DISABLE, NOTE_OPEN));
	ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR | EV_ENABLE, NOTE_OPEN));
	ASSERT_EQ(0, seteuid(0));
}

/* FIFOs and devices have names as well. */
TEST_F(vnode, fifos_devices)
{
	int fd, null = open("/dev/null", O_RDONLY);

	ASSERT_EQ(0, mkfifo("other", 0600));
	fd = open("other", O_RDONLY | O_NONBLOCK);
	ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, kq_vnode(self->kq, null, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, unlink("other"));
	ASSERT_HINT(self->kq, fd, NOTE_DELETE);
}

/* What never had a name cannot be watched. */
TEST_F(vnode, nameless)
{
	int fd[8], i, n = 0;

	ASSERT_EQ(0, pipe(fd));
	n = 2;
	fd[n++] = socket(AF_UNIX, SOCK_STREAM, 0);
	fd[n++] = eventfd(0, 0);
	fd[n++] = memfd_create("memory", 0);
	fd[n++] = memfd_create("huge", MFD_HUGETLB);
	/* Not all kernels have such pages. */
	if (fd[n - 1] < 0)
		n--;
	fd[n++] = epoll_create1(0);
	fd[n++] = kq_open();
	for (i = 0; i < n; i++)
		ASSERT_EQ(EINVAL, kq_vnode(self->kq, fd[i], 0, CHANGES));
}

/* Bits that are none of the filter's are refused, and change nothing. */
TEST_F(vnode, invalid)
{
	ASSERT_EQ(EINVAL, kq_vnode(self->kq, self->fd, 0, 0x800));
	ASSERT_EQ(EINVAL, kq_vnode(self->kq, self->fd, 0, NOTE_EXIT));
	ASSERT_EQ(EBADF, kq_vnode(self->kq, 1000000, 0, CHANGES));
	ASSERT_EQ(0, kq_vnode(self->kq, self->fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(EINVAL, kq_vnode(self->kq, self->fd, 0, 0x800 | CHANGES));
	ASSERT_TRUE(write_at("file", 0, 0, 1));
	ASSERT_HINT(self->kq, self->fd, NOTE_WRITE);
}

TEST_HARNESS_MAIN
