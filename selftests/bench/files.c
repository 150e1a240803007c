// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files, against inotify with epoll; and what it costs who uses files that nobody
 * watches, on a file system where many are watched.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

static const char *const columns[] = { "kevent", "inotify", NULL };
enum { BY_KEVENT, BY_INOTIFY, WAYS };

#define FILES	10000
#define LIMIT	"20000"		/* of a user, for both */

#define DIR	"/tmp/kevent-bench"

static void name_file(char *path, size_t size, int i)
{
	snprintf(path, size, DIR "/%d", i);
}

static void set_limit(const char *path)
{
	int fd = open(path, O_WRONLY);

	check(fd >= 0 && write(fd, LIMIT, strlen(LIMIT)) > 0, path);
	close(fd);
}

static void files_make(int *fd, int n)
{
	char path[64];
	int i;

	set_limit("/sys/module/kevent/parameters/max_user_files");
	set_limit("/proc/sys/fs/inotify/max_user_watches");
	mkdir(DIR, 0700);
	for (i = 0; i < n; i++) {
		name_file(path, sizeof(path), i);
		fd[i] = open(path, O_CREAT | O_RDWR, 0600);
		check(fd[i] >= 0, path);
	}
}

static void files_remove(const int *fd, int n)
{
	char path[64];
	int i;

	for (i = 0; i < n; i++) {
		name_file(path, sizeof(path), i);
		unlink(path);
		close(fd[i]);
	}
	rmdir(DIR);
}

/* --- A change ---------------------------------------------------------------- */

static void kevent_change(struct series *s, int fd)
{
	struct kevent change, ev;
	int i, kq = queue_open();
	long long start, end;
	bool good;

	EV_SET(&change, fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE, 0, NULL);
	check(!kevent(kq, &change, 1, NULL, 0, NULL), "kevent");
	for (i = 0; i < opt.ops; i++) {
		start = now();
		good = pwrite(fd, "x", 1, 0) == 1 &&
		       kevent(kq, NULL, 0, &ev, 1, NULL) == 1;
		end = now();
		check(good && ev.fflags & NOTE_WRITE, "a change was not told");
		series_add(s, end - start);
	}
	close(kq);
}

static void inotify_change(struct series *s, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int i, in = inotify_init1(IN_CLOEXEC), ep = epoll_open();
	char buf[sizeof(struct inotify_event) + NAME_MAX + 1];
	long long start, end;
	bool good;

	check(inotify_add_watch(in, DIR "/0", IN_MODIFY) >= 0 &&
	      !epoll_ctl(ep, EPOLL_CTL_ADD, in, &ev), "inotify");
	for (i = 0; i < opt.ops; i++) {
		start = now();
		good = pwrite(fd, "x", 1, 0) == 1 &&
		       epoll_wait(ep, &ev, 1, -1) == 1 &&
		       read(in, buf, sizeof(buf)) > 0;
		end = now();
		check(good, "a change was not told");
		series_add(s, end - start);
	}
	close(ep);
	close(in);
}

static void bench_change(void)
{
	struct series s[WAYS] = {};
	double value[WAYS];
	int fd, round;

	files_make(&fd, 1);
	table_begin("File", columns, "kevent/inotify");
	for (round = 0; round < opt.rounds; round++) {
		kevent_change(&s[BY_KEVENT], fd);
		inotify_change(&s[BY_INOTIFY], fd);
	}
	value[BY_KEVENT] = series_median(&s[BY_KEVENT]);
	value[BY_INOTIFY] = series_median(&s[BY_INOTIFY]);
	table_row(value, "write, wait (inotify: epoll, read it)");
	files_remove(&fd, 1);
}

/* --- Many -------------------------------------------------------------------- */

/* Returns the queue or instance. */
static int kevent_watch(const int *fd, int n)
{
	int i, bad = 0, kq = queue_open();
	struct kevent change;

	for (i = 0; i < n; i++) {
		EV_SET(&change, fd[i], EVFILT_VNODE, EV_ADD | EV_CLEAR,
		       NOTE_WRITE | NOTE_DELETE | NOTE_RENAME, 0, NULL);
		bad |= kevent(kq, &change, 1, NULL, 0, NULL);
	}
	check(!bad, "kevent");
	return kq;
}

static int inotify_watch(const int *fd, int n)
{
	int i, bad = 0, in = inotify_init1(IN_CLOEXEC);
	char path[64];

	(void)fd;
	for (i = 0; i < n; i++) {
		name_file(path, sizeof(path), i);
		bad |= inotify_add_watch(in, path, IN_MODIFY | IN_ATTRIB |
					 IN_MOVE_SELF) < 0;
	}
	check(!bad, "inotify_add_watch");
	return in;
}

static int (*const watch[WAYS])(const int *fd, int n) = {
	kevent_watch, inotify_watch
};

static void bench_many(const int *fd, int n)
{
	double each[WAYS], bytes[WAYS];
	struct series s = {};
	long long start, before;
	int way, queue;

	for (way = 0; way < WAYS; way++) {
		before = kernel_bytes();
		start = now();
		queue = watch[way](fd, n);
		series_add(&s, now() - start);
		each[way] = series_each(&s, n);
		bytes[way] = (double)(kernel_bytes() - before) / n;
		close(queue);
	}
	table_row(each, "watch %d, one call for each", n);
	table_row(bytes, "kernel memory of each, bytes");
}

/* --- What others pay --------------------------------------------------------- */

#define IDLE	DIR "/idle"	/* a file that nobody watches */

static void use_write(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open(IDLE, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	check(pwrite(fd, "x", 1, 0) == 1, "write");
}

static void use_open(void)
{
	check(!close(open(IDLE, O_CREAT | O_RDWR | O_CLOEXEC, 0600)), "open");
}

static void use_stat(void)
{
	struct stat st;

	check(!stat(DIR, &st), "stat");
}

static void (*use)(void);

static void use_some(struct series *s)
{
	long long start, end;
	int i;

	use();
	for (i = 0; i < opt.ops; i++) {
		start = now();
		use();
		end = now();
		series_add(s, end - start);
	}
}

static void watch_many(void)
{
	int *fd = calloc(FILES, sizeof(*fd));

	check(fd, "memory");
	files_make(fd, FILES);
	kevent_watch(fd, FILES);
}

static void bench_file_tax(void)
{
	static const char *const who[] = { "others do", "nobody", NULL };
	static const struct {
		void (*use)(void);
		const char *what;
	} uses[] = {
		{ use_write, "write(2)" }, { use_open, "open(2), close(2)" },
		{ use_stat, "stat(2)" },
	};
	double value[2];
	size_t i;

	table_begin("Use of a file that nobody watches", who, "busy/idle");
	for (i = 0; i < sizeof(uses) / sizeof(*uses); i++) {
		use = uses[i].use;
		measure_tax(value, use_some, watch_many);
		table_row(value, "%s; %d registrations elsewhere", uses[i].what,
			  FILES);
	}
}

void bench_file(void)
{
	int n = opt.max < FILES ? opt.max : FILES;
	int *fd = calloc(n, sizeof(*fd));

	check(fd, "memory");
	need_descriptors(n);
	bench_change();
	files_make(fd, n);
	bench_many(fd, n);
	bench_file_tax();
	files_remove(fd, n);
	unlink(IDLE);
	rmdir(DIR);
	free(fd);
}
