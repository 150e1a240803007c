// SPDX-License-Identifier: BSD-2-Clause
/*
 * A waiter leaves just when an event comes: because its time is up, a signal
 * comes, or it is killed. Either it takes the event with it, or the wake-up that
 * it may have got is passed on, and the other waiter gets the event.
 */
#include "peers.h"
#include "races.h"

#define RIVAL	1	/* idents of user events */
#define HOME	2

enum leave { TIMEOUT, SIGNAL, KILLED };

/* Shared with the rival, where that is a process. */
struct rival {
	int kq;
	enum leave leave;
	pid_t tid;
	int calls;		/* of kevent(), begun */
	int taken;		/* events that it took */
	int failed;
	bool over;
	struct kevent ev;
};

static void on_signal(int sig)
{
	(void)sig;
}

/* The thread that leaves, again and again. */
static void *rival_main(void *arg)
{
	struct rival *r = arg;
	int n;

	__atomic_store_n(&r->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&r->over, __ATOMIC_ACQUIRE)) {
		__atomic_fetch_add(&r->calls, 1, __ATOMIC_RELEASE);
		n = kq_wait(r->kq, &r->ev, 1, r->leave == TIMEOUT ? 1 : LIMIT_MS);
		if (n > 0)
			__atomic_fetch_add(&r->taken, 1, __ATOMIC_RELEASE);
		else if (n < 0 && errno != EINTR)
			r->failed = errno;
	}
	return NULL;
}

/* The other waiter. */
struct home {
	int kq;
	int taken;
	bool over;
};

static void *home_main(void *arg)
{
	struct home *h = arg;
	struct kevent ev;

	for (;;) {
		if (kq_wait(h->kq, &ev, 1, -1) != 1)
			return UD(errno);
		if (ev.ident == HOME)
			return NULL;
		__atomic_fetch_add(&h->taken, 1, __ATOMIC_RELEASE);
	}
}

static void fire_rival(void *arg)
{
	kq_trigger(*(int *)arg, RIVAL);
}

static int taken(struct rival *r, struct home *h)
{
	return __atomic_load_n(&r->taken, __ATOMIC_ACQUIRE) +
	       __atomic_load_n(&h->taken, __ATOMIC_ACQUIRE);
}

FIXTURE(leave)
{
	struct rival *rival;
	struct home home;
	pthread_t thread;
};

FIXTURE_SETUP(leave)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int kq = kq_open();

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	ASSERT_EQ(0, kq_set(kq, RIVAL, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_set(kq, HOME, EVFILT_USER, EV_ADD));
	self->rival = mmap(NULL, sizeof(*self->rival), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->rival);
	self->rival->kq = kq;
	self->home.kq = kq;
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, home_main, &self->home));
}

FIXTURE_TEARDOWN(leave)
{
	void *err;

	EXPECT_EQ(0, kq_trigger(self->home.kq, HOME));
	EXPECT_EQ(0, pthread_join(self->thread, &err));
	EXPECT_EQ(NULL, err);
	close(self->home.kq);
	EXPECT_TRUE(all_freed());
}

/* A thread whose time is up, or that gets a signal, does not swallow the event. */
static const char *thread_leaves(struct rival *r, struct home *h, enum leave leave)
{
	struct rounds rounds = { .least = 100 };
	const char *wrong = NULL;
	pthread_t thread;
	struct duel d;
	int calls;

	r->leave = leave;
	if (pthread_create(&thread, NULL, rival_main, r) ||
	    !duel_open(&d, fire_rival, &h->kq))
		return "no threads";
	while (!wrong && next_round(&rounds)) {
		calls = __atomic_load_n(&r->calls, __ATOMIC_ACQUIRE);
		/* The rival has begun to wait, the other perhaps not yet. */
		while (leave == TIMEOUT && __atomic_load_n(&r->calls, __ATOMIC_ACQUIRE) == calls)
			sched_yield();
		DUEL(&d, leave == SIGNAL ? pthread_kill(thread, SIGUSR1) : usleep(1100));
		if (!WAIT_FOR(taken(r, h) >= rounds.done))
			wrong = "the event is lost";
		else if (taken(r, h) > rounds.done)
			wrong = "the event came twice";
	}
	printf("# %d rounds, of which the rival won %d\n", rounds.done, r->taken);
	fflush(stdout);
	__atomic_store_n(&r->over, true, __ATOMIC_RELEASE);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	duel_close(&d);
	if (r->failed)
		wrong = strerror(r->failed);
	return wrong ? wrong : rounds.done < rounds.least ? "too few rounds" : NULL;
}

TEST_F_TIMEOUT(leave, when_time_is_up, RACE_TIMEOUT)
{
	EXPECT_EQ(NULL, thread_leaves(self->rival, &self->home, TIMEOUT));
}

TEST_F_TIMEOUT(leave, on_a_signal, RACE_TIMEOUT)
{
	EXPECT_EQ(NULL, thread_leaves(self->rival, &self->home, SIGNAL));
}

/* A process that shares our descriptors waits in our queue. Its id. */
static pid_t rival_process(struct rival *r)
{
	pid_t pid;

	memset(&r->ev, 0, sizeof(r->ev));
	__atomic_store_n(&r->calls, 0, __ATOMIC_RELEASE);
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, 0);
	if (!pid) {
		__atomic_store_n(&r->calls, 1, __ATOMIC_RELEASE);
		kq_wait(r->kq, &r->ev, 1, -1);
		_exit(0);
	}
	return pid;
}

/* Killed with the event in its hands it has stored it; else it is ours. */
TEST_F_TIMEOUT(leave, when_killed, RACE_TIMEOUT)
{
	struct rounds r = { .least = 30 };
	int got = 0, kq = self->home.kq;
	struct duel d;
	pid_t pid;

	ASSERT_TRUE(duel_open(&d, fire_rival, &kq));
	while (next_round(&r)) {
		pid = rival_process(self->rival);
		ASSERT_LT(0, pid);
		while (!__atomic_load_n(&self->rival->calls, __ATOMIC_ACQUIRE))
			sched_yield();
		DUEL(&d, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		got += self->rival->ev.filter == EVFILT_USER;
		ASSERT_TRUE(WAIT_FOR(got + taken(self->rival, &self->home) >= r.done));
		ASSERT_EQ(r.done, got + taken(self->rival, &self->home));
	}
	printf("# the rival won %d\n", got);
	EXPECT_ROUNDS(&r);
	duel_close(&d);
}

TEST_HARNESS_MAIN
