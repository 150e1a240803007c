/* SPDX-License-Identifier: GPL-2.0 */
/* What is asked of sockets most often. */
#ifndef _KEVENT_FILTERS_SOCKET_H
#define _KEVENT_FILTERS_SOCKET_H

#include <linux/fs.h>
#include <linux/net.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "../knote.h"

static inline bool file_is_socket(const struct file *file)
{
	return S_ISSOCK(file_inode(file)->i_mode);
}

/*
 * Not kept: a socket may become another behind its file. SMC puts itself in
 * place of a TCP socket that asks for it as its upper layer protocol.
 */
static inline struct sock *knote_sock(const struct knote *kn)
{
	const struct socket *sock = kn->poll.file->private_data;

	return sock->sk;
}

static inline bool sk_is_inet_family(const struct sock *sk)
{
	return sk->sk_family == AF_INET || sk->sk_family == AF_INET6;
}

static inline bool sock_is_tcp(const struct sock *sk)
{
	return sk_is_inet_family(sk) && sk->sk_type == SOCK_STREAM &&
	       sk->sk_protocol == IPPROTO_TCP;
}

/*
 * With TLS in the kernel (an upper layer protocol), what is queued is not what
 * can be read.
 */
static inline bool sock_is_plain_tcp(const struct sock *sk)
{
	return sock_is_tcp(sk) && !READ_ONCE(inet_csk(sk)->icsk_ulp_ops);
}

/*
 * The usual case, in which nobody needs to be asked: a connection of plain TCP
 * with enough bytes. How many, or 0.
 */
static __always_inline int socket_usual_bytes(const struct knote *kn)
{
	struct sock *sk = knote_sock(kn);
	int bytes;

	if (!sock_is_plain_tcp(sk) ||
	    READ_ONCE(sk->sk_state) != TCP_ESTABLISHED ||
	    (READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN) ||
	    (kn->sfflags & NOTE_LOWAT))
		return 0;
	bytes = tcp_inq(sk);
	return bytes > 0 && bytes >= READ_ONCE(sk->sk_rcvlowat) ? bytes : 0;
}

#endif /* _KEVENT_FILTERS_SOCKET_H */
