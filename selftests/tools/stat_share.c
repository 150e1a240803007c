// SPDX-License-Identifier: BSD-2-Clause
/* kevstat: queues that several have, and for whom of them they work. */
#include <sys/eventfd.h>

#include "peers.h"
#include "stat.h"

/* How often the report has this text. */
static int count(const struct tool *tool, const char *text)
{
	const char *p = tool->said;
	int n;

	for (n = 0; (p = strstr(p, text)); n++)
		p += strlen(text);
	return n;
}

/* The holder in the queue's list who is this process, or NULL. */
static const char *json_holder(const char *queue, pid_t pid)
{
	const char *h;
	int i;

	for (i = 0; (h = json_item(json_member(queue, "holders"), i)); i++)
		if (json_int(json_member(h, "pid")) == pid)
			return h;
	return NULL;
}

/* A queue with two descriptors is one. */
TEST_F(stat, duplicate)
{
	int fd = fcntl(self->kq, F_DUPFD_CLOEXEC, 100);

	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* %d *%d+1 * 0 * stat_share", getpid(), self->kq);
	EXPECT_LINE("  also descriptor %d of process %d (stat_share)", fd, getpid());
	EXPECT_EQ(1, count(&self->tool, " stat_share\n"));
}

/* A forked child has a copy, of no use to it; the queue is the owner's, and one. */
TEST_F(stat, forked)
{
	struct made made;
	const char *q;
	char pid[16];

	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	self->child = child_that_makes(make_nothing, &made, 0);
	ASSERT_LT(0, self->child);
	snprintf(pid, sizeof(pid), "%d", self->child);
	EXPECT_EQ(0, RUN("-v", "-p", pid, "-p", self->me));
	EXPECT_LINE("* %d *%d+1 * 1 * stat_share user:1", getpid(), self->kq);
	EXPECT_LINE("  also descriptor %d of process %d (stat_share), for which it does not work",
		    self->kq, self->child);
	EXPECT_EQ(1, count(&self->tool, " user:1\n"));
	ASSERT_EQ(0, RUN("-j", "-p", pid, "-p", self->me));
	ASSERT_TRUE(json_is_line(self->tool.said));
	q = json_queue(self->tool.said, self->child, self->kq);
	EXPECT_EQ(getpid(), json_int(json_member(q, "owner")));
	EXPECT_TRUE(json_is(json_member(json_holder(q, getpid()), "works"), "true"));
	EXPECT_TRUE(json_is(json_member(json_holder(q, self->child), "works"), "false"));
}

/* Of the child alone it is shown with its owner, and what it watches is the owner's. */
TEST_F(stat, forked_alone)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct made made;
	char pid[16];

	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	self->child = child_that_makes(make_nothing, &made, 0);
	ASSERT_LT(0, self->child);
	ASSERT_EQ(fd, dup2(open("/dev/null", O_RDWR | O_CLOEXEC), fd));
	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	snprintf(pid, sizeof(pid), "%d", self->child);
	EXPECT_EQ(0, RUN("-v", "-p", pid));
	EXPECT_LINE("* %d * stat_share (of process %d) read:1", self->child, getpid());
	EXPECT_LINE("* %d read * /dev/null", fd);
}

/* When the owner has closed it, what others have is a closed queue. */
TEST_F(stat, closed)
{
	struct made made;
	const char *q;
	char pid[16];

	self->child = child_that_makes(make_nothing, &made, 0);
	ASSERT_LT(0, self->child);
	ASSERT_EQ(0, close(self->kq));
	snprintf(pid, sizeof(pid), "%d", self->child);
	EXPECT_EQ(0, RUN("-p", pid));
	EXPECT_LINE("* %d *%d * - * - * stat_share closed", self->child, self->kq);
	ASSERT_EQ(0, RUN("-vj", "-p", pid));
	ASSERT_TRUE(json_is_line(self->tool.said));
	q = json_queue(self->tool.said, self->child, self->kq);
	EXPECT_TRUE(json_is(json_member(q, "closed"), "true"));
	EXPECT_EQ(NULL, json_member(q, "registrations"));
	EXPECT_TRUE(json_is(json_member(json_holder(q, self->child), "works"), "false"));
}

/* For who shares the owner's table it works as well. */
TEST_F(stat, shared_table)
{
	struct made made;
	const char *q;
	char pid[16];

	self->child = child_that_makes(make_nothing, &made, CLONE_FILES);
	ASSERT_LT(0, self->child);
	snprintf(pid, sizeof(pid), "%d", self->child);
	EXPECT_EQ(0, RUN("-v", "-p", self->me, "-p", pid));
	EXPECT_LINE("  also descriptor %d of process %d (stat_share)", self->kq,
		    self->child);
	ASSERT_EQ(0, RUN("-j", "-p", self->me, "-p", pid));
	q = json_queue(self->tool.said, self->child, self->kq);
	EXPECT_EQ(getpid(), json_int(json_member(q, "owner")));
	EXPECT_TRUE(json_is(json_member(json_holder(q, self->child), "works"), "true"));
}

/* An owner who has ended, while others have the table, is nobody else. */
TEST_F(stat, owner_ended)
{
	const char *q;
	int kq;

	self->child = fork_sharing_files();
	if (!self->child)
		_exit(kq_with(1, EVFILT_USER, EV_ADD, 0, 0));
	kq = child_status(self->child);
	self->child = 0;
	ASSERT_LE(0, kq);
	EXPECT_EQ(0, RUN("-p", self->me));
	EXPECT_LINE("* %d *%d * stat_share (of a process that has ended) user:1", getpid(),
		    kq);
	ASSERT_EQ(0, RUN("-j", "-p", self->me));
	ASSERT_TRUE(json_is_line(self->tool.said));
	q = json_queue(self->tool.said, getpid(), kq);
	EXPECT_TRUE(json_is(json_member(q, "owner"), "null"));
	EXPECT_TRUE(json_is(json_member(json_holder(q, getpid()), "works"), "null"));
}

static void *thread_main(void *arg)
{
	struct made *made = arg;

	if (unshare(CLONE_FILES))
		return NULL;
	made->fd = eventfd(0, EFD_CLOEXEC);
	made->kq = kq_with(made->fd, EVFILT_READ, EV_ADD, 0, 0);
	made->tid = syscall(SYS_gettid);
	__atomic_store_n(&made->text[0], 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
	return NULL;
}

static bool make_in_thread(struct made *made)
{
	pthread_t thread;

	return !pthread_create(&thread, NULL, thread_main, made) &&
	       WAIT_FOR(__atomic_load_n(&made->text[0], __ATOMIC_ACQUIRE)) && made->kq >= 0;
}

/* The queue of a thread with a table of its own is found, and what it is about. */
TEST_F(stat, thread)
{
	struct made made;
	const char *h;
	char pid[16];

	self->child = child_that_makes(make_in_thread, &made, 0);
	ASSERT_LT(0, self->child);
	snprintf(pid, sizeof(pid), "%d", self->child);
	EXPECT_EQ(0, RUN("-v", "-p", pid));
	EXPECT_LINE("* %d *%d * stat_share read:1", self->child, made.kq);
	EXPECT_LINE("* %d read * anon_inode:[[]eventfd]", made.fd);
	ASSERT_EQ(0, RUN("-j", "-p", pid));
	ASSERT_TRUE(json_is_line(self->tool.said));
	h = json_item(json_member(json_queue(self->tool.said, self->child, made.kq),
				  "holders"), 0);
	EXPECT_EQ(made.tid, json_int(json_member(h, "tid")));
	EXPECT_TRUE(json_is(json_member(h, "works"), "true"));
}

/* --- Not root -------------------------------------------------------------------- */

static bool make_as_nobody(struct made *made)
{
	/* Who has changed his user may not be looked at without that. */
	if (setuid(NOBODY) || prctl(PR_SET_DUMPABLE, 1))
		return false;
	made->kq = kq_with(1, EVFILT_USER, EV_ADD, 0, 0);
	return made->kq >= 0;
}

/* Who is not root sees his own, and is told how many processes he may not look at. */
TEST_F(stat, not_root)
{
	struct made made;
	const char *report;

	if (geteuid())
		SKIP(return, "needs root");
	self->child = child_that_makes(make_as_nobody, &made, 0);
	ASSERT_LT(0, self->child);
	ASSERT_EQ(0, seteuid(NOBODY));
	EXPECT_EQ(0, RUN("-t"));
	EXPECT_LINE("* %d %d *%d * 1 * stat_share user:1", self->child, NOBODY, made.kq);
	EXPECT_LINE("kevstat: processes that may not be looked at: *");
	EXPECT_EQ(0, count(&self->tool, "module: "));
	EXPECT_EQ(0, RUN("-j"));
	report = strchr(self->tool.said, '{');
	ASSERT_NE(NULL, report);
	ASSERT_TRUE(json_is_line(report));
	EXPECT_NE(NULL, json_queue(report, self->child, made.kq));
	EXPECT_EQ(NULL, json_queue(report, getpid(), self->kq));
	EXPECT_LT(0, json_int(json_member(json_member(report, "skipped"), "forbidden")));
	EXPECT_EQ(1, RUN("-p", self->me));
	EXPECT_LINE("kevstat: cannot look at process %d: Permission denied", getpid());
	ASSERT_EQ(0, seteuid(0));
	EXPECT_EQ(0, RUN("-j"));
	report = strchr(self->tool.said, '{');
	EXPECT_NE(NULL, json_queue(report, self->child, made.kq));
	EXPECT_NE(NULL, json_queue(report, getpid(), self->kq));
	EXPECT_EQ(0, json_int(json_member(json_member(report, "skipped"), "forbidden")));
}

TEST_HARNESS_MAIN
