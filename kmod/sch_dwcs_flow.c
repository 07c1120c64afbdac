// SPDX-License-Identifier: GPL-2.0-only
/*
 * A class and the rules over it (flow.h): what it tells of its packets, and the rate that it follows. All under
 * the root's lock, but for what RTNL guards. The rate is looked at where the class is idle for a moment, as
 * its packet goes out or comes in: then its period can change, its window going on.
 */
#include <net/tcp.h>

#include "flow.h"
#include "sch_dwcs.h"

/* --- the rate --- */

/* 0: too long for anybody. The division is the machine's, which faults if the quotient is beyond 64 bits. */
static u64 period_of(const struct qos_sch_class *class, u64 rate, u64 base)
{
	if (!rate)
		return class->own_period;
	if (div64_u64(base, rate) > div64_u64(QOS_SCH_DWCS_PERIOD_MAX_NS, class->own_period))
		return 0;
	return mul_u64_u64_div_u64(class->own_period, base, rate);
}

/* Its flow is idle. */
void qos_sch_flow_follow(struct qos_sch_class *class, u64 now)
{
	u64 rate = READ_ONCE(class->rules->rate), base = READ_ONCE(class->rules->base), period;
	struct dwcs_flow *flow = &class->flow;

	if (likely(rate == class->rules_rate && base == class->rules_base))
		return;
	class->rules_rate = rate;
	class->rules_base = base;
	period = period_of(class, rate, base);
	if (period < max_t(u64, QOS_SCH_DWCS_PERIOD_MIN_NS, flow->request.cost) ||
	    period > QOS_SCH_DWCS_PERIOD_MAX_NS) {
		class->stats.rate_refused++;
		return;
	}
	class->stats.rate_bps = rate;
	flow->request.period = period;
	if ((s64)(flow->next - now) > (s64)period)
		flow->next = now + period;
}

/* RTNL and the root's lock. What it saw before is not told. */
void qos_sch_flow_set(struct qos_sch_class *class, struct qos_flow *rules)
{
	if (class->rules == rules)
		return;
	class->rules = rules;
	class->rules_served = class->stats.served;
	class->rules_lost = class->stats.lost;
	class->rules_violations = class->stats.violations;
	class->rules_delay_ns = 0;
}

/* --- what is told --- */

static void tell(struct qos_sch_class *class, enum qos_dwcs_flow_hook hook,
		 struct qos_flow_note *note, u64 now)
{
	if (!qos_flow_asks(class->rules, hook))
		return;
	note->backlog = class->qstats.backlog;
	note->rtt_ns = class->stats.rtt_ns;
	qos_flow_tell(class->rules, hook, note, now);
}

/* As inet_diag has it; fq looks at sockets here too. */
void qos_sch_flow_arrived(struct qos_sch_class *class, const struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;

	if (sk && sk_fullsock(sk) && sk_is_tcp(sk))
		class->stats.rtt_ns = (u64)(READ_ONCE(tcp_sk(sk)->srtt_us) >> 3) * NSEC_PER_USEC;
}

void qos_sch_flow_sent(struct qos_sch_class *class, bool late, u64 delay, u64 now)
{
	struct qos_flow_note note = {.late = late, .delay_ns = delay};

	class->rules_delay_ns = max(class->rules_delay_ns, delay);
	if (late)
		tell(class, QOS_DWCS_FLOW_HOOK_LATE, &note, now);
}

void qos_sch_flow_dropped(struct qos_sch_class *class, u64 delay, u64 now)
{
	struct qos_flow_note note = {.dropped = 1, .delay_ns = delay};

	class->rules_delay_ns = max(class->rules_delay_ns, delay);
	tell(class, QOS_DWCS_FLOW_HOOK_DROP, &note, now);
}

/* A window ended: the requests since the last. */
void qos_sch_flow_window(struct qos_sch_class *class, u64 now)
{
	const struct qos_sch_dwcs_class_stats *stats = &class->stats;
	struct qos_flow_note note = {
		.served = stats->served - class->rules_served,
		.lost = stats->lost - class->rules_lost,
		.violations = stats->violations - class->rules_violations,
		.delay_ns = class->rules_delay_ns,
	};

	class->rules_served = stats->served;
	class->rules_lost = stats->lost;
	class->rules_violations = stats->violations;
	class->rules_delay_ns = 0;
	tell(class, QOS_DWCS_FLOW_HOOK_WINDOW, &note, now);
}
