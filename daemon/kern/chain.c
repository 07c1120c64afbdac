/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guard's tables. They are globals of the programs, so contracts come and go without a system call;
 * the daemon's own changes go through the same functions on the same words as the programs' do, and
 * so never take more than a pool has.
 *
 * Numbers are given round robin: an event that still waits on some CPU for a contract that is gone
 * meets an empty place, not another contract.
 */
#include "kern/chain.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guard.bpf.h"
#include "kern/chain_parts.h"

struct qos_chain_entry *qos_chain_entry(struct qos_chain *chain, uint32_t number)
{
	if (!number || number >= QOS_GUARD_CONTRACTS || !chain->entries[number].used)
		return NULL;
	return &chain->entries[number];
}

static size_t page_round(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static int on_record(void *data, void *record, size_t size)
{
	struct qos_chain *chain = data;

	if (size >= sizeof(struct qos_change))
		chain->handle(chain->data, record);
	return 0;
}

static int open_parts(struct qos_chain *chain)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);
	void *mapped;

	if (bpf_obj_get_info_by_fd(chain->parts.switch_program_fd, &info, &size) < 0)
		return -errno;
	chain->type.attach_btf_id = info.attach_btf_id;
	mapped = mmap(NULL, page_round(sizeof(*chain->frame_raw)), PROT_READ | PROT_WRITE,
		      MAP_SHARED, chain->parts.frame_raw_fd, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	chain->frame_raw = mapped;
	chain->ring = ring_buffer__new(chain->parts.changes_fd, on_record, chain, NULL);
	return chain->ring ? 0 : -errno;
}

int qos_chain_new(struct qos_monitor *monitor, const char *report_dir, const char *pin_dir,
		  struct qos_chain **ret)
{
	_cleanup_chain_ struct qos_chain *chain = calloc(1, sizeof(*chain));
	int r;

	if (!chain)
		return -ENOMEM;
	chain->type.report_dir = report_dir;
	chain->pin_dir = pin_dir;
	chain->monitor = monitor;
	qos_monitor_chain_parts(monitor, &chain->parts);
	r = open_parts(chain);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(chain);
	return 0;
}

void qos_chain_free(struct qos_chain *chain)
{
	struct qos_chain_thread *thread;
	size_t pos = 0;

	if (!chain)
		return;
	for (uint32_t i = 1; i < QOS_GUARD_CONTRACTS; i++)
		qos_chain_remove(chain, i);
	while ((thread = qos_table_next(&chain->threads, &pos)))
		free(thread);
	qos_table_reset(&chain->threads);
	qos_chain_module_close(chain);
	ring_buffer__free(chain->ring);
	if (chain->frame_raw)
		munmap(chain->frame_raw, page_round(sizeof(*chain->frame_raw)));
	free(chain);
}

/* --- contracts --- */

/* n free places in a row, from `next` on and around; 0: none. Place 0 is nobody's. */
static uint32_t find_free(const uint8_t *taken, uint32_t size, uint32_t next, size_t n)
{
	for (uint32_t i = 0; i < size; i++) {
		uint32_t at = (next + i) % size;
		size_t k = 0;

		if (!at || at + n > size)
			continue;
		while (k < n && !taken[at + k])
			k++;
		if (k == n)
			return at;
	}
	return 0;
}

static uint32_t find_number(const struct qos_chain *chain)
{
	for (uint32_t i = 0; i < QOS_GUARD_CONTRACTS; i++) {
		uint32_t at = (chain->next_number + i) % QOS_GUARD_CONTRACTS;

		if (at && !chain->entries[at].used)
			return at;
	}
	return 0;
}

static bool is_valid(const struct qos_chain_contract *plan)
{
	for (size_t i = 0; i < plan->n_attributes; i++) {
		const struct qos_chain_attribute *a = &plan->attributes[i];

		if (a->value < 0 || a->lo < 0 || a->lo > a->hi || a->hi >= QOS_VALUE_MAX ||
		    a->reserved < 0 || a->reserved >= QOS_VALUE_MAX || a->value >= QOS_VALUE_MAX ||
		    a->step < 0 || a->pool >= plan->n_attributes)
			return false;
	}
	return plan->n_attributes <= QOS_RULES_STREAMS_MAX;
}

/* What is reserved for pool `pool`, less what is in force; negative: it does not fit. */
static int64_t pool_total(const struct qos_chain_contract *plan, size_t pool, int64_t *ret_used)
{
	int64_t total = 0;

	*ret_used = 0;
	for (size_t i = 0; i < plan->n_attributes; i++) {
		const struct qos_chain_attribute *a = &plan->attributes[i];

		if (a->pool != pool)
			continue;
		total += guard_cost(a->reserved, a->period_ns);
		*ret_used += guard_cost(a->value, a->period_ns);
	}
	return total;
}

static bool fits(const struct qos_chain_contract *plan)
{
	int64_t used;

	for (size_t i = 0; i < plan->n_attributes; i++) {
		if (pool_total(plan, i, &used) < used)
			return false;
	}
	return true;
}

static void put_limits(struct qos_attribute *to, const struct qos_chain_attribute *from)
{
	to->lo = from->lo;
	to->hi = from->hi;
	to->step = from->step;
	to->gap_ns = from->gap_ns;
	to->stream = from->stream;
	to->kind = from->kind ? from->kind : QOS_RULES_CPU_RUNTIME;
}

static void put_attributes(struct qos_chain *chain, uint32_t first,
			   const struct qos_chain_contract *plan)
{
	for (size_t i = 0; i < plan->n_attributes; i++) {
		struct qos_attribute *attribute = &chain->parts.tables->attributes[first + i];
		struct qos_pool *pool = &chain->parts.tables->pools[first + i];
		int64_t used;

		*attribute = (struct qos_attribute){
			.value = plan->attributes[i].value,
			.period_ns = plan->attributes[i].period_ns,
			.pool = first + (uint32_t)plan->attributes[i].pool,
		};
		put_limits(attribute, &plan->attributes[i]);
		pool->total = pool_total(plan, i, &used);
		pool->free = pool->total - used;
		chain->attributes[first + i] = 1;
	}
}

/* Before the first contract with rules. */
static int map_tables(struct qos_chain *chain)
{
	int r;

	if (chain->mapped)
		return 0;
	r = qos_monitor_map_tables(chain->monitor);
	if (r < 0)
		return r;
	chain->mapped = true;
	chain->parts.tables->contracts[0].muted = 1; /* nobody's */
	return 0;
}

int qos_chain_add(struct qos_chain *chain, const struct qos_chain_contract *plan, uint32_t *ret)
{
	uint32_t number = find_number(chain), first = 0;
	struct qos_chain_entry *entry = &chain->entries[number];
	int r;

	if (!is_valid(plan) || !fits(plan))
		return -EINVAL;
	if (plan->n_attributes)
		first = find_free(chain->attributes, QOS_GUARD_ATTRIBUTES, chain->next_attribute,
				  plan->n_attributes);
	if (!number || (plan->n_attributes && !first))
		return -ENOSPC;
	r = map_tables(chain);
	if (r == 0)
		r = qos_chain_state_new(chain, entry, plan);
	if (r < 0)
		return r;
	entry->used = true;
	chain->next_number = number + 1;
	chain->next_attribute = first + (uint32_t)plan->n_attributes;
	put_attributes(chain, first, plan);
	chain->parts.tables->contracts[number] = (struct qos_guard_contract){
		.first = first,
		.n_attributes = (uint32_t)plan->n_attributes,
		.n_signals = (uint32_t)plan->n_signals,
	};
	*ret = number;
	return 0;
}

/* The table may not be changed while it is gone through. */
static void drop_threads(struct qos_chain *chain, uint32_t number)
{
	const struct qos_chain_thread *thread;
	pid_t tids[64];
	size_t n, pos;

	do {
		n = pos = 0;
		while (n < QOS_ARRAY_SIZE(tids) &&
		       (thread = qos_table_next(&chain->threads, &pos))) {
			if (thread->number == number)
				tids[n++] = thread->tid;
		}
		for (size_t i = 0; i < n; i++)
			qos_chain_thread_gone(chain, tids[i]);
	} while (n);
}

void qos_chain_remove(struct qos_chain *chain, uint32_t number)
{
	struct qos_chain_entry *entry = qos_chain_entry(chain, number);
	struct qos_guard_contract *contract;

	if (!entry)
		return;
	contract = &chain->parts.tables->contracts[number];
	contract->muted = 1;
	while (entry->n_slots)
		qos_chain_unload(chain, number, entry->slots[entry->n_slots - 1]);
	drop_threads(chain, number);
	memset(&chain->attributes[contract->first], 0, contract->n_attributes);
	contract->n_attributes = contract->n_signals = 0;
	qos_chain_entry_reset(chain, entry);
}

/* What is in force is brought within the new limits first, with nobody else at it; then a pool gets what
 * is reserved now. Period and pool of a stream do not change under it. */
int qos_chain_change(struct qos_chain *chain, uint32_t number,
		     const struct qos_chain_contract *plan)
{
	struct qos_guard_contract *contract;

	if (!qos_chain_entry(chain, number) || !is_valid(plan))
		return -EINVAL;
	contract = &chain->parts.tables->contracts[number];
	if (contract->n_attributes != plan->n_attributes)
		return -EINVAL;
	for (size_t i = 0; i < plan->n_attributes; i++) {
		struct qos_attribute *attribute =
			&chain->parts.tables->attributes[contract->first + i];
		struct qos_pool *pool = &chain->parts.tables->pools[contract->first + i];
		int64_t used, total = pool_total(plan, i, &used);

		put_limits(attribute, &plan->attributes[i]);
		__sync_fetch_and_add(&pool->free, total - pool->total);
		pool->total = total;
	}
	for (size_t i = 0; i < plan->n_attributes; i++) {
		struct qos_attribute *attribute =
			&chain->parts.tables->attributes[contract->first + i];
		const struct qos_chain_attribute *wish = &plan->attributes[i];
		int64_t value = attribute->value;

		value = value < wish->lo ? wish->lo : value > wish->hi ? wish->hi : value;
		if (chain->parts.tables->pools[attribute->pool].free < 0 && value > wish->reserved)
			value = wish->reserved;
		qos_chain_set(chain, number, i, value, attribute->held);
	}
	return 0;
}

/* --- values --- */

/* NULL: the contract has no such attribute. */
static struct qos_attribute *attribute_of(const struct qos_chain *chain, uint32_t number, size_t i)
{
	const struct qos_guard_contract *contract = &chain->parts.tables->contracts[number];

	if (i >= contract->n_attributes)
		return NULL;
	return &chain->parts.tables->attributes[contract->first + i];
}

int64_t qos_chain_value(const struct qos_chain *chain, uint32_t number, size_t attribute)
{
	const struct qos_attribute *of = attribute_of(chain, number, attribute);

	return of ? *(volatile const __s64 *)&of->value : 0;
}

int qos_chain_set(struct qos_chain *chain, uint32_t number, size_t i, int64_t value, bool hold)
{
	struct qos_attribute *attribute = attribute_of(chain, number, i);
	struct guard_claim claim = {.value = value};
	struct qos_pool *pool;

	if (!attribute)
		return -EINVAL;
	pool = &chain->parts.tables->pools[attribute->pool];
	*(volatile __u32 *)&attribute->held = hold;
	/* A program that claimed before it was held may still commit; it does so once. */
	do {
		claim.old = *(volatile __s64 *)&attribute->value;
		claim.next_ns = attribute->next_ns;
		claim.more = guard_cost(value, attribute->period_ns) -
			     guard_cost(claim.old, attribute->period_ns);
		if (value == claim.old)
			return 0;
		if (claim.more > 0 && !guard_take(pool, claim.more))
			return -EDQUOT;
	} while (!guard_commit(attribute, pool, &claim));
	guard_return(pool, &claim);
	return 0;
}

void qos_chain_mute(struct qos_chain *chain, uint32_t number, bool mute)
{
	*(volatile __u32 *)&chain->parts.tables->contracts[number].muted = mute;
}

void qos_chain_counts(const struct qos_chain *chain, uint32_t number,
		      struct qos_guard_contract *ret)
{
	*ret = chain->parts.tables->contracts[number];
}

/* --- changes --- */

int qos_chain_fd(const struct qos_chain *chain)
{
	return ring_buffer__epoll_fd(chain->ring);
}

int qos_chain_dispatch(struct qos_chain *chain,
		       void (*handle)(void *data, const struct qos_change *change), void *data)
{
	chain->handle = handle;
	chain->data = data;
	return ring_buffer__consume(chain->ring);
}
