// SPDX-License-Identifier: BSD-2-Clause
/*
 * Memory of the program that ends where the module reads or writes it: at each
 * boundary of a record, and within one. Copies of this kind cannot be made to
 * fail by fault injection, so these tests run everywhere.
 */
#include <stddef.h>
#include <sys/mman.h>

#include "crowd.h"
#include "sources.h"

#define PAGE	4096

/* What lies behind the room that is good. */
enum behind { UNMAPPED, READ_ONLY, BEYOND_FILE };

FIXTURE(pages)
{
	int kq;
	struct sources all;
	char *end;		/* of what is good: a page */
};

FIXTURE_VARIANT(pages)
{
	enum behind behind;
};

FIXTURE_VARIANT_ADD(pages, unmapped) { .behind = UNMAPPED };
FIXTURE_VARIANT_ADD(pages, read_only) { .behind = READ_ONLY };
FIXTURE_VARIANT_ADD(pages, beyond_file) { .behind = BEYOND_FILE };

/* The end of a good page, or NULL. */
static char *make_end(enum behind behind)
{
	int fd = memfd_create("page", MFD_CLOEXEC);
	char *page = MAP_FAILED;
	int err = -1;

	/* Reading the second page of a file of one is a SIGBUS for programs. */
	if (!ftruncate(fd, behind == BEYOND_FILE ? PAGE : 2 * PAGE))
		page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return NULL;
	switch (behind) {
	case UNMAPPED:
		err = munmap(page + PAGE, PAGE);
		break;
	case READ_ONLY:
		err = mprotect(page + PAGE, PAGE, PROT_READ);
		break;
	case BEYOND_FILE:
		err = 0;
	}
	return err ? NULL : page + PAGE;
}

FIXTURE_SETUP(pages)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->end = make_end(variant->behind);
	ASSERT_NE(NULL, self->end);
	ASSERT_TRUE(sources_open(&self->all));
}

FIXTURE_TEARDOWN(pages)
{
	munmap(self->end - PAGE, 2 * PAGE);
	close_range(3, ~0U, 0);
	EXPECT_TRUE(all_freed());
}

#define EVENTS	18	/* more than a batch of 16 */

/* Ends of the room within a record: before and in each of its members. */
static const int part[] = {
	0, 1, offsetof(struct kevent, filter), offsetof(struct kevent, flags),
	offsetof(struct kevent, fflags), offsetof(struct kevent, data) + 3,
	offsetof(struct kevent, udata), offsetof(struct kevent, ext), 63,
};

/* Add the events of the crowd, by udata, to the set. False if one is wrong. */
static bool add_to_set(const struct crowd *c, const struct kevent *ev, int n,
		       unsigned int *set)
{
	struct kevent one;
	unsigned int bit;

	while (n--) {
		/* The room may begin anywhere. */
		memcpy(&one, ev++, sizeof(one));
		bit = 1U << UD_NUM(&one);
		if (UD_NUM(&one) >= EVENTS || one.filter != c->filter || *set & bit ||
		    one.ident != crowd_ident(c, UD_NUM(&one)))
			return false;
		*set |= bit;
	}
	return true;
}

/*
 * Room for @bytes: all whole records that fit are stored, or it is EFAULT if
 * there are none; the rest comes with the next call. Returns what is wrong.
 */
static const char *collect_into(const struct crowd *c, char *end, int bytes)
{
	int whole = bytes / (int)sizeof(struct kevent), n;
	struct kevent *room = (void *)(end - bytes);
	unsigned int first = 0, rest = 0;
	struct kevent ev[EVENTS + 1];
	bool again;

	if (crowd_make(c))
		return "it cannot be made";
	n = kq_collect(c->kq, room, EVENTS);
	if (whole ? n != whole : n != -1 || errno != EFAULT)
		return "not what there is room for";
	if (!add_to_set(c, room, n < 0 ? 0 : n, &first))
		return "a wrong event";
	/* What is level comes again. */
	again = !(c->flags & (EV_CLEAR | EV_ONESHOT | EV_DISPATCH));
	n = kq_collect(c->kq, ev, EVENTS + 1);
	if (n != (again ? EVENTS : EVENTS - whole) || !add_to_set(c, ev, n, &rest))
		return "the rest is not there";
	if ((first | rest) != (1U << EVENTS) - 1 || (!again && first & rest))
		return "an event is missing, or came twice";
	return again || !kq_count(c->kq) ? NULL : "more than there should be";
}

/* All parts of a record matter at the ends of the list and of a batch. */
static bool is_tried(int whole, size_t k)
{
	return whole <= 1 || whole >= 15 || part[k] % 64 == 0 ||
	       part[k] == offsetof(struct kevent, ext);
}

static const char *collect_all_ends(struct crowd *c, char *end)
{
	const char *wrong = NULL;
	size_t i, k;

	for (i = 0; i < EVENTS * ARRAY_SIZE(part) && !wrong; i++) {
		k = i % ARRAY_SIZE(part);
		if (is_tried(i / ARRAY_SIZE(part), k))
			wrong = collect_into(c, end, i / ARRAY_SIZE(part) *
					     sizeof(struct kevent) + part[k]);
	}
	if (wrong)
		fprintf(stderr, "# filter %d, flags %#x, end %zu: %s\n", c->filter,
			c->flags, i - 1, wrong);
	crowd_remove(c);
	return wrong;
}

/* Events go as far as there is room; the others are not lost, in any way. */
TEST_F_TIMEOUT(pages, triggers, 100)
{
	struct crowd c = {
		.kq = self->kq, .filter = EVFILT_USER, .fd = -1, .n = EVENTS,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(crowd_ways); i++) {
		c.flags = crowd_ways[i];
		EXPECT_EQ(NULL, collect_all_ends(&c, self->end));
	}
}

/* The same of timers: expirations that were not told are told later. */
TEST_F_TIMEOUT(pages, timers, 100)
{
	struct crowd c = {
		.kq = self->kq, .filter = EVFILT_TIMER, .fd = -1, .n = EVENTS,
	};

	c.flags = EV_ONESHOT;
	EXPECT_EQ(NULL, collect_all_ends(&c, self->end));
	c.flags = EV_CLEAR;
	EXPECT_EQ(NULL, collect_all_ends(&c, self->end));
}

/*
 * The same of descriptors. Terminals and inotify write to the room themselves
 * when they are asked how many bytes there are.
 */
TEST_F_TIMEOUT(pages, descriptors, 100)
{
	static const char *const name[] = {
		"eventfd", "file", "pty, slave", "inotify", "tcp", "queue",
	};
	struct crowd c = { .kq = self->kq, .filter = EVFILT_READ, .n = EVENTS };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(name); i++) {
		c.fd = source_named(&self->all, name[i])->fd;
		c.flags = crowd_ways[i % ARRAY_SIZE(crowd_ways)];
		EXPECT_EQ(NULL, collect_all_ends(&c, self->end))
			TH_LOG("of %s", name[i]);
	}
	c.fd = source_named(&self->all, "tcp")->fd;
	c.filter = EVFILT_WRITE;
	c.flags = EV_CLEAR;
	EXPECT_EQ(NULL, collect_all_ends(&c, self->end));
}

#define CHANGES	40

/* The first @n of the triggers are there, the others not. Removes them. */
static bool were_made(int kq, int n)
{
	struct kevent kev[CHANGES], receipt[CHANGES];
	int i;

	/* One call: there are thousands of cases, and some kernels are slow. */
	for (i = 0; i < CHANGES; i++)
		EV_SET(&kev[i], i, EVFILT_USER, EV_DELETE | EV_RECEIPT, 0, 0, NULL);
	if (kevent(kq, kev, CHANGES, receipt, CHANGES, NULL) != CHANGES)
		return false;
	for (i = 0; i < CHANGES; i++)
		if (receipt[i].ident != (uintptr_t)i ||
		    receipt[i].data != (i < n ? 0 : ENOENT))
			return false;
	return true;
}

/*
 * What a list has to lead to that ends after @whole changes and @bytes of
 * @next: the errno and, into @made, how many changes are made.
 */
static int expect_of_cut(enum behind behind, int whole, const struct kevent *next,
			 int bytes, int *made)
{
	struct kevent cut;
	int err = EFAULT;

	/* Changes are read by batches, and one that is not all there is not applied. */
	*made = whole / 16 * 16;
	if (behind == READ_ONLY) {
		/* It goes on with zeros, which can be read: filter 0 is passed over. */
		memset(&cut, 0, sizeof(cut));
		memcpy(&cut, next, bytes);
		*made = whole + (cut.flags == EV_ADD);
		err = cut.filter && !cut.flags ? ENOENT : 0;
	}
	return err;
}

/* A list of changes that ends early is EFAULT; memory is only read for it. */
TEST_F(pages, changes)
{
	struct kevent kev[CHANGES], *list;
	int i, bytes, err, made;
	size_t k;

	for (i = 0; i < CHANGES; i++)
		EV_SET(&kev[i], i, EVFILT_USER, EV_ADD, 0, 0, NULL);
	for (i = 0; i < CHANGES; i++) {
		for (k = 0; k < ARRAY_SIZE(part); k++) {
			bytes = i * sizeof(kev[0]) + part[k];
			list = (void *)(self->end - bytes);
			memcpy(list, kev, bytes);
			err = expect_of_cut(variant->behind, i, &kev[i], part[k], &made);
			EXPECT_EQ(err, kevent(self->kq, list, CHANGES, NULL, 0, NULL) ?
				       errno : 0);
			EXPECT_TRUE(were_made(self->kq, made))
				TH_LOG("%d changes and %d bytes", i, part[k]);
		}
	}
	list = (void *)(self->end - sizeof(kev));
	memcpy(list, kev, sizeof(kev));
	EXPECT_EQ(0, kevent(self->kq, list, CHANGES, NULL, 0, NULL));
	EXPECT_TRUE(were_made(self->kq, CHANGES));
}

/* A receipt that cannot be stored ends the call: its change is the last made. */
TEST_F(pages, receipts)
{
	struct kevent kev[CHANGES];
	int i, bytes;
	size_t k;

	for (i = 0; i < CHANGES; i++)
		EV_SET(&kev[i], i, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, NULL);
	for (i = 0; i < CHANGES; i++) {
		for (k = 0; k < ARRAY_SIZE(part); k++) {
			bytes = i * sizeof(kev[0]) + part[k];
			EXPECT_EQ(-1, kevent(self->kq, kev, CHANGES,
					     (void *)(self->end - bytes), CHANGES, NULL));
			EXPECT_EQ(EFAULT, errno);
			EXPECT_TRUE(were_made(self->kq, i + 1))
				TH_LOG("%d receipts and %d bytes", i, part[k]);
		}
	}
}

/* So does an error; what was made before it stays, and nothing else is made. */
TEST_F(pages, error_records)
{
	struct kevent kev[2 * CHANGES];
	int i, bytes;
	size_t k;

	/* Each second one fails: there is no such timer. */
	for (i = 0; i < CHANGES; i++) {
		EV_SET(&kev[2 * i], i, EVFILT_USER, EV_ADD, 0, 0, NULL);
		EV_SET(&kev[2 * i + 1], i, EVFILT_TIMER, EV_DELETE, 0, 0, NULL);
	}
	for (i = 0; i < CHANGES; i++) {
		for (k = 0; k < ARRAY_SIZE(part); k++) {
			bytes = i * sizeof(kev[0]) + part[k];
			EXPECT_EQ(-1, kevent(self->kq, kev, 2 * CHANGES,
					     (void *)(self->end - bytes),
					     2 * CHANGES, NULL));
			EXPECT_EQ(EFAULT, errno);
			EXPECT_TRUE(were_made(self->kq, i + 1))
				TH_LOG("%d errors and %d bytes", i, part[k]);
		}
	}
}

/*
 * The structure, the timeout: EFAULT wherever they end, and nothing is done. If
 * what follows can be read, they go on with zeros.
 */
TEST_F(pages, arguments)
{
	bool zeros = variant->behind == READ_ONLY;
	struct kevent kev;
	struct kevent_args args = {
		.size = sizeof(args), .changes = (uintptr_t)&kev, .nchanges = 1,
	};
	struct kevent_args cut = { 0 };
	struct timespec now = { 0 };
	int err;
	size_t i;

	EV_SET(&kev, 0, EVFILT_USER, EV_ADD, 0, 0, NULL);
	for (i = 0; i < sizeof(args); i++) {
		memcpy(self->end - i, &args, i);
		memcpy(&cut, &args, i);
		err = !zeros ? EFAULT : cut.size == sizeof(args) ? 0 : EINVAL;
		EXPECT_EQ(err, kq_ioctl(self->kq, (void *)(self->end - i)) ? errno : 0);
		EXPECT_TRUE(were_made(self->kq, zeros ? cut.nchanges : 0));
	}
	for (i = 0; i < sizeof(now); i++) {
		memcpy(self->end - i, &now, i);
		args.timeout = (uintptr_t)(self->end - i);
		EXPECT_EQ(zeros ? 0 : EFAULT, kq_ioctl(self->kq, &args) ? errno : 0);
		EXPECT_TRUE(were_made(self->kq, zeros));
	}
}

/* KEVENT_IOC_INFO writes to all of its structure. */
TEST_F(pages, info)
{
	struct kevent_info info = { .size = sizeof(info) };
	/* What can be read must at least say how long it is. */
	size_t i = variant->behind == READ_ONLY ? sizeof(info.size) : 0;

	for (; i < sizeof(info); i++) {
		memcpy(self->end - i, &info, i);
		EXPECT_EQ(-1, ioctl(self->kq, KEVENT_IOC_INFO, self->end - i));
		EXPECT_EQ(EFAULT, errno);
	}
}

TEST_HARNESS_MAIN
