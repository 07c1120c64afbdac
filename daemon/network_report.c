/* SPDX-License-Identifier: GPL-2.0-only */
/* Links as JSON. */
#include <errno.h>
#include <string.h>

#include "extend.h"
#include "network_parts.h"

static json_t *counts_json(const struct qos_supervisor *supervisor, const char *contract,
			   const char *stream)
{
	struct qos_net_counts counts;

	if (!qos_network_counts(supervisor, contract, stream, &counts))
		return json_null();
	return json_pack(
		"{sI sI sI sI sI sI sI sI ss}", "sent_bytes", (json_int_t)counts.sent_bytes,
		"sent_packets", (json_int_t)counts.sent_packets, "dropped",
		(json_int_t)counts.dropped, "backlog_bytes", (json_int_t)counts.backlog_bytes,
		"windows", (json_int_t)counts.windows, "violations", (json_int_t)counts.violations,
		"late", (json_int_t)counts.late, "delay_max_ns", (json_int_t)counts.delay_max_ns,
		"windows_by", counts.by_window ? "packet" : "turn");
}

static json_t *sockets_json(const struct qos_supervisor *supervisor, const char *contract,
			    const struct qos_net_stream *wish)
{
	struct qos_net_sockets sums;

	if (!qos_network_sockets(supervisor, contract, wish, &sums))
		return json_null();
	return json_pack("{sI sI sI sI}", "n", (json_int_t)sums.n, "rtt_max_ns",
			 (json_int_t)sums.rtt_max_ns, "retransmits", (json_int_t)sums.retransmits,
			 "delivery_bps", (json_int_t)sums.delivery_bps);
}

/* --- streams --- */

/* In a word or a sentence, how it is with a stream. */
static const char *state_of(const struct qos_supervisor *supervisor, const struct qos_live *live,
			    const struct qos_net_stream *wish, const struct qos_net_grant *grant)
{
	const struct qos_network *network = supervisor->network;
	const struct qos_net_slot *slot;
	struct qos_net_if *interface = NULL;

	if (!qos_network_is_open(network))
		return "not served: no link can be managed here";
	if (wish->manage == QOS_MANAGE_OBSERVE)
		return "not served yet: manage: observe";
	if (!grant)
		return "not in force";
	if (supervisor->panicked)
		return "undone by panic";
	slot = qos_network_slot(network, live->contract->name, wish->name, &interface);
	if (grant->waits || !slot || !interface->ifindex)
		return "waiting for its interface";
	if (interface->problem)
		return interface->problem;
	if (interface->drifted)
		return "drift: somebody changed the interface's queue";
	if (!interface->set)
		return "not set";
	return slot->has_flows ? "in force" : "in force, but no packet is known to be its own";
}

static json_t *stream_json(const struct qos_supervisor *supervisor, const struct qos_live *live,
			   size_t i, const struct qos_net_grant *grant, bool with_sockets)
{
	const struct qos_net_stream *wish = &live->contract->net[i];
	const struct qos_network *network = supervisor->network;
	struct qos_net_if *interface = NULL;
	uint64_t granted_bps = grant ? grant->granted_bps : 0;
	json_t *json =
		json_pack("{ss ss ss sI sI}", "stream", wish->name, "interface", wish->interface,
			  "state", state_of(supervisor, live, wish, grant), "rate_bps",
			  (json_int_t)wish->rate_bps, "deadline_ns", (json_int_t)wish->deadline_ns);

	if (!json || !grant || !qos_network_is_open(network))
		return json;
	qos_network_slot(network, live->contract->name, wish->name, &interface);
	json_object_set_new(json, "drift", json_boolean(interface && interface->drifted));
	json_object_set_new(json, "manager", json_string(network->ops->name));
	qos_extend_net_rate(supervisor, live, i, &granted_bps);
	json_object_set_new(json, "granted_bps", json_integer((json_int_t)granted_bps));
	json_object_set_new(json, "guaranteed_bps",
			    json_integer((json_int_t)grant->guaranteed_bps));
	json_object_set_new(json, "guarantee", json_string(qos_guarantee_names[grant->guarantee]));
	json_object_set_new(json, "test", json_string(grant->test));
	json_object_set_new(json, "delay_bound_ns",
			    grant->delay_ns ? json_integer((json_int_t)grant->delay_ns)
					    : json_null());
	json_object_set_new(json, "stats",
			    counts_json(supervisor, live->contract->name, wish->name));
	if (with_sockets)
		json_object_set_new(json, "sockets",
				    sockets_json(supervisor, live->contract->name, wish));
	return json;
}

json_t *qos_network_json(const struct qos_supervisor *supervisor, const struct qos_live *live,
			 bool with_sockets)
{
	const struct qos_grant *grant = NULL;
	json_t *list = json_array();

	if (live->state == QOS_LIVE_IN_FORCE)
		grant = qos_ledger_grant(supervisor->ledger, live->contract->name);
	for (size_t i = 0; i < live->contract->n_net; i++)
		json_array_append_new(list,
				      stream_json(supervisor, live, i,
						  grant && i < grant->n_net ? &grant->net[i] : NULL,
						  with_sockets));
	return list;
}

json_t *qos_network_status(const struct qos_supervisor *supervisor)
{
	const struct qos_network *network = supervisor->network;
	size_t n = 0;

	if (!qos_network_is_open(network))
		return json_null();
	for (size_t i = 0; i < network->n_ifs; i++)
		n += network->ifs[i].set;
	return json_pack("{ss sI sb}", "manager", network->ops->name, "interfaces", (json_int_t)n,
			 "windows_enforced", network->ops->windows);
}

static const struct qos_net_slot *first_slot(const struct qos_net_if *interface)
{
	return interface->n ? &interface->slots[0] : NULL;
}

static void add_if_problems(const struct qos_net_if *interface,
			    void (*add)(void *data, const char *contract, const char *text,
					const char *hint),
			    void *data)
{
	const struct qos_net_slot *slot = first_slot(interface);
	char text[256];

	if (!slot)
		return;
	if (interface->problem)
		snprintf(text, sizeof(text), "interface %s cannot be set: %s", interface->name,
			 interface->problem);
	else if (interface->drifted)
		snprintf(text, sizeof(text),
			 "interface %s: drift: somebody changed its queue, and it is left as it is",
			 interface->name);
	else if (!interface->ifindex)
		snprintf(text, sizeof(text), "interface %s is not there; its streams wait",
			 interface->name);
	else if (interface->unheard)
		snprintf(text, sizeof(text), "interface %s: its counters cannot be read",
			 interface->name);
	else
		return;
	add(data, slot->contract, text,
	    interface->drifted
		    ? "remove theirs and restart qosd; on-drift: restore sets it by itself"
	    : interface->ifindex ? "qosctl events has what the kernel said"
				 : "it is set by itself when the interface comes");
}

void qos_network_problems(const struct qos_supervisor *supervisor,
			  void (*add)(void *data, const char *contract, const char *text,
				      const char *hint),
			  void *data)
{
	const struct qos_network *network = supervisor->network;

	if (!qos_network_is_open(network))
		return;
	for (size_t i = 0; i < network->n_ifs; i++) {
		const struct qos_net_if *interface = &network->ifs[i];

		add_if_problems(interface, add, data);
		for (size_t k = 0; interface->set && k < interface->n; k++) {
			char text[160];

			if (interface->slots[k].has_flows)
				continue;
			snprintf(text, sizeof(text),
				 "network stream %s: no packet is known to be its own",
				 interface->slots[k].stream);
			add(data, interface->slots[k].contract, text,
			    "its processes do not run, or are in the root cgroup; `match: {cgroup: "
			    "...}` says another one, `/` all");
		}
	}
}
