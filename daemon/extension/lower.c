/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lowering: a walk over the tree that asks each row for its instructions. The bounds that come back
 * with the value also tell what can never be right.
 */
#include "extension/lower.h"

#include <errno.h>

#include "extension/op.h"

static struct qos_val lower(struct qos_program *program, const struct qos_rule_node *node)
{
	struct qos_val args[QOS_RULE_ARGS_MAX] = {};

	for (size_t i = 0; i < node->n_args; i++)
		args[i] = lower(program, node->args[i]);
	program->n_state += node->op->state;
	return node->op->lower(&program->ir, node, args);
}

static int request(struct qos_program *program, const struct qos_compiled_rule *rule,
		   struct qos_val wanted, uint32_t attribute, struct qos_val value,
		   struct qos_diag *diag)
{
	struct qos_ir_insn insn = {
		.kind = QOS_IR_REQUEST, .dst = QOS_IR_NONE, .attribute = attribute};
	int r;

	if (program->n_requests == QOS_RULES_REQUESTS_MAX) {
		r = qos_diag_error(diag, &rule->rule->loc,
				   "more than %d values are set or emitted on one event",
				   QOS_RULES_REQUESTS_MAX);
		qos_diag_hint(diag, "merge rules, or move some to another event");
		return r;
	}
	insn.src = qos_val_reg(&program->ir, value);
	if (!qos_val_is_const(wanted) || !wanted.lo)
		insn.dst = qos_val_reg(&program->ir, wanted);
	insn.imm = (int64_t)program->n_requests++;
	qos_ir_add(&program->ir, insn);
	return 0;
}

static int outside(const struct qos_compiled_set *set, struct qos_val value, struct qos_diag *diag)
{
	const struct qos_rule_node *tree = set->value.tree;
	struct qos_loc loc = qos_rule_loc(&set->value.source, tree->at);
	char text[QOS_RULE_VALUE_MAX], lo[QOS_RULE_VALUE_MAX], hi[QOS_RULE_VALUE_MAX];
	int r;

	if (qos_val_is_const(value))
		r = qos_diag_error(diag, &loc, "%s is outside the range of %s",
				   qos_rule_value_print(text, sizeof(text), tree->type, value.lo),
				   set->attribute.field->name);
	else
		r = qos_diag_error(diag, &loc, "this is never inside the range of %s",
				   set->attribute.field->name);
	qos_diag_hint(diag, "the contract's range is %s..%s",
		      qos_rule_value_print(lo, sizeof(lo), tree->type, set->lo),
		      qos_rule_value_print(hi, sizeof(hi), tree->type, set->hi));
	return r;
}

static int lower_set(struct qos_program *program, const struct qos_compiled_rule *rule,
		     const struct qos_compiled_set *set, struct qos_val wanted,
		     struct qos_diag *diag)
{
	struct qos_val value;

	qos_ir_note(&program->ir, "set %s: %s", set->attribute.field->name, set->value.source.text);
	value = lower(program, set->value.tree);
	if (value.hi < set->lo || value.lo > set->hi)
		return outside(set, value, diag);
	value = qos_val_min(&program->ir, value, qos_val_const(set->hi));
	value = qos_val_max(&program->ir, value, qos_val_const(set->lo));
	return request(
		program, rule, wanted,
		QOS_RULES_ATTRIBUTE_ID(set->attribute.field->attribute, set->attribute.stream),
		value, diag);
}

static struct qos_val lower_when(struct qos_program *program, const struct qos_compiled_rule *rule,
				 struct qos_diag *diag)
{
	const struct qos_rule_source *source = &rule->when.source;
	struct qos_val wanted;
	struct qos_loc loc;

	if (!rule->when.tree)
		return qos_val_const(1);
	qos_ir_note(&program->ir, "when %s", source->text);
	wanted = lower(program, rule->when.tree);
	if (wanted.hi)
		return wanted;
	loc = qos_rule_loc(source, rule->when.tree->at);
	qos_diag_warning(diag, &loc, "when: this is never true");
	qos_diag_hint(diag, "no value that the metric can have makes it true; take the rule out");
	return wanted;
}

int qos_lower_rule(struct qos_program *program, const struct qos_compiled_rule *rule,
		   struct qos_diag *diag)
{
	struct qos_val wanted = lower_when(program, rule, diag);
	int r = 0, error;

	for (size_t i = 0; i < rule->n_sets; i++) {
		error = lower_set(program, rule, &rule->sets[i], wanted, diag);
		r = r ?: error;
	}
	if (rule->rule->emit.text) {
		error = request(program, rule, wanted,
				QOS_RULES_ATTRIBUTE_ID(QOS_RULES_EMIT, rule->emit),
				qos_val_const(1), diag);
		r = r ?: error;
	}
	return r;
}
