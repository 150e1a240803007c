// SPDX-License-Identifier: BSD-2-Clause
/*
 * Producers, registrars, closers and consumers on one queue at once: what was
 * written is read, to the last unit.
 */
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "expect.h"

#define CHURN_MS	20000
#define NFDS		32
#define NTHREADS	8

/* The sum that is written to all eventfds, and what events led to being read. */
struct churn {
	int kq;
	int fd[NFDS];
	atomic_bool stop;
	atomic_bool quit;	/* the consumers too */
	atomic_long written;
	atomic_long taken;
	atomic_long errors;
	atomic_long rounds[NTHREADS];
};

struct worker {
	struct churn *c;
	int id;
	void (*round)(struct worker *w);
	unsigned int seed;
	pthread_t thread;
};

/* Every other descriptor is edge-triggered, the rest disabled by delivery. */
static int fd_flags(int i)
{
	return i % 2 ? EV_DISPATCH : EV_CLEAR;
}

static int fd_change(struct churn *c, int i, int flags)
{
	return kq_change(c->kq, c->fd[i], EVFILT_READ, flags, 0, 0, UD(i));
}

static void round_produce(struct worker *w)
{
	__u64 val = rand_r(&w->seed) % 9 + 1;
	int fd = w->c->fd[rand_r(&w->seed) % NFDS];

	if (write(fd, &val, sizeof(val)) == sizeof(val))
		atomic_fetch_add(&w->c->written, val);
	else
		atomic_fetch_add(&w->c->errors, 1);
}

/* Delete a knote, whether it is queued or not, and make it again. */
static void round_register(struct worker *w)
{
	int i = rand_r(&w->seed) % NFDS;
	int err = fd_change(w->c, i, EV_DELETE);

	if (err && err != ENOENT)
		atomic_fetch_add(&w->c->errors, 1);
	if (fd_change(w->c, i, EV_ADD | fd_flags(i)))
		atomic_fetch_add(&w->c->errors, 1);
}

/* A descriptor that comes, fires and is closed, its event taken or not. */
static void round_close(struct worker *w)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0 || kq_change(w->c->kq, fd, EVFILT_READ, EV_ADD, 0, 0, UD(NFDS)) ||
	    kq_change(w->c->kq, fd, EVFILT_WRITE, EV_ADD, 0, 0, UD(NFDS)))
		atomic_fetch_add(&w->c->errors, 1);
	close(fd);
}

static void take(struct churn *c, const struct kevent *ev)
{
	int i = UD_NUM(ev), err;
	__u64 val;

	if (i >= NFDS)
		return;
	if (ev->ident != (uintptr_t)c->fd[i] || ev->filter != EVFILT_READ)
		atomic_fetch_add(&c->errors, 1);
	if (read(c->fd[i], &val, sizeof(val)) == sizeof(val))
		atomic_fetch_add(&c->taken, val);
	if (fd_flags(i) != EV_DISPATCH)
		return;
	/* A registrar may have it deleted just now: it adds it enabled. */
	err = fd_change(c, i, EV_ENABLE);
	if (err && err != ENOENT)
		atomic_fetch_add(&c->errors, 1);
}

static void round_consume(struct worker *w)
{
	struct kevent ev[8];
	int i, n = kq_wait(w->c->kq, ev, 8, 20);

	if (n < 0)
		atomic_fetch_add(&w->c->errors, 1);
	for (i = 0; i < n; i++)
		take(w->c, &ev[i]);
}

static void (* const rounds[NTHREADS])(struct worker *w) = {
	round_produce, round_produce, round_register, round_register,
	round_close, round_close, round_consume, round_consume,
};

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	atomic_bool *end = w->round == round_consume ? &w->c->quit : &w->c->stop;

	while (!atomic_load(end)) {
		w->round(w);
		atomic_fetch_add(&w->c->rounds[w->id], 1);
	}
	return NULL;
}

FIXTURE(churn)
{
	struct churn c;
	struct worker w[NTHREADS];
	long knotes;
};

FIXTURE_SETUP(churn)
{
	int i;

	self->knotes = kq_counter("knotes");
	self->c.kq = kq_open();
	for (i = 0; i < NFDS; i++) {
		self->c.fd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ASSERT_LE(0, self->c.fd[i]);
		ASSERT_EQ(0, fd_change(&self->c, i, EV_ADD | fd_flags(i)));
	}
}

FIXTURE_TEARDOWN(churn)
{
}

/* 20 seconds of all at once: what was written is read, all of it and once, and no knote is left. */
TEST_F_TIMEOUT(churn, nothing_lost, 90)
{
	struct churn *c = &self->c;
	long written, taken;
	int i;

	for (i = 0; i < NTHREADS; i++) {
		self->w[i] = (struct worker){
			.c = c, .id = i, .round = rounds[i], .seed = i + 1,
		};
		ASSERT_EQ(0, pthread_create(&self->w[i].thread, NULL,
					    worker_main, &self->w[i]));
	}
	usleep(CHURN_MS * 1000);
	atomic_store(&c->stop, true);
	for (i = 0; i < NTHREADS; i++)
		if (rounds[i] != round_consume)
			ASSERT_EQ(0, pthread_join(self->w[i].thread, NULL));
	WAIT_FOR(atomic_load(&c->taken) == atomic_load(&c->written));
	atomic_store(&c->quit, true);
	for (i = 0; i < NTHREADS; i++) {
		if (rounds[i] == round_consume)
			ASSERT_EQ(0, pthread_join(self->w[i].thread, NULL));
		TH_LOG("thread %d: %ld rounds", i, atomic_load(&c->rounds[i]));
		EXPECT_LT(100, atomic_load(&c->rounds[i]));
	}
	written = atomic_load(&c->written);
	taken = atomic_load(&c->taken);
	TH_LOG("%ld written, %ld taken", written, taken);
	ASSERT_EQ(written, taken);
	ASSERT_EQ(0, atomic_load(&c->errors));
	ASSERT_NONE(c->kq);
	for (i = 0; i < NFDS; i++)
		close(c->fd[i]);
	close(c->kq);
	ASSERT_TRUE(WAIT_FOR(kq_counter("knotes") <= self->knotes));
}

TEST_HARNESS_MAIN
