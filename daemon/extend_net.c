/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules over network streams. Ticks have their metrics (extend_metrics.c); a rate that the guard let pass is carried out as
 * any other change of the queue. Their attributes are behind those of the cpu streams.
 *
 * A rule moves a rate within the contract's range and not above what admission gave, which is the
 * contract's own rate.
 *
 * Where the module has the queue and the rules, its classes follow by themselves (extend_module.c), and the chain
 * mirrors their rates. Weakness elsewhere: the change reaches the queue through this process, some milliseconds
 * after the tick.
 */
#include <stdlib.h>
#include <string.h>

#include "extend_parts.h"

#define SECOND_NS 1000000000ULL

static uint64_t reserved_for(const struct qos_supervisor *supervisor, const struct qos_live *live,
			     size_t i)
{
	const struct qos_grant *grant = qos_ledger_grant(supervisor->ledger, live->contract->name);

	return grant && i < grant->n_net ? grant->net[i].granted_bps : 0;
}

bool qos_extension_can_set_rate(const struct qos_net_stream *wish)
{
	return wish->rate_range.set && wish->manage == QOS_MANAGE_SCHEDULE;
}

struct qos_chain_attribute qos_extension_net_attribute(const struct qos_supervisor *supervisor,
						       const struct qos_live *live, size_t i)
{
	const struct qos_net_stream *wish = &live->contract->net[i];
	int64_t reserved = (int64_t)reserved_for(supervisor, live, i);

	return (struct qos_chain_attribute){
		.value = reserved,
		.lo = qos_extension_can_set_rate(wish) ? (int64_t)wish->rate_range.lo : 0,
		.hi = qos_extension_can_set_rate(wish) ? (int64_t)wish->rate_range.hi : reserved,
		.step = (int64_t)wish->rate_range.step,
		.reserved = reserved,
		.period_ns = SECOND_NS,
		.pool = live->n_streams + i,
		.kind = QOS_RULES_NET_RATE,
	};
}

void qos_extension_net_hold(struct qos_supervisor *supervisor, const struct qos_live *live)
{
	const struct qos_extension *extension = live->extension;
	struct qos_chain *chain = supervisor->extender->chain;

	for (size_t i = 0; i < live->contract->n_net; i++) {
		size_t at = live->n_streams + i;
		bool hold = extension->quarantine ||
			    !qos_extension_can_set_rate(&live->contract->net[i]);
		int64_t value = hold ? (int64_t)reserved_for(supervisor, live, i)
				     : qos_chain_value(chain, extension->number, at);

		qos_chain_set(chain, extension->number, at, value, hold || extension->in_module);
	}
}

bool qos_extend_net_rate(const struct qos_supervisor *supervisor, const struct qos_live *live,
			 size_t i, uint64_t *rate_bps)
{
	const struct qos_extension *extension = live->extension;
	int64_t value;

	if (!extension || extension->outdated || extension->n_net != live->contract->n_net ||
	    !qos_extension_can_set_rate(&live->contract->net[i]))
		return false;
	value = qos_chain_value(supervisor->extender->chain, extension->number,
				live->n_streams + i);
	if (value <= 0)
		return false; /* its interface was awaited */
	*rate_bps = (uint64_t)value;
	return true;
}
