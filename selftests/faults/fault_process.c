// SPDX-License-Identifier: BSD-2-Clause
/*
 * Registrations across close, dup2, fork, exec and exit when memory runs out:
 * what is closed is gone, whatever fails; what fails leaves all as it was.
 */
#include "fault.h"
#include "sources.h"

#define NUMBER	200	/* watched, and closed in many ways */

FIXTURE(process)
{
	struct fault f;
	int kq;
	int fd;			/* readable */
};

FIXTURE_SETUP(process)
{
	const char *why = fault_setup(&self->f);

	if (why)
		SKIP(_exit(255), "%s", why);
	ASSERT_TRUE(fault_quiet(&self->f));
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
	self->fd = eventfd(1, EFD_CLOEXEC);
	ASSERT_EQ(0, kq_set(self->kq, 1, EVFILT_USER, EV_ADD));
	ASSERT_EQ(0, kq_trigger(self->kq, 1));
	ASSERT_EQ(0, kq_set(self->kq, self->fd, EVFILT_READ, EV_ADD));
}

FIXTURE_TEARDOWN(process)
{
	EXPECT_TRUE(fault_done(&self->f));
	EXPECT_TRUE(fault_quiet_end(&self->f));
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* The number is what it was, with all that watches it. */
static int watch_number(const struct fault_case *c)
{
	int err;

	if (dup2(c->num, NUMBER) != NUMBER)
		return errno;
	err = kq_set(c->kq[0], NUMBER, EVFILT_READ, EV_ADD);
	if (!err)
		err = kq_set(c->kq[0], NUMBER, EVFILT_WRITE, EV_ADD | EV_DISPATCH);
	if (!err)
		err = kq_set(c->kq[1], NUMBER, EVFILT_READ, EV_ADD | EV_CLEAR);
	return err;
}

static int call_close(const struct fault_case *c)
{
	(void)c;
	return close(NUMBER) ? errno : 0;
}

static int call_close_range(const struct fault_case *c)
{
	(void)c;
	return close_range(NUMBER, NUMBER + 1, 0) ? errno : 0;
}

/* Another readable file takes the number. */
static int call_dup2(const struct fault_case *c)
{
	return dup2(*(const int *)c->arg, NUMBER) == NUMBER ? 0 : errno;
}

/* Closing cannot fail: the knotes, in two queues, are gone when it returns. */
TEST_F(process, closing)
{
	struct fault_case c = {
		.undo = watch_number, .kq = { self->kq, kqueue(), -1 },
		.num = self->fd, .arg = &self->f.ctl,
	};

	ASSERT_EQ(0, watch_number(&c));
	c.name = "close";
	c.call = call_close;
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	c.name = "close_range";
	c.call = call_close_range;
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	c.name = "dup2";
	c.call = call_dup2;
	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	/* Three knotes a time, and the two that stay: the rest is not left. */
	EXPECT_EQ(4, fdinfo_knotes(self->kq));
	EXPECT_EQ(1, fdinfo_knotes(c.kq[1]));
	close(c.kq[1]);
	close(NUMBER);
	EXPECT_EQ(2, fdinfo_knotes(self->kq));
}

/* The child finds that the queue is not its own, and exits. */
static int call_fork(const struct fault_case *c)
{
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (!pid)
		_exit(kq_set(c->kq[0], 1, EVFILT_USER, EV_DELETE) != EBADF);
	return child_status(pid) ? ECHILD : 0;
}

/* A fork that fails half-way, with a copy of the table: the queue goes on. */
TEST_F_TIMEOUT(process, fork, 120)
{
	struct fault_case c = {
		.name = "fork", .call = call_fork, .kq = { self->kq, -1 },
		.may = MAY_ENOMEM | MAY_EAGAIN | MAY_EFAULT, .least = 10,
	};

	EXPECT_EQ(NULL, fault_each(&self->f, &c));
	EXPECT_EQ(2, kq_count(self->kq));
}

/* How a child that is to run another program ends. */
enum { EXEC_HIT, EXEC_NOT_HIT, EXEC_REFUSED, EXEC_WRONG };

/*
 * In a child: a queue, knotes, and an exec whose @n-th step fails. If it is
 * refused (with an errno of proc's or the loader's choice), all must still be
 * there and work.
 */
static int exec_child(int n, int other)
{
	static struct state before, after;
	struct fault_case c = { .kq = { kqueue(), -1 } };
	struct fault f;

	/* fail-nth is a thread's own. */
	if (fault_setup(&f) || c.kq[0] < 0 ||
	    kq_set(c.kq[0], other, EVFILT_READ, EV_ADD) ||
	    kq_set(c.kq[0], 1, EVFILT_USER, EV_ADD) || kq_trigger(c.kq[0], 1))
		return EXEC_WRONG;
	state_take(&c, &before);
	if (!fault_set(&f, n))
		return EXEC_WRONG;
	execl("/proc/self/exe", "self", AFTER_EXEC, "0", "0", "0", NULL);
	fault_end(&f);
	state_take(&c, &after);
	if (!f.hit || strcmp(before.text, after.text) || kq_count(c.kq[0]) != 1 ||
	    kq_set(c.kq[0], other, EVFILT_READ, EV_DELETE))
		return EXEC_WRONG;
	return EXEC_REFUSED;
}

/* The other program: has what was to fail been reached? */
static int after_exec(int a, int b, int c)
{
	char buf[16] = { 0 };
	int fd = open("/proc/thread-self/fail-nth", O_RDONLY);

	(void)a;
	(void)b;
	(void)c;
	/* If that fails, it was left until now. */
	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) <= 0)
		return EXEC_NOT_HIT;
	return atoi(buf) ? EXEC_NOT_HIT : EXEC_HIT;
}

/* What the C library exits with, or dies of, if it cannot start a program. */
#define CANNOT_START	127

/*
 * One round. Returns how it ended. Beyond the point of no return, exec kills
 * the child if it fails, and the new program may not be able to start.
 */
static int exec_round(int n)
{
	int pair[2], status, how;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return EXEC_WRONG;
	pid = fork();
	if (!pid) {
		close(pair[0]);
		_exit(exec_child(n, pair[1]));
	}
	close(pair[1]);
	if (waitpid(pid, &status, 0) != pid)
		return EXEC_WRONG;
	if (WIFSIGNALED(status) || WEXITSTATUS(status) == CANNOT_START)
		how = EXEC_HIT;
	else
		how = WEXITSTATUS(status);
	/* Exec or exit closed what the child watched: no knote holds the file. */
	if (!WAIT_FOR(at_end(pair[0])))
		how = EXEC_WRONG;
	close(pair[0]);
	return how;
}

/* Exec: refused with all as it was, or done and all that is closed is gone. */
TEST_F_TIMEOUT(process, exec, 120)
{
	long knotes = kq_counter("knotes"), queues = kq_counter("queues");
	int n, how = EXEC_HIT, refused = 0;

	for (n = 1; how != EXEC_NOT_HIT; n++) {
		how = exec_round(n);
		ASSERT_NE(EXEC_WRONG, how)
			TH_LOG("number %d", n);
		ASSERT_GT(FAULT_MOST, n);
		refused += how == EXEC_REFUSED;
	}
	printf("# %d faults, %d refused\n", n - 2, refused);
	fflush(stdout);
	EXPECT_LE(10, refused);
	EXPECT_TRUE(WAIT_FOR(kq_counter("knotes") == knotes));
	EXPECT_TRUE(WAIT_FOR(kq_counter("queues") == queues));
}

int main(int argc, char **argv)
{
	return exec_or_harness(argc, argv, after_exec);
}
