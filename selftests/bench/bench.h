/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the benchmark share.
 *
 * A measurement is the median of single operations, each between two readings
 * of CLOCK_MONOTONIC, less what the readings themselves cost: means would be
 * spoilt by timer interrupts. The contenders take turns, so that whatever
 * drifts during the run meets all of them.
 */
#ifndef KEVENT_BENCH_H
#define KEVENT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "mark.h"

#define READY 10		/* how many descriptors are ready in a collection */

#define __printf(fmt, args) __attribute((format(printf, fmt, args)))
#define __noreturn __attribute((noreturn))

struct sockaddr_in;

struct options {
	int rounds;		/* turns that each contender gets */
	int ops;		/* operations a turn */
	int max;		/* the most descriptors to watch */
};

extern struct options opt;

static inline long long now(void)
{
	struct timespec ts;

	MARK(MARK_END);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	MARK(MARK_START);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* measure.c: times, and the table */
struct series {
	long long *v;
	size_t n, room;
	unsigned int number;	/* from the first value on */
};

void series_add(struct series *s, long long ns);
void series_add_elsewhere(struct series *s, void (*run)(struct series *own));
double series_median(struct series *s);		/* less the clock; empties it */
double series_each(struct series *s, int n);	/* the same for one of @n */
void measure_tax(double *value, void (*run)(struct series *own), void (*other)(void));
void clock_measure(void);
double clock_cost(void);

#define MAX_COLUMNS 5
#define NOT_MEASURED (-1.0)

void table_begin(const char *title, const char *const *columns, const char *ratio);
void table_row(const double *value, const char *fmt, ...) __printf(2, 3);
void table_note(const char *fmt, ...) __printf(1, 2);

/* mark.c: what a profiler is told besides */
void profile_begin(void);
void profile_reload(void);

/* csv.c: the tables for programs */
void csv_open(const char *path);
void csv_group(const char *name);
void csv_table(const char *title, const char *const *columns);
void csv_median(double value, unsigned int series, int parts);
void csv_row(const char *label, const double *value, int n);

/* descriptors.c: what is watched */
enum fd_kind { EVENTFD, PIPE, TCP, KINDS };

struct pool {
	enum fd_kind kind;
	int n;
	int *in;		/* watch and read these */
	int *out;		/* write here to make them ready */
};

extern const char *const kind_name[KINDS];

void need_descriptors(int n);
int tcp_listen(struct sockaddr_in *sin);	/* on a free port of 127.0.0.1 */
void pool_open(struct pool *p, enum fd_kind kind, int n);
void pool_close(struct pool *p);
void pool_raise(struct pool *p, int i);		/* one more to read */
void pool_lower(struct pool *p, int i);		/* read all there is */
void pool_swap(struct pool *p, int i, int k);	/* change their places */
int pool_ready_index(const struct pool *p, int n, int k);
void pool_raise_some(struct pool *p, int n);	/* READY of the first @n */
void pool_lower_some(struct pool *p, int n);

/* engines.c: the contenders */
enum { KEVENT, EPOLL, POLL, SELECT, URING, ENGINES };
enum mode { LEVEL, EDGE, DISPATCH };

struct engine {
	int (*open)(const int *fd, int n, enum mode mode);
	int (*wait)(void);	/* returns how many are ready */
	void (*close)(void);
	bool (*can)(const int *fd, int n, enum mode mode);
	int (*fd)(int i);	/* the @i-th that was ready */
};

extern const struct engine engine[ENGINES];
extern const char *const engine_name[MAX_COLUMNS + 1];

int queue_open(void);		/* kqueue() or the end */
int trigger_queue(void);	/* a queue with the user event 1 */
int epoll_open(void);
bool reload_module(void);
void __noreturn check_failed(const char *what);

static inline void check(bool ok, const char *what)
{
	if (!ok)
		check_failed(what);
}

/* pollers.c: the same for several at a time, and for descriptors that come and go */
enum { ON_KEVENT, ON_EPOLL, ON_URING, POLLERS };

#define POLLER_BATCH 16		/* takes so many at once */

struct poller {
	int (*open)(void);	/* by the thread that uses it */
	void (*close)(int q);
	bool (*add)(int q, int fd);
	bool (*change)(int q, int fd);
	bool (*remove)(int q, int fd);
	bool (*replace)(int q, int old, int fd);
	int (*wait)(int q, int *fd, int max);	/* returns how many, and which */
	int (*add_and_wait)(int q, int *fd, int n);
};

extern const struct poller poller[POLLERS];
extern const char *const poller_name[POLLERS + 1];

int poller_count(void);		/* without io_uring, if that does not work */

/* uring.c: io_uring, with liburing, if the machine that builds has it */
bool uring_works(void);
void uring_note(void);			/* what the column is, or why it is empty */
bool uring_can(const int *fd, int n, enum mode mode);
int uring_watch(const int *fd, int n, enum mode mode);
int uring_collect(void);
void uring_stop(void);
int uring_fd(int i);
int uring_open(void);
void uring_close(int q);
bool uring_add(int q, int fd);
bool uring_change(int q, int fd);
bool uring_remove(int q, int fd);
bool uring_replace(int q, int old, int fd);
int uring_wait(int q, int *fd, int max);
int uring_add_and_wait(int q, int *fd, int n);

/* memory.c */
long long kernel_bytes(void);		/* what the kernel has for itself */

/* the groups */
void bench_collect(void);
void bench_register(void);
void bench_rearm(void);
void bench_timer(void);
void bench_user(void);
void bench_signal(void);
void bench_process(void);
void bench_file(void);
void bench_close(void);
void bench_memory(void);
void bench_producers(void);
void bench_alone(void);
void bench_entry(void);
void bench_pingpong(void);
void bench_connection(void);
void bench_chains(void);
void bench_idle(void);
void bench_loops(void);

#endif /* KEVENT_BENCH_H */
