/* SPDX-License-Identifier: GPL-2.0-only */
/* Established TCP sockets of the daemon's network namespace, by inet_diag. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct qos_socket {
	uint64_t cgroup; /* id; 0: the kernel does not say */
	uint16_t sport;	 /* ours */
	uint16_t dport;
	uint64_t rtt_ns;
	uint64_t retransmits; /* packets, in all its life */
	uint64_t delivery_bps;
};

/* Calls visit for each. 0 or -errno. */
int qos_sockets_each(void (*visit)(void *data, const struct qos_socket *socket), void *data);
