// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads do everything to the same few descriptor numbers and queues. Nobody
 * knows what comes of it, but some things hold whatever happens: see call.c.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define STEPS		400	/* of each thread */
#define FD_BASE		200
#define NUMBERS		32
#define QUEUE_BASE	250
#define QUEUES		4
#define IDENTS		6
#define CHANGES_MAX	20
#define EVENTS_MAX	20

struct storm {
	int running;		/* threads */
	uint8_t kind[NUMBERS];	/* what a number was made as: a guess */
};

struct player {
	struct storm *storm;
	struct actor *a;
	uint32_t generation;
};

static int some_fd(struct player *p)
{
	return FD_BASE + below(&p->a->rng, NUMBERS);
}

static int some_kq(struct player *p)
{
	return QUEUE_BASE + below(&p->a->rng, QUEUES);
}

static void place(int fd, int number)
{
	dup3(fd, number, O_CLOEXEC);
	close(fd);
}

static void do_open(struct player *p)
{
	enum source kind = below(&p->a->rng, SOURCES);
	int fd[2], i, n, number;

	if (!source_here[kind])
		return;
	op_begin(p->a, OP_OPEN_SOURCE, kind, 0, 0, 0);
	n = source_open(kind, fd);
	op_result(p->a, n, n > 0);
	for (i = 0; i < n; i++) {
		number = some_fd(p);
		p->storm->kind[number - FD_BASE] = kind;
		place(fd[i], number);
	}
}

static void do_dup(struct player *p)
{
	int from = chance(&p->a->rng, 8) ? some_kq(p) : some_fd(p);
	int to = from < QUEUE_BASE ? some_fd(p) : some_kq(p);

	op_begin(p->a, OP_DUP, from, to, 0, 0);
	op_end(p->a, chance(&p->a->rng, 2) ? dup2(from, to) : dup3(from, to, 0));
}

static void do_close(struct player *p)
{
	int first = some_fd(p), last = first + below(&p->a->rng, 4);

	if (chance(&p->a->rng, 2)) {
		op_begin(p->a, OP_CLOSE, first, 0, 0, 0);
		op_end(p->a, close(first));
		return;
	}
	if (last >= FD_BASE + NUMBERS)
		last = first;
	op_begin(p->a, OP_CLOSE_RANGE, first, last, 0, 0);
	op_end(p->a, close_range(first, last, 0));
}

static void do_poke(struct player *p)
{
	int fd = some_fd(p), kind = p->storm->kind[fd - FD_BASE];
	bool fill = chance(&p->a->rng, 2);

	op_begin(p->a, fill ? OP_POKE : OP_DRAIN, fd, kind, 0, 0);
	if (fill)
		op_result(p->a, 0, !source_poke(&p->a->rng, kind, fd));
	else
		op_result(p->a, 0, !source_drain(&p->a->rng, kind, fd));
}

static void do_queue(struct player *p)
{
	int kq = some_kq(p);

	if (chance(&p->a->rng, 6)) {
		op_begin(p->a, OP_CLOSE, kq, 0, 0, 0);
		op_end(p->a, close(kq));
		return;
	}
	op_begin(p->a, OP_OPEN_QUEUE, kq, 0, 0, 0);
	place(queue_open(0), kq);
	op_end(p->a, 0);
}

static void make_change(struct player *p, struct kevent_record *kev)
{
	static const uint16_t flags[] = {
		EV_ADD, EV_ADD, EV_ADD, EV_ADD | EV_CLEAR, EV_ADD | EV_ONESHOT,
		EV_ADD | EV_DISPATCH, EV_ADD | EV_DISABLE, EV_DELETE, EV_ENABLE,
		EV_DISABLE, EV_ADD | EV_FORCEONESHOT, EV_ADD | EV_RECEIPT,
		EV_ADD | EV_CLEAR | EV_DISPATCH, 0,
	};
	static const int16_t fd_filter[] = {
		EVFILT_READ, EVFILT_READ, EVFILT_WRITE, EVFILT_EMPTY, EVFILT_EXCEPT,
		EVFILT_VNODE,
	};
	struct rng *r = &p->a->rng;

	*kev = (struct kevent_record){ .flags = flags[below(r, ARRAY_SIZE(flags))] };
	switch (below(r, 8)) {
	case 0:
		kev->filter = EVFILT_TIMER;
		kev->ident = below(r, IDENTS);
		kev->fflags = chance(r, 2) ? NOTE_USECONDS : NOTE_NSECONDS;
		kev->data = below(r, 3000);
		break;
	case 1:
		kev->filter = EVFILT_USER;
		kev->ident = below(r, IDENTS);
		kev->fflags = NOTE_FFOR | NOTE_TRIGGER | below(r, 256);
		break;
	case 2:
		kev->filter = EVFILT_SIGNAL;
		kev->ident = SIGNAL_BASE + below(r, SIGNALS);
		break;
	case 3:
		kev->filter = EVFILT_PROC;
		kev->ident = getpid();
		kev->fflags = (chance(r, 2) ? NOTE_TRACK : 0) |
			      (chance(r, 2) ? NOTE_FORK : NOTE_EXIT) | NOTE_EXEC;
		break;
	default:
		kev->filter = fd_filter[below(r, ARRAY_SIZE(fd_filter))];
		kev->ident = chance(r, 6) ? some_kq(p) : some_fd(p);
		if (kev->filter == EVFILT_VNODE)
			kev->fflags = rng_next(r) & VNODE_NOTES;
		else
			kev->fflags = (chance(r, 5) ? NOTE_LOWAT : 0) |
				      (chance(r, 3) ? NOTE_EXCLUSIVE : 0);
		kev->data = below(r, 100);
	}
	if (chance(r, 40))
		kev->flags = rng_next(r);
	record_tag(kev, ++p->generation);
}

/* Waits for ever are ended by the main thread's signals, if nothing else. */
static const struct timespec *some_time(struct rng *r, struct timespec *ts)
{
	if (chance(r, 20))
		return NULL;
	*ts = (struct timespec){ .tv_nsec = below(r, 3) * 300000 };
	return ts;
}

static void do_call(struct player *p)
{
	struct kevent_record changes[CHANGES_MAX], events[EVENTS_MAX];
	struct rng *r = &p->a->rng;
	struct timespec ts;
	struct call c = {
		.kq = some_kq(p), .changes = changes, .events = events,
		.nchanges = chance(r, 3) ? 0 : 1 + below(r, CHANGES_MAX),
		.nevents = chance(r, 3) ? 0 : 1 + below(r, EVENTS_MAX),
		.timeout = some_time(r, &ts),
	};
	int i, ret;

	for (i = 0; i < c.nchanges; i++)
		make_change(p, &changes[i]);
	op_begin(p->a, !c.nchanges ? OP_COLLECT : c.nevents ? OP_BOTH : OP_CHANGE, c.kq,
		 c.nchanges, c.nevents, c.timeout ? ts.tv_nsec : -1);
	ret = call_kevent(p->a, &c);
	op_end(p->a, ret);
	if (ret == -EINTR)
		op_noted(OP_SIGNAL);
}

static void do_bad_call(struct player *p)
{
	int kq = some_kq(p), room = below(&p->a->rng, 4), ret;
	struct kevent_record *kev = chance(&p->a->rng, 2) ? buffer_with_end(room) :
		bad_address(&p->a->rng, true);
	struct kevent_args args = {
		.size = sizeof(args), .events = (uintptr_t)kev, .nevents = 50,
		.timeout = (uintptr_t)&no_time,
	};

	op_begin(p->a, OP_BAD_BUFFER, kq, (uintptr_t)kev, room, 0);
	ret = call_args(p->a, kq, &args);
	op_result(p->a, ret, ret == -EFAULT);
	if (ret < 0 && ret != -EFAULT && ret != -EBADF && ret != -EINTR)
		fail(p->a, "a bad buffer: %s", strerror(-ret));
	if (ret > room)
		fail(p->a, "%d records in room for %d", ret, room);
	if (ret > 0)
		records_check(p->a, kev, ret);
}

static void do_hostile(struct player *p)
{
	int kq = some_kq(p);

	switch (below(&p->a->rng, 4)) {
	case 0:
		op_begin(p->a, OP_BAD_IOCTL, kq, 0, 0, 0);
		op_result(p->a, 0, hostile_ioctl(p->a, kq));
		break;
	case 1:
		op_begin(p->a, OP_INFO, kq, 0, 0, 0);
		op_result(p->a, 0, hostile_info(p->a, kq));
		break;
	case 2:
		op_begin(p->a, OP_BAD_ARGS, kq, 0, 0, 0);
		op_result(p->a, 0, hostile_args(p->a, kq, false));
		break;
	default:
		do_bad_call(p);
	}
}

/* Also the queue in an epoll instance that the queue may watch. */
static void do_poll(struct player *p)
{
	struct pollfd pfd[2] = {
		{ .fd = some_kq(p), .events = POLLIN },
		{ .fd = some_kq(p), .events = POLLIN },
	};
	struct epoll_event ev = { .events = EPOLLIN | (chance(&p->a->rng, 2) ? EPOLLET : 0) };
	int fd = some_fd(p);

	switch (below(&p->a->rng, 3)) {
	case 0:
		op_begin(p->a, OP_POLL, pfd[0].fd, pfd[1].fd, 0, 0);
		op_end(p->a, poll(pfd, 2, below(&p->a->rng, 2)));
		break;
	case 1:
		op_begin(p->a, OP_EPOLL, pfd[0].fd, 0, 0, 0);
		op_end(p->a, life_epoll(p->a, pfd[0].fd));
		break;
	default:
		op_begin(p->a, OP_EPOLL, pfd[0].fd, fd, 0, 0);
		op_end(p->a, epoll_ctl(fd, EPOLL_CTL_ADD, pfd[0].fd, &ev));
		epoll_wait(fd, &ev, 1, 0);
	}
}

static void do_fdinfo(struct player *p)
{
	int kq = some_kq(p), ret;

	op_begin(p->a, OP_FDINFO, kq, 0, 0, 0);
	ret = life_fdinfo(kq);
	op_end(p->a, ret);
	/* It is a queue that is being closed, or none. */
	if (ret < 0 && ret != -EBADF && ret != -ENOENT)
		fail(p->a, "fdinfo of a queue: %s", strerror(-ret));
}

static void do_pass(struct player *p)
{
	int from = chance(&p->a->rng, 2) ? some_kq(p) : some_fd(p), fd;

	op_begin(p->a, OP_PASS, from, 0, 0, 0);
	fd = life_pass(p->a, some_kq(p), from);
	op_end(p->a, fd);
	if (fd >= 0)
		place(fd, from);
}

static void *leave_soon(void *arg)
{
	struct kevent_record kev[2];
	static const struct timespec soon = { .tv_nsec = 200000 };
	struct player *p = arg;
	struct call c = {
		.kq = QUEUE_BASE, .events = kev, .nevents = 2, .timeout = &soon,
	};

	call_kevent(p->a, &c);
	return NULL;
}

/* Processes and threads that come and go: dear, so not often. */
static void do_life(struct player *p)
{
	struct actor *a = p->a;
	pthread_t thread;
	int kq = some_kq(p);

	switch (below(&a->rng, 6)) {
	case 0:
		op_begin(a, OP_FORK, kq, 0, 0, 0);
		op_end(a, life_fork(a, kq, some_fd(p)));
		break;
	case 1:
		op_begin(a, OP_EXEC, 0, 0, 0, 0);
		op_end(a, life_exec(a));
		break;
	case 2:
		op_begin(a, OP_SHARE, kq, 0, 0, 0);
		op_end(a, life_share(a, kq));
		break;
	case 3:
		op_begin(a, OP_UNSHARE, kq, 0, 0, 0);
		op_end(a, life_unshare(a, kq));
		break;
	default:
		op_begin(a, OP_THREAD_EXIT, kq, 0, 0, 0);
		if (!pthread_create(&thread, NULL, leave_soon, p))
			pthread_join(thread, NULL);
		op_end(a, 0);
	}
}

static void do_raise(struct player *p)
{
	int sig = SIGNAL_BASE + below(&p->a->rng, SIGNALS);

	op_begin(p->a, OP_RAISE, sig, 1, 0, 0);
	op_end(p->a, kill(getpid(), sig) ? -errno : 0);
}

static void play_once(struct player *p)
{
	switch (below(&p->a->rng, 100)) {
	case 0 ... 11:
		do_open(p);
		break;
	case 12 ... 15:
		do_dup(p);
		break;
	case 16 ... 18:
		do_close(p);
		break;
	case 19 ... 34:
		do_poke(p);
		break;
	case 35 ... 37:
		do_queue(p);
		break;
	case 38 ... 45:
		do_hostile(p);
		break;
	case 46 ... 50:
		do_poll(p);
		break;
	case 51 ... 53:
		do_fdinfo(p);
		break;
	case 54 ... 56:
		do_pass(p);
		break;
	case 57:
		do_life(p);
		break;
	case 58 ... 61:
		do_raise(p);
		break;
	default:
		do_call(p);
	}
}

static void *play(void *arg)
{
	struct player *p = arg;
	int i;

	actor_starts(p->a);
	for (i = 0; i < STEPS; i++)
		play_once(p);
	actor_ends(p->a);
	__atomic_fetch_sub(&p->storm->running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* The process may also end while its threads wait, or while they work. */
static void run_until(struct crew *crew, struct storm *s, struct actor *a, int left)
{
	while (__atomic_load_n(&s->running, __ATOMIC_SEQ_CST) > left) {
		crew_disturb(crew, &a->rng);
		actor_alive(a);
		usleep(below(&a->rng, 4000));
	}
}

void round_storm(struct actor *a, uint64_t round)
{
	static struct storm storm;
	static struct player player[THREADS_MAX];
	static struct crew crew;
	int i, ending = below(&a->rng, 3);

	signals_catch();
	for (i = 0; i < QUEUES; i++)
		place(queue_open(0), QUEUE_BASE + i);
	storm.running = opt.threads;
	for (i = 0; i < opt.threads; i++) {
		player[i].storm = &storm;
		player[i].a = actor_new("player", round);
		player[i].generation = i << 24;
		crew_add(&crew, player[i].a, play, &player[i]);
	}
	run_until(&crew, &storm, a, ending ? opt.threads / 2 : 0);
	switch (ending) {
	case 0:
		crew_join(&crew, 0, crew.n);
		break;
	case 1:
		execute_self("--nothing");
	}
	_exit(0);
}
