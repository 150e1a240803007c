// SPDX-License-Identifier: BSD-2-Clause
/* tailf, an example: what it prints when files grow, shrink, go and come. */
#include "files.h"
#include "tool.h"

#define TAILF	"examples/tailf"

FIXTURE(follow)
{
	struct tool tool;
	struct folder folder;
};

FIXTURE_SETUP(follow)
{
	ASSERT_TRUE(folder_enter(&self->folder));
	self->tool.pid = 0;
}

FIXTURE_TEARDOWN(follow)
{
	end_tool(&self->tool);
	folder_leave(&self->folder);
}

#define START(...)								\
	start_tool(&self->tool, TAILF, (const char *const[]){ __VA_ARGS__, NULL })

static bool append(const char *name, const char *text)
{
	FILE *f = fopen(name, "a");

	return f && fputs(text, f) >= 0 && !fclose(f);
}

/* Start it with the file log, and see that it follows that. */
static bool start(struct tool *tool)
{
	start_tool(tool, TAILF, (const char *const[]){ "log", NULL });
	return WAIT_FOR(({
		append("log", "mark\n");
		read_more(tool);
		strstr(tool->said, "mark\n");
	})) && append("log", "started\n") && line_with(tool, "started");
}

/* What is appended is printed, and nothing of what was there before. */
TEST_F(follow, grows)
{
	ASSERT_TRUE(append("log", "before\n"));
	ASSERT_TRUE(start(&self->tool));
	ASSERT_EQ(NULL, strstr(self->tool.said, "before"));
	ASSERT_TRUE(append("log", "one\n"));
	ASSERT_NEXT("one");
	ASSERT_TRUE(append("log", "two\nthree\n"));
	ASSERT_NEXT("two");
	ASSERT_NEXT("three");
	EXPECT_EQ(0, kill(self->tool.pid, 0));
}

/* After a truncation it starts again from the top. */
TEST_F(follow, truncated)
{
	ASSERT_TRUE(append("log", "something long\n"));
	ASSERT_TRUE(start(&self->tool));
	ASSERT_EQ(0, truncate("log", 0));
	ASSERT_NEXT("tailf: log: file truncated");
	ASSERT_TRUE(append("log", "short\n"));
	ASSERT_NEXT("short");
}

/* A rotation by renaming: what still comes into the old file is not lost. */
TEST_F(follow, rotated)
{
	int i;

	ASSERT_TRUE(append("log", "before\n"));
	ASSERT_TRUE(start(&self->tool));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, rename("log", "log.1"));
		ASSERT_TRUE(append("log.1", "late\n"));
		ASSERT_NEXT("late");
		ASSERT_TRUE(append("log", "new\n"));
		ASSERT_NEXT("tailf: log: following another file of that name");
		ASSERT_NEXT("new");
		ASSERT_TRUE(append("log", "newer\n"));
		ASSERT_NEXT("newer");
	}
}

/* What comes into the old file together with the new one is printed before that. */
TEST_F(follow, rotated_at_once)
{
	START("log");
	ASSERT_NEXT("tailf: log: waiting for it");
	ASSERT_TRUE(append("log", "first\n"));
	ASSERT_NEXT("first");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(append("log", "last\n"));
	ASSERT_EQ(0, rename("log", "log.1"));
	ASSERT_TRUE(append("log", "new\n"));
	ASSERT_TRUE(go_on(&self->tool));
	ASSERT_NEXT("last");
	ASSERT_NEXT("tailf: log: following another file of that name");
	ASSERT_NEXT("new");
}

/* Another file is renamed over it, or it is removed and made anew. */
TEST_F(follow, replaced)
{
	ASSERT_TRUE(append("log", "before\n"));
	ASSERT_TRUE(start(&self->tool));
	ASSERT_TRUE(append("new", "over it\n"));
	ASSERT_EQ(0, rename("new", "log"));
	ASSERT_NEXT("tailf: log: following another file of that name");
	ASSERT_NEXT("over it");
	ASSERT_EQ(0, unlink("log"));
	ASSERT_TRUE(append("log", "anew\n"));
	ASSERT_NEXT("tailf: log: following another file of that name");
	ASSERT_NEXT("anew");
}

/* A file of another name, or another name of the file, is no reason to do anything. */
TEST_F(follow, neighbours)
{
	ASSERT_TRUE(append("log", "before\n"));
	ASSERT_TRUE(start(&self->tool));
	ASSERT_TRUE(append("other", "nothing\n"));
	ASSERT_EQ(0, link("log", "new"));
	ASSERT_EQ(0, unlink("log"));
	ASSERT_EQ(0, rename("new", "log"));
	ASSERT_TRUE(append("log", "after\n"));
	ASSERT_NEXT("after");
}

/* Of several files, each line comes under the name of its file. */
TEST_F(follow, several)
{
	ASSERT_TRUE(append("log", "before\n"));
	START("log", "other");
	ASSERT_NEXT("tailf: other: waiting for it");
	ASSERT_TRUE(append("log", "one\n"));
	ASSERT_NEXT("==> log <==");
	ASSERT_NEXT("one");
	ASSERT_TRUE(append("other", "two\n"));
	ASSERT_NEXT("==> other <==");
	ASSERT_NEXT("two");
	ASSERT_TRUE(append("other", "three\n"));
	ASSERT_NEXT("three");
}

/* Wrong usage, and a folder that is not there, are told. */
TEST_F(follow, errors)
{
	START(NULL);
	EXPECT_EQ(2, ended(&self->tool));
	ASSERT_NEXT("tailf: usage: tailf FILE...");
	START("none/log");
	EXPECT_EQ(1, ended(&self->tool));
	ASSERT_NEXT("tailf: none: No such file or directory");
}

TEST_HARNESS_MAIN
