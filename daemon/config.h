/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's own settings: /etc/qosd/qosd.yaml, qosd.yaml(5). Every key has a default. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "contract/doc.h"
#include "util/cpus.h"
#include "util/diag.h"

enum qos_manager { QOS_MANAGER_AUTO, QOS_MANAGER_NATIVE, QOS_MANAGER_MODULE };
extern const char *const qos_manager_names[];

struct qos_config {
	uint32_t cap_ppm;    /* cpu.cap: managed real-time work, of one CPU; default 90 % */
	uint32_t band_first; /* cpu.band: SCHED_FIFO priorities, default 10-40 */
	uint32_t band_last;  /* at most 48; the enforcer may run one above */
	uint64_t
		overhead_ns; /* cpu.overhead: worst dispatch and switch, charged twice a job; 20us */
	uint64_t blocking_ns;	      /* cpu.blocking: longest stretch without preemption; 50us */
	bool monitor;		      /* monitor: bpf | none; default bpf */
	enum qos_manager cpu_manager; /* managers.cpu: auto | module | native */
	uint64_t lease_ns;	      /* lease: 30s, the module's */
	uint64_t slow_loop_ns;	      /* slow-loop: 500ms..60s, default 1s */
};

/* All defaults. */
void qos_config_default(struct qos_config *ret);

/* Document to settings, over the defaults. Unknown keys are errors. 0, -EINVAL, -ENOMEM. */
int qos_config_parse(const struct qos_doc *doc, struct qos_diag *diag, struct qos_config *ret);
