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
 * struct closehook_callbacks - what is hooked in, made by CLOSEHOOK_CALLBACKS()
 * @ftrace: for ftrace
 * @kprobe: for a kprobe
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
 * Counted up before what it is for can be found, and down after that.
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
 * is inlined, and what follows is called last of all, to spare the stack.
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

#ifdef KEVENT_CLOSE_FTRACE
#define CLOSEHOOK_FTRACE(name, idle)					\
static void notrace name##_ftrace(unsigned long ip,			\
				  unsigned long parent_ip,		\
				  struct ftrace_ops *ops,		\
				  struct ftrace_regs *fregs)		\
{									\
	void *file = (void *)kevent_ftrace_arg(fregs, 0);		\
	void *files = (void *)kevent_ftrace_arg(fregs, 1);		\
									\
	if (!closehook_is_idle(file, files, idle))			\
		name##_call(file, files);				\
}
#define CLOSEHOOK_FTRACE_NAME(name)	.ftrace = name##_ftrace,
#else
#define CLOSEHOOK_FTRACE(name, idle)
#define CLOSEHOOK_FTRACE_NAME(name)
#endif

#ifdef KEVENT_CLOSE_KPROBE
#define CLOSEHOOK_KPROBE(name, idle)					\
static int name##_kprobe(struct kprobe *probe, struct pt_regs *regs)	\
{									\
	void *file = (void *)regs_get_kernel_argument(regs, 0);		\
	void *files = (void *)regs_get_kernel_argument(regs, 1);	\
									\
	if (!closehook_is_idle(file, files, idle))			\
		name##_call(file, files);				\
	return 0;							\
}
#define CLOSEHOOK_KPROBE_NAME(name)	.kprobe = name##_kprobe,
#else
#define CLOSEHOOK_KPROBE(name, idle)
#define CLOSEHOOK_KPROBE_NAME(name)
#endif

/*
 * Define the callbacks @name for closehook_init(). They ask the inline function
 * @idle whether the close of a file in a table can be of no interest, and call
 * @closed if not. Context: in the thread that closes, after the slot was cleared
 * and before anything is released; preemption may be off.
 */
#define CLOSEHOOK_CALLBACKS(name, idle, closed)				\
static noinline void notrace name##_call(struct file *file,		\
					 struct files_struct *files)	\
{									\
	closehook_call(file, files, closed);				\
}									\
CLOSEHOOK_FTRACE(name, idle)						\
CLOSEHOOK_KPROBE(name, idle)						\
static const struct closehook_callbacks name = {			\
	CLOSEHOOK_FTRACE_NAME(name)					\
	CLOSEHOOK_KPROBE_NAME(name)					\
}

#endif /* _KEVENT_CLOSEHOOK_H */
