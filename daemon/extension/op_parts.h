/* SPDX-License-Identifier: GPL-2.0-only */
/* The columns of the table of operations: op_type.c, op_eval.c, op_lower.c. */
#pragma once

#include "extension/op.h"

qos_rule_type_fn qos_type_literal, qos_type_field, qos_type_same, qos_type_order, qos_type_equal,
	qos_type_logic, qos_type_number, qos_type_mul, qos_type_div, qos_type_ewma, qos_type_rate,
	qos_type_pid, qos_type_over;

qos_rule_eval_fn qos_eval_literal, qos_eval_field, qos_eval_not, qos_eval_neg, qos_eval_or,
	qos_eval_and, qos_eval_lt, qos_eval_le, qos_eval_gt, qos_eval_ge, qos_eval_eq, qos_eval_ne,
	qos_eval_add, qos_eval_sub, qos_eval_mul, qos_eval_div, qos_eval_min, qos_eval_max,
	qos_eval_clamp, qos_eval_abs, qos_eval_ewma, qos_eval_delta, qos_eval_rate, qos_eval_prev,
	qos_eval_pid, qos_eval_over;

qos_rule_lower_fn qos_lower_literal, qos_lower_field, qos_lower_not, qos_lower_neg, qos_lower_or,
	qos_lower_and, qos_lower_lt, qos_lower_le, qos_lower_gt, qos_lower_ge, qos_lower_eq,
	qos_lower_ne, qos_lower_add, qos_lower_sub, qos_lower_mul, qos_lower_div, qos_lower_min,
	qos_lower_max, qos_lower_clamp, qos_lower_abs, qos_lower_ewma, qos_lower_delta,
	qos_lower_rate, qos_lower_prev, qos_lower_pid, qos_lower_over;

/* Bounds that evaluation and emission share. */
#define QOS_RULE_INTEGRAL_BITS 50    /* pid: its sum stops at 2^50 - 1 of the unit, either way */
#define QOS_RULE_DIVISOR_BITS  43    /* x * 10^6 / y is exact for a y below 2^43 */
#define QOS_RULE_DIVISOR_SHIFT 18    /* above that both lose so many bits first */
#define QOS_RULE_TIME_BITS     61    /* of now */
#define QOS_RULE_SPAN_BITS     42    /* rate: longest time between two events, 73 minutes */
#define QOS_RULE_OVER_MAX      10000 /* jobs */
#define QOS_RULE_OVER_BITS     14
