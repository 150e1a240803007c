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
 * it tells others is in fdinfo, which takes thousands of instructions to print
 * and parse. So the counter is read where the structure has it as of today, but
 * only after one whose counter is not 0 has been seen to be like that: what its
 * poll method waits for, which is in front of the counter, and its number, behind
 * it, are where they are to be, and the counter is what fdinfo says.
 */
bool eventfd_layout_good __read_mostly;

/**
 * struct eventfd_shown - what fdinfo says of an eventfd
 * @count: its counter
 * @id: its number among all of them
 */
struct eventfd_shown {
	u64 count;
	int id;
};

/* False if it does not say all of that. */
static bool eventfd_show(struct file *file, struct eventfd_shown *shown)
{
	struct seq_file m = {};
	char buf[128] = {};
	char *line;

	*shown = (struct eventfd_shown){};
	m.buf = buf;
	m.size = sizeof(buf) - 1;
	if (!file->f_op->show_fdinfo)
		return false;
	file->f_op->show_fdinfo(&m, file);
	line = strstr(buf, "eventfd-count:");
	return line && sscanf(line, "eventfd-count: %llx eventfd-id: %d",
			      &shown->count, &shown->id) == 2;
}

/*
 * Is @ctx as we have it, where it has been found that its wait queue is? Should a
 * kernel have the counter behind the others, a user could give it their value: then
 * they are what we take for the counter.
 */
static bool eventfd_agrees(const struct eventfd_layout *ctx,
			   const struct eventfd_shown *shown)
{
	return shown->count && READ_ONCE(ctx->count) == shown->count &&
	       ctx->id == shown->id &&
	       memcmp(&ctx->flags, &shown->count, sizeof(shown->count));
}

/* The counter, until it is known where to read it. */
u64 eventfd_counter_slow(const struct knote *kn)
{
	const struct eventfd_layout *ctx = kn->poll.file->private_data;
	bool known = READ_ONCE(kn->poll.whead) == &ctx->wqh;
	u64 before = known ? READ_ONCE(ctx->count) : 0;
	struct eventfd_shown shown;

	/* If it changes meanwhile, another time will tell. */
	if (eventfd_show(kn->poll.file, &shown) && known &&
	    before == shown.count && eventfd_agrees(ctx, &shown))
		WRITE_ONCE(eventfd_layout_good, true);
	return shown.count;
}

/*
 * How much can be added, to be read as unsigned, as the counter. The kernel may
 * have gone beyond what programs can.
 */
static bool eventfd_writable(struct knote *kn, struct kevent_record *kev)
{
	u64 counter = eventfd_counter(kn);

	kev->data = counter < EVENTFD_MAX ? EVENTFD_MAX - counter : 0;
	return kev->data;
}

static bool eventfd_readable(struct knote *kn, struct kevent_record *kev)
{
	kev->data = eventfd_counter(kn);
	return kev->data;
}

const struct fd_kind eventfd_kind = {
	.flags = FD_KIND_POLLED | FD_KIND_TURNS,
	.attach = fd_poll_attach,
	.detach = fd_poll_detach,
	.readable = eventfd_readable,
	.writable = eventfd_writable,
};
