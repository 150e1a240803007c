/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo: what its parts know of each other. The server:
 *
 *	demo.c			the queue, the loop, the verdict
 *	demo_server.c		EVFILT_READ, WRITE, EMPTY: the clients' connections
 *	demo_processes.c	EVFILT_PROC: the clients as processes, and others
 *	demo_config.c		EVFILT_VNODE: the configuration file
 *	demo_tail.c		EVFILT_READ: a log that another program writes
 *	demo_log.c		EVFILT_USER: its own log, and a thread
 *	demo_signals.c		EVFILT_SIGNAL
 *	demo_mounts.c		EVFILT_FS
 *	demo_timers.c		EVFILT_TIMER
 *
 * and the processes around it, which use no queue: demo_crowd.c, the clients and
 * another program, and demo_operator.c.
 *
 * Each part of the server has a function ..._start(), which registers what it waits
 * for, and ..._check(), which compares what has happened with what should have.
 */
#ifndef DEMO_H
#define DEMO_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <sys/event.h>

/* The compiler compares a format with its arguments. */
#define __printf(a, b)	__attribute__((__format__(__printf__, a, b)))

#define CLIENTS		500
#define TAIL_LINES	40
#define TAIL_PAUSE_MS	100	/* between two lines of the other program's log */
#define TIME_LIMIT_S	45	/* with booting, a minute */

/*
 * Some clients send much, and read nothing before they have sent it all. They stay
 * until the server says goodbye; the others leave when they have said everything.
 */
#define ROUNDS		5
#define HEAVY_EVERY	10
#define HEAVY_CLIENTS	(CLIENTS / HEAVY_EVERY)
#define HEAVY_SIZE	32768
#define HEAVY_RCVBUF	4096
#define SERVER_SNDBUF	8192
#define GOODBYE		"goodbye\n"

/* Names in the demo's folder, where all processes work. */
#define CONFIG_FILE	"demo.conf"
#define CONFIG_ASIDE	"demo.conf.new"
#define LOG_FILE	"access.log"
#define LOG_ROTATED	"access.log.1"
#define TAIL_FILE	"other.log"
#define MOUNT_POINT	"spool"

/* Exit statuses: of clients, which of the two greetings they heard. */
enum {
	DONE = 0,
	FAILED = 1,
	NO_MOUNT = 2,		/* the operator did all but this, which it may not */
	HEARD_FIRST = 11,
	HEARD_SECOND = 12,
};

/* What the operator waits for. */
enum cue {
	FULL = 1,		/* there are as many clients as may be */
	ALL_BORN = 2,		/* all client processes are there */
	ALL_IN = 4,		/* all of them are connected */
	ARCHIVED = 8,		/* the log was reopened, the old one is done with */
	MOUNTED = 16,
	UNMOUNTED = 32,
	ALL_TALKED = 64,	/* only those who stay are left, and have talked */
	ALL_TAILED = 128,	/* the other program's log was read to its end */
};

/**
 * struct source - what the server waits for: udata of all that it registers, so each
 *	event says by itself what is to be called
 * @happened: is called with the event
 */
struct source {
	void (*happened)(const struct kevent *kev);
};

/**
 * struct settings - what the configuration file says
 * @clients: how many may be connected
 * @greeting: what they hear when they are
 */
struct settings {
	unsigned int clients;
	char greeting[64];
};

/**
 * struct totals - what several parts want to know
 * @told_until: all that had happened by then was told, in ns
 * @calls: of kevent() that returned events
 * @events: that they returned
 * @processes: clients that live
 * @clients: that are connected
 * @bytes_out: sent back to them
 * @lines: of the other program's log
 */
struct totals {
	unsigned long long told_until;
	unsigned int calls, events;
	unsigned int processes, clients;
	unsigned long long bytes_out;
	unsigned int lines;
};

/**
 * struct scene - what the processes around the server know of it
 * @address: where it listens
 * @server: its process
 */
struct scene {
	struct sockaddr_in address;
	pid_t server;
};

/* demo.c */
extern struct totals totals;
unsigned long long now_ns(void);
/* A line with the time since the start and where it comes from. */
void __printf(2, 3) say(const char *who, const char *fmt, ...);
/* A line of the verdict: is @ok true, as it should be? */
void __printf(2, 3) check(bool ok, const char *fmt, ...);
/* Something went so wrong that the end need not be waited for. */
void __printf(1, 2) give_up(const char *fmt, ...);
/* Make changes to the queue, which must not fail. */
void apply(const struct kevent *changes, int n);
/* The same, of one. */
void watch(uintptr_t ident, short filter, unsigned short flags,
	   unsigned int fflags, int64_t data, struct source *source);

/* demo_server.c */
void server_start(struct sockaddr_in *addr, int gate);
void server_settings_changed(void);
void server_stop(void);
bool server_is_done(void);
void server_check(void);

/* demo_processes.c */
void processes_start(const struct scene *scene, int gate, int cues);
bool processes_are_done(void);
void processes_stop(void);
bool is_operator(pid_t pid);
bool operator_may_not_mount(void);
void processes_check(void);

/* demo_config.c */
extern const struct settings first_settings, second_settings;
extern struct settings settings;	/* those in force */
void settings_write(const char *path, const struct settings *s);
void config_start(void);
void config_check(void);

/* demo_tail.c */
void tail_start(void);
void tail_check(void);

/* demo_log.c */
void log_start(void);
void __printf(1, 2) log_line(const char *fmt, ...);
void log_reopen(void);
void log_check(void);

/* demo_signals.c */
void signals_start(void);
void signals_check(void);

/* demo_mounts.c */
void mounts_start(void);
void mounts_check(void);

/* demo_timers.c */
void timers_start(unsigned int seconds);
void timers_check(void);

/* demo_operator.c */
void cues_start(int fd);
void cues_end(void);
void cue(enum cue what);	/* tell the operator */
int be_operator(const struct scene *scene, int cues);

/* demo_crowd.c: lives of processes, each ends with an exit status. */
int be_clients(const struct scene *scene, int gate);
int be_other_program(const struct scene *scene, int unused);
/* Bytes that a client sends in all its rounds. */
size_t client_bytes(int id);
/* Line @n, from 1, of the other program's log, with its newline; its length. */
int tail_line(char *buf, size_t size, int n);

#endif /* DEMO_H */
