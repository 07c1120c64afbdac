/* SPDX-License-Identifier: GPL-2.0-only */
/* One contract: where it stands, by which lines threads come to it, whom it lost to whom. */
#include <errno.h>
#include <string.h>

#include "explain_parts.h"
#include "kern/proc.h"
#include "report_stream.h"

struct walk {
	struct qos_supervisor *supervisor;
	const struct qos_live *live;
	json_t *processes; /* that match */
	size_t n;
};

static json_t *process_json(const struct walk *walk, const struct qos_task *task,
			    const struct qos_live *owner)
{
	struct qos_match_why why = qos_explain_match(walk->live->contract->match, task,
						     qos_lookup_resolver(walk->supervisor->lookup));
	bool lost = owner && owner != walk->live;
	char comm[16];

	snprintf(comm, sizeof(comm), "%s", task->process_comm ? task->process_comm : "");
	qos_report_comm(comm);
	return json_pack("{si ss so ss? ss?}", "pid", (int)task->tgid, "comm", comm, "match",
			 qos_explain_why(&why), "lost_to", lost ? owner->contract->name : NULL,
			 "because",
			 lost ? qos_explain_lost(owner->contract, walk->live->contract) : NULL);
}

static int visit(void *data, pid_t tgid)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	struct walk *walk = data;

	if (qos_proc_read_process(tgid, &facts) < 0 ||
	    !qos_match_task(walk->live->contract->match, &facts->task,
			    qos_lookup_resolver(walk->supervisor->lookup)))
		return 0;
	if (walk->n++ < QOS_EXPLAIN_LIST_MAX)
		json_array_append_new(
			walk->processes,
			process_json(walk, &facts->task,
				     qos_threads_owner(walk->supervisor, &facts->task)));
	return 0;
}

static json_t *stream_json(const struct qos_live_stream *stream)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);

	return json_pack(
		"{ss so ss ss ss si si si}", "stream", wish->name, "at",
		qos_explain_place(&wish->loc, wish->n_threads ? "some threads" : "every thread"),
		"policy", qos_policy_names[stream->applied.policy], "guarantee",
		qos_guarantee_names[stream->applied.guarantee], "test",
		stream->applied.test ? stream->applied.test : "none", "managed",
		(int)stream->n_managed, "unmanaged", (int)stream->n_unmanaged, "max_threads",
		(int)wish->max_threads);
}

int qos_explain_contract(struct qos_supervisor *supervisor, const char *name, bool all,
			 json_t **ret)
{
	struct qos_live *live = qos_supervisor_find(supervisor, name);
	struct walk walk = {.supervisor = supervisor, .live = live};
	bool looked = all && live && live->contract && live->contract->n_cpu;
	json_t *streams;

	if (!live)
		return QOS_SUPERVISOR_E_NO_CONTRACT;
	walk.processes = json_array();
	streams = json_array();
	if (looked)
		qos_proc_each_process(visit, &walk);
	for (size_t i = 0; i < live->n_streams; i++)
		json_array_append_new(streams, stream_json(&live->streams[i]));
	*ret = json_pack("{si ss ss ss ss? ss so? so so so?}", "schema", 1, "kind", "contract",
			 "contract", live->contract ? live->contract->name : live->file, "state",
			 qos_live_state_names[live->state], "reason", live->reason, "file",
			 live->path, "match",
			 live->contract ? qos_explain_place(&live->contract->match->loc, "match")
					: NULL,
			 "streams", streams, "processes", walk.processes, "matching",
			 looked ? json_integer((json_int_t)walk.n) : NULL);
	return 0;
}
