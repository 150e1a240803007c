// SPDX-License-Identifier: BSD-2-Clause
/* kevwatch: the command that it runs, its limits, and how it ends. */
#include <sys/resource.h>

#include "watch.h"

/* --- The command --------------------------------------------------------------- */

#define COMMAND	"echo run $KEVWATCH_COUNT $KEVWATCH_PATHS; read status <go; exit $status"

/* It runs once for all that happens at a time, and once more for all that comes. */
TEST_F(watch, runs)
{
	ASSERT_EQ(0, mkfifo("go", 0600));
	ASSERT_WATCHES("-x", COMMAND, "-d", "1", "w");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("touch w/1 w/2 w/3"));
	ASSERT_TRUE(go_on(&self->tool));
	ASSERT_SAYS("created w/3");
	ASSERT_SAYS("run 3 w/1 w/2 w/3");
	ASSERT_TRUE(create("w/5"));
	ASSERT_SAYS("created w/5");
	ASSERT_TRUE(create("w/4"));
	ASSERT_SAYS("created w/4");
	ASSERT_TRUE(append("w/5"));
	ASSERT_SAYS("extended w/5");
	ASSERT_TRUE(write_to("go", 0, "3\n"));
	ASSERT_SAYS("kevwatch: the command exited with 3");
	ASSERT_SAYS("run 2 w/4 w/5");
	ASSERT_TRUE(write_to("go", 0, "0\n"));
	ASSERT_SAYS("kevwatch: the command exited with 0");
	EXPECT_ENDS();
}

/* What comes within the delay is one run, and neither sooner nor later. */
TEST_F(watch, delay)
{
	long long begin;

	ASSERT_WATCHES("-x", "echo run $KEVWATCH_COUNT; kill -9 $$", "--delay=2000", "w");
	begin = ts_ms();
	ASSERT_TRUE(create("w/1"));
	ASSERT_SAYS("created w/1");
	ASSERT_TRUE(create("w/2"));
	ASSERT_SAYS("created w/2");
	ASSERT_SAYS("run 2");
	EXPECT_LE(2000, ts_ms() - begin);
	ASSERT_SAYS("kevwatch: the command was killed by signal 9 (Killed)");
	EXPECT_ENDS();
}

/* The command has signals, descriptors and limits as they were. */
TEST_F(watch, inherited)
{
	struct rlimit limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = 123;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_WATCHES("-d", "0", "-q", "-x",
		       "echo limit $(ulimit -n); echo fds $(ls /proc/self/fd | wc -l); "
		       "grep -E 'Sig(Blk|Ign)' /proc/self/status; echo end", "w");
	ASSERT_TRUE(create("w/1"));
	ASSERT_SAYS("limit 123");
	ASSERT_SAYS("fds 4");
	ASSERT_SAYS("0000000000000000");
	ASSERT_SAYS("0000000000000000");
	ASSERT_SAYS("end");
	ASSERT_SAYS("exited with 0");
	EXPECT_ENDS();
}

/* --- Limits -------------------------------------------------------------------- */

/* Without descriptors for all files, directories are watched, which is said once. */
TEST_F(watch, few_descriptors)
{
	struct rlimit limit = { .rlim_cur = 16, .rlim_max = 32 };
	const char *said;

	ASSERT_TRUE(shell("for i in $(seq 40); do touch w/$i; done"));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	START("-r", "w", "sync");
	ASSERT_SAYS("the limit is reached, RLIMIT_NOFILE is 32");
	ASSERT_SAYS("kevwatch: watching");
	ASSERT_TRUE(shell("mkdir -p w/a/b/c/d/e/f; >w/a/b/c/d/e/f/g"));
	ASSERT_SAYS("created w/a/b/c/d/e/f/g");
	EXPECT_LINES("");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(shell("for i in $(seq 40); do mv w/$i w/a/b/$i; done"));
	ASSERT_TRUE(go_on(&self->tool));
	said = self->tool.said + self->tool.heard;
	/* By name, this is the last. */
	ASSERT_SAYS("renamed w/9 -> w/a/b/9");
	ASSERT_NE(NULL, strstr(said, "renamed w/40 -> w/a/b/40"));
	EXPECT_LINES("");
	ASSERT_TRUE(shell("rm -r w/a"));
	ASSERT_SAYS("deleted w/a\n");
	EXPECT_ENDS();
}

#define MAX_FILES	KQ_PARAM("max_user_files")

/* The same where the module does not let one user watch so many files. */
TEST_F(watch, few_files)
{
	long max = read_number(MAX_FILES);

	ASSERT_TRUE(shell("for i in $(seq 20); do touch w/$i; done"));
	ASSERT_EQ(0, write_number(MAX_FILES, 10));
	START("-r", "w", "sync");
	EXPECT_NE(NULL, line_with(&self->tool,
				  "the limit is reached, the module's max_user_files is 10"));
	EXPECT_NE(NULL, line_with(&self->tool, "kevwatch: watching"));
	EXPECT_TRUE(shell("mkdir -p w/a/b/c; >w/a/b/c/d"));
	EXPECT_NE(NULL, line_with(&self->tool, "created w/a/b/c/d"));
	EXPECT_LINES("");
	EXPECT_ENDS();
	ASSERT_EQ(0, write_number(MAX_FILES, max));
}

/* --- The end ------------------------------------------------------------------- */

/* A path that is not there is named; the rest is watched, and the status says so. */
TEST_F(watch, missing)
{
	START("w", "no/such", "sync");
	ASSERT_SAYS("cannot watch no/such: No such file or directory");
	ASSERT_SAYS("kevwatch: watching");
	ASSERT_TRUE(create("w/1"));
	EXPECT_LINES("created w/1\n");
	EXPECT_EQ(1, stopped(&self->tool, SIGINT));
	START("no/such");
	EXPECT_EQ(1, ended(&self->tool));
	START("/proc/self/fd/1");
	EXPECT_EQ(1, ended(&self->tool));
	ASSERT_SAYS("cannot watch /proc/self/fd/1: Invalid argument");
}

#define NOBODY	65534

/* What may not be read is named, and only its name is watched. */
TEST_F(watch, unreadable)
{
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_TRUE(shell("chmod 755 w sync; mkdir -m 700 w/closed; >w/open; chmod 644 w/open"));
	ASSERT_TRUE(create("w/secret"));
	ASSERT_EQ(0, seteuid(NOBODY));
	START("-r", "w", "sync");
	ASSERT_EQ(0, seteuid(0));
	ASSERT_SAYS("cannot watch w/closed: Permission denied");
	ASSERT_SAYS("cannot watch w/secret: Permission denied");
	ASSERT_SAYS("kevwatch: watching");
	ASSERT_TRUE(append("w/secret"));
	ASSERT_TRUE(create("w/closed/f"));
	EXPECT_LINES("");
	ASSERT_TRUE(append("w/open"));
	EXPECT_LINES("extended w/open\n");
	ASSERT_EQ(0, rename("w/secret", "w/known"));
	EXPECT_LINES("renamed w/secret -> w/known\n");
	ASSERT_EQ(0, rename("w/closed", "w/shut"));
	EXPECT_LINES("renamed w/closed -> w/shut\n");
	EXPECT_ENDS();
}

/* Asked to end, it does, and has said all that it had to say. */
TEST_F(watch, ends)
{
	ASSERT_WATCHES("w");
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(create("w/1"));
	ASSERT_EQ(0, kill(self->tool.pid, SIGINT));
	ASSERT_TRUE(go_on(&self->tool));
	EXPECT_EQ(0, ended(&self->tool));
	ASSERT_SAYS("created w/1");
}

/* When nobody reads what it says, that is the end, too. */
TEST_F(watch, unread)
{
	ASSERT_WATCHES("w");
	ASSERT_EQ(0, close(self->tool.out));
	ASSERT_TRUE(create("w/1"));
	EXPECT_EQ(0, ended(&self->tool));
}

/* Wrong usage is told, with 2; -h, with 0. */
TEST_F(watch, usage)
{
	START("-h");
	EXPECT_EQ(0, ended(&self->tool));
	ASSERT_SAYS("Usage: kevwatch");
	START("w", "-z");
	EXPECT_EQ(2, ended(&self->tool));
	START("-r");
	EXPECT_EQ(2, ended(&self->tool));
	START("-e", "created,vanished", "w");
	EXPECT_EQ(2, ended(&self->tool));
	ASSERT_SAYS("there is no event 'vanished'");
	START("-e", "", "w");
	EXPECT_EQ(2, ended(&self->tool));
	START("-d", "soon", "w");
	EXPECT_EQ(2, ended(&self->tool));
	ASSERT_SAYS("-d soon: not a number of milliseconds");
}

TEST_HARNESS_MAIN
