/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks the trees. Every operation of every rule of the event is evaluated, wanted or not: state
 * advances at each event, whatever a condition says. So meaning does not depend on where in an
 * expression something stands.
 */
#include "extension/eval.h"

#include "extension/op.h"

/* The depth is bounded by the number of tokens of a text. */
static int64_t eval(struct qos_rule_run *run, const struct qos_rule_node *node)
{
	int64_t args[QOS_RULE_ARGS_MAX] = {};

	for (size_t i = 0; i < node->n_args; i++)
		args[i] = eval(run, node->args[i]);
	return node->op->eval(run, node, args);
}

static void request(struct qos_rules_frame *frame, size_t *n, bool wanted, uint32_t attribute,
		    int64_t value)
{
	frame->request[(*n)++] = (struct qos_rules_request){wanted, attribute, value};
}

static void eval_rule(struct qos_rule_run *run, const struct qos_compiled_rule *rule,
		      struct qos_rules_frame *frame, size_t *n)
{
	bool wanted = rule->when.tree ? eval(run, rule->when.tree) : true;

	for (size_t i = 0; i < rule->n_sets; i++) {
		const struct qos_compiled_set *set = &rule->sets[i];
		int64_t value = eval(run, set->value.tree);

		value = value > set->hi ? set->hi : value;
		value = value < set->lo ? set->lo : value;
		request(frame, n, wanted,
			QOS_RULES_ATTRIBUTE_ID(set->attribute.field->attribute,
					       set->attribute.stream),
			value);
	}
	if (rule->rule->emit.text)
		request(frame, n, wanted, QOS_RULES_ATTRIBUTE_ID(QOS_RULES_EMIT, rule->emit), 1);
}

void qos_rules_eval(const struct qos_compiled *compiled, size_t program,
		    struct qos_rules_frame *frame, uint64_t *state)
{
	struct qos_rule_run run = {.frame = frame, .state = state};
	size_t n = 0;

	for (size_t i = 0; i < compiled->n_rules; i++)
		if (compiled->rules[i].program == program)
			eval_rule(&run, &compiled->rules[i], frame, &n);
	frame->n_requests = n;
}
