/* SPDX-License-Identifier: GPL-2.0-only */
/* The stages of the compiler as text: what `qosctl compile` shows. */
#include "extension/compile.h"
#include "extension/lex.h"

static void print_expr(const struct qos_expr *expr, enum qos_stage stage, struct qos_buf *out)
{
	if (stage == QOS_STAGE_TOKENS)
		qos_rule_lex_print(&expr->source, expr->tokens, expr->n_tokens, out);
	else
		qos_rule_node_print(expr->tree, &expr->source, stage == QOS_STAGE_TYPES, out);
}

static void print_rule(const struct qos_compiled *compiled, const struct qos_compiled_rule *rule,
		       enum qos_stage stage, struct qos_buf *out)
{
	char name[128];

	qos_buf_add(out, "rule at line %u, on %s\n", rule->rule->loc.line,
		    qos_rule_event_print(name, sizeof(name), compiled->contract, &rule->event));
	if (rule->when.source.text) {
		qos_buf_add(out, "  when\n");
		print_expr(&rule->when, stage, out);
	}
	for (size_t i = 0; i < rule->n_sets; i++) {
		qos_buf_add(out, "  set %s\n", rule->rule->sets[i].attribute.text);
		print_expr(&rule->sets[i].value, stage, out);
	}
	if (rule->rule->emit.text)
		qos_buf_add(out, "  emit %s\n", rule->rule->emit.text);
}

static void print_program(const struct qos_compiled *compiled, const struct qos_program *program,
			  enum qos_stage stage, struct qos_buf *out)
{
	char name[128];

	qos_buf_add(out, "program on %s",
		    qos_rule_event_print(name, sizeof(name), compiled->contract, &program->event));
	if (stage == QOS_STAGE_IR) {
		qos_buf_add(out, "\n");
		qos_ir_print(&program->ir, out);
		return;
	}
	qos_buf_add(out, ": %zu instructions, at most %zu executed, %zu bytes of state a thread\n",
		    program->code.n_insns, program->code.worst, program->n_state * 8);
	qos_emit_print(&program->code, out);
}

void qos_compiled_print(const struct qos_compiled *compiled, enum qos_stage stage,
			struct qos_buf *out)
{
	for (size_t i = 0; stage <= QOS_STAGE_TYPES && i < compiled->n_rules; i++)
		print_rule(compiled, &compiled->rules[i], stage, out);
	for (size_t i = 0; stage > QOS_STAGE_TYPES && i < compiled->n_programs; i++)
		print_program(compiled, &compiled->programs[i], stage, out);
}
