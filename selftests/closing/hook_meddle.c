// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hook on closing where all depends on who comes first: a number is used
 * again while the hook is still on its way, or has just been there; and the hook
 * cannot be removed. The module kevent_meddle sees to it: see kmod/meddle/.
 */
#include <sys/stat.h>

#include "hook.h"
#include "races.h"

#define MEDDLE(name)	"/sys/module/kevent_meddle/parameters/" name
#define EVENTS		INSTANCE "/events/workqueue/"
#define HOOKED		"/sys/kernel/tracing/enabled_functions"

/* What is not removed. */
#define STAYS		"cannot be removed"

/* Where a thread that closes gets to after the hook, with the file. */
#define BEHIND		"locks_remove_posix"

#define NUMBER		100	/* nobody is given it by chance */
#define CROWD		20	/* more than are looked at one by one */
#define CLOSES		1000

/* The function that is hooked. */
static const char *hooked_function(void)
{
	return has_function("filp_flush") ? "filp_flush" : "filp_close";
}

/* The module that meddles, anew, with threads being held in that function. */
static bool meddle_in(const char *function)
{
	char params[64];

	snprintf(params, sizeof(params), "function=%s", function);
	return (!module_loaded("kevent_meddle") ||
		!module_unload("kevent_meddle")) &&
	       !module_load(getenv("KEVENT_MEDDLE_KO"), params);
}

static const char *missing_module(void)
{
	return module_missing("KEVENT_KO") ?: module_missing("KEVENT_MEDDLE_KO");
}

/* How often somebody has begun, or ended, to find out whether a close was missed. */
static int verdicts(const char *event)
{
	FILE *f = fopen(INSTANCE "/trace", "re");
	char line[512];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, event) && strstr(line, "accused_work_fn");
	if (f)
		fclose(f);
	return n;
}

/* A thread that closes a number. */
struct closer {
	pthread_t thread;
	int number;
	int err;
};

static void *closer_main(void *arg)
{
	struct closer *c = arg;

	pin(0);
	c->err = close(c->number) ? errno : 0;
	return NULL;
}

static bool closer_is_held(void)
{
	return read_number(MEDDLE("held")) == 1;
}

/* Have @number closed as far as to where threads are held. */
static bool closer_start(struct closer *c, int number)
{
	*c = (struct closer){ .number = number };
	return !write_number(MEDDLE("hold"), number) &&
	       !pthread_create(&c->thread, NULL, closer_main, c) &&
	       WAIT_FOR(closer_is_held());
}

/* It has been held until now, and has closed its number after that. */
static bool closer_end(struct closer *c)
{
	bool ok = closer_is_held();

	return !write_number(MEDDLE("hold"), -1) &&
	       !pthread_join(c->thread, NULL) && !c->err && ok;
}

FIXTURE(held)
{
	struct files f;
	int kq;
	struct closer c;
};

/* The last who hook a function come first: so the module has to be there before. */
FIXTURE_SETUP(held)
{
	const char *missing = missing_module();

	if (missing)
		SKIP(_exit(255), "kevent.ko or kevent_meddle.ko: its variable %s",
		     missing);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(_exit(255), "who is held keeps the only CPU");
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		SKIP(_exit(255), "no instances of tracers: %s", strerror(errno));
	pin(1);
	ASSERT_TRUE(files_open(&self->f));
	ASSERT_EQ(0, module_load(self->f.ko, ""));
	self->kq = kq_open();
	ASSERT_TRUE(follows_closing(self->kq, self->f.fd[0]));
	ASSERT_TRUE(meddle_in(hooked_function()));
	ASSERT_TRUE(write_text(EVENTS "workqueue_execute_start/enable", "1"));
	ASSERT_TRUE(write_text(EVENTS "workqueue_execute_end/enable", "1"));
}

FIXTURE_TEARDOWN(held)
{
	write_number(MEDDLE("hold"), -1);
	close(self->kq);
	EXPECT_EQ(0, module_unload("kevent_meddle"));
	EXPECT_EQ(0, rmdir(INSTANCE));
	EXPECT_TRUE(files_close(&self->f));
}

/* To sleep may be to leave the timers to the CPU of him who is held. */
static bool wait_awake_for_judge(void)
{
	long long end = ts_ms() + LIMIT_MS;

	while (!verdicts("_start:") && ts_ms() < end)
		;
	return verdicts("_start:") == 1;
}

/* Somebody looks into it, but does not judge before he who is held goes on. */
static bool judge_waits(void)
{
	if (!wait_awake_for_judge())
		return false;
	usleep(QUIET_MS * 1000);
	return closer_is_held() && !verdicts("_end:");
}

/* A number whose file becomes another, with nobody having closed it, is told of. */
static bool miss_is_told(struct files *f, int kq)
{
	return dup2(f->fd[0], NUMBER) == NUMBER &&
	       dup2(f->other, NUMBER + 1) == NUMBER + 1 &&
	       !kq_set(kq, NUMBER, EVFILT_READ, EV_ADD) &&
	       !write_number(MEDDLE("swap"), NUMBER) &&
	       !kq_set(kq, NUMBER, EVFILT_READ, EV_ADD) &&
	       WAIT_FOR(log_count(f, MISSED) == 1);
}

/*
 * Another thread has emptied the slot, and its hook has yet to come: the number
 * can be used again at once, and nobody speaks of a missed close. One that is
 * really missed after that is noticed.
 */
TEST_F_TIMEOUT(held, number_used_again, 60)
{
	ASSERT_EQ(NUMBER, dup2(self->f.fd[0], NUMBER));
	ASSERT_EQ(0, kq_set(self->kq, NUMBER, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(closer_start(&self->c, NUMBER));
	ASSERT_EQ(NUMBER, dup2(self->f.other, NUMBER));
	EXPECT_EQ(0, kq_set(self->kq, NUMBER, EVFILT_READ, EV_ADD));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	EXPECT_TRUE(closer_end(&self->c));
	EXPECT_EQ(1, kq_count(self->kq));
	EXPECT_TRUE(WAIT_FOR(verdicts("_end:") == 1));
	EXPECT_EQ(0, log_count(&self->f, ""));
	EXPECT_TRUE(miss_is_told(&self->f, self->kq));
}

/* The same however long the hook is on its way. */
TEST_F_TIMEOUT(held, number_used_again_for_long, 60)
{
	ASSERT_EQ(NUMBER, dup2(self->f.fd[0], NUMBER));
	ASSERT_EQ(0, kq_set(self->kq, NUMBER, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(closer_start(&self->c, NUMBER));
	ASSERT_EQ(NUMBER, dup2(self->f.other, NUMBER));
	EXPECT_EQ(0, kq_set(self->kq, NUMBER, EVFILT_READ, EV_ADD));
	EXPECT_TRUE(judge_waits());
	EXPECT_TRUE(closer_end(&self->c));
	EXPECT_TRUE(WAIT_FOR(verdicts("_end:") == 1));
	EXPECT_EQ(0, log_count(&self->f, ""));
	EXPECT_TRUE(miss_is_told(&self->f, self->kq));
}

/* The same where the number is named while it means nothing. */
TEST_F_TIMEOUT(held, free_number_named, 60)
{
	ASSERT_EQ(NUMBER, dup2(self->f.fd[0], NUMBER));
	ASSERT_EQ(0, kq_set(self->kq, NUMBER, EVFILT_READ, EV_ADD));
	ASSERT_TRUE(closer_start(&self->c, NUMBER));
	EXPECT_EQ(EBADF, kq_set(self->kq, NUMBER, EVFILT_READ, EV_ADD));
	EXPECT_EQ(1, fdinfo_knotes(self->kq));
	EXPECT_TRUE(closer_end(&self->c));
	EXPECT_EQ(0, fdinfo_knotes(self->kq));
	EXPECT_TRUE(WAIT_FOR(verdicts("_end:") == 1));
	EXPECT_EQ(0, log_count(&self->f, ""));
	EXPECT_TRUE(miss_is_told(&self->f, self->kq));
}

/* Register so many duplicates that their knotes are a crowd. */
static bool register_crowd(int kq, int fd)
{
	int i;

	for (i = 0; i < CROWD; i++)
		if (dup2(fd, NUMBER + i) != NUMBER + i ||
		    kq_set(kq, NUMBER + i, EVFILT_READ, EV_ADD))
			return false;
	return true;
}

/*
 * One of a crowd, where the hook has been there, but nobody has yet found out
 * which of them is closed: that is no missed close either. Looked into is only
 * the second one here, for which the hook has yet to come; there is ever only one.
 */
TEST_F_TIMEOUT(held, one_of_a_crowd, 60)
{
	ASSERT_TRUE(register_crowd(self->kq, self->f.fd[0]));
	ASSERT_TRUE(meddle_in(BEHIND));
	ASSERT_TRUE(closer_start(&self->c, NUMBER));
	ASSERT_EQ(NUMBER, dup2(self->f.other, NUMBER));
	EXPECT_EQ(0, kq_set(self->kq, NUMBER, EVFILT_READ, EV_ADD));
	EXPECT_EQ(CROWD, fdinfo_knotes(self->kq));
	EXPECT_TRUE(closer_end(&self->c));

	ASSERT_TRUE(meddle_in(hooked_function()));
	ASSERT_TRUE(closer_start(&self->c, NUMBER));
	ASSERT_EQ(NUMBER, dup2(self->f.fd[1], NUMBER));
	EXPECT_EQ(0, kq_set(self->kq, NUMBER, EVFILT_READ, EV_ADD));
	EXPECT_EQ(CROWD, fdinfo_knotes(self->kq));
	EXPECT_TRUE(closer_end(&self->c));
	EXPECT_TRUE(WAIT_FOR(verdicts("_end:") == 1));
	EXPECT_EQ(0, log_count(&self->f, ""));
}

/* Does a line of the file begin like that? */
static bool has_line(const char *path, const char *begin)
{
	FILE *f = fopen(path, "re");
	char line[512];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, begin, strlen(begin));
	if (f)
		fclose(f);
	return found;
}

/* Ftrace does as it is told again: what becomes of the rmmod? Its status, or -1. */
static int unstick(pid_t pid)
{
	int status;

	if (!WAIT_FOR(write_text(MEDDLE("stuck"), "0") &&
		      waitpid(pid, &status, WNOHANG) == pid))
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

FIXTURE(stuck)
{
	struct files f;
	pid_t pid;	/* of the rmmod */
};

FIXTURE_SETUP(stuck)
{
	const char *missing = missing_module();

	if (missing)
		SKIP(_exit(255), "kevent.ko or kevent_meddle.ko: its variable %s",
		     missing);
	ASSERT_TRUE(files_open(&self->f));
	if (module_load(self->f.ko, "close_hook=ftrace"))
		SKIP(_exit(255), "this kernel has no ftrace to hook with");
	ASSERT_EQ(0, module_load(getenv("KEVENT_MEDDLE_KO"), ""));
}

FIXTURE_TEARDOWN(stuck)
{
	if (self->pid > 0)
		EXPECT_EQ(0, unstick(self->pid));
	EXPECT_EQ(0, module_unload("kevent_meddle"));
	EXPECT_TRUE(files_close(&self->f));
}

/*
 * Ftrace, as after it has found itself broken, does not remove the hook: the
 * module says so and stays, with the code that each close goes on calling. Once
 * the hook can be removed after all, it is, and the module goes.
 */
TEST_F_TIMEOUT(stuck, module_stays, 60)
{
	int kq = kq_open(), i;
	pid_t pid;

	ASSERT_TRUE(follows_closing(kq, self->f.fd[0]));
	ASSERT_EQ(0, close(kq));
	ASSERT_TRUE(write_text(MEDDLE("stuck"), "1"));
	pid = fork();
	if (!pid)
		_exit(module_unload("kevent"));
	self->pid = pid;

	EXPECT_TRUE(WAIT_FOR(log_count(&self->f, STAYS) == 1));
	EXPECT_TRUE(wait_asleep_in(pid, SYS_delete_module));
	EXPECT_TRUE(has_line("/sys/module/kevent/initstate", "going"));
	EXPECT_TRUE(has_line(HOOKED, hooked_function()));
	EXPECT_EQ(-1, access("/dev/kevent", F_OK));
	for (i = 0; i < CLOSES; i++)
		ASSERT_EQ(0, close(dup(self->f.fd[0])));
	EXPECT_EQ(0, IN_CHILD(0));
	EXPECT_NE(0, module_load(self->f.ko, ""));

	self->pid = 0;
	EXPECT_EQ(0, unstick(pid));
	EXPECT_FALSE(module_loaded("kevent"));
	EXPECT_FALSE(has_line(HOOKED, hooked_function()));
	EXPECT_EQ(0, log_count(&self->f, ""));
}

TEST_HARNESS_MAIN
