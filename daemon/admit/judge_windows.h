/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: what may be promised to the streams of one CPU of the module. */
#pragma once

#include "admit/plan_windows.h"

#define QOS_WINDOWS_TEST_SIMULATED "windows-simulated"

/* By enum qos_proof: none windows-sporadic windows-bundle windows-table. */
extern const char *const qos_windows_tests[];

/* Of all streams together. disturbed: others' FIFO work may delay the band there, so nothing holds.
 * *ret_test: static name of what says so, or "none"; *ret_plan: as qos_plan_windows has it. -ENOMEM in
 * book->error. */
enum qos_guarantee qos_judge_windows(struct qos_book *book,
				     const struct qos_windows_stream *streams, size_t n,
				     bool disturbed, const char **ret_test, uint64_t *ret_plan);
