/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * status and list; `status --check` turns what they show into an exit status for scripts. Drift
 * stands with the threads, so the check asks for each contract in force.
 */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

#include "client.h"
#include "watch.h"

static void print(struct qos_cli *cli, const struct qos_out *out, const json_t *document,
		  void (*printer)(const struct qos_out *out, const json_t *document))
{
	if (cli->json)
		qos_out_json(out, document, cli->watch);
	else
		printer(out, document);
}

static int check_violations(const struct qos_cli *cli, const json_t *briefs)
{
	int status = QOS_EXIT_OK;
	const json_t *brief;
	size_t i;

	json_array_foreach(briefs, i, brief) {
		int64_t n = qos_json_int(brief, "violations", 0);

		if (n > 0)
			status = qos_cli_fail(cli, QOS_EXIT_VIOLATION, NULL,
					      "%s: %" PRId64 " windows violated",
					      qos_json_text(brief, "contract", "-"), n);
	}
	return status;
}

static const json_t *drifted_thread(const json_t *show)
{
	const json_t *stream, *thread;
	size_t i, k;

	json_array_foreach(json_object_get(show, "streams"), i, stream) {
		json_array_foreach(json_object_get(stream, "threads"), k, thread) {
			if (qos_json_bool(thread, "drift"))
				return thread;
		}
	}
	return NULL;
}

static const json_t *drifted_link(const json_t *show)
{
	const json_t *stream;
	size_t i;

	json_array_foreach(json_object_get(show, "network"), i, stream) {
		if (qos_json_bool(stream, "drift"))
			return stream;
	}
	return NULL;
}

static int check_drift_of(const struct qos_cli *cli, const char *contract)
{
	static const char hint[] = "on-drift in the contract says what qosd does then";
	_cleanup_answer_ struct qos_answer answer = {};
	const json_t *thread, *link;

	if (qos_client_call(cli->socket, &answer, "Report", "ss", "show", contract))
		return answer.status == QOS_EXIT_NO_CONTRACT ? QOS_EXIT_OK
							     : qos_client_complain(cli, &answer);
	thread = drifted_thread(answer.json);
	link = drifted_link(answer.json);
	if (thread)
		return qos_cli_fail(cli, QOS_EXIT_DRIFT, hint,
				    "%s: the policy of thread %" PRId64
				    " (%s) was changed by somebody else",
				    contract, qos_json_int(thread, "tid", 0),
				    qos_json_text(thread, "comm", "?"));
	if (link)
		return qos_cli_fail(cli, QOS_EXIT_DRIFT, hint,
				    "%s: the queue of %s was changed by somebody else", contract,
				    qos_json_text(link, "interface", "?"));
	return QOS_EXIT_OK;
}

static int check_drift(const struct qos_cli *cli, const json_t *briefs)
{
	int status = QOS_EXIT_OK;
	const json_t *brief;
	size_t i;

	json_array_foreach(briefs, i, brief) {
		int r;

		if (strcmp(qos_json_text(brief, "state", ""), "in-force"))
			continue;
		r = check_drift_of(cli, qos_json_text(brief, "contract", ""));
		if (r)
			status = r;
	}
	return status;
}

/* Violations weigh most, then drift, then that something asked for is not in force. */
static int check(const struct qos_cli *cli, const json_t *status)
{
	const json_t *briefs = json_object_get(status, "contracts");
	const char *state = qos_json_text(status, "state", "bad");
	int r;

	r = check_violations(cli, briefs);
	if (!r)
		r = check_drift(cli, briefs);
	if (!r && (!strcmp(state, "bad") || !strcmp(state, "panic")))
		r = qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "qosd is in state %s", state);
	return r;
}

static int draw_status(struct qos_cli *cli, const struct qos_out *out)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call(cli->socket, &answer, "Report", "ss", "status", ""))
		return qos_client_complain(cli, &answer);
	if (!cli->quiet || cli->json)
		print(cli, out, answer.json, qos_out_status);
	return cli->check ? check(cli, answer.json) : QOS_EXIT_OK;
}

int qos_cmd_status(struct qos_cli *cli)
{
	return qos_watch(cli, draw_status);
}

static int draw_list(struct qos_cli *cli, const struct qos_out *out)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call(cli->socket, &answer, "Report", "ss", "list", ""))
		return qos_client_complain(cli, &answer);
	print(cli, out, answer.json, qos_out_list);
	return QOS_EXIT_OK;
}

int qos_cmd_list(struct qos_cli *cli)
{
	return qos_watch(cli, draw_list);
}
