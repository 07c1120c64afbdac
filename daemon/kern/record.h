/* SPDX-License-Identifier: GPL-2.0-only */
/* Observing the threads of processes without changing them, for `qosctl record`: the rim of
 * bpf/record.bpf.c. Needs root; no daemon. */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "qos_record_abi.h"
#include "util/cleanup.h"
#include "util/diag.h"

struct qos_record;

/* Loads and hooks the programs. 0 and *ret, which the caller frees, or -errno with words in diag.
 * libbpf says nothing from then on, in the whole process. */
int qos_record_new(struct qos_diag *diag, struct qos_record **ret);
void qos_record_free(struct qos_record *record);
QOS_DEFINE_CLEANUP(struct qos_record *, qos_record_free)
#define _cleanup_record_ QOS_CLEANUP(qos_record_freep)

/* From now on the threads of this process are observed; again is fine. 0, -E2BIG: there are
 * QOS_RECORD_PROCESSES_MAX already, or -errno. */
int qos_record_process(struct qos_record *record, pid_t tgid);

/* Hands on the bursts that ended since the last call; to be called ten times a second. A negative
 * answer of `handle` stops it and is returned. 0 or -errno. */
int qos_record_poll(struct qos_record *record,
		    int (*handle)(void *data, const struct qos_record_burst *burst), void *data);

/* Calls visit for each thread that was seen; stops at the first non-zero and returns it. */
int qos_record_threads(const struct qos_record *record,
		       int (*visit)(void *data, pid_t tid, const struct qos_record_thread *thread),
		       void *data);

void qos_record_counters(const struct qos_record *record, struct qos_record_counters *ret);
