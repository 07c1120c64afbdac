// SPDX-License-Identifier: GPL-2.0-only
/* Programs by hand in place of compiled rules, honest and hostile: see rules.c. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "module.bpf.h"

extern int qos_dwcs_set(struct qos_rules_input *event, __u32 attribute, __s64 value) __ksym;

/* what `ask` asks for, and what `grow` grows by */
__u64 attribute;
__s64 value;

/* of the last event */
__u64 runs;
__s64 verdict;
__u64 contract;
__u64 position;
__u64 state;
__s64 seen[QOS_RULES_WORDS];

static __always_inline void note(const struct qos_rules_input *input)
{
	runs++;
	contract = input->contract;
	position = input->index;
	state = input->state;
	seen[QOS_RULES_ATTRIBUTE] = input->stream[0].word[QOS_RULES_ATTRIBUTE];
	seen[QOS_RULES_USED] = input->stream[0].word[QOS_RULES_USED];
	seen[QOS_RULES_SLACK] = input->stream[0].word[QOS_RULES_SLACK];
	seen[QOS_RULES_RESPONSE] = input->stream[0].word[QOS_RULES_RESPONSE];
	seen[QOS_RULES_LATE] = input->stream[0].word[QOS_RULES_LATE];
	seen[QOS_RULES_SERVED] = input->stream[0].word[QOS_RULES_SERVED];
	seen[QOS_RULES_LOST] = input->stream[0].word[QOS_RULES_LOST];
}

SEC("tp_btf/qos_dwcs_event")
int ask(__u64 *ctx)
{
	struct qos_rules_input *input = (void *)ctx[0];

	if (!input)
		return 0;
	note(input);
	if (attribute)
		verdict = qos_dwcs_set(input, attribute, value);
	return 0;
}

SEC("tp_btf/qos_dwcs_event")
int grow(__u64 *ctx)
{
	struct qos_rules_input *input = (void *)ctx[0];

	if (!input)
		return 0;
	note(input);
	verdict = qos_dwcs_set(input, QOS_RULES_ATTRIBUTE_ID(QOS_RULES_CPU_RUNTIME, input->index),
			       seen[QOS_RULES_ATTRIBUTE] + value);
	return 0;
}

/* Up and down, as far as it may, whatever was said. */
SEC("tp_btf/qos_dwcs_event")
int storm(__u64 *ctx)
{
	struct qos_rules_input *input = (void *)ctx[0];

	if (!input)
		return 0;
	note(input);
	for (int i = 0; i < 64; i++)
		qos_dwcs_set(input, QOS_RULES_ATTRIBUTE_ID(QOS_RULES_CPU_RUNTIME, 0),
			     1000000 + bpf_get_prandom_u32() % 8000000);
	return 0;
}

/* An event of its own making. */
SEC("tp_btf/qos_dwcs_event")
int forged(__u64 *ctx)
{
	struct qos_rules_input mine = {.contract = ctx[0] != 0};

	return qos_dwcs_set(&mine, QOS_RULES_ATTRIBUTE_ID(QOS_RULES_CPU_RUNTIME, 0), 1);
}

/* Another place in the event than its beginning. */
SEC("tp_btf/qos_dwcs_event")
int shifted(__u64 *ctx)
{
	struct qos_rules_input *input = (void *)ctx[0];

	if (!input)
		return 0;
	return qos_dwcs_set((void *)input + 8, 0, 1);
}

/* It was not looked whether there is an event. */
SEC("tp_btf/qos_dwcs_event")
int unchecked(__u64 *ctx)
{
	return qos_dwcs_set((void *)ctx[0], 0, 1);
}

/* The event is not for writing. */
SEC("tp_btf/qos_dwcs_event")
int writes(__u64 *ctx)
{
	struct qos_rules_input *input = (void *)ctx[0];

	if (input)
		input->contract = 1;
	return 0;
}

char _license[] SEC("license") = "GPL";
