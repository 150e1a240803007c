// SPDX-License-Identifier: GPL-2.0
/*
 * Where a queue keeps its registrations: the table of descriptors and the hash
 * of all other idents. Growth, chains, removal while others collect.
 */

#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/log2.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "fixture.h"

static const s16 fd_filters[] = { EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT };

/* --- Descriptors ---------------------------------------------------------- */

/**
 * struct files - open descriptors of the test
 * @n: how many
 * @fds: their numbers
 * @tf: their files
 */
struct files {
	unsigned int n;
	int *fds;
	struct test_file *tf;
};

static void files_close(struct files *files)
{
	unsigned int i;

	for (i = 0; i < files->n; i++)
		close_fd(files->fds[i]);
	for (i = 0; i < files->n; i++)
		test_file_released(&files->tf[i]);
	kvfree(files->fds);
	kvfree(files->tf);
}

/* Open @n descriptors; false if that is not possible. */
static bool files_open(struct files *files, unsigned int n)
{
	int fd;

	files->n = 0;
	files->fds = kvcalloc(n, sizeof(*files->fds), GFP_KERNEL);
	files->tf = kvcalloc(n, sizeof(*files->tf), GFP_KERNEL);
	while (files->fds && files->tf && files->n < n) {
		fd = test_file_open(&files->tf[files->n]);
		if (fd < 0)
			break;
		files->fds[files->n++] = fd;
	}
	if (files->n == n)
		return true;
	files_close(files);
	return false;
}

/* How many of the descriptors the queue knows as what they are. */
static unsigned int files_found(struct kqueue *kq, const struct files *files)
{
	unsigned int i, found = 0;
	struct knote *kn;

	for (i = 0; i < files->n; i++) {
		kn = find_knote(kq, files->fds[i], EVFILT_READ);
		if (kn && kn->poll.file->private_data == &files->tf[i])
			found++;
	}
	return found;
}

/* Register them all, beginning at either end; how many times it grew. */
static int register_all(struct kqueue *kq, const struct files *files,
			bool backwards)
{
	unsigned int i, size = kq->nfds;
	int fd, grown = 0;

	for (i = 0; i < files->n; i++) {
		fd = files->fds[backwards ? files->n - 1 - i : i];
		if (change_flags(kq, fd, EVFILT_READ, EV_ADD))
			return -1;
		if (kq->nfds == size)
			continue;
		/* What was there before is still there. */
		if (kq->nfds <= fd || !is_power_of_2(kq->nfds) ||
		    files_found(kq, files) != i + 1)
			return -1;
		size = kq->nfds;
		grown++;
	}
	return grown;
}

/* Enough that the smallest table grows several times; less than RLIMIT_NOFILE. */
#define NR_FILES	600

/* The table grows with the numbers, and keeps what it has when it does. */
static void tables_fds_grow(struct kunit *test)
{
	struct fixture *fix = test->priv;
	unsigned int found, knotes, size;
	struct files files;
	int grown;

	KUNIT_ASSERT_TRUE(test, files_open(&files, NR_FILES));
	grown = register_all(fix->kq, &files, false);
	found = files_found(fix->kq, &files);
	knotes = fix->kq->nfd_knotes;
	size = fix->kq->nfds;
	files_close(&files);

	KUNIT_EXPECT_GE(test, grown, 4);
	KUNIT_EXPECT_EQ(test, found, NR_FILES);
	KUNIT_EXPECT_EQ(test, knotes, NR_FILES);
	KUNIT_EXPECT_LE(test, size, 1024);
}

/* A high number first makes it large at once, and it does not shrink. */
static void tables_fds_backwards(struct kunit *test)
{
	struct fixture *fix = test->priv;
	unsigned int found;
	struct files files;
	int grown;

	KUNIT_ASSERT_TRUE(test, files_open(&files, NR_FILES));
	grown = register_all(fix->kq, &files, true);
	found = files_found(fix->kq, &files);
	files_close(&files);

	KUNIT_EXPECT_EQ(test, grown, 1);
	KUNIT_EXPECT_EQ(test, found, NR_FILES);
}

/* A number that is beyond the table, or not open, is EBADF and changes nothing. */
static void tables_fds_bad_number(struct kunit *test)
{
	static const u64 bad[] = { 1000, INT_MAX, 1ull << 31, 1ull << 32, U64_MAX };
	struct fixture *fix = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, bad[i], EVFILT_READ,
						   EV_ADD), -EBADF);
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, bad[i], EVFILT_READ,
						   EV_DELETE), -EBADF);
	}
	KUNIT_EXPECT_EQ(test, fix->kq->nfds, 0);
	KUNIT_EXPECT_EQ(test, fix->kq->nfd_knotes, 0);
}

/* Which of the three filters of @fd there are, as bits. */
static unsigned int chain(struct kqueue *kq, int fd)
{
	unsigned int i, bits = 0;

	for (i = 0; i < ARRAY_SIZE(fd_filters); i++)
		if (find_knote(kq, fd, fd_filters[i]))
			bits |= BIT(i);
	return bits;
}

/* Which of them one look returns. */
static unsigned int chain_events(struct fixture *fix)
{
	int n = collect(fix->kq, fix->ev, COLLECT_MAX);
	unsigned int i, bits = 0;

	while (n-- > 0)
		for (i = 0; i < ARRAY_SIZE(fd_filters); i++)
			if (fix->ev[n].filter == fd_filters[i])
				bits |= BIT(i);
	return bits;
}

/* Delete the three in the order @order; returns whether the others stayed. */
static bool chain_delete(struct fixture *fix, int fd, const u8 *order)
{
	unsigned int i, left = 7;

	for (i = 0; i < ARRAY_SIZE(fd_filters); i++)
		if (change_flags(fix->kq, fd, fd_filters[i], EV_ADD))
			return false;
	for (i = 0; i < ARRAY_SIZE(fd_filters); i++) {
		if (chain(fix->kq, fd) != left || chain_events(fix) != left ||
		    change_flags(fix->kq, fd, fd_filters[order[i]], EV_DELETE) ||
		    change_flags(fix->kq, fd, fd_filters[order[i]],
				 EV_DELETE) != -ENOENT)
			return false;
		left &= ~BIT(order[i]);
	}
	return !chain(fix->kq, fd) && !chain_events(fix);
}

/* Filters of one number are a chain; each can go, first, last or in between. */
static void tables_fds_chain(struct kunit *test)
{
	static const u8 orders[][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	struct fixture *fix = test->priv;
	unsigned int i, good = 0;
	struct test_file tf;
	int fd;

	fd = test_file_open(&tf);
	KUNIT_ASSERT_GE(test, fd, 0);
	test_file_fire(&tf, EPOLLIN | EPOLLOUT | EPOLLPRI);
	for (i = 0; i < ARRAY_SIZE(orders); i++)
		good += chain_delete(fix, fd, orders[i]);
	close_fd(fd);
	KUNIT_EXPECT_TRUE(test, test_file_released(&tf));
	KUNIT_EXPECT_EQ(test, good, ARRAY_SIZE(orders));
	KUNIT_EXPECT_EQ(test, fix->kq->nfd_knotes, 0);
}

/* A duplicate of @fd, or a negative errno. */
static int duplicate(int fd)
{
	int dup = get_unused_fd_flags(O_CLOEXEC);

	if (dup >= 0)
		fd_install(dup, fget(fd));
	return dup;
}

#define NR_DUPLICATES	100

/*
 * Duplicates of one file, closed by a thread that runs no task work: a worker
 * finds those whose numbers are closed, and drops them.
 */
static void tables_fds_duplicates(struct kunit *test)
{
	struct fixture *fix = test->priv;
	int fds[NR_DUPLICATES], i, bad = 0;
	struct test_file tf;

	fds[0] = test_file_open(&tf);
	KUNIT_ASSERT_GE(test, fds[0], 0);
	for (i = 0; i < NR_DUPLICATES; i++) {
		if (i)
			fds[i] = duplicate(fds[0]);
		bad += !!change_flags(fix->kq, fds[i], EVFILT_READ, EV_ADD);
	}
	KUNIT_EXPECT_EQ(test, bad, 0);
	KUNIT_EXPECT_EQ(test, fix->kq->nfd_knotes, NR_DUPLICATES);
	for (i = 0; i < NR_DUPLICATES; i++)
		close_fd(fds[i]);
	KUNIT_EXPECT_TRUE(test, test_file_released(&tf));
	KUNIT_EXPECT_EQ(test, fix->kq->nfd_knotes, 0);
}

/* --- Removal while others collect ----------------------------------------- */

/**
 * struct churn - registrations come and go while threads collect
 * @fix: the fixture
 * @worker: the threads
 * @ev: what they collect
 * @stop: they shall leave
 * @clock: counts removals
 * @stale: events of what was removed before the look for them began
 * @events: events of registrations with a serial number
 * @progress: woken when there was one
 * @serials: the last serial number, of which each registration has one of its
 *	own in udata; they begin with 1
 * @removed: for each of them, the time on @clock when its removal had returned,
 *	or 0. A look that began after that must not return it
 */
struct churn {
	struct fixture *fix;
	struct worker worker[2];
	struct kevent_record ev[2][COLLECT_MAX];
	atomic_t stop;
	atomic_t clock;
	atomic_t stale;
	atomic_t events;
	wait_queue_head_t progress;
	unsigned int serials;
	int *removed;
};

#define NR_SERIALS	2500

static void churn_collect(struct worker *worker)
{
	struct churn *churn = container_of(worker, struct churn,
					   worker[worker->number - 1]);
	struct kevent_record *ev = churn->ev[worker->number - 1];
	int began, n, removed;

	while (!atomic_read(&churn->stop)) {
		began = atomic_read(&churn->clock);
		n = collect_wait(churn->fix->kq, worker->number, ev, COLLECT_MAX);
		while (n-- > 0) {
			/* The event that says to stop has none. */
			if (!ev[n].udata || ev[n].udata >= NR_SERIALS)
				continue;
			removed = READ_ONCE(churn->removed[ev[n].udata]);
			if (removed && removed <= began)
				atomic_inc(&churn->stale);
			atomic_inc(&churn->events);
			wake_up(&churn->progress);
		}
		cond_resched();
	}
}

static struct churn *churn_new(struct kunit *test)
{
	struct churn *churn = kunit_kzalloc(test, sizeof(*churn), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, churn);
	churn->removed = kunit_kcalloc(test, NR_SERIALS, sizeof(int), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, churn->removed);
	churn->fix = test->priv;
	init_waitqueue_head(&churn->progress);
	return churn;
}

static bool churn_start(struct churn *churn)
{
	bool started = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(churn->worker); i++)
		started &= worker_start(&churn->worker[i], i + 1, churn_collect);
	return started;
}

static bool churn_stop(struct churn *churn)
{
	unsigned int i;
	bool ok;

	atomic_set(&churn->stop, 1);
	ok = user_trigger(churn->fix->kq);
	for (i = 0; i < ARRAY_SIZE(churn->worker); i++)
		ok &= worker_join(&churn->worker[i]);
	return ok;
}

/* Make it again, with the next serial number. */
static bool churn_register(struct churn *churn, u64 ident, s16 filter, u16 flags)
{
	struct kevent_record kev = {
		.ident = ident,
		.filter = filter,
		.flags = EV_ADD | flags,
		.udata = ++churn->serials,
	};

	return !change(churn->fix->kq, &kev);
}

static void churn_removed(struct churn *churn, unsigned int serial)
{
	WRITE_ONCE(churn->removed[serial], atomic_inc_return(&churn->clock));
}

/* Wait until one more event is collected, of what is registered and ready. */
static bool churn_collected(struct churn *churn)
{
	int before = atomic_read(&churn->events);

	return wait_event_timeout(churn->progress,
				  atomic_read(&churn->events) != before,
				  msecs_to_jiffies(LIMIT_MS));
}

static unsigned int churn_files(struct churn *churn, struct files *files)
{
	unsigned int i, bad = 0;
	struct rnd_state rnd;
	int fd;

	prandom_seed_state(&rnd, 2);
	while (churn->serials < NR_SERIALS - 1) {
		i = prandom_u32_state(&rnd) % files->n;
		fd = files->fds[i];
		bad += !churn_register(churn, fd, EVFILT_READ, 0);
		if (prandom_u32_state(&rnd) % 32) {
			bad += !!change_flags(churn->fix->kq, fd, EVFILT_READ,
					      EV_DELETE);
			churn_removed(churn, churn->serials);
			continue;
		}
		if (!churn_collected(churn))
			return bad + 1;
		/* Closing takes a moment more here: a worker drops it. */
		close_fd(fd);
		bad += !test_file_released(&files->tf[i]);
		churn_removed(churn, churn->serials);
		files->fds[i] = test_file_open(&files->tf[i]);
		test_file_fire(&files->tf[i], EPOLLIN);
	}
	return bad;
}

/* Descriptors go while threads collect: none comes after it has gone. */
static void tables_fds_churn(struct kunit *test)
{
	struct churn *churn = churn_new(test);
	bool started, stopped;
	unsigned int i, bad, left;
	struct files files;

	KUNIT_ASSERT_TRUE(test, files_open(&files, 40));
	for (i = 0; i < files.n; i++)
		test_file_fire(&files.tf[i], EPOLLIN);
	started = churn_start(churn);
	bad = churn_files(churn, &files);
	stopped = churn_stop(churn);
	left = churn->fix->kq->nfd_knotes;
	files_close(&files);

	KUNIT_EXPECT_TRUE(test, started && stopped);
	KUNIT_EXPECT_EQ(test, bad, 0);
	KUNIT_EXPECT_EQ(test, left, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&churn->stale), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&churn->events), 0);
}

/* --- Idents --------------------------------------------------------------- */

#define NR_IDENTS	3000

static int nr_idents(struct kqueue *kq)
{
	return kq->nident_knotes;
}

/* How many are missing of those that are to be there, or there that are not. */
static unsigned int idents_wrong(struct fixture *fix, bool (*is_there)(u64))
{
	unsigned int wrong = 0;
	u64 i;

	for (i = 0; i < NR_IDENTS; i++)
		wrong += change_flags(fix->kq, i, EVFILT_TEST_LEVEL, EV_ENABLE) !=
			 (is_there(i) ? 0 : -ENOENT);
	return wrong;
}

static bool is_any(u64 ident)
{
	return true;
}

static bool is_odd(u64 ident)
{
	return ident % 2;
}

static unsigned int idents_add(struct fixture *fix, u16 flags)
{
	unsigned int failed = 0;
	u64 i;

	for (i = 0; i < NR_IDENTS; i++)
		failed += !!change_flags(fix->kq, i, EVFILT_TEST_LEVEL,
					 EV_ADD | flags);
	return failed;
}

/* The hash grows: all are found by their ident, before and after removals. */
static void tables_idents_grow(struct kunit *test)
{
	struct fixture *fix = test->priv;
	unsigned int failed = 0;
	u64 i;

	fixture_make_sources(test, NR_IDENTS);
	KUNIT_ASSERT_EQ(test, idents_add(fix, 0), 0);
	KUNIT_EXPECT_EQ(test, nr_idents(fix->kq), NR_IDENTS);
	KUNIT_EXPECT_EQ(test, idents_wrong(fix, is_any), 0);

	for (i = 0; i < NR_IDENTS; i += 2)
		failed += !!change_flags(fix->kq, i, EVFILT_TEST_LEVEL, EV_DELETE);
	KUNIT_EXPECT_EQ(test, failed, 0);
	KUNIT_EXPECT_EQ(test, nr_idents(fix->kq), NR_IDENTS / 2);
	KUNIT_EXPECT_EQ(test, idents_wrong(fix, is_odd), 0);
}

/* Ident and filter together are the key: neither alone tells two apart. */
static void tables_idents_key(struct kunit *test)
{
	static const u64 idents[] = { 0, 1, U32_MAX, 1ull << 32, U64_MAX };
	struct fixture *fix = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(idents); i++) {
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, idents[i],
						   EVFILT_USER, EV_ADD), 0);
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, idents[i],
						   EVFILT_TIMER, EV_ENABLE),
				-ENOENT);
		KUNIT_EXPECT_EQ(test, nr_idents(fix->kq), i + 1);
	}
	for (i = 0; i < ARRAY_SIZE(idents); i++) {
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, idents[i],
						   EVFILT_TIMER,
						   EV_ADD | EV_DISABLE), 0);
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, idents[i],
						   EVFILT_USER, EV_DELETE), 0);
		KUNIT_EXPECT_EQ(test, change_flags(fix->kq, idents[i],
						   EVFILT_TIMER, EV_ENABLE), 0);
	}
	KUNIT_EXPECT_EQ(test, nr_idents(fix->kq), ARRAY_SIZE(idents));
}

/* Thousands of one-shot ones are removed by the looks that return them. */
static void tables_idents_oneshot(struct kunit *test)
{
	struct fixture *fix = test->priv;
	u8 *seen = kunit_kzalloc(test, NR_IDENTS, GFP_KERNEL);
	unsigned int i, again = 0;
	int n, total = 0;

	KUNIT_ASSERT_NOT_NULL(test, seen);
	fixture_make_sources(test, NR_IDENTS);
	KUNIT_ASSERT_EQ(test, idents_add(fix, EV_ONESHOT), 0);
	for (i = 0; i < NR_IDENTS; i++)
		source_fire(&fix->sources[i]);
	while ((n = collect(fix->kq, fix->ev, COLLECT_MAX)) > 0) {
		total += n;
		while (n--)
			again += seen[fix->ev[n].ident]++;
	}
	KUNIT_EXPECT_EQ(test, n, 0);
	KUNIT_EXPECT_EQ(test, total, NR_IDENTS);
	KUNIT_EXPECT_EQ(test, again, 0);
	KUNIT_EXPECT_EQ(test, nr_idents(fix->kq), 0);
	KUNIT_EXPECT_EQ(test, fixture_knotes(fix), 0);
}

/* Add many, remove many, so that the hash is resized all the time. */
static unsigned int churn_idents(struct churn *churn)
{
	struct fixture *fix = churn->fix;
	unsigned int first, i, bad = 0;

	while (churn->serials + fix->nr_sources < NR_SERIALS) {
		first = churn->serials;
		for (i = 1; i < fix->nr_sources; i++)
			bad += !churn_register(churn, i, EVFILT_TEST_LEVEL, 0);
		if (!churn_collected(churn))
			return bad + 1;
		for (i = 1; i < fix->nr_sources; i++) {
			bad += !!change_flags(fix->kq, i, EVFILT_TEST_LEVEL,
					      EV_DELETE);
			churn_removed(churn, first + i);
		}
	}
	return bad;
}

/* Idents go while threads collect, and the hash grows and shrinks. */
static void tables_idents_churn(struct kunit *test)
{
	struct churn *churn = churn_new(test);
	struct fixture *fix = test->priv;
	bool started, stopped;
	unsigned int i, bad;

	fixture_make_sources(test, 700);
	for (i = 0; i < fix->nr_sources; i++)
		source_fire(&fix->sources[i]);
	started = churn_start(churn);
	bad = churn_idents(churn);
	stopped = churn_stop(churn);

	KUNIT_EXPECT_TRUE(test, started && stopped);
	KUNIT_EXPECT_EQ(test, bad, 0);
	KUNIT_EXPECT_EQ(test, nr_idents(fix->kq), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&churn->stale), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&churn->events), 0);
}

static struct kunit_case tables_cases[] = {
	KUNIT_CASE(tables_fds_grow),
	KUNIT_CASE(tables_fds_backwards),
	KUNIT_CASE(tables_fds_bad_number),
	KUNIT_CASE(tables_fds_chain),
	KUNIT_CASE(tables_fds_duplicates),
	KUNIT_CASE(tables_fds_churn),
	KUNIT_CASE(tables_idents_grow),
	KUNIT_CASE(tables_idents_key),
	KUNIT_CASE(tables_idents_oneshot),
	KUNIT_CASE(tables_idents_churn),
	{}
};

static struct kunit_suite tables_suite = {
	.name = "kevent_tables",
	.suite_init = fixture_suite_init,
	.suite_exit = fixture_suite_exit,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = tables_cases,
};

kunit_test_suite(tables_suite);
