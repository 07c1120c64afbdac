/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Links in the daemon: network streams in force -> queues, classes, flows; what interfaces and other
 * people do to them; and what they count.
 *
 *     network.c         interfaces: set, restored, followed
 *     network_flows.c   whose packets belong to which class
 *     network_sockets.c what its TCP sockets say
 *     network_report.c  `show` and `status`
 */
#pragma once

#include "contract/match.h"
#include "supervisor.h"

/* Opens what the kernel has; lacks go into supervisor->diag. */
void qos_network_open(struct qos_supervisor *supervisor);

/* Puts everything back. */
void qos_network_close(struct qos_supervisor *supervisor);

/* The interfaces as they are, into the host's facts. Without a connection the host stays as it was. */
void qos_network_probe(struct qos_supervisor *supervisor, struct qos_host *host);

/* Brings links in line with the ledger; what an earlier daemon left and nobody claims is put back. */
void qos_network_settle(struct qos_supervisor *supervisor);

/* Puts everything back; it comes again with the next settle. The number of interfaces that could not. */
int qos_network_undo(struct qos_supervisor *supervisor);

/* Readable when an interface or a queue changed; -1: never. */
int qos_network_fd(const struct qos_supervisor *supervisor);
void qos_network_dispatch(struct qos_supervisor *supervisor);

/* Once a turn of the slow loop: counters, windows, drift, and what could not be done before. */
void qos_network_turn(struct qos_supervisor *supervisor);

/* A process was looked at: its cgroup is that of a contract's own packets. */
void qos_network_meet(struct qos_supervisor *supervisor, const struct qos_task *task);

/* What a network stream counted since its class was made, for rules and reports. False: it has none. */
struct qos_net_counts {
	uint64_t sent_bytes;
	uint64_t sent_packets;
	uint64_t dropped;
	uint64_t backlog_bytes;
	uint64_t served; /* requests; as lost, late and delay, 0 if the queue does not count */
	uint64_t lost;
	uint64_t windows;
	uint64_t violations;
	uint64_t late;
	uint64_t delay_max_ns;
	bool by_window; /* windows are the queue's own; else a window is a turn of the slow loop */
};
bool qos_network_counts(const struct qos_supervisor *supervisor, const char *contract,
			const char *stream, struct qos_net_counts *ret);

/* What became of the contract's i-th network stream lately; NULL: nothing is kept of it. *ret_packets and
 * *ret_granted_bps: as it is now, zeroes if that cannot be told. Fed by qos_network_turn(). */
const struct qos_series *qos_network_series(const struct qos_supervisor *supervisor,
					    const struct qos_live *live, size_t i,
					    struct qos_series_packets *ret_packets,
					    uint64_t *ret_granted_bps);

/* The number of the class in which the module serves the contract's i-th network stream, for its rules
 * (QOS_SCH_DWCS_CLASS_A_FLOW); 0: it does not. */
bool qos_network_by_module(const struct qos_supervisor *supervisor);
uint32_t qos_network_flow(const struct qos_supervisor *supervisor, const struct qos_live *live,
			  size_t i);

/* What the stream's established TCP sockets say together. Up to QOS_NET_SOCKETS_NS old: the kernel has to walk
 * all sockets of the machine for it. False: they cannot be told, or not be asked for. */
#define QOS_NET_SOCKETS_NS 100000000
struct qos_net_sockets {
	uint64_t n;
	uint64_t rtt_max_ns;
	uint64_t retransmits;
	uint64_t delivery_bps;
};
bool qos_network_sockets(const struct qos_supervisor *supervisor, const char *contract,
			 const struct qos_net_stream *wish, struct qos_net_sockets *ret);

/* The network streams of a contract: for `show`, or without their sockets for `top`. */
json_t *qos_network_json(const struct qos_supervisor *supervisor, const struct qos_live *live,
			 bool with_sockets);
/* For `status`: who serves links, and problems. */
json_t *qos_network_status(const struct qos_supervisor *supervisor);
void qos_network_problems(const struct qos_supervisor *supervisor,
			  void (*add)(void *data, const char *contract, const char *text,
				      const char *hint),
			  void *data);
