/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model: what the module should know, and so what it should answer.
 *
 * It knows the registrations exactly. What the sources hold it asks those who
 * know apart from the module: poll(2), FIONREAD, SIOCOUTQ, fstat(2). With that
 * it says for each registration whether an event must come, may, or must not.
 */
#ifndef KEVENT_FUZZ_MODEL_H
#define KEVENT_FUZZ_MODEL_H

#include "fuzz.h"

#define FD_BASE		40	/* descriptors of sources */
#define NUMBERS		12
#define QUEUE_BASE	60	/* descriptors of queues */
#define QUEUES		7	/* so that nesting can be too deep */
#define IDENTS		6	/* of timers, and of user events */
#define NOTES		(5 * NUMBERS + QUEUES + 2 * IDENTS + SIGNALS + 1 + 8)
#define CHANGES_MAX	24	/* in one call: more than one batch */
#define EVENTS_MAX	40

/* Has the module been told to look at the registration? */
enum queued {
	QUEUED_NO,		/* nothing has happened since it last looked */
	QUEUED_MAYBE,
	QUEUED_OWED,		/* yes, but perhaps a little later */
	QUEUED_YES,
};

/* Would it have something to report if it looked? */
enum ready {
	READY_NO,
	READY_UNSURE,
	READY_YES,
};

enum timer {
	TIMER_NEVER,		/* not within this run */
	TIMER_SOON,
	TIMER_SOMETIME,
	TIMER_STAYS,		/* was delivered, and is to be again and again */
};

enum verdict {
	EVENT_NEVER,
	EVENT_MAY,
	EVENT_MUST,
};

/* A registration. */
struct note {
	bool used;
	uint64_t ident;
	int16_t filter;
	uint16_t flags;		/* its properties */
	uint32_t fflags;
	int64_t data;
	uint64_t udata;
	uint64_t ext[4];
	bool disabled;
	bool forced;
	bool fired;		/* a user event is triggered */
	int sent;		/* signals; of our process, children */
	uint32_t told;		/* what has happened to a file, and was asked for */
	enum timer timer;
	long long period;	/* of a timer that repeats, in ns; else 0 */
	long long start;	/* when it was not yet running */
	long long expired;	/* how many times it has told since */
	enum queued queued;
	enum ready ready;	/* when judged */
	enum verdict verdict;	/* for the call that is about to be made */
	bool seen;		/* while settling */
	int passed;		/* calls that could not take it with them */
};

struct queue {
	int refs;		/* descriptors */
	struct note note[NOTES];
};

/* An open file description. */
struct file {
	int refs;
	enum source kind;
	int end;
	struct file *peer;
	uint64_t counter;	/* of an eventfd */
};

/* What others say of a descriptor. */
struct probe {
	short poll;
	long long bytes;	/* to read; of a file, from the offset to the end */
	long outq;		/* on the way; of sockets */
};

struct model {
	struct actor *a;
	struct file file[NUMBERS + 2];	/* two that are being placed */
	struct file *number[NUMBERS];	/* NULL: closed */
	struct queue queue[QUEUES];
	struct queue *slot[QUEUES];
	struct probe probe[NUMBERS];
	struct probe before[NUMBERS];	/* the call whose events are looked at */
	uint32_t generation;
};

/* model.c: registrations */
struct note *note_find(struct queue *q, uint64_t ident, int filter);
int model_apply(struct model *m, struct queue *q, const struct kevent_record *kev);
enum ready note_ready(struct model *m, const struct note *n);
void model_raised(struct model *m, int sig, int count);
void model_forked(struct model *m);
void model_used(struct model *m, const struct file *f, uint32_t notes);
bool note_is_async(const struct model *m, const struct note *n);
bool note_takes_turns(const struct note *n);
bool note_is_loose(const struct model *m, const struct note *n);
bool filter_is_fd(int filter);
struct file *number_file(const struct model *m, uint64_t ident);
struct queue *number_queue(const struct model *m, uint64_t ident);
void model_drop_number(struct model *m, uint64_t number);

/* model_probe.c: sources */
void model_probe(struct model *m);
/* Something was done to the file, which @arrived at that one. */
void model_refresh(struct model *m, const struct file *touched,
		   const struct file *arrived);
enum ready fd_ready(const struct model *m, const struct note *n);
void check_data(struct model *m, const struct note *n, const struct kevent_record *kev);
void check_flow(struct model *m, const struct note *n, const struct kevent_record *kev);

/* model_collect.c: events */
void model_judge(struct model *m, struct queue *q);
void model_take(struct model *m, struct queue *q, const struct kevent_record *kev,
		int n, int room);
void model_settle(struct model *m, struct queue *q, int fd);
void model_forget_order(struct queue *q);
bool queue_has(const struct queue *q, enum verdict least);
int queue_most(const struct queue *q);

/* model_change.c: changes made up at random */
void random_change(struct model *m, struct kevent_record *kev);

/* model_fds.c: descriptors come, change and go */
int some_number(struct model *m);
int some_slot(struct model *m);
int open_slot(struct model *m);
void model_open_source(struct model *m);
void model_dup_number(struct model *m);
void model_close_some(struct model *m);
void model_poke(struct model *m);
void model_drain(struct model *m);
void model_pass_number(struct model *m);
void model_open_queue(struct model *m, int i);
void model_dup_queue(struct model *m);
void model_close_queue(struct model *m);

#endif /* KEVENT_FUZZ_MODEL_H */
