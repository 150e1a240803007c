// SPDX-License-Identifier: BSD-2-Clause
/*
 * The addresses of sockets, by their inodes, from /proc/PID/net: that is the network
 * namespace of the process, whichever it is. sock_diag(7) tells of our own only, unless
 * one may enter others. Each is read once in a report, when a socket is met.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kevstat.h"

#define UNIX_LISTENS	0x10000	/* a flag in /proc/net/unix */

/**
 * struct end - one side of a connection
 * @addr: in the order of the network
 * @port: in our own
 */
struct end {
	uint32_t addr[4];
	unsigned int port;
};

/**
 * struct sock - a socket
 * @inode: its number
 * @kind: its protocol, a word
 * @state: of TCP
 * @listens: for others, of unix
 * @name: of unix; or NULL
 * @local: of others
 * @remote: likewise
 */
struct sock {
	unsigned long inode;
	const char *kind;
	unsigned int state;
	bool listens;
	char *name;
	struct end local;
	struct end remote;
};

/**
 * struct sockets - of one network namespace
 * @next: the next one
 * @ns: which, as the link in /proc has it
 * @sock: they are in here, by inode
 * @n: how many
 * @room: for how many there is room
 */
struct sockets {
	struct sockets *next;
	char ns[64];
	struct sock *sock;
	size_t n;
	size_t room;
};

/* --- Reading --------------------------------------------------------------------- */

/* What nobody has open any more has the number 0, and is left out before. */
static void add(struct sockets *s, const struct sock *sock)
{
	if (s->n == s->room)
		s->sock = get_more(s->sock, &s->room, sizeof(*s->sock));
	s->sock[s->n++] = *sock;
}

/* An address is written as numbers of 32 bits, in the machine's order. */
static bool parse_addr(struct end *end, const char *digits)
{
	size_t len = strlen(digits), i;
	char word[9] = "";

	if (len != 8 && len != 32)
		return false;
	for (i = 0; i < len / 8; i++) {
		memcpy(word, digits + 8 * i, 8);
		end->addr[i] = strtoul(word, NULL, 16);
	}
	return true;
}

static void inet_line(struct sockets *s, const char *kind, const char *line)
{
	struct sock sock = { .kind = kind };
	char local[33], remote[33];

	if (sscanf(line, " %*d: %32[0-9A-F]:%x %32[0-9A-F]:%x %x %*s %*s %*s %*s %*s %lu",
		   local, &sock.local.port, remote, &sock.remote.port, &sock.state,
		   &sock.inode) == 6 && sock.inode &&
	    parse_addr(&sock.local, local) && parse_addr(&sock.remote, remote))
		add(s, &sock);
}

static const char *unix_kind(unsigned int type)
{
	return type == SOCK_STREAM ? "unix" : type == SOCK_DGRAM ? "unix-dgram" :
	       "unix-seqpacket";
}

static void unix_line(struct sockets *s, const char *line)
{
	struct sock sock = { 0 };
	unsigned int flags, type;
	int name = 0;

	/* The first is an address, or instead of that whatever the kernel likes. */
	if (sscanf(line, "%*s %*x %*x %x %x %*x %lu %n", &flags, &type, &sock.inode,
		   &name) != 3 || !sock.inode)
		return;
	sock.kind = unix_kind(type);
	sock.listens = flags & UNIX_LISTENS;
	sock.name = name && line[name] ? strdup(line + name) : NULL;
	add(s, &sock);
}

static void read_table(struct sockets *s, pid_t pid, const char *kind)
{
	char path[64], *line = NULL;
	size_t room = 0;
	ssize_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, kind);
	f = fopen(path, "re");
	if (!f)
		return;
	while ((len = getline(&line, &room, f)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (strcmp(kind, "unix"))
			inet_line(s, kind, line);
		else
			unix_line(s, line);
	}
	free(line);
	fclose(f);
}

static int by_inode(const void *a, const void *b)
{
	const struct sock *s = a, *t = b;

	return s->inode < t->inode ? -1 : s->inode > t->inode;
}

static void read_all(struct sockets *s, pid_t pid)
{
	static const char *const kinds[] = {
		"tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6",
		"icmp", "icmp6", "unix"
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		read_table(s, pid, kinds[i]);
	if (s->n)
		qsort(s->sock, s->n, sizeof(*s->sock), by_inode);
}

/* Those of the namespace in which the process is; some kernels have but one. */
static const struct sockets *sockets_of(struct report *r, pid_t pid)
{
	char path[64], ns[64] = "";
	struct sockets *s;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (readlink(path, ns, sizeof(ns) - 1) <= 0 && !access("/proc/self/ns/net", F_OK))
		return NULL;
	for (s = r->sockets; s; s = s->next)
		if (!strcmp(s->ns, ns))
			return s;
	s = get_memory(NULL, sizeof(*s));
	*s = (struct sockets){ .next = r->sockets };
	strcpy(s->ns, ns);
	r->sockets = s;
	read_all(s, pid);
	return s;
}

void sockets_free(struct report *r)
{
	struct sockets *s;

	while ((s = r->sockets)) {
		r->sockets = s->next;
		while (s->n)
			free(s->sock[--s->n].name);
		free(s->sock);
		free(s);
	}
}

/* --- Telling --------------------------------------------------------------------- */

static bool is_v6(const struct sock *s)
{
	return s->kind[strlen(s->kind) - 1] == '6';
}

static void put_end(char *to, size_t size, const struct end *end, bool v6)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(v6 ? AF_INET6 : AF_INET, end->addr, addr, sizeof(addr));
	snprintf(to, size, v6 ? "[%s]:%u" : "%s:%u", addr, end->port);
}

static const char *tcp_state(unsigned int state)
{
	static const char *const names[] = {
		[TCP_ESTABLISHED] = "established", [TCP_SYN_SENT] = "syn-sent",
		[TCP_SYN_RECV] = "syn-received", [TCP_FIN_WAIT1] = "fin-wait-1",
		[TCP_FIN_WAIT2] = "fin-wait-2", [TCP_TIME_WAIT] = "time-wait",
		[TCP_CLOSE] = "closed", [TCP_CLOSE_WAIT] = "close-wait",
		[TCP_LAST_ACK] = "last-ack", [TCP_LISTEN] = "listening",
		[TCP_CLOSING] = "closing",
	};

	return state < sizeof(names) / sizeof(*names) ? names[state] : NULL;
}

static void tell_inet(const struct sock *s, struct target *t)
{
	bool v6 = is_v6(s);

	*t->name = '\0';
	put_end(t->local, sizeof(t->local), &s->local, v6);
	if (s->remote.port)
		put_end(t->remote, sizeof(t->remote), &s->remote, v6);
	if (!strncmp(s->kind, "tcp", 3))
		t->state = tcp_state(s->state);
}

/* Without a name it keeps that of the link. */
static void tell_unix(const struct sock *s, struct target *t)
{
	if (s->name)
		snprintf(t->name, sizeof(t->name), "%s", s->name);
	t->state = s->listens ? "listening" : NULL;
}

/*
 * Fill in what is known of a process's socket. A name of a unix socket may have a
 * newline, and make up a line, which cannot be told from the true one. So of two for
 * one number neither is believed.
 */
void socket_find(struct report *r, pid_t pid, unsigned long inode, struct target *t)
{
	const struct sockets *all = sockets_of(r, pid);
	struct sock key = { .inode = inode }, *s = NULL;

	if (all && all->n)
		s = bsearch(&key, all->sock, all->n, sizeof(key), by_inode);
	if (!s || (s > all->sock && s[-1].inode == inode) ||
	    (s + 1 < all->sock + all->n && s[1].inode == inode))
		return;
	t->kind = s->kind;
	if (strncmp(s->kind, "unix", 4))
		tell_inet(s, t);
	else
		tell_unix(s, t);
}
