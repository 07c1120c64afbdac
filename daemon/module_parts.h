/* SPDX-License-Identifier: GPL-2.0-only */
/* Between module.c, module_events.c, module_report.c and claims.c only. */
#pragma once

#include "kern/genl_dwcs.h"
#include "kern/genl_events.h"
#include "module.h"

#define QOS_MODULE_WHY_MAX 256

struct qos_module {
	struct qos_supervisor *supervisor;
	struct qos_genl *genl;
	struct qos_dwcs_hearing hearing;
	struct qos_service *service;  /* NULL: it is not in charge */
	struct qos_dwcs_info info;    /* as last asked */
	char why[QOS_MODULE_WHY_MAX]; /* it is there and not in charge; else empty */
	bool changed;		      /* it came or went since we looked */
	bool went;		      /* and be it that it came back */
	bool missed;		      /* something that it said */
	bool forgot;		      /* it may not have what was set any more */
	bool deaf;		      /* no telemetry for too long */
	bool rules_changed;	      /* what is in force, and that is to be noted */
	uint64_t heard_ns;	      /* CLOCK_MONOTONIC: telemetry, or the beginning */
};

/* What it says, for struct qos_dwcs_hearing; data: struct qos_module. */
extern const struct qos_dwcs_ears qos_module_ears;
