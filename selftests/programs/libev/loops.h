/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of libev share: a loop with the backend that is to be tested,
 * and streams of bytes of which each can be checked.
 */
#ifndef KEVENT_PROGRAMS_LOOPS_H
#define KEVENT_PROGRAMS_LOOPS_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define __noreturn		__attribute((noreturn))

/* Each test is a process of its own, which ends when something is not so. */
#define expect(what)							\
	do {								\
		if (!(what))						\
			give_up(__FILE__, __LINE__, #what);		\
	} while (0)

void give_up(const char *file, int line, const char *what) __noreturn;

/* EVBACKEND_KQUEUE or EVBACKEND_EPOLL */
extern unsigned int backend;

/* A loop that waits with it, and with nothing else. */
struct ev_loop *open_loop(void);

/* Likewise, but the one that knows about children. */
struct ev_loop *open_default_loop(void);

/* Does this process have something open by which backends wait? */
bool has_open(unsigned int which);

/* The bytes of a stream: no two streams, nor places in one, are alike. */
struct stream {
	uint64_t state;
	size_t left;		/* of this end, until it has seen all */
};

void stream_init(struct stream *s, unsigned int number, size_t length);
void stream_make(struct stream *s, unsigned char *bytes, size_t n);
bool stream_check(struct stream *s, const unsigned char *bytes, size_t n);

/* Numbers that are the same in each run. */
unsigned int draw(unsigned int below);

/* Connected sockets of TCP, which do not block. */
void tcp_pair(int fds[2]);

void close_all(int *fds, int n);

struct test {
	const char *name;
	void (*run)(void);
};

extern const struct test descriptor_tests[];
extern const struct test loop_tests[];

/* Prints how many requests were served in a second. */
void load(void);

#endif
