// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a registration is about. A number of a descriptor means something in the table for
 * which the queue works; it is looked up there, some time after the queue was.
 */
#include <string.h>
#include <unistd.h>

#include "kevstat.h"

/* --- Descriptors ----------------------------------------------------------------- */

/* In whose table the numbers mean something. False if that is not known. */
static bool find_table(const struct queue *q, struct holder *at)
{
	if (q->holder->works == WORKS)
		*at = *q->holder;
	else
		*at = (struct holder){ .pid = q->owner };
	return at->pid > 0;
}

static void put_path(char *to, size_t size, const struct holder *at, const char *file)
{
	if (at->tid)
		snprintf(to, size, "/proc/%d/task/%d/%s/%d", at->pid, at->tid, file,
			 at->fd);
	else
		snprintf(to, size, "/proc/%d/%s/%d", at->pid, file, at->fd);
}

/* The process of a pidfd, as its fdinfo has it; 0 or less if there is none. */
static int pidfd_process(const struct holder *at)
{
	char path[64], line[256];
	int pid = 0;
	FILE *f;

	put_path(path, sizeof(path), at, "fdinfo");
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	if (f)
		fclose(f);
	return pid;
}

static void tell_process(struct target *t, pid_t pid)
{
	struct process p = { 0 };

	process_look(&p, pid);
	t->kind = "process";
	snprintf(t->name, sizeof(t->name), "%d%s%s%s", pid, *p.name ? " (" : "", p.name,
		 *p.name ? ")" : "");
}

static void tell_queue(const struct queue *q, struct target *t)
{
	t->kind = "queue";
	snprintf(t->name, sizeof(t->name), "%llu", (unsigned long long)q->id);
}

static bool is_pidfd(const char *link)
{
	return !strcmp(link, "anon_inode:[pidfd]") || !strncmp(link, "pidfd:", 6);
}

static void tell_link(struct report *r, const struct holder *at, struct target *t)
{
	const struct queue *nested;
	unsigned long inode;
	int pid;

	t->kind = *t->name == '/' ? "file" : !strncmp(t->name, "pipe:", 5) ? "pipe" :
		  "other";
	if (*t->name == '/') {
		nested = queue_held(r, at);
		if (nested)
			tell_queue(nested, t);
	} else if (sscanf(t->name, "socket:[%lu]", &inode) == 1) {
		t->kind = "socket";
		socket_find(r, at->pid, inode, t);
	} else if (is_pidfd(t->name)) {
		pid = pidfd_process(at);
		if (pid > 0)
			tell_process(t, pid);
	}
}

static void find_descriptor(struct report *r, const struct queue *q, int fd,
			    struct target *t)
{
	struct holder at;
	char path[64];
	ssize_t len;

	if (!find_table(q, &at))
		return;
	at.fd = fd;
	put_path(path, sizeof(path), &at, "fd");
	len = readlink(path, t->name, sizeof(t->name) - 1);
	if (len <= 0)
		return;
	t->name[len] = '\0';
	tell_link(r, &at, t);
}

/* --- Others ---------------------------------------------------------------------- */

/* Does a number of a process mean there what it means here? */
static bool is_our_namespace(pid_t pid)
{
	char path[64], theirs[64] = "", ours[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	return readlink(path, theirs, sizeof(theirs) - 1) > 0 &&
	       readlink("/proc/self/ns/pid", ours, sizeof(ours) - 1) > 0 &&
	       !strcmp(ours, theirs);
}

static void find_process(const struct queue *q, pid_t pid, struct target *t)
{
	struct holder at;

	if (find_table(q, &at) && is_our_namespace(at.pid))
		tell_process(t, pid);
}

/* Fill it in. */
void target_find(struct report *r, const struct queue *q, const struct knote *kn,
		 struct target *t)
{
	t->kind = NULL;
	t->state = NULL;
	*t->name = *t->local = *t->remote = '\0';
	if (filter_is_fd(kn->filter)) {
		find_descriptor(r, q, kn->ident, t);
	} else if (kn->filter == EVFILT_PROC) {
		find_process(q, kn->ident, t);
	} else if (kn->filter == EVFILT_SIGNAL) {
		t->kind = "signal";
		name_of_signal(t->name, sizeof(t->name), kn->ident);
	}
}
