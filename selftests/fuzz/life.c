// SPDX-License-Identifier: BSD-2-Clause
/* Processes, threads, and descriptors on their way. */
#include "fuzz.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STRANGER_WORKS	41	/* exit status: a queue obeyed a stranger */

/* Is the queue refused to us, to whom it does not belong? */
static bool refused(int kq, int fd)
{
	struct kevent_record kev = { .ident = fd, .filter = EVFILT_READ, .flags = EV_ADD };
	struct kevent_args args = {
		.size = sizeof(args), .changes = (uintptr_t)&kev, .nchanges = 1,
	};
	struct pollfd pfd = { .fd = kq, .events = POLLIN };

	if (poll(&pfd, 1, 0) == 1 && !(pfd.revents & (POLLERR | POLLNVAL)))
		return false;
	return call_raw(kq, KEVENT_IOC_KEVENT, &args) == -EBADF;
}

static int wait_child(int pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status;
}

/* A child has copies of everything: the queue is not for it. */
int life_fork(struct actor *a, int kq, int fd)
{
	int pid = fork(), status;

	if (pid < 0)
		return -errno;
	if (!pid) {
		if (!refused(kq, fd))
			_exit(STRANGER_WORKS);
		close(fd);
		close(kq);
		_exit(0);
	}
	status = wait_child(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == STRANGER_WORKS)
		fail(a, "a child could use its parent's queue");
	return status ? -ECHILD : 0;
}

static void *wait_for_ever(void *arg)
{
	struct kevent_record kev[4];
	struct kevent_args args = {
		.size = sizeof(args), .events = (uintptr_t)kev, .nevents = 4,
	};

	for (;;)
		call_raw((intptr_t)arg, KEVENT_IOC_KEVENT, &args);
	return NULL;
}

/* Run this program with the one argument. */
void execute_self(const char *option)
{
	execl("/proc/self/exe", "kevent-fuzz", option, NULL);
	_exit(1);
}

/*
 * A process with a queue that stays open, registrations of descriptors that do
 * and that do not, and a thread that waits, runs another program.
 */
static void __noreturn execute(void)
{
	struct kevent_record kev = { .filter = EVFILT_READ, .flags = EV_ADD };
	struct kevent_args args = {
		.size = sizeof(args), .changes = (uintptr_t)&kev, .nchanges = 1,
	};
	int kq = queue_open(0), fd[2], i;
	pthread_t thread;

	if (pipe2(fd, O_CLOEXEC) || dup2(fd[0], 30) < 0 || dup2(fd[1], 31) < 0)
		_exit(1);
	for (i = 0; i < 3; i++) {
		kev.ident = i == 2 ? fd[0] : 30 + i;
		call_raw(kq, KEVENT_IOC_KEVENT, &args);
	}
	pthread_create(&thread, NULL, wait_for_ever, (void *)(intptr_t)kq);
	dup2(kq, 32);
	close(kq);
	execute_self("--executed");
}

int life_exec(struct actor *a)
{
	int pid = fork(), status;

	if (pid < 0)
		return -errno;
	if (!pid)
		execute();
	status = wait_child(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == STRANGER_WORKS)
		fail(a, "after exec a queue has other registrations than two");
	return status ? -ECHILD : 0;
}

/*
 * The other program: the queue is still ours. Of what it watched, the two
 * descriptors that stayed open are left; closing them leaves nothing.
 */
int life_main(void)
{
	if (life_fdinfo(32) != 2)
		return STRANGER_WORKS;
	close(30);
	close(31);
	return life_fdinfo(32) ? STRANGER_WORKS : 0;
}

/* Send the descriptor to ourselves; it is closed while in flight. */
static int send_fd(int socket, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &msg, MSG_DONTWAIT) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header;
	int fd;

	if (recvmsg(socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return -errno;
	header = CMSG_FIRSTHDR(&msg);
	if (!header)
		return -EBADF;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/*
 * Pass the descriptor to ourselves, closing it meanwhile. If @kq is a queue it
 * watches the socket that the descriptor waits in. Returns the new descriptor.
 */
int life_pass(struct actor *a, int kq, int fd)
{
	struct kevent_record kev = { .filter = EVFILT_READ, .flags = EV_ADD };
	int pair[2], got;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (kq >= 0) {
		kev.ident = pair[1];
		record_tag(&kev, 0);
		call_change(a, kq, &kev);
	}
	got = send_fd(pair[0], fd);
	if (!got) {
		close(fd);
		got = receive_fd(pair[1]);
	}
	close(pair[0]);
	close(pair[1]);
	return got;
}

struct leaver {
	int kq;
	bool refused;
};

static void *leave_table(void *arg)
{
	struct leaver *l = arg;

	l->refused = !syscall(SYS_unshare, CLONE_FILES) && refused(l->kq, 0);
	return NULL;
}

/* A thread that leaves the descriptor table leaves the queue behind. */
int life_unshare(struct actor *a, int kq)
{
	struct leaver l = { .kq = kq };
	pthread_t thread;

	if (pthread_create(&thread, NULL, leave_table, &l))
		return -EAGAIN;
	pthread_join(thread, NULL);
	if (!l.refused)
		fail(a, "a thread with a table of its own could use the queue");
	return 0;
}

/*
 * A process that shares our table, but not our signal handlers, registers a
 * signalfd in our queue and exits: the wait queue goes, the registration stays.
 */
int life_share(struct actor *a, int kq)
{
	struct kevent_record kev = { .filter = EVFILT_READ, .flags = EV_ADD };
	int fd[2], pid, status, err;

	if (!source_open(SOURCE_SIGNALFD, fd))
		return -errno;
	kev.ident = fd[0];
	record_tag(&kev, 0);
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid)
		_exit(call_change(a, kq, &kev) != 0);
	status = pid < 0 ? -errno : wait_child(pid);
	/* It looks at the source again, whose first wait queue is gone. */
	kev.flags = 0;
	err = call_change(a, kq, &kev);
	close(fd[0]);
	return status < 0 ? status : status ? -ECHILD : err;
}

/* Is the queue ready, as epoll sees it? */
int life_epoll(struct actor *a, int kq)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC), ret;

	if (epoll < 0)
		return -errno;
	ret = epoll_ctl(epoll, EPOLL_CTL_ADD, kq, &ev);
	ret = ret ? -errno : epoll_wait(epoll, &ev, 1, 0);
	close(epoll);
	actor_alive(a);
	return ret;
}

/* The number of registrations in fdinfo, which are also listed there. */
int life_fdinfo(int kq)
{
	int said = -EBADF, listed = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "knotes: %d", &said) == 1)
			continue;
		listed += !strncmp(line, "ident:", 6);
	}
	fclose(f);
	return said == listed || said < 0 ? said : -EUCLEAN;
}
