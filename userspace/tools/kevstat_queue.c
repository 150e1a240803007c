// SPDX-License-Identifier: BSD-2-Clause
/*
 * Queues, as /proc/PID/fdinfo/N has them: see kevent(4). A queue with several
 * descriptors is met several times, and read once.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kevstat.h"

/* --- The queues that were met ---------------------------------------------------- */

static struct queue **bucket(struct report *r, uint64_t id)
{
	return &r->same[id & (BUCKETS - 1)];
}

static struct queue *find(struct report *r, uint64_t id)
{
	struct queue *q = *bucket(r, id);

	while (q && q->id != id)
		q = q->same;
	return q;
}

static struct queue *add(struct report *r, uint64_t id)
{
	struct queue *q = get_memory(NULL, sizeof(*q));

	*q = (struct queue){ .id = id, .closed = true, .same = *bucket(r, id) };
	*bucket(r, id) = q;
	if (r->n == r->room)
		r->queue = get_more(r->queue, &r->room, sizeof(*r->queue));
	r->queue[r->n++] = q;
	return q;
}

static void add_holder(struct report *r, struct queue *q, const struct holder *holder)
{
	if (q->nholders == q->holder_room)
		q->holder = get_more(q->holder, &q->holder_room, sizeof(*q->holder));
	q->holder[q->nholders++] = *holder;
	if (r->nheld == r->held_room)
		r->held = get_more(r->held, &r->held_room, sizeof(*r->held));
	r->held[r->nheld++] = (struct held){ *holder, q };
}

/* --- Reading --------------------------------------------------------------------- */

/* The bits of a list of words, or of "-". */
static unsigned int parse_state(const char *list)
{
	unsigned int state = 0, i;
	size_t len;

	for (; *list; list += len + (list[len] == ',')) {
		len = strcspn(list, ",");
		for (i = 0; i < STATES; i++)
			if (strlen(state_names[i]) == len &&
			    !strncmp(state_names[i], list, len))
				state |= 1 << i;
	}
	return state;
}

static bool parse_knote(const char *line, struct knote *kn)
{
	unsigned long long ident, udata;
	unsigned int flags, fflags;
	char state[64];
	long long data;
	int filter;

	if (sscanf(line, "ident:%llu filter:%d flags:%x fflags:%x data:%lld udata:%llx state:%63s",
		   &ident, &filter, &flags, &fflags, &data, &udata, state) != 7)
		return false;
	*kn = (struct knote){ .ident = ident, .data = data, .udata = udata,
			      .fflags = fflags, .flags = flags, .filter = filter,
			      .state = parse_state(state) };
	return true;
}

static void add_knote(struct report *r, struct queue *q, const struct knote *kn)
{
	q->n++;
	q->ready += kn->state == QUEUED;
	q->disabled += !!(kn->state & DISABLED);
	if (kn->filter < 0 && kn->filter > -FILTERS)
		q->filter[-kn->filter]++;
	if (!r->verbose)
		return;
	if (q->nknotes == q->knote_room)
		q->knote = get_more(q->knote, &q->knote_room, sizeof(*q->knote));
	q->knote[q->nknotes++] = *kn;
}

static void parse_line(struct report *r, struct queue *q, const char *line)
{
	struct knote kn;
	int owner;
	unsigned long long memory;

	if (parse_knote(line, &kn))
		add_knote(r, q, &kn);
	else if (sscanf(line, "memory: %llu", &memory) == 1)
		q->memory = memory;
	else if (sscanf(line, "owner: %d", &owner) == 1)
		q->owner = owner, q->closed = false;
}

/* By filter, and with what is of one descriptor together. */
static int by_ident(const void *a, const void *b)
{
	const struct knote *k = a, *l = b;
	bool k_fd = filter_is_fd(k->filter), l_fd = filter_is_fd(l->filter);

	if (k_fd != l_fd)
		return k_fd ? -1 : 1;
	if (!k_fd && k->filter != l->filter)
		return l->filter - k->filter;
	if (k->ident != l->ident)
		return k->ident < l->ident ? -1 : 1;
	return l->filter - k->filter;
}

/* Others may have a line that looks like ours. */
static bool is_device(const struct report *r, int fds, int fd)
{
	struct stat st;
	char name[16];

	snprintf(name, sizeof(name), "%d", fd);
	return !fstatat(fds, name, &st, 0) && S_ISCHR(st.st_mode) &&
	       st.st_rdev == r->device;
}

/*
 * Read the file of fdinfo of @holder, whose descriptors are in the directory @fds, if it
 * is that of a queue. Closes it.
 */
void queue_read(struct report *r, int fdinfo, int fds, const struct holder *holder)
{
	static char buffer[65536];
	struct queue *q = NULL;
	unsigned long long id;
	char line[512];
	FILE *f = fdopen(fdinfo, "r");

	if (!f) {
		close(fdinfo);
		return;
	}
	setvbuf(f, buffer, _IOFBF, sizeof(buffer));
	while (fgets(line, sizeof(line), f)) {
		if (q) {
			parse_line(r, q, line);
		} else if (sscanf(line, "queue: %llu", &id) == 1) {
			if (!is_device(r, fds, holder->fd))
				break;
			q = find(r, id);
			if (q && !q->closed)
				break;
			if (!q)
				q = add(r, id);
		}
	}
	fclose(f);
	if (q)
		add_holder(r, q, holder);
}

/* --- All of them ----------------------------------------------------------------- */

static int compare_holders(const struct holder *a, const struct holder *b)
{
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	if (a->tid != b->tid)
		return a->tid < b->tid ? -1 : 1;
	return a->fd < b->fd ? -1 : a->fd > b->fd;
}

static int by_descriptor(const void *a, const void *b)
{
	return compare_holders(&((const struct held *)a)->at,
			       &((const struct held *)b)->at);
}

/* For whom it works first. */
static int by_use(const void *a, const void *b)
{
	const struct holder *h = a, *i = b;
	bool h_works = h->works == WORKS, i_works = i->works == WORKS;

	if (h_works != i_works)
		return h_works ? -1 : 1;
	return compare_holders(h, i);
}

static int by_first_holder(const void *a, const void *b)
{
	return compare_holders((*(struct queue *const *)a)->holder,
			       (*(struct queue *const *)b)->holder);
}

/* In the order of the processes for which they work, or that have them. */
void queues_sort(struct report *r)
{
	struct queue *q;
	size_t i;

	for (i = 0; i < r->n; i++) {
		q = r->queue[i];
		qsort(q->holder, q->nholders, sizeof(*q->holder), by_use);
		if (q->nknotes)
			qsort(q->knote, q->nknotes, sizeof(*q->knote), by_ident);
	}
	if (r->n)
		qsort(r->queue, r->n, sizeof(*r->queue), by_first_holder);
	if (r->nheld)
		qsort(r->held, r->nheld, sizeof(*r->held), by_descriptor);
}

/* The queue that has this descriptor, or NULL. */
const struct queue *queue_held(const struct report *r, const struct holder *at)
{
	struct held key = { *at, NULL }, *found = NULL;

	if (r->nheld)
		found = bsearch(&key, r->held, r->nheld, sizeof(key), by_descriptor);
	return found ? found->queue : NULL;
}

void report_sum(const struct report *r, struct total *total)
{
	const struct queue *q;
	size_t i;

	*total = (struct total){ .queues = r->n };
	for (i = 0; i < r->n; i++) {
		q = r->queue[i];
		total->n += q->n;
		total->ready += q->ready;
		total->disabled += q->disabled;
		total->memory += q->memory;
	}
}

void report_free(struct report *r)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		free(r->queue[i]->knote);
		free(r->queue[i]->holder);
		free(r->queue[i]);
	}
	free(r->queue);
	free(r->held);
	sockets_free(r);
	memset(r, 0, sizeof(*r));
}
