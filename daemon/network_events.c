/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to links that are managed: they come, go and change, somebody changes their queue, and
 * packets go or are dropped. */
#include <errno.h>
#include <string.h>

#include "network_parts.h"
#include "tell.h"
#include "util/clock.h"
#include "util/log.h"

#define LOOK_EVERY_NS 1000000000ULL

/* --- drift --- */

enum qos_drift qos_network_drift_policy(const struct qos_supervisor *supervisor,
					const struct qos_net_if *interface)
{
	enum qos_drift policy = QOS_DRIFT_YIELD;

	for (size_t k = 0; k < interface->n; k++) {
		const struct qos_live *live =
			qos_supervisor_find(supervisor, interface->slots[k].contract);

		if (live && live->contract && live->contract->on_drift == QOS_DRIFT_RESTORE)
			return QOS_DRIFT_RESTORE;
		if (live && live->contract && live->contract->on_drift == QOS_DRIFT_WARN)
			policy = QOS_DRIFT_WARN;
	}
	return policy;
}

static void see(void *data, uint16_t minor, const struct qos_net_stats *stats)
{
	struct qos_net_if *interface = data;

	for (size_t k = 0; k < interface->n; k++) {
		struct qos_net_slot *slot = &interface->slots[k];

		if (slot->minor != minor)
			continue;
		slot->stats = *stats;
		slot->seen = true;
	}
}

/* Counters, and which classes are there. */
static void read_counters(struct qos_network *network, struct qos_net_if *interface)
{
	for (size_t k = 0; k < interface->n; k++)
		interface->slots[k].seen = false;
	interface->unheard =
		qos_net_read(network->ops, network->tc, interface->ifindex, see, interface) < 0;
}

static const char *find_drift(struct qos_network *network, struct qos_net_if *interface)
{
	struct qos_tc_qdisc root;

	if (!qos_links_is_ours(network->tc, interface->ifindex, &root) ||
	    strcmp(root.kind, network->ops->kind) != 0)
		return "somebody replaced or removed its queue";
	if (!qos_classify_is_attached(network->tc, interface->ifindex))
		return "somebody removed the classifier";
	read_counters(network, interface);
	for (size_t k = 0; k < interface->n && !interface->unheard; k++) {
		if (!interface->slots[k].seen)
			return "somebody removed a class";
	}
	return NULL;
}

static void verify(struct qos_supervisor *supervisor, struct qos_net_if *interface)
{
	const char *drift;
	bool restores;

	if (!interface->set || interface->drifted || !interface->ifindex)
		return;
	drift = find_drift(supervisor->network, interface);
	if (!drift)
		return;
	restores = qos_network_drift_policy(supervisor, interface) == QOS_DRIFT_RESTORE;
	for (size_t k = 0; k < interface->n; k++)
		qos_tell(supervisor, QOS_HISTORY_DRIFT, interface->slots[k].contract,
			 interface->slots[k].stream, NULL, "interface %s: %s; %s", interface->name,
			 drift, restores ? "it is set again" : "it is left as it is");
	interface->drifted = !restores;
	if (restores)
		qos_network_settle(supervisor);
}

/* --- interfaces --- */

static int is_another(void *data, const struct qos_tc_link *link)
{
	struct qos_network *network = data;

	for (size_t i = 0; i < network->n_ifs; i++) {
		struct qos_net_if *interface = &network->ifs[i];

		if (strcmp(interface->name, link->name) != 0)
			continue;
		interface->still_there = true;
		return link->ifindex != interface->ifindex || link->speed_bps != interface->bps ||
		       link->largest_bytes != interface->largest_bytes;
	}
	return 0;
}

static bool links_changed(struct qos_network *network)
{
	bool changed;

	for (size_t i = 0; i < network->n_ifs; i++)
		network->ifs[i].still_there = false;
	changed = qos_tc_each_link(network->tc, is_another, network) > 0;
	for (size_t i = 0; i < network->n_ifs && !changed; i++)
		changed = network->ifs[i].ifindex && !network->ifs[i].still_there;
	return changed;
}

static void follow(struct qos_supervisor *supervisor)
{
	struct qos_network *network = supervisor->network;
	uint64_t now_ns = qos_clock_ns(CLOCK_MONOTONIC);
	struct qos_reload_summary summary;

	if (!network->look_due || now_ns - network->looked_ns < LOOK_EVERY_NS)
		return;
	network->look_due = false;
	network->looked_ns = now_ns;
	qos_log(LOG_NOTICE, NULL, NULL, NULL,
		"an interface came, went or changed: contracts are admitted again");
	qos_supervisor_reload(supervisor, &summary);
}

static bool module_changed(struct qos_network *network)
{
	bool before = network->module_there;

	network->module_there = access("/sys/module/qos_dwcs", F_OK) == 0;
	return network->module_there != before;
}

static void look(struct qos_supervisor *supervisor)
{
	struct qos_network *network = supervisor->network;

	network->look_due |= links_changed(network);
	network->look_due |= module_changed(network);
	follow(supervisor);
	for (size_t i = 0; i < network->n_ifs; i++)
		verify(supervisor, &network->ifs[i]);
}

int qos_network_fd(const struct qos_supervisor *supervisor)
{
	return qos_network_is_open(supervisor->network) ? qos_tc_fd(supervisor->network->tc) : -1;
}

void qos_network_dispatch(struct qos_supervisor *supervisor)
{
	if (qos_tc_hear(supervisor->network->tc) && !supervisor->panicked)
		look(supervisor);
}

/* --- turns --- */

/* Where the queue does not count windows: a turn in which more was dropped than the window allows. */
static void judge_turn(struct qos_supervisor *supervisor, struct qos_net_slot *slot,
		       const struct qos_net_stream *wish)
{
	const struct qos_tc_stats *now = &slot->stats.tc;
	uint64_t sent = now->packets - slot->before_packets;
	uint64_t dropped = now->dropped - slot->before_dropped, requests = sent + dropped;
	bool anew = now->packets < slot->before_packets || now->dropped < slot->before_dropped;

	slot->before_packets = now->packets;
	slot->before_dropped = now->dropped;
	if (anew || slot->stats.by_window || requests == 0)
		return;
	slot->windows++;
	if (!wish->window.y || dropped * wish->window.y <= wish->window.x * requests)
		return;
	slot->violations++;
	if (slot->violations == 1)
		qos_tell(supervisor, QOS_HISTORY_VIOLATION, slot->contract, slot->stream, NULL,
			 "its queue dropped %llu of %llu packets in a turn, more than its window "
			 "allows",
			 (unsigned long long)dropped, (unsigned long long)requests);
}

static void judge_if(struct qos_supervisor *supervisor, struct qos_net_if *interface)
{
	for (size_t k = 0; k < interface->n; k++) {
		struct qos_net_slot *slot = &interface->slots[k];
		const struct qos_live *live = qos_supervisor_find(supervisor, slot->contract);

		for (size_t i = 0; live && live->contract && i < live->contract->n_net; i++) {
			if (slot->seen && !strcmp(live->contract->net[i].name, slot->stream)) {
				judge_turn(supervisor, slot, &live->contract->net[i]);
				qos_network_keep_series(supervisor, slot, live, i);
			}
		}
	}
}

static bool anybody_failed(const struct qos_network *network)
{
	for (size_t i = 0; i < network->n_ifs; i++) {
		if (network->ifs[i].problem)
			return true;
	}
	return false;
}

void qos_network_turn(struct qos_supervisor *supervisor)
{
	struct qos_network *network = supervisor->network;

	if (!qos_network_is_open(network))
		return;
	look(supervisor);
	if (anybody_failed(network))
		qos_network_settle(supervisor);
	for (size_t i = 0; i < network->n_ifs; i++) {
		if (network->ifs[i].set && !network->ifs[i].unheard)
			judge_if(supervisor, &network->ifs[i]);
	}
	if (qos_network_prune_homes(supervisor) || network->flows_due || network->flows_failed)
		qos_network_flows(supervisor);
}

void qos_network_slot_counts(const struct qos_net_slot *slot, struct qos_net_counts *ret)
{
	*ret = (struct qos_net_counts){
		.sent_bytes = slot->stats.tc.bytes,
		.sent_packets = slot->stats.tc.packets,
		.dropped = slot->stats.tc.dropped,
		.backlog_bytes = slot->stats.tc.backlog_bytes,
		.served = slot->stats.served,
		.lost = slot->stats.lost,
		.windows = slot->stats.by_window ? slot->stats.windows : slot->windows,
		.violations = slot->stats.by_window ? slot->stats.violations : slot->violations,
		.late = slot->stats.late,
		.delay_max_ns = slot->stats.delay_max_ns,
		.by_window = slot->stats.by_window,
	};
}

bool qos_network_counts(const struct qos_supervisor *supervisor, const char *contract,
			const char *stream, struct qos_net_counts *ret)
{
	const struct qos_network *network = supervisor->network;
	const struct qos_net_slot *slot;
	struct qos_net_if *interface;

	if (!qos_network_is_open(network))
		return false;
	slot = qos_network_slot(network, contract, stream, &interface);
	if (!slot || !interface->set)
		return false;
	read_counters(supervisor->network, interface);
	if (!slot->seen || interface->unheard)
		return false;
	qos_network_slot_counts(slot, ret);
	return true;
}
