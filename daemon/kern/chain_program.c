/* SPDX-License-Identifier: GPL-2.0-only */
/* The chain's programs, their state, and the runs that the daemon itself raises. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kern/chain_parts.h"
#include "kern/monitor.h"
#include "kern/probe.h"

/* --- state --- */

int qos_chain_state_new(struct qos_chain_entry *entry, const struct qos_chain_contract *plan)
{
	_cleanup_free_ uint8_t *keys = calloc(plan->n_keys + 1, 1);
	int fd = -1;

	if (!keys)
		return -ENOMEM;
	if (plan->n_state) {
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "qos_state", sizeof(uint32_t),
				    (uint32_t)(plan->n_state * sizeof(uint64_t)),
				    (uint32_t)plan->n_keys + 1, NULL);
		if (fd < 0)
			return -errno;
	}
	*entry = (struct qos_chain_entry){.state_fd = fd,
					  .n_state = plan->n_state,
					  .n_keys = plan->n_keys,
					  .keys = TAKE_PTR(keys)};
	return 0;
}

void qos_chain_entry_reset(struct qos_chain *chain, struct qos_chain_entry *entry)
{
	qos_closep(&entry->state_fd);
	free(entry->keys);
	free(entry->slots);
	*entry = (struct qos_chain_entry){.state_fd = -1};
}

static int zero_state(const struct qos_chain_entry *entry, uint32_t key)
{
	_cleanup_free_ uint64_t *zero = calloc(entry->n_state + 1, sizeof(*zero));

	if (!zero)
		return -ENOMEM;
	if (entry->state_fd < 0)
		return 0;
	return bpf_map_update_elem(entry->state_fd, &key, zero, BPF_ANY) < 0 ? -errno : 0;
}

static uint32_t find_key(const struct qos_chain_entry *entry)
{
	for (size_t i = 1; i <= entry->n_keys; i++) {
		if (!entry->keys[i])
			return (uint32_t)i;
	}
	return 0;
}

static int put_key(const struct qos_chain *chain, pid_t tid, uint32_t key, uint64_t late_of_ns)
{
	const struct qos_thread_key value = {.key = key, .late_of_ns = late_of_ns};

	return qos_monitor_map_set(chain->parts.keys_fd, (uint32_t)tid, &value, BPF_ANY);
}

bool qos_chain_late(struct qos_chain *chain, pid_t tid, uint64_t release_ns)
{
	uint32_t key = qos_chain_key(chain, tid);

	return key && put_key(chain, tid, key, release_ns) == 0;
}

int qos_chain_thread(struct qos_chain *chain, uint32_t number, pid_t tid)
{
	struct qos_chain_entry *entry = qos_chain_entry(chain, number);
	struct qos_chain_thread *thread = qos_table_get(&chain->threads, (uint32_t)tid);
	uint32_t key;
	int r;

	if (!entry)
		return -ENOENT;
	if (thread && thread->number == number)
		return 0;
	qos_chain_thread_gone(chain, tid);
	key = find_key(entry);
	if (!key)
		return -ENOSPC;
	r = zero_state(entry, key);
	if (r < 0)
		return r;
	thread = malloc(sizeof(*thread));
	if (!thread || qos_table_set(&chain->threads, (uint32_t)tid, thread) < 0) {
		free(thread);
		return -ENOMEM;
	}
	*thread = (struct qos_chain_thread){.number = number, .key = key};
	entry->keys[key] = 1;
	r = put_key(chain, tid, key, 0);
	if (r < 0)
		qos_chain_thread_gone(chain, tid);
	return r;
}

void qos_chain_thread_gone(struct qos_chain *chain, pid_t tid)
{
	struct qos_chain_thread *thread = qos_table_remove(&chain->threads, (uint32_t)tid);
	struct qos_chain_entry *entry;
	uint32_t map_key = (uint32_t)tid;

	if (!thread)
		return;
	bpf_map_delete_elem(chain->parts.keys_fd, &map_key);
	entry = qos_chain_entry(chain, thread->number);
	if (entry)
		entry->keys[thread->key] = 0;
	free(thread);
}

uint32_t qos_chain_key(struct qos_chain *chain, pid_t tid)
{
	const struct qos_chain_thread *thread = qos_table_get(&chain->threads, (uint32_t)tid);

	return thread ? thread->key : 0;
}

/* --- programs --- */

static bool has_slot(const struct qos_chain_entry *entry, uint32_t slot)
{
	for (size_t i = 0; i < entry->n_slots; i++) {
		if (entry->slots[i] == slot)
			return true;
	}
	return false;
}

/* 0 or -errno; *ret is the contract's from now on. */
static int take_slot(struct qos_chain *chain, struct qos_chain_entry *entry, uint32_t *ret)
{
	uint32_t *slots = reallocarray(entry->slots, entry->n_slots + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	entry->slots = slots;
	for (uint32_t i = 0; i < QOS_EXTENSIONS; i++) {
		uint32_t at = (chain->next_slot + i) % QOS_EXTENSIONS;

		if (!at || chain->slots[at])
			continue;
		chain->slots[at] = 1;
		chain->next_slot = at + 1;
		entry->slots[entry->n_slots++] = *ret = at;
		return 0;
	}
	return -ENOSPC;
}

void qos_chain_unload(struct qos_chain *chain, uint32_t number, uint32_t slot)
{
	struct qos_chain_entry *entry = qos_chain_entry(chain, number);

	for (size_t i = 0; entry && i < entry->n_slots; i++) {
		if (entry->slots[i] != slot)
			continue;
		bpf_map_delete_elem(chain->parts.extensions_fd, &slot);
		bpf_map_delete_elem(chain->parts.extensions_raw_fd, &slot);
		chain->slots[slot] = 0;
		entry->slots[i] = entry->slots[--entry->n_slots];
		return;
	}
}

static int complain(struct qos_diag *diag, const char *call, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice(call, -error);

	qos_diag_error(diag, NULL, "an extension cannot be set: %s: %s", strerror(-error),
		       advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
	return error;
}

int qos_chain_load(struct qos_chain *chain, uint32_t number, enum qos_chain_lane lane,
		   const struct qos_prog_code *code, struct qos_diag *diag, uint32_t *slot)
{
	struct qos_chain_entry *entry = qos_chain_entry(chain, number);
	bool raw = lane == QOS_CHAIN_RAW;
	struct qos_prog_type type = chain->type;
	struct qos_prog_maps maps = {
		.frame_fd = raw ? chain->parts.frame_raw_fd : chain->parts.frame_fd,
		.guard_fd = raw ? chain->parts.guard_raw_fd : chain->parts.guard_fd,
	};
	int to = raw ? chain->parts.extensions_raw_fd : chain->parts.extensions_fd, r;
	_cleanup_close_ int fd = -1;
	uint32_t at = *slot;

	if (!entry || (at && !has_slot(entry, at)))
		return -EINVAL;
	maps.state_fd = entry->state_fd;
	type.attach_btf_id = raw ? 0 : type.attach_btf_id;
	fd = qos_prog_load(code, &maps, &type, diag);
	if (fd < 0)
		return fd;
	if (!at) {
		r = take_slot(chain, entry, &at);
		if (r < 0)
			return complain(diag, "bpf(MAP_UPDATE_ELEM)", r);
	}
	if (bpf_map_update_elem(to, &at, &fd, BPF_ANY) < 0) {
		r = complain(diag, "bpf(MAP_UPDATE_ELEM)", -errno);
		if (!*slot)
			qos_chain_unload(chain, number, at);
		return r;
	}
	*slot = at;
	return 0;
}

/* --- raising --- */

struct qos_rules_frame *qos_chain_frame(struct qos_chain *chain)
{
	return chain->frame_raw;
}

static int run(const struct qos_chain *chain, uint64_t number, uint64_t slot, uint32_t *ret)
{
	uint64_t args[12] = {number, slot};
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts), .ctx_in = args, .ctx_size_in = sizeof(args)};

	if (bpf_prog_test_run_opts(chain->parts.raise_program_fd, &opts) < 0)
		return -errno;
	*ret = opts.retval;
	return 0;
}

int qos_chain_raise(struct qos_chain *chain, uint32_t number, uint32_t slot)
{
	uint32_t judged = 0;
	int r;

	if (!qos_chain_entry(chain, number))
		return -ENOENT;
	chain->frame_raw->contract = number;
	chain->frame_raw->program = slot;
	chain->frame_raw->n_requests = 0;
	r = run(chain, number, slot, &judged);
	/* A program that did not end in the guard: the next run settles that, so it is made now. */
	if (r == 0 && !judged)
		r = run(chain, 0, 0, &judged);
	return r;
}
