// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets. What they hold is read without their lock, as their poll methods
 * do: it may be old by the time it is used, but a change comes with a wake-up.
 *
 * The poll methods of TCP, UDP, raw, unix, netlink and packet sockets take
 * spinlocks at most. Others may take the socket's lock (vsock), which whoever
 * uses it may hold for long, or ask a server or a second socket behind them.
 */

#include <linux/udp.h>

#include "../compat.h"
#include "kind.h"
#include "poll.h"
#include "socket.h"

static bool sock_is_udp(const struct sock *sk)
{
	return sk_is_inet_family(sk) && sk->sk_type == SOCK_DGRAM &&
	       (sk->sk_protocol == IPPROTO_UDP ||
		sk->sk_protocol == IPPROTO_UDPLITE);
}

static bool sock_is_unix_stream(const struct sock *sk)
{
	return sk->sk_family == AF_UNIX && sk->sk_type == SOCK_STREAM;
}

static bool sock_is_mptcp(const struct sock *sk)
{
	return sk_is_inet_family(sk) && sk->sk_protocol == IPPROTO_MPTCP;
}

/*
 * The sockets whose sk_state means what TCP's does. Of others (as SCTP's), only
 * their poll is believed.
 */
static bool sock_has_tcp_state(const struct sock *sk)
{
	return sock_is_tcp(sk) || sock_is_mptcp(sk) ||
	       (sk->sk_family == AF_UNIX && sk->sk_type != SOCK_DGRAM);
}

static bool sock_in_state(const struct sock *sk, int states)
{
	return sock_has_tcp_state(sk) &&
	       ((1 << READ_ONCE(sk->sk_state)) & states);
}

static bool sock_is_listening(const struct sock *sk)
{
	return sock_in_state(sk, TCPF_LISTEN);
}

/*
 * It listened until it was shut down, after which it is as before listen(2),
 * but for this flag, which only listening TCP sockets get, and keep.
 */
static bool sock_stopped_listening(const struct sock *sk)
{
	return sock_flag(sk, SOCK_RCU_FREE) &&
	       (sock_is_tcp(sk) || sock_is_mptcp(sk)) &&
	       sock_in_state(sk, TCPF_CLOSE);
}

/*
 * Some families say no more than that they have hung up, as they do before they
 * are connected. TIPC does not, nor does it note that it was connected.
 */
static bool sock_hung_up(const struct sock *sk, __poll_t mask)
{
	return (mask & EPOLLHUP) &&
	       (READ_ONCE(sk->sk_socket->state) > SS_UNCONNECTED ||
		sk->sk_family == AF_TIPC);
}

/*
 * The sockets that change their receive queue under its lock, so that it can
 * be walked. Others (MPTCP, SCTP, TIPC, ...) have locks of their own for it.
 */
static bool sock_has_walkable_queue(const struct sock *sk)
{
	switch (sk->sk_family) {
	case AF_UNIX:
	case AF_NETLINK:
	case AF_PACKET:
		return true;
	case AF_INET:
	case AF_INET6:
		return sk->sk_type == SOCK_RAW;
	default:
		return false;
	}
}

/* Can we tell how many bytes there are? */
static bool sock_counts_bytes(const struct sock *sk)
{
	return sock_is_plain_tcp(sk) || sock_is_udp(sk) ||
	       sock_has_walkable_queue(sk);
}

/* Does its poll method never wait? See the head of this file. */
bool file_is_quick_socket(struct file *file)
{
	const struct socket *sock = file->private_data;

	return sock_is_tcp(sock->sk) || sock_is_udp(sock->sk) ||
	       sock_has_walkable_queue(sock->sk);
}

/*
 * A low-water mark may be below what poll calls readable; poll may not tell
 * that a socket was shut down; and whether it is empty has little to do with
 * whether it is writable.
 */
static int socket_attach(struct knote *kn)
{
	int ret = fd_poll_attach(kn);

	if (!ret && (kn->filter == EVFILT_WRITE || kn->filter == EVFILT_EMPTY ||
		     (kn->sfflags & NOTE_LOWAT)))
		ret = 1;
	return ret;
}

static s64 queue_bytes(const struct sk_buff_head *queue)
{
	const struct sk_buff *skb;
	s64 bytes = 0;

	skb_queue_walk(queue, skb)
		bytes += skb->len;
	return bytes;
}

/* UDP's readers move packets to a queue of their own, under both locks. */
static s64 udp_bytes(struct sock *sk)
{
	struct sk_buff_head *readers = &udp_sk(sk)->reader_queue;
	s64 bytes;

	spin_lock_bh(&readers->lock);
	spin_lock(&sk->sk_receive_queue.lock);
	bytes = queue_bytes(readers) + queue_bytes(&sk->sk_receive_queue);
	spin_unlock(&sk->sk_receive_queue.lock);
	spin_unlock_bh(&readers->lock);
	return bytes;
}

/* Netlink is sent to with interrupts off. */
static s64 walked_bytes(struct sock *sk)
{
	unsigned long flags;
	s64 bytes;

	spin_lock_irqsave(&sk->sk_receive_queue.lock, flags);
	bytes = queue_bytes(&sk->sk_receive_queue);
	spin_unlock_irqrestore(&sk->sk_receive_queue.lock, flags);
	return bytes;
}

/*
 * A reader may have taken some of the first packet; only unix knows. Since 6.17
 * it keeps a count, which an urgent byte that nobody wanted stays in for ever.
 */
static s64 unix_stream_bytes(struct sock *sk)
{
	if (skb_queue_empty_lockless(&sk->sk_receive_queue))
		return 0;
	return max(unix_inq_len(sk), 0L);
}

/* The bytes that can be read, of all datagrams together; 0 if we cannot tell. */
static s64 sock_bytes(struct sock *sk)
{
	/* Against a concurrent reader the difference may be negative. */
	if (sock_is_plain_tcp(sk))
		return max(tcp_inq(sk), 0);
	if (sock_is_udp(sk))
		return udp_bytes(sk);
	if (sock_is_unix_stream(sk))
		return unix_stream_bytes(sk);
	return sock_has_walkable_queue(sk) ? walked_bytes(sk) : 0;
}

/* Connections that wait to be accepted; MPTCP does not say how many. */
static s64 sock_backlog(const struct sock *sk, __poll_t mask)
{
	if (sk->sk_family == AF_UNIX)
		return skb_queue_len_lockless(&sk->sk_receive_queue);
	if (sock_is_tcp(sk))
		return READ_ONCE(sk->sk_ack_backlog);
	return !!(mask & EPOLLIN);
}

static void set_eof(const struct sock *sk, struct kevent_record *kev)
{
	kev->flags |= EV_EOF;
	kev->fflags = READ_ONCE(sk->sk_err);
}

/* No more connections will come; a unix socket may have some left. */
static void listener_ended(const struct sock *sk, struct kevent_record *kev)
{
	kev->flags |= EV_EOF;
	kev->fflags = ECONNABORTED;
	kev->data = sock_is_listening(sk) ? sock_backlog(sk, 0) : 0;
}

/*
 * Do so many bytes make it readable, without asking poll? It would say the
 * same of a stream of bytes, at some cost. Of datagrams it also knows whether
 * they are intact.
 */
static bool sock_bytes_suffice(const struct sock *sk, s64 bytes)
{
	if (sock_is_plain_tcp(sk))
		return bytes && bytes >= READ_ONCE(sk->sk_rcvlowat);
	return bytes && sock_is_unix_stream(sk);
}

/*
 * Readable: enough bytes, a connection, the end, or an error, which is for
 * getsockopt(SO_ERROR) to fetch. The end is reported along with what is left.
 */
bool socket_readable(struct knote *kn, struct kevent_record *kev)
{
	struct sock *sk = knote_sock(kn);
	bool eof = READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN;
	bool listening = sock_is_listening(sk);
	bool lowat = (kn->sfflags & NOTE_LOWAT) && !listening &&
		     sock_counts_bytes(sk);
	__poll_t mask;

	if ((listening && eof) || sock_stopped_listening(sk)) {
		listener_ended(sk, kev);
		return true;
	}
	/* Bytes second, or an end with bytes before it might look empty. */
	smp_rmb();
	kev->data = listening ? 0 : sock_bytes(sk);
	if (eof) {
		set_eof(sk, kev);
		return true;
	}
	if (lowat ? kev->data >= kn->sdata : sock_bytes_suffice(sk, kev->data))
		return true;

	mask = fd_poll(kn);
	if ((mask & EPOLLRDHUP) || sock_hung_up(sk, mask)) {
		/* It ended meanwhile, or notes its end elsewhere (vsock). */
		kev->data = sock_bytes(sk);
		set_eof(sk, kev);
		return true;
	}
	if (mask & EPOLLERR)
		return true;
	if (listening) {
		kev->data = sock_backlog(sk, mask);
		return kev->data;
	}
	if (lowat || !(mask & EPOLLIN))
		return false;
	/* One byte, datagram or connection at least. */
	if (!kev->data && (!sock_counts_bytes(sk) || sk->sk_type == SOCK_STREAM))
		kev->data = 1;
	return true;
}

static s64 sock_room(struct sock *sk)
{
	s64 room;

	if (sock_is_tcp(sk))
		room = sk_stream_wspace(sk);
	else
		room = READ_ONCE(sk->sk_sndbuf) - sk_wmem_alloc_get(sk);
	return max_t(s64, room, 0);
}

/*
 * Ask for a wake-up the next time that room is made, and look for room after
 * that. TCP wakes only those who found too little of it, by its own measure;
 * ours is another.
 */
static void sock_want_space(struct sock *sk)
{
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	/* Pairs with the barrier before TCP looks at the bit. */
	smp_mb__after_atomic();
}

static bool socket_writable(struct knote *kn, struct kevent_record *kev)
{
	struct sock *sk = knote_sock(kn);
	__poll_t mask;

	if (kn->sfflags & NOTE_LOWAT)
		sock_want_space(sk);
	kev->data = sock_room(sk);
	if (READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN) {
		set_eof(sk, kev);
		return true;
	}
	mask = fd_poll(kn);
	/* Of multipath TCP, a refusal or a reset is both. */
	if (sock_hung_up(sk, mask)) {
		set_eof(sk, kev);
		return true;
	}
	if (mask & EPOLLERR)
		return true;
	/* Poll calls writable what is not connected, or what listens. */
	if (sock_in_state(sk, TCPF_CLOSE | TCPF_LISTEN))
		return false;
	/* While it connects, only poll knows (of TCP Fast Open). */
	if ((kn->sfflags & NOTE_LOWAT) &&
	    !sock_in_state(sk, TCPF_SYN_SENT | TCPF_SYN_RECV))
		return kev->data >= kn->sdata;
	return mask & EPOLLOUT;
}

static s64 sock_unsent(struct sock *sk)
{
	s64 bytes;

	/* Before and after a connection there is none; a reset drops it. */
	if (sock_in_state(sk, TCPF_CLOSE | TCPF_LISTEN | TCPF_SYN_SENT |
			      TCPF_SYN_RECV))
		return 0;
	if (sock_is_tcp(sk))
		return READ_ONCE(tcp_sk(sk)->write_seq) -
		       READ_ONCE(tcp_sk(sk)->snd_una);

	/*
	 * Memory, not bytes. Freeing a packet keeps one unit of it until after
	 * the wake-up, which is less than any packet.
	 */
	bytes = sk_wmem_alloc_get(sk);
	return bytes < SKB_TRUESIZE(0) ? 0 : bytes;
}

/* Nothing is on its way: all was acknowledged, or read by the local peer. */
bool socket_empty(struct knote *kn, struct kevent_record *kev)
{
	struct sock *sk = knote_sock(kn);

	sock_want_space(sk);
	kev->data = sock_unsent(sk);
	if (READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN && !kev->data)
		set_eof(sk, kev);
	return !kev->data;
}

const struct fd_kind socket_kind = {
	.flags = FD_KIND_POLLED | FD_KIND_TURNS,
	.attach = socket_attach,
	.detach = fd_poll_detach,
	.readable = socket_readable,
	.writable = socket_writable,
};

const struct fd_kind socket_other_kind = {
	.flags = FD_KIND_POLLED | FD_KIND_SLOW | FD_KIND_TURNS,
	.attach = socket_attach,
	.detach = fd_poll_detach,
	.readable = socket_readable,
	.writable = socket_writable,
};
