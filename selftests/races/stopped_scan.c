// SPDX-License-Identifier: BSD-2-Clause
/*
 * A scan that stands still in the middle of storing its events, since their
 * memory is served by userfaultfd: what others do meanwhile to what it has in
 * its hands. So races that are a matter of luck elsewhere are certain here.
 *
 * Two events are collected. The first has been stored and the second has not
 * when the scan stops; nothing that delivery brings about has been done. In the
 * last tests, changes stand still between the first of two and the second.
 */
#include <linux/userfaultfd.h>
#include <sys/eventfd.h>

#include "peers.h"
#include "uring.h"

#define PAGE	4096

struct stopped {
	int uffd;
	char *area;		/* two pages; the second is missing */
	struct kevent *ev;	/* two records, one in each */
	pthread_t thread;
	int kq;
	int number;		/* to be registered */
	int ret;
	int err;
};

static void *collect_two(void *arg)
{
	struct stopped *s = arg;

	s->ret = kq_collect(s->kq, s->ev, 2);
	s->err = s->ret < 0 ? errno : 0;
	return NULL;
}

/* Why there is no such memory; NULL: there is. */
static const char *stopped_open(struct stopped *s)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range.len = PAGE, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	s->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (s->uffd < 0)
		return "needs userfaultfd, and the right to use it for the kernel's faults";
	s->area = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	if (s->area == MAP_FAILED || ioctl(s->uffd, UFFDIO_API, &api))
		return "userfaultfd does not work";
	s->area[0] = 1;
	reg.range.start = (uintptr_t)s->area + PAGE;
	if (ioctl(s->uffd, UFFDIO_REGISTER, &reg))
		return "userfaultfd does not work";
	s->ev = (struct kevent *)(s->area + PAGE) - 1;
	return NULL;
}

/* Run @call in a thread, and return when it has stopped. */
static bool stop_call(struct stopped *s, void *(*call)(void *arg))
{
	struct uffd_msg msg;

	return !pthread_create(&s->thread, NULL, call, s) &&
	       wait_poll(s->uffd, POLLIN) &&
	       read(s->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT &&
	       msg.arg.pagefault.address == (uintptr_t)s->area + PAGE;
}

/* Collect two events, and return when that has stopped. */
static bool stop_scan(struct stopped *s, int kq)
{
	s->kq = kq;
	return stop_call(s, collect_two);
}

/* Let it go on, and wait for its end. */
static bool resume_scan(struct stopped *s)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)s->area + PAGE, .len = PAGE },
	};

	return !ioctl(s->uffd, UFFDIO_ZEROPAGE, &zero) && !pthread_join(s->thread, NULL);
}

/* What another thread does meanwhile. It must wait for the scan. */
struct meanwhile {
	pthread_t thread;
	int (*act)(struct meanwhile *m);
	int tid;
	int done;
	int ret;
	int kq;
	int fd;
	int other;
};

static void *meanwhile_main(void *arg)
{
	struct meanwhile *m = arg;

	__atomic_store_n(&m->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	m->ret = m->act(m);
	__atomic_store_n(&m->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Start it and return when it hangs in the system call @nr. */
static bool meanwhile_hangs(struct meanwhile *m, long nr)
{
	return !pthread_create(&m->thread, NULL, meanwhile_main, m) &&
	       WAIT_FOR(__atomic_load_n(&m->tid, __ATOMIC_ACQUIRE)) &&
	       wait_asleep_in(m->tid, nr) &&
	       !__atomic_load_n(&m->done, __ATOMIC_ACQUIRE);
}

static bool meanwhile_ends(struct meanwhile *m)
{
	return WAIT_FOR(__atomic_load_n(&m->done, __ATOMIC_ACQUIRE)) &&
	       !pthread_join(m->thread, NULL) && !m->ret;
}

static int act_close(struct meanwhile *m)
{
	return close(m->fd);
}

static int act_close_queue(struct meanwhile *m)
{
	return close(m->kq);
}

static int act_delete(struct meanwhile *m)
{
	return kq_set(m->kq, m->fd, EVFILT_READ, EV_DELETE);
}

static int act_dup2(struct meanwhile *m)
{
	return dup2(m->other, m->fd) != m->fd;
}

static int act_poll(struct meanwhile *m)
{
	struct pollfd pfd = { .fd = m->kq, .events = POLLIN };

	return poll(&pfd, 1, -1) != 1 || pfd.revents != POLLIN;
}

/* Two pipes with a byte in each are watched. */
FIXTURE(stopped)
{
	struct stopped s;
	const char *missing;
	int kq;
	int a[2];
	int b[2];
};

FIXTURE_VARIANT(stopped)
{
	int flags;
	int left;		/* knotes, after both have been delivered */
	int again;		/* events in the next call */
};

FIXTURE_VARIANT_ADD(stopped, level)
{
	.flags = 0, .left = 2, .again = 2,
};

FIXTURE_VARIANT_ADD(stopped, edge)
{
	.flags = EV_CLEAR, .left = 2, .again = 0,
};

FIXTURE_VARIANT_ADD(stopped, oneshot)
{
	.flags = EV_ONESHOT, .left = 0, .again = 0,
};

FIXTURE_VARIANT_ADD(stopped, dispatch)
{
	.flags = EV_DISPATCH, .left = 2, .again = 0,
};

FIXTURE_SETUP(stopped)
{
	signal(SIGPIPE, SIG_IGN);
	self->missing = stopped_open(&self->s);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, pipe2(self->a, O_CLOEXEC | O_NONBLOCK));
	ASSERT_EQ(0, pipe2(self->b, O_CLOEXEC | O_NONBLOCK));
	ASSERT_TRUE(tell(self->a[1]));
	ASSERT_TRUE(tell(self->b[1]));
	ASSERT_EQ(0, kq_change(self->kq, self->a[0], EVFILT_READ, EV_ADD | variant->flags,
			       0, 0, UD(1)));
	ASSERT_EQ(0, kq_change(self->kq, self->b[0], EVFILT_READ, EV_ADD | variant->flags,
			       0, 0, UD(2)));
}

FIXTURE_TEARDOWN(stopped)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* The call that was stopped has delivered both. */
#define EXPECT_BOTH(s) do {						\
	const struct stopped *s_ = (s);					\
									\
	ASSERT_EQ(2, s_->ret);						\
	EXPECT_EQ(UD(1), s_->ev[0].udata);				\
	EXPECT_EQ(UD(2), s_->ev[1].udata);				\
	EXPECT_EQ(1, s_->ev[0].data);					\
	EXPECT_EQ(1, s_->ev[1].data);					\
} while (0)

/* Nothing happens: both are delivered, once or again, as their flags say. */
TEST_F(stopped, undisturbed)
{
	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(resume_scan(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(variant->left, fdinfo_knotes(self->kq));
	EXPECT_EQ(variant->again, kq_count(self->kq));
}

/* The source fires: it does not wait, and its edge is not lost. */
TEST_F(stopped, source_fires)
{
	struct kevent ev[2];
	int n = variant->flags == EV_CLEAR ? 1 : variant->again;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(tell(self->a[1]));
	ASSERT_TRUE(resume_scan(&self->s));
	EXPECT_BOTH(&self->s);
	ASSERT_EQ(n, kq_collect(self->kq, ev, 2));
	if (n)
		EXPECT_EQ(2, ev[0].udata == UD(1) ? ev[0].data : ev[1].data);
}

/* A descriptor of the batch is closed: that ends with the scan, and so does the file. */
TEST_F(stopped, descriptor_closed)
{
	struct meanwhile m = { .act = act_close, .fd = self->b[0] };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_close));
	ASSERT_TRUE(resume_scan(&self->s));
	ASSERT_TRUE(meanwhile_ends(&m));
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(variant->left ? 1 : 0, fdinfo_knotes(self->kq));
	EXPECT_EQ(variant->again ? 1 : 0, kq_count(self->kq));
	EXPECT_FALSE(tell(self->b[1]));
	EXPECT_EQ(EPIPE, errno);
}

/*
 * A thread of io_uring closes it, which has no way back to user space and so
 * leaves the rest to a work. That does not wait for the scan, but comes again.
 */
TEST_F(stopped, descriptor_closed_by_io_uring)
{
	struct io_uring ring;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	if (io_uring_queue_init(1, &ring, 0))
		SKIP(return, "no io_uring here");
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_EQ(0, uring_close(&ring, self->b[0], IOSQE_ASYNC));
	EXPECT_TRUE(tell(self->b[1]));
	ASSERT_TRUE(resume_scan(&self->s));
	EXPECT_BOTH(&self->s);
	EXPECT_TRUE(WAIT_FOR(fdinfo_knotes(self->kq) == (variant->left ? 1 : 0)));
	EXPECT_EQ(variant->again ? 1 : 0, kq_count(self->kq));
	EXPECT_TRUE(WAIT_FOR(!tell(self->b[1])));
	EXPECT_EQ(EPIPE, errno);
}

/* A number of the batch is used for another file, which does not inherit. */
TEST_F(stopped, number_reused)
{
	struct meanwhile m = { .act = act_dup2, .fd = self->b[0] };
	struct kevent ev[2];
	int other[2], i, n, seen = 0;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, pipe2(other, O_CLOEXEC | O_NONBLOCK));
	m.other = other[0];
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_dup2));
	ASSERT_TRUE(resume_scan(&self->s));
	ASSERT_TRUE(meanwhile_ends(&m));
	EXPECT_BOTH(&self->s);
	ASSERT_TRUE(tell(other[1]));
	EXPECT_EQ(variant->again ? 1 : 0, kq_count(self->kq));
	ASSERT_EQ(0, kq_change(self->kq, self->b[0], EVFILT_READ, EV_ADD, 0, 0, UD(3)));
	EXPECT_EQ(variant->left ? 2 : 1, fdinfo_knotes(self->kq));
	n = kq_collect(self->kq, ev, 2);
	ASSERT_EQ(variant->again ? 2 : 1, n);
	for (i = 0; i < n; i++)
		seen |= 1 << UD_NUM(&ev[i]);
	EXPECT_EQ(variant->again ? 1 << 1 | 1 << 3 : 1 << 3, seen);
}

/* A registration of the batch is deleted; a oneshot has gone before. */
TEST_F(stopped, deleted)
{
	struct meanwhile m = { .act = act_delete, .kq = self->kq, .fd = self->b[0] };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_ioctl));
	ASSERT_TRUE(resume_scan(&self->s));
	ASSERT_EQ(variant->left > 0, meanwhile_ends(&m));
	EXPECT_EQ(variant->left ? 0 : ENOENT, m.ret);
	EXPECT_BOTH(&self->s);
	EXPECT_EQ(variant->left ? 1 : 0, fdinfo_knotes(self->kq));
	EXPECT_EQ(variant->again ? 1 : 0, kq_count(self->kq));
}

/* Somebody polls, and finds nothing: what the scan leaves wakes, or what comes next. */
TEST_F(stopped, polled)
{
	struct meanwhile m = { .act = act_poll, .kq = self->kq };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_poll));
	ASSERT_TRUE(resume_scan(&self->s));
	EXPECT_BOTH(&self->s);
	if (!variant->again) {
		ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
		ASSERT_EQ(0, kq_trigger(self->kq, 1));
	}
	EXPECT_TRUE(meanwhile_ends(&m));
}

/* The queue is closed: the call that was stopped still has its events. */
TEST_F(stopped, queue_closed)
{
	struct meanwhile m = { .act = act_close_queue, .kq = self->kq };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_close));
	ASSERT_TRUE(tell(self->a[1]));
	ASSERT_TRUE(resume_scan(&self->s));
	ASSERT_TRUE(meanwhile_ends(&m));
	EXPECT_BOTH(&self->s);
	EXPECT_TRUE(all_freed());
}

/* Both are closed: the queue's last reference is that of the descriptor's closing. */
TEST_F(stopped, both_closed)
{
	struct meanwhile fd = { .act = act_close, .fd = self->b[0] };
	struct meanwhile kq = { .act = act_close_queue, .kq = self->kq };

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(meanwhile_hangs(&fd, SYS_close));
	ASSERT_TRUE(meanwhile_hangs(&kq, SYS_close));
	ASSERT_TRUE(resume_scan(&self->s));
	ASSERT_TRUE(meanwhile_ends(&kq));
	ASSERT_TRUE(meanwhile_ends(&fd));
	EXPECT_BOTH(&self->s);
	EXPECT_FALSE(tell(self->b[1]));
	EXPECT_TRUE(all_freed());
}

static int act_collect(struct meanwhile *m)
{
	return kq_count(m->kq) != m->other;
}

/* Who collects without waiting waits for the scan: what it leaves is there all the time. */
TEST_F(stopped, collected_by_another)
{
	struct meanwhile m = {
		.act = act_collect, .kq = self->kq, .other = variant->again,
	};

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_ioctl));
	ASSERT_TRUE(resume_scan(&self->s));
	ASSERT_TRUE(meanwhile_ends(&m));
	EXPECT_BOTH(&self->s);
}

/*
 * Seen from outside, the queue may look empty, and nobody waits for the scan.
 * But who sleeps for that reason is told of what it leaves.
 */
TEST_F(stopped, looked_at_from_outside)
{
	struct pollfd pfd = { .fd = self->kq, .events = POLLIN };
	int outer = kq_open();
	struct waiter w;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, kq_set(outer, 1, EVFILT_USER, EV_ADD));
	ASSERT_TRUE(stop_scan(&self->s, self->kq));
	ASSERT_LE(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, kq_set(outer, self->kq, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, outer, 1, -1));
	ASSERT_TRUE(resume_scan(&self->s));
	EXPECT_BOTH(&self->s);
	if (!variant->again)
		ASSERT_EQ(0, kq_trigger(outer, 1));
	ASSERT_TRUE(waiter_join(&w));
	EXPECT_EQ(variant->again ? (uintptr_t)self->kq : 1, w.ev[0].ident);
	if (variant->again)
		EXPECT_EQ(variant->again, w.ev[0].data);
	EXPECT_EQ(variant->again > 0, poll(&pfd, 1, 0));
	close(outer);
}

/* A process that is killed in it has nothing left, and the peers see it. */
TEST_F(stopped, killed)
{
	int go[2], p[2], kq;
	pid_t pid;

	if (self->missing)
		SKIP(return, "%s", self->missing);
	ASSERT_EQ(0, pipe2(go, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		kq = kq_open();
		if (stopped_open(&self->s) || !tell(p[1]) ||
		    kq_set(kq, p[0], EVFILT_READ, EV_ADD | variant->flags) ||
		    kq_set(kq, go[1], EVFILT_WRITE, EV_ADD | variant->flags) ||
		    !stop_scan(&self->s, kq) || !tell(go[1]))
			_exit(1);
		pause();
	}
	close(p[0]);
	close(self->kq);
	ASSERT_TRUE(hear(go[0]));
	EXPECT_EQ(2, kq_counter("knotes"));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_TRUE(all_freed());
	EXPECT_FALSE(tell(p[1]));
	EXPECT_EQ(EPIPE, errno);
}

/*
 * A number is closed, and opened again for what is there in @reopen, while the
 * change that registers it is under way: it has the queue, so the closed file's
 * registration is still in it.
 */
FIXTURE(reopened)
{
	struct stopped s;
	const char *missing;
	int kq;
	int fd;
	int reopen;
};

FIXTURE_VARIANT(reopened)
{
	bool same;		/* it leads to the same file as before */
};

FIXTURE_VARIANT_ADD(reopened, other_file)
{
	.same = false,
};

FIXTURE_VARIANT_ADD(reopened, same_file)
{
	.same = true,
};

FIXTURE_SETUP(reopened)
{
	self->missing = stopped_open(&self->s);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->fd = eventfd(1, EFD_CLOEXEC);
	self->reopen = variant->same ? dup(self->fd) : eventfd(1, EFD_CLOEXEC);
	ASSERT_EQ(0, kq_change(self->kq, self->fd, EVFILT_READ, EV_ADD, 0, 0, UD(1)));
}

FIXTURE_TEARDOWN(reopened)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* The answer to the first change goes to where the call stops. */
static void *change_two(void *arg)
{
	struct stopped *s = arg;
	struct kevent kev[2];

	EV_SET(&kev[0], 9, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, NULL);
	EV_SET(&kev[1], s->number, EVFILT_READ, EV_ADD, 0, 0, UD(2));
	s->ret = kevent(s->kq, kev, 2, (struct kevent *)(s->area + PAGE), 2, NULL);
	s->err = s->ret < 0 ? errno : 0;
	return NULL;
}

/* The change makes a registration of its own, which stays. */
TEST_F(reopened, amid_changes)
{
	struct meanwhile m = { .act = act_close, .fd = self->fd };
	struct stopped *s = &self->s;
	struct kevent ev[2];

	if (self->missing)
		SKIP(return, "%s", self->missing);
	s->kq = self->kq;
	s->number = self->fd;
	ASSERT_TRUE(stop_call(s, change_two));
	ASSERT_TRUE(meanwhile_hangs(&m, SYS_close));
	ASSERT_EQ(self->fd, dup2(self->reopen, self->fd));
	ASSERT_TRUE(resume_scan(s));
	ASSERT_TRUE(meanwhile_ends(&m));
	EXPECT_EQ(1, s->ret);
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
	ASSERT_EQ(1, kq_collect(self->kq, ev, 2));
	EXPECT_EQ((uintptr_t)self->fd, ev[0].ident);
	EXPECT_EQ(UD(2), ev[0].udata);
}

TEST_HARNESS_MAIN
