// SPDX-License-Identifier: BSD-2-Clause
/*
 * The numbers of ioctls are private to drivers: none is tried on a device that
 * is not known to understand it. The kernel's function tracer sees it if one is.
 */
#include <linux/random.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "expect.h"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/kevent-fionread"

/* A character device that can be polled, and the function behind its ioctls. */
#define DEVICE		"/dev/random"
#define FUNCTION	"random_ioctl"

static bool put(const char *name, const char *text)
{
	char path[128];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), INSTANCE "/%s", name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, strlen(text)) == (long)strlen(text);
	close(fd);
	return ok;
}

/* The function has been called since the trace was cleared. */
static bool was_called(void)
{
	static char text[65536];
	FILE *f = fopen(INSTANCE "/trace", "r");
	size_t len;

	if (!f)
		return false;
	len = fread(text, 1, sizeof(text) - 1, f);
	text[len] = 0;
	fclose(f);
	return strstr(text, ": " FUNCTION " <-");
}

static bool trace_begin(void)
{
	if (access(TRACEFS "/instances", W_OK))
		mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	rmdir(INSTANCE);
	return !mkdir(INSTANCE, 0700) && put("set_ftrace_filter", FUNCTION "\n") &&
	       put("current_tracer", "function\n");
}

static void trace_end(void)
{
	put("current_tracer", "nop\n");
	rmdir(INSTANCE);
}

/* A guest may have nothing yet to make random numbers of. */
static bool make_ready(int fd)
{
	/* A struct rand_pool_info: bits, bytes, and these. */
	int seed[2 + 8] = { 256, 32 };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1 ||
	       (!ioctl(fd, RNDADDENTROPY, seed) && poll(&pfd, 1, LIMIT_MS) == 1);
}

/* READ of a device that is ready is an event with data 1, and no ioctl. */
TEST(device)
{
	int fd = open(DEVICE, O_RDONLY | O_CLOEXEC), kq, bits;
	bool seen, called;
	struct kevent ev;
	int n;

	if (fd < 0 || !make_ready(fd) || !trace_begin())
		SKIP(return, "not root, or no function tracer");
	kq = kq_with(fd, EVFILT_READ, EV_ADD, 0, 0);
	seen = !ioctl(fd, RNDGETENTCNT, &bits) && was_called();
	put("trace", "\n");
	n = kq_wait(kq, &ev, 1, LIMIT_MS);
	called = was_called();
	trace_end();
	if (!seen)
		SKIP(return, "the tracer does not see the function");
	ASSERT_EQ(1, n);
	ASSERT_EQ(1, ev.data);
	ASSERT_FALSE(called);
	close(kq);
	close(fd);
}

TEST_HARNESS_MAIN
