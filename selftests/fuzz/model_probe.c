// SPDX-License-Identifier: BSD-2-Clause
/* The model: what sources hold, as others than the module tell it. */
#include "model.h"

#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/sockios.h>

#define ROOM_OF_NOTHING	512	/* less memory than any packet takes */
#define EVENTFD_MAX	(UINT64_MAX - 1)

static long long bytes_of(const struct file *f, int fd)
{
	struct stat st;
	int bytes;

	switch (f->kind) {
	case SOURCE_EVENTFD:
		return f->counter;
	case SOURCE_FILE:
		return fstat(fd, &st) ? 0 : st.st_size - lseek(fd, 0, SEEK_CUR);
	default:
		return ioctl(fd, FIONREAD, &bytes) ? 0 : bytes;
	}
}

static long outq_of(int fd)
{
	int bytes;

	return ioctl(fd, SIOCOUTQ, &bytes) ? 0 : bytes;
}

/* Queues are left out: to poll them might make them do what they forgot. */
void model_probe(struct model *m)
{
	struct pollfd pfd[NUMBERS];
	int i;

	for (i = 0; i < NUMBERS; i++) {
		pfd[i].fd = m->number[i] ? FD_BASE + i : -1;
		pfd[i].events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP;
		pfd[i].revents = 0;
	}
	if (poll(pfd, NUMBERS, 0) < 0)
		fail(m->a, "poll does not work");
	for (i = 0; i < NUMBERS; i++) {
		if (!m->number[i])
			continue;
		m->probe[i].poll = pfd[i].revents;
		m->probe[i].bytes = bytes_of(m->number[i], FD_BASE + i);
		m->probe[i].outq = outq_of(FD_BASE + i);
	}
}

static enum ready yes_if(bool ready)
{
	return ready ? READY_YES : READY_NO;
}

static bool is_stream(enum source kind)
{
	return kind == SOURCE_UNIX || kind == SOURCE_TCP;
}

/* FIONREAD tells of the first datagram only, the module of all. */
static enum ready socket_lowat(const struct note *n, const struct file *f,
			       const struct probe *p)
{
	if (is_stream(f->kind))
		return yes_if(p->bytes >= n->data);
	return READY_UNSURE;
}

static enum ready read_ready(const struct note *n, const struct file *f,
			     const struct probe *p)
{
	switch (f->kind) {
	case SOURCE_FILE:
		return yes_if(p->bytes || n->fflags & NOTE_FILE_POLL);
	case SOURCE_NULL:
		return READY_YES;
	case SOURCE_EVENTFD:
		return yes_if(f->counter);
	case SOURCE_PIPE:
		return yes_if(p->poll & (f->end ? POLLERR : POLLIN | POLLHUP));
	case SOURCE_UNIX:
	case SOURCE_PACKET:
	case SOURCE_TCP:
	case SOURCE_UDP:
		if (p->poll & (POLLRDHUP | POLLERR))
			return READY_YES;
		if (n->fflags & NOTE_LOWAT)
			return socket_lowat(n, f, p);
		return yes_if(p->poll & POLLIN);
	default:
		return yes_if(p->poll & (POLLIN | POLLRDHUP | POLLHUP | POLLERR));
	}
}

static enum ready write_ready(const struct note *n, const struct file *f,
			      const struct probe *p)
{
	bool over = p->poll & (POLLHUP | POLLERR), out = p->poll & POLLOUT;

	switch (f->kind) {
	case SOURCE_FILE:
	case SOURCE_NULL:
	case SOURCE_EVENTFD:
		return READY_YES;
	case SOURCE_PIPE:
		return yes_if(f->end ? out || over : over);
	case SOURCE_LISTEN:
		return READY_NO;
	case SOURCE_UNIX:
	case SOURCE_TCP:
		/* It may have been shut down, which poll does not tell. */
		if (over || (out && !(n->fflags & NOTE_LOWAT)))
			return READY_YES;
		return READY_UNSURE;
	case SOURCE_PACKET:
	case SOURCE_UDP:
		if (n->fflags & NOTE_LOWAT)
			return READY_UNSURE;
		return yes_if(out || over);
	default:
		return yes_if(out || over);
	}
}

static enum ready empty_ready(const struct file *f, const struct probe *p)
{
	if (f->kind == SOURCE_LISTEN || !p->outq)
		return READY_YES;
	if (source_is_async(f->kind) || p->outq < ROOM_OF_NOTHING)
		return READY_UNSURE;
	return READY_NO;
}

static enum ready ready_by(const struct note *n, const struct file *f,
			   const struct probe *p)
{
	switch (n->filter) {
	case EVFILT_READ:
		return read_ready(n, f, p);
	case EVFILT_WRITE:
		return write_ready(n, f, p);
	case EVFILT_EXCEPT:
		return yes_if(p->poll & POLLPRI);
	default:
		return empty_ready(f, p);
	}
}

enum ready fd_ready(const struct model *m, const struct note *n)
{
	int i = n->ident - FD_BASE;

	return ready_by(n, m->number[i], &m->probe[i]);
}

/* --- After something was done ---------------------------------------------- */

struct change {
	const struct file *touched;
	const struct file *arrived;
};

/* Signalfds share the signal, inotifies the folder. */
static bool is_touched(const struct change *c, const struct file *f)
{
	const struct file *t = c->touched;

	if (!t)
		return false;
	if (f == t || f == t->peer || f->peer == t)
		return true;
	return f->kind == t->kind &&
	       (t->kind == SOURCE_SIGNALFD || t->kind == SOURCE_INOTIFY);
}

/*
 * Of datagrams FIONREAD tells of the first: behind it there may be a longer one.
 * Of a stream it tells as far as urgent data: behind that there may be more.
 */
static bool bytes_came(const struct file *f, const struct probe *old,
		       const struct probe *new)
{
	if (f->kind == SOURCE_PACKET || f->kind == SOURCE_UDP)
		return false;
	return new->bytes > old->bytes;
}

/* A change that the source tells its watchers of at once. */
static bool has_news(const struct note *n, const struct file *f,
		     const struct probe *old, const struct probe *new)
{
	if (f->kind == SOURCE_FILE)
		return false;
	if (n->filter == EVFILT_READ && old->poll & POLLPRI)
		return false;
	if (n->filter == EVFILT_READ && bytes_came(f, old, new))
		return true;
	return ready_by(n, f, old) != READY_YES && ready_by(n, f, new) == READY_YES;
}

static enum queued news_are(const struct note *n, const struct file *f)
{
	if (note_takes_turns(n))
		return QUEUED_MAYBE;
	if (source_is_async(f->kind) || n->filter != EVFILT_READ)
		return QUEUED_OWED;
	return QUEUED_YES;
}

static void refresh_note(struct note *n, const struct file *f,
			 const struct probe *old, const struct probe *new,
			 const struct change *c)
{
	enum queued queued = QUEUED_NO;

	if (has_news(n, f, old, new))
		queued = news_are(n, f);
	else if (c->arrived == f && n->filter == EVFILT_READ)
		queued = note_takes_turns(n) ? QUEUED_MAYBE : QUEUED_YES;
	else if (is_touched(c, f))
		queued = QUEUED_MAYBE;
	if (queued > n->queued)
		n->queued = queued;
}

void model_refresh(struct model *m, const struct file *touched,
		   const struct file *arrived)
{
	struct change c = { touched, arrived };
	struct probe old[NUMBERS];
	struct note *n;
	int q, i;

	for (i = 0; i < NUMBERS; i++)
		old[i] = m->probe[i];
	model_probe(m);
	for (q = 0; q < QUEUES; q++) {
		for (n = m->queue[q].note; n < m->queue[q].note + NOTES; n++) {
			if (!n->used || !filter_is_fd(n->filter) ||
			    !number_file(m, n->ident))
				continue;
			i = n->ident - FD_BASE;
			refresh_note(n, m->number[i], &old[i], &m->probe[i], &c);
		}
	}
}

/* --- What an event says ---------------------------------------------------- */

/* fflags of a socket that is at its end is the error of the connection. */
static bool kind_has_errors(enum source kind)
{
	return kind == SOURCE_UNIX || kind == SOURCE_PACKET || kind == SOURCE_LISTEN;
}

static void check_read(struct model *m, const struct file *f, const struct probe *p,
		       const struct kevent_record *kev)
{
	long long want = p->bytes;
	bool eof = false;

	switch (f->kind) {
	case SOURCE_PIPE:
		eof = p->poll & (f->end ? POLLERR : POLLHUP);
		/* FIONREAD works on either end. */
		if (f->end && kev->data)
			fail(m->a, "a writing end has %lld to read", kev->data);
		break;
	case SOURCE_UNIX:
		eof = p->poll & POLLRDHUP;
		break;
	case SOURCE_PACKET:
	case SOURCE_LISTEN:
		want = kev->data;
		if (want < 1 && !(p->poll & (POLLRDHUP | POLLERR)))
			fail(m->a, "ready for reading with data %lld", want);
		eof = p->poll & POLLRDHUP;
		break;
	case SOURCE_TIMERFD:
	case SOURCE_SIGNALFD:
	case SOURCE_EPOLL:
		want = 1;
		break;
	default:
		break;
	}
	/* An error alone makes a stream readable, with a byte that is none. */
	if (kev->data != want && !(p->poll & POLLERR))
		fail(m->a, "ident %llu (%s) has %lld to read, not %lld", kev->ident,
		     source_name[f->kind], want, kev->data);
	if (!(kev->flags & EV_EOF) != !eof)
		fail(m->a, "ident %llu (%s): EV_EOF is %s", kev->ident,
		     source_name[f->kind], eof ? "missing" : "wrong");
}

static void check_write(struct model *m, const struct file *f, const struct probe *p,
			const struct kevent_record *kev)
{
	switch (f->kind) {
	case SOURCE_EVENTFD:
		if ((uint64_t)kev->data != EVENTFD_MAX - f->counter)
			fail(m->a, "an eventfd with %llu has room for %llu",
			     (unsigned long long)f->counter, kev->data);
		break;
	case SOURCE_PIPE:
		if (!f->end) {
			if (kev->data || !(kev->flags & EV_EOF))
				fail(m->a, "a reading end has room for %lld", kev->data);
			break;
		}
		if (kev->data < 0 || kev->data % PIPE_BUF ||
		    (!kev->data && !(p->poll & POLLERR)))
			fail(m->a, "a pipe has room for %lld", kev->data);
		if (!(kev->flags & EV_EOF) != !(p->poll & POLLERR))
			fail(m->a, "a pipe's EV_EOF is wrong");
		break;
	case SOURCE_FILE:
	case SOURCE_NULL:
		if (kev->data || kev->flags & EV_EOF)
			fail(m->a, "a file has data %lld, flags %#x", kev->data, kev->flags);
		break;
	default:
		if (kev->data < 0)
			fail(m->a, "room for %lld", kev->data);
	}
}

/* Of a descriptor that is surely ready, and does nothing behind our back. */
void check_data(struct model *m, const struct note *n, const struct kevent_record *kev)
{
	int i = n->ident - FD_BASE;
	struct file *f = m->number[i];
	struct probe *p = &m->probe[i];

	if (kev->fflags && n->filter != EVFILT_EXCEPT && !kind_has_errors(f->kind))
		fail(m->a, "ident %llu filter %d: fflags %#x", kev->ident, kev->filter,
		     kev->fflags);
	if (n->filter == EVFILT_READ)
		check_read(m, f, p, kev);
	else if (n->filter == EVFILT_WRITE)
		check_write(m, f, p, kev);
	else if (n->filter == EVFILT_EMPTY && kev->data >= ROOM_OF_NOTHING)
		fail(m->a, "empty with %lld", kev->data);
}

/* --- What an event of a source says that gets on behind our back ----------- */

/*
 * Of a stream to which bytes can only come during a call. For a moment its end
 * is counted as a byte, too. Where urgent data is next, FIONREAD says 0.
 */
static bool stream_can_have(long long data, const struct probe *before,
			    const struct probe *after)
{
	bool ends = after->poll & POLLRDHUP && !(before->poll & POLLRDHUP);

	if (data == 1 && !after->bytes)
		return after->poll & (POLLIN | POLLERR);
	return data >= before->bytes && data <= after->bytes + ends;
}

static void check_tcp_read(struct model *m, const struct note *n,
			   const struct kevent_record *kev, const struct probe *before,
			   const struct probe *after)
{
	bool wants_none = n->fflags & NOTE_LOWAT && n->data <= 0;

	if (!stream_can_have(kev->data, before, after))
		fail(m->a, "ident %llu (TCP) has %lld to %lld to read, not %lld", kev->ident,
		     before->bytes, after->bytes, kev->data);
	if (!kev->data && !wants_none && !(kev->flags & EV_EOF) &&
	    !((before->poll | after->poll) & POLLERR))
		fail(m->a, "ident %llu (TCP) is readable with nothing", kev->ident);
}

/* The hang-up of a terminal throws away what was there. */
static void check_pty_read(struct model *m, const struct kevent_record *kev,
			   const struct probe *before, const struct probe *after)
{
	if (after->poll & POLLHUP)
		return;
	if (kev->data < 1 || kev->data < before->bytes || kev->data > after->bytes)
		fail(m->a, "ident %llu (pty) has %lld to %lld to read, not %lld", kev->ident,
		     before->bytes, after->bytes, kev->data);
}

static void check_end(struct model *m, const struct kevent_record *kev, short bit,
		      const struct probe *before, const struct probe *after)
{
	bool eof = kev->flags & EV_EOF;

	if (eof && !(after->poll & bit))
		fail(m->a, "ident %llu filter %d: EV_EOF is wrong", kev->ident, kev->filter);
	if (!eof && before->poll & bit)
		fail(m->a, "ident %llu filter %d: EV_EOF is missing", kev->ident,
		     kev->filter);
}

static void check_flow_read(struct model *m, const struct note *n,
			    const struct kevent_record *kev, const struct probe *before,
			    const struct probe *after)
{
	enum source kind = number_file(m, n->ident)->kind;

	check_end(m, kev, kind == SOURCE_PTY ? POLLHUP : POLLRDHUP, before, after);
	if (kind == SOURCE_TCP)
		check_tcp_read(m, n, kev, before, after);
	else if (kind == SOURCE_PTY)
		check_pty_read(m, kev, before, after);
	/* FIONREAD tells of the first of the datagrams that there are. */
	else if (kev->data < before->bytes)
		fail(m->a, "ident %llu (UDP) has %lld to read at least, not %lld",
		     kev->ident, before->bytes, kev->data);
}

/* Of a descriptor that may have changed during the call, but not gone back. */
void check_flow(struct model *m, const struct note *n, const struct kevent_record *kev)
{
	int i = n->ident - FD_BASE;

	if (n->filter == EVFILT_READ)
		check_flow_read(m, n, kev, &m->before[i], &m->probe[i]);
	else if (n->filter == EVFILT_WRITE && kev->data < 0)
		fail(m->a, "ident %llu has room for %lld", kev->ident, kev->data);
	else if (n->filter == EVFILT_EMPTY && kev->data)
		fail(m->a, "ident %llu is empty with %lld", kev->ident, kev->data);
}
