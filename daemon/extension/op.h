/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of operations. Whatever an expression can be built of is one row here: how it is written,
 * what types it takes, how it is evaluated (the reference) and which instructions it becomes.
 */
#pragma once

#include "extension/node.h"
#include "extension/typing.h"
#include "extension/val.h"

/* One evaluation of a program. */
struct qos_rule_run {
	const struct qos_rules_frame *frame;
	uint64_t *state; /* the words of its key */
};

/* How it is written. */
enum qos_rule_form {
	QOS_FORM_LITERAL,
	QOS_FORM_FIELD,
	QOS_FORM_PREFIX, /* not x, -x */
	QOS_FORM_INFIX,	 /* x + y */
	QOS_FORM_CALL,	 /* min(x, y) */
	QOS_FORM_OVER,	 /* x over N jobs */
};

typedef int qos_rule_type_fn(struct qos_typing *typing, struct qos_rule_node *node);
typedef int64_t qos_rule_eval_fn(struct qos_rule_run *run, const struct qos_rule_node *node,
				 const int64_t *args);
typedef struct qos_val qos_rule_lower_fn(struct qos_ir *ir, const struct qos_rule_node *node,
					 const struct qos_val *args);

struct qos_rule_op {
	const char *name;
	enum qos_rule_form form;
	unsigned int level; /* infix and prefix: the higher binds closer */
	size_t n_min;	    /* arguments */
	size_t n_max;
	size_t state; /* words */
	qos_rule_type_fn *type;
	qos_rule_eval_fn *eval;
	qos_rule_lower_fn *lower;
	const char *usage; /* calls: for hints */
};

extern const struct qos_rule_op qos_rule_ops[]; /* ends with a row without name */
extern const struct qos_rule_op *const qos_rule_op_literal,
	*const qos_rule_op_field, *const qos_rule_op_over, *const qos_rule_op_div;

/* The row of that form and name, or NULL. */
const struct qos_rule_op *qos_rule_op_find(enum qos_rule_form form, const char *name, size_t len);
