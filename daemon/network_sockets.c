/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a stream's TCP sockets say. The kernel tells of all sockets of the machine or of none, so they are read
 * once for whoever asks within QOS_NET_SOCKETS_NS: rules can ask every 10 ms, for each of their streams.
 *
 * Weakness: sockets are told apart by cgroup and ports, as the classifier does it, and not by addresses, DSCP or
 * mark; of streams that are matched by those nothing is known.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "network_parts.h"
#include "util/clock.h"

/* --- all --- */

static void keep(void *data, const struct qos_socket *socket)
{
	struct qos_net_socket_list *list = data;
	struct qos_socket *wider;

	if (list->n == list->size) {
		wider = reallocarray(list->sockets, list->size ? 2 * list->size : 64,
				     sizeof(*wider));
		if (!wider) {
			list->failed = true;
			return;
		}
		list->sockets = wider;
		list->size = list->size ? 2 * list->size : 64;
	}
	list->sockets[list->n++] = *socket;
}

static const struct qos_net_socket_list *read_all(struct qos_network *network)
{
	struct qos_net_socket_list *list = &network->sockets;
	uint64_t now_ns = qos_clock_ns(CLOCK_MONOTONIC);

	if (list->read_ns && now_ns - list->read_ns < QOS_NET_SOCKETS_NS)
		return list;
	list->n = 0;
	list->failed = false;
	if (qos_sockets_each(keep, list) < 0)
		list->failed = true;
	list->read_ns = now_ns;
	return list;
}

/* --- of one stream --- */

static bool can_be_told(const struct qos_flow_match *match)
{
	return (!match->proto || !strcmp(match->proto, "tcp")) && !match->dst && !match->mark_set &&
	       match->dscp < 0;
}

/* In this cgroup, or in any (0). */
static void add_in(const struct qos_net_socket_list *list, const struct qos_flow_match *match,
		   uint64_t cgroup, struct qos_net_sockets *sums)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct qos_socket *socket = &list->sockets[i];

		if ((cgroup && socket->cgroup != cgroup) ||
		    (match->sport && match->sport != socket->sport) ||
		    (match->dport && match->dport != socket->dport))
			continue;
		sums->n++;
		if (socket->rtt_ns > sums->rtt_max_ns)
			sums->rtt_max_ns = socket->rtt_ns;
		sums->retransmits += socket->retransmits;
		sums->delivery_bps += socket->delivery_bps;
	}
}

static void add_in_path(const struct qos_net_socket_list *list, const struct qos_flow_match *match,
			const char *path, struct qos_net_sockets *sums)
{
	uint32_t level;
	uint64_t id;

	if (!strcmp(path, "/"))
		add_in(list, match, 0, sums);
	else if (qos_classify_cgroup(path, &id, &level))
		add_in(list, match, id, sums);
}

bool qos_network_sockets(const struct qos_supervisor *supervisor, const char *contract,
			 const struct qos_net_stream *wish, struct qos_net_sockets *ret)
{
	struct qos_network *network = supervisor->network;
	const struct qos_net_socket_list *list;

	if (!qos_network_is_open(network) || !can_be_told(&wish->match))
		return false;
	list = read_all(network);
	if (list->failed)
		return false;
	*ret = (struct qos_net_sockets){};
	if (wish->match.cgroup)
		add_in_path(list, &wish->match, wish->match.cgroup, ret);
	for (size_t i = 0; !wish->match.cgroup && i < network->n_homes; i++) {
		if (!strcmp(network->homes[i].contract, contract))
			add_in_path(list, &wish->match, network->homes[i].cgroup, ret);
	}
	return true;
}
