/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets for the tests: loopback addresses, connected pairs, full buffers.
 */
#ifndef KEVENT_SELFTESTS_NET_H
#define KEVENT_SELFTESTS_NET_H

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "expect.h"

/* Small, so that they fill quickly; the kernel doubles them. */
#define SMALL_BUF	16384

/* A guest starts with its loopback interface down. */
static inline void lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!ioctl(fd, SIOCGIFFLAGS, &ifr) && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		ioctl(fd, SIOCSIFFLAGS, &ifr);
	}
	close(fd);
}

/* Bind @fd to a free port of the loopback interface and say which in @ss. */
static inline bool bind_loopback(int fd, int family,
				 struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
	socklen_t len = sizeof(*ss);

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = family;
	if (family == AF_INET)
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		v6->sin6_addr = in6addr_loopback;
	return !bind(fd, (struct sockaddr *)ss, len) &&
	       !getsockname(fd, (struct sockaddr *)ss, &len);
}

/* Does this machine have loopback addresses of the family? */
static inline bool have_family(int family)
{
	struct sockaddr_storage ss;
	int fd;
	bool ok;

	lo_up();
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ok = fd >= 0 && bind_loopback(fd, family, &ss);
	close(fd);
	return ok;
}

static inline bool set_int(int fd, int level, int option, int val)
{
	return !setsockopt(fd, level, option, &val, sizeof(val));
}

static inline int get_int(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int val = -1;

	getsockopt(fd, level, option, &val, &len);
	return val;
}

static inline int so_error(int fd)
{
	return get_int(fd, SOL_SOCKET, SO_ERROR);
}

/* Wait for @events, as poll(2) sees them. It consumes nothing. */
static inline bool wait_poll(int fd, int events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, LIMIT_MS) == 1 && (pfd.revents & events);
}

/* Bytes sent and not yet taken over (TCP) or read (unix) by the other side. */
static inline int unsent(int fd)
{
	int val = -1;

	ioctl(fd, SIOCOUTQ, &val);
	return val;
}

/*
 * Send until there is no room and none comes back, which an acknowledgment
 * can bring with a delay. Returns the bytes sent.
 */
static inline long fill(int fd)
{
	static const char zeros[4096];
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	long sum = 0, n;

	do {
		while ((n = send(fd, zeros, sizeof(zeros), MSG_DONTWAIT)) > 0)
			sum += n;
	} while (poll(&pfd, 1, 4 * QUIET_MS) == 1);
	return errno == EAGAIN ? sum : -1;
}

static inline int connect_to(int fd, const struct sockaddr_storage *ss)
{
	return connect(fd, (const struct sockaddr *)ss, sizeof(*ss));
}

/* Read @len bytes and forget them; false if they do not come. */
static inline bool drain(int fd, long len)
{
	static char sink[65536];
	long n;

	while (len > 0 && wait_poll(fd, POLLIN)) {
		n = recv(fd, sink, len < (long)sizeof(sink) ? (size_t)len : sizeof(sink), 0);
		if (n <= 0)
			break;
		len -= n;
	}
	return !len;
}

/* Close with a reset instead of the usual end. */
static inline void close_reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

#endif /* KEVENT_SELFTESTS_NET_H */
