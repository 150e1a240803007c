/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pre-fork server: workers, each a process with a queue of its own, wait for what
 * comes through one descriptor that all of them have. They report what they do. One that
 * is manual stands still after each event, and does what it is told to, until it is told
 * to go on.
 */
#ifndef KEVENT_SELFTESTS_PREFORK_H
#define KEVENT_SELFTESTS_PREFORK_H

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "peers.h"

#define WORKERS_MAX	8

/* After so long a wake-up is passed on by itself (PASS_AFTER in kmod/filters/turn.c). */
#define PASS_AFTER_MS	50

/* Where things come from. */
enum source { SOURCE_UNIX, SOURCE_TCP, SOURCE_UDP, SOURCE_PIPE, SOURCE_EVENTFD };

/* What workers are told; of all but GO they report how it went. */
enum order {
	GO = 'g',		/* wait again */
	TAKE = 't',		/* accept, or read */
	CLOSE = 'c',		/* the descriptor that is registered */
	FORGET = 'f',		/* EV_DELETE */
	DISABLE = 'd',
	SHARE = 's',		/* have the flag taken back by a change */
	JOIN = 'j',		/* be as in the beginning */
};

/* What they report. */
enum report {
	READY = 'r',		/* it begins */
	EVENT = 'e',		/* manual: there is one */
	DONE = 'y',		/* took something; has obeyed */
	NOTHING = 'n',		/* ... but there was nothing to take; could not */
};

struct worker {
	pid_t pid;
	int to;
	int from;
	long sleeps;		/* how often it had slept when that was noted */
	bool away;		/* stopped or dead */
	bool stands;		/* has had an event, and waits for orders */
};

/**
 * struct crew - the workers and what they share
 * @source: what it is
 * @flags: EV_*, of the registrations
 * @fflags: NOTE_*, likewise
 * @manual: the workers are
 * @polls: they wait with poll(2)
 * @fd: what they watch
 * @out: the other end, if it has one
 * @ss: where to connect
 * @len: how long that is
 */
struct crew {
	enum source source;
	int flags;
	unsigned int fflags;
	bool manual;
	bool polls;
	int fd;
	int out;
	struct sockaddr_storage ss;
	socklen_t len;
	int n;
	struct worker w[WORKERS_MAX];
};

/* --- What is shared -------------------------------------------------------------- */

/* A socket of that kind with a name that nobody else has. */
static inline bool crew_socket(struct crew *c, int family, int type)
{
	c->fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (family == AF_INET) {
		lo_up();
		c->len = sizeof(c->ss);
		return bind_loopback(c->fd, family, &c->ss);
	}
	c->ss.ss_family = family;
	if (bind(c->fd, (struct sockaddr *)&c->ss, sizeof(sa_family_t)))
		return false;
	c->len = sizeof(c->ss);
	return !getsockname(c->fd, (struct sockaddr *)&c->ss, &c->len);
}

static inline bool crew_open(struct crew *c)
{
	int p[2];

	c->out = -1;
	switch (c->source) {
	case SOURCE_UNIX:
		return crew_socket(c, AF_UNIX, SOCK_STREAM) && !listen(c->fd, 128);
	case SOURCE_TCP:
		return crew_socket(c, AF_INET, SOCK_STREAM) && !listen(c->fd, 128);
	case SOURCE_UDP:
		c->out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		return crew_socket(c, AF_INET, SOCK_DGRAM);
	case SOURCE_PIPE:
		if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
			return false;
		c->fd = p[0];
		c->out = p[1];
		return true;
	default:
		c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		return c->fd >= 0;
	}
}

/* One connection, or what is one of the others. It is all there is of it. */
static inline bool crew_offer(struct crew *c)
{
	uint64_t one = 1;
	int fd;

	switch (c->source) {
	case SOURCE_UNIX:
	case SOURCE_TCP:
		fd = socket(c->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&c->ss, c->len)) {
			close(fd);
			return false;
		}
		close(fd);
		return true;
	case SOURCE_UDP:
		return sendto(c->out, &one, sizeof(one), 0, (struct sockaddr *)&c->ss,
			      c->len) == sizeof(one);
	default:
		return write(c->out < 0 ? c->fd : c->out, &one, sizeof(one)) == sizeof(one);
	}
}

/* One thing. It does not wait for it. */
static inline bool take_from(enum source source, int fd)
{
	uint64_t one;

	if (source > SOURCE_TCP)
		return read(fd, &one, sizeof(one)) == sizeof(one);
	fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* --- A worker -------------------------------------------------------------------- */

/* What it works with. */
struct job {
	struct crew *c;
	int kq;
	int fd;			/* a duplicate of what is shared */
	int to;
	int from;
};

static inline bool job_change(struct job *j, int flags, unsigned int fflags)
{
	return !kq_change(j->kq, j->fd, EVFILT_READ, flags, fflags, 0, NULL);
}

static inline bool job_join(struct job *j)
{
	if (j->fd < 0)
		j->fd = fcntl(j->c->fd, F_DUPFD_CLOEXEC, 0);
	return job_change(j, EV_ADD | EV_ENABLE | j->c->flags, j->c->fflags);
}

static inline bool job_close(struct job *j)
{
	int fd = j->fd;

	j->fd = -1;
	return !close(fd);
}

static inline bool job_obey(struct job *j, char order)
{
	switch (order) {
	case TAKE:
		return take_from(j->c->source, j->c->fd);
	case CLOSE:
		return job_close(j);
	case FORGET:
		return job_change(j, EV_DELETE, 0);
	case DISABLE:
		return job_change(j, EV_DISABLE, j->c->fflags);
	case SHARE:
		return job_change(j, EV_ENABLE, 0);
	default:
		return job_join(j);
	}
}

static inline void job_report(struct job *j, char what)
{
	if (write(j->from, &what, 1) != 1)
		_exit(1);
}

/* The next order, reported when it is carried out. False: to go on. */
static inline bool job_next(struct job *j)
{
	char order;

	if (read(j->to, &order, 1) != 1)
		_exit(0);
	if (order == GO)
		return false;
	job_report(j, job_obey(j, order) ? DONE : NOTHING);
	return true;
}

static inline void job_serve(struct job *j)
{
	bool any = false;

	if (j->c->manual) {
		job_report(j, EVENT);
		while (job_next(j))
			;
	} else {
		while (take_from(j->c->source, j->c->fd)) {
			job_report(j, DONE);
			any = true;
		}
		if (!any)
			job_report(j, NOTHING);
	}
	if (j->c->flags & (EV_DISPATCH | EV_ONESHOT))
		job_join(j);
}

static inline void worker_main(struct job *j)
{
	struct pollfd pfd = { .fd = j->kq, .events = POLLIN };
	struct kevent ev;
	int n;

	if (kq_set(j->kq, j->to, EVFILT_READ, EV_ADD) || !job_join(j))
		_exit(1);
	job_report(j, READY);
	for (;;) {
		if (j->c->polls && poll(&pfd, 1, -1) < 0)
			_exit(1);
		n = kq_wait(j->kq, &ev, 1, j->c->polls ? 0 : -1);
		if (n < 0)
			_exit(1);
		if (n && ev.ident == (uintptr_t)j->to)
			job_next(j);
		else if (n)
			job_serve(j);
	}
}

/* --- The crew -------------------------------------------------------------------- */

static inline char worker_hear(struct crew *c, int i)
{
	char what = 0;

	if (!wait_poll(c->w[i].from, POLLIN) || read(c->w[i].from, &what, 1) != 1)
		return 0;
	c->w[i].stands |= what == EVENT;
	return what;
}

/* It obeys, and could. */
static inline bool worker_do(struct crew *c, int i, char order)
{
	return write(c->w[i].to, &order, 1) == 1 && worker_hear(c, i) == DONE;
}

static inline bool worker_goes_on(struct crew *c, int i)
{
	char order = GO;

	c->w[i].stands = false;
	return write(c->w[i].to, &order, 1) == 1;
}

static inline bool crew_hire(struct crew *c)
{
	struct worker *w = &c->w[c->n];
	int to[2], from[2];
	struct job j;

	*w = (struct worker){ 0 };
	if (pipe(to) || pipe(from))
		return false;
	w->pid = fork();
	if (!w->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(to[1]);
		close(from[0]);
		j = (struct job){ .c = c, .kq = kq_open(), .fd = -1, .to = to[0],
				  .from = from[1] };
		worker_main(&j);
	}
	close(to[0]);
	close(from[1]);
	w->to = to[1];
	w->from = from[0];
	return w->pid > 0 && worker_hear(c, c->n++) == READY;
}

static inline bool crew_start(struct crew *c, int n)
{
	while (c->n < n)
		if (!crew_hire(c))
			return false;
	return true;
}

static inline void worker_kill(struct crew *c, int i)
{
	struct worker *w = &c->w[i];

	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	close(w->to);
	close(w->from);
	*w = (struct worker){ .away = true };
}

static inline bool worker_stop(struct crew *c, int i)
{
	c->w[i].away = true;
	return !kill(c->w[i].pid, SIGSTOP) &&
	       waitpid(c->w[i].pid, NULL, WUNTRACED) == c->w[i].pid;
}

static inline bool worker_continue(struct crew *c, int i)
{
	c->w[i].away = false;
	return !kill(c->w[i].pid, SIGCONT);
}

static inline void crew_end(struct crew *c)
{
	int i;

	for (i = 0; i < c->n; i++)
		if (c->w[i].pid > 0)
			worker_kill(c, i);
	close(c->fd);
	if (c->out >= 0)
		close(c->out);
}

/* Who is the first to report, and what; -1 if nobody does within @ms. */
static inline int crew_hear(struct crew *c, char *what, int ms)
{
	struct pollfd pfd[WORKERS_MAX];
	int i;

	for (i = 0; i < c->n; i++)
		pfd[i] = (struct pollfd){ .fd = c->w[i].away ? -1 : c->w[i].from,
					  .events = POLLIN };
	if (poll(pfd, c->n, ms) < 1)
		return -1;
	for (i = 0; i < c->n && !pfd[i].revents; i++)
		;
	*what = worker_hear(c, i);
	return i;
}

/* Who tells of an event first, -1 if nobody does. */
static inline int crew_event(struct crew *c)
{
	char what;
	int i = crew_hear(c, &what, LIMIT_MS);

	return i >= 0 && what == EVENT ? i : -1;
}

/* How often it has slept. */
static inline long worker_sleeps(struct crew *c, int i)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", c->w[i].pid);
	return find_number(path, "voluntary_ctxt_switches: %ld");
}

static inline bool worker_rests(struct crew *c, int i)
{
	return c->w[i].away ||
	       (!c->w[i].stands &&
		is_asleep_in(c->w[i].pid, c->polls ? SYS_poll : SYS_ioctl));
}

/* It rests, and has not been woken since the crew rested. */
static inline bool slept_on(struct crew *c, int i)
{
	return WAIT_FOR(worker_rests(c, i)) && worker_sleeps(c, i) == c->w[i].sleeps;
}

static inline bool all_rest(struct crew *c)
{
	struct pollfd pfd;
	int i;

	for (i = 0; i < c->n; i++) {
		pfd = (struct pollfd){ .fd = c->w[i].from, .events = POLLIN };
		if (!worker_rests(c, i) || (!c->w[i].away && poll(&pfd, 1, 0)))
			return false;
	}
	return true;
}

/*
 * Wait until all rest who are there, and have nothing to report; and note how often they
 * have slept.
 */
static inline bool crew_rests(struct crew *c)
{
	int i;

	if (!WAIT_FOR(all_rest(c)))
		return false;
	for (i = 0; i < c->n; i++)
		if (!c->w[i].away)
			c->w[i].sleeps = worker_sleeps(c, i);
	return true;
}

/* We take one thing ourselves, in the stead of whoever was woken. */
static inline bool crew_take(struct crew *c)
{
	return take_from(c->source, c->fd);
}

/* Take all that is left, and let those go on that stand still. */
static inline bool crew_tidy(struct crew *c)
{
	char what;
	int i;

	while (crew_take(c))
		;
	while (crew_hear(c, &what, 0) >= 0)
		;
	for (i = 0; i < c->n; i++)
		if (c->w[i].stands && !c->w[i].away && !worker_goes_on(c, i))
			return false;
	return true;
}

/* After that there is nothing to take, and all wait for something. */
static inline bool crew_calm(struct crew *c)
{
	return WAIT_FOR(crew_tidy(c) && all_rest(c)) && crew_rests(c);
}

/*
 * Does a round, which takes some milliseconds, come out as it should? A machine that is
 * slow, or that others use as well, may at times take so long that wake-ups are passed
 * on by themselves. Without what is tested, it never does.
 */
#define PROVEN(round) ({						\
	long long end_ = ts_ms() + LIMIT_MS;				\
	bool ok_;							\
									\
	while (!(ok_ = (round)) && ts_ms() < end_)			\
		;							\
	ok_;								\
})

#endif /* KEVENT_SELFTESTS_PREFORK_H */
