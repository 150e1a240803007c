// SPDX-License-Identifier: GPL-2.0
/*
 * NOTE_EXCLUSIVE: of the queues that watch a file with it, one is woken for what
 * comes. Above all, one process of a server whose processes share a socket that
 * listens, each with a queue of its own.
 *
 * Their knotes' entries are exclusive ones: a wake-up of the file walks along them and
 * ends at the first whose callback says that it has woken somebody, where there are
 * threads asleep in kevent(), or somebody polls the queue. It is "taken" there. Who
 * is passed before that is queued all the same, and so finds what has come when he
 * looks the next time:
 *
 *	queue		is just then			what its callback does
 *	A		at work, knote at rest		queue it, wake nobody: go on
 *	B		woken, has not looked yet;	it is queued: go on
 *			or looked, and found something
 *	C		asleep				queue it, wake: taken
 *	D		asleep				not called
 *
 * So two connections wake two queues, although the first has not got to looking. And a
 * queue that was woken for something else, but has not looked yet, takes none: nobody
 * is among its waiters any more. Whether anybody sleeps in an epoll instance, or another
 * queue, that polls one cannot be seen: it takes what it may have to pass on late.
 *
 * Whoever takes a wake-up owes it to the others until he is found idle, that is, until
 * somebody who looks at his knote finds that there is nothing: then others have seen to
 * all that came before. He may not get that far: his process is killed or stopped, or
 * at work on something else for long. So a wake-up that is still owed is passed on to
 * the next queue when the knote is detached, disabled by a change or no longer
 * exclusive, and by a work item after a while (PASS_AFTER). Who gets it takes it as any
 * other, so that it is passed on from there, too; if nobody is asleep, all have it
 * queued by then.
 *
 * An idle look and a wake-up may meet, if the look is that of a change. (During that of
 * a scan the knote is queued, and takes nothing.) Therefore wake-ups are counted, and
 * nothing is settled by a look that began before the last of them:
 *
 *	source				change
 *					how many were taken?
 *					look: there is nothing
 *	something comes
 *	taken: count, owe
 *	(a thread is on its way)	not the same number: it stays owed
 *
 * What is passed on must not go round for ever among queues that want nothing of it:
 * edge-triggered ones whose processes sleep without taking what there is. So it has the
 * number of the wake-up that it began as; who has taken a later one, or was registered
 * since, has had his chance and is left out.
 *
 * The taker's entry goes to the end when a look has found something, so that the others
 * come first the next time. Not in the callback: a walk that is to wake all of them would
 * come to it again and again. One that gives up the lock now and then, as those of older
 * kernels do, may meet twice an entry that was moved meanwhile, but misses none.
 *
 * Only for kinds of which one can see to what comes for all (FD_KIND_TURNS), where the
 * file has one wait queue: not a FIFO open for both ways. Elsewhere the flag makes no
 * difference.
 *
 * What it costs. Who has the file open can make its wait queue long, by registering it in
 * many queues, as with epoll, and whoever makes it ready walks along it: all of it, with
 * these, only if nobody is asleep, or if some are not exclusive. What is passed on is
 * another such walk, at the cost of who detaches or changes the knote, or of a kworker,
 * of which there are few. Not of a timer interrupt, since if many owe at once, all
 * those walks would hold up the machine. So a user may have only some of these knotes
 * (KEVENT_TURNS), and what wakes all is owed by nobody. Their memory is charged.
 */

#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "../kqueue.h"
#include "kind.h"
#include "poll.h"
#include "turn.h"

/* So long a wake-up may be owed: longer than it takes to accept a connection. */
#define PASS_AFTER	msecs_to_jiffies(50)

/* How many may be passing on at a time. */
#define PASSERS		4

static struct workqueue_struct *turn_wq;

/* A bit of turn.state; the rest counts the wake-ups that were taken. */
#define TURN_OWES	BIT(0)
#define TURN_ONE	BIT(1)

/**
 * struct turn - what a knote has for NOTE_EXCLUSIVE, at its poll.wait.private
 * @kn: the knote
 * @kind: its kind: knote.kind says FD_TURNS
 * @state: TURN_*
 * @woken: when it last took a wake-up, in jiffies. As @number and @since, it is written
 *	under the wait queue's lock
 * @number: of that wake-up; until there is one, the last before it began
 * @since: of the wake-up that this one began as, before it was passed on
 * @late: passes it on, if it is still owed
 */
struct turn {
	struct knote *kn;
	u8 kind;
	atomic_t state;
	unsigned long woken;
	s64 number;
	s64 since;
	struct delayed_work late;
};

/*
 * Wake-ups that were taken, of all files, are numbered: that says which was sooner, as
 * a clock may not, of two that come in quick succession.
 */
static atomic64_t last_number = ATOMIC64_INIT(0);

static struct turn *knote_turn(const struct knote *kn)
{
	return kn->poll.wait.private;
}

static const struct fd_kind *turn_kind(const struct turn *turn)
{
	return fd_kinds[turn->kind];
}

/* --- Taking a wake-up ----------------------------------------------------- */

static void turn_take(struct turn *turn)
{
	int state = atomic_read(&turn->state);

	turn->number = atomic64_inc_return(&last_number);
	turn->since = turn->number;
	WRITE_ONCE(turn->woken, jiffies);
	/* Pairs with turn_readable(): who sees this sees what has come. */
	atomic_set_release(&turn->state, (state | TURN_OWES) + TURN_ONE);
	/* If it is on its way for an earlier one, it looks at the time again. */
	queue_delayed_work(turn_wq, &turn->late, PASS_AFTER);
}

/*
 * As fd_poll_wake(). Returns whether the wake-up ends here. One without a key says that
 * the file has changed its state, such as come to its end: that is told to all, and is
 * not for one of them to see to. (What splice() puts into a pipe comes without one, too.)
 */
static int turn_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		     void *key)
{
	struct turn *turn = wait->private;
	struct knote *kn = turn->kn;
	bool taken;

	lockdep_assert_held(&kn->poll.whead->lock);

	if (!poll_concerns(kn, key))
		return 0;
	taken = knote_activate_one(kn) && key;
	if (taken)
		turn_take(turn);
	poll_leave_freed(wait, &kn->poll.whead, key);
	return taken;
}

/* --- Passing it on -------------------------------------------------------- */

/* Has it taken a wake-up since that one, or that one itself? */
static bool had_its_chance(const struct turn *turn, s64 since)
{
	return turn->number - since >= 0;
}

/*
 * Have one woken, as eventfds wake theirs: who would raise an eventfd because of that
 * leaves it for later, for it might be the one that is locked here. (Of what is polled
 * by aio, one can be told by an eventfd.) Others do not mind.
 */
static int wake_entry(wait_queue_entry_t *entry, void *key)
{
	unsigned int before = current->in_eventfd;
	int woken;

	current->in_eventfd = 1;
	woken = entry->func(entry, TASK_NORMAL, 0, key);
	current->in_eventfd = before;
	return woken;
}

/*
 * Wake one of the others that wait, for what came with the wake-up @since. Those who
 * are not exclusive were all woken by that. Context: under the lock of @head.
 */
static void wake_another(wait_queue_head_t *head, s64 since)
{
	void *key = poll_to_key(EPOLLIN | EPOLLRDNORM);
	wait_queue_entry_t *pos, *next;
	struct turn *turn;

	lockdep_assert_held(&head->lock);

	list_for_each_entry_safe(pos, next, &head->head, entry) {
		if (!(pos->flags & WQ_FLAG_EXCLUSIVE))
			continue;
		turn = pos->func == turn_wake ? pos->private : NULL;
		if (turn && had_its_chance(turn, since))
			continue;
		/* What is not ours may be gone after that, if it was woken. */
		if (!wake_entry(pos, key))
			continue;
		if (turn)
			turn->since = since;
		break;
	}
}

/* Only sources that do not wait for others are asked whether they have anything. */
static bool source_is_idle(const struct turn *turn)
{
	return !(turn_kind(turn)->flags & FD_KIND_SLOW) &&
	       !(fd_poll(turn->kn) & EVENTS_READ);
}

/* If a wake-up is owed, it is not after that. */
static void turn_pass_on(struct turn *turn)
{
	wait_queue_head_t *head;
	unsigned long flags;
	int state = atomic_read_acquire(&turn->state);

	if (!(state & TURN_OWES))
		return;
	if (source_is_idle(turn))
		goto settled;
	/* A wait queue that goes away with POLLFREE is freed after RCU. */
	rcu_read_lock();
	/* Pairs with poll_leave_freed(). */
	head = smp_load_acquire(&turn->kn->poll.whead);
	if (head) {
		spin_lock_irqsave(&head->lock, flags);
		wake_another(head, turn->since);
		spin_unlock_irqrestore(&head->lock, flags);
	}
	rcu_read_unlock();
settled:
	/* Unless another was taken meanwhile. */
	atomic_cmpxchg(&turn->state, state, state & ~TURN_OWES);
}

/* A wake-up was taken some time ago, and perhaps others after it. */
static void turn_late(struct work_struct *work)
{
	struct turn *turn = container_of(to_delayed_work(work), struct turn,
					 late);
	unsigned long now = jiffies, due;

	/* Pairs with turn_take(). */
	if (!(atomic_read_acquire(&turn->state) & TURN_OWES))
		return;
	due = READ_ONCE(turn->woken) + PASS_AFTER;
	if (time_before(now, due))
		queue_delayed_work(turn_wq, &turn->late, due - now);
	else
		turn_pass_on(turn);
}

/* --- Looking -------------------------------------------------------------- */

/* Others come first the next time. */
static void turn_to_end(struct knote *kn)
{
	wait_queue_head_t *head;
	unsigned long flags;

	rcu_read_lock();
	/* Pairs with poll_leave_freed(), as above. */
	head = smp_load_acquire(&kn->poll.whead);
	/* If it is there already, or was a moment ago, that is good enough. */
	if (head && READ_ONCE(kn->poll.wait.entry.next) != &head->head) {
		spin_lock_irqsave(&head->lock, flags);
		if (kn->poll.whead)
			list_move_tail(&kn->poll.wait.entry, &head->head);
		spin_unlock_irqrestore(&head->lock, flags);
	}
	rcu_read_unlock();
}

static bool turn_readable(struct knote *kn, struct kevent_record *kev)
{
	struct turn *turn = knote_turn(kn);
	/* Pairs with turn_take(). */
	int state = atomic_read_acquire(&turn->state);
	bool found = turn_kind(turn)->readable(kn, kev);

	if (found)
		turn_to_end(kn);
	else if (state & TURN_OWES)
		atomic_cmpxchg(&turn->state, state, state & ~TURN_OWES);
	return found;
}

/* --- Beginning and ending ------------------------------------------------- */

static void set_entry(struct knote *kn, struct turn *turn)
{
	wait_queue_entry_t *wait = &kn->poll.wait;

	wait->private = turn;
	wait->func = turn ? turn_wake : fd_poll_wake;
	wait->flags = turn ? WQ_FLAG_EXCLUSIVE : 0;
}

static void requeue_entry(wait_queue_head_t *head, wait_queue_entry_t *wait)
{
	__remove_wait_queue(head, wait);
	if (wait->flags & WQ_FLAG_EXCLUSIVE)
		__add_wait_queue_entry_tail(head, wait);
	else
		__add_wait_queue(head, wait);
}

/*
 * Make the knote's entry exclusive, which is then the last one, or with NULL a usual one
 * again, the first. When the wait queue has gone away, nobody calls its callback.
 */
static void change_entry(struct knote *kn, struct turn *turn)
{
	wait_queue_head_t *head;
	unsigned long flags;

	rcu_read_lock();
	/* Pairs with poll_leave_freed(). */
	head = smp_load_acquire(&kn->poll.whead);
	if (head) {
		spin_lock_irqsave(&head->lock, flags);
		set_entry(kn, turn);
		if (kn->poll.whead)
			requeue_entry(head, &kn->poll.wait);
		spin_unlock_irqrestore(&head->lock, flags);
	} else {
		set_entry(kn, turn);
	}
	rcu_read_unlock();
}

/* Is the file of such a kind, with one wait queue? */
static bool can_take_turns(const struct knote *kn)
{
	return (knote_kind(kn)->flags & FD_KIND_TURNS) &&
	       READ_ONCE(kn->poll.whead) && !kn->poll.wait.private;
}

/*
 * A low-water mark is a knote's own: that there is nothing for one says nothing about
 * the others.
 */
static bool is_wanted(u32 fflags)
{
	return (fflags & (NOTE_EXCLUSIVE | NOTE_LOWAT)) == NOTE_EXCLUSIVE;
}

/*
 * The knote is attached, and to have these @fflags. Context: as a filter's touch
 * function.
 */
int turn_begin(struct knote *kn, u32 fflags)
{
	struct turn *turn;
	int ret;

	if (!is_wanted(fflags) || !can_take_turns(kn))
		return 0;
	ret = kevent_user_take(kn->kq->user, KEVENT_TURNS);
	if (ret)
		return ret;
	turn = kzalloc(sizeof(*turn), GFP_KERNEL_ACCOUNT);
	if (!turn) {
		kevent_user_give_back(kn->kq->user, KEVENT_TURNS);
		return -ENOMEM;
	}
	INIT_DELAYED_WORK(&turn->late, turn_late);
	turn->kn = kn;
	turn->kind = kn->kind;
	turn->number = atomic64_read(&last_number);
	change_entry(kn, turn);
	kn->kind = FD_TURNS;
	/* Whoever ends it may have to wait for the work item. */
	atomic_or(KNOTE_SLOW_ENDS, &kn->state);
	return 0;
}

/*
 * The knote gets the kind back that it had. What is delivered by one that goes with that
 * (EV_ONESHOT) is its process's: or each would wake the next, before it has come to
 * accept a connection.
 */
static void turn_end(struct knote *kn)
{
	struct turn *turn = knote_turn(kn);

	change_entry(kn, NULL);
	/* No callback has it any more, to start that again. */
	cancel_delayed_work_sync(&turn->late);
	kn->kind = turn->kind;
	if (!(atomic_read(&kn->state) & KNOTE_DELIVERED))
		turn_pass_on(turn);
	kevent_user_give_back(kn->kq->user, KEVENT_TURNS);
	kfree(turn);
}

static void turn_detach(struct knote *kn)
{
	turn_end(kn);
	knote_kind(kn)->detach(kn);
}

/*
 * A change gives the flag or takes it back, or disables the knote. If it is disabled
 * only after a wake-up was taken meanwhile, that is passed on late.
 */
int turn_touch(struct knote *kn, const struct kevent_record *kev)
{
	if (kn->kind != FD_TURNS)
		return turn_begin(kn, kev->fflags);
	if (!is_wanted(kev->fflags))
		turn_end(kn);
	else if (kev->flags & EV_DISABLE)
		turn_pass_on(knote_turn(kn));
	return 0;
}

/*
 * What NOTE_EXCLUSIVE makes of another kind, once a knote of EVFILT_READ is attached to
 * that: so no other need be asked whether it is exclusive. None of the kinds has to be
 * measured.
 */
const struct fd_kind turns_kind = {
	.flags = FD_KIND_POLLED,
	.detach = turn_detach,
	.readable = turn_readable,
};

int __init turns_init(void)
{
	turn_wq = alloc_workqueue("kevent_turn", WQ_UNBOUND, PASSERS);
	return turn_wq ? 0 : -ENOMEM;
}

/* Context: no knote is left. */
void turns_exit(void)
{
	destroy_workqueue(turn_wq);
}
