/* SPDX-License-Identifier: GPL-2.0-only */
#include "sched_json.h"

#include <string.h>

static const char *policy_name(uint32_t policy)
{
	static const char *const names[] = {"other", "fifo", "rr",	 "batch",
					    "iso",   "idle", "deadline", "ext"};

	return policy < QOS_ARRAY_SIZE(names) ? names[policy] : "unknown";
}

static json_t *make(const char *policy, const struct qos_sched_attr *attr,
		    const struct qos_cpus *cpus)
{
	bool deadline = !strcmp(policy, "deadline");
	char text[QOS_CPUS_TEXT_MAX];

	return json_pack("{ss si sI sI sI ss}", "policy", policy, "priority", (int)attr->priority,
			 "runtime_ns", (json_int_t)(deadline ? attr->runtime_ns : 0), "deadline_ns",
			 (json_int_t)(deadline ? attr->deadline_ns : 0), "period_ns",
			 (json_int_t)(deadline ? attr->period_ns : 0), "cpus",
			 qos_cpus_print(text, sizeof(text), cpus));
}

json_t *qos_sched_json(const struct qos_sched_attr *attr, const struct qos_cpus *cpus)
{
	return make(policy_name(attr->policy), attr, cpus);
}

json_t *qos_sched_json_granted(const struct qos_service_stream *stream, const struct qos_cpus *own)
{
	const struct qos_stream_grant *grant = stream->grant;
	struct qos_sched_attr attr = {};

	if (stream->wish->manage != QOS_MANAGE_SCHEDULE)
		return NULL;
	switch (grant->policy) {
	case QOS_POLICY_NONE:
		return NULL;
	case QOS_POLICY_DWCS:
		return make(qos_policy_names[grant->policy], &attr, &grant->cpus);
	case QOS_POLICY_DEADLINE:
		attr = qos_cpu_native_attr(stream);
		return qos_sched_json(&attr, own);
	case QOS_POLICY_FIFO:
		attr = qos_cpu_native_attr(stream);
		return qos_sched_json(&attr, &grant->cpus);
	}
	return NULL;
}

int qos_sched_now(pid_t tid, struct qos_sched_attr *ret, struct qos_cpus *ret_cpus)
{
	int r = qos_sched_get(tid, ret);

	return r < 0 ? r : qos_sched_get_affinity(tid, ret_cpus);
}

int qos_sched_without_us(const struct qos_supervisor *supervisor, pid_t tid,
			 struct qos_sched_attr *ret, struct qos_cpus *ret_cpus)
{
	struct qos_original original;

	if (!supervisor->originals || qos_originals_get(supervisor->originals, tid, &original) != 0)
		return qos_sched_now(tid, ret, ret_cpus);
	*ret = (struct qos_sched_attr){.policy = original.own.policy,
				       .priority = original.own.priority,
				       .runtime_ns = original.own.runtime_ns,
				       .deadline_ns = original.own.deadline_ns,
				       .period_ns = original.own.period_ns};
	qos_cpus_clear(ret_cpus);
	memcpy(ret_cpus->word, original.own.cpus, sizeof(original.own.cpus));
	return 0;
}
