// SPDX-License-Identifier: BSD-2-Clause
/*
 * demo: signals, watched with EVFILT_SIGNAL.
 *
 * There is no handler, so none of the code here can be interrupted by one. The
 * default action of both signals would end the process: they are ignored, and the
 * queue tells of them all the same. data is how many came, ext[0] who has sent the
 * last one.
 */
#include <signal.h>

#include "demo.h"

static unsigned int hups, terms, strangers;

static void happened(const struct kevent *kev)
{
	if (!is_operator(kev->ext[0]))
		strangers++;
	if (kev->ident == SIGHUP) {
		hups += kev->data;
		log_reopen();
	} else {
		terms += kev->data;
		say("signal", "SIGTERM from process %d", (int)kev->ext[0]);
		server_stop();
		cues_end();
	}
}

static struct source signals = { happened };

void signals_start(void)
{
	signal(SIGHUP, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	watch(SIGHUP, EVFILT_SIGNAL, EV_ADD, 0, 0, &signals);
	watch(SIGTERM, EVFILT_SIGNAL, EV_ADD, 0, 0, &signals);
}

void signals_check(void)
{
	check(hups == 1 && terms == 1 && strangers == 0,
	      "%u SIGHUP and %u SIGTERM came, %u from others than the operator",
	      hups, terms, strangers);
}
