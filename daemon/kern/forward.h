/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The program that stands in a slot where the rules run in a process (chain_forward.c): it copies the
 * event into a ring buffer, whatever the rules say.
 *
 * It is written as instructions: it differs in a few descriptors, a number and a size, and to load it
 * by libbpf would mean to read the kernel's BTF for each contract.
 */
#pragma once

#include "kern/prog.h"

struct qos_forward {
	int ring_fd;
	uint32_t program; /* what the copy has there */
	size_t n_streams; /* 1 to QOS_RULES_STREAMS_MAX */
};

/* maps: the monitor's frame, where the event is, and guard, which is called behind it; or the module's kfunc,
 * which is told of an event for which there is no room. The program's descriptor, which the caller closes,
 * or -errno. */
int qos_forward_load(const struct qos_forward *forward, const struct qos_prog_maps *maps,
		     const struct qos_prog_type *type);
