/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files chain*.c only. */
#pragma once

#include <bpf/libbpf.h>

#include "kern/chain.h"
#include "kern/module_btf.h"
#include "kern/monitor_parts.h"
#include "util/table.h"

struct qos_chain_entry {
	bool used;
	char *name;   /* that its pins have; NULL: none, or a newer entry has them */
	int state_fd; /* -1: none */
	int owner_fd; /* -1: none */
	int ring_fd;  /* chain_forward.c; -1: none */
	size_t n_state;
	size_t n_keys;
	uint8_t *keys; /* n_keys + 1 of them; [0] is the ticks' */
	uint32_t *slots;
	size_t n_slots;
};

/* The value of the table of threads. */
struct qos_chain_thread {
	pid_t tid;
	uint32_t number;
	uint32_t key;
};

/* chain_module.c: what is attached to the module, and what programs there are loaded with. */
struct qos_chain_module {
	struct module_bpf *skeleton; /* NULL: nothing is */
	int extensions_fd;
	struct qos_module_btf btf;
};

struct qos_chain {
	const struct qos_monitor *monitor;
	struct qos_chain_parts parts;
	bool mapped; /* parts.tables can be touched */
	struct qos_chain_entry entries[QOS_GUARD_CONTRACTS];
	uint8_t attributes[QOS_GUARD_ATTRIBUTES]; /* 1: taken */
	uint8_t slots[QOS_EXTENSIONS];
	uint32_t next_number, next_attribute, next_slot; /* so that numbers are reused late */
	struct qos_table threads;
	const char *pin_dir;
	struct qos_prog_type type;
	struct qos_chain_module module;
	struct qos_rules_frame *frame_raw;
	struct ring_buffer *ring;
	void (*handle)(void *data, const struct qos_change *change);
	void *data;
};

/* NULL: no such contract. */
struct qos_chain_entry *qos_chain_entry(struct qos_chain *chain, uint32_t number);
int qos_chain_state_new(struct qos_chain *chain, struct qos_chain_entry *entry,
			const struct qos_chain_contract *plan);
/* What a program of that lane may touch, but for a state, and is loaded as. */
void qos_chain_lane(const struct qos_chain *chain, enum qos_chain_lane lane,
		    struct qos_prog_maps *ret_maps, struct qos_prog_type *ret_type);
/* A loaded program into *slot, as qos_chain_load says of it. */
int qos_chain_put(struct qos_chain *chain, uint32_t number, enum qos_chain_lane lane,
		  int program_fd, struct qos_diag *diag, uint32_t *slot);
void qos_chain_entry_reset(struct qos_chain *chain, struct qos_chain_entry *entry);
