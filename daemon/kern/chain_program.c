/* SPDX-License-Identifier: GPL-2.0-only */
/* The chain's programs, and the runs that the daemon itself raises. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kern/chain_parts.h"
#include "kern/monitor.h"
#include "kern/probe.h"

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
		if (chain->module.skeleton)
			bpf_map_delete_elem(chain->module.extensions_fd, &slot);
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

/* Where programs of a lane stand. */
static int map_of(const struct qos_chain *chain, enum qos_chain_lane lane)
{
	switch (lane) {
	case QOS_CHAIN_SWITCH:
		return chain->parts.extensions_fd;
	case QOS_CHAIN_RAW:
		return chain->parts.extensions_raw_fd;
	case QOS_CHAIN_MODULE:
		return chain->module.extensions_fd;
	}
	return -1;
}

void qos_chain_lane(const struct qos_chain *chain, enum qos_chain_lane lane,
		    struct qos_prog_maps *ret_maps, struct qos_prog_type *ret_type)
{
	const struct qos_chain_parts *parts = &chain->parts;

	*ret_maps = QOS_PROG_MAPS_NONE;
	*ret_type = chain->type;
	switch (lane) {
	case QOS_CHAIN_SWITCH:
		ret_maps->frame_fd = parts->frame_fd;
		ret_maps->guard_fd = parts->guard_fd;
		break;
	case QOS_CHAIN_RAW:
		ret_maps->frame_fd = parts->frame_raw_fd;
		ret_maps->guard_fd = parts->guard_raw_fd;
		ret_type->attach_btf_id = 0;
		break;
	case QOS_CHAIN_MODULE:
		ret_maps->kfunc = chain->module.btf.kfunc;
		ret_type->attach_btf_id = chain->module.btf.tracepoint;
		ret_type->btf_fd = chain->module.btf.fd;
		break;
	}
}

/* The program's descriptor or -errno. */
static int load(const struct qos_chain *chain, const struct qos_chain_entry *entry,
		enum qos_chain_lane lane, const struct qos_prog_code *code, struct qos_diag *diag)
{
	struct qos_prog_maps maps;
	struct qos_prog_type type;

	qos_chain_lane(chain, lane, &maps, &type);
	maps.state_fd = entry->state_fd;
	return qos_prog_load(code, &maps, &type, diag);
}

int qos_chain_put(struct qos_chain *chain, uint32_t number, enum qos_chain_lane lane,
		  int program_fd, struct qos_diag *diag, uint32_t *slot)
{
	struct qos_chain_entry *entry = qos_chain_entry(chain, number);
	int to = map_of(chain, lane);
	uint32_t at = *slot;
	int r;

	if (!entry || (at && !has_slot(entry, at)))
		return -EINVAL;
	if (!at) {
		r = take_slot(chain, entry, &at);
		if (r < 0)
			return complain(diag, "bpf(MAP_UPDATE_ELEM)", r);
	}
	if (bpf_map_update_elem(to, &at, &program_fd, BPF_ANY) < 0) {
		r = complain(diag, "bpf(MAP_UPDATE_ELEM)", -errno);
		if (!*slot)
			qos_chain_unload(chain, number, at);
		return r;
	}
	*slot = at;
	return 0;
}

int qos_chain_load(struct qos_chain *chain, uint32_t number, enum qos_chain_lane lane,
		   const struct qos_prog_code *code, struct qos_diag *diag, uint32_t *slot)
{
	struct qos_chain_entry *entry = qos_chain_entry(chain, number);
	_cleanup_close_ int fd = -1;

	if (!entry || (*slot && !has_slot(entry, *slot)) ||
	    (lane == QOS_CHAIN_MODULE && !chain->module.skeleton))
		return -EINVAL;
	fd = load(chain, entry, lane, code, diag);
	return fd < 0 ? fd : qos_chain_put(chain, number, lane, fd, diag, slot);
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
