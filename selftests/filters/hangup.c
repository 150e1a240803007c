// SPDX-License-Identifier: BSD-2-Clause
/*
 * States in which poll(2) says POLLHUP or POLLERR: READ and WRITE tell of them
 * too, and wake who waits, but for the silences that kevent(4) names.
 *
 * Each case opens a descriptor, which is then watched, and brings it into the
 * state.
 */
#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <asm/ioctls.h>
#include <termios.h>

#include "hangup.h"

/* TCP */

static int tcp_fresh(struct others *o)
{
	lo_up();
	return o ? socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
}

static int tcp_bound(struct others *o)
{
	int fd = tcp_fresh(o);

	return bind_loopback(fd, AF_INET, &o->ss) ? fd : -1;
}

static int tcp_listening(struct others *o)
{
	int fd = tcp_bound(o);

	return listen(fd, 4) ? -1 : fd;
}

/* One whose backlog says nothing about whether it listens. */
static int tcp_listening_0(struct others *o)
{
	int fd = tcp_bound(o);

	return listen(fd, 0) ? -1 : fd;
}

static int tcp_connected(struct others *o)
{
	int listener = tcp_listening(o), fd = tcp_fresh(o);

	return connect_pair(o, listener, fd);
}

/* Where nobody listens. */
static bool refused(int fd, struct others *o)
{
	int nobody = tcp_bound(o);

	return connect_in_vain(o, nobody, fd);
}

static bool refused_and_told(int fd, struct others *o)
{
	return refused(fd, o) && so_error(fd) == ECONNREFUSED;
}

static bool shut_and_closed(int fd, struct others *o)
{
	return shut_wr(fd, o) && peer_closes(fd, o) && wait_poll(fd, POLLHUP);
}

static bool reset_and_told(int fd, struct others *o)
{
	return peer_resets(fd, o) && wait_poll(fd, POLLERR) &&
	       so_error(fd) == ECONNRESET;
}

static bool dissolved(int fd, struct others *o)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	return o && !connect(fd, &none, sizeof(none));
}

static bool dissolved_and_told(int fd, struct others *o)
{
	return dissolved(fd, o) && so_error(fd) >= 0;
}

/* UDP */

static int udp_connected(struct others *o)
{
	int fd;

	lo_up();
	o->fd[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!bind_loopback(o->fd[0], AF_INET, &o->ss) || connect_to(fd, &o->ss))
		return -1;
	return fd;
}

static bool udp_refused(int fd, struct others *o)
{
	return !close(o->fd[0]) && send(fd, "x", 1, 0) == 1 &&
	       wait_poll(fd, POLLERR);
}

/* Unix */

static int unix_fresh(struct others *o)
{
	return o ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
}

static int seqpacket_fresh(struct others *o)
{
	return o ? socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) : -1;
}

/* Bound to a name that the kernel chooses. */
static int listening_on(int fd)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (bind(fd, (struct sockaddr *)&un, sizeof(un.sun_family)) ||
	    listen(fd, 4))
		return -1;
	return fd;
}

static int unix_listening(struct others *o)
{
	return listening_on(unix_fresh(o));
}

static int seqpacket_listening(struct others *o)
{
	return listening_on(seqpacket_fresh(o));
}

static int unix_pair(struct others *o, int type)
{
	int fd[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd))
		return -1;
	o->fd[0] = fd[1];
	return fd[0];
}

static int unix_stream(struct others *o)
{
	return unix_pair(o, SOCK_STREAM);
}

static int unix_seqpacket(struct others *o)
{
	return unix_pair(o, SOCK_SEQPACKET);
}

static int unix_dgram(struct others *o)
{
	return unix_pair(o, SOCK_DGRAM);
}

/* The peer leaves without having read what was sent. */
static bool peer_ignores(int fd, struct others *o)
{
	return send(fd, "x", 1, 0) == 1 && peer_closes(fd, o);
}

/* Terminals */

static int pty(struct others *o, bool master)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	int slave;

	if (fd < 0 || unlockpt(fd))
		return -1;
	slave = ioctl(fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	o->fd[0] = master ? slave : fd;
	return master ? fd : slave;
}

static int pty_master(struct others *o)
{
	return pty(o, true);
}

static int pty_slave(struct others *o)
{
	return pty(o, false);
}

static bool hung_up(int fd, struct others *o)
{
	return o && !ioctl(fd, TIOCVHANGUP);
}

/* Pipes */

static int pipe_end(struct others *o, int end)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return -1;
	o->fd[0] = fd[!end];
	return fd[end];
}

static int pipe_reader(struct others *o)
{
	return pipe_end(o, 0);
}

static int pipe_writer(struct others *o)
{
	return pipe_end(o, 1);
}

/* Eventfds */

/* As much as a program can put into it. */
static int eventfd_full(struct others *o)
{
	__u64 most = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return o && write(fd, &most, sizeof(most)) == sizeof(most) ? fd : -1;
}

/* Only the kernel can add to that: here it tells of a read that is done. */
static bool overflows(int fd, struct others *o)
{
	aio_context_t ctx = 0;
	struct io_event ev;
	char byte;
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		.aio_buf = (uintptr_t)&byte,
		.aio_nbytes = 1,
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = fd,
	}, *cbs[] = { &cb };

	return o && !syscall(SYS_io_setup, 1, &ctx) &&
	       syscall(SYS_io_submit, ctx, 1, cbs) == 1 &&
	       syscall(SYS_io_getevents, ctx, 1, 1, &ev, NULL) == 1 &&
	       !syscall(SYS_io_destroy, ctx) && !close(cb.aio_fildes);
}

static const struct state state[] = {
	STATE(tcp_fresh, nothing, SILENT, SILENT),
	STATE(tcp_bound, nothing, SILENT, SILENT),
	STATE_ERR(tcp_listening, shut_rd, END, SILENT, ECONNABORTED),
	STATE_ERR(tcp_listening, shut_both, END, SILENT, ECONNABORTED),
	STATE_ERR(tcp_listening_0, shut_both, END, SILENT, ECONNABORTED),
	STATE_ERR(tcp_fresh, refused, END, END, ECONNREFUSED),
	STATE(tcp_fresh, refused_and_told, END, END),
	STATE(tcp_connected, shut_both, END, END),
	STATE(tcp_connected, shut_and_closed, END, END),
	STATE_ERR(tcp_connected, peer_resets, END, END, ECONNRESET),
	STATE(tcp_connected, reset_and_told, END, END),
	STATE(tcp_connected, dissolved, EVENT, EVENT),
	STATE(tcp_connected, dissolved_and_told, SILENT, SILENT),
	STATE(udp_connected, udp_refused, EVENT, EVENT),
	STATE(udp_connected, shut_both, END, END),
	STATE(unix_fresh, nothing, SILENT, SILENT),
	STATE_ERR(unix_listening, shut_both, END, END, ECONNABORTED),
	STATE(unix_stream, shut_both, END, END),
	STATE(unix_stream, peer_closes, END, END),
	STATE_ERR(unix_stream, peer_ignores, END, END, ECONNRESET),
	STATE(unix_stream, peer_shuts_both, END, END),
	STATE(seqpacket_fresh, nothing, SILENT, SILENT),
	STATE_ERR(seqpacket_listening, shut_both, END, END, ECONNABORTED),
	STATE(unix_seqpacket, peer_closes, END, END),
	STATE(unix_dgram, shut_both, END, END),
	STATE(pty_master, peer_closes, END, END),
	STATE(pty_slave, peer_closes, END, END),
	STATE(pty_slave, hung_up, END, END),
	STATE(pipe_reader, peer_closes, END, END),
	STATE(pipe_writer, peer_closes, END, END),
	STATE(eventfd_full, overflows, EVENT, SILENT),
};

/* Where poll(2) says POLLHUP or POLLERR, both filters say what they are to. */
TEST(states)
{
	ASSERT_TRUE(check_states(state, ARRAY_SIZE(state)));
}

/* The end of a listening socket wakes a thread that waits for connections. */
TEST(listener_wakes)
{
	struct others o;
	struct waiter w;
	int fd = tcp_listening(&o);
	int kq = kq_with(fd, EVFILT_READ, EV_ADD, 0, 0);

	ASSERT_TRUE(waiter_start(&w, kq, 1, -1));
	ASSERT_EQ(0, shutdown(fd, SHUT_RD));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	ASSERT_NE(0, w.ev[0].flags & EV_EOF);
	ASSERT_EQ(ECONNABORTED, w.ev[0].fflags);
	ASSERT_EQ(0, w.ev[0].data);
	close(kq);
	close(fd);
}

/* A socket that listens no more and connects instead is like any other. */
TEST(listener_connects)
{
	struct others o;
	int fd = tcp_listening(&o), server, peer, kq;

	ASSERT_EQ(0, shutdown(fd, SHUT_RD));
	kq = kq_with(fd, EVFILT_READ, EV_ADD, 0, 0);
	ASSERT_EVENT(kq, fd, EVFILT_READ, 0, EV_EOF, ECONNABORTED);
	server = tcp_listening(&o);
	ASSERT_TRUE(!connect_to(fd, &o.ss) || errno == EINPROGRESS);
	ASSERT_TRUE(wait_poll(fd, POLLOUT) && wait_poll(server, POLLIN));
	ASSERT_NONE(kq);
	peer = accept(server, NULL, NULL);
	ASSERT_EQ(3, send(peer, "abc", 3, 0));
	ASSERT_READY(kq, fd, EVFILT_READ, 3);
	close(kq);
	close(fd);
	close(peer);
	close(server);
}

TEST_HARNESS_MAIN
