/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events of contracts with `placement: user`. What stands in a slot then is not the contract's rules but
 * a program that copies the event into the contract's own ring buffer (forward.h). What the rules want
 * comes back from a process: chain_request.c.
 *
 * Weakness: an event for which the ring has no room is lost (and counted): a rule that counts events
 * counts too few then.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "kern/chain_parts.h"
#include "kern/forward.h"
#include "kern/probe.h"

static int make_ring(struct qos_chain_entry *entry)
{
	int fd;

	if (entry->ring_fd >= 0)
		return 0;
	fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "qos_forward", 0, 0, QOS_CHAIN_RING_BYTES, NULL);
	if (fd < 0)
		return -errno;
	entry->ring_fd = fd;
	return 0;
}

static int complain(struct qos_diag *diag, int error)
{
	const struct qos_errno_advice *advice = qos_errno_advice("bpf(PROG_LOAD)", -error);

	qos_diag_error(diag, NULL, "events cannot be handed to a process: %s: %s", strerror(-error),
		       advice->cause);
	qos_diag_hint(diag, "%s", advice->remedy);
	return error;
}

int qos_chain_forward(struct qos_chain *chain, uint32_t number, enum qos_chain_lane lane,
		      uint32_t program, size_t n_streams, struct qos_diag *diag, uint32_t *slot)
{
	struct qos_chain_entry *entry = qos_chain_entry(chain, number);
	struct qos_forward forward = {.program = program, .n_streams = n_streams};
	struct qos_prog_maps maps;
	struct qos_prog_type type;
	_cleanup_close_ int fd = -1;
	int r;

	if (!entry || !n_streams || n_streams > QOS_RULES_STREAMS_MAX ||
	    (lane == QOS_CHAIN_MODULE && !chain->module.skeleton))
		return -EINVAL;
	qos_chain_lane(chain, lane, &maps, &type);
	r = make_ring(entry);
	if (r < 0)
		return complain(diag, r);
	forward.ring_fd = entry->ring_fd;
	fd = qos_forward_load(&forward, &maps, &type);
	return fd < 0 ? complain(diag, fd) : qos_chain_put(chain, number, lane, fd, diag, slot);
}

int qos_chain_ring_fd(struct qos_chain *chain, uint32_t number)
{
	const struct qos_chain_entry *entry = qos_chain_entry(chain, number);

	return entry ? entry->ring_fd : -1;
}

int qos_chain_state_fd(struct qos_chain *chain, uint32_t number)
{
	const struct qos_chain_entry *entry = qos_chain_entry(chain, number);

	return entry ? entry->state_fd : -1;
}
