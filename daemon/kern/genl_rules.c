/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules under the module, as messages: each function fills one, sends it and waits for its answer. Nothing
 * is kept here. A message that found no memory is told of where it is sent, so what fills it need not look.
 */
#include "kern/genl_rules.h"

#include <errno.h>

#include <netlink/genl/genl.h>

#include "kern/genl_put.h"

static void put_stream(struct nl_msg *message, const struct qos_dwcs_rules_stream *stream)
{
	struct nlattr *nest = qos_genl_nest(message, QOS_DWCS_RULES_A_STREAM);

	if (!nest)
		return;
	qos_genl_put_u32(message, QOS_DWCS_RULES_STREAM_A_ID, stream->id);
	qos_genl_put_u32(message, QOS_DWCS_RULES_STREAM_A_INDEX, stream->index);
	qos_genl_put_u32(message, QOS_DWCS_RULES_STREAM_A_JOB, stream->program[QOS_DWCS_HOOK_JOB]);
	qos_genl_put_u32(message, QOS_DWCS_RULES_STREAM_A_LATE,
			 stream->program[QOS_DWCS_HOOK_LATE]);
	qos_genl_put_u32(message, QOS_DWCS_RULES_STREAM_A_WINDOW,
			 stream->program[QOS_DWCS_HOOK_WINDOW]);
	if (stream->program[QOS_DWCS_HOOK_OVERRUN])
		qos_genl_put_u32(message, QOS_DWCS_RULES_STREAM_A_OVERRUN,
				 stream->program[QOS_DWCS_HOOK_OVERRUN]);
	if (stream->step_ns)
		qos_genl_put_u64(message, QOS_DWCS_RULES_STREAM_A_STEP, stream->step_ns);
	qos_genl_put_u64(message, QOS_DWCS_RULES_STREAM_A_GAP, stream->gap_ns);
	if (stream->reserved_ns)
		qos_genl_put_u64(message, QOS_DWCS_RULES_STREAM_A_RESERVED, stream->reserved_ns);
	nla_put_u8(message, QOS_DWCS_RULES_STREAM_A_HELD, stream->held);
	nla_nest_end(message, nest);
}

static void put_flow(struct nl_msg *message, const struct qos_dwcs_rules_flow *flow)
{
	struct nlattr *nest = qos_genl_nest(message, QOS_DWCS_RULES_A_FLOW);

	if (!nest)
		return;
	qos_genl_put_u32(message, QOS_DWCS_RULES_FLOW_A_ID, flow->id);
	qos_genl_put_u32(message, QOS_DWCS_RULES_FLOW_A_INDEX, flow->index);
	qos_genl_put_u32(message, QOS_DWCS_RULES_FLOW_A_LATE,
			 flow->program[QOS_DWCS_FLOW_HOOK_LATE]);
	qos_genl_put_u32(message, QOS_DWCS_RULES_FLOW_A_DROP,
			 flow->program[QOS_DWCS_FLOW_HOOK_DROP]);
	qos_genl_put_u32(message, QOS_DWCS_RULES_FLOW_A_WINDOW,
			 flow->program[QOS_DWCS_FLOW_HOOK_WINDOW]);
	qos_genl_put_u64(message, QOS_DWCS_RULES_FLOW_A_BASE, flow->base_bps);
	if (flow->rate_bps)
		qos_genl_put_u64(message, QOS_DWCS_RULES_FLOW_A_RATE, flow->rate_bps);
	qos_genl_put_u64(message, QOS_DWCS_RULES_FLOW_A_LOWEST, flow->lowest_bps);
	qos_genl_put_u64(message, QOS_DWCS_RULES_FLOW_A_HIGHEST, flow->highest_bps);
	if (flow->step_bps)
		qos_genl_put_u64(message, QOS_DWCS_RULES_FLOW_A_STEP, flow->step_bps);
	qos_genl_put_u64(message, QOS_DWCS_RULES_FLOW_A_RESERVED, flow->reserved_bps);
	nla_put_u8(message, QOS_DWCS_RULES_FLOW_A_HELD, flow->held);
	nla_nest_end(message, nest);
}

int qos_dwcs_set_rules(struct qos_genl *genl, const struct qos_dwcs_rules *rules,
		       struct qos_diag *diag)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_RULES_SET);

	qos_genl_put_text(message, QOS_DWCS_RULES_A_CONTRACT, rules->contract);
	qos_genl_put_u32(message, QOS_DWCS_RULES_A_NUMBER, rules->number);
	qos_genl_put_u32(message, QOS_DWCS_RULES_A_SIGNALS, rules->n_signals);
	for (size_t i = 0; i < rules->n_streams; i++)
		put_stream(message, &rules->streams[i]);
	for (size_t i = 0; i < rules->n_flows; i++)
		put_flow(message, &rules->flows[i]);
	return qos_genl_tell(genl, message, diag);
}

int qos_dwcs_raise(struct qos_genl *genl, const char *contract, uint32_t program,
		   const struct qos_rules_stream *streams, size_t n)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_RULES_RAISE);

	qos_genl_put_text(message, QOS_DWCS_RULES_A_CONTRACT, contract);
	qos_genl_put_u32(message, QOS_DWCS_RULES_A_PROGRAM, program);
	if (message)
		nla_put(message, QOS_DWCS_RULES_A_WORDS, (int)(n * sizeof(*streams)), streams);
	return qos_genl_tell(genl, message, NULL);
}

int qos_dwcs_ask(struct qos_genl *genl, const char *contract, uint64_t attribute, int64_t value)
{
	struct nl_msg *message;

	if (attribute > UINT32_MAX)
		return -EINVAL;
	message = qos_genl_message(genl, QOS_DWCS_CMD_RULES_ASK);
	qos_genl_put_text(message, QOS_DWCS_RULES_A_CONTRACT, contract);
	qos_genl_put_u32(message, QOS_DWCS_RULES_A_ATTRIBUTE, (uint32_t)attribute);
	if (message)
		nla_put(message, QOS_DWCS_RULES_A_VALUE, sizeof(value), &value);
	return qos_genl_call(genl, message, NULL, NULL, NULL);
}

int qos_dwcs_set_key(struct qos_genl *genl, pid_t tid, uint64_t start, uint32_t key)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_THREAD_SET);

	qos_genl_put_u32(message, QOS_DWCS_THREAD_A_TID, (uint32_t)tid);
	qos_genl_put_u64(message, QOS_DWCS_THREAD_A_START, start);
	qos_genl_put_u32(message, QOS_DWCS_THREAD_A_STATE, key);
	return qos_genl_tell(genl, message, NULL);
}

int qos_dwcs_share(struct qos_genl *genl, uint32_t cpu, uint32_t share)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_CPU_SET);

	qos_genl_put_u32(message, QOS_DWCS_CPU_A_ID, cpu);
	qos_genl_put_u32(message, QOS_DWCS_CPU_A_SHARE, share);
	return qos_genl_tell(genl, message, NULL);
}

int qos_dwcs_set_runtime(struct qos_genl *genl, uint32_t stream, uint64_t runtime_ns)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_STREAM_SET);

	qos_genl_put_u32(message, QOS_DWCS_STREAM_A_ID, stream);
	qos_genl_put_u64(message, QOS_DWCS_STREAM_A_RUNTIME, runtime_ns);
	return qos_genl_tell(genl, message, NULL);
}

static int on_contract(void *data, const struct nlmsghdr *message)
{
	return qos_dwcs_read_contract(message, data);
}

int qos_dwcs_contract(struct qos_genl *genl, const char *name, struct qos_dwcs_contract *ret)
{
	struct nl_msg *message = qos_genl_message(genl, QOS_DWCS_CMD_CONTRACT_GET);
	struct qos_dwcs_contract contract = {};
	int r;

	qos_genl_put_text(message, QOS_DWCS_CONTRACT_A_NAME, name);
	r = qos_genl_call(genl, message, on_contract, &contract, NULL);
	if (r == 0)
		*ret = contract;
	return r;
}
