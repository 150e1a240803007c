// SPDX-License-Identifier: BSD-2-Clause
/* kevwatch: what it tells of files and directories, and how. */
#include "watch.h"

/* --- Files --------------------------------------------------------------------- */

/* What happens to a file in a directory, in a line each. */
TEST_F(watch, file)
{
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(create("w/a"));
	EXPECT_LINES("created w/a\n");
	ASSERT_TRUE(append("w/a"));
	EXPECT_LINES("extended w/a\n");
	ASSERT_TRUE(write_to("w/a", 0, "LESS"));
	EXPECT_LINES("written w/a\n");
	ASSERT_EQ(0, chmod("w/a", 0640));
	EXPECT_LINES("attributes w/a\n");
	ASSERT_EQ(0, utimensat(AT_FDCWD, "w/a", NULL, 0));
	EXPECT_LINES("attributes w/a\n");
	ASSERT_EQ(0, link("w/a", "elsewhere"));
	EXPECT_LINES("linked w/a\n");
	ASSERT_EQ(0, rename("w/a", "w/b"));
	EXPECT_LINES("renamed w/a -> w/b\n");
	ASSERT_TRUE(append("w/b"));
	EXPECT_LINES("extended w/b\n");
	ASSERT_EQ(0, unlink("w/b"));
	EXPECT_LINES("deleted w/b\n");
	EXPECT_ENDS();
}

/* To cut a file is to write it, and to cut it first is nothing of its own. */
TEST_F(watch, cut)
{
	ASSERT_TRUE(write_to("w/a", O_CREAT, "12345"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_EQ(0, truncate("w/a", 3));
	EXPECT_LINES("written w/a\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(write_to("w/a", O_TRUNC, "1"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("written w/a\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(write_to("w/a", O_TRUNC, "1234567"));
	ASSERT_EQ(0, chmod("w/a", 0644));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("extended w/a\nattributes w/a\n");
	EXPECT_ENDS();
}

/* Another name in there has come, of a file that is told to be linked. */
TEST_F(watch, two_names)
{
	ASSERT_TRUE(create("w/a"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_EQ(0, link("w/a", "w/b"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("created w/b\nlinked w/a\n");
	ASSERT_TRUE(append("w/a"));
	EXPECT_LINES("extended w/a\nextended w/b\n");
	ASSERT_EQ(0, unlink("w/a"));
	EXPECT_LINES("deleted w/a\n");
	EXPECT_ENDS();
}

/* What is watched is not opened: a FIFO has no reader by that. */
TEST_F(watch, fifo)
{
	ASSERT_EQ(0, mkfifo("w/old", 0600));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_EQ(0, mkfifo("w/new", 0600));
	ASSERT_EQ(0, symlink("nowhere", "w/link"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("created w/link\ncreated w/new\n");
	EXPECT_EQ(-1, open("w/old", O_WRONLY | O_NONBLOCK));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, open("w/new", O_WRONLY | O_NONBLOCK));
	EXPECT_EQ(ENXIO, errno);
	ASSERT_EQ(0, chmod("w/new", 0640));
	EXPECT_LINES("attributes w/new\n");
	EXPECT_ENDS();
}

/* A file alone, by a path of its own. */
TEST_F(watch, alone)
{
	ASSERT_TRUE(create("f"));
	ASSERT_TRUE(create("other"));
	ASSERT_WATCHES("f", "sync");
	ASSERT_TRUE(append("other"));
	ASSERT_TRUE(append("f"));
	EXPECT_LINES("extended f\n");
	EXPECT_ENDS();
}

/* --- Directories --------------------------------------------------------------- */

/* Without -r, what is in directories below is not told. */
TEST_F(watch, flat)
{
	ASSERT_EQ(0, mkdir("w/d", 0700));
	ASSERT_TRUE(create("w/d/f"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(create("w/d/g"));
	ASSERT_TRUE(append("w/d/f"));
	ASSERT_EQ(0, chmod("w/d", 0750));
	EXPECT_LINES("attributes w/d\n");
	ASSERT_EQ(0, rename("w/d", "w/e"));
	EXPECT_LINES("renamed w/d -> w/e\n");
	EXPECT_ENDS();
}

/* What was made in a new directory before anybody could watch that is told, too. */
TEST_F(watch, nested)
{
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mkdir -p w/a/b/c; touch w/a/b/c/d w/a/x"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("created w/a\ncreated w/a/b\ncreated w/a/x\n"
		     "created w/a/b/c\ncreated w/a/b/c/d\n");
	ASSERT_TRUE(append("w/a/b/c/d"));
	EXPECT_LINES("extended w/a/b/c/d\n");
	ASSERT_TRUE(create("w/a/b/e"));
	EXPECT_LINES("created w/a/b/e\n");
	EXPECT_ENDS();
}

/* What was there before is watched, and is no news. */
TEST_F(watch, old)
{
	ASSERT_TRUE(shell("mkdir -p w/a/b; touch w/a/b/c"));
	ASSERT_WATCHES("--recursive", "w/", "sync");
	EXPECT_LINES("");
	ASSERT_TRUE(append("w/a/b/c"));
	EXPECT_LINES("extended w/a/b/c\n");
	EXPECT_ENDS();
}

/* What is in a directory that is deleted goes first. */
TEST_F(watch, deleted)
{
	ASSERT_TRUE(shell("mkdir -p w/a/b; touch w/a/1 w/a/b/2"));
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("rm -r w/a"));
	ASSERT_TRUE(go_on(&self->tool));
	ASSERT_SAYS("deleted w/a/b/2");
	ASSERT_SAYS("deleted w/a/b");
	EXPECT_NE(NULL, strstr(self->tool.said, "deleted w/a/1"));
	EXPECT_LINES("deleted w/a\n");
	EXPECT_ENDS();
}

/* --- What is told, and how ----------------------------------------------------- */

/* Whatever a file is called, a line is a line, and has what a terminal can show. */
TEST_F(watch, plain)
{
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(create("w/a\nb\\ \033[1m\303\244"));
	EXPECT_LINES("created w/a\\nb\\\\ \\033[1m\303\244\n");
	EXPECT_ENDS();
}

#define BYTES	"w/\377x\300\200\355\240\200\303"
#define SHOWN	"w/\\ufffdx\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd"
#define ESCAPED	"\"w/\\\"\\\\\\u000a\\u0001\303\244\360\237\230\200\""
#define HEX	"772fff78c080eda080c3"

/* JSON is UTF-8; other bytes are told as such. */
TEST_F(watch, json)
{
	ASSERT_WATCHES("--json", "w", "sync");
	ASSERT_TRUE(create("w/\"\\\n\001\303\244\360\237\230\200"));
	EXPECT_LINES("{\"event\":\"created\",\"type\":\"file\",\"path\":" ESCAPED "}\n");
	ASSERT_EQ(0, mkdir(BYTES, 0700));
	EXPECT_LINES("{\"event\":\"created\",\"type\":\"directory\",\"path\":\"" SHOWN
		     "\",\"path_hex\":\"" HEX "\"}\n");
	ASSERT_EQ(0, rename(BYTES, "w/d"));
	EXPECT_LINES("{\"event\":\"renamed\",\"type\":\"directory\",\"from\":\"" SHOWN
		     "\",\"from_hex\":\"" HEX "\",\"path\":\"w/d\"}\n");
	EXPECT_ENDS();
}

/* Only what is asked for is told, and use of files only if it is. */
TEST_F(watch, events)
{
	int fd;

	ASSERT_TRUE(write_to("w/a", O_CREAT, "text"));
	ASSERT_WATCHES("-e", "created,opened,closed,closed-write,read", "w", "sync");
	fd = open("w/a", O_RDONLY);
	EXPECT_LINES("opened w/a\n");
	ASSERT_EQ(1, read(fd, &(char){ 0 }, 1));
	EXPECT_LINES("read w/a\n");
	close(fd);
	EXPECT_LINES("closed w/a\n");
	ASSERT_TRUE(append("w/a"));
	ASSERT_SAYS("closed-write w/a");
	ASSERT_EQ(0, chmod("w/a", 0640));
	EXPECT_LINES("");
	EXPECT_ENDS();
}

/* To who does not ask for renaming, something goes and something comes. */
TEST_F(watch, not_renamed)
{
	ASSERT_TRUE(create("w/a"));
	ASSERT_WATCHES("--events=created,deleted", "w", "sync");
	ASSERT_EQ(0, rename("w/a", "w/b"));
	EXPECT_LINES("deleted w/a\ncreated w/b\n");
	ASSERT_TRUE(append("w/b"));
	EXPECT_LINES("");
	EXPECT_ENDS();
}

/* Growth is told as writing to who asks for that only. */
TEST_F(watch, written)
{
	ASSERT_TRUE(create("w/a"));
	ASSERT_WATCHES("-e", "written,created", "w", "sync");
	ASSERT_TRUE(append("w/a"));
	EXPECT_LINES("written w/a\n");
	EXPECT_ENDS();
}

TEST_HARNESS_MAIN
