/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A knote: one registration of one queue.
 *
 * Lifetimes. Who holds what, and what ends it:
 *
 *  knote        allocated by register.c, freed by knote_free(). Found through
 *               three tables: the queue's (by descriptor or ident, under
 *               kq->mtx), the ready lists (ready.c), and for descriptors the
 *               close table (fdclose.c, bucket lock; crowd.c, crowd lock).
 *               Exactly one party drops it: who takes it out of the close
 *               table; for other knotes, who finds it under kq->mtx. While
 *               somebody holds it (BUSY or TAKEN, below), dropping only marks
 *               it DEAD, and who lets go of it last does the rest.
 *               A one-shot that has delivered may be kept, SPENT: it is in all
 *               tables as before, until it is added again, or dropped as others
 *               are (spent.c).
 *  kqueue       its open file holds a reference, each knote that the close hook
 *               has taken holds one until it is dropped, and so does the list of
 *               queues whose pollers are to be woken (pollers.c). All other
 *               knotes are dropped by kqueue_close(), or are held by a thread in
 *               an ioctl on the queue's file, so kn->kq is always valid.
 *  file         held by a descriptor's knote from attach to detach. That this
 *               does not keep a closed descriptor's file open is the close
 *               hook's work. If a scan has the knote just then, the file stays
 *               until the scan lets go, as it does in a thread that is inside
 *               read(2) of it.
 *  wait queue   belongs to the file, except where its owner says POLLFREE:
 *               whead is then NULL, and RCU protects those who have read it.
 *  files_struct kq->files is compared, and followed only on behalf of a knote
 *               that is in the close table, under the lock that keeps it there.
 *               It cannot be freed and reused meanwhile: the queue is closed
 *               when the table's last descriptor of it goes, at the latest with
 *               the table, and until kqueue_close() has returned all its knotes
 *               are out of the close table. (A queue that never had a
 *               descriptor, but lives in an io_uring, has no knotes, since
 *               there is no ioctl on it.)
 *  struct pid   of the process that has opened a queue: held by the queue, so that
 *               fdinfo can tell its number, and that it has ended.
 *  crowd        allocated by fdclose_watch(), freed by whoever finds it small
 *               and without walkers, under the bucket's lock: see crowd.h.
 *  fsnotify mark an allocation of its own (filters/mark.c), shared by all
 *               knotes of an inode: its callback may run after the last was
 *               detached and then finds none. A directory's mark holds that of
 *               the one above while the directory has knotes, and not for longer:
 *               else two could hold each other. A mark that fsnotify has given
 *               up is replaced by a nameless_mark, which holds it. While that is
 *               on its way it holds the inode, the super block and the module
 *               (nameless.c).
 *  mount watch  of the knotes of a queue that ask for NOTE_REVOKE
 *               (filters/revoke.c): freed by the last of them. Who detaches
 *               one waits until the work item has left it.
 *  pid node     the same for all knotes of a process, or of a signal of one
 *               (filters/pidnode.c). Probes find it under RCU. It holds the
 *               struct pid, and so the wait queue that tells of the end.
 *  birth        of a child that is to be followed (filters/track.c): belongs to
 *               two pieces of task work, whoever is last gives it back. Holds
 *               the parent's pid node, and the module.
 *  turn         of a knote with NOTE_EXCLUSIVE (filters/turn.c): freed by who
 *               detaches it or takes the flag back, after he has cancelled its
 *               work item, and waited for it.
 *  hrtimer      embedded; detach cancels it and waits.
 *  filter       a knote of another module's filter holds that module.
 *
 * A knote dies in three steps: out of the tables, detached from its source
 * (after which nobody can activate it), freed.
 *
 * Holding a knote. A filter's functions look at sources, which may make them
 * wait, and events are stored in memory that its owner may take his time to
 * provide. Nothing of that is done with kq->mtx locked:
 *
 *  BUSY         somebody is calling a function of the filter: nobody else does.
 *               Changes of the same knote wait; scans leave it alone.
 *  TAKEN        a scan has it, off all lists; its event may be on its way to
 *               the user. Changes go on if it is not BUSY as well.
 *
 * A scan takes some knotes (both bits), looks and stores without the lock, then
 * settles what became of them. If a page of the user's is missing, it gives up
 * BUSY while it waits for that. Who deletes or closes meanwhile does not wait:
 *
 *	scan				EV_DELETE, close, the queue's end
 *	lock; take; unlock
 *	look, store			lock
 *					out of the tables
 *					TAKEN: mark it DEAD
 *					unlock, return
 *	lock
 *	DEAD: detach, free
 *
 * The event may still be returned by the call that the scan belongs to, which
 * began before the deletion returned; not by one that begins later, since the
 * knote is on no list. The same ident can be registered again at once.
 *
 * Functions of filters that cannot wait for others (knotes that are not SLOW,
 * nor for attach, detach and touch SLOW_ENDS) are called by changes with the lock
 * held, which saves locking it twice.
 *
 * Lock order: kq->mtx is taken with nothing held but what exec and exit hold
 * when they close descriptors, and the lock of an open fdinfo; and by the close hook,
 * with preemption off, only if nobody has it (knote_is_usual_fd()). Under it, any
 * of: memory reclaim's locks, those that the poll methods of sources which are
 * not SLOW take, another queue's mtx (trylock only), kq->idents.mutex, a
 * teller's lock, the descriptor table's file_lock, a close table bucket and a
 * crowd's lock under that. Not under it, since strangers may hold them for some
 * time: fsnotify's mark_mutex, a nest_room's lock and that of probes. Under a
 * source's lock (that is, in a wake callback) or a teller's, only
 * kq->waiters.lock, which is a raw one, and those of irq_work and workqueues.
 */
#ifndef _KEVENT_KNOTE_H
#define _KEVENT_KNOTE_H

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/list_bl.h>
#include <linux/llist.h>
#include <linux/rhashtable-types.h>
#include <linux/task_work.h>
#include <linux/wait.h>

#include "filter.h"

struct kqueue;
struct file;
struct fs_watch;
struct process;
struct revoke;
struct teller;

/* Bits of knote.state, changed atomically by anybody. */
/*
 * The knote is on a ready list, or is parked, or is with a scan. Whoever sets
 * the bit owns the list node and must put it somewhere.
 */
#define KNOTE_QUEUED	BIT(0)
/* The close hook has taken it: its descriptor is closed. */
#define KNOTE_CLOSED	BIT(1)
/* The filter's: its source has fired since it last looked. */
#define KNOTE_FIRED	BIT(2)
/* It was activated since somebody last began to look. */
#define KNOTE_NEWS	BIT(3)
/* The filter's: what was reported is void. Cleared when a scan begins to look. */
#define KNOTE_ANEW	BIT(4)
/* A change waits for it: scans are to leave it alone. Under kq->mtx. */
#define KNOTE_WANTED	BIT(5)
/* It is in a crowd of the close table, or stands there for one; see crowd.h. */
#define KNOTE_CROWD	BIT(6)
/* Only its filter's attach, detach and touch may wait. Once set, it stays. */
#define KNOTE_SLOW_ENDS	BIT(7)
/*
 * The filter's: its source has ended, and what its event function found then is the
 * last it has to report, if it was anything. It goes when a scan has looked at it.
 */
#define KNOTE_GONE	BIT(8)
/* Its ident means something else by now: out of sight of changes. Under kq->mtx. */
#define KNOTE_HIDDEN	BIT(9)

/*
 * A one-shot whose event was delivered: to the user there is none. It is kept for that
 * it is added again, PARKED, so that its source can do without the queue. Under
 * kq->mtx; see spent.c.
 */
#define KNOTE_SPENT	BIT(10)
/*
 * A one-shot that goes since its event was delivered. Set under kq->mtx, before QUEUED
 * is cleared: see knote_activate_one().
 */
#define KNOTE_DELIVERED	BIT(11)

/* Bits of knote.status, under kq->mtx. */
#define KNOTE_DISABLED	BIT(0)	/* not to be delivered */
#define KNOTE_PARKED	BIT(1)	/* QUEUED, but on no list: see knote_may_run() */
#define KNOTE_FORCED	BIT(2)	/* deliver whatever the filter says */
#define KNOTE_LINKED	BIT(3)	/* in the queue's table */
#define KNOTE_BUSY	BIT(4)	/* its filter is being called: see above */
#define KNOTE_TAKEN	BIT(5)	/* with a scan: see above */
#define KNOTE_DEAD	BIT(6)	/* dropped: to be ended by who lets go of it */
#define KNOTE_SLOW	BIT(7)	/* its filter's functions may wait for others */

#define KNOTE_HELD	(KNOTE_BUSY | KNOTE_TAKEN)

/* Reasons of either kind for which a scan is not to take it: see knote_may_run(). */
#define KNOTE_NOT_NOW	(KNOTE_DISABLED | KNOTE_HELD | KNOTE_DEAD)
#define KNOTE_OTHERS	(KNOTE_CLOSED | KNOTE_WANTED | KNOTE_SPENT)

/* Of the flags of a change, those that are properties of the knote it makes. */
#define KNOTE_FLAGS	(EV_ONESHOT | EV_CLEAR | EV_RECEIPT | EV_DISPATCH)

/* A second, third ... wait queue of one file; see filters/poll.c. */
struct knote_wait {
	wait_queue_entry_t entry;
	wait_queue_head_t *whead;
	struct knote *kn;
	struct knote_wait *next;
};

/**
 * struct knote_told - the part of a knote that is told of things by a teller
 * @node: on a list of the teller's, under its lock; empty if on none
 * @teller: holds a reference to it
 */
struct knote_told {
	struct list_head node;
	struct teller *teller;
};

/**
 * struct knote_vnode - of a descriptor's knote, EVFILT_VNODE's part
 * @told: by the file's mark
 * @seen: how many hints the mark had when it was last looked at
 * @hints: which hints were to be reported then, and were not delivered yet: a bit
 *	for each enum file_hint
 */
struct knote_vnode {
	struct knote_told told;
	u64 seen;
	u16 hints;
};

/**
 * struct knote_poll - a descriptor's knote's part
 * @told: instead of @wait, where there is a teller
 * @vnode: the same, of EVFILT_VNODE
 * @wait: on the file's first wait queue. @wait.private is the filter's: the chain
 *	of further knote_waits, a queue's nest_link, or with NOTE_EXCLUSIVE the turn
 * @file: what the descriptor meant when it was registered
 * @close_node: in the close table, under the bucket's lock
 * @crowd_node: in a crowd instead, under the crowd's lock
 * @close_work: the hook's, once it has taken the knote out of the table
 * @fs: instead of these, of EVFILT_FS, where @file is a list of mounts
 * @whead: the first wait queue; NULL if there is none, or no more (POLLFREE)
 * @revoke: instead, of EVFILT_VNODE, if NOTE_REVOKE was ever asked for
 */
struct knote_poll {
	union {
		struct knote_told told;
		struct knote_vnode vnode;
		wait_queue_entry_t wait;
	};
	struct file *file;
	union {
		struct hlist_bl_node close_node;
		struct list_head crowd_node;
		struct callback_head close_work;
		struct fs_watch *fs;
	};
	union {
		wait_queue_head_t *whead;
		struct revoke *revoke;
	};
};

/**
 * struct knote_timer - a timer's knote's part
 * @timer: runs to the next expiration and sets KNOTE_FIRED, which is set at once,
 *	and the timer not started, if that has come already; periods after that one
 *	are made up for when somebody looks
 * @count: expirations not yet delivered
 */
struct knote_timer {
	struct hrtimer timer;
	u64 count;
};

/**
 * struct knote_signal - a signal's knote's part
 * @told: by the process's signal_node
 * @seen: how many had been sent when it was registered, and delivered since
 * @exec_id: which program of the process has registered it
 */
struct knote_signal {
	struct knote_told told;
	u64 seen;
	u64 exec_id;
};

/**
 * struct knote_proc - a process's knote's part
 * @told: by the process
 * @tracker: on process.trackers while its children are followed, under the lock of
 *	the process's teller, as all below, which besides only who holds the knote
 *	BUSY changes
 * @forks: how often it had forked when it was registered, and delivered since
 * @execs: the same of other programs that it ran
 * @since: how often it had forked when its children began to be followed
 * @unseen: how many of its children were not delivered yet, as such: its end has
 *	to wait for them
 * @raised: process.raised when the user's rights were looked at
 * @lost: how many of its children could not be followed; or very many
 * @parent: it is a child that was followed, of this process, to which it has a
 *	reference; until that was delivered
 * @level: of the user's pid namespace
 * @is: PROC_*, see filters/process.h
 */
struct knote_proc {
	struct knote_told told;
	struct list_head tracker;
	struct process *parent;
	u32 forks;
	u32 execs;
	u32 since;
	u32 unseen;
	u32 raised;
	u16 lost;
	u8 level;
	u8 is;
};

/**
 * struct knote - one registration
 * @inbox: on kq->inbox or kq->fresh, while QUEUED
 * @ready: on kq->ready or a scan's list
 * @state: KNOTE_QUEUED ...
 * @status: KNOTE_DISABLED ..., under kq->mtx
 * @kind: the filter's: what kind of source this is
 * @events: of a descriptor: the EPOLL* bits that matter to the filter, or PROC_*
 * @kq: its queue
 * @ops: its filter
 * @fd_next: next knote of the same descriptor, under kq->mtx
 * @hash: in kq->idents, for other idents
 * @ident: what is watched
 * @filter: its filter's number; with @ident the key of the knote
 * @flags: the properties given when it was made, EV_*
 * @sfflags: flags of the filter, as the user gave them
 * @sdata: a value for the filter, as the user gave it
 * @udata: the user's
 * @ext: the user's
 * @poll: of a descriptor
 * @timer: of a timer
 * @signal: of a signal
 * @proc: of a process
 * @told: the beginning of the others, where there is a teller
 * @priv: of any other filter
 *
 * @status and what links the knote are under kq->mtx, except @inbox and @state,
 * @poll.close_node (the bucket's lock), @poll.crowd_node (the crowd's lock),
 * @told.node (the teller's lock) and the entry and head of @poll.wait (the source's
 * lock, and RCU). The rest belongs to who holds the knote BUSY, or if nobody does,
 * to who has kq->mtx.
 */
struct knote {
	union {
		struct llist_node inbox;
		struct list_head ready;
	};
	atomic_t state;
	u8 status;
	u8 kind;
	u16 events;
	struct kqueue *kq;
	const struct kevent_filter *ops;
	union {
		struct knote *fd_next;
		struct rhash_head hash;
	};
	u64 ident;
	s16 filter;
	u16 flags;
	u32 sfflags;
	s64 sdata;
	u64 udata;
	u64 ext[4];
	union {
		struct knote_poll poll;
		struct knote_timer timer;
		struct knote_signal signal;
		struct knote_proc proc;
		struct knote_told told;
		void *priv[2];
	};
};

struct knote *knote_alloc(struct kqueue *kq, const struct kevent_filter *ops,
			  const struct kevent_record *kev);
void knote_free(struct knote *kn);
void knote_count_one(int one);

/* ready.c; declared here for filters. */
void knote_activate(struct knote *kn);
bool knote_activate_one(struct knote *kn);

int knote_cache_init(void);
void knote_cache_exit(void);
long knote_count(void);

/* What a change says that makes a knote, but for whom. */
static inline void knote_set_what(struct knote *kn, const struct kevent_record *kev)
{
	kn->flags = kev->flags & KNOTE_FLAGS;
	kn->sfflags = kev->fflags;
	kn->sdata = kev->data;
	kn->udata = kev->udata;
	memcpy(kn->ext, kev->ext, sizeof(kn->ext));
}

/* An event of the knote in which nothing is reported yet, for its filter. */
static inline void knote_fill(const struct knote *kn,
			      struct kevent_record *kev)
{
	kev->flags = kn->flags;
	kev->fflags = 0;
	kev->data = 0;
	kev->ext[0] = kn->ext[0];
	kev->ext[1] = kn->ext[1];
}

/* What no filter has a say in. */
static inline void knote_fill_rest(const struct knote *kn,
				   struct kevent_record *kev)
{
	kev->ident = kn->ident;
	kev->filter = kn->filter;
	kev->udata = kn->udata;
	kev->ext[2] = kn->ext[2];
	kev->ext[3] = kn->ext[3];
}

static inline bool knote_is_closed(const struct knote *kn)
{
	return atomic_read(&kn->state) & KNOTE_CLOSED;
}

static inline bool knote_is_gone(const struct knote *kn)
{
	return atomic_read(&kn->state) & KNOTE_GONE;
}

static inline bool knote_is_spent(const struct knote *kn)
{
	return atomic_read(&kn->state) & KNOTE_SPENT;
}

static inline bool knote_is_hidden(const struct knote *kn)
{
	return atomic_read(&kn->state) & KNOTE_HIDDEN;
}

static inline bool knote_is_held(const struct knote *kn)
{
	return kn->status & KNOTE_HELD;
}

/*
 * May a scan take it? If not it is parked when a scan meets it: it keeps QUEUED,
 * so that its source does not bother the queue, and whoever takes the reason
 * away calls ready_unpark(). There is none for a closed one, which will go, nor for
 * one that is spent, but knote_revive().
 */
static inline bool knote_may_run(const struct knote *kn)
{
	return !(kn->status & KNOTE_NOT_NOW) &&
	       !(atomic_read(&kn->state) & KNOTE_OTHERS);
}

static inline bool knote_is_queued(const struct knote *kn)
{
	return atomic_read(&kn->state) & KNOTE_QUEUED;
}

/* May its filter wait for others, so that kq->mtx must not be held? */
static inline bool knote_is_slow(const struct knote *kn)
{
	return kn->status & KNOTE_SLOW;
}

/* The same of attach, detach and touch. */
static inline bool knote_has_slow_ends(const struct knote *kn)
{
	return knote_is_slow(kn) ||
	       (atomic_read(&kn->state) & KNOTE_SLOW_ENDS);
}

/*
 * A scan begins to look at the source: what fires from now on is news. The
 * order against knote_activate():
 *
 *	source				scan
 *	make ready			clear NEWS, if it is set
 *	(full barrier)			(full barrier, if it was)
 *	set QUEUED and NEWS		is the source ready? If not:
 *					clear QUEUED, unless there is NEWS
 *
 * If the look missed what the source did, then NEWS was set after the scan had
 * cleared it, or had seen it clear. Either that was before QUEUED was to be
 * cleared, which then fails, or the source finds QUEUED clear, and queues the
 * knote.
 */
static inline void knote_begin_look(struct knote *kn)
{
	if (atomic_read(&kn->state) & (KNOTE_NEWS | KNOTE_ANEW)) {
		atomic_andnot(KNOTE_NEWS | KNOTE_ANEW, &kn->state);
		/* Pairs with the source's; see above. */
		smp_mb__after_atomic();
	}
}

#endif /* _KEVENT_KNOTE_H */
