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
