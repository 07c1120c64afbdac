/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What extensions cost: one JSON object of figures for tests/bench/extension.py.
 *
 *   switch_ns      all of the monitor's time in sched_switch for one cycle (two switches, one job, one run)
 *                  of a thread under a contract with a rule, with 1 and with 1,000 contracts loaded; in
 *                  turns, the medians. `none`: the same thread, whose contract has no rules
 *   run_ns         in the extension, from the tail call into it to the guard, for 1, 5 and 20 rules
 *   contract_ms    text -> parsed, checked, compiled, verified, hooked: the median of 1,000
 *   load_s         all 1,000 of them
 *   kernel_bytes   what the kernel charges for a contract's program and state map
 *
 * The monitor's own time is the kernel's count (BPF_ENABLE_STATS, for as long as the descriptor lives).
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "contract/check.h"
#include "contract/parse.h"
#include "extension/compile.h"
#include "kern/chain_parts.h"
#include "kern/monitor.h"
#include "util/clock.h"

#define CONTRACTS 1000
#define ROUNDS	  9
#define CYCLES	  3000
#define SLEEP_NS  60000
#define STREAMS	  100000 /* ids from here on */

struct loaded {
	uint32_t number;
	uint32_t slot;
	uint32_t stream;
};

static struct qos_monitor *monitor;
static struct qos_chain *chain;

static void die(const char *what, int r)
{
	fprintf(stderr, "bench extension: %s: %s\n", what, strerror(-r));
	exit(1);
}

static char *make_text(int rules)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out,
		"version: 1\ncontract: bench\nmatch: {exe: /usr/bin/true}\n"
		"cpu: {period: 100us, runtime: 20us, window: 1/10, range: {runtime: 10us..40us}}\n"
		"adapt:\n  rules:\n");
	/* with a state for every fifth; twenty of those would not fit the 1,000 instructions */
	for (int i = 0; i < rules; i++)
		fprintf(out,
			"    - event: cpu.job\n      when: %s < -%ds\n"
			"      set:\n        cpu.runtime: min(cpu.runtime + 1us, 30us)\n",
			i % 5 ? "cpu.slack" : "ewma(cpu.slack, 1/8)", i + 1);
	fclose(out);
	return text;
}

static int load_one(const char *bytes, uint32_t stream, struct loaded *ret)
{
	const struct qos_text text = {.file = "bench", .bytes = bytes, .len = strlen(bytes)};
	struct qos_chain_attribute attribute = {.stream = stream,
						.value = 20000,
						.lo = 10000,
						.hi = 40000,
						.reserved = 40000,
						.period_ns = 100000};
	struct qos_chain_contract plan = {.attributes = &attribute, .n_attributes = 1, .n_keys = 1};
	const struct qos_stream_config config = {
		.period_ns = 100000, .deadline_ns = 100000, .runtime_ns = 20000};
	struct qos_stream_hooks hooks = {};
	_cleanup_contract_ struct qos_contract *contract = NULL;
	_cleanup_compiled_ struct qos_compiled *compiled = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_prog_code code;
	int r;

	*ret = (struct loaded){.stream = stream};
	r = qos_contract_parse_text(&text, 1, &diag, &contract);
	if (!r)
		r = qos_compile(contract, QOS_RULES_FRAME, QOS_STAGE_INSNS, &diag, &compiled);
	if (r) {
		qos_diag_print(&diag, stderr);
		return r;
	}
	plan.n_state = compiled->n_state;
	r = qos_chain_add(chain, &plan, &ret->number);
	if (r < 0)
		return r;
	code = qos_prog_code_of(&compiled->programs[0].code, "bench");
	r = qos_chain_load(chain, ret->number, QOS_CHAIN_SWITCH, &code, &diag, &ret->slot);
	if (!r)
		r = qos_monitor_stream_set(monitor, stream, &config);
	hooks.contract = ret->number;
	hooks.slot[QOS_HOOK_JOB] = ret->slot;
	return r ? r : qos_monitor_stream_hooks(monitor, stream, &hooks);
}

static void unload_one(const struct loaded *one)
{
	const struct qos_stream_hooks none = {};

	qos_monitor_stream_hooks(monitor, one->stream, &none);
	qos_chain_remove(chain, one->number);
	qos_monitor_stream_remove(monitor, one->stream);
}

/* --- a thread with a job a cycle --- */

static _Atomic pid_t worker_tid;
static _Atomic int cycles_left;
static _Atomic bool quit;

static void nap(uint64_t ns)
{
	const struct timespec t = {.tv_nsec = (long)ns};

	nanosleep(&t, NULL);
}

static void *worker(void *data)
{
	worker_tid = gettid();
	while (!quit) {
		nap(SLEEP_NS);
		if (cycles_left > 0)
			cycles_left--;
	}
	return NULL;
}

/* The monitor's ns for one cycle of the worker. */
static double cycle_ns(void)
{
	uint64_t runs, before, after;

	qos_monitor_cost(monitor, &runs, &before);
	cycles_left = CYCLES;
	while (cycles_left > 0)
		nap(1000000);
	qos_monitor_cost(monitor, &runs, &after);
	return (double)(after - before) / CYCLES;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[n / 2];
}

static void attach(const struct loaded *one)
{
	int r = qos_monitor_thread_attach(monitor, worker_tid, one->stream);

	if (r == 0 && one->number)
		r = qos_chain_thread(chain, one->number, worker_tid);
	if (r < 0)
		die("attach", r);
}

static double run_ns(const char *text, uint32_t stream)
{
	struct qos_guard_contract counts;
	struct loaded one;
	int r = load_one(text, stream, &one);

	if (r)
		die("load", r);
	attach(&one);
	cycle_ns();
	qos_chain_counts(chain, one.number, &counts);
	qos_monitor_thread_detach(monitor, worker_tid);
	unload_one(&one);
	if (counts.runs < CYCLES / 2)
		die("the extension did not run", -ENODATA);
	return (double)counts.run_ns / (double)counts.runs;
}

/* --- a thousand --- */

static struct loaded many[CONTRACTS];

static double load_many(const char *text, double *ret_median_ms)
{
	static double ms[CONTRACTS];
	uint64_t begin = qos_clock_ns(CLOCK_MONOTONIC);

	for (uint32_t i = 0; i < CONTRACTS; i++) {
		uint64_t from = qos_clock_ns(CLOCK_MONOTONIC);
		int r = load_one(text, STREAMS + i, &many[i]);

		if (r)
			die("load", r);
		ms[i] = (double)(qos_clock_ns(CLOCK_MONOTONIC) - from) / 1e6;
	}
	begin = qos_clock_ns(CLOCK_MONOTONIC) - begin;
	*ret_median_ms = median(ms, CONTRACTS);
	return (double)begin / 1e9;
}

static long memlock_of(int fd)
{
	char path[64], line[128];
	long bytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memlock: %ld", &bytes) == 1)
			break;
	}
	if (file)
		fclose(file);
	return bytes;
}

static long kernel_bytes(const struct loaded *one)
{
	uint32_t id = 0;
	long bytes;
	int fd;

	if (bpf_map_lookup_elem(chain->parts.extensions_fd, &one->slot, &id) < 0)
		die("program", -errno);
	fd = bpf_prog_get_fd_by_id(id);
	bytes = memlock_of(fd) + memlock_of(chain->entries[one->number].state_fd);
	close(fd);
	return bytes + (long)(sizeof(struct qos_guard_contract) + sizeof(struct qos_attribute) +
			      sizeof(struct qos_pool));
}

static void measure_switch(const char *text)
{
	double none[ROUNDS], one[ROUNDS], thousand[ROUNDS], contract_ms = 0, load_s = 0;
	const struct qos_stream_config config = {
		.period_ns = 100000, .deadline_ns = 100000, .runtime_ns = 20000};
	const struct loaded plain = {.stream = STREAMS - 2};
	struct loaded mine;
	long bytes = 0;
	int r = load_one(text, STREAMS - 1, &mine);

	if (r == 0)
		r = qos_monitor_stream_set(monitor, plain.stream, &config);
	if (r)
		die("load", r);
	for (int i = 0; i < ROUNDS; i++) {
		attach(&plain);
		none[i] = cycle_ns();
		attach(&mine);
		one[i] = cycle_ns();
		load_s = load_many(text, &contract_ms);
		bytes = kernel_bytes(&many[0]);
		cycle_ns();
		thousand[i] = cycle_ns();
		for (int k = 0; k < CONTRACTS; k++)
			unload_one(&many[k]);
	}
	qos_monitor_thread_detach(monitor, worker_tid);
	printf("\"switch_ns_none\": %.1f, \"switch_ns_1\": %.1f, \"switch_ns_1000\": %.1f, "
	       "\"contract_ms\": %.3f, \"load_s\": %.3f, \"kernel_bytes\": %ld",
	       median(none, ROUNDS), median(one, ROUNDS), median(thousand, ROUNDS), contract_ms,
	       load_s, bytes);
	unload_one(&mine);
}

int main(void)
{
	static const int counts[] = {1, 5, 20};
	struct qos_diag diag = QOS_DIAG_INIT;
	pthread_t thread;
	int stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME), r;

	r = qos_monitor_new(-1, &diag, &monitor);
	if (r == 0)
		r = qos_chain_new(monitor, NULL, NULL, &chain);
	if (r < 0 || stats_fd < 0)
		die("monitor", r < 0 ? r : -errno);
	pthread_create(&thread, NULL, worker, NULL);
	while (!worker_tid)
		nap(1000000);
	printf("{");
	for (size_t i = 0; i < QOS_ARRAY_SIZE(counts); i++) {
		char *text = make_text(counts[i]);

		printf("\"run_ns_%d\": %.1f, ", counts[i],
		       run_ns(text, STREAMS - 10 - (uint32_t)i));
		free(text);
	}
	measure_switch(make_text(1));
	printf("}\n");
	quit = true;
	pthread_join(thread, NULL);
	qos_chain_free(chain);
	qos_monitor_free(monitor);
	close(stats_fd);
	return 0;
}
