/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything as JSON, for the bus and qosctl; qosctl(1) documents the documents. Counters are read
 * when they are asked for, not kept here. A document that cannot be built for lack of memory is
 * NULL, which json_pack and json_object_set_new pass on, so one check at the end is enough.
 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "adapt/hist.h"
#include "claims.h"
#include "confirm.h"
#include "contract/print.h"
#include "extend.h"
#include "generation.h"
#include "metrics_collect.h"
#include "module.h"
#include "network.h"
#include "report_diag.h"
#include "report_stream.h"
#include "stats.h"
#include "util/clock.h"

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

void qos_report_diag_into(json_t *list, const struct qos_diag *diag)
{
	for (size_t i = 0; i < diag->n_entries; i++) {
		const struct qos_diag_entry *entry = &diag->entries[i];

		json_array_append_new(list,
				      json_pack("{ss so si si ss so}", "severity",
						qos_severity_name(entry->severity), "file",
						text_or_null(entry->file), "line", (int)entry->line,
						"col", (int)entry->col, "text", entry->text, "hint",
						text_or_null(entry->hint)));
	}
}

static json_t *report_diag(const struct qos_diag *diag)
{
	json_t *list = json_array();

	qos_report_diag_into(list, diag);
	return list;
}

/* Counters of all streams of a contract, added up. */
static void sum_up(struct qos_supervisor *supervisor, const struct qos_live *live,
		   struct qos_stream_stats *ret, uint32_t *ret_threads)
{
	struct qos_stream_stats stats;

	memset(ret, 0, sizeof(*ret));
	*ret_threads = 0;
	for (size_t i = 0; i < live->n_streams; i++) {
		*ret_threads += live->streams[i].n_managed;
		if (!qos_stats_read(supervisor, &live->streams[i], &stats))
			continue;
		ret->jobs += stats.jobs;
		ret->late += stats.late;
		ret->served += stats.served;
		ret->lost += stats.lost;
		ret->violations += stats.violations;
	}
}

/* Its streams' weakest, as it is now; NULL: it is not in force. */
static const char *guarantee_of(const struct qos_supervisor *supervisor,
				const struct qos_live *live)
{
	const struct qos_grant *grant = NULL;
	enum qos_guarantee least;

	if (live->state == QOS_LIVE_IN_FORCE && live->contract)
		grant = qos_ledger_grant(supervisor->ledger, live->contract->name);
	if (!grant)
		return NULL;
	least = grant->guarantee;
	for (size_t i = 0; i < live->n_streams; i++) {
		const struct qos_live_stream *stream = &live->streams[i];
		enum qos_guarantee now =
			qos_claims_guarantee(supervisor, stream, &grant->streams[stream->index]);

		least = now < least ? now : least;
	}
	return qos_guarantee_names[least];
}

static json_t *report_brief(struct qos_supervisor *supervisor, const struct qos_live *live)
{
	const struct qos_contract *contract = live->contract;
	struct qos_stream_stats sum;
	uint32_t threads;
	json_t *brief;

	sum_up(supervisor, live, &sum, &threads);
	brief = json_pack("{ss ss ss so so so si sI sI sI sI sI}", "contract",
			  contract ? contract->name : live->file, "state",
			  qos_live_state_names[live->state], "file", live->path, "importance",
			  contract ? json_integer(contract->importance) : json_null(), "guarantee",
			  text_or_null(guarantee_of(supervisor, live)), "reason",
			  text_or_null(live->reason), "threads", (int)threads, "jobs",
			  (json_int_t)sum.jobs, "late", (json_int_t)sum.late, "served",
			  (json_int_t)sum.served, "lost", (json_int_t)sum.lost, "violations",
			  (json_int_t)sum.violations);
	json_object_set_new(brief, "rules", qos_extend_json(supervisor, live));
	return brief;
}

static json_t *report_briefs(struct qos_supervisor *supervisor)
{
	json_t *list = json_array();

	for (size_t i = 0; i < supervisor->n_lives; i++)
		json_array_append_new(list, report_brief(supervisor, supervisor->lives[i]));
	return list;
}

/* --- status --- */

static void add_problem(json_t *list, const char *severity, const char *contract, const char *text,
			const char *hint)
{
	json_array_append_new(list, json_pack("{ss so ss so}", "severity", severity, "contract",
					      text_or_null(contract), "text", text, "hint",
					      text_or_null(hint)));
}

static void add_diag(json_t *list, const struct qos_diag *diag)
{
	for (size_t i = 0; i < diag->n_entries; i++) {
		const struct qos_diag_entry *entry = &diag->entries[i];
		const char *severity = qos_severity_name(entry->severity);
		_cleanup_free_ char *text = NULL;

		if (!entry->file)
			add_problem(list, severity, NULL, entry->text, entry->hint);
		else if (asprintf(&text, "%s: %s", entry->file, entry->text) >= 0)
			add_problem(list, severity, NULL, text, entry->hint);
		else
			text = NULL;
	}
}

static void add_warning(void *data, const char *text, const char *hint)
{
	add_problem(data, "warning", NULL, text, hint);
}

static void add_network_problem(void *data, const char *contract, const char *text,
				const char *hint)
{
	add_problem(data, "warning", contract, text, hint);
}

static const char *const live_hints[] = {
	[QOS_LIVE_WAITING] = "it comes into force by itself when the machine has what it needs",
	[QOS_LIVE_REFUSED] = "qosctl show names the ways out that were tried",
	[QOS_LIVE_INVALID] = "qosctl check says where",
};

static json_t *report_problems(struct qos_supervisor *supervisor)
{
	json_t *list = json_array();
	const char *hint;
	char text[192];

	if (supervisor->panicked)
		add_problem(list, "warning", NULL, "everything was undone by qosctl panic",
			    "qosctl reload puts the contracts in force again");
	qos_confirm_problem(supervisor, add_warning, list);
	add_diag(list, &supervisor->diag);
	add_diag(list, &supervisor->reload_diag);
	if (qos_threads_clock_problem(supervisor, text, sizeof(text), &hint))
		add_warning(list, text, hint);
	qos_module_problems(supervisor, add_warning, list);
	qos_network_problems(supervisor, add_network_problem, list);
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];
		const char *name = live->contract ? live->contract->name : live->file;

		if (live->stale)
			add_problem(list, "error", name, live->reason, "qosctl check says where");
		else if (live->state != QOS_LIVE_IN_FORCE)
			add_problem(list, live->state == QOS_LIVE_WAITING ? "warning" : "error",
				    name, live->reason ? live->reason : "not in force",
				    live_hints[live->state]);
		else if (qos_extend_problem(supervisor, live, text, sizeof(text), &hint))
			add_problem(list, "warning", name, text, hint);
	}
	return list;
}

static void add_drift(struct qos_supervisor *supervisor, json_t *list)
{
	const struct qos_thread *thread;
	size_t pos = 0;

	while ((thread = qos_table_next(&supervisor->threads, &pos))) {
		struct qos_live_stream *stream =
			qos_table_get(&supervisor->streams, thread->stream);
		char text[96];

		if (!thread->drifted || !stream)
			continue;
		snprintf(text, sizeof(text), "thread %d: drift: somebody else set its scheduling",
			 thread->tid);
		add_problem(list, "warning", stream->live->contract->name, text,
			    "on-drift in the contract says what is done about it");
	}
}

/* Worst first. A violation is news for five minutes; its count stays. */
static const char *state_word(const struct qos_supervisor *supervisor, json_t *problems)
{
	bool fresh = supervisor->turns - supervisor->violated_turn <
			     300000000000 / supervisor->config.slow_loop_ns &&
		     supervisor->violations_seen;

	json_t *problem;
	size_t i;

	if (supervisor->panicked)
		return "panic";
	json_array_foreach(problems, i, problem) {
		if (!strcmp(json_string_value(json_object_get(problem, "severity")), "error"))
			return "bad";
	}
	return json_array_size(problems) || fresh ? "degraded" : "ok";
}

const char *qos_report_overall(struct qos_supervisor *supervisor)
{
	json_t *problems = report_problems(supervisor);
	const char *word;

	add_drift(supervisor, problems);
	word = state_word(supervisor, problems);
	json_decref(problems);
	return word;
}

static json_t *report_capacity(const struct qos_supervisor *supervisor)
{
	_cleanup_free_ struct qos_capacity *capacity = calloc(1, sizeof(*capacity));
	char cpus[QOS_CPUS_TEXT_MAX];
	struct qos_ledger_sums sums;

	if (!capacity)
		return NULL;
	qos_capacity_of(supervisor->host, &supervisor->config, capacity);
	qos_ledger_sums(supervisor->ledger, &sums);
	return json_pack(
		"{ss sf ss sf sf}", "cpus", qos_cpus_print(cpus, sizeof(cpus), &capacity->online),
		"cap_percent", (double)capacity->cap_ppb / 1e7, "cap_reason", capacity->cap_reason,
		"used_percent", (double)sums.used_ppb / 1e7, "free_percent",
		sums.cap_ppb > sums.used_ppb ? (double)(sums.cap_ppb - sums.used_ppb) / 1e7 : 0.0);
}

static json_t *report_counts(const struct qos_supervisor *supervisor, uint64_t violations)
{
	size_t by_state[QOS_LIVE_INVALID + 1] = {};
	size_t threads = 0;

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		by_state[supervisor->lives[i]->state]++;
		for (size_t k = 0; k < supervisor->lives[i]->n_streams; k++)
			threads += supervisor->lives[i]->streams[k].n_managed;
	}
	return json_pack("{sI sI sI sI sI sI sI}", "contracts", (json_int_t)supervisor->n_lives,
			 "in_force", (json_int_t)by_state[QOS_LIVE_IN_FORCE], "waiting",
			 (json_int_t)by_state[QOS_LIVE_WAITING], "refused",
			 (json_int_t)by_state[QOS_LIVE_REFUSED], "invalid",
			 (json_int_t)by_state[QOS_LIVE_INVALID], "threads", (json_int_t)threads,
			 "violations", (json_int_t)violations);
}

static uint64_t count_violations(json_t *briefs)
{
	uint64_t sum = 0;
	json_t *brief;
	size_t i;

	json_array_foreach(briefs, i, brief)
		sum += (uint64_t)json_integer_value(json_object_get(brief, "violations"));
	return sum;
}

/* Without a clock that keeps the time, the date leaps by years some seconds after the boot. */
static json_int_t uptime_s(const struct qos_supervisor *supervisor)
{
	uint64_t ns = qos_clock_ns(CLOCK_BOOTTIME) - supervisor->started_ns;

	return (json_int_t)(ns / 1000000000);
}

static json_t *report_status(struct qos_supervisor *supervisor)
{
	json_t *briefs = report_briefs(supervisor);
	json_t *problems = report_problems(supervisor);
	uint64_t violations = count_violations(briefs);
	bool has_module = qos_module_in_charge(supervisor);
	const char *monitor = supervisor->monitor     ? "bpf"
			      : supervisor->taskstats ? "taskstats"
						      : "none";

	add_drift(supervisor, problems);
	return json_pack(
		"{si ss ss so so so sI s{ss ss?} so so ss s{ss sb} so so so}", "schema", 1,
		"version", QOS_VERSION, "state", state_word(supervisor, problems), "problems",
		problems, "unconfirmed", qos_confirm_json(supervisor), "generations",
		qos_generation_json(supervisor), "uptime_s", uptime_s(supervisor), "managers",
		"cpu",
		has_module	      ? "module"
		: supervisor->service ? supervisor->service->ops->name
				      : "none",
		"better",
		has_module ? NULL
			   : "the module qos_dwcs would schedule by windows, and keep contracts "
			     "without the daemon",
		"module", qos_module_json(supervisor), "network", qos_network_status(supervisor),
		"monitor", monitor, "telemetry", "netlink",
		has_module		? "qos_dwcs"
		: supervisor->taskstats ? "taskstats"
					: "none",
		"bpf", supervisor->monitor != NULL, "capacity", report_capacity(supervisor),
		"counts", report_counts(supervisor, violations), "contracts", briefs);
}

/* --- show --- */

static json_t *report_adaptations(const struct qos_live *live)
{
	json_t *list = json_array();

	for (size_t i = 0; i < live->n_adaptations; i++) {
		const struct qos_adaptation *item = &live->adaptations[i];

		json_array_append_new(
			list,
			json_pack("{sf ss ss sI sI ss ss sI}", "at", (double)item->at_us / 1e6,
				  "stream", item->stream, "attribute", "runtime", "old_ns",
				  (json_int_t)item->old_ns, "new_ns", (json_int_t)item->new_ns,
				  "by", qos_adapted_by_names[item->by], "reason", item->reason,
				  "signal_ns", (json_int_t)item->signal_ns));
	}
	return list;
}

static json_t *report_show(struct qos_supervisor *supervisor, struct qos_live *live)
{
	const struct qos_contract *contract = live->contract;
	struct qos_buf yaml = {};
	json_t *show = report_brief(supervisor, live), *streams = json_array();

	json_object_set_new(show, "schema", json_integer(1));
	json_object_set_new(show, "diagnostics", report_diag(&live->diag));
	json_object_set_new(show, "streams", streams);
	if (!contract)
		return show;
	qos_contract_print(contract, &yaml);
	for (size_t i = 0; i < live->n_streams; i++)
		json_array_append_new(streams, qos_report_stream(supervisor, &live->streams[i]));
	json_object_set_new(show, "description", text_or_null(contract->description));
	json_object_set_new(show, "accept", json_string(qos_guarantee_names[contract->accept]));
	json_object_set_new(show, "yaml", text_or_null(yaml.text));
	json_object_set_new(show, "network", qos_network_json(supervisor, live, true));
	json_object_set_new(show, "adaptations", report_adaptations(live));
	qos_buf_reset(&yaml);
	return show;
}

int qos_supervisor_events_json(struct qos_supervisor *supervisor, const char *contract,
			       uint64_t since_ns, json_t **ret)
{
	uint64_t now_ns = qos_clock_ns(CLOCK_BOOTTIME);

	if (*contract && !qos_supervisor_find(supervisor, contract) &&
	    !qos_history_knows(&supervisor->history, contract))
		return QOS_SUPERVISOR_E_NO_CONTRACT;
	*ret = qos_history_json(&supervisor->history, contract,
				since_ns && since_ns < now_ns ? now_ns - since_ns : 0);
	return *ret ? 0 : -ENOMEM;
}

/* --- top --- */

static json_t *report_top_of(struct qos_supervisor *supervisor, const struct qos_live *live)
{
	json_t *streams = json_array();

	for (size_t i = 0; i < live->n_streams; i++)
		json_array_append_new(streams,
				      qos_report_stream_brief(supervisor, &live->streams[i]));
	return json_pack("{ss ss so so}", "contract",
			 live->contract ? live->contract->name : live->file, "state",
			 qos_live_state_names[live->state], "streams", streams, "network",
			 live->contract ? qos_network_json(supervisor, live, false) : json_array());
}

static json_t *report_top(struct qos_supervisor *supervisor)
{
	json_t *contracts = json_array();

	for (size_t i = 0; i < supervisor->n_lives; i++)
		json_array_append_new(contracts, report_top_of(supervisor, supervisor->lives[i]));
	return json_pack("{si ss ss sI sf so}", "schema", 1, "version", QOS_VERSION, "state",
			 qos_report_overall(supervisor), "uptime_s", uptime_s(supervisor), "at_s",
			 (double)qos_clock_ns(CLOCK_BOOTTIME) / 1e9, "contracts", contracts);
}

/* Not JSON, but one answer for all that is asked over the bus. */
static json_t *report_metrics(struct qos_supervisor *supervisor, bool open)
{
	const struct qos_buf *text;

	if (qos_metrics_text(supervisor, open ? QOS_METRICS_OPEN : QOS_METRICS_TEXT, &text) < 0)
		return NULL;
	return json_pack("{si ss}", "schema", 1, "text", text->text);
}

int qos_supervisor_report(struct qos_supervisor *supervisor, const char *what, const char *name,
			  json_t **ret)
{
	struct qos_live *live;
	json_t *report;

	if (!strcmp(what, "status")) {
		report = report_status(supervisor);
	} else if (!strcmp(what, "list")) {
		report = json_pack("{si so}", "schema", 1, "contracts", report_briefs(supervisor));
	} else if (!strcmp(what, "show")) {
		live = qos_supervisor_find(supervisor, name);
		if (!live)
			return QOS_SUPERVISOR_E_NO_CONTRACT;
		report = report_show(supervisor, live);
	} else if (!strcmp(what, "top")) {
		report = report_top(supervisor);
	} else if (!strcmp(what, "metrics")) {
		report = report_metrics(supervisor, !strcmp(name, "open"));
	} else {
		return -EINVAL;
	}
	if (!report)
		return -ENOMEM;
	*ret = report;
	return 0;
}

json_t *qos_report_reload(const struct qos_supervisor *supervisor,
			  const struct qos_reload_summary *summary)
{
	json_t *in_force = json_array(), *refused = json_array(), *invalid = json_array();
	json_t *older = json_array(), *diagnostics = json_array();

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];

		if (live->state == QOS_LIVE_IN_FORCE)
			json_array_append_new(in_force, json_string(live->contract->name));
		if (live->stale)
			json_array_append_new(older, json_string(live->contract->name));
		if (qos_live_is_refused(live))
			json_array_append_new(refused, json_string(live->contract->name));
		if (!live->file_valid)
			json_array_append_new(invalid, json_string(live->path));
		qos_report_diag_into(diagnostics, &live->diag);
	}
	return json_pack("{si so sI so sI so so so}", "schema", 1, "in_force", in_force,
			 "unchanged", (json_int_t)summary->n_unchanged, "older", older, "removed",
			 (json_int_t)summary->n_removed, "refused", refused, "invalid", invalid,
			 "diagnostics", diagnostics);
}
