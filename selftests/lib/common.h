/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the test programs share.
 *
 * The harness runs each test in a child, and a queue belongs to the process
 * that opened it: open queues in the test or in FIXTURE_SETUP().
 *
 * A test never sleeps for a time and hopes: it waits for a condition with
 * WAIT_FOR(), or in kevent() with a limit of LIMIT_MS, which no machine that
 * works reaches. That something does not happen is checked with kq_collect()
 * where it would have happened at once, else with kq_wait() for QUIET_MS.
 */
#ifndef KEVENT_SELFTESTS_COMMON_H
#define KEVENT_SELFTESTS_COMMON_H

#include <stdlib.h>
#include <unistd.h>

/*
 * The limits of tests are for kernels as people use them. One that looks at
 * each access to memory, on a machine that is emulated, is slow:
 * KEVENT_SLOWNESS=<n> makes all limits so many times longer.
 */
static inline unsigned int alarm_if_slow(unsigned int seconds)
{
	const char *val = getenv("KEVENT_SLOWNESS");

	return alarm(val && atoi(val) > 0 ? seconds * atoi(val) : seconds);
}

#define alarm(seconds) alarm_if_slow(seconds)
#include <kselftest_harness.h>
#undef alarm

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

#include <linux/kevent.h>

/*
 * SKIP() that ends a test from anywhere. After a return from FIXTURE_SETUP() the harness
 * would go on with it; this status it takes for a test that was skipped.
 */
#define SKIP_ALL(fmt, ...)	SKIP(_exit(255), fmt, ##__VA_ARGS__)

#define LIMIT_MS	10000	/* for what must come */
#define QUIET_MS	100	/* for what must not come */

/* A number as udata, and back. */
#define UD(n)		((void *)(uintptr_t)(n))
#define UD_NUM(ev)	((uintptr_t)(ev)->udata)

static inline long long ts_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static inline long long ts_ms(void)
{
	return ts_ns() / 1000000;
}

/* Wait until @cond holds; false if it still does not after LIMIT_MS. */
#define WAIT_FOR(cond) ({						\
	long long end_ = ts_ms() + LIMIT_MS;				\
	bool ok_;							\
									\
	while (!(ok_ = (cond)) && ts_ms() < end_)			\
		usleep(500);						\
	ok_;								\
})

/*
 * Another round of a race? As many as @most, but on a slow machine (a debug
 * kernel, emulated) only what fits into the time until @end, though @least of
 * them whatever time they take.
 */
static inline bool more_rounds(long done, long least, long most, long long end)
{
	return done < least || (done < most && ts_ms() < end);
}

/* A new queue, or -1 with a word to whoever reads the log. */
static inline int kq_open(void)
{
	int kq = kqueue();

	if (kq < 0)
		fprintf(stderr, "# no queue: %s. Is the module loaded, /dev/kevent there?\n",
			strerror(errno));
	return kq;
}

/* Apply one change. Returns 0, or the errno. */
static inline int kq_change(int kq, uintptr_t ident, int filter, int flags,
			    unsigned int fflags, long long data, void *udata)
{
	struct kevent kev;

	EV_SET(&kev, ident, filter, flags, fflags, data, udata);
	return kevent(kq, &kev, 1, NULL, 0, NULL) < 0 ? errno : 0;
}

/* The usual change: no fflags, no data, udata 0. */
static inline int kq_set(int kq, uintptr_t ident, int filter, int flags)
{
	return kq_change(kq, ident, filter, flags, 0, 0, NULL);
}

/* Fire the user event @ident, which must exist. Returns 0, or the errno. */
static inline int kq_trigger(int kq, uintptr_t ident)
{
	return kq_change(kq, ident, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
}

/* Wait @ms (for ever if negative) for at most @n events. As kevent(). */
static inline int kq_wait(int kq, struct kevent *ev, int n, long long ms)
{
	struct timespec ts = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000,
	};

	return kevent(kq, NULL, 0, ev, n, ms < 0 ? NULL : &ts);
}

/* Take what is there, without waiting. */
static inline int kq_collect(int kq, struct kevent *ev, int n)
{
	return kq_wait(kq, ev, n, 0);
}

/* How many events one call finds (of the first 64), without keeping them. */
static inline int kq_count(int kq)
{
	struct kevent ev[64];

	return kq_collect(kq, ev, 64);
}

/* The ioctl itself, for what the library does not let through. */
static inline int kq_ioctl(int kq, struct kevent_args *args)
{
	return ioctl(kq, KEVENT_IOC_KEVENT, args);
}

/* The number in the file @path, -1 if it cannot be read. */
static inline long read_number(const char *path)
{
	FILE *f = fopen(path, "r");
	long val = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%ld", &val) != 1)
		val = -1;
	fclose(f);
	return val;
}

/* The number in the first line of @path that is like @format, or -1. */
static inline long find_number(const char *path, const char *format)
{
	FILE *f = fopen(path, "re");
	char line[256];
	long val = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, format, &val) == 1)
			break;
	if (f)
		fclose(f);
	return val;
}

/* Returns 0, or the errno. */
static inline int write_number(const char *path, long val)
{
	char buf[32];
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int len = snprintf(buf, sizeof(buf), "%ld\n", val);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, buf, len) != len)
		err = errno;
	close(fd);
	return err;
}

/* What the module has alive of @name, "queues" or "knotes", in all processes. */
static inline long kq_counter(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/misc/kevent/%s", name);
	return read_number(path);
}

/*
 * The level of the console, with which some tests keep from it what is only a
 * warning, but looks like a crash to those who read along.
 */
#define CONSOLE_LEVEL	"/proc/sys/kernel/printk"	/* the first of four */
#define LEVEL_ERRORS	4

#define KQ_PARAM(name)	"/sys/module/kevent/parameters/" name

/* The exit status of the child @pid, or -1 if it ended otherwise. */
static inline int child_status(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* What @status is, evaluated by a child as the last that it does; -1 if it crashes. */
#define IN_CHILD(status) ({						\
	pid_t pid_ = fork();						\
									\
	if (!pid_)							\
		_exit(status);						\
	child_status(pid_);						\
})

/* Is it on a CPU, or about to be? True also if it is gone. */
static inline bool is_running(pid_t tid)
{
	char path[64], line[256] = "";
	const char *name_end;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	f = fopen(path, "re");
	if (!f)
		return true;
	name_end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	return !name_end || !strncmp(name_end, ") R", 3);
}

/*
 * Does the thread or process sleep in system call @nr? Whoever was woken, but has not got
 * a CPU yet, may seem to be in it still.
 */
static inline bool is_asleep_in(pid_t tid, long nr)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	return find_number(path, "%ld ") == nr && !is_running(tid);
}

/* Wait until the thread or process @tid sleeps in system call @nr. */
static inline bool wait_asleep_in(pid_t tid, long nr)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", tid);
	return WAIT_FOR(is_asleep_in(tid, nr) || access(path, F_OK)) &&
	       !access(path, F_OK);
}

/* Wait until it sleeps in kevent(), which is an ioctl. */
static inline bool wait_asleep(pid_t tid)
{
	return wait_asleep_in(tid, SYS_ioctl);
}

/* A thread that calls kevent() once, for at most @max events. */
struct waiter {
	pthread_t thread;
	int kq;
	int max;		/* of ev[] */
	long long ms;		/* negative: for ever */
	int tid;		/* set when the thread runs */
	int done;		/* set when kevent() has returned */
	int ret;		/* what it returned ... */
	int err;		/* ... and the errno, if -1 */
	struct kevent ev[16];
};

static inline bool waiter_done(struct waiter *w)
{
	return __atomic_load_n(&w->done, __ATOMIC_ACQUIRE);
}

static inline void *waiter_main(void *arg)
{
	struct waiter *w = arg;

	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	w->ret = kq_wait(w->kq, w->ev, w->max, w->ms);
	w->err = w->ret < 0 ? errno : 0;
	__atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Start a waiter and return when it sleeps; false if it never does. */
static inline bool waiter_start(struct waiter *w, int kq, int max, long long ms)
{
	*w = (struct waiter){ .kq = kq, .max = max, .ms = ms };
	if (pthread_create(&w->thread, NULL, waiter_main, w))
		return false;
	return WAIT_FOR(__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE)) &&
	       wait_asleep(w->tid);
}

/* The waiter has returned within LIMIT_MS; its thread is gone. */
static inline bool waiter_join(struct waiter *w)
{
	return WAIT_FOR(waiter_done(w)) && !pthread_join(w->thread, NULL);
}

/* How often the thread has gone to sleep; -1 if that cannot be found out. */
static inline long count_sleeps(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	return find_number(path, "voluntary_ctxt_switches: %ld");
}

#endif /* KEVENT_SELFTESTS_COMMON_H */
