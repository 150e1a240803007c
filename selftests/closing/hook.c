// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hook by which the module learns of closing: every way to hook works, a
 * hook is not believed before it was seen to work, what it misses later is
 * noticed, and waiting for it can be killed. The module is loaded with
 * parameters that choose the hook.
 */
#include <sys/stat.h>

#include "hook.h"

#define KPROBES		"/sys/kernel/debug/kprobes/enabled"

/* Close a number that is registered, behind the hook's back. */
static bool miss_close(int kq, int fd, int *number)
{
	*number = dup(fd);
	return !kq_set(kq, *number, EVFILT_READ, EV_ADD) && !close(*number) &&
	       fdinfo_knotes(kq) == 1;
}

/* Each choice that a user can make, on whichever kernel. */
FIXTURE(right)
{
	struct files f;
};

FIXTURE_VARIANT(right)
{
	const char *params;
};

FIXTURE_VARIANT_ADD(right, chosen)
{
	.params = "",
};

FIXTURE_VARIANT_ADD(right, ftrace)
{
	.params = "close_hook=ftrace",
};

FIXTURE_VARIANT_ADD(right, kprobe)
{
	.params = "close_hook=kprobe",
};

FIXTURE_SETUP(right)
{
	const char *missing = module_missing("KEVENT_KO");

	if (missing)
		SKIP(_exit(255), "KEVENT_KO %s", missing);
	ASSERT_TRUE(files_open(&self->f));
	ASSERT_EQ(0, module_load(self->f.ko, variant->params));
}

FIXTURE_TEARDOWN(right)
{
	EXPECT_TRUE(files_close(&self->f));
}

/* The first queue, which brings in the hook, and the next follow closing. */
TEST_F(right, follows)
{
	int kq = kq_open(), kq2 = kq_open();

	EXPECT_TRUE(follows_closing(kq, self->f.fd[0]));
	EXPECT_TRUE(follows_closing(kq2, self->f.fd[1]));
	EXPECT_TRUE(follows_closing(kq, self->f.other));
	close(kq);
	close(kq2);
	EXPECT_EQ(0, log_count(&self->f, ""));
}

/* What is said of a missed close comes a second later: the last do not count. */
#define RACE_MS 4000

struct race {
	int fd[2];
	int number;
	int stop;
};

static void *race_replace(void *arg)
{
	struct race *r = arg;
	int i;

	for (i = 0; !__atomic_load_n(&r->stop, __ATOMIC_RELAXED); i++)
		dup2(r->fd[i % 2], r->number);
	return NULL;
}

/* A number that is registered while it is being closed is no missed close. */
TEST_F_TIMEOUT(right, no_false_alarm, 60)
{
	struct race r = { .fd = { self->f.fd[0], self->f.other } };
	long long end = ts_ms() + RACE_MS;
	pthread_t thread;
	int kq = kq_open(), err = 0;

	r.number = dup(self->f.other);
	ASSERT_EQ(0, pthread_create(&thread, NULL, race_replace, &r));
	while (ts_ms() < end && (!err || err == EBADF))
		err = kq_set(kq, r.number, EVFILT_READ, EV_ADD);
	__atomic_store_n(&r.stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_TRUE(!err || err == EBADF);
	close(kq);
	EXPECT_EQ(0, log_count(&self->f, ""));
}

/* Hooks that do not see all closes, or none. */
FIXTURE(wrong)
{
	struct files f;
};

FIXTURE_VARIANT(wrong)
{
	const char *params;
	const char *only_if;	/* the kernel has this function */
};

FIXTURE_VARIANT_ADD(wrong, function)
{
	.params = "close_hook=:filp_open",
	.only_if = "filp_open",
};

/* All but close(2) pass it, where close(2) is content with half of it. */
FIXTURE_VARIANT_ADD(wrong, for_close)
{
	.params = "close_hook=:filp_close",
	.only_if = "filp_flush",
};

FIXTURE_VARIANT_ADD(wrong, for_close_kprobe)
{
	.params = "close_hook=kprobe:filp_close",
	.only_if = "filp_flush",
};

FIXTURE_SETUP(wrong)
{
	const char *missing = module_missing("KEVENT_KO");

	if (missing)
		SKIP(_exit(255), "KEVENT_KO %s", missing);
	if (!has_function(variant->only_if))
		SKIP(_exit(255), "this kernel has no %s()", variant->only_if);
	ASSERT_TRUE(files_open(&self->f));
}

FIXTURE_TEARDOWN(wrong)
{
	EXPECT_TRUE(files_close(&self->f));
}

/* Descriptors are refused, always and with a message; what else there is works. */
TEST_F_TIMEOUT(wrong, refused, 60)
{
	int kq, i;

	ASSERT_EQ(0, module_load(self->f.ko, variant->params));
	kq = kq_open();
	for (i = 0; i < 3; i++)
		EXPECT_EQ(EOPNOTSUPP, kq_set(kq, self->f.fd[0], EVFILT_READ, EV_ADD));
	EXPECT_EQ(0, fdinfo_knotes(kq));
	EXPECT_LE(1, log_count(&self->f, REFUSED));
	EXPECT_EQ(0, kq_set(kq, 1, EVFILT_USER, EV_ADD));
	EXPECT_EQ(0, kq_trigger(kq, 1));
	EXPECT_EQ(1, kq_count(kq));
	close(kq);
}

/* If it is believed all the same, its first missed close is told, and no other. */
TEST_F_TIMEOUT(wrong, missed_close_is_told, 60)
{
	char params[128];
	int kq, number[3], i;

	snprintf(params, sizeof(params), "%s close_test=0", variant->params);
	ASSERT_EQ(0, module_load(self->f.ko, params));
	kq = kq_open();
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(miss_close(kq, self->f.fd[0], &number[i]));
		/* Nobody has said so before the number is used again. */
		ASSERT_EQ(0, log_count(&self->f, MISSED));
		ASSERT_EQ(number[i], dup2(self->f.other, number[i]));
		ASSERT_EQ(0, kq_set(kq, number[i], EVFILT_READ, EV_ADD));
		ASSERT_EQ(1, fdinfo_knotes(kq));
		ASSERT_EQ(0, kq_set(kq, number[i], EVFILT_READ, EV_DELETE));
	}
	EXPECT_TRUE(WAIT_FOR(log_count(&self->f, MISSED) == 1));
	close(kq);
	EXPECT_EQ(0, log_count(&self->f, MISSED));
}

/* The same where the number is closed and means nothing. */
TEST_F_TIMEOUT(wrong, missed_close_of_free_number_is_told, 60)
{
	char params[128];
	int kq, number;

	snprintf(params, sizeof(params), "%s close_test=0", variant->params);
	ASSERT_EQ(0, module_load(self->f.ko, params));
	kq = kq_open();
	ASSERT_TRUE(miss_close(kq, self->f.fd[0], &number));
	EXPECT_EQ(EBADF, kq_set(kq, number, EVFILT_READ, EV_DELETE));
	EXPECT_TRUE(WAIT_FOR(log_count(&self->f, MISSED) == 1));
	close(kq);
}

FIXTURE(hook)
{
	struct files f;
};

FIXTURE_SETUP(hook)
{
	const char *missing = module_missing("KEVENT_KO");

	if (missing)
		SKIP(_exit(255), "KEVENT_KO %s", missing);
	ASSERT_TRUE(files_open(&self->f));
}

FIXTURE_TEARDOWN(hook)
{
	if (!access(KPROBES, W_OK))
		EXPECT_EQ(0, write_number(KPROBES, 1));
	EXPECT_TRUE(files_close(&self->f));
}

/* Functions that are not there, or a module's own, are refused when loading. */
TEST_F(hook, not_the_kernels)
{
	EXPECT_EQ(ENOENT, module_load(self->f.ko, "close_hook=:filp_no_such"));
	EXPECT_EQ(ENOENT, module_load(self->f.ko, "close_hook=:kqueue_collect"));
	EXPECT_EQ(ENOENT, module_load(self->f.ko, "close_hook=kprobe:kqueue_collect"));
	EXPECT_EQ(ENOENT, module_load(self->f.ko, "close_hook=jprobe"));
	EXPECT_LE(4, log_count(&self->f, ""));
}

/*
 * Kprobes are switched off: queues that begin to watch are refused, and what the
 * others miss is told. Afterwards all is as before.
 */
TEST_F_TIMEOUT(hook, kprobes_switched_off, 60)
{
	int kq, kq2, number;

	if (access(KPROBES, W_OK))
		SKIP(return, "%s cannot be written here", KPROBES);
	ASSERT_EQ(0, module_load(self->f.ko, "close_hook=kprobe"));
	kq = kq_open();
	kq2 = kq_open();
	ASSERT_EQ(0, kq_set(kq, self->f.other, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, write_number(KPROBES, 0));

	EXPECT_EQ(EOPNOTSUPP, kq_set(kq2, self->f.fd[0], EVFILT_READ, EV_ADD));
	EXPECT_EQ(1, log_count(&self->f, REFUSED));
	number = dup(self->f.fd[0]);
	ASSERT_EQ(0, kq_set(kq, number, EVFILT_READ, EV_ADD));
	ASSERT_EQ(0, close(number));
	EXPECT_EQ(2, fdinfo_knotes(kq));
	ASSERT_EQ(EBADF, kq_set(kq, number, EVFILT_READ, EV_DELETE));
	EXPECT_TRUE(WAIT_FOR(log_count(&self->f, MISSED) == 1));

	ASSERT_EQ(0, write_number(KPROBES, 1));
	EXPECT_TRUE(follows_closing(kq2, self->f.fd[1]));
	close(kq);
	close(kq2);
}

/* A tracer of one function, whose removal keeps ftrace locked for a while. */
struct tracer {
	pthread_t thread;
	int tid;
	int gone;
};

static void *tracer_remove(void *arg)
{
	struct tracer *t = arg;

	__atomic_store_n(&t->tid, gettid(), __ATOMIC_RELEASE);
	write_text(INSTANCE "/current_tracer", "nop");
	__atomic_store_n(&t->gone, 1, __ATOMIC_RELEASE);
	return NULL;
}

static bool tracer_gone(struct tracer *t)
{
	return __atomic_load_n(&t->gone, __ATOMIC_ACQUIRE);
}

/* Returns when the removal waits for others. */
static bool tracer_start(struct tracer *t)
{
	memset(t, 0, sizeof(*t));
	return write_text(INSTANCE "/set_ftrace_filter", "filp_open") &&
	       write_text(INSTANCE "/current_tracer", "function") &&
	       !pthread_create(&t->thread, NULL, tracer_remove, t) &&
	       WAIT_FOR(__atomic_load_n(&t->tid, __ATOMIC_ACQUIRE)) &&
	       wait_asleep_in(t->tid, SYS_write);
}

/* Does the process sleep in an ioctl just now? */
static bool asleep_in_ioctl(pid_t pid)
{
	char path[64], line[64];
	long nr = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f))
		sscanf(line, "%ld", &nr);
	if (f)
		fclose(f);
	return nr == SYS_ioctl;
}

/*
 * The first who registers in a module just loaded is killed while ftrace is
 * locked. Did he go before it was not any more?
 */
static bool killed_in_time(struct files *f)
{
	struct tracer t;
	pid_t pid;
	bool ok;
	int kq;

	if (module_loaded("kevent") && module_unload("kevent"))
		return false;
	if (module_load(f->ko, "") || !tracer_start(&t))
		return false;
	pid = fork();
	if (!pid) {
		kq = kqueue();
		kq_set(kq, f->other, EVFILT_READ, EV_ADD);
		pause();
	}
	ok = WAIT_FOR(tracer_gone(&t) || asleep_in_ioctl(pid)) &&
	     !kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid &&
	     !tracer_gone(&t);
	pthread_join(t.thread, NULL);
	return ok;
}

/* That the lock is held for long enough is a matter of luck. */
#define KILL_TRIES	30

/* Who waits for the hook, since others hold ftrace's lock, can be killed. */
TEST_F_TIMEOUT(hook, waiting_can_be_killed, 120)
{
	bool ok = false;
	int i;

	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		SKIP(return, "no instances of tracers: %s", strerror(errno));
	if (!write_text(INSTANCE "/current_tracer", "nop"))
		SKIP(return, "no choice of tracers: %s", strerror(errno));
	for (i = 0; i < KILL_TRIES && !ok; i++)
		ok = killed_in_time(&self->f);
	EXPECT_EQ(0, rmdir(INSTANCE));
	EXPECT_TRUE(ok);
}

TEST_HARNESS_MAIN
