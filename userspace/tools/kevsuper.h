/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kevsuper: keeps programs running. Below each other:
 *
 *	kevsuper.c		options, the queue, what happens
 *	kevsuper_service.c	a program's life
 *	kevsuper_list.c		which programs there are to be
 *	tool.c			what all tools do
 */
#ifndef KEVSUPER_H
#define KEVSUPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/event.h>
#include <sys/types.h>

#include "tool.h"

/* What the program's own exit tells, besides what that of each tool does. */
enum {
	EXIT_STOPPED = 0,	/* all ended when they were asked to */
	EXIT_KILLED = 3,	/* as 0, but some had to be killed */
};

/**
 * struct wanted - a program that is to run
 * @next: the next one
 * @name: what it is called in messages, and known by when the file is read again
 * @argv: what to run, ended by NULL
 */
struct wanted {
	struct wanted *next;
	char *name;
	char **argv;
};

/* kevsuper_list.c */
struct wanted *wanted_from_file(const char *path);
struct wanted *wanted_from_args(char **argv);
void wanted_free(struct wanted *list);

enum state {
	RUNNING,		/* there are processes */
	WAITING,		/* there are none, until the timer says so */
	STOPPING,		/* they have been asked to end; then the timer kills */
	GONE,			/* to be forgotten */
};

/**
 * struct service - a program, and all processes that came of it
 * @next: the next one
 * @wanted: what to run; its next is NULL
 * @renewed: what to run instead, once this has ended; or NULL
 * @id: of its timer
 * @state: what it does
 * @dropped: it is not to be started again
 * @first: the process that was started
 * @pids: all of its processes that have not ended
 * @npids: how many
 * @room: for how many there is room
 * @started: when, in ms
 * @delay: how long to wait before it is started again, in ms
 */
struct service {
	struct service *next;
	struct wanted *wanted;
	struct wanted *renewed;
	unsigned int id;
	enum state state;
	bool dropped;
	pid_t first;
	pid_t *pids;
	size_t npids;
	size_t room;
	long long started;
	long long delay;
};

/**
 * struct super - the supervisor
 * @kq: its queue, which tells of everything that happens
 * @services: the programs
 * @last_id: of the newest one's timer
 * @stopping: none is started any more
 * @killed: some did not end by themselves
 * @first_delay: how long to wait before a program is started again, in ms; twice as
 *	long each time, ...
 * @most_delay: ... up to this, unless it had run for longer than that
 * @patience: how long a program may take to end, in ms
 */
struct super {
	int kq;
	struct service *services;
	unsigned int last_id;
	bool stopping;
	bool killed;
	long long first_delay;
	long long most_delay;
	long long patience;
};

/* kevsuper_service.c */
void service_add(struct super *super, struct wanted *wanted);
void service_renew(struct super *super, struct service *s, struct wanted *wanted);
void service_stop(struct super *super, struct service *s);
void service_event(struct super *super, const struct kevent *ev);
void service_timer(struct super *super, struct service *s);
void services_forget(struct super *super);

#endif /* KEVSUPER_H */
