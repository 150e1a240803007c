// SPDX-License-Identifier: BSD-2-Clause
/* kevstat: reports one after the other, many queues, and how it ends. */
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "stat.h"

#define LONG	"1000"	/* seconds, which nobody waits for */

/* --- Watching ------------------------------------------------------------------ */

/* Each report has what is new; a signal ends it. */
TEST_F(stat, watches)
{
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	START("-w0.5", "-p", self->me);
	ASSERT_SAYS(" user:1\n");
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_USER, EV_ADD));
	ASSERT_SAYS(" user:2\n");
	/* An empty line is between two. */
	ASSERT_NE(NULL, strstr(self->tool.said, "user:1\n\n20"));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, 2, EVFILT_USER, EV_DELETE));
	ASSERT_SAYS(" stat_run\n");
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
}

/* As JSON, each report is a line. */
TEST_F(stat, watches_json)
{
	const char *line;

	START("--json", "--watch=0.3", "-p", self->me);
	line = line_with(&self->tool, "{");
	ASSERT_NE(NULL, line);
	EXPECT_TRUE(json_is_line(line));
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	line = line_with(&self->tool, "\"user\":1");
	ASSERT_NE(NULL, line);
	while (line > self->tool.said && line[-1] != '\n')
		line--;
	EXPECT_TRUE(json_is_line(line));
	EXPECT_EQ(0, stopped(&self->tool, SIGINT));
}

/* It waits in a queue of its own, and so is shown itself. */
TEST_F(stat, watches_itself)
{
	START("-w" LONG);
	ASSERT_SAYS(" kevstat signal:3 timer:1\n");
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
}

/* Who may not have a queue can watch all the same. */
TEST_F(stat, watches_without)
{
	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, chmod("/dev/kevent", 0600));
	ASSERT_EQ(0, seteuid(NOBODY));
	START("-w0.3", "-t");
	ASSERT_EQ(0, seteuid(0));
	EXPECT_NE(NULL, line_with(&self->tool, "queues 0,"));
	EXPECT_NE(NULL, line_with(&self->tool, "queues 0,"));
	EXPECT_NE(NULL, line_with(&self->tool, "queues 0,"));
	EXPECT_EQ(0, chmod("/dev/kevent", 0666));
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
	ASSERT_SAYS("processes that may not be looked at: ");
}

/* With the last process that it was to look at, it ends. */
TEST_F(stat, watches_one)
{
	struct made made;
	char pid[16];

	self->child = child_that_makes(make_nothing, &made, 0);
	ASSERT_LT(0, self->child);
	snprintf(pid, sizeof(pid), "%d", self->child);
	START("-w0.3", "-p", pid);
	ASSERT_SAYS("QUEUE");
	ASSERT_EQ(0, kill(self->child, SIGKILL));
	ASSERT_EQ(self->child, waitpid(self->child, NULL, 0));
	self->child = 0;
	ASSERT_SAYS("there is no process ");
	EXPECT_EQ(1, ended(&self->tool));
}

/* When nobody reads what it says, that is the end, too. */
TEST_F(stat, unread)
{
	START("-w0.3");
	ASSERT_SAYS("QUEUE");
	ASSERT_EQ(0, close(self->tool.out));
	EXPECT_EQ(0, ended(&self->tool));
}

/* --- On a terminal ------------------------------------------------------------- */

/* Start it on a terminal of that size. */
static void start_on_terminal(struct tool *tool, int rows, int columns,
			      const char *const *args)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };
	const char *argv[8] = { NULL };
	char path[PATH_MAX];
	int i;

	find_tool(path, sizeof(path), "kevstat");
	argv[0] = path;
	for (i = 0; args[i] && i < 6; i++)
		argv[i + 1] = args[i];
	tool->pid = forkpty(&tool->out, NULL, NULL, &size);
	if (!tool->pid) {
		execv(path, (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	fcntl(tool->out, F_SETFL, O_NONBLOCK);
}

/* It draws over what is there, as much as fits, and anew when the size changes. */
TEST_F(stat, terminal)
{
	const char *const args[] = { "-w" LONG, "-v", "-p", self->me, NULL };
	struct winsize size = { .ws_row = 50, .ws_col = 200 };
	const char *line;
	int i;

	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, kq_change(self->kq, 1000 + i, EVFILT_USER, EV_ADD, 0xabcdef,
				       0, NULL));
	start_on_terminal(&self->tool, 10, 40, args);
	/* The date, two lines above the registrations, and the cursor's own. */
	line = line_with(&self->tool, "... and 15 lines more");
	ASSERT_NE(NULL, line);
	EXPECT_EQ(0, strncmp(self->tool.said, "\033[H20", 5));
	EXPECT_NE(NULL, strstr(self->tool.said, "1004 user"));
	EXPECT_EQ(NULL, strstr(self->tool.said, "1005 user"));
	EXPECT_EQ(NULL, strstr(self->tool.said, "0xabcdef"));
	ASSERT_EQ(0, ioctl(self->tool.out, TIOCSWINSZ, &size));
	ASSERT_SAYS("1019 user");
	EXPECT_NE(NULL, strstr(self->tool.said, "0xabcdef"));
	EXPECT_EQ(0, stopped(&self->tool, SIGTERM));
}

/* --- Much ---------------------------------------------------------------------- */

#define MANY		100000
#define SLOW_MANY	10000

/* Very many descriptors and registrations, and each is counted. */
TEST_F_TIMEOUT(stat, many, 120)
{
	int many = getenv("KEVENT_SLOWNESS") ? SLOW_MANY : MANY, event, i, j;
	struct rlimit limit = { 2 * many, 2 * many };
	static struct kevent kev[1000];

	if (setrlimit(RLIMIT_NOFILE, &limit))
		SKIP(return, "needs %d descriptors", 2 * many);
	event = eventfd(0, EFD_CLOEXEC);
	for (i = 0; i < many; i++)
		ASSERT_LE(0, fcntl(event, F_DUPFD_CLOEXEC, 0));
	for (i = 0; i < many; i += 1000) {
		for (j = 0; j < 1000; j++)
			EV_SET(&kev[j], i + j, EVFILT_USER, EV_ADD, 0, 0, NULL);
		ASSERT_EQ(0, kevent(self->kq, kev, 1000, NULL, 0, NULL));
	}
	ASSERT_EQ(0, kq_trigger(self->kq, many - 1));
	EXPECT_EQ(0, RUN("-j", "-p", self->me));
	ASSERT_TRUE(json_is_line(self->tool.said));
	EXPECT_EQ(many, json_int(json_member(json_member(self->tool.said, "total"),
					     "registrations")));
	EXPECT_EQ(1, json_int(json_member(json_member(self->tool.said, "total"), "ready")));
}

/* Many queues of one process, in the order of their descriptors. */
TEST_F(stat, many_queues)
{
	const char *p;
	int kq[20], i;
	char text[16];

	for (i = 0; i < 20; i++)
		kq[i] = kq_open();
	EXPECT_EQ(0, RUN("-p", self->me, "-t"));
	p = self->tool.said;
	for (i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), " %d       0 ", kq[i]);
		p = strstr(p, text);
		ASSERT_NE(NULL, p);
	}
	EXPECT_NE(NULL, strstr(p, "\n shown: queues 21, registrations 0,"));
}

/* --- The end ------------------------------------------------------------------- */

/* A process that is not there is named, and the others are shown. */
TEST_F(stat, missing)
{
	char pid[16];
	pid_t gone = fork();

	if (!gone)
		_exit(0);
	ASSERT_EQ(0, child_status(gone));
	snprintf(pid, sizeof(pid), "%d", gone);
	EXPECT_EQ(1, RUN("-p", pid, "-p", self->me));
	ASSERT_SAYS("kevstat: there is no process ");
	ASSERT_NE(NULL, strstr(self->tool.said, " stat_run\n"));
}

/* Wrong usage is told, with 2; -h, with 0. */
TEST_F(stat, usage)
{
	EXPECT_EQ(0, RUN("-h"));
	ASSERT_SAYS("Usage: kevstat");
	EXPECT_EQ(2, RUN("-z"));
	EXPECT_EQ(2, RUN("queue"));
	EXPECT_EQ(2, RUN("-p", "0"));
	ASSERT_SAYS("-p 0: not the number of a process");
	EXPECT_EQ(2, RUN("-p", "1x"));
	EXPECT_EQ(2, RUN("-w0"));
	ASSERT_SAYS("-w0: not a number of seconds");
	EXPECT_EQ(2, RUN("--watch=soon"));
}

TEST_HARNESS_MAIN
