// SPDX-License-Identifier: BSD-2-Clause
/*
 * Queues and what they watch in flight through unix sockets, in cycles that
 * only the kernel's collector of such garbage can free. It knows sockets, not
 * queues: so a queue must not keep alive what is closed. The simplest cycle is
 * in ownership.c; here are larger ones, and races.
 *
 * A pipe tells when garbage is freed: its writing end is in it, too.
 */
#include "peers.h"
#include "races.h"

struct garbage {
	int a[2];		/* a pair of sockets */
	int b[2];		/* another one */
	int kq[2];
	int pipe[2];
};

static bool open_all(struct garbage *g)
{
	g->kq[0] = kq_open();
	g->kq[1] = kq_open();
	return !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, g->a) &&
	       !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, g->b) &&
	       !pipe2(g->pipe, O_CLOEXEC | O_NONBLOCK);
}

/* Watch both ends of both pairs in both queues. */
static bool watch_all(struct garbage *g)
{
	int i, q, err = 0;

	for (q = 0; q < 2; q++) {
		for (i = 0; i < 2; i++) {
			err |= kq_set(g->kq[q], g->a[i], EVFILT_READ, EV_ADD);
			err |= kq_set(g->kq[q], g->b[i], EVFILT_READ, EV_ADD | EV_CLEAR);
			err |= kq_set(g->kq[q], g->b[i], EVFILT_WRITE, EV_ADD);
		}
		err |= kq_set(g->kq[q], g->pipe[1], EVFILT_WRITE, EV_ADD);
	}
	return !err;
}

/* Each end of a socket that is received in a buffer which only it can free. */
static bool send_itself(struct garbage *g)
{
	return send_fd(g->a[0], g->a[0]) && send_fd(g->a[0], g->a[1]) &&
	       send_fd(g->a[0], g->kq[0]) && send_fd(g->a[0], g->pipe[1]);
}

/* Two pairs, each with the other and its queue in its buffers. */
static bool send_crosswise(struct garbage *g)
{
	return send_fd(g->a[0], g->b[0]) && send_fd(g->a[0], g->b[1]) &&
	       send_fd(g->b[0], g->a[0]) && send_fd(g->b[0], g->a[1]) &&
	       send_fd(g->a[0], g->kq[1]) && send_fd(g->b[0], g->kq[0]) &&
	       send_fd(g->b[1], g->pipe[1]);
}

static void close_sockets(struct garbage *g)
{
	close(g->a[0]);
	close(g->a[1]);
	close(g->b[0]);
	close(g->b[1]);
	close(g->pipe[1]);
}

static void close_queues(struct garbage *g)
{
	close(g->kq[0]);
	close(g->kq[1]);
}

/* The collector runs when a unix socket is closed and something is in flight. */
static bool collected(struct garbage *g)
{
	long long end = ts_ms() + LIMIT_MS;
	char byte;
	int fd;

	do {
		if (!read(g->pipe[0], &byte, 1))
			return true;
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		close(fd);
		usleep(500);
	} while (ts_ms() < end);
	return false;
}

FIXTURE(inflight)
{
	struct garbage g;
};

FIXTURE_VARIANT(inflight)
{
	bool (*send)(struct garbage *g);
	bool queues_first;
};

/* a <- a, kq0 */
FIXTURE_VARIANT_ADD(inflight, itself)
{
	.send = send_itself,
};

FIXTURE_VARIANT_ADD(inflight, itself_queues_first)
{
	.send = send_itself, .queues_first = true,
};

/* a <- b, kq1; b <- a, kq0; both queues watch both */
FIXTURE_VARIANT_ADD(inflight, crosswise)
{
	.send = send_crosswise,
};

FIXTURE_VARIANT_ADD(inflight, crosswise_queues_first)
{
	.send = send_crosswise, .queues_first = true,
};

FIXTURE_SETUP(inflight)
{
	ASSERT_TRUE(open_all(&self->g));
}

FIXTURE_TEARDOWN(inflight)
{
	EXPECT_TRUE(all_freed());
}

/* All is garbage when the last descriptor is closed, and is freed, in any order. */
TEST_F(inflight, freed_by_close)
{
	struct garbage *g = &self->g;
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_TRUE(watch_all(g));
		ASSERT_TRUE(variant->send(g));
		if (variant->queues_first) {
			close_queues(g);
			EXPECT_EQ(0, kq_counter("knotes"));
			close_sockets(g);
		} else {
			close_sockets(g);
			EXPECT_EQ(0, fdinfo_knotes(g->kq[0]));
			EXPECT_EQ(0, fdinfo_knotes(g->kq[1]));
			close_queues(g);
		}
		ASSERT_TRUE(collected(g));
		ASSERT_TRUE(all_freed());
		close(g->pipe[0]);
		ASSERT_TRUE(open_all(g));
	}
	close_sockets(g);
	close_queues(g);
	close(g->pipe[0]);
}

/* The sockets are garbage while the queues that watched them live on. */
TEST_F(inflight, freed_under_living_queues)
{
	struct garbage *g = &self->g;
	int dup_kq[2] = { dup(g->kq[0]), dup(g->kq[1]) };

	ASSERT_TRUE(watch_all(g));
	ASSERT_TRUE(variant->send(g));
	close_sockets(g);
	close_queues(g);
	EXPECT_TRUE(collected(g));
	EXPECT_EQ(0, fdinfo_knotes(dup_kq[0]));
	EXPECT_EQ(0, kq_count(dup_kq[1]));
	close(dup_kq[0]);
	close(dup_kq[1]);
}

/* A process exits with all of it. */
TEST_F(inflight, freed_by_exit)
{
	struct garbage *g = &self->g;
	pid_t pid;

	close_queues(g);
	close_sockets(g);
	ASSERT_EQ(0, pipe2(g->pipe, O_CLOEXEC | O_NONBLOCK));
	pid = fork();
	if (!pid) {
		int wr = g->pipe[1];

		if (!open_all(g) || dup2(wr, g->pipe[1]) < 0 || close(wr))
			_exit(1);
		_exit(!watch_all(g) || !variant->send(g));
	}
	close(g->pipe[1]);
	ASSERT_EQ(0, child_status(pid));
	EXPECT_TRUE(collected(g));
	close(g->pipe[0]);
}

/* Somebody collects garbage all the time. */
static void collect_garbage(void *arg)
{
	int *fd = arg;

	close(*fd);
}

/* Queues and sockets become garbage while the collector runs. */
TEST_F_TIMEOUT(inflight, collected_meanwhile, RACE_TIMEOUT)
{
	struct rounds r = { .least = 40 };
	struct garbage *g = &self->g;
	struct duel d;
	int fd;

	ASSERT_TRUE(duel_open(&d, collect_garbage, &fd));
	while (next_round(&r)) {
		ASSERT_TRUE(watch_all(g));
		ASSERT_TRUE(variant->send(g));
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		DUEL(&d, {
			if (variant->queues_first)
				close_queues(g);
			close_sockets(g);
			if (!variant->queues_first)
				close_queues(g);
		});
		ASSERT_TRUE(collected(g));
		ASSERT_TRUE(all_freed());
		close(g->pipe[0]);
		ASSERT_TRUE(open_all(g));
	}
	EXPECT_ROUNDS(&r);
	duel_close(&d);
	close_sockets(g);
	close_queues(g);
	close(g->pipe[0]);
}

/* A watched socket is sent while it is closed. */
struct sending {
	int via[2];
	int fd;
	bool ok;
};

static void do_send(void *arg)
{
	struct sending *s = arg;

	s->ok = send_fd(s->via[0], s->fd);
}

FIXTURE(sending)
{
	int unused;
};

FIXTURE_SETUP(sending)
{
}

FIXTURE_TEARDOWN(sending)
{
	EXPECT_TRUE(all_freed());
}

/* It gets through, or it was closed before; its registration goes in any case. */
TEST_F_TIMEOUT(sending, while_closed, RACE_TIMEOUT)
{
	struct rounds r = { .least = 100 };
	int kq = kq_open(), sk[2], got, sent = 0;
	struct sending s;
	struct duel d;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s.via));
	ASSERT_TRUE(duel_open(&d, do_send, &s));
	while (next_round(&r)) {
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sk));
		s.fd = sk[0];
		ASSERT_EQ(0, kq_set(kq, sk[0], EVFILT_READ, EV_ADD));
		ASSERT_EQ(0, kq_set(kq, sk[0], EVFILT_WRITE, EV_ADD));
		DUEL(&d, close(sk[0]));
		ASSERT_EQ(0, fdinfo_knotes(kq));
		ASSERT_EQ(0, kq_count(kq));
		sent += s.ok;
		got = s.ok ? receive_fd(s.via[1]) : -1;
		ASSERT_EQ(s.ok, got >= 0);
		ASSERT_EQ(s.ok, !at_end(sk[1]));
		close(got);
		ASSERT_TRUE(at_end(sk[1]));
		close(sk[1]);
	}
	TH_LOG("it got through in %d rounds", sent);
	EXPECT_ROUNDS(&r);
	duel_close(&d);
	close(kq);
}

TEST_HARNESS_MAIN
