// SPDX-License-Identifier: BSD-2-Clause
/*
 * Rounds with one thread, whose every answer the model predicts. The same seed
 * and round make the same calls.
 */
#include "model.h"

#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define STEPS		300

/* --- Calls ----------------------------------------------------------------- */

/* What a list of changes should be answered with. */
struct answers {
	struct kevent_record kev[CHANGES_MAX];
	int n;
	int err;		/* negative: with which the call ends */
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
		out->kev[out->n].data = -err;
		out->n++;
	}
}

static void check_answers(struct model *m, const struct answers *want,
			  const struct kevent_record *kev)
{
	int i;

	for (i = 0; i < want->n; i++)
		if (memcmp(&kev[i], &want->kev[i], sizeof(*kev)))
			fail(m->a, "answer %d: ident %llu filter %d error %lld, not %llu %d %lld",
			     i, kev[i].ident, kev[i].filter, kev[i].data,
			     want->kev[i].ident, want->kev[i].filter, want->kev[i].data);
}

/*
 * Up to CHANGES_MAX changes and EVENTS_MAX events, none of them waited for, of
 * the queue in slot @i.
 */
static void make_call(struct model *m, int i, const struct kevent_record *changes,
		      int nchanges, int nevents, bool one_list)
{
	static struct kevent_record events[EVENTS_MAX];
	struct queue *q = m->slot[i];
	struct answers want = {};
	int ret, written;
	struct call c = {
		.kq = QUEUE_BASE + i, .changes = changes, .nchanges = nchanges,
		.events = events, .nevents = nevents, .timeout = &no_time,
		.one_list = one_list,
	};

	op_begin(m->a, !nevents ? OP_CHANGE : nchanges ? OP_BOTH : OP_COLLECT, c.kq,
		 nchanges ? (long long)changes->ident : 0,
		 nchanges ? changes->filter : 0, nchanges ? changes->flags : 0);
	model_probe(m);
	if (q) {
		predict(m, q, changes, nchanges, nevents, &want);
		model_judge(m, q);
	}
	records_poison(events, EVENTS_MAX);
	ret = call_kevent(m->a, &c);
	op_end(m->a, ret);
	written = ret > want.n ? ret : want.n;
	if (one_list && nchanges > written)
		written = nchanges;
	records_untouched(m->a, events + written, EVENTS_MAX - written);
	if (!q) {
		if (ret != -EBADF)
			fail(m->a, "a closed queue returned %d", ret);
		return;
	}
	if (want.err ? ret != want.err : want.n ? ret != want.n : ret < 0)
		fail(m->a, "it returned %d instead of %d", ret,
		     want.err ? want.err : want.n);
	check_answers(m, &want, events);
	if (!want.err && !want.n && nevents)
		model_take(m, q, events, ret, nevents);
}

static void try_call(struct model *m, int nchanges, int nevents)
{
	static struct kevent_record changes[CHANGES_MAX];
	bool one_list = nevents >= nchanges && chance(&m->a->rng, 3);
	int i = open_slot(m), k;

	for (k = 0; k < nchanges; k++)
		random_change(m, &changes[k]);
	make_call(m, i, changes, nchanges, nevents, one_list);
}

static void change(struct model *m)
{
	try_call(m, 1 + below(&m->a->rng, chance(&m->a->rng, 5) ? CHANGES_MAX : 3), 0);
}

static void collect(struct model *m)
{
	try_call(m, 0, 1 + below(&m->a->rng, chance(&m->a->rng, 2) ? EVENTS_MAX : 4));
}

static void both(struct model *m)
{
	struct rng *r = &m->a->rng;

	try_call(m, 1 + below(r, CHANGES_MAX), 1 + below(r, EVENTS_MAX));
}

/* Numbers below @n in any order. */
static void shuffle(struct rng *r, int *order, int n)
{
	int i;

	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n - 1; i > 0; i--) {
		int k = below(r, i + 1), was = order[i];

		order[i] = order[k];
		order[k] = was;
	}
}

/*
 * Queues in queues, as deep as there are queues: a chain of them all, linked
 * from wherever to wherever, so that it gets too long with some link.
 */
static void nest(struct model *m)
{
	int slot[QUEUES], link[QUEUES - 1], i;
	struct kevent_record kev;

	for (i = 0; i < QUEUES; i++)
		if (!m->slot[i])
			model_open_queue(m, i);
	shuffle(&m->a->rng, slot, QUEUES);
	shuffle(&m->a->rng, link, QUEUES - 1);
	for (i = 0; i < QUEUES - 1; i++) {
		kev = (struct kevent_record){
			.ident = QUEUE_BASE + slot[link[i] + 1],
			.filter = EVFILT_READ, .flags = EV_ADD,
		};
		record_tag(&kev, ++m->generation);
		make_call(m, slot[link[i]], &kev, 1, 0, false);
	}
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
	long long ns;

	if (!m->slot[i] || !is_quiet(m, m->slot[i]))
		return;
	op_begin(m->a, OP_WAIT, c.kq, ts.tv_nsec, 0, 0);
	ns = now_ns();
	ret = call_kevent(m->a, &c);
	ns = now_ns() - ns;
	op_end(m->a, ret);
	if (ret)
		fail(m->a, "a wait that nothing could end returned %d", ret);
	if (ns < ts.tv_nsec)
		fail(m->a, "a wait for %ld ns took %lld", (long)ts.tv_nsec, ns);
	model_take(m, m->slot[i], kev, ret, 2);
}

/* Signalfds share a wait queue, which any signal to the process wakes. */
static void signalled(struct model *m)
{
	const struct file any = { .kind = SOURCE_SIGNALFD };

	model_refresh(m, &any, NULL);
}

static void raise_some(struct model *m)
{
	struct rng *r = &m->a->rng;
	int sig = SIGNAL_BASE + below(r, SIGNALS), n = 1 + below(r, 5), i;

	op_begin(m->a, OP_RAISE, sig, n, 0, 0);
	for (i = 0; i < n; i++)
		kill(getpid(), sig);
	op_end(m->a, 0);
	model_raised(m, sig, n);
	signalled(m);
}

/*
 * Could a signal be an event? In a queue that is watched there may be a signalfd,
 * which is looked at only when that queue is.
 */
static bool watches_queue(const struct model *m, const struct queue *q)
{
	const struct note *n;

	for (n = q->note; n < q->note + NOTES; n++)
		if (n->used && filter_is_fd(n->filter) && number_queue(m, n->ident))
			return true;
	return false;
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

	if (!m->slot[i] || !is_quiet(m, m->slot[i]) ||
	    watches_queue(m, m->slot[i]))
		return;
	op_begin(m->a, OP_SIGNAL, c.kq, 0, 0, 0);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	ret = call_kevent(m->a, &c);
	setitimer(ITIMER_REAL, &never, NULL);
	op_result(m->a, ret, ret == -EINTR);
	signalled(m);
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
	if (ready && !queue_most(q))
		fail(m->a, "the queue is ready without news");
	if (!by_epoll && pfd.revents != (ready ? POLLIN : 0))
		fail(m->a, "poll says %#x of a queue", pfd.revents);
}

static void read_fdinfo(struct model *m)
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
	model_forked(m);
	signalled(m);
}

static void step(struct model *m)
{
	unsigned int n = below(&m->a->rng, 100);

	switch (n) {
	case 0 ... 10:
		model_open_source(m);
		break;
	case 11 ... 13:
		model_dup_number(m);
		break;
	case 14 ... 15:
		model_close_some(m);
		break;
	case 16 ... 30:
		model_poke(m);
		break;
	case 31 ... 36:
		model_drain(m);
		break;
	case 37 ... 38:
		raise_some(m);
		break;
	case 39:
		model_open_queue(m, some_slot(m));
		break;
	case 40:
		model_dup_queue(m);
		break;
	case 41:
		model_close_queue(m);
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
	case 79 ... 83:
		collect_badly(m, n < 82);
		break;
	case 84:
		settle(m);
		break;
	case 85:
		nest(m);
		break;
	case 86:
		wait_in_vain(m);
		break;
	case 87:
		interrupt(m);
		break;
	case 88 ... 90:
		poll_queue(m, n == 90);
		break;
	case 91 ... 92:
		read_fdinfo(m);
		break;
	case 93:
		model_pass_number(m);
		break;
	case 94:
		child(m);
		break;
	default:
		hostile(m);
	}
}

void round_model(struct actor *a, uint64_t round)
{
	static struct model model;
	struct model *m = &model;
	int i;

	m->a = a;
	m->generation = round << 16;	/* to be told from those of other rounds */
	for (i = 0; i < NUMBERS; i++)
		model_open_source(m);
	for (i = 0; i < 3; i++)
		model_open_queue(m, some_slot(m));
	for (i = 0; i < STEPS; i++)
		step(m);
	for (i = 0; i < QUEUES; i++)
		if (m->slot[i])
			model_settle(m, m->slot[i], QUEUE_BASE + i);
}
