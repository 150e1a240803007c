// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sockets that are neither TCP nor UDP nor unix.
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "net.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif

/* netlink: data of READ is the size of the messages that wait. */
TEST(netlink)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg info;
	} ask = {
		.head.nlmsg_len = sizeof(ask),
		.head.nlmsg_type = RTM_GETLINK,
		.head.nlmsg_flags = NLM_F_REQUEST,
		.info.ifi_index = if_nametoindex("lo"),
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int kq = kq_with(fd, EVFILT_READ, EV_ADD, 0, 0);
	long one, two;
	char c;

	ASSERT_NONE(kq);
	ASSERT_EQ(sizeof(ask), send(fd, &ask, sizeof(ask), 0));
	one = recv(fd, &c, 1, MSG_PEEK | MSG_TRUNC);
	ASSERT_LT((long)sizeof(struct nlmsghdr), one);
	ASSERT_READY(kq, fd, EVFILT_READ, one);
	ASSERT_EQ(sizeof(ask), send(fd, &ask, sizeof(ask), 0));
	ASSERT_READY(kq, fd, EVFILT_READ, 2 * one);
	two = recv(fd, &c, 1, MSG_TRUNC);
	ASSERT_EQ(one, two);
	ASSERT_READY(kq, fd, EVFILT_READ, one);
	ASSERT_EQ(one, recv(fd, &c, 1, MSG_TRUNC));
	ASSERT_NONE(kq);
}

FIXTURE(mptcp)
{
	int kq;
	int ls;
	int fd;
	struct sockaddr_storage ss;
};

FIXTURE_SETUP(mptcp)
{
	lo_up();
	self->ls = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	self->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
	if (self->fd < 0)
		SKIP(_exit(255), "this kernel has no multipath TCP");
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_TRUE(bind_loopback(self->ls, AF_INET, &self->ss));
	ASSERT_EQ(0, listen(self->ls, 4));
}

FIXTURE_TEARDOWN(mptcp)
{
	close(self->kq);
	close(self->ls);
	close(self->fd);
}

/* Multipath TCP: a listening socket fires when a connection waits, and is never writable. */
TEST_F(mptcp, listener)
{
	int kqw = kq_with(self->ls, EVFILT_WRITE, EV_ADD, 0, 0);

	ASSERT_EQ(0, kq_set(self->kq, self->ls, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, connect_to(self->fd, &self->ss));
	ASSERT_READY(self->kq, self->ls, EVFILT_READ, 1);
	ASSERT_QUIET(kqw);
	close(accept(self->ls, NULL, NULL));
	ASSERT_NONE(self->kq);
	close(kqw);
}

/* Multipath TCP: a listening socket that is shut down has EV_EOF and ECONNABORTED. */
TEST_F(mptcp, listener_shutdown)
{
	ASSERT_EQ(0, kq_set(self->kq, self->ls, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(0, shutdown(self->ls, SHUT_RDWR));
	ASSERT_EVENT(self->kq, self->ls, EVFILT_READ, 0, EV_EOF, ECONNABORTED);
}

/* Multipath TCP: READ fires for data, not when it is drained, and with EV_EOF at the end. */
TEST_F(mptcp, stream)
{
	int kqw = kq_with(self->fd, EVFILT_WRITE, EV_ADD, 0, 0);
	int peer;

	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_QUIET(kqw);
	ASSERT_EQ(0, connect_to(self->fd, &self->ss));
	ASSERT_READY(kqw, self->fd, EVFILT_WRITE, ANY);
	peer = accept(self->ls, NULL, NULL);
	ASSERT_LE(0, peer);
	ASSERT_QUIET(self->kq);
	ASSERT_EQ(5, send(peer, "hello", 5, 0));
	ASSERT_READY(self->kq, self->fd, EVFILT_READ, ANY);
	ASSERT_TRUE(drain(self->fd, 5));
	ASSERT_QUIET(self->kq);
	close(peer);
	ASSERT_EVENT(self->kq, self->fd, EVFILT_READ, 0, EV_EOF, 0);
	close(kqw);
}

TEST_HARNESS_MAIN
