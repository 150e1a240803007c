// SPDX-License-Identifier: BSD-2-Clause
/* kevsuper: what it starts, starts again, follows and stops, and what it says. */
#include "files.h"
#include "tool.h"

#define FILE_NAME	"kevsuper-test"

/* Where nothing is said of it, nothing is to be killed, and no delay to be long. */
#define SHORT_DELAY	"0.01"
#define LONG_PATIENCE	"1000"

FIXTURE(supervisor)
{
	struct tool tool;
	struct folder folder;
};

FIXTURE_SETUP(supervisor)
{
	ASSERT_TRUE(folder_enter(&self->folder));
	self->tool.pid = 0;
}

FIXTURE_TEARDOWN(supervisor)
{
	end_tool(&self->tool);
	folder_leave(&self->folder);
}

/* --- The program --------------------------------------------------------------- */

#define START(...)								\
	start_tool(&self->tool, "kevsuper",					\
		   (const char *const[]){ __VA_ARGS__, NULL })

/* Write the file that says what is to run. */
static bool write_file(const char *text)
{
	FILE *f = fopen(FILE_NAME, "w");

	return f && fputs(text, f) >= 0 && !fclose(f);
}

/* The process that it says it has started under that name; -1 if it does not. */
static pid_t next_pid(struct tool *tool, const char *name)
{
	char text[64];
	const char *line;

	snprintf(text, sizeof(text), "%s: started, process ", name);
	line = line_with(tool, text);
	return line ? atoi(line + strlen(text)) : -1;
}

/* --- Running ------------------------------------------------------------------- */

/* What dies is started again, each time, and is stopped in the end. */
TEST_F(supervisor, again)
{
	pid_t pid, last = 0;
	int i;

	ASSERT_TRUE(write_file("# a comment\n\n  one :  exec sleep 1000\n"));
	START("-d", SHORT_DELAY, "-m", SHORT_DELAY, "-k", LONG_PATIENCE, FILE_NAME);
	for (i = 0; i < 10; i++) {
		pid = next_pid(&self->tool, "one");
		ASSERT_LT(0, pid);
		ASSERT_NE(last, pid);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_SAYS("one: process");
		ASSERT_NE(NULL, strstr(self->tool.said, "was killed by signal 9 (Killed)"));
		ASSERT_SAYS("one: starting it again in 0.01 s");
		last = pid;
	}
	pid = next_pid(&self->tool, "one");
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
	ASSERT_SAYS("one: stopping 1 process");
	ASSERT_SAYS("one: stopped");
	EXPECT_EQ(-1, kill(pid, 0));
	EXPECT_EQ(ESRCH, errno);
}

/* What ends at once waits twice as long each time, up to a limit. */
TEST_F(supervisor, delays)
{
	ASSERT_TRUE(write_file("bad: exit 3\n"));
	START("-d", "0.5", "-m", "2", FILE_NAME);
	ASSERT_SAYS("exited with 3");
	ASSERT_SAYS("bad: starting it again in 0.5 s");
	ASSERT_SAYS("bad: starting it again in 1 s");
	ASSERT_SAYS("bad: starting it again in 2 s");
	ASSERT_SAYS("bad: starting it again in 2 s");
	EXPECT_EQ(0, stopped(&self->tool, SIGINT));
}

/* SIGHUP: what is new is started, what is not there any more is stopped. */
TEST_F(supervisor, reload)
{
	pid_t keep, change;

	ASSERT_TRUE(write_file("keep: exec sleep 1000\ngo: exec sleep 1001\n"
			       "change: exec sleep 1002\n"));
	START("-d", SHORT_DELAY, "-k", LONG_PATIENCE, FILE_NAME);
	keep = next_pid(&self->tool, "keep");
	ASSERT_LT(0, next_pid(&self->tool, "go"));
	change = next_pid(&self->tool, "change");
	ASSERT_LT(0, change);
	ASSERT_TRUE(write_file("keep: exec sleep 1000\nchange: exec sleep 1003\n"
			       "come: exec sleep 1004\n"));
	ASSERT_EQ(0, kill(self->tool.pid, SIGHUP));
	ASSERT_LT(0, next_pid(&self->tool, "come"));
	ASSERT_SAID("go: stopped");
	ASSERT_SAID("change: stopped");
	ASSERT_NE(change, next_pid(&self->tool, "change"));
	EXPECT_EQ(0, kill(keep, 0));
	EXPECT_EQ(NULL, strstr(self->tool.said, "keep: stop"));
	EXPECT_EQ(NULL, strstr(self->tool.said, "go: starting"));
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
}

/* A file that makes no sense changes nothing. */
TEST_F(supervisor, bad_reload)
{
	pid_t pid;

	ASSERT_TRUE(write_file("one: exec sleep 1000\n"));
	START("-k", LONG_PATIENCE, FILE_NAME);
	pid = next_pid(&self->tool, "one");
	ASSERT_TRUE(write_file("two: exec sleep 1000\nthree\n"));
	ASSERT_EQ(0, kill(self->tool.pid, SIGHUP));
	ASSERT_SAYS(FILE_NAME ", line 2: there is no colon after a name");
	ASSERT_SAYS("everything stays as it was");
	ASSERT_EQ(0, unlink(FILE_NAME));
	ASSERT_EQ(0, kill(self->tool.pid, SIGHUP));
	ASSERT_SAYS("cannot read " FILE_NAME);
	EXPECT_EQ(0, kill(pid, 0));
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
	EXPECT_EQ(NULL, strstr(self->tool.said, "two:"));
}

/* A daemon that forks away is followed, and is what counts. */
TEST_F(supervisor, daemon)
{
	pid_t first;
	long left;

	ASSERT_TRUE(write_file("d: setsid sh -c 'echo $$ >pid; exec sleep 99' &\n"));
	START("-d", SHORT_DELAY, "-k", LONG_PATIENCE, FILE_NAME);
	first = next_pid(&self->tool, "d");
	ASSERT_LT(0, first);
	ASSERT_SAYS("exited with 0");
	ASSERT_SAYS("it has left 1 process behind, following");
	ASSERT_TRUE(WAIT_FOR((left = read_number("pid")) > 0));
	ASSERT_NE(first, left);
	ASSERT_EQ(0, kill(left, SIGTERM));
	ASSERT_SAYS("was killed by signal 15");
	ASSERT_LT(0, next_pid(&self->tool, "d"));
	ASSERT_SAYS("behind, following");
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
}

/* What does not end when it is asked to is killed, with all that it has started. */
TEST_F(supervisor, killed)
{
	ASSERT_TRUE(write_file("deaf: trap '' TERM; echo ready >&2; "
			       "sleep 1000 & sleep 1001; sleep 1002\n"));
	START("-d", SHORT_DELAY, "-k", "0.1", FILE_NAME);
	ASSERT_LT(0, next_pid(&self->tool, "deaf"));
	ASSERT_SAYS("ready");
	EXPECT_EQ(3, stopped(&self->tool, SIGTERM));
	ASSERT_SAYS("deaf: did not end within 0.1 s, killing");
	ASSERT_SAYS("deaf: stopped");
}

/* Held for a while, as by ^Z, it goes on as before. */
TEST_F(supervisor, held)
{
	pid_t pid;

	ASSERT_TRUE(write_file("one: exec sleep 1000\n"));
	START("-d", SHORT_DELAY, "-k", LONG_PATIENCE, FILE_NAME);
	pid = next_pid(&self->tool, "one");
	ASSERT_LT(0, pid);
	ASSERT_TRUE(hold(&self->tool));
	ASSERT_TRUE(go_on(&self->tool));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_LT(0, next_pid(&self->tool, "one"));
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
}

/* One command, without a file. */
TEST_F(supervisor, command)
{
	pid_t pid;

	START("-d", SHORT_DELAY, "-k", LONG_PATIENCE, "--", "sleep", "1000");
	pid = next_pid(&self->tool, "sleep");
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, kill(pid, SIGTERM));
	ASSERT_LT(0, next_pid(&self->tool, "sleep"));
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
}

/* What cannot be run is said, and tried again. */
TEST_F(supervisor, no_program)
{
	START("-d", SHORT_DELAY, "--", "no-such-program");
	ASSERT_SAYS("cannot run no-such-program");
	ASSERT_SAYS("exited with 127");
	ASSERT_SAYS("starting it again");
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
}

/* Wrong usage is told, with 2; -h, with 0. */
TEST_F(supervisor, usage)
{
	START("-h");
	EXPECT_EQ(0, ended(&self->tool));
	ASSERT_SAYS("Usage: kevsuper");
	START("-x");
	EXPECT_EQ(2, ended(&self->tool));
	START("-d", "soon", FILE_NAME);
	EXPECT_EQ(2, ended(&self->tool));
	ASSERT_SAYS("-d soon: not a number of seconds");
	START("one", "two");
	EXPECT_EQ(2, ended(&self->tool));
	START("no-such-file");
	EXPECT_EQ(2, ended(&self->tool));
	ASSERT_SAYS("cannot read no-such-file");
	ASSERT_TRUE(write_file("one: true\none: false\n"));
	START(FILE_NAME);
	EXPECT_EQ(2, ended(&self->tool));
	ASSERT_SAYS("line 2: the name is used already");
	ASSERT_TRUE(write_file("# nothing\n"));
	START(FILE_NAME);
	EXPECT_EQ(2, ended(&self->tool));
	ASSERT_SAYS("there is no program in it");
}

TEST_HARNESS_MAIN
