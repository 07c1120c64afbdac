/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * doctor: the facts of this machine, each with what its lack costs and the remedy. Needs neither
 * daemon nor root; what is denied to a user does not count as missing then, only as not known.
 */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <string.h>

#include "client.h"
#include "judge.h"
#include "kern/probe.h"
#include "kern/probe_module.h"
#include "system_bus.h"

static bool counts_as_missing(const struct qos_feature_advice *advice, enum qos_feature_state state)
{
	if (!advice->needed || state == QOS_PRESENT)
		return false;
	return geteuid() == 0 || (state != QOS_DENIED && state != QOS_UNKNOWN);
}

static json_t *report_features(const struct qos_host *host, size_t *ret_missing,
			       size_t *ret_unknown)
{
	json_t *array = json_array();

	*ret_missing = *ret_unknown = 0;
	for (enum qos_feature i = 0; i < QOS_FEATURE_COUNT; i++) {
		const struct qos_feature_advice *advice = qos_feature_advice(i);
		enum qos_feature_state state = host->feature[i];

		*ret_missing += counts_as_missing(advice, state);
		*ret_unknown +=
			advice->needed && state != QOS_PRESENT && !counts_as_missing(advice, state);
		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:s, s:b, s:s, s:s, s:s}", "feature",
						qos_feature_names[i], "config", advice->config,
						"state", qos_feature_state_names[state], "needed",
						(int)advice->needed, "what", advice->what, "cost",
						advice->cost, "remedy", advice->remedy));
	}
	return array;
}

/* A module can be missing in more ways than a feature can be off. */
static void explain_module(json_t *features)
{
	const struct qos_probe_module_advice *advice = qos_probe_module_advice(qos_probe_module());
	json_t *module = json_array_get(features, QOS_FEATURE_MODULE);

	json_object_set_new(module, "found", json_string(advice->found));
	json_object_set_new(module, "remedy", json_string(advice->remedy));
}

/* What was tried, and the number that is mostly why. */
static void explain_clock(json_t *features, const struct qos_host *host)
{
	json_t *clock = json_array_get(features, QOS_FEATURE_TASK_CLOCK);

	if (host->feature[QOS_FEATURE_TASK_CLOCK] == QOS_DENIED &&
	    qos_probe_unit_clock() == QOS_DENIED)
		json_object_set_new(clock, "found",
				    json_sprintf("perf_event_open is refused to who has no "
						 "CAP_SYS_ADMIN, as qosd.service has none; "
						 "kernel.perf_event_paranoid is %" PRId64,
						 host->perf_paranoid));
}

static json_t *report_capacity(const struct qos_host *host, const struct qos_capacity *capacity)
{
	char online[QOS_CPUS_TEXT_MAX], isolated[QOS_CPUS_TEXT_MAX];

	return json_pack(
		"{s:s, s:s, s:f, s:s, s:f, s:I, s:I, s:I, s:I, s:I, s:b, s:b}", "cpus",
		qos_cpus_print(online, sizeof(online), &capacity->online), "isolated",
		qos_cpus_print(isolated, sizeof(isolated), &capacity->isolated), "cap_percent",
		(double)capacity->cap_ppb / 1e7, "cap_reason", capacity->cap_reason,
		"dl_foreign_percent", (double)capacity->dl_foreign_ppb / 1e7, "rt_runtime_us",
		(json_int_t)host->rt_runtime_us, "rt_period_us", (json_int_t)host->rt_period_us,
		"fair_runtime_ns", (json_int_t)host->fair_runtime_ns, "fair_period_ns",
		(json_int_t)host->fair_period_ns, "sample_cost_ns",
		(json_int_t)host->sample_cost_ns, "deadline", (int)capacity->deadline, "fifo",
		(int)capacity->fifo);
}

static const char *policy_name(int policy)
{
	switch (policy) {
	case SCHED_FIFO:
		return "fifo";
	case SCHED_RR:
		return "rr";
	case 6: /* SCHED_DEADLINE, which glibc does not name */
		return "deadline";
	}
	return "other";
}

/* comm comes from a program and need not be UTF-8, which JSON must be. */
static json_t *report_foreign(const struct qos_host *host)
{
	json_t *array = json_array();

	for (size_t i = 0; i < host->n_foreign; i++) {
		const struct qos_foreign *item = &host->foreign[i];
		char cpus[QOS_CPUS_TEXT_MAX];
		json_t *comm = json_string(item->comm);

		json_array_append_new(
			array, json_pack("{s:i, s:o, s:s, s:i, s:I, s:I, s:f, s:s}", "tid",
					 (int)item->tid, "comm", comm ? comm : json_string("?"),
					 "policy", policy_name(item->policy), "priority",
					 item->priority, "runtime_ns", (json_int_t)item->runtime_ns,
					 "period_ns", (json_int_t)item->period_ns, "used_percent",
					 (double)item->used_ppm / 1e4, "cpus",
					 qos_cpus_print(cpus, sizeof(cpus), &item->cpus)));
	}
	return array;
}

static json_t *report_daemon(const struct qos_cli *cli)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call(cli->socket, &answer, "Report", "ss", "status", ""))
		return json_pack("{s:b, s:n, s:[], s:s}", "running",
				 (int)(answer.status != QOS_EXIT_NO_DAEMON), "state", "problems",
				 "why", answer.text ? answer.text : "?");
	return json_pack("{s:b, s:O?, s:O?, s:n}", "running", 1, "state",
			 json_object_get(answer.json, "state"), "problems",
			 json_object_get(answer.json, "problems"), "why");
}

static json_t *report_bus(void)
{
	struct qos_system_bus bus;

	qos_system_bus_look(&bus);
	return qos_system_bus_report(&bus);
}

static json_t *report(const struct qos_cli *cli, const struct qos_judge *judge)
{
	size_t missing, unknown;
	json_t *features = report_features(judge->host, &missing, &unknown);
	const char *verdict = "This machine has all that qosd needs.";

	explain_module(features);
	explain_clock(features, judge->host);
	if (missing)
		verdict = "This machine lacks something that qosd needs.";
	else if (unknown)
		verdict = "Nothing that qosd needs is known to be missing; as root, doctor "
			  "can tell more.";
	else if (judge->host->feature[QOS_FEATURE_TASK_CLOCK] != QOS_PRESENT)
		verdict = "This machine has what qosd needs, but for SCHED_FIFO: see task_clock.";
	return json_pack("{s:i, s:b, s:s, s:s?, s:o, s:o, s:o, s:b, s:o, s:o}", "schema", 1, "ok",
			 (int)!missing, "verdict", verdict, "release", judge->host->release,
			 "features", features, "capacity",
			 report_capacity(judge->host, &judge->capacity), "foreign",
			 report_foreign(judge->host), "foreign_truncated",
			 (int)judge->host->foreign_truncated, "daemon", report_daemon(cli), "bus",
			 report_bus());
}

static int dump_host(const struct qos_cli *cli)
{
	_cleanup_judge_ struct qos_judge judge = {};
	_cleanup_free_ char *text = NULL;
	int r = qos_judge_open(cli, QOS_JUDGE_AS_CALLER, &judge);

	if (r)
		return r;
	if (qos_host_print(judge.host, &text) < 0)
		return qos_cli_no_memory(cli);
	fputs(text, cli->out.file);
	return QOS_EXIT_OK;
}

static int list_errors(const struct qos_cli *cli)
{
	_cleanup_json_ json_t *document = json_pack("{s:i, s:[]}", "schema", 1, "errors");
	const struct qos_errno_advice *rows;
	size_t n;

	rows = qos_errno_advice_table(&n);
	for (size_t i = 0; i < n; i++) {
		const char *name = strerrorname_np(rows[i].error);

		json_array_append_new(json_object_get(document, "errors"),
				      json_pack("{s:s?, s:i, s:s, s:s, s:s}", "call", rows[i].call,
						"errno", rows[i].error, "name",
						name ? name : "any other", "cause", rows[i].cause,
						"remedy", rows[i].remedy));
	}
	if (!document || json_array_size(json_object_get(document, "errors")) != n)
		return qos_cli_no_memory(cli);
	qos_cli_print(cli, document, qos_out_errors);
	return QOS_EXIT_OK;
}

int qos_cmd_doctor(struct qos_cli *cli)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_judge_ struct qos_judge judge = {};
	int r;

	if (cli->dump_host && cli->errors)
		return qos_cli_fail(cli, QOS_EXIT_USAGE, NULL,
				    "--dump-host and --errors exclude "
				    "each other");
	if (cli->dump_host)
		return dump_host(cli);
	if (cli->errors)
		return list_errors(cli);
	r = qos_judge_open(cli, QOS_JUDGE_AS_CALLER, &judge);
	if (r)
		return r;
	document = report(cli, &judge);
	if (!document)
		return qos_cli_no_memory(cli);
	qos_cli_print(cli, document, qos_out_doctor);
	return qos_json_bool(document, "ok") ? QOS_EXIT_OK : QOS_EXIT_FAILURE;
}
