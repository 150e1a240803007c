/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests about who holds what: descriptors whose other side notices when
 * they are really closed, descriptors passed to others, and looks into what
 * the module still has.
 */
#ifndef KEVENT_SELFTESTS_PEERS_H
#define KEVENT_SELFTESTS_PEERS_H

#include "common.h"
#include "net.h"

/* A socket that listens on the loopback interface, and where; or -1. */
static inline int tcp_listen(struct sockaddr_storage *ss)
{
	int fd;

	lo_up();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind_loopback(fd, AF_INET, ss) && !listen(fd, 8))
		return fd;
	close(fd);
	return -1;
}

/* A new connection to there, or -1. */
static inline int tcp_connect(const struct sockaddr_storage *ss)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!connect(fd, (const struct sockaddr *)ss, sizeof(*ss)))
		return fd;
	close(fd);
	return -1;
}

/* Both ends of a TCP connection. */
static inline bool tcp_pair(int fd[2])
{
	struct sockaddr_storage ss;
	int listener = tcp_listen(&ss);

	fd[0] = tcp_connect(&ss);
	fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return fd[0] >= 0 && fd[1] >= 0;
}

/* A process that has a connection to us. */
struct connected {
	pid_t pid;
	int peer;		/* our end of it */
	int report;		/* a socket, whose other end it has as well */
};

/*
 * Start a process that connects to @ss, does what it is to do, reports, and
 * exits. False if it did not connect.
 */
static inline bool connected_start(struct connected *c,
				   void (*run)(const struct sockaddr_storage *ss,
					       int report, int arg), int arg)
{
	struct sockaddr_storage ss;
	int listener = tcp_listen(&ss), report[2];

	if (listener < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, report))
		return false;
	c->pid = fork();
	if (!c->pid) {
		close(report[0]);
		run(&ss, report[1], arg);
		_exit(99);
	}
	close(report[1]);
	c->report = report[0];
	c->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return c->peer >= 0;
}

/*
 * A process of its own, with signal handlers of its own, but with our
 * descriptors: so what it registers stays when it is gone.
 */
static inline pid_t fork_sharing_files(void)
{
	return syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
}

/* The other side has closed: so does a read see it now, without waiting. */
static inline bool at_end(int fd)
{
	char byte;

	return !recv(fd, &byte, 1, MSG_DONTWAIT);
}

/* How many knotes @kq lists in /proc/self/fdinfo, -1 if it lists none. */
static inline long fdinfo_knotes(int kq)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	return find_number(path, "knotes: %ld");
}

/* How many knotes @kq lists as queued, -1 if it lists none. */
static inline long fdinfo_queued(int kq)
{
	char path[64], line[256];
	long n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n += !!strstr(line, " state:queued");
	fclose(f);
	return n;
}

/* The module has nothing left: of no process, for these tests run alone. */
static inline bool all_freed(void)
{
	if (WAIT_FOR(!kq_counter("knotes") && !kq_counter("queues")))
		return true;
	fprintf(stderr, "# the module still has %ld queues, %ld knotes\n",
		kq_counter("queues"), kq_counter("knotes"));
	return false;
}

/* Pass @fd through the unix socket @via. */
static inline bool send_fd(int via, int fd)
{
	char byte = 0;
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl = { .hdr = {
		.cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	} };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl),
	};

	memcpy(CMSG_DATA(&ctl.hdr), &fd, sizeof(fd));
	return sendmsg(via, &msg, 0) == 1;
}

/* The descriptor that comes through @via, or -1. */
static inline int receive_fd(int via)
{
	char byte;
	union {
		struct cmsghdr hdr;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &ctl,
		.msg_controllen = sizeof(ctl),
	};
	int fd = -1;

	if (recvmsg(via, &msg, MSG_CMSG_CLOEXEC) == 1 && msg.msg_controllen)
		memcpy(&fd, CMSG_DATA(&ctl.hdr), sizeof(fd));
	return fd;
}

/* A byte through a pipe or socket: "go on". False if the other side is gone. */
static inline bool tell(int fd)
{
	return write(fd, "!", 1) == 1;
}

static inline bool hear(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

/*
 * Programs that test what exec leaves behind run themselves again, with
 * "after-exec" as the first argument.
 */
#define AFTER_EXEC	"after-exec"

static inline void exec_file(const char *file, int a, int b, int c)
{
	char arg[3][16];

	snprintf(arg[0], sizeof(arg[0]), "%d", a);
	snprintf(arg[1], sizeof(arg[1]), "%d", b);
	snprintf(arg[2], sizeof(arg[2]), "%d", c);
	execl(file, "self", AFTER_EXEC, arg[0], arg[1], arg[2], NULL);
	_exit(99);
}

static inline void exec_self(int a, int b, int c)
{
	exec_file("/proc/self/exe", a, b, c);
}

/* What their main() does: @after gets the three numbers. */
static inline int exec_or_harness(int argc, char **argv,
				  int (*after)(int a, int b, int c))
{
	if (argc == 5 && !strcmp(argv[1], AFTER_EXEC))
		return after(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	return test_harness_run(argc, argv);
}

#endif /* KEVENT_SELFTESTS_PEERS_H */
