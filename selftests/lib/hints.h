/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What EVFILT_VNODE tells of a file is the same on all file systems. It is called
 * "file", has ten bytes, and @fd is open for reading; the name "other" is free.
 */
#ifndef KEVENT_SELFTESTS_HINTS_H
#define KEVENT_SELFTESTS_HINTS_H

#include "files.h"

/* What is written is told of, and whether the file has grown. */
static inline void check_written(struct __test_metadata *_metadata, int kq, int fd)
{
	ASSERT_EQ(0, kq_vnode(kq, fd, EV_CLEAR, CHANGES));
	ASSERT_NONE(kq);
	ASSERT_TRUE(write_at("file", 0, 0, 10));
	ASSERT_HINT(kq, fd, NOTE_WRITE);
	ASSERT_TRUE(write_at("file", 0, 5, 6));
	ASSERT_HINT(kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_TRUE(write_at("file", O_APPEND, 0, 1));
	ASSERT_HINT(kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_NONE(kq);
}

/* The registration goes with the file, not with its name. */
static inline void check_renamed(struct __test_metadata *_metadata, int kq, int fd)
{
	ASSERT_EQ(0, kq_vnode(kq, fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, rename("file", "other"));
	ASSERT_HINT(kq, fd, NOTE_RENAME);
	ASSERT_TRUE(write_at("file", O_CREAT, 0, 20));
	ASSERT_NONE(kq);
	ASSERT_TRUE(write_at("other", 0, 0, 1));
	ASSERT_HINT(kq, fd, NOTE_WRITE);
}

/* Rename "other" to "file", with these flags: what both files are told of. */
static inline void check_both_renamed(struct __test_metadata *_metadata, int kq, int fd,
				      unsigned int flags, unsigned int fflags)
{
	int other, kq2 = kq_open();

	ASSERT_TRUE(write_at("other", O_CREAT, 0, 20));
	other = open("other", O_RDONLY);
	ASSERT_EQ(0, kq_vnode(kq, fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, kq_vnode(kq2, other, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, renameat2(AT_FDCWD, "other", AT_FDCWD, "file", flags));
	ASSERT_HINT(kq, fd, fflags);
	ASSERT_HINT(kq2, other, NOTE_RENAME);
}

/* A file that another is renamed over is deleted; the other is renamed. */
static inline void check_renamed_over(struct __test_metadata *_metadata, int kq, int fd)
{
	check_both_renamed(_metadata, kq, fd, 0, NOTE_DELETE);
}

/* Two that change places are both renamed, and none is deleted. */
static inline void check_exchanged(struct __test_metadata *_metadata, int kq, int fd)
{
	check_both_renamed(_metadata, kq, fd, RENAME_EXCHANGE, NOTE_RENAME);
}

/* Of what is done to it all the time only those are told who ask for it. */
static inline void check_used(struct __test_metadata *_metadata, int kq, int fd)
{
	int kq2 = kq_open();
	char byte;

	ASSERT_EQ(0, kq_vnode(kq, fd, EV_CLEAR, USES));
	ASSERT_EQ(0, kq_vnode(kq2, fd, EV_CLEAR, CHANGES));
	ASSERT_EQ(0, IN_CHILD(open("file", O_RDONLY) < 0));
	ASSERT_HINT(kq, fd, NOTE_OPEN | NOTE_CLOSE);
	ASSERT_EQ(0, IN_CHILD(open("file", O_RDWR) < 0));
	ASSERT_HINT(kq, fd, NOTE_OPEN | NOTE_CLOSE_WRITE);
	ASSERT_EQ(1, read(fd, &byte, 1));
	ASSERT_HINT(kq, fd, NOTE_READ);
	ASSERT_NONE(kq);
	ASSERT_NONE(kq2);
}

#endif /* KEVENT_SELFTESTS_HINTS_H */
