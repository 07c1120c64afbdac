/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a sample of the task clock costs here, as the first daemon measured it: admission charges it, so a
 * daemon that takes over after a kill must judge by the same figure. A second measurement, under load,
 * may be larger, and contracts that are in force would be refused.
 */
#pragma once

#include <stdint.h>

/* From run_dir, or measured, and then kept there. What cannot be read or kept is measured each time; what
 * cannot be measured (0) is QOS_SAMPLE_COST_DEFAULT, and not kept. */
uint64_t qos_measured_sample_cost(const char *run_dir, uint64_t (*measure)(void));

/* The daemon stops and undoes all: the next one measures. */
void qos_measured_forget(const char *run_dir);
