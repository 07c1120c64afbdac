/* SPDX-License-Identifier: GPL-2.0-only */
/* The pass over a tree between parser and emission: types and constants. */
#pragma once

#include "extension/node.h"

struct qos_typing {
	const struct qos_contract *contract;
	const struct qos_rule_event *event;
	const struct qos_rule_source *source;
	struct qos_diag *diag;
	size_t *n_state; /* words of the contract so far */
};

/* Gives every node its type, fields their place, and state its words, and turns what is constant into
 * literals. 0, or -EINVAL with a diagnostic, also of a constant divisor 0. */
int qos_rule_typing(struct qos_typing *typing, struct qos_rule_node *node);

/* For the rows: records an error at the node and returns -EINVAL. */
int qos_typing_error(const struct qos_typing *typing, const struct qos_rule_node *node,
		     const char *format, ...) __attribute__((format(printf, 3, 4)));
