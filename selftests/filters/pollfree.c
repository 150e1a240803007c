// SPDX-License-Identifier: BSD-2-Clause
/*
 * Sources whose wait queue dies before their file: that of a signalfd belongs
 * to the signal handlers of whoever registered it, that of a binder to the
 * thread. When they go, the registration must have let go of the queue.
 */
#include "peers.h"
#include "races.h"

#include <linux/android/binder.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#define SIG	SIGUSR1

/* The child is dead, but has its signal handlers until somebody waits for it. */
static bool wait_zombie(pid_t pid)
{
	siginfo_t info;

	return !waitid(P_PID, pid, &info, WEXITED | WNOWAIT) && info.si_status == 0;
}

/* A child registers @fd in @kq and ends. Its id, or -1 if it could not. */
static pid_t registrar(int kq, int fd, int flags)
{
	pid_t pid = fork_sharing_files();

	if (!pid)
		_exit(kq_set(kq, fd, EVFILT_READ, flags) ||
		      kq_set(kq, fd, EVFILT_EXCEPT, flags));
	return pid > 0 && wait_zombie(pid) ? pid : -1;
}

FIXTURE(pollfree_signalfd)
{
	int kq;
	int fd;
};

FIXTURE_SETUP(pollfree_signalfd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIG);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	self->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	ASSERT_LE(0, self->fd);
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(pollfree_signalfd)
{
	close(self->kq);
	close(self->fd);
	EXPECT_TRUE(all_freed());
}

/* A signal to us comes through @kq, in which we have registered @fd. */
static bool signal_comes(int kq, int fd)
{
	struct signalfd_siginfo info;
	struct kevent ev;

	return !kill(getpid(), SIG) && kq_wait(kq, &ev, 1, LIMIT_MS) == 1 &&
	       ev.ident == (uintptr_t)fd && read(fd, &info, sizeof(info)) == sizeof(info) &&
	       info.ssi_signo == SIG && !kq_count(kq);
}

/* The registration of a process that is gone reports nothing, and can be made anew. */
TEST_F(pollfree_signalfd, registrar_exits)
{
	pid_t pid = registrar(self->kq, self->fd, EV_ADD);

	ASSERT_LT(0, pid);
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
	ASSERT_EQ(0, child_status(pid));
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
	EXPECT_EQ(0, kq_count(self->kq));
	EXPECT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_DELETE));
	EXPECT_EQ(0, kq_set(self->kq, self->fd, EVFILT_EXCEPT, EV_DELETE));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	EXPECT_TRUE(signal_comes(self->kq, self->fd));
	EXPECT_TRUE(signal_comes(self->kq, self->fd));
}

/* It also lets go when it is in several queues, and disabled. */
TEST_F(pollfree_signalfd, registered_often)
{
	int kq[4], dup_fd = dup(self->fd);
	pid_t pid;
	int i;

	for (i = 0; i < 4; i++)
		kq[i] = kq_open();
	pid = fork_sharing_files();
	if (!pid) {
		for (i = 0; i < 4; i++)
			if (kq_set(kq[i], self->fd, EVFILT_READ, EV_ADD | EV_CLEAR) ||
			    kq_set(kq[i], dup_fd, EVFILT_READ, EV_ADD | EV_DISABLE))
				_exit(1);
		_exit(0);
	}
	ASSERT_EQ(0, child_status(pid));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, kq_count(kq[i]));
		EXPECT_EQ(2, fdinfo_knotes(kq[i]));
	}
	close(kq[0]);
	close(dup_fd);
	for (i = 1; i < 4; i++) {
		EXPECT_EQ(1, fdinfo_knotes(kq[i]));
		EXPECT_EQ(0, kq_set(kq[i], self->fd, EVFILT_READ, EV_DELETE));
		close(kq[i]);
	}
}

static void *register_in_thread(void *arg)
{
	const int *fd = arg;

	return UD(kq_set(fd[0], fd[1], EVFILT_READ, EV_ADD));
}

/* A thread that exits leaves its process the signal handlers: signals still come. */
TEST_F(pollfree_signalfd, thread_exits)
{
	int fd[2] = { self->kq, self->fd };
	pthread_t thread;
	void *err;

	ASSERT_EQ(0, pthread_create(&thread, NULL, register_in_thread, fd));
	ASSERT_EQ(0, pthread_join(thread, &err));
	ASSERT_EQ(NULL, err);
	EXPECT_TRUE(signal_comes(self->kq, self->fd));
	EXPECT_TRUE(signal_comes(self->kq, self->fd));
}

/* A waiter is not told of the exit, which is no event, and goes on waiting. */
TEST_F(pollfree_signalfd, waiter_sleeps_on)
{
	struct waiter w;
	pid_t pid = registrar(self->kq, self->fd, EV_ADD);

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_TRUE(waiter_start(&w, self->kq, 4, -1));
	ASSERT_EQ(0, child_status(pid));
	ASSERT_TRUE(wait_asleep(w.tid));
	EXPECT_FALSE(waiter_done(&w));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_TRUE(waiter_join(&w));
	ASSERT_EQ(1, w.ret);
	EXPECT_EQ(EVFILT_USER, w.ev[0].filter);
}

/* Who registers comes and goes while we collect and delete, not knowing when. */
TEST_F_TIMEOUT(pollfree_signalfd, registrars_come_and_go, RACE_TIMEOUT)
{
	struct rounds r = { .least = 20 };
	pid_t pid;
	int err;

	/* So children are gone when they exit, in the middle of our work. */
	signal(SIGCHLD, SIG_IGN);
	while (next_round(&r)) {
		pid = fork_sharing_files();
		if (!pid)
			_exit(kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
		ASSERT_LT(0, pid);
		while (!kill(pid, 0)) {
			ASSERT_EQ(0, kq_count(self->kq));
			err = kq_set(self->kq, self->fd, EVFILT_READ, EV_DELETE);
			ASSERT_TRUE(!err || err == ENOENT);
		}
		err = kq_set(self->kq, self->fd, EVFILT_READ, EV_DELETE);
		ASSERT_TRUE(!err || err == ENOENT);
	}
	signal(SIGCHLD, SIG_DFL);
	EXPECT_ROUNDS(&r);
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
	EXPECT_TRUE(signal_comes(self->kq, self->fd));
}

/* What happens to a registration just when its wait queue goes. */
struct end {
	int kq;
	int fd;			/* the watched number, a duplicate of ... */
	int keep;		/* ... this one, which stays open */
};

static int end_delete(struct end *e)
{
	return kq_set(e->kq, e->fd, EVFILT_READ, EV_DELETE) ||
	       kq_set(e->kq, e->fd, EVFILT_EXCEPT, EV_DELETE);
}

static int end_close(struct end *e)
{
	return close(e->fd);
}

static int end_queue(struct end *e)
{
	return close(e->kq);
}

/* To binder, a thread that it has not seen yet is readable, to signalfd none is. */
static int end_collect(struct end *e)
{
	return kq_count(e->kq) > 1;
}

static int end_change(struct end *e)
{
	return kq_set(e->kq, e->fd, EVFILT_READ, EV_ADD | EV_DISABLE) ||
	       kq_set(e->kq, e->fd, EVFILT_READ, EV_ENABLE);
}

FIXTURE(pollfree_race)
{
	struct end e;
};

FIXTURE_VARIANT(pollfree_race)
{
	int (*end)(struct end *e);
	int left;		/* knotes after it; -1: the queue is closed */
};

FIXTURE_VARIANT_ADD(pollfree_race, delete)
{
	.end = end_delete,
};

FIXTURE_VARIANT_ADD(pollfree_race, close)
{
	.end = end_close,
};

FIXTURE_VARIANT_ADD(pollfree_race, close_queue)
{
	.end = end_queue,
	.left = -1,
};

FIXTURE_VARIANT_ADD(pollfree_race, collect)
{
	.end = end_collect,
	.left = 2,
};

FIXTURE_VARIANT_ADD(pollfree_race, change)
{
	.end = end_change,
	.left = 2,
};

FIXTURE_SETUP(pollfree_race)
{
	self->e = (struct end){ .kq = -1, .fd = 700, .keep = -1 };
}

FIXTURE_TEARDOWN(pollfree_race)
{
	close(self->e.kq);
	close(self->e.fd);
	close(self->e.keep);
	EXPECT_TRUE(all_freed());
}

static void end_of_child(void *arg)
{
	*(int *)arg = child_status(*(int *)arg);
}

/* A child's signal handlers go while the registration that it made is ended or used. */
TEST_F_TIMEOUT(pollfree_race, signalfd, RACE_TIMEOUT)
{
	struct rounds r = { .least = 40 };
	struct end *e = &self->e;
	struct duel d;
	sigset_t set;
	int pid, err;

	sigemptyset(&set);
	sigaddset(&set, SIG);
	e->keep = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	ASSERT_LE(0, e->keep);
	ASSERT_TRUE(duel_open(&d, end_of_child, &pid));
	while (next_round(&r)) {
		e->kq = kq_open();
		ASSERT_EQ(e->fd, dup2(e->keep, e->fd));
		pid = registrar(e->kq, e->fd, EV_ADD);
		ASSERT_LT(0, pid);
		DUEL(&d, err = variant->end(e));
		ASSERT_EQ(0, err);
		ASSERT_EQ(0, pid);
		if (variant->left < 0)
			continue;
		ASSERT_EQ(variant->left, fdinfo_knotes(e->kq));
		ASSERT_EQ(0, kq_count(e->kq));
		close(e->kq);
	}
	EXPECT_ROUNDS(&r);
	duel_close(&d);
}

/* Binder's file system, mounted where only this process sees it. */
#define BINDER_DIR	"/tmp/kevent-binder"

static bool binder_mount(void)
{
	mkdir("/tmp", 01777);
	mkdir(BINDER_DIR, 0700);
	return !unshare(CLONE_NEWNS) &&
	       !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("binder", BINDER_DIR, "binder", 0, NULL);
}

static void binder_umount(void)
{
	umount2(BINDER_DIR, MNT_DETACH);
	rmdir(BINDER_DIR);
}

static int binder_open(void)
{
	struct binder_version version;
	int fd = open(BINDER_DIR "/binder", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	return fd >= 0 && !ioctl(fd, BINDER_VERSION, &version) ? fd : -1;
}

/* For binder, the calling thread goes: with it what it registered hangs on. */
static int binder_thread_exit(int fd)
{
	__s32 none = 0;

	return ioctl(fd, BINDER_THREAD_EXIT, &none);
}

struct binder_end {
	struct end *e;
	int (*end)(struct end *e);
	int ret;
};

static void end_of_registration(void *arg)
{
	struct binder_end *b = arg;

	b->ret = b->end(b->e);
}

/* A binder thread goes while what it has registered is ended or used. */
TEST_F_TIMEOUT(pollfree_race, binder, RACE_TIMEOUT)
{
	struct binder_end b = { .e = &self->e, .end = variant->end };
	struct rounds r = { .least = 20 };
	struct end *e = &self->e;
	struct duel d;

	if (!binder_mount())
		SKIP(return, "no binder in this kernel, or not root");
	e->keep = binder_open();
	ASSERT_LE(0, e->keep);
	ASSERT_TRUE(duel_open(&d, end_of_registration, &b));
	while (next_round(&r)) {
		e->kq = kq_open();
		ASSERT_EQ(e->fd, dup2(e->keep, e->fd));
		ASSERT_EQ(0, kq_set(e->kq, e->fd, EVFILT_READ, EV_ADD));
		ASSERT_EQ(0, kq_set(e->kq, e->fd, EVFILT_EXCEPT, EV_ADD));
		DUEL(&d, ASSERT_EQ(0, binder_thread_exit(e->keep)));
		ASSERT_EQ(0, b.ret);
		if (variant->left < 0)
			continue;
		ASSERT_EQ(variant->left, fdinfo_knotes(e->kq));
		ASSERT_GE(1, kq_count(e->kq));
		close(e->kq);
	}
	EXPECT_ROUNDS(&r);
	duel_close(&d);
	binder_umount();
}

TEST_HARNESS_MAIN
