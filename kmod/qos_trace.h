/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module's one tracepoint. Programs of BPF attach to it (tp_btf/qos_dwcs_event); `input` is then
 * the first word of their ctx, and the only thing that qos_dwcs_set() takes: see rules.h.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM qos_dwcs

#if !defined(_QOS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _QOS_TRACE_H

#include <linux/tracepoint.h>

#include "qos_rules_abi.h"

TRACE_EVENT(qos_dwcs_event, TP_PROTO(struct qos_rules_input *input), TP_ARGS(input),
	    TP_STRUCT__entry(__field(u64, now_ns) __field(u32, contract) __field(u32, program)
				     __field(u32, index) __field(u32, state)),
	    TP_fast_assign(__entry->now_ns = input->now_ns; __entry->contract = input->contract;
			   __entry->program = input->program; __entry->index = input->index;
			   __entry->state = input->state;),
	    TP_printk("contract=%u program=%u stream=%u state=%u now=%llu", __entry->contract,
		      __entry->program, __entry->index, __entry->state, __entry->now_ns));

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE qos_trace
#include <trace/define_trace.h>
