/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of whole programs, the tools and examples: one that runs, as a process of
 * its own, and what it says.
 */
#ifndef KEVENT_SELFTESTS_TOOL_H
#define KEVENT_SELFTESTS_TOOL_H

#include <limits.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "common.h"

#define TOOL_ROOM	(16 * 1024)	/* for what it says */

/* The program that runs. */
struct tool {
	pid_t pid;		/* 0: none */
	int out;		/* what it says */
	char said[TOOL_ROOM];
	size_t len;
	size_t heard;		/* how much of that was looked at */
};

/* Its folder lies beside that of the tests: "tools", if the name has none. */
static inline void find_tool(char *path, size_t size, const char *name)
{
	ssize_t len = readlink("/proc/self/exe", path, size - 1);
	int i;

	path[len > 0 ? len : 0] = '\0';
	for (i = 0; i < 2 && strrchr(path, '/'); i++)
		*strrchr(path, '/') = '\0';
	strncat(path, strchr(name, '/') ? "/" : "/tools/", size - strlen(path) - 1);
	strncat(path, name, size - strlen(path) - 1);
}

/* Start it with these arguments, the last of which is NULL. */
static inline void start_tool(struct tool *tool, const char *name,
			      const char *const *args)
{
	char path[PATH_MAX];
	const char *argv[16] = { path };
	int fd[2], i;

	find_tool(path, sizeof(path), name);
	for (i = 0; args[i] && i < 14; i++)
		argv[i + 1] = args[i];
	if (pipe(fd))
		return;
	tool->pid = fork();
	if (!tool->pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(fd[1], 1);
		dup2(fd[1], 2);
		close(fd[0]);
		close(fd[1]);
		execv(path, (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	close(fd[1]);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	tool->out = fd[0];
}

static inline bool read_more(struct tool *tool)
{
	ssize_t n = read(tool->out, tool->said + tool->len,
			 sizeof(tool->said) - 1 - tool->len);

	if (n > 0)
		tool->len += n;
	tool->said[tool->len] = '\0';
	return n > 0;
}

/* The next line that has @text in it, within the limit; what is before is passed over. */
static inline const char *line_with(struct tool *tool, const char *text)
{
	char *line, *end;

	WAIT_FOR(({
		read_more(tool);
		line = strstr(tool->said + tool->heard, text);
		line && strchr(line, '\n');
	}));
	line = strstr(tool->said + tool->heard, text);
	end = line ? strchr(line, '\n') : NULL;
	if (!end) {
		printf("# it does not say '%s', but:\n%s", text,
		       tool->said + tool->heard);
		return NULL;
	}
	tool->heard = end + 1 - tool->said;
	return line;
}

#define ASSERT_SAYS(text)	ASSERT_NE(NULL, line_with(&self->tool, text))

/* Is the next line this one, with nothing before it? */
static inline bool line_is(struct tool *tool, const char *text)
{
	const char *line = line_with(tool, "");
	size_t len = strlen(text);

	if (line && !strncmp(line, text, len) && line[len] == '\n')
		return true;
	if (line)
		printf("# it does not say '%s', but:\n%s", text, line);
	return false;
}

#define ASSERT_NEXT(text)	ASSERT_TRUE(line_is(&self->tool, text))

/* Has it said so, or will it, at any time? */
#define ASSERT_SAID(text)						\
	ASSERT_TRUE(WAIT_FOR(({						\
		read_more(&self->tool);					\
		strstr(self->tool.said, text);				\
	})))

/* Its exit status, once it has ended. */
static inline int ended(struct tool *tool)
{
	int status = child_status(tool->pid);

	tool->pid = 0;
	while (read_more(tool))
		;
	return status;
}

/* It does not run from now on, until it is let. */
static inline bool hold(const struct tool *tool)
{
	int status;

	return !kill(tool->pid, SIGSTOP) &&
	       waitpid(tool->pid, &status, WUNTRACED) == tool->pid &&
	       WIFSTOPPED(status);
}

static inline bool go_on(const struct tool *tool)
{
	return !kill(tool->pid, SIGCONT);
}

static inline int stopped(struct tool *tool, int sig)
{
	return kill(tool->pid, sig) ? -1 : ended(tool);
}

/* What is left over by a test that failed ends with it. */
static inline void end_tool(struct tool *tool)
{
	if (!tool->pid)
		return;
	kill(tool->pid, SIGTERM);
	kill(tool->pid, SIGCONT);
	waitpid(tool->pid, NULL, 0);
}

#endif /* KEVENT_SELFTESTS_TOOL_H */
