/* SPDX-License-Identifier: GPL-2.0-only */
/* Trees: freeing and printing. The parser bounds their depth. */
#include "extension/node.h"

#include "extension/op.h"

void qos_rule_node_free(struct qos_rule_node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->n_args; i++)
		qos_rule_node_free(node->args[i]);
	free(node);
}

static void print(const struct qos_rule_node *node, const struct qos_rule_source *source,
		  bool types, int depth, struct qos_buf *out)
{
	char value[QOS_RULE_VALUE_MAX];

	qos_buf_add(out, "%*s", 2 * depth, "");
	if (node->op == qos_rule_op_literal && types)
		qos_buf_add(out, "%s",
			    qos_rule_value_print(value, sizeof(value), node->type, node->value));
	else if (!node->n_args)
		qos_buf_add(out, "%.*s", (int)node->len, source->text + node->at);
	else
		qos_buf_add(out, "%s", node->op->name);
	if (types)
		qos_buf_add(out, " : %s", qos_rule_type_names[node->type]);
	if (types && node->op->state)
		qos_buf_add(out, ", state %zu..%zu", node->state,
			    node->state + node->op->state - 1);
	qos_buf_add(out, "\n");
	for (size_t i = 0; i < node->n_args; i++)
		print(node->args[i], source, types, depth + 1, out);
}

void qos_rule_node_print(const struct qos_rule_node *node, const struct qos_rule_source *source,
			 bool types, struct qos_buf *out)
{
	print(node, source, types, 2, out);
}
