/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules want that run in a process, judged where the module does not: as bpf/chain.bpf.h judges what
 * programs want, with the guard's functions on the guard's tables.
 */
#include <bpf/bpf.h>

#include "guard.bpf.h"
#include "kern/chain_parts.h"

static enum qos_verdict set(struct qos_chain *chain, struct qos_guard_contract *contract,
			    const struct qos_chain_wish *wish, struct qos_change *change)
{
	struct qos_attribute *attribute =
		&chain->parts.tables->attributes[contract->first + change->index];
	struct qos_pool *pool = &chain->parts.tables->pools[attribute->pool];
	struct guard_claim claim;
	enum qos_verdict verdict;

	verdict = (enum qos_verdict)guard_claim(attribute, pool, wish->value, wish->now_ns, &claim);
	if (verdict != QOS_VERDICT_SET)
		return verdict;
	if (!guard_commit(attribute, pool, &claim))
		return QOS_REFUSED_BUSY;
	guard_return(pool, &claim);
	change->type = QOS_CHANGE_VALUE;
	change->stream = attribute->stream;
	change->old = claim.old;
	change->value = claim.value;
	return QOS_VERDICT_SET;
}

static enum qos_verdict emit(struct qos_guard_contract *contract, uint64_t now_ns,
			     struct qos_change *change)
{
	if (change->index >= contract->n_signals)
		return QOS_REFUSED_OWNER;
	if (now_ns < contract->signal_next_ns)
		return QOS_VERDICT_MUTED;
	contract->signal_next_ns = now_ns + QOS_SIGNAL_GAP_NS;
	change->type = QOS_CHANGE_SIGNAL;
	return QOS_VERDICT_EMIT;
}

/* As qos_judge of the programs; whoever is muted is not heard. */
enum qos_verdict qos_chain_request(struct qos_chain *chain, uint32_t number,
				   const struct qos_chain_wish *wish, struct qos_change *ret)
{
	struct qos_guard_contract *contract;
	enum qos_verdict verdict = QOS_REFUSED_OWNER;
	uint64_t kind = wish->attribute >> 16, index = wish->attribute & 0xffff;

	*ret = (struct qos_change){
		.contract = number, .index = (uint32_t)index, .now_ns = wish->now_ns};
	if (!qos_chain_entry(chain, number))
		return QOS_REFUSED_OWNER;
	contract = &chain->parts.tables->contracts[number];
	if (contract->muted)
		return QOS_REFUSED_HELD;
	if (kind == QOS_RULES_EMIT)
		verdict = emit(contract, wish->now_ns, ret);
	else if (index < contract->n_attributes &&
		 kind == chain->parts.tables->attributes[contract->first + index].kind)
		verdict = set(chain, contract, wish, ret);
	count(&contract->requests, 1);
	count(&contract->verdicts[verdict], 1);
	return verdict;
}
