/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules cost on this kernel: from a contract's text to its loaded programs, once and a thousand
 * times, and ns a run for 1, 5 and 20 rules on one event.
 *
 * Run times are the kernel's own (BPF_ENABLE_STATS, whose two clock readings are in them) of the raw_tp
 * twin, which stores its requests and calls no guard. The control, in the same run and in turns with
 * the others, is a program of two instructions; the least of several rounds counts, since neighbours on
 * the machine only add.
 *
 * Bounds: 5 ms median from text to programs, 5 s for 1,000 contracts.
 */
#include <errno.h>
#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "contract/parse.h"
#include "extension/compile.h"
#include "kern/prog.h"
#include "util/cleanup.h"

#define CONTRACTS     1000
#define PROGRAMS      3 /* of a contract */
#define ROUNDS	      20
#define RUNS	      2000 /* of a round */
#define MEDIAN_MAX_NS 5000000ULL
#define ALL_MAX_NS    5000000000ULL

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* What a contract may look like: the rules of qos-rules(7), three programs. */
static const char usual[] = "    - event: cpu.job\n"
			    "      when: ewma(cpu.slack, 1/8) < 1ms\n"
			    "      set: {cpu.runtime: cpu.runtime * 110%}\n"
			    "    - event: tick 1s\n"
			    "      when: cpu.used.p99 < cpu.runtime * 70%\n"
			    "      set:\n"
			    "        cpu.runtime: max(cpu.used.p99 * 115%, 4ms)\n"
			    "    - {event: cpu.window, when: cpu.violations > 0, emit: degraded}\n";

static void add_head(struct qos_buf *text, const char *name)
{
	qos_buf_add(text, "version: 1\ncontract: %s\nmatch: {unit: x.service}\n", name);
	qos_buf_add(text, "cpu: {period: 30Hz, runtime: 8ms, deadline: 20ms, window: 1/10, "
			  "range: {runtime: 4ms..12ms}}\nadapt:\n  rules:\n");
}

/* Text -> contract -> programs. */
static int compile(const struct qos_buf *text, struct qos_contract **contract,
		   struct qos_compiled **ret)
{
	const struct qos_text one = {"bench", text->text, text->len};
	struct qos_diag diag = QOS_DIAG_INIT;
	int r;

	if (text->error)
		return text->error;
	r = qos_contract_parse_text(&one, 1, &diag, contract);
	if (r == 0)
		r = qos_compile(*contract, QOS_RULES_TEST, QOS_STAGE_INSNS, &diag, ret);
	qos_diag_print(&diag, stderr);
	qos_diag_reset(&diag);
	return r;
}

/* A descriptor, or -errno after words. */
static int load(const struct qos_program *program, const struct qos_prog_maps *maps)
{
	const struct qos_prog_code code = qos_prog_code_of(&program->code, "bench");
	const struct qos_prog_type raw_tp = {};
	struct qos_diag diag = QOS_DIAG_INIT;
	int fd = qos_prog_load(&code, maps, &raw_tp, &diag);

	qos_diag_print(&diag, stderr);
	qos_diag_reset(&diag);
	return fd;
}

/* --- loading --- */

/* What one contract keeps. */
struct loaded {
	struct qos_prog_maps maps;
	int programs[PROGRAMS];
};

static int load_contract(int n, struct loaded *loaded)
{
	_cleanup_contract_ struct qos_contract *contract = NULL;
	_cleanup_compiled_ struct qos_compiled *compiled = NULL;
	struct qos_buf text = {};
	char name[32];
	int r;

	snprintf(name, sizeof(name), "bench-%d", n);
	add_head(&text, name);
	qos_buf_add(&text, "%s", usual);
	r = compile(&text, &contract, &compiled);
	qos_buf_reset(&text);
	if (r == 0)
		r = qos_prog_maps_new(compiled->n_state, 2, &loaded->maps);
	for (size_t i = 0; r == 0 && i < PROGRAMS; i++) {
		loaded->programs[i] = load(&compiled->programs[i], &loaded->maps);
		r = loaded->programs[i] < 0 ? loaded->programs[i] : 0;
	}
	return r;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* 1,000 contracts at once, as after a start. */
static int measure_loading(uint64_t *ret_median_ns, uint64_t *ret_all_ns)
{
	static struct loaded loaded[CONTRACTS];
	static uint64_t took_ns[CONTRACTS];
	struct rlimit files = {CONTRACTS * 8, CONTRACTS * 8};
	uint64_t begin = clock_ns();
	int r = setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0, n = 0;

	while (r == 0 && n < CONTRACTS) {
		uint64_t one = clock_ns();

		r = load_contract(n, &loaded[n]);
		took_ns[n++] = clock_ns() - one;
	}
	*ret_all_ns = clock_ns() - begin;
	for (int i = 0; i < n; i++) {
		qos_prog_maps_close(&loaded[i].maps);
		for (int k = 0; k < PROGRAMS; k++)
			close(loaded[i].programs[k]);
	}
	qsort(took_ns, CONTRACTS, sizeof(took_ns[0]), by_size);
	*ret_median_ns = took_ns[CONTRACTS / 2];
	return r;
}

/* --- running --- */

struct subject {
	int n_rules; /* 0: the control */
	int program;
	struct qos_prog_maps maps;
	size_t n_insns;
	double least_ns;
};

/* Half of the rules look at one job, half at a mean. */
static int open_rules(struct subject *subject)
{
	_cleanup_contract_ struct qos_contract *contract = NULL;
	_cleanup_compiled_ struct qos_compiled *compiled = NULL;
	struct qos_buf text = {};
	int r;

	add_head(&text, "run");
	for (int i = 0; i < subject->n_rules; i++)
		qos_buf_add(&text,
			    "    - event: cpu.job\n      when: %s < %dus\n"
			    "      set: {cpu.runtime: cpu.runtime * %d%%}\n",
			    i % 2 ? "cpu.slack" : "ewma(cpu.slack, 1/8)", 100 * i, 101 + i);
	r = compile(&text, &contract, &compiled);
	qos_buf_reset(&text);
	if (r < 0)
		return r;
	r = qos_prog_maps_new(compiled->n_state, 1, &subject->maps);
	if (r < 0)
		return r;
	subject->n_insns = compiled->programs[0].code.n_insns;
	subject->program = load(&compiled->programs[0], &subject->maps);
	return subject->program < 0 ? subject->program : 0;
}

static int open_control(struct subject *subject)
{
	const struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K},
					 {.code = BPF_JMP | BPF_EXIT}};

	subject->n_insns = QOS_ARRAY_SIZE(insns);
	subject->program = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "control", "GPL", insns,
					 QOS_ARRAY_SIZE(insns), NULL);
	return subject->program < 0 ? subject->program : 0;
}

static int run_round(struct subject *subject)
{
	struct bpf_prog_info before = {}, after = {};
	uint32_t size = sizeof(before);
	double ns;
	int r;

	r = bpf_obj_get_info_by_fd(subject->program, &before, &size);
	for (int i = 0; r == 0 && i < RUNS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts);

		r = bpf_prog_test_run_opts(subject->program, &opts);
	}
	if (r == 0)
		r = bpf_obj_get_info_by_fd(subject->program, &after, &size);
	if (r < 0 || after.run_cnt == before.run_cnt)
		return r < 0 ? r : -ENODATA;
	ns = (double)(after.run_time_ns - before.run_time_ns) /
	     (double)(after.run_cnt - before.run_cnt);
	if (subject->least_ns == 0 || ns < subject->least_ns)
		subject->least_ns = ns;
	return 0;
}

static int measure_running(struct subject *subjects, size_t n)
{
	_cleanup_close_ int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	int r = stats < 0 ? stats : 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = subjects[i].n_rules ? open_rules(&subjects[i]) : open_control(&subjects[i]);
	for (int round = 0; r == 0 && round < ROUNDS; round++)
		for (size_t i = 0; r == 0 && i < n; i++)
			r = run_round(&subjects[i]);
	for (size_t i = 0; i < n; i++) {
		qos_prog_maps_close(&subjects[i].maps);
		close(subjects[i].program);
	}
	return r;
}

static void print_json(const struct subject *subjects, size_t n, uint64_t median_ns,
		       uint64_t all_ns)
{
	printf("{\"bench\": \"rules\", \"load_median_ns\": %llu, \"load_%d_ns\": %llu, \"runs\": [",
	       (unsigned long long)median_ns, CONTRACTS, (unsigned long long)all_ns);
	for (size_t i = 0; i < n; i++)
		printf("%s{\"rules\": %d, \"instructions\": %zu, \"ns\": %.1f}", i ? ", " : "",
		       subjects[i].n_rules, subjects[i].n_insns, subjects[i].least_ns);
	printf("]}\n");
}

static void print_table(const struct subject *subjects, size_t n, uint64_t median_ns,
			uint64_t all_ns)
{
	printf("text to 3 loaded programs: %.2f ms median; %d contracts: %.2f s\n",
	       (double)median_ns / 1e6, CONTRACTS, (double)all_ns / 1e9);
	printf("%8s %14s %8s %14s\n", "rules", "instructions", "ns", "above control");
	for (size_t i = 0; i < n; i++)
		printf("%8d %14zu %8.1f %14.1f\n", subjects[i].n_rules, subjects[i].n_insns,
		       subjects[i].least_ns, subjects[i].least_ns - subjects[0].least_ns);
}

int main(int argc, char **argv)
{
	struct subject subjects[] = {{0, -1, QOS_PROG_MAPS_NONE},
				     {1, -1, QOS_PROG_MAPS_NONE},
				     {5, -1, QOS_PROG_MAPS_NONE},
				     {20, -1, QOS_PROG_MAPS_NONE}};
	uint64_t median_ns = 0, all_ns = 0;
	int r = measure_loading(&median_ns, &all_ns);

	if (r == 0)
		r = measure_running(subjects, QOS_ARRAY_SIZE(subjects));
	if (r < 0) {
		fprintf(stderr, "rules: %s\n", strerror(-r));
		return 1;
	}
	if (argc > 1 && !strcmp(argv[1], "--json"))
		print_json(subjects, QOS_ARRAY_SIZE(subjects), median_ns, all_ns);
	else
		print_table(subjects, QOS_ARRAY_SIZE(subjects), median_ns, all_ns);
	return median_ns > MEDIAN_MAX_NS || all_ns > ALL_MAX_NS;
}
