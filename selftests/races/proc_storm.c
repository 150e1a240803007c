// SPDX-License-Identifier: BSD-2-Clause
/*
 * Very many processes, made by several threads at once: each is told once as a
 * child with its parent, and once with its end, whatever else goes on.
 */
#include <sys/wait.h>

#include "peers.h"
#include "races.h"

/* Each process of the first generation, and their parent, has so many children, */
#define CHILDREN	70	/* which makes 4970 */
#define SLOW_CHILDREN	10
/* from so many threads. */
#define THREADS		5

#define MOST		(CHILDREN + CHILDREN * CHILDREN)

/* What was told of a process. */
struct seen {
	pid_t pid;
	pid_t parent;
	int births;
	int ends;
};

/* Whom to disturb, until it is done. */
struct nuisance {
	pthread_t thread;
	int kq;
	pid_t pid;
	int done;
};

FIXTURE(storm)
{
	int kq;
	int children;
};

static struct seen seen[MOST + 2];
static int nseen;

FIXTURE_SETUP(storm)
{
	self->children = getenv("KEVENT_SLOWNESS") ? SLOW_CHILDREN : CHILDREN;
	self->kq = kq_open();
	ASSERT_LE(0, self->kq);
}

FIXTURE_TEARDOWN(storm)
{
	close(self->kq);
	EXPECT_TRUE(all_freed());
}

/* --- The storm --------------------------------------------------------------- */

struct family {
	int children;		/* of each thread */
	int generations;
	int failed;
};

static void have_children(int children, int generations);

/* A thread's share of them. */
static void *family_main(void *arg)
{
	struct family *f = arg;
	int i;

	for (i = 0; i < f->children; i++) {
		pid_t pid = fork();

		if (!pid)
			have_children(f->children * THREADS, f->generations - 1);
		if (pid < 0)
			f->failed = 1;
	}
	return NULL;
}

/* In a process: have that many, and each of them as many, and so on; then exit. */
static void have_children(int children, int generations)
{
	struct family f = { children / THREADS, generations, 0 };
	pthread_t thread[THREADS];
	int i, status;

	for (i = 0; generations && i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, family_main, &f))
			_exit(1);
	for (i = 0; generations && i < THREADS; i++)
		pthread_join(thread[i], NULL);
	while (wait(&status) > 0)
		f.failed |= status;
	_exit(!!f.failed);
}

/* --- What is told of it -------------------------------------------------------- */

/* Those that came last are asked for first. */
static struct seen *find_seen(pid_t pid)
{
	int i;

	for (i = nseen - 1; i >= 0; i--)
		if (seen[i].pid == pid)
			return &seen[i];
	return NULL;
}

static struct seen *seen_of(pid_t pid)
{
	struct seen *s = find_seen(pid);

	if (s || nseen >= MOST + 2)
		return s;
	s = &seen[nseen++];
	s->pid = pid;
	return s;
}

/* Take down an event; false if it makes no sense. */
static bool note(const struct kevent *ev)
{
	struct seen *s = seen_of(ev->ident);
	const struct seen *parent;

	if (!s)
		return false;
	if (ev->fflags == NOTE_CHILD) {
		s->births++;
		s->parent = ev->data;
		/* Its parent has not ended yet, as far as we were told. */
		parent = find_seen(ev->data);
		return parent && !parent->ends;
	}
	s->ends++;
	return ev->fflags == NOTE_EXIT && !ev->data;
}

/* Those of which something is not as it should be; @root is no child. */
static int count_wrong(pid_t root)
{
	const struct seen *s;
	int wrong = 0;

	for (s = seen; s < seen + nseen; s++)
		wrong += s->ends != 1 || s->births != (s->pid != root) ||
			 (s->pid != root && !find_seen(s->parent));
	return wrong;
}

/* Changes the registration all the time, to what it is, and watches likewise. */
static void *disturb(void *arg)
{
	struct nuisance *n = arg;

	while (!__atomic_load_n(&n->done, __ATOMIC_ACQUIRE)) {
		int kq = kq_open();

		kq_change(kq, n->pid, EVFILT_PROC, EV_ADD, NOTE_TRACK | NOTE_FORK, 0,
			  NULL);
		kq_change(n->kq, n->pid, EVFILT_PROC, 0, NOTE_TRACK | NOTE_EXIT, 0,
			  NULL);
		kq_count(kq);
		close(kq);
	}
	return NULL;
}

/* None is missed, and none is told twice. */
TEST_F_TIMEOUT(storm, complete, 240)
{
	int go[2], n, i, want = self->children * (1 + self->children) + 1;
	struct nuisance other = { .kq = self->kq };
	struct kevent ev[64];
	pid_t root;

	ASSERT_EQ(0, pipe(go));
	root = fork();
	if (!root) {
		hear(go[0]);
		have_children(self->children, 2);
	}
	seen[0].pid = root;
	nseen = 1;
	ASSERT_EQ(0, kq_change(self->kq, root, EVFILT_PROC, EV_ADD,
			       NOTE_TRACK | NOTE_EXIT, 0, NULL));
	other.pid = root;
	ASSERT_EQ(0, pthread_create(&other.thread, NULL, disturb, &other));
	ASSERT_TRUE(tell(go[1]));
	while (!seen[0].ends) {
		n = kq_wait(self->kq, ev, 64, 4 * LIMIT_MS);
		ASSERT_LT(0, n);
		for (i = 0; i < n; i++)
			ASSERT_TRUE(note(&ev[i]));
	}
	__atomic_store_n(&other.done, 1, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(other.thread, NULL));
	while ((n = kq_collect(self->kq, ev, 64)) > 0)
		for (i = 0; i < n; i++)
			ASSERT_TRUE(note(&ev[i]));
	EXPECT_EQ(0, child_status(root));
	EXPECT_EQ(want, nseen);
	EXPECT_EQ(0, count_wrong(root));
}

/* --- Amid it ------------------------------------------------------------------- */

/* A process that has one child after the other, from two threads. */
static void *fork_for_ever(void *arg)
{
	pid_t pid;

	for (;;) {
		pid = fork();
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return arg;
}

static pid_t start_forking(void)
{
	pthread_t thread;
	pid_t pid = fork();

	if (!pid && !pthread_create(&thread, NULL, fork_for_ever, NULL))
		fork_for_ever(NULL);
	return pid;
}

/* A queue that follows children is closed, or its registration deleted, meanwhile. */
TEST_F_TIMEOUT(storm, given_up, RACE_TIMEOUT)
{
	struct rounds r = { .least = 50 };
	pid_t pid = start_forking();
	struct kevent ev[8];
	int i, kq;

	while (next_round(&r)) {
		kq = kq_open();
		ASSERT_EQ(0, kq_change(kq, pid, EVFILT_PROC, EV_ADD,
				       NOTE_TRACK | NOTE_EXIT | NOTE_FORK, 0, NULL));
		for (i = 0; i < r.done % 8; i++)
			ASSERT_LT(0, kq_wait(kq, ev, 1 + r.done % 7, LIMIT_MS));
		if (r.done & 1)
			ASSERT_EQ(0, kq_set(kq, pid, EVFILT_PROC, EV_DELETE));
		close(kq);
	}
	EXPECT_ROUNDS(&r);
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
}

/* The process is killed meanwhile: nothing is left, and its end comes once. */
TEST_F_TIMEOUT(storm, killed, RACE_TIMEOUT)
{
	struct rounds r = { .least = 20 };
	struct kevent ev[8];
	int ends, n;
	pid_t pid;

	while (next_round(&r)) {
		pid = start_forking();
		ends = 0;
		ASSERT_EQ(0, kq_change(self->kq, pid, EVFILT_PROC, EV_ADD,
				       NOTE_TRACK | NOTE_EXIT, 0, UD(r.done)));
		while (r.done % 4 && kq_wait(self->kq, ev, 1, LIMIT_MS) == 1 &&
		       ev[0].fflags != NOTE_EXIT)
			;
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		while (fdinfo_knotes(self->kq)) {
			n = kq_wait(self->kq, ev, 8, LIMIT_MS);
			ASSERT_LT(0, n);
			while (n--) {
				EXPECT_EQ(UD(r.done), ev[n].udata);
				ends += ev[n].ident == (uintptr_t)pid &&
					ev[n].fflags == NOTE_EXIT;
			}
		}
		EXPECT_EQ(1, ends);
	}
	EXPECT_ROUNDS(&r);
}

/* --- Programs ------------------------------------------------------------------ */

/* A thread that waits in the queue, which the program closes as it starts. */
static void *wait_for_ever(void *arg)
{
	struct kevent ev[4];

	while (kq_wait(*(int *)arg, ev, 4, -1) >= 0)
		;
	return NULL;
}

/*
 * In a new program: watch ourselves and our children with a queue that the next one
 * does not inherit, and run that, @left times.
 */
static int next_program(int left, int unused, int unused2)
{
	pthread_t thread;
	int kq = kq_open();

	(void)unused;
	(void)unused2;
	if (kq_change(kq, getpid(), EVFILT_PROC, EV_ADD,
		      NOTE_TRACK | NOTE_EXIT | NOTE_FORK | NOTE_EXEC, 0, NULL) ||
	    pthread_create(&thread, NULL, wait_for_ever, &kq) || IN_CHILD(0))
		return 1;
	if (left)
		exec_self(left - 1, 0, 0);
	return 0;
}

/* A process that is watched by its own queue runs other programs: nothing is left. */
TEST_F(storm, programs)
{
	pid_t pid = fork();

	if (!pid)
		exec_self(getenv("KEVENT_SLOWNESS") ? 10 : 50, 0, 0);
	EXPECT_EQ(0, child_status(pid));
	EXPECT_TRUE(WAIT_FOR(kq_counter("knotes") == 0));
}

int main(int argc, char **argv)
{
	return exec_or_harness(argc, argv, next_program);
}
