/* SPDX-License-Identifier: GPL-2.0-only */
/* Between originals.c and originals_change.c only. */
#pragma once

#include "state/originals.h"

/* Writes a record; flags: BPF_NOEXIST, BPF_EXIST. 0 or -errno. */
int qos_originals_put(struct qos_originals *originals, const struct qos_original_key *key,
		      const struct qos_original *original, uint64_t flags);

/* 0 or -ENOENT. */
int qos_originals_get_key(struct qos_originals *originals, const struct qos_original_key *key,
			  struct qos_original *ret);

/* Does this very thread still live? A tid alone may be somebody else's by now. 0 or -ESRCH. */
int qos_originals_check_alive(const struct qos_original_key *key);

/* Policy and affinity of a thread as they are now. 0 or -errno. */
int qos_originals_look(pid_t tid, struct qos_sched_record *ret);
