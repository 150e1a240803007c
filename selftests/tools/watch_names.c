// SPDX-License-Identifier: BSD-2-Clause
/* kevwatch: what gets another name, and paths that are lost and found again. */
#include "watch.h"

/* --- Renaming ------------------------------------------------------------------ */

/* A directory that has got another name is watched on, with paths that are true. */
TEST_F(watch, followed)
{
	ASSERT_TRUE(shell("mkdir -p w/a/b; touch w/a/b/f"));
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_EQ(0, rename("w/a", "w/z"));
	EXPECT_LINES("renamed w/a -> w/z\n");
	ASSERT_TRUE(append("w/z/b/f"));
	EXPECT_LINES("extended w/z/b/f\n");
	ASSERT_TRUE(create("w/z/b/g"));
	EXPECT_LINES("created w/z/b/g\n");
	ASSERT_EQ(0, rename("w/z/b", "w/b"));
	EXPECT_LINES("renamed w/z/b -> w/b\n");
	ASSERT_EQ(0, rename("w/b/f", "w/z/f"));
	EXPECT_LINES("renamed w/b/f -> w/z/f\n");
	EXPECT_ENDS();
}

/* Written and renamed before anybody looks, it has the new name only. */
TEST_F(watch, name_first)
{
	ASSERT_TRUE(create("w/a"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(append("w/a"));
	ASSERT_EQ(0, rename("w/a", "w/b"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("renamed w/a -> w/b\nextended w/b\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(append("w/b"));
	ASSERT_EQ(0, unlink("w/b"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("extended w/b\ndeleted w/b\n");
	EXPECT_ENDS();
}

/* Between two directories that were given, and into one that is new. */
TEST_F(watch, between)
{
	ASSERT_TRUE(shell("mkdir v; touch v/f"));
	ASSERT_WATCHES("-r", "w", "v", "sync");
	ASSERT_EQ(0, rename("v/f", "w/f"));
	EXPECT_LINES("renamed v/f -> w/f\n");
	ASSERT_TRUE(append("w/f"));
	EXPECT_LINES("extended w/f\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mkdir -p v/n/m; mv w/f v/n/m/g"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("created v/n\ncreated v/n/m\nrenamed w/f -> v/n/m/g\n");
	EXPECT_ENDS();
}

/* Out of a directory that is deleted then. */
TEST_F(watch, saved)
{
	ASSERT_TRUE(shell("mkdir -p w/a/b; touch w/a/b/f"));
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mv w/a/b/f w/f; rm -r w/a"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("renamed w/a/b/f -> w/f\ndeleted w/a/b\ndeleted w/a\n");
	EXPECT_ENDS();
}

/* What is renamed over is deleted, first. */
TEST_F(watch, over)
{
	ASSERT_TRUE(shell("touch w/a w/b; mkdir w/old w/new; touch w/old/f w/new/f"));
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_EQ(0, rename("w/a", "w/b"));
	EXPECT_LINES("deleted w/b\nrenamed w/a -> w/b\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("rm -r w/old; mv w/new w/old"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("deleted w/old/f\ndeleted w/old\nrenamed w/new -> w/old\n");
	EXPECT_ENDS();
}

/* A name is free before another one gets it; in a circle, one has to go for that. */
TEST_F(watch, rotated)
{
	ASSERT_TRUE(shell("touch w/log w/log.1 w/log.2"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mv w/log.1 w/log.2; mv w/log w/log.1; touch w/log"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("deleted w/log.2\nrenamed w/log.1 -> w/log.2\n"
		     "renamed w/log -> w/log.1\ncreated w/log\n");
	ASSERT_EQ(0, renameat2(AT_FDCWD, "w/log.1", AT_FDCWD, "w/log.2",
			       RENAME_EXCHANGE));
	EXPECT_LINES("deleted w/log.2\nrenamed w/log.1 -> w/log.2\ncreated w/log.1\n");
	EXPECT_ENDS();
}

/* What moves out is told where to, and nothing more; what moves in has come. */
TEST_F(watch, out_and_in)
{
	char line[128];

	ASSERT_TRUE(shell("mkdir w/d; touch w/d/f"));
	ASSERT_WATCHES("-r", "w", "sync");
	ASSERT_EQ(0, rename("w/d", "out"));
	snprintf(line, sizeof(line), "renamed w/d -> %s/out\n", self->folder.path);
	EXPECT_LINES(line);
	ASSERT_TRUE(create("out/g"));
	ASSERT_TRUE(append("out/f"));
	EXPECT_LINES("");
	ASSERT_EQ(0, rename("out", "w/e"));
	EXPECT_LINES("created w/e\ncreated w/e/f\ncreated w/e/g\n");
	ASSERT_TRUE(append("w/e/f"));
	EXPECT_LINES("extended w/e/f\n");
	EXPECT_ENDS();
}

/* A name that is used again is another file's, even if it was renamed away and back. */
TEST_F(watch, again)
{
	ASSERT_TRUE(create("w/a"));
	ASSERT_WATCHES("w", "sync");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("rm w/a; touch w/a"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("deleted w/a\ncreated w/a\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mv w/a w/b; mv w/b w/a"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("");
	ASSERT_TRUE(append("w/a"));
	EXPECT_LINES("extended w/a\n");
	EXPECT_ENDS();
}

/* --- Paths that are lost and found again --------------------------------------- */

/* An editor writes a new file and renames it over the old one. */
TEST_F(watch, renamed_over)
{
	int i;

	ASSERT_TRUE(create("f"));
	ASSERT_WATCHES("f", "sync");
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(write_to("f.tmp", O_CREAT, "new"));
		ASSERT_EQ(0, rename("f.tmp", "f"));
		EXPECT_LINES("deleted f\ncreated f\n");
		ASSERT_TRUE(append("f"));
		EXPECT_LINES("extended f\n");
	}
	EXPECT_ENDS();
}

/* Another one renames the old one first, and removes it later. */
TEST_F(watch, backed_up)
{
	char line[128];

	ASSERT_TRUE(create("f"));
	ASSERT_WATCHES("f", "sync");
	ASSERT_EQ(0, rename("f", "f~"));
	snprintf(line, sizeof(line), "renamed f -> %s/f~\n", self->folder.path);
	EXPECT_LINES(line);
	ASSERT_TRUE(create("f"));
	EXPECT_LINES("created f\n");
	ASSERT_EQ(0, unlink("f~"));
	ASSERT_TRUE(append("f"));
	EXPECT_LINES("extended f\n");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mv f f~; echo >f; rm f~"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("deleted f\ncreated f\n");
	ASSERT_EQ(0, chmod("f", 0644));
	EXPECT_LINES("attributes f\n");
	EXPECT_ENDS();
}

/* What is deleted is waited for; a directory is watched again with all that is in it. */
TEST_F(watch, comes_back)
{
	ASSERT_TRUE(shell("mkdir d; touch d/1"));
	ASSERT_WATCHES("-r", "d", "sync");
	ASSERT_TRUE(shell("rm -r d"));
	ASSERT_SAYS("deleted d/1");
	EXPECT_LINES("deleted d\n");
	ASSERT_TRUE(create("unrelated"));
	EXPECT_LINES("");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("mkdir -p d/e; touch d/e/2"));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_LINES("created d\ncreated d/e\ncreated d/e/2\n");
	ASSERT_TRUE(append("d/e/2"));
	EXPECT_LINES("extended d/e/2\n");
	EXPECT_ENDS();
}

/* A directory that was given and has got another name is followed, too, and back. */
TEST_F(watch, top_renamed)
{
	char line[160];

	ASSERT_TRUE(shell("mkdir d; touch d/1"));
	ASSERT_WATCHES("d", "sync");
	ASSERT_EQ(0, rename("d", "e"));
	snprintf(line, sizeof(line), "renamed d -> %s/e\n", self->folder.path);
	EXPECT_LINES(line);
	ASSERT_TRUE(append("e/1"));
	snprintf(line, sizeof(line), "extended %s/e/1\n", self->folder.path);
	EXPECT_LINES(line);
	ASSERT_EQ(0, rename("e", "d"));
	snprintf(line, sizeof(line), "renamed %s/e -> d\n", self->folder.path);
	EXPECT_LINES(line);
	ASSERT_TRUE(append("d/1"));
	EXPECT_LINES("extended d/1\n");
	EXPECT_ENDS();
}

/* What was given and moves into a directory that is watched is something in there. */
TEST_F(watch, top_moved)
{
	ASSERT_TRUE(shell("mkdir d; touch d/1 f"));
	ASSERT_WATCHES("-r", "d", "f", "w", "sync");
	ASSERT_EQ(0, rename("d", "w/d"));
	EXPECT_LINES("renamed d -> w/d\n");
	ASSERT_TRUE(append("w/d/1"));
	EXPECT_LINES("extended w/d/1\n");
	ASSERT_EQ(0, rename("f", "w/d/f"));
	EXPECT_LINES("renamed f -> w/d/f\n");
	ASSERT_EQ(0, mkdir("d", 0700));
	EXPECT_LINES("created d\n");
	ASSERT_TRUE(append("w/d/f"));
	EXPECT_LINES("extended w/d/f\n");
	EXPECT_ENDS();
}

/*
 * If the directory goes as well, nothing can come back. It may go while the program is
 * about to watch it.
 */
TEST_F(watch, nothing_left)
{
	int i;

	for (i = 0; i < 10; i++) {
		ASSERT_TRUE(shell("mkdir d; touch d/f"));
		ASSERT_WATCHES("d/f");
		ASSERT_EQ(0, unlink("d/f"));
		ASSERT_EQ(0, rmdir("d"));
		EXPECT_EQ(1, ended(&self->tool));
		ASSERT_SAYS("deleted d/f");
		ASSERT_SAYS("d/f: will not notice if it appears again");
		ASSERT_SAYS("kevwatch: nothing is left to watch");
		EXPECT_STREQ("", self->tool.said + self->tool.heard);
	}
}

TEST_HARNESS_MAIN
