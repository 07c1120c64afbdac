/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The record of a thread has three states: `own`, `before`, `set` (bpf/qos_abi.h). A change is
 *
 *     note    before = as found, set = wanted      one map update, atomic
 *     do      policy and affinity, one call each
 *     settle  before = set                         one map update
 *
 * so at any moment policy is before's or set's, and so is affinity, each for itself. A restore is a
 * change to `own` whose last step drops the record. By induction a kill anywhere leaves a thread
 * that the next process knows as qosd's doing, and what is neither is drift. Drift found while
 * restoring becomes `own` first: it is the thread's own from then on, unless it comes from what
 * qosd gave (comes_from_ours).
 *
 * Affinity counts as qosd's only from the first change of it; until then `own` follows what the
 * thread, cpusets and hotplug make of it. `nice` is never changed: demotion keeps the current one.
 *
 * Weaknesses: a person's change in the microseconds between look and set is overwritten (the kernel
 * has no compare-and-set), and so is one that equals `before` if the daemon was killed just there.
 * A child that is forked while no daemon runs keeps the affinity of a pinned parent. An affinity
 * that came from a cpuset is given back as the same set of CPUs, without following the cpuset
 * later on, unless it was all CPUs.
 */
#include "state/originals_map.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

#include "kern/proc.h"

/* The kernel's bounds of SCHED_DEADLINE: 1024 ns, and the default of sched_deadline_period_max_us. */
#define RUNTIME_MIN_NS 1024
#define PERIOD_MAX_NS  4194304000

/* One living, recorded thread: its record and what it is now. */
static int load(struct qos_originals *originals, const struct qos_original_key *key,
		struct qos_original *ret, struct qos_sched_record *ret_now)
{
	int r;

	r = qos_originals_get_key(originals, key, ret);
	if (r == 0)
		r = qos_originals_check_alive(key);
	if (r == 0)
		r = qos_record_look((pid_t)key->tid, ret_now);
	return r;
}

bool qos_original_owns_affinity(const struct qos_original *original)
{
	return !qos_record_same_cpus(&original->own, &original->before) ||
	       !qos_record_same_cpus(&original->own, &original->set);
}

/* See leave_deadline(). */
static bool is_shrunk(const struct qos_sched_record *now)
{
	return now->policy == SCHED_DEADLINE && now->runtime_ns == RUNTIME_MIN_NS;
}

static bool policy_is_ours(const struct qos_original *original, const struct qos_sched_record *now)
{
	return qos_record_same_attr(now, &original->before) ||
	       qos_record_same_attr(now, &original->set) || is_shrunk(now);
}

/* The kernel itself takes CPUs out that go offline, and gives a thread all others when none of its
 * own is left. */
static bool hotplug_did_it(const struct qos_original *original, const struct qos_sched_record *now)
{
	struct qos_cpus online = {}, before, set, found = qos_record_cpus(now);

	if (qos_sched_online(&online) < 0)
		return false;
	before = qos_record_cpus(&original->before);
	before = qos_cpus_and(&before, &online);
	set = qos_record_cpus(&original->set);
	set = qos_cpus_and(&set, &online);
	return qos_cpus_equal(&found, &before) || qos_cpus_equal(&found, &set) ||
	       qos_cpus_count(&set) == 0;
}

static bool affinity_is_ours(const struct qos_original *original,
			     const struct qos_sched_record *now)
{
	return !qos_original_owns_affinity(original) ||
	       qos_record_same_cpus(now, &original->before) ||
	       qos_record_same_cpus(now, &original->set) || hotplug_did_it(original, now);
}

/* A thread that could run everywhere gets every CPU back, also those that come later. One whose
 * CPUs were all taken out of its cpuset gets what the cpuset has. */
int qos_original_give_affinity(pid_t tid, const struct qos_cpus *cpus)
{
	struct qos_cpus online, all;
	int r;

	memset(&all, 0xff, sizeof(all));
	if (qos_sched_online(&online) == 0 && qos_cpus_subset(&online, cpus))
		return qos_sched_set_affinity(tid, &all);
	r = qos_sched_set_affinity(tid, cpus);
	return r == -EINVAL ? qos_sched_set_affinity(tid, &all) : r;
}

static int do_affinity(pid_t tid, const struct qos_original *original,
		       const struct qos_sched_record *now, const char **ret_call)
{
	struct qos_cpus cpus = qos_record_cpus(&original->set);

	if (qos_record_same_cpus(now, &original->set))
		return 0;
	*ret_call = "sched_setaffinity";
	return qos_record_same_cpus(&original->set, &original->own)
		       ? qos_original_give_affinity(tid, &cpus)
		       : qos_sched_set_affinity(tid, &cpus);
}

/* The one state in which leave_deadline() has to help, and may. */
static bool sleeps_unthrottled(pid_t tid)
{
	struct qos_proc_stat stat;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	return qos_proc_stat_read(AT_FDCWD, path, &stat) == 0 && stat.state != 'R' &&
	       qos_sched_is_unthrottled(tid);
}

/*
 * A thread that leaves SCHED_DEADLINE asleep, after its 0-lag time, leaves its bandwidth behind: the
 * kernel counts it as used until the root domain is built anew (seen on 6.18: switched_from_dl()
 * relies on a timer, which has fired already). A change of parameters is counted at once, so the
 * reservation is shrunk to what rounds to nothing before it is left. Where the administrator lowered
 * the largest period, the thread's own must do, and up to 0.1 % may stay behind.
 *
 * Not so a thread that has used up its runtime: its timers are running, they return the bandwidth,
 * and only they end its throttling; new parameters would move them far away.
 *
 * Weakness: on 6.18 the bandwidth of a thread that leaves throttled, after its parameters were set
 * again in that state (an overrun was cut), is now and then given back twice, at once and by the
 * timer. The kernel's sum can then be below zero, which it takes for full: small reservations are
 * refused with EBUSY until a larger one comes, and stays.
 */
static void leave_deadline(pid_t tid, const struct qos_sched_record *now)
{
	struct qos_sched_attr attr = {
		.policy = SCHED_DEADLINE,
		.flags = QOS_SCHED_RESET_ON_FORK,
		.runtime_ns = RUNTIME_MIN_NS,
		.deadline_ns = PERIOD_MAX_NS,
		.period_ns = PERIOD_MAX_NS,
	};

	if (!sleeps_unthrottled(tid) || qos_sched_set(tid, &attr) != -EINVAL)
		return;
	attr.deadline_ns = now->deadline_ns;
	attr.period_ns = now->period_ns;
	qos_sched_set(tid, &attr);
}

static int do_policy(pid_t tid, const struct qos_original *original,
		     const struct qos_sched_record *now, const char **ret_call)
{
	struct qos_sched_attr attr = qos_record_attr(&original->set);

	if (qos_record_same_attr(now, &original->set))
		return 0;
	if (now->policy == SCHED_DEADLINE && attr.policy != SCHED_DEADLINE)
		leave_deadline(tid, now);
	*ret_call = qos_sched_call_name(attr.policy);
	return qos_sched_set(tid, &attr);
}

/* The affinity of a SCHED_DEADLINE thread cannot be narrowed (EBUSY), and a narrow one keeps a
 * thread out of SCHED_DEADLINE (EPERM): leave the class first, widen before entering it. */
static int carry_out(pid_t tid, const struct qos_original *original,
		     const struct qos_sched_record *now, const char **ret_call)
{
	int r;

	if (now->policy == SCHED_DEADLINE) {
		r = do_policy(tid, original, now, ret_call);
		return r < 0 ? r : do_affinity(tid, original, now, ret_call);
	}
	r = do_affinity(tid, original, now, ret_call);
	return r < 0 ? r : do_policy(tid, original, now, ret_call);
}

/* The kernel may have made less of the affinity than was asked for (cpuset), so it is read back. */
static int settle(struct qos_originals *originals, const struct qos_original_key *key,
		  struct qos_original *original)
{
	struct qos_cpus cpus;
	int r;

	r = qos_sched_get_affinity((pid_t)key->tid, &cpus);
	if (r < 0)
		return r;
	if (qos_record_same_cpus(&original->set, &original->own))
		qos_record_set_cpus(&original->own, &cpus);
	qos_record_set_cpus(&original->set, &cpus);
	original->before = original->set;
	return qos_originals_put(originals, key, original, BPF_EXIST);
}

/* note, do, settle. */
static int transit(struct qos_originals *originals, const struct qos_original_key *key,
		   struct qos_original *original, const struct qos_sched_record *now,
		   const char **ret_call)
{
	int r;

	original->before = *now;
	r = qos_originals_put(originals, key, original, BPF_EXIST);
	if (r < 0)
		return r;
	r = carry_out((pid_t)key->tid, original, now, ret_call);
	return r < 0 ? r : settle(originals, key, original);
}

/* What the fair classes need beside the policy: things of the thread's own that must survive. */
static void keep_fair(struct qos_original *original, const struct qos_sched_record *now)
{
	if (!qos_policy_is_fair(original->set.policy))
		return;
	original->set.nice = now->nice;
	original->set.runtime_ns =
		qos_policy_is_fair(original->own.policy) ? original->own.runtime_ns : 0;
}

static void aim(struct qos_original *original, const struct qos_sched_record *now,
		const struct qos_sched_attr *attr, const struct qos_cpus *cpus)
{
	if (!qos_original_owns_affinity(original))
		memcpy(original->own.cpus, now->cpus, sizeof(now->cpus));
	original->set = original->own;
	qos_record_set_attr(&original->set, attr);
	if (cpus)
		qos_record_set_cpus(&original->set, cpus);
	keep_fair(original, now);
	original->drifted = 0;
}

/* A step of `failed` was refused: back to where the thread was, else to its own state. The second
 * refusal is not worth words of its own. */
static void back_out(struct qos_originals *originals, const struct qos_original_key *key,
		     const struct qos_original *failed)
{
	struct qos_original undo = *failed;
	struct qos_sched_record now = {};
	const char *call;

	undo.set = failed->before;
	if (qos_record_look((pid_t)key->tid, &now) < 0)
		return;
	if (transit(originals, key, &undo, &now, &call) == 0)
		return;
	undo.set = undo.own;
	if (qos_record_look((pid_t)key->tid, &now) == 0)
		transit(originals, key, &undo, &now, &call);
}

int qos_originals_change(struct qos_originals *originals, const struct qos_original_key *key,
			 const struct qos_sched_attr *attr, const struct qos_cpus *cpus, bool force,
			 const char **ret_call)
{
	struct qos_original original = {};
	struct qos_sched_record now = {};
	const char *call = "sched_getattr";
	int r;

	r = load(originals, key, &original, &now);
	if (r < 0)
		return r;
	if (!force && (!policy_is_ours(&original, &now) || !affinity_is_ours(&original, &now)))
		return QOS_ORIGINALS_E_DRIFT;
	aim(&original, &now, attr, cpus);
	r = transit(originals, key, &original, &now, &call);
	if (r < 0 && r != -ESRCH)
		back_out(originals, key, &original);
	if (r < 0 && ret_call)
		*ret_call = call;
	return r;
}

int qos_originals_own_affinity(struct qos_originals *originals, const struct qos_original_key *key,
			       struct qos_cpus *ret)
{
	struct qos_original original = {};
	struct qos_sched_record now = {};
	int r;

	r = load(originals, key, &original, &now);
	if (r == 0)
		*ret = qos_record_cpus(qos_original_owns_affinity(&original) ? &original.own
									     : &now);
	return r;
}

int qos_originals_verify(struct qos_originals *originals, const struct qos_original_key *key)
{
	struct qos_original original = {};
	struct qos_sched_record now = {};
	int r;

	r = load(originals, key, &original, &now);
	if (r < 0)
		return r;
	return policy_is_ours(&original, &now) && affinity_is_ours(&original, &now)
		       ? 0
		       : QOS_ORIGINALS_E_DRIFT;
}

/* How far up a thread has been let: 0 for the fair classes. */
static uint32_t rank_of(const struct qos_sched_record *record)
{
	if (record->policy == SCHED_DEADLINE)
		return UINT32_MAX;
	return qos_policy_is_fair(record->policy) ? 0 : record->priority;
}

/*
 * The kernel lets every thread of a real-time policy lower its own priority, and asks for privilege
 * only on the way up. So what lies above `own` and not above what qosd gave need not be anybody's
 * decision that the thread may run so; only what lies above both surely is. SCHED_DEADLINE never
 * stays: nothing bounds it from above.
 */
bool qos_original_comes_from_ours(const struct qos_original *original,
				  const struct qos_sched_record *now)
{
	uint32_t before = rank_of(&original->before), given = rank_of(&original->set);

	if (given < before)
		given = before;
	if (rank_of(now) <= rank_of(&original->own))
		return false;
	return rank_of(now) <= given || now->policy == SCHED_DEADLINE;
}

/* What was changed by others becomes the thread's own; true if anything was. */
static bool adopt_drift(struct qos_original *original, const struct qos_sched_record *now)
{
	bool policy = !policy_is_ours(original, now), affinity = !affinity_is_ours(original, now);

	if (policy && !qos_original_comes_from_ours(original, now))
		qos_record_copy_attr(&original->own, now);
	if (affinity || !qos_original_owns_affinity(original))
		memcpy(original->own.cpus, now->cpus, sizeof(now->cpus));
	return policy || affinity;
}

/* That the note needs memory, and may fail, must not keep a thread from what it was: after a kill in
 * the midst it is taken for drift back to `own`, which comes to the same. */
int qos_originals_give_back(struct qos_originals *originals, const struct qos_original_key *key,
			    struct qos_original *original, const struct qos_sched_record *now,
			    bool *ret_drifted)
{
	const char *call;
	bool drifted;
	int r;

	drifted = adopt_drift(original, now);
	original->set = original->own;
	keep_fair(original, now);
	original->before = *now;
	qos_originals_put(originals, key, original, BPF_EXIST);
	r = carry_out((pid_t)key->tid, original, now, &call);
	if (r == 0 && ret_drifted)
		*ret_drifted = drifted || original->drifted;
	return r;
}

int qos_originals_yield(struct qos_originals *originals, const struct qos_original_key *key)
{
	struct qos_original original = {};
	struct qos_sched_record now = {};
	int r;

	r = load(originals, key, &original, &now);
	if (r < 0)
		return r;
	original.drifted = 1;
	r = qos_originals_give_back(originals, key, &original, &now, NULL);
	return r < 0 ? r : settle(originals, key, &original);
}

int qos_originals_restore_key(struct qos_originals *originals, const struct qos_original_key *key,
			      bool *drifted)
{
	struct qos_original original = {};
	struct qos_sched_record now = {};
	int r;

	if (drifted)
		*drifted = false;
	r = load(originals, key, &original, &now);
	if (r == 0)
		r = qos_originals_give_back(originals, key, &original, &now, drifted);
	if (r == 0)
		qos_originals_drop(originals, key);
	else if (r == -ESRCH || r == -ENOENT)
		qos_originals_forget(originals, key);
	else
		return r;
	return 0;
}

int qos_originals_restore(struct qos_originals *originals, pid_t tid, bool *drifted)
{
	struct qos_original_key key;

	if (drifted)
		*drifted = false;
	return qos_originals_key(tid, &key) < 0
		       ? 0
		       : qos_originals_restore_key(originals, &key, drifted);
}
