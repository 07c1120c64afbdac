/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The compiler as a list of passes, at the end of this file. A pass goes over all rules, so that one
 * run shows the mistakes of all of them; the next pass runs only if none was made.
 */
#include "extension/compile.h"

#include <errno.h>
#include <string.h>

#include "extension/lower.h"
#include "extension/op.h"
#include "extension/parse.h"
#include "extension/regalloc.h"

const char *const qos_stage_names[] = {"tokens", "tree", "types", "ir", "insns", NULL};

struct run {
	struct qos_compiled *compiled;
	enum qos_rules_target target;
	struct qos_diag *diag;
};

static void expr_reset(struct qos_expr *expr)
{
	free(expr->tokens);
	qos_rule_node_free(expr->tree);
}

void qos_compiled_free(struct qos_compiled *compiled)
{
	if (!compiled)
		return;
	for (size_t i = 0; i < compiled->n_rules; i++) {
		struct qos_compiled_rule *rule = &compiled->rules[i];

		expr_reset(&rule->when);
		for (size_t k = 0; k < rule->n_sets; k++)
			expr_reset(&rule->sets[k].value);
		free(rule->sets);
	}
	for (size_t i = 0; i < compiled->n_programs; i++) {
		qos_ir_reset(&compiled->programs[i].ir);
		qos_emit_reset(&compiled->programs[i].code);
	}
	free(compiled->rules);
	free(compiled->programs);
	free(compiled->signals);
	free(compiled);
}

static struct qos_rule_source source_of(const struct qos_rule_text *text)
{
	return (struct qos_rule_source){text->text, text->loc, text->exact};
}

/* The first failure of several that are all tried; out of memory goes before mistakes. */
static int worse(int a, int b)
{
	return a == -ENOMEM || b == -ENOMEM ? -ENOMEM : a ?: b;
}

static size_t program_of(struct qos_compiled *compiled, const struct qos_rule_event *event)
{
	size_t i = 0;

	while (i < compiled->n_programs && !qos_rule_event_is(&compiled->programs[i].event, event))
		i++;
	if (i == compiled->n_programs)
		compiled->programs[compiled->n_programs++].event = *event;
	return i;
}

static uint32_t signal_of(const struct qos_compiled *compiled, const char *name)
{
	uint32_t i = 0;

	while (strcmp(compiled->signals[i], name) != 0)
		i++;
	return i;
}

static int read_rule(struct run *run, const struct qos_rule *rule, struct qos_compiled_rule *ret)
{
	struct qos_rule_source source = source_of(&rule->event);

	ret->rule = rule;
	ret->when.source = source_of(&rule->when);
	ret->sets = calloc(rule->n_sets + 1, sizeof(*ret->sets));
	if (!ret->sets)
		return -ENOMEM;
	ret->n_sets = rule->n_sets;
	for (size_t i = 0; i < rule->n_sets; i++)
		ret->sets[i].value.source = source_of(&rule->sets[i].value);
	if (rule->emit.text)
		ret->emit = signal_of(run->compiled, rule->emit.text);
	return qos_rule_event_parse(run->compiled->contract, &source, run->diag, &ret->event);
}

static int pass_events(struct run *run)
{
	struct qos_compiled *compiled = run->compiled;
	size_t n = compiled->contract->n_rules;
	int r = 0;

	compiled->rules = calloc(n + 1, sizeof(*compiled->rules));
	compiled->programs = calloc(n + 1, sizeof(*compiled->programs));
	if (!compiled->rules || !compiled->programs ||
	    qos_rules_signals(compiled->contract->rules, n, &compiled->signals,
			      &compiled->n_signals) < 0)
		return -ENOMEM;
	for (; compiled->n_rules < n; compiled->n_rules++)
		r = worse(r, read_rule(run, &compiled->contract->rules[compiled->n_rules],
				       &compiled->rules[compiled->n_rules]));
	for (size_t i = 0; r == 0 && i < n; i++)
		compiled->rules[i].program = program_of(compiled, &compiled->rules[i].event);
	return r;
}

static int lex_expr(struct run *run, struct qos_expr *expr)
{
	struct qos_token tokens[QOS_RULE_TOKENS_MAX];
	int n = qos_rule_lex(&expr->source, run->diag, tokens);

	if (n < 0)
		return n;
	expr->tokens = calloc((size_t)n, sizeof(*tokens));
	if (!expr->tokens)
		return -ENOMEM;
	expr->n_tokens = (size_t)n;
	memcpy(expr->tokens, tokens, expr->n_tokens * sizeof(*tokens));
	return 0;
}

static int parse_expr(struct run *run, struct qos_expr *expr)
{
	return qos_rule_parse(&expr->source, expr->tokens, run->diag, &expr->tree);
}

/* For every expression that is there. */
static int each_expr(struct run *run, int (*each)(struct run *run, struct qos_expr *expr))
{
	int r = 0;

	for (size_t i = 0; i < run->compiled->n_rules; i++) {
		struct qos_compiled_rule *rule = &run->compiled->rules[i];

		if (rule->when.source.text)
			r = worse(r, each(run, &rule->when));
		for (size_t k = 0; k < rule->n_sets; k++)
			r = worse(r, each(run, &rule->sets[k].value));
	}
	return r;
}

static int pass_lex(struct run *run)
{
	return each_expr(run, lex_expr);
}

static int pass_parse(struct run *run)
{
	return each_expr(run, parse_expr);
}

static int type_expr(struct run *run, const struct qos_compiled_rule *rule, struct qos_expr *expr)
{
	struct qos_typing typing = {
		.contract = run->compiled->contract,
		.event = &rule->event,
		.source = &expr->source,
		.diag = run->diag,
		.n_state = &run->compiled->n_state,
	};

	return qos_rule_typing(&typing, expr->tree);
}

static int type_when(struct run *run, struct qos_compiled_rule *rule)
{
	struct qos_expr *when = &rule->when;
	struct qos_loc loc;
	int r;

	if (!when->tree)
		return 0;
	r = type_expr(run, rule, when);
	if (r < 0 || when->tree->type == QOS_TYPE_BOOL)
		return r;
	loc = qos_rule_loc(&when->source, when->tree->at);
	r = qos_diag_error(run->diag, &loc, "when: expected a bool, not %s",
			   qos_rule_type_phrases[when->tree->type]);
	qos_diag_hint(run->diag, "write a comparison, for example `cpu.NAME.slack < 1ms`");
	return r;
}

/* By whatever name: the guard would refuse the second for coming too soon. */
static int refuse_twice(struct run *run, const struct qos_compiled_rule *rule, size_t i)
{
	const struct qos_rule_ref *ref = &rule->sets[i].attribute;
	int r;

	for (size_t k = 0; k < i; k++) {
		if (rule->sets[k].attribute.field != ref->field ||
		    rule->sets[k].attribute.stream != ref->stream)
			continue;
		r = qos_diag_error(run->diag, &rule->rule->sets[i].attribute.loc,
				   "set: %.64s is set above already, as %.64s",
				   rule->rule->sets[i].attribute.text,
				   rule->rule->sets[k].attribute.text);
		qos_diag_hint(run->diag, "keep one of them");
		return r;
	}
	return 0;
}

/* What stands left of the colon. */
static int find_attribute(struct run *run, const struct qos_compiled_rule *rule, size_t i)
{
	struct qos_compiled_set *set = &rule->sets[i];
	struct qos_rule_source source = source_of(&rule->rule->sets[i].attribute);
	const char *text = source.text;
	struct qos_range range;
	int r;

	r = qos_rule_field_find(run->compiled->contract, &rule->event, &source, 0, strlen(text),
				run->diag, &set->attribute);
	if (r < 0)
		return r;
	if (!set->attribute.field->attribute) {
		r = qos_diag_error(run->diag, &source.loc, "set: %.64s is a metric", text);
		qos_diag_hint(run->diag,
			      "what can be set is cpu.NAME.runtime and network.NAME.rate");
		return r;
	}
	range = qos_rule_range(run->compiled->contract, &set->attribute);
	if (!range.set) {
		r = qos_diag_error(run->diag, &source.loc, "set: %.64s has no range", text);
		qos_diag_hint(run->diag,
			      "say how far a rule may go: give the stream for example "
			      "`range: {%s}`",
			      set->attribute.stream < run->compiled->contract->n_cpu
				      ? "runtime: 4ms..12ms"
				      : "rate: 2mbit..12mbit");
		return r;
	}
	set->lo = (int64_t)range.lo;
	set->hi = (int64_t)range.hi;
	return refuse_twice(run, rule, i);
}

static int type_set(struct run *run, struct qos_compiled_rule *rule, size_t i)
{
	struct qos_compiled_set *set = &rule->sets[i];
	enum qos_rule_type wanted;
	struct qos_rule_node *tree;
	struct qos_loc loc;
	int r;

	r = worse(find_attribute(run, rule, i), type_expr(run, rule, &set->value));
	if (r < 0)
		return r;
	tree = set->value.tree;
	wanted = set->attribute.field->type;
	if (tree->op == qos_rule_op_literal && tree->type == QOS_TYPE_COUNT && !tree->value)
		tree->type = wanted;
	if (tree->type == wanted)
		return 0;
	loc = qos_rule_loc(&set->value.source, tree->at);
	r = qos_diag_error(run->diag, &loc, "set: %s is %s, this is %s", set->attribute.field->name,
			   qos_rule_type_phrases[wanted], qos_rule_type_phrases[tree->type]);
	qos_diag_hint(run->diag, "write for example `%s`",
		      wanted == QOS_TYPE_DURATION ? "5ms" : "2mbit");
	return r;
}

static int pass_types(struct run *run)
{
	int r = 0;

	for (size_t i = 0; i < run->compiled->n_rules; i++) {
		struct qos_compiled_rule *rule = &run->compiled->rules[i];

		r = worse(r, type_when(run, rule));
		for (size_t k = 0; k < rule->n_sets; k++)
			r = worse(r, type_set(run, rule, k));
	}
	return r;
}

static int too_big(struct run *run, const struct qos_program *program, unsigned int rule,
		   const char *what)
{
	char name[128];
	int r;

	r = qos_diag_error(
		run->diag, &run->compiled->rules[rule].rule->loc,
		"the rules on %s need more than %s",
		qos_rule_event_print(name, sizeof(name), run->compiled->contract, &program->event),
		what);
	qos_diag_hint(run->diag,
		      "with this rule it is too much: simplify it, or move rules to another "
		      "event");
	return r;
}

#define LIMIT_TEXT(n)  LIMIT_TEXT_(n)
#define LIMIT_TEXT_(n) #n
#define INSNS_TEXT     LIMIT_TEXT(QOS_RULES_INSNS_MAX) " instructions"
#define STACK_TEXT     "512 bytes of stack"

/* Code that was cut off (-E2BIG) goes on to the end: there it is seen which rule was too much. */
static int pass_lower(struct run *run)
{
	struct qos_compiled *compiled = run->compiled;
	int r = 0;

	for (size_t i = 0; i < compiled->n_rules; i++) {
		struct qos_program *program = &compiled->programs[compiled->rules[i].program];

		if (program->ir.error)
			continue;
		program->ir.rule = (unsigned int)i;
		program->ir.widths = compiled->widths;
		qos_ir_note(&program->ir, "rule %zu, line %u", i + 1,
			    compiled->rules[i].rule->loc.line);
		r = worse(r, qos_lower_rule(program, &compiled->rules[i], run->diag));
		if (program->ir.error != -E2BIG)
			r = worse(r, program->ir.error);
	}
	for (size_t i = 0; r == 0 && i < compiled->n_programs; i++)
		r = qos_ir_sweep(&compiled->programs[i].ir);
	return r;
}

static int emit_program(struct run *run, struct qos_program *program)
{
	_cleanup_free_ struct qos_place *places =
		calloc((size_t)program->ir.n_regs + 1, sizeof(*places));
	unsigned int rule = 0;
	int r;

	if (!places)
		return -ENOMEM;
	r = qos_regalloc(&program->ir, places, &rule);
	if (r == -E2BIG)
		return too_big(run, program, rule, STACK_TEXT);
	if (r < 0)
		return r;
	qos_emit_program(&program->code, &program->ir, places, run->target, program->n_state,
			 program->n_requests);
	if (!program->code.error &&
	    (program->code.n_insns > QOS_RULES_INSNS_MAX || program->ir.error == -E2BIG))
		return too_big(run, program, program->code.rule, INSNS_TEXT);
	return program->code.error;
}

static int pass_emit(struct run *run)
{
	int r = 0;

	for (size_t i = 0; i < run->compiled->n_programs; i++)
		r = worse(r, emit_program(run, &run->compiled->programs[i]));
	return r;
}

static const struct {
	enum qos_stage stage; /* that it makes */
	int (*run)(struct run *run);
} passes[] = {
	{QOS_STAGE_TOKENS, pass_events}, {QOS_STAGE_TOKENS, pass_lex}, {QOS_STAGE_TREE, pass_parse},
	{QOS_STAGE_TYPES, pass_types},	 {QOS_STAGE_IR, pass_lower},   {QOS_STAGE_INSNS, pass_emit},
};

int qos_compile(const struct qos_contract *contract, enum qos_rules_target target,
		enum qos_stage until, struct qos_diag *diag, struct qos_compiled **ret)
{
	_cleanup_compiled_ struct qos_compiled *compiled = calloc(1, sizeof(*compiled));
	struct run run = {.compiled = compiled, .target = target, .diag = diag};
	int r;

	if (!compiled)
		return -ENOMEM;
	compiled->contract = contract;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(passes) && passes[i].stage <= until; i++) {
		r = passes[i].run(&run);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(compiled);
	return 0;
}

/* Silent first under the module: what is wrong with the rules themselves is then said once. */
int qos_compile_both(const struct qos_contract *contract, struct qos_diag *diag,
		     struct qos_compiled **ret_frame, struct qos_compiled **ret_kfunc)
{
	_cleanup_compiled_ struct qos_compiled *kfunc = NULL;
	int r;

	r = qos_compile(contract, QOS_RULES_KFUNC, QOS_STAGE_INSNS, NULL, &kfunc);
	if (r == -EINVAL)
		return qos_compile(contract, QOS_RULES_KFUNC, QOS_STAGE_INSNS, diag, &kfunc) ?: r;
	if (r == 0)
		r = qos_compile(contract, QOS_RULES_FRAME, QOS_STAGE_INSNS, diag, ret_frame);
	if (r == 0)
		*ret_kfunc = TAKE_PTR(kfunc);
	return r;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

int qos_compile_check(const struct qos_contract *contract, struct qos_diag *diag)
{
	_cleanup_compiled_ struct qos_compiled *frame = NULL, *kfunc = NULL;
	int r;

	r = qos_compile_both(contract, diag, &frame, &kfunc);
	for (size_t i = 0; r == 0 && i < frame->n_programs; i++) {
		const struct qos_program *program = &frame->programs[i];
		const struct qos_emit *a = &program->code, *b = &kfunc->programs[i].code;
		char name[128];

		qos_diag_note(diag, &contract->loc,
			      "%s: rules on %s: %zu instructions, at most %zu executed, %zu bytes "
			      "of state a thread",
			      contract->name,
			      qos_rule_event_print(name, sizeof(name), contract, &program->event),
			      larger(a->n_insns, b->n_insns), larger(a->worst, b->worst),
			      program->n_state * 8);
	}
	return r;
}
