// SPDX-License-Identifier: BSD-2-Clause
/* kevstat: what registrations are about, other than sockets. */
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "stat.h"

/* --- Descriptors --------------------------------------------------------------- */

/* Pipes, files, deleted ones too, and what has no name. */
TEST_F(stat, descriptors)
{
	int pipe_fd[2], event = eventfd(0, EFD_CLOEXEC), file;
	struct stat st;

	ASSERT_EQ(0, pipe2(pipe_fd, O_CLOEXEC));
	file = open("/tmp/kevstat.file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, fstat(pipe_fd[0], &st));
	ASSERT_EQ(0, kq_set(self->kq, pipe_fd[0], EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, pipe_fd[1], EVFILT_WRITE, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, event, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_change(self->kq, file, EVFILT_VNODE, EV_ADD | EV_CLEAR,
			       NOTE_DELETE | NOTE_WRITE, 0, NULL));
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* %d read * pipe:[[]%lu]", pipe_fd[0], st.st_ino);
	EXPECT_LINE("* %d write * pipe:[[]%lu]", pipe_fd[1], st.st_ino);
	EXPECT_LINE("* %d read * anon_inode:[[]eventfd]", event);
	EXPECT_LINE("* %d vnode * clear * delete,write * /tmp/kevstat.file", file);
	ASSERT_EQ(0, unlink("/tmp/kevstat.file"));
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* %d vnode * queued * /tmp/kevstat.file (deleted)", file);
}

/* A path may have anything in it, and is still a part of one line, or right JSON. */
TEST_F(stat, strange_names)
{
	static const char path[] = "/tmp/kevstat \"\\\n\033\xc3\xa4\xff";
	int file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	const char *t;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, prctl(PR_SET_NAME, "a\"b\n\\\xfe"));
	ASSERT_EQ(0, kq_change(self->kq, file, EVFILT_VNODE, EV_ADD, NOTE_READ, 0, NULL));
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_EQ(0, RUN("-vj", "-p", self->me) | unlink(path));
	ASSERT_TRUE(json_is_line(self->tool.said));
	t = json_member(json_knote(json_queue(self->tool.said, getpid(), self->kq), file,
				   "vnode"), "target");
	EXPECT_TRUE(json_is(json_member(t, "kind"), "\"file\""));
	EXPECT_TRUE(json_is(json_member(t, "name"),
			    "\"/tmp/kevstat \\\"\\\\\\u000a\\u001b\xc3\xa4\\ufffd\""));
	EXPECT_TRUE(json_is(json_member(t, "name_hex"),
			    "\"2f746d702f6b65767374617420225c0a1bc3a4ff\""));
	t = json_item(json_member(json_queue(self->tool.said, getpid(), self->kq),
				  "holders"), 0);
	EXPECT_TRUE(json_is(json_member(t, "command"), "\"a\\\"b\\u000a\\\\\\ufffd\""));
	EXPECT_TRUE(json_is(json_member(t, "command_hex"), "\"6122620a5cfe\""));
}

/* The same for people. */
TEST_F(stat, strange_lines)
{
	static const char path[] = "/tmp/kevstat\n\033[2J\\";
	int file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	ASSERT_LE(0, file);
	ASSERT_EQ(0, prctl(PR_SET_NAME, "a\nb"));
	ASSERT_EQ(0, kq_change(self->kq, file, EVFILT_VNODE, EV_ADD, NOTE_READ, 0, NULL));
	EXPECT_EQ(0, RUN("-v", "-p", self->me) | unlink(path));
	EXPECT_LINE("* a\\nb vnode:1");
	EXPECT_LINE("* %d vnode * read * /tmp/kevstat\\n\\033[[]2J\\\\", file);
	EXPECT_EQ(NULL, strchr(self->tool.said, '\033'));
}

/* A queue in a queue is known by its number. */
TEST_F(stat, nested)
{
	int inner = kq_open();

	ASSERT_EQ(0, kq_set(self->kq, inner, EVFILT_READ, EV_ADD));
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* %d read * queue %ld", inner, fdinfo_number(inner, "queue: %ld"));
}

/* --- Others -------------------------------------------------------------------- */

/* Timers say when, signals and processes which. */
TEST_F(stat, others)
{
	struct made made;
	int pidfd;

	self->child = child_that_makes(make_nothing, &made, 0);
	ASSERT_LT(0, self->child);
	pidfd = syscall(SYS_pidfd_open, self->child, 0);
	ASSERT_LE(0, pidfd);
	ASSERT_EQ(0, kq_change(self->kq, 1, EVFILT_TIMER, EV_ADD, 0, 500000, NULL));
	ASSERT_EQ(0, kq_change(self->kq, 2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_SECONDS,
			       3600, NULL));
	ASSERT_EQ(0, kq_change(self->kq, 3, EVFILT_TIMER, EV_ADD,
			       NOTE_ABSTIME | NOTE_SECONDS, 4000000000, NULL));
	ASSERT_EQ(0, kq_set(self->kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, SIGRTMIN + 1, EVFILT_SIGNAL, EV_ADD));
	ASSERT_EQ(0, kq_change(self->kq, self->child, EVFILT_PROC, EV_ADD,
			       NOTE_EXIT | NOTE_FORK, 0, NULL));
	ASSERT_EQ(0, kq_change(self->kq, pidfd, EVFILT_PROCDESC, EV_ADD, NOTE_EXIT, 0,
			       NULL));
	ASSERT_EQ(0, kq_change(self->kq, 0, EVFILT_FS, EV_ADD, VQ_MOUNT | VQ_UNMOUNT, 0,
			       NULL));
	EXPECT_EQ(0, RUN("-v", "-p", self->me));
	EXPECT_LINE("* 1 timer * every 500000 ms");
	EXPECT_LINE("* 2 timer * after 3600 s");
	EXPECT_LINE("* 3 timer * at 4000000000 s since 1970");
	EXPECT_LINE("* %d signal * SIGUSR1", SIGUSR1);
	EXPECT_LINE("* %d signal * SIGRTMIN+1", SIGRTMIN + 1);
	EXPECT_LINE("* %d proc * exit,fork * process %d (stat_targets)", self->child,
		    self->child);
	EXPECT_LINE("* %d procdesc * exit * process %d (stat_targets)", pidfd, self->child);
	EXPECT_LINE("* 0 fs * mount,unmount");
	EXPECT_LINE("* proc:1 signal:2 timer:3 procdesc:1 fs:1");
}

TEST_HARNESS_MAIN
