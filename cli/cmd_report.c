/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * report: the last hours of contracts. The daemon is asked for one at a time, so that no document of its
 * becomes large; here they are put together.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "client.h"
#include "nearest.h"
#include "options.h"

/* What it takes to ask for the parts. */
struct questions {
	const struct qos_cli *cli;
	sd_bus *bus;
	uint64_t since_ns;
	json_t *parts; /* borrowed */
};

static void questions_reset(struct questions *questions)
{
	questions->bus = sd_bus_close_unref(questions->bus);
}

/* One contract's part. `listed`: by the daemon, a moment ago, so it may have gone since. */
static int ask(struct questions *questions, const char *contract, bool listed)
{
	_cleanup_answer_ struct qos_answer answer = {};

	if (qos_client_call_on(questions->bus, &answer, "Series", "st", contract,
			       questions->since_ns)) {
		if (listed && answer.status == QOS_EXIT_NO_CONTRACT)
			return QOS_EXIT_OK;
		questions_reset(questions);
		return qos_nearest_complain(questions->cli, &answer, contract);
	}
	json_object_del(answer.json, "schema");
	return json_array_append(questions->parts, answer.json) < 0
		       ? qos_cli_no_memory(questions->cli)
		       : QOS_EXIT_OK;
}

static int ask_for_all(struct questions *questions)
{
	_cleanup_answer_ struct qos_answer answer = {};
	const json_t *brief;
	size_t i;

	if (qos_client_call_on(questions->bus, &answer, "Report", "ss", "list", ""))
		return qos_client_complain(questions->cli, &answer);
	json_array_foreach(json_object_get(answer.json, "contracts"), i, brief) {
		int r = ask(questions, qos_json_text(brief, "contract", ""), true);

		if (r)
			return r;
	}
	return QOS_EXIT_OK;
}

static int collect(const struct qos_cli *cli, uint64_t since_ns, json_t *parts)
{
	QOS_CLEANUP(questions_reset)
	struct questions questions = {.cli = cli, .since_ns = since_ns, .parts = parts};
	_cleanup_answer_ struct qos_answer answer = {};
	int r = QOS_EXIT_OK;

	if (qos_client_open(cli->socket, &answer, &questions.bus))
		return qos_client_complain(cli, &answer);
	if (cli->n_args == 1)
		return ask_for_all(&questions);
	for (size_t i = 1; !r && i < cli->n_args; i++)
		r = ask(&questions, cli->args[i], false);
	return r;
}

static int write_page(const struct qos_cli *cli, const json_t *document)
{
	_cleanup_fclose_ FILE *file = fopen(cli->html, "we");
	const struct qos_out out = {.file = file};

	if (file)
		qos_out_report_page(&out, document);
	if (!file || fflush(file) || ferror(file))
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s: %s", cli->html,
				    strerror(errno));
	return QOS_EXIT_OK;
}

int qos_cmd_report(struct qos_cli *cli)
{
	_cleanup_json_ json_t *document = json_pack("{s:i, s:[]}", "schema", 1, "contracts");
	uint64_t since_ns = 0;
	int r;

	if (!document)
		return qos_cli_no_memory(cli);
	if (qos_options_since(cli, &since_ns))
		return QOS_EXIT_USAGE;
	r = collect(cli, since_ns, json_object_get(document, "contracts"));
	if (!r && cli->html)
		r = write_page(cli, document);
	if (!r)
		qos_cli_print(cli, document, qos_out_report);
	return r;
}
