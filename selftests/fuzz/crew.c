// SPDX-License-Identifier: BSD-2-Clause
/* The threads of a round. */
#include "fuzz.h"

#define DISTURBANCE	SIGUSR1

static void on_disturbance(int sig)
{
	(void)sig;
}

/* Not restarted, though kevent() never is anyway. */
void signals_catch(void)
{
	struct sigaction sa = { .sa_handler = on_disturbance };

	sigaction(DISTURBANCE, &sa, NULL);
}

void crew_add(struct crew *crew, struct actor *a, void *(*run)(void *), void *arg)
{
	crew->actor[crew->n] = a;
	if (pthread_create(&crew->thread[crew->n], NULL, run, arg))
		fail(a, "no thread");
	crew->n++;
}

/* A thread that has ended, but was not joined, may still be sent one. */
void crew_disturb(struct crew *crew, struct rng *r)
{
	if (crew->n)
		pthread_kill(crew->thread[below(r, crew->n)], DISTURBANCE);
}

void crew_join(struct crew *crew, int from, int to)
{
	for (; from < to; from++)
		pthread_join(crew->thread[from], NULL);
}
