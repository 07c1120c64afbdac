/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to network*.c. */
#pragma once

#include "kern/classify.h"
#include "kern/sockets.h"
#include "network.h"
#include "service/net.h"
#include "state/links.h"

/* One class. */
struct qos_net_slot {
	char contract[QOS_CONTRACT_NAME_MAX + 1];
	char stream[QOS_CONTRACT_NAME_MAX + 1];
	uint16_t minor;
	uint32_t number; /* of its series: never another slot's */
	bool wanted;	 /* by the contracts in force */
	bool seen;	 /* in the last reading */
	bool has_flows;	 /* packets can be told */
	struct qos_net_stats stats;
	uint64_t before_packets; /* at the last turn */
	uint64_t before_dropped;
	uint64_t windows; /* turns with packets, where the queue does not count windows */
	uint64_t violations;
};

struct qos_net_if {
	char name[16];
	int ifindex; /* 0: it is not there */
	uint64_t bps;
	uint32_t largest_bytes;
	bool set;     /* it has our queue, as far as we know */
	bool drifted; /* somebody changed it, and is let */
	bool still_there;
	bool unheard;  /* its counters could not be read */
	char *problem; /* why it could not be set; NULL: it could */
	struct qos_net_slot *slots;
	size_t n;
};

/* Where processes of a contract are, so that their packets are its own. */
struct qos_net_home {
	char contract[QOS_CONTRACT_NAME_MAX + 1];
	char *cgroup;
};
#define QOS_NET_HOMES_MAX 4096

/* All of the machine, as they were at that time. */
struct qos_net_socket_list {
	struct qos_socket *sockets;
	size_t n;
	size_t size;
	uint64_t read_ns; /* CLOCK_MONOTONIC; 0: never */
	bool failed;
};

struct qos_network {
	struct qos_tc *tc;
	struct qos_links *links;
	struct qos_classify *classify; /* NULL: no interface was set yet */
	const struct qos_net_ops *ops;
	struct qos_net_if *ifs;
	size_t n_ifs;
	struct qos_net_home *homes;
	size_t n_homes;
	bool flows_due;
	bool flows_failed;  /* they could not be set: told */
	bool module_there;  /* at the last look: it may come where its own family cannot be heard */
	bool look_due;	    /* interfaces changed: to be admitted again */
	uint64_t looked_ns; /* CLOCK_MONOTONIC */
	struct qos_net_socket_list sockets;
	struct qos_series_set series;
	uint32_t numbers; /* given to slots so far */
};

/* Can links be managed? */
static inline bool qos_network_is_open(const struct qos_network *network)
{
	return network && network->ops;
}

/* The stream's place; NULL: it has none. */
struct qos_net_slot *qos_network_slot(const struct qos_network *network, const char *contract,
				      const char *stream, struct qos_net_if **ret_if);

/* network.c: who sets links now; NULL: what the settings name is not there. */
const struct qos_net_ops *qos_network_choose(const struct qos_supervisor *supervisor);

/* NULL: none of this name is known. */
struct qos_net_if *qos_network_find_if(const struct qos_network *network, const char *name);

/* network_events.c: of the contracts that have streams there. */
enum qos_drift qos_network_drift_policy(const struct qos_supervisor *supervisor,
					const struct qos_net_if *interface);

/* As they were read last. */
void qos_network_slot_counts(const struct qos_net_slot *slot, struct qos_net_counts *ret);

/* network_series.c: each turn, of the slot's stream, the contract's i-th; its counters were just read. */
void qos_network_keep_series(struct qos_supervisor *supervisor, const struct qos_net_slot *slot,
			     const struct qos_live *live, size_t i);

/* network_flows.c: exchanges all flows of classes that are in force. */
void qos_network_flows(struct qos_supervisor *supervisor);
/* Forgets cgroups that are gone, and those of contracts that are; true: some were. */
bool qos_network_prune_homes(struct qos_supervisor *supervisor);
