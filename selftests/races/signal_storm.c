// SPDX-License-Identifier: BSD-2-Clause
/*
 * Very many signals, sent by several at once: each queue that watches them counts
 * each, whatever other queues, registrations and processes come and go meanwhile.
 */
#include "peers.h"
#include "signals.h"

#define SENDERS		4
#define EACH		25000
#define SLOW_EACH	2500	/* on a slow machine */

/* More than are told directly, so that some are told later. */
#define QUEUES		40

struct storm {
	pid_t pid;
	int each;
	bool to_thread;
};

FIXTURE(storm)
{
	struct storm s;
	pid_t sender[SENDERS];
};

FIXTURE_VARIANT(storm)
{
	bool blocked;
	bool to_thread;
};

FIXTURE_VARIANT_ADD(storm, ignored)
{
	.blocked = false, .to_thread = false,
};

FIXTURE_VARIANT_ADD(storm, blocked)
{
	.blocked = true, .to_thread = false,
};

FIXTURE_VARIANT_ADD(storm, blocked_to_thread)
{
	.blocked = true, .to_thread = true,
};

FIXTURE_SETUP(storm)
{
	self->s.pid = getpid();
	self->s.each = getenv("KEVENT_SLOWNESS") ? SLOW_EACH : EACH;
	self->s.to_thread = variant->to_thread;
	signal(SIGUSR1, SIG_IGN);
	ASSERT_TRUE(!variant->blocked || sig_block(SIGUSR1));
}

FIXTURE_TEARDOWN(storm)
{
	EXPECT_TRUE(all_freed());
}

static int send_all(const struct storm *s)
{
	int i;

	for (i = 0; i < s->each; i++)
		if (s->to_thread ? syscall(SYS_tgkill, s->pid, s->pid, SIGUSR1) :
				   kill(s->pid, SIGUSR1))
			return 1;
	return 0;
}

static bool senders_start(struct storm *s, pid_t sender[SENDERS])
{
	int i;

	for (i = 0; i < SENDERS; i++) {
		sender[i] = fork();
		if (sender[i] < 0)
			return false;
		if (!sender[i])
			_exit(send_all(s));
	}
	return true;
}

static bool senders_end(pid_t sender[SENDERS])
{
	bool ok = true;
	int i;

	for (i = 0; i < SENDERS; i++)
		ok &= !child_status(sender[i]);
	return ok;
}

/* What one queue collects until it has them all, or none comes any more. */
static long long collect_all(int kq, long long want)
{
	long long sum = 0;
	struct kevent ev;

	while (sum < want && kq_wait(kq, &ev, 1, LIMIT_MS) == 1)
		sum += ev.data;
	return sum;
}

/* What is collected while they are sent comes to what was sent. */
TEST_F_TIMEOUT(storm, sum_is_exact, 120)
{
	long long want = (long long)SENDERS * self->s.each;
	int kq = sig_watch(SIGUSR1);

	ASSERT_LE(0, kq);
	ASSERT_TRUE(senders_start(&self->s, self->sender));
	EXPECT_EQ(want, collect_all(kq, want));
	EXPECT_TRUE(senders_end(self->sender));
	EXPECT_EQ(0, kq_count(kq));
	close(kq);
}

/* The same for each of many queues. */
TEST_F_TIMEOUT(storm, many_queues, 120)
{
	long long want = (long long)SENDERS * self->s.each;
	int kq[QUEUES], i;

	for (i = 0; i < QUEUES; i++) {
		kq[i] = sig_watch(SIGUSR1);
		ASSERT_LE(0, kq[i]);
	}
	ASSERT_TRUE(senders_start(&self->s, self->sender));
	for (i = 0; i < QUEUES; i++)
		EXPECT_EQ(want, collect_all(kq[i], want));
	EXPECT_TRUE(senders_end(self->sender));
	for (i = 0; i < QUEUES; i++)
		close(kq[i]);
}

#define CHURNS	2

struct churn {
	pthread_t thread;
	int rounds;
	int stop;
	bool failed;
};

/* Register and remove, by EV_DELETE and by closing the queue. */
static void *churn_main(void *arg)
{
	struct churn *c = arg;
	int kq;

	for (; !__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE); c->rounds++) {
		kq = sig_watch(SIGUSR1);
		if (kq < 0 ||
		    (c->rounds % 2 && kq_set(kq, SIGUSR1, EVFILT_SIGNAL, EV_DELETE)))
			c->failed = true;
		close(kq);
	}
	return NULL;
}

static bool churn_start(struct churn *c)
{
	int i;

	for (i = 0; i < CHURNS; i++)
		if (pthread_create(&c[i].thread, NULL, churn_main, &c[i]))
			return false;
	return true;
}

/* All went well, and went on. */
static bool churn_end(struct churn *c)
{
	bool ok = true;
	int i;

	for (i = 0; i < CHURNS; i++) {
		__atomic_store_n(&c[i].stop, 1, __ATOMIC_RELEASE);
		ok &= !pthread_join(c[i].thread, NULL) && !c[i].failed && c[i].rounds;
	}
	return ok;
}

/* The same while other registrations of the signal come and go. */
TEST_F_TIMEOUT(storm, others_come_and_go, 120)
{
	long long want = (long long)SENDERS * self->s.each;
	struct churn c[CHURNS] = {};
	int kq = sig_watch(SIGUSR1);

	ASSERT_LE(0, kq);
	ASSERT_TRUE(churn_start(c));
	ASSERT_TRUE(senders_start(&self->s, self->sender));
	EXPECT_EQ(want, collect_all(kq, want));
	EXPECT_TRUE(senders_end(self->sender));
	EXPECT_TRUE(churn_end(c));
	close(kq);
}

/* The last registration comes and goes under the storm, and nothing is left of it. */
TEST_F_TIMEOUT(storm, all_come_and_go, 120)
{
	struct churn c[CHURNS] = {};

	ASSERT_TRUE(senders_start(&self->s, self->sender));
	ASSERT_TRUE(churn_start(c));
	EXPECT_TRUE(senders_end(self->sender));
	EXPECT_TRUE(churn_end(c));
}

TEST_HARNESS_MAIN
