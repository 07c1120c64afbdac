/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The compiler against the interpreter, without a kernel: random rules for every target, run by the
 * machine of bpf_run.h. QOS_RULES_PROGRAMS says how many.
 */
#include "../harness/rules.h"

#include "../harness/bpf_run.h"
#include "kern/prog.h"

#define PROGRAMS 6000

struct totals {
	size_t programs;
	size_t refused;
	size_t insns;
	size_t spilled;
	size_t runs;
};

/* A kfunc is called for wanted requests only. */
static void keep_wanted(struct qos_rules_frame *frame)
{
	size_t n = 0;

	for (size_t i = 0; i < frame->n_requests; i++)
		if (frame->request[i].wanted)
			frame->request[n++] = frame->request[i];
	frame->n_requests = n;
}

/* Also what the module would get, which no kernel without it can judge. */
static void assert_listed(const struct qos_emit *code)
{
	const struct qos_prog_maps maps = {10, 11, 12, 77};
	struct bpf_insn insns[QOS_RULES_INSNS_MAX];
	struct qos_diag diag = QOS_DIAG_INIT;

	memcpy(insns, code->insns, code->n_insns * sizeof(*insns));
	for (size_t i = 0; i < code->n_relocs; i++) {
		const struct qos_reloc *reloc = &code->relocs[i];

		insns[reloc->at].imm = reloc->kind == QOS_RELOC_KFUNC ? 77 : 10 + reloc->kind;
		if (reloc->kind == QOS_RELOC_KFUNC)
			insns[reloc->at].off = QOS_PROG_MODULE_BTF;
	}
	if (qos_prog_check(insns, code->n_insns, &maps, &diag) != 0)
		fail_msg("%s", diag.entries[0].text);
}

static void run(const struct qos_compiled *compiled, enum qos_rules_target target,
		struct totals *totals)
{
	static struct qos_rules_frame frame, other;
	uint64_t state[QOS_RULES_STATE_MAX] = {}, other_state[QOS_RULES_STATE_MAX] = {};
	const struct qos_program *program = &compiled->programs[0];
	uint64_t now_ns = 1000000000;
	struct bpf_machine machine;

	assert_listed(&program->code);
	for (size_t i = 0; i < RULES_INPUTS; i++) {
		const char *error;

		rules_fill(&frame, &now_ns);
		frame.n_requests = 0;
		other = frame;
		qos_rules_eval(compiled, 0, &frame, state);
		error = machine_run(&machine, &program->code, &other, other_state);
		if (target == QOS_RULES_KFUNC)
			keep_wanted(&frame);
		if (error || !rules_same(&frame, state, &other, other_state)) {
			rules_show_difference(compiled, &frame, state, &other, other_state);
			fail_msg("program %zu, event %zu: %s", totals->programs, i,
				 error ? error : "the results differ");
		}
		assert_true(machine.steps <= program->code.worst);
		totals->runs++;
	}
	for (size_t i = 0; i < sizeof(machine.stack) - 8; i++)
		if (machine.stack_written[i]) {
			totals->spilled++;
			break;
		}
	totals->insns += program->code.n_insns;
	totals->programs++;
}

static void test_compiler_against_interpreter(void **state)
{
	static const enum qos_rules_target targets[] = {QOS_RULES_FRAME, QOS_RULES_KFUNC,
							QOS_RULES_TEST};
	const char *given = getenv("QOS_RULES_PROGRAMS");
	size_t n = given ? strtoul(given, NULL, 10) : PROGRAMS;
	struct qos_contract *contract = rules_contract();
	struct totals totals = {};

	random_seed();
	while (totals.programs < n) {
		enum qos_rules_target target = targets[rnd(3)];
		struct qos_compiled *compiled = NULL;
		struct qos_diag diag = QOS_DIAG_INIT;
		int r;

		rules_random(contract);
		r = qos_compile(contract, target, QOS_STAGE_INSNS, &diag, &compiled);
		rules_assert_bounded(&diag, contract);
		qos_diag_reset(&diag);
		if (r == 0)
			run(compiled, target, &totals);
		else
			rules_assert_few_refused(++totals.refused, n);
		qos_compiled_free(compiled);
	}
	qos_contract_free(contract);
	print_message("%zu programs of %zu instructions (mean), %zu with spilling, %zu runs; %zu "
		      "refused for a bound\n",
		      totals.programs, totals.insns / totals.programs, totals.spilled, totals.runs,
		      totals.refused);
	assert_true(totals.spilled > totals.programs / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compiler_against_interpreter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
