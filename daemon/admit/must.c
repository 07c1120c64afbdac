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
