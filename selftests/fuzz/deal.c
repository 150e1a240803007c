// SPDX-License-Identifier: BSD-2-Clause
/*
 * Producers make events, consumers share one queue and collect them. None may
 * get lost, none may be given to two consumers, whatever way they wait.
 *
 * Each producer asks for one thing at a time and waits until some consumer has
 * seen to it. In every other round no wait ends by itself, nor by a signal: then
 * a wake-up that is lost stops the show, and who has been there stays away until
 * another has done something, lest the loss is made up for by chance.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define ASKS		60	/* by each producer */
#define STOP_IDENT	0xffff
#define LIST		4

enum wait {
	WAIT_QUEUE,
	WAIT_OUTER,		/* for a queue that watches the queue */
	WAIT_EPOLL,
	WAIT_POLL,
	WAITS
};

struct stall {
	struct deal *deal;
	struct actor *a;
	bool user;		/* a user event, else a descriptor */
	int index;
	uint16_t flags;		/* properties of the registration */
	int in, out;		/* watched, written to */
	unsigned long asked, served;
	unsigned long given;	/* events of a user event, one for each time */
	int held;		/* a consumer is at it, who alone may be */
};

struct deal {
	struct stall stall[THREADS_MAX];
	int nstalls;
	int kq;
	int outer;		/* what is waited for: WAIT_* */
	bool edge;		/* it tells once: take all there is */
	bool patient;		/* nothing but events ends a wait */
	enum wait wait;
	int consumers;
	int away;		/* of them, not waiting */
	int stop;
};

struct consumer {
	struct deal *deal;
	struct actor *a;
};

static bool is_exclusive(const struct stall *s)
{
	return s->flags & (EV_DISPATCH | EV_ONESHOT);
}

static void stall_record(const struct stall *s, struct kevent_record *kev,
			 uint16_t flags)
{
	*kev = (struct kevent_record){
		.ident = s->user ? s->index : s->in,
		.filter = s->user ? EVFILT_USER : EVFILT_READ, .flags = flags,
	};
	record_tag(kev, s->index);
}

static void change(struct actor *a, int kq, const struct kevent_record *kev)
{
	int err = call_change(a, kq, kev);

	if (err)
		fail(a, "ident %llu filter %d flags %#x: %s", kev->ident, kev->filter,
		     kev->flags, strerror(-err));
}

/* --- Producers ------------------------------------------------------------- */

/* For one-shots, a registration that did not exist is made and triggered. */
static void ask_user(struct stall *s)
{
	struct kevent_record kev;

	if (s->flags & EV_ONESHOT) {
		stall_record(s, &kev, EV_ADD | s->flags);
		change(s->a, s->deal->kq, &kev);
	}
	stall_record(s, &kev, 0);
	kev.fflags = NOTE_TRIGGER;
	change(s->a, s->deal->kq, &kev);
}

static void ask(struct stall *s)
{
	uint64_t one = 1;

	__atomic_fetch_add(&s->asked, 1, __ATOMIC_SEQ_CST);
	if (s->user)
		ask_user(s);
	else if (write(s->out, &one, sizeof(one)) != sizeof(one))
		fail(s->a, "write: %s", strerror(errno));
}

static void *produce(void *arg)
{
	struct stall *s = arg;
	long long end;
	int i;

	actor_starts(s->a);
	for (i = 1; i <= ASKS; i++) {
		op_begin(s->a, OP_DEAL, s->user, s->flags, i, s->deal->wait);
		ask(s);
		end = now_ms() + LIMIT_MS;
		while (__atomic_load_n(&s->served, __ATOMIC_SEQ_CST) < s->asked) {
			if (now_ms() > end)
				fail(s->a, "no consumer was told of event %d in %d s",
				     i, LIMIT_MS / 1000);
			sched_yield();
		}
		op_end(s->a, s->served);
	}
	actor_ends(s->a);
	return NULL;
}

/* --- Consumers ------------------------------------------------------------- */

/* All that can be read, which is eight bytes for each time it was asked. */
static unsigned long take_bytes(struct stall *s)
{
	unsigned long taken = 0;
	char buf[64];
	ssize_t len;

	while ((len = read(s->in, buf, sizeof(buf))) > 0)
		taken += len / sizeof(uint64_t);
	return taken;
}

static void serve(struct stall *s)
{
	unsigned long asked, served;

	if (!s->user) {
		__atomic_fetch_add(&s->served, take_bytes(s), __ATOMIC_SEQ_CST);
		return;
	}
	asked = __atomic_load_n(&s->asked, __ATOMIC_SEQ_CST);
	served = __atomic_load_n(&s->served, __ATOMIC_SEQ_CST);
	while (served < asked &&
	       !__atomic_compare_exchange_n(&s->served, &served, asked, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

/* Until it is armed again, nobody else gets it. */
static void serve_event(struct consumer *c, struct stall *s)
{
	struct kevent_record kev;

	if (s->user && __atomic_add_fetch(&s->given, 1, __ATOMIC_SEQ_CST) >
	    __atomic_load_n(&s->asked, __ATOMIC_SEQ_CST))
		fail(c->a, "more events of flags %#x than were triggered", s->flags);
	if (!is_exclusive(s)) {
		serve(s);
		return;
	}
	if (__atomic_exchange_n(&s->held, 1, __ATOMIC_SEQ_CST))
		fail(c->a, "an event of flags %#x was given to two consumers", s->flags);
	if (s->user && s->flags & EV_ONESHOT) {
		/* The producer arms it, once it has been served. */
		__atomic_store_n(&s->held, 0, __ATOMIC_SEQ_CST);
		serve(s);
		return;
	}
	serve(s);
	__atomic_store_n(&s->held, 0, __ATOMIC_SEQ_CST);
	stall_record(s, &kev, s->flags & EV_ONESHOT ? EV_ADD | s->flags :
		     EV_ENABLE | EV_KEEPUDATA);
	change(c->a, c->deal->kq, &kev);
}

static void serve_all(struct consumer *c, const struct kevent_record *kev, int n)
{
	uint32_t index;
	int i;

	for (i = 0; i < n; i++) {
		index = record_generation(&kev[i]);
		if (kev[i].ident == STOP_IDENT && kev[i].filter == EVFILT_USER)
			continue;
		if (index >= (uint32_t)c->deal->nstalls)
			fail(c->a, "an event of nobody's");
		serve_event(c, &c->deal->stall[index]);
	}
}

static const struct timespec *some_time(struct consumer *c, struct timespec *ts)
{
	struct rng *r = &c->a->rng;

	if (c->deal->patient)
		return NULL;
	switch (below(r, 4)) {
	case 0:
		return &no_time;
	case 1:
		*ts = (struct timespec){ .tv_nsec = below(r, 1000000) };
		return ts;
	default:
		return NULL;
	}
}

static int wait_outer(struct consumer *c)
{
	struct timespec ts;
	struct kevent_record kev[LIST];
	struct call call = {
		.kq = c->deal->outer, .events = kev, .nevents = LIST,
		.timeout = some_time(c, &ts),
	};

	return call_kevent(c->a, &call);
}

/* Until the queue seems to have something. Returns -EINTR if interrupted. */
static int wait_for_queue(struct consumer *c)
{
	struct pollfd pfd = { .fd = c->deal->kq, .events = POLLIN };
	struct epoll_event ev;
	int ret;

	switch (c->deal->wait) {
	case WAIT_OUTER:
		return wait_outer(c);
	case WAIT_EPOLL:
		ret = epoll_wait(c->deal->outer, &ev, 1, -1);
		return ret < 0 ? -errno : ret;
	case WAIT_POLL:
		ret = poll(&pfd, 1, -1);
		return ret < 0 ? -errno : ret;
	default:
		return 0;
	}
}

static bool is_over(const struct deal *d)
{
	return __atomic_load_n(&d->stop, __ATOMIC_SEQ_CST);
}

static void consume_once(struct consumer *c)
{
	struct kevent_record kev[LIST];
	struct timespec ts;
	struct call call = {
		.kq = c->deal->kq, .events = kev, .nevents = 1 + below(&c->a->rng, LIST),
	};
	int ret;

	call.timeout = c->deal->wait == WAIT_QUEUE ? some_time(c, &ts) : &no_time;
	op_begin(c->a, OP_WAIT, call.kq, c->deal->wait, call.nevents, 0);
	ret = wait_for_queue(c);
	op_end(c->a, ret);
	do {
		if (ret >= 0)
			ret = call_kevent(c->a, &call);
		if (ret > 0)
			serve_all(c, kev, ret);
	} while (ret > 0 && c->deal->edge && !is_over(c->deal));
	if (ret == -EINTR)
		op_noted(OP_SIGNAL);
	else if (ret < 0)
		fail(c->a, "waiting: %s", strerror(-ret));
}

static unsigned long total_served(const struct deal *d)
{
	unsigned long total = 0;
	int i;

	for (i = 0; i < d->nstalls; i++)
		total += __atomic_load_n(&d->stall[i].served, __ATOMIC_SEQ_CST);
	return total;
}

/*
 * Until another consumer has seen to something. One of them always stays, to
 * whom all that is left in the queue must have been passed on.
 */
static void stay_away(struct deal *d)
{
	unsigned long served = total_served(d);

	if (__atomic_add_fetch(&d->away, 1, __ATOMIC_SEQ_CST) < d->consumers)
		while (!is_over(d) && total_served(d) == served)
			sched_yield();
	__atomic_sub_fetch(&d->away, 1, __ATOMIC_SEQ_CST);
}

static void *consume(void *arg)
{
	struct consumer *c = arg;

	actor_starts(c->a);
	while (!is_over(c->deal)) {
		consume_once(c);
		if (c->deal->patient && chance(&c->a->rng, 2))
			stay_away(c->deal);
	}
	actor_ends(c->a);
	return NULL;
}

/* --- A round --------------------------------------------------------------- */

static void open_pair(struct stall *s, struct rng *r)
{
	static const enum source kinds[] = {
		SOURCE_EVENTFD, SOURCE_PIPE, SOURCE_UNIX, SOURCE_TCP, SOURCE_PACKET,
	};
	enum source kind = kinds[below(r, ARRAY_SIZE(kinds))];
	int fd[2], n = source_here[kind] ? source_open(kind, fd) : 0;

	if (!n) {
		kind = SOURCE_PIPE;
		n = source_open(kind, fd);
	}
	s->in = fd[0];
	s->out = fd[n - 1];
}

static void stall_open(struct stall *s, struct rng *r)
{
	static const uint16_t flags[] = {
		EV_CLEAR, EV_ONESHOT, EV_DISPATCH | EV_CLEAR, EV_ONESHOT | EV_CLEAR,
	};
	struct kevent_record kev;

	s->user = chance(r, 3);
	s->flags = flags[below(r, ARRAY_SIZE(flags))];
	if (!s->user) {
		open_pair(s, r);
		if (chance(r, 3))
			s->flags = chance(r, 2) ? EV_DISPATCH : 0;
	}
	stall_record(s, &kev, EV_ADD | s->flags);
	/* One-shot user events are made when needed. */
	if (!s->user || !(s->flags & EV_ONESHOT))
		change(s->a, s->deal->kq, &kev);
}

static void open_outer(struct deal *d, struct actor *a)
{
	struct kevent_record kev = { .ident = d->kq, .filter = EVFILT_READ };
	struct epoll_event ev = { .events = EPOLLIN };

	d->edge = d->wait == WAIT_OUTER && chance(&a->rng, 3);
	kev.flags = EV_ADD | (d->edge ? EV_CLEAR : 0);
	record_tag(&kev, 0);
	if (d->wait == WAIT_OUTER) {
		d->outer = queue_open(O_CLOEXEC);
		change(a, d->outer, &kev);
	} else if (d->wait == WAIT_EPOLL) {
		d->outer = epoll_create1(EPOLL_CLOEXEC);
		epoll_ctl(d->outer, EPOLL_CTL_ADD, d->kq, &ev);
	}
}

/* What stops the consumers is there for each of them to see. */
static void stop_queue(int kq, struct actor *a)
{
	struct kevent_record kev = {
		.ident = STOP_IDENT, .filter = EVFILT_USER, .flags = EV_ADD,
	};

	record_tag(&kev, 0);
	change(a, kq, &kev);
	kev.fflags = NOTE_TRIGGER;
	change(a, kq, &kev);
}

static void stop(struct deal *d, struct actor *a)
{
	__atomic_store_n(&d->stop, 1, __ATOMIC_SEQ_CST);
	stop_queue(d->kq, a);
	if (d->wait == WAIT_OUTER)
		stop_queue(d->outer, a);
}

static bool all_asked(const struct deal *d)
{
	int i;

	for (i = 0; i < d->nstalls; i++)
		if (__atomic_load_n(&d->stall[i].served, __ATOMIC_SEQ_CST) < ASKS)
			return false;
	return true;
}

static void check_bill(struct deal *d, struct actor *a)
{
	int i;

	for (i = 0; i < d->nstalls; i++)
		if (d->stall[i].served != ASKS)
			fail(a, "producer %d asked for %d events, %lu came", i, ASKS,
			     d->stall[i].served);
}

void round_deal(struct actor *a, uint64_t round)
{
	static struct deal deal;
	static struct consumer consumer[THREADS_MAX];
	static struct crew crew;
	struct deal *d = &deal;
	int i;

	signals_catch();
	d->consumers = 1 + below(&a->rng, opt.threads);
	d->nstalls = 1 + below(&a->rng, opt.threads);
	d->wait = chance(&a->rng, 2) ? WAIT_QUEUE : below(&a->rng, WAITS);
	d->patient = chance(&a->rng, 2);
	d->kq = queue_open(O_CLOEXEC);
	open_outer(d, a);
	for (i = 0; i < d->nstalls; i++) {
		d->stall[i].deal = d;
		d->stall[i].index = i;
		d->stall[i].a = actor_new("producer", round);
		stall_open(&d->stall[i], &a->rng);
	}
	for (i = 0; i < d->consumers; i++) {
		consumer[i].deal = d;
		consumer[i].a = actor_new("consumer", round);
		crew_add(&crew, consumer[i].a, consume, &consumer[i]);
	}
	for (i = 0; i < d->nstalls; i++)
		crew_add(&crew, d->stall[i].a, produce, &d->stall[i]);
	while (!all_asked(d)) {
		if (!d->patient)
			crew_disturb(&crew, &a->rng);
		actor_alive(a);
		usleep(below(&a->rng, 2000));
	}
	crew_join(&crew, d->consumers, crew.n);
	stop(d, a);
	crew_join(&crew, 0, d->consumers);
	check_bill(d, a);
}
