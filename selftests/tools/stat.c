// SPDX-License-Identifier: BSD-2-Clause
/* kevstat: what it shows of queues and of what they watch. */
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "peers.h"
#include "stat.h"

/* --- Numbers ------------------------------------------------------------------- */

/* Filters, what is ready, what is disabled, and memory, in one line. */
TEST_F(stat, line)
{
	int fd = eventfd(0, EFD_CLOEXEC), i;

	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_WRITE, EV_ADD));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, kq_set(self->kq, i, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_EQ(0, kq_trigger(self->kq, 2));
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_USER, EV_DISABLE));
	ASSERT_EQ(0, kq_set(self->kq, 3, EVFILT_USER, EV_DISABLE));
	EXPECT_EQ(0, RUN("-p", self->me));
	/* The eventfd can be written. */
	EXPECT_LINE("* %d *%d *%d  * 7  * 2  * 2 *[KB]  stat read:1 write:1 user:5",
		    getpid(), geteuid(), self->kq);
	EXPECT_EQ(0, RUN("--total", "--pid", self->me));
	EXPECT_LINE(" shown: queues 1, registrations 7, ready 2, disabled 2, memory *[KB]");
}

/* The same as JSON, which is right, with the numbers that the kernel has. */
TEST_F(stat, json)
{
	const char *q, *filters;

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_USER, EV_ADD | EV_DISABLE));
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_TIMER, EV_ADD, 0, 1000000, NULL));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_EQ(0, RUN("--json", "-p", self->me));
	ASSERT_TRUE(json_is_line(self->tool.said));
	q = json_queue(self->tool.said, getpid(), self->kq);
	ASSERT_NE(NULL, q);
	EXPECT_EQ(fdinfo_number(self->kq, "queue: %ld"), json_int(json_member(q, "queue")));
	EXPECT_EQ(fdinfo_number(self->kq, "memory: %ld"),
		  json_int(json_member(q, "memory")));
	EXPECT_TRUE(json_is(json_member(q, "closed"), "false"));
	EXPECT_EQ(getpid(), json_int(json_member(q, "owner")));
	EXPECT_EQ(3, json_int(json_member(q, "registrations")));
	EXPECT_EQ(1, json_int(json_member(q, "ready")));
	EXPECT_EQ(1, json_int(json_member(q, "disabled")));
	filters = json_member(q, "filters");
	EXPECT_EQ(2, json_int(json_member(filters, "user")));
	EXPECT_EQ(1, json_int(json_member(filters, "timer")));
	EXPECT_EQ(NULL, json_member(filters, "read"));
	EXPECT_EQ(NULL, json_member(q, "knotes"));
	EXPECT_EQ(1, json_int(json_member(json_member(self->tool.said, "total"), "queues")));
}

/* The module's own numbers, for root. */
TEST_F(stat, module)
{
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, RUN("-t"));
	EXPECT_LINE("module: queues %ld, registrations %ld", kq_counter("queues"),
		    kq_counter("knotes"));
	EXPECT_LINE("a user: registrations %ld, timers %ld, files %ld, exclusive %ld at most",
		    read_number(KQ_PARAM("max_user_knotes")),
		    read_number(KQ_PARAM("max_user_timers")),
		    read_number(KQ_PARAM("max_user_files")),
		    read_number(KQ_PARAM("max_user_exclusive")));
}

/* --- States -------------------------------------------------------------------- */

/* What each registration was given, and how it is. */
TEST_F(stat, states)
{
	const char *q, *kn;

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_ONESHOT));
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_USER, EV_ADD | EV_DISPATCH | EV_CLEAR));
	ASSERT_EQ(0, kq_change(self->kq, 3, EVFILT_USER, EV_ADD, 0x5, 0, NULL));
	ASSERT_EQ(0, kq_trigger(self->kq, 2));
	ASSERT_EQ(0, kq_trigger(self->kq, 3));
	ASSERT_EQ(0, kq_change(self->kq, 3, EVFILT_USER, EV_DISABLE, 0, -7, UD(0xabc)));
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* 1 user * - * oneshot *");
	EXPECT_LINE("* 2 user * queued * clear,dispatch *");
	EXPECT_LINE("* 3 user * queued,disabled -* 0x5");
	/* Delivery disables it. */
	ASSERT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(0, RUN("-vj", "-p", self->me));
	ASSERT_TRUE(json_is_line(self->tool.said));
	q = json_queue(self->tool.said, getpid(), self->kq);
	kn = json_knote(q, 2, "user");
	EXPECT_TRUE(json_is(json_member(kn, "state"), "[\"disabled\"]"));
	EXPECT_TRUE(json_is(json_member(kn, "flags"), "[\"clear\",\"dispatch\"]"));
	kn = json_knote(q, 3, "user");
	EXPECT_TRUE(json_is(json_member(kn, "state"), "[\"queued\",\"disabled\"]"));
	EXPECT_TRUE(json_is(json_member(kn, "fflags"), "[\"0x5\"]"));
	EXPECT_TRUE(json_is(json_member(kn, "data"), "-7"));
	EXPECT_TRUE(json_is(json_member(kn, "udata"), "\"0xabc\""));
	EXPECT_EQ(NULL, json_knote(q, 4, "user"));
}

/* --- Sockets ------------------------------------------------------------------- */

/* The port of a socket; 0 if it has none. */
static unsigned int port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr = { .v6.sin6_port = 0 };
	socklen_t len = sizeof(addr);

	if (getsockname(fd, &addr.any, &len))
		return 0;
	return ntohs(addr.any.sa_family == AF_INET ? addr.v4.sin_port : addr.v6.sin6_port);
}

/* TCP sockets have both addresses, and say what they do. */
TEST_F(stat, tcp)
{
	struct sockaddr_storage ss;
	int listener = tcp_listen(&ss), fd = tcp_connect(&ss);
	const char *q, *t;
	char text[64];

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, kq_set(self->kq, listener, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* %d read *queued * tcp 127.0.0.1:%u listening", listener,
		    port_of(listener));
	EXPECT_LINE("* %d read * clear * tcp 127.0.0.1:%u -> 127.0.0.1:%u established", fd,
		    port_of(fd), port_of(listener));
	ASSERT_EQ(0, RUN("-vj", "-p", self->me));
	ASSERT_TRUE(json_is_line(self->tool.said));
	q = json_queue(self->tool.said, getpid(), self->kq);
	t = json_member(json_knote(q, fd, "read"), "target");
	EXPECT_TRUE(json_is(json_member(t, "kind"), "\"tcp\""));
	EXPECT_TRUE(json_is(json_member(t, "state"), "\"established\""));
	snprintf(text, sizeof(text), "\"127.0.0.1:%u\"", port_of(fd));
	EXPECT_TRUE(json_is(json_member(t, "local"), text));
	snprintf(text, sizeof(text), "\"127.0.0.1:%u\"", port_of(listener));
	EXPECT_TRUE(json_is(json_member(t, "remote"), text));
}

/* So does IPv6, with brackets. */
TEST_F(stat, tcp6)
{
	struct sockaddr_storage ss;
	int listener, fd;

	if (!have_family(AF_INET6))
		SKIP(return, "there is no IPv6");
	listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ASSERT_TRUE(bind_loopback(listener, AF_INET6, &ss));
	ASSERT_EQ(0, listen(listener, 1));
	ASSERT_EQ(0, connect_to(fd, &ss));
	ASSERT_EQ(0, kq_set(self->kq, listener, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_WRITE, EV_ADD));
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* %d read * tcp6 [[]::1]:%u listening", listener, port_of(listener));
	EXPECT_LINE("* %d write * tcp6 [[]::1]:%u -> [[]::1]:%u established", fd,
		    port_of(fd), port_of(listener));
}

/* UDP has another side only when it is connected. */
TEST_F(stat, udp)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss, ss6;

	lo_up();
	ASSERT_TRUE(bind_loopback(fd, AF_INET, &ss));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	if (fd6 >= 0) {
		ASSERT_TRUE(bind_loopback(fd6, AF_INET6, &ss6));
		ASSERT_EQ(0, connect_to(fd6, &ss6));
		ASSERT_EQ(0, kq_set(self->kq, fd6, EVFILT_READ, EV_ADD));
	}
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* %d read * udp 127.0.0.1:%u", fd, port_of(fd));
	if (fd6 >= 0)
		EXPECT_LINE("* %d read * udp6 [[]::1]:%u -> [[]::1]:%u", fd6,
			    port_of(fd6), port_of(fd6));
}

/* A unix socket of this name, "" for none, that listens if it can; -1 if not. */
static int unix_socket(int type, const char *name, size_t len)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path, name, len);
	if (bind(fd, (struct sockaddr *)&sun, offsetof(struct sockaddr_un, sun_path) + len))
		return -1;
	if (type != SOCK_DGRAM && listen(fd, 1))
		return -1;
	return fd;
}

/* Unix sockets have the names that they have, or none. */
TEST_F(stat, unix_names)
{
	int stream, dgram, pair[2];
	struct stat st;

	unlink("/tmp/kevstat.sock");
	stream = unix_socket(SOCK_STREAM, "/tmp/kevstat.sock", 17);
	dgram = unix_socket(SOCK_DGRAM, "\0kevstat", 8);
	unlink("/tmp/kevstat.sock");
	ASSERT_LE(0, stream);
	ASSERT_LE(0, dgram);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	ASSERT_EQ(0, kq_set(self->kq, stream, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, dgram, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, pair[0], EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, fstat(pair[0], &st));
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* %d read * unix /tmp/kevstat.sock listening", stream);
	EXPECT_LINE("* %d read * unix-dgram @kevstat", dgram);
	EXPECT_LINE("* %d read * unix-seqpacket socket:[[]%lu]", pair[0], st.st_ino);
}

/* A name that makes up a line of another socket is not believed. */
TEST_F(stat, unix_liar)
{
	char name[100] = "";
	struct stat st;
	int pair[2], liar, len;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	ASSERT_EQ(0, fstat(pair[0], &st));
	len = snprintf(name + 1, sizeof(name) - 1,
		       "x\n0: 00000003 00000000 00000000 0001 03 %lu /liar", st.st_ino);
	liar = unix_socket(SOCK_DGRAM, name, len + 1);
	ASSERT_LE(0, liar);
	ASSERT_EQ(0, kq_set(self->kq, pair[0], EVFILT_READ, EV_ADD));
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* %d read * socket socket:[[]%lu]", pair[0], st.st_ino);
	EXPECT_EQ(NULL, strstr(self->tool.said, "/liar"));
}

static bool make_elsewhere(struct made *made)
{
	struct sockaddr_storage ss;

	if (unshare(CLONE_NEWNET))
		return false;
	made->fd = tcp_listen(&ss);
	made->kq = kq_with(made->fd, EVFILT_READ, EV_ADD, 0, 0);
	snprintf(made->text, sizeof(made->text), "tcp 127.0.0.1:%u listening", port_of(made->fd));
	return made->kq >= 0;
}

/* A socket in another network than ours is found there. */
TEST_F(stat, network)
{
	struct made made;
	char pid[16];

	if (geteuid())
		SKIP(return, "needs root");
	if (access("/proc/self/ns/net", F_OK))
		SKIP(return, "there is but one network");
	self->child = child_that_makes(make_elsewhere, &made, 0);
	ASSERT_LT(0, self->child);
	snprintf(pid, sizeof(pid), "%d", self->child);
	EXPECT_EQ(0, RUN("-v", "-p", pid));
	EXPECT_LINE("* %d read * %s", made.fd, made.text);
}

TEST_HARNESS_MAIN
