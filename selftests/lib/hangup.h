/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of hang-ups share: cases, each of which opens a descriptor,
 * which is then watched, and brings it into a state.
 */
#ifndef KEVENT_SELFTESTS_HANGUP_H
#define KEVENT_SELFTESTS_HANGUP_H

#include "net.h"

/* What a case needs besides the descriptor that is watched. */
struct others {
	int fd[2];
	struct sockaddr_storage ss;
};

/* What a filter is to say in the state. */
enum says { EVENT, END, SILENT };

struct state {
	const char *name;
	int (*open)(struct others *o);
	bool (*then)(int fd, struct others *o);
	enum says read;
	enum says write;
	unsigned int fflags;	/* of READ */
};

static inline bool nothing(int fd, struct others *o)
{
	return fd >= 0 && o;
}

static inline bool shut_rd(int fd, struct others *o)
{
	/* Of what listens, some are shut down and say that they cannot be. */
	return o && (!shutdown(fd, SHUT_RD) || errno == ENOTCONN);
}

static inline bool shut_wr(int fd, struct others *o)
{
	return o && !shutdown(fd, SHUT_WR);
}

static inline bool shut_both(int fd, struct others *o)
{
	return o && (!shutdown(fd, SHUT_RDWR) || errno == ENOTCONN);
}

static inline bool peer_closes(int fd, struct others *o)
{
	return fd >= 0 && !close(o->fd[0]);
}

static inline bool peer_resets(int fd, struct others *o)
{
	close_reset(o->fd[0]);
	return fd >= 0;
}

static inline bool peer_shuts_both(int fd, struct others *o)
{
	return fd >= 0 && !shutdown(o->fd[0], SHUT_RDWR);
}

/* Connect @fd to @listener, which is not needed any more. Returns @fd, or -1. */
static inline int connect_pair(struct others *o, int listener, int fd)
{
	if (connect_to(fd, &o->ss) && errno != EINPROGRESS)
		return -1;
	if (!wait_poll(listener, POLLIN) || !wait_poll(fd, POLLOUT))
		return -1;
	o->fd[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return o->fd[0] < 0 ? -1 : fd;
}

/* Connect to where @nobody is bound and does not listen. */
static inline bool connect_in_vain(struct others *o, int nobody, int fd)
{
	return connect_to(fd, &o->ss) && errno == EINPROGRESS &&
	       wait_poll(fd, POLLERR) && !close(nobody);
}

#define STATE(o, t, r, w)	{ #o " " #t, o, t, r, w, 0 }
#define STATE_ERR(o, t, r, w, e) { #o " " #t, o, t, r, w, e }

static inline const char *word(enum says says)
{
	static const char * const words[] = { "an event", "an end", "nothing" };

	return words[says];
}

/* What the filter says, which may take a moment if it is to say something. */
static inline enum says ask(int kq, enum says expected, unsigned int *fflags)
{
	struct kevent ev;

	if (kq_wait(kq, &ev, 1, expected == SILENT ? 0 : LIMIT_MS) != 1)
		return SILENT;
	*fflags = ev.fflags;
	return ev.flags & EV_EOF ? END : EVENT;
}

/* Does the filter, watched by @kq, say what it is to? */
static inline bool judge(const struct state *s, int kq, int filter, const char *when)
{
	bool read = filter == EVFILT_READ;
	enum says expected = read ? s->read : s->write;
	unsigned int fflags = 0;
	enum says said = ask(kq, expected, &fflags);

	if (said != expected)
		fprintf(stderr, "# %s: %s, watched %s, says %s, not %s\n", s->name,
			read ? "READ" : "WRITE", when, word(said), word(expected));
	else if (read && fflags != s->fflags)
		fprintf(stderr, "# %s: fflags are %u, not %u\n", s->name, fflags,
			s->fflags);
	else
		return true;
	return false;
}

/* To watch it only now is no different; a pipe without a reader is refused. */
static inline bool judge_late(const struct state *s, int fd, int filter)
{
	int kq = kq_open(), err = kq_set(kq, fd, filter, EV_ADD);
	bool ok = err == EPIPE || (!err && judge(s, kq, filter, "late"));

	close(kq);
	return ok;
}

/* Watched by both filters, nothing collected yet; then brought into the state. */
static inline bool check(const struct state *s)
{
	struct others o = { .fd = { -1, -1 } };
	int fd = s->open(&o), kqr, kqw;
	struct pollfd pfd = { .fd = fd, .events = POLLRDHUP };
	bool ok;

	if (fd < 0) {
		fprintf(stderr, "# %s: %s\n", s->name, strerror(errno));
		return false;
	}
	kqr = kq_with(fd, EVFILT_READ, EV_ADD, 0, 0);
	kqw = kq_with(fd, EVFILT_WRITE, EV_ADD, 0, 0);
	/* What is there already leaves the queues, or they would look anyway. */
	kq_count(kqr);
	kq_count(kqw);
	if (!s->then(fd, &o) || poll(&pfd, 1, LIMIT_MS) != 1 ||
	    !(pfd.revents & (POLLHUP | POLLERR | POLLRDHUP))) {
		fprintf(stderr, "# %s: not brought about: poll(2) says %#x\n",
			s->name, pfd.revents);
		return false;
	}
	ok = judge(s, kqr, EVFILT_READ, "before");
	ok &= judge(s, kqw, EVFILT_WRITE, "before");
	ok &= judge_late(s, fd, EVFILT_READ);
	ok &= judge_late(s, fd, EVFILT_WRITE);
	close(kqr);
	close(kqw);
	close(fd);
	close(o.fd[0]);
	return ok;
}

/* All of them. */
static inline bool check_states(const struct state *s, unsigned int n)
{
	bool ok = true;

	while (n--)
		ok &= check(s++);
	return ok;
}

#endif /* KEVENT_SELFTESTS_HANGUP_H */
