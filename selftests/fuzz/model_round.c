// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rounds with one thread, whose every answer the model predicts. The same seed
 * and round make the same calls.
 */
#include "model.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define STEPS		300

static int some_number(struct model *m)
{
	return below(&m->a->rng, NUMBERS);
}

static int some_slot(struct model *m)
{
	return below(&m->a->rng, QUEUES);
}

/* A slot with an open queue, if there is one among a few tries. */
static int open_slot(struct model *m)
{
	int i = some_slot(m), tries = QUEUES;

	while (tries-- && !m->slot[i])
		i = (i + 1) % QUEUES;
	return i;
}

/* --- Descriptors ----------------------------------------------------------- */

static struct file *file_new(struct model *m, enum source kind, int end)
{
	struct file *f = m->file;

	while (f->refs)
		f++;
	*f = (struct file){ .kind = kind, .end = end };
	/* It can be written to as such; the epoll instance has it as its peer. */
	if (kind == SOURCE_EPOLL && end == 1)
		f->kind = SOURCE_EVENTFD;
	return f;
}

static void file_put(struct file *f)
{
	if (--f->refs == 0 && f->peer)
		f->peer->peer = NULL;
}

/* The number is closed, or something else is put on it. */
static const struct file *number_closed(struct model *m, int i)
{
	struct file *f = m->number[i], *peer;

	if (!f)
		return NULL;
	model_drop_number(m, FD_BASE + i);
	m->number[i] = NULL;
	peer = f->peer;
	file_put(f);
	return f->refs ? f : peer;
}

/* What was on the number before is touched by its end. */
static void place(struct model *m, int fd, int i, struct file *f)
{
	const struct file *touched;

	if (dup3(fd, FD_BASE + i, O_CLOEXEC) < 0)
		fail(m->a, "dup3: %s", strerror(errno));
	close(fd);
	/* Then it looks as if nothing had been closed: see BUGS in kevent(4). */
	if (m->number[i] == f)
		return;
	touched = number_closed(m, i);
	m->number[i] = f;
	f->refs++;
	model_refresh(m, touched, NULL);
}

/* Two numbers, for the two ends. */
static void open_source(struct model *m)
{
	enum source kind = below(&m->a->rng, SOURCES);
	int i = some_number(m), k = some_number(m), fd[2], n;
	struct file *f[2];

	if (!source_here[kind])
		return;
	op_begin(m->a, OP_OPEN_SOURCE, kind, FD_BASE + i, FD_BASE + k, 0);
	n = i == k ? 0 : source_open(kind, fd);
	op_result(m->a, n, n > 0);
	if (!n)
		return;
	f[0] = file_new(m, kind, 0);
	f[0]->refs++;		/* until both are placed */
	if (n == 2) {
		f[1] = file_new(m, kind, 1);
		f[1]->refs++;
		f[0]->peer = f[1];
		f[1]->peer = f[0];
	}
	place(m, fd[0], i, f[0]);
	if (n == 2)
		place(m, fd[1], k, f[1]);
	file_put(f[0]);
	if (n == 2)
		file_put(f[1]);
	/* A file comes and goes in the folder that inotify watches. */
	if (kind == SOURCE_FILE)
		model_refresh(m, &(struct file){ .kind = SOURCE_INOTIFY }, NULL);
}

static void dup_number(struct model *m)
{
	int i = some_number(m), k = some_number(m);
	const struct file *touched;

	if (!m->number[i] || i == k)
		return;
	op_begin(m->a, OP_DUP, FD_BASE + i, FD_BASE + k, 0, 0);
	op_end(m->a, dup3(FD_BASE + i, FD_BASE + k, O_CLOEXEC));
	if (m->number[i] == m->number[k])	/* as in place() */
		return;
	touched = number_closed(m, k);
	m->number[k] = m->number[i];
	m->number[k]->refs++;
	model_refresh(m, touched, NULL);
}

static void close_number(struct model *m, int i)
{
	op_begin(m->a, OP_CLOSE, FD_BASE + i, 0, 0, 0);
	op_end(m->a, close(FD_BASE + i));
	model_refresh(m, number_closed(m, i), NULL);
}

static void close_some(struct model *m)
{
	int i = some_number(m), last = i + below(&m->a->rng, 3), err;
	const struct file *touched;

	if (chance(&m->a->rng, 2)) {
		if (m->number[i])
			close_number(m, i);
		return;
	}
	if (last >= NUMBERS)
		last = NUMBERS - 1;
	op_begin(m->a, OP_CLOSE_RANGE, FD_BASE + i, FD_BASE + last, 0, 0);
	err = close_range(FD_BASE + i, FD_BASE + last, 0);
	op_end(m->a, err);
	for (; i <= last; i++) {
		touched = number_closed(m, i);
		model_refresh(m, touched, NULL);
	}
}

static void poke(struct model *m)
{
	int i = some_number(m), err;
	struct file *f = m->number[i], *arrived = NULL;

	if (!f)
		return;
	op_begin(m->a, OP_POKE, FD_BASE + i, f->kind, f->end, 0);
	err = source_poke(&m->a->rng, f->kind, FD_BASE + i);
	if (f->kind == SOURCE_TIMERFD)
		err |= source_wait(FD_BASE + i, POLLIN);
	op_result(m->a, err, !err);
	if (f->kind == SOURCE_EVENTFD && !err)
		f->counter++;
	if (f->kind == SOURCE_PACKET && !err)
		arrived = f->peer;
	model_refresh(m, f, arrived);
}

static void drain(struct model *m)
{
	int i = some_number(m), err;
	struct file *f = m->number[i];

	if (!f)
		return;
	op_begin(m->a, OP_DRAIN, FD_BASE + i, f->kind, f->end, 0);
	err = source_drain(&m->a->rng, f->kind, FD_BASE + i);
	op_result(m->a, err, !err);
	if (f->kind == SOURCE_EVENTFD && !err)
		f->counter = 0;
	model_refresh(m, f, NULL);
}

/* A descriptor that is in flight is closed, and comes back as another. */
static void pass_number(struct model *m)
{
	int i = some_number(m), k = some_number(m), fd;
	struct file *f = m->number[i];

	if (!f)
		return;
	f->refs++;
	op_begin(m->a, OP_PASS, FD_BASE + i, FD_BASE + k, 0, 0);
	fd = life_pass(m->a, -1, FD_BASE + i);	/* closes it on the way */
	op_end(m->a, fd);
	model_refresh(m, number_closed(m, i), NULL);
	if (fd < 0)
		fail(m->a, "a descriptor was lost in a socket");
	place(m, fd, k, f);
	file_put(f);
}

/* --- Queues ---------------------------------------------------------------- */

static void slot_closed(struct model *m, int i)
{
	struct queue *q = m->slot[i];

	if (!q)
		return;
	model_drop_number(m, QUEUE_BASE + i);
	m->slot[i] = NULL;
	if (!--q->refs)
		memset(q, 0, sizeof(*q));
}

static void open_queue(struct model *m)
{
	int i = some_slot(m), fd;
	struct queue *q = m->queue;

	op_begin(m->a, OP_OPEN_QUEUE, QUEUE_BASE + i, 0, 0, 0);
	fd = queue_open(O_CLOEXEC);
	op_end(m->a, fd);
	if (fd < 0 || dup3(fd, QUEUE_BASE + i, O_CLOEXEC) < 0)
		fail(m->a, "a queue: %s", strerror(errno));
	close(fd);
	slot_closed(m, i);
	while (q->refs)
		q++;
	m->slot[i] = q;
	q->refs = 1;
	model_refresh(m, NULL, NULL);
}

static void dup_queue(struct model *m)
{
	int i = open_slot(m), k = some_slot(m);

	if (!m->slot[i] || i == k || m->slot[i] == m->slot[k])
		return;
	op_begin(m->a, OP_DUP, QUEUE_BASE + i, QUEUE_BASE + k, 0, 0);
	op_end(m->a, dup2(QUEUE_BASE + i, QUEUE_BASE + k));
	slot_closed(m, k);
	m->slot[k] = m->slot[i];
	m->slot[k]->refs++;
}

static void close_queue(struct model *m)
{
	int i = some_slot(m);

	if (!m->slot[i])
		return;
	op_begin(m->a, OP_CLOSE, QUEUE_BASE + i, 0, 0, 0);
	op_end(m->a, close(QUEUE_BASE + i));
	slot_closed(m, i);
}

/* --- Calls ----------------------------------------------------------------- */

/* What a list of changes should be answered with. */
struct answers {
	struct kevent_record kev[CHANGES_MAX];
	int n;
	int err;		/* with which the call ends */
};

static void predict(struct model *m, struct queue *q, const struct kevent_record *kev,
		    int n, int room, struct answers *out)
{
	int i, err;

	out->n = 0;
	out->err = 0;
	for (i = 0; i < n && !out->err; i++) {
		if (!kev[i].filter)
			continue;
		err = model_apply(m, q, &kev[i]);
		if (!err && kev[i].filter == EVFILT_READ &&
		    number_queue(m, kev[i].ident) && kev[i].flags & EV_ADD)
			op_noted(OP_NEST);
		if (!err && !(kev[i].flags & EV_RECEIPT))
			continue;
		if (out->n == room) {
			out->err = err;
			continue;
		}
		out->kev[out->n] = kev[i];
		out->kev[out->n].flags = EV_ERROR;
		out->kev[out->n].data = err;
		out->n++;
	}
}

static void check_answers(struct model *m, const struct answers *want,
			  const struct kevent_record *kev)
{
	int i;

	for (i = 0; i < want->n; i++)
		if (memcmp(&kev[i], &want->kev[i], sizeof(*kev)))
			fail(m->a, "answer %d: ident %llu filter %d error %lld instead of %llu %d %lld",
			     i, kev[i].ident, kev[i].filter, kev[i].data,
			     want->kev[i].ident, want->kev[i].filter, want->kev[i].data);
}

/* Up to CHANGES_MAX changes and EVENTS_MAX events, none of them waited for. */
static void call(struct model *m, int nchanges, int nevents)
{
	static struct kevent_record changes[CHANGES_MAX], events[EVENTS_MAX];
	int i = open_slot(m), ret, k;
	struct queue *q = m->slot[i];
	struct answers want;
	struct call c = {
		.kq = QUEUE_BASE + i, .changes = changes, .nchanges = nchanges,
		.events = events, .nevents = nevents, .timeout = &no_time,
		.one_list = nevents >= nchanges && chance(&m->a->rng, 3),
	};

	for (k = 0; k < nchanges; k++)
		random_change(m, &changes[k]);
	op_begin(m->a, !nevents ? OP_CHANGE : nchanges ? OP_BOTH : OP_COLLECT, c.kq,
		 nchanges ? (long long)changes->ident : 0,
		 nchanges ? changes->filter : 0, nchanges ? changes->flags : 0);
	model_probe(m);
	if (q) {
		predict(m, q, changes, nchanges, nevents, &want);
		model_judge(m, q);
	}
	ret = call_kevent(m->a, &c);
	op_end(m->a, ret);
	if (!q) {
		if (ret != -EBADF)
			fail(m->a, "a closed queue returned %d", ret);
		return;
	}
	if (want.err ? ret != -want.err : want.n ? ret != want.n : ret < 0)
		fail(m->a, "the call returned %d instead of %d", ret,
		     want.err ? -want.err : want.n);
	check_answers(m, &want, events);
	if (!want.err && !want.n && nevents)
		model_take(m, q, events, ret, nevents);
}

static void change(struct model *m)
{
	call(m, 1 + below(&m->a->rng, chance(&m->a->rng, 5) ? CHANGES_MAX : 3), 0);
}

static void collect(struct model *m)
{
	call(m, 0, 1 + below(&m->a->rng, chance(&m->a->rng, 2) ? EVENTS_MAX : 4));
}

static void both(struct model *m)
{
	struct rng *r = &m->a->rng;

	call(m, 1 + below(r, CHANGES_MAX), 1 + below(r, EVENTS_MAX));
}

/* Collect into room that ends, or that cannot be written to. */
static void collect_badly(struct model *m, bool some_room)
{
	int i = open_slot(m), room = some_room ? 1 + below(&m->a->rng, 20) : 0, ret;
	struct queue *q = m->slot[i];
	struct kevent_record *kev = some_room ? buffer_with_end(room) :
		bad_address(&m->a->rng, true);
	struct kevent_args args = {
		.size = sizeof(args), .events = (uintptr_t)kev, .nevents = 40,
		.timeout = (uintptr_t)&no_time,
	};

	if (!q)
		return;
	op_begin(m->a, some_room ? OP_SHORT_BUFFER : OP_BAD_BUFFER, QUEUE_BASE + i, room,
		 (uintptr_t)kev, 0);
	model_judge(m, q);
	ret = call_args(m->a, QUEUE_BASE + i, &args);
	op_result(m->a, ret, some_room ? ret > 0 : ret == -EFAULT);
	/* What could not be stored went behind the others. */
	model_forget_order(q);
	if (ret == -EFAULT && !room && queue_has(q, EVENT_MAY))
		return;
	if (ret < 0 || ret > room || (!ret && queue_has(q, EVENT_MUST)))
		fail(m->a, "room for %d records at %p: %d", room, (void *)kev, ret);
	records_check(m->a, kev, ret);
	model_take(m, q, kev, ret, ret == room ? room : 40);
}

static void settle(struct model *m)
{
	int i = open_slot(m);

	if (!m->slot[i])
		return;
	op_begin(m->a, OP_SETTLE, QUEUE_BASE + i, 0, 0, 0);
	model_settle(m, m->slot[i], QUEUE_BASE + i);
	op_end(m->a, 0);
}

/* --- Waiting --------------------------------------------------------------- */

static bool is_quiet(struct model *m, struct queue *q)
{
	model_judge(m, q);
	return !queue_has(q, EVENT_MAY);
}

/* Where nothing can come, time passes. */
static void wait_in_vain(struct model *m)
{
	struct timespec ts = { .tv_nsec = 1 + below(&m->a->rng, 3000000) };
	struct kevent_record kev[2];
	int i = open_slot(m), ret;
	struct call c = {
		.kq = QUEUE_BASE + i, .events = kev, .nevents = 2, .timeout = &ts,
	};

	if (!m->slot[i] || !is_quiet(m, m->slot[i]))
		return;
	op_begin(m->a, OP_WAIT, c.kq, ts.tv_nsec, 0, 0);
	ret = call_kevent(m->a, &c);
	op_end(m->a, ret);
	if (ret)
		fail(m->a, "a wait that nothing could end returned %d", ret);
	model_take(m, m->slot[i], kev, ret, 2);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* The alarm repeats, lest the first comes before the wait. */
static void interrupt(struct model *m)
{
	static const struct itimerval soon = { { 0, 5000 }, { 0, 1000 } }, never;
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct kevent_record kev[2];
	int i = open_slot(m), ret;
	struct call c = { .kq = QUEUE_BASE + i, .events = kev, .nevents = 2 };

	if (!m->slot[i] || !is_quiet(m, m->slot[i]))
		return;
	op_begin(m->a, OP_SIGNAL, c.kq, 0, 0, 0);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	ret = call_kevent(m->a, &c);
	setitimer(ITIMER_REAL, &never, NULL);
	op_result(m->a, ret, ret == -EINTR);
	if (ret != -EINTR)
		fail(m->a, "a wait that only a signal could end returned %d", ret);
}

/* --- Looking from outside -------------------------------------------------- */

static void poll_queue(struct model *m, bool by_epoll)
{
	int i = open_slot(m), ready;
	struct pollfd pfd = { .fd = QUEUE_BASE + i, .events = POLLIN };
	struct queue *q = m->slot[i];

	if (!q)
		return;
	op_begin(m->a, by_epoll ? OP_EPOLL : OP_POLL, pfd.fd, 0, 0, 0);
	model_judge(m, q);
	ready = by_epoll ? life_epoll(m->a, pfd.fd) : poll(&pfd, 1, 0);
	op_end(m->a, ready);
	if (!ready && queue_has(q, EVENT_MUST))
		fail(m->a, "events are ready, but the queue is not");
	if (ready && queue_empty(q))
		fail(m->a, "the queue is ready without a registration");
}

static void fdinfo(struct model *m)
{
	int i = open_slot(m), want = 0, got;
	const struct note *n;

	if (!m->slot[i])
		return;
	for (n = m->slot[i]->note; n < m->slot[i]->note + NOTES; n++)
		want += n->used;
	op_begin(m->a, OP_FDINFO, QUEUE_BASE + i, want, 0, 0);
	got = life_fdinfo(QUEUE_BASE + i);
	op_end(m->a, got);
	if (got != want)
		fail(m->a, "fdinfo has %d registrations, not %d", got, want);
}

static void hostile(struct model *m)
{
	int i = open_slot(m), kq = QUEUE_BASE + i;
	struct actor *a = m->a;

	if (!m->slot[i])
		return;
	switch (below(&a->rng, 4)) {
	case 0:
		op_begin(a, OP_BAD_IOCTL, kq, 0, 0, 0);
		op_result(a, 0, hostile_ioctl(a, kq));
		break;
	case 1:
		op_begin(a, OP_INFO, kq, 0, 0, 0);
		op_result(a, 0, hostile_info(a, kq));
		break;
	default:
		op_begin(a, OP_BAD_ARGS, kq, 0, 0, 0);
		op_result(a, 0, hostile_args(a, kq, true));
	}
}

static void child(struct model *m)
{
	int i = open_slot(m);

	if (!m->slot[i] || !chance(&m->a->rng, 4))
		return;
	op_begin(m->a, OP_FORK, QUEUE_BASE + i, 0, 0, 0);
	op_end(m->a, life_fork(m->a, QUEUE_BASE + i, FD_BASE + some_number(m)));
}

static void step(struct model *m)
{
	switch (below(&m->a->rng, 100)) {
	case 0 ... 10:
		open_source(m);
		break;
	case 11 ... 13:
		dup_number(m);
		break;
	case 14 ... 15:
		close_some(m);
		break;
	case 16 ... 30:
		poke(m);
		break;
	case 31 ... 38:
		drain(m);
		break;
	case 39:
		open_queue(m);
		break;
	case 40:
		dup_queue(m);
		break;
	case 41:
		close_queue(m);
		break;
	case 42 ... 57:
		change(m);
		break;
	case 58 ... 71:
		collect(m);
		break;
	case 72 ... 78:
		both(m);
		break;
	case 79 ... 81:
		collect_badly(m, true);
		break;
	case 82 ... 83:
		collect_badly(m, false);
		break;
	case 84 ... 85:
		settle(m);
		break;
	case 86:
		wait_in_vain(m);
		break;
	case 87:
		interrupt(m);
		break;
	case 88 ... 89:
		poll_queue(m, false);
		break;
	case 90:
		poll_queue(m, true);
		break;
	case 91 ... 92:
		fdinfo(m);
		break;
	case 93:
		pass_number(m);
		break;
	case 94:
		child(m);
		break;
	default:
		hostile(m);
	}
}

void round_model(struct actor *a, uint64_t round __attribute__((unused)))
{
	static struct model model;
	struct model *m = &model;
	int i;

	m->a = a;
	for (i = 0; i < NUMBERS; i++)
		open_source(m);
	for (i = 0; i < 3; i++)
		open_queue(m);
	for (i = 0; i < STEPS; i++)
		step(m);
	for (i = 0; i < QUEUES; i++)
		if (m->slot[i])
			model_settle(m, m->slot[i], QUEUE_BASE + i);
}
