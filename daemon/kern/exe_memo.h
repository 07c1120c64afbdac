/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `exe` paths resolve to, remembered while all processes are looked at: a thousand contracts would
 * be a thousand look-ups for each of them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"

struct qos_exe_memo;

/* Empty. 0 or -ENOMEM. */
int qos_exe_memo_new(struct qos_exe_memo **ret);
void qos_exe_memo_free(struct qos_exe_memo *memo);
QOS_DEFINE_CLEANUP(struct qos_exe_memo *, qos_exe_memo_free)
#define _cleanup_exe_memo_ QOS_CLEANUP(qos_exe_memo_freep)

/* Resolver for match, as qos_proc_resolve_exe(): each path as it was when first asked for. `data`: a
 * struct qos_exe_memo, or NULL to remember nothing. */
bool qos_exe_memo_resolve(void *data, const char *path, uint64_t *ret_dev, uint64_t *ret_ino);

/* Does every path still resolve as it did? If not, who was judged by it must be judged anew. */
bool qos_exe_memo_holds(const struct qos_exe_memo *memo);
