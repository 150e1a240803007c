// SPDX-License-Identifier: BSD-2-Clause
/* Addresses and arguments that are not what they should be. */
#include "fuzz.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE		4096
#define END_PAGES	2	/* in front of the end of buffer_with_end() */

static char *no_page;		/* mapped, but not to be touched */
static char *read_only;
static __thread char *ending;	/* END_PAGES, then one not to be touched */

static char *map(size_t pages, int prot)
{
	void *addr = mmap(NULL, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return addr == MAP_FAILED ? NULL : addr;
}

void hostile_setup(void)
{
	no_page = map(1, PROT_NONE);
	read_only = map(1, PROT_READ);
}

void *bad_address(struct rng *r, bool for_writing)
{
	static const uint64_t address[] = {
		1, 0xfff, 0x7ffffffff000, 0x800000000000, 0xffff888000000000,
		0xffffffff81000000, 0xffffffffffffffc0, UINT64_MAX,
	};

	switch (below(r, 3)) {
	case 0:
		return no_page;
	case 1:
		if (for_writing)
			return read_only;
		return no_page + PAGE - sizeof(struct kevent_record) / 2;
	default:
		return (void *)(uintptr_t)address[below(r, ARRAY_SIZE(address))];
	}
}

struct kevent_record *buffer_with_end(int n)
{
	char *pages = ending;

	if (!pages) {
		pages = map(END_PAGES + 1, PROT_READ | PROT_WRITE);
		if (!pages || mprotect(pages + END_PAGES * PAGE, PAGE, PROT_NONE))
			abort();
		ending = pages;
	}
	return (struct kevent_record *)(pages + END_PAGES * PAGE) - n;
}

/* An argument of @size bytes, of which the last is @last. */
static int call_sized(struct actor *a, int kq, uint32_t size, char last)
{
	static __thread char room[2 * PAGE];
	struct kevent_args *args = (struct kevent_args *)room;

	memset(room, 0, sizeof(room));
	args->size = size;
	if (size > sizeof(*args) && size <= sizeof(room))
		room[size - 1] = last;
	return call_args(a, kq, args);
}

static int bad_size(struct actor *a, int kq, int *want)
{
	static const uint32_t sizes[] = { 0, 1, 39, 4097, 8192, INT_MAX, UINT_MAX };

	*want = -EINVAL;
	switch (below(&a->rng, 4)) {
	case 0:
		return call_sized(a, kq, 41 + below(&a->rng, PAGE - 40), 1);
	case 1:
		*want = 0;
		return call_sized(a, kq, 41 + below(&a->rng, PAGE - 40), 0);
	default:
		return call_sized(a, kq, sizes[below(&a->rng, ARRAY_SIZE(sizes))], 0);
	}
}

/* The argument itself ends in nothing, or lies there. */
static int bad_argument(struct actor *a, int kq, int *want)
{
	struct kevent_args *args;

	*want = -EFAULT;
	if (chance(&a->rng, 2))
		return call_raw(kq, KEVENT_IOC_KEVENT, bad_address(&a->rng, false));
	args = (void *)((char *)buffer_with_end(0) - sizeof(*args));
	memset(args, 0, sizeof(*args));
	args->size = sizeof(*args) + 8;
	return call_raw(kq, KEVENT_IOC_KEVENT, args);
}

static int bad_timeout(struct actor *a, struct kevent_args *args, int *want)
{
	static const struct timespec bad[] = {
		{ .tv_sec = -1 }, { .tv_nsec = -1 }, { .tv_nsec = 1000000000 },
		{ .tv_sec = LONG_MIN }, { .tv_nsec = LONG_MAX },
	};

	args->nevents = below(&a->rng, 2);
	args->events = (uintptr_t)bad_address(&a->rng, true);
	if (chance(&a->rng, 2)) {
		args->timeout = (uintptr_t)bad_address(&a->rng, false);
		*want = -EFAULT;
	} else {
		args->timeout = (uintptr_t)&bad[below(&a->rng, ARRAY_SIZE(bad))];
		/* Looked at only when it comes to waiting. */
		*want = args->nevents ? -EINVAL : 0;
	}
	return 0;
}

/* More changes than there are, in a list that ends within the first batch. */
static void endless_changes(struct actor *a, struct kevent_args *args)
{
	int n = below(&a->rng, 4);
	struct kevent_record *kev = buffer_with_end(n);

	memset(kev, 0, n * sizeof(*kev));
	args->changes = (uintptr_t)kev;
	args->nchanges = chance(&a->rng, 2) ? INT_MAX : n + 1;
}

/*
 * A call with arguments that make no sense, none of which changes anything.
 * If @exact, the queue is known to be there.
 */
int hostile_args(struct actor *a, int kq, bool exact)
{
	struct kevent_args args = { .size = sizeof(args) };
	int want = -EINVAL, ret;

	switch (below(&a->rng, 7)) {
	case 0:
		ret = bad_size(a, kq, &want);
		goto check;
	case 1:
		ret = bad_argument(a, kq, &want);
		goto check;
	case 2:
		bad_timeout(a, &args, &want);
		break;
	case 3:
		endless_changes(a, &args);
		want = -EFAULT;
		break;
	case 4:
		args.changes = (uintptr_t)bad_address(&a->rng, false);
		args.nchanges = 1 + below(&a->rng, INT_MAX);
		want = -EFAULT;
		break;
	case 5:
		args.flags = 1U << below(&a->rng, 32);
		break;
	default:
		if (chance(&a->rng, 2))
			args.nchanges = -1 - (int)below(&a->rng, INT_MAX);
		else
			args.nevents = -1 - (int)below(&a->rng, INT_MAX);
	}
	ret = call_args(a, kq, &args);
check:
	if (ret != want && (exact || ret != -EBADF))
		fail(a, "senseless arguments: %d (%s) instead of %d", ret,
		     strerror(ret < 0 ? -ret : 0), want);
	return ret == want;
}

/* Neither a number that is not ours, nor ours with a size or a direction. */
int hostile_ioctl(struct actor *a, int kq)
{
	unsigned int cmd = rng_next(&a->rng);
	int ret;

	if (chance(&a->rng, 2))
		cmd = KEVENT_IOC_KEVENT ^ (1U << (8 + below(&a->rng, 24)));
	/* What every file answers, from its own table, is not for the module. */
	if (cmd == KEVENT_IOC_KEVENT || cmd == KEVENT_IOC_INFO ||
	    (cmd >> 8 & 0xff) != (KEVENT_IOC_MAGIC & 0xff))
		cmd = KEVENT_IOC_KEVENT + 2 + below(&a->rng, 200);
	ret = call_raw(kq, cmd, (void *)(uintptr_t)rng_next(&a->rng));
	if (ret != -ENOTTY && ret != -EBADF)
		fail(a, "ioctl %#x returned %d", cmd, ret);
	return ret == -ENOTTY;
}

static uint64_t expected_filters(int word)
{
	uint64_t map = 0;
	int i;

	for (i = 0; i < FILTERS; i++)
		if (-filter_number[i] / 64 == word)
			map |= 1ULL << -filter_number[i] % 64;
	return map;
}

static void check_info(struct actor *a, const struct kevent_info *info)
{
	if (info->size != sizeof(*info) || info->abi != KEVENT_ABI_VERSION)
		fail(a, "info: size %u, version %u", info->size, info->abi);
	/* Other modules may have added filters. */
	if ((info->filters[0] & expected_filters(0)) != expected_filters(0) ||
	    (info->filters[1] & expected_filters(1)) != expected_filters(1))
		fail(a, "info: filters %#llx %#llx", info->filters[0], info->filters[1]);
}

int hostile_info(struct actor *a, int kq)
{
	static const uint32_t sizes[] = { 0, 4, 23, 24, 25, 4096, UINT_MAX };
	struct {
		struct kevent_info info;
		uint64_t guard;
	} got;
	int ret, want;

	if (chance(&a->rng, 4)) {
		ret = call_raw(kq, KEVENT_IOC_INFO, bad_address(&a->rng, true));
		/* What can be read, but not written, has a size of 0. */
		if (ret != -EFAULT && ret != -EINVAL && ret != -EBADF)
			fail(a, "info at a bad address: %d", ret);
		return 0;
	}
	memset(&got, 0xff, sizeof(got));
	got.info.size = sizes[below(&a->rng, ARRAY_SIZE(sizes))];
	want = got.info.size < sizeof(got.info) ? -EINVAL : 0;
	ret = call_raw(kq, KEVENT_IOC_INFO, &got);
	if (ret == -EBADF)
		return 0;
	if (ret != want || got.guard != UINT64_MAX)
		fail(a, "info: %d instead of %d, guard %#llx", ret, want,
		     (unsigned long long)got.guard);
	if (!ret)
		check_info(a, &got.info);
	return !ret;
}
