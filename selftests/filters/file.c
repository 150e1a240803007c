// SPDX-License-Identifier: BSD-2-Clause
/*
 * Regular files: data of READ is the distance from the offset to the end.
 */
#include <sys/inotify.h>

#include "files.h"

#define GIB	(1024LL * 1024 * 1024)

FIXTURE(file)
{
	int kq;
	int fd;		/* of "file", which is empty, for reading and writing */
	struct folder folder;
};

FIXTURE_SETUP(file)
{
	ASSERT_TRUE(folder_enter(&self->folder));
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->fd = open("file", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(file)
{
	close(self->kq);
	close(self->fd);
	folder_leave(&self->folder);
}

/* Another process appends @len bytes to the file @path. */
static bool append(const char *path, int len)
{
	return write_at(path, O_APPEND, 0, len);
}

/* data is the size less the offset, as the offset moves. */
TEST_F(file, offset_to_end)
{
	char buf[400];

	ASSERT_TRUE(append("file", 1000));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 1000);
	ASSERT_EQ(400, read(self->fd, buf, 400));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 600);
	ASSERT_EQ(999, lseek(self->fd, -1, SEEK_END));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 1);
	ASSERT_EQ(1, read(self->fd, buf, 400));
	ASSERT_NONE(self->kq);
}

/* data is 64 bits wide. */
TEST_F(file, large)
{
	ASSERT_EQ(0, ftruncate(self->fd, 5 * GIB));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 5 * GIB);
}

/* An offset beyond the end makes data negative, and fires. */
TEST_F(file, negative)
{
	ASSERT_TRUE(append("file", 10));
	ASSERT_EQ(25, lseek(self->fd, 25, SEEK_SET));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, -15);
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, -15);
}

/* A knote at the end of the file fires when another process makes it grow. */
TEST_F(file, growth)
{
	char buf[100];

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(append("file", 30));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 30);
	ASSERT_TRUE(append("file", 12));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 42);
	ASSERT_EQ(42, read(self->fd, buf, sizeof(buf)));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(append("file", 1));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 1);
}

/* Growth wakes a thread that waits at the end of the file. */
TEST_F(file, growth_wakes)
{
	struct waiter w;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, self->kq, 4, -1));
	ASSERT_TRUE(append("file", 30));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	ASSERT_EQ((uintptr_t)self->fd, w.ev[0].ident);
	ASSERT_EQ(EVFILT_READ, w.ev[0].filter);
	ASSERT_EQ(30, w.ev[0].data);
}

/* With EV_CLEAR each growth is an event, and nothing else is. */
TEST_F(file, growth_edge)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(append("file", 30));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 30);
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(append("file", 12));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 42);
	ASSERT_NONE(self->kq);
}

/* Whatever makes a file larger fires: ftruncate, pwrite and fallocate. */
TEST_F(file, growth_without_write)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, ftruncate(self->fd, 100));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 100);
	ASSERT_EQ(1, pwrite(self->fd, "x", 1, 199));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 200);
	ASSERT_EQ(0, posix_fallocate(self->fd, 0, 300));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 300);
}

/* A write before the offset does not bring the end nearer: no event. */
TEST_F(file, overwrite_is_no_growth)
{
	ASSERT_TRUE(append("file", 10));
	ASSERT_EQ(10, lseek(self->fd, 0, SEEK_END));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(5, pwrite(self->fd, "hello", 5, 0));
	ASSERT_NONE(self->kq);
	/* Nor does writing through the watched descriptor at its end. */
	ASSERT_EQ(5, write(self->fd, "hello", 5));
	ASSERT_NONE(self->kq);
}

/* Truncation below the offset fires a knote at the end, with the negative distance. */
TEST_F(file, truncate)
{
	ASSERT_TRUE(append("file", 100));
	ASSERT_EQ(100, lseek(self->fd, 0, SEEK_END));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, truncate("file", 40));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, -60);
	/* As a log reader does: start again, and see what is written now. */
	ASSERT_EQ(40, lseek(self->fd, 0, SEEK_END));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(append("file", 7));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 7);
}

/* Moving the offset back is seen when the knote is added again. */
TEST_F(file, seek_then_add)
{
	ASSERT_TRUE(append("file", 10));
	ASSERT_EQ(10, lseek(self->fd, 0, SEEK_END));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(4, lseek(self->fd, 4, SEEK_SET));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 6);
}

/* NOTE_FILE_POLL fires always, at the end of the file too, as poll(2) does. */
TEST_F(file, file_poll)
{
	int i;

	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD,
			       NOTE_FILE_POLL, 0, NULL));
	for (i = 0; i < 3; i++)
		ASSERT_READY(self->kq, self->fd, EVFILT_READ, 0);
	ASSERT_TRUE(append("file", 10));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 10);
}

/* WRITE is always ready, with data 0. */
TEST_F(file, write_always)
{
	int i;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_ADD));
	for (i = 0; i < 3; i++)
		ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, 0);
	ASSERT_TRUE(append("file", 10));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, 0);
}

/* Two descriptors of one file have knotes of their own, each with its offset. */
TEST_F(file, two_descriptors)
{
	int second = open("file", O_RDONLY | O_CLOEXEC);
	struct kevent ev[3];
	int i;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, second, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(append("file", 20));
	ASSERT_EQ(5, lseek(second, 5, SEEK_SET));
	ASSERT_EQ(2, kq_wait(self->kq, ev, 3, LIMIT_MS));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(ev[i].ident == (uintptr_t)second ? 15 : 20, ev[i].data);
	ASSERT_NE(ev[0].ident, ev[1].ident);
	ASSERT_EQ(20, lseek(self->fd, 0, SEEK_END));
	ASSERT_READY(self->kq, second, EVFILT_READ, 15);
	close(second);
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(append("file", 1));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 1);
}

/* A duplicate shares the offset: reading through it uses up the event. */
TEST_F(file, duplicate_shares_offset)
{
	int second = dup(self->fd);

	ASSERT_TRUE(append("file", 20));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 20);
	ASSERT_EQ(20, lseek(second, 0, SEEK_END));
	ASSERT_NONE(self->kq);
	close(second);
}

/* Two queues watch one file: both see it grow, and one does not disarm the other. */
TEST_F(file, two_queues)
{
	int kq2 = kq_with(self->fd, EVFILT_READ, EV_ADD, 0, 0);

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(append("file", 3));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 3);
	ASSERT_READY(kq2, self->fd, EVFILT_READ, 3);
	ASSERT_EQ(0, kq_set(kq2, self->fd, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(3, lseek(self->fd, 0, SEEK_END));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(append("file", 4));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 4);
	ASSERT_NONE(kq2);
	close(kq2);
}

/* The knote follows the file: under a new name it still sees it grow. */
TEST_F(file, rename)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, rename("file", "other"));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(append("other", 9));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 9);
}

/* The knote works on without a name: a writer that has the file open makes it fire. */
TEST_F(file, unlink)
{
	int writer = open("file", O_WRONLY | O_CLOEXEC);

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, unlink("file"));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(5, write(writer, "hello", 5));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 5);
	close(writer);
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 5);
}

/* A write through another name of the file is seen. */
TEST_F(file, hard_link)
{
	ASSERT_EQ(0, link("file", "other"));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(append("other", 6));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 6);
}

/* Since 6.14, kernels tell nobody of what happens to a file without a name. */
static bool tells_of_writes(int fd)
{
	char path[64];
	int in = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct inotify_event ev;
	bool told;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	told = inotify_add_watch(in, path, IN_MODIFY) >= 0 &&
	       write(fd, "", 1) == 1 && read(in, &ev, sizeof(ev)) > 0;
	close(in);
	return told && !ftruncate(fd, 0) && !lseek(fd, 0, SEEK_SET);
}

/* A file without a name from the start (memfd) is a regular file too. */
TEST_F(file, memfd)
{
	int fd = memfd_create("kevent", MFD_CLOEXEC);

	if (!tells_of_writes(fd))
		SKIP(return, "this kernel tells nobody that a memfd changes");
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(5, pwrite(fd, "hello", 5, 0));
	ASSERT_READY(self->kq, fd, EVFILT_READ, 5);
	close(fd);
}

/* Many processes append while one reader follows: it sees every byte, and the end. */
TEST_F(file, tail)
{
	const int writers = 4, lines = 200, size = 50;
	char line[50] = "", buf[4096];
	long sum = 0, n;
	struct kevent ev;
	int i, w, fd;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	for (w = 0; w < writers; w++) {
		if (fork())
			continue;
		fd = open("file", O_WRONLY | O_APPEND);
		for (i = 0; i < lines; i++)
			if (write(fd, line, size) != size)
				_exit(1);
		_exit(0);
	}
	while (sum < (long)writers * lines * size) {
		ASSERT_EQ(1, kq_wait(self->kq, &ev, 1, LIMIT_MS));
		ASSERT_LT(0, ev.data);
		n = read(self->fd, buf, sizeof(buf));
		/* The file may have grown since, but not shrunk. */
		ASSERT_LE(ev.data < (long)sizeof(buf) ? ev.data : (long)sizeof(buf), n);
		sum += n;
	}
	ASSERT_EQ(writers * lines * size, sum);
	ASSERT_NONE(self->kq);
	for (w = 0; w < writers; w++) {
		ASSERT_LT(0, wait(&i));
		ASSERT_EQ(0, i);
	}
}

/* Always ready, with this data, and not by its size or offset. */
static bool always_ready(int fd, long long data)
{
	int kq = kq_with(fd, EVFILT_READ, EV_ADD, 0, 0);
	struct kevent ev[2];
	bool ok = true;
	char buf[64];
	int i;

	for (i = 0; ok && i < 3; i++) {
		ok = kq_collect(kq, ev, 2) == 1 && ev[0].data == data &&
		     !(ev[0].flags & (EV_EOF | EV_ERROR));
		/* So that the offset moves, to the end as well. */
		while (i == 1 && read(fd, buf, sizeof(buf)) > 0)
			;
	}
	close(kq);
	return ok;
}

/*
 * Files that are made up when they are read have no size to go by: always ready.
 * Those that can be polled, to wait for a change, tell 1 instead of nothing.
 */
TEST(sizeless)
{
	static const struct {
		const char *path;
		long long data;
	} file[] = {
		{ "/proc/self/status", 0 },
		{ "/proc/self/maps", 0 },
		{ "/proc/meminfo", 1 },
		{ "/proc/sys/kernel/ostype", 1 },
		{ "/sys/module/kevent/parameters/mode", 1 },
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(file); i++) {
		fd = open(file[i].path, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		EXPECT_TRUE(always_ready(fd, file[i].data)) TH_LOG("%s", file[i].path);
		close(fd);
	}
}

/*
 * What has no name is no file with a size, though some kernels call it a regular
 * file, and has nothing to be woken by.
 */
TEST(nameless)
{
	int fd = syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);

	if (fd < 0)
		SKIP(return, "not root");
	EXPECT_TRUE(always_ready(fd, 0));
	close(fd);
}

TEST_HARNESS_MAIN
