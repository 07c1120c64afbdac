/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What rules may set.
 *
 * A stream's budget is what admission reserves for it, and no other's: a sum of utilisations is
 * not a proof under every test, but a runtime below one that was admitted is. So what rules may set is
 * reserved first, up to the top of the range as far as it is free; others get it back by admission's own
 * rules, and the value in force comes down with the grant.
 */
#include <errno.h>
#include <stdlib.h>

#include "extend_parts.h"

#define RESERVE_TRIES 4

const struct qos_stream_grant *qos_extension_reserved(const struct qos_supervisor *supervisor,
						      const struct qos_live_stream *stream)
{
	const struct qos_grant *grant =
		qos_ledger_grant(supervisor->ledger, stream->live->contract->name);

	return grant ? &grant->streams[stream->index] : NULL;
}

static bool is_settable(const struct qos_cpu_stream *wish)
{
	return wish->runtime_range.set && wish->manage == QOS_MANAGE_SCHEDULE;
}

/* What was only simulated was simulated at one runtime, and is not kept at every lower one. So rules move
 * it only where the contract takes less than that. */
bool qos_extension_can_set(const struct qos_live_stream *stream,
			   const struct qos_stream_grant *grant)
{
	return is_settable(qos_live_wish(stream)) && grant && grant->policy != QOS_POLICY_NONE &&
	       (grant->guarantee != QOS_SIMULATED ||
		stream->live->contract->accept == QOS_BEST_EFFORT);
}

static const struct qos_override *override_of(const struct qos_supervisor *supervisor,
					      const struct qos_live_stream *stream)
{
	return qos_overrides_find(supervisor->overrides, stream->live->contract->name,
				  qos_live_wish(stream)->name, "runtime");
}

/* What cannot be set stays where it is: its range is its value. */
static struct qos_chain_attribute attribute_of(const struct qos_supervisor *supervisor,
					       const struct qos_live_stream *stream)
{
	const struct qos_stream_grant *grant = qos_extension_reserved(supervisor, stream);
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	int64_t reserved = grant ? (int64_t)grant->granted_ns : 0;
	int64_t base = (int64_t)wish->runtime_ns < reserved ? (int64_t)wish->runtime_ns : reserved;
	bool settable = qos_extension_can_set(stream, grant);

	return (struct qos_chain_attribute){
		.stream = stream->id,
		.value = base,
		.lo = settable ? (int64_t)wish->runtime_range.lo : 0,
		.hi = settable ? (int64_t)wish->runtime_range.hi : base,
		.step = (int64_t)wish->runtime_range.step,
		.reserved = reserved,
		.period_ns = wish->period.ns,
		.gap_ns = qos_extension_gap_ns(wish),
		.pool = stream->index,
	};
}

/* The caller frees ret->attributes. */
int qos_extension_plan(const struct qos_supervisor *supervisor, const struct qos_live *live,
		       struct qos_chain_contract *ret)
{
	struct qos_chain_attribute *attributes =
		calloc(live->n_streams + live->contract->n_net + 1, sizeof(*attributes));

	if (!attributes)
		return -ENOMEM;
	for (size_t i = 0; i < live->n_streams; i++)
		attributes[live->streams[i].index] = attribute_of(supervisor, &live->streams[i]);
	for (size_t i = 0; i < live->contract->n_net; i++)
		attributes[live->n_streams + i] = qos_extension_net_attribute(supervisor, live, i);
	ret->attributes = attributes;
	ret->n_attributes = live->n_streams + live->contract->n_net;
	return 0;
}

/* What a person adjusted, what is in quarantine, and what rules cannot set, is held. */
void qos_extension_hold(struct qos_supervisor *supervisor, const struct qos_live *live)
{
	const struct qos_extension *extension = live->extension;

	for (size_t i = 0; i < live->n_streams; i++) {
		const struct qos_live_stream *stream = &live->streams[i];
		const struct qos_chain_attribute attribute = attribute_of(supervisor, stream);
		bool by_person = override_of(supervisor, stream);
		bool hold =
			by_person || extension->quarantine ||
			!qos_extension_can_set(stream, qos_extension_reserved(supervisor, stream));
		int64_t value = qos_chain_value(supervisor->extender->chain, extension->number,
						stream->index);

		if (by_person)
			value = attribute.reserved;
		else if (hold)
			value = attribute.value;
		if (hold && extension->in_module)
			qos_extension_push_value(supervisor, live, stream, value);
		qos_chain_set(supervisor->extender->chain, extension->number, stream->index, value,
			      hold || extension->in_module);
	}
	qos_extension_net_hold(supervisor, live);
}

void qos_extension_limits(struct qos_supervisor *supervisor, struct qos_live *live)
{
	struct qos_chain_contract plan = {};

	if (qos_extension_plan(supervisor, live, &plan) < 0)
		return;
	qos_chain_change(supervisor->extender->chain, live->extension->number, &plan);
	free((void *)plan.attributes);
	if (live->extension->in_module)
		qos_extension_push(supervisor, live, NULL);
	qos_extension_hold(supervisor, live);
}

void qos_extend_limits(struct qos_supervisor *supervisor)
{
	qos_extension_shares(supervisor);
	for (size_t i = 0; supervisor->extender && i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->extension && live->state == QOS_LIVE_IN_FORCE &&
		    live->extension->n_streams == live->n_streams &&
		    live->extension->n_net == live->contract->n_net)
			qos_extension_limits(supervisor, live);
	}
}

bool qos_extend_in_force(const struct qos_supervisor *supervisor,
			 const struct qos_live_stream *stream, struct qos_stream_grant *grant)
{
	const struct qos_extension *extension = stream->live->extension;

	if (!extension || extension->outdated || !is_settable(qos_live_wish(stream)) ||
	    grant->policy == QOS_POLICY_NONE ||
	    extension->in_module != (grant->policy == QOS_POLICY_DWCS))
		return false;
	grant->granted_ns = (uint64_t)qos_chain_value(supervisor->extender->chain,
						      extension->number, stream->index);
	return true;
}

/* As much of the range as can be had: its top, or the best of a few tries below it. */
static bool reserve_stream(struct qos_supervisor *supervisor, const struct qos_live_stream *stream)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	const struct qos_stream_grant *grant = qos_extension_reserved(supervisor, stream);
	uint64_t low, wanted = wish->runtime_range.hi;

	if (!qos_extension_can_set(stream, grant) || grant->granted_ns >= wanted ||
	    override_of(supervisor, stream))
		return false;
	low = grant->granted_ns;
	for (int i = 0; i < RESERVE_TRIES && wanted > low; i++) {
		int r;

		qos_ledger_begin(supervisor->ledger);
		r = qos_ledger_change(supervisor->ledger, stream->live->contract->name, wish->name,
				      wanted, false, NULL);
		if (r) {
			qos_ledger_rollback(supervisor->ledger);
		} else {
			qos_ledger_commit(supervisor->ledger);
			return true;
		}
		wanted = low + (wanted - low) / 2;
	}
	return false;
}

bool qos_extension_reserve(struct qos_supervisor *supervisor, struct qos_live *live)
{
	bool changed = false;

	for (size_t i = 0; i < live->n_streams; i++)
		changed |= reserve_stream(supervisor, &live->streams[i]);
	return changed;
}
