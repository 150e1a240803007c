/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files and directories for the suites of EVFILT_VNODE, in a file system that only
 * the test sees. fsnotify is called as the kernel calls it, but nothing is done to
 * them: so each test says exactly what happens, and in which order.
 */
#ifndef _KEVENT_TESTS_FILES_H
#define _KEVENT_TESTS_FILES_H

#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/fsnotify_backend.h>

#include "../filters/mark.h"
#include "fixture.h"

/* All that can be asked for. */
#define ALL_NOTES	(NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | \
			 NOTE_LINK | NOTE_RENAME | NOTE_REVOKE | FILE_USE_NOTES)

/* As many names, and as large, is a file at first. */
#define NAMES	100
#define SIZE	1000

/* To what fsnotify says that it happened: FSNOTIFY_EVENT_*, from 0. */
enum data { BY_PATH, BY_DENTRY, BY_INODE, DATA_TYPES };

/**
 * struct watched - a file or directory that a test watches
 * @fd: its descriptor
 * @file: what that leads to; goes with it
 * @flags: what was reported at the last look ...
 * @notes: ... and which notes; 0 if nothing was
 */
struct watched {
	int fd;
	struct file *file;
	u16 flags;
	u32 notes;
};

/* For each test: the fixture, and the file system. */
int watched_init(struct kunit *test);
void watched_exit(struct kunit *test);

/* Open what the test watches; it is closed at the end of the test. */
struct watched *watched_file(struct kunit *test);
struct watched *watched_dir(struct kunit *test, struct dentry *dir);

/* A directory, which goes at the end of the test. */
struct dentry *make_dir(struct kunit *test, struct dentry *parent, const char *name);
struct dentry *root_dir(void);

/* Ask for @notes, of all that happens from now on. */
int ask(struct kunit *test, const struct watched *w, u16 flags, u32 notes);

/* What happens to it. */
void say(const struct watched *w, u32 mask, enum data data);
void say_entry(struct inode *dir, u32 mask, struct dentry *entry);
void set_size(const struct watched *w, loff_t size);
void more_names(const struct watched *w, int more);

/* Look at all of them; what is reported of each is in it, and of one returned. */
void look_at_all(struct kunit *test);
u32 told(struct kunit *test, struct watched *w);

/* The knote of it. */
struct knote *knote_of(struct kunit *test, const struct watched *w);

#endif /* _KEVENT_TESTS_FILES_H */
