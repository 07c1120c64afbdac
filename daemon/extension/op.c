/* SPDX-License-Identifier: GPL-2.0-only */
/* The table. The rows' functions are in op_type.c, op_eval.c and op_lower.c. */
#include "extension/op.h"

#include <string.h>

#include "extension/op_parts.h"

#define ROW(form_, name_, level_, min_, max_, state_, type_, suffix_, ...)                         \
	{                                                                                          \
		.name = name_, .form = QOS_FORM_##form_, .level = level_, .n_min = min_,           \
		.n_max = max_, .state = state_, .type = qos_type_##type_,                          \
		.eval = qos_eval_##suffix_, .lower = qos_lower_##suffix_, __VA_ARGS__              \
	}

/* Fixed places: the parser makes these without looking for a name. */
enum { ROW_LITERAL, ROW_FIELD, ROW_OVER, ROW_DIV };

const struct qos_rule_op qos_rule_ops[] = {
	/* form, name, level, arguments, state, types, functions */
	[ROW_LITERAL] = ROW(LITERAL, "literal", 0, 0, 0, 0, literal, literal),
	[ROW_FIELD] = ROW(FIELD, "field", 0, 0, 0, 0, field, field),
	[ROW_OVER] = ROW(OVER, "over", 0, 2, 2, 3, over, over),
	[ROW_DIV] = ROW(INFIX, "/", 6, 2, 2, 0, div, div),
	ROW(PREFIX, "-", 7, 1, 1, 0, number, neg),
	ROW(INFIX, "*", 6, 2, 2, 0, mul, mul),
	ROW(INFIX, "+", 5, 2, 2, 0, same, add),
	ROW(INFIX, "-", 5, 2, 2, 0, same, sub),
	ROW(INFIX, "<", 4, 2, 2, 0, order, lt),
	ROW(INFIX, "<=", 4, 2, 2, 0, order, le),
	ROW(INFIX, ">", 4, 2, 2, 0, order, gt),
	ROW(INFIX, ">=", 4, 2, 2, 0, order, ge),
	ROW(INFIX, "==", 4, 2, 2, 0, equal, eq),
	ROW(INFIX, "!=", 4, 2, 2, 0, equal, ne),
	ROW(PREFIX, "not", 3, 1, 1, 0, logic, not ),
	ROW(INFIX, "and", 2, 2, 2, 0, logic, and),
	ROW(INFIX, "or", 1, 2, 2, 0, logic, or),
	ROW(CALL, "min", 0, 2, 4, 0, same, min, .usage = "min(a, b) is the smaller"),
	ROW(CALL, "max", 0, 2, 4, 0, same, max, .usage = "max(a, b) is the larger"),
	ROW(CALL, "clamp", 0, 3, 3, 0, same, clamp,
	    .usage = "clamp(x, low, high) is x, but not below low and not above high"),
	ROW(CALL, "abs", 0, 1, 1, 0, number, abs, .usage = "abs(x) is x without its sign"),
	ROW(CALL, "ewma", 0, 2, 2, 1, ewma, ewma,
	    .usage = "ewma(x, 1/8) moves by an eighth of the difference at each event"),
	ROW(CALL, "delta", 0, 1, 1, 1, number, delta,
	    .usage = "delta(x) is x minus x at the last event"),
	ROW(CALL, "rate", 0, 1, 1, 2, rate, rate, .usage = "rate(x) is the change of x a second"),
	ROW(CALL, "prev", 0, 1, 1, 1, number, prev, .usage = "prev(x) is x at the last event"),
	ROW(CALL, "pid", 0, 4, 4, 2, pid, pid,
	    .usage = "pid(error, kp, ki, kd), for example pid(2ms - cpu.NAME.slack, 50%, 5%, 0)"),
	{},
};

const struct qos_rule_op *const qos_rule_op_literal = &qos_rule_ops[ROW_LITERAL];
const struct qos_rule_op *const qos_rule_op_field = &qos_rule_ops[ROW_FIELD];
const struct qos_rule_op *const qos_rule_op_over = &qos_rule_ops[ROW_OVER];
const struct qos_rule_op *const qos_rule_op_div = &qos_rule_ops[ROW_DIV];

const struct qos_rule_op *qos_rule_op_find(enum qos_rule_form form, const char *name, size_t len)
{
	for (const struct qos_rule_op *op = qos_rule_ops; op->name; op++)
		if (op->form == form && strlen(op->name) == len && !strncmp(op->name, name, len))
			return op;
	return NULL;
}
