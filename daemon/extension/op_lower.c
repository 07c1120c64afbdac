/* SPDX-License-Identifier: GPL-2.0-only */
/* The emission column of the table of operations; op_eval.c says what each means. */
#include <linux/bpf.h>

#include "extension/op_parts.h"
#include "qos_rules_abi.h"

static int64_t limit_of(const struct qos_rule_node *node)
{
	return qos_rule_limit(node->type);
}

/* Byte of a state word in the map's value. */
static int64_t word_at(const struct qos_rule_node *node, size_t i)
{
	return (int64_t)(node->state + i) * 8;
}

struct qos_val qos_lower_literal(struct qos_ir *ir, const struct qos_rule_node *node,
				 const struct qos_val *args)
{
	return qos_val_const(node->value);
}

struct qos_val qos_lower_field(struct qos_ir *ir, const struct qos_rule_node *node,
			       const struct qos_val *args)
{
	const struct qos_rule_ref *ref = &node->field;
	size_t offset = offsetof(struct qos_rules_frame, stream) +
			ref->slot * sizeof(struct qos_rules_stream) +
			(size_t)ref->field->word * sizeof(int64_t);

	if (ref->field->word < 0)
		return qos_val_const(ref->constant);
	qos_ir_note(ir, "%s.%s of stream %zu", ref->field->section, ref->field->name, ref->stream);
	return qos_val_load(ir, QOS_IR_INPUT, (int64_t)offset, ref->field->bits,
			    ref->field->is_signed);
}

#define LOWER(name, expression)                                                                    \
	struct qos_val qos_lower_##name(struct qos_ir *ir, const struct qos_rule_node *node,       \
					const struct qos_val *args)                                \
	{                                                                                          \
		return expression;                                                                 \
	}

LOWER(not, qos_val_not(ir, args[0]))
LOWER(and, qos_val_and(ir, args[0], args[1]))
LOWER(or, qos_val_or(ir, args[0], args[1]))
LOWER(lt, qos_val_lt(ir, args[0], args[1]))
LOWER(gt, qos_val_lt(ir, args[1], args[0]))
LOWER(le, qos_val_not(ir, qos_val_lt(ir, args[1], args[0])))
LOWER(ge, qos_val_not(ir, qos_val_lt(ir, args[0], args[1])))
LOWER(eq, qos_val_eq(ir, args[0], args[1]))
LOWER(ne, qos_val_not(ir, qos_val_eq(ir, args[0], args[1])))
LOWER(neg, qos_val_neg(ir, args[0]))
LOWER(abs, qos_val_abs(ir, args[0]))
LOWER(add, qos_val_add(ir, args[0], args[1], limit_of(node)))
LOWER(sub, qos_val_sub(ir, args[0], args[1], limit_of(node)))
LOWER(clamp, qos_val_max(ir, qos_val_min(ir, args[0], args[2]), args[1]))

struct qos_val qos_lower_mul(struct qos_ir *ir, const struct qos_rule_node *node,
			     const struct qos_val *args)
{
	if (node->args[1]->type == QOS_TYPE_RATIO)
		return qos_val_times(ir, args[0], args[1], limit_of(node));
	return qos_val_mul(ir, args[0], args[1], limit_of(node));
}

struct qos_val qos_lower_div(struct qos_ir *ir, const struct qos_rule_node *node,
			     const struct qos_val *args)
{
	enum qos_rule_type type = node->args[1]->type;

	if (type == QOS_TYPE_RATIO || type == node->args[0]->type)
		return qos_val_parts(ir, args[0], args[1], limit_of(node));
	return qos_val_div(ir, args[0], args[1]);
}

struct qos_val qos_lower_min(struct qos_ir *ir, const struct qos_rule_node *node,
			     const struct qos_val *args)
{
	struct qos_val value = args[0];

	for (size_t i = 1; i < node->n_args; i++)
		value = qos_val_min(ir, value, args[i]);
	return value;
}

struct qos_val qos_lower_max(struct qos_ir *ir, const struct qos_rule_node *node,
			     const struct qos_val *args)
{
	struct qos_val value = args[0];

	for (size_t i = 1; i < node->n_args; i++)
		value = qos_val_max(ir, value, args[i]);
	return value;
}

struct qos_val qos_lower_ewma(struct qos_ir *ir, const struct qos_rule_node *node,
			      const struct qos_val *args)
{
	struct qos_val old = qos_val_recall(ir, word_at(node, 0), args[0], NULL);
	struct qos_val step = qos_val_sub(ir, args[0], old, limit_of(node));
	struct qos_val value;

	step = qos_val_times(ir, step, args[1], limit_of(node));
	value = qos_val_add(ir, old, step, limit_of(node));
	/* It lies between the two, which bounds that are added up do not show. */
	if (!qos_val_is_const(value)) {
		value.lo = old.lo > value.lo ? old.lo : value.lo;
		value.hi = old.hi < value.hi ? old.hi : value.hi;
	}
	qos_val_remember(ir, word_at(node, 0), value);
	return value;
}

/* x minus the last x. */
static struct qos_val change(struct qos_ir *ir, int64_t offset, struct qos_val x, int64_t limit)
{
	struct qos_val old = qos_val_recall(ir, offset, x, NULL);

	qos_val_remember(ir, offset, x);
	return qos_val_sub(ir, x, old, limit);
}

struct qos_val qos_lower_delta(struct qos_ir *ir, const struct qos_rule_node *node,
			       const struct qos_val *args)
{
	return change(ir, word_at(node, 0), args[0], limit_of(node));
}

struct qos_val qos_lower_prev(struct qos_ir *ir, const struct qos_rule_node *node,
			      const struct qos_val *args)
{
	struct qos_val old = qos_val_recall(ir, word_at(node, 0), args[0], NULL);

	qos_val_remember(ir, word_at(node, 0), args[0]);
	return old;
}

struct qos_val qos_lower_rate(struct qos_ir *ir, const struct qos_rule_node *node,
			      const struct qos_val *args)
{
	int64_t longest = (INT64_C(1) << QOS_RULE_SPAN_BITS) - 1;
	struct qos_val diff, now, span;

	diff = change(ir, word_at(node, 0), args[0], qos_rule_limit(node->args[0]->type));
	qos_ir_note(ir, "now");
	now = qos_val_load(ir, QOS_IR_INPUT, offsetof(struct qos_rules_frame, now_ns),
			   QOS_RULE_TIME_BITS, false);
	span = qos_val_load(ir, QOS_IR_STATE, word_at(node, 1), QOS_RULE_TIME_BITS, false);
	span = qos_val_sub(ir, now, span, QOS_RULE_MAX);
	span = qos_val_max(ir, span, qos_val_const(0));
	span = qos_val_min(ir, span, qos_val_const(longest));
	qos_val_store(ir, word_at(node, 1), now);
	if (node->type == QOS_TYPE_RATIO)
		return qos_val_parts(ir, diff, span, limit_of(node));
	if (node->type == QOS_TYPE_RATE)
		diff = qos_val_mul(ir, diff, qos_val_const(8), limit_of(node));
	span = qos_val_div(ir, span, qos_val_const(1000));
	return qos_val_parts(ir, diff, span, limit_of(node));
}

struct qos_val qos_lower_pid(struct qos_ir *ir, const struct qos_rule_node *node,
			     const struct qos_val *args)
{
	int64_t limit = limit_of(node), most = (INT64_C(1) << QOS_RULE_INTEGRAL_BITS) - 1;
	struct qos_val diff = change(ir, word_at(node, 1), args[0], limit), sum, value;

	sum = qos_val_load(ir, QOS_IR_STATE, word_at(node, 0), QOS_RULE_INTEGRAL_BITS, true);
	sum = qos_val_add(ir, sum, args[0], most);
	qos_val_store(ir, word_at(node, 0), sum);
	sum = qos_val_add(ir, sum, qos_val_const(0), limit);
	value = qos_val_add(ir, qos_val_times(ir, args[0], args[1], limit),
			    qos_val_times(ir, sum, args[2], limit), limit);
	return qos_val_add(ir, value, qos_val_times(ir, diff, args[3], limit), limit);
}

struct qos_val qos_lower_over(struct qos_ir *ir, const struct qos_rule_node *node,
			      const struct qos_val *args)
{
	struct qos_val zero = qos_val_const(0), full, mean, n, last, kept, sum;

	n = qos_val_load(ir, QOS_IR_STATE, word_at(node, 0), QOS_RULE_OVER_BITS, false);
	n = qos_val_add(ir, n, qos_val_const(1), QOS_RULE_MAX);
	sum = qos_val_load(ir, QOS_IR_STATE, word_at(node, 1), 61, true);
	sum = qos_val_add(ir, sum, args[0], QOS_RULE_MAX);
	mean = node->args[0]->type == QOS_TYPE_COUNT ? qos_val_parts(ir, sum, n, limit_of(node))
						     : qos_val_div(ir, sum, n);
	full = qos_val_lt(ir, qos_val_const(args[1].lo - 1), n);
	last = qos_val_recall(ir, word_at(node, 2), mean, &kept);
	last = qos_val_select(ir, full, mean, last);
	kept = qos_val_or(ir, kept, full);
	qos_val_store(ir, word_at(node, 0), qos_val_select(ir, full, zero, n));
	qos_val_store(ir, word_at(node, 1), qos_val_select(ir, full, zero, sum));
	qos_val_store(ir, word_at(node, 2),
		      qos_val_select(ir, kept, qos_val_kept_word(ir, last), zero));
	return last;
}
