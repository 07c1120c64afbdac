/* SPDX-License-Identifier: GPL-2.0-only */
/* `apply --confirm`: a file that is put back by the daemon unless somebody confirms it in time. */
#pragma once

#include "supervisor.h"

#define QOS_CONFIRM_MAX_NS 86400000000000ULL

/* DIR/NAME.yaml is about to be changed; until_ns: CLOCK_BOOTTIME. One at a time. *ret: the document of
 * `confirm` in qosctl(1). 0; -EBUSY (another one waits), -EINVAL (no directory of the search path, or no
 * name of a contract), -errno; words in diag. */
int qos_confirm_begin(struct qos_supervisor *supervisor, const char *dir, const char *name,
		      uint64_t until_ns, struct qos_diag *diag, json_t **ret);

/* keep: it stays. Else what stood there before is put back, and the files are read again. 0, -ENOENT
 * (nothing waits), -errno (it still waits); words in diag. */
int qos_confirm_end(struct qos_supervisor *supervisor, bool keep, struct qos_diag *diag,
		    json_t **ret);

/* Before the first reload: takes up what waited when an earlier daemon ended; puts it back if its time is
 * over, or the machine was booted since. 0 or -ENOMEM. */
int qos_confirm_start(struct qos_supervisor *supervisor);

/* Once a turn of the slow loop. */
void qos_confirm_expire(struct qos_supervisor *supervisor, uint64_t now_boot_ns);

/* For `status`: {file, left_s}, or null; and as a problem. */
void qos_confirm_problem(const struct qos_supervisor *supervisor,
			 void (*add)(void *data, const char *text, const char *hint), void *data);
json_t *qos_confirm_json(const struct qos_supervisor *supervisor);
