/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers that repeat. QOS_SEED in the environment sets another seed; a test prints its own. */
#pragma once

#include <stdint.h>
#include <stdlib.h>

static uint64_t seed;

static inline uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % below;
}

static inline void random_seed(void)
{
	const char *given = getenv("QOS_SEED");

	seed = given ? strtoull(given, NULL, 0) | 1 : 88172645463325252ULL;
}
