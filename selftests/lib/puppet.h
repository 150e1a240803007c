/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puppets: processes that do what a test tells them, one thing at a time, so that
 * it knows what is to be seen of them.
 */
#ifndef KEVENT_SELFTESTS_PUPPET_H
#define KEVENT_SELFTESTS_PUPPET_H

#include <sys/wait.h>

#include "peers.h"

struct puppet {
	pid_t pid;
	int to;			/* what to do, a letter each */
	int from;		/* '!' when it is done */
};

/* What they can do. */
#define PUPPET_FORK		'f'	/* have a child, and wait for its end */
#define PUPPET_THREAD		't'	/* the same with a thread */
#define PUPPET_FORK_THREAD	'T'	/* have a child from another thread */
#define PUPPET_EXEC		'e'	/* run this program anew */
#define PUPPET_EXEC_THREAD	'E'	/* the same from another thread */
#define PUPPET_EXEC_SETUID	's'	/* the same of a file that is setuid, below */
#define PUPPET_LEAVE		'l'	/* the first thread ends, another goes on */
#define PUPPET_EXIT		'x'	/* exit with the status PUPPET_STATUS */

#define PUPPET_STATUS		7

static inline void puppet_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

static inline void *puppet_do_nothing(void *arg)
{
	return arg;
}

static inline void *puppet_fork_main(void *arg)
{
	puppet_fork();
	return arg;
}

static inline void puppet_in_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, run, arg))
		pthread_join(thread, NULL);
}

/* A copy of the program in the current folder. */
#define PUPPET_SETUID_FILE	"puppet-setuid"

static inline void puppet_exec(const struct puppet *p)
{
	exec_self(p->to, p->from, 0);
}

static inline void *puppet_exec_main(void *arg)
{
	puppet_exec(arg);
	return NULL;
}

/* In the puppet. Its ends of the pipes are like the test's. */
static inline void *puppet_main(void *arg)
{
	struct puppet *p = arg;
	pthread_t thread;
	char todo;

	while (tell(p->from) && read(p->to, &todo, 1) == 1) {
		switch (todo) {
		case PUPPET_FORK:
			puppet_fork();
			break;
		case PUPPET_THREAD:
			puppet_in_thread(puppet_do_nothing, NULL);
			break;
		case PUPPET_FORK_THREAD:
			puppet_in_thread(puppet_fork_main, NULL);
			break;
		case PUPPET_EXEC:
			puppet_exec(p);
			break;
		case PUPPET_EXEC_THREAD:
			puppet_in_thread(puppet_exec_main, p);
			break;
		case PUPPET_EXEC_SETUID:
			exec_file(PUPPET_SETUID_FILE, p->to, p->from, 0);
			break;
		case PUPPET_LEAVE:
			if (!pthread_create(&thread, NULL, puppet_main, p))
				pthread_exit(NULL);
			break;
		case PUPPET_EXIT:
			_exit(PUPPET_STATUS);
		}
	}
	_exit(0);
}

/* For exec_or_harness(): the new program goes on where the old one was. */
static inline int puppet_after_exec(int to, int from, int unused)
{
	struct puppet p = { .to = to, .from = from };

	(void)unused;
	puppet_main(&p);
	return 0;
}

/* Wait until what it was told is done. */
static inline bool puppet_is_done(struct puppet *p)
{
	return hear(p->from);
}

/* Start one, by fork() or a function like it. False if it does not run. */
static inline bool puppet_start_by(struct puppet *p, pid_t (*make)(void))
{
	int to[2], from[2];

	*p = (struct puppet){ .to = -1, .from = -1 };
	if (pipe(to) || pipe(from))
		return false;
	p->pid = make();
	if (!p->pid) {
		close(to[1]);
		close(from[0]);
		p->to = to[0];
		p->from = from[1];
		puppet_main(p);
	}
	close(to[0]);
	close(from[1]);
	p->to = to[1];
	p->from = from[0];
	return p->pid > 0 && puppet_is_done(p);
}

static inline bool puppet_start(struct puppet *p)
{
	return puppet_start_by(p, fork);
}

/* Have it begin something, of which it does not say that it is done. */
static inline bool puppet_begin(struct puppet *p, char todo)
{
	return write(p->to, &todo, 1) == 1;
}

static inline bool puppet_do(struct puppet *p, char todo)
{
	return puppet_begin(p, todo) && puppet_is_done(p);
}

/* It ends by itself, with status 0; who has made it waits for it. */
static inline void puppet_end(struct puppet *p)
{
	close(p->to);
	close(p->from);
}

static inline int puppet_wait(struct puppet *p)
{
	puppet_end(p);
	return child_status(p->pid);
}

#endif /* KEVENT_SELFTESTS_PUPPET_H */
