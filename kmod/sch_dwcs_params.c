// SPDX-License-Identifier: GPL-2.0-only
/* What a class of the qdisc is asked to be: attributes read, and judged. */
#include <net/netlink.h>

#include "compat.h"
#include "flow.h"
#include "sch_dwcs.h"

static QOS_RANGE range_rate = {.max = QOS_SCH_DWCS_RATE_MAX};
static QOS_RANGE range_period = {.max = QOS_SCH_DWCS_PERIOD_MAX_NS};
static QOS_RANGE range_packet = {.min = 1, .max = QOS_SCH_DWCS_PACKET_MAX};
static QOS_RANGE range_limit = {.min = 1, .max = QOS_SCH_DWCS_LIMIT_MAX};

static const struct nla_policy policy[QOS_SCH_DWCS_CLASS_A_MAX + 1] = {
	[QOS_SCH_DWCS_CLASS_A_RATE] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_rate),
	[QOS_SCH_DWCS_CLASS_A_PACKET] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_packet),
	[QOS_SCH_DWCS_CLASS_A_PERIOD] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_period),
	[QOS_SCH_DWCS_CLASS_A_DEADLINE] = NLA_POLICY_FULL_RANGE(NLA_U64, &range_period),
	[QOS_SCH_DWCS_CLASS_A_X] = NLA_POLICY_MAX(NLA_U32, QOS_SCH_DWCS_WINDOW_Y_MAX),
	[QOS_SCH_DWCS_CLASS_A_Y] = NLA_POLICY_MAX(NLA_U32, QOS_SCH_DWCS_WINDOW_Y_MAX),
	[QOS_SCH_DWCS_CLASS_A_LATE] = NLA_POLICY_MAX(NLA_U32, QOS_SCH_DWCS_LATE_SEND),
	[QOS_SCH_DWCS_CLASS_A_LIMIT] = NLA_POLICY_FULL_RANGE(NLA_U32, &range_limit),
	[QOS_SCH_DWCS_CLASS_A_EXCESS] = NLA_POLICY_MAX(NLA_U32, QOS_SCH_DWCS_EXCESS_HOLD),
	[QOS_SCH_DWCS_CLASS_A_FLOW] = {.type = NLA_U32},
};

void qos_sch_params_of(const struct qos_sch_class *class, struct qos_sch_params *params)
{
	params->rate = class->rate;
	params->period = class->period;
	params->deadline = class->deadline;
	params->packet = class->packet;
	params->limit = class->limit;
	params->late = class->late;
	params->hold = class->flow.hold;
	params->flow = class->rules ? class->rules->id : 0;
	params->stream.x = class->flow.request.x;
	params->stream.y = class->flow.request.y;
}

static void take_u64(u64 *to, struct nlattr **tb, int attribute)
{
	if (tb[attribute])
		*to = nla_get_u64(tb[attribute]);
}

static void take_u32(u32 *to, struct nlattr **tb, int attribute)
{
	if (tb[attribute])
		*to = nla_get_u32(tb[attribute]);
}

int qos_sch_params_parse(struct nlattr *options, struct qos_sch_params *params,
			 struct netlink_ext_ack *extack)
{
	struct nlattr *tb[QOS_SCH_DWCS_CLASS_A_MAX + 1];
	int error;

	error = nla_parse_nested(tb, QOS_SCH_DWCS_CLASS_A_MAX, options, policy, extack);
	if (error)
		return error;
	take_u64(&params->rate, tb, QOS_SCH_DWCS_CLASS_A_RATE);
	take_u64(&params->period, tb, QOS_SCH_DWCS_CLASS_A_PERIOD);
	take_u64(&params->deadline, tb, QOS_SCH_DWCS_CLASS_A_DEADLINE);
	take_u32(&params->packet, tb, QOS_SCH_DWCS_CLASS_A_PACKET);
	take_u32(&params->limit, tb, QOS_SCH_DWCS_CLASS_A_LIMIT);
	take_u32(&params->stream.x, tb, QOS_SCH_DWCS_CLASS_A_X);
	take_u32(&params->stream.y, tb, QOS_SCH_DWCS_CLASS_A_Y);
	if (tb[QOS_SCH_DWCS_CLASS_A_LATE])
		params->late = nla_get_u32(tb[QOS_SCH_DWCS_CLASS_A_LATE]);
	if (tb[QOS_SCH_DWCS_CLASS_A_EXCESS])
		params->hold =
			nla_get_u32(tb[QOS_SCH_DWCS_CLASS_A_EXCESS]) == QOS_SCH_DWCS_EXCESS_HOLD;
	take_u32(&params->flow, tb, QOS_SCH_DWCS_CLASS_A_FLOW);
	return 0;
}

static const char *refusal_of_period(struct qos_sch_params *params)
{
	u64 needs;

	if (!params->packet)
		return "a class needs the length of its longest packet";
	if (!params->rate && !params->period)
		return "a class needs a rate or a period";
	needs = (u64)params->packet * NSEC_PER_SEC;
	if (params->period && params->period < QOS_SCH_DWCS_PERIOD_MIN_NS)
		return "the period is shorter than 1 us";
	/* period * rate may pass 2^64; packet * 10^9 < 2^47 */
	if (params->rate && params->period && params->period < div64_u64(needs, params->rate))
		return "the rate is below a packet a period";
	params->stream.period = params->period ?: DIV64_U64_ROUND_UP(needs, params->rate);
	if (params->stream.period < QOS_SCH_DWCS_PERIOD_MIN_NS)
		return "packets of that length at that rate come more often than each microsecond";
	if (params->stream.period > QOS_SCH_DWCS_PERIOD_MAX_NS)
		return "packets of that length at that rate come less often than each 500 s";
	return NULL;
}

const char *qos_sch_params_refusal(struct qos_sch_params *params, const struct qos_sch *q)
{
	struct dwcs_stream *stream = &params->stream;
	const char *why = refusal_of_period(params);

	if (why)
		return why;
	stream->deadline = params->deadline ?: stream->period;
	stream->cost = qos_sch_cost(&q->pace, q->paced, params->packet);
	if (stream->cost > stream->deadline)
		return "a packet takes longer than its deadline at the rate of the link";
	if (stream->cost > stream->period)
		return "a packet takes longer than its period at the rate of the link";
	if (stream->x > stream->y)
		return "the window is lost more often than it is long";
	if (!dwcs_flow_check(stream))
		return "the scheduler does not take such a stream";
	return NULL;
}

/* Rules of a contract follow a flow, and held packets wake a thread above all managed ones: neither is for who
 * owns no more than a network's namespace.
 */
bool qos_sch_params_are_machines(const struct qos_sch_params *params,
				 const struct qos_sch_class *class)
{
	u32 flow = class && class->rules ? class->rules->id : 0;

	return (params->flow && params->flow != flow) || params->hold;
}
