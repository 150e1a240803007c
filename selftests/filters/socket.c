// SPDX-License-Identifier: BSD-2-Clause
/*
 * TCP sockets over the loopback interface, IPv4 and IPv6.
 */
#include "net.h"

FIXTURE(tcp)
{
	int kq;
	int ls;		/* listens */
	int fd;		/* the end that is watched */
	int peer;	/* the other end */
	struct sockaddr_storage ss;	/* of ls */
};

FIXTURE_VARIANT(tcp)
{
	int family;
};

FIXTURE_VARIANT_ADD(tcp, v4)
{
	.family = AF_INET,
};

FIXTURE_VARIANT_ADD(tcp, v6)
{
	.family = AF_INET6,
};

static int tcp_socket(int family)
{
	return socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

FIXTURE_SETUP(tcp)
{
	if (!have_family(variant->family))
		SKIP(_exit(255), "no addresses of this family");
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->ls = tcp_socket(variant->family);
	ASSERT_TRUE(set_int(self->ls, SOL_SOCKET, SO_RCVBUF, SMALL_BUF));
	ASSERT_TRUE(bind_loopback(self->ls, variant->family, &self->ss));
	ASSERT_EQ(0, listen(self->ls, 16));
	self->fd = tcp_socket(variant->family);
	ASSERT_TRUE(set_int(self->fd, SOL_SOCKET, SO_SNDBUF, SMALL_BUF));
	ASSERT_EQ(0, connect_to(self->fd, &self->ss));
	self->peer = accept4(self->ls, NULL, NULL, SOCK_CLOEXEC);
	ASSERT_LE(0, self->peer);
	ASSERT_TRUE(set_int(self->peer, IPPROTO_TCP, TCP_NODELAY, 1));
}

FIXTURE_TEARDOWN(tcp)
{
	close(self->kq);
	close(self->fd);
	close(self->peer);
	close(self->ls);
}

/* data of READ is the number of bytes that wait, whatever part is read. */
TEST_F(tcp, read_counts_bytes)
{
	char buf[3000] = "";

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(1, send(self->peer, buf, 1, 0));
	ASSERT_DATA(self->kq, 1);
	ASSERT_EQ(2999, send(self->peer, buf, 2999, 0));
	ASSERT_DATA(self->kq, 3000);
	ASSERT_EQ(1234, recv(self->fd, buf, 1234, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 1766);
	ASSERT_EQ(10, recv(self->fd, buf, 10, MSG_PEEK));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 1766);
	ASSERT_EQ(1766, recv(self->fd, buf, 3000, 0));
	ASSERT_NONE(self->kq);
}

/* Data that comes while a thread waits wakes it, with its count. */
TEST_F(tcp, read_wakes)
{
	struct waiter w;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, self->kq, 4, -1));
	ASSERT_EQ(5, send(self->peer, "hello", 5, 0));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	ASSERT_EQ((uintptr_t)self->fd, w.ev[0].ident);
	ASSERT_EQ(5, w.ev[0].data);
}

/* With EV_CLEAR each arrival is an event, with the sum of what waits, and nothing else is. */
TEST_F(tcp, read_edge)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_EQ(3, send(self->peer, "abc", 3, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 3);
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(4, send(self->peer, "defg", 4, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 7);
	ASSERT_TRUE(drain(self->fd, 7));
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(2, send(self->peer, "hi", 2, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 2);
}

/* NOTE_LOWAT belongs to the knote: two queues wait for different amounts on one socket. */
TEST_F(tcp, read_lowat_per_knote)
{
	char buf[100] = "";
	int few, many;

	few = kq_with(self->fd, EVFILT_READ, EV_ADD, NOTE_LOWAT, 10);
	many = kq_with(self->fd, EVFILT_READ, EV_ADD, NOTE_LOWAT, 100);
	ASSERT_EQ(9, send(self->peer, buf, 9, 0));
	ASSERT_QUIET(few);
	ASSERT_EQ(41, send(self->peer, buf, 41, 0));
	ASSERT_READY(few, self->fd, EVFILT_READ, 50);
	ASSERT_QUIET(many);
	ASSERT_EQ(50, send(self->peer, buf, 50, 0));
	ASSERT_READY(many, self->fd, EVFILT_READ, 100);
	ASSERT_READY(few, self->fd, EVFILT_READ, 100);
	ASSERT_EQ(1, get_int(self->fd, SOL_SOCKET, SO_RCVLOWAT));
	ASSERT_EQ(1, recv(self->fd, buf, 1, 0));
	ASSERT_NONE(many);
	ASSERT_READY(few, self->fd, EVFILT_READ, 99);
	close(few);
	close(many);
}

/* A modification replaces the low-water mark and is judged at once. */
TEST_F(tcp, read_lowat_modify)
{
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD,
			       NOTE_LOWAT, 100, NULL));
	ASSERT_EQ(5, send(self->peer, "hello", 5, 0));
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD,
			       NOTE_LOWAT, 5, NULL));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 5);
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD,
			       NOTE_LOWAT, 6, NULL));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 5);
}

/* The end of the stream is reported below the low-water mark too. */
TEST_F(tcp, read_lowat_eof)
{
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD,
			       NOTE_LOWAT, 100, NULL));
	ASSERT_EQ(5, send(self->peer, "hello", 5, 0));
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(0, shutdown(self->peer, SHUT_WR));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 5, EV_EOF, 0);
}

/* Without NOTE_LOWAT the socket's own SO_RCVLOWAT decides, as for poll(2). */
TEST_F(tcp, read_rcvlowat)
{
	ASSERT_TRUE(set_int(self->fd, SOL_SOCKET, SO_RCVLOWAT, 8));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(5, send(self->peer, "hello", 5, 0));
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(5, send(self->peer, "hello", 5, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 10);
}

/* READ of a listening socket counts the connections that wait to be accepted. */
TEST_F(tcp, backlog_counts)
{
	int edge = kq_with(self->ls, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0);
	int client[3];
	int i;

	ASSERT_EQ(0, kq_set(self->kq, self->ls, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	for (i = 0; i < 3; i++) {
		client[i] = tcp_socket(variant->family);
		ASSERT_EQ(0, connect_to(client[i], &self->ss));
		ASSERT_DATA(self->kq, i + 1);
		ASSERT_READY(edge, self->ls, EVFILT_READ, i + 1);
	}
	for (i = 2; i > 0; i--) {
		close(accept(self->ls, NULL, NULL));
		ASSERT_READY(self->kq, self->ls, EVFILT_READ, i);
	}
	close(accept(self->ls, NULL, NULL));
	ASSERT_NONE(self->kq);
	ASSERT_QUIET(edge);
	for (i = 0; i < 3; i++)
		close(client[i]);
	close(edge);
}

/* A listening socket is never writable, with or without connections. */
TEST_F(tcp, listener_not_writable)
{
	int client = tcp_socket(variant->family);

	ASSERT_EQ(0, kq_set(self->kq, self->ls, EVFILT_WRITE, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, connect_to(client, &self->ss));
	ASSERT_TRUE(wait_poll(self->ls, POLLIN));
	ASSERT_QUIET(self->kq);
	close(client);
}

/* EV_EOF comes as soon as the peer closes, with the bytes that still wait. */
TEST_F(tcp, eof_with_data)
{
	char buf[100] = "";

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(100, send(self->peer, buf, 100, 0));
	close(self->peer);
	self->peer = -1;
	ASSERT_TRUE(wait_poll(self->fd, POLLRDHUP));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 100, EV_EOF, 0);
	ASSERT_EQ(60, recv(self->fd, buf, 60, 0));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 40, EV_EOF, 0);
	ASSERT_EQ(40, recv(self->fd, buf, 60, 0));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, 0);
	ASSERT_EQ(0, recv(self->fd, buf, 60, 0));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, 0);
}

/* With EV_CLEAR the end of the stream is one event. */
TEST_F(tcp, eof_edge)
{
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, shutdown(self->peer, SHUT_WR));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, 0);
	kq_count(self->kq);	/* the kernel may tell a FIN in two steps */
	ASSERT_QUIET(self->kq);
}

/* A reset is EV_EOF with ECONNRESET in fflags, for READ and WRITE; SO_ERROR stays. */
TEST_F(tcp, reset_is_eof_with_error)
{
	int kqw = kq_with(self->fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0);
	int i;

	ASSERT_READY(kqw, self->fd, EVFILT_WRITE, ANY);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	close_reset(self->peer);
	self->peer = -1;
	for (i = 0; i < 3; i++)
		ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF,
			     ECONNRESET);
	ASSERT_EVENT(kqw, self->fd, EVFILT_WRITE, ANY, EV_EOF, ECONNRESET);
	ASSERT_EQ(ECONNRESET, so_error(self->fd));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, 0);
	close(kqw);
}

/* A knote added after the reset tells the same. */
TEST_F(tcp, reset_before_add)
{
	close_reset(self->peer);
	self->peer = -1;
	ASSERT_TRUE(wait_poll(self->fd, POLLRDHUP));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, ECONNRESET);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_ADD));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_WRITE, ANY, EV_EOF, ECONNRESET);
	ASSERT_EQ(ECONNRESET, so_error(self->fd));
}

/* A refused connect is WRITE with EV_EOF and ECONNREFUSED, for knotes from before and after. */
TEST_F(tcp, connect_refused)
{
	int closed = tcp_socket(variant->family);
	int fd = tcp_socket(variant->family);
	int kqr = kq_with(fd, EVFILT_READ, EV_ADD, 0, 0);
	int kqw = kq_with(fd, EVFILT_WRITE, EV_ADD, 0, 0);
	struct sockaddr_storage ss;

	/* Bound, so that nobody else listens there, but not listening. */
	ASSERT_TRUE(bind_loopback(closed, variant->family, &ss));
	ASSERT_NONE(kqw);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(-1, connect_to(fd, &ss));
	ASSERT_EQ(EINPROGRESS, errno);
	ASSERT_EVENT(kqw, fd, EVFILT_WRITE, ANY, EV_EOF, ECONNREFUSED);
	ASSERT_EVENT(kqr, fd, EVFILT_READ, 0, EV_EOF, ECONNREFUSED);
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_WRITE, EV_ADD));
	ASSERT_EVENT(self->kq, fd, EVFILT_WRITE, ANY, EV_EOF, ECONNREFUSED);
	ASSERT_EQ(ECONNREFUSED, so_error(fd));
	close(kqr);
	close(kqw);
	close(fd);
	close(closed);
}

/* A socket is neither readable nor writable until it is connected, which makes it writable. */
TEST_F(tcp, unconnected_not_ready)
{
	int fd = tcp_socket(variant->family);

	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_WRITE, EV_ADD));
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(0, fcntl(fd, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(-1, connect_to(fd, &self->ss));
	ASSERT_EQ(EINPROGRESS, errno);
	ASSERT_READY(self->kq, fd, EVFILT_WRITE, ANY);
	ASSERT_EQ(0, so_error(fd));
	close(fd);
}

/* The peer's half close ends READ only: we still write, and it still reads. */
TEST_F(tcp, peer_half_close)
{
	int kqp = kq_with(self->peer, EVFILT_READ, EV_ADD, 0, 0);
	int kqw = kq_with(self->fd, EVFILT_WRITE, EV_ADD, 0, 0);

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, shutdown(self->peer, SHUT_WR));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, 0);
	ASSERT_READY(kqw, self->fd, EVFILT_WRITE, ANY);
	ASSERT_EQ(5, send(self->fd, "hello", 5, 0));
	ASSERT_READY(kqp, self->peer, EVFILT_READ, 5);
	ASSERT_READY(kqw, self->fd, EVFILT_WRITE, ANY);
	close(kqp);
	close(kqw);
}

/* Our own half closes: SHUT_RD is the end of READ, SHUT_WR that of WRITE. */
TEST_F(tcp, own_half_close)
{
	int kqw = kq_with(self->fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0);

	ASSERT_READY(kqw, self->fd, EVFILT_WRITE, ANY);
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

/* WRITE tells the room: none when the buffer is full, all of it when everything is acknowledged. */
TEST_F(tcp, write_room)
{
	struct kevent ev;
	long sum;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE,
		     get_int(self->fd, SOL_SOCKET, SO_SNDBUF));
	sum = fill(self->fd);
	ASSERT_LT(SMALL_BUF, sum);
	ASSERT_QUIET(self->kq);
	ASSERT_TRUE(drain(self->peer, sum));
	ASSERT_EQ(1, kq_wait(self->kq, &ev, 1, LIMIT_MS));
	ASSERT_EQ(EVFILT_WRITE, ev.filter);
	ASSERT_LT(0, ev.data);
	ASSERT_DATA(self->kq, get_int(self->fd, SOL_SOCKET, SO_SNDBUF));
}

/* With EV_CLEAR WRITE fires once when the full buffer gets room again. */
TEST_F(tcp, write_edge)
{
	long sum;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_ADD | EV_CLEAR));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, ANY);
	ASSERT_QUIET(self->kq);
	sum = fill(self->fd);
	ASSERT_LT(SMALL_BUF, sum);
	kq_count(self->kq);	/* room that came back while it was filled */
	ASSERT_QUIET(self->kq);
	ASSERT_TRUE(drain(self->peer, sum));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, ANY);
}

/* NOTE_LOWAT of WRITE is per knote: one queue waits for any room, another for an empty buffer. */
TEST_F(tcp, write_lowat_per_knote)
{
	int all = get_int(self->fd, SOL_SOCKET, SO_SNDBUF);
	int some = kq_with(self->fd, EVFILT_WRITE, EV_ADD, NOTE_LOWAT, 1000);
	long sum;

	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_WRITE, EV_ADD,
			       NOTE_LOWAT, all, NULL));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, all);
	sum = fill(self->fd);
	ASSERT_LT(SMALL_BUF, sum);
	ASSERT_QUIET(self->kq);
	/* Leave something unread in the peer: there is room, but not all. */
	ASSERT_TRUE(drain(self->peer, sum - 1));
	ASSERT_READY(some, self->fd, EVFILT_WRITE, ANY);
	ASSERT_TRUE(drain(self->peer, 1));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, all);
	ASSERT_EQ(0, unsent(self->fd));
	close(some);
}

/* With EV_CLEAR too a WRITE knote that waits for all the room fires each time it is back. */
TEST_F(tcp, write_lowat_edge)
{
	int all = get_int(self->fd, SOL_SOCKET, SO_SNDBUF);
	char buf[500] = "";
	int i;

	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_WRITE,
			       EV_ADD | EV_CLEAR, NOTE_LOWAT, all, NULL));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, all);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(500, send(self->fd, buf, 500, 0));
		ASSERT_TRUE(drain(self->peer, 500));
		ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, all);
		ASSERT_EQ(0, unsent(self->fd));
	}
}

/* A READ knote's mark below SO_RCVLOWAT fires for what came before it was made. */
TEST_F(tcp, lowat_below_rcvlowat)
{
	int many = 1000;
	char buf[100] = "";

	ASSERT_EQ(0, setsockopt(self->fd, SOL_SOCKET, SO_RCVLOWAT, &many,
				sizeof(many)));
	ASSERT_EQ(100, send(self->peer, buf, 100, 0));
	ASSERT_TRUE(WAIT_FOR(unsent(self->peer) == 0));
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD,
			       NOTE_LOWAT, 50, NULL));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 100);
}

/* A listening socket has no low-water mark: even one of 0 waits for a connection. */
TEST_F(tcp, listener_has_no_lowat)
{
	ASSERT_EQ(0, kq_change(self->kq, self->ls, EVFILT_READ, EV_ADD,
			       NOTE_LOWAT, 0, NULL));
	ASSERT_NONE(self->kq);
}

/* EMPTY fires when the peer has acknowledged everything, at once if nothing was sent. */
TEST_F(tcp, empty)
{
	struct waiter w;
	long sum;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_EMPTY, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_EMPTY, 0);
	sum = fill(self->fd);
	ASSERT_LT(SMALL_BUF, sum);
	ASSERT_LT(0, unsent(self->fd));
	ASSERT_TRUE(waiter_start(&w, self->kq, 4, -1));
	ASSERT_FALSE(waiter_done(&w));
	ASSERT_TRUE(drain(self->peer, sum));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	ASSERT_EQ(EVFILT_EMPTY, w.ev[0].filter);
	ASSERT_EQ(0, w.ev[0].data);
	ASSERT_EQ(0, unsent(self->fd));
}

/* EMPTY misses none of many drained buffers, also those that were never full. */
TEST_F(tcp, empty_again_and_again)
{
	char buf[500] = "";
	int i;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_EMPTY, EV_ADD | EV_CLEAR));
	ASSERT_READY(self->kq, self->fd, EVFILT_EMPTY, 0);
	for (i = 0; i < 30; i++) {
		ASSERT_EQ(500, send(self->fd, buf, 500, 0));
		ASSERT_TRUE(drain(self->peer, 500));
		ASSERT_READY(self->kq, self->fd, EVFILT_EMPTY, 0);
		ASSERT_EQ(0, unsent(self->fd));
	}
}

/* EMPTY of a listening socket, which never has anything to send, is ready. */
TEST_F(tcp, empty_listener)
{
	ASSERT_EQ(0, kq_set(self->kq, self->ls, EVFILT_EMPTY, EV_ADD));
	ASSERT_READY(self->kq, self->ls, EVFILT_EMPTY, 0);
}

/* EXCEPT with NOTE_OOB fires for urgent data until it is read; READ counts up to the mark. */
TEST_F(tcp, oob)
{
	char c = 0;

	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_EXCEPT, EV_ADD,
			       NOTE_OOB, 0, NULL));
	ASSERT_EQ(3, send(self->peer, "abc", 3, 0));
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(1, send(self->peer, "x", 1, MSG_OOB));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_EXCEPT, ANY, 0, NOTE_OOB);
	ASSERT_EVENT(self->kq, self->fd, EVFILT_EXCEPT, ANY, 0, NOTE_OOB);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_EXCEPT, EV_DISABLE));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 3);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(1, recv(self->fd, &c, 1, MSG_OOB));
	ASSERT_EQ('x', c);
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_EXCEPT, EV_ENABLE,
			       NOTE_OOB, 0, NULL));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(1, send(self->peer, "y", 1, MSG_OOB));
	ASSERT_EVENT(self->kq, self->fd, EVFILT_EXCEPT, ANY, 0, NOTE_OOB);
}

/* READ and WRITE of one socket are two knotes: each comes, goes and is deleted alone. */
TEST_F(tcp, read_and_write)
{
	struct kevent ev[4];

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_ADD));
	ASSERT_READY(self->kq, self->fd, EVFILT_WRITE, ANY);
	ASSERT_EQ(2, send(self->peer, "hi", 2, 0));
	ASSERT_TRUE(wait_poll(self->fd, POLLIN));
	ASSERT_EQ(2, kq_wait(self->kq, ev, 4, LIMIT_MS));
	ASSERT_NE(ev[0].filter, ev[1].filter);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_DELETE));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, 2);
	ASSERT_EQ(ENOENT, kq_set(self->kq, self->fd, EVFILT_WRITE, EV_DELETE));
}

TEST_HARNESS_MAIN
