/* SPDX-License-Identifier: GPL-2.0-only */
/* How a thread is scheduled, in a few words: "fifo 40 on CPUs 2". */
#pragma once

#include "out.h"

#define QOS_OUT_SCHED_MAX 320
/* Returns buf; "-" if it is no object. */
const char *qos_out_sched(char *buf, size_t size, const json_t *sched);
