// SPDX-License-Identifier: BSD-2-Clause
/* The model: which events must come, may come, and must not. */
#include "model.h"

#include <sched.h>
#include <string.h>

static const char *note_source(const struct model *m, const struct note *n)
{
	struct file *f = number_file(m, n->ident);

	if (!filter_is_fd(n->filter))
		return "no descriptor";
	return f ? source_name[f->kind] : "a queue";
}

/* How many registrations may be on the queue, to be looked at. */
int queue_most(const struct queue *q)
{
	const struct note *n;
	int most = 0;

	for (n = q->note; n < q->note + NOTES; n++)
		most += n->used && n->queued != QUEUED_NO;
	return most;
}

bool queue_has(const struct queue *q, enum verdict least)
{
	const struct note *n;

	for (n = q->note; n < q->note + NOTES; n++)
		if (n->used && n->verdict >= least)
			return true;
	return false;
}

static enum verdict judge(struct model *m, struct note *n)
{
	n->ready = note_ready(m, n);
	if (n->disabled)
		return EVENT_NEVER;
	if (n->forced)
		return EVENT_MUST;
	if (n->ready == READY_NO || n->queued == QUEUED_NO)
		return EVENT_NEVER;
	return n->ready == READY_YES && n->queued == QUEUED_YES && !note_is_loose(m, n) ?
		EVENT_MUST : EVENT_MAY;
}

/* Before a call: what it has to bring. */
void model_judge(struct model *m, struct queue *q)
{
	struct note *n;

	model_probe(m);
	memcpy(m->before, m->probe, sizeof(m->before));
	for (n = q->note; n < q->note + NOTES; n++) {
		if (!n->used)
			continue;
		n->verdict = judge(m, n);
		if (n->verdict != EVENT_MUST)
			n->passed = 0;
	}
}

/* Some registrations were put behind the others. */
void model_forget_order(struct queue *q)
{
	struct note *n;

	for (n = q->note; n < q->note + NOTES; n++)
		n->passed = 0;
}

/* It is on, or may come back to, its queue after this delivery. */
static void delivered(struct model *m, struct note *n)
{
	bool later = note_is_loose(m, n) || number_queue(m, n->ident);

	n->passed = 0;
	n->seen = true;
	if (n->flags & EV_ONESHOT) {
		n->used = false;
		return;
	}
	if (n->flags & EV_DISPATCH)
		n->disabled = true;
	if (n->filter == EVFILT_TIMER) {
		if (!(n->fflags & NOTE_ABSTIME))
			n->queued = n->timer == TIMER_SOON ? QUEUED_OWED : QUEUED_MAYBE;
		else if (n->flags & EV_CLEAR)
			n->timer = TIMER_NEVER;
		else
			n->timer = TIMER_STAYS;
		if (n->timer == TIMER_STAYS)
			n->queued = QUEUED_YES;
		return;
	}
	if (n->flags & EV_CLEAR) {
		n->fired = false;
		n->sent = 0;
		n->told = 0;
	}
	if (later && filter_is_fd(n->filter))
		n->queued = QUEUED_MAYBE;
	else if (n->flags & (EV_CLEAR | EV_DISPATCH))
		n->queued = QUEUED_NO;
	else
		n->queued = QUEUED_YES;
}

static void check_nested(struct model *m, const struct queue *child,
			 const struct kevent_record *kev)
{
	int most = queue_most(child);

	if (kev->data < 1 || kev->data > most)
		fail(m->a, "queue %llu with news of %d registrations has %lld ready",
		     kev->ident, most, kev->data);
}

static void check_except(struct model *m, const struct kevent_record *kev)
{
	if (kev->fflags != NOTE_OOB || kev->data || kev->flags & EV_EOF)
		fail(m->a, "ident %llu has something exceptional, fflags %#x data %lld flags %#x",
		     kev->ident, kev->fflags, kev->data, kev->flags);
}

/* It may be late, but never early. */
static void check_timer(struct model *m, struct note *n, const struct kevent_record *kev)
{
	bool once = n->fflags & NOTE_ABSTIME || n->flags & EV_ONESHOT;

	if (kev->data < !n->forced || kev->fflags || (once && !n->forced && kev->data != 1))
		fail(m->a, "timer %llu expired %lld times, fflags %#x", kev->ident,
		     kev->data, kev->fflags);
	n->expired += kev->data;
	if (n->period && n->expired > (now_ns() - n->start) / n->period)
		fail(m->a, "timer %llu has expired %lld times of %lld ns within %lld ns",
		     kev->ident, n->expired, n->period, now_ns() - n->start);
}

static void check_contents(struct model *m, struct note *n,
			   const struct kevent_record *kev)
{
	bool fd = filter_is_fd(n->filter);
	uint16_t eof = fd ? EV_EOF : 0;
	/* Of which the first two parts of ext are the kernel's. */
	int skip = n->filter == EVFILT_SIGNAL || n->filter == EVFILT_PROC ? 2 : 0;

	if ((kev->flags & ~eof) != n->flags)
		fail(m->a, "ident %llu filter %d has flags %#x, not %#x", kev->ident,
		     kev->filter, n->flags, kev->flags);
	if (kev->udata != n->udata || memcmp(kev->ext + skip, n->ext + skip,
					     sizeof(n->ext) - skip * sizeof(*n->ext)))
		fail(m->a, "ident %llu filter %d: udata %#llx, ext %#llx instead of %#llx, %#llx",
		     kev->ident, kev->filter, kev->udata, kev->ext[0],
		     (unsigned long long)n->udata, (unsigned long long)n->ext[0]);
	/* There it is the error of the connection that has ended. */
	if (fd && n->filter != EVFILT_EXCEPT && n->filter != EVFILT_VNODE &&
	    kev->fflags && !(kev->flags & EV_EOF))
		fail(m->a, "ident %llu filter %d: fflags %#x without an end", kev->ident,
		     kev->filter, kev->fflags);
	if (n->filter == EVFILT_USER) {
		if (kev->fflags != n->fflags || kev->data != n->data)
			fail(m->a, "user event %llu: fflags %#x data %lld, not %#x %lld",
			     kev->ident, n->fflags, (long long)n->data, kev->fflags,
			     kev->data);
	} else if (n->filter == EVFILT_SIGNAL) {
		if (kev->fflags != SI_USER || kev->data != n->sent)
			fail(m->a, "signal %llu was sent %d times, not %lld, fflags %#x",
			     kev->ident, n->sent, kev->data, kev->fflags);
	} else if (n->filter == EVFILT_PROC) {
		int forks = n->fflags & NOTE_FORK ? n->sent : 0;

		if (kev->fflags != (forks ? NOTE_FORK : 0) || kev->data ||
		    kev->ext[0] != (uint64_t)forks || kev->ext[1])
			fail(m->a, "the process had %d children, not %lld, fflags %#x data %lld",
			     forks, kev->ext[0], kev->fflags, kev->data);
	} else if (n->filter == EVFILT_VNODE) {
		if (kev->fflags != n->told || kev->data)
			fail(m->a, "to the file %llu has happened %#x, not %#x, data %lld",
			     kev->ident, n->told, kev->fflags, kev->data);
	} else if (n->filter == EVFILT_TIMER) {
		check_timer(m, n, kev);
	} else if (n->forced) {
		return;
	} else if (number_queue(m, n->ident)) {
		check_nested(m, number_queue(m, n->ident), kev);
	} else if (n->filter == EVFILT_EXCEPT) {
		check_except(m, kev);
	} else if (note_is_async(m, n)) {
		check_flow(m, n, kev);
	} else if (n->ready == READY_YES) {
		check_data(m, n, kev);
	}
}

static void take_one(struct model *m, struct queue *q, const struct kevent_record *kev)
{
	struct note *n = note_find(q, kev->ident, kev->filter);

	if (!n)
		fail(m->a, "an event of ident %llu filter %d, which is not registered",
		     kev->ident, kev->filter);
	/* What happens behind our back may have happened since. */
	if (n->verdict == EVENT_NEVER && note_is_loose(m, n) && !n->disabled)
		n->verdict = judge(m, n);
	if (n->verdict == EVENT_NEVER)
		fail(m->a, "an event of ident %llu filter %d (%s), flags %#x data %lld, is %s",
		     kev->ident, kev->filter, note_source(m, n), kev->flags, kev->data,
		     n->disabled ? "disabled" :
		     n->queued == QUEUED_NO ? "not news" : "not ready");
	check_contents(m, n, kev);
	delivered(m, n);
	n->verdict = EVENT_NEVER;	/* not once more in this call */
}

/* A registration that the call has not returned. @all: it returned all it had. */
static void left_over(struct model *m, struct note *n, bool all)
{
	enum ready ready = note_ready(m, n);

	if (n->verdict == EVENT_MUST) {
		if (all)
			fail(m->a, "no event of ident %llu filter %d (%s), which is ready",
			     (unsigned long long)n->ident, n->filter, note_source(m, n));
		if (++n->passed > NOTES)
			fail(m->a, "ident %llu filter %d is passed over again and again",
			     (unsigned long long)n->ident, n->filter);
		return;
	}
	if (n->disabled || note_is_loose(m, n) || number_queue(m, n->ident))
		return;
	if (!all)
		n->queued = ready == READY_NO && n->queued == QUEUED_YES ?
			QUEUED_MAYBE : n->queued;
	else if (ready == READY_NO || (ready == READY_YES && n->queued == QUEUED_MAYBE))
		n->queued = QUEUED_NO;
}

/* What a call with room for @room records has brought. */
void model_take(struct model *m, struct queue *q, const struct kevent_record *kev,
		int n, int room)
{
	bool returned[NOTES] = {};
	struct note *note;
	int i;

	model_probe(m);
	for (i = 0; i < n; i++) {
		note = note_find(q, kev[i].ident, kev[i].filter);
		if (note)
			returned[note - q->note] = true;
		take_one(m, q, &kev[i]);
	}
	for (i = 0; i < NOTES; i++)
		if (q->note[i].used && !returned[i])
			left_over(m, &q->note[i], n < room);
}

/* --- Settling -------------------------------------------------------------- */

static bool is_plain_level(const struct note *n)
{
	return !(n->flags & (EV_ONESHOT | EV_CLEAR | EV_DISPATCH));
}

/* Will its event come, if one only waits? */
static bool is_due(struct model *m, struct note *n)
{
	struct queue *child = number_queue(m, n->ident);
	enum ready ready;

	if (!n->used || n->disabled || n->seen)
		return false;
	if (n->forced)
		return true;
	if (filter_is_fd(n->filter) && child) {
		model_judge(m, child);
		return is_plain_level(n) && queue_has(child, EVENT_MUST);
	}
	ready = note_ready(m, n);
	if (n->filter == EVFILT_TIMER)
		return n->timer == TIMER_STAYS ||
		       (n->timer == TIMER_SOON && n->queued >= QUEUED_OWED);
	return ready == READY_YES && n->queued >= QUEUED_OWED;
}

static struct note *find_due(struct model *m, struct queue *q)
{
	struct note *n;

	for (n = q->note; n < q->note + NOTES; n++)
		if (is_due(m, n))
			return n;
	return NULL;
}

/* Collect until nothing is due that has not come: it must come some time. */
void model_settle(struct model *m, struct queue *q, int fd)
{
	static const struct timespec second = { .tv_sec = 1 };
	struct kevent_record kev[NOTES];
	struct call c = {
		.kq = fd, .events = kev, .nevents = NOTES, .timeout = &second,
	};
	long long end = now_ms() + LIMIT_MS;
	struct note *due;
	int i, ret;

	for (i = 0; i < NOTES; i++)
		q->note[i].seen = false;
	model_probe(m);
	while ((due = find_due(m, q))) {
		if (now_ms() > end)
			fail(m->a, "ident %llu filter %d (%s) has had no event for %d s",
			     (unsigned long long)due->ident, due->filter,
			     note_source(m, due), LIMIT_MS / 1000);
		model_judge(m, q);
		ret = call_kevent(m->a, &c);
		if (ret < 0)
			fail(m->a, "collecting: %s", strerror(-ret));
		model_take(m, q, kev, ret, NOTES);
		actor_alive(m->a);
		sched_yield();
	}
}
