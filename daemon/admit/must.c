/* SPDX-License-Identifier: GPL-2.0-only */
/* See must.h. */
#include "admit/must.h"

#include <errno.h>

int qos_must_init(struct qos_must *ret, uint32_t prefix, uint32_t cycle)
{
	uint8_t *bits = calloc(((size_t)prefix + cycle + 7) / 8 + 1, 1);

	if (!bits)
		return -ENOMEM;
	*ret = (struct qos_must){.prefix = prefix, .cycle = cycle, .bits = bits};
	return 0;
}

int qos_must_from(const struct qos_must *must, uint64_t n, struct qos_must *ret)
{
	uint32_t prefix = n < must->prefix ? must->prefix - (uint32_t)n : 0;
	int r = qos_must_init(ret, prefix, must->cycle);

	for (uint64_t i = 0; r == 0 && i < (uint64_t)prefix + must->cycle; i++) {
		if (qos_must_bit(must, n + i))
			qos_must_set(ret, i);
	}
	return r;
}
