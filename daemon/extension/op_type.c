/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types column of the table of operations. One rule for numbers: sums and comparisons take equal
 * units, a product has at most one factor with a unit. Two conveniences: 0 has every unit, and a whole
 * number where a ratio is wanted is that many times 100 %.
 */
#include <errno.h>

#include "extension/op_parts.h"

static const char *name_of(const struct qos_rule_node *node)
{
	return qos_rule_type_names[node->type];
}

static bool is_number(enum qos_rule_type type)
{
	return type != QOS_TYPE_BOOL;
}

/* A whole number, made of numbers alone: it has no unit of its own yet. */
static bool is_bare(const struct qos_rule_node *node)
{
	return node->op == qos_rule_op_literal && node->type == QOS_TYPE_COUNT;
}

static int64_t whole_ratio(int64_t n)
{
	if (n > QOS_RULE_PPM || n < -QOS_RULE_PPM)
		return n < 0 ? -QOS_RULE_RATIO_MAX : QOS_RULE_RATIO_MAX;
	return n * QOS_RULE_PPM;
}

/* A bare 0 takes the unit of what stands beside it; a bare n beside a ratio is n times 100 %. */
static void adapt_bare(struct qos_rule_node *node, enum qos_rule_type type)
{
	if (!is_bare(node) || !is_number(type))
		return;
	if (type == QOS_TYPE_RATIO)
		node->value = whole_ratio(node->value);
	if (type == QOS_TYPE_RATIO || !node->value)
		node->type = type;
}

static int want_number(struct qos_typing *typing, const struct qos_rule_node *node,
		       const struct qos_rule_node *arg)
{
	int r;

	if (is_number(arg->type))
		return 0;
	r = qos_typing_error(typing, arg, "%s takes a number, not a bool", node->op->name);
	qos_diag_hint(typing->diag, "%s", node->op->usage ?: "a comparison is no number");
	return r;
}

static int mismatch(struct qos_typing *typing, const struct qos_rule_node *node,
		    const struct qos_rule_node *a, const struct qos_rule_node *b)
{
	bool bare = is_bare(a) || is_bare(b);
	int r;

	r = qos_typing_error(typing, node, "%s of %s and %s", node->op->name, name_of(a),
			     name_of(b));
	if (bare && is_number(a->type) && is_number(b->type))
		qos_diag_hint(typing->diag, "a unit is missing: write for example %s",
			      a->type == QOS_TYPE_DURATION || b->type == QOS_TYPE_DURATION ? "`3ms`"
			      : a->type == QOS_TYPE_BYTES || b->type == QOS_TYPE_BYTES	   ? "`3kB`"
			      : a->type == QOS_TYPE_RATE || b->type == QOS_TYPE_RATE ? "`3mbit`"
										     : "`3%`");
	else
		qos_diag_hint(typing->diag, "both sides must be of one kind");
	return r;
}

/* All arguments of one numeric type, which is also the result's. */
static int same_numbers(struct qos_typing *typing, struct qos_rule_node *node)
{
	const struct qos_rule_node *first = node->args[0];
	int r;

	for (size_t i = 0; i < node->n_args && is_bare(first); i++)
		first = node->args[i];
	for (size_t i = 0; i < node->n_args; i++) {
		adapt_bare(node->args[i], first->type);
		r = want_number(typing, node, node->args[i]);
		if (r < 0)
			return r;
		if (node->args[i]->type != first->type)
			return mismatch(typing, node, first, node->args[i]);
	}
	node->type = first->type;
	return 0;
}

int qos_type_literal(struct qos_typing *typing, struct qos_rule_node *node)
{
	return 0;
}

int qos_type_field(struct qos_typing *typing, struct qos_rule_node *node)
{
	int r;

	r = qos_rule_field_find(typing->contract, typing->event, typing->source, node->at,
				node->len, typing->diag, &node->field);
	if (r == 0)
		node->type = node->field.field->type;
	return r;
}

int qos_type_same(struct qos_typing *typing, struct qos_rule_node *node)
{
	return same_numbers(typing, node);
}

int qos_type_order(struct qos_typing *typing, struct qos_rule_node *node)
{
	int r = same_numbers(typing, node);

	node->type = QOS_TYPE_BOOL;
	return r;
}

int qos_type_equal(struct qos_typing *typing, struct qos_rule_node *node)
{
	int r = 0;

	if (is_number(node->args[0]->type) || is_number(node->args[1]->type)) {
		adapt_bare(node->args[0], node->args[1]->type);
		adapt_bare(node->args[1], node->args[0]->type);
		if (node->args[0]->type != node->args[1]->type)
			r = mismatch(typing, node, node->args[0], node->args[1]);
	}
	node->type = QOS_TYPE_BOOL;
	return r;
}

int qos_type_logic(struct qos_typing *typing, struct qos_rule_node *node)
{
	int r;

	for (size_t i = 0; i < node->n_args; i++) {
		if (node->args[i]->type == QOS_TYPE_BOOL)
			continue;
		r = qos_typing_error(typing, node->args[i], "`%s` takes a bool, not %s",
				     node->op->name, qos_rule_type_phrases[node->args[i]->type]);
		qos_diag_hint(typing->diag, "write a comparison, for example `%s`",
			      node->args[i]->type == QOS_TYPE_COUNT ? "x > 0" : "x > 1ms");
		return r;
	}
	node->type = QOS_TYPE_BOOL;
	return 0;
}

int qos_type_number(struct qos_typing *typing, struct qos_rule_node *node)
{
	node->type = node->args[0]->type;
	return want_number(typing, node, node->args[0]);
}

static int want_numbers(struct qos_typing *typing, struct qos_rule_node *node)
{
	int r = want_number(typing, node, node->args[0]);

	return r < 0 ? r : want_number(typing, node, node->args[1]);
}

/* Of two factors the smaller scales the other one, whose unit the product has. A bare number scales even
 * a ratio: 2 * (a / b) is twice as much, and not 2 of something. */
static int weight(const struct qos_rule_node *node)
{
	if (is_bare(node))
		return 0;
	return node->type == QOS_TYPE_RATIO ? 1 : node->type == QOS_TYPE_COUNT ? 2 : 3;
}

int qos_type_mul(struct qos_typing *typing, struct qos_rule_node *node)
{
	struct qos_rule_node **args = node->args, *first = args[0];
	int r = want_numbers(typing, node);

	if (r < 0)
		return r;
	if (weight(args[0]) < weight(args[1])) {
		args[0] = args[1];
		args[1] = first;
	}
	node->type = args[0]->type;
	if (args[1]->type == QOS_TYPE_RATIO || args[1]->type == QOS_TYPE_COUNT)
		return 0;
	r = qos_typing_error(typing, node, "* of %s and %s", name_of(first),
			     name_of(args[0] == first ? args[1] : args[0]));
	qos_diag_hint(typing->diag, "one of the two must be a ratio or a count: `x * 110%%`");
	return r;
}

int qos_type_div(struct qos_typing *typing, struct qos_rule_node *node)
{
	const struct qos_rule_node *a = node->args[0], *b = node->args[1];
	int r = want_numbers(typing, node);

	if (r < 0)
		return r;
	if (b->type == QOS_TYPE_RATIO)
		adapt_bare(node->args[0], QOS_TYPE_RATIO);
	node->type = a->type == b->type ? QOS_TYPE_RATIO : a->type;
	if (a->type == b->type || b->type == QOS_TYPE_RATIO || b->type == QOS_TYPE_COUNT)
		return 0;
	r = qos_typing_error(typing, node, "/ of %s and %s", name_of(a), name_of(b));
	qos_diag_hint(typing->diag,
		      "divide by a ratio, by a count, or by another %s (which gives a ratio)",
		      name_of(a));
	return r;
}

/* A constant ratio, for parameters. */
static int want_parameter(struct qos_typing *typing, struct qos_rule_node *node, size_t i,
			  int64_t lo, int64_t hi, const char *what)
{
	struct qos_rule_node *arg = node->args[i];
	int r;

	adapt_bare(arg, QOS_TYPE_RATIO);
	if (arg->op == qos_rule_op_literal && arg->type == QOS_TYPE_RATIO && arg->value >= lo &&
	    arg->value <= hi)
		return 0;
	r = qos_typing_error(typing, arg, "%s: %s", node->op->name, what);
	qos_diag_hint(typing->diag, "%s", node->op->usage);
	return r;
}

int qos_type_ewma(struct qos_typing *typing, struct qos_rule_node *node)
{
	int r = qos_type_number(typing, node);

	return r < 0 ? r
		     : want_parameter(typing, node, 1, 1, QOS_RULE_PPM,
				      "the weight must be a constant ratio, above 0 and at most 1");
}

int qos_type_rate(struct qos_typing *typing, struct qos_rule_node *node)
{
	const struct qos_rule_node *arg = node->args[0];
	int r = want_number(typing, node, arg);

	if (r < 0)
		return r;
	switch (arg->type) {
	case QOS_TYPE_DURATION:
		node->type = QOS_TYPE_RATIO;
		return 0;
	case QOS_TYPE_BYTES:
		node->type = QOS_TYPE_RATE;
		return 0;
	case QOS_TYPE_COUNT:
		node->type = QOS_TYPE_COUNT;
		return 0;
	case QOS_TYPE_RATE:
	case QOS_TYPE_RATIO:
	case QOS_TYPE_BOOL:
	case QOS_TYPES:
		break;
	}
	r = qos_typing_error(typing, arg, "rate takes a duration, bytes or a count, not %s",
			     qos_rule_type_phrases[arg->type]);
	qos_diag_hint(typing->diag, "delta(x) is the change since the last event, of any number");
	return r;
}

int qos_type_pid(struct qos_typing *typing, struct qos_rule_node *node)
{
	int r = qos_type_number(typing, node);

	for (size_t i = 1; r == 0 && i < node->n_args; i++)
		r = want_parameter(typing, node, i, -QOS_RULE_RATIO_MAX, QOS_RULE_RATIO_MAX,
				   "kp, ki and kd must be constant ratios");
	return r;
}

int qos_type_over(struct qos_typing *typing, struct qos_rule_node *node)
{
	const struct qos_rule_node *jobs = node->args[1];
	int r = want_number(typing, node, node->args[0]);

	if (r < 0)
		return r;
	node->type = node->args[0]->type == QOS_TYPE_COUNT ? QOS_TYPE_RATIO : node->args[0]->type;
	if (typing->event->kind != QOS_RULE_JOB) {
		r = qos_typing_error(typing, node, "`over N jobs` is known on the event job only");
		qos_diag_hint(typing->diag, "on other events use ewma(x, 1/8), or the percentiles "
					    "of a tick");
		return r;
	}
	if (jobs->type == QOS_TYPE_COUNT && jobs->value >= 2 && jobs->value <= QOS_RULE_OVER_MAX)
		return 0;
	r = qos_typing_error(typing, jobs, "over: the number of jobs is 2 to %d",
			     QOS_RULE_OVER_MAX);
	qos_diag_hint(typing->diag, "write for example `cpu.NAME.late over 100 jobs`");
	return r;
}
