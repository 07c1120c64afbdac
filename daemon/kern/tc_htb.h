/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's qdisc htb, and what hangs below its classes. Rates are on the wire, framing included. */
#pragma once

#include "kern/tc.h"

struct qos_htb_class {
	uint32_t handle;
	uint32_t parent;
	uint64_t rate_bps; /* its own, whatever others do */
	uint64_t ceil_bps; /* at most, if its parent has something left */
	uint64_t burst_bytes;
	uint32_t quantum_bytes; /* at one go beside others of the same priority */
	uint32_t priority;	/* 0..7, 0 first */
	uint32_t framing_bytes; /* a packet, beyond what the kernel counts */
};

/* The root, with a default class (its minor number). 0 or -errno, words in diag, as all here. */
int qos_htb_root(struct qos_tc *tc, int ifindex, uint32_t handle, uint32_t default_minor,
		 struct qos_diag *diag);

/* Makes the class or changes it. */
int qos_htb_class_put(struct qos_tc *tc, int ifindex, const struct qos_htb_class *class,
		      struct qos_diag *diag);

/* At most `packets` wait in the class: in the qdisc fq, which sends each packet when its sender wants it
 * sent, or, where the kernel has none, in pfifo. *ret_kind is static. */
int qos_htb_leaf(struct qos_tc *tc, int ifindex, uint32_t class, uint32_t packets,
		 struct qos_diag *diag, const char **ret_kind);
