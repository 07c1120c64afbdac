/* SPDX-License-Identifier: GPL-2.0-only */
/* Answers of a parser by hand, for those that no parser gives (daemon/extension/front_wire.h). */
#pragma once

#include <string.h>

#include "contract/doc.h"
#include "util/wire.h"

/* The result, and how many words follow; without any the counts of them too. */
static inline void answer_head(struct qos_buf *out, uint32_t result, uint32_t n_entries)
{
	qos_wire_put_u32(out, result);
	qos_wire_put_u32(out, n_entries);
	for (int i = 0; !n_entries && i < 3; i++)
		qos_wire_put_u32(out, 0);
}

/* The beginning of a node; key: NULL for a root and the items of lists. */
static inline void answer_node(struct qos_buf *out, const char *key, enum qos_node_kind kind)
{
	qos_wire_put_u32(out, kind);
	qos_wire_put_u64(out, 0);
	if (!key)
		return;
	qos_wire_put_bytes(out, key, strlen(key));
	qos_wire_put_u64(out, 0);
}

static inline void answer_scalar(struct qos_buf *out, const char *key, const char *text, size_t len)
{
	answer_node(out, key, QOS_NODE_SCALAR);
	qos_wire_put_bytes(out, text, len);
	qos_wire_put_u32(out, 0);
}
