/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A contract's rules -> programs, by a list of passes. Needs no kernel and no daemon: what is made
 * here is loaded elsewhere, and eval.h runs it without a kernel.
 */
#pragma once

#include "contract/contract.h"
#include "extension/emit.h"
#include "extension/field.h"
#include "extension/lex.h"
#include "extension/node.h"
#include "util/text.h"

/* How far to go; each stage can be printed. */
enum qos_stage {
	QOS_STAGE_TOKENS,
	QOS_STAGE_TREE,	 /* as written */
	QOS_STAGE_TYPES, /* with types and state, constants folded */
	QOS_STAGE_IR,
	QOS_STAGE_INSNS,
};

/* In enum order, NULL-terminated. */
extern const char *const qos_stage_names[];

struct qos_expr {
	struct qos_rule_source source; /* text NULL: not there */
	struct qos_token *tokens;
	size_t n_tokens;
	struct qos_rule_node *tree;
};

struct qos_compiled_set {
	struct qos_rule_ref attribute;
	int64_t lo; /* the contract's range: the value that is asked for is brought into it */
	int64_t hi;
	struct qos_expr value;
};

struct qos_compiled_rule {
	const struct qos_rule *rule;
	struct qos_rule_event event;
	size_t program;
	struct qos_expr when;
	struct qos_compiled_set *sets;
	size_t n_sets;
	uint32_t emit; /* index in the signals; only if rule->emit.text */
};

/* All rules of a contract for one event. */
struct qos_program {
	struct qos_rule_event event;
	size_t n_state; /* words that it uses; 0: it needs no map `state` */
	size_t n_requests;
	struct qos_ir ir;
	struct qos_emit code;
};

struct qos_compiled {
	const struct qos_contract *contract; /* borrowed: it must live as long */
	struct qos_compiled_rule *rules;
	size_t n_rules;
	struct qos_program *programs; /* in order of their events' first rule */
	size_t n_programs;
	const char **signals; /* names after emit:, borrowed from the contract */
	size_t n_signals;
	size_t n_state; /* words of a value of map `state`, for all programs together */
	/* Of each word that remembers a value: its bits, and QOS_WIDTH_SIGNED; from QOS_STAGE_IR on. What
	 * a program remembered with other bits is no value of this one. 0: the operation alone says. */
	uint8_t widths[QOS_RULES_STATE_MAX];
};

void qos_compiled_free(struct qos_compiled *compiled);
QOS_DEFINE_CLEANUP(struct qos_compiled *, qos_compiled_free)
#define _cleanup_compiled_ QOS_CLEANUP(qos_compiled_freep)

/*
 * Runs the passes up to `until`. 0 and *ret set (a contract without rules has no programs); -EINVAL
 * with errors in diag, every rule's at once as far as passes go; -ENOMEM. *ret untouched then.
 */
int qos_compile(const struct qos_contract *contract, enum qos_rules_target target,
		enum qos_stage until, struct qos_diag *diag, struct qos_compiled **ret);

/* For a contract that may run natively or under the module: as qos_compile, for each of the two. */
int qos_compile_both(const struct qos_contract *contract, struct qos_diag *diag,
		     struct qos_compiled **ret_frame, struct qos_compiled **ret_kfunc);

/* What `check` says of the rules: as qos_compile_both, and a note with each program's size, the larger
 * of the two. */
int qos_compile_check(const struct qos_contract *contract, struct qos_diag *diag);

/* The result of the stage that it was compiled to. */
void qos_compiled_print(const struct qos_compiled *compiled, enum qos_stage stage,
			struct qos_buf *out);
