/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * apply and enable: judge, then install (a copy, or a link to a shipped contract) and reload.
 * Whether it can be admitted beside the others only a running daemon knows; without one the empty
 * ledger must admit it, since a contract that never can is not worth installing.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>

#include "admit/ledger.h"
#include "change.h"
#include "client.h"
#include "judge.h"
#include "nearest.h"
#include "target.h"
#include "util/text.h"
#include "util/units.h"

#define CONFIRM_MIN_NS 1000000000ULL
#define CONFIRM_MAX_NS 86400000000000ULL

/* What is to be installed. */
struct plan {
	const char *source;
	const char *name;   /* of the file, without .yaml */
	const char *target; /* enable: link to it; apply: NULL, copy */
	char *bytes;
	size_t len;
	struct qos_contract *contract;
	json_t *document;
};

static void plan_reset(struct plan *plan)
{
	free(plan->bytes);
	qos_contract_free(plan->contract);
	json_decref(plan->document);
}

static int record(const struct plan *plan, struct qos_diag *diag)
{
	int r = qos_out_diag_json(diag, json_object_get(plan->document, "diagnostics"));

	qos_diag_reset(diag);
	return r;
}

/* Words of one stage: kept for --json, said at once otherwise. */
static int report(const struct qos_cli *cli, const struct plan *plan, struct qos_diag *diag)
{
	_cleanup_json_ json_t *now = json_array();

	if (!now || qos_out_diag_json(diag, now) < 0 || record(plan, diag) < 0)
		return qos_cli_no_memory(cli);
	qos_cli_diagnostics(cli, now);
	return QOS_EXIT_OK;
}

static int read_contract(const struct qos_cli *cli, const struct qos_judge *judge,
			 struct plan *plan)
{
	struct qos_diag diag = {.strict = cli->strict};
	struct qos_text text;
	int r;

	r = qos_judge_read(cli, plan->source, &plan->bytes, &plan->len);
	if (r)
		return r;
	text = (struct qos_text){.file = plan->source, .bytes = plan->bytes, .len = plan->len};
	r = qos_judge_contract(judge, &text, 1, &diag, &plan->contract);
	if (report(cli, plan, &diag) || r == -ENOMEM)
		return QOS_EXIT_FAILURE;
	if (r < 0)
		return QOS_EXIT_INVALID;
	json_object_set_new(plan->document, "contract", json_string(plan->contract->name));
	if (!plan->name)
		plan->name = plan->contract->name;
	return QOS_EXIT_OK;
}

/* Two files of one name would fight, and the later one lose: said here, before anything changes.
 * Also finds out whether there is a daemon. */
static int ask_daemon(const struct qos_cli *cli, const struct plan *plan, bool *ret_running)
{
	_cleanup_answer_ struct qos_answer answer = {};
	_cleanup_free_ char *own = NULL;
	const json_t *brief;
	size_t i;
	int r = qos_client_call(cli->socket, &answer, "Report", "ss", "list", "");

	*ret_running = r != QOS_EXIT_NO_DAEMON;
	if (r)
		return *ret_running ? qos_client_complain(cli, &answer) : QOS_EXIT_OK;
	if (asprintf(&own, "%s.yaml", plan->name) < 0)
		return qos_cli_no_memory(cli);
	json_array_foreach(json_object_get(answer.json, "contracts"), i, brief) {
		const char *file = qos_json_text(brief, "file", "");

		if (!strcmp(qos_json_text(brief, "contract", ""), plan->contract->name) &&
		    strcmp(basename(file), own))
			return qos_cli_fail(
				cli, QOS_EXIT_INVALID, "change that file, or choose another name",
				"contract %s stands in %s already", plan->contract->name, file);
	}
	return QOS_EXIT_OK;
}

static int admit_alone(const struct qos_cli *cli, const struct qos_judge *judge,
		       const struct plan *plan)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_verdict verdict;
	int r = qos_judge_admit(judge, plan->contract, &diag, &verdict);

	if (report(cli, plan, &diag) || r < 0)
		return QOS_EXIT_FAILURE;
	if (r > 0)
		return qos_cli_fail(cli, QOS_EXIT_REFUSED, "nothing was installed",
				    "%s cannot be admitted on this machine, even alone",
				    plan->contract->name);
	json_object_set_new(plan->document, "guarantee",
			    json_string(qos_guarantee_names[verdict.guarantee]));
	return QOS_EXIT_OK;
}

static int parse_confirm(const struct qos_cli *cli, uint64_t *ret)
{
	if (!cli->confirm)
		return QOS_EXIT_OK;
	if (qos_parse_duration(cli->confirm, ret) < 0 || *ret < CONFIRM_MIN_NS ||
	    *ret > CONFIRM_MAX_NS)
		return qos_cli_fail(cli, QOS_EXIT_USAGE, "from 1s to 1d, as in 60s",
				    "--confirm: %s is no time to wait", cli->confirm);
	return QOS_EXIT_OK;
}

static int install(const struct qos_cli *cli, const struct plan *plan)
{
	struct qos_change change = {.dir = qos_target_dir(cli),
				    .name = plan->name,
				    .contract = plan->contract->name,
				    .target = plan->target,
				    .bytes = plan->bytes,
				    .len = plan->len};
	int r = parse_confirm(cli, &change.confirm_ns);

	if (!r)
		r = qos_target_check_runtime(cli, plan->name);

	return r ? r : qos_change_make(cli, &change, plan->document);
}

static int judge_and_install(const struct qos_cli *cli, struct plan *plan)
{
	_cleanup_judge_ struct qos_judge judge = {};
	bool running;
	int r;

	r = qos_judge_open(cli, QOS_JUDGE_AS_DAEMON, &judge);
	if (!r)
		r = read_contract(cli, &judge, plan);
	if (!r)
		r = ask_daemon(cli, plan, &running);
	if (!r && !running)
		r = admit_alone(cli, &judge, plan);
	return r ? r : install(cli, plan);
}

static int carry_out(const struct qos_cli *cli, struct plan *plan, const char *action)
{
	int r;

	plan->document = json_pack("{s:i, s:n, s:n, s:s, s:n, s:n, s:n, s:n, s:[]}", "schema", 1,
				   "contract", "file", "action", "failed", "running", "state",
				   "reason", "guarantee", "diagnostics");
	if (!plan->document)
		return qos_cli_no_memory(cli);
	r = judge_and_install(cli, plan);
	if (r == QOS_EXIT_OK)
		json_object_set_new(plan->document, "action", json_string(action));
	if (r == QOS_EXIT_OK || cli->json)
		qos_cli_print(cli, plan->document, qos_out_applied);
	if (r == QOS_EXIT_OK && !qos_json_bool(plan->document, "running") && !cli->quiet)
		fputs("note: qosd is not running; the contract takes force when it starts\n",
		      cli->err.file);
	return r;
}

int qos_cmd_apply(struct qos_cli *cli)
{
	QOS_CLEANUP(plan_reset) struct plan plan = {.source = cli->args[1]};

	return carry_out(cli, &plan, "installed");
}

/* Exit 4, with the nearest of the shipped contracts. */
static int no_policy(const struct qos_cli *cli, const char *name)
{
	_cleanup_free_ char *where = NULL;
	QOS_CLEANUP(qos_names_reset) struct qos_names names = {};

	if (asprintf(&where, " in %s", cli->policies) < 0 ||
	    qos_names_of_dir(&names, cli->policies) < 0)
		return qos_cli_no_memory(cli);
	return qos_nearest_fail(cli, name, where, (const char *const *)names.names);
}

int qos_cmd_enable(struct qos_cli *cli)
{
	const char *name = cli->args[1];
	_cleanup_free_ char *source = NULL;
	_cleanup_free_ char *target = NULL;
	QOS_CLEANUP(plan_reset) struct plan plan = {.name = name};
	int r;

	if (!qos_text_is_contract_name(name))
		return no_policy(cli, name);
	if (asprintf(&source, "%s/%s.yaml", cli->policies, name) < 0)
		return qos_cli_no_memory(cli);
	target = realpath(source, NULL);
	if (!target)
		return no_policy(cli, name);
	r = qos_target_check_free(cli, name);
	if (r)
		return r;
	plan.source = plan.target = target;
	return carry_out(cli, &plan, "enabled");
}
