/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A descriptor of each kind that the module tells apart, each with something
 * to read where it can be read.
 */
#ifndef KEVENT_SELFTESTS_SOURCES_H
#define KEVENT_SELFTESTS_SOURCES_H

#include "common.h"
#include "peers.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>

#define SOURCES_MOST	32

/**
 * struct source - a descriptor to watch
 * @name: for people
 * @fd: the descriptor
 * @filter: those that it can be watched with, 0 after the last
 */
struct source {
	const char *name;
	int fd;
	int filter[5];
};

struct sources {
	struct source s[SOURCES_MOST];
	int n;
};

#define FILTERS(...)	((const int[5]) { __VA_ARGS__ })
#define FOR_READING	FILTERS(EVFILT_READ, EVFILT_EXCEPT)
#define FOR_FILES	FILTERS(EVFILT_READ, EVFILT_WRITE)
#define FOR_WRITING	FILTERS(EVFILT_WRITE, EVFILT_EXCEPT)
#define FOR_BOTH	FILTERS(EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT)
#define FOR_SOCKETS	FILTERS(EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT, EVFILT_EMPTY)

static inline void source_add(struct sources *all, const char *name, int fd,
			      const int filter[5])
{
	struct source *s = &all->s[all->n++];

	s->name = name;
	s->fd = fd;
	memcpy(s->filter, filter, sizeof(s->filter));
}

static inline void sources_simple(struct sources *all)
{
	int p[2], fd;

	source_add(all, "eventfd", eventfd(1, EFD_CLOEXEC), FOR_BOTH);
	if (!pipe2(p, O_CLOEXEC | O_NONBLOCK) && tell(p[1])) {
		source_add(all, "pipe, reading end", p[0], FOR_READING);
		source_add(all, "pipe, writing end", p[1], FOR_WRITING);
	}
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	timerfd_settime(fd, 0, &(struct itimerspec){ .it_value.tv_nsec = 1 }, NULL);
	wait_poll(fd, POLLIN);
	source_add(all, "timerfd", fd, FOR_READING);
	fd = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(fd, EPOLL_CTL_ADD, all->s[0].fd, &(struct epoll_event){ .events = EPOLLIN });
	source_add(all, "epoll", fd, FOR_READING);
	fd = kqueue();
	kq_set(fd, 1, EVFILT_USER, EV_ADD);
	kq_trigger(fd, 1);
	source_add(all, "queue", fd, FILTERS(EVFILT_READ));
	source_add(all, "/dev/null", open("/dev/null", O_RDWR | O_CLOEXEC),
		   FOR_FILES);
}

/* In the current folder, without a name that would stay. */
static inline void sources_files(struct sources *all)
{
	static const char fifo[] = "sources.fifo", file[] = "sources.file";
	int fd, master;

	unlink(fifo);
	/* Open for both ways: two wait queues. */
	if (!mkfifo(fifo, 0600)) {
		fd = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		tell(fd);
		unlink(fifo);
		source_add(all, "FIFO", fd, FOR_BOTH);
	}
	fd = open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	tell(fd);
	lseek(fd, 0, SEEK_SET);
	unlink(file);
	source_add(all, "file", fd, FOR_FILES);
	fd = inotify_init1(IN_CLOEXEC);
	inotify_add_watch(fd, ".", IN_CREATE);
	close(open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	unlink(file);
	source_add(all, "inotify", fd, FOR_READING);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || unlockpt(master))
		return;
	/* A line from the terminal; the master gets its echo. */
	fd = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (write(master, "line\n", 5) != 5 || !wait_poll(fd, POLLIN) ||
	    !wait_poll(master, POLLIN))
		return;
	source_add(all, "pty, master", master, FOR_BOTH);
	source_add(all, "pty, slave", fd, FOR_BOTH);
}

static inline void sources_sockets(struct sources *all)
{
	struct sockaddr_storage ss;
	int fd, pair[2];

	fd = tcp_listen(&ss);
	tcp_connect(&ss);
	wait_poll(fd, POLLIN);
	source_add(all, "tcp, listening", fd, FOR_READING);
	if (tcp_pair(pair) && tell(pair[0]) && send(pair[0], "!", 1, MSG_OOB) == 1 &&
	    wait_poll(pair[1], POLLPRI))
		source_add(all, "tcp", pair[1], FOR_SOCKETS);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind_loopback(fd, AF_INET, &ss) && !connect_to(fd, &ss) && tell(fd) &&
	    wait_poll(fd, POLLIN))
		source_add(all, "udp", fd, FOR_SOCKETS);
	if (!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) && tell(pair[0]))
		source_add(all, "unix stream", pair[1], FOR_SOCKETS);
	if (!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) && tell(pair[0]))
		source_add(all, "unix datagrams", pair[1], FOR_SOCKETS);
}

/* All kinds there are; fewer than @SOURCES_KINDS if one could not be had. */
#define SOURCES_KINDS	17

static inline bool sources_open(struct sources *all)
{
	int i;

	all->n = 0;
	sources_simple(all);
	sources_files(all);
	sources_sockets(all);
	for (i = 0; i < all->n; i++)
		if (all->s[i].fd < 0) {
			fprintf(stderr, "# no %s\n", all->s[i].name);
			return false;
		}
	return all->n == SOURCES_KINDS;
}

static inline const struct source *source_named(const struct sources *all,
						const char *name)
{
	int i;

	for (i = 0; i < all->n; i++)
		if (!strcmp(all->s[i].name, name))
			return &all->s[i];
	return NULL;
}

#endif /* KEVENT_SELFTESTS_SOURCES_H */
