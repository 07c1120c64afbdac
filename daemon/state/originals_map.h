/* SPDX-License-Identifier: GPL-2.0-only */
/* Between originals.c, originals_change.c and originals_kin.c only. */
#pragma once

#include "state/originals.h"
#include "state/sched_record.h"

/* Writes a record; flags: BPF_NOEXIST, BPF_EXIST. 0 or -errno. */
int qos_originals_put(struct qos_originals *originals, const struct qos_original_key *key,
		      const struct qos_original *original, uint64_t flags);

/* 0 or -ENOENT. */
int qos_originals_get_key(struct qos_originals *originals, const struct qos_original_key *key,
			  struct qos_original *ret);

/* Does this very thread still live? A tid alone may be somebody else's by now. 0 or -ESRCH. */
int qos_originals_check_alive(const struct qos_original_key *key);

void qos_originals_drop(struct qos_originals *originals, const struct qos_original_key *key);

/* The thread is gone. If it is its process's first by now, because it called exec(), then what was
 * given to it is taken back there. */
void qos_originals_follow(struct qos_originals *originals, const struct qos_original_key *key);

/* For `tgid` of a new record: the thread group, or 0 where its first thread is real-time without
 * us, which could be mistaken for one that came by exec(). */
__u32 qos_originals_process(struct qos_originals *originals, pid_t tid);

/* --- originals_change.c, for originals_kin.c --- */

/* Was the affinity ever changed by us? Until then `own` follows what others make of it. */
bool qos_original_owns_affinity(const struct qos_original *original);

int qos_original_give_affinity(pid_t tid, const struct qos_cpus *cpus);

/* May what the thread is now stem from what it was given, though it is not the same? */
bool qos_original_comes_from_ours(const struct qos_original *original,
				  const struct qos_sched_record *now);

/* Makes the thread what it was, and keeps the record; what others changed becomes its own first.
 * ret_drifted (or NULL): anything was. 0 or -errno. */
int qos_originals_give_back(struct qos_originals *originals, const struct qos_original_key *key,
			    struct qos_original *original, const struct qos_sched_record *now,
			    bool *ret_drifted);
