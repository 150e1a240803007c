// SPDX-License-Identifier: BSD-2-Clause
/*
 * What it takes to get into the kernel and back, by the system calls through which a
 * module can be called at all. Part of that is that Linux's security modules are
 * asked, and which are depends on the call.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

static int queue, epoll, null;

static void call_nothing(void)
{
	syscall(SYS_getppid);
}

static void call_epoll(void)
{
	struct epoll_event ev;

	epoll_wait(epoll, &ev, 1, 0);
}

static void call_kevent(void)
{
	struct timespec none = { 0 };
	struct kevent ev;

	kevent(queue, NULL, 0, &ev, 1, &none);
}

/* No changes, no room for events: all the way, and nothing there. */
static void call_kevent_empty(void)
{
	kevent(queue, NULL, 0, NULL, 0, NULL);
}

/* The module refuses it at once. */
static void call_ioctl(void)
{
	ioctl(queue, _IO(0xff, 0xff));
}

static void call_read(void)
{
	char byte;

	if (read(null, &byte, 1))
		check(0, "/dev/null has something in it");
}

static void call_lseek(void)
{
	lseek(queue, 0, SEEK_CUR);
}

static void call_fadvise(void)
{
	posix_fadvise(queue, 0, 0, POSIX_FADV_NORMAL);
}

static const struct entry {
	const char *name;
	void (*call)(void);
} entries[] = {
	{ "a system call that does nothing", call_nothing },
	{ "epoll_wait, nothing there", call_epoll },
	{ "kevent, nothing there", call_kevent },
	{ "kevent, nothing asked", call_kevent_empty },
	{ "ioctl, refused by the module", call_ioctl },
	{ "read of /dev/null", call_read },
	{ "lseek of a queue", call_lseek },
	{ "posix_fadvise of a queue", call_fadvise },
};

void bench_entry(void)
{
	static const char *const columns[] = { "each", NULL };
	struct series s = {};
	long long start;
	double value;
	size_t i;
	int n;

	queue = queue_open();
	epoll = epoll_open();
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	table_begin("A call alone", columns, NULL);
	for (i = 0; i < sizeof(entries) / sizeof(*entries); i++) {
		for (n = 0; n < opt.rounds * opt.ops; n++) {
			start = now();
			entries[i].call();
			series_add(&s, now() - start);
		}
		value = series_median(&s);
		table_row(&value, "%s", entries[i].name);
	}
	close(queue);
	close(epoll);
	close(null);
}
