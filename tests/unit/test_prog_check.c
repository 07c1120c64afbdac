/* SPDX-License-Identifier: GPL-2.0-only */
/* What an extension may do, and each thing that it may not, with the reason that it is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kern/prog.h"
#include "qos_rules_abi.h"

#define FRAME 10
#define STATE 11
#define GUARD 12

static const struct qos_prog_maps maps = {.frame_fd = FRAME, .state_fd = STATE, .guard_fd = GUARD};

#define INSN(code_, dst, src, off_, imm_)                                                          \
	((struct bpf_insn){.code = (code_),                                                        \
			   .dst_reg = (dst),                                                       \
			   .src_reg = (src),                                                       \
			   .off = (off_),                                                          \
			   .imm = (imm_)})
#define MOV(dst, src)	   INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOV_IMM(dst, imm)  INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define LDX(dst, src, off) INSN(BPF_LDX | BPF_DW | BPF_MEM, dst, src, off, 0)
#define STX(dst, src, off) INSN(BPF_STX | BPF_DW | BPF_MEM, dst, src, off, 0)
#define CALL(kind, id)	   INSN(BPF_JMP | BPF_CALL, 0, kind, 0, id)
#define KFUNC(id, fd)	   INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, fd, id)
#define MAP(dst, kind, fd) INSN(BPF_LD | BPF_DW | BPF_IMM, dst, kind, 0, fd), INSN(0, 0, 0, 0, 0)
#define EXIT		   INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static const struct refused {
	const char *why; /* NULL: nothing is wrong */
	struct bpf_insn insns[24];
} cases[] = {
	{NULL,
	 .insns = {MOV(6, 1), INSN(BPF_ST | BPF_W | BPF_MEM, 10, 0, -4, 0),
		   MAP(1, BPF_PSEUDO_MAP_FD, FRAME), MOV(2, 10),
		   INSN(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		   CALL(0, BPF_FUNC_map_lookup_elem), INSN(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 6, 0),
		   MOV(7, 0), MOV(1, 6), MAP(2, BPF_PSEUDO_MAP_FD, GUARD), MOV_IMM(3, 0),
		   CALL(0, BPF_FUNC_tail_call), MOV_IMM(0, 0), EXIT}},
	{NULL, .insns = {INSN(BPF_LD | BPF_DW | BPF_IMM, 3, 0, 0, -1), INSN(0, 0, 0, 0, 7),
			 MOV(1, 3), LDX(2, 10, -8), MOV_IMM(0, 0), EXIT}},
	{"a load from the context", .insns = {LDX(2, 1, 8), MOV_IMM(0, 0), EXIT}},
	{"a load from the context", .insns = {MOV(6, 1), MOV(3, 6), LDX(2, 3, 0), EXIT}},
	{"a store to the context", .insns = {STX(1, 10, 0), MOV_IMM(0, 0), EXIT}},
	{"the context is stored", .insns = {STX(10, 1, -8), MOV_IMM(0, 0), EXIT}},
	{"arithmetic on the context",
	 .insns = {INSN(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 8), EXIT}},
	{"arithmetic on the context",
	 .insns = {MOV_IMM(2, 0), INSN(BPF_ALU64 | BPF_ADD | BPF_X, 2, 1, 0, 0), EXIT}},
	{"a comparison of the context",
	 .insns = {INSN(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0, 0), EXIT}},
	/* on one of two paths r3 is the context */
	{"a load from the context",
	 .insns = {MOV_IMM(3, 0), INSN(BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 1, 0), MOV(3, 1),
		   LDX(0, 3, 0), EXIT}},
	{"a helper that is not", .insns = {CALL(0, BPF_FUNC_probe_read_kernel), EXIT}},
	{"a helper that is not", .insns = {CALL(0, BPF_FUNC_map_update_elem), EXIT}},
	{"a helper that is not", .insns = {CALL(0, BPF_FUNC_override_return), EXIT}},
	{"a call of something else", .insns = {CALL(BPF_PSEUDO_KFUNC_CALL, 1), EXIT}},
	{"a call of something else", .insns = {CALL(BPF_PSEUDO_CALL, 0), EXIT}},
	{"a map that is not", .insns = {MAP(1, BPF_PSEUDO_MAP_FD, 99), EXIT}},
	{"a pointer that is not a map", .insns = {MAP(1, BPF_PSEUDO_MAP_VALUE, FRAME), EXIT}},
	{"a pointer that is not a map", .insns = {MAP(1, BPF_PSEUDO_BTF_ID, 1), EXIT}},
	{"a pointer that is not a map", .insns = {MAP(1, BPF_PSEUDO_FUNC, 0), EXIT}},
	{"a pointer that is not a map", .insns = {MAP(1, BPF_PSEUDO_MAP_IDX, 0), EXIT}},
	{"not a load that", .insns = {INSN(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0, 0), EXIT}},
	{"not a plain store",
	 .insns = {INSN(BPF_STX | BPF_DW | BPF_ATOMIC, 10, 2, -8, BPF_ADD), EXIT}},
	{"not a jump forward", .insns = {INSN(BPF_JMP | BPF_JA, 0, 0, -1, 0), EXIT}},
	{"it runs beyond the end", .insns = {INSN(BPF_JMP | BPF_JA, 0, 0, 3, 0), EXIT}},
	{"it runs beyond the end", .insns = {MOV_IMM(0, 0)}},
	{"not an operation", .insns = {INSN(BPF_ALU64 | BPF_DIV | BPF_K, 1, 0, 1, 3), EXIT}},
	{"a jump into an instruction", .insns = {INSN(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 1, 0),
						 MAP(2, BPF_PSEUDO_MAP_FD, STATE), EXIT}},
	{"no such register", .insns = {MOV(11, 0), EXIT}},
};

/* With the module: its event, its function, nothing else. */
static const struct refused module_cases[] = {
	{NULL, .insns = {LDX(6, 1, 0), INSN(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 5, 0), LDX(3, 6, 24),
			 MOV_IMM(2, 1 << 16), MOV(1, 6), KFUNC(77, 1), MOV_IMM(0, 0), EXIT}},
	{"a load from the context", .insns = {LDX(2, 1, 8), EXIT}},
	{"a load from the context", .insns = {INSN(BPF_LDX | BPF_W | BPF_MEM, 2, 1, 0, 0), EXIT}},
	{"a call of something else", .insns = {KFUNC(78, 1), EXIT}},
	{"a call of something else", .insns = {KFUNC(77, 0), EXIT}},
	{"a call of something else", .insns = {KFUNC(77, 2), EXIT}},
	{"a helper that is not", .insns = {CALL(0, 77), EXIT}},
};

static size_t length(const struct bpf_insn *insns)
{
	static const struct bpf_insn none;
	size_t n = 24;

	while (n && !memcmp(&insns[n - 1], &none, sizeof(none)))
		n--;
	return n;
}

static void hold(const struct refused *c, size_t n, const struct qos_prog_maps *with)
{
	for (size_t i = 0; i < n; i++, c++) {
		struct qos_diag diag = QOS_DIAG_INIT;
		int r = qos_prog_check(c->insns, length(c->insns), with, &diag);

		if (r != (c->why ? -EACCES : 0))
			fail_msg("case %zu: %d (%s)", i, r, c->why ? c->why : "may pass");
		if (c->why && !strstr(diag.entries[0].text, c->why))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, diag.entries[0].text,
				 c->why);
		qos_diag_reset(&diag);
	}
}

static void test_list(void **state)
{
	const struct qos_prog_maps with_module = {
		.frame_fd = -1, .state_fd = STATE, .guard_fd = -1, .kfunc = 77};

	hold(cases, sizeof(cases) / sizeof(*cases), &maps);
	hold(module_cases, sizeof(module_cases) / sizeof(*module_cases), &with_module);
}

/* The loader itself, as far as it comes without a kernel: the call of a kfunc is no map's, and a place
 * beyond the end is none. */
static void test_load(void **state)
{
	const struct bpf_insn insns[] = {CALL(BPF_PSEUDO_KFUNC_CALL, 0), MOV_IMM(0, 0), EXIT};
	const struct qos_reloc kfunc = {QOS_RELOC_KFUNC, 0}, beyond = {QOS_RELOC_FRAME, 3};
	struct qos_prog_code code = {insns, 3, &kfunc, 1, "by hand"};
	const struct qos_prog_type type = {};
	struct qos_diag diag = QOS_DIAG_INIT;

	assert_int_equal(qos_prog_load(&code, &maps, &type, &diag), -EACCES);
	assert_non_null(strstr(diag.entries[0].text, "a call of something else"));
	code.relocs = &beyond;
	assert_int_equal(qos_prog_load(&code, &maps, &type, &diag), -EINVAL);
	qos_diag_reset(&diag);
}

static void test_length(void **state)
{
	struct bpf_insn *insns = calloc(QOS_RULES_INSNS_MAX + 1, sizeof(*insns));
	struct qos_diag diag = QOS_DIAG_INIT;

	assert_non_null(insns);
	for (size_t i = 0; i <= QOS_RULES_INSNS_MAX; i++)
		insns[i] = MOV_IMM(0, 0);
	insns[QOS_RULES_INSNS_MAX - 1] = EXIT;
	assert_int_equal(qos_prog_check(insns, QOS_RULES_INSNS_MAX, &maps, &diag), 0);
	assert_int_equal(qos_prog_check(insns, QOS_RULES_INSNS_MAX + 1, &maps, &diag), -EACCES);
	assert_int_equal(qos_prog_check(insns, 0, &maps, &diag), -EACCES);
	qos_diag_reset(&diag);
	free(insns);
}

/* n conditions, one behind the other, each around `around`. */
static int check_conditions(size_t n, struct bpf_insn around, const struct qos_prog_maps *with)
{
	struct bpf_insn insns[QOS_RULES_INSNS_MAX];
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		insns[k++] = INSN(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 1, 0);
		insns[k++] = around;
	}
	insns[k++] = MOV_IMM(0, 0);
	insns[k++] = EXIT;
	return qos_prog_check(insns, k, with, NULL);
}

/* What takes the verifier seconds is not shown to it: conditions whose paths it cannot tell to be alike. What the
 * compiler makes of all requests that a program can have passes. */
static void test_walk(void **state)
{
	const struct qos_prog_maps with_module = {
		.frame_fd = -1, .state_fd = STATE, .guard_fd = -1, .kfunc = 77};

	assert_int_equal(check_conditions(8, MOV_IMM(7, 1), &maps), 0);
	assert_int_equal(check_conditions(20, MOV_IMM(7, 1), &maps), -EACCES);
	assert_int_equal(check_conditions(20, MOV_IMM(7, 1), &with_module), -EACCES);
	assert_int_equal(check_conditions(400, MOV_IMM(7, 1), &maps), -EACCES);
	assert_int_equal(check_conditions(QOS_RULES_REQUESTS_MAX, KFUNC(77, 1), &with_module), 0);
}

/* Whatever bytes it gets, it reads nothing that is not there (sanitizers), and passes no call but two. */
static void test_noise(void **state)
{
	uint64_t random = 99;
	struct bpf_insn insns[16];

	for (int i = 0; i < 200000; i++) {
		struct qos_diag diag = QOS_DIAG_INIT;
		size_t n = 0;
		int r;

		for (; n < 1 + (size_t)i % 16; n++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			insns[n] =
				INSN((uint8_t)(random >> 56), random >> 52 & 15, random >> 48 & 3,
				     (int16_t)(random >> 45 & 3), (int)(random >> 33 & 15));
		}
		insns[n - 1] = EXIT;
		r = qos_prog_check(insns, n, &maps, &diag);
		for (size_t k = 0; r == 0 && k < n; k++) {
			if (insns[k].code != (BPF_JMP | BPF_CALL))
				continue;
			assert_int_equal(insns[k].src_reg, 0);
			assert_true(insns[k].imm == BPF_FUNC_map_lookup_elem ||
				    insns[k].imm == BPF_FUNC_tail_call);
		}
		qos_diag_reset(&diag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),   cmocka_unit_test(test_load),
		cmocka_unit_test(test_length), cmocka_unit_test(test_walk),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("prog_check", tests, NULL, NULL);
}
