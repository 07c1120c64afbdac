/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to admit/: what may be promised to the streams of one CPU of the module. */
#pragma once

#include "admit/book.h"

/* The streams pinned to `cpu`, all of them under QOS_POLICY_DWCS. */
struct qos_windows_stream {
	const struct qos_cpu_stream *wish;
	uint64_t cost_ns; /* C' of one thread, all charges included */
};

#define QOS_WINDOWS_TEST_PROVEN	   "windows-sporadic"
#define QOS_WINDOWS_TEST_SIMULATED "windows-simulated"

/* Of all streams together. disturbed: others' FIFO work may delay the band there, so nothing holds.
 * *ret_test: static name of what says so, or "none". -ENOMEM in book->error. */
enum qos_guarantee qos_judge_windows(struct qos_book *book,
				     const struct qos_windows_stream *streams, size_t n,
				     bool disturbed, const char **ret_test);
