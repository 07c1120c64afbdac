/* SPDX-License-Identifier: GPL-2.0-only */
/* Which requests of a stream are mandatory: bits by request number, a prefix and then a cycle. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct qos_must {
	uint32_t prefix; /* bits */
	uint32_t cycle;	 /* bits; 0: no table, nothing is mandatory */
	uint8_t *bits;	 /* owned; bit n is bit n % 8 of byte n / 8 */
};

static inline bool qos_must_bit(const struct qos_must *must, uint64_t request)
{
	uint64_t n = request;

	if (!must->cycle)
		return false;
	if (n >= must->prefix)
		n = must->prefix + (n - must->prefix) % must->cycle;
	return must->bits[n / 8] & 1U << n % 8;
}

/* All bits 0. 0 or -ENOMEM, which leaves *ret as it was. */
int qos_must_init(struct qos_must *ret, uint32_t prefix, uint32_t cycle);

static inline void qos_must_set(struct qos_must *must, uint64_t n)
{
	must->bits[n / 8] |= (uint8_t)(1U << n % 8);
}

/* The same from request n on, which is request 0 there. 0 or -ENOMEM. */
int qos_must_from(const struct qos_must *must, uint64_t n, struct qos_must *ret);

static inline void qos_must_reset(struct qos_must *must)
{
	free(must->bits);
	*must = (struct qos_must){};
}
