// SPDX-License-Identifier: BSD-2-Clause
/*
 * NOTE_EXCLUSIVE: connections come while threads, each with a queue of its own, go to
 * sleep, and while one of them leaves: its registration is disabled, removed, closed or
 * not exclusive any more. Each is accepted all the same, by one of the others.
 */
#include "peers.h"
#include "races.h"

#define TAKERS		3
#define BURST		3	/* so many connections come in a round, at most */
#define FD_BASE		100	/* numbers from here on are given to nothing else */
#define STOP		1	/* the user event that ends a thread */

enum leave { DISABLE, SHARE, REMOVE, CLOSE, LEAVES };

struct taker {
	pthread_t thread;
	struct race *race;
	int kq;
	int fd;			/* a duplicate of what listens */
};

struct race {
	struct taker t[TAKERS];
	struct sockaddr_storage ss;
	int listener;
	int flags;
	int round;
	int offered;
	int taken;
	int late;		/* rounds in which it took longer than it should */
};

FIXTURE(exclusive_race)
{
	struct race r;
	struct duel d;
};

FIXTURE_VARIANT(exclusive_race)
{
	int flags;
};

FIXTURE_VARIANT_ADD(exclusive_race, level) { .flags = 0 };
FIXTURE_VARIANT_ADD(exclusive_race, clear) { .flags = EV_CLEAR };
FIXTURE_VARIANT_ADD(exclusive_race, dispatch) { .flags = EV_DISPATCH };

static int change(struct taker *t, int flags, unsigned int fflags)
{
	return kq_change(t->kq, t->fd, EVFILT_READ, flags, fflags, 0, NULL);
}

static int join(struct taker *t)
{
	return change(t, EV_ADD | EV_ENABLE | t->race->flags, NOTE_EXCLUSIVE);
}

static void take_all(struct race *r)
{
	int fd;

	while ((fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		close(fd);
		__atomic_add_fetch(&r->taken, 1, __ATOMIC_RELAXED);
	}
}

static void *taker_main(void *arg)
{
	struct taker *t = arg;
	struct kevent ev;

	while (kq_wait(t->kq, &ev, 1, -1) == 1 && ev.filter != EVFILT_USER) {
		take_all(t->race);
		if (t->race->flags & EV_DISPATCH)
			change(t, EV_ENABLE, NOTE_EXCLUSIVE);
	}
	return NULL;
}

static bool taker_start(struct race *r, struct taker *t)
{
	*t = (struct taker){ .race = r, .kq = kq_open() };
	t->fd = fcntl(r->listener, F_DUPFD_CLOEXEC, FD_BASE);
	return !kq_set(t->kq, STOP, EVFILT_USER, EV_ADD) && !join(t) &&
	       !pthread_create(&t->thread, NULL, taker_main, t);
}

/* One of them leaves. With EV_DISPATCH its thread may bring it back, if that is so. */
static void leave(void *arg)
{
	struct race *r = arg;
	struct taker *t = &r->t[r->round % TAKERS];

	switch (r->round / TAKERS % LEAVES) {
	case DISABLE:
		change(t, EV_DISABLE, NOTE_EXCLUSIVE);
		break;
	case SHARE:
		change(t, EV_ADD, 0);
		break;
	case REMOVE:
		change(t, EV_DELETE, 0);
		break;
	case CLOSE:
		close(t->fd);
		break;
	}
}

/* It is back. */
static bool come_back(struct race *r)
{
	struct taker *t = &r->t[r->round % TAKERS];

	if (r->round / TAKERS % LEAVES == CLOSE &&
	    dup3(r->listener, t->fd, O_CLOEXEC) != t->fd)
		return false;
	return !join(t);
}

static void offer(struct race *r)
{
	int n = 1 + r->round % BURST, fd;

	while (n--) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!connect(fd, (struct sockaddr *)&r->ss, sizeof(sa_family_t) + 6))
			r->offered++;
		close(fd);
	}
}

static bool all_taken(struct race *r)
{
	long long begin = ts_ms();
	bool ok = WAIT_FOR(__atomic_load_n(&r->taken, __ATOMIC_RELAXED) == r->offered);

	r->late += ts_ms() - begin > 40;
	return ok;
}

FIXTURE_SETUP(exclusive_race)
{
	socklen_t len = sizeof(self->r.ss);
	int i;

	self->r.flags = variant->flags;
	self->r.ss.ss_family = AF_UNIX;
	self->r.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* It gets a name of six bytes. */
	ASSERT_EQ(0, bind(self->r.listener, (struct sockaddr *)&self->r.ss,
			  sizeof(sa_family_t)));
	ASSERT_EQ(0, getsockname(self->r.listener, (struct sockaddr *)&self->r.ss, &len));
	ASSERT_EQ(sizeof(sa_family_t) + 6, len);
	ASSERT_EQ(0, listen(self->r.listener, 128));
	for (i = 0; i < TAKERS; i++)
		ASSERT_TRUE(taker_start(&self->r, &self->r.t[i]));
	ASSERT_TRUE(duel_open(&self->d, leave, &self->r));
}

FIXTURE_TEARDOWN(exclusive_race)
{
	int i;

	duel_close(&self->d);
	for (i = 0; i < TAKERS; i++) {
		EXPECT_EQ(0, kq_trigger(self->r.t[i].kq, STOP));
		EXPECT_EQ(0, pthread_join(self->r.t[i].thread, NULL));
		close(self->r.t[i].kq);
		close(self->r.t[i].fd);
	}
	close(self->r.listener);
	EXPECT_TRUE(all_freed());
}

/* None is left waiting, in any round. */
TEST_F_TIMEOUT(exclusive_race, leaves, RACE_TIMEOUT)
{
	struct rounds rounds = { .least = 40 };
	struct race *r = &self->r;

	for (; next_round(&rounds); r->round++) {
		DUEL(&self->d, offer(r));
		ASSERT_TRUE(all_taken(r));
		ASSERT_TRUE(come_back(r));
	}
	EXPECT_ROUNDS(&rounds);
	printf("# %d connections, in %d rounds passed on late\n", r->offered, r->late);
	fflush(stdout);
}

TEST_HARNESS_MAIN
