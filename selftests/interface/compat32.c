// SPDX-License-Identifier: BSD-2-Clause
/* A 32-bit program on a 64-bit kernel: the same records, the same rules. */
#include "common.h"

#include <assert.h>
#include <limits.h>
#include <stddef.h>

static_assert(sizeof(void *) == 4, "this is a test for 32-bit programs");
static_assert(sizeof(struct kevent) == 64, "struct kevent");
static_assert(sizeof(struct kevent_args) == 40, "args");
static_assert(offsetof(struct kevent, filter) == 8, "filter");
static_assert(offsetof(struct kevent, data) == 16, "data");
static_assert(offsetof(struct kevent, udata) == 24, "udata");
static_assert(offsetof(struct kevent, ext) == 32, "ext");

#define GARBAGE		0xdeadbeef00000000ULL

FIXTURE(compat)
{
	int kq;
	int rd;			/* a pipe */
	int wr;
	struct kevent ev[64];
};

FIXTURE_SETUP(compat)
{
	int p[2];

	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, pipe(p));
	self->rd = p[0];
	self->wr = p[1];
}

FIXTURE_TEARDOWN(compat)
{
	close(self->rd);
	close(self->wr);
	close(self->kq);
}

/* A list of changes and a list of events, with all members where they belong. */
TEST_F(compat, descriptors)
{
	struct kevent kev[2];

	EV_SET(&kev[0], self->rd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, &kev[0]);
	EV_SET(&kev[1], self->wr, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, &kev[1]);
	kev[0].ext[2] = 0x1122334455667788;
	kev[0].ext[3] = 0x99aabbccddeeff00;
	ASSERT_EQ(1, kevent(self->kq, kev, 2, self->ev, 64, NULL));
	EXPECT_EQ(self->wr, self->ev[0].ident);
	EXPECT_EQ(EVFILT_WRITE, self->ev[0].filter);
	EXPECT_EQ(&kev[1], self->ev[0].udata);
	ASSERT_EQ(5, write(self->wr, "hello", 5));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(self->rd, self->ev[0].ident);
	EXPECT_EQ(EVFILT_READ, self->ev[0].filter);
	EXPECT_EQ(EV_CLEAR, self->ev[0].flags);
	EXPECT_EQ(5, self->ev[0].data);
	EXPECT_EQ(&kev[0], self->ev[0].udata);
	EXPECT_EQ(0x1122334455667788, self->ev[0].ext[2]);
	EXPECT_EQ(0x99aabbccddeeff00, self->ev[0].ext[3]);
}

/* The upper half of an ident is not the program's: ignored, returned as 0. */
TEST_F(compat, ident_upper_half)
{
	struct kevent_record rec = {
		.ident = GARBAGE | self->rd,
		.filter = EVFILT_READ,
		.flags = EV_ADD,
	};
	struct kevent_args args = {
		.size = sizeof(args),
		.changes = (uintptr_t)&rec,
		.events = (uintptr_t)&rec,
		.nchanges = 1,
	};

	ASSERT_EQ(1, write(self->wr, "x", 1));
	ASSERT_EQ(0, kq_ioctl(self->kq, &args));
	args.nevents = 1;
	args.nchanges = 0;
	ASSERT_EQ(1, kq_ioctl(self->kq, &args));
	EXPECT_EQ(self->rd, rec.ident);
	EXPECT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_DELETE));

	/* The same for a name: one registration, whatever is above it. */
	rec = (struct kevent_record){
		.ident = GARBAGE | 7, .filter = EVFILT_USER, .flags = EV_ADD,
	};
	args.nevents = 0;
	args.nchanges = 1;
	ASSERT_EQ(0, kq_ioctl(self->kq, &args));
	ASSERT_EQ(0, kq_trigger(self->kq, 7));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(7, self->ev[0].ident);
	rec.ident = (GARBAGE << 1) | 7;
	rec.flags = EV_DELETE;
	EXPECT_EQ(0, kq_ioctl(self->kq, &args));
	EXPECT_EQ(ENOENT, kq_trigger(self->kq, 7));
}

/* data is 64 bits wide both ways: large periods, large values. */
TEST_F(compat, wide_data)
{
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, INT64_MIN + 5, NULL));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(INT64_MIN + 5, self->ev[0].data);
	/* Cut to 32 bits this would be 1 ms. */
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_TIMER, EV_ADD, 0, (1LL << 32) + 1, NULL));
	EXPECT_EQ(0, kq_wait(self->kq, self->ev, 64, QUIET_MS));
}

/* Timers fire, never early. */
TEST_F(compat, timer)
{
	long long start = ts_ns();

	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT,
			       NOTE_USECONDS, 20000, UD(9)));
	ASSERT_EQ(1, kq_wait(self->kq, self->ev, 64, LIMIT_MS));
	EXPECT_LE(20000000, ts_ns() - start);
	EXPECT_EQ(1, self->ev[0].data);
	EXPECT_EQ(9, UD_NUM(self->ev));
}

/* The program's timespec, shorter than the kernel's, is understood. */
TEST_F(compat, timeout)
{
	struct timespec ts = { .tv_nsec = 30000000 };
	struct timespec bad = { .tv_nsec = 1000000000 };
	struct timespec negative = { .tv_sec = -1 };
	long long start = ts_ns();
	struct waiter w;

	EXPECT_EQ(0, kevent(self->kq, NULL, 0, self->ev, 64, &ts));
	EXPECT_LE(30000000, ts_ns() - start);
	EXPECT_GT(LIMIT_MS, (ts_ns() - start) / 1000000);
	EXPECT_EQ(-1, kevent(self->kq, NULL, 0, self->ev, 64, &bad));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, kevent(self->kq, NULL, 0, self->ev, 64, &negative));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_TRUE(waiter_start(&w, self->kq, 1, INT_MAX * 1000LL));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_TRUE(waiter_join(&w));
	EXPECT_EQ(1, w.ret);
}

/* Errors are the same, as errno and as records. */
TEST_F(compat, errors)
{
	struct kevent kev;

	EXPECT_EQ(ENOENT, kq_set(self->kq, self->rd, EVFILT_READ, EV_DELETE));
	EXPECT_EQ(EBADF, kq_set(self->kq, (uintptr_t)INT_MAX + 1, EVFILT_READ, EV_ADD));
	EXPECT_EQ(EBADF, kq_set(self->kq, UINTPTR_MAX, EVFILT_READ, EV_ADD));
	EXPECT_EQ(EINVAL, kq_set(self->kq, 1, -3, EV_ADD));
	EV_SET(&kev, UINTPTR_MAX, EVFILT_USER, EV_DELETE, 0, 0, UD(UINTPTR_MAX));
	ASSERT_EQ(1, kevent(self->kq, &kev, 1, &kev, 1, NULL));
	EXPECT_EQ(EV_ERROR, kev.flags);
	EXPECT_EQ(ENOENT, kev.data);
	EXPECT_EQ(UINTPTR_MAX, kev.ident);
	EXPECT_EQ(UINTPTR_MAX, UD_NUM(&kev));
}

/* An address beyond 4 GiB is EFAULT, and not cut to one that is there. */
TEST_F(compat, wide_address)
{
	struct kevent_record rec = { .ident = 1, .filter = EVFILT_USER, .flags = EV_ADD };
	struct kevent_args args = {
		.size = sizeof(args),
		.changes = (uintptr_t)&rec | 1ULL << 32,
		.nchanges = 1,
	};

	EXPECT_EQ(-1, kq_ioctl(self->kq, &args));
	EXPECT_EQ(EFAULT, errno);
	args.changes = (uintptr_t)&rec;
	EXPECT_EQ(0, kq_ioctl(self->kq, &args));
	EXPECT_EQ(0, kq_trigger(self->kq, 1));
	args.nchanges = 0;
	args.nevents = 1;
	args.events = (uintptr_t)&rec | 1ULL << 32;
	EXPECT_EQ(-1, kq_ioctl(self->kq, &args));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(1, kq_count(self->kq));
}

/* KEVENT_IOC_INFO is the same structure. */
TEST_F(compat, info)
{
	struct kevent_info info = { .size = sizeof(info) };

	ASSERT_EQ(0, ioctl(self->kq, KEVENT_IOC_INFO, &info));
	EXPECT_EQ(KEVENT_ABI_VERSION, info.abi);
	EXPECT_TRUE(info.filters[0] & (1 << -EVFILT_USER));
}

TEST_HARNESS_MAIN
