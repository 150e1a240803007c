// SPDX-License-Identifier: BSD-2-Clause
/*
 * When close(), EV_DELETE or EV_DISABLE has returned, no call that begins after
 * that returns an event of the registration. And a number that is used again at
 * once has the new registration, not the old one.
 *
 * Each registration has a generation of its own, which its events carry, and
 * time is a counter.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define GENERATIONS	(THREADS_MAX * ENDS + 1)
#define ENDS		150	/* by each thread */
#define OWN_BASE	300	/* numbers that only one thread uses */
#define USER_BASE	500
#define LIST		8

struct ends {
	int kq;
	int ready;		/* always ready, for many descriptors */
	int stop;
	uint32_t next;
	uint64_t clock;
	uint64_t ended[GENERATIONS];
	uint8_t seen[GENERATIONS];
};

struct ender {
	struct ends *ends;
	struct actor *a;
};

static uint64_t tick(struct ends *e)
{
	return __atomic_add_fetch(&e->clock, 1, __ATOMIC_SEQ_CST);
}

static void change(struct ender *en, const struct kevent_record *kev, int flags,
		   int want)
{
	struct kevent_record copy = *kev;
	int err;

	copy.flags = flags;
	err = call_change(en->a, en->ends->kq, &copy);
	if (err != -want)
		fail(en->a, "ident %llu filter %d flags %#x: error %d instead of %d",
		     kev->ident, kev->filter, flags, -err, want);
}

/*
 * Another descriptor of a file that is ready, and that others watch too, if only
 * we use the number: who gets a number just when it is closed, and of the same
 * file, may keep its registration, as with dup2().
 */
static int ready_file(struct ender *en, bool own)
{
	if (own && chance(&en->a->rng, 2))
		return dup(en->ends->ready);
	return eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* On a number that nobody else uses, or on whatever is free. */
static int ready_number(struct ender *en, bool own)
{
	int fd = ready_file(en, own), number;

	if (fd < 0)
		fail(en->a, "no descriptor: %s", strerror(errno));
	if (!own)
		return fd;
	number = OWN_BASE + 4 * en->a->index + below(&en->a->rng, 4);
	if (dup2(fd, number) < 0)
		fail(en->a, "dup2: %s", strerror(errno));
	close(fd);
	return number;
}

static void must_come(struct ender *en, uint32_t generation)
{
	long long end = now_ms() + LIMIT_MS;

	while (!__atomic_load_n(&en->ends->seen[generation], __ATOMIC_SEQ_CST)) {
		if (now_ms() > end)
			fail(en->a, "registration %u is ready, but has had no event for %d s",
			     generation, LIMIT_MS / 1000);
		sched_yield();
	}
}

/* End it by closing: itself, or by what takes its place. */
static void close_it(struct ender *en, int number, bool own)
{
	int other;

	switch (own ? below(&en->a->rng, 4) : 0) {
	case 0:
		close(number);
		break;
	case 1:
		close_range(number, number, 0);
		break;
	case 2:
		other = life_pass(en->a, -1, number);
		if (other < 0)
			fail(en->a, "a descriptor was lost in a socket");
		close(other);
		break;
	default:
		other = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		if (dup2(other, number) != number)
			fail(en->a, "dup2: %s", strerror(errno));
		close(other);
	}
}

/* Is it gone? Asked about a number that only we use. */
static void check_gone(struct ender *en, const struct kevent_record *kev)
{
	int want = fcntl(kev->ident, F_GETFD) < 0 ? EBADF : ENOENT;

	change(en, kev, EV_DELETE, want);
	close(kev->ident);
}

static void end_descriptor(struct ender *en, uint32_t generation)
{
	static const uint16_t flags[] = { 0, EV_CLEAR, EV_DISPATCH, EV_ONESHOT };
	bool own = chance(&en->a->rng, 2), once = chance(&en->a->rng, 4);
	int number = ready_number(en, own);
	struct kevent_record kev = {
		.ident = number,
		.filter = chance(&en->a->rng, 3) ? EVFILT_WRITE : EVFILT_READ,
	};

	record_tag(&kev, generation);
	change(en, &kev, EV_ADD | flags[below(&en->a->rng, ARRAY_SIZE(flags))], 0);
	if (once)
		must_come(en, generation);
	close_it(en, number, own);
	__atomic_store_n(&en->ends->ended[generation], tick(en->ends), __ATOMIC_SEQ_CST);
	if (own)
		check_gone(en, &kev);
}

/* What stays registered, ready and disabled is silent as well. */
static void end_ident(struct ender *en, uint32_t generation)
{
	bool timer = chance(&en->a->rng, 2), disable = chance(&en->a->rng, 2);
	struct kevent_record kev = {
		.ident = USER_BASE + en->a->index,
		.filter = timer ? EVFILT_TIMER : EVFILT_USER,
		.fflags = timer ? NOTE_NSECONDS : NOTE_TRIGGER, .data = 1,
	};

	record_tag(&kev, generation);
	change(en, &kev, EV_ADD, 0);
	if (!timer)
		change(en, &kev, 0, 0);
	if (chance(&en->a->rng, 2))
		must_come(en, generation);
	change(en, &kev, disable ? EV_DISABLE : EV_DELETE, 0);
	__atomic_store_n(&en->ends->ended[generation], tick(en->ends), __ATOMIC_SEQ_CST);
	if (!disable)
		change(en, &kev, EV_DELETE, ENOENT);
	else if (chance(&en->a->rng, 2))
		sched_yield();
	if (disable)
		change(en, &kev, EV_DELETE, 0);
}

static void *end_many(void *arg)
{
	struct ender *en = arg;
	uint32_t generation;
	int i;

	actor_starts(en->a);
	for (i = 0; i < ENDS; i++) {
		generation = __atomic_add_fetch(&en->ends->next, 1, __ATOMIC_SEQ_CST);
		op_begin(en->a, OP_END, generation, 0, 0, 0);
		if (chance(&en->a->rng, 4))
			end_ident(en, generation);
		else
			end_descriptor(en, generation);
		op_end(en->a, 0);
	}
	actor_ends(en->a);
	return NULL;
}

/* --- Those who look -------------------------------------------------------- */

static void check_event(struct ender *en, const struct kevent_record *kev,
			uint64_t begin)
{
	struct ends *e = en->ends;
	uint32_t generation = record_generation(kev);
	uint64_t ended;

	if (!generation || generation > __atomic_load_n(&e->next, __ATOMIC_SEQ_CST))
		fail(en->a, "an event of a registration that never was");
	ended = __atomic_load_n(&e->ended[generation], __ATOMIC_SEQ_CST);
	if (ended && ended < begin)
		fail(en->a, "ident %llu filter %d: %u ended at %llu, its event came after %llu",
		     kev->ident, kev->filter, generation, (unsigned long long)ended,
		     (unsigned long long)begin);
	__atomic_store_n(&e->seen[generation], 1, __ATOMIC_SEQ_CST);
}

static void *look(void *arg)
{
	struct ender *en = arg;
	struct kevent_record kev[LIST];
	struct timespec ts;
	struct call call = { .kq = en->ends->kq, .events = kev, .timeout = &ts };
	uint64_t begin;
	int i, n;

	actor_starts(en->a);
	while (!__atomic_load_n(&en->ends->stop, __ATOMIC_SEQ_CST)) {
		ts = (struct timespec){ .tv_nsec = below(&en->a->rng, 2) * 500000 };
		call.nevents = 1 + below(&en->a->rng, LIST);
		op_begin(en->a, OP_WAIT, call.kq, ts.tv_nsec, call.nevents, 0);
		begin = tick(en->ends);
		n = call_kevent(en->a, &call);
		op_end(en->a, n);
		if (n < 0 && n != -EINTR)
			fail(en->a, "waiting: %s", strerror(-n));
		for (i = 0; i < n; i++)
			check_event(en, &kev[i], begin);
	}
	actor_ends(en->a);
	return NULL;
}

void round_ends(struct actor *a, uint64_t round)
{
	static struct ends ends;
	static struct ender ender[2 * THREADS_MAX];
	static struct crew crew;
	struct ends *e = &ends;
	int i, lookers = 1 + below(&a->rng, opt.threads), left;

	signals_catch();
	e->kq = queue_open(O_CLOEXEC);
	e->ready = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	for (i = 0; i < lookers + opt.threads; i++) {
		ender[i].ends = e;
		ender[i].a = actor_new(i < lookers ? "collector" : "ender", round);
		crew_add(&crew, ender[i].a, i < lookers ? look : end_many, &ender[i]);
	}
	while (__atomic_load_n(&e->next, __ATOMIC_SEQ_CST) < (uint32_t)opt.threads * ENDS) {
		crew_disturb(&crew, &a->rng);
		actor_alive(a);
		usleep(below(&a->rng, 2000));
	}
	crew_join(&crew, lookers, crew.n);
	__atomic_store_n(&e->stop, 1, __ATOMIC_SEQ_CST);
	crew_join(&crew, 0, lookers);
	left = life_fdinfo(e->kq);
	if (left)
		fail(a, "%d registrations are left when all have ended", left);
}
