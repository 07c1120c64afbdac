/* SPDX-License-Identifier: GPL-2.0-only */
/* The list of passes as a whole: what becomes of a contract, for each target, and that bounds hold. */
#include "../harness/rules.h"

#include <errno.h>

#include "../harness/bpf_run.h"

#define HEAD                                                                                       \
	"version: 1\ncontract: x\nmatch: {unit: x.service}\n"                                      \
	"cpu: {period: 10ms, runtime: 2ms, window: 1/10, range: {runtime: 1ms..4ms}}\n"            \
	"adapt:\n  rules:\n"

struct world {
	struct qos_contract *contract;
	struct qos_compiled *compiled;
	struct qos_diag diag;
};

static int open_world(struct world *world, const char *rules, enum qos_rules_target target)
{
	struct qos_text text = {.file = "file"};
	char *bytes = NULL;
	int r;

	*world = (struct world){};
	assert_true(asprintf(&bytes, HEAD "%s", rules) > 0);
	text.bytes = bytes;
	text.len = strlen(bytes);
	assert_int_equal(qos_contract_parse_text(&text, 1, NULL, &world->contract), 0);
	free(bytes);
	r = qos_compile(world->contract, target, QOS_STAGE_INSNS, &world->diag, &world->compiled);
	assert_int_equal(r == 0, world->diag.n_errors == 0);
	return r;
}

static void close_world(struct world *world)
{
	qos_compiled_free(world->compiled);
	qos_contract_free(world->contract);
	qos_diag_reset(&world->diag);
}

static void test_one_program_an_event(void **state)
{
	struct world world;

	assert_int_equal(open_world(&world,
				    "    - {event: cpu.job, emit: a}\n"
				    "    - {event: tick 1s, emit: b}\n"
				    "    - {event: cpu.main.job, emit: c, when: cpu.late > 0}\n"
				    "    - {event: tick 2s, emit: a}\n",
				    QOS_RULES_FRAME),
			 0);
	assert_int_equal(world.compiled->n_programs, 3);
	assert_int_equal(world.compiled->programs[0].n_requests, 2);
	assert_int_equal(world.compiled->rules[2].program, 0);
	assert_int_equal(world.compiled->programs[2].event.tick_ns, 2000000000);
	assert_int_equal(world.compiled->n_signals, 3);
	assert_string_equal(world.compiled->signals[2], "c");
	assert_int_equal(world.compiled->rules[3].emit, 0);
	close_world(&world);
}

static void test_no_rules(void **state)
{
	struct qos_contract *contract = rules_contract();
	struct qos_compiled *compiled = NULL;
	struct qos_buf out = {};

	assert_int_equal(qos_compile(contract, QOS_RULES_FRAME, QOS_STAGE_INSNS, NULL, &compiled),
			 0);
	assert_int_equal(compiled->n_programs, 0);
	qos_compiled_print(compiled, QOS_STAGE_INSNS, &out);
	assert_null(out.text);
	qos_compiled_free(compiled);
	qos_contract_free(contract);
}

static size_t count_relocs(const struct qos_emit *code, enum qos_reloc_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < code->n_relocs; i++)
		n += code->relocs[i].kind == kind;
	return n;
}

/* Each target has the look-ups and calls of its header, and no others. */
static void test_targets(void **state)
{
	static const struct {
		enum qos_rules_target target;
		size_t frame, state, guard, kfunc;
	} rows[] = {{QOS_RULES_FRAME, 1, 1, 1, 0},
		    {QOS_RULES_KFUNC, 0, 1, 0, 2},
		    {QOS_RULES_TEST, 1, 1, 0, 0}};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(rows); i++) {
		const struct qos_emit *code;
		struct world world;

		assert_int_equal(open_world(&world,
					    "    - event: cpu.job\n      emit: a\n"
					    "      when: delta(cpu.used) > 1ms\n"
					    "      set: {cpu.runtime: 2ms}\n",
					    rows[i].target),
				 0);
		code = &world.compiled->programs[0].code;
		assert_int_equal(count_relocs(code, QOS_RELOC_FRAME), rows[i].frame);
		assert_int_equal(count_relocs(code, QOS_RELOC_STATE), rows[i].state);
		assert_int_equal(count_relocs(code, QOS_RELOC_GUARD), rows[i].guard);
		assert_int_equal(count_relocs(code, QOS_RELOC_KFUNC), rows[i].kfunc);
		close_world(&world);
	}
}

/* Without state there is no map to look at. */
static void test_no_state(void **state)
{
	struct world world;

	assert_int_equal(open_world(&world, "    - {event: cpu.job, emit: a}\n", QOS_RULES_FRAME),
			 0);
	assert_int_equal(world.compiled->n_state, 0);
	assert_int_equal(count_relocs(&world.compiled->programs[0].code, QOS_RELOC_STATE), 0);
	close_world(&world);
}

/* Who fills an input looks only at what a program looks at. */
static void test_reads(void **state)
{
	struct qos_contract *contract = rules_contract();
	struct qos_compiled *compiled = NULL;
	const struct qos_ir *ir;

	contract->rules = calloc(1, sizeof(*contract->rules));
	assert_non_null(contract->rules);
	contract->n_rules = 1;
	contract->rules[0].event.text = rules_dup("tick 1s");
	contract->rules[0].emit.text = rules_dup("x");
	contract->rules[0].when.text =
		rules_dup("network.n.rtt > 1ms and cpu.b.jobs > 0 and cpu.a.runtime > 1ms");
	assert_int_equal(qos_compile(contract, QOS_RULES_FRAME, QOS_STAGE_INSNS, NULL, &compiled),
			 0);
	ir = &compiled->programs[0].ir;
	assert_int_equal(qos_ir_reads(ir), 1 << 1 | 1 << 2);
	assert_int_equal(qos_ir_reads_word(ir, QOS_RULES_RTT), 1 << 2);
	assert_int_equal(qos_ir_reads_word(ir, QOS_RULES_ATTRIBUTE), 1 << 0);
	assert_int_equal(qos_ir_reads_word(ir, QOS_RULES_LOST), 0);
	qos_compiled_free(compiled);
	qos_contract_free(contract);
}

/* Attributes are numbered as streams are, cpu first; a value is brought into the range. */
static void test_requests(void **state)
{
	static struct qos_rules_frame frame;
	uint64_t words[QOS_RULES_STATE_MAX] = {};
	struct bpf_machine machine;
	struct world world;

	assert_int_equal(open_world(&world,
				    "    - event: cpu.job\n      set: {cpu.runtime: cpu.used}\n"
				    "    - {event: cpu.job, when: cpu.late > 0, emit: a}\n",
				    QOS_RULES_FRAME),
			 0);
	frame.stream[0].word[QOS_RULES_USED] = 9000000;
	assert_null(machine_run(&machine, &world.compiled->programs[0].code, &frame, words));
	assert_int_equal(frame.n_requests, 2);
	assert_int_equal(frame.request[0].wanted, 1);
	assert_int_equal(frame.request[0].attribute,
			 QOS_RULES_ATTRIBUTE_ID(QOS_RULES_CPU_RUNTIME, 0));
	assert_int_equal(frame.request[0].value, 4000000);
	assert_int_equal(frame.request[1].wanted, 0);
	assert_int_equal(frame.request[1].attribute, QOS_RULES_ATTRIBUTE_ID(QOS_RULES_EMIT, 0));
	close_world(&world);
}

/* Every mistake of a pass in one run. */
static void test_all_mistakes(void **state)
{
	struct world world;

	assert_int_equal(
		open_world(&world,
			   "    - {event: cpu.job, when: cpu.used > 3, emit: a}\n"
			   "    - {event: cpu.job, set: {cpu.runtime: 3, cpu.used: 1ms}}\n",
			   QOS_RULES_FRAME),
		-EINVAL);
	assert_int_equal(world.diag.n_errors, 3);
	assert_int_equal(world.diag.entries[0].line, 7);
	assert_int_equal(world.diag.entries[0].col, 39);
	close_world(&world);
}

/* QOS_RULE_DEPTH_MAX brackets and signs in each other, and not one more. */
static void test_depth(void **state)
{
	static const char *const innermost[] = {"true", "cpu.late > 0"};

	for (size_t more = 0; more < 2; more++) {
		for (size_t i = 0; i < 2; i++) {
			int brackets = QOS_RULE_DEPTH_MAX - (int)i + (int)more;
			struct qos_buf rule = {};
			struct world world;

			qos_buf_add(&rule, "    - {event: cpu.job, emit: a, when: %.*s", brackets,
				    "(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
				    "((((((((((");
			qos_buf_add(&rule, "%s%.*s}\n", innermost[i], brackets,
				    "))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))"
				    "))))))))))");
			assert_int_equal(open_world(&world, rule.text, QOS_RULES_FRAME) == 0,
					 !more);
			if (more)
				assert_non_null(strstr(world.diag.entries[0].text, "64 levels"));
			close_world(&world);
			qos_buf_reset(&rule);
		}
	}
}

/* The first stage refuses, too: it does not print what it could not read. */
static void test_tokens_are_a_pass(void **state)
{
	struct qos_contract *contract = NULL;
	struct qos_compiled *compiled = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	const char *bytes = HEAD "    - {event: cpu.job, when: cpu.used && 1ms, emit: a}\n"
				 "    - {event: cpu.job, set: {cpu.runtime: 1ms ^ 2}}\n";
	const struct qos_text text = {"file", bytes, strlen(bytes)};

	assert_int_equal(qos_contract_parse_text(&text, 1, NULL, &contract), 0);
	assert_int_equal(qos_compile(contract, QOS_RULES_FRAME, QOS_STAGE_TOKENS, &diag, &compiled),
			 -EINVAL);
	assert_int_equal(diag.n_errors, 2);
	assert_int_equal(diag.entries[0].col, 39);
	qos_diag_reset(&diag);
	qos_contract_free(contract);
}

/* As many simple rules as a contract may have fit, if they are spread. */
static void test_many_rules(void **state)
{
	struct qos_buf rules = {};
	struct world world;

	for (int i = 0; i < 20; i++)
		qos_buf_add(&rules,
			    "    - event: cpu.job\n      when: cpu.slack < %dus\n"
			    "      set: {cpu.runtime: cpu.runtime * %d%%}\n",
			    i * 100, 101 + i);
	assert_int_equal(open_world(&world, rules.text, QOS_RULES_KFUNC), 0);
	assert_true(world.compiled->programs[0].code.n_insns <= QOS_RULES_INSNS_MAX);
	close_world(&world);
	qos_buf_reset(&rules);
}

/* A program one instruction above the limit is refused with the rule that was one too many. */
static void test_instruction_limit(void **state)
{
	struct qos_buf rules = {};
	struct world world;
	size_t n = 0, last = 0;
	int r;

	do {
		qos_buf_add(&rules, "    - event: cpu.job\n      emit: a\n      when: %s\n",
			    "cpu.used * cpu.late / 3 > cpu.used / (cpu.late + 1)");
		n++;
		r = open_world(&world, rules.text, QOS_RULES_FRAME);
		if (r == 0) {
			assert_true(world.compiled->programs[0].code.n_insns <=
				    QOS_RULES_INSNS_MAX);
			last = world.compiled->programs[0].code.n_insns;
		} else {
			assert_int_equal(world.diag.entries[0].line, 7 + 3 * (n - 1));
			assert_non_null(strstr(world.diag.entries[0].text, "1000 instructions"));
		}
		close_world(&world);
	} while (r == 0);
	assert_true(n > 10 && last > 900);
	qos_buf_reset(&rules);
}

static int count_entries(const struct qos_diag *diag, const char *text)
{
	int n = 0;

	for (size_t i = 0; i < diag->n_entries; i++)
		n += strstr(diag->entries[i].text, text) != NULL;
	return n;
}

/* A rule for each request that there may be; the last one has so many more terms. */
static char *many_rules(size_t terms)
{
	struct qos_buf rules = {};

	for (size_t i = 0; i < QOS_RULES_REQUESTS_MAX; i++)
		qos_buf_add(
			&rules,
			"    - event: cpu.job\n      emit: a\n"
			"      when: cpu.used > cpu.slack or cpu.latency > cpu.used or cpu.used > "
			"2ms\n");
	rules.len--;
	while (terms--)
		qos_buf_add(&rules, " or cpu.late > 2");
	assert_int_equal(rules.error, 0);
	return rules.text;
}

/* Where it will run is not known yet: the longer program counts, here the module's. */
static void test_check_counts_the_longer(void **state)
{
	size_t frame, kfunc = 0, last, terms = 0;
	struct qos_diag diag = QOS_DIAG_INIT;
	struct world world;
	char text[64];
	int r;

	do {
		char *rules = many_rules(terms++);

		last = kfunc;
		snprintf(text, sizeof(text), ": %zu instructions,", last);
		assert_int_equal(count_entries(&diag, text), last > 0);
		qos_diag_reset(&diag);
		assert_int_equal(open_world(&world, rules, QOS_RULES_FRAME), 0);
		frame = world.compiled->programs[0].code.n_insns;
		close_world(&world);
		r = open_world(&world, rules, QOS_RULES_KFUNC);
		assert_int_equal(qos_compile_check(world.contract, &diag), r);
		kfunc = r ? 0 : world.compiled->programs[0].code.n_insns;
		close_world(&world);
		free(rules);
	} while (r == 0);
	assert_true(terms > 1 && last > frame && frame <= QOS_RULES_INSNS_MAX);
	assert_int_equal(count_entries(&diag, "1000 instructions"), 1);
	qos_diag_reset(&diag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_program_an_event),
		cmocka_unit_test(test_no_rules),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_no_state),
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_all_mistakes),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_tokens_are_a_pass),
		cmocka_unit_test(test_many_rules),
		cmocka_unit_test(test_instruction_limit),
		cmocka_unit_test(test_check_counts_the_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
