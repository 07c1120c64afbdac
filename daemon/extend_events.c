/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What comes back from the kernel: values that the guard let pass are carried out, signals are told;
 * and who goes wrong is taken out of service. All records of a moment are read first, then one
 * reconciliation lowers before it raises, so what is carried out is never above what is reserved.
 */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "extend_parts.h"
#include "module.h"
#include "stats.h"
#include "tell.h"

void qos_extend_open(struct qos_supervisor *supervisor)
{
	struct qos_extender *extender;
	int r = -ENOMEM;

	if (!supervisor->monitor)
		return;
	extender = calloc(1, sizeof(*extender));
	if (extender)
		r = qos_chain_new(supervisor->monitor, supervisor->options.run_dir,
				  supervisor->originals ? supervisor->options.pin_dir : NULL,
				  &extender->chain);
	if (r == 0) {
		extender->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		r = extender->timer_fd < 0 ? -errno : 0;
	}
	if (r == 0) {
		supervisor->extender = extender;
		return;
	}
	if (extender)
		qos_chain_free(extender->chain);
	free(extender);
	qos_diag_add(&supervisor->diag, QOS_WARNING, NULL, "rules of contracts do not run: %s",
		     strerror(-r));
}

void qos_extend_close(struct qos_supervisor *supervisor)
{
	if (!supervisor->extender)
		return;
	qos_extend_drop_all(supervisor);
	qos_chain_free(supervisor->extender->chain);
	close(supervisor->extender->timer_fd);
	free(TAKE_PTR(supervisor->extender));
}

int qos_extend_fd(const struct qos_supervisor *supervisor)
{
	return supervisor->extender ? qos_chain_fd(supervisor->extender->chain) : -1;
}

int qos_extend_timer_fd(const struct qos_supervisor *supervisor)
{
	return supervisor->extender ? supervisor->extender->timer_fd : -1;
}

/* --- records --- */

struct batch {
	struct qos_supervisor *supervisor;
	bool changed;
};

static struct qos_live *find_live(const struct qos_supervisor *supervisor, uint32_t number)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->extension && live->extension->number == number)
			return live;
	}
	return NULL;
}

static void on_value(struct qos_extension *extension, const struct qos_change *change)
{
	int64_t step = change->value > change->old ? 1 : -1;

	if (extension->last_step && step != extension->last_step)
		extension->reversals++;
	extension->last_step = step;
}

static void on_change(void *data, const struct qos_change *change)
{
	struct batch *batch = data;
	struct qos_live *live = find_live(batch->supervisor, change->contract);

	if (!live)
		return;
	switch ((enum qos_change_type)change->type) {
	case QOS_CHANGE_VALUE:
		on_value(live->extension, change);
		batch->changed = true;
		return;
	case QOS_CHANGE_SIGNAL:
		if (change->index < live->extension->n_signals)
			qos_tell(batch->supervisor, QOS_HISTORY_SIGNAL, live->contract->name, NULL,
				 NULL, "%s", live->extension->signals[change->index]);
		return;
	case QOS_CHANGE_BREACH:
		if (!live->extension->quarantine)
			qos_extension_quarantine(batch->supervisor, live, QOS_QUARANTINE_BREACH);
		return;
	}
}

void qos_extend_dispatch(struct qos_supervisor *supervisor)
{
	struct batch batch = {.supervisor = supervisor};

	if (qos_chain_dispatch(supervisor->extender->chain, on_change, &batch) > 0 && batch.changed)
		qos_supervisor_reconcile(supervisor);
}

/* --- the slow loop --- */

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
	return now->verdicts[verdict] - seen->verdicts[verdict];
}

static struct qos_quarantine_signal signal_of(struct qos_supervisor *supervisor,
					      struct qos_live *live, uint64_t all_violations)
{
	static const enum qos_verdict counts[] = {QOS_REFUSED_OWNER, QOS_REFUSED_RANGE,
						  QOS_REFUSED_STEP, QOS_REFUSED_BUDGET};
	static const enum qos_verdict harmless[] = {QOS_REFUSED_RATE, QOS_REFUSED_HELD,
						    QOS_REFUSED_BUSY, QOS_VERDICT_MUTED};
	struct qos_extension *extension = live->extension;
	struct qos_quarantine_signal signal = {.above_base = is_above_base(live)};
	uint64_t violations = violations_of(supervisor, live);
	struct qos_guard_contract now;

	qos_chain_counts(supervisor->extender->chain, extension->number, &now);
	signal.breaches = now.breaches - extension->seen.breaches;
	signal.requests = now.requests - extension->seen.requests;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(harmless); i++)
		signal.requests -= grown(&now, &extension->seen, harmless[i]);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(counts); i++)
		signal.refused += grown(&now, &extension->seen, counts[i]);
	signal.changes = grown(&now, &extension->seen, QOS_VERDICT_SET);
	signal.reversals = extension->reversals - extension->reversals_seen;
	signal.violations = violations - extension->violations_seen;
	if (all_violations > signal.violations)
		signal.others_violations = all_violations - signal.violations;
	extension->reversals_seen = extension->reversals;
	extension->violations_seen = violations;
	extension->seen = now;
	return signal;
}

/* What all contracts violated since the last turn. */
static uint64_t all_violations(struct qos_supervisor *supervisor)
{
	uint64_t before = supervisor->extender->violations_seen, sum = 0;

	for (size_t i = 0; i < supervisor->n_lives; i++)
		sum += violations_of(supervisor, supervisor->lives[i]);
	supervisor->extender->violations_seen = sum;
	return sum > before ? sum - before : 0;
}

/* Refused for its budget: more is asked of admission than it had to give before. */
static bool wants_budget(const struct qos_supervisor *supervisor, const struct qos_live *live)
{
	struct qos_guard_contract now;

	qos_chain_counts(supervisor->extender->chain, live->extension->number, &now);
	return grown(&now, &live->extension->seen, QOS_REFUSED_BUDGET) > 0;
}

void qos_extend_turn(struct qos_supervisor *supervisor)
{
	bool changed = false;
	uint64_t violations;

	if (!supervisor->extender)
		return;
	violations = all_violations(supervisor);
	qos_extension_find_late(supervisor);
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];
		struct qos_quarantine_signal signal;
		enum qos_quarantine cause;

		if (!live->extension || live->extension->outdated || live->extension->quarantine)
			continue;
		if (wants_budget(supervisor, live))
			changed |= qos_extension_reserve(supervisor, live);
		signal = signal_of(supervisor, live, violations);
		cause = qos_quarantine_step(&live->extension->suspicion, &signal);
		if (cause)
			qos_extension_quarantine(supervisor, live, cause);
	}
	if (changed)
		qos_supervisor_reconcile(supervisor);
}

/* --- persons --- */

int qos_extend_readmit(struct qos_supervisor *supervisor, const char *contract,
		       struct qos_diag *diag, json_t **ret_json)
{
	struct qos_live *live = qos_supervisor_find(supervisor, contract);

	if (!live || live->state != QOS_LIVE_IN_FORCE) {
		qos_diag_error(diag, NULL, "%s: %s", contract,
			       live ? "the contract is not in force" : "no such contract");
		qos_diag_hint(diag, "qosctl list shows all of them");
		return QOS_SUPERVISOR_E_NO_CONTRACT;
	}
	if (!live->extension || !live->extension->quarantine) {
		qos_diag_error(diag, NULL, "%s: its rules are not in quarantine", contract);
		qos_diag_hint(diag, "qosctl show %s has their state", contract);
		return QOS_SUPERVISOR_E_REFUSED;
	}
	qos_chain_counts(supervisor->extender->chain, live->extension->number,
			 &live->extension->seen);
	qos_extension_quarantine(supervisor, live, QOS_QUARANTINE_NONE);
	*ret_json = json_pack("{si ss}", "schema", 1, "contract", contract);
	return *ret_json ? 0 : -ENOMEM;
}

/* Why rules that could be loaded are not. */
static const char *reason_not_loaded(const struct qos_supervisor *supervisor,
				     const struct qos_live *live)
{
	if (supervisor->panicked)
		return NULL;
	if (live->rules_failed)
		return "they could not be loaded";
	if (!supervisor->monitor)
		return "there is no monitor";
	if (live->contract->placement != QOS_PLACEMENT_KERNEL)
		return "placement: user is not served yet";
	if (qos_module_in_charge(supervisor))
		return "under the module qos_dwcs they are not served yet";
	return NULL;
}

bool qos_extend_problem(const struct qos_supervisor *supervisor, const struct qos_live *live,
			char *buf, size_t size, const char **ret_hint)
{
	const struct qos_extension *extension = live->extension;
	const char *reason;

	if (live->state != QOS_LIVE_IN_FORCE || !live->contract || !live->contract->n_rules)
		return false;
	if (extension && !extension->quarantine)
		return false;
	reason = extension ? qos_quarantine_causes[extension->quarantine]
			   : reason_not_loaded(supervisor, live);
	if (!reason)
		return false;
	snprintf(buf, size, "its rules %s: %s", extension ? "are in quarantine" : "do not run",
		 reason);
	*ret_hint = extension ? "qosctl events says since when; qosctl readmit puts them back"
		    : live->rules_failed ? "qosctl events has the words; qosctl reload tries again"
					 : "its runtimes stay as the contract has them";
	return true;
}

static const char *const refusal_names[QOS_VERDICTS] = {
	[QOS_REFUSED_OWNER] = "owner",	 [QOS_REFUSED_RANGE] = "range", [QOS_REFUSED_STEP] = "step",
	[QOS_REFUSED_BUDGET] = "budget", [QOS_REFUSED_RATE] = "rate",	[QOS_REFUSED_HELD] = "held",
	[QOS_REFUSED_BUSY] = "busy",
};

json_t *qos_extend_json(const struct qos_supervisor *supervisor, const struct qos_live *live)
{
	const struct qos_extension *extension = live->extension;
	struct qos_guard_contract counts = {};
	json_t *refused = json_object();

	if (!live->contract || !live->contract->n_rules || !extension) {
		json_decref(refused);
		if (!live->contract || !live->contract->n_rules)
			return json_null();
		return json_pack("{ss sn}", "state", live->rules_failed ? "failed" : "not loaded",
				 "cause");
	}
	qos_chain_counts(supervisor->extender->chain, extension->number, &counts);
	for (int i = QOS_REFUSED_FIRST; i < QOS_VERDICTS; i++)
		json_object_set_new(refused, refusal_names[i],
				    json_integer((json_int_t)counts.verdicts[i]));
	return json_pack(
		"{ss so sI sI sI sf sI sI so sI sI sI sI}", "state",
		extension->quarantine ? "quarantined" : "running", "cause",
		extension->quarantine ? json_string(qos_quarantine_causes[extension->quarantine])
				      : json_null(),
		"programs", (json_int_t)extension->n_programs, "instructions",
		(json_int_t)extension->n_insns, "runs", (json_int_t)counts.runs, "ns_a_run",
		counts.runs ? (double)counts.run_ns / (double)counts.runs : 0.0, "requests",
		(json_int_t)counts.requests, "set", (json_int_t)counts.verdicts[QOS_VERDICT_SET],
		"refused", refused, "signals", (json_int_t)counts.verdicts[QOS_VERDICT_EMIT],
		"signals_muted", (json_int_t)counts.verdicts[QOS_VERDICT_MUTED], "breaches",
		(json_int_t)counts.breaches, "dropped", (json_int_t)counts.dropped);
}
