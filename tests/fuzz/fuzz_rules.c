/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rule front, and with it all that is behind: bytes become the condition and the value of a rule
 * (a line each; the first is the event). They are refused with a place, a reason and a hint, or they
 * compile; and then the program does, in the machine of bpf_run.h, what the interpreter does.
 */
#include <errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "../harness/bpf_run.h"
#include "contract/parse.h"
#include "extension/compile.h"
#include "extension/eval.h"
#include "extension/lex.h"

#define EVENTS 4

static const char base[] =
	"version: 1\ncontract: x\nmatch: {unit: x.service}\n"
	"cpu:\n  - {name: main, period: 10ms, runtime: 2ms, window: 1/10, range: {runtime: "
	"1ms..4ms}}\n"
	"  - {name: b, period: 10ms, runtime: 2ms, window: 1/10}\n"
	"network: {interface: eth0, rate: 12mbit, packet: 1400B, window: 1/10, range: {rate: "
	"2mbit..20mbit}}\n";

static struct qos_contract *make_contract(void)
{
	const struct qos_text text = {"base", base, strlen(base)};
	struct qos_contract *contract = NULL;

	must(qos_contract_parse_text(&text, 1, NULL, &contract) == 0);
	contract->rules = calloc(1, sizeof(*contract->rules));
	must(contract->rules);
	contract->n_rules = 1;
	return contract;
}

/* The next line, cut off; NULL behind the last. */
static char *take_line(const char **bytes, size_t *size)
{
	const char *end = memchr(*bytes, '\n', *size);
	size_t length = end ? (size_t)(end - *bytes) : *size;
	char *line = *size ? strndup(*bytes, length) : NULL;

	*bytes += length + (end != NULL);
	*size -= length + (end != NULL);
	return line;
}

static struct qos_rule_text make_text(char *text)
{
	return (struct qos_rule_text){text, {"fuzz", 1, 1}, true};
}

static void fill_rule(struct qos_contract *contract, const char *bytes, size_t size)
{
	struct qos_rule *rule = contract->rules;
	char *event = take_line(&bytes, &size), *when = take_line(&bytes, &size);
	char *value = take_line(&bytes, &size);

	rule->loc = (struct qos_loc){"fuzz", 1, 1};
	rule->event = make_text(event ? event : strdup("cpu.job"));
	rule->when = make_text(when);
	rule->emit = make_text(strdup("x"));
	if (!value)
		return;
	rule->sets = calloc(1, sizeof(*rule->sets));
	must(rule->sets);
	rule->n_sets = 1;
	rule->sets[0].attribute = make_text(strdup("cpu.runtime"));
	rule->sets[0].value = make_text(value);
}

static void check_reasons(const struct qos_diag *diag)
{
	for (size_t i = 0; i < diag->n_entries; i++) {
		const struct qos_diag_entry *entry = &diag->entries[i];

		must(entry->file[0] && entry->text[0] && entry->hint);
		must(entry->line && entry->col && entry->col <= QOS_RULE_BYTES_MAX + 1);
	}
}

static void run(const struct qos_compiled *compiled)
{
	static struct qos_rules_frame frame, other;
	uint64_t state[QOS_RULES_STATE_MAX] = {}, other_state[QOS_RULES_STATE_MAX] = {};
	uint64_t bits = 88172645463325252;
	struct bpf_machine machine;

	for (int i = 0; i < EVENTS; i++) {
		for (size_t k = 0; k < 3 * QOS_RULES_WORDS; k++) {
			bits ^= bits << 13;
			bits ^= bits >> 7;
			bits ^= bits << 17;
			frame.stream[k / QOS_RULES_WORDS].word[k % QOS_RULES_WORDS] =
				(int64_t)bits >> (bits & 63);
		}
		frame.now_ns += bits & 0xffffff;
		other = frame;
		qos_rules_eval(compiled, 0, &frame, state);
		must(!machine_run(&machine, &compiled->programs[0].code, &other, other_state));
		must(!memcmp(&frame, &other, sizeof(frame)));
		must(!memcmp(state, other_state, sizeof(state)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qos_contract *contract = make_contract();
	struct qos_compiled *compiled = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_buf out = {};
	int r;

	fill_rule(contract, (const char *)data, size);
	r = qos_compile(contract, QOS_RULES_FRAME, QOS_STAGE_INSNS, &diag, &compiled);
	must(r == 0 || r == -EINVAL);
	must((r == -EINVAL) == (diag.n_errors > 0) && (r == 0) == (compiled != NULL));
	check_reasons(&diag);
	for (enum qos_stage stage = QOS_STAGE_TOKENS; !r && stage <= QOS_STAGE_INSNS; stage++)
		qos_compiled_print(compiled, stage, &out);
	if (r == 0)
		run(compiled);
	qos_buf_reset(&out);
	qos_diag_reset(&diag);
	qos_compiled_free(compiled);
	qos_contract_free(contract);
	return 0;
}
