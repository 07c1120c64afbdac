/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Proofs -> tables of the module. All releases that are ours on a CPU are counted from one point in time,
 * its epoch, which stays for as long as we are there; so each stream can join, or claim again, whenever
 * it likes: its table then begins at the first of its windows that it can still be in time for.
 *
 * Another plan of a CPU first takes every table there off: the module verifies what is claimed
 * together, and old and new ones do not belong together.
 */
#include "service/cpu_module_parts.h"

#include <errno.h>

#include "dwcs.h"

/* What is set now begins no earlier than this: the calls for all streams of a CPU have to be through. */
#define LEAD_NS 20000000ULL

static void take_off(struct module *module, struct thread *thread)
{
	const struct qos_dwcs_table none = {.mode = QOS_DWCS_TABLE_NONE};

	if (thread->attached && thread->claimed)
		qos_dwcs_set_table(module->genl, thread->stream, &none, NULL);
	thread->claimed = false;
}

bool qos_cpu_module_is_planned(struct qos_service *service, uint32_t cpu)
{
	return qos_cpu_module_of(service)->plans[cpu].epoch_ns;
}

bool qos_cpu_module_plan(struct qos_service *service, uint32_t cpu, uint64_t plan, uint64_t now_ns)
{
	struct module *module = qos_cpu_module_of(service);
	struct plan *current = &module->plans[cpu];
	struct thread *thread;
	size_t pos = 0;

	if (current->epoch_ns && current->id == plan)
		return false;
	while ((thread = qos_table_next(&module->threads, &pos))) {
		if (thread->cpu == cpu)
			take_off(module, thread);
	}
	current->id = plan;
	if (!current->epoch_ns)
		current->epoch_ns = now_ns;
	return true;
}

static struct thread *thread_of(struct module *module, uint32_t stream, uint32_t cpu)
{
	struct thread *thread;
	size_t pos = 0;

	while ((thread = qos_table_next(&module->threads, &pos))) {
		if (thread->stream == stream && thread->cpu == cpu && thread->attached &&
		    !thread->drifted)
			return thread;
	}
	return NULL;
}

uint64_t qos_cpu_module_first(uint64_t base_ns, uint64_t period_ns, uint32_t y, uint64_t now_ns)
{
	uint64_t n, window = y ? y : 1;

	if (base_ns >= now_ns)
		return 0;
	n = (now_ns - base_ns + period_ns - 1) / period_ns;
	return (n + window - 1) / window * window;
}

/* `own`: bits that have to live until it was set. */
static int describe(const struct qos_cpu_module_claim *wish, uint64_t epoch_ns, uint64_t now_ns,
		    struct qos_must *own, struct qos_dwcs_table *ret)
{
	const struct qos_claim *claim = wish->claim;
	uint64_t base_ns = epoch_ns + claim->phase_ns;
	uint64_t n = qos_cpu_module_first(base_ns, wish->period_ns, wish->y, now_ns + LEAD_NS);
	int r;

	switch (claim->mode) {
	case QOS_CLAIM_SPORADIC:
		*ret = (struct qos_dwcs_table){.mode = QOS_DWCS_TABLE_SPORADIC,
					       .cycle = claim->must.cycle,
					       .bits = claim->must.bits};
		return 0;
	case QOS_CLAIM_BUNDLE:
		*ret = (struct qos_dwcs_table){.mode = QOS_DWCS_TABLE_BUNDLE,
					       .epoch_ns = base_ns + n * wish->period_ns,
					       .bundle = claim->bundle,
					       .budget_ns = claim->budget_ns};
		return 0;
	case QOS_CLAIM_PHASES:
		r = qos_must_from(&claim->must, n, own);
		if (r < 0)
			return r;
		*ret = (struct qos_dwcs_table){.mode = QOS_DWCS_TABLE_PHASES,
					       .epoch_ns = base_ns + n * wish->period_ns,
					       .prefix = own->prefix,
					       .cycle = own->cycle,
					       .bits = own->bits};
		return 0;
	}
	return -EINVAL;
}

int qos_cpu_module_claim(struct qos_service *service, uint32_t cpu,
			 const struct qos_cpu_module_claim *wish, uint64_t now_ns,
			 uint64_t *ret_from_ns, struct qos_diag *diag)
{
	struct module *module = qos_cpu_module_of(service);
	struct thread *thread = thread_of(module, wish->stream, cpu);
	QOS_CLEANUP(qos_must_reset) struct qos_must own = {};
	struct qos_dwcs_table table;
	int r;

	if (!thread)
		return -ENOENT;
	r = describe(wish, module->plans[cpu].epoch_ns, now_ns, &own, &table);
	if (r == 0)
		r = qos_dwcs_set_table(module->genl, wish->stream, &table, diag);
	if (r < 0)
		return r;
	thread->claimed = true;
	*ret_from_ns = table.epoch_ns > now_ns ? table.epoch_ns : now_ns;
	return 0;
}
