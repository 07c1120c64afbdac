/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tree of an expression: made by parse.c, completed by typing.c (type, field, state), read by
 * eval.c and lower.c. Each node is one row of the table of operations.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "extension/field.h"
#include "extension/source.h"
#include "extension/type.h"
#include "util/cleanup.h"
#include "util/text.h"

#define QOS_RULE_ARGS_MAX  4
#define QOS_RULE_DEPTH_MAX 64 /* of brackets and signs in each other */

struct qos_rule_op;

struct qos_rule_node {
	const struct qos_rule_op *op;
	enum qos_rule_type type;
	uint16_t at; /* the sign or word in the text */
	uint16_t len;
	int64_t value;		   /* literals */
	struct qos_rule_ref field; /* fields */
	size_t state;		   /* first word, of an operation that has a state */
	struct qos_rule_node *args[QOS_RULE_ARGS_MAX];
	size_t n_args;
};

void qos_rule_node_free(struct qos_rule_node *node);
QOS_DEFINE_CLEANUP(struct qos_rule_node *, qos_rule_node_free)
#define _cleanup_rule_node_ QOS_CLEANUP(qos_rule_node_freep)

/* One line a node, indented by depth; `types`: with types, fields and state words. */
void qos_rule_node_print(const struct qos_rule_node *node, const struct qos_rule_source *source,
			 bool types, struct qos_buf *out);
