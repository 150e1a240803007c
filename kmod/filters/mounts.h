/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mounts, as far as a module can see them: what is mounted, that something has
 * changed, and whether a file is still where it can be found.
 *
 *	fs.c		EVFILT_FS
 *	revoke.c	NOTE_REVOKE
 *	mounts.c	the list of mounts
 */
#ifndef _KEVENT_FILTERS_MOUNTS_H
#define _KEVENT_FILTERS_MOUNTS_H

#include <linux/types.h>

struct file;
struct knote;

/**
 * struct mount_entry - what is remembered of a mount
 * @id: its number, which may be that of another when it is gone
 * @what: a hash of what is mounted where
 * @how: a hash of all the rest: its options and those of its file system, and with
 *	which other mounts it shares what happens to it
 */
struct mount_entry {
	u32 id;
	u32 what;
	u32 how;
};

/**
 * struct mount_list - all mounts of a namespace that a process can see
 * @n: how many
 * @entries: in the order of their numbers
 */
struct mount_list {
	unsigned int n;
	struct mount_entry *entries;
};

struct file *mounts_open(void);
int mounts_read(struct file *file, struct mount_list *list);
void mounts_exit(void);

int revoke_attach(struct knote *kn);
void revoke_detach(struct knote *kn);
bool revoke_look(struct knote *kn);

#endif /* _KEVENT_FILTERS_MOUNTS_H */
