/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: what may be promised to the streams of one CPU of the module. */
#pragma once

#include "admit/plan_windows.h"

#define QOS_WINDOWS_TEST_SIMULATED "windows-simulated"

/* By enum qos_proof: none windows-sporadic windows-bundle windows-table. */
extern const char *const qos_windows_tests[];

enum qos_windows_cpu {
	QOS_WINDOWS_ALONE,
	QOS_WINDOWS_TAXED, /* the kernel may take the CPU (throttling, fair server): nothing is proven */
	QOS_WINDOWS_DISTURBED, /* others' work may delay the band, so nothing holds */
};

/* Of all streams together. *ret_test: static name of what says so, or "none"; *ret_plan: as qos_plan_windows has it. -ENOMEM in
 * book->error. */
enum qos_guarantee qos_judge_windows(struct qos_book *book,
				     const struct qos_windows_stream *streams, size_t n,
				     enum qos_windows_cpu kind, const char **ret_test,
				     uint64_t *ret_plan);
