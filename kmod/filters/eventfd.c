// SPDX-License-Identifier: GPL-2.0
/* Eventfds. Looking at one is reading a number: it never waits. */

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/seq_file.h>

#include "eventfd.h"
#include "kind.h"
#include "poll.h"

/* The counter can take so much from programs. */
#define EVENTFD_MAX	(ULLONG_MAX - 1)

/* What all eventfds have and nothing else has; known from the first one on. */
static const struct file_operations *eventfd_fops __read_mostly;

bool file_is_eventfd(struct file *file)
{
	const struct file_operations *fops = READ_ONCE(eventfd_fops);
	struct eventfd_ctx *ctx;

	if (likely(fops))
		return file->f_op == fops;
	ctx = eventfd_ctx_fileget(file);
	if (IS_ERR(ctx))
		return false;
	eventfd_ctx_put(ctx);
	WRITE_ONCE(eventfd_fops, file->f_op);
	return true;
}

/*
 * The counter of an eventfd. Only fs/eventfd.c knows its structure; all that
 * it tells others is a line in fdinfo, which takes thousands of instructions
 * to print and parse. So the counter is read where the structure has it as of
 * today, but only after that has been seen to agree with the line, twice in a
 * row, for two eventfds whose counters are not 0.
 */
bool eventfd_layout_good __read_mostly;

/* The last eventfd that agreed, if the last did; only compared. */
static void *eventfd_agreed;

static u64 eventfd_counter_shown(struct file *file)
{
	static const char name[] = "eventfd-count:";
	struct seq_file m = {};
	char buf[128] = {};
	u64 count = 0;
	char *value;

	m.buf = buf;
	m.size = sizeof(buf) - 1;
	if (!file->f_op->show_fdinfo)
		return 0;
	file->f_op->show_fdinfo(&m, file);
	value = strstr(buf, name);
	if (value && sscanf(value + strlen(name), "%llx", &count) != 1)
		count = 0;
	return count;
}

/* The counter, until it is known where to read it. */
u64 eventfd_counter_slow(struct file *file)
{
	struct eventfd_layout *ctx = file->private_data;
	u64 before = READ_ONCE(ctx->count);
	u64 shown = eventfd_counter_shown(file);
	void *agreed;

	/* If it changed meanwhile, another time will tell. */
	if (!shown || before != READ_ONCE(ctx->count))
		return shown;
	agreed = xchg(&eventfd_agreed, before == shown ? ctx : NULL);
	if (before == shown && agreed && agreed != ctx)
		WRITE_ONCE(eventfd_layout_good, true);
	return shown;
}

/*
 * How much can be added, to be read as unsigned, as the counter. The kernel may
 * have gone beyond what programs can.
 */
static bool eventfd_writable(struct knote *kn, struct kevent_record *kev)
{
	u64 counter = eventfd_counter(kn->poll.file);

	kev->data = counter < EVENTFD_MAX ? EVENTFD_MAX - counter : 0;
	return kev->data;
}

/* The inline function, where a pointer is needed. */
static bool eventfd_is_readable(struct knote *kn, struct kevent_record *kev)
{
	return eventfd_readable(kn, kev);
}

const struct fd_kind eventfd_kind = {
	.flags = FD_KIND_POLLED,
	.attach = fd_poll_attach,
	.detach = fd_poll_detach,
	.readable = eventfd_is_readable,
	.writable = eventfd_writable,
};
