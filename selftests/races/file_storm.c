// SPDX-License-Identifier: BSD-2-Clause
/*
 * Files that are written, renamed, removed and unmounted while they are watched, and
 * while those who watch them come and go.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "filesystems.h"
#include "peers.h"
#include "races.h"

/* --- Writers ----------------------------------------------------------------- */

#define FILES	8
#define QUEUES	20	/* more than are told directly */

/**
 * struct way - how files are watched
 * @filter: EVFILT_VNODE tells that a file has grown; EVFILT_READ how large it is, or
 *	how much there is to read
 * @flags: EV_*
 * @enable: enable it again after each event
 * @read: read all that there is
 * @stays: what was told once is told by each look
 */
struct way {
	int filter;
	int flags;
	bool enable;
	bool read;
	bool stays;
};

/**
 * struct watcher - a queue that watches all files
 * @kq: the queue
 * @way: how
 * @fd: its own descriptors of the files, for reading
 * @seen: how large they were when it was told the last time
 * @least: so many of them it is to tell of each time
 * @events: how many it has told
 */
struct watcher {
	int kq;
	const struct way *way;
	int fd[FILES];
	off_t seen[FILES];
	int least;
	long events;
};

FIXTURE(written)
{
	struct watcher watcher[QUEUES];
	pid_t writer[FILES];
	int *stop;	/* shared with the writers */
	struct folder folder;
};

FIXTURE_VARIANT(written)
{
	struct way way;
};

FIXTURE_VARIANT_ADD(written, edge)
{
	.way = { .filter = EVFILT_VNODE, .flags = EV_CLEAR },
};

FIXTURE_VARIANT_ADD(written, dispatch)
{
	.way = { .filter = EVFILT_VNODE, .flags = EV_CLEAR | EV_DISPATCH, .enable = true },
};

FIXTURE_VARIANT_ADD(written, level)
{
	.way = { .filter = EVFILT_VNODE, .stays = true },
};

FIXTURE_VARIANT_ADD(written, size_edge)
{
	.way = { .filter = EVFILT_READ, .flags = EV_CLEAR },
};

FIXTURE_VARIANT_ADD(written, size_level)
{
	.way = { .filter = EVFILT_READ, .stays = true },
};

FIXTURE_VARIANT_ADD(written, read_edge)
{
	.way = { .filter = EVFILT_READ, .flags = EV_CLEAR, .read = true },
};

FIXTURE_VARIANT_ADD(written, read_level)
{
	.way = { .filter = EVFILT_READ, .read = true },
};

/* The name of the @num-th file. */
static const char *file_name(int num)
{
	static char name[2];

	name[0] = '0' + num;
	return name;
}

/* Open the files, and watch them. False if that cannot be done. */
static bool begin_to_watch(struct watcher *w, const struct way *way)
{
	unsigned int asked = way->filter == EVFILT_VNODE ? NOTE_EXTEND : 0;
	int i;

	w->way = way;
	w->kq = kq_open();
	for (i = 0; i < FILES; i++) {
		w->fd[i] = open(file_name(i), O_CREAT | O_RDONLY, 0600);
		if (kq_change(w->kq, w->fd[i], way->filter, EV_ADD | way->flags, asked, 0,
			      NULL))
			return false;
	}
	return true;
}

FIXTURE_SETUP(written)
{
	int i;

	ASSERT_TRUE(folder_enter(&self->folder));
	self->stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->stop);
	for (i = 0; i < QUEUES; i++)
		ASSERT_TRUE(begin_to_watch(&self->watcher[i], &variant->way));
}

FIXTURE_TEARDOWN(written)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		close(self->watcher[i].kq);
	folder_leave(&self->folder);
	EXPECT_TRUE(all_freed());
}

static int keep_writing(const char *name, const int *stop)
{
	int fd = open(name, O_WRONLY | O_APPEND);

	while (!__atomic_load_n(stop, __ATOMIC_RELAXED))
		if (write(fd, "x", 1) != 1)
			return 1;
	return 0;
}

static off_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_size;
}

/* Read just @len bytes, which are there. */
static bool read_all(int fd, size_t len)
{
	char buf[4096];
	ssize_t got;

	for (; len; len -= got) {
		got = read(fd, buf, len < sizeof(buf) ? len : sizeof(buf));
		if (got <= 0)
			return false;
	}
	return true;
}

/* Take what an event of file @num says. False if it is not what it should be. */
static bool take(struct watcher *w, int num, const struct kevent *ev)
{
	if (w->way->filter == EVFILT_VNODE) {
		w->seen[num] = size_of(w->fd[num]);
		return ev->fflags == (NOTE_WRITE | NOTE_EXTEND);
	}
	if (!w->way->read) {
		w->seen[num] = ev->data;
		return true;
	}
	w->seen[num] += ev->data;
	return ev->data > 0 && read_all(w->fd[num], ev->data);
}

static bool enable(const struct watcher *w, int num)
{
	return !kq_change(w->kq, w->fd[num], EVFILT_VNODE, EV_ENABLE, NOTE_EXTEND, 0,
			  NULL);
}

/*
 * Look whenever the queue says so. How many events; or -1 for a wrong one, or if one
 * has gone that should have stayed.
 */
static int look(struct watcher *w, long long ms)
{
	struct kevent ev[FILES];
	int i, num, n = kq_wait(w->kq, ev, FILES, ms);

	if (n < w->least)
		return -1;
	for (i = 0; i < n; i++) {
		for (num = 0; num < FILES && w->fd[num] != (int)ev[i].ident; num++)
			;
		if (num == FILES || ev[i].filter != w->way->filter ||
		    !take(w, num, &ev[i]) || (w->way->enable && !enable(w, num)))
			return -1;
	}
	if (w->way->stays)
		w->least = n;
	w->events += n;
	return n;
}

static bool has_seen_all(const struct watcher *w)
{
	int i;

	for (i = 0; i < FILES; i++)
		if (w->seen[i] != size_of(w->fd[i]))
			return false;
	return true;
}

/* However many write to however many files, the last state of each is told. */
TEST_F_TIMEOUT(written, last_state, RACE_TIMEOUT)
{
	struct rounds r = { .least = 10 };
	struct watcher *w, *first = self->watcher, *end = first + QUEUES;
	long long bytes = 0;
	long events = 0;
	int i, status;

	for (i = 0; i < FILES; i++) {
		self->writer[i] = fork();
		if (!self->writer[i])
			_exit(keep_writing(file_name(i), self->stop));
	}
	while (next_round(&r))
		for (w = first; w < end; w++)
			ASSERT_LE(0, look(w, 0));
	__atomic_store_n(self->stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < FILES; i++) {
		ASSERT_EQ(self->writer[i], waitpid(self->writer[i], &status, 0));
		ASSERT_EQ(0, status);
		ASSERT_LT(0, size_of(first->fd[i]));
		bytes += size_of(first->fd[i]);
	}
	for (w = first; w < end; w++) {
		/* In the place of one that was lost no other comes any more. */
		while (!has_seen_all(w))
			ASSERT_LT(0, look(w, LIMIT_MS));
		if (w->way->stays) {
			ASSERT_TRUE(WAIT_FOR(look(w, 0) == FILES));
			ASSERT_EQ(FILES, look(w, 0));
		}
		events += w->events;
	}
	printf("# %lld bytes written one by one, %ld events\n", bytes, events);
	EXPECT_ROUNDS(&r);
}

/* --- Duels on file systems --------------------------------------------------- */

FIXTURE(met)
{
	struct duel d;
	int kq;
	struct filesystems fs;
};

FIXTURE_VARIANT(met)
{
	const char *(*mount)(struct filesystems *fs);
};

FIXTURE_VARIANT_ADD(met, tmpfs)
{
	.mount = fs_tmpfs,
};

FIXTURE_VARIANT_ADD(met, ext4)
{
	.mount = fs_ext4,
};

FIXTURE_VARIANT_ADD(met, overlay)
{
	.mount = fs_overlay,
};

FIXTURE_VARIANT_ADD(met, fuse)
{
	.mount = fs_fuse,
};

FIXTURE_SETUP(met)
{
	FS_ENTER(&self->fs);
	FS_MOUNT(&self->fs, variant->mount);
	ASSERT_EQ(0, chdir("fs"));
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(met)
{
	close(self->kq);
	fs_leave(&self->fs);
	EXPECT_TRUE(all_freed());
}

/* All that can happen to a file. */
static void strike_file(void *arg)
{
	int fd = open("file", O_RDWR);

	(void)arg;
	if (fd < 0 || write(fd, "x", 1) != 1 || link("file", "other") ||
	    rename("other", "third") || fchmod(fd, 0644) || unlink("third") ||
	    unlink("file"))
		perror("# file");
	close(fd);
}

/* A registration that comes and goes meanwhile, by delete or close. */
static void come_and_go(int kq, int fd, int round)
{
	kq_vnode(kq, fd, EV_CLEAR, round % 3 ? CHANGES : CHANGES | USES);
	if (round % 5 == 1)
		kq_vnode(kq, fd, 0, USES);
	if (round % 2)
		kq_set(kq, fd, EVFILT_VNODE, EV_DELETE);
	close(fd);
}

/* What happens to a file meets registrations that come and go: nothing stays. */
TEST_F_TIMEOUT(met, comes_and_goes, RACE_TIMEOUT)
{
	struct rounds r = { .least = 100 };

	ASSERT_TRUE(duel_open(&self->d, strike_file, NULL));
	while (next_round(&r)) {
		int fd = create_file("file"), dir = open(".", O_RDONLY);

		ASSERT_EQ(0, kq_vnode(self->kq, dir, EV_CLEAR, CHANGES));
		DUEL(&self->d, come_and_go(self->kq, fd, r.done));
		/* Of the directory, the last that happened was told. */
		ASSERT_EQ(1, kq_count(self->kq));
		ASSERT_EQ(0, close(dir));
	}
	duel_close(&self->d);
	EXPECT_ROUNDS(&r);
}

/* Move it about, and remove it. */
static void strike_dir(void *arg)
{
	int *moves = arg, i;

	for (i = 0; i < *moves; i++)
		if (rename(i % 2 ? "b/d" : "a/d", i % 2 ? "a/d" : "b/d"))
			perror("# rename");
	if (rmdir(i % 2 ? "b/d" : "a/d"))
		perror("# rmdir");
}

/* Look until the directory is gone, or nothing comes any more. */
static unsigned int follow(int kq)
{
	unsigned int told = 0;
	struct kevent ev;

	while (!(told & NOTE_DELETE) && kq_wait(kq, &ev, 1, LIMIT_MS) == 1)
		told |= ev.fflags;
	return told;
}

/* A directory that is moved about is followed: that it is removed is told. */
TEST_F_TIMEOUT(met, followed, RACE_TIMEOUT)
{
	struct rounds r = { .least = 100 };
	unsigned int told = 0;
	int moves;

	ASSERT_EQ(0, mkdir("a", 0700));
	ASSERT_EQ(0, mkdir("b", 0700));
	ASSERT_TRUE(duel_open(&self->d, strike_dir, &moves));
	while (next_round(&r)) {
		int fd;

		moves = r.done % 7;
		ASSERT_EQ(0, mkdir("a/d", 0700));
		fd = open("a/d", O_RDONLY);
		ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR, CHANGES));
		DUEL(&self->d, told = follow(self->kq));
		ASSERT_EQ(NOTE_DELETE | (moves ? NOTE_RENAME : 0), told);
		ASSERT_EQ(0, kq_count(self->kq));
		ASSERT_EQ(0, close(fd));
	}
	duel_close(&self->d);
	EXPECT_EQ(0, rmdir("a"));
	EXPECT_EQ(0, rmdir("b"));
	EXPECT_ROUNDS(&r);
}

static void strike_rmdir(void *arg)
{
	(void)arg;
	if (rmdir("d"))
		perror("# rmdir");
}

/* A directory that is removed while it is registered is told to be gone. */
TEST_F_TIMEOUT(met, removed, RACE_TIMEOUT)
{
	struct rounds r = { .least = 100 };
	int err = 0;

	ASSERT_TRUE(duel_open(&self->d, strike_rmdir, NULL));
	while (next_round(&r)) {
		int fd;

		ASSERT_EQ(0, mkdir("d", 0700));
		fd = open("d", O_RDONLY);
		DUEL(&self->d, err = kq_vnode(self->kq, fd, EV_CLEAR, CHANGES));
		ASSERT_EQ(0, err);
		ASSERT_EQ(NOTE_DELETE, follow(self->kq));
		ASSERT_EQ(0, close(fd));
	}
	duel_close(&self->d);
	EXPECT_ROUNDS(&r);
}

/* --- Unmounting -------------------------------------------------------------- */

FIXTURE(taken)
{
	struct duel d;
	int kq;
	struct filesystems fs;
};

FIXTURE_SETUP(taken)
{
	FS_ENTER(&self->fs);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(taken)
{
	close(self->kq);
	fs_leave(&self->fs);
	EXPECT_TRUE(all_freed());
}

static void strike_mount(void *arg)
{
	(void)arg;
	if (umount2("fs", MNT_DETACH))
		perror("# umount2");
}

/* Close it while it is taken away, or be told of that. */
static int meet_unmount(int kq, int fd, int round)
{
	struct kevent ev;

	if (round % 3) {
		close(fd);
		return NOTE_REVOKE;
	}
	return kq_wait(kq, &ev, 1, LIMIT_MS) == 1 ? ev.fflags : 0;
}

/* A mount that is taken away meets descriptors that are closed: nothing keeps it. */
TEST_F_TIMEOUT(taken, unmounted, RACE_TIMEOUT)
{
	struct rounds r = { .least = 60 };
	unsigned int told = 0;

	ASSERT_TRUE(duel_open(&self->d, strike_mount, NULL));
	while (next_round(&r)) {
		int fd;

		ASSERT_EQ(0, mount_tmpfs("fs"));
		fd = r.done % 2 ? create_file("fs/file") : open("fs", O_RDONLY);
		ASSERT_EQ(0, kq_vnode(self->kq, fd, EV_CLEAR, NOTE_REVOKE));
		DUEL(&self->d, told = meet_unmount(self->kq, fd, r.done));
		ASSERT_EQ(NOTE_REVOKE, told);
		close(fd);
		ASSERT_EQ(0, kq_count(self->kq));
	}
	duel_close(&self->d);
	EXPECT_ROUNDS(&r);
}

TEST_HARNESS_MAIN
