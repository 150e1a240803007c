// SPDX-License-Identifier: BSD-2-Clause
/* Random numbers of our own, so that a seed means the same everywhere. */
#include "fuzz.h"

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

/* Each round and each actor has a stream that the others do not influence. */
void rng_seed(struct rng *r, uint64_t seed, uint64_t round, uint64_t actor)
{
	uint64_t state = seed;
	size_t i;

	state = splitmix(&state) ^ round;
	state = splitmix(&state) ^ actor;
	for (i = 0; i < ARRAY_SIZE(r->s); i++)
		r->s[i] = splitmix(&state);
}

uint64_t rng_next(struct rng *r)
{
	uint64_t *s = r->s, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

unsigned int below(struct rng *r, unsigned int n)
{
	return (rng_next(r) >> 32) * n >> 32;
}

bool chance(struct rng *r, unsigned int n)
{
	return !below(r, n);
}
