/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What was on each interface before qosd first put a queue there: a small file, written before the first
 * change and emptied after the last restore, so that a kill at any moment is harmless. The next daemon
 * restores what no contract claims, `qosctl panic` all of it.
 *
 * qosd's own root is told by its handle, so a queue that a person put in its place is never taken for
 * one of qosd's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kern/tc.h"
#include "util/cleanup.h"
#include "util/diag.h"

#define QOS_LINKS_MAJOR	      0x5105U
#define QOS_LINKS_HANDLE      (QOS_LINKS_MAJOR << 16)
#define QOS_LINKS_FILE	      "links.json" /* in the run directory */
#define QOS_LINKS_OPTIONS_MAX 4096	   /* bytes of a recorded qdisc's options */

struct qos_link_record {
	int ifindex;
	char name[16];
	bool foreign; /* a root that somebody set up; else the kernel's own, which comes by itself */
	char kind[16];
	uint32_t handle;
	uint8_t *options;
	size_t options_len;
	bool clsact; /* it was there already */
};

struct qos_links {
	char *path;
	struct qos_link_record *records;
	size_t n;
};

/* Reads the file; one that is not there is empty. 0, -ENOMEM, or -EINVAL with words in diag. */
int qos_links_load(const char *run_dir, struct qos_diag *diag, struct qos_links **ret);
void qos_links_free(struct qos_links *links);
QOS_DEFINE_CLEANUP(struct qos_links *, qos_links_free)
#define _cleanup_links_ QOS_CLEANUP(qos_links_freep)

const struct qos_link_record *qos_links_find(const struct qos_links *links, int ifindex);

/* Outcomes of record. */
#define QOS_LINKS_E_CLASSES 1 /* what is there has classes or filters: it could not be put back */

/* Records what is there, unless it is recorded. 0, QOS_LINKS_E_CLASSES, -errno: do not change it. */
int qos_links_record(struct qos_links *links, struct qos_tc *tc, const struct qos_tc_link *link);

/* Puts back what was there, if qosd's own is still there, takes the classifier away, and forgets. An
 * interface that is gone is only forgotten. 0 or -errno (the record stays), words in diag. */
int qos_links_restore(struct qos_links *links, struct qos_tc *tc, int ifindex,
		      struct qos_diag *diag);

/* All; returns how many could not be. */
int qos_links_restore_all(struct qos_links *links, struct qos_tc *tc);

/* Is the root of the interface one of qosd's? Kind and handle into *ret, zeroed if there is none. */
bool qos_links_is_ours(struct qos_tc *tc, int ifindex, struct qos_tc_qdisc *ret);
