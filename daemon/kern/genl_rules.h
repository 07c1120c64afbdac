/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands of kmod/uapi/qos_dwcs_rules.h, one function each. All: 0, -ENODEV (the module is not
 * there), or the module's -errno with its sentence in diag (which may be NULL).
 */
#pragma once

#include "kern/genl.h"
#include "kern/genl_read.h"
#include "qos_rules_abi.h"

struct qos_dwcs_rules_stream {
	uint32_t id;
	uint32_t index;
	uint32_t program[__QOS_DWCS_HOOK_MAX]; /* by enum qos_dwcs_hook; 0: none */
	uint64_t step_ns;		       /* 0: any */
	uint64_t gap_ns;
	uint64_t reserved_ns; /* 0: no limit */
	bool held;
};

/* A network stream; rates in bits a second. */
struct qos_dwcs_rules_flow {
	uint32_t id; /* of its class */
	uint32_t index;
	uint32_t program[__QOS_DWCS_FLOW_HOOK_MAX];
	uint64_t base_bps; /* of the class as it was set */
	uint64_t rate_bps; /* in force from now on; 0: what is */
	uint64_t lowest_bps;
	uint64_t highest_bps;
	uint64_t step_bps; /* 0: any */
	uint64_t reserved_bps;
	bool held;
};

struct qos_dwcs_rules {
	const char *contract;
	uint32_t number; /* 0: no rules any more */
	uint32_t n_signals;
	const struct qos_dwcs_rules_stream *streams; /* borrowed */
	size_t n_streams;
	const struct qos_dwcs_rules_flow *flows; /* borrowed */
	size_t n_flows;
};

int qos_dwcs_set_rules(struct qos_genl *genl, const struct qos_dwcs_rules *rules,
		       struct qos_diag *diag);

/* Runs the program with these streams, now. n: 1 to QOS_RULES_STREAMS_MAX. */
int qos_dwcs_raise(struct qos_genl *genl, const char *contract, uint32_t program,
		   const struct qos_rules_stream *streams, size_t n);

/* What a rule that runs in a process asks for, as in struct qos_rules_request: judged, counted and told as
 * what a program asks for. */
int qos_dwcs_ask(struct qos_genl *genl, const char *contract, uint64_t attribute, int64_t value);

/* start: field 22 of /proc/TID/stat; key: of its state, 0: no event of it is raised. */
int qos_dwcs_set_key(struct qos_genl *genl, pid_t tid, uint64_t start, uint32_t key);

/* What rules may have of that CPU, in 2^-20 of it. */
int qos_dwcs_share(struct qos_genl *genl, uint32_t cpu, uint32_t share);

/* A stream's runtime, whatever its rules say. */
int qos_dwcs_set_runtime(struct qos_genl *genl, uint32_t stream, uint64_t runtime_ns);

int qos_dwcs_contract(struct qos_genl *genl, const char *name, struct qos_dwcs_contract *ret);
