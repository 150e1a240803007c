// SPDX-License-Identifier: BSD-2-Clause
/*
 * Very many registrations of one file: what they cost whoever writes to it, and
 * that each of them hears of it.
 *
 * The measure is inotify, with which any user can slow down writes to a file
 * that he can read as well: by one watch in each of the instances that he may
 * have.
 */
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "expect.h"

#define PATH		"/tmp/kevent-crowd"
#define OTHER		PATH "-other"	/* nobody watches this one */

/* A user who watches is a process, which has at most so much of each. */
#define QUEUES		64
#define FDS		128	/* duplicates, all of them in each queue */
#define INSTANCES	512	/* of inotify; he may have 128 unless root says otherwise */

#define USERS		4
#define FIRST_UID	54321	/* users that nobody else is */

/* What there is of one user: either queues or instances of inotify. */
struct watcher {
	int n;			/* how many things will be told of a write */
	int fds[FDS];
	int nqueues;
	int queues[QUEUES];
	int watched[QUEUES];	/* registrations in each */
	int ninstances;
	int instances[INSTANCES];
};

/* Open the file for all queues. */
static bool watcher_open(struct watcher *w)
{
	int i;

	*w = (struct watcher){ 0 };
	for (i = 0; i < FDS; i++) {
		w->fds[i] = open(PATH, O_RDONLY | O_CLOEXEC);
		if (w->fds[i] < 0)
			return false;
	}
	return true;
}

/* Register all duplicates of the file in a new queue. False when no more fit. */
static bool watch_in_queue(struct watcher *w)
{
	int i, q = w->nqueues;

	w->queues[q] = kq_open();
	if (w->queues[q] < 0)
		return false;
	w->nqueues++;
	for (i = 0; i < FDS; i++) {
		if (kq_set(w->queues[q], w->fds[i], EVFILT_READ, EV_ADD | EV_CLEAR))
			return false;
		w->watched[q]++;
		w->n++;
	}
	return true;
}

/* As many registrations as the user may have. */
static void watch_with_kevent(struct watcher *w)
{
	if (watcher_open(w))
		while (w->nqueues < QUEUES && watch_in_queue(w))
			;
}

static void watch_with_inotify(struct watcher *w)
{
	int fd;

	while (w->ninstances < INSTANCES) {
		fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		if (fd < 0)
			break;
		w->instances[w->ninstances++] = fd;
		if (inotify_add_watch(fd, PATH, IN_MODIFY) >= 0)
			w->n++;
	}
}

/*
 * Take what came of the last write, and so have the next one tell us anew.
 * Returns how many came: too many of a queue count double.
 */
static int drain_queue(int kq, int watched)
{
	struct kevent ev[FDS];
	int n, sum = 0;

	while (sum < watched) {
		n = kq_wait(kq, ev, FDS, LIMIT_MS);
		if (n <= 0)
			break;
		sum += n;
	}
	return sum + 2 * kq_collect(kq, ev, FDS);
}

static int drain(const struct watcher *w)
{
	char buf[4096];
	int i, sum = 0;

	for (i = 0; i < w->nqueues; i++)
		sum += drain_queue(w->queues[i], w->watched[i]);
	for (i = 0; i < w->ninstances; i++)
		if (read(w->instances[i], buf, sizeof(buf)) > 0)
			sum++;
	return sum;
}

/* A process that watches, and drains whenever it is told to. */
struct user {
	pid_t pid;
	int to, from;	/* a byte to it, and what drain() returned from it */
	int n;		/* how many things of it will be told of a write */
};

enum means { INOTIFY, KEVENT };

#define DRAIN	'd'
#define STOP	's'

static bool user_tell(const struct user *u, char what)
{
	return write(u->to, &what, 1) == 1;
}

static void user_main(uid_t uid, enum means means, int from, int to)
{
	struct watcher *w = calloc(1, sizeof(*w));
	int n;
	char c;

	/* Its pipe does not tell that the test has died: others have that, too. */
	if (!w || setresuid(uid, uid, uid) || prctl(PR_SET_PDEATHSIG, SIGKILL))
		_exit(1);
	if (means == KEVENT)
		watch_with_kevent(w);
	else
		watch_with_inotify(w);
	/* What there was when they were made. */
	drain(w);
	if (write(to, &w->n, sizeof(w->n)) != sizeof(w->n))
		_exit(1);
	while (read(from, &c, 1) == 1 && c == DRAIN) {
		n = drain(w);
		if (write(to, &n, sizeof(n)) != sizeof(n))
			_exit(1);
	}
	_exit(0);
}

/* Returns when the user watches all that he can. */
static bool user_start(struct user *u, uid_t uid, enum means means)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return false;
	u->pid = fork();
	if (!u->pid) {
		close(to[1]);
		close(from[0]);
		user_main(uid, means, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	u->to = to[1];
	u->from = from[0];
	return u->pid > 0 && read(u->from, &u->n, sizeof(u->n)) == sizeof(u->n);
}

static bool user_stop(struct user *u)
{
	bool told = user_tell(u, STOP);
	int status;

	close(u->to);
	close(u->from);
	return told && waitpid(u->pid, &status, 0) == u->pid && !status;
}

/* They all drain at once. True if each thing that watches was told just once. */
static bool users_drain(struct user *users, int n)
{
	bool good = true;
	int i, got;

	for (i = 0; i < n; i++)
		good &= user_tell(&users[i], DRAIN);
	for (i = 0; i < n; i++)
		good &= read(users[i].from, &got, sizeof(got)) == sizeof(got) &&
			got == users[i].n;
	return good;
}

#define ROUNDS	101
#define SERIES_MS 5000

static int by_value(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return x < y ? -1 : x > y;
}

/* The files, for writing. */
struct files {
	int fd;
	int other;
};

FIXTURE(crowd)
{
	struct files files;
};

FIXTURE_SETUP(crowd)
{
	self->files.fd = open(PATH, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
	ASSERT_LE(0, self->files.fd);
	ASSERT_EQ(0, fchmod(self->files.fd, 0644));
	ASSERT_EQ(1, pwrite(self->files.fd, "x", 1, 0));
	self->files.other = open(OTHER, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	ASSERT_LE(0, self->files.other);
}

FIXTURE_TEARDOWN(crowd)
{
	close(self->files.fd);
	close(self->files.other);
	unlink(PATH);
	unlink(OTHER);
}

/*
 * How long a write of one byte takes, in ns; -1 if it cannot be done. Others
 * have run for long, so what all writes need has to come back to the caches.
 */
static long long time_one(const struct files *files)
{
	long long start;
	int i;

	for (i = 0; i < 4; i++)
		if (pwrite(files->other, "x", 1, 0) != 1)
			return -1;
	start = ts_ns();
	return pwrite(files->fd, "x", 1, 0) == 1 ? ts_ns() - start : -1;
}

/*
 * The median time, in ns, of a write of one byte, before each of which all that
 * watch have taken notice of the one before; -1 if one of them was not told of
 * it, or more than once. No other thread may take our CPU meanwhile: what others
 * do then is not the write's cost.
 */
static long long time_write(const struct files *files, struct user *users, int n)
{
	const struct sched_param fifo = { .sched_priority = 1 }, none = { 0 };
	long long took[ROUNDS], end = ts_ms() + SERIES_MS;
	long i;

	for (i = 0; more_rounds(i, 7, ROUNDS, end); i++) {
		if (sched_setscheduler(0, SCHED_FIFO, &fifo))
			return -1;
		took[i] = time_one(files);
		if (took[i] < 0 || sched_setscheduler(0, SCHED_OTHER, &none))
			return -1;
		if (!users_drain(users, n))
			return -1;
	}
	qsort(took, i, sizeof(*took), by_value);
	return took[i / 2];
}

/*
 * The machine may have been busier when one was timed than when the other was. Told
 * each by each, so many registrations would cost twenty times as much, and more.
 */
#define ROOM	4

/*
 * No user can slow down another's writes by kevent more than by inotify, nor can
 * four of them: not the first write after all have registered or looked, which
 * is what is timed. And each registration gets an event for each write, no more.
 */
TEST_F_TIMEOUT(crowd, cost_of_write, 90)
{
	long max = read_number(KQ_PARAM("max_user_files"));
	long long alone, inotify, one, four;
	struct user users[USERS];
	int i;

	if (geteuid())
		SKIP(return, "changes users: needs root");
	if (max > QUEUES * FDS)
		max = QUEUES * FDS;

	alone = time_write(&self->files, users, 0);
	TH_LOG("a write of one byte to a file: %lld ns", alone);

	ASSERT_TRUE(user_start(&users[0], FIRST_UID, INOTIFY));
	ASSERT_LT(0, users[0].n);
	inotify = time_write(&self->files, users, 1);
	TH_LOG("one user watches it with %d instances of inotify: %lld ns",
	       users[0].n, inotify);
	ASSERT_TRUE(user_stop(&users[0]));

	ASSERT_TRUE(user_start(&users[0], FIRST_UID, KEVENT));
	ASSERT_EQ(max, users[0].n);
	one = time_write(&self->files, users, 1);
	TH_LOG("one user watches it with %ld registrations: %lld ns", max, one);
	for (i = 1; i < USERS; i++) {
		ASSERT_TRUE(user_start(&users[i], FIRST_UID + i, KEVENT));
		ASSERT_EQ(max, users[i].n);
	}
	four = time_write(&self->files, users, USERS);
	TH_LOG("%d users watch it with as many each: %lld ns", USERS, four);
	for (i = 0; i < USERS; i++)
		ASSERT_TRUE(user_stop(&users[i]));

	EXPECT_LT(0, alone);
	EXPECT_LT(0, one);
	EXPECT_LT(0, four);
	EXPECT_LE(one, ROOM * inotify);
	EXPECT_LE(four, ROOM * inotify);
}

/* Queues with registrations of the file in each; how many altogether. */
#define MANY_QUEUES	10
#define MANY		(MANY_QUEUES * FDS)

static bool watch_in_many(struct watcher *w)
{
	if (!watcher_open(w))
		return false;
	while (w->nqueues < MANY_QUEUES)
		if (!watch_in_queue(w))
			return false;
	return true;
}

/* A write that very many are told of, one after the other, wakes each queue that sleeps. */
TEST_F(crowd, all_wake)
{
	struct waiter waiters[MANY_QUEUES];
	struct watcher w;
	int i;

	ASSERT_TRUE(watch_in_many(&w));
	ASSERT_EQ(MANY, drain(&w));
	for (i = 0; i < MANY_QUEUES; i++)
		ASSERT_TRUE(waiter_start(&waiters[i], w.queues[i], 1, -1));
	ASSERT_EQ(1, pwrite(self->files.fd, "x", 1, 0));
	for (i = 0; i < MANY_QUEUES; i++) {
		ASSERT_TRUE(waiter_join(&waiters[i]));
		ASSERT_EQ(1, waiters[i].ret);
	}
	for (i = 0; i < MANY_QUEUES; i++)
		ASSERT_EQ(FDS - 1, drain_queue(w.queues[i], FDS - 1));
}

/* Of two writes with no look between them, the second is no event of its own. */
TEST_F(crowd, two_writes)
{
	struct watcher w;

	ASSERT_TRUE(watch_in_many(&w));
	ASSERT_EQ(MANY, drain(&w));
	ASSERT_EQ(1, pwrite(self->files.fd, "x", 1, 0));
	ASSERT_EQ(1, pwrite(self->files.fd, "x", 1, 0));
	ASSERT_EQ(MANY, drain(&w));
	ASSERT_QUIET(w.queues[MANY_QUEUES - 1]);
	ASSERT_EQ(1, pwrite(self->files.fd, "x", 1, 0));
	ASSERT_EQ(MANY, drain(&w));
}

/*
 * Registrations, and their queue, may go while a write is still telling them and
 * others: the others hear of it, and the kernel of nothing that is freed.
 */
TEST_F(crowd, gone_meanwhile)
{
	long long end = ts_ms() + LIMIT_MS / 2;
	struct watcher w;
	long round;
	int i, q;

	for (round = 0; more_rounds(round, 5, 100, end); round++) {
		ASSERT_TRUE(watch_in_many(&w));
		ASSERT_EQ(MANY, drain(&w));
		ASSERT_EQ(1, pwrite(self->files.fd, "x", 1, 0));
		/* The last are told last. */
		close(w.queues[--w.nqueues]);
		q = --w.nqueues;
		for (i = 0; i < FDS; i++)
			ASSERT_EQ(0, kq_set(w.queues[q], w.fds[i], EVFILT_READ,
					    EV_DELETE));
		ASSERT_EQ(MANY - 2 * FDS, drain(&w));
		for (i = 0; i < FDS; i++)
			close(w.fds[i]);
		for (i = 0; i <= q; i++)
			close(w.queues[i]);
	}
}

#define COMERS		4
#define COMER_ROUNDS	2000

/* A thread that comes to watch the file, sees that it is told, and goes. */
struct comer {
	pthread_t thread;
	const struct files *files;
	long long end;
	bool good;
};

static bool come_and_go(const struct files *files, int kq, int fd)
{
	struct kevent ev;

	/* It comes with an event of its own. */
	return !kq_set(kq, fd, EVFILT_READ, EV_ADD | EV_CLEAR) &&
	       kq_wait(kq, &ev, 1, LIMIT_MS) == 1 &&
	       pwrite(files->fd, "x", 1, 0) == 1 &&
	       kq_wait(kq, &ev, 1, LIMIT_MS) == 1 &&
	       !kq_set(kq, fd, EVFILT_READ, EV_DELETE);
}

static void *comer_main(void *arg)
{
	struct comer *c = arg;
	int kq = kq_open(), fd = open(PATH, O_RDONLY | O_CLOEXEC);
	long i;

	c->good = kq >= 0 && fd >= 0;
	for (i = 0; c->good && more_rounds(i, 50, COMER_ROUNDS, c->end); i++)
		c->good = come_and_go(c->files, kq, fd);
	close(fd);
	close(kq);
	return NULL;
}

/* The first may come while the last one goes, and is told like all others. */
TEST_F(crowd, come_and_go)
{
	struct comer comers[COMERS];
	int i;

	for (i = 0; i < COMERS; i++) {
		comers[i] = (struct comer){
			.files = &self->files,
			.end = ts_ms() + LIMIT_MS / 2,
		};
		ASSERT_EQ(0, pthread_create(&comers[i].thread, NULL, comer_main,
					    &comers[i]));
	}
	for (i = 0; i < COMERS; i++) {
		ASSERT_EQ(0, pthread_join(comers[i].thread, NULL));
		EXPECT_TRUE(comers[i].good);
	}
}

TEST_HARNESS_MAIN
