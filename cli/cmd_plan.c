/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * plan: files are judged here, as apply does, for a place and a hint in each mistake; what would come of
 * them beside the others the daemon says, from its own reload.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>

#include "client.h"
#include "judge.h"

/* What is to be planned with; `file` borrows from the rest. */
struct wish {
	struct qos_client_file file;
	char *name;
	char *bytes;
};

struct wishes {
	struct wish *items;
	size_t n;
};

static void wishes_reset(struct wishes *wishes)
{
	for (size_t i = 0; i < wishes->n; i++) {
		free(wishes->items[i].name);
		free(wishes->items[i].bytes);
	}
	free(wishes->items);
}

static int complain(const struct qos_cli *cli, struct qos_diag *diag)
{
	_cleanup_json_ json_t *list = json_array();
	int r = list ? qos_out_diag_json(diag, list) : -ENOMEM;

	qos_diag_reset(diag);
	if (r < 0)
		return qos_cli_no_memory(cli);
	qos_out_diagnostics(&cli->err, list);
	return QOS_EXIT_OK;
}

static int check_twins(const struct qos_cli *cli, const struct wishes *wishes, const char *name)
{
	for (size_t i = 0; i < wishes->n; i++) {
		if (!strcmp(wishes->items[i].name, name))
			return qos_cli_fail(cli, QOS_EXIT_INVALID, "plan one of them at a time",
					    "%s holds the same contract as another file", name);
	}
	return QOS_EXIT_OK;
}

/* apply installs a file under its contract's name. Warnings are the daemon's to say. */
static int add(const struct qos_cli *cli, const struct qos_judge *judge, const char *path,
	       struct wishes *wishes)
{
	_cleanup_contract_ struct qos_contract *contract = NULL;
	struct wish *wish = &wishes->items[wishes->n];
	struct qos_diag diag = {.strict = cli->strict};
	_cleanup_free_ char *bytes = NULL;
	_cleanup_free_ char *name = NULL;
	struct qos_text text = {.file = path};
	int r;

	r = qos_judge_read(cli, path, &bytes, &text.len);
	if (r)
		return r;
	text.bytes = bytes;
	r = qos_judge_contract(judge, &text, 1, &diag, &contract);
	if (r < 0)
		return complain(cli, &diag) ? QOS_EXIT_FAILURE : QOS_EXIT_INVALID;
	qos_diag_reset(&diag);
	if (asprintf(&name, "%s.yaml", contract->name) < 0)
		return qos_cli_no_memory(cli);
	r = check_twins(cli, wishes, name);
	if (r)
		return r;
	wish->file = (struct qos_client_file){.name = name, .path = path, .text = bytes};
	wish->name = TAKE_PTR(name);
	wish->bytes = TAKE_PTR(bytes);
	wishes->n++;
	return QOS_EXIT_OK;
}

static int read_files(const struct qos_cli *cli, struct wishes *wishes)
{
	_cleanup_judge_ struct qos_judge judge = {};
	size_t n = cli->n_args - 1;
	int r = QOS_EXIT_OK;

	wishes->items = calloc(n + 1, sizeof(*wishes->items));
	if (!wishes->items)
		return qos_cli_no_memory(cli);
	if (n)
		r = qos_judge_open(cli, QOS_JUDGE_AS_DAEMON, &judge);
	for (size_t i = 0; !r && i < n; i++)
		r = add(cli, &judge, cli->args[i + 1], wishes);
	return r;
}

int qos_cmd_plan(struct qos_cli *cli)
{
	QOS_CLEANUP(wishes_reset) struct wishes wishes = {};
	_cleanup_free_ struct qos_client_file *files = NULL;
	_cleanup_answer_ struct qos_answer answer = {};
	int r = read_files(cli, &wishes);

	if (r)
		return r;
	files = calloc(wishes.n + 1, sizeof(*files));
	if (!files)
		return qos_cli_no_memory(cli);
	for (size_t i = 0; i < wishes.n; i++)
		files[i] = wishes.items[i].file;
	if (qos_client_plan(cli->socket, &answer, files, wishes.n))
		return qos_client_complain(cli, &answer);
	qos_cli_print(cli, answer.json, qos_out_plan);
	qos_cli_diagnostics(cli, json_object_get(answer.json, "diagnostics"));
	return qos_reload_status(answer.json);
}
