/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of kevstat: what it is to show, and what it does. */
#ifndef KEVENT_SELFTESTS_STAT_H
#define KEVENT_SELFTESTS_STAT_H

#include <fnmatch.h>
#include <stdarg.h>

#include "expect.h"
#include "json.h"
#include "tool.h"

/* The compiler compares a format with its arguments. */
#define __printf(a, b)	__attribute__((__format__(__printf__, a, b)))

#define NOBODY	65534

FIXTURE(stat)
{
	struct tool tool;
	char me[16];		/* our process, as an argument */
	int kq;
	pid_t child;
};

FIXTURE_SETUP(stat)
{
	self->tool.pid = 0;
	self->child = 0;
	snprintf(self->me, sizeof(self->me), "%d", getpid());
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(stat)
{
	end_tool(&self->tool);
	if (self->child > 0 && !kill(self->child, SIGKILL))
		waitpid(self->child, NULL, 0);
}

#define START(...)								\
	start_tool(&self->tool, "kevstat",					\
		   (const char *const[]){ __VA_ARGS__, NULL })

/* Run it, and have what it said from the beginning. Its exit status. */
static inline int run_tool(struct tool *tool, const char *const *args)
{
	tool->len = 0;
	tool->heard = 0;
	start_tool(tool, "kevstat", args);
	return ended(tool);
}

#define RUN(...)								\
	run_tool(&self->tool, (const char *const[]){ __VA_ARGS__, NULL })

/* Is there a line like this pattern of fnmatch(3)? Which, is said if there is not. */
static inline bool __printf(2, 3) has_line(const struct tool *tool, const char *format,
					   ...)
{
	char pattern[512], line[1024];
	const char *p = tool->said;
	va_list args;
	size_t len;

	va_start(args, format);
	vsnprintf(pattern, sizeof(pattern), format, args);
	va_end(args);
	for (; *p; p += len + (p[len] == '\n')) {
		len = strcspn(p, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)len, p);
		if (!fnmatch(pattern, line, FNM_NOESCAPE))
			return true;
	}
	printf("# no line is like '%s' in:\n%s", pattern, tool->said);
	return false;
}

#define EXPECT_LINE(...)	EXPECT_TRUE(has_line(&self->tool, __VA_ARGS__))

/* Of a report as JSON, the queue that has this descriptor, or NULL. */
static inline const char *json_queue(const char *report, pid_t pid, int fd)
{
	const char *queues = json_member(report, "queues"), *q, *h;
	int i, j;

	for (i = 0; (q = json_item(queues, i)); i++)
		for (j = 0; (h = json_item(json_member(q, "holders"), j)); j++)
			if (json_int(json_member(h, "pid")) == pid &&
			    json_int(json_member(h, "fd")) == fd)
				return q;
	return NULL;
}

/* The registration there, or NULL. */
static inline const char *json_knote(const char *queue, unsigned long long ident,
				     const char *filter)
{
	const char *knotes = json_member(queue, "knotes"), *kn;
	char word[32];
	int i;

	snprintf(word, sizeof(word), "\"%s\"", filter);
	for (i = 0; (kn = json_item(knotes, i)); i++)
		if (strtoull(json_member(kn, "ident"), NULL, 10) == ident &&
		    json_is(json_member(kn, "filter"), word))
			return kn;
	return NULL;
}

/* What a child of ours has made. */
struct made {
	int kq;
	int fd;
	pid_t tid;
	char text[64];
};

/*
 * Start a process, as fork() does with these flags, that makes something, and lives on
 * until it is killed. Its number; -1 if it could not make that.
 */
static inline pid_t child_that_makes(bool (*make)(struct made *), struct made *made,
				     int flags)
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC))
		return -1;
	pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);
	if (!pid) {
		*made = (struct made){ .kq = -1, .fd = -1 };
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!make(made) || write(fd[1], made, sizeof(*made)) != sizeof(*made))
			_exit(1);
		for (;;)
			pause();
	}
	if (!(flags & CLONE_FILES))
		close(fd[1]);
	if (read(fd[0], made, sizeof(*made)) == sizeof(*made))
		return pid;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}

static inline bool make_nothing(struct made *made)
{
	(void)made;
	return true;
}

static inline long fdinfo_number(int kq, const char *format)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	return find_number(path, format);
}

#endif /* KEVENT_SELFTESTS_STAT_H */
