// SPDX-License-Identifier: BSD-2-Clause
/* The library's own part: how queues are opened, and what it tells people. */
#include <kevent.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "expect.h"

#define DEVICE	"/dev/kevent"

static int fd_flags(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static int status_flags(int fd)
{
	return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

/* kqueue() is closed by exec and blocks; kqueue1() and kqueuex() do as told. */
TEST(open_flags)
{
	int kq = kqueue();

	ASSERT_LE(0, kq);
	EXPECT_EQ(FD_CLOEXEC, fd_flags(kq));
	EXPECT_EQ(0, status_flags(kq));
	kq = kqueue1(0);
	ASSERT_LE(0, kq);
	EXPECT_EQ(0, fd_flags(kq));
	EXPECT_EQ(0, status_flags(kq));
	kq = kqueue1(O_CLOEXEC | O_NONBLOCK);
	ASSERT_LE(0, kq);
	EXPECT_EQ(FD_CLOEXEC, fd_flags(kq));
	EXPECT_EQ(O_NONBLOCK, status_flags(kq));
	kq = kqueuex(0);
	ASSERT_LE(0, kq);
	EXPECT_EQ(0, fd_flags(kq));
	kq = kqueuex(KQUEUE_CLOEXEC);
	ASSERT_LE(0, kq);
	EXPECT_EQ(FD_CLOEXEC, fd_flags(kq));
}

/* Flags that they do not have are EINVAL and open nothing. */
TEST(open_bad_flags)
{
	long queues = kq_counter("queues");

	EXPECT_EQ(-1, kqueue1(O_APPEND));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, kqueue1(-1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, kqueuex(KQUEUE_CLOEXEC << 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, kqueuex(~0U));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(queues, kq_counter("queues"));
}

/* Where there is no device, kqueue() fails with ENODEV. */
TEST(open_without_device)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/dev", "tmpfs", 0, NULL))
		SKIP(return, "needs root, to hide /dev: %s", strerror(errno));
	EXPECT_EQ(-1, kqueue());
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, kqueuex(0));
	EXPECT_EQ(ENODEV, errno);
	/* A node that no driver belongs to (120 is for experiments) is no device either. */
	ASSERT_EQ(0, mknod(DEVICE, S_IFCHR | 0666, makedev(120, 0)));
	EXPECT_EQ(-1, kqueue1(0));
	EXPECT_EQ(ENODEV, errno);
}

/* Without a free descriptor it is EMFILE. */
TEST(open_without_descriptor)
{
	struct rlimit none = { 0, 0 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-1, kqueue());
	EXPECT_EQ(EMFILE, errno);
}

/* What is not a queue has no filters to tell, and is EBADF. */
TEST(info_of_others)
{
	struct kevent_info info;
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	EXPECT_EQ(-1, kqueue_info(fd[0], &info));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, kqueue_info(-1, &info));
	EXPECT_EQ(EBADF, errno);
	close(fd[0]);
	EXPECT_EQ(-1, kqueue_info(fd[0], &info));
	EXPECT_EQ(EBADF, errno);
}

/* Of the filters, each has a bit of its own, and no other number has one. */
TEST(has_filter)
{
	const int bits = 8 * sizeof(((struct kevent_info *)NULL)->filters);
	struct kevent_info info;
	int filter, bit;

	for (bit = 0; bit < bits; bit++) {
		memset(&info, 0, sizeof(info));
		info.filters[bit / 64] = 1ULL << bit % 64;
		for (filter = -bits - 1; filter <= bits + 1; filter++)
			ASSERT_EQ(filter == -bit,
				  kqueue_has_filter(&info, filter));
	}
	memset(&info, 0xff, sizeof(info));
	EXPECT_EQ(0, kqueue_has_filter(&info, -bits));
	EXPECT_EQ(0, kqueue_has_filter(&info, 1));
	EXPECT_EQ(0, kqueue_has_filter(&info, INT_MIN));
	EXPECT_EQ(0, kqueue_has_filter(&info, INT_MAX));
}

/* Every reason has a line of its own that says more than strerror(), and errno stays. */
TEST(reasons)
{
	static const int reason[] = { ENODEV, EACCES, EPERM, EMFILE, ENFILE,
				      ENOMEM, EINVAL };
	const char *text, *other;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(reason); i++) {
		errno = EXDEV;
		text = kqueue_strerror(reason[i]);
		EXPECT_EQ(EXDEV, errno);
		ASSERT_NE(NULL, text);
		EXPECT_LT(20, strlen(text));
		EXPECT_EQ(NULL, strchr(text, '\n'));
		EXPECT_STRNE(strerror(reason[i]), text);
		for (j = 0; j < i; j++) {
			other = kqueue_strerror(reason[j]);
			EXPECT_STRNE(other, text);
		}
	}
	EXPECT_STREQ(strerror(EXDEV), kqueue_strerror(EXDEV));
	EXPECT_STREQ(strerror(0), kqueue_strerror(0));
}

/* A missing device is told apart from a missing module: here it is loaded. */
TEST(reason_of_no_device)
{
	EXPECT_NE(NULL, strstr(kqueue_strerror(ENODEV), "module is loaded"));
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/sys", "tmpfs", 0, NULL))
		SKIP(return, "needs root, to hide /sys: %s", strerror(errno));
	EXPECT_NE(NULL, strstr(kqueue_strerror(ENODEV), "modprobe kevent"));
}

TEST_HARNESS_MAIN
