// SPDX-License-Identifier: BSD-2-Clause
/*
 * UDP sockets over the loopback interface, IPv4 and IPv6.
 */
#include "net.h"

FIXTURE(udp)
{
	int kq;
	int fd;		/* the end that is watched */
	int peer;	/* the other end */
};

FIXTURE_VARIANT(udp)
{
	int family;
};

FIXTURE_VARIANT_ADD(udp, v4)
{
	.family = AF_INET,
};

FIXTURE_VARIANT_ADD(udp, v6)
{
	.family = AF_INET6,
};

static int udp_socket(int family)
{
	return socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

FIXTURE_SETUP(udp)
{
	struct sockaddr_storage a, b;

	if (!have_family(variant->family))
		SKIP(_exit(255), "no addresses of this family");
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->fd = udp_socket(variant->family);
	self->peer = udp_socket(variant->family);
	ASSERT_TRUE(bind_loopback(self->fd, variant->family, &a));
	ASSERT_TRUE(bind_loopback(self->peer, variant->family, &b));
	ASSERT_EQ(0, connect_to(self->fd, &b));
	ASSERT_EQ(0, connect_to(self->peer, &a));
}

FIXTURE_TEARDOWN(udp)
{
	close(self->kq);
	close(self->fd);
	close(self->peer);
}

/* data of READ is the payload of all datagrams that wait, and only payload. */
TEST_F(udp, read_sums_datagrams)
{
	char buf[3000] = "";

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(10, send(self->peer, buf, 10, 0));
	ASSERT_DATA(self->kq, 10);
	ASSERT_EQ(200, send(self->peer, buf, 200, 0));
	ASSERT_EQ(3000, send(self->peer, buf, 3000, 0));
	ASSERT_DATA(self->kq, 3210);
	ASSERT_EQ(10, recv(self->fd, buf, sizeof(buf), 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 3200);
	/* What waits is now in two queues of the kernel's. */
	ASSERT_EQ(5, send(self->peer, buf, 5, 0));
	ASSERT_DATA(self->kq, 3205);
	/* The rest of a datagram that is cut off is gone. */
	ASSERT_EQ(1, recv(self->fd, buf, 1, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 3005);
	ASSERT_EQ(5, recv(self->fd, buf, 5, MSG_PEEK));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 3005);
	ASSERT_EQ(3000, recv(self->fd, buf, sizeof(buf), 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 5);
	ASSERT_EQ(5, recv(self->fd, buf, sizeof(buf), 0));
	ASSERT_NONE(self->kq);
}

/* An empty datagram is an event too, with data 0, until it is received. */
TEST_F(udp, empty_datagram)
{
	char c;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, send(self->peer, "", 0, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 0);
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 0);
	ASSERT_EQ(1, send(self->peer, "x", 1, 0));
	ASSERT_DATA(self->kq, 1);
	ASSERT_EQ(0, recv(self->fd, &c, 1, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 1);
	ASSERT_EQ(1, recv(self->fd, &c, 1, 0));
	ASSERT_NONE(self->kq);
}

/* With EV_CLEAR each datagram is an event, an empty one too, and nothing else is. */
TEST_F(udp, read_edge)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_EQ(4, send(self->peer, "abcd", 4, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 4);
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(0, send(self->peer, "", 0, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 4);
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(2, send(self->peer, "ef", 2, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 6);
}

/* NOTE_LOWAT is compared with the sum of the datagrams, per knote. */
TEST_F(udp, read_lowat_per_knote)
{
	int other = kq_with(self->fd, EVFILT_READ, EV_ADD, NOTE_LOWAT, 50);
	char buf[60] = "";

	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD,
			       NOTE_LOWAT, 100, NULL));
	ASSERT_EQ(60, send(self->peer, buf, 60, 0));
	ASSERT_READY(other, self->fd, EVFILT_READ, 60);
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(60, send(self->peer, buf, 60, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 120);
	close(other);
}

/* A UDP socket is writable with all its room, connected or not, and EMPTY. */
TEST_F(udp, writable)
{
	int fd = udp_socket(variant->family);
	int room = get_int(fd, SOL_SOCKET, SO_SNDBUF);

	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_WRITE, EV_ADD));
	ASSERT_READY(self->kq, fd, EVFILT_WRITE, room);
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_WRITE, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, room);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_EMPTY, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_EMPTY, 0);
	close(fd);
}

/* A pending error alone fires READ, without EV_EOF and without consuming the error. */
TEST_F(udp, error_is_not_eof)
{
	close(self->peer);
	self->peer = -1;
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(1, send(self->fd, "x", 1, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 0);
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 0);
	ASSERT_EQ(ECONNREFUSED, so_error(self->fd));
	ASSERT_NONE(self->kq);
}

/* shutdown(2) ends both directions of a connected UDP socket. */
TEST_F(udp, own_shutdown)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, shutdown(self->fd, SHUT_RD));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, 0);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, ANY);
	ASSERT_EQ(0, shutdown(self->fd, SHUT_WR));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_WRITE, ANY, EV_EOF, 0);
}

TEST_HARNESS_MAIN
