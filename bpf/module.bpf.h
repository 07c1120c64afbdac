/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of rules where the module raises them: its tracepoint enters the program that the event names,
 * by a tail call. What the program asks for, it asks the module: see qos_dwcs(4), "Rules".
 */
#pragma once

#include "qos_guard_abi.h"
#include "qos_rules_abi.h"

/* Index: `program` of the event; 0 is none. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, QOS_EXTENSIONS);
	__type(key, __u32);
	__type(value, __u32);
} module_extensions SEC(".maps");

/* An event without a program has no effect. */
SEC("tp_btf/qos_dwcs_event")
int qos_module_enter(__u64 *ctx)
{
	const struct qos_rules_input *input = (const void *)ctx[0];

	if (input)
		bpf_tail_call(ctx, &module_extensions, input->program);
	return 0;
}
