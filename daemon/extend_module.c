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
#include "kern/proc.h"
#include "module.h"
#include "tell.h"

/* --- who --- */

static bool is_there(const struct qos_supervisor *supervisor, const struct qos_live_stream *stream)
{
	const struct qos_stream_grant *grant = qos_extension_reserved(supervisor, stream);

	return grant && grant->policy == QOS_POLICY_DWCS;
}

/* One of its streams is enough: then the others must be too. */
bool qos_extension_belongs_there(const struct qos_supervisor *supervisor,
				 const struct qos_live *live)
{
	for (size_t i = 0; qos_module_in_charge(supervisor) && i < live->n_streams; i++) {
		if (is_there(supervisor, &live->streams[i]))
			return true;
	}
	return false;
}

bool qos_extend_rules_it(const struct qos_live_stream *stream)
{
	const struct qos_extension *extension = stream->live->extension;

	return extension && extension->in_module && !extension->outdated && extension->pushed;
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
	return rules;
}

int qos_extension_push(struct qos_supervisor *supervisor, struct qos_live *live,
		       struct qos_diag *diag)
{
	struct qos_extension *extension = live->extension;
	struct qos_dwcs_rules rules = {.contract = live->contract->name,
				       .number = extension->number,
				       .n_signals = (uint32_t)extension->n_signals};
	_cleanup_free_ struct qos_dwcs_rules_stream *streams = NULL;
	int r;

	streams = calloc(live->n_streams, sizeof(*streams));
	if (!streams)
		return -ENOMEM;
	for (size_t i = 0; i < live->n_streams; i++) {
		if (is_there(supervisor, &live->streams[i]))
			streams[rules.n_streams++] = rules_of(supervisor, &live->streams[i]);
	}
	if (extension->pushed &&
	    !memcmp(extension->pushed, streams, live->n_streams * sizeof(*streams)))
		return 0;
	rules.streams = streams;
	r = qos_dwcs_set_rules(qos_module_genl(supervisor), &rules, diag);
	free(extension->pushed);
	extension->pushed = r == 0 ? TAKE_PTR(streams) : NULL;
	return r;
}

void qos_extension_pull(struct qos_supervisor *supervisor, struct qos_live *live)
{
	const struct qos_dwcs_rules none = {.contract = live->contract->name};

	if (!live->extension->pushed || !qos_module_in_charge(supervisor))
		return;
	qos_dwcs_set_rules(qos_module_genl(supervisor), &none, NULL);
	free(TAKE_PTR(live->extension->pushed));
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

void qos_extend_heard_signal(struct qos_supervisor *supervisor, const char *contract,
			     uint32_t signal)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];

		if (live->extension && live->extension->in_module &&
		    signal < live->extension->n_signals && !strcmp(live->contract->name, contract))
			qos_tell(supervisor, QOS_HISTORY_SIGNAL, contract, NULL, NULL, "%s",
				 live->extension->signals[signal]);
	}
}

void qos_extend_module_forgot(struct qos_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_extension *extension = supervisor->lives[i]->extension;

		if (extension)
			free(TAKE_PTR(extension->pushed));
	}
	if (supervisor->extender && supervisor->extender->shares)
		memset(supervisor->extender->shares, 0xff,
		       QOS_CPUS_MAX * sizeof(*supervisor->extender->shares));
}
