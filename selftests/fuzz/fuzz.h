/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the fuzzer share.
 *
 * A run is a sequence of rounds, each a process of its own with one or more
 * threads (actors). Everything random in a round follows from the seed, the
 * number of the round and that of the actor. What the parent has to know of a
 * round (progress, counters, the last operations, what went wrong) lies in
 * memory shared with it.
 *
 * The module is driven by its ioctls, not through the library, which would not
 * let most of the nonsense through.
 */
#ifndef KEVENT_FUZZ_H
#define KEVENT_FUZZ_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <linux/kevent.h>

#define __printf(fmt, args)	__attribute((format(printf, fmt, args)))
#define __noreturn		__attribute((noreturn))

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define LIMIT_MS	30000	/* for what must come, on a slow machine */
#define STALL_SECONDS	90	/* an actor without progress for so long hangs */
#define ACTORS_MAX	48
#define THREADS_MAX	16
#define TRACE_LENGTH	32	/* operations that an actor remembers */
#define ERRNOS		140
#define VNODE_NOTES	0x7ff	/* all of NOTE_DELETE to NOTE_READ */
#define FILTERS		9	/* that exist: see filter_number[] */

/* rng.c: xoshiro256** */
struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed, uint64_t round, uint64_t actor);
uint64_t rng_next(struct rng *r);
unsigned int below(struct rng *r, unsigned int n);	/* 0 .. n - 1 */
bool chance(struct rng *r, unsigned int n);		/* one in n */

/* What is done; each must be seen to work in a run that is not short. */
enum operation {
	OP_OPEN_QUEUE,
	OP_OPEN_SOURCE,
	OP_CLOSE,
	OP_CLOSE_RANGE,
	OP_DUP,
	OP_POKE,
	OP_RAISE,
	OP_DRAIN,
	OP_CHANGE,
	OP_COLLECT,
	OP_BOTH,
	OP_WAIT,
	OP_NEST,
	OP_SHORT_BUFFER,
	OP_BAD_BUFFER,
	OP_BAD_ARGS,
	OP_BAD_IOCTL,
	OP_INFO,
	OP_POLL,
	OP_EPOLL,
	OP_FDINFO,
	OP_FORK,
	OP_EXEC,
	OP_PASS,
	OP_UNSHARE,
	OP_SHARE,
	OP_THREAD_EXIT,
	OP_SIGNAL,
	OP_SETTLE,
	OP_DEAL,
	OP_END,
	OPERATIONS
};

/* One operation in an actor's trace; what the numbers are is up to it. */
struct step {
	enum operation op;
	long number;		/* of the step */
	long long arg[4];
	long result;		/* a negative errno, or what came */
	bool done;
};

struct actor {
	int used;
	int index;
	int tid;
	const char *role;
	unsigned long steps;	/* operations begun */
	unsigned long beats;	/* progress, of whatever kind */
	struct rng rng;
	struct step trace[TRACE_LENGTH];
};

struct shared {
	unsigned long tried[OPERATIONS];
	unsigned long worked[OPERATIONS];
	unsigned long delivered[FILTERS];
	unsigned long errors[ERRNOS];
	unsigned long calls;
	unsigned long events;
	int failed;		/* the first to set it writes why */
	int said;		/* why is complete */
	char why[1024];
	struct actor actor[ACTORS_MAX];
};

struct options {
	uint64_t seed;
	long seconds;
	int threads;
	long round;		/* only this one; -1: all */
	bool verbose;
	char folder[64];	/* for files; made at the start, removed at the end */
};

extern struct options opt;
extern struct shared *shared;
extern const char *const operation_name[OPERATIONS];
extern const int16_t filter_number[FILTERS];

/* actor.c */
void actors_reset(void);
struct actor *actor_new(const char *role, uint64_t round);
void actor_starts(struct actor *a);	/* by the thread itself */
void actor_ends(struct actor *a);
void actor_alive(struct actor *a);	/* progress without an operation */
void op_begin(struct actor *a, enum operation op, long long a0, long long a1,
	      long long a2, long long a3);
void op_end(struct actor *a, long result);
void op_result(struct actor *a, long result, bool worked);
void fail(struct actor *a, const char *fmt, ...) __printf(2, 3) __noreturn;
void actors_show(int pid);
bool statistics_show(bool must_work);

static inline void count_up(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* It has worked, within an operation of another kind. */
static inline void op_noted(enum operation op)
{
	count_up(&shared->tried[op]);
	count_up(&shared->worked[op]);
}

static inline long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static inline long long now_ms(void)
{
	return now_ns() / 1000000;
}

/* call.c: the ioctls, and what is checked of every call */
struct call {
	int kq;
	const struct kevent_record *changes;
	int nchanges;
	struct kevent_record *events;
	int nevents;
	const struct timespec *timeout;
	bool one_list;		/* hand in the changes in the room for the events */
};

extern const struct timespec no_time;

int queue_open(int flags);
int call_raw(int kq, unsigned int cmd, void *arg);	/* or a negative errno */
int call_args(struct actor *a, int kq, struct kevent_args *args);
int call_kevent(struct actor *a, const struct call *c);
int call_change(struct actor *a, int kq, const struct kevent_record *kev);
void records_poison(struct kevent_record *kev, int n);
void records_untouched(struct actor *a, const struct kevent_record *kev, int n);
void records_check(struct actor *a, const struct kevent_record *kev, int n);
void record_check(struct actor *a, const struct kevent_record *kev);
void record_tag(struct kevent_record *kev, uint32_t generation);
uint32_t record_generation(const struct kevent_record *kev);
int filter_index(int filter);
bool is_change_error(int err);

/* hostile.c: addresses and arguments that are not what they should be */
void hostile_setup(void);
void *bad_address(struct rng *r, bool for_writing);
struct kevent_record *buffer_with_end(int n);	/* n records, then nothing */
int hostile_args(struct actor *a, int kq, bool exact);
int hostile_ioctl(struct actor *a, int kq);
int hostile_info(struct actor *a, int kq);

/* source.c: what can be watched */
enum source {
	SOURCE_EVENTFD,
	SOURCE_PIPE,
	SOURCE_UNIX,
	SOURCE_PACKET,		/* a pair of unix datagram sockets */
	SOURCE_TCP,
	SOURCE_UDP,
	SOURCE_LISTEN,
	SOURCE_TIMERFD,
	SOURCE_SIGNALFD,
	SOURCE_EPOLL,		/* the second one is an eventfd inside */
	SOURCE_PTY,
	SOURCE_INOTIFY,
	SOURCE_FILE,
	SOURCE_NULL,
	SOURCES
};

extern const char *const source_name[SOURCES];
extern bool source_here[SOURCES];

void sources_find(void);
/* Open one, not blocking. Returns how many descriptors it has, or 0. */
int source_open(enum source kind, int fd[2]);
/* Make it, or the other end, ready; or empty it. Not 0 if that cannot be done. */
int source_poke(struct rng *r, enum source kind, int fd);
int source_drain(struct rng *r, enum source kind, int fd);
/* The first of a regular file; and which NOTE_* of EVFILT_VNODE say what was done. */
int file_poke(struct rng *r, int fd, uint32_t *notes);
int source_wait(int fd, int events);
bool source_is_async(enum source kind);
void signals_block(void);

#define SIGNAL_BASE	(SIGRTMIN + 2)	/* ignored, and watched */
#define SIGNALS		4

/* The kinds of rounds: in a process of their own, whose main thread is @a. */
void round_model(struct actor *a, uint64_t round);
void round_deal(struct actor *a, uint64_t round);
void round_ends(struct actor *a, uint64_t round);
void round_storm(struct actor *a, uint64_t round);

/* supervise.c: run one in a process, watch it. False if it failed. */
struct round_kind {
	const char *name;
	void (*run)(struct actor *a, uint64_t round);
};

bool supervise(const struct round_kind *kind, uint64_t round);
bool counters_watch(void);	/* can the module's counters be relied on? */
bool counters_settle(void);

/* crew.c: the threads of a round */
struct crew {
	pthread_t thread[ACTORS_MAX];
	struct actor *actor[ACTORS_MAX];
	int n;
};

void crew_add(struct crew *crew, struct actor *a, void *(*run)(void *), void *arg);
void crew_disturb(struct crew *crew, struct rng *r);	/* a signal to one of them */
void crew_join(struct crew *crew, int from, int to);
void signals_catch(void);

/* life.c: processes, threads, descriptors on their way */
int life_fork(struct actor *a, int kq, int fd);
int life_exec(struct actor *a);
int life_pass(struct actor *a, int kq, int fd);
int life_unshare(struct actor *a, int kq);
int life_share(struct actor *a, int kq);
int life_epoll(struct actor *a, int kq);
int life_fdinfo(int kq);
void execute_self(const char *option) __noreturn;
int life_main(void);		/* of the program after life_exec() */

#endif /* KEVENT_FUZZ_H */
