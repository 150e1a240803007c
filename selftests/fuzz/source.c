// SPDX-License-Identifier: BSD-2-Clause
/* What can be watched: opening, making ready, emptying. */
#include "fuzz.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define SOURCE_SIGNAL	SIGUSR2	/* blocked everywhere; signalfds get it */

const char *const source_name[SOURCES] = {
	[SOURCE_EVENTFD] = "eventfd", [SOURCE_PIPE] = "pipe",
	[SOURCE_UNIX] = "unix stream", [SOURCE_PACKET] = "unix datagrams",
	[SOURCE_TCP] = "TCP", [SOURCE_UDP] = "UDP", [SOURCE_LISTEN] = "listening socket",
	[SOURCE_TIMERFD] = "timerfd", [SOURCE_SIGNALFD] = "signalfd",
	[SOURCE_EPOLL] = "epoll", [SOURCE_PTY] = "pty", [SOURCE_INOTIFY] = "inotify",
	[SOURCE_FILE] = "regular file", [SOURCE_NULL] = "/dev/null",
};

bool source_here[SOURCES];

void signals_block(void)
{
	sigset_t set;
	int i;

	for (i = 0; i < SIGNALS; i++)
		signal(SIGNAL_BASE + i, SIG_IGN);

	sigemptyset(&set);
	sigaddset(&set, SOURCE_SIGNAL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int open_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SOURCE_SIGNAL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static int open_file(void)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/file-XXXXXX", opt.folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int open_inotify(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd >= 0 && inotify_add_watch(fd, opt.folder, IN_CREATE | IN_DELETE) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_socket(int family, int type)
{
	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* On loopback, at a port that the kernel chooses. */
static bool bind_loopback(int fd, struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);

	*addr = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	return !bind(fd, (struct sockaddr *)addr, len) &&
	       !getsockname(fd, (struct sockaddr *)addr, &len);
}

static int open_udp(void)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM);
	struct sockaddr_in addr;

	if (fd >= 0 && (!bind_loopback(fd, &addr) ||
			connect(fd, (struct sockaddr *)&addr, sizeof(addr)))) {
		close(fd);
		return -1;
	}
	return fd;
}

int source_wait(int fd, int events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, LIMIT_MS) == 1 ? 0 : -1;
}

/* What a port gets from strangers meanwhile is taken for ours: harmless. */
static bool connect_pair(int listener, int fd[2])
{
	struct sockaddr_in addr;

	if (listener < 0 || fd[0] < 0 || !bind_loopback(listener, &addr) ||
	    listen(listener, 1))
		return false;
	if (connect(fd[0], (struct sockaddr *)&addr, sizeof(addr)) && errno != EINPROGRESS)
		return false;
	if (source_wait(listener, POLLIN))
		return false;
	fd[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return fd[1] >= 0 && !source_wait(fd[0], POLLOUT);
}

static int open_tcp(int fd[2])
{
	int listener = open_socket(AF_INET, SOCK_STREAM), i;
	bool good;

	fd[0] = open_socket(AF_INET, SOCK_STREAM);
	fd[1] = -1;
	good = connect_pair(listener, fd);
	if (listener >= 0)
		close(listener);
	for (i = 0; i < 2 && !good; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	return good ? 0 : -1;
}

static int open_listen(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = open_socket(AF_UNIX, SOCK_STREAM);

	/* With no name in the address the kernel gives it one. */
	if (fd >= 0 && (bind(fd, (struct sockaddr *)&addr, sizeof(sa_family_t)) ||
			listen(fd, 8))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_epoll(int fd[2])
{
	struct epoll_event ev = { .events = EPOLLIN };

	fd[0] = epoll_create1(EPOLL_CLOEXEC);
	fd[1] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return fd[0] < 0 || fd[1] < 0 ? -1 : epoll_ctl(fd[0], EPOLL_CTL_ADD, fd[1], &ev);
}

static int open_pty(int fd[2])
{
	struct termios raw;
	char name[64];

	fd[0] = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd[0] < 0)
		return -1;
	if (unlockpt(fd[0]) || ptsname_r(fd[0], name, sizeof(name)))
		goto fail;
	fd[1] = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd[1] < 0 || tcgetattr(fd[1], &raw))
		goto fail;
	cfmakeraw(&raw);
	tcsetattr(fd[1], TCSANOW, &raw);
	return 0;

fail:
	close(fd[0]);
	return -1;
}

static int open_one(enum source kind)
{
	switch (kind) {
	case SOURCE_EVENTFD:
		return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	case SOURCE_TIMERFD:
		return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	case SOURCE_SIGNALFD:
		return open_signalfd();
	case SOURCE_UDP:
		return open_udp();
	case SOURCE_LISTEN:
		return open_listen();
	case SOURCE_INOTIFY:
		return open_inotify();
	case SOURCE_FILE:
		return open_file();
	default:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	}
}

int source_open(enum source kind, int fd[2])
{
	int type = SOCK_NONBLOCK | SOCK_CLOEXEC;

	switch (kind) {
	case SOURCE_PIPE:
		return pipe2(fd, O_NONBLOCK | O_CLOEXEC) ? 0 : 2;
	case SOURCE_UNIX:
		return socketpair(AF_UNIX, SOCK_STREAM | type, 0, fd) ? 0 : 2;
	case SOURCE_PACKET:
		return socketpair(AF_UNIX, SOCK_DGRAM | type, 0, fd) ? 0 : 2;
	case SOURCE_TCP:
		return open_tcp(fd) ? 0 : 2;
	case SOURCE_EPOLL:
		return open_epoll(fd) ? 0 : 2;
	case SOURCE_PTY:
		return open_pty(fd) ? 0 : 2;
	default:
		fd[0] = open_one(kind);
		return fd[0] >= 0;
	}
}

/* What this machine lacks is said, and left out of the run. */
void sources_find(void)
{
	int kind, fd[2], i, n;

	for (kind = 0; kind < SOURCES; kind++) {
		n = source_open(kind, fd);
		for (i = 0; i < n; i++)
			close(fd[i]);
		source_here[kind] = n;
		if (!n)
			printf("# without %s: there is none here (%s)\n",
			       source_name[kind], strerrorname_np(errno));
	}
}

/* What happens at once, within the call that causes it, and what later. */
bool source_is_async(enum source kind)
{
	return kind == SOURCE_TCP || kind == SOURCE_UDP || kind == SOURCE_PTY;
}

static int poke_timerfd(int fd)
{
	struct itimerspec when = { .it_value.tv_nsec = 1 };

	return timerfd_settime(fd, 0, &when, NULL);
}

static int poke_listen(int fd)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);
	int client = open_socket(AF_UNIX, SOCK_STREAM), ret;

	ret = getsockname(fd, (struct sockaddr *)&addr, &len) ||
	      connect(client, (struct sockaddr *)&addr, len);
	close(client);
	return ret;
}

static int poke_inotify(struct rng *r)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/touched-%u", opt.folder, below(r, 4));
	if (chance(r, 2))
		return unlink(path);
	return close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static int file_write(int fd, uint32_t *notes)
{
	static const char block[256];
	off_t pos = lseek(fd, 0, SEEK_CUR);
	struct stat st;

	if (pos < 0 || fstat(fd, &st) || pwrite(fd, block, sizeof(block), pos) < 0)
		return -1;
	*notes = NOTE_WRITE;
	if (pos + (off_t)sizeof(block) > st.st_size)
		*notes |= NOTE_EXTEND;
	return 0;
}

int file_poke(struct rng *r, int fd, uint32_t *notes)
{
	static const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };

	*notes = NOTE_ATTRIB;
	switch (below(r, 8)) {
	case 0 ... 1:
		return ftruncate(fd, below(r, 1000));
	case 2:
		return fchmod(fd, 0600);
	case 3:
		return futimens(fd, times);
	case 4:
		*notes = 0;
		return lseek(fd, below(r, 1000), SEEK_SET) < 0;
	default:
		return file_write(fd, notes);
	}
}

static bool is_stream(enum source kind)
{
	return kind == SOURCE_UNIX || kind == SOURCE_TCP;
}

int source_poke(struct rng *r, enum source kind, int fd)
{
	static const int ways[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };
	static const char bytes[128];
	uint64_t one = 1;
	uint32_t notes;

	switch (kind) {
	case SOURCE_EVENTFD:
	case SOURCE_EPOLL:
		/* An epoll instance cannot be written to, its eventfd can. */
		return write(fd, &one, sizeof(one)) < 0;
	case SOURCE_TIMERFD:
		return poke_timerfd(fd);
	case SOURCE_SIGNALFD:
		return kill(getpid(), SOURCE_SIGNAL);
	case SOURCE_LISTEN:
		return poke_listen(fd);
	case SOURCE_INOTIFY:
		return poke_inotify(r);
	case SOURCE_FILE:
		return file_poke(r, fd, &notes);
	default:
		if (is_stream(kind) && chance(r, 20))
			return shutdown(fd, ways[below(r, ARRAY_SIZE(ways))]);
		if (kind == SOURCE_TCP && chance(r, 6))
			return send(fd, bytes, 1, MSG_OOB) < 0;
		return write(fd, bytes, 1 + below(r, sizeof(bytes))) < 0;
	}
}

static int accept_one(int fd)
{
	int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	return got < 0 ? -1 : close(got);
}

int source_drain(struct rng *r, enum source kind, int fd)
{
	char buf[4096];
	size_t most = chance(r, 4) ? sizeof(uint64_t) : sizeof(buf);

	switch (kind) {
	case SOURCE_LISTEN:
		return accept_one(fd);
	default:
		return read(fd, buf, most) < 0;
	}
}
