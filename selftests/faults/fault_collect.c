// SPDX-License-Identifier: BSD-2-Clause
/*
 * Collecting and looking, when copies fail and memory runs out: what was not
 * delivered stays as it was, and the next call finds it all.
 */
#include <kevent.h>

#include "crowd.h"
#include "fault.h"
#include "module.h"
#include "sources.h"

#define EVFILT_SAMPLE	(-100)
#define FIRE		"/sys/module/kevent_sample/parameters/fire"

FIXTURE(collect)
{
	struct fault f;
	struct sources all;
	int kq;
};

FIXTURE_SETUP(collect)
{
	const char *why = fault_setup(&self->f);

	if (why)
		SKIP(_exit(255), "%s", why);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_TRUE(sources_open(&self->all));
}

FIXTURE_TEARDOWN(collect)
{
	EXPECT_TRUE(fault_done(&self->f));
	close_range(3, ~0U, 0);
	EXPECT_TRUE(all_freed());
}

/* As crowd_make(), also for the filter of the other module. */
static int make_ready(const struct crowd *w)
{
	int err = crowd_make(w);

	return err || w->filter != EVFILT_SAMPLE ? err : write_number(FIRE, 1);
}

static int by_udata(const void *a, const void *b)
{
	const struct kevent *x = a, *y = b;

	return UD_NUM(x) < UD_NUM(y) ? -1 : UD_NUM(x) > UD_NUM(y);
}

/* Timers may fire in any order. */
static int call_collect(const struct fault_case *c)
{
	const struct timespec now = { 0 };
	const struct crowd *w = c->arg;
	int n = kevent(w->kq, NULL, 0, fault_out.ev, w->n, &now);

	if (n < 0)
		return errno;
	fault_out.n = n;
	qsort(fault_out.ev, n, sizeof(fault_out.ev[0]), by_udata);
	return 0;
}

static int undo_collect(const struct fault_case *c)
{
	return make_ready(c->arg);
}

/* Sets @ready if there was something to collect. Returns what is wrong. */
static const char *crowd_each(struct fault *f, const struct crowd *w,
			      const char *name, bool *ready)
{
	char text[80];
	struct fault_case c = {
		.name = text, .call = call_collect, .undo = undo_collect,
		.kq = { w->kq, -1 }, .arg = w, .may = MAY_EFAULT, .least = 1,
	};
	const char *wrong = NULL;

	snprintf(text, sizeof(text), "collect %d of %s, filter %d, flags %#x", w->n,
		 name, w->filter, w->flags);
	if (make_ready(w))
		return "it cannot be made";
	*ready = fdinfo_queued(w->kq) == w->n;
	if (*ready)
		wrong = fault_each(f, &c);
	crowd_remove(w);
	return wrong;
}

/* 1 event in all ways; 17 or 100, more than a batch, in one of them. */
static const char *crowds(struct fault *f, int kq, int fd, int filter,
			  const char *name, bool *ready)
{
	static int turn;
	struct crowd w = { .kq = kq, .filter = filter, .fd = fd };
	const char *wrong = NULL;
	size_t i;

	w.n = 1;
	for (i = 0; i < ARRAY_SIZE(crowd_ways) && !wrong; i++) {
		w.flags = crowd_ways[i];
		wrong = crowd_each(f, &w, name, ready);
	}
	if (wrong || !*ready)
		return wrong;
	turn++;
	w.n = turn % 2 ? 100 : 17;
	w.flags = crowd_ways[turn / 2 % ARRAY_SIZE(crowd_ways)];
	return crowd_each(f, &w, name, ready);
}

/* Of descriptors: if the call fails, nothing was taken, and all is there. */
TEST_F_TIMEOUT(collect, descriptors, 120)
{
	struct source *s;
	int i, k, n = 0;
	bool ready;

	for (i = 0; i < self->all.n; i++) {
		s = &self->all.s[i];
		for (k = 0; s->filter[k]; k++) {
			ASSERT_EQ(NULL, crowds(&self->f, self->kq, s->fd, s->filter[k],
					       s->name, &ready));
			n += ready;
			/* All can be read that can be watched for it. */
			EXPECT_TRUE(ready || s->filter[k] != EVFILT_READ)
				TH_LOG("%s is not readable", s->name);
		}
	}
	/* ... and most are writable, some empty, one has priority data. */
	EXPECT_LE(25, n);
}

/* The same of timers and triggers. */
TEST_F_TIMEOUT(collect, idents, 120)
{
	bool ready;

	EXPECT_EQ(NULL, crowds(&self->f, self->kq, -1, EVFILT_TIMER, "timers", &ready));
	EXPECT_TRUE(ready);
	EXPECT_EQ(NULL, crowds(&self->f, self->kq, -1, EVFILT_USER, "triggers", &ready));
	EXPECT_TRUE(ready);
}

/* The same of another module's filter. */
TEST_F_TIMEOUT(collect, sample, 120)
{
	const char *missing = module_missing("KEVENT_SAMPLE_KO");
	bool ready;

	if (missing)
		SKIP(return, "KEVENT_SAMPLE_KO %s", missing);
	ASSERT_EQ(0, module_load(getenv("KEVENT_SAMPLE_KO"), ""));
	EXPECT_EQ(NULL, crowds(&self->f, self->kq, -1, EVFILT_SAMPLE, "samples", &ready));
	EXPECT_TRUE(ready);
	EXPECT_EQ(0, module_unload("kevent_sample"));
}

static int call_trigger(const struct fault_case *c)
{
	return kq_trigger(c->kq[0], 1);
}

static int undo_event(const struct fault_case *c)
{
	return kq_count(c->kq[0]) == 1 ? 0 : EINVAL;
}

static int call_write(const struct fault_case *c)
{
	return eventfd_write(c->num, 1) ? errno : 0;
}

static int undo_write(const struct fault_case *c)
{
	eventfd_t val;

	return undo_event(c) ? : eventfd_read(c->num, &val) ? errno : 0;
}

/* A source that fires needs no memory to tell the queue. */
TEST_F(collect, activation)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct fault_case c = {
		.name = "trigger", .call = call_trigger, .undo = undo_event,
		.kq = { self->kq, -1 }, .num = fd,
	};

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	c.name = "write to an eventfd";
	c.call = call_write;
	c.undo = undo_write;
	/* What is written has to be copied. */
	c.may = MAY_EFAULT;
	c.least = 1;
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
}

static int call_info(const struct fault_case *c)
{
	struct kevent_info info = { .size = sizeof(info) };

	if (ioctl(c->kq[0], KEVENT_IOC_INFO, &info))
		return errno;
	memcpy(fault_out.ev, &info, sizeof(info));
	return 0;
}

/* KEVENT_IOC_INFO is EFAULT, or complete. */
TEST_F(collect, info)
{
	struct fault_case c = {
		.name = "info", .call = call_info, .kq = { self->kq, -1 },
		.may = MAY_EFAULT, .least = 1,
	};

	EXPECT_EQ(NULL, fault_each(&self->f, &c));
}

/* All of a fdinfo file, into fault_out. */
static int call_fdinfo(const struct fault_case *c)
{
	char path[64], *to = (char *)fault_out.ev;
	ssize_t len = 0, got;
	int fd, err;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", c->kq[0]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	while ((got = read(fd, to + len, sizeof(fault_out.ev) - len)) > 0)
		len += got;
	err = got ? errno : 0;
	close(fd);
	return err;
}

/* fdinfo is ENOMEM (of the file, of its buffer), EFAULT, or complete. */
TEST_F(collect, fdinfo)
{
	struct fault_case c = {
		.name = "fdinfo", .call = call_fdinfo, .kq = { self->kq, -1 },
		.may = MAY_ENOMEM | MAY_EFAULT, .least = 5,
	};
	int i;

	/* More than a page, so that the buffer grows. */
	for (i = 0; i < 60; i++)
		ASSERT_EQ(0, kq_set(self->kq, i, EVFILT_USER, EV_ADD));
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
}

#define POLLED	40	/* so many that poll() allocates for its list and hooks */

/* Poll @num queues, the first of which has an event. */
static int call_poll(const struct fault_case *c)
{
	const int *kq = c->arg;
	struct pollfd pfd[POLLED];
	int i, n;

	for (i = 0; i < c->num; i++)
		pfd[i] = (struct pollfd){ .fd = kq[i], .events = POLLIN };
	n = poll(pfd, c->num, 1);
	if (n < 0)
		return errno;
	fault_out.n = n;
	for (i = 0; i < c->num; i++)
		fault_out.ev[i].data = pfd[i].revents;
	return 0;
}

/* Polling a queue: what poll() and epoll_ctl() fail with, and nothing hooked. */
TEST_F(collect, poll)
{
	int kq[POLLED], i;
	struct fault_case c = {
		.name = "poll", .call = call_poll, .kq = { self->kq, -1 }, .arg = kq,
		.num = POLLED, .may = MAY_ENOMEM | MAY_EFAULT, .least = 2,
	};

	for (i = 0; i < POLLED; i++) {
		kq[i] = i ? kqueue() : self->kq;
		ASSERT_LE(0, kq[i]);
	}
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
}

static int call_epoll(const struct fault_case *c)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(c->num, EPOLL_CTL_ADD, c->kq[0], &ev) ? errno : 0;
}

static int undo_epoll(const struct fault_case *c)
{
	return epoll_ctl(c->num, EPOLL_CTL_DEL, c->kq[0], NULL) ? errno : 0;
}

/* An epoll instance that cannot watch a queue leaves no trace in it. */
TEST_F(collect, in_epoll)
{
	struct fault_case c = {
		.name = "in epoll", .call = call_epoll, .undo = undo_epoll,
		.kq = { self->kq, -1 }, .num = epoll_create1(EPOLL_CLOEXEC),
		.may = MAY_ENOMEM | MAY_EFAULT, .least = 3,
	};
	struct epoll_event ev;

	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	/* And it works in there. */
	ASSERT_EQ(0, call_epoll(&c));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(1, epoll_wait(c.num, &ev, 1, LIMIT_MS));
}

TEST_HARNESS_MAIN
