/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules of contracts that the module schedules. It raises their events and judges what they ask for; the
 * programs, their states and their numbers are the chain's (kern/chain.h), where the module's values are
 * mirrored, so that all else of extend*.c need not know where they come from.
 *
 * What the module is told is one message with everything: which events, which limits. It is sent where it
 * differs from the last one.
 *
 * Weakness: between a change in the kernel and its event, up to a tenth of a second later, the mirror
 * shows the value before. Nothing is decided by it that the module's guard does not decide itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "extend_parts.h"
#include "kern/genl_dwcs.h"
#include "kern/proc.h"
#include "module.h"
#include "tell.h"

/* --- who --- */

static bool is_there(const struct qos_supervisor *supervisor, const struct qos_live_stream *stream)
{
	const struct qos_stream_grant *grant = qos_extension_reserved(supervisor, stream);

	return grant && grant->policy == QOS_POLICY_DWCS;
}

static bool has_flow(const struct qos_supervisor *supervisor, const struct qos_live *live)
{
	for (size_t i = 0; i < live->contract->n_net; i++) {
		if (qos_network_flow(supervisor, live, i))
			return true;
	}
	return false;
}

/* One of its streams is enough: then the others must be too. Packets decide where there are no threads. */
bool qos_extend_belongs_there(const struct qos_supervisor *supervisor, const struct qos_live *live)
{
	if (!qos_module_in_charge(supervisor))
		return false;
	for (size_t i = 0; i < live->n_streams; i++) {
		if (is_there(supervisor, &live->streams[i]))
			return true;
	}
	return !live->n_streams && has_flow(supervisor, live);
}

bool qos_extend_in_module(const struct qos_live *live)
{
	return live->extension && live->extension->in_module && !live->extension->outdated;
}

bool qos_extend_rules_it(const struct qos_live_stream *stream)
{
	const struct qos_extension *extension = stream->live->extension;

	return qos_extend_in_module(stream->live) && extension->told.streams;
}

/* --- what it is told --- */

static uint32_t slot_of(const struct qos_extension *extension, enum qos_rule_event_kind kind,
			size_t stream)
{
	for (size_t i = 0; i < extension->n_programs; i++) {
		const struct qos_extension_program *program = &extension->programs[i];

		if (program->event.kind == kind && program->event.stream == stream)
			return program->slot;
	}
	return 0;
}

static struct qos_dwcs_rules_stream rules_of(const struct qos_supervisor *supervisor,
					     const struct qos_live_stream *stream)
{
	const struct qos_stream_grant *grant = qos_extension_reserved(supervisor, stream);
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	const struct qos_extension *extension = stream->live->extension;
	struct qos_dwcs_rules_stream rules;

	memset(&rules, 0, sizeof(rules)); /* they are compared byte by byte */
	rules.id = stream->id;
	rules.index = (uint32_t)stream->index;
	rules.step_ns = wish->runtime_range.step;
	rules.gap_ns = qos_extension_gap_ns(wish);
	rules.reserved_ns = grant ? grant->granted_ns : 0;
	rules.held = extension->quarantine || !qos_extension_can_set(stream, grant) ||
		     qos_overrides_find(supervisor->overrides, stream->live->contract->name,
					wish->name, "runtime");
	if (extension->quarantine)
		return rules;
	rules.program[QOS_DWCS_HOOK_JOB] = slot_of(extension, QOS_RULE_JOB, stream->index);
	rules.program[QOS_DWCS_HOOK_LATE] = slot_of(extension, QOS_RULE_LATE, stream->index);
	rules.program[QOS_DWCS_HOOK_WINDOW] = slot_of(extension, QOS_RULE_WINDOW, stream->index);
	rules.program[QOS_DWCS_HOOK_OVERRUN] = slot_of(extension, QOS_RULE_OVERRUN, stream->index);
	return rules;
}

static struct qos_dwcs_rules_flow rules_of_flow(const struct qos_supervisor *supervisor,
						const struct qos_live *live, size_t i)
{
	const struct qos_chain_attribute attribute =
		qos_extension_net_attribute(supervisor, live, i);
	const struct qos_net_stream *wish = &live->contract->net[i];
	const struct qos_extension *extension = live->extension;
	struct qos_dwcs_rules_flow rules;

	memset(&rules, 0, sizeof(rules)); /* they are compared byte by byte */
	rules.id = qos_network_flow(supervisor, live, i);
	rules.index = (uint32_t)(live->n_streams + i);
	rules.base_bps = (uint64_t)attribute.reserved;
	rules.lowest_bps = attribute.lo > 0 ? (uint64_t)attribute.lo : rules.base_bps;
	rules.highest_bps = (uint64_t)attribute.hi;
	rules.step_bps = (uint64_t)attribute.step;
	rules.reserved_bps = (uint64_t)attribute.reserved;
	rules.held = extension->quarantine || !qos_extension_can_set_rate(wish);
	if (rules.held)
		rules.rate_bps = rules.base_bps;
	if (extension->quarantine)
		return rules;
	rules.program[QOS_DWCS_FLOW_HOOK_LATE] = slot_of(extension, QOS_RULE_LATE, rules.index);
	rules.program[QOS_DWCS_FLOW_HOOK_DROP] = slot_of(extension, QOS_RULE_DROP, rules.index);
	rules.program[QOS_DWCS_FLOW_HOOK_WINDOW] = slot_of(extension, QOS_RULE_WINDOW, rules.index);
	return rules;
}

/* What it is to be told; not there: its interface is awaited. */
static int rules_of_all(const struct qos_supervisor *supervisor, const struct qos_live *live,
			struct qos_extension_told *ret)
{
	ret->streams = calloc(live->n_streams + 1, sizeof(*ret->streams));
	ret->flows = calloc(live->contract->n_net + 1, sizeof(*ret->flows));
	if (!ret->streams || !ret->flows)
		return -ENOMEM;
	for (size_t i = 0; i < live->n_streams; i++) {
		if (is_there(supervisor, &live->streams[i]))
			ret->streams[ret->n_streams++] = rules_of(supervisor, &live->streams[i]);
	}
	for (size_t i = 0; i < live->contract->n_net; i++) {
		const struct qos_dwcs_rules_flow flow = rules_of_flow(supervisor, live, i);

		if (flow.id && flow.base_bps)
			ret->flows[ret->n_flows++] = flow;
	}
	return 0;
}

static bool is_told(const struct qos_extension_told *a, const struct qos_extension_told *b)
{
	return a->streams && a->n_streams == b->n_streams && a->n_flows == b->n_flows &&
	       !memcmp(a->streams, b->streams, a->n_streams * sizeof(*a->streams)) &&
	       !memcmp(a->flows, b->flows, a->n_flows * sizeof(*a->flows));
}

/* Of packets alone: the service manager of threads has made no contract there. */
static int set_contract(struct qos_supervisor *supervisor, const struct qos_live *live,
			struct qos_diag *diag)
{
	const struct qos_contract *contract = live->contract;

	if (live->n_streams)
		return 0;
	return qos_dwcs_set_contract(qos_module_genl(supervisor), contract->name,
				     contract->on_lease_expiry, contract->on_drift, NULL, 0, diag);
}

static void delete_contract(struct qos_supervisor *supervisor, const struct qos_live *live)
{
	if (!live->n_streams)
		qos_dwcs_delete_contract(qos_module_genl(supervisor), live->contract->name);
}

static int tell_rules(struct qos_supervisor *supervisor, const struct qos_live *live,
		      const struct qos_extension_told *told, struct qos_diag *diag)
{
	const struct qos_dwcs_rules rules = {.contract = live->contract->name,
					     .number = live->extension->number,
					     .n_signals = (uint32_t)live->extension->n_signals,
					     .streams = told->streams,
					     .n_streams = told->n_streams,
					     .flows = told->flows,
					     .n_flows = told->n_flows};
	int r = set_contract(supervisor, live, diag);

	return r == 0 ? qos_dwcs_set_rules(qos_module_genl(supervisor), &rules, diag) : r;
}

int qos_extension_push(struct qos_supervisor *supervisor, struct qos_live *live,
		       struct qos_diag *diag)
{
	QOS_CLEANUP(qos_extension_told_reset) struct qos_extension_told told = {};
	struct qos_extension *extension = live->extension;
	int r = rules_of_all(supervisor, live, &told);

	if (r < 0 || is_told(&extension->told, &told))
		return r;
	r = tell_rules(supervisor, live, &told, diag);
	qos_extension_told_reset(&extension->told);
	if (r == 0) {
		extension->told = told;
		told = (struct qos_extension_told){};
	} else {
		delete_contract(supervisor, live);
	}
	return r;
}

void qos_extension_pull(struct qos_supervisor *supervisor, struct qos_live *live)
{
	const struct qos_dwcs_rules none = {.contract = live->contract->name};

	if (!live->extension->told.streams || !qos_module_in_charge(supervisor))
		return;
	qos_dwcs_set_rules(qos_module_genl(supervisor), &none, NULL);
	delete_contract(supervisor, live);
	qos_extension_told_reset(&live->extension->told);
}

void qos_extension_push_value(struct qos_supervisor *supervisor, const struct qos_live *live,
			      const struct qos_live_stream *stream, int64_t value)
{
	if (value > 0 && value != qos_chain_value(supervisor->extender->chain,
						  live->extension->number, stream->index))
		qos_dwcs_set_runtime(qos_module_genl(supervisor), stream->id, (uint64_t)value);
}

/* Harmless for a thread that is not attached yet: it is told again then. */
void qos_extension_push_key(struct qos_supervisor *supervisor, pid_t tid)
{
	uint32_t key = qos_chain_key(supervisor->extender->chain, tid);
	uint64_t start;

	if (key && qos_proc_start_time(tid, &start) == 0)
		qos_dwcs_set_key(qos_module_genl(supervisor), tid, start, key);
}

int qos_extension_push_tick(struct qos_supervisor *supervisor, struct qos_live *live,
			    uint32_t program)
{
	const struct qos_rules_frame *frame = qos_chain_frame(supervisor->extender->chain);

	return qos_dwcs_raise(qos_module_genl(supervisor), live->contract->name, program,
			      frame->stream, live->contract->n_cpu + live->contract->n_net);
}

/* --- the share of each CPU --- */

static void add_share(const struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		      uint64_t *shares)
{
	const struct qos_stream_grant *grant = qos_extension_reserved(supervisor, stream);
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	uint64_t cost;

	if (!grant || grant->policy != QOS_POLICY_DWCS)
		return;
	cost = ((grant->granted_ns << QOS_COST_SHIFT) + wish->period.ns - 1) / wish->period.ns;
	shares[qos_cpus_next(&grant->cpus, 0)] += cost * wish->max_threads;
}

/* What admission holds for the streams of a CPU is what they may have of it. It is sent only where there
 * are rules, and where it differs. */
void qos_extension_shares(struct qos_supervisor *supervisor)
{
	_cleanup_free_ uint64_t *shares = NULL;
	const struct qos_live_stream *stream;
	size_t pos = 0;

	if (!supervisor->extender || !supervisor->extender->shares ||
	    !qos_module_in_charge(supervisor))
		return;
	shares = calloc(QOS_CPUS_MAX, sizeof(*shares));
	while (shares && (stream = qos_table_next(&supervisor->streams, &pos)))
		add_share(supervisor, stream, shares);
	for (uint32_t cpu = 0; shares && cpu < (uint32_t)get_nprocs_conf(); cpu++) {
		uint32_t share = (uint32_t)shares[cpu];

		if (share == supervisor->extender->shares[cpu])
			continue;
		if (qos_dwcs_share(qos_module_genl(supervisor), cpu, share) == 0)
			supervisor->extender->shares[cpu] = share;
	}
}

/* --- what it says --- */

int qos_extension_counts(const struct qos_supervisor *supervisor, const struct qos_live *live,
			 struct qos_extension *extension, struct qos_guard_contract *ret)
{
	struct qos_dwcs_contract counts = {};
	int r;

	if (!extension->in_module) {
		qos_chain_counts(supervisor->extender->chain, extension->number, ret);
		return 0;
	}
	r = qos_dwcs_contract(qos_module_genl(supervisor), live->contract->name, &counts);
	*ret = (struct qos_guard_contract){
		.runs = counts.raised, .run_ns = counts.run_ns, .dropped = counts.dropped};
	memcpy(ret->verdicts, counts.verdicts, sizeof(ret->verdicts));
	for (int i = 0; i < QOS_VERDICTS; i++)
		ret->requests += counts.verdicts[i];
	if (r == 0)
		extension->reversals = counts.reversals; /* events leave some out */
	return r;
}

bool qos_extend_heard_value(struct qos_supervisor *supervisor, uint32_t id, uint64_t runtime_ns)
{
	const struct qos_live_stream *stream = qos_table_get(&supervisor->streams, id);
	struct qos_chain *chain;
	int64_t old;

	if (!stream || !qos_extend_rules_it(stream))
		return false;
	chain = supervisor->extender->chain;
	old = qos_chain_value(chain, stream->live->extension->number, stream->index);
	if (old == (int64_t)runtime_ns)
		return false;
	qos_chain_set(chain, stream->live->extension->number, stream->index, (int64_t)runtime_ns,
		      true);
	return true;
}

static struct qos_live *live_there(const struct qos_supervisor *supervisor, const char *contract)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->extension && live->extension->in_module &&
		    !strcmp(live->contract->name, contract))
			return live;
	}
	return NULL;
}

/* The class follows by itself. */
void qos_extend_heard_rate(struct qos_supervisor *supervisor, const char *contract, uint32_t index,
			   uint64_t rate_bps)
{
	struct qos_live *live = live_there(supervisor, contract);
	struct qos_chain *chain;
	struct qos_change change;

	if (!live || index < live->n_streams || index >= live->n_streams + live->extension->n_net ||
	    !qos_extend_in_module(live))
		return;
	chain = supervisor->extender->chain;
	change = (struct qos_change){.index = index,
				     .old = qos_chain_value(chain, live->extension->number, index),
				     .value = (int64_t)rate_bps};
	if (change.old == change.value)
		return;
	qos_chain_set(chain, live->extension->number, index, change.value, true);
	qos_extension_tell_rate(supervisor, live, &change);
}

void qos_extend_heard_signal(struct qos_supervisor *supervisor, const char *contract,
			     uint32_t signal)
{
	const struct qos_live *live = live_there(supervisor, contract);

	if (live && signal < live->extension->n_signals)
		qos_tell(supervisor, QOS_HISTORY_SIGNAL, contract, NULL, NULL, "%s",
			 live->extension->signals[signal]);
}

void qos_extend_module_forgot(struct qos_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_extension *extension = supervisor->lives[i]->extension;

		if (extension)
			qos_extension_told_reset(&extension->told);
	}
	if (supervisor->extender && supervisor->extender->shares)
		memset(supervisor->extender->shares, 0xff,
		       QOS_CPUS_MAX * sizeof(*supervisor->extender->shares));
}
