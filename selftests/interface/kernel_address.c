// SPDX-License-Identifier: BSD-2-Clause
/*
 * Addresses of the kernel, mapped and with sensible contents: the kernel's own
 * mapping of a page of ours. An access without a check would succeed there, as
 * it would not at addresses where nothing is; and if one does, it has read and
 * written nothing but our page.
 */
#include "common.h"

#include <elf.h>
#include <sys/mman.h>

/* Where /proc/kcore says that the kernel has this physical address; 0: nowhere. */
static uint64_t kernel_address(int kcore, uint64_t physical, uint64_t *offset)
{
	Elf64_Ehdr header;
	Elf64_Phdr part;
	int i;

	if (pread(kcore, &header, sizeof(header), 0) != sizeof(header))
		return 0;
	for (i = 0; i < header.e_phnum; i++) {
		if (pread(kcore, &part, sizeof(part), header.e_phoff + i * sizeof(part)) !=
		    sizeof(part))
			return 0;
		if (part.p_type != PT_LOAD || part.p_paddr == UINT64_MAX ||
		    physical < part.p_paddr || physical - part.p_paddr >= part.p_memsz)
			continue;
		*offset = part.p_offset + (physical - part.p_paddr);
		return part.p_vaddr + (physical - part.p_paddr);
	}
	return 0;
}

/* The physical address of what is at @page, which is in memory; 0: not told. */
static uint64_t physical_address(const void *page, long size)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pagemap < 0)
		return 0;
	if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)page / size * sizeof(entry)) < 0)
		entry = 0;
	close(pagemap);
	return (entry & ((1ULL << 55) - 1)) * size;
}

FIXTURE(kernel_address)
{
	int kq;
	char *page;		/* as we know it */
	void *alias;		/* as the kernel does; NULL: it does not say */
	long size;
};

FIXTURE_SETUP(kernel_address)
{
	int kcore = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	uint64_t physical, alias = 0, offset;
	char seen[64] = "";

	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->size = sysconf(_SC_PAGESIZE);
	self->page = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->page);
	ASSERT_EQ(0, mlock(self->page, self->size));
	strcpy(self->page, "this page has another address as well");
	physical = physical_address(self->page, self->size);
	if (kcore >= 0 && physical)
		alias = kernel_address(kcore, physical, &offset);
	/* It is that page only if it reads the same. */
	if (alias && pread(kcore, seen, sizeof(seen), offset) == sizeof(seen) &&
	    !memcmp(seen, self->page, sizeof(seen)))
		self->alias = (void *)(uintptr_t)alias;
	close(kcore);
	memset(self->page, 0, self->size);
}

FIXTURE_TEARDOWN(kernel_address)
{
	munmap(self->page, self->size);
	close(self->kq);
}

#define WHY_SKIPPED	"needs root, /proc/kcore and /proc/self/pagemap"

static bool untouched(const char *page, long size)
{
	while (size--)
		if (page[size])
			return false;
	return true;
}

/* As ioctl(), but returns the errno, or 0; a number of events is no failure. */
static int call(int kq, unsigned long cmd, void *args)
{
	return ioctl(kq, cmd, args) < 0 ? errno : 0;
}

/* A change that registers user event 1, and says so. */
static void put_change(void *to)
{
	struct kevent kev;

	EV_SET(&kev, 1, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, NULL);
	memcpy(to, &kev, sizeof(kev));
}

static bool was_added(int kq)
{
	return !kq_set(kq, 1, EVFILT_USER, EV_DELETE);
}

/* Changes are not read from there. */
TEST_F(kernel_address, changes)
{
	struct kevent answer;
	struct kevent_args args = {
		.size = sizeof(args), .nchanges = 1, .nevents = 1,
		.events = (uintptr_t)&answer,
	};

	if (!self->alias)
		SKIP(return, WHY_SKIPPED);
	put_change(self->page);
	args.changes = (uintptr_t)self->page;
	ASSERT_EQ(0, call(self->kq, KEVENT_IOC_KEVENT, &args));
	ASSERT_TRUE(was_added(self->kq));
	args.changes = (uintptr_t)self->alias;
	EXPECT_EQ(EFAULT, call(self->kq, KEVENT_IOC_KEVENT, &args));
	EXPECT_FALSE(was_added(self->kq));
}

/* Nor are the arguments, longer ones included. */
TEST_F(kernel_address, arguments)
{
	struct kevent change, answer;
	struct kevent_args args = {
		.size = sizeof(args), .nchanges = 1, .nevents = 1,
		.changes = (uintptr_t)&change, .events = (uintptr_t)&answer,
	};

	if (!self->alias)
		SKIP(return, WHY_SKIPPED);
	put_change(&change);
	memcpy(self->page, &args, sizeof(args));
	EXPECT_EQ(EFAULT, call(self->kq, KEVENT_IOC_KEVENT, self->alias));
	EXPECT_FALSE(was_added(self->kq));
	args.size += 8;
	memcpy(self->page, &args, sizeof(args));
	EXPECT_EQ(EFAULT, call(self->kq, KEVENT_IOC_KEVENT, self->alias));
	EXPECT_FALSE(was_added(self->kq));
	EXPECT_EQ(0, call(self->kq, KEVENT_IOC_KEVENT, self->page));
	EXPECT_TRUE(was_added(self->kq));
}

/* Events are not stored there; they stay. */
TEST_F(kernel_address, events)
{
	static const struct timespec now;
	struct kevent_args args = {
		.size = sizeof(args), .nevents = 1, .timeout = (uintptr_t)&now,
	};
	struct kevent ev;

	if (!self->alias)
		SKIP(return, WHY_SKIPPED);
	args.events = (uintptr_t)self->alias;
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	EXPECT_EQ(EFAULT, call(self->kq, KEVENT_IOC_KEVENT, &args));
	EXPECT_TRUE(untouched(self->page, self->size));
	EXPECT_EQ(1, kq_collect(self->kq, &ev, 1));
}

/* Nor are answers to changes. */
TEST_F(kernel_address, answers)
{
	struct kevent change;
	struct kevent_args args = {
		.size = sizeof(args), .nchanges = 1, .nevents = 1,
		.changes = (uintptr_t)&change,
	};

	if (!self->alias)
		SKIP(return, WHY_SKIPPED);
	args.events = (uintptr_t)self->alias;
	put_change(&change);
	EXPECT_EQ(EFAULT, call(self->kq, KEVENT_IOC_KEVENT, &args));
	EXPECT_TRUE(untouched(self->page, self->size));
}

/* A timeout is not read from there: no wait begins. */
TEST_F(kernel_address, timeout)
{
	struct timespec *ts = (void *)self->page;
	struct kevent ev;
	struct kevent_args args = {
		.size = sizeof(args), .nevents = 1, .events = (uintptr_t)&ev,
	};

	if (!self->alias)
		SKIP(return, WHY_SKIPPED);
	ts->tv_nsec = 1;
	args.timeout = (uintptr_t)ts;
	EXPECT_EQ(0, call(self->kq, KEVENT_IOC_KEVENT, &args));
	args.timeout = (uintptr_t)self->alias;
	EXPECT_EQ(EFAULT, call(self->kq, KEVENT_IOC_KEVENT, &args));
}

/* What the module can do is not told there, nor is the question read. */
TEST_F(kernel_address, information)
{
	struct kevent_info *info = (void *)self->page, before;

	if (!self->alias)
		SKIP(return, WHY_SKIPPED);
	/* Whoever reads that this is too short has read. */
	EXPECT_EQ(EFAULT, call(self->kq, KEVENT_IOC_INFO, self->alias));
	EXPECT_EQ(EINVAL, call(self->kq, KEVENT_IOC_INFO, info));
	info->size = sizeof(*info);
	before = *info;
	EXPECT_EQ(EFAULT, call(self->kq, KEVENT_IOC_INFO, self->alias));
	EXPECT_EQ(0, memcmp(&before, info, sizeof(before)));
	EXPECT_EQ(0, call(self->kq, KEVENT_IOC_INFO, info));
	EXPECT_NE(0, memcmp(&before, info, sizeof(before)));
}

TEST_HARNESS_MAIN
