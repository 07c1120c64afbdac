/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The compiler against the interpreter, in this kernel: the raw_tp twin of each program is loaded
 * (every one must be on the list of kern/prog_check.c, and accepted by the verifier) and run by BPF_PROG_TEST_RUN, about a minute for all.
 * QOS_RULES_PROGRAMS says how many, QOS_SEED which; QOS_RULES_MODULE: the module is to be there.
 */
#include "../harness/rules.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#include "kern/module_btf.h"
#include "kern/prog.h"

#define PROGRAMS 100000
#define LOADS	 1000 /* of each other type, or as many as there are programs */

struct machine {
	struct qos_prog_maps maps;
	struct qos_rules_frame *frame; /* the maps' memory */
	uint64_t *state;
};

struct totals {
	size_t programs;
	size_t refused;
	size_t insns;
	size_t runs;
	uint64_t load_ns; /* kernel: verify and compile to machine code */
	uint64_t compile_ns;
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void machine_open(struct machine *machine)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	assert_int_equal(qos_prog_maps_new(QOS_RULES_STATE_MAX, 1, &machine->maps), 0);
	machine->frame = mmap(NULL, (sizeof(*machine->frame) + page - 1) / page * page,
			      PROT_READ | PROT_WRITE, MAP_SHARED, machine->maps.frame_fd, 0);
	machine->state =
		mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, machine->maps.state_fd, 0);
	assert_true(machine->frame != MAP_FAILED && machine->state != MAP_FAILED);
}

static const struct qos_prog_type raw_tp = {};

/* A refusal is a bug of the compiler: all that is needed to see it again. */
static int load(const struct qos_prog_maps *maps, const struct qos_prog_type *type,
		const struct qos_compiled *compiled)
{
	const struct qos_emit *emit = &compiled->programs[0].code;
	const struct qos_prog_code code = qos_prog_code_of(emit, "random");
	struct qos_prog_type again = *type;
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_buf text = {};
	int fd = qos_prog_load(&code, maps, type, &diag);

	if (fd >= 0)
		return fd;
	again.log = calloc(1, QOS_PROG_LOG_BYTES);
	qos_prog_load(&code, maps, &again, &diag);
	qos_compiled_print(compiled, QOS_STAGE_TYPES, &text);
	qos_emit_print(emit, &text);
	qos_diag_print(&diag, stderr);
	fprintf(stderr, "%s\n%s\n", text.text, again.log ? again.log : "");
	fail_msg("the kernel refuses a program: %s", strerror(-fd));
	return fd;
}

static void run(struct machine *machine, const struct qos_compiled *compiled, struct totals *totals)
{
	static struct qos_rules_frame frame;
	uint64_t state[QOS_RULES_STATE_MAX] = {}, now_ns = 1000000000, begin = clock_ns();
	int fd = load(&machine->maps, &raw_tp, compiled);

	totals->load_ns += clock_ns() - begin;
	memset(machine->state, 0, sizeof(state));
	for (size_t i = 0; i < RULES_INPUTS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts);

		rules_fill(&frame, &now_ns);
		frame.n_requests = 0;
		frame.state = 0;
		memcpy(machine->frame, &frame, offsetof(struct qos_rules_frame, stream[3]));
		machine->frame->n_requests = 0;
		assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
		qos_rules_eval(compiled, 0, &frame, state);
		if (!rules_same(&frame, state, machine->frame, machine->state)) {
			rules_show_difference(compiled, &frame, state, machine->frame,
					      machine->state);
			fail_msg("program %zu, event %zu", totals->programs, i);
		}
		totals->runs++;
	}
	close(fd);
	totals->insns += compiled->programs[0].code.n_insns;
	totals->programs++;
}

static void report(const struct totals *totals)
{
	print_message("%zu programs of %zu instructions (mean), %zu runs, no difference; %zu more "
		      "refused for a bound\n",
		      totals->programs, totals->insns / totals->programs, totals->runs,
		      totals->refused);
	print_message("compile %.1f us, load %.1f us a program (mean)\n",
		      (double)totals->compile_ns / 1e3 /
			      (double)(totals->programs + totals->refused),
		      (double)totals->load_ns / 1e3 / (double)totals->programs);
}

static size_t n_programs(void)
{
	const char *given = getenv("QOS_RULES_PROGRAMS");

	return given ? strtoul(given, NULL, 10) : PROGRAMS;
}

static size_t n_loads(void)
{
	return n_programs() < LOADS ? n_programs() : LOADS;
}

static void test_compiler_against_interpreter(void **state)
{
	size_t n = n_programs();
	struct qos_contract *contract = rules_contract();
	struct machine machine = {.maps = QOS_PROG_MAPS_NONE};
	struct totals totals = {};

	machine_open(&machine);
	while (totals.programs < n) {
		struct qos_compiled *compiled = NULL;
		struct qos_diag diag = QOS_DIAG_INIT;
		uint64_t begin;
		int r;

		rules_random(contract);
		begin = clock_ns();
		r = qos_compile(contract, QOS_RULES_TEST, QOS_STAGE_INSNS, &diag, &compiled);
		totals.compile_ns += clock_ns() - begin;
		rules_assert_bounded(&diag, contract);
		qos_diag_reset(&diag);
		if (r == 0)
			run(&machine, compiled, &totals);
		else
			rules_assert_few_refused(++totals.refused, n);
		qos_compiled_free(compiled);
	}
	report(&totals);
	qos_prog_maps_close(&machine.maps);
	qos_contract_free(contract);
}

/* Maps as the extensions of a contract have them: a frame for each CPU, a guard behind. */
static void open_frame_maps(struct qos_prog_maps *maps)
{
	assert_int_equal(qos_prog_maps_new(QOS_RULES_STATE_MAX, 1, maps), 0);
	close(maps->frame_fd);
	maps->frame_fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "frame", 4,
					sizeof(struct qos_rules_frame), 1, NULL);
	maps->guard_fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "guard", 4, 4, 1, NULL);
	assert_true(maps->frame_fd >= 0 && maps->guard_fd >= 0);
}

/* A random program for the target. */
static struct qos_compiled *next_program(struct qos_contract *contract,
					 enum qos_rules_target target)
{
	struct qos_compiled *compiled = NULL;

	while (!compiled) {
		struct qos_diag diag = QOS_DIAG_INIT;

		rules_random(contract);
		qos_compile(contract, target, QOS_STAGE_INSNS, &diag, &compiled);
		rules_assert_bounded(&diag, contract);
		qos_diag_reset(&diag);
	}
	return compiled;
}

/* In the type in which they run behind a scheduler's tracepoint. */
static void test_verifier_takes_the_real_type(void **state)
{
	struct qos_prog_maps maps = QOS_PROG_MAPS_NONE;
	struct qos_contract *contract = rules_contract();
	struct qos_prog_type type = {};
	int id = libbpf_find_vmlinux_btf_id("sched_switch", BPF_TRACE_RAW_TP);

	assert_true(id > 0);
	type.attach_btf_id = (uint32_t)id;
	open_frame_maps(&maps);
	for (size_t i = 0; i < n_loads(); i++) {
		struct qos_compiled *compiled = next_program(contract, QOS_RULES_FRAME);

		close(load(&maps, &type, compiled));
		qos_compiled_free(compiled);
	}
	qos_prog_maps_close(&maps);
	qos_contract_free(contract);
}

/* And in the module's; called where it is loaded, with QOS_RULES_MODULE set. */
static void test_verifier_takes_the_module_type(void **state)
{
	struct qos_prog_maps maps = QOS_PROG_MAPS_NONE;
	struct qos_contract *contract = rules_contract();
	struct qos_prog_type type = {};
	struct qos_module_btf btf;

	assert_int_equal(qos_module_btf_open(&btf), 0);
	type.attach_btf_id = btf.tracepoint;
	type.btf_fd = btf.fd;
	assert_int_equal(qos_prog_maps_new(QOS_RULES_STATE_MAX, 1, &maps), 0);
	maps.kfunc = btf.kfunc;
	for (size_t i = 0; i < n_loads(); i++) {
		struct qos_compiled *compiled = next_program(contract, QOS_RULES_KFUNC);

		close(load(&maps, &type, compiled));
		qos_compiled_free(compiled);
	}
	print_message("%zu programs for the module, all accepted\n", n_loads());
	qos_module_btf_close(&btf);
	qos_prog_maps_close(&maps);
	qos_contract_free(contract);
}

/* What a guard sees: it adds 1000 to n_requests, so that it was there, and behind the program. */
static int load_guard(int frame)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4},
		{.code = BPF_LD | BPF_DW | BPF_IMM,
		 .dst_reg = 1,
		 .src_reg = BPF_PSEUDO_MAP_FD,
		 .imm = frame},
		{},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -4},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem},
		{.code = BPF_JMP | BPF_JEQ | BPF_K, .off = 3},
		{.code = BPF_LDX | BPF_MEM | BPF_DW,
		 .dst_reg = 1,
		 .off = offsetof(struct qos_rules_frame, n_requests)},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 1, .imm = 1000},
		{.code = BPF_STX | BPF_MEM | BPF_DW,
		 .src_reg = 1,
		 .off = offsetof(struct qos_rules_frame, n_requests)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "guard", "GPL", insns,
			     QOS_ARRAY_SIZE(insns), NULL);
}

static void test_guard_is_called_behind(void **state)
{
	struct machine machine;
	struct qos_contract *contract = rules_contract();
	struct qos_compiled *compiled = next_program(contract, QOS_RULES_FRAME);
	size_t n = compiled->programs[0].n_requests;
	int fd, guard, key = QOS_RULES_GUARD;

	LIBBPF_OPTS(bpf_test_run_opts, opts);
	machine_open(&machine);
	machine.maps.guard_fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "guard", 4, 4, 1, NULL);
	assert_true(machine.maps.guard_fd >= 0);
	fd = load(&machine.maps, &raw_tp, compiled);
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0); /* none yet: harmless */
	assert_int_equal(machine.frame->n_requests, n);
	guard = load_guard(machine.maps.frame_fd);
	assert_true(guard >= 0);
	assert_int_equal(bpf_map_update_elem(machine.maps.guard_fd, &key, &guard, 0), 0);
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	assert_int_equal(machine.frame->n_requests, n + 1000);
	close(guard);
	close(fd);
	qos_prog_maps_close(&machine.maps);
	qos_compiled_free(compiled);
	qos_contract_free(contract);
}

/* Without its words of state a program ends before it did anything. */
static void test_unknown_key(void **state)
{
	struct machine machine;
	struct qos_contract *contract = rules_contract();
	struct qos_compiled *compiled;
	int fd;

	LIBBPF_OPTS(bpf_test_run_opts, opts);
	do {
		compiled = next_program(contract, QOS_RULES_TEST);
		if (!compiled->programs[0].n_state)
			qos_compiled_free(TAKE_PTR(compiled));
	} while (!compiled);
	machine_open(&machine);
	fd = load(&machine.maps, &raw_tp, compiled);
	machine.frame->state = 1; /* the map has key 0 alone */
	machine.frame->n_requests = 77;
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	assert_int_equal(machine.frame->n_requests, 77);
	close(fd);
	qos_prog_maps_close(&machine.maps);
	qos_compiled_free(compiled);
	qos_contract_free(contract);
}

static int set_seed(void **state)
{
	random_seed();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compiler_against_interpreter),
		cmocka_unit_test(test_verifier_takes_the_real_type),
		cmocka_unit_test(test_guard_is_called_behind),
		cmocka_unit_test(test_unknown_key),
	};
	const struct CMUnitTest of_module[] = {
		cmocka_unit_test(test_verifier_takes_the_module_type),
	};

	if (geteuid() != 0) {
		puts("skipped: loading programs needs root");
		return 77;
	}
	if (getenv("QOS_RULES_MODULE"))
		return cmocka_run_group_tests(of_module, set_seed, NULL);
	return cmocka_run_group_tests(tests, set_seed, NULL);
}
