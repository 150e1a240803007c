/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A crowd: the knotes of one file in one table of descriptors, if they are many.
 *
 * All duplicates of a file share a bucket of the close table, and a program may
 * have as many as its limits allow. Whoever closes anything in that bucket would
 * have to step over them, with preemption off. So the knotes of one pair, of a
 * file and a table, are either
 *
 *	loose	in the bucket's chain themselves: at most CROWD_MIN, or
 *	a crowd	on a list of its own; in the chain, one node stands for them,
 *
 * and the hook, when it meets a crowd, only sends for somebody to walk over it:
 * task work of the closing thread, preemptible, and over before close() returns.
 *
 *	registering		closing			walking
 *	look up file by number	(file_lock: clear the
 *	knote into the crowd	 slot)
 *	(file_lock: still the	hook: a crowd? send
 *	 file in the slot?)				look at as many as there
 *							are now, oldest look first
 *
 * A knote that the walk does not meet was added after it began, so after the slot
 * was cleared, and the registration finds that. Looks are taken in turns, so
 * several walkers share the work: once as many knotes have been looked at, by
 * anybody, as there were when a walk began, all of them have been since then.
 *
 * A thread that has been sent and has not begun need not be sent again: so
 * close_range() and exit are one walk each, whatever they close. One that comes
 * when all slots are in use leaves word, and the last walker walks once more.
 * That may be after its own close() has returned; but it takes more threads than
 * there are slots which close duplicates of one file at the same time.
 *
 * Until the walk has come to it, a knote does not know that its number is closed.
 * If another thread gives the same file the same number again before close() has
 * returned, that is as with dup2() of a file onto itself: the knote stays. If it
 * is given another file, and registered, that the knote does not know of its close
 * does not mean that the hook has missed it: nobody says so while somebody walks.
 *
 * Locks: the bucket's protects what crowds there are, who walks and whether a
 * knote is loose or not; the crowd's, which nests in it, the list. Knotes are
 * added with both, so they cannot become more, nor change between loose and
 * crowd, under either. The hook takes the bucket's alone, for as long as it takes
 * to look through the slots. A walk takes the crowd's alone, for CROWD_LOOKS
 * knotes at a time: others who want it wait for as long, for each CPU at most.
 *
 * Life: a crowd is made when one knote more than CROWD_MIN is registered. Whoever
 * leaves it without a walker and with at most CROWD_LOW makes those loose again
 * and frees it. So there is one for each CROWD_LOW + 1 knotes, at most; it takes
 * less memory than those, and is charged to the memory cgroup as they are. Nobody
 * sees a crowd but under the bucket's lock, or as one of its walkers.
 */
#ifndef _KEVENT_CROWD_H
#define _KEVENT_CROWD_H

#include <linux/fdtable.h>
#include <linux/list.h>
#include <linux/list_bl.h>
#include <linux/spinlock.h>
#include <linux/task_work.h>

#include "compat.h"
#include "kqueue.h"

/* So many knotes of a pair may be loose ... */
#define CROWD_MIN	8
/* ... and so many are again. */
#define CROWD_LOW	4

/* How many threads can have a walk of their own over a crowd. */
#define CROWD_SLOTS	8

/* How many knotes are looked at with the crowd's lock held. */
#define CROWD_LOOKS	32

/**
 * struct crowd_slot - a walk over a crowd that is to be, or under way
 * @work: calls the walk
 * @walker: the thread that closed; NULL if the slot is free
 * @number: the slot's own, in @crowd.slots
 * @begun: what is closed from now on may be missed
 *
 * All under the bucket's lock. Holds a reference to the module.
 */
struct crowd_slot {
	struct callback_head work;
	struct task_struct *walker;
	u8 number;
	bool begun;
};

/**
 * struct crowd - the knotes of one file in one table of descriptors
 * @head: stands for them in the close table, with KNOTE_CROWD, @head.poll.file
 *	and @head.poll.close_node. Nothing else of it is used
 * @files: the table
 * @bucket: where @head is
 * @walkers: how many slots are in use
 * @missed: something was closed and there was no slot. Then there are walkers
 * @slots: the walks
 * @lock: protects all below
 * @knotes: by poll.crowd_node, that which was looked at last at the end
 * @n: length of @knotes
 * @looked: counts looks
 *
 * @walkers, @missed and @slots are under the bucket's lock; what is before them
 * does not change.
 */
struct crowd {
	struct knote head;
	struct files_struct *files;
	struct hlist_bl_head *bucket;
	unsigned int walkers;
	bool missed;
	struct crowd_slot slots[CROWD_SLOTS];

	raw_spinlock_t lock;
	struct list_head knotes;
	unsigned long n;
	unsigned long looked;
};

struct crowd *crowd_alloc(const struct knote *kn, struct hlist_bl_head *bucket);
void crowd_form(struct crowd *crowd);
void crowd_add(struct crowd *crowd, struct knote *kn);
void crowd_remove(struct crowd *crowd, struct knote *kn);
bool crowd_settle(struct crowd *crowd);
struct crowd_slot *crowd_send(struct crowd *crowd);
void crowd_walk(struct crowd_slot *slot, void (*drop)(struct knote *kn));

static inline bool knote_in_crowd(const struct knote *kn)
{
	return atomic_read(&kn->state) & KNOTE_CROWD;
}

/* What an entry of the close table is, if it is no knote; NULL if it is one. */
static inline struct crowd *entry_crowd(struct knote *entry)
{
	return knote_in_crowd(entry) ? container_of(entry, struct crowd, head) :
				       NULL;
}

/* Is the entry, a knote or a crowd, of this file in this table? */
static inline bool entry_is_of(struct knote *entry, const struct file *file,
			       const struct files_struct *files)
{
	struct crowd *crowd;

	if (entry->poll.file != file)
		return false;
	crowd = entry_crowd(entry);
	return (crowd ? crowd->files : entry->kq->files) == files;
}

/*
 * Does the number still lead to the file? Then it is a duplicate that was
 * closed. A table without users is being torn down: all of it is closed,
 * whatever the slots still hold. Under RCU, and in the closing thread, or with
 * the lock that keeps a knote of the table's in the close table: see knote.h.
 */
static inline bool still_open(struct files_struct *files, unsigned int fd,
			      const struct file *file)
{
	return atomic_read(&files->count) &&
	       files_lookup_fd_raw(files, fd) == file;
}

#endif /* _KEVENT_CROWD_H */
