// SPDX-License-Identifier: BSD-2-Clause
/* Changes: what registers, modifies and removes, and how failures are told. */
#include "common.h"

#include <limits.h>
#include <sys/socket.h>

/* More than two of the kernel's batches of 16, and no multiple of it. */
#define NCHANGES	40

FIXTURE(reg)
{
	int kq;
	int sock[2];		/* READ of [0] is ready after a write to [1] */
	struct kevent ev[64];
};

FIXTURE_SETUP(reg)
{
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->sock));
}

FIXTURE_TEARDOWN(reg)
{
	close(self->sock[0]);
	close(self->sock[1]);
	close(self->kq);
}

/* NCHANGES changes of user events 0, 1, ... with the same flags. */
static void user_changes(struct kevent *kev, int flags, unsigned int fflags)
{
	int i;

	for (i = 0; i < NCHANGES; i++)
		EV_SET(&kev[i], i, EVFILT_USER, flags, fflags, 0, UD(1000 + i));
}

/* How many of the user events 0 .. NCHANGES - 1 are registered. Removes them. */
static int user_registered(int kq)
{
	int i, n = 0;

	for (i = 0; i < NCHANGES; i++)
		n += !kq_set(kq, i, EVFILT_USER, EV_DELETE);
	return n;
}

/* EV_ADD creates a registration, EV_DELETE removes it once. */
TEST_F(reg, add_delete)
{
	EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE));
	EXPECT_EQ(ENOENT, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE));
	EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	EXPECT_EQ(0, kq_set(self->kq, self->sock[0], EVFILT_READ, EV_ADD));
	EXPECT_EQ(0, kq_set(self->kq, self->sock[0], EVFILT_READ, EV_DELETE));
	EXPECT_EQ(ENOENT, kq_set(self->kq, self->sock[0], EVFILT_READ, EV_DELETE));
}

/* A deleted registration takes its pending event with it. */
TEST_F(reg, delete_drops_pending)
{
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* EV_ADD | EV_DELETE adds what is not there and deletes what is. */
TEST_F(reg, add_and_delete_in_one)
{
	EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_DELETE));
	EXPECT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_DELETE));
	EXPECT_EQ(ENOENT, kq_trigger(self->kq, 1));
}

/* Everything but EV_ADD needs an existing registration: ENOENT. */
TEST_F(reg, not_registered)
{
	static const int flags[] = { 0, EV_DELETE, EV_ENABLE, EV_DISABLE,
				     EV_CLEAR, EV_FORCEONESHOT, EV_KEEPUDATA };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_EQ(ENOENT, kq_set(self->kq, 1, EVFILT_USER, flags[i]));
		EXPECT_EQ(ENOENT, kq_set(self->kq, 1, EVFILT_TIMER, flags[i]));
		EXPECT_EQ(ENOENT, kq_set(self->kq, self->sock[0], EVFILT_READ,
					 flags[i])) {
			TH_LOG("flags %#x", flags[i]);
		}
	}
}

/* A descriptor number that is not open is EBADF for every action. */
TEST_F(reg, not_open)
{
	int fd = dup(self->sock[0]);

	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(EBADF, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	EXPECT_EQ(EBADF, kq_set(self->kq, fd, EVFILT_WRITE, EV_ADD));
	EXPECT_EQ(EBADF, kq_set(self->kq, fd, EVFILT_READ, EV_DELETE));
	EXPECT_EQ(EBADF, kq_set(self->kq, fd, EVFILT_READ, EV_ENABLE));
}

/* A descriptor ident is not cut to an int: beyond INT_MAX it is EBADF. */
TEST_F(reg, ident_is_no_descriptor)
{
	int fd = self->sock[0];

	EXPECT_EQ(EBADF, kq_set(self->kq, (uintptr_t)INT_MAX + 1, EVFILT_READ, EV_ADD));
	EXPECT_EQ(EBADF, kq_set(self->kq, INT_MAX, EVFILT_READ, EV_ADD));
	EXPECT_EQ(EBADF, kq_set(self->kq, UINTPTR_MAX, EVFILT_READ, EV_ADD));
#if UINTPTR_MAX > UINT32_MAX
	EXPECT_EQ(EBADF, kq_set(self->kq, (1ULL << 32) + fd, EVFILT_READ, EV_ADD));
#endif
	EXPECT_EQ(ENOENT, kq_set(self->kq, fd, EVFILT_READ, EV_DELETE));
}

/* All of an ident counts where it is a name: the ends, and the upper half. */
TEST_F(reg, ident_is_a_name)
{
	static const uintptr_t ident[] = { 0, 1, UINT32_MAX, UINTPTR_MAX,
					   UINTPTR_MAX - UINT32_MAX };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ident); i++) {
		ASSERT_EQ(0, kq_set(self->kq, ident[i], EVFILT_USER, EV_ADD));
		ASSERT_EQ(0, kq_trigger(self->kq, ident[i]));
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
		EXPECT_EQ(ident[i], self->ev[0].ident);
		ASSERT_EQ(0, kq_set(self->kq, ident[i], EVFILT_USER, EV_DELETE));
	}
}

/* (ident, filter) names a registration: other filters and queues are apart. */
TEST_F(reg, identity)
{
	int fd = self->sock[0];
	int kq2 = kq_open();

	ASSERT_LE(0, kq2);
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	EXPECT_EQ(ENOENT, kq_set(self->kq, fd, EVFILT_WRITE, EV_DELETE));
	EXPECT_EQ(ENOENT, kq_set(self->kq, fd, EVFILT_USER, EV_DELETE));
	EXPECT_EQ(ENOENT, kq_set(kq2, fd, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_WRITE, EV_ADD));
	ASSERT_EQ(0, kq_set(kq2, fd, EVFILT_READ, EV_ADD));
	EXPECT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_DELETE));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(0, kq_set(kq2, fd, EVFILT_READ, EV_DELETE));
	close(kq2);
}

/* EV_DISABLE hides a ready source, EV_ENABLE delivers it at once. */
TEST_F(reg, enable_disable)
{
	int fd = self->sock[0];

	ASSERT_EQ(1, write(self->sock[1], "x", 1));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_DISABLE));
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_DISABLE));
	EXPECT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ENABLE));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* EV_ADD | EV_DISABLE never delivers, not even what is ready before. */
TEST_F(reg, add_disabled)
{
	ASSERT_EQ(1, write(self->sock[1], "x", 1));
	ASSERT_EQ(0, kq_set(self->kq, self->sock[0], EVFILT_READ,
			    EV_ADD | EV_DISABLE));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* EV_ADD of a disabled registration modifies it and leaves it disabled. */
TEST_F(reg, add_does_not_enable)
{
	int fd = self->sock[0];

	ASSERT_EQ(1, write(self->sock[1], "x", 1));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD | EV_DISABLE));
	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_READ, EV_ADD, 0, 0, UD(7)));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_READ, EV_ENABLE | EV_KEEPUDATA,
			       0, 0, NULL));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(7, UD_NUM(self->ev));
}

/* Combinations that make no sense, and unknown flags, are EINVAL. */
TEST_F(reg, bad_flags)
{
	static const int flags[] = { EV_ENABLE | EV_DISABLE,
				     EV_ADD | EV_ENABLE | EV_DISABLE,
				     EV_ADD | EV_KEEPUDATA,
				     EV_ADD | 0x0400, EV_ADD | 0x0800,
				     0x0400, EV_DELETE | 0x0800 };
	size_t i;

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_EQ(EINVAL, kq_set(self->kq, 1, EVFILT_USER, flags[i]))
			TH_LOG("flags %#x", flags[i]);
		EXPECT_EQ(EINVAL, kq_set(self->kq, 2, EVFILT_USER, flags[i]))
			TH_LOG("flags %#x", flags[i]);
	}
	EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE));
	EXPECT_EQ(ENOENT, kq_set(self->kq, 2, EVFILT_USER, EV_DELETE));
}

/* The bits that an event brings back may be sent in again: ignored. */
TEST_F(reg, system_flags_ignored)
{
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_SYSFLAGS));
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_USER, EV_SYSFLAGS,
			       NOTE_TRIGGER, 0, NULL));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(0, self->ev[0].flags);
}

/* A filter that the module does not have is EINVAL, each of them. */
TEST_F(reg, bad_filter)
{
	struct kevent_info info = { .size = sizeof(info) };
	int f;

	ASSERT_EQ(0, ioctl(self->kq, KEVENT_IOC_INFO, &info));
	for (f = SHRT_MIN; f <= SHRT_MAX; f++) {
		if (!f || (f < 0 && f > -128 &&
			   info.filters[-f / 64] & (1ULL << (-f % 64))))
			continue;
		EXPECT_EQ(EINVAL, kq_set(self->kq, 1, f, EV_ADD))
			TH_LOG("filter %d", f);
	}
}

/* A change with filter 0 is skipped, whatever else it says: not even a receipt. */
TEST_F(reg, filter_zero)
{
	struct kevent kev[3];

	EV_SET(&kev[0], 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[1], 99, 0, EV_ENABLE | EV_DISABLE | EV_RECEIPT, 0, 0, NULL);
	EV_SET(&kev[2], 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	ASSERT_EQ(1, kevent(self->kq, kev, 3, self->ev, 64, NULL));
	EXPECT_EQ(1, self->ev[0].ident);
	EXPECT_EQ(EVFILT_USER, self->ev[0].filter);
}

/* A failed change is a record: EV_ERROR alone, the errno, the rest as sent. */
TEST_F(reg, error_record)
{
	struct kevent kev[3];

	EV_SET(&kev[0], 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[1], 2, EVFILT_USER, EV_DELETE, 0, 0, UD(77));
	kev[1].ext[2] = 0x1122334455667788;
	kev[1].ext[3] = 0x99aabbccddeeff00;
	EV_SET(&kev[2], 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	ASSERT_EQ(1, kevent(self->kq, kev, 3, self->ev, 64, NULL));
	EXPECT_EQ(EV_ERROR, self->ev[0].flags);
	EXPECT_EQ(ENOENT, self->ev[0].data);
	EXPECT_EQ(2, self->ev[0].ident);
	EXPECT_EQ(EVFILT_USER, self->ev[0].filter);
	EXPECT_EQ(77, UD_NUM(self->ev));
	EXPECT_EQ(0x1122334455667788, self->ev[0].ext[2]);
	EXPECT_EQ(0x99aabbccddeeff00, self->ev[0].ext[3]);
	/* The later change was applied, its event left for the next call. */
	EXPECT_EQ(1, kq_count(self->kq));
}

/* Without room for a record the first failure is the errno and ends it. */
TEST_F(reg, error_errno)
{
	struct kevent kev[3];

	EV_SET(&kev[0], 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[1], 2, EVFILT_USER, EV_DELETE, 0, 0, NULL);
	EV_SET(&kev[2], 3, EVFILT_USER, EV_ADD, 0, 0, NULL);
	ASSERT_EQ(-1, kevent(self->kq, kev, 3, NULL, 0, NULL));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE));
	EXPECT_EQ(ENOENT, kq_set(self->kq, 3, EVFILT_USER, EV_DELETE));
}

/* The failure that finds the room used up is the errno, and ends it. */
TEST_F(reg, error_no_more_room)
{
	struct kevent kev[3];

	EV_SET(&kev[0], 1, EVFILT_USER, EV_DELETE, 0, 0, NULL);
	EV_SET(&kev[1], INT_MAX, EVFILT_READ, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[2], 3, EVFILT_USER, EV_ADD, 0, 0, NULL);
	ASSERT_EQ(-1, kevent(self->kq, kev, 3, self->ev, 1, NULL));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(ENOENT, kq_set(self->kq, 3, EVFILT_USER, EV_DELETE));
}

/* EV_RECEIPT: a record with data 0 for each change, and no events. */
TEST_F(reg, receipt)
{
	struct kevent kev[2];

	EV_SET(&kev[0], 1, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, UD(5));
	EV_SET(&kev[1], 1, EVFILT_USER, EV_RECEIPT, NOTE_TRIGGER, 0, UD(6));
	ASSERT_EQ(2, kevent(self->kq, kev, 2, self->ev, 64, NULL));
	EXPECT_EQ(EV_ERROR, self->ev[0].flags);
	EXPECT_EQ(0, self->ev[0].data);
	EXPECT_EQ(5, UD_NUM(&self->ev[0]));
	EXPECT_EQ(EV_ERROR, self->ev[1].flags);
	EXPECT_EQ(0, self->ev[1].data);
	EXPECT_EQ(6, UD_NUM(&self->ev[1]));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* Receipts without room: all changes are applied and the call succeeds. */
TEST_F(reg, receipt_no_room)
{
	struct kevent kev[NCHANGES];

	user_changes(kev, EV_ADD | EV_RECEIPT, 0);
	EXPECT_EQ(0, kevent(self->kq, kev, NCHANGES, NULL, 0, NULL));
	EXPECT_EQ(NCHANGES, user_registered(self->kq));
	EXPECT_EQ(3, kevent(self->kq, kev, NCHANGES, self->ev, 3, NULL));
	EXPECT_EQ(NCHANGES, user_registered(self->kq));
	EXPECT_EQ(ENOENT, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE | EV_RECEIPT));
}

/* Changes are applied in order, all of them before an event is taken. */
TEST_F(reg, order)
{
	struct kevent kev[6];

	EV_SET(&kev[0], 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[1], 2, EVFILT_USER, EV_ADD, 0, 0, NULL);
	EV_SET(&kev[2], 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	EV_SET(&kev[3], 2, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	EV_SET(&kev[4], 1, EVFILT_USER, EV_DELETE, 0, 0, NULL);
	EV_SET(&kev[5], 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	ASSERT_EQ(1, kevent(self->kq, kev, 6, self->ev, 64, NULL));
	EXPECT_EQ(2, self->ev[0].ident);
}

/* One array for both lists: errors in the midst of several kernel batches. */
TEST_F(reg, alias_errors)
{
	static const int bad[] = { 0, 3, 15, 16, 17, 31, 38, 39 };
	struct kevent kev[NCHANGES];
	size_t i;

	user_changes(kev, EV_ADD, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		kev[bad[i]].flags = EV_DELETE;
	ASSERT_EQ(ARRAY_SIZE(bad), kevent(self->kq, kev, NCHANGES, kev, NCHANGES, NULL));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(bad[i], kev[i].ident);
		EXPECT_EQ(1000 + bad[i], UD_NUM(&kev[i]));
		EXPECT_EQ(EV_ERROR, kev[i].flags);
		EXPECT_EQ(ENOENT, kev[i].data);
	}
	EXPECT_EQ(NCHANGES - ARRAY_SIZE(bad), user_registered(self->kq));
}

/* One array for both lists: a receipt for each, then an event for each. */
TEST_F(reg, alias_receipts_events)
{
	struct kevent kev[NCHANGES];
	unsigned long long seen = 0;
	int i;

	user_changes(kev, EV_ADD | EV_RECEIPT, 0);
	ASSERT_EQ(NCHANGES, kevent(self->kq, kev, NCHANGES, kev, NCHANGES, NULL));
	for (i = 0; i < NCHANGES; i++) {
		EXPECT_EQ(i, kev[i].ident);
		EXPECT_EQ(EV_ERROR, kev[i].flags);
		EXPECT_EQ(0, kev[i].data);
	}
	user_changes(kev, 0, NOTE_TRIGGER);
	ASSERT_EQ(NCHANGES, kevent(self->kq, kev, NCHANGES, kev, NCHANGES, NULL));
	for (i = 0; i < NCHANGES; i++) {
		EXPECT_EQ(1000 + kev[i].ident, UD_NUM(&kev[i]));
		seen |= 1ULL << kev[i].ident;
	}
	EXPECT_EQ((1ULL << NCHANGES) - 1, seen);
}

/* nevents 0 takes nothing and does not wait, whatever the timeout. */
TEST_F(reg, no_events_wanted)
{
	struct timespec hour = { .tv_sec = 3600 };

	EXPECT_EQ(0, kevent(self->kq, NULL, 0, self->ev, 0, NULL));
	EXPECT_EQ(0, kevent(self->kq, NULL, 0, NULL, 0, &hour));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(0, kevent(self->kq, NULL, 0, self->ev, 0, NULL));
	EXPECT_EQ(1, kq_count(self->kq));
}

/* Negative counts are EINVAL, with or without the other list. */
TEST_F(reg, negative_counts)
{
	struct timespec zero = { 0 };
	struct kevent kev;

	EV_SET(&kev, 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	EXPECT_EQ(-1, kevent(self->kq, &kev, -1, self->ev, 64, &zero));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, kevent(self->kq, &kev, INT_MIN, NULL, 0, &zero));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, kevent(self->kq, &kev, 1, self->ev, -1, &zero));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, kevent(self->kq, NULL, 0, self->ev, INT_MIN, NULL));
	EXPECT_EQ(EINVAL, errno);
}

/* udata and ext come back bit by bit; the filters leave ext[2..3] alone. */
TEST_F(reg, udata_ext)
{
	struct kevent kev[3];
	int i, j;

	ASSERT_EQ(1, write(self->sock[1], "x", 1));
	EV_SET(&kev[0], 1, EVFILT_USER, EV_ADD, 0, 0, UD(UINTPTR_MAX));
	EV_SET(&kev[1], self->sock[0], EVFILT_READ, EV_ADD, 0, 0, UD(UINTPTR_MAX - 1));
	EV_SET(&kev[2], 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_NSECONDS, 1,
	       UD(UINTPTR_MAX - 2));
	for (i = 0; i < 3; i++)
		for (j = 0; j < 4; j++)
			kev[i].ext[j] = 0xfedcba9876543210 + i * 4 + j;
	ASSERT_EQ(0, kevent(self->kq, kev, 3, NULL, 0, NULL));
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_USER, EV_KEEPUDATA, NOTE_TRIGGER,
			       0, NULL));
	for (i = 0; i < 3; i++) {
		/* One after the other, whatever the order they come in. */
		ASSERT_EQ(1, kq_wait(self->kq, self->ev, 1, LIMIT_MS));
		j = UINTPTR_MAX - UD_NUM(self->ev);
		ASSERT_GT(3, j);
		EXPECT_EQ(kev[j].filter, self->ev[0].filter);
		EXPECT_EQ(kev[j].ext[2], self->ev[0].ext[2]);
		EXPECT_EQ(kev[j].ext[3], self->ev[0].ext[3]);
		if (self->ev[0].filter == EVFILT_USER) {
			EXPECT_EQ(kev[j].ext[0], self->ev[0].ext[0]);
			EXPECT_EQ(kev[j].ext[1], self->ev[0].ext[1]);
		}
		ASSERT_EQ(j == 2 ? ENOENT : 0,
			  kq_set(self->kq, kev[j].ident, kev[j].filter, EV_DELETE));
	}
}

/* A modification replaces fflags, data and udata, and does not merge them. */
TEST_F(reg, modify_replaces)
{
	int fd = self->sock[0];

	ASSERT_EQ(5, write(self->sock[1], "12345", 5));
	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_READ, EV_ADD, NOTE_LOWAT, 10, UD(1)));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_READ, EV_ADD, NOTE_LOWAT, 5, UD(2)));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(5, self->ev[0].data);
	EXPECT_EQ(2, UD_NUM(self->ev));
	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_READ, EV_ADD, NOTE_LOWAT, 10, UD(3)));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_READ, EV_ADD, 0, 10, UD(4)));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(4, UD_NUM(self->ev));
}

/* A bare EV_ENABLE or EV_DISABLE is a modification too: udata is replaced. */
TEST_F(reg, enable_replaces_udata)
{
	ASSERT_EQ(1, write(self->sock[1], "x", 1));
	ASSERT_EQ(0, kq_change(self->kq, self->sock[0], EVFILT_READ, EV_ADD, 0, 0, UD(1)));
	ASSERT_EQ(0, kq_change(self->kq, self->sock[0], EVFILT_READ, EV_ENABLE, 0, 0, UD(2)));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(2, UD_NUM(self->ev));
}

/* EV_KEEPUDATA modifies everything but udata. */
TEST_F(reg, keepudata)
{
	int fd = self->sock[0];

	ASSERT_EQ(5, write(self->sock[1], "12345", 5));
	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_READ, EV_ADD, NOTE_LOWAT, 10, UD(8)));
	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_READ, EV_KEEPUDATA, NOTE_LOWAT, 5, UD(9)));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(8, UD_NUM(self->ev));
}

/* A modification cannot change EV_CLEAR, EV_ONESHOT and EV_DISPATCH. */
TEST_F(reg, properties_stay)
{
	int fd = self->sock[0];

	ASSERT_EQ(1, write(self->sock[1], "x", 1));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ,
			    EV_ADD | EV_CLEAR | EV_ONESHOT | EV_DISPATCH));
	EXPECT_EQ(1, kq_count(self->kq));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(0, self->ev[0].flags);
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
}

/* Returned flags are the properties of the registration, no actions. */
TEST_F(reg, returned_flags)
{
	static const int flags[] = { 0, EV_CLEAR, EV_ONESHOT, EV_DISPATCH,
				     EV_CLEAR | EV_RECEIPT, EV_CLEAR | EV_DISPATCH };
	size_t i;

	ASSERT_EQ(1, write(self->sock[1], "x", 1));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		ASSERT_EQ(0, kq_set(self->kq, self->sock[0], EVFILT_READ,
				    EV_ADD | EV_ENABLE | flags[i]));
		ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
		EXPECT_EQ(flags[i], self->ev[0].flags);
		kq_set(self->kq, self->sock[0], EVFILT_READ, EV_DELETE);
	}
}

/* EV_FORCEONESHOT delivers what is not ready, now and for the last time. */
TEST_F(reg, forceoneshot)
{
	int fd = self->sock[0];

	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_change(self->kq, fd, EVFILT_READ, EV_FORCEONESHOT, 0, 0, UD(3)));
	ASSERT_EQ(1, kq_collect(self->kq, self->ev, 64));
	EXPECT_EQ(fd, self->ev[0].ident);
	EXPECT_EQ(EV_ONESHOT, self->ev[0].flags);
	EXPECT_EQ(3, UD_NUM(self->ev));
	EXPECT_EQ(ENOENT, kq_set(self->kq, fd, EVFILT_READ, EV_DELETE));
}

/* EV_FORCEONESHOT of a disabled registration waits for EV_ENABLE. */
TEST_F(reg, forceoneshot_disabled)
{
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_DISABLE));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_FORCEONESHOT));
	EXPECT_EQ(0, kq_count(self->kq));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ENABLE));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_EQ(ENOENT, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE));
}

/* Tens of thousands of names: each is found again, and none is left over. */
TEST_F(reg, many_names)
{
	enum { N = 20000, STEP = 7 };
	int i, n, got = 0;

	for (i = 0; i < N; i++)
		ASSERT_EQ(0, kq_change(self->kq, i * 4096UL, EVFILT_USER,
				       EV_ADD | EV_CLEAR, 0, 0, UD(i)));
	for (i = 0; i < N; i += STEP)
		ASSERT_EQ(0, kq_change(self->kq, i * 4096UL, EVFILT_USER,
				       EV_KEEPUDATA, NOTE_TRIGGER, 0, NULL));
	while ((n = kq_collect(self->kq, self->ev, 64)) > 0) {
		for (i = 0; i < n; i++, got++) {
			EXPECT_EQ(UD_NUM(&self->ev[i]) * 4096UL, self->ev[i].ident);
			EXPECT_EQ(0, UD_NUM(&self->ev[i]) % STEP);
		}
	}
	EXPECT_EQ(0, n);
	EXPECT_EQ((N + STEP - 1) / STEP, got);
	for (i = 0; i < N; i++)
		ASSERT_EQ(0, kq_set(self->kq, i * 4096UL, EVFILT_USER, EV_DELETE));
	EXPECT_EQ(ENOENT, kq_set(self->kq, 0, EVFILT_USER, EV_DELETE));
}

TEST_HARNESS_MAIN
