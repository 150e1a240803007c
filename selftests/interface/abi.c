// SPDX-License-Identifier: BSD-2-Clause
/* The ioctl as such: sizes, pointers, timeouts, other calls. */
#include "common.h"

#include <assert.h>
#include <limits.h>
#include <termios.h>

#define PAGE	4096

/* Enough for two and a half of the kernel's batches of 16. */
#define N	40

static_assert(sizeof(struct kevent_record) == 64, "record");
static_assert(sizeof(struct kevent) == 64, "struct kevent");
static_assert(sizeof(struct kevent_args) == KEVENT_ARGS_SIZE_VER0, "args");
static_assert(sizeof(struct kevent_info) == KEVENT_INFO_SIZE_VER0, "info");

/* One page with nothing mapped behind it, or NULL. */
static char *map_page(void)
{
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED || munmap(page + PAGE, PAGE) ? NULL : page;
}

FIXTURE(abi)
{
	int kq;
	char *page;		/* of map_page() */
	struct kevent ev[64];
};

FIXTURE_SETUP(abi)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->page = map_page();
	ASSERT_NE(NULL, self->page);
}

FIXTURE_TEARDOWN(abi)
{
	munmap(self->page, PAGE);
	close(self->kq);
}

/* Arguments that register user event 1. */
static struct kevent_args add_args(struct kevent *kev)
{
	EV_SET(kev, 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	return (struct kevent_args){
		.size = sizeof(struct kevent_args),
		.changes = (uintptr_t)kev,
		.nchanges = 1,
	};
}

/* As ioctl(), but returns the errno, or 0; a number of events is no failure. */
static int call(int kq, void *args)
{
	return ioctl(kq, KEVENT_IOC_KEVENT, args) < 0 ? errno : 0;
}

/* Was user event 1 registered? Removes it. */
static bool was_added(int kq)
{
	return !kq_set(kq, 1, EVFILT_USER, EV_DELETE);
}

/* A structure shorter than the first published one is EINVAL, and undone. */
TEST_F(abi, size_too_small)
{
	static const unsigned int size[] = { 0, 1, 8, 36, KEVENT_ARGS_SIZE_VER0 - 1 };
	struct kevent kev;
	struct kevent_args args = add_args(&kev);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(size); i++) {
		args.size = size[i];
		EXPECT_EQ(EINVAL, call(self->kq, &args));
		EXPECT_FALSE(was_added(self->kq)) TH_LOG("size %u", size[i]);
	}
}

/* A longer structure is accepted if what this kernel does not know is zero. */
TEST_F(abi, size_larger)
{
	struct kevent kev;
	struct {
		struct kevent_args args;
		char tail[24];
	} big = { .args = add_args(&kev) };
	size_t i;

	big.args.size = sizeof(big);
	EXPECT_EQ(0, call(self->kq, &big));
	EXPECT_TRUE(was_added(self->kq));
	for (i = 0; i < sizeof(big.tail); i++) {
		big.tail[i] = 1;
		EXPECT_EQ(EINVAL, call(self->kq, &big));
		EXPECT_FALSE(was_added(self->kq));
		big.tail[i] = 0;
	}
	big.args.size = UINT32_MAX;
	EXPECT_EQ(EINVAL, call(self->kq, &big));
	EXPECT_FALSE(was_added(self->kq));
}

/* No flags are defined: any bit is EINVAL, and nothing is applied. */
TEST_F(abi, flags)
{
	struct kevent kev;
	struct kevent_args args = add_args(&kev);
	int i;

	for (i = 0; i < 32; i++) {
		args.flags = 1U << i;
		EXPECT_EQ(EINVAL, call(self->kq, &args));
		EXPECT_FALSE(was_added(self->kq)) TH_LOG("bit %d", i);
	}
}

/* Arguments that are not there, or not all of them, are EFAULT. */
TEST_F(abi, bad_args)
{
	struct kevent kev;
	struct kevent_args args = add_args(&kev);
	char *end = self->page + PAGE;

	EXPECT_EQ(EFAULT, call(self->kq, NULL));
	EXPECT_EQ(EFAULT, call(self->kq, end));
	EXPECT_EQ(EFAULT, call(self->kq, (void *)-PAGE));
	memcpy(end - 39, &args, 39);
	EXPECT_EQ(EFAULT, call(self->kq, end - 39));
	memcpy(end - 40, &args, 40);
	EXPECT_EQ(0, call(self->kq, end - 40));
	EXPECT_TRUE(was_added(self->kq));
	/* The tail that its size promises is missing. */
	((struct kevent_args *)(end - 40))->size = 48;
	EXPECT_EQ(EFAULT, call(self->kq, end - 40));
	EXPECT_FALSE(was_added(self->kq));
}

/* A list of changes that is not there is EFAULT; with no changes, unused. */
TEST_F(abi, bad_changes)
{
	struct kevent kev;
	struct kevent_args args = add_args(&kev);
	struct kevent *end = (void *)(self->page + PAGE);

	args.changes = 0;
	EXPECT_EQ(EFAULT, call(self->kq, &args));
	args.changes = (uintptr_t)end;
	EXPECT_EQ(EFAULT, call(self->kq, &args));
	args.changes = -PAGE;
	EXPECT_EQ(EFAULT, call(self->kq, &args));
	args.changes = 1ULL << 63;
	EXPECT_EQ(EFAULT, call(self->kq, &args));
	args.nchanges = 0;
	EXPECT_EQ(0, call(self->kq, &args));

	/* The second half of the list, or the middle of a record, is missing. */
	EV_SET(end - 1, 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	args.changes = (uintptr_t)(end - 1);
	args.nchanges = 2;
	EXPECT_EQ(EFAULT, call(self->kq, &args));
	args.changes = (uintptr_t)end - 40;
	args.nchanges = 1;
	EXPECT_EQ(EFAULT, call(self->kq, &args));
	/* A count far beyond the list does not size anything. */
	args.changes = (uintptr_t)(end - 1);
	args.nchanges = INT_MAX;
	EXPECT_EQ(EFAULT, call(self->kq, &args));
	args.nchanges = 1;
	EXPECT_EQ(0, call(self->kq, &args));
	EXPECT_TRUE(was_added(self->kq));
}

/* A count of events far beyond what there is does not size anything. */
TEST_F(abi, many_events_wanted)
{
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(1, kq_collect(self->kq, self->ev, INT_MAX));
}

/* An error record that cannot be stored is a failure, the queue works on. */
TEST_F(abi, bad_events_error_record)
{
	struct kevent kev;
	struct kevent_args args = add_args(&kev);

	kev.flags = EV_DELETE;
	args.events = (uintptr_t)self->page + PAGE;
	args.nevents = 1;
	EXPECT_EQ(EFAULT, call(self->kq, &args));
	kev.flags = EV_ADD;
	args.nevents = 0;
	EXPECT_EQ(0, call(self->kq, &args));
	EXPECT_TRUE(was_added(self->kq));
}

/* Make N events of user triggers that have @flags. Returns how many. */
static int make_events(int kq, int flags)
{
	int i, n = 0;

	for (i = 0; i < N; i++)
		n += !kq_set(kq, i, EVFILT_USER, EV_ADD | flags) &&
		     !kq_trigger(kq, i);
	return n;
}

/* The set of the user events in @ev; 0 if one is there twice. */
static unsigned long long set_of(const struct kevent *ev, int n)
{
	unsigned long long set = 0;
	int i;

	for (i = 0; i < n; i++) {
		if (ev[i].ident >= N || set & (1ULL << ev[i].ident))
			return 0;
		set |= 1ULL << ev[i].ident;
	}
	return set;
}

#define ALL	((1ULL << N) - 1)

FIXTURE(fault)
{
	int kq;
	char *page;
};

FIXTURE_VARIANT(fault)
{
	int flags;
};

FIXTURE_VARIANT_ADD(fault, level) { .flags = 0 };
FIXTURE_VARIANT_ADD(fault, clear) { .flags = EV_CLEAR };
FIXTURE_VARIANT_ADD(fault, oneshot) { .flags = EV_ONESHOT };
FIXTURE_VARIANT_ADD(fault, dispatch) { .flags = EV_DISPATCH };

FIXTURE_SETUP(fault)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->page = map_page();
	ASSERT_NE(NULL, self->page);
	ASSERT_EQ(N, make_events(self->kq, variant->flags));
}

FIXTURE_TEARDOWN(fault)
{
	munmap(self->page, PAGE);
	close(self->kq);
}

/* Room that is not mapped, or read-only, is EFAULT and takes no event. */
TEST_F(fault, nothing_delivered)
{
	struct kevent ev[64];

	EXPECT_EQ(-1, kq_collect(self->kq, NULL, 64));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, kq_collect(self->kq, (void *)(self->page + PAGE), 64));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, kq_collect(self->kq, (void *)(uintptr_t)-PAGE, 64));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, mprotect(self->page, PAGE, PROT_READ));
	EXPECT_EQ(-1, kq_collect(self->kq, (void *)self->page, 64));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(N, kq_collect(self->kq, ev, 64));
	EXPECT_EQ(ALL, set_of(ev, N));
}

/*
 * Room that ends early: either EFAULT, and all events are still there, or the
 * records that found room, and all others are still there.
 */
TEST_F(fault, split)
{
	/* Ends within the first batch, at its end, in the second, mid-record. */
	static const int bytes[] = { 5 * 64, 16 * 64, 20 * 64, 33 * 64,
				     7 * 64 + 32, 16 * 64 + 1, 63 };
	unsigned long long taken, rest;
	struct kevent ev[64], *room;
	int n, m;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		room = (void *)(self->page + PAGE - bytes[i]);
		n = kq_collect(self->kq, room, 64);
		EXPECT_NE(0, n);
		if (n < 0) {
			EXPECT_EQ(EFAULT, errno);
			n = 0;
		}
		ASSERT_LE(n, bytes[i] / 64);
		/* Some of the rooms are not aligned. */
		memcpy(ev, room, n * sizeof(*ev));
		taken = n ? set_of(ev, n) : 0;
		EXPECT_EQ(n, __builtin_popcountll(taken));
		m = kq_collect(self->kq, ev, 64);
		rest = set_of(ev, m);
		/* What is level comes again; all else comes once. */
		EXPECT_EQ(ALL, taken | rest) {
			TH_LOG("%d bytes: %d records, then %d", bytes[i], n, m);
		}
		if (variant->flags)
			EXPECT_EQ(0, taken & rest);
		EXPECT_EQ(variant->flags ? 0 : N, kq_collect(self->kq, ev, 64));
		for (n = 0; n < N; n++)
			kq_set(self->kq, n, EVFILT_USER, EV_DELETE);
		ASSERT_EQ(N, make_events(self->kq, variant->flags));
	}
}

/* A timeout that is not there is EFAULT; one out of range is EINVAL. */
TEST_F(abi, bad_timeout)
{
	static const struct timespec bad[] = {
		{ .tv_sec = -1 }, { .tv_nsec = -1 }, { .tv_nsec = 1000000000 },
		{ .tv_sec = LONG_MIN }, { .tv_nsec = LONG_MAX },
		{ .tv_sec = 1, .tv_nsec = -1 }, { .tv_sec = -1, .tv_nsec = 1 },
	};
	size_t i;

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	EXPECT_EQ(-1, kevent(self->kq, NULL, 0, self->ev, 64,
			     (void *)(self->page + PAGE)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, kevent(self->kq, NULL, 0, self->ev, 64,
			     (void *)(self->page + PAGE - 8)));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-1, kevent(self->kq, NULL, 0, self->ev, 64, &bad[i]));
		EXPECT_EQ(EINVAL, errno) TH_LOG("timeout %zu", i);
	}
	EXPECT_EQ(1, kq_count(self->kq));
}

/* A bad timeout is only looked at by a call that would wait. */
TEST_F(abi, bad_timeout_unused)
{
	struct timespec bad = { .tv_sec = -1, .tv_nsec = -1 };
	struct kevent kev;

	EXPECT_EQ(0, kevent(self->kq, NULL, 0, NULL, 0, &bad));
	EV_SET(&kev, 1, EVFILT_USER, EV_DELETE, 0, 0, NULL);
	ASSERT_EQ(1, kevent(self->kq, &kev, 1, self->ev, 64, &bad));
	EXPECT_EQ(EV_ERROR, self->ev[0].flags);
	EXPECT_EQ(ENOENT, self->ev[0].data);
}

struct long_wait {
	pthread_t thread;
	int kq;
	struct timespec ts;
	int tid;
	int ret;
	struct kevent ev;
};

static void *long_wait_main(void *arg)
{
	struct long_wait *w = arg;

	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	w->ret = kevent(w->kq, NULL, 0, &w->ev, 1, &w->ts);
	return NULL;
}

/* The longest timeouts wait, and do not wrap around to none. */
TEST_F(abi, huge_timeout)
{
	static const long sec[] = { INT_MAX, INT_MAX + 1L, 9223372035, 9223372036,
				    9223372037, LONG_MAX / 2, LONG_MAX };
	struct long_wait w;
	size_t i;

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	for (i = 0; i < ARRAY_SIZE(sec); i++) {
		w = (struct long_wait){
			.kq = self->kq,
			.ts = { .tv_sec = sec[i], .tv_nsec = 999999999 },
		};
		ASSERT_EQ(0, pthread_create(&w.thread, NULL, long_wait_main, &w));
		ASSERT_TRUE(WAIT_FOR(__atomic_load_n(&w.tid, __ATOMIC_ACQUIRE)));
		ASSERT_TRUE(wait_asleep(w.tid)) TH_LOG("%ld s", sec[i]);
		ASSERT_EQ(0, kq_trigger(self->kq, 1));
		ASSERT_EQ(0, pthread_join(w.thread, NULL));
		EXPECT_EQ(1, w.ret);
	}
}

/* A command that is not ours is ENOTTY. */
TEST_F(abi, unknown_ioctl)
{
	static const unsigned long cmd[] = {
		_IO(KEVENT_IOC_MAGIC, 0), _IO(KEVENT_IOC_MAGIC, 99),
		_IOWR(KEVENT_IOC_MAGIC, 1, struct kevent_args), TCGETS, FIONREAD,
	};
	char buf[256] = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmd); i++) {
		EXPECT_EQ(-1, ioctl(self->kq, cmd[i], buf));
		EXPECT_EQ(ENOTTY, errno) TH_LOG("command %#lx", cmd[i]);
	}
}

static bool has_filter(const struct kevent_info *info, int filter)
{
	return info->filters[-filter / 64] & (1ULL << (-filter % 64));
}

/* KEVENT_IOC_INFO tells the version and the filters, and fills no more. */
TEST_F(abi, info)
{
	static const int filter[] = { EVFILT_READ, EVFILT_WRITE, EVFILT_TIMER,
				      EVFILT_USER, EVFILT_EMPTY, EVFILT_EXCEPT,
				      EVFILT_SIGNAL, EVFILT_PROC,
				      EVFILT_PROCDESC };
	struct {
		struct kevent_info info;
		char tail[40];
	} big;
	size_t i;

	memset(&big, 0x5a, sizeof(big));
	big.info.size = sizeof(big.info);
	ASSERT_EQ(0, ioctl(self->kq, KEVENT_IOC_INFO, &big));
	EXPECT_EQ(sizeof(big.info), big.info.size);
	EXPECT_EQ(KEVENT_ABI_VERSION, big.info.abi);
	EXPECT_FALSE(has_filter(&big.info, 0));
	for (i = 0; i < ARRAY_SIZE(filter); i++)
		EXPECT_TRUE(has_filter(&big.info, filter[i]))
			TH_LOG("filter %d", filter[i]);
	for (i = 0; i < sizeof(big.tail); i++)
		EXPECT_EQ(0x5a, big.tail[i]);
	/* A program that knows more learns how much it got. */
	big.info.size = sizeof(big);
	ASSERT_EQ(0, ioctl(self->kq, KEVENT_IOC_INFO, &big));
	EXPECT_EQ(KEVENT_INFO_SIZE_VER0, big.info.size);
}

/* KEVENT_IOC_INFO into too little room is EINVAL, into none EFAULT. */
TEST_F(abi, info_bad)
{
	struct kevent_info *info = (void *)self->page;

	info->size = 0;
	EXPECT_EQ(-1, ioctl(self->kq, KEVENT_IOC_INFO, info));
	EXPECT_EQ(EINVAL, errno);
	info->size = KEVENT_INFO_SIZE_VER0 - 1;
	EXPECT_EQ(-1, ioctl(self->kq, KEVENT_IOC_INFO, info));
	EXPECT_EQ(EINVAL, errno);
	info->size = sizeof(*info);
	EXPECT_EQ(0, ioctl(self->kq, KEVENT_IOC_INFO, info));
	ASSERT_EQ(0, mprotect(self->page, PAGE, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->kq, KEVENT_IOC_INFO, info));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->kq, KEVENT_IOC_INFO, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->kq, KEVENT_IOC_INFO, self->page + PAGE - 2));
	EXPECT_EQ(EFAULT, errno);
}

/* read(), write() and mmap() of a queue fail and harm nothing. */
TEST_F(abi, other_calls)
{
	char buf[64] = { 0 };

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(-1, read(self->kq, buf, sizeof(buf)));
	EXPECT_EQ(-1, write(self->kq, buf, sizeof(buf)));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->kq, 0));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* kevent() of what is no queue, or not open, is EBADF. */
TEST_F(abi, no_queue)
{
	struct timespec zero = { 0 };
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int p[2];

	ASSERT_EQ(0, pipe(p));
	EXPECT_EQ(-1, kevent(p[0], NULL, 0, self->ev, 1, &zero));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, kevent(fd, NULL, 0, self->ev, 1, &zero));
	EXPECT_EQ(EBADF, errno);
	close(fd);
	EXPECT_EQ(-1, kevent(fd, NULL, 0, self->ev, 1, &zero));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, kevent(-1, NULL, 0, self->ev, 1, &zero));
	EXPECT_EQ(EBADF, errno);
}

/* An event is exactly what was registered: no other byte of the kernel's. */
TEST_F(abi, no_stray_bytes)
{
	struct kevent want;

	memset(self->ev, 0x5a, sizeof(self->ev));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	memset(&want, 0, sizeof(want));
	EV_SET(&want, 1, EVFILT_USER, 0, 0, 0, NULL);
	EXPECT_EQ(0, memcmp(&want, &self->ev[0], sizeof(want)));
	memset(&want, 0x5a, sizeof(want));
	EXPECT_EQ(0, memcmp(&want, &self->ev[1], sizeof(want)));
}

TEST_HARNESS_MAIN
