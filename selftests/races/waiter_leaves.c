// SPDX-License-Identifier: BSD-2-Clause
/*
 * A waiter leaves just when it is woken for an event: because its time is up, a
 * signal comes, or it is killed. Either it takes the event with it, or the
 * wake-up is passed on, and the other waiter gets the event.
 *
 * The one that leaves, the rival, has waited for longer, so the wake-up is for
 * it. It is on our CPU, which we do not give up between the two things that are
 * to happen to it: it sees both when it runs, whichever was first.
 */
#include <sys/mman.h>

#include "peers.h"
#include "races.h"

enum leave { TIMEOUT, SIGNAL, KILLED };

/* As a waiter, but a process of its own that shares our descriptors. */
struct rival_process {
	pid_t pid;
	struct kevent *ev;	/* shared memory */
};

struct round {
	int kq;
	enum leave leave;
	long long ms;		/* how long the rival waits */
	long long until;	/* when its time is certainly up, ns */
	struct waiter rival;
	struct waiter home;
	struct rival_process process;
	int early;		/* rounds in which the rival had left before */
	int won;		/* ... and in which it took the event */
};

static void on_signal(int sig)
{
	(void)sig;
}

/* While this is so, nothing else runs on this CPU, if we have the right. */
static void hog_cpu(bool hog)
{
	struct sched_param param = { .sched_priority = hog };

	sched_setscheduler(0, hog ? SCHED_FIFO : SCHED_OTHER, &param);
}

static bool process_start(struct rival_process *p, int kq)
{
	memset(p->ev, 0, sizeof(*p->ev));
	p->pid = fork_sharing_files();
	if (!p->pid) {
		kq_wait(kq, p->ev, 1, -1);
		_exit(0);
	}
	return p->pid > 0 && wait_asleep(p->pid);
}

static bool rival_start(struct round *r)
{
	bool started;

	pin(0);
	if (r->leave == KILLED)
		return process_start(&r->process, r->kq);
	started = waiter_start(&r->rival, r->kq, 1, r->leave == TIMEOUT ? r->ms : -1);
	r->until = ts_ns() + r->ms * 1000000;
	return started || (r->leave == TIMEOUT && waiter_done(&r->rival));
}

static bool home_start(struct round *r)
{
	bool started;

	pin(1);
	started = waiter_start(&r->home, r->kq, 1, -1);
	pin(0);
	return started;
}

static void make_leave(struct round *r)
{
	switch (r->leave) {
	case TIMEOUT:
		while (ts_ns() < r->until)
			;
		break;
	case SIGNAL:
		pthread_kill(r->rival.thread, SIGUSR1);
		break;
	case KILLED:
		kill(r->process.pid, SIGKILL);
		break;
	}
}

/* Both happen before the rival runs. */
static void strike(struct round *r, bool event_first)
{
	hog_cpu(true);
	if (r->leave == TIMEOUT && waiter_done(&r->rival)) {
		r->early++;
		r->ms *= 2;	/* the machine is slow */
	}
	if (event_first)
		kq_trigger(r->kq, 1);
	make_leave(r);
	if (!event_first)
		kq_trigger(r->kq, 1);
	hog_cpu(false);
}

/* The rival has gone. With the event? */
static bool rival_won(struct round *r)
{
	if (r->leave != KILLED)
		return waiter_join(&r->rival) && r->rival.ret == 1;
	waitpid(r->process.pid, NULL, 0);
	return r->process.ev->filter == EVFILT_USER;
}

/* What went wrong, or NULL. */
static const char *play(struct round *r, bool event_first)
{
	bool won;

	if (!rival_start(r) || !home_start(r))
		return "they do not wait";
	strike(r, event_first);
	won = rival_won(r);
	r->won += won;
	/* Then there is another one for those who stayed. */
	if (won && (waiter_done(&r->home) || kq_trigger(r->kq, 1)))
		return "the event came twice";
	if (!waiter_join(&r->home))
		return "the event is lost";
	if (r->home.ret != 1 || kq_count(r->kq))
		return "the other waiter left without the event";
	return NULL;
}

FIXTURE(waiter)
{
	struct round round;
};

FIXTURE_VARIANT(waiter)
{
	enum leave leave;
};

FIXTURE_VARIANT_ADD(waiter, whose_time_is_up)
{
	.leave = TIMEOUT,
};

FIXTURE_VARIANT_ADD(waiter, with_a_signal)
{
	.leave = SIGNAL,
};

FIXTURE_VARIANT_ADD(waiter, that_is_killed)
{
	.leave = KILLED,
};

FIXTURE_SETUP(waiter)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct round *r = &self->round;

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	r->leave = variant->leave;
	r->ms = 2;
	r->kq = kq_open();
	ASSERT_EQ(0, kq_set(r->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	r->process.ev = mmap(NULL, sizeof(*r->process.ev), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, r->process.ev);
}

FIXTURE_TEARDOWN(waiter)
{
	close(self->round.kq);
	EXPECT_TRUE(all_freed());
}

/* A waiter that leaves does not swallow the event that it is woken for. */
TEST_F_TIMEOUT(waiter, swallows_nothing, RACE_TIMEOUT)
{
	struct rounds rounds = { .least = 60 };
	struct round *r = &self->round;

	while (next_round(&rounds)) {
		ASSERT_EQ(NULL, play(r, rounds.done % 2))
			TH_LOG("round %d", rounds.done);
	}
	TH_LOG("the rival took the event in %d rounds, had left before in %d",
	       r->won, r->early);
	EXPECT_ROUNDS(&rounds);
	EXPECT_LT(r->early, rounds.done / 2);
}

TEST_HARNESS_MAIN
