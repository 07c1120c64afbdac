/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules in the slow loop: what they want beyond their reservation is asked of admission, and who goes
 * wrong (adapt/quarantine.h) is taken out of service, until a person puts it back.
 */
#include <errno.h>

#include "extend_parts.h"
#include "stats.h"
#include "tell.h"

static uint64_t violations_of(struct qos_supervisor *supervisor, const struct qos_live *live)
{
	struct qos_stream_stats stats;
	uint64_t sum = 0;

	for (size_t i = 0; i < live->n_streams; i++) {
		if (qos_stats_read(supervisor, &live->streams[i], &stats))
			sum += stats.violations;
	}
	return sum;
}

static bool is_above_base(const struct qos_live *live)
{
	for (size_t i = 0; i < live->n_streams; i++) {
		if (live->streams[i].applied.granted_ns >
		    qos_live_wish(&live->streams[i])->runtime_ns)
			return true;
	}
	return false;
}

static uint64_t grown(const struct qos_guard_contract *now, const struct qos_guard_contract *seen,
		      enum qos_verdict verdict)
{
	return qos_extension_since(now->verdicts[verdict], seen->verdicts[verdict]);
}

static struct qos_quarantine_signal signal_of(struct qos_live *live,
					      const struct qos_guard_contract *now,
					      uint64_t all_violations)
{
	static const enum qos_verdict counts[] = {QOS_REFUSED_OWNER, QOS_REFUSED_RANGE,
						  QOS_REFUSED_STEP, QOS_REFUSED_BUDGET};
	static const enum qos_verdict harmless[] = {QOS_REFUSED_RATE, QOS_REFUSED_HELD,
						    QOS_REFUSED_BUSY, QOS_VERDICT_MUTED};
	struct qos_extension *extension = live->extension;
	struct qos_quarantine_signal signal = {.above_base = is_above_base(live)};

	signal.breaches = qos_extension_since(now->breaches, extension->seen.breaches);
	signal.requests = qos_extension_since(now->requests, extension->seen.requests);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(harmless); i++)
		signal.requests -= grown(now, &extension->seen, harmless[i]);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(counts); i++)
		signal.refused += grown(now, &extension->seen, counts[i]);
	signal.changes = grown(now, &extension->seen, QOS_VERDICT_SET);
	signal.reversals = qos_extension_since(extension->reversals, extension->reversals_seen);
	signal.violations = qos_extension_since(extension->violations, extension->violations_seen);
	if (all_violations > signal.violations)
		signal.others_violations = all_violations - signal.violations;
	extension->reversals_seen = extension->reversals;
	extension->violations_seen = extension->violations;
	extension->seen = *now;
	return signal;
}

/* What all contracts violated since the last turn; the sum of each one with rules is noted. */
static uint64_t count_violations(struct qos_supervisor *supervisor)
{
	uint64_t before = supervisor->extender->violations_seen, sum = 0;

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];
		uint64_t violations = violations_of(supervisor, live);

		if (live->extension)
			live->extension->violations = violations;
		sum += violations;
	}
	supervisor->extender->violations_seen = sum;
	return sum > before ? sum - before : 0;
}

/* Without rules there is nobody to judge, and nothing is read. */
static bool any_rules(const struct qos_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		if (supervisor->lives[i]->extension)
			return true;
	}
	return false;
}

/* true: the ledger changed. */
static bool judge(struct qos_supervisor *supervisor, struct qos_live *live, uint64_t all_violations)
{
	struct qos_quarantine_signal signal;
	struct qos_guard_contract now;
	enum qos_quarantine cause;
	bool changed = false;

	if (qos_extension_counts(supervisor, live, live->extension, &now) < 0)
		return false;
	/* Refused for its budget: more is asked of admission than it had to give before. */
	if (grown(&now, &live->extension->seen, QOS_REFUSED_BUDGET))
		changed = qos_extension_reserve(supervisor, live);
	signal = signal_of(live, &now, all_violations);
	cause = qos_quarantine_step(&live->extension->suspicion, &signal);
	if (cause)
		qos_extension_quarantine(supervisor, live, cause);
	return changed;
}

void qos_extend_turn(struct qos_supervisor *supervisor)
{
	bool changed = false;
	uint64_t violations;

	if (!supervisor->extender)
		return;
	if (!any_rules(supervisor)) {
		supervisor->extender->violations_seen = UINT64_MAX; /* nothing to compare with */
		return;
	}
	violations = count_violations(supervisor);
	qos_extension_find_late(supervisor);
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->extension && !live->extension->outdated && !live->extension->quarantine)
			changed |= judge(supervisor, live, violations);
	}
	if (changed)
		qos_supervisor_reconcile(supervisor);
}

void qos_extension_quarantine(struct qos_supervisor *supervisor, struct qos_live *live,
			      enum qos_quarantine cause)
{
	struct qos_extension *extension = live->extension;

	extension->quarantine = cause;
	if (cause)
		qos_extension_sandbox_end(extension);
	extension->suspicion = (struct qos_quarantine_state){};
	qos_chain_mute(supervisor->extender->chain, extension->number, cause);
	if (extension->in_module)
		qos_extension_push(supervisor, live, NULL);
	qos_extension_hold(supervisor, live);
	qos_supervisor_reconcile(supervisor);
	if (cause)
		qos_tell(supervisor, QOS_HISTORY_QUARANTINED, live->contract->name, NULL, NULL,
			 "its rules are out of service, its runtimes are the contract's: %s; "
			 "qosctl readmit %s puts them back",
			 qos_quarantine_causes[cause], live->contract->name);
	else
		qos_tell(supervisor, QOS_HISTORY_QUARANTINED, live->contract->name, NULL, NULL,
			 "its rules are in service again");
}

/* --- persons --- */

int qos_extend_readmit(struct qos_supervisor *supervisor, const char *contract,
		       struct qos_diag *diag, json_t **ret_json)
{
	struct qos_live *live;
	int r = qos_supervisor_in_force(supervisor, contract, diag, &live);

	if (r)
		return r;
	if (!live->extension || !live->extension->quarantine) {
		qos_diag_error(diag, NULL, "%s: its rules are not in quarantine", contract);
		qos_diag_hint(diag, "qosctl show %s has their state", contract);
		return QOS_SUPERVISOR_E_REFUSED;
	}
	qos_extension_counts(supervisor, live, live->extension, &live->extension->seen);
	if (live->extension->in_process)
		r = qos_extension_sandbox_begin(supervisor, live, live->extension, true, diag);
	if (r < 0)
		return diag->n_errors ? QOS_SUPERVISOR_E_REFUSED : r;
	qos_extension_quarantine(supervisor, live, QOS_QUARANTINE_NONE);
	*ret_json = json_pack("{si ss}", "schema", 1, "contract", contract);
	return *ret_json ? 0 : -ENOMEM;
}
