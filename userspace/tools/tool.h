/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tools share: talking, memory, and the queue. */
#ifndef TOOL_H
#define TOOL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The compiler compares a format with its arguments. */
#define __printf(a, b)	__attribute__((__format__(__printf__, a, b)))

/* What a tool's own exit tells. 0 is that all is well; each may have more. */
enum {
	EXIT_TROUBLE = 1,	/* it could not work, or not go on, or not do all */
	EXIT_USAGE = 2,		/* wrong options, or what they name makes no sense */
};

/* How it calls itself in messages. Each tool has one. */
extern const char *const tool_name;

void __printf(1, 2) say(const char *fmt, ...);
void __printf(1, 2) complain(const char *fmt, ...);

void *get_memory(void *old, size_t size);
void *get_more(void *array, size_t *room, size_t size);
char *copy_text(const char *text);

int open_queue(void);
bool apply(int kq, uintptr_t ident, short filter, int flags, unsigned int fflags,
	   long long data, void *udata);
bool watch_signals(int kq, const int *sig);
bool block_signals(const int *sig, sigset_t *set);

#endif /* TOOL_H */
