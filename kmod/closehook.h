/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The hook on the kernel's function through which descriptors are closed. It
 * knows files and descriptor tables, and nothing of what is registered.
 *
 * Closing a descriptor is everybody's business, so what the hook costs those who
 * have no queue is a look at one counter: closes are handed on only from tables
 * that are followed.
 */
#ifndef _KEVENT_CLOSEHOOK_H
#define _KEVENT_CLOSEHOOK_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/hash.h>
#include <linux/jump_label.h>
#include <linux/kprobes.h>
#include <linux/types.h>

#include "compat.h"

struct file;
struct files_struct;

/**
 * struct closehook_callbacks - what is hooked in
 * @ftrace: for ftrace
 * @kprobe: for a kprobe
 *
 * Context of both: in the thread that closes, after the slot was cleared and
 * before anything is released; preemption may be off.
 */
struct closehook_callbacks {
#ifdef KEVENT_CLOSE_FTRACE
	ftrace_func_t ftrace;
#endif
#ifdef KEVENT_CLOSE_KPROBE
	kprobe_pre_handler_t kprobe;
#endif
};

/*
 * How many times each table is followed, tables with the same hash together.
 * Counted up before what it is for can be found, and down when it cannot be any
 * more, or is found by the one who counts down.
 */
#define CLOSEHOOK_FOLLOWED_BITS	10
extern atomic_t closehook_followed[1 << CLOSEHOOK_FOLLOWED_BITS];

/* On until the hook is trusted: each of its calls is looked at. */
DECLARE_STATIC_KEY_TRUE(closehook_in_test);

/* The file whose close seems to have been missed; see closehook_accuse(). */
extern const struct file *closehook_accused;

int closehook_init(const struct closehook_callbacks *callbacks);
void closehook_exit(void);

int closehook_get(void);

bool closehook_accuse(const struct file *file,
		      const struct files_struct *files);
void closehook_judge(bool innocent);

void closehook_look(const struct file *file, const struct files_struct *files);
void closehook_heard(const struct file *file,
		     const struct files_struct *files);

static __always_inline atomic_t *
closehook_counter(const struct files_struct *files)
{
	return &closehook_followed[hash_long((unsigned long)files,
					     CLOSEHOOK_FOLLOWED_BITS)];
}

/* Have closes in the table handed on, until closehook_unfollow(). */
static inline void closehook_follow(const struct files_struct *files)
{
	atomic_inc(closehook_counter(files));
}

static inline void closehook_unfollow(const struct files_struct *files)
{
	atomic_dec(closehook_counter(files));
}

/*
 * A call of the hook: can it end here? Every close() pays for this, so all of it
 * is inlined, with @idle, which is asked whether the close of a file in a table
 * that is followed is of no interest. If it returns false, closehook_call() has
 * the rest: call it out of line and last of all, to spare the stack.
 */
static __always_inline bool
closehook_is_idle(const struct file *file, const struct files_struct *files,
		  bool (*idle)(const struct file *file,
			       const struct files_struct *files))
{
	if (static_branch_unlikely(&closehook_in_test))
		return false;
	if (likely(!atomic_read(closehook_counter(files))))
		return true;
	if (unlikely(!idle(file, files)))
		return false;
	/* In this order: see closehook_accuse(). */
	smp_rmb();
	return likely(file != READ_ONCE(closehook_accused));
}

/* The rest of the call. */
static __always_inline void
closehook_call(struct file *file, struct files_struct *files,
	       void (*closed)(struct file *file, struct files_struct *files))
{
	if (static_branch_unlikely(&closehook_in_test))
		closehook_look(file, files);
	if (!atomic_read(closehook_counter(files)))
		return;
	closed(file, files);
	/* In this order: see closehook_accuse(). */
	smp_mb();
	if (file == READ_ONCE(closehook_accused))
		closehook_heard(file, files);
}

/*
 * What is hooked in is defined where the functions are that it inlines, with
 * these: the arguments of the hooked function.
 */
#ifdef KEVENT_CLOSE_FTRACE
#define closehook_ftrace_file(fregs) \
	((struct file *)kevent_ftrace_arg(fregs, 0))
#define closehook_ftrace_files(fregs) \
	((struct files_struct *)kevent_ftrace_arg(fregs, 1))
#endif
#ifdef KEVENT_CLOSE_KPROBE
#define closehook_kprobe_file(regs) \
	((struct file *)regs_get_kernel_argument(regs, 0))
#define closehook_kprobe_files(regs) \
	((struct files_struct *)regs_get_kernel_argument(regs, 1))
#endif

#endif /* _KEVENT_CLOSEHOOK_H */
