// SPDX-License-Identifier: BSD-2-Clause
/*
 * Closing a descriptor of a queue in a process that has very many: what it takes,
 * what it keeps others from, and that it finds the queue's other descriptors
 * even while they are moved about.
 */
#include "common.h"
#include "peers.h"

#include <sys/eventfd.h>
#include <sys/resource.h>

#define TABLE_MOST	900000
#define TABLE_LEAST	20000
#define ROUNDS		10

FIXTURE(table)
{
	int fd;			/* what fills it */
	int size;		/* so many descriptors are open; 0: too few can be */
	int kq;			/* made when there were few */
};

/* As many as can be, and a few less. */
static int table_fill(int fd)
{
	struct rlimit lim;
	int i, most;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return 0;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	most = lim.rlim_cur < TABLE_MOST ? lim.rlim_cur - 100 : TABLE_MOST;
	for (i = 0; i < most; i++)
		if (dup(fd) < 0)
			break;
	return i < TABLE_LEAST ? 0 : i;
}

/* How long closing a queue that was just made takes at best, in ns. */
static long long close_ns(void)
{
	long long best = 1LL << 60, ns;
	int i, kq;

	for (i = 0; i < ROUNDS; i++) {
		kq = kq_open();
		ns = ts_ns();
		close(kq);
		ns = ts_ns() - ns;
		if (ns < best)
			best = ns;
	}
	return best;
}

FIXTURE_SETUP(table)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(table)
{
}

/* The last descriptor of a queue is known to be the last without a search. */
TEST_F_TIMEOUT(table, last_descriptor, 120)
{
	long long few = close_ns(), many;

	self->size = table_fill(self->fd);
	if (!self->size)
		SKIP(return, "too few descriptors can be open");
	many = close_ns();
	printf("# close: %lld us, with %d other descriptors %lld us\n", few / 1000,
	       self->size, many / 1000);
	EXPECT_GT(10 * few, many);
}

/* A thread that opens and closes all the time, and how often it has done that. */
struct opener {
	pthread_t thread;
	int fd;
	int stop;
	long rounds;
};

static void *opener_main(void *arg)
{
	struct opener *o = arg;

	while (!__atomic_load_n(&o->stop, __ATOMIC_ACQUIRE)) {
		close(dup(o->fd));
		__atomic_fetch_add(&o->rounds, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static long opener_rounds(struct opener *o)
{
	return __atomic_load_n(&o->rounds, __ATOMIC_ACQUIRE);
}

/* Somebody has a copy of the queue's descriptor, so there must be a search. */
static int held_elsewhere(int kq, int sk)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int))];
	} ctl = { .hdr = {
		.cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
	} };
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &ctl, .msg_controllen = sizeof(ctl),
	};

	memcpy(CMSG_DATA(&ctl.hdr), &kq, sizeof(kq));
	return sendmsg(sk, &msg, 0) == 1;
}

static int compare(const void *a, const void *b)
{
	long diff = *(const long *)a - *(const long *)b;

	return diff < 0 ? -1 : diff > 0;
}

#define SEARCHES	21
#define ROUNDS_LEAST	20

/*
 * A search keeps nobody from opening and closing: that is done many times before
 * the search has ended. (The median, since either thread may have to wait for a
 * CPU.)
 */
TEST_F_TIMEOUT(table, others_go_on, 200)
{
	struct opener o = { .fd = self->fd };
	long rounds[SEARCHES];
	int i, kq, sk[2];

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sk));
	self->size = table_fill(self->fd);
	if (self->size < TABLE_MOST)
		SKIP(return, "too few descriptors can be open");
	ASSERT_EQ(0, pthread_create(&o.thread, NULL, opener_main, &o));
	for (i = 0; i < SEARCHES; i++) {
		kq = kq_open();
		ASSERT_LE(0, kq);
		ASSERT_TRUE(held_elsewhere(kq, sk[0]));
		ASSERT_TRUE(WAIT_FOR(opener_rounds(&o)));
		rounds[i] = opener_rounds(&o);
		close(kq);
		rounds[i] = opener_rounds(&o) - rounds[i];
	}
	__atomic_store_n(&o.stop, 1, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(o.thread, NULL));
	qsort(rounds, SEARCHES, sizeof(*rounds), compare);
	printf("# other descriptors opened and closed during a search: %ld\n",
	       rounds[SEARCHES / 2]);
	EXPECT_LE(ROUNDS_LEAST, rounds[SEARCHES / 2]);
}

/* A thread that moves the queue's only other descriptor past a search. */
struct mover {
	pthread_t thread;
	int low;
	int high;
	int turn;		/* when odd, move it; negative: end */
	long long delay;	/* ns, before that */
};

static void *mover_main(void *arg)
{
	struct mover *m = arg;
	long long end;
	int turn;

	for (;;) {
		turn = __atomic_load_n(&m->turn, __ATOMIC_ACQUIRE);
		if (turn < 0)
			return NULL;
		if (!(turn % 2))
			continue;
		end = ts_ns() + m->delay;
		while (ts_ns() < end)
			;
		dup2(m->high, m->low);
		close(m->high);
		__atomic_store_n(&m->turn, turn + 1, __ATOMIC_RELEASE);
	}
}

#define MOVE_SPAN	100000
#define MOVES		100

/*
 * Closing one descriptor of a queue never ends it while another thread moves the
 * other one from where the search has not been to where it has.
 */
TEST_F_TIMEOUT(table, moved_meanwhile, 120)
{
	struct mover m = { .low = 100, .high = MOVE_SPAN };
	long long ns = 0;
	int i, fd, lost = 0;

	self->size = table_fill(self->fd);
	if (self->size < MOVE_SPAN + 100)
		SKIP(return, "too few descriptors can be open");
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(m.high, dup2(self->kq, m.high));
	ASSERT_EQ(0, close(self->kq));
	ASSERT_EQ(0, pthread_create(&m.thread, NULL, mover_main, &m));
	for (i = 0; i < MOVES && !lost; i++) {
		close(m.low);
		fd = fcntl(m.high, F_DUPFD, self->size);
		ASSERT_LE(0, fd);
		/* Some time during what the last search has taken. */
		m.delay = ns * (i % 10) / 10;
		__atomic_fetch_add(&m.turn, 1, __ATOMIC_RELEASE);
		ns = ts_ns();
		close(fd);
		ns = ts_ns() - ns;
		ASSERT_TRUE(WAIT_FOR(!(__atomic_load_n(&m.turn, __ATOMIC_ACQUIRE) % 2)));
		lost = kq_trigger(m.low, 1);
		ASSERT_EQ(m.high, dup2(m.low, m.high));
	}
	printf("# %d moves; a search has taken %lld us\n", i, ns / 1000);
	EXPECT_EQ(0, lost);
	__atomic_store_n(&m.turn, -1, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(m.thread, NULL));
	/* The last descriptors, and with them the queue. */
	close(m.low);
	EXPECT_EQ(0, kq_trigger(m.high, 1));
	close(m.high);
	EXPECT_TRUE(WAIT_FOR(!kq_counter("queues")));
}

TEST_HARNESS_MAIN
