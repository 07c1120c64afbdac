/* SPDX-License-Identifier: GPL-2.0-only */
/* How often something happened in this second. */
#pragma once

#include <stdint.h>

/* All zeroes at first. */
struct qos_rate {
	uint64_t second;
	uint32_t n;
};

/* Once more, at now_ns of a clock that does not go back. How often in that second, with this time. */
static inline uint32_t qos_rate_count(struct qos_rate *rate, uint64_t now_ns)
{
	uint64_t second = now_ns / 1000000000;

	if (second != rate->second)
		*rate = (struct qos_rate){.second = second};
	return ++rate->n;
}
