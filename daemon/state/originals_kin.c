/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of those that come from a recorded thread: what it is called after exec() by another than
 * the first thread of its process, and its children.
 */
#include "state/originals_map.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/sched.h>

#include "kern/proc.h"

/* The record goes along, so that a kill half way leaves one to restore from. */
static int follow(struct qos_originals *originals, struct qos_original *original, pid_t tid,
		  const struct qos_sched_record *now)
{
	struct qos_original_key key;
	int r;

	r = qos_originals_key(tid, &key);
	if (r < 0)
		return r;
	qos_originals_put(originals, &key, original, BPF_ANY);
	r = qos_originals_give_back(originals, &key, original, now, NULL);
	if (r == 0)
		qos_originals_drop(originals, &key);
	return r;
}

int qos_originals_exec(struct qos_originals *originals, const struct qos_original_key *old,
		       pid_t tid)
{
	struct qos_original original = {};
	struct qos_sched_record now = {};
	int r;

	if (qos_originals_get_key(originals, old, &original) < 0)
		return 0;
	r = qos_record_look(tid, &now);
	if (r == 0)
		r = follow(originals, &original, tid, &now);
	qos_originals_drop(originals, old);
	return r == -ESRCH ? 0 : r;
}

static bool is_recorded(struct qos_originals *originals, pid_t tid)
{
	struct qos_original original;

	return qos_originals_get(originals, tid, &original) == 0;
}

__u32 qos_originals_process(struct qos_originals *originals, pid_t tid)
{
	struct qos_sched_attr attr;
	pid_t tgid;

	if (qos_proc_tgid(tid, &tgid) < 0 || tgid == tid || qos_sched_get(tgid, &attr) < 0)
		return 0;
	return qos_policy_is_fair(attr.policy) || is_recorded(originals, tgid) ? (__u32)tgid : 0;
}

/* Nobody tells in time, or at all while no daemon runs: then it shows by what the first thread is. */
void qos_originals_follow(struct qos_originals *originals, const struct qos_original_key *key)
{
	struct qos_original original = {};
	struct qos_sched_record now = {};

	if (qos_originals_get_key(originals, key, &original) < 0 || !original.tgid ||
	    qos_record_look((pid_t)original.tgid, &now) < 0)
		return;
	if ((now.flags & QOS_SCHED_RESET_ON_FORK) &&
	    qos_original_comes_from_ours(&original, &now) &&
	    !is_recorded(originals, (pid_t)original.tgid))
		follow(originals, &original, (pid_t)original.tgid, &now);
}

/* --- children --- */

/* RESET_ON_FORK left the child at SCHED_OTHER, nice 0; anything else is the child's own doing. */
static int inherit_policy(pid_t child, const struct qos_sched_record *own,
			  const struct qos_sched_record *now)
{
	struct qos_sched_attr attr = qos_record_attr(own);

	if (now->policy != SCHED_NORMAL || now->nice != 0 || own->policy == SCHED_DEADLINE ||
	    (own->flags & QOS_SCHED_RESET_ON_FORK))
		return 0;
	if (own->policy == SCHED_NORMAL && own->nice == 0)
		return 0;
	return qos_sched_set(child, &attr);
}

int qos_originals_inherit(struct qos_originals *originals, const struct qos_original_key *parent,
			  pid_t child)
{
	struct qos_original original = {};
	struct qos_sched_record now = {};
	struct qos_cpus cpus;
	int r;

	if (qos_originals_get_key(originals, parent, &original) < 0)
		return 0;
	r = qos_record_look(child, &now);
	if (r < 0)
		return r;
	cpus = qos_record_cpus(&original.own);
	if (qos_original_owns_affinity(&original) && qos_record_same_cpus(&now, &original.set))
		r = qos_original_give_affinity(child, &cpus);
	return r < 0 ? r : inherit_policy(child, &original.own, &now);
}
