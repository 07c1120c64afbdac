/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of contracts with `placement: user`. What stands in a slot then is not the contract's rules but
 * a program that copies the event into the contract's own ring buffer (forward.h). What the rules want
 * comes back from a process; the daemon judges it here, with the guard's functions on the guard's
 * tables, unless the module does.
 *
 * Weakness: an event for which the ring has no room is lost (and counted): a rule that counts events
 * counts too few then.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "guard.bpf.h"
#include "kern/chain_parts.h"
#include "kern/forward.h"
#include "kern/probe.h"

static int make_ring(struct qos_chain_entry *entry)
{
	int fd;

	if (entry->ring_fd >= 0)
		return 0;
	fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "qos_forward", 0, 0, QOS_CHAIN_RING_BYTES, NULL);
	if (fd < 0)
		return -errno;
	entry->ring_fd = fd;
	return 0;
}

static int complain(struct qos_diag *diag, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice("bpf(PROG_LOAD)", -error);

	qos_diag_error(diag, NULL, "events cannot be handed to a process: %s: %s", strerror(-error),
		       advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
	return error;
}

/* What a program of that lane is loaded with. */
static struct qos_prog_type set_lane(const struct qos_chain *chain, enum qos_chain_lane lane,
				     struct qos_forward *forward)
{
	const struct qos_chain_parts *parts = &chain->parts;

	switch (lane) {
	case QOS_CHAIN_SWITCH:
		forward->frame_fd = parts->frame_fd;
		forward->guard_fd = parts->guard_fd;
		return chain->type;
	case QOS_CHAIN_RAW:
		forward->frame_fd = parts->frame_raw_fd;
		forward->guard_fd = parts->guard_raw_fd;
		break;
	case QOS_CHAIN_MODULE:
		forward->kfunc = chain->module.btf.kfunc;
		return (struct qos_prog_type){.attach_btf_id = chain->module.btf.tracepoint,
					      .btf_fd = chain->module.btf.fd};
	}
	return (struct qos_prog_type){};
}

int qos_chain_forward(struct qos_chain *chain, uint32_t number, enum qos_chain_lane lane,
		      uint32_t program, size_t n_streams, struct qos_diag *diag, uint32_t *slot)
{
	struct qos_chain_entry *entry = qos_chain_entry(chain, number);
	struct qos_forward forward = {.program = program, .n_streams = n_streams};
	struct qos_prog_type type;
	_cleanup_close_ int fd = -1;
	int r;

	if (!entry || !n_streams || n_streams > QOS_RULES_STREAMS_MAX ||
	    (lane == QOS_CHAIN_MODULE && !chain->module.skeleton))
		return -EINVAL;
	type = set_lane(chain, lane, &forward);
	r = make_ring(entry);
	if (r < 0)
		return complain(diag, r);
	forward.ring_fd = entry->ring_fd;
	fd = qos_forward_load(&forward, &type);
	return fd < 0 ? complain(diag, fd) : qos_chain_put(chain, number, lane, fd, diag, slot);
}

int qos_chain_ring_fd(struct qos_chain *chain, uint32_t number)
{
	const struct qos_chain_entry *entry = qos_chain_entry(chain, number);

	return entry ? entry->ring_fd : -1;
}

int qos_chain_state_fd(struct qos_chain *chain, uint32_t number)
{
	const struct qos_chain_entry *entry = qos_chain_entry(chain, number);

	return entry ? entry->state_fd : -1;
}

/* --- what comes back --- */

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
