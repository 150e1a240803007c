/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the tests of kevwatch: what it watches, what happens there, and what it says.
 *
 * It watches two directories, "w" and "sync", below the one that we are in. In the
 * second nothing happens but what shows that everything before was told of. While it
 * is held, as many things as one likes happen at once, as far as it can see.
 */
#ifndef KEVENT_SELFTESTS_WATCH_H
#define KEVENT_SELFTESTS_WATCH_H

#include "files.h"
#include "tool.h"

FIXTURE(watch)
{
	struct tool tool;
	int marks;
	struct folder folder;
};

FIXTURE_SETUP(watch)
{
	ASSERT_TRUE(folder_enter(&self->folder));
	ASSERT_EQ(0, mkdir("w", 0700));
	ASSERT_EQ(0, mkdir("sync", 0700));
	self->tool.pid = 0;
}

FIXTURE_TEARDOWN(watch)
{
	end_tool(&self->tool);
	folder_leave(&self->folder);
}

/* --- What happens -------------------------------------------------------------- */

static inline bool create(const char *path)
{
	return !close(open(path, O_CREAT | O_EXCL | O_WRONLY, 0600));
}

static inline bool write_to(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | flags, 0600);
	ssize_t len = strlen(text);
	bool ok = write(fd, text, len) == len;

	close(fd);
	return ok;
}

static inline bool append(const char *path)
{
	return write_to(path, O_APPEND, "more");
}

static inline bool shell(const char *command)
{
	return !system(command);
}

/* --- The program --------------------------------------------------------------- */

#define START(...)								\
	start_tool(&self->tool, "kevwatch",					\
		   (const char *const[]){ __VA_ARGS__, NULL })

/* Start it, and wait until it watches. */
#define ASSERT_WATCHES(...) do {						\
	START(__VA_ARGS__);							\
	ASSERT_SAYS("kevwatch: watching");					\
} while (0)

/* Where the line begins that tells of this mark, or NULL. */
static inline char *make_mark(struct tool *tool, int mark)
{
	char *begin = tool->said + tool->heard, *line, name[32];

	snprintf(name, sizeof(name), "sync/%04d", mark);
	if (mkdir(name, 0755) || !line_with(tool, name))
		return NULL;
	line = strstr(begin, name);
	while (line > begin && line[-1] != '\n')
		line--;
	return line;
}

/*
 * All that it has said since the last time, about what has happened by now. It tells
 * together of what has happened together, as far as it can see, which may be the first
 * mark and something before that; but not the second.
 */
static inline const char *lines(struct tool *tool, int *marks)
{
	char *begin = tool->said + tool->heard, *first, *last, *end;

	first = make_mark(tool, ++*marks);
	last = make_mark(tool, ++*marks);
	if (!first || !last)
		return "?";
	*last = '\0';
	end = strchr(first, '\n') + 1;
	memmove(first, end, strlen(end) + 1);
	return begin;
}

#define EXPECT_LINES(text)							\
	EXPECT_STREQ(text, lines(&self->tool, &self->marks))

/* It is told to end, does so well, and has nothing more to say. */
#define EXPECT_ENDS() do {							\
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));				\
	EXPECT_STREQ("", self->tool.said + self->tool.heard);			\
} while (0)

#endif /* KEVENT_SELFTESTS_WATCH_H */
