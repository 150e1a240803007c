// SPDX-License-Identifier: BSD-2-Clause
/*
 * As hangup.c, for sockets that are neither TCP nor UDP nor unix. Most kernels
 * have their protocols as modules.
 */
#include <linux/vm_sockets.h>

#include "hangup.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif

/* Which kind of socket the cases open. */
static struct {
	int family;
	int type;
	int protocol;
} kind;

static bool have_kind(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	kind.family = family;
	kind.type = type;
	kind.protocol = protocol;
	lo_up();
	close(fd);
	return fd >= 0;
}

static int fresh(struct others *o)
{
	return o ? socket(kind.family, kind.type | SOCK_NONBLOCK | SOCK_CLOEXEC,
			  kind.protocol) : -1;
}

static bool bind_local(int fd, struct others *o)
{
	struct sockaddr_vm *vm = (struct sockaddr_vm *)&o->ss;
	socklen_t len = sizeof(*vm);

	if (kind.family == AF_INET)
		return bind_loopback(fd, AF_INET, &o->ss);
	memset(&o->ss, 0, sizeof(o->ss));
	vm->svm_family = AF_VSOCK;
	vm->svm_cid = VMADDR_CID_LOCAL;
	vm->svm_port = VMADDR_PORT_ANY;
	return !bind(fd, (struct sockaddr *)vm, len) &&
	       !getsockname(fd, (struct sockaddr *)vm, &len);
}

static int bound(struct others *o)
{
	int fd = fresh(o);

	return bind_local(fd, o) ? fd : -1;
}

static int listening(struct others *o)
{
	int fd = bound(o);

	return listen(fd, 4) ? -1 : fd;
}

static int connected(struct others *o)
{
	int listener = listening(o), fd = fresh(o);

	return connect_pair(o, listener, fd);
}

/* The other end. */
static int accepted(struct others *o)
{
	int fd = connected(o), peer = o->fd[0];

	o->fd[0] = fd;
	return peer;
}

static int pair(struct others *o)
{
	int fd[2];

	if (socketpair(kind.family, kind.type | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       kind.protocol, fd))
		return -1;
	o->fd[0] = fd[1];
	return fd[0];
}

/* Where nobody listens. */
static bool refused(int fd, struct others *o)
{
	int nobody = bound(o);

	return connect_in_vain(o, nobody, fd);
}

static bool refused_and_told(int fd, struct others *o)
{
	return refused(fd, o) && so_error(fd);
}

static bool peer_shuts_wr(int fd, struct others *o)
{
	return fd >= 0 && !shutdown(o->fd[0], SHUT_WR);
}

static bool shut_and_closed(int fd, struct others *o)
{
	return shut_wr(fd, o) && peer_closes(fd, o) && wait_poll(fd, POLLHUP);
}

/* The peer sends something before. */
static bool peer_sends_and_closes(int fd, struct others *o)
{
	return send(o->fd[0], "x", 1, 0) == 1 && peer_closes(fd, o);
}

/* The peer leaves without having read what was sent. */
static bool peer_ignores(int fd, struct others *o)
{
	return send(fd, "x", 1, 0) == 1 && peer_closes(fd, o);
}

/* The same where that is an error. */
static bool ignored(int fd, struct others *o)
{
	return peer_ignores(fd, o) && wait_poll(fd, POLLERR);
}

static bool reset(int fd, struct others *o)
{
	return peer_resets(fd, o) && wait_poll(fd, POLLERR);
}

static bool reset_and_told(int fd, struct others *o)
{
	return reset(fd, o) && so_error(fd) == ECONNRESET;
}

/* As of TCP. While only the other side has ended, WRITE tells of room. */
static const struct state ended_state[] = {
	STATE(connected, shut_rd, END, EVENT),
	STATE(connected, shut_both, END, END),
	STATE(connected, peer_closes, END, EVENT),
	STATE(accepted, peer_closes, END, EVENT),
	STATE(connected, peer_sends_and_closes, END, EVENT),
	STATE(connected, peer_shuts_wr, END, EVENT),
	STATE(connected, peer_shuts_both, END, EVENT),
};

/* It knows no resets, and what listens cannot be shut down. */
static const struct state vsock_state[] = {
	STATE(fresh, refused, EVENT, EVENT),
	STATE(connected, shut_and_closed, END, END),
	STATE(connected, peer_ignores, END, EVENT),
};

/* Errors are no ends. Once they are told, poll(2) is content, too. */
static const struct state sctp_state[] = {
	STATE(fresh, shut_both, END, END),
	STATE(fresh, refused, EVENT, EVENT),
	STATE(connected, ignored, EVENT, EVENT),
	STATE(connected, reset, EVENT, EVENT),
};

static const struct state mptcp_state[] = {
	STATE(fresh, nothing, SILENT, SILENT),
	STATE(fresh, shut_both, END, END),
	STATE(bound, nothing, SILENT, SILENT),
	STATE_ERR(listening, shut_rd, END, SILENT, ECONNABORTED),
	STATE_ERR(listening, shut_both, END, SILENT, ECONNABORTED),
	STATE_ERR(fresh, refused, END, END, ECONNREFUSED),
	STATE(fresh, refused_and_told, END, END),
	STATE(connected, shut_and_closed, END, END),
	STATE_ERR(connected, ignored, END, END, ECONNRESET),
	STATE_ERR(connected, reset, END, END, ECONNRESET),
	STATE(connected, reset_and_told, END, END),
};

/* It ends both ways at once. */
static const struct state tipc_state[] = {
	STATE(fresh, shut_both, END, END),
	STATE(pair, shut_both, END, END),
	STATE(pair, peer_closes, END, END),
	STATE(pair, peer_sends_and_closes, END, END),
	STATE(pair, peer_ignores, END, END),
	STATE(pair, peer_shuts_both, END, END),
};

/* vsock, stream and seqpacket: both filters tell of what poll(2) calls an error or end. */
TEST(vsock)
{
	if (!have_kind(AF_VSOCK, SOCK_STREAM, 0))
		SKIP(return, "this kernel has no vsock");
	ASSERT_TRUE(check_states(vsock_state, ARRAY_SIZE(vsock_state)));
	ASSERT_TRUE(check_states(ended_state, ARRAY_SIZE(ended_state)));
	ASSERT_TRUE(have_kind(AF_VSOCK, SOCK_SEQPACKET, 0));
	ASSERT_TRUE(check_states(vsock_state, ARRAY_SIZE(vsock_state)));
	ASSERT_TRUE(check_states(ended_state, ARRAY_SIZE(ended_state)));
}

/* SCTP: the same. */
TEST(sctp)
{
	if (!have_kind(AF_INET, SOCK_STREAM, IPPROTO_SCTP))
		SKIP(return, "this kernel has no SCTP");
	ASSERT_TRUE(check_states(sctp_state, ARRAY_SIZE(sctp_state)));
	ASSERT_TRUE(check_states(ended_state, ARRAY_SIZE(ended_state)));
}

/* Multipath TCP: as TCP, a refusal and a reset are ends. */
TEST(mptcp)
{
	if (!have_kind(AF_INET, SOCK_STREAM, IPPROTO_MPTCP))
		SKIP(return, "this kernel has no multipath TCP");
	ASSERT_TRUE(check_states(mptcp_state, ARRAY_SIZE(mptcp_state)));
	ASSERT_TRUE(check_states(ended_state, ARRAY_SIZE(ended_state)));
}

/* TIPC, stream and seqpacket: when the peer goes, both filters tell of the end. */
TEST(tipc)
{
	if (!have_kind(AF_TIPC, SOCK_STREAM, 0))
		SKIP(return, "this kernel has no TIPC");
	ASSERT_TRUE(check_states(tipc_state, ARRAY_SIZE(tipc_state)));
	ASSERT_TRUE(have_kind(AF_TIPC, SOCK_SEQPACKET, 0));
	ASSERT_TRUE(check_states(tipc_state, ARRAY_SIZE(tipc_state)));
}

TEST_HARNESS_MAIN
