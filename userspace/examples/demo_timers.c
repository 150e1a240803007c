// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: timers, EVFILT_TIMER. They have names, not descriptors.
 *
 * One is periodic: data is how often it has expired since the last event, so that none
 * is lost and none drifts. One is for the time that all may take: EV_ONESHOT.
 */
#include "demo.h"

#define TICK_MS		1000

enum { TICK, TIME_LIMIT };	/* idents: any numbers will do */

static unsigned int limit;
static bool late;
static unsigned long long ticks;
static unsigned long long not_before, not_after;	/* when the first began */

static void happened(const struct kevent *kev)
{
	if (kev->ident == TIME_LIMIT) {
		late = true;
		give_up("it takes longer than %u s", limit);
		return;
	}
	ticks += kev->data;
	say("timer", "%3u processes, %3u clients, %5.2f MB echoed, %u lines, %u events in %u calls",
	    totals.processes, totals.clients, totals.bytes_out / 1e6,
	    totals.lines, totals.events, totals.calls);
}

static struct source timers = { happened };

void timers_start(unsigned int seconds)
{
	limit = seconds;
	not_before = now_ns();
	watch(TICK, EVFILT_TIMER, EV_ADD, NOTE_MSECONDS, TICK_MS, &timers);
	not_after = now_ns();
	watch(TIME_LIMIT, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_SECONDS,
	      seconds, &timers);
}

/* How often a timer has expired at @end that was started at @start, in ns. */
static unsigned long long periods(unsigned long long start, unsigned long long end)
{
	return end > start ? (end - start) / (TICK_MS * 1000000ULL) : 0;
}

void timers_check(void)
{
	unsigned long long least = periods(not_after, totals.told_until);
	unsigned long long most = periods(not_before, now_ns());

	/* The last interrupt may have been late, on a machine with much to do. */
	least -= least > 0;
	check(ticks >= least && ticks <= most,
	      "%llu ticks of a timer of %d ms, %llu to %llu expected",
	      ticks, TICK_MS, least, most);
	check(!late, "all that within %u s", limit);
}
