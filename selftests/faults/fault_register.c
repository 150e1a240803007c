// SPDX-License-Identifier: BSD-2-Clause
/*
 * Opening a queue, registering and changing, when memory runs out at any
 * point: the error is ENOMEM, nothing has changed, and the next try works.
 */
#include "fault.h"
#include "module.h"
#include "sources.h"

#define EVFILT_SAMPLE	(-100)
#define ALICE		54321	/* a user that nobody else is */

FIXTURE(nth)
{
	struct fault f;
	struct sources all;
	int kq;
};

FIXTURE_SETUP(nth)
{
	const char *why = fault_setup(&self->f);

	if (why)
		SKIP(_exit(255), "%s", why);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(nth)
{
	EXPECT_TRUE(fault_done(&self->f));
	close(self->kq);
	while (self->all.n)
		close(self->all.s[--self->all.n].fd);
	EXPECT_TRUE(all_freed());
}

/* A list of changes, which are all made, or none of them if one fails. */
struct list {
	struct kevent kev[OUT_MOST];
	int n;
};

static void list_add(struct list *l, uintptr_t ident, int filter, int flags,
		     unsigned int fflags, long long data)
{
	EV_SET(&l->kev[l->n], ident, filter, flags, fflags, data, UD(l->n));
	l->n++;
}

/* The changes of @arg. */
static int call_changes(const struct fault_case *c)
{
	const struct list *l = c->arg;

	return kevent(c->kq[0], l->kev, l->n, NULL, 0, NULL) ? errno : 0;
}

/* Take back each EV_ADD of @arg. */
static int undo_adds(const struct fault_case *c)
{
	const struct list *l = c->arg;
	int i, err = 0;

	for (i = 0; i < l->n && !err; i++)
		err = kq_set(c->kq[0], l->kev[i].ident, l->kev[i].filter, EV_DELETE);
	return err;
}

/* A new queue. */
static int opened;

static int call_open(const struct fault_case *c)
{
	(void)c;
	opened = open("/dev/kevent", O_RDWR | O_CLOEXEC);
	return opened < 0 ? errno : 0;
}

static int undo_open(const struct fault_case *c)
{
	(void)c;
	return close(opened) ? errno : 0;
}

/* Opening fails with ENOMEM (or EFAULT for the path) and leaves no queue. */
TEST_F(nth, open)
{
	struct fault_case c = {
		.name = "open", .call = call_open, .undo = undo_open,
		.kq = { self->kq, -1 }, .may = MAY_ENOMEM | MAY_EFAULT, .least = 4,
	};
	long queues = kq_counter("queues");
	long modules = read_number("/sys/module/kevent/refcnt");

	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	EXPECT_EQ(queues, kq_counter("queues"));
	EXPECT_EQ(modules, read_number("/sys/module/kevent/refcnt"));

	/* The first queue of a user takes more. */
	ASSERT_EQ(0, setresuid(ALICE, ALICE, 0));
	c.name = "open, by another user";
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	ASSERT_EQ(0, setresuid(0, 0, 0));
	EXPECT_EQ(queues, kq_counter("queues"));
	EXPECT_EQ(modules, read_number("/sys/module/kevent/refcnt"));
}

/* A name for a case, until the next. */
static const char *label(const char *what, const char *name, int filter)
{
	static char text[80];

	snprintf(text, sizeof(text), "%s %s, filter %d", what, name, filter);
	return text;
}

/* Each filter with each kind of descriptor: ENOMEM, and no trace of it. */
TEST_F_TIMEOUT(nth, add_descriptor, 120)
{
	struct list l = { .n = 0 };
	struct fault_case c = {
		.call = call_changes, .undo = undo_adds, .kq = { self->kq, -1 },
		.arg = &l, .may = MAY_ENOMEM, .least = 1,
	};
	struct source *s;
	int i, k;

	ASSERT_TRUE(sources_open(&self->all));
	for (i = 0; i < self->all.n; i++) {
		s = &self->all.s[i];
		for (k = 0; s->filter[k]; k++) {
			l.n = 0;
			list_add(&l, s->fd, s->filter[k], EV_ADD, 0, 0);
			c.name = label("add", s->name, s->filter[k]);
			ASSERT_EQ(NULL, fault_each(&self->f, &c));
		}
	}
}

/* What needs more than the knote: a mark, a link, a second wait queue. */
TEST_F(nth, add_with_more)
{
	static const char *const name[] = { "file", "queue", "FIFO", "pty, slave" };
	struct list l = { .n = 0 };
	struct fault_case c = {
		.call = call_changes, .undo = undo_adds, .kq = { self->kq, -1 },
		.arg = &l, .may = MAY_ENOMEM, .least = 2,
	};
	const struct source *s;
	size_t i;

	ASSERT_TRUE(sources_open(&self->all));
	for (i = 0; i < ARRAY_SIZE(name); i++) {
		s = source_named(&self->all, name[i]);
		l.n = 0;
		list_add(&l, s->fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0);
		c.name = label("add", s->name, EVFILT_READ);
		ASSERT_EQ(NULL, fault_each(&self->f, &c));
	}
}

static int undo_exclusive(const struct fault_case *c)
{
	const struct list *l = c->arg;

	return kq_set(c->kq[0], l->kev[0].ident, EVFILT_READ, EV_ADD);
}

/* NOTE_EXCLUSIVE needs more, from the beginning or if a change gives it later. */
TEST_F(nth, add_exclusive)
{
	struct list l = { .n = 0 };
	struct fault_case c = {
		.name = "add, exclusive", .call = call_changes, .undo = undo_adds,
		.kq = { self->kq, -1 }, .arg = &l, .may = MAY_ENOMEM, .least = 2,
	};
	int fd = eventfd(0, EFD_CLOEXEC);

	list_add(&l, fd, EVFILT_READ, EV_ADD, NOTE_EXCLUSIVE, 0);
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	c.name = "make exclusive";
	c.undo = undo_exclusive;
	c.least = 1;
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	close(fd);
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
}

#define FEW	8	/* duplicates that are not yet a crowd */

static int few[FEW];

/* Besides, half of the others go and come, which makes them few again. */
static int undo_crowd(const struct fault_case *c)
{
	int i, err = undo_adds(c);

	for (i = 0; i < FEW / 2; i++)
		err |= kq_set(c->kq[0], few[i], EVFILT_READ, EV_DELETE);
	for (i = 0; i < FEW / 2; i++)
		err |= kq_set(c->kq[0], few[i], EVFILT_READ, EV_ADD);
	return err;
}

/* One duplicate of a file too many to be among the others without a crowd. */
TEST_F(nth, add_to_many)
{
	struct list l = { .n = 0 };
	struct fault_case c = {
		.name = "add one more duplicate", .call = call_changes,
		.undo = undo_crowd, .kq = { self->kq, -1 },
		.arg = &l, .may = MAY_ENOMEM, .least = 2,
	};
	int i;

	for (i = 0; i < FEW; i++) {
		few[i] = i ? dup(few[0]) : eventfd(0, EFD_CLOEXEC);
		ASSERT_EQ(0, kq_set(self->kq, few[i], EVFILT_READ, EV_ADD));
	}
	list_add(&l, dup(few[0]), EVFILT_READ, EV_ADD, 0, 0);
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	EXPECT_EQ(FEW, fdinfo_knotes(self->kq));
	for (i = 0; i < FEW; i++)
		close(few[i]);
	close(l.kev[0].ident);
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
}

/* Timers, triggers and signals; what could not be made does not fire, either. */
TEST_F(nth, add_ident)
{
	struct list l = { .n = 0 };
	struct fault_case c = {
		.call = call_changes, .undo = undo_adds, .kq = { self->kq, -1 },
		.arg = &l, .may = MAY_ENOMEM, .least = 1,
	};

	list_add(&l, 1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 1000);
	c.name = "add timer";
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	l.n = 0;
	list_add(&l, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_ABSTIME,
		 10000000000000);
	c.name = "add timer of the clock";
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	l.n = 0;
	list_add(&l, 1, EVFILT_USER, EV_ADD, NOTE_FFCOPY | 5, 7);
	c.name = "add trigger";
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	l.n = 0;
	list_add(&l, 1, EVFILT_USER, EV_ADD | EV_FORCEONESHOT, 0, 0);
	c.name = "add trigger, to be delivered now";
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	l.n = 0;
	list_add(&l, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0);
	c.name = "add signal";
	c.least = 2;
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	ASSERT_EQ(0, kq_count(self->kq));
}

/* A process, by number and by descriptor; one whose children are to be followed. */
TEST_F(nth, add_process)
{
	struct list l = { .n = 0 };
	struct fault_case c = {
		.call = call_changes, .undo = undo_adds, .kq = { self->kq, -1 },
		.arg = &l, .may = MAY_ENOMEM, .least = 2,
	};
	int fd = syscall(SYS_pidfd_open, getpid(), 0);

	list_add(&l, getpid(), EVFILT_PROC, EV_ADD, NOTE_EXIT, 0);
	c.name = "add process";
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	l.n = 0;
	list_add(&l, getpid(), EVFILT_PROC, EV_ADD,
		 NOTE_EXIT | NOTE_FORK | NOTE_EXEC | NOTE_TRACK, 0);
	c.name = "add process and its children";
	c.least = 3;
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	l.n = 0;
	list_add(&l, fd, EVFILT_PROCDESC, EV_ADD, NOTE_EXIT, 0);
	c.name = "add pidfd";
	c.least = 2;
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	close(fd);
	ASSERT_EQ(0, kq_count(self->kq));
}

/* A file and a directory, for all that happens to them; and mounts. */
TEST_F(nth, add_file)
{
	static const char *const path[] = { "/proc/self/exe", "/tmp" };
	struct list l = { .n = 0 };
	struct fault_case c = {
		.name = "add mounts",
		.call = call_changes, .undo = undo_adds, .kq = { self->kq, -1 },
		.arg = &l, .may = MAY_ENOMEM, .least = 5,
	};
	int fd, i;

	/* The first of all has the kernel mount something, which stays. */
	list_add(&l, 0, EVFILT_FS, EV_ADD, VQ_MOUNT | VQ_UNMOUNT, 0);
	ASSERT_EQ(0, call_changes(&c));
	ASSERT_EQ(0, undo_adds(&c));
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	for (i = 0; i < 2; i++) {
		fd = open(path[i], O_RDONLY);
		ASSERT_LE(0, fd);
		l.n = 0;
		list_add(&l, fd, EVFILT_VNODE, EV_ADD, NOTE_WRITE, 0);
		c.name = label("add", path[i], EVFILT_VNODE);
		c.least = 2;
		EXPECT_EQ(NULL, fault_each(&self->f, &c));
		l.n = 0;
		list_add(&l, fd, EVFILT_VNODE, EV_ADD, NOTE_REVOKE | NOTE_READ, 0);
		c.name = label("add all of", path[i], EVFILT_VNODE);
		c.least = 5;
		EXPECT_EQ(NULL, fault_each(&self->f, &c));
		close(fd);
	}
	ASSERT_EQ(0, kq_count(self->kq));
}

/* A filter of another module, whose attach allocates: it is let go of, too. */
TEST_F(nth, add_sample)
{
	const char *missing = module_missing("KEVENT_SAMPLE_KO");
	struct list l = { .n = 0 };
	struct fault_case c = {
		.name = "add sample", .call = call_changes, .undo = undo_adds,
		.kq = { self->kq, -1 }, .arg = &l, .may = MAY_ENOMEM, .least = 2,
	};

	if (missing)
		SKIP(return, "KEVENT_SAMPLE_KO %s", missing);
	ASSERT_EQ(0, module_load(getenv("KEVENT_SAMPLE_KO"), ""));
	list_add(&l, 1, EVFILT_SAMPLE, EV_ADD, 0, 0);
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	/* A reference that was left would make it busy. */
	EXPECT_EQ(0, module_unload("kevent_sample"));
}

/* A change of one knote that exists, and how to take it back. */
struct change {
	const char *name;
	int before;		/* flags of a change to make before it, 0: none */
	int flags;		/* of the change itself */
	int undo;		/* of the one that takes it back */
};

static const struct change change[] = {
	{ "modify", 0, EV_ADD, EV_ADD },
	{ "disable", 0, EV_DISABLE, EV_ENABLE },
	{ "enable", EV_DISABLE, EV_ENABLE, EV_DISABLE },
	{ "delete", 0, EV_DELETE, EV_ADD },
};

/* The change @num of @arg, which has them in pairs: to do it, to undo it. */
static int make_change(const struct fault_case *c, int num)
{
	const struct list *l = c->arg;

	return kevent(c->kq[0], &l->kev[num], 1, NULL, 0, NULL) ? errno : 0;
}

static int call_change(const struct fault_case *c)
{
	return make_change(c, 0);
}

static int undo_change(const struct fault_case *c)
{
	return make_change(c, 1);
}

/* A process that is not watched any more has no memory for births either. */
static int undo_follow(const struct fault_case *c)
{
	return make_change(c, 1) ? EINVAL : make_change(c, 2);
}

/* From not following to following: all or nothing. */
TEST_F(nth, follow)
{
	struct list l = { .n = 0 };
	struct fault_case c = {
		.name = "follow children", .call = call_change,
		.undo = undo_follow, .kq = { self->kq, -1 }, .arg = &l,
		.may = MAY_ENOMEM, .least = 1,
	};

	list_add(&l, getpid(), EVFILT_PROC, 0, NOTE_TRACK, 0);
	list_add(&l, getpid(), EVFILT_PROC, EV_DELETE, 0, 0);
	list_add(&l, getpid(), EVFILT_PROC, EV_ADD, NOTE_EXIT, 0);
	ASSERT_EQ(0, make_change(&c, 2));
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	ASSERT_EQ(0, kq_count(self->kq));
}

/* All changes of a knote that can be taken back. Returns what is wrong. */
static const char *change_each(struct fault *f, int kq, uintptr_t ident,
			       int filter, const char *name)
{
	const char *wrong = NULL;
	struct list l = { .n = 0 };
	struct fault_case c = {
		.call = call_change, .undo = undo_change, .kq = { kq, -1 }, .arg = &l,
	};
	size_t i;

	if (kq_set(kq, ident, filter, EV_ADD))
		return "it cannot be made";
	for (i = 0; i < ARRAY_SIZE(change) && !wrong; i++) {
		l.n = 0;
		list_add(&l, ident, filter, change[i].flags, 0, 0);
		list_add(&l, ident, filter, change[i].undo, 0, 0);
		l.kev[0].udata = i ? NULL : UD(1);
		l.kev[1].udata = NULL;
		if (change[i].before && kq_set(kq, ident, filter, change[i].before))
			return "it cannot be prepared";
		c.name = label(change[i].name, name, filter);
		wrong = fault_each(f, &c);
		if (change[i].before && kq_set(kq, ident, filter, EV_ENABLE))
			return "it cannot be enabled";
	}
	return kq_set(kq, ident, filter, EV_DELETE) ? "it is not there" : wrong;
}

/* Modifying, disabling, enabling and deleting need no memory: no fault hurts. */
TEST_F_TIMEOUT(nth, change, 120)
{
	struct source *s;
	int i, k;

	ASSERT_TRUE(sources_open(&self->all));
	for (i = 0; i < self->all.n; i++) {
		s = &self->all.s[i];
		for (k = 0; s->filter[k]; k++)
			ASSERT_EQ(NULL, change_each(&self->f, self->kq, s->fd,
						    s->filter[k], s->name));
	}
	ASSERT_EQ(NULL, change_each(&self->f, self->kq, 1, EVFILT_USER, "trigger"));
}

/* The queue of @kq[0], and its tables, are made anew: under the same number. */
static int undo_queue(const struct fault_case *c)
{
	close(c->kq[0]);
	return kqueue() == c->kq[0] ? 0 : EBADF;
}

/* The table of descriptors grows: ENOMEM, and what is in it stays. */
TEST_F_TIMEOUT(nth, grow_descriptors, 120)
{
	static const int number[] = { 64, 130, 511, 3000, 100000 };
	struct list l = { .n = 0 };
	struct fault_case c = {
		.call = call_changes, .undo = undo_queue, .kq = { self->kq, -1 },
		.arg = &l, .may = MAY_ENOMEM, .least = 1,
	};
	int fd = eventfd(0, EFD_CLOEXEC);
	char name[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(number); i++) {
		ASSERT_EQ(number[i], dup2(fd, number[i]));
		l.n = 0;
		list_add(&l, number[i], EVFILT_READ, EV_ADD, 0, 0);
		/* That of a page or less can fail by a single fault. */
		c.least = number[i] < 512 ? 2 : 1;
		snprintf(name, sizeof(name), "add number %d", number[i]);
		c.name = name;
		EXPECT_EQ(NULL, fault_each(&self->f, &c));
		close(number[i]);
	}
	close(fd);
}

TEST_HARNESS_MAIN
