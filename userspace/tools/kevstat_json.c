// SPDX-License-Identifier: BSD-2-Clause
/* A report as an object of JSON, in one line. */
#include <string.h>

#include "kevstat.h"
#include "text.h"

/* --- Parts ----------------------------------------------------------------------- */

/* A list of names, separated by commas, as an array. */
static void put_names(FILE *to, const char *key, const char *names)
{
	const char *comma = "";
	size_t len;

	fprintf(to, "\"%s\":[", key);
	for (; *names; names += len + (names[len] == ',')) {
		len = strcspn(names, ",");
		fprintf(to, "%s\"%.*s\"", comma, (int)len, names);
		comma = ",";
	}
	putc(']', to);
}

static void put_text(FILE *to, const char *key, const char *text)
{
	if (!text || !*text)
		return;
	putc(',', to);
	text_json_member(to, key, text);
}

static void put_target(FILE *to, const struct target *t)
{
	if (!t->kind)
		return;
	fprintf(to, ",\"target\":{\"kind\":\"%s\"", t->kind);
	put_text(to, "name", t->name);
	put_text(to, "local", t->local);
	put_text(to, "remote", t->remote);
	put_text(to, "state", t->state);
	putc('}', to);
}

static void put_knote(FILE *to, struct report *r, const struct queue *q,
		      const struct knote *kn)
{
	static struct target target;
	char names[NAMES_SIZE];

	fprintf(to, "{\"ident\":%llu,\"filter\":\"%s\",", (unsigned long long)kn->ident,
		filter_name(kn->filter));
	names_of_state(names, kn->state);
	put_names(to, "state", names);
	names_of_flags(names, kn->flags);
	putc(',', to);
	put_names(to, "flags", names);
	names_of_notes(names, kn->filter, kn->fflags);
	putc(',', to);
	put_names(to, "fflags", names);
	fprintf(to, ",\"data\":%lld,\"udata\":\"%#llx\"", (long long)kn->data,
		(unsigned long long)kn->udata);
	target_find(r, q, kn, &target);
	put_target(to, &target);
	putc('}', to);
}

static void put_holder(FILE *to, const struct holder *h, struct process *p)
{
	static const char *const works[] = { "false", "true", "null" };

	process_look(p, h->pid);
	fprintf(to, "{\"pid\":%d,", h->pid);
	if (h->tid)
		fprintf(to, "\"tid\":%d,", h->tid);
	fprintf(to, "\"fd\":%d,\"works\":%s", h->fd, works[h->works]);
	if (p->uid >= 0)
		fprintf(to, ",\"uid\":%ld", p->uid);
	put_text(to, "command", p->name);
	putc('}', to);
}

/* --- A queue --------------------------------------------------------------------- */

static void put_holders(FILE *to, const struct queue *q)
{
	struct process p = { 0 };
	size_t i;

	fputs(",\"holders\":[", to);
	for (i = 0; i < q->nholders; i++) {
		if (i)
			putc(',', to);
		put_holder(to, &q->holder[i], &p);
	}
	putc(']', to);
}

static void put_filters(FILE *to, const struct queue *q)
{
	const char *comma = "";
	int i;

	fputs(",\"filters\":{", to);
	for (i = 1; i < FILTERS; i++) {
		if (!q->filter[i])
			continue;
		fprintf(to, "%s\"%s\":%zu", comma, filter_name(-i), q->filter[i]);
		comma = ",";
	}
	putc('}', to);
}

static void put_knotes(FILE *to, struct report *r, const struct queue *q)
{
	size_t i;

	fputs(",\"knotes\":[", to);
	for (i = 0; i < q->nknotes; i++) {
		if (i)
			putc(',', to);
		put_knote(to, r, q, &q->knote[i]);
	}
	putc(']', to);
}

static void put_counts(FILE *to, size_t n, size_t ready, size_t disabled,
		       uint64_t memory)
{
	fprintf(to, "\"registrations\":%zu,\"ready\":%zu,\"disabled\":%zu,\"memory\":%llu",
		n, ready, disabled, (unsigned long long)memory);
}

static void put_queue(FILE *to, struct report *r, const struct queue *q)
{
	fprintf(to, "{\"queue\":%llu,\"closed\":%s", (unsigned long long)q->id,
		q->closed ? "true" : "false");
	if (!q->closed) {
		if (q->owner > 0)
			fprintf(to, ",\"owner\":%d,", q->owner);
		else
			fputs(",\"owner\":null,", to);
		put_counts(to, q->n, q->ready, q->disabled, q->memory);
		put_filters(to, q);
	}
	put_holders(to, q);
	if (r->verbose && !q->closed)
		put_knotes(to, r, q);
	putc('}', to);
}

/* --- All ------------------------------------------------------------------------- */

void json_report(FILE *to, struct report *r)
{
	struct total t;
	size_t i;

	fputs("{\"queues\":[", to);
	for (i = 0; i < r->n; i++) {
		if (i)
			putc(',', to);
		put_queue(to, r, r->queue[i]);
	}
	report_sum(r, &t);
	fprintf(to, "],\"total\":{\"queues\":%zu,", t.queues);
	put_counts(to, t.n, t.ready, t.disabled, t.memory);
	fprintf(to, "},\"skipped\":{\"forbidden\":%lu,\"ended\":%lu}}\n", r->forbidden,
		r->ended);
}
