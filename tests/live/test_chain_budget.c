/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All CPUs at once ask for attributes that share one budget, each for its own and its neighbour's. Their
 * records are carried out here in their order, as the daemon does: the sum must never pass the budget,
 * and must come near it, or nothing was tried.
 */
#include "chain_live.h"

#include "guard.bpf.h"

#define CPUS_MAX 8
#define PERIOD	 (400 * US)
#define CYCLES	 1500
#define TOTAL	 (100 * US) /* a CPU, of 256 us that it may ask for */

struct account {
	int64_t cost[CPUS_MAX];
	int64_t sum;
	int64_t worst;
	uint64_t n;
	uint32_t first; /* id of the first stream */
};

static void carry_out(void *data, const struct qos_change *change)
{
	struct account *account = data;
	size_t i = change->stream - account->first;

	assert_int_equal(change->type, QOS_CHANGE_VALUE);
	assert_in_range(i, 0, CPUS_MAX - 1);
	account->sum += guard_cost(change->value, PERIOD) - account->cost[i];
	account->cost[i] = guard_cost(change->value, PERIOD);
	account->n++;
	if (account->sum > account->worst)
		account->worst = account->sum;
}

/* Random values for the stream itself and the next one. */
static void make_program(struct program *p, uint32_t own, uint32_t next)
{
	put_begin(p);
	put_state(p);
	put(p, BPF_LDX | BPF_DW | BPF_MEM, 9, 8, 0, 0);
	put(p, BPF_ALU64 | BPF_MUL | BPF_K, 9, 0, 0, 1664525);
	put(p, BPF_LDX | BPF_DW | BPF_MEM, 1, 7, offsetof(struct qos_rules_frame, now_ns), 0);
	put(p, BPF_ALU64 | BPF_ADD | BPF_X, 9, 1, 0, 0);
	put(p, BPF_STX | BPF_DW | BPF_MEM, 8, 9, 0, 0);
	put_mov(p, 3, 9);
	put(p, BPF_ALU64 | BPF_RSH | BPF_K, 3, 0, 0, 11);
	put(p, BPF_ALU64 | BPF_AND | BPF_K, 3, 0, 0, 0x3ffff);
	put_request_r3(p, 0, RUNTIME(own));
	put_mov(p, 3, 9);
	put(p, BPF_ALU64 | BPF_RSH | BPF_K, 3, 0, 0, 23);
	put(p, BPF_ALU64 | BPF_AND | BPF_K, 3, 0, 0, 0x3ffff);
	put_request_r3(p, 1, RUNTIME(next));
	put_end(p, 2);
}

static void body(struct worker *worker)
{
	uint64_t next = now_ns();

	for (int i = 0; i < worker->n; i++) {
		next += worker->period_ns;
		if (next < now_ns())
			next = now_ns() + worker->period_ns;
		sleep_until(next);
	}
}

static uint32_t add_contract(size_t n, uint32_t first)
{
	struct qos_chain_attribute attributes[CPUS_MAX];
	const struct qos_chain_contract plan = {
		.attributes = attributes, .n_attributes = n, .n_state = 1, .n_keys = n};
	uint32_t number;

	for (size_t i = 0; i < n; i++)
		attributes[i] = (struct qos_chain_attribute){.stream = first + (uint32_t)i,
							     .value = 10 * US,
							     .hi = 262143,
							     .reserved = TOTAL,
							     .period_ns = PERIOD};
	assert_int_equal(qos_chain_add(chain, &plan, &number), 0);
	return number;
}

static struct worker *start_on(uint32_t number, size_t i, size_t n, uint32_t stream)
{
	const struct qos_stream_config config = {
		.period_ns = PERIOD, .deadline_ns = PERIOD, .runtime_ns = 10 * US};
	const struct worker plan = {.body = body, .priority = 30, .n = CYCLES, .period_ns = PERIOD};
	struct qos_stream_hooks hooks = {.contract = number, .index = (uint32_t)i};
	struct program p = {};
	struct worker *worker;
	cpu_set_t cpus;

	make_program(&p, (uint32_t)i, (uint32_t)((i + 1) % n));
	hooks.slot[QOS_HOOK_JOB] = load_in(number, QOS_CHAIN_SWITCH, &p, 0);
	assert_int_equal(qos_monitor_stream_set(monitor, stream, &config), 0);
	assert_int_equal(qos_monitor_stream_hooks(monitor, stream, &hooks), 0);
	worker = worker_start(&plan);
	CPU_ZERO(&cpus);
	CPU_SET(i, &cpus);
	assert_int_equal(pthread_setaffinity_np(worker->thread, sizeof(cpus), &cpus), 0);
	assert_int_equal(qos_chain_thread(chain, number, worker->tid), 0);
	assert_int_equal(qos_monitor_thread_attach(monitor, worker->tid, stream), 0);
	return worker;
}

static bool all_done(struct worker *const *workers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!workers[i]->rounds)
			return false;
	}
	return true;
}

static void test_all_cpus(void **state)
{
	size_t n = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
	struct account account = {.first = 5000};
	struct worker *workers[CPUS_MAX];
	struct qos_guard_contract counts;
	int64_t total, in_force = 0;
	uint32_t number;

	n = n > CPUS_MAX ? CPUS_MAX : n;
	number = add_contract(n, account.first);
	for (size_t i = 0; i < n; i++) {
		workers[i] = start_on(number, i, n, account.first + (uint32_t)i);
		account.cost[i] = guard_cost(10 * US, PERIOD);
		account.sum += account.cost[i];
	}
	total = guard_cost(TOTAL, PERIOD) * (int64_t)n;
	for (size_t i = 0; i < n; i++)
		sem_post(&workers[i]->go);
	while (!all_done(workers, n)) {
		assert_true(qos_chain_dispatch(chain, carry_out, &account) >= 0);
		sleep_until(now_ns() + MS / 2);
	}
	for (size_t i = 0; i < n; i++)
		qos_monitor_thread_detach(monitor, workers[i]->tid);
	qos_chain_dispatch(chain, carry_out, &account);
	qos_chain_counts(chain, number, &counts);
	for (size_t i = 0; i < n; i++)
		in_force += guard_cost(qos_chain_value(chain, number, i), PERIOD);
	printf("%zu CPUs: %llu runs, %llu set, %llu over budget, %llu busy; at most %.1f %% of the "
	       "budget\n",
	       n, (unsigned long long)counts.runs, (unsigned long long)account.n,
	       (unsigned long long)counts.verdicts[QOS_REFUSED_BUDGET],
	       (unsigned long long)counts.verdicts[QOS_REFUSED_BUSY],
	       100.0 * (double)account.worst / (double)total);
	assert_true(account.worst <= total);
	assert_true(account.worst > total * 8 / 10);
	assert_int_equal(account.n, counts.verdicts[QOS_VERDICT_SET]);
	assert_int_equal(account.sum, in_force);
	assert_int_equal(
		chain->parts.tables->pools[chain->parts.tables->contracts[number].first].free,
		total - in_force);
	assert_true(counts.verdicts[QOS_REFUSED_BUDGET] > 100);
	assert_int_equal(counts.breaches + counts.dropped, 0);
	for (size_t i = 0; i < n; i++)
		worker_stop(workers[i]);
	qos_chain_remove(chain, number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_cpus)};

	if (geteuid()) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("chain_budget", tests, load_chain, unload_chain);
}
