/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random well-typed rules, random and extreme inputs, and the comparison of what the interpreter and
 * another machine make of them. The texts go through the whole front, from the lexer on.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/types.h>
#include <stdio.h>
#include <string.h>

#include "contract/parse.h"
#include "extension/compile.h"
#include "extension/eval.h"
#include "random.h"

#define RULES_MAX      3
#define RULES_INPUTS   16 /* events of one program, in a row */
#define RULES_TEXT_MAX QOS_RULE_BYTES_MAX

/* Two cpu streams and a network one: everything that has a name. */
static const char rules_base[] =
	"version: 1\ncontract: random\nmatch: {unit: x.service}\n"
	"cpu:\n  - {name: a, threads: [\"a*\"], period: 10ms, runtime: 2ms, window: 1/10}\n"
	"  - {name: b, period: 70us, runtime: 1us, deadline: 9us, window: 1/10}\n"
	"network:\n  - {name: n, interface: eth0, rate: 12mbit, packet: 1400B, window: 1/10}\n"
	"adapt: {rules: []}\n";

static inline struct qos_contract *rules_contract(void)
{
	const struct qos_text text = {"random", rules_base, strlen(rules_base)};
	struct qos_contract *contract = NULL;

	assert_int_equal(qos_contract_parse_text(&text, 1, NULL, &contract), 0);
	qos_rules_free(contract->rules, contract->n_rules);
	contract->rules = NULL;
	contract->n_rules = 0;
	return contract;
}

static inline uint64_t rnd64(void)
{
	return (uint64_t)rnd(UINT32_MAX) << 32 | rnd(UINT32_MAX);
}

/* Every magnitude is as likely as every other, and the ends are likelier. */
static inline uint64_t rules_magnitude(uint64_t limit)
{
	uint64_t value = rnd64() >> (rnd(61) + 3);

	if (rnd(12) == 0)
		return limit - rnd(3);
	if (rnd(6) == 0)
		return rnd(4);
	return value > limit ? limit : value;
}

/* --- expressions --- */

struct rules_gen {
	struct qos_buf text;
	enum qos_rule_event_kind kind;
	bool network;	    /* an event of the network stream */
	unsigned int state; /* words so far, about */
};

static inline void gen_expr(struct rules_gen *gen, enum qos_rule_type type, unsigned int depth);

static inline void gen_literal(struct rules_gen *gen, enum qos_rule_type type)
{
	static const char *const units[QOS_TYPES] = {"ns", "B", "bit", "%", "", ""};
	uint64_t value = rules_magnitude((uint64_t)qos_rule_limit(type));

	if (type == QOS_TYPE_BOOL)
		qos_buf_add(&gen->text, "%s", rnd(2) ? "true" : "false");
	else if (type == QOS_TYPE_RATIO && rnd(2))
		qos_buf_add(&gen->text, "(%u / %u)", rnd(9), 1 + rnd(9));
	else if (type == QOS_TYPE_RATIO)
		qos_buf_add(&gen->text, "%llu.%04u%%", (unsigned long long)value / 20000,
			    rnd(9999));
	else
		qos_buf_add(&gen->text, "%llu%s", (unsigned long long)value, units[type]);
}

/* false: on this event there is none. */
static inline bool gen_field(struct rules_gen *gen, enum qos_rule_type type)
{
	const struct qos_rule_field *fit[40];
	size_t n = 0;

	for (const struct qos_rule_field *field = qos_rule_fields; field->name; field++)
		if (field->type == type && field->events & gen->kind &&
		    (gen->kind == QOS_RULE_TICK || (field->section[0] == 'n') == gen->network))
			fit[n++] = field;
	if (!n)
		return false;
	n = rnd((uint32_t)n);
	qos_buf_add(&gen->text, "%s.%s.%s", fit[n]->section,
		    fit[n]->section[0] == 'n'		   ? "n"
		    : gen->kind == QOS_RULE_TICK && rnd(2) ? "b"
							   : "a",
		    fit[n]->name);
	return true;
}

static inline void gen_leaf(struct rules_gen *gen, enum qos_rule_type type)
{
	if (rnd(4) == 0 || !gen_field(gen, type))
		gen_literal(gen, type);
}

static inline void gen_call(struct rules_gen *gen, const char *name, enum qos_rule_type type,
			    unsigned int n, unsigned int depth)
{
	qos_buf_add(&gen->text, "%s(", name);
	for (unsigned int i = 0; i < n; i++) {
		qos_buf_add(&gen->text, i ? ", " : "");
		gen_expr(gen, type, depth);
	}
	qos_buf_add(&gen->text, ")");
}

/* One side of a sign. Beside a ratio a count must be one of something: a metric, or remembered. */
static inline void gen_operand(struct rules_gen *gen, enum qos_rule_type type,
			       enum qos_rule_type beside, unsigned int depth)
{
	if (type != QOS_TYPE_COUNT || beside != QOS_TYPE_RATIO) {
		gen_expr(gen, type, depth);
		return;
	}
	qos_buf_add(&gen->text, "(");
	if (!gen_field(gen, type)) {
		qos_buf_add(&gen->text, "prev(1)");
		gen->state++;
	}
	qos_buf_add(&gen->text, " + ");
	gen_expr(gen, type, depth);
	qos_buf_add(&gen->text, ")");
}

static inline void gen_infix(struct rules_gen *gen, enum qos_rule_type a, const char *sign,
			     enum qos_rule_type b, unsigned int depth)
{
	qos_buf_add(&gen->text, "(");
	gen_operand(gen, a, b, depth);
	qos_buf_add(&gen->text, " %s ", sign);
	gen_operand(gen, b, a, depth);
	qos_buf_add(&gen->text, ")");
}

/* A number alone, which is a ratio beside one. */
static inline void gen_scaled_ratio(struct rules_gen *gen, unsigned int depth)
{
	qos_buf_add(&gen->text, "(");
	if (rnd(2)) {
		qos_buf_add(&gen->text, rnd(2) ? "-" : "");
		gen_literal(gen, QOS_TYPE_COUNT);
		qos_buf_add(&gen->text, rnd(2) ? " * " : " / ");
		gen_expr(gen, QOS_TYPE_RATIO, depth);
	} else {
		gen_expr(gen, QOS_TYPE_RATIO, depth);
		qos_buf_add(&gen->text, rnd(2) ? " * " : " / ");
		gen_literal(gen, QOS_TYPE_COUNT);
	}
	qos_buf_add(&gen->text, ")");
}

static inline enum qos_rule_type gen_number(void)
{
	return (enum qos_rule_type)rnd(QOS_TYPE_BOOL);
}

static inline void gen_bool(struct rules_gen *gen, unsigned int depth)
{
	static const char *const signs[] = {"<", "<=", ">", ">=", "==", "!="};
	enum qos_rule_type type = gen_number();

	switch (rnd(6)) {
	case 0:
		gen_infix(gen, QOS_TYPE_BOOL, rnd(2) ? "and" : "or", QOS_TYPE_BOOL, depth);
		return;
	case 1:
		qos_buf_add(&gen->text, "(not ");
		gen_expr(gen, QOS_TYPE_BOOL, depth);
		qos_buf_add(&gen->text, ")");
		return;
	case 2:
		gen_infix(gen, QOS_TYPE_BOOL, rnd(2) ? "==" : "!=", QOS_TYPE_BOOL, depth);
		return;
	default:
		gen_infix(gen, type, signs[rnd(6)], type, depth);
	}
}

/* Functions with a state. */
static inline void gen_stateful(struct rules_gen *gen, enum qos_rule_type type, unsigned int depth)
{
	gen->state += 3;
	switch (rnd(5)) {
	case 0:
		qos_buf_add(&gen->text, "ewma(");
		gen_expr(gen, type, depth);
		qos_buf_add(&gen->text, ", %u/%u)", 1 + rnd(7), 7 + rnd(99));
		return;
	case 1:
		gen_call(gen, rnd(2) ? "delta" : "prev", type, 1, depth);
		return;
	case 2:
		qos_buf_add(&gen->text, "pid(");
		gen_expr(gen, type, depth);
		qos_buf_add(&gen->text, ", %u%%, %u.%02u%%, %d)", rnd(300), rnd(9), rnd(99),
			    (int)rnd(5) - 2);
		return;
	case 3:
		if (type == QOS_TYPE_RATIO)
			gen_call(gen, "rate", QOS_TYPE_DURATION, 1, depth);
		else if (type == QOS_TYPE_RATE)
			gen_call(gen, "rate", QOS_TYPE_BYTES, 1, depth);
		else
			gen_call(gen, type == QOS_TYPE_COUNT ? "rate" : "prev", type, 1, depth);
		return;
	default:
		if (gen->kind != QOS_RULE_JOB || type == QOS_TYPE_COUNT) {
			gen_call(gen, "delta", type, 1, depth);
			return;
		}
		gen_call(gen, "", type == QOS_TYPE_RATIO ? QOS_TYPE_COUNT : type, 1, depth);
		qos_buf_add(&gen->text, " over %u jobs", rnd(3) ? 2 + rnd(4) : 2 + rnd(9999));
	}
}

static inline void gen_product(struct rules_gen *gen, enum qos_rule_type type, unsigned int depth)
{
	switch (rnd(5)) {
	case 0:
		gen_infix(gen, type, "*", QOS_TYPE_RATIO, depth);
		return;
	case 1:
		gen_infix(gen, QOS_TYPE_RATIO, "*", type, depth);
		return;
	case 2:
		gen_infix(gen, type, "/", QOS_TYPE_RATIO, depth);
		return;
	case 3:
		if (type == QOS_TYPE_RATIO && rnd(2))
			gen_scaled_ratio(gen, depth);
		else
			gen_infix(gen, type, type == QOS_TYPE_RATIO ? "/" : "*", QOS_TYPE_COUNT,
				  depth);
		return;
	default:
		if (type == QOS_TYPE_RATIO) {
			type = gen_number();
			gen_infix(gen, type, "/", type, depth);
		} else {
			gen_infix(gen, type, type == QOS_TYPE_COUNT ? "*" : "/", QOS_TYPE_COUNT,
				  depth);
		}
	}
}

static inline void gen_expr(struct rules_gen *gen, enum qos_rule_type type, unsigned int depth)
{
	if (!depth || gen->text.len > RULES_TEXT_MAX / 2 || rnd(9) == 0) {
		gen_leaf(gen, type);
		return;
	}
	depth--;
	if (type == QOS_TYPE_BOOL) {
		gen_bool(gen, depth);
		return;
	}
	switch (rnd(9)) {
	case 0:
	case 1:
		gen_infix(gen, type, rnd(2) ? "+" : "-", type, depth);
		return;
	case 2:
	case 3:
	case 4:
		gen_product(gen, type, depth);
		return;
	case 5:
		gen_call(gen, rnd(2) ? "min" : "max", type, 2 + rnd(3), depth);
		return;
	case 6:
		if (rnd(2))
			gen_call(gen, "clamp", type, 3, depth);
		else
			gen_call(gen, "abs", type, 1, depth);
		return;
	case 7:
		qos_buf_add(&gen->text, "(-");
		gen_expr(gen, type, depth);
		qos_buf_add(&gen->text, ")");
		return;
	default:
		if (gen->state < 30)
			gen_stateful(gen, type, depth);
		else
			gen_leaf(gen, type);
	}
}

/* Values that all live until the end: a product a level, then all the signs. */
static inline void gen_tower(struct rules_gen *gen, enum qos_rule_type type, unsigned int levels)
{
	qos_buf_add(&gen->text, "(");
	gen_leaf(gen, type);
	qos_buf_add(&gen->text, " %s ", rnd(2) ? "+" : "-");
	if (levels)
		gen_tower(gen, type, levels - 1);
	else
		gen_leaf(gen, type);
	qos_buf_add(&gen->text, ")");
}

static inline void gen_number_expr(struct rules_gen *gen, enum qos_rule_type type)
{
	if (rnd(8) == 0)
		gen_tower(gen, type, 1 + rnd(25));
	else
		gen_expr(gen, type, rnd(6));
}

static inline char *gen_take(struct rules_gen *gen)
{
	char *text = gen->text.text;

	assert_int_equal(gen->text.error, 0);
	gen->text = (struct qos_buf){};
	return text;
}

/* --- rules --- */

static inline char *rules_dup(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	return copy;
}

static inline void gen_rule(struct rules_gen *gen, struct qos_rule *rule)
{
	enum qos_rule_type type = gen_number();
	bool rate = gen->network || (gen->kind == QOS_RULE_TICK && rnd(2));

	switch (rnd(4)) {
	case 0:
		break;
	case 1:
		gen_expr(gen, QOS_TYPE_BOOL, 1 + rnd(5));
		break;
	default: /* prev() keeps the number in a state word, where each of its bits is compared */
		qos_buf_add(&gen->text, "prev(");
		gen_number_expr(gen, type);
		qos_buf_add(&gen->text, ") < ");
		gen_leaf(gen, type);
	}
	rule->when.text = gen_take(gen);
	rule->sets = calloc(1, sizeof(*rule->sets));
	assert_non_null(rule->sets);
	rule->n_sets = 1;
	rule->sets[0].attribute.text = rules_dup(rate ? "network.n.rate" : "cpu.a.runtime");
	gen_number_expr(gen, rate ? QOS_TYPE_RATE : QOS_TYPE_DURATION);
	rule->sets[0].value.text = gen_take(gen);
	rule->emit.text = rnd(4) ? NULL : rules_dup(rnd(2) ? "one" : "other");
}

/* New rules for the contract, all on one event, and new ranges. */
static inline enum qos_rule_event_kind rules_random(struct qos_contract *contract)
{
	static const struct {
		enum qos_rule_event_kind kind;
		const char *text;
	} events[] = {{QOS_RULE_JOB, "cpu.a.job"},
		      {QOS_RULE_LATE, "cpu.a.late"},
		      {QOS_RULE_WINDOW, "cpu.a.window"},
		      {QOS_RULE_TICK, "tick 1s"},
		      {QOS_RULE_LATE, "network.n.late"},
		      {QOS_RULE_DROP, "network.n.drop"},
		      {QOS_RULE_WINDOW, "network.n.window"},
		      {QOS_RULE_JOB, "cpu.a.job"},
		      {QOS_RULE_TICK, "tick 1s"}};
	size_t event = rnd(sizeof(events) / sizeof(events[0]));
	struct rules_gen gen = {.kind = events[event].kind,
				.network = events[event].text[0] == 'n'};

	qos_rules_free(contract->rules, contract->n_rules);
	contract->n_rules = 1 + rnd(RULES_MAX);
	contract->rules = calloc(contract->n_rules, sizeof(*contract->rules));
	assert_non_null(contract->rules);
	for (size_t i = 0; i < contract->n_rules; i++) {
		gen_rule(&gen, &contract->rules[i]);
		contract->rules[i].event.text = rules_dup(events[event].text);
	}
	contract->cpu[0].runtime_range = contract->net[0].rate_range = (struct qos_range){
		true, rnd(2) ? 0 : rnd(1000000), rnd(4) ? QOS_RULE_MAX : rnd64() >> 22 | 1 << 20};
	return gen.kind;
}

/* Refused for one of its bounds, which random rules often pass; any other reason is a failure. */
static inline void rules_assert_bounded(const struct qos_diag *diag,
					const struct qos_contract *contract)
{
	static const char *const reasons[] = {
		"need more than",      "is outside the range", "never inside the range",
		"divisor is always 0", "keep more than",       "an expression has at most",
	};

	for (size_t i = 0; i < diag->n_entries; i++) {
		bool known = diag->entries[i].severity != QOS_ERROR;

		for (size_t k = 0; k < sizeof(reasons) / sizeof(reasons[0]); k++)
			known |= strstr(diag->entries[i].text, reasons[k]) != NULL;
		if (known)
			continue;
		for (size_t k = 0; k < contract->n_rules; k++)
			print_error("when: %s\nset: %s\n", contract->rules[k].when.text ?: "",
				    contract->rules[k].sets[0].value.text);
		fail_msg("%s", diag->entries[i].text);
	}
}

/* About one in three is: more than one in two would mean that little is tested, or nothing for ever. */
static inline void rules_assert_few_refused(size_t refused, size_t programs)
{
	if (refused > programs + 100)
		fail_msg("%zu rules were refused, to test %zu programs", refused, programs);
}

/* --- inputs --- */

static inline void rules_fill(struct qos_rules_frame *frame, uint64_t *now_ns)
{
	bool sane = rnd(3); /* values as a monitor gives them, or any bits */

	*now_ns += rnd(5) ? rnd(100000000) : rnd64() >> rnd(64);
	frame->now_ns = *now_ns;
	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < QOS_RULES_WORDS; k++) {
			uint64_t value = sane ? rules_magnitude((UINT64_C(1) << 40) - 1)
					      : rnd64() >> rnd(64);

			frame->stream[i].word[k] =
				rnd(4) ? (int64_t)value : -(int64_t)(value & INT64_MAX);
		}
	}
}

/* What is compared: requests and state. */
static inline bool rules_same(const struct qos_rules_frame *a, const uint64_t *state_a,
			      const struct qos_rules_frame *b, const uint64_t *state_b)
{
	return a->n_requests == b->n_requests &&
	       !memcmp(a->request, b->request, a->n_requests * sizeof(a->request[0])) &&
	       !memcmp(state_a, state_b, QOS_RULES_STATE_MAX * sizeof(*state_a));
}

static inline void rules_show_difference(const struct qos_compiled *compiled,
					 const struct qos_rules_frame *eval,
					 const uint64_t *state_eval,
					 const struct qos_rules_frame *other,
					 const uint64_t *state_other)
{
	struct qos_buf text = {};

	for (enum qos_stage stage = QOS_STAGE_TYPES; stage <= QOS_STAGE_INSNS; stage++)
		qos_compiled_print(compiled, stage, &text);
	fputs(text.text ? text.text : "", stderr); /* print_error cuts */
	for (size_t i = 0; i < eval->n_requests; i++)
		print_error("request %zu: wanted %llu, %llu; value %lld, %lld\n", i,
			    (unsigned long long)eval->request[i].wanted,
			    (unsigned long long)other->request[i].wanted,
			    (long long)eval->request[i].value, (long long)other->request[i].value);
	for (size_t i = 0; i < compiled->n_state; i++)
		print_error("state %zu: 0x%llx, 0x%llx\n", i, (unsigned long long)state_eval[i],
			    (unsigned long long)state_other[i]);
	qos_buf_reset(&text);
}
