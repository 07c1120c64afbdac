/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What comes back from the kernel: values that the guard let pass are carried out, signals are told, a
 * breach takes the rules out of service. All records of a moment are read first, then one
 * reconciliation lowers before it raises, so what is carried out is never above what is reserved.
 */
#include "extend_parts.h"
#include "tell.h"
#include "util/units.h"

struct batch {
	struct qos_supervisor *supervisor;
	bool changed;
};

static struct qos_live *find_live(const struct qos_supervisor *supervisor, uint32_t number)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->extension && live->extension->number == number &&
		    !live->extension->outdated)
			return live;
	}
	return NULL;
}

static void on_value(struct qos_extension *extension, const struct qos_change *change)
{
	int8_t step = change->value > change->old ? 1 : -1;

	int8_t *last = &extension->last_steps[change->index];

	if (*last && step != *last)
		extension->reversals++;
	*last = step;
}

void qos_extension_tell_rate(struct qos_supervisor *supervisor, const struct qos_live *live,
			     const struct qos_change *change)
{
	const struct qos_net_stream *wish =
		&live->contract->net[change->index - live->extension->n_streams];
	char old[QOS_UNIT_MAX], now[QOS_UNIT_MAX];

	qos_tell(supervisor, QOS_HISTORY_ADAPTED, live->contract->name, NULL, NULL,
		 "network.%s.rate: %s -> %s, a rule", wish->name,
		 qos_print_rate(old, sizeof(old), (uint64_t)change->old),
		 qos_print_rate(now, sizeof(now), (uint64_t)change->value));
}

bool qos_extension_change(struct qos_supervisor *supervisor, struct qos_live *live,
			  const struct qos_change *change)
{
	switch ((enum qos_change_type)change->type) {
	case QOS_CHANGE_VALUE:
		if (change->index >= live->extension->n_streams + live->extension->n_net)
			return false;
		on_value(live->extension, change);
		if (change->index < live->extension->n_streams)
			return true;
		qos_extension_tell_rate(supervisor, live, change);
		supervisor->extender->rates_changed = true;
		return true;
	case QOS_CHANGE_SIGNAL:
		if (change->index < live->extension->n_signals)
			qos_tell(supervisor, QOS_HISTORY_SIGNAL, live->contract->name, NULL, NULL,
				 "%s", live->extension->signals[change->index]);
		break;
	case QOS_CHANGE_BREACH:
		if (!live->extension->quarantine)
			qos_extension_quarantine(supervisor, live, QOS_QUARANTINE_BREACH);
		break;
	}
	return false;
}

static void on_change(void *data, const struct qos_change *change)
{
	struct batch *batch = data;
	struct qos_live *live = find_live(batch->supervisor, change->contract);

	if (live)
		batch->changed |= qos_extension_change(batch->supervisor, live, change);
}

void qos_extension_carry_out(struct qos_supervisor *supervisor)
{
	qos_supervisor_reconcile(supervisor);
	if (supervisor->extender->rates_changed)
		qos_network_settle(supervisor);
	supervisor->extender->rates_changed = false;
}

void qos_extend_dispatch(struct qos_supervisor *supervisor)
{
	struct batch batch = {.supervisor = supervisor};

	qos_chain_dispatch(supervisor->extender->chain, on_change, &batch);
	if (batch.changed)
		qos_extension_carry_out(supervisor);
}
