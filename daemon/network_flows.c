/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Streams -> flows of the classifier. Without `cgroup` a stream's packets are those of its contract's
 * own processes: of the cgroups that they are in, which the walks over processes report here. A process
 * in the root cgroup has no packets of its own, since everybody is there.
 *
 * Weakness: another process in one of those cgroups counts as the contract's too; a cgroup is forgotten
 * when it goes, not when its last process of the contract does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "network_parts.h"
#include "tell.h"

struct flow_list {
	struct qos_classify_flow *flows;
	size_t n;
	size_t size;
	bool failed; /* no memory */
};

static void add(struct flow_list *list, const struct qos_classify_flow *flow)
{
	struct qos_classify_flow *wider;

	if (list->n == list->size) {
		list->size = list->size ? 2 * list->size : 64;
		wider = reallocarray(list->flows, list->size, sizeof(*wider));
		if (!wider) {
			list->failed = true;
			list->size = list->n;
			return;
		}
		list->flows = wider;
	}
	list->flows[list->n++] = *flow;
}

static uint8_t proto_of(const char *text)
{
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = {{"tcp", IPPROTO_TCP},   {"udp", IPPROTO_UDP},   {"icmp", IPPROTO_ICMP},
		     {"sctp", IPPROTO_SCTP}, {"dccp", IPPROTO_DCCP}, {"udplite", IPPROTO_UDPLITE}};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i].name, text))
			return names[i].number;
	}
	return (uint8_t)atoi(text);
}

/* "192.0.2.0/24" as ::ffff:192.0.2.0/120. The parser has seen to its form. */
static void read_dst(const char *text, struct qos_classify_flow *flow)
{
	const char *slash = strchrnul(text, '/');
	char address[INET6_ADDRSTRLEN] = "";
	bool v6 = memchr(text, ':', (size_t)(slash - text));
	uint32_t prefix = *slash ? (uint32_t)atoi(slash + 1) : v6 ? 128 : 32;

	memcpy(address, text, (size_t)(slash - text));
	if (!v6)
		flow->key.dst[2] = htonl(0xffff);
	if (inet_pton(v6 ? AF_INET6 : AF_INET, address, &flow->key.dst[v6 ? 0 : 3]) != 1)
		return;
	flow->shape.fields |= QOS_FLOW_DST;
	flow->shape.prefix = v6 ? prefix : prefix + 96;
	for (uint32_t bit = flow->shape.prefix; bit < 128; bit++)
		flow->key.dst[bit / 32] &= htonl(~(1U << (31 - bit % 32)));
}

/* Everything but the cgroup. */
static struct qos_classify_flow flow_of(const struct qos_net_stream *wish, int ifindex,
					uint16_t minor)
{
	const struct qos_flow_match *match = &wish->match;
	struct qos_classify_flow flow = {
		.key = {.ifindex = (uint32_t)ifindex,
			.mark = match->mark_set ? match->mark : 0,
			.sport = match->sport,
			.dport = match->dport,
			.proto = match->proto ? proto_of(match->proto) : 0,
			.dscp = match->dscp >= 0 ? (uint8_t)match->dscp : 0},
		.class = {.priority = QOS_TC_HANDLE | minor, .dscp = -1}};

	flow.shape.fields =
		(match->proto ? QOS_FLOW_PROTO : 0) | (match->sport ? QOS_FLOW_SPORT : 0) |
		(match->dport ? QOS_FLOW_DPORT : 0) | (match->dscp >= 0 ? QOS_FLOW_DSCP : 0) |
		(match->mark_set ? QOS_FLOW_MARK : 0);
	if (match->dst)
		read_dst(match->dst, &flow);
	return flow;
}

static bool add_in_cgroup(struct flow_list *list, struct qos_classify_flow flow, const char *cgroup)
{
	uint64_t id;

	if (!qos_classify_cgroup(cgroup, &id, &flow.shape.cgroup_level))
		return false;
	flow.key.cgroup = id;
	flow.shape.fields |= QOS_FLOW_CGROUP;
	add(list, &flow);
	return true;
}

/* `cgroup: /` is everybody. */
static bool add_stream(const struct qos_network *network, struct flow_list *list,
		       const struct qos_net_stream *wish, const struct qos_net_if *interface,
		       const struct qos_net_slot *slot)
{
	struct qos_classify_flow flow = flow_of(wish, interface->ifindex, slot->minor);
	bool any = false;

	if (wish->match.cgroup && !strcmp(wish->match.cgroup, "/")) {
		add(list, &flow);
		return true;
	}
	if (wish->match.cgroup)
		return add_in_cgroup(list, flow, wish->match.cgroup);
	for (size_t i = 0; i < network->n_homes; i++) {
		if (!strcmp(network->homes[i].contract, slot->contract))
			any |= add_in_cgroup(list, flow, network->homes[i].cgroup);
	}
	return any;
}

static void add_slot(struct qos_supervisor *supervisor, struct flow_list *list,
		     const struct qos_net_if *interface, struct qos_net_slot *slot)
{
	const struct qos_live *live = qos_supervisor_find(supervisor, slot->contract);

	for (size_t i = 0; live && live->contract && i < live->contract->n_net; i++) {
		if (!strcmp(live->contract->net[i].name, slot->stream))
			slot->has_flows = add_stream(supervisor->network, list,
						     &live->contract->net[i], interface, slot);
	}
}

void qos_network_flows(struct qos_supervisor *supervisor)
{
	struct qos_network *network = supervisor->network;
	bool failed_before = network->flows_failed;
	struct flow_list list = {};
	int r;

	if (!network->classify)
		return;
	for (size_t i = 0; i < network->n_ifs; i++) {
		for (size_t k = 0; network->ifs[i].set && k < network->ifs[i].n; k++)
			add_slot(supervisor, &list, &network->ifs[i], &network->ifs[i].slots[k]);
	}
	r = list.failed ? -ENOMEM : qos_classify_set(network->classify, list.flows, list.n);
	free(list.flows);
	network->flows_due = false;
	network->flows_failed = r < 0;
	if (r < 0 && !failed_before)
		qos_tell(supervisor, QOS_HISTORY_KERNEL, NULL, NULL, NULL,
			 "packets are told apart as before, not as the contracts say now: %s",
			 strerror(-r));
}

/* --- whose packets --- */

static bool wants_home(const struct qos_live *live)
{
	if (live->state != QOS_LIVE_IN_FORCE)
		return false;
	for (size_t i = 0; i < live->contract->n_net; i++) {
		if (!live->contract->net[i].match.cgroup)
			return true;
	}
	return false;
}

static void add_home(struct qos_network *network, const char *contract, const char *cgroup)
{
	struct qos_net_home *wider;

	for (size_t i = 0; i < network->n_homes; i++) {
		if (!strcmp(network->homes[i].contract, contract) &&
		    !strcmp(network->homes[i].cgroup, cgroup))
			return;
	}
	if (network->n_homes == QOS_NET_HOMES_MAX)
		return;
	wider = reallocarray(network->homes, network->n_homes + 1, sizeof(*wider));
	if (!wider)
		return;
	network->homes = wider;
	wider = &wider[network->n_homes];
	snprintf(wider->contract, sizeof(wider->contract), "%s", contract);
	wider->cgroup = strdup(cgroup);
	network->n_homes += wider->cgroup != NULL;
	network->flows_due = true;
}

void qos_network_meet(struct qos_supervisor *supervisor, const struct qos_task *task)
{
	const struct qos_resolver *names = qos_lookup_resolver(supervisor->lookup);
	struct qos_network *network = supervisor->network;

	if (!network || !network->ops || !task->cgroup || !task->cgroup[1])
		return;
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];

		if (wants_home(live) && qos_match_task(live->contract->match, task, names))
			add_home(network, live->contract->name, task->cgroup);
	}
	if (network->flows_due)
		qos_network_flows(supervisor);
}

bool qos_network_prune_homes(struct qos_supervisor *supervisor)
{
	struct qos_network *network = supervisor->network;
	size_t n = 0, before = network->n_homes;

	for (size_t i = 0; i < before; i++) {
		struct qos_net_home *home = &network->homes[i];
		const struct qos_live *live = qos_supervisor_find(supervisor, home->contract);
		uint32_t level;
		uint64_t id;

		if (live && wants_home(live) && qos_classify_cgroup(home->cgroup, &id, &level))
			network->homes[n++] = *home;
		else
			free(home->cgroup);
	}
	network->n_homes = n;
	return n != before;
}
