/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A queue: look-up, registration, activation, scan, wait. The parts stand on each
 * other, and each uses only what is below it; but for references to queues, which
 * all may give back.
 *
 *	main.c			the device, the ioctl
 *	kqueue.c		a queue's life and its descriptor
 *	wait.c, scan.c ...	collecting events; see scan.h
 *	register.c		applying changes
 *	drop.c, spent.c		the ends of knotes
 *	table.c			the tables of knotes
 *	fdclose.c, nest.c	closed descriptors; queues in queues
 *	ready.c			the knotes to look at, and who is told
 *	knote.c, limit.c	a registration; how much a user may have
 */
#ifndef _KEVENT_KQUEUE_H
#define _KEVENT_KQUEUE_H

#include <linux/cache.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/swait.h>
#include <linux/workqueue.h>

#include "knote.h"

struct kevent_user;
struct mount_watch;
struct pid;
struct seq_file;

/* How many records are copied from or to the user at a time. */
#define KEVENT_BATCH	16

/* How many queues may be nested in one another. */
#define KQUEUE_NEST_MAX	5

/**
 * struct kqueue - one open of the device
 * @inbox: knotes that fired, newest first. Producers push without a lock,
 *	whoever holds @mtx empties it
 * @waiters: threads in kevent(). A simple wait queue: it holds only tasks, and
 *	its lock is a raw one, so it may be woken under any source's lock and
 *	from any context, on PREEMPT_RT too
 * @pollers: those who poll the queue: epoll, another queue, io_uring. Their
 *	callbacks may lead back to this queue: see pollers.c
 * @wake_node: on a list of queues whose @pollers are to be woken ...
 * @waking: ... if this is 1
 * @free_work: frees the queue, if its last reference goes where none may sleep
 * @mtx: a short lock: nobody waits under it for a source or for the user's
 *	memory. Protects all below
 * @ready: knotes to look at, oldest first
 * @fresh: those that come after them, oldest first, linked by their inbox nodes
 * @fresh_last: the last of them
 * @nready: how many are on both; read without @mtx to see whether there are any
 * @nleft: how many have ever left them: to tell those that were there when a
 *	scan began from those that came since
 * @nmoved: how often some were taken out of the middle, or went to the end again
 * @nputs: how often some were put back to the front
 * @nlooks: scans that hold knotes which are not SLOW, and so not for long, and
 *	changes that wait for such
 * @nscans: those that are at work and do not stand still. Read without @mtx by who
 *	queues something: see ready_is_met()
 * @lookers: threads whose last look waits for those scans
 * @released: where threads wait for a held knote, for @nlooks or for @lookers
 * @missed: a poller found nothing; perhaps only because a scan was at work. Or one
 *	was not told of what came during a scan, or just before. Set by pollers
 *	without @mtx
 * @unlooked: there may be some that were queued without a look; see ready_queue()
 * @closing: no more registrations; waiters go. Read without @mtx by waiters
 * @links: how many knotes were ever put into the tables below
 * @fds: the knotes of descriptors, a chain for each number
 * @nfds: size of @fds
 * @nfd_knotes: how many knotes @fds holds; closes matter while > 0
 * @nspent: how many of them are spent
 * @idents: all other knotes, by (ident, filter)
 * @has_idents: @idents is there: from the first of them on
 * @last_ident: the one that was looked up last, if it is still in sight: many programs
 *	have one trigger, or one timer that they set again and again
 * @nident_knotes: how many they are ...
 * @nhidden: ... and how many of them are hidden
 * @units: what @user is charged for knotes ...
 * @spare: ... and how much of that is not in use; see kqueue_charge()
 * @mounts: tells knotes that ask for NOTE_REVOKE that mounts have changed
 * @files: the descriptor table that the queue belongs to; only compared
 * @opener: the process that has opened it, for people
 * @user: whom knotes are charged to
 * @id: a number for traces and fdinfo
 * @refs: see the table of lifetimes in knote.h
 * @flushes: how often a descriptor of it was closed by its owners
 * @parents: nest_links to the queues that watch this one; this and what follows
 *	is under the lock of its nest_room
 * @children: nest_links to the queues that this one watches
 * @nest_stamp: the walk that computed @nest_height
 * @nest_height: result of that walk
 */
struct kqueue {
	struct llist_head inbox;
	struct swait_queue_head waiters;
	wait_queue_head_t pollers;
	struct llist_node wake_node;
	atomic_t waking;
	struct work_struct free_work;

	struct mutex mtx ____cacheline_aligned_in_smp;
	struct list_head ready;
	struct llist_node *fresh;
	struct llist_node *fresh_last;
	unsigned int nready;
	unsigned int nleft;
	unsigned int nmoved;
	unsigned int nputs;
	unsigned int nlooks;
	unsigned int nscans;
	unsigned int lookers;
	wait_queue_head_t released;
	bool missed;
	bool unlooked;
	bool closing;
	unsigned int links;
	unsigned int nfds;
	struct knote **fds;
	unsigned int nfd_knotes;
	unsigned int nspent;
	struct rhashtable idents;
	bool has_idents;
	struct knote *last_ident;
	unsigned int nident_knotes;
	unsigned int nhidden;
	unsigned int units;
	unsigned int spare;
	struct mount_watch *mounts;

	struct files_struct *files;
	struct pid *opener;
	struct kevent_user *user;
	u64 id;
	refcount_t refs;
	atomic_t flushes;

	struct list_head parents;
	struct list_head children;
	u64 nest_stamp;
	unsigned int nest_height;
};

/* kqueue.c */
struct kqueue *kqueue_alloc(void);
void kqueue_put(struct kqueue *kq);
void kqueue_put_atomic(struct kqueue *kq);
void kqueue_close(struct kqueue *kq);
bool kqueue_try_drop_closed(struct knote *kn);
void kqueue_drop_closed(struct knote *kn);
long kqueue_count(void);
extern const struct file_operations kqueue_fops;
int kqueue_init(void);
void kqueue_exit(void);

static inline void kqueue_get(struct kqueue *kq)
{
	refcount_inc(&kq->refs);
}

static inline bool file_is_kqueue(const struct file *file)
{
	return file->f_op == &kqueue_fops;
}

/* ready.c: the knotes to look at, and who is told of them */
void ready_init(struct kqueue *kq);
bool ready_poll_empty(struct kqueue *kq);
void ready_wake(struct kqueue *kq);
void ready_wake_all(struct kqueue *kq);
void ready_pass_on_queued(struct kqueue *kq);
void ready_fetch(struct kqueue *kq);
void ready_flatten(struct kqueue *kq);
void ready_add(struct kqueue *kq, struct knote *kn);
void ready_activate(struct kqueue *kq, struct knote *kn);
void ready_queue(struct kqueue *kq, struct knote *kn);
void ready_remove(struct kqueue *kq, struct knote *kn);
bool ready_park(struct kqueue *kq, struct knote *kn);
void ready_unpark_one(struct kqueue *kq, struct knote *kn);
int ready_wait_released(struct kqueue *kq);
unsigned int kqueue_nr_ready(struct kqueue *kq);

/* The reason for which a knote was parked may be gone, if it was parked. */
static inline void ready_unpark(struct kqueue *kq, struct knote *kn)
{
	if (unlikely(kn->status & KNOTE_PARKED) && knote_may_run(kn))
		ready_unpark_one(kq, kn);
}

/* Somebody let go of what others may wait for in ready_wait_released(). */
static inline void ready_released(struct kqueue *kq)
{
	lockdep_assert_held(&kq->mtx);

	/* They add themselves under the lock, so no barrier is needed. */
	if (unlikely(waitqueue_active(&kq->released)))
		wake_up_all(&kq->released);
}

/* Without kq->mtx. In this order: see ready_fetch(). */
static inline bool kqueue_has_ready(const struct kqueue *kq)
{
	if (!llist_empty(&kq->inbox))
		return true;
	/* Pairs with the emptying of the inbox, after nready was raised. */
	smp_rmb();
	return READ_ONCE(kq->nready);
}

/*
 * What is queued is for others, as the caller leaves, or is about to stand still.
 * Context: under kq->mtx.
 */
static inline void ready_pass_on(struct kqueue *kq)
{
	lockdep_assert_held(&kq->mtx);

	/* Pairs with those who queue themselves, then look at nready. */
	smp_mb();
	if (unlikely(kqueue_has_ready(kq)))
		ready_pass_on_queued(kq);
}

/* A change is about to stand still. Context: as above. */
static inline void ready_pass_on_unlooked(struct kqueue *kq)
{
	if (unlikely(kq->unlooked))
		ready_pass_on(kq);
}

/* main.c */
long kevent_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* register.c */
int kqueue_apply(struct kqueue *kq, struct kevent_record *kev, unsigned int room);
int kqueue_apply_birth(struct kqueue *kq, struct kevent_record *kev);

/* drop.c */
void knote_end(struct kqueue *kq, struct knote *kn);
void kqueue_drop(struct kqueue *kq, struct knote *kn);
void kqueue_drop_all(struct kqueue *kq);
void kqueue_end_closed(struct kqueue *kq, struct knote *kn);
void kqueue_let_go(struct kqueue *kq, struct knote *kn, u8 held);

/*
 * Around calls of the filter, of which the knote says whether they are @slow. If
 * so it is held BUSY instead of keeping the queue locked; it may be DEAD after
 * that.
 */
static inline void filter_begin(struct kqueue *kq, struct knote *kn, bool slow)
{
	lockdep_assert_held(&kq->mtx);

	if (slow) {
		kn->status |= KNOTE_BUSY;
		ready_pass_on_unlooked(kq);
		mutex_unlock(&kq->mtx);
	}
}

static inline void filter_end(struct kqueue *kq, bool slow)
{
	if (slow)
		mutex_lock(&kq->mtx);
}

/* spent.c */
bool knote_spend(struct knote *kn);
bool knote_revive(struct knote *kn, const struct kevent_record *kev);
void kqueue_drop_spent(struct kqueue *kq);

/* scan.c */
int kqueue_scan(struct kqueue *kq, struct kevent_record __user *events,
		int nevents, bool last);
int kqueue_scan_locked(struct kqueue *kq, struct kevent_record __user *events,
		       int nevents);
void kqueue_look_over(struct kqueue *kq);

/* wait.c */
int kqueue_collect(struct kqueue *kq, struct kevent_record __user *events,
		   int nevents, ktime_t deadline);

/* pollers.c */
void kqueue_wake_pollers(struct kqueue *kq);
void kqueue_pollers_init(void);
void kqueue_pollers_exit(void);

/* nest.c */
struct nest_link;
struct nest_link *nest_add(struct kqueue *parent, struct kqueue *child);
void nest_remove(struct nest_link *link);
void nest_init(void);

/* limit.c */
enum kevent_scarce {
	KEVENT_TIMERS,
	KEVENT_FILES,
	KEVENT_TURNS,
	KEVENT_SCARCE
};

struct kevent_user *kevent_user_get(void);
void kevent_user_put(struct kevent_user *user);
int kevent_user_charge(struct kevent_user *user, long units);
void kevent_user_uncharge(struct kevent_user *user, long units);
int kevent_user_take(struct kevent_user *user, enum kevent_scarce what);
void kevent_user_give_back(struct kevent_user *user, enum kevent_scarce what);
int kqueue_charge_self(struct kqueue *kq);
void kqueue_uncharge_self(struct kqueue *kq);
int kqueue_charge(struct kqueue *kq);
void kqueue_uncharge(struct kqueue *kq);
void kqueue_uncharge_spare(struct kqueue *kq);
void kevent_limit_init(void);
void kevent_limit_exit(void);

#endif /* _KEVENT_KQUEUE_H */
