// SPDX-License-Identifier: BSD-2-Clause
/*
 * Unix sockets: stream, seqpacket and datagram.
 */
#include "net.h"

FIXTURE(stream)
{
	int kq;
	int fd;		/* the end that is watched */
	int peer;	/* the other end */
	int room;	/* what an empty send buffer holds */
};

static int unix_pair(int type, int *fd, int *peer)
{
	int sv[2], err = socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv);

	*fd = sv[0];
	*peer = sv[1];
	return err;
}

/* A name that this process only has: abstract, so nothing is left behind. */
static socklen_t unix_name(struct sockaddr_un *name)
{
	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	return offsetof(struct sockaddr_un, sun_path) + 1 +
	       snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1,
			"kevent-selftest-%d", getpid());
}

FIXTURE_SETUP(stream)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, unix_pair(SOCK_STREAM, &self->fd, &self->peer));
	ASSERT_TRUE(set_int(self->fd, SOL_SOCKET, SO_SNDBUF, SMALL_BUF));
	self->room = get_int(self->fd, SOL_SOCKET, SO_SNDBUF);
}

FIXTURE_TEARDOWN(stream)
{
	close(self->kq);
	close(self->fd);
	close(self->peer);
}

/* data of READ is the number of bytes that wait; a passed descriptor is none. */
TEST_F(stream, read_counts_bytes)
{
	char control[CMSG_SPACE(sizeof(int))] = "", buf[100] = "";
	struct iovec iov = { .iov_base = buf, .iov_len = 100 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(50, send(self->peer, buf, 50, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 50);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &self->fd, sizeof(int));
	ASSERT_EQ(100, sendmsg(self->peer, &msg, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 150);
	ASSERT_EQ(20, recv(self->fd, buf, 20, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 130);
	ASSERT_TRUE(drain(self->fd, 130));
	ASSERT_NONE(self->kq);
}

/* With EV_CLEAR each arrival is an event, with the sum of what waits, and nothing else is. */
TEST_F(stream, read_edge)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_EQ(3, send(self->peer, "abc", 3, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 3);
	ASSERT_NONE(self->kq);
	ASSERT_EQ(4, send(self->peer, "defg", 4, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 7);
	ASSERT_TRUE(drain(self->fd, 7));
	ASSERT_QUIET(self->kq);
}

/* NOTE_LOWAT belongs to the knote: two queues wait for different amounts on one socket. */
TEST_F(stream, read_lowat_per_knote)
{
	char buf[60] = "";
	int few = kq_with(self->fd, EVFILT_READ, EV_ADD, NOTE_LOWAT, 10);

	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD,
			       NOTE_LOWAT, 100, NULL));
	ASSERT_EQ(9, send(self->peer, buf, 9, 0));
	ASSERT_NONE(few);
	ASSERT_EQ(51, send(self->peer, buf, 51, 0));
	ASSERT_READY(few, self->fd, EVFILT_READ, 60);
	ASSERT_NONE(self->kq);
	ASSERT_EQ(40, send(self->peer, buf, 40, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 100);
	ASSERT_EQ(1, get_int(self->fd, SOL_SOCKET, SO_RCVLOWAT));
	close(few);
}

/* WRITE tells the room: all of it at first, none when full, all again when read. */
TEST_F(stream, write_room)
{
	long sum;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, self->room);
	sum = fill(self->fd);
	ASSERT_LT(0, sum);
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(drain(self->peer, sum));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, self->room);
}

/* With EV_CLEAR WRITE fires when the full buffer gets room again, and not otherwise. */
TEST_F(stream, write_edge)
{
	long sum;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_ADD | EV_CLEAR));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, self->room);
	ASSERT_NONE(self->kq);
	sum = fill(self->fd);
	ASSERT_QUIET(self->kq);
	ASSERT_TRUE(drain(self->peer, sum));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, self->room);
	ASSERT_QUIET(self->kq);
}

/* NOTE_LOWAT of WRITE is per knote: one queue waits for any room, another for an empty buffer. */
TEST_F(stream, write_lowat_per_knote)
{
	int some = kq_with(self->fd, EVFILT_WRITE, EV_ADD, NOTE_LOWAT, 100);
	char buf[1000] = "";

	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_WRITE, EV_ADD,
			       NOTE_LOWAT, self->room, NULL));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, self->room);
	ASSERT_EQ(1000, send(self->fd, buf, 1000, 0));
	ASSERT_READY(some, self->fd, EVFILT_WRITE, ANY);
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(drain(self->peer, 1000));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, self->room);
	close(some);
}

/* EMPTY fires at once if nothing was sent, not while the peer has not read, and then again. */
TEST_F(stream, empty)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_EMPTY, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_EMPTY, 0);
	ASSERT_EQ(5, send(self->fd, "hello", 5, 0));
	ASSERT_QUIET(self->kq);
	ASSERT_TRUE(drain(self->peer, 5));
	ASSERT_READY(self->kq, self->fd, EVFILT_EMPTY, 0);
}

static void *drain_rounds(void *arg)
{
	while (drain(*(int *)arg, 1))
		;
	return NULL;
}

/* EMPTY misses none of many drained buffers while a thread waits on another CPU. */
TEST_F(stream, empty_again_and_again)
{
	pthread_t reader;
	int i;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_EMPTY, EV_ADD));
	ASSERT_EQ(0, pthread_create(&reader, NULL, drain_rounds, &self->peer));
	for (i = 0; i < 300; i++) {
		ASSERT_EQ(1, send(self->fd, "x", 1, 0));
		ASSERT_READY(self->kq, self->fd, EVFILT_EMPTY, 0);
		/* The packet may not be freed to the last, but it was read. */
		ASSERT_GE(1, unsent(self->fd));
	}
	ASSERT_EQ(0, shutdown(self->fd, SHUT_WR));
	ASSERT_EQ(0, pthread_join(reader, NULL));
}

/* EV_EOF comes as soon as the peer closes, with the bytes that still wait, for READ and WRITE. */
TEST_F(stream, eof_with_data)
{
	char buf[100] = "";
	int kqw = kq_with(self->fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0);

	ASSERT_READY(kqw, self->fd, EVFILT_WRITE, self->room);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(100, send(self->peer, buf, 100, 0));
	close(self->peer);
	self->peer = -1;
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 100, EV_EOF, 0);
	ASSERT_EQ(60, recv(self->fd, buf, 60, 0));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 40, EV_EOF, 0);
	ASSERT_EQ(40, recv(self->fd, buf, 60, 0));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, 0);
	ASSERT_EVENT(kqw, self->fd, EVFILT_WRITE, ANY, EV_EOF, 0);
	close(kqw);
}

/* A peer that closes without having read is EV_EOF with ECONNRESET in fflags; SO_ERROR stays. */
TEST_F(stream, reset_is_eof_with_error)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(5, send(self->fd, "hello", 5, 0));
	close(self->peer);
	self->peer = -1;
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, ECONNRESET);
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, ECONNRESET);
	ASSERT_EQ(ECONNRESET, so_error(self->fd));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, 0);
}

/* The peer's SHUT_WR ends our READ only, its SHUT_RD our WRITE only. */
TEST_F(stream, peer_half_close)
{
	int kqw = kq_with(self->fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0);

	ASSERT_READY(kqw, self->fd, EVFILT_WRITE, self->room);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, shutdown(self->peer, SHUT_RD));
	ASSERT_EVENT(kqw, self->fd, EVFILT_WRITE, ANY, EV_EOF, 0);
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(0, shutdown(self->peer, SHUT_WR));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, 0);
	close(kqw);
}

/* Our own SHUT_WR ends WRITE only, SHUT_RD READ, with the bytes that still wait. */
TEST_F(stream, own_half_close)
{
	int kqw = kq_with(self->fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0);

	ASSERT_READY(kqw, self->fd, EVFILT_WRITE, self->room);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, shutdown(self->fd, SHUT_WR));
	ASSERT_EVENT(kqw, self->fd, EVFILT_WRITE, ANY, EV_EOF, 0);
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(5, send(self->peer, "hello", 5, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 5);
	ASSERT_EQ(0, shutdown(self->fd, SHUT_RD));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 5, EV_EOF, 0);
	close(kqw);
}

/* EXCEPT with NOTE_OOB fires for an out-of-band byte until it is read. */
TEST_F(stream, oob)
{
	char c = 0;

	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_EXCEPT, EV_ADD,
			       NOTE_OOB, 0, NULL));
	ASSERT_EQ(1, send(self->peer, "a", 1, 0));
	ASSERT_NONE(self->kq);
	if (send(self->peer, "x", 1, MSG_OOB) < 0)
		SKIP(return, "this kernel has no out-of-band data on unix sockets");
	ASSERT_EVENT(self->kq, self->fd, EVFILT_EXCEPT, ANY, 0, NOTE_OOB);
	ASSERT_EQ(1, recv(self->fd, &c, 1, MSG_OOB));
	ASSERT_EQ('x', c);
	ASSERT_NONE(self->kq);
}

/* An out-of-band byte that a plain read passes over leaves nothing to read. */
TEST_F(stream, oob_passed_over)
{
	char c;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	if (send(self->peer, "x", 1, MSG_OOB) < 0)
		SKIP(return, "this kernel has no out-of-band data on unix sockets");
	ASSERT_EQ(-1, recv(self->fd, &c, 1, MSG_DONTWAIT));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(5, send(self->peer, "hello", 5, 0));
	ASSERT_EQ(1, kq_count(self->kq));
}

/* READ of a listening socket counts the connections that wait; it is never writable. */
TEST(backlog_counts)
{
	int ls = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int kq = kq_with(ls, EVFILT_READ, EV_ADD, 0, 0);
	int kqw = kq_with(ls, EVFILT_WRITE, EV_ADD, 0, 0);
	struct sockaddr_un name;
	socklen_t len = unix_name(&name);
	int client[3], i;

	ASSERT_EQ(0, bind(ls, (struct sockaddr *)&name, len));
	ASSERT_EQ(0, listen(ls, 4));
	ASSERT_NONE(kq);
	for (i = 0; i < 3; i++) {
		client[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ASSERT_EQ(0, connect(client[i], (struct sockaddr *)&name, len));
		ASSERT_READY(kq, ls, EVFILT_READ, i + 1);
	}
	ASSERT_QUIET(kqw);
	for (i = 2; i > 0; i--) {
		close(accept(ls, NULL, NULL));
		ASSERT_READY(kq, ls, EVFILT_READ, i);
	}
	close(accept(ls, NULL, NULL));
	ASSERT_NONE(kq);
}

/* A socket is neither readable nor writable until it is connected; then it is writable. */
TEST(unconnected_not_ready)
{
	int ls = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int kq = kq_with(fd, EVFILT_WRITE, EV_ADD, 0, 0);
	struct sockaddr_un name;
	socklen_t len = unix_name(&name);

	ASSERT_EQ(0, kq_set(kq, fd, EVFILT_READ, EV_ADD));
	ASSERT_QUIET(kq);
	ASSERT_EQ(0, bind(ls, (struct sockaddr *)&name, len));
	ASSERT_EQ(0, listen(ls, 4));
	ASSERT_EQ(0, connect(fd, (struct sockaddr *)&name, len));
	/* Linux wakes nobody on this side: only a look at the socket tells. */
	ASSERT_EQ(0, kq_set(kq, fd, EVFILT_WRITE, EV_ADD));
	ASSERT_READY(kq, fd, EVFILT_WRITE, get_int(fd, SOL_SOCKET, SO_SNDBUF));
}

/* Packets of a seqpacket socket add up, and the peer's close is EV_EOF. */
TEST(seqpacket)
{
	int fd, peer, kq;
	char buf[100] = "";

	ASSERT_EQ(0, unix_pair(SOCK_SEQPACKET, &fd, &peer));
	kq = kq_with(fd, EVFILT_READ, EV_ADD, 0, 0);
	ASSERT_NONE(kq);
	ASSERT_EQ(30, send(peer, buf, 30, 0));
	ASSERT_EQ(40, send(peer, buf, 40, 0));
	ASSERT_READY(kq, fd, EVFILT_READ, 70);
	ASSERT_EQ(30, recv(fd, buf, sizeof(buf), 0));
	ASSERT_READY(kq, fd, EVFILT_READ, 40);
	close(peer);
	ASSERT_EVENT(kq, fd, EVFILT_READ, 40, EV_EOF, 0);
}

/* data of READ is the payload of all datagrams that wait; an empty one fires as well. */
TEST(dgram_sums_datagrams)
{
	int fd, peer, kq;
	char buf[300] = "";

	ASSERT_EQ(0, unix_pair(SOCK_DGRAM, &fd, &peer));
	kq = kq_with(fd, EVFILT_READ, EV_ADD, 0, 0);
	ASSERT_NONE(kq);
	ASSERT_EQ(0, send(peer, buf, 0, 0));
	ASSERT_READY(kq, fd, EVFILT_READ, 0);
	ASSERT_EQ(30, send(peer, buf, 30, 0));
	ASSERT_EQ(300, send(peer, buf, 300, 0));
	ASSERT_READY(kq, fd, EVFILT_READ, 330);
	ASSERT_EQ(0, recv(fd, buf, sizeof(buf), 0));
	ASSERT_READY(kq, fd, EVFILT_READ, 330);
	ASSERT_EQ(30, recv(fd, buf, sizeof(buf), 0));
	ASSERT_READY(kq, fd, EVFILT_READ, 300);
	ASSERT_EQ(300, recv(fd, buf, sizeof(buf), 0));
	ASSERT_NONE(kq);
}

/* A connected datagram socket is not writable while its peer's queue is full, and then is again. */
TEST(dgram_peer_full)
{
	struct sockaddr_un name;
	socklen_t len = unix_name(&name);
	int peer = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char buf[8];
	int kq, n;

	ASSERT_EQ(0, bind(peer, (struct sockaddr *)&name, len));
	ASSERT_EQ(0, connect(fd, (struct sockaddr *)&name, len));
	kq = kq_with(fd, EVFILT_WRITE, EV_ADD, 0, 0);
	ASSERT_READY(kq, fd, EVFILT_WRITE, get_int(fd, SOL_SOCKET, SO_SNDBUF));
	for (n = 0; send(fd, "x", 1, MSG_DONTWAIT) == 1; n++)
		;
	ASSERT_EQ(EAGAIN, errno);
	ASSERT_QUIET(kq);
	while (n--)
		ASSERT_EQ(1, recv(peer, buf, sizeof(buf), 0));
	ASSERT_READY(kq, fd, EVFILT_WRITE, get_int(fd, SOL_SOCKET, SO_SNDBUF));
}

TEST_HARNESS_MAIN
