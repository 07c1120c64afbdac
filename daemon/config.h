/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's own settings: /etc/qosd/qosd.yaml, qosd.yaml(5). Every key has a default. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contract/doc.h"
#include "util/cpus.h"
#include "util/diag.h"

enum qos_manager { QOS_MANAGER_AUTO, QOS_MANAGER_NATIVE, QOS_MANAGER_MODULE };
extern const char *const qos_manager_names[];

#define QOS_CONFIG_LINKS_MAX 32
#define QOS_CONFIG_PATH_MAX  256

/* network.interfaces.NAME */
struct qos_config_link {
	char name[16];
	uint64_t capacity_bps; /* 0: as fast as the kernel says */
	bool takeover;	       /* a queue that somebody else set up may be replaced */
};

struct qos_config {
	uint32_t cap_ppm;    /* cpu.cap: managed real-time work, of one CPU; default 90 % */
	uint32_t band_first; /* cpu.band: SCHED_FIFO priorities, default 10-40 */
	uint32_t band_last;  /* at most 48; the enforcer may run one above */
	uint64_t
		overhead_ns; /* cpu.overhead: worst dispatch and switch, charged twice a job; 20us */
	uint64_t blocking_ns;	      /* cpu.blocking: longest stretch without preemption; 50us */
	bool monitor;		      /* monitor: bpf | none; default bpf */
	enum qos_manager cpu_manager; /* managers.cpu: auto | module | native */
	enum qos_manager network_manager; /* managers.network, likewise */
	uint32_t link_share_ppm; /* network.share: of each link, for what no contract has; 10 % */
	uint64_t
		link_blocking_ns; /* network.blocking: how long a driver may hold a packet; 100us */
	struct qos_config_link links[QOS_CONFIG_LINKS_MAX];
	size_t n_links;
	uint64_t lease_ns;		    /* lease: 30s, the module's */
	uint64_t slow_loop_ns;		    /* slow-loop: 500ms..60s, default 1s */
	char textfile[QOS_CONFIG_PATH_MAX]; /* metrics.textfile; "": none */
};

/* Where settings are looked for; without a file of that name the defaults hold. Another one that is named must be there. */
#define QOS_CONFIG_FILE "/etc/qosd/qosd.yaml"

/* All defaults. */
void qos_config_default(struct qos_config *ret);

/* What is set of an interface, or NULL. */
const struct qos_config_link *qos_config_link(const struct qos_config *config, const char *name);

/* Document to settings, over the defaults. Unknown keys are errors. 0, -EINVAL, -ENOMEM. */
int qos_config_parse(const struct qos_doc *doc, struct qos_diag *diag, struct qos_config *ret);
