// SPDX-License-Identifier: BSD-2-Clause
/* A report for people: a line for each queue, and for each registration if asked. */
#include <string.h>

#include "kevstat.h"
#include "text.h"

#define PARAMETERS	"/sys/module/kevent/parameters/"
#define COUNTERS	"/sys/class/misc/kevent/"

/* --- Numbers --------------------------------------------------------------------- */

/* Bytes, with three digits or so. */
static const char *amount(uint64_t bytes)
{
	static const char units[] = "BKMGT";
	static char text[32];
	double n = bytes;
	size_t i;

	for (i = 0; n >= 1024 && i < sizeof(units) - 2; i++)
		n /= 1024;
	snprintf(text, sizeof(text), i && n < 10 ? "%.1f%c" : "%.0f%c", n, units[i]);
	return text;
}

/* --- A registration -------------------------------------------------------------- */

static const char *timer_unit(unsigned int fflags)
{
	return fflags & NOTE_SECONDS ? "s" : fflags & NOTE_USECONDS ? "us" :
	       fflags & NOTE_NSECONDS ? "ns" : "ms";
}

static void put_timer(FILE *to, const struct knote *kn)
{
	fprintf(to, "%s %lld %s%s",
		kn->fflags & NOTE_ABSTIME ? "at" :
		kn->flags & EV_ONESHOT ? "after" : "every",
		(long long)kn->data, timer_unit(kn->fflags),
		kn->fflags & NOTE_ABSTIME ? " since 1970" : "");
}

static void put_target(FILE *to, const struct target *t)
{
	if (!t->kind)
		return;
	if (strcmp(t->kind, "file") && strcmp(t->kind, "pipe") &&
	    strcmp(t->kind, "signal") && strcmp(t->kind, "other"))
		fprintf(to, "%s ", t->kind);
	text_plain(to, t->name);
	fputs(t->local, to);
	if (*t->remote)
		fprintf(to, " -> %s", t->remote);
	if (t->state)
		fprintf(to, " %s", t->state);
}

static void show_knote(FILE *to, struct report *r, const struct queue *q,
		       const struct knote *kn)
{
	char state[NAMES_SIZE], flags[NAMES_SIZE], notes[NAMES_SIZE];
	static struct target target;

	names_of_state(state, kn->state);
	names_of_flags(flags, kn->flags);
	names_of_notes(notes, kn->filter, kn->fflags);
	fprintf(to, "  %12llu %-8s %-15s %-15s ", (unsigned long long)kn->ident,
		filter_name(kn->filter), *state ? state : "-", *flags ? flags : "-");
	if (kn->filter == EVFILT_TIMER) {
		put_timer(to, kn);
	} else {
		target_find(r, q, kn, &target);
		fprintf(to, target.kind ? "%-14s " : "%s", *notes ? notes : "-");
		put_target(to, &target);
	}
	putc('\n', to);
}

/* --- A queue --------------------------------------------------------------------- */

static void show_filters(FILE *to, const struct queue *q)
{
	int i;

	for (i = 1; i < FILTERS; i++)
		if (q->filter[i])
			fprintf(to, " %s:%zu", filter_name(-i), q->filter[i]);
}

/* What is to be known of a queue that does not work for who has it. */
static void show_use(FILE *to, const struct queue *q)
{
	if (q->closed)
		fputs(" closed", to);
	else if (q->owner < 0)
		fputs(" (of a process that has ended)", to);
	else if (!q->owner)
		fputs(" (of a process out of sight)", to);
	else if (q->holder->works != WORKS)
		fprintf(to, " (of process %d)", q->owner);
}

static void put_descriptor(char *to, size_t size, const struct queue *q)
{
	if (q->nholders > 1)
		snprintf(to, size, "%d+%zu", q->holder->fd, q->nholders - 1);
	else
		snprintf(to, size, "%d", q->holder->fd);
}

static void show_holder(FILE *to, const struct holder *h)
{
	struct process p = { 0 };

	process_look(&p, h->pid);
	fprintf(to, "  also descriptor %d of process %d", h->fd, h->pid);
	if (*p.name) {
		fputs(" (", to);
		text_plain(to, p.name);
		putc(')', to);
	}
	if (h->tid)
		fprintf(to, ", thread %d", h->tid);
	fprintf(to, "%s\n", h->works == WORKS_NOT ? ", for which it does not work" : "");
}

static void show_queue(FILE *to, struct report *r, const struct queue *q,
		       struct process *p)
{
	char fd[48], uid[24] = "?";
	size_t i;

	process_look(p, q->holder->pid);
	if (p->uid >= 0)
		snprintf(uid, sizeof(uid), "%ld", p->uid);
	put_descriptor(fd, sizeof(fd), q);
	fprintf(to, "%7llu %7d %5s %6s ", (unsigned long long)q->id, q->holder->pid,
		uid, fd);
	if (q->closed)
		fprintf(to, "%7s %7s %8s %6s  ", "-", "-", "-", "-");
	else
		fprintf(to, "%7zu %7zu %8zu %6s  ", q->n, q->ready, q->disabled,
			amount(q->memory));
	text_plain(to, *p->name ? p->name : "?");
	show_use(to, q);
	show_filters(to, q);
	putc('\n', to);
	if (!r->verbose)
		return;
	for (i = 1; i < q->nholders; i++)
		show_holder(to, &q->holder[i]);
	for (i = 0; i < q->nknotes; i++)
		show_knote(to, r, q, &q->knote[i]);
}

/* --- All ------------------------------------------------------------------------- */

/* What there is besides what we can see is for root to know. */
static void show_module(FILE *to)
{
	long long queues = read_number(COUNTERS "queues");
	long long knotes = read_number(COUNTERS "knotes");

	if (queues >= 0 && knotes >= 0)
		fprintf(to, "module: queues %lld, registrations %lld\n", queues, knotes);
	fprintf(to, "a user: registrations %lld, timers %lld, files %lld, exclusive %lld at most\n",
		read_number(PARAMETERS "max_user_knotes"),
		read_number(PARAMETERS "max_user_timers"),
		read_number(PARAMETERS "max_user_files"),
		read_number(PARAMETERS "max_user_exclusive"));
}

static void show_total(FILE *to, const struct report *r)
{
	struct total t;

	report_sum(r, &t);
	fprintf(to, " shown: queues %zu, registrations %zu, ready %zu, disabled %zu, memory %s\n",
		t.queues, t.n, t.ready, t.disabled, amount(t.memory));
	show_module(to);
}

void show_report(FILE *to, struct report *r, bool total)
{
	struct process p = { 0 };
	size_t i;

	fprintf(to, "%7s %7s %5s %6s %7s %7s %8s %6s  %s\n", "QUEUE", "PID", "UID", "FD",
		"WATCHED", "READY", "DISABLED", "MEMORY", "COMMAND AND FILTERS");
	for (i = 0; i < r->n; i++)
		show_queue(to, r, r->queue[i], &p);
	if (total)
		show_total(to, r);
}
