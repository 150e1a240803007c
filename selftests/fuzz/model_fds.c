// SPDX-License-Identifier: BSD-2-Clause
/* The model: descriptors of sources and of queues come, change and go. */
#include "model.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int some_number(struct model *m)
{
	return below(&m->a->rng, NUMBERS);
}

int some_slot(struct model *m)
{
	return below(&m->a->rng, QUEUES);
}

/* A slot with an open queue, if there is one among a few tries. */
int open_slot(struct model *m)
{
	int i = some_slot(m), tries = QUEUES;

	while (tries-- && !m->slot[i])
		i = (i + 1) % QUEUES;
	return i;
}

/* --- Descriptors ----------------------------------------------------------- */

static struct file *file_new(struct model *m, enum source kind, int end)
{
	struct file *f = m->file;

	while (f->refs)
		f++;
	*f = (struct file){ .kind = kind, .end = end };
	/* It can be written to as such; the epoll instance has it as its peer. */
	if (kind == SOURCE_EPOLL && end == 1)
		f->kind = SOURCE_EVENTFD;
	return f;
}

static void file_put(struct file *f)
{
	if (--f->refs == 0 && f->peer)
		f->peer->peer = NULL;
}

/* The number is closed, or something else is put on it. */
static const struct file *number_closed(struct model *m, int i)
{
	struct file *f = m->number[i], *peer;

	if (!f)
		return NULL;
	model_drop_number(m, FD_BASE + i);
	m->number[i] = NULL;
	peer = f->peer;
	file_put(f);
	return f->refs ? f : peer;
}

/* What was on the number before is touched by its end. */
static void place(struct model *m, int fd, int i, struct file *f)
{
	const struct file *touched;

	if (dup3(fd, FD_BASE + i, O_CLOEXEC) < 0)
		fail(m->a, "dup3: %s", strerror(errno));
	close(fd);
	/* Then it looks as if nothing had been closed: see BUGS in kevent(4). */
	if (m->number[i] == f)
		return;
	touched = number_closed(m, i);
	m->number[i] = f;
	f->refs++;
	model_refresh(m, touched, NULL);
}

/* Two numbers, for the two ends. */
void model_open_source(struct model *m)
{
	static const struct file any_inotify = { .kind = SOURCE_INOTIFY };
	enum source kind = below(&m->a->rng, SOURCES);
	int i = some_number(m), k = some_number(m), fd[2], n, end;
	struct file *f[2] = {};

	if (!source_here[kind])
		return;
	op_begin(m->a, OP_OPEN_SOURCE, kind, FD_BASE + i, FD_BASE + k, 0);
	n = i == k ? 0 : source_open(kind, fd);
	op_result(m->a, n, n > 0);
	if (!n)
		return;
	for (end = 0; end < n; end++) {
		f[end] = file_new(m, kind, end);
		f[end]->refs++;		/* until both are placed */
	}
	if (n == 2) {
		f[0]->peer = f[1];
		f[1]->peer = f[0];
	}
	for (end = 0; end < n; end++)
		place(m, fd[end], end ? k : i, f[end]);
	for (end = 0; end < n; end++)
		file_put(f[end]);
	/* A file comes and goes in the folder that inotify watches. */
	if (kind == SOURCE_FILE)
		model_refresh(m, &any_inotify, NULL);
}

void model_dup_number(struct model *m)
{
	int i = some_number(m), k = some_number(m);
	const struct file *touched;

	if (!m->number[i] || i == k)
		return;
	op_begin(m->a, OP_DUP, FD_BASE + i, FD_BASE + k, 0, 0);
	op_end(m->a, dup3(FD_BASE + i, FD_BASE + k, O_CLOEXEC));
	if (m->number[i] == m->number[k])	/* as in place() */
		return;
	touched = number_closed(m, k);
	m->number[k] = m->number[i];
	m->number[k]->refs++;
	model_refresh(m, touched, NULL);
}

static void close_number(struct model *m, int i)
{
	op_begin(m->a, OP_CLOSE, FD_BASE + i, 0, 0, 0);
	op_end(m->a, close(FD_BASE + i));
	model_refresh(m, number_closed(m, i), NULL);
}

void model_close_some(struct model *m)
{
	int i = some_number(m), last = i + below(&m->a->rng, 3), err;
	const struct file *touched;

	if (chance(&m->a->rng, 2)) {
		if (m->number[i])
			close_number(m, i);
		return;
	}
	if (last >= NUMBERS)
		last = NUMBERS - 1;
	op_begin(m->a, OP_CLOSE_RANGE, FD_BASE + i, FD_BASE + last, 0, 0);
	err = close_range(FD_BASE + i, FD_BASE + last, 0);
	op_end(m->a, err);
	for (; i <= last; i++) {
		touched = number_closed(m, i);
		model_refresh(m, touched, NULL);
	}
}

void model_poke(struct model *m)
{
	int i = some_number(m), err;
	struct file *f = m->number[i], *arrived = NULL;
	uint32_t notes = 0;

	if (!f)
		return;
	op_begin(m->a, OP_POKE, FD_BASE + i, f->kind, f->end, 0);
	if (f->kind == SOURCE_FILE)
		err = file_poke(&m->a->rng, FD_BASE + i, &notes);
	else
		err = source_poke(&m->a->rng, f->kind, FD_BASE + i);
	if (f->kind == SOURCE_TIMERFD)
		err |= source_wait(FD_BASE + i, POLLIN);
	op_result(m->a, err, !err);
	if (f->kind == SOURCE_EVENTFD && !err)
		f->counter++;
	if (f->kind == SOURCE_PACKET && !err)
		arrived = f->peer;
	if (notes && !err)
		model_used(m, f, notes);
	model_refresh(m, f, arrived);
}

/* How much of a file there is to read. */
static long long file_left(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_size - lseek(fd, 0, SEEK_CUR);
}

void model_drain(struct model *m)
{
	int i = some_number(m), err;
	struct file *f = m->number[i];
	long long left;

	if (!f)
		return;
	left = f->kind == SOURCE_FILE ? file_left(FD_BASE + i) : 0;
	op_begin(m->a, OP_DRAIN, FD_BASE + i, f->kind, f->end, 0);
	err = source_drain(&m->a->rng, f->kind, FD_BASE + i);
	op_result(m->a, err, !err);
	if (f->kind == SOURCE_EVENTFD && !err)
		f->counter = 0;
	if (left > 0 && !err)
		model_used(m, f, NOTE_READ);
	model_refresh(m, f, NULL);
}

/* A descriptor that is in flight is closed, and comes back as another. */
void model_pass_number(struct model *m)
{
	int i = some_number(m), k = some_number(m), fd;
	struct file *f = m->number[i];

	if (!f)
		return;
	f->refs++;
	op_begin(m->a, OP_PASS, FD_BASE + i, FD_BASE + k, 0, 0);
	fd = life_pass(m->a, -1, FD_BASE + i);	/* closes it on the way */
	op_end(m->a, fd);
	model_refresh(m, number_closed(m, i), NULL);
	if (fd < 0)
		fail(m->a, "a descriptor was lost in a socket");
	place(m, fd, k, f);
	file_put(f);
}

/* --- Queues ---------------------------------------------------------------- */

static void slot_closed(struct model *m, int i)
{
	struct queue *q = m->slot[i];

	if (!q)
		return;
	model_drop_number(m, QUEUE_BASE + i);
	m->slot[i] = NULL;
	if (!--q->refs)
		memset(q, 0, sizeof(*q));
}

/* Into that slot, whatever was there before. */
void model_open_queue(struct model *m, int i)
{
	struct queue *q = m->queue;
	int fd;

	op_begin(m->a, OP_OPEN_QUEUE, QUEUE_BASE + i, 0, 0, 0);
	fd = queue_open(O_CLOEXEC);
	op_end(m->a, fd);
	if (fd < 0 || dup3(fd, QUEUE_BASE + i, O_CLOEXEC) < 0)
		fail(m->a, "a queue: %s", strerror(errno));
	close(fd);
	slot_closed(m, i);
	while (q->refs)
		q++;
	m->slot[i] = q;
	q->refs = 1;
	model_refresh(m, NULL, NULL);
}

void model_dup_queue(struct model *m)
{
	int i = open_slot(m), k = some_slot(m);

	if (!m->slot[i] || i == k || m->slot[i] == m->slot[k])
		return;
	op_begin(m->a, OP_DUP, QUEUE_BASE + i, QUEUE_BASE + k, 0, 0);
	op_end(m->a, dup2(QUEUE_BASE + i, QUEUE_BASE + k));
	slot_closed(m, k);
	m->slot[k] = m->slot[i];
	m->slot[k]->refs++;
}

void model_close_queue(struct model *m)
{
	int i = some_slot(m);

	if (!m->slot[i])
		return;
	op_begin(m->a, OP_CLOSE, QUEUE_BASE + i, 0, 0, 0);
	op_end(m->a, close(QUEUE_BASE + i));
	slot_closed(m, i);
}
