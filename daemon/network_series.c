/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `qosctl report` shows of packets: each turn of the slow loop looks at the counters that it has read
 * anyway. A stream has a series from the moment at which its queue is there, whether packets come or not.
 */
#include "extend.h"
#include "network_parts.h"
#include "util/clock.h"

static void packets_of(const struct qos_net_counts *counts, struct qos_series_packets *ret)
{
	*ret = (struct qos_series_packets){
		.sent_bytes = counts->sent_bytes,
		.sent = counts->sent_packets,
		.dropped = counts->dropped,
		.late = counts->late,
		.windows = counts->windows,
		.violations = counts->violations,
		.backlog_bytes = counts->backlog_bytes,
	};
}

static uint64_t granted_bps(const struct qos_supervisor *supervisor, const struct qos_live *live,
			    size_t i)
{
	const struct qos_grant *grant = qos_ledger_grant(supervisor->ledger, live->contract->name);
	uint64_t bps = grant && i < grant->n_net ? grant->net[i].granted_bps : 0;

	qos_extend_net_rate(supervisor, live, i, &bps);
	return bps;
}

void qos_network_keep_series(struct qos_supervisor *supervisor, const struct qos_net_slot *slot,
			     const struct qos_live *live, size_t i)
{
	uint32_t now_s = (uint32_t)(qos_clock_ns(CLOCK_BOOTTIME) / 1000000000);
	struct qos_series *series =
		qos_series_start(&supervisor->network->series, slot->number, now_s);
	struct qos_series_packets packets;
	struct qos_series_sample sample = {.packets = &packets, .running = true};
	struct qos_net_counts counts;

	if (!series)
		return;
	qos_network_slot_counts(slot, &counts);
	packets_of(&counts, &packets);
	sample.granted = granted_bps(supervisor, live, i);
	qos_series_see(series, sample.granted, packets.backlog_bytes);
	if (qos_series_is_due(series, now_s))
		qos_series_add(series, now_s, &sample);
}

const struct qos_series *qos_network_series(const struct qos_supervisor *supervisor,
					    const struct qos_live *live, size_t i,
					    struct qos_series_packets *ret_packets,
					    uint64_t *ret_granted_bps)
{
	const struct qos_net_stream *wish = &live->contract->net[i];
	const struct qos_net_slot *slot;
	struct qos_net_if *interface;
	struct qos_net_counts counts;

	*ret_packets = (struct qos_series_packets){};
	*ret_granted_bps = 0;
	if (live->state != QOS_LIVE_IN_FORCE ||
	    !qos_network_counts(supervisor, live->contract->name, wish->name, &counts))
		return NULL;
	packets_of(&counts, ret_packets);
	*ret_granted_bps = granted_bps(supervisor, live, i);
	slot = qos_network_slot(supervisor->network, live->contract->name, wish->name, &interface);
	return slot ? qos_series_find(&supervisor->network->series, slot->number) : NULL;
}
