// SPDX-License-Identifier: BSD-2-Clause
/*
 * Wake-ups that get lost between the list of events and that of waiters. Every
 * event is counted, and none may be missing or come twice.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "peers.h"
#include "races.h"

/*
 * Ping-pong. Two queues, a ball is an ident in each of them: who gets its
 * event from one queue makes it fire in the other. Nothing else happens, so
 * with one ball a lost wake-up stops the game.
 */
#define BALLS_MAX	16
#define PLAYERS_MAX	4	/* on each side */
#define STOP		1000	/* a user event: the game is over */

enum source { USER, EDGE, ONESHOT, DISPATCH, LEVEL, TIMER };
enum wait { KEVENT, POLL, EPOLL, OUTER };

struct ball {
	int fd[2];		/* eventfds, in the queue of either side */
	int side;		/* where it will be seen next */
	long hits;		/* how often it was */
};

struct court {
	enum source source;
	enum wait wait;
	int balls;
	int players;
	int kq[2];
	int epfd[2];		/* with the queue in them, for EPOLL ... */
	int outer[2];		/* ... and OUTER */
	bool over;
	bool failed;
	struct ball ball[BALLS_MAX];
};

struct player {
	pthread_t thread;
	struct court *c;
	int side;
	int max;		/* how many events it takes at once */
};

static bool is_over(struct court *c)
{
	return __atomic_load_n(&c->over, __ATOMIC_ACQUIRE);
}

static void foul(struct court *c, const char *what, int side, const struct ball *b)
{
	__atomic_store_n(&c->failed, true, __ATOMIC_RELEASE);
	fprintf(stderr, "# %s: side %d, ball %td, %ld hits, errno %d\n", what, side,
		b ? b - c->ball : -1, b ? b->hits : 0, errno);
}

/* Make the ball fire on that side. Returns 0, or the errno. */
static int serve(struct court *c, int i, int side)
{
	struct ball *b = &c->ball[i];

	__atomic_store_n(&b->side, side, __ATOMIC_RELEASE);
	switch (c->source) {
	case USER:
		return kq_trigger(c->kq[side], i);
	case TIMER:
		return kq_change(c->kq[side], i, EVFILT_TIMER, EV_ADD | EV_ONESHOT,
				 NOTE_USECONDS, 1 + b->hits % 41, NULL);
	default:
		return eventfd_write(b->fd[side], 1) ? errno : 0;
	}
}

static int add_ball(struct court *c, int i, int side)
{
	static const int flags[] = {
		[EDGE] = EV_CLEAR, [ONESHOT] = EV_ONESHOT, [DISPATCH] = EV_DISPATCH,
		[LEVEL] = 0,
	};

	switch (c->source) {
	case USER:
		return kq_set(c->kq[side], i, EVFILT_USER, EV_ADD | EV_CLEAR);
	case TIMER:
		return 0;
	default:
		return kq_change(c->kq[side], c->ball[i].fd[side], EVFILT_READ,
				 EV_ADD | flags[c->source], 0, 0, UD(i));
	}
}

static bool court_open(struct court *c)
{
	struct epoll_event ev = { .events = EPOLLIN };
	bool ok = true;
	int i, side;

	for (side = 0; side < 2; side++) {
		c->kq[side] = kq_open();
		c->epfd[side] = epoll_create1(EPOLL_CLOEXEC);
		c->outer[side] = kq_open();
		ok &= !kq_set(c->kq[side], STOP, EVFILT_USER, EV_ADD) &&
		      !epoll_ctl(c->epfd[side], EPOLL_CTL_ADD, c->kq[side], &ev) &&
		      !kq_set(c->outer[side], c->kq[side], EVFILT_READ, EV_ADD);
		for (i = 0; i < c->balls; i++) {
			c->ball[i].fd[side] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
			ok &= !add_ball(c, i, side);
		}
	}
	return ok;
}

static void court_close(struct court *c)
{
	int i, side;

	for (side = 0; side < 2; side++) {
		for (i = 0; i < c->balls; i++)
			close(c->ball[i].fd[side]);
		close(c->epfd[side]);
		close(c->outer[side]);
		close(c->kq[side]);
	}
}

/* Wait, in whatever way, and collect. As kevent(). */
static int receive(struct player *p, struct kevent *ev)
{
	struct court *c = p->c;
	struct pollfd pfd = { .fd = c->kq[p->side], .events = POLLIN };
	struct epoll_event epev;
	struct kevent outer;
	int n;

	switch (c->wait) {
	case KEVENT:
		return kq_wait(c->kq[p->side], ev, p->max, -1);
	case POLL:
		n = poll(&pfd, 1, -1);
		break;
	case EPOLL:
		n = epoll_wait(c->epfd[p->side], &epev, 1, -1);
		break;
	default:
		n = kq_wait(c->outer[p->side], &outer, 1, -1);
	}
	return n < 0 ? n : kq_collect(c->kq[p->side], ev, p->max);
}

/*
 * The event is ours alone and as it should be; make ready for the next. False
 * if another player was faster, which can be if it is level-triggered.
 */
static bool take_ball(struct player *p, const struct kevent *ev, int i)
{
	struct court *c = p->c;
	struct ball *b = &c->ball[i];
	eventfd_t val = 1;

	if (c->source == LEVEL || c->source == ONESHOT || c->source == DISPATCH) {
		if (eventfd_read(b->fd[p->side], &val)) {
			if (c->source != LEVEL)
				foul(c, "an event without a cause", p->side, b);
			return false;
		}
	} else if (c->source == EDGE) {
		/* Never read, it grows by one each time it comes here. */
		val = ev->data - b->hits / 2;
	}
	if (__atomic_exchange_n(&b->side, -1, __ATOMIC_ACQ_REL) != p->side || val != 1) {
		foul(c, "an event too many or too few", p->side, b);
		return false;
	}
	if (c->source == ONESHOT && add_ball(c, i, p->side))
		foul(c, "cannot add it again", p->side, b);
	if (c->source == DISPATCH &&
	    kq_change(c->kq[p->side], b->fd[p->side], EVFILT_READ, EV_ENABLE, 0, 0, UD(i)))
		foul(c, "cannot enable it", p->side, b);
	return true;
}

static void return_ball(struct player *p, const struct kevent *ev)
{
	struct court *c = p->c;
	int i = c->source == USER || c->source == TIMER ? ev->ident : UD_NUM(ev);

	if (!take_ball(p, ev, i))
		return;
	__atomic_fetch_add(&c->ball[i].hits, 1, __ATOMIC_RELEASE);
	if (!is_over(c) && serve(c, i, !p->side))
		foul(c, "cannot serve", p->side, &c->ball[i]);
}

static void *player_main(void *arg)
{
	struct player *p = arg;
	struct kevent ev[BALLS_MAX];
	int i, n;

	while (!is_over(p->c)) {
		n = receive(p, ev);
		if (n < 0)
			foul(p->c, "cannot collect", p->side, NULL);
		for (i = 0; i < n; i++)
			if (ev[i].filter != EVFILT_USER || ev[i].ident != STOP)
				return_ball(p, &ev[i]);
	}
	return NULL;
}

static long hits(struct court *c)
{
	long sum = 0;
	int i;

	for (i = 0; i < c->balls; i++)
		sum += __atomic_load_n(&c->ball[i].hits, __ATOMIC_ACQUIRE);
	return sum;
}

/* Let them play. False if the game stops before the time is over, or is too slow. */
static bool play(struct court *c, long least)
{
	long long begin = ts_ms(), moved = begin;
	long now, last = -1;

	do {
		usleep(10000);
		now = hits(c);
		if (now != last)
			moved = ts_ms();
		last = now;
		if (ts_ms() - moved > LIMIT_MS) {
			fprintf(stderr, "# nothing moves after %ld hits\n", now);
			return false;
		}
	} while ((ts_ms() - begin < race_ms() || now < least) && !c->failed &&
		 ts_ms() - begin < RACE_MOST_MS);
	printf("# %ld rounds\n", now);
	fflush(stdout);
	return now >= least;
}

FIXTURE(pingpong)
{
	struct court c;
};

FIXTURE_VARIANT(pingpong)
{
	enum source source;
	enum wait wait;
	int balls;
	int players;		/* on each side */
	int max;		/* events that one takes at once */
};

/* player <= kevent - q <- user event | user event -> q - kevent => player */
FIXTURE_VARIANT_ADD(pingpong, user)
{
	.source = USER, .wait = KEVENT, .balls = 1, .players = 1, .max = 1,
};

/* The same, fired by the source itself: no lock of the queue is involved. */
FIXTURE_VARIANT_ADD(pingpong, edge)
{
	.source = EDGE, .wait = KEVENT, .balls = 1, .players = 1, .max = 1,
};

/* Four wait, so the one that is woken is often one that comes back just now. */
FIXTURE_VARIANT_ADD(pingpong, edge_four_wait)
{
	.source = EDGE, .wait = KEVENT, .balls = 1, .players = 4, .max = 1,
};

/* Whoever takes one of several events passes on the wake-up of the others. */
FIXTURE_VARIANT_ADD(pingpong, edge_passed_on)
{
	.source = EDGE, .wait = KEVENT, .balls = 6, .players = 4, .max = 1,
};

/* The same with batches. */
FIXTURE_VARIANT_ADD(pingpong, edge_batches)
{
	.source = EDGE, .wait = KEVENT, .balls = 16, .players = 3, .max = 5,
};

/* The registration goes with each event, and is made again. */
FIXTURE_VARIANT_ADD(pingpong, oneshot)
{
	.source = ONESHOT, .wait = KEVENT, .balls = 2, .players = 3, .max = 2,
};

/* The registration is disabled by each event, and enabled again. */
FIXTURE_VARIANT_ADD(pingpong, dispatch)
{
	.source = DISPATCH, .wait = KEVENT, .balls = 2, .players = 3, .max = 2,
};

/* Several may be told of a level, one reads it. */
FIXTURE_VARIANT_ADD(pingpong, level)
{
	.source = LEVEL, .wait = KEVENT, .balls = 3, .players = 3, .max = 2,
};

/* Fired from the timer interrupt. */
FIXTURE_VARIANT_ADD(pingpong, timer)
{
	.source = TIMER, .wait = KEVENT, .balls = 1, .players = 2, .max = 1,
};

/* Many timers: the interrupt comes amid scans and changes of the same queue. */
FIXTURE_VARIANT_ADD(pingpong, timers)
{
	.source = TIMER, .wait = KEVENT, .balls = 16, .players = 2, .max = 3,
};

/* player <= poll - q <- eventfd */
FIXTURE_VARIANT_ADD(pingpong, edge_poll)
{
	.source = EDGE, .wait = POLL, .balls = 1, .players = 2, .max = 1,
};

/* player <= epoll - q <- eventfd */
FIXTURE_VARIANT_ADD(pingpong, edge_epoll)
{
	.source = EDGE, .wait = EPOLL, .balls = 1, .players = 2, .max = 1,
};

/* The same with more: epoll looks while others scan the queue. */
FIXTURE_VARIANT_ADD(pingpong, edge_epoll_busy)
{
	.source = EDGE, .wait = EPOLL, .balls = 5, .players = 3, .max = 1,
};

/* player <= kevent - outer <- q <- eventfd */
FIXTURE_VARIANT_ADD(pingpong, edge_outer)
{
	.source = EDGE, .wait = OUTER, .balls = 1, .players = 2, .max = 1,
};

/* The same with more: the outer queue looks while others scan the inner one. */
FIXTURE_VARIANT_ADD(pingpong, edge_outer_busy)
{
	.source = EDGE, .wait = OUTER, .balls = 5, .players = 3, .max = 1,
};

FIXTURE_SETUP(pingpong)
{
	self->c = (struct court){
		.source = variant->source, .wait = variant->wait,
		.balls = variant->balls, .players = variant->players,
	};
	ASSERT_TRUE(court_open(&self->c));
}

FIXTURE_TEARDOWN(pingpong)
{
	court_close(&self->c);
	EXPECT_TRUE(all_freed());
}

/* Every ball is always somewhere, and in one place only. */
TEST_F_TIMEOUT(pingpong, no_ball_is_lost, RACE_TIMEOUT)
{
	struct player player[2 * PLAYERS_MAX] = {};
	struct court *c = &self->c;
	int i;

	for (i = 0; i < 2 * c->players; i++) {
		player[i] = (struct player){ .c = c, .side = i % 2, .max = variant->max };
		ASSERT_EQ(0, pthread_create(&player[i].thread, NULL, player_main, &player[i]));
	}
	for (i = 0; i < c->balls; i++)
		ASSERT_EQ(0, serve(c, i, 0));
	ASSERT_TRUE(play(c, 200));
	__atomic_store_n(&c->over, true, __ATOMIC_RELEASE);
	/* At the level: all of them see it, one after the other. */
	ASSERT_EQ(0, kq_trigger(c->kq[0], STOP));
	ASSERT_EQ(0, kq_trigger(c->kq[1], STOP));
	for (i = 0; i < 2 * c->players; i++)
		ASSERT_EQ(0, pthread_join(player[i].thread, NULL));
	EXPECT_FALSE(c->failed);
}

/* One event, for one who is about to go to sleep. */
FIXTURE(drowsy)
{
	struct court c;
	struct duel d;
};

FIXTURE_VARIANT(drowsy)
{
	enum wait wait;
};

FIXTURE_VARIANT_ADD(drowsy, in_kevent)
{
	.wait = KEVENT,
};

FIXTURE_VARIANT_ADD(drowsy, in_poll)
{
	.wait = POLL,
};

FIXTURE_VARIANT_ADD(drowsy, in_epoll)
{
	.wait = EPOLL,
};

FIXTURE_VARIANT_ADD(drowsy, in_outer)
{
	.wait = OUTER,
};

FIXTURE_SETUP(drowsy)
{
	self->c = (struct court){ .source = USER, .wait = variant->wait, .balls = 1 };
	ASSERT_TRUE(court_open(&self->c));
}

FIXTURE_TEARDOWN(drowsy)
{
	court_close(&self->c);
	EXPECT_TRUE(all_freed());
}

static void serve_once(void *arg)
{
	serve(arg, 0, 0);
}

/* Wherever the event comes between looking at the queue and sleeping, it wakes. */
TEST_F_TIMEOUT(drowsy, is_woken, RACE_TIMEOUT)
{
	struct player p = { .c = &self->c, .max = 1 };
	struct rounds r = { .least = 200 };
	struct kevent ev[BALLS_MAX];
	int n;

	ASSERT_TRUE(duel_open(&self->d, serve_once, &self->c));
	while (next_round(&r)) {
		DUEL(&self->d, n = receive(&p, ev));
		ASSERT_EQ(1, n);
		ASSERT_EQ(0, ev[0].ident);
	}
	EXPECT_ROUNDS(&r);
	duel_close(&self->d);
}

/*
 * A burst: as many events as there are waiters, each of which takes one. Then
 * nothing more comes that could heal a lost wake-up.
 */
#define BURST	8

struct burst {
	int kq;
	int fd[BURST];
	pthread_barrier_t begin;
	int got[BURST];		/* how often, in this round */
	int sum;
	bool over;
};

static void *burst_main(void *arg)
{
	struct burst *b = arg;
	struct kevent ev;

	for (;;) {
		pthread_barrier_wait(&b->begin);
		if (b->over)
			return NULL;
		if (kq_wait(b->kq, &ev, 1, -1) == 1)
			__atomic_fetch_add(&b->got[UD_NUM(&ev)], 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&b->sum, 1, __ATOMIC_RELEASE);
	}
}

static void fire(struct burst *b, int from)
{
	int i;

	for (i = from; i < BURST; i += 2)
		eventfd_write(b->fd[i], 1);
}

static void fire_odd(void *arg)
{
	fire(arg, 1);
}

static bool burst_open(struct burst *b)
{
	int i;

	memset(b, 0, sizeof(*b));
	b->kq = kq_open();
	pthread_barrier_init(&b->begin, NULL, BURST + 1);
	for (i = 0; i < BURST; i++) {
		b->fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (kq_change(b->kq, b->fd[i], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, UD(i)))
			return false;
	}
	return true;
}

FIXTURE(burst)
{
	struct burst b;
	struct duel d;
};

FIXTURE_SETUP(burst)
{
	ASSERT_TRUE(burst_open(&self->b));
}

FIXTURE_TEARDOWN(burst)
{
	close(self->b.kq);
	EXPECT_TRUE(all_freed());
}

/* Eight events from two threads at once wake eight waiters, which take one each. */
TEST_F_TIMEOUT(burst, wakes_all, RACE_TIMEOUT)
{
	struct rounds r = { .least = 50 };
	struct burst *b = &self->b;
	pthread_t thread[BURST];
	int i;

	for (i = 0; i < BURST; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, burst_main, b));
	ASSERT_TRUE(duel_open(&self->d, fire_odd, b));
	while (next_round(&r)) {
		pthread_barrier_wait(&b->begin);
		DUEL(&self->d, fire(b, 0));
		ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&b->sum, __ATOMIC_ACQUIRE) == BURST));
		for (i = 0; i < BURST; i++)
			ASSERT_EQ(1, b->got[i]);
		ASSERT_EQ(0, kq_count(b->kq));
		memset(b->got, 0, sizeof(b->got));
		b->sum = 0;
	}
	EXPECT_ROUNDS(&r);
	b->over = true;
	pthread_barrier_wait(&b->begin);
	for (i = 0; i < BURST; i++)
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
	duel_close(&self->d);
}

static void *fire_on(void *arg)
{
	struct burst *b = arg;

	while (!__atomic_load_n(&b->over, __ATOMIC_ACQUIRE))
		fire(b, 0);
	return NULL;
}

/* Sources that fire without a pause hold up neither changes nor collecting. */
TEST_F_TIMEOUT(burst, starves_nobody, RACE_TIMEOUT)
{
	enum { FIRING = 4, CHANGES = 500, EVENTS = 100 };
	struct burst *b = &self->b;
	pthread_t thread[FIRING];
	long long begin = ts_ms();
	int i, events = 0;

	for (i = 0; i < FIRING; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, fire_on, b));
	for (i = 0; i < CHANGES || events < EVENTS; i++) {
		ASSERT_GT(RACE_MOST_MS, ts_ms() - begin);
		ASSERT_EQ(0, kq_set(b->kq, i, EVFILT_USER, EV_ADD));
		events += kq_count(b->kq);
		ASSERT_EQ(0, kq_set(b->kq, i, EVFILT_USER, EV_DELETE));
	}
	b->over = true;
	for (i = 0; i < FIRING; i++)
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
}

TEST_HARNESS_MAIN
