/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Types from the leaves up, and constants likewise: what a row sees of a constant argument is a literal,
 * however it is written. A wrong part ends the expression, so one mistake
 * makes one message; the other expressions of the contract are still read.
 */
#include "extension/typing.h"

#include <errno.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdio.h>

#include "extension/op.h"
#include "qos_rules_abi.h"

int qos_typing_error(const struct qos_typing *typing, const struct qos_rule_node *node,
		     const char *format, ...)
{
	struct qos_loc loc = qos_rule_loc(typing->source, node->at);
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return qos_diag_error(typing->diag, &loc, "%s", text);
}

static int take_state(struct qos_typing *typing, struct qos_rule_node *node)
{
	int r;

	if (*typing->n_state > QOS_RULES_STATE_MAX)
		return -EINVAL; /* said already: once is enough */
	node->state = *typing->n_state;
	*typing->n_state += node->op->state;
	if (*typing->n_state <= QOS_RULES_STATE_MAX)
		return 0;
	r = qos_typing_error(typing, node,
			     "%s: the rules of this contract keep more than %d numbers of state",
			     node->op->name, QOS_RULES_STATE_MAX);
	qos_diag_hint(typing->diag, "ewma, delta and prev keep one each, rate and pid two, `over` "
				    "three");
	return r;
}

static bool is_literal(const struct qos_rule_node *node)
{
	return node->op == qos_rule_op_literal;
}

static void make_literal(struct qos_rule_node *node, int64_t value)
{
	for (size_t i = 0; i < node->n_args; i++)
		qos_rule_node_free(node->args[i]);
	node->n_args = 0;
	node->op = qos_rule_op_literal;
	node->value = value;
}

/* What is constant becomes a literal. */
static int fold(struct qos_typing *typing, struct qos_rule_node *node)
{
	int64_t values[QOS_RULE_ARGS_MAX] = {};
	bool constant = !node->op->state;
	int r;

	for (size_t i = 0; i < node->n_args; i++) {
		constant &= is_literal(node->args[i]);
		values[i] = node->args[i]->value;
	}
	if (node->op == qos_rule_op_div && is_literal(node->args[1]) && !values[1]) {
		r = qos_typing_error(typing, node, "the divisor is always 0");
		qos_diag_hint(typing->diag, "x / 0 is 0 whatever x is; write 0 if that is meant");
		return r;
	}
	if (node->op == qos_rule_op_field && node->field.field->word < 0)
		make_literal(node, node->field.constant);
	else if (constant && node->n_args)
		make_literal(node, node->op->eval(NULL, node, values));
	return 0;
}

int qos_rule_typing(struct qos_typing *typing, struct qos_rule_node *node)
{
	int r;

	for (size_t i = 0; i < node->n_args; i++) {
		r = qos_rule_typing(typing, node->args[i]);
		if (r < 0)
			return r;
	}
	r = node->op->type(typing, node);
	if (r == 0 && node->op->state)
		r = take_state(typing, node);
	return r < 0 ? r : fold(typing, node);
}
