/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The classifier: one program on clsact's egress of each managed interface (bpf/classify.bpf.c), and
 * its table of flows. A flow is a shape (which fields count) and their values; a packet has the flow of
 * the first shape under which it is found, the narrowest first.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kern/tc.h"
#include "qos_classify_abi.h"
#include "util/cleanup.h"
#include "util/diag.h"

struct qos_classify;

/* Loads the program. 0, or -errno with words in diag. */
int qos_classify_new(struct qos_diag *diag, struct qos_classify **ret);
void qos_classify_free(struct qos_classify *classify);
QOS_DEFINE_CLEANUP(struct qos_classify *, qos_classify_free)
#define _cleanup_classify_ QOS_CLEANUP(qos_classify_freep)

/* One flow and the class that it gets. */
struct qos_classify_flow {
	struct qos_flow_shape shape;
	struct qos_flow_key key;
	struct qos_flow_class class;
};

/* Exchanges all flows. Shapes are ordered here. 0, -E2BIG (more than QOS_SHAPES_MAX shapes or
 * QOS_FLOWS_MAX flows: nothing was changed), -errno. */
int qos_classify_set(struct qos_classify *classify, const struct qos_classify_flow *flows,
		     size_t n);

/* The program, for tests. */
int qos_classify_fd(const struct qos_classify *classify);

/* Puts the program on the interface's egress, before all other filters; clsact is made if need be. */
int qos_classify_attach(struct qos_classify *classify, struct qos_tc *tc, int ifindex,
			struct qos_diag *diag);

/* Takes it away, whoever put it there; with `clsact` that too, unless somebody has filters in it.
 * 0 (also if it is not there), -errno. */
int qos_classify_detach(struct qos_tc *tc, int ifindex, bool clsact);

/* Is it there? */
bool qos_classify_is_attached(struct qos_tc *tc, int ifindex);

/* The id of a cgroup (of the unified hierarchy) as packets have it, and how deep it lies; path "/a/b" is
 * 2 deep. False: there is none, or it is the root, which is everybody's. */
bool qos_classify_cgroup(const char *path, uint64_t *ret_id, uint32_t *ret_level);
