/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's clocks in nanoseconds. Only for the rim and above: ranks 1 to 3 are told the time. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t qos_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
