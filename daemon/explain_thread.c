/* SPDX-License-Identifier: GPL-2.0-only */
/* One thread: whose it is, by which line, who else wanted it, what it should be and what it is; or why
 * nobody has it, and what is nearest. */
#include <errno.h>
#include <string.h>

#include "explain_parts.h"
#include "extend.h"
#include "kern/proc.h"
#include "report_stream.h"
#include "sched_json.h"

#define NEAREST_MAX 3

/* --- whose it is --- */

static json_t *losers_json(const struct qos_supervisor *supervisor, const struct qos_live *owner,
			   const struct qos_task *task)
{
	json_t *list = json_array();

	for (size_t i = 0; owner && i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];
		struct qos_match_why why;

		if (live == owner || !qos_explain_has_threads(live) ||
		    json_array_size(list) == QOS_EXPLAIN_LIST_MAX)
			continue;
		why = qos_explain_match(live->contract->match, task,
					qos_lookup_resolver(supervisor->lookup));
		if (why.holds)
			json_array_append_new(
				list,
				json_pack("{ss si ss so}", "contract", live->contract->name,
					  "importance", (int)live->contract->importance, "because",
					  qos_explain_lost(owner->contract, live->contract),
					  "match", qos_explain_why(&why)));
	}
	return list;
}

/* Those that would match, or are nearest to it, and are not in force at all. */
static json_t *idle_json(const struct qos_supervisor *supervisor, const struct qos_task *task)
{
	json_t *list = json_array();

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];

		if (live->state == QOS_LIVE_IN_FORCE || !live->contract || !live->contract->n_cpu ||
		    !qos_match_task(live->contract->match, task,
				    qos_lookup_resolver(supervisor->lookup)) ||
		    json_array_size(list) == QOS_EXPLAIN_LIST_MAX)
			continue;
		json_array_append_new(
			list, json_pack("{ss ss ss?}", "contract", live->contract->name, "state",
					qos_live_state_names[live->state], "reason", live->reason));
	}
	return list;
}

struct near {
	const struct qos_live *live;
	struct qos_match_why why;
};

/* The few contracts that lack the fewest terms, the important first. */
static size_t find_nearest(const struct qos_supervisor *supervisor, const struct qos_task *task,
			   struct near *nearest)
{
	size_t n = 0;

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];
		struct near one = {.live = live};
		size_t at;

		if (!qos_explain_has_threads(live))
			continue;
		one.why = qos_explain_match(live->contract->match, task,
					    qos_lookup_resolver(supervisor->lookup));
		for (at = n; at > 0; at--) {
			const struct near *before = &nearest[at - 1];

			if (before->why.missing < one.why.missing ||
			    (before->why.missing == one.why.missing &&
			     qos_match_beats(before->live->contract, live->contract)))
				break;
			if (at < NEAREST_MAX)
				nearest[at] = *before;
		}
		if (at < NEAREST_MAX)
			nearest[at] = one;
		n += n < NEAREST_MAX;
	}
	return n;
}

static json_t *nearest_json(const struct qos_supervisor *supervisor, const struct qos_task *task)
{
	struct near nearest[NEAREST_MAX];
	size_t n = find_nearest(supervisor, task, nearest);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{ss si so}", "contract",
						      nearest[i].live->contract->name, "missing",
						      (int)nearest[i].why.missing, "condition",
						      qos_explain_why(&nearest[i].why)));
	return list;
}

/* --- how it is --- */

static json_t *wanted_json(const struct qos_supervisor *supervisor,
			   const struct qos_live_stream *stream, const struct qos_cpus *own)
{
	struct qos_service_stream service =
		qos_thread_service(supervisor, stream, &stream->applied);

	return qos_sched_json_granted(&service, own);
}

static void add_scheduling(const struct qos_supervisor *supervisor, json_t *json, pid_t tid,
			   const struct qos_live_stream *stream, const struct qos_thread *thread)
{
	const struct qos_service *service = supervisor->service;
	bool managed = stream && thread && thread->managed;
	_cleanup_free_ char *author = managed ? qos_thread_author(thread) : NULL;
	struct qos_sched_attr now, without;
	struct qos_cpus cpus, own;

	if (qos_sched_now(tid, &now, &cpus) < 0 ||
	    qos_sched_without_us(supervisor, tid, &without, &own) < 0)
		return;
	json_object_set_new(json, "actual", qos_sched_json(&now, &cpus));
	json_object_set_new(json, "without_qosd", qos_sched_json(&without, &own));
	if (!managed)
		return;
	if (thread->drifted && author)
		json_object_set_new(json, "changed_by", json_string(author));
	json_object_set_new(json, "wanted", wanted_json(supervisor, stream, &own));
	json_object_set_new(json, "drift", json_boolean(thread->drifted));
	json_object_set_new(
		json, "demoted",
		json_boolean(service && service->ops->is_demoted &&
			     service->ops->is_demoted((struct qos_service *)service, tid)));
}

/* The leader's first lines stand for the process; its other threads are named. */
static int add_sibling(void *data, pid_t tgid, pid_t tid)
{
	json_array_append_new(data, json_integer(tid));
	return json_array_size(data) == QOS_EXPLAIN_LIST_MAX;
}

static const char *why_nobody(const struct qos_supervisor *supervisor, const struct qos_task *task)
{
	const char *never = qos_explain_never(task);

	if (never)
		return never;
	if (qos_extend_is_sandbox(supervisor, task->tgid))
		return "it runs the rules of a contract, and is no contract's";
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		if (qos_explain_has_threads(supervisor->lives[i]))
			return "no contract in force matches its process";
	}
	return "no contract with cpu streams is in force";
}

static void add_owner(const struct qos_supervisor *supervisor, json_t *json,
		      const struct qos_live *owner, const struct qos_live_stream *stream,
		      const struct qos_thread *thread, const struct qos_task *process)
{
	struct qos_match_why why = qos_explain_match(owner->contract->match, process,
						     qos_lookup_resolver(supervisor->lookup));

	json_object_set_new(json, "contract", json_string(owner->contract->name));
	json_object_set_new(json, "match", qos_explain_why(&why));
	if (!stream) {
		json_object_set_new(json, "why",
				    json_string("no stream's `threads` fits its name"));
		return;
	}
	json_object_set_new(json, "stream", json_string(qos_live_wish(stream)->name));
	json_object_set_new(
		json, "stream_at",
		qos_explain_place(&qos_live_wish(stream)->loc, qos_live_wish(stream)->n_threads
								       ? "`threads` fits its name"
								       : "takes every thread"));
	if (qos_explain_unmanaged(supervisor, stream, thread))
		json_object_set_new(json, "why",
				    json_string(qos_explain_unmanaged(supervisor, stream, thread)));
}

static json_t *explain(struct qos_supervisor *supervisor, const struct qos_task *process,
		       const struct qos_task *task)
{
	struct qos_live *owner = qos_threads_owner(supervisor, process);
	struct qos_thread *thread = qos_table_get(&supervisor->threads, (uint32_t)task->tid);
	int index = owner ? qos_match_stream(owner->contract, task) : -1;
	struct qos_live_stream *stream = index >= 0 ? &owner->streams[index] : NULL;
	json_t *json, *siblings = json_array();
	char comm[16] = "";

	if (thread &&
	    (!stream || thread->stream != stream->id || thread->start_time != task->start_time))
		thread = NULL; /* what it was before; it is looked at soon */
	snprintf(comm, sizeof(comm), "%s", task->comm ? task->comm : "");
	qos_report_comm(comm);
	if (task->tid == task->tgid)
		qos_proc_each_thread(task->tgid, add_sibling, siblings);
	json = json_pack("{si ss si si ss so sn sn sn sn sb sn sn sn sb sb sn so so so}", "schema",
			 1, "kind", "thread", "tid", (int)task->tid, "pid", (int)task->tgid, "comm",
			 comm, "threads", siblings, "contract", "stream", "match", "stream_at",
			 "managed", stream && thread && thread->managed, "why", "wanted", "actual",
			 "drift", false, "demoted", false, "changed_by", "losers",
			 losers_json(supervisor, owner, process), "not_in_force",
			 idle_json(supervisor, process), "nearest",
			 owner || qos_explain_never(process) ? json_array()
							     : nearest_json(supervisor, process));
	if (owner)
		add_owner(supervisor, json, owner, stream, thread, process);
	else
		json_object_set_new(json, "why", json_string(why_nobody(supervisor, process)));
	add_scheduling(supervisor, json, task->tid, stream, thread);
	return json;
}

int qos_explain_thread(struct qos_supervisor *supervisor, pid_t tid, struct qos_diag *diag,
		       json_t **ret)
{
	_cleanup_task_facts_ struct qos_task_facts *process = NULL, *facts = NULL;
	pid_t tgid = 0;
	int r;

	r = qos_proc_tgid(tid, &tgid);
	if (r == 0)
		r = qos_proc_read_process(tgid, &process);
	if (r == 0)
		r = qos_proc_read(tgid, tid, &facts);
	if (!process || !facts) {
		qos_diag_error(diag, NULL, "thread %d: %s", tid,
			       r == -ESRCH ? "there is none that lives" : strerror(-r));
		qos_diag_hint(diag, "ps -eL lists all threads (LWP)");
		return r;
	}
	*ret = explain(supervisor, &process->task, &facts->task);
	return 0;
}
