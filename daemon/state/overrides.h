/* SPDX-License-Identifier: GPL-2.0-only */
/* What a person set with `qosctl adjust`: until revert, a given time, or reboot. A JSON file under
 * /run; a broken one costs only the overrides and is reported. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/diag.h"

struct qos_override {
	char *contract;
	char *stream;
	char *attribute;   /* "runtime" */
	uint64_t value;	   /* ns */
	uint64_t until_ns; /* CLOCK_BOOTTIME; 0: for ever */
	/* Not kept: its time is over, but what was before did not fit. */
	uint64_t retry_ns; /* not before then */
	uint32_t refusals;
};

struct qos_overrides {
	struct qos_override *items;
	size_t n_items;
};

#define QOS_OVERRIDES_MAX 1024

/* A file that does not exist is an empty set. 0 (errors in the file: warnings in diag), -ENOMEM. */
int qos_overrides_load(const char *path, struct qos_diag *diag, struct qos_overrides **ret);
int qos_overrides_save(const char *path, const struct qos_overrides *overrides);

/* Sets or replaces. 0, -ENOMEM, -E2BIG, -ERANGE (beyond INT64_MAX). */
int qos_overrides_set(struct qos_overrides *overrides, const char *contract, const char *stream,
		      const char *attribute, uint64_t value, uint64_t until_ns);
/* Removes all of a contract (stream NULL) or one; returns how many. The names may be those of an
 * item that goes. */
size_t qos_overrides_drop(struct qos_overrides *overrides, const char *contract,
			  const char *stream);
const struct qos_override *qos_overrides_find(const struct qos_overrides *overrides,
					      const char *contract, const char *stream,
					      const char *attribute);
void qos_overrides_free(struct qos_overrides *overrides);
QOS_DEFINE_CLEANUP(struct qos_overrides *, qos_overrides_free)
#define _cleanup_overrides_ QOS_CLEANUP(qos_overrides_freep)
