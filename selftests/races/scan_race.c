// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads collect while others delete, close and make anew what they collect.
 * Each registration has a number, its generation, in udata. So every event
 * can be judged: was its registration there while the thread collected?
 */
#include <sys/eventfd.h>

#include "peers.h"
#include "races.h"

#define PLACES		8	/* idents, each registered again and again */
#define FIRST_FD	700
#define SCANNERS	3
#define MAKERS		2
#define SEEN_EVERY	4	/* so often, wait until the event was delivered */

/* Generations of one ident. All from @ended + 1 to @begun may be delivered. */
struct place {
	unsigned long begun;	/* the last that was registered, or will be now */
	unsigned long ended;	/* the last of which the end has returned */
	unsigned long seen;	/* the last delivered */
};

struct field {
	int kq;
	int ready;		/* an eventfd that is ready ... */
	int idle;		/* ... and one that never is */
	int flags;		/* of registrations */
	int (*begin)(struct field *f, int i, unsigned long gen);
	int (*end)(struct field *f, int i);
	struct place place[PLACES];
	bool over;
	const char *wrong;
	long events;
};

static unsigned long look(const unsigned long *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void note(unsigned long *p, unsigned long val)
{
	__atomic_store_n(p, val, __ATOMIC_RELEASE);
}

/* Another thread may be ahead of us. */
static void note_max(unsigned long *p, unsigned long val)
{
	unsigned long old = look(p);

	while (old < val && !__atomic_compare_exchange_n(p, &old, val, false,
							 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		;
}

static bool is_over(struct field *f)
{
	return __atomic_load_n(&f->over, __ATOMIC_ACQUIRE) ||
	       __atomic_load_n(&f->wrong, __ATOMIC_ACQUIRE);
}

static void wrong(struct field *f, const char *what)
{
	__atomic_store_n(&f->wrong, what, __ATOMIC_RELEASE);
}

/* Ways to make a registration that has an event, and to end it. */
static int begin_user(struct field *f, int i, unsigned long gen)
{
	return kq_change(f->kq, i, EVFILT_USER, EV_ADD | f->flags, 0, 0, UD(gen)) ||
	       kq_change(f->kq, i, EVFILT_USER, EV_KEEPUDATA, NOTE_TRIGGER, 0, NULL);
}

static int end_user(struct field *f, int i)
{
	return kq_set(f->kq, i, EVFILT_USER, EV_DELETE);
}

static int begin_timer(struct field *f, int i, unsigned long gen)
{
	return kq_change(f->kq, i, EVFILT_TIMER, EV_ADD | f->flags, NOTE_USECONDS, 20,
			 UD(gen));
}

static int end_timer(struct field *f, int i)
{
	return kq_set(f->kq, i, EVFILT_TIMER, EV_DELETE);
}

static int begin_fd(struct field *f, int i, unsigned long gen)
{
	return dup2(f->ready, FIRST_FD + i) < 0 ||
	       kq_change(f->kq, FIRST_FD + i, EVFILT_READ, EV_ADD | f->flags, 0, 0, UD(gen));
}

/* Without a duplicate: closing it is the end of the file. */
static int begin_alone(struct field *f, int i, unsigned long gen)
{
	int fd = eventfd(1, EFD_CLOEXEC);
	int err = dup2(fd, FIRST_FD + i) < 0 || close(fd);

	return err || kq_change(f->kq, FIRST_FD + i, EVFILT_READ, EV_ADD | f->flags, 0, 0,
				UD(gen));
}

static int end_delete(struct field *f, int i)
{
	return kq_set(f->kq, FIRST_FD + i, EVFILT_READ, EV_DELETE);
}

static int end_close(struct field *f, int i)
{
	(void)f;
	return close(FIRST_FD + i);
}

static int end_dup2(struct field *f, int i)
{
	return dup2(f->idle, FIRST_FD + i) < 0;
}

/* The number has gone to another file at once: it is not the old one's. */
static int end_close_reuse(struct field *f, int i)
{
	return close(FIRST_FD + i) || dup2(f->idle, FIRST_FD + i) < 0 ||
	       kq_set(f->kq, FIRST_FD + i, EVFILT_READ, EV_DELETE) != ENOENT;
}

/* One that is delivered once goes by itself, or by us. */
static int end_oneshot(struct field *f, int i)
{
	int err = kq_set(f->kq, FIRST_FD + i, EVFILT_READ, EV_DELETE);

	return err && err != ENOENT;
}

/* An event is wrong if its registration had ended before we collected, or is to come. */
static void judge(struct field *f, const struct kevent *ev, const unsigned long *ended)
{
	int i = ev->filter == EVFILT_READ ? ev->ident - FIRST_FD : ev->ident;
	unsigned long gen = UD_NUM(ev);

	if (i < 0 || i >= PLACES || ev->flags & EV_ERROR) {
		wrong(f, "an event of nobody");
		return;
	}
	if (gen <= ended[i])
		wrong(f, "an event of a registration that is gone");
	if (gen > look(&f->place[i].begun))
		wrong(f, "an event of a registration that is to come");
	note_max(&f->place[i].seen, gen);
}

static void *scanner(void *arg)
{
	unsigned long ended[PLACES];
	struct field *f = arg;
	struct kevent ev[PLACES];
	int i, n, max = 0;

	while (!is_over(f)) {
		for (i = 0; i < PLACES; i++)
			ended[i] = look(&f->place[i].ended);
		max = max % PLACES + 1;
		n = kq_collect(f->kq, ev, max);
		if (n < 0)
			wrong(f, strerror(errno));
		for (i = 0; i < n; i++)
			judge(f, &ev[i], ended);
		__atomic_fetch_add(&f->events, n > 0 ? n : 0, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* The generation is delivered, if it is the turn of its kind to be. */
static bool is_seen(struct field *f, int i, unsigned long gen)
{
	long long end = ts_ms() + LIMIT_MS;

	while (gen % SEEN_EVERY == 0 && look(&f->place[i].seen) != gen && !is_over(f)) {
		if (ts_ms() > end)
			return false;
		sched_yield();
	}
	return true;
}

static void make(struct field *f, int i)
{
	unsigned long gen = look(&f->place[i].begun) + 1;

	note(&f->place[i].begun, gen);
	if (f->begin(f, i, gen))
		wrong(f, "cannot register");
	if (!is_seen(f, i, gen))
		wrong(f, "the event was not delivered");
	stagger(gen * 11 % 509);
	if (f->end(f, i))
		wrong(f, "cannot end it");
	note(&f->place[i].ended, gen);
}

struct maker {
	pthread_t thread;
	struct field *f;
	int first;		/* of the places, which the makers share */
};

static void *maker_main(void *arg)
{
	struct maker *m = arg;
	int i;

	while (!is_over(m->f))
		for (i = m->first; i < PLACES && !is_over(m->f); i += MAKERS)
			make(m->f, i);
	return NULL;
}

static int least_ended(struct field *f)
{
	unsigned long least = ULONG_MAX;
	int i;

	for (i = 0; i < PLACES; i++)
		if (look(&f->place[i].ended) < least)
			least = look(&f->place[i].ended);
	return least;
}

/* Returns what went wrong, or NULL. */
static const char *scan_run(struct field *f, int least)
{
	long long begin = ts_ms();
	struct maker maker[MAKERS];
	pthread_t thread[SCANNERS];
	int i;

	for (i = 0; i < SCANNERS; i++)
		if (pthread_create(&thread[i], NULL, scanner, f))
			return "no thread";
	for (i = 0; i < MAKERS; i++) {
		maker[i] = (struct maker){ .f = f, .first = i };
		if (pthread_create(&maker[i].thread, NULL, maker_main, &maker[i]))
			return "no thread";
	}
	while (!is_over(f) && ts_ms() - begin < RACE_MOST_MS &&
	       (ts_ms() - begin < race_ms() || least_ended(f) < least))
		usleep(10000);
	__atomic_store_n(&f->over, true, __ATOMIC_RELEASE);
	for (i = 0; i < MAKERS; i++)
		pthread_join(maker[i].thread, NULL);
	for (i = 0; i < SCANNERS; i++)
		pthread_join(thread[i], NULL);
	printf("# %d rounds of each, %ld events\n", least_ended(f), f->events);
	fflush(stdout);
	if (!f->wrong && (least_ended(f) < least || f->events < least))
		return "too few rounds";
	return f->wrong;
}

FIXTURE(scan_race)
{
	struct field f;
};

FIXTURE_VARIANT(scan_race)
{
	int flags;
	int (*begin)(struct field *f, int i, unsigned long gen);
	int (*end)(struct field *f, int i);
};

FIXTURE_VARIANT_ADD(scan_race, user_deleted)
{
	.begin = begin_user, .end = end_user,
};

FIXTURE_VARIANT_ADD(scan_race, user_edge_deleted)
{
	.begin = begin_user, .end = end_user, .flags = EV_CLEAR,
};

FIXTURE_VARIANT_ADD(scan_race, timer_deleted)
{
	.begin = begin_timer, .end = end_timer,
};

FIXTURE_VARIANT_ADD(scan_race, deleted)
{
	.begin = begin_fd, .end = end_delete,
};

FIXTURE_VARIANT_ADD(scan_race, edge_deleted)
{
	.begin = begin_fd, .end = end_delete, .flags = EV_CLEAR,
};

FIXTURE_VARIANT_ADD(scan_race, oneshot_deleted)
{
	.begin = begin_fd, .end = end_oneshot, .flags = EV_ONESHOT,
};

FIXTURE_VARIANT_ADD(scan_race, closed)
{
	.begin = begin_fd, .end = end_close,
};

FIXTURE_VARIANT_ADD(scan_race, closed_for_good)
{
	.begin = begin_alone, .end = end_close,
};

FIXTURE_VARIANT_ADD(scan_race, dup2_over)
{
	.begin = begin_fd, .end = end_dup2,
};

FIXTURE_VARIANT_ADD(scan_race, number_reused)
{
	.begin = begin_alone, .end = end_close_reuse,
};

FIXTURE_SETUP(scan_race)
{
	self->f = (struct field){
		.kq = kq_open(), .ready = eventfd(1, EFD_CLOEXEC),
		.idle = eventfd(0, EFD_CLOEXEC), .flags = variant->flags,
		.begin = variant->begin, .end = variant->end,
	};
	ASSERT_LE(0, self->f.kq);
}

FIXTURE_TEARDOWN(scan_race)
{
	close(self->f.kq);
	EXPECT_TRUE(all_freed());
}

/* No event is of another generation than those that were there; none is missing. */
TEST_F_TIMEOUT(scan_race, present_generation, RACE_TIMEOUT)
{
	EXPECT_EQ(NULL, scan_run(&self->f, 25));
	EXPECT_EQ(0, kq_count(self->f.kq));
	EXPECT_EQ(0, fdinfo_knotes(self->f.kq));
}

TEST_HARNESS_MAIN
