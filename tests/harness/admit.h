/* SPDX-License-Identifier: GPL-2.0-only */
/* Contracts and machines for the tests of admit/, made by hand: no file, no parser. */
#pragma once

#include <string.h>

#include "admit/capacity.h"
#include "admit/enforce.h"
#include "contract/contract.h"

#define MS 1000000ULL
#define US 1000ULL

#define TEST_STREAMS 4

struct test_contract {
	struct qos_contract contract;
	struct qos_cpu_stream cpu[TEST_STREAMS];
	char name[QOS_CONTRACT_NAME_MAX + 1];
	char stream[TEST_STREAMS][8];
};

/* An empty contract that takes `simulated` or better. */
static inline void test_contract_init(struct test_contract *test, const char *name,
				      uint32_t importance)
{
	memset(test, 0, sizeof(*test));
	snprintf(test->name, sizeof(test->name), "%s", name);
	test->contract = (struct qos_contract){
		.name = test->name,
		.importance = importance,
		.cpu = test->cpu,
		.accept = QOS_SIMULATED,
		.loc = {.file = "test.yaml", .line = 1, .col = 1},
	};
}

/* The largest runtime that is charged with at most `charged_ns`, so that tests can speak of what
 * a job takes in all. At most 2 ns are lost. */
static inline uint64_t test_budget(uint64_t charged_ns)
{
	uint64_t lo = 0, hi = charged_ns + 1;

	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (mid + qos_enforcement_ns(mid, 0) <= charged_ns)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Adds a stream, "main" if it is the first, else s1, s2, ...; it may run anywhere. Its runtime is
 * test_budget(charged_ns). */
static inline struct qos_cpu_stream *test_stream(struct test_contract *test, uint64_t charged_ns,
						 uint64_t deadline_ns, uint64_t period_ns)
{
	size_t i = test->contract.n_cpu++;

	if (i == 0)
		snprintf(test->stream[i], sizeof(test->stream[i]), "main");
	else
		snprintf(test->stream[i], sizeof(test->stream[i]), "s%u", (unsigned int)i);
	test->cpu[i] = (struct qos_cpu_stream){
		.name = test->stream[i],
		.loc = {.file = "test.yaml", .line = 13, .col = 3},
		.max_threads = 1,
		.period = {.ns = period_ns},
		.runtime_ns = test_budget(charged_ns),
		.deadline_ns = deadline_ns,
		.window = {.x = 0, .y = 1},
	};
	return &test->cpu[i];
}

/* Pins a stream to a list of CPUs. */
static inline void test_pin(struct qos_cpu_stream *stream, const char *cpus)
{
	stream->where = QOS_WHERE_LIST;
	if (qos_cpus_parse(cpus, &stream->cpus) < 0)
		abort();
}

/* One stream in one call. */
static inline struct qos_cpu_stream *test_one(struct test_contract *test, const char *name,
					      uint32_t importance, uint64_t charged_ns,
					      uint64_t period_ns)
{
	test_contract_init(test, name, importance);
	return test_stream(test, charged_ns, period_ns, period_ns);
}

/* n CPUs, cap 90 %, no overhead and no blocking, band 10-40, both real-time policies. */
static inline void test_capacity(struct qos_capacity *capacity, unsigned int n_cpus)
{
	memset(capacity, 0, sizeof(*capacity));
	for (unsigned int cpu = 0; cpu < n_cpus; cpu++)
		qos_cpus_add(&capacity->online, cpu);
	capacity->n_cpus = n_cpus;
	capacity->cap_ppb = 900000000;
	capacity->cap_reason = "cpu.cap";
	capacity->band_first = 10;
	capacity->band_last = 40;
	capacity->dl_period_min_ns = 100 * US;
	capacity->dl_period_max_ns = 4194304 * US;
	capacity->deadline = true;
	capacity->fifo = true;
}
