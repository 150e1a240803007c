// SPDX-License-Identifier: BSD-2-Clause
/*
 * Pipes and FIFOs.
 */
#include <limits.h>
#include <sys/socket.h>

#include "files.h"

FIXTURE(pipe)
{
	int kq;
	int rd;
	int wr;
	long size;	/* of the pipe */
};

FIXTURE_SETUP(pipe)
{
	int fds[2];

	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	self->rd = fds[0];
	self->wr = fds[1];
	self->size = fcntl(self->rd, F_GETPIPE_SZ);
	ASSERT_LT(4 * PIPE_BUF, self->size);
}

FIXTURE_TEARDOWN(pipe)
{
	close(self->kq);
	close(self->rd);
	close(self->wr);
}

/* Write @len bytes to @fd. */
static bool put(int fd, long len)
{
	static const char zeros[PIPE_BUF];
	long n;

	for (; len > 0; len -= n) {
		n = write(fd, zeros, len < PIPE_BUF ? len : PIPE_BUF);
		if (n <= 0)
			return false;
	}
	return true;
}

/* Read @len bytes from @fd. */
static bool take(int fd, long len)
{
	static char sink[PIPE_BUF];
	long n;

	for (; len > 0; len -= n) {
		n = read(fd, sink, len < PIPE_BUF ? len : PIPE_BUF);
		if (n <= 0)
			return false;
	}
	return true;
}

/* data of READ is the number of bytes in the pipe. */
TEST_F(pipe, read_counts_bytes)
{
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(put(self->wr, 1));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 1);
	ASSERT_TRUE(put(self->wr, 9999));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 10000);
	ASSERT_TRUE(take(self->rd, 3333));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 6667);
	ASSERT_TRUE(take(self->rd, 6667));
	ASSERT_NONE(self->kq);
}

/* Data that comes while a thread waits wakes it, with its count. */
TEST_F(pipe, read_wakes)
{
	struct waiter w;

	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, self->kq, 4, -1));
	ASSERT_TRUE(put(self->wr, 7));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	ASSERT_EQ((uintptr_t)self->rd, w.ev[0].ident);
	ASSERT_EQ(7, w.ev[0].data);
}

/* With EV_CLEAR each write is an event, and nothing else is. */
TEST_F(pipe, read_edge)
{
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_TRUE(put(self->wr, 3));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 3);
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(put(self->wr, 4));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 7);
	ASSERT_TRUE(take(self->rd, 7));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(put(self->wr, 2));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 2);
}

/* WRITE tells the free bytes and needs room for PIPE_BUF of them. */
TEST_F(pipe, write_needs_pipe_buf)
{
	ASSERT_EQ(0, kq_set(self->kq, self->wr, EVFILT_WRITE, EV_ADD));
	ASSERT_READY(self->kq, self->wr, EVFILT_WRITE, self->size);
	ASSERT_TRUE(put(self->wr, self->size - 2 * PIPE_BUF));
	ASSERT_READY(self->kq, self->wr, EVFILT_WRITE, 2 * PIPE_BUF);
	ASSERT_TRUE(put(self->wr, PIPE_BUF));
	ASSERT_READY(self->kq, self->wr, EVFILT_WRITE, PIPE_BUF);
	/* One byte more leaves room for less than PIPE_BUF. */
	ASSERT_TRUE(put(self->wr, 1));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(put(self->wr, PIPE_BUF - 1));
	ASSERT_NONE(self->kq);
	/* A page that is half read is not free. */
	ASSERT_TRUE(take(self->rd, 1));
	ASSERT_QUIET(self->kq);
	ASSERT_TRUE(take(self->rd, PIPE_BUF - 1));
	ASSERT_READY(self->kq, self->wr, EVFILT_WRITE, PIPE_BUF);
	ASSERT_TRUE(take(self->rd, self->size - PIPE_BUF));
	ASSERT_READY(self->kq, self->wr, EVFILT_WRITE, self->size);
}

/* Room in a full pipe wakes a thread that waits for it. */
TEST_F(pipe, write_wakes)
{
	struct waiter w;

	ASSERT_TRUE(put(self->wr, self->size));
	ASSERT_EQ(0, kq_set(self->kq, self->wr, EVFILT_WRITE, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, self->kq, 4, -1));
	ASSERT_TRUE(take(self->rd, PIPE_BUF));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	ASSERT_EQ(EVFILT_WRITE, w.ev[0].filter);
	ASSERT_EQ(PIPE_BUF, w.ev[0].data);
}

/* With EV_CLEAR WRITE fires each time a full pipe gets room, and not otherwise. */
TEST_F(pipe, write_edge)
{
	int i;

	ASSERT_EQ(0, kq_set(self->kq, self->wr, EVFILT_WRITE, EV_ADD | EV_CLEAR));
	ASSERT_READY(self->kq, self->wr, EVFILT_WRITE, self->size);
	ASSERT_TRUE(put(self->wr, self->size));
	ASSERT_NONE(self->kq);
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(take(self->rd, PIPE_BUF));
		ASSERT_READY(self->kq, self->wr, EVFILT_WRITE, PIPE_BUF);
		ASSERT_NONE(self->kq);
		ASSERT_TRUE(put(self->wr, PIPE_BUF));
		ASSERT_NONE(self->kq);
	}
}

/* A full pipe that is made larger is writable. */
TEST_F(pipe, write_after_resize)
{
	ASSERT_TRUE(put(self->wr, self->size));
	ASSERT_EQ(0, kq_set(self->kq, self->wr, EVFILT_WRITE, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_EQ(2 * self->size, fcntl(self->wr, F_SETPIPE_SZ, 2 * self->size));
	ASSERT_READY(self->kq, self->wr, EVFILT_WRITE, self->size);
}

/* When the last writer closes, READ has EV_EOF, with the bytes that still wait. */
TEST_F(pipe, read_eof_with_data)
{
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(put(self->wr, 5000));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 5000);
	close(self->wr);
	self->wr = -1;
	ASSERT_EVENT(self->kq, self->rd, EVFILT_READ, 5000, EV_EOF, 0);
	ASSERT_TRUE(take(self->rd, 4000));
	ASSERT_EVENT(self->kq, self->rd, EVFILT_READ, 1000, EV_EOF, 0);
	ASSERT_TRUE(take(self->rd, 1000));
	ASSERT_EVENT(self->kq, self->rd, EVFILT_READ, 0, EV_EOF, 0);
}

/* The end wakes a thread that waits for data. */
TEST_F(pipe, read_eof_wakes)
{
	struct waiter w;

	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, self->kq, 4, -1));
	close(self->wr);
	self->wr = -1;
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	ASSERT_NE(0, w.ev[0].flags & EV_EOF);
	ASSERT_EQ(0, w.ev[0].data);
}

/* When the last reader closes, WRITE has EV_EOF, also of a full pipe. */
TEST_F(pipe, write_eof)
{
	ASSERT_TRUE(put(self->wr, self->size));
	ASSERT_EQ(0, kq_set(self->kq, self->wr, EVFILT_WRITE, EV_ADD));
	ASSERT_NONE(self->kq);
	close(self->rd);
	self->rd = -1;
	ASSERT_EVENT(self->kq, self->wr, EVFILT_WRITE, ANY, EV_EOF, 0);
}

/* WRITE cannot be added when the reader is gone: EPIPE. */
TEST_F(pipe, write_without_reader)
{
	close(self->rd);
	self->rd = -1;
	ASSERT_EQ(EPIPE, kq_set(self->kq, self->wr, EVFILT_WRITE, EV_ADD));
	ASSERT_EQ(ENOENT, kq_set(self->kq, self->wr, EVFILT_WRITE, EV_DELETE));
	ASSERT_NONE(self->kq);
}

/*
 * READ of the end that only writes, and WRITE of the other, are accepted and say
 * nothing, whatever passes through the pipe.
 */
TEST_F(pipe, wrong_end_silent)
{
	ASSERT_EQ(0, kq_set(self->kq, self->wr, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_WRITE, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(put(self->wr, 100));
	ASSERT_QUIET(self->kq);
	ASSERT_TRUE(take(self->rd, 100));
	ASSERT_QUIET(self->kq);
}

/* READ of the writing end wakes with EV_EOF when the last reader goes, not before. */
TEST_F(pipe, writing_end_read)
{
	int other = dup(self->rd);
	struct waiter w;

	ASSERT_TRUE(put(self->wr, 100));
	ASSERT_EQ(0, kq_set(self->kq, self->wr, EVFILT_READ, EV_ADD));
	close(other);
	ASSERT_NONE(self->kq);
	ASSERT_TRUE(waiter_start(&w, self->kq, 1, -1));
	close(self->rd);
	self->rd = -1;
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	ASSERT_NE(0, w.ev[0].flags & EV_EOF);
	ASSERT_EVENT(self->kq, self->wr, EVFILT_READ, 0, EV_EOF, 0);
	/* And from the start, if the registration is later. */
	ASSERT_EQ(0, kq_set(self->kq, self->wr, EVFILT_READ, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, self->wr, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_EVENT(self->kq, self->wr, EVFILT_READ, 0, EV_EOF, 0);
	ASSERT_NONE(self->kq);
}

/* WRITE of the reading end has EV_EOF when the last writer has gone. */
TEST_F(pipe, reading_end_write)
{
	ASSERT_TRUE(put(self->wr, 100));
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_WRITE, EV_ADD));
	ASSERT_NONE(self->kq);
	close(self->wr);
	self->wr = -1;
	ASSERT_EVENT(self->kq, self->rd, EVFILT_WRITE, 0, EV_EOF, 0);
}

/*
 * A stranger who splices from a socket that stays silent keeps the pipe's mutex
 * for as long as he likes: the bytes are counted all the same.
 */
TEST_F(pipe, read_while_held)
{
	int sock[2], status;
	pid_t child;

	ASSERT_TRUE(put(self->wr, 5000));
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	/* Or splice would not wait. */
	ASSERT_EQ(0, fcntl(self->wr, F_SETFL, 0));
	child = fork();
	if (!child) {
		close(sock[1]);
		_exit(splice(sock[0], NULL, self->wr, NULL, 100, 0) != 3);
	}
	ASSERT_LT(0, child);
	ASSERT_TRUE(wait_asleep_in(child, SYS_splice));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 5000);
	ASSERT_EQ(3, write(sock[1], "abc", 3));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 5003);
	close(sock[0]);
	close(sock[1]);
}

/* While others change the size of a pipe, none of its bytes is missed. */
TEST_F(pipe, read_while_resized)
{
	const int sizes[] = { self->size, 8 * PIPE_BUF, 2 * self->size };
	struct kevent ev;
	int i, status;
	pid_t child;

	ASSERT_TRUE(put(self->wr, 6 * PIPE_BUF));
	ASSERT_TRUE(take(self->rd, 2 * PIPE_BUF));
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD));
	child = fork();
	if (!child) {
		for (i = 0; i < 3000; i++)
			if (fcntl(self->wr, F_SETPIPE_SZ, sizes[i % 3]) < 0)
				_exit(1);
		_exit(0);
	}
	ASSERT_LT(0, child);
	do {
		ASSERT_EQ(1, kq_collect(self->kq, &ev, 1));
		ASSERT_EQ(4 * PIPE_BUF, ev.data);
	} while (!waitpid(child, &status, WNOHANG));
	ASSERT_EQ(0, status);
}

/* Root may have pipes that are larger than what is looked at in one piece. */
TEST_F(pipe, read_large)
{
	const long large = 4 << 20;

	if (fcntl(self->wr, F_SETPIPE_SZ, large) < 0)
		SKIP(return, "may not have so large a pipe");
	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(put(self->wr, 3000));
	ASSERT_TRUE(take(self->rd, 3000));
	ASSERT_TRUE(put(self->wr, large - PIPE_BUF));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, large - PIPE_BUF);
}

FIXTURE(fifo)
{
	int kq;
	int rd;		/* of "fifo" */
	struct folder folder;
};

FIXTURE_SETUP(fifo)
{
	ASSERT_TRUE(folder_enter(&self->folder));
	ASSERT_EQ(0, mkfifo("fifo", 0600));
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->rd = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->rd);
}

FIXTURE_TEARDOWN(fifo)
{
	close(self->kq);
	close(self->rd);
	folder_leave(&self->folder);
}

static int open_writer(void)
{
	return open("fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

/* A reader from before any writer sees no end: neither at first nor when one opens. */
TEST_F(fifo, no_eof_before_writer)
{
	int wr;

	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD));
	ASSERT_QUIET(self->kq);
	wr = open_writer();
	ASSERT_LE(0, wr);
	ASSERT_QUIET(self->kq);
	ASSERT_TRUE(put(wr, 10));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 10);
	close(wr);
}

/* EV_EOF goes away when a writer returns and comes back when it leaves. */
TEST_F(fifo, eof_clears)
{
	int i, wr;

	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD));
	for (i = 0; i < 3; i++) {
		wr = open_writer();
		ASSERT_LE(0, wr);
		ASSERT_NONE(self->kq);
		ASSERT_TRUE(put(wr, 10));
		ASSERT_READY(self->kq, self->rd, EVFILT_READ, 10);
		close(wr);
		ASSERT_EVENT(self->kq, self->rd, EVFILT_READ, 10, EV_EOF, 0);
		ASSERT_TRUE(take(self->rd, 10));
		ASSERT_EVENT(self->kq, self->rd, EVFILT_READ, 0, EV_EOF, 0);
	}
}

/* Data of a writer that returned carries no EV_EOF, though the end was reported before. */
TEST_F(fifo, eof_clears_edge)
{
	int wr = open_writer();

	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_NONE(self->kq);
	close(wr);
	ASSERT_EVENT(self->kq, self->rd, EVFILT_READ, 0, EV_EOF, 0);
	ASSERT_NONE(self->kq);
	wr = open_writer();
	ASSERT_TRUE(put(wr, 10));
	ASSERT_READY(self->kq, self->rd, EVFILT_READ, 10);
	close(wr);
	ASSERT_EVENT(self->kq, self->rd, EVFILT_READ, 10, EV_EOF, 0);
}

/* WRITE has EV_EOF while there is no reader, and not when one returns. */
TEST_F(fifo, write_eof_clears)
{
	int wr = open_writer();
	long size = fcntl(wr, F_GETPIPE_SZ);

	ASSERT_EQ(0, kq_set(self->kq, wr, EVFILT_WRITE, EV_ADD));
	ASSERT_READY(self->kq, wr, EVFILT_WRITE, size);
	close(self->rd);
	ASSERT_EVENT(self->kq, wr, EVFILT_WRITE, ANY, EV_EOF, 0);
	self->rd = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->rd);
	ASSERT_READY(self->kq, wr, EVFILT_WRITE, size);
	close(wr);
}

/* READ of the writing end has EV_EOF until a reader comes back. */
TEST_F(fifo, writing_end_read)
{
	int i, wr = open_writer();

	ASSERT_EQ(0, kq_set(self->kq, wr, EVFILT_READ, EV_ADD));
	for (i = 0; i < 3; i++) {
		ASSERT_NONE(self->kq);
		close(self->rd);
		ASSERT_EVENT(self->kq, wr, EVFILT_READ, 0, EV_EOF, 0);
		self->rd = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		ASSERT_LE(0, self->rd);
	}
	ASSERT_NONE(self->kq);
	close(wr);
}

/* WRITE of the reading end: no end before there was a writer, nor when one is back. */
TEST_F(fifo, reading_end_write)
{
	int i, wr;

	ASSERT_EQ(0, kq_set(self->kq, self->rd, EVFILT_WRITE, EV_ADD));
	for (i = 0; i < 3; i++) {
		wr = open_writer();
		ASSERT_LE(0, wr);
		ASSERT_NONE(self->kq);
		close(wr);
		ASSERT_EVENT(self->kq, self->rd, EVFILT_WRITE, 0, EV_EOF, 0);
	}
}

/* A descriptor open for both directions has both filters, and sees no end. */
TEST_F(fifo, read_write_descriptor)
{
	int fd = open("fifo", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int kqw = kq_with(fd, EVFILT_WRITE, EV_ADD, 0, 0);

	ASSERT_EQ(0, kq_set(self->kq, fd, EVFILT_READ, EV_ADD));
	ASSERT_NONE(self->kq);
	ASSERT_READY(kqw, fd, EVFILT_WRITE, fcntl(fd, F_GETPIPE_SZ));
	ASSERT_TRUE(put(fd, 20));
	ASSERT_READY(self->kq, fd, EVFILT_READ, 20);
	ASSERT_TRUE(take(fd, 20));
	ASSERT_NONE(self->kq);
	close(kqw);
	close(fd);
}

#define RPC_DIR		"/tmp/rpc_pipefs"
#define RPC_PIPE	RPC_DIR "/gssd/clntXX/gssd"

/* sunrpc's channel to rpc.gssd has the inode of a FIFO, and nothing else of one. */
TEST(other_fifo)
{
	int kq = kq_open(), kqw, fd = -1;

	mkdir(RPC_DIR, 0700);
	if (!mount("rpc", RPC_DIR, "rpc_pipefs", 0, NULL))
		fd = open(RPC_PIPE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	umount2(RPC_DIR, MNT_DETACH);
	rmdir(RPC_DIR);
	if (fd < 0)
		SKIP(return, "no rpc_pipefs in this kernel, or not root");
	kqw = kq_with(fd, EVFILT_WRITE, EV_ADD, 0, 0);
	ASSERT_READY(kqw, fd, EVFILT_WRITE, 1);
	ASSERT_EQ(0, kq_set(kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR));
	ASSERT_NONE(kq);
	close(fd);
	EXPECT_EQ(0, kq_count(kqw));
	close(kqw);
	close(kq);
}

TEST_HARNESS_MAIN
