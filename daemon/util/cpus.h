/* SPDX-License-Identifier: GPL-2.0-only */
/* A set of CPUs, as the kernel writes them: "0-3,8". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QOS_CPUS_MAX	  1024
#define QOS_CPUS_TEXT_MAX 4096

struct qos_cpus {
	uint64_t word[QOS_CPUS_MAX / 64];
};

void qos_cpus_clear(struct qos_cpus *cpus);
void qos_cpus_add(struct qos_cpus *cpus, unsigned int cpu); /* cpu < QOS_CPUS_MAX */
bool qos_cpus_has(const struct qos_cpus *cpus, unsigned int cpu);
unsigned int qos_cpus_count(const struct qos_cpus *cpus);
bool qos_cpus_equal(const struct qos_cpus *a, const struct qos_cpus *b);
bool qos_cpus_subset(const struct qos_cpus *inner, const struct qos_cpus *outer);
struct qos_cpus qos_cpus_and(const struct qos_cpus *a, const struct qos_cpus *b);
struct qos_cpus qos_cpus_minus(const struct qos_cpus *a, const struct qos_cpus *b);

/* The lowest CPU of the set that is >= from, or QOS_CPUS_MAX if there is none. */
unsigned int qos_cpus_next(const struct qos_cpus *cpus, unsigned int from);

#define QOS_CPU_FOREACH(cpu, cpus)                                                                 \
	for (unsigned int cpu = qos_cpus_next((cpus), 0); cpu < QOS_CPUS_MAX;                      \
	     cpu = qos_cpus_next((cpus), cpu + 1))

/* List format; "" is the empty set. Returns 0, -EINVAL, or -ERANGE (a CPU >= QOS_CPUS_MAX);
 * *ret untouched on failure. */
int qos_cpus_parse(const char *text, struct qos_cpus *ret);

/* Writes the canonical list; returns buf. size >= QOS_CPUS_TEXT_MAX never truncates. */
const char *qos_cpus_print(char *buf, size_t size, const struct qos_cpus *cpus);
