// SPDX-License-Identifier: BSD-2-Clause
/*
 * Kernel memory for a watched descriptor: what slab and vmalloc grow by when
 * very many are registered, the queue's own tables included. stat_refresh
 * makes the counters exact, and what an earlier turn has freed is given back
 * before each reading.
 */
#include <fcntl.h>
#include <glob.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

static void write_one(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		table_note("%s cannot be written: the result is less exact", path);
	close(fd);
}

static void shrink_slabs(void)
{
	glob_t caches;
	size_t i;

	if (!glob("/sys/kernel/slab/*/shrink", 0, NULL, &caches)) {
		for (i = 0; i < caches.gl_pathc; i++)
			write_one(caches.gl_pathv[i]);
		globfree(&caches);
	}
	write_one("/proc/sys/vm/stat_refresh");
}

static long long read_bytes(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	long long kb, sum = 0;
	char line[128];

	check(f, "/proc/meminfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %lld", &kb) == 1 ||
		    sscanf(line, "VmallocUsed: %lld", &kb) == 1)
			sum += kb;
	fclose(f);
	return 1024 * sum;
}

#define STEADY 65536		/* bytes that may come and go all the time */

/*
 * Much is freed only after an RCU grace period, which is what membarrier()
 * waits for, and a batch at a time: wait until there is no change.
 */
long long kernel_bytes(void)
{
	static const struct timespec pause = { .tv_nsec = 200000000 };
	long long last, bytes = 0;
	int i;

	for (i = 0; i < 50; i++) {
		last = bytes;
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		shrink_slabs();
		bytes = read_bytes();
		if (llabs(bytes - last) <= STEADY)
			return bytes;
		nanosleep(&pause, NULL);
	}
	table_note("other memory keeps changing: the result is less exact");
	return bytes;
}

static int watch_kevent(const struct pool *p, bool both)
{
	int i, n, bad = 0, kq = queue_open();
	struct kevent change[2];

	for (i = 0; i < p->n; i++) {
		n = 0;
		EV_SET(&change[n++], p->in[i], EVFILT_READ, EV_ADD, 0, 0, NULL);
		if (both)
			EV_SET(&change[n++], p->in[i], EVFILT_WRITE, EV_ADD, 0, 0, NULL);
		bad |= kevent(kq, change, n, NULL, 0, NULL);
	}
	check(!bad, "kevent");
	return kq;
}

static int watch_epoll(const struct pool *p, bool both)
{
	struct epoll_event e = { .events = EPOLLIN | (both ? EPOLLOUT : 0) };
	int i, bad = 0, ep = epoll_open();

	for (i = 0; i < p->n; i++) {
		e.data.fd = p->in[i];
		bad |= epoll_ctl(ep, EPOLL_CTL_ADD, p->in[i], &e);
	}
	check(!bad, "epoll_ctl");
	return ep;
}

static double bytes_each(int (*watch)(const struct pool *p, bool both),
			 const struct pool *p, bool both)
{
	long long before;
	double each;
	int fd;

	before = kernel_bytes();
	fd = watch(p, both);
	each = (double)(kernel_bytes() - before) / p->n;
	close(fd);
	return each > 0 ? each : 0;
}

void bench_memory(void)
{
	static const char *const columns[] = { "kevent", "epoll", NULL };
	static const char *const what[] = { "READ", "READ and WRITE" };
	double value[2];
	struct pool p;
	int both;

	pool_open(&p, EVENTFD, opt.max);
	table_begin("Kernel memory, bytes for each descriptor", columns, "kevent/epoll");
	for (both = 0; both < 2; both++) {
		value[KEVENT] = bytes_each(watch_kevent, &p, both);
		value[EPOLL] = bytes_each(watch_epoll, &p, both);
		table_row(value, "%d eventfds, %s", p.n, what[both]);
	}
	pool_close(&p);
}
