/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kevstat: shows the queues there are. Below each other:
 *
 *	kevstat.c		options, one report after the other
 *	kevstat_watch.c		the time between them, the screen
 *	kevstat_show.c		a report for people ...
 *	kevstat_json.c		... and as JSON
 *	kevstat_scan.c		processes and their descriptors, and whose a queue is
 *	kevstat_queue.c		queues, as fdinfo has them
 *	kevstat_target.c	what a registration is about
 *	kevstat_socket.c	the addresses of sockets
 *	kevstat_names.c		words for numbers
 *	text.c			text from elsewhere
 *	tool.c			what all tools do
 */
#ifndef KEVSTAT_H
#define KEVSTAT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/event.h>
#include <sys/types.h>

#include "tool.h"

/* It has shown what there is, or was asked to end. */
#define EXIT_SHOWN	0

/* Of registrations; state_names[] has the words, in this order. */
enum state {
	QUEUED		= 1 << 0,
	DISABLED	= 1 << 1,
	CLOSED		= 1 << 2,
};

#define STATES	3

/**
 * struct knote - a registration, as fdinfo has it
 * @ident: what is watched
 * @data: what the program gave
 * @udata: likewise
 * @fflags: likewise
 * @flags: its properties, EV_*
 * @filter: EVFILT_*
 * @state: of enum state
 */
struct knote {
	uint64_t ident;
	int64_t data;
	uint64_t udata;
	uint32_t fflags;
	uint16_t flags;
	int16_t filter;
	uint8_t state;
};

enum works { WORKS_NOT, WORKS, WORKS_PERHAPS };

/**
 * struct holder - a descriptor of a queue
 * @pid: the process that has it
 * @tid: the thread, if it has a descriptor table of its own; else 0
 * @fd: the number
 * @works: the queue works for who uses it
 */
struct holder {
	pid_t pid;
	pid_t tid;
	int fd;
	enum works works;
};

#define FILTERS	(-KEVENT_FILTER_MIN + 1)

/**
 * struct queue - a queue
 * @same: the next one with the same hash
 * @id: the number that no other has had
 * @closed: it is of use to nobody any more, and nothing else is known of it
 * @owner: the process that has opened it; 0: not in sight, -1: that has ended
 * @memory: in bytes
 * @n: how many registrations
 * @ready: how many of them are queued, and not disabled
 * @disabled: how many are disabled
 * @filter: how many there are of filter -i
 * @knote: all of them, if they were asked for
 * @nknotes: how many these are
 * @knote_room: for how many there is room
 * @holder: its descriptors, those first that it works for
 * @nholders: how many these are
 * @holder_room: for how many there is room
 */
struct queue {
	struct queue *same;
	uint64_t id;
	bool closed;
	pid_t owner;
	uint64_t memory;
	size_t n;
	size_t ready;
	size_t disabled;
	size_t filter[FILTERS];
	struct knote *knote;
	size_t nknotes;
	size_t knote_room;
	struct holder *holder;
	size_t nholders;
	size_t holder_room;
};

/**
 * struct held - a descriptor of a queue, to be found
 * @at: which it is
 * @queue: of which queue
 */
struct held {
	struct holder at;
	const struct queue *queue;
};

#define BUCKETS		16384	/* a power of two */

struct sockets;

/**
 * struct report - all that was found at one time
 * @verbose: registrations are wanted, each
 * @device: the number of the device of which queues are open files
 * @queue: the queues
 * @n: how many
 * @room: for how many there is room
 * @same: the same ones, by the hash of their numbers
 * @held: all their descriptors, in order when the scan has ended
 * @nheld: how many these are
 * @held_room: for how many there is room
 * @sockets: of the network namespaces that were looked at
 * @forbidden: how many processes could not be looked at
 * @ended: how many were gone by then
 */
struct report {
	bool verbose;
	dev_t device;
	struct queue **queue;
	size_t n;
	size_t room;
	struct queue *same[BUCKETS];
	struct held *held;
	size_t nheld;
	size_t held_room;
	struct sockets *sockets;
	unsigned long forbidden;
	unsigned long ended;
};

/**
 * struct total - sums over all queues of a report
 * @queues: how many
 * @n: as those of a queue, and the next three
 * @ready: likewise
 * @disabled: likewise
 * @memory: likewise
 */
struct total {
	size_t queues;
	size_t n;
	size_t ready;
	size_t disabled;
	uint64_t memory;
};

/**
 * struct process - what is shown of a process
 * @pid: which it is; 0: none yet
 * @uid: as whom it works; -1 if that is not known
 * @name: of the program; empty if that is not known
 */
struct process {
	pid_t pid;
	long uid;
	char name[64];
};

/**
 * struct target - what a registration is about
 * @kind: what that is; NULL if nothing is known
 * @name: a path, or another name; may be empty
 * @local: the address of a socket; may be empty
 * @remote: that of the other side; may be empty
 * @state: of the socket; may be NULL
 */
struct target {
	const char *kind;
	char name[PATH_MAX];
	char local[128];
	char remote[128];
	const char *state;
};

#define NAMES_SIZE	512	/* room for names of bits */

/* kevstat_scan.c */
bool scan_all(struct report *r);
int scan_process(struct report *r, pid_t pid);
void scan_end(struct report *r);
void process_look(struct process *p, pid_t pid);

/* kevstat_queue.c */
void queue_read(struct report *r, int fdinfo, int fds, const struct holder *holder);
void queues_sort(struct report *r);
const struct queue *queue_held(const struct report *r, const struct holder *at);
void report_sum(const struct report *r, struct total *total);
void report_free(struct report *r);

/* kevstat_target.c */
void target_find(struct report *r, const struct queue *q, const struct knote *kn,
		 struct target *t);

/* kevstat_socket.c */
void socket_find(struct report *r, pid_t pid, unsigned long inode, struct target *t);
void sockets_free(struct report *r);

/* kevstat_names.c */
extern const char *const state_names[STATES];
const char *filter_name(int filter);
bool filter_is_fd(int filter);
void names_of_flags(char *to, unsigned int flags);
void names_of_notes(char *to, int filter, unsigned int fflags);
void names_of_state(char *to, unsigned int state);
void name_of_signal(char *to, size_t size, int sig);

/* kevstat_show.c */
void show_report(FILE *to, struct report *r, bool total);

/* kevstat_json.c */
void json_report(FILE *to, struct report *r);

/* kevstat_watch.c */
bool watch_begin(long long ms);
bool watch_wait(void);
bool watch_draw(const char *text, size_t len);

/* kevstat.c */
long long read_number(const char *path);

#endif /* KEVSTAT_H */
