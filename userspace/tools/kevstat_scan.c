// SPDX-License-Identifier: BSD-2-Clause
/*
 * Processes and their descriptors, and for whom a queue works.
 *
 * Which descriptors are queues, fdinfo says; it is asked of those only that have a path.
 * The files themselves are not touched: one may be on a server that does not answer.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kevstat.h"

#include <linux/kcmp.h>

/* --- Descriptors ----------------------------------------------------------------- */

static int number(const char *name)
{
	return isdigit((unsigned char)*name) ? atoi(name) : -1;
}

static int open_dir(const char *place, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", place, name);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Sockets, pipes and the like have no path. Returns 0 or an errno. */
static int has_path(int fds, const char *name, bool *yes)
{
	char start = 0;

	*yes = readlinkat(fds, name, &start, 1) == 1 && start == '/';
	return start || errno != EACCES ? 0 : EACCES;
}

static int scan_fds(struct report *r, DIR *dir, int infos, struct holder holder)
{
	const struct dirent *d;
	int error, info;
	bool yes;

	while ((errno = 0, d = readdir(dir))) {
		holder.fd = number(d->d_name);
		if (holder.fd < 0)
			continue;
		error = has_path(dirfd(dir), d->d_name, &yes);
		if (error)
			return error;
		info = yes ? openat(infos, d->d_name, O_RDONLY | O_CLOEXEC) : -1;
		if (info >= 0)
			queue_read(r, info, dirfd(dir), &holder);
	}
	return errno;
}

/* All of a table, which is that of @holder, by way of @place. Returns 0 or an errno. */
static int scan_table(struct report *r, const char *place, const struct holder *holder)
{
	int fds, infos, error;
	DIR *dir;

	fds = open_dir(place, "fd");
	if (fds < 0)
		return errno;
	infos = open_dir(place, "fdinfo");
	error = errno;
	dir = infos < 0 ? NULL : fdopendir(fds);
	if (dir) {
		error = scan_fds(r, dir, infos, *holder);
		closedir(dir);
	} else {
		close(fds);
	}
	if (infos >= 0)
		close(infos);
	return error;
}

/* --- Tables ---------------------------------------------------------------------- */

/*
 * The tables of a process's threads: nearly always it is one.
 * @tid: one thread for each, in the kernel's order of them
 */
struct tables {
	pid_t *tid;
	size_t n;
	size_t room;
};

/* 0: the same, 1: the first is less, 2: greater; -1: that cannot be known. */
static int compare_tables(pid_t a, pid_t b)
{
	return syscall(SYS_kcmp, a, b, KCMP_FILES, 0, 0);
}

/* True if no thread with the same was there before. */
static bool add_table(struct tables *t, pid_t tid)
{
	size_t low = 0, high = t->n, mid;
	int order;

	while (low < high) {
		mid = low + (high - low) / 2;
		order = compare_tables(tid, t->tid[mid]);
		if (order <= 0)
			return false;
		if (order == 1)
			high = mid;
		else
			low = mid + 1;
	}
	if (t->n == t->room)
		t->tid = get_more(t->tid, &t->room, sizeof(*t->tid));
	memmove(t->tid + low + 1, t->tid + low, (t->n - low) * sizeof(*t->tid));
	t->tid[low] = tid;
	t->n++;
	return true;
}

static void scan_threads(struct report *r, pid_t pid)
{
	struct holder holder = { .pid = pid };
	struct tables tables = { 0 };
	const struct dirent *d;
	char place[64];
	DIR *dir;

	snprintf(place, sizeof(place), "/proc/%d/task", pid);
	dir = opendir(place);
	add_table(&tables, pid);
	while (dir && (d = readdir(dir))) {
		holder.tid = number(d->d_name);
		if (holder.tid <= 0 || holder.tid == pid ||
		    !add_table(&tables, holder.tid))
			continue;
		snprintf(place, sizeof(place), "/proc/%d/task/%d", pid, holder.tid);
		scan_table(r, place, &holder);
	}
	if (dir)
		closedir(dir);
	free(tables.tid);
}

/* --- Processes ------------------------------------------------------------------- */

/* Returns 0 or an errno. */
int scan_process(struct report *r, pid_t pid)
{
	struct holder holder = { .pid = pid };
	char place[64];
	int error;

	snprintf(place, sizeof(place), "/proc/%d", pid);
	error = scan_table(r, place, &holder);
	if (!error)
		scan_threads(r, pid);
	return error;
}

/* All that there are. False if that cannot be done, which was said. */
bool scan_all(struct report *r)
{
	DIR *dir = opendir("/proc");
	const struct dirent *d;
	int error = 0;
	pid_t pid;

	while (dir && !error && (d = readdir(dir))) {
		pid = number(d->d_name);
		if (pid <= 0)
			continue;
		error = scan_process(r, pid);
		if (error == EACCES || error == EPERM) {
			r->forbidden++;
			error = 0;
		} else if (error == ENOENT || error == ESRCH) {
			r->ended++;
			error = 0;
		} else if (error) {
			complain("cannot look at process %d: %s", pid, strerror(error));
		}
	}
	if (!dir)
		complain("cannot read /proc: %s", strerror(errno));
	else
		closedir(dir);
	return dir && !error;
}

/* --- For whom a queue works ------------------------------------------------------ */

/* Of the owner's tables, the one of which the queue is: if the process has it, that. */
static pid_t owner_tid(const struct queue *q)
{
	pid_t tid = 0;
	size_t i;

	for (i = 0; i < q->nholders; i++) {
		if (q->holder[i].pid != q->owner)
			continue;
		tid = q->holder[i].tid;
		if (!tid)
			break;
	}
	return tid;
}

/* Who has a copy of the owner's table cannot use it, who has the table itself can. */
static enum works works_for(const struct queue *q, const struct holder *h, pid_t tid)
{
	if (q->closed)
		return WORKS_NOT;
	if (q->owner <= 0)
		return WORKS_PERHAPS;
	if (h->pid == q->owner)
		return h->tid == tid ? WORKS : WORKS_NOT;
	return compare_tables(h->tid ? h->tid : h->pid, tid ? tid : q->owner) ?
		WORKS_NOT : WORKS;
}

/* When all that is wanted was scanned. */
void scan_end(struct report *r)
{
	struct queue *q;
	size_t i, j;
	pid_t tid;

	for (i = 0; i < r->n; i++) {
		q = r->queue[i];
		tid = owner_tid(q);
		for (j = 0; j < q->nholders; j++)
			q->holder[j].works = works_for(q, &q->holder[j], tid);
	}
	queues_sort(r);
}

/* --- What is shown of one -------------------------------------------------------- */

static void read_name(struct process *p)
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", p->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? 0 : read(fd, p->name, sizeof(p->name) - 1);
	if (fd >= 0)
		close(fd);
	/* It may have newlines, and has one more at the end. */
	p->name[len > 0 ? len - 1 : 0] = '\0';
}

static void read_uid(struct process *p)
{
	char path[64], line[256];
	FILE *f;

	p->uid = -1;
	snprintf(path, sizeof(path), "/proc/%d/status", p->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Uid: %*d %ld", &p->uid) == 1)
			break;
	if (f)
		fclose(f);
}

/* Fill it in, unless it is that one already. */
void process_look(struct process *p, pid_t pid)
{
	if (p->pid == pid)
		return;
	p->pid = pid;
	read_name(p);
	read_uid(p);
}
