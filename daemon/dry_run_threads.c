/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which threads a generation of contracts would have, by the walk and the matching of a scan, and what
 * would be set for them. Threads that are there keep their places; free ones go to the others in the
 * order of /proc, as at a scan.
 */
#include <errno.h>
#include <string.h>

#include "contract/match.h"
#include "dry_run_parts.h"
#include "extend.h"
#include "kern/lookup.h"
#include "kern/proc.h"
#include "report_stream.h"
#include "sched_json.h"

struct found {
	pid_t tid;
	char comm[16];
	struct qos_next *next; /* NULL: nobody's */
	size_t stream;
	struct qos_thread *known; /* as it is now, or NULL */
	bool stays;		  /* in the stream that it is managed in now */
};

struct walk {
	struct qos_supervisor *supervisor;
	struct qos_next *next;
	size_t n_next;
	struct qos_contract **contracts; /* of next, for the matching */
	struct qos_next *owner;		 /* of the process that is looked at */
	struct qos_lookup *lookup;	 /* or NULL */
	struct found *found;
	size_t n;
	size_t size;
	int error;
};

/* --- who is there --- */

static struct found *append(struct walk *walk)
{
	struct found *wider;

	if (walk->n == walk->size) {
		walk->size = walk->size ? 2 * walk->size : 64;
		wider = reallocarray(walk->found, walk->size, sizeof(*wider));
		if (!wider) {
			walk->error = -ENOMEM;
			return NULL;
		}
		walk->found = wider;
	}
	walk->found[walk->n] = (struct found){};
	return &walk->found[walk->n++];
}

/* Does the stream that a thread has now go on as this one? */
static bool goes_on(const struct qos_next *next, size_t stream, uint32_t id)
{
	for (size_t i = 0; i < next->live->n_streams; i++) {
		if (next->live->streams[i].id == id)
			return next->live->streams[i].index == stream;
	}
	return false;
}

static int visit_thread(void *data, pid_t tgid, pid_t tid)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	struct walk *walk = data;
	struct qos_thread *known = qos_table_get(&walk->supervisor->threads, (uint32_t)tid);
	int stream = -1, r = walk->owner || known ? qos_proc_read(tgid, tid, &facts) : -ESRCH;
	struct found *found;

	if (r < 0)
		return 0;
	if (known && known->start_time != facts->task.start_time)
		known = NULL;
	if (walk->owner)
		stream = qos_match_stream(walk->owner->contract, &facts->task);
	if (stream < 0 && !known)
		return 0;
	found = append(walk);
	if (!found)
		return walk->error;
	found->tid = tid;
	snprintf(found->comm, sizeof(found->comm), "%s", facts->task.comm ? facts->task.comm : "");
	qos_report_comm(found->comm);
	found->known = known;
	found->next = stream >= 0 ? walk->owner : NULL;
	found->stream = stream >= 0 ? (size_t)stream : 0;
	found->stays = known && known->managed && found->next &&
		       goes_on(found->next, found->stream, known->stream);
	return 0;
}

static struct qos_next *owner_of(struct walk *walk, const struct qos_task *task)
{
	const struct qos_resolver *names = qos_lookup_resolver(walk->lookup);
	int best;

	if (!walk->n_next || qos_extend_is_sandbox(walk->supervisor, task->tgid))
		return NULL;
	best = qos_match_select(walk->contracts, walk->n_next, task, names, NULL, 0, NULL);
	return best < 0 ? NULL : &walk->next[best];
}

static int visit_process(void *data, pid_t tgid)
{
	_cleanup_task_facts_ struct qos_task_facts *facts = NULL;
	struct walk *walk = data;

	if (qos_proc_read_process(tgid, &facts) < 0)
		return 0;
	walk->owner = owner_of(walk, &facts->task);
	if (walk->owner || walk->supervisor->threads.n)
		qos_proc_each_thread(tgid, visit_thread, walk);
	return walk->error;
}

/* --- what becomes of them --- */

/* One of those who may be managed; those who are already go first. */
static bool take_place(struct found *found)
{
	const struct qos_cpu_stream *wish;

	if (!found->next)
		return false;
	wish = &found->next->contract->cpu[found->stream];
	if (!found->stays && found->next->managed[found->stream] >= wish->max_threads)
		return false;
	found->next->managed[found->stream] += !found->stays;
	return true;
}

static json_t *granted_now(const struct qos_supervisor *supervisor, const struct found *found,
			   const struct qos_cpus *own)
{
	const struct qos_live_stream *stream =
		qos_table_get(&supervisor->streams, found->known->stream);
	struct qos_service_stream service;

	if (!stream)
		return NULL;
	service = qos_thread_service(supervisor, stream, &stream->applied);
	return qos_sched_json_granted(&service, own);
}

static json_t *granted_then(const struct qos_supervisor *supervisor, const struct found *found,
			    const struct qos_cpus *own)
{
	const struct qos_next *next = found->next;
	struct qos_stream_grant grant = next->grant->streams[found->stream];
	const struct qos_service_stream service = {
		.wish = &next->contract->cpu[found->stream],
		.grant = &grant,
		.sample_cost_ns = supervisor->sample_cost_ns,
	};

	if (next->goes_on)
		qos_extend_in_force(supervisor, &next->live->streams[found->stream], &grant);
	return qos_sched_json_granted(&service, own);
}

static const char *name_of(const struct qos_supervisor *supervisor, const struct found *found,
			   const char **ret_stream)
{
	const struct qos_live_stream *stream;

	if (found->next) {
		*ret_stream = found->next->contract->cpu[found->stream].name;
		return found->next->contract->name;
	}
	stream = qos_table_get(&supervisor->streams, found->known->stream);
	*ret_stream = stream ? qos_live_wish(stream)->name : NULL;
	return stream ? stream->live->contract->name : NULL;
}

/* What somebody else changed is left to him, as long as the stream is the same. */
static void add_thread(const struct qos_supervisor *supervisor, struct found *found, json_t *list)
{
	bool managed = take_place(found), was_managed = found->known && found->known->managed;
	json_auto_t *before = NULL, *after = NULL;
	struct qos_cpus own, cpus;
	struct qos_sched_attr without, now;
	const char *contract, *stream;

	if ((found->known && found->stays && found->known->drifted) || (!managed && !was_managed) ||
	    qos_sched_without_us(supervisor, found->tid, &without, &own) < 0 ||
	    qos_sched_now(found->tid, &now, &cpus) < 0)
		return;
	if (was_managed && !found->known->drifted)
		before = granted_now(supervisor, found, &own);
	if (!before)
		before = qos_sched_json(&now, &cpus);
	if (managed)
		after = granted_then(supervisor, found, &own);
	if (!after)
		after = qos_sched_json(&without, &own);
	if (json_equal(before, after))
		return;
	contract = name_of(supervisor, found, &stream);
	json_array_append_new(list, json_pack("{ss si ss ss? ss? sO sO}", "change",
					      !managed	     ? "remove"
					      : !was_managed ? "add"
							     : "change",
					      "tid", (int)found->tid, "comm", found->comm,
					      "contract", contract, "stream", stream, "before",
					      before, "after", after));
}

json_t *qos_dry_run_threads(struct qos_supervisor *supervisor, struct qos_next *next, size_t n)
{
	_cleanup_free_ struct qos_contract **contracts = calloc(n + 1, sizeof(*contracts));
	struct walk walk = {
		.supervisor = supervisor, .next = next, .n_next = n, .contracts = contracts};
	_cleanup_lookup_ struct qos_lookup *lookup = NULL;
	json_t *list = json_array();

	if (qos_lookup_new(&lookup) == 0)
		qos_lookup_begin(lookup);
	walk.lookup = lookup;
	for (size_t i = 0; contracts && i < n; i++)
		contracts[i] = (struct qos_contract *)next[i].contract; /* nobody writes there */
	if (contracts && supervisor->service)
		walk.error = qos_proc_each_process(visit_process, &walk);
	for (size_t i = 0; i < walk.n; i++) {
		if (walk.found[i].stays)
			walk.found[i].next->managed[walk.found[i].stream]++;
	}
	for (size_t i = 0; i < walk.n; i++)
		add_thread(supervisor, &walk.found[i], list);
	free(walk.found);
	if (contracts && walk.error >= 0)
		return list;
	json_decref(list);
	return NULL;
}
