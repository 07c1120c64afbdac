/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compile: what becomes of a contract's rules, stage by stage. The last stage, `verifier`, loads each
 * program's raw_tp twin into this kernel, prints what the verifier says, and throws it away.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>

#include "contract/parse.h"
#include "extension/compile.h"
#include "kern/probe.h"
#include "kern/prog.h"
#include "state/store.h"
#include "target.h"

#define STAGE_VERIFIER ((int)QOS_STAGE_INSNS + 1)

/* The stage's number, or -1 after a complaint. */
static int read_stage(const struct qos_cli *cli)
{
	const char *name = cli->stage ? cli->stage : qos_stage_names[QOS_STAGE_INSNS];

	for (int i = 0; qos_stage_names[i]; i++)
		if (!strcmp(qos_stage_names[i], name))
			return i;
	if (!strcmp(name, "verifier"))
		return STAGE_VERIFIER;
	qos_cli_fail(cli, QOS_EXIT_USAGE, "one of tokens tree types ir insns verifier",
		     "--stage: there is no `%s`", name);
	return -1;
}

static void complain(const struct qos_cli *cli, struct qos_diag *diag)
{
	_cleanup_json_ json_t *diagnostics = json_array();

	if (diagnostics && qos_out_diag_json(diag, diagnostics) == 0)
		qos_cli_diagnostics(cli, diagnostics);
	qos_diag_reset(diag);
}

static int parse_entry(const struct qos_store_entry *entry, struct qos_diag *diag,
		       struct qos_contract **ret)
{
	_cleanup_free_ struct qos_text *texts = qos_store_texts(entry);

	if (!texts)
		return -ENOMEM;
	return qos_contract_parse_text(texts, entry->n_texts, diag, ret);
}

/* The contract of that name in the search path, whose other files may be bad; NULL: there is none. */
static int find_named(const struct qos_cli *cli, const struct qos_store *store, const char *name,
		      struct qos_contract **ret)
{
	for (size_t i = 0; i < store->n_entries; i++) {
		_cleanup_contract_ struct qos_contract *contract = NULL;
		struct qos_diag diag = QOS_DIAG_INIT;
		int r = parse_entry(&store->entries[i], &diag, &contract);

		qos_diag_reset(&diag);
		if (r == -ENOMEM)
			return r;
		if (contract && !strcmp(contract->name, name)) {
			*ret = TAKE_PTR(contract);
			return 0;
		}
	}
	return 0;
}

/* A file, else a contract's name. Exit status. */
static int read_contract(const struct qos_cli *cli, struct qos_contract **ret)
{
	_cleanup_store_ struct qos_store *store = NULL;
	const char *const path[] = {cli->args[1], NULL};
	bool file = access(cli->args[1], F_OK) == 0;
	struct qos_diag diag = QOS_DIAG_INIT;
	int r;

	r = qos_store_read(file ? path : qos_target_path(cli), &diag, &store);
	if (r == 0 && !file)
		r = find_named(cli, store, cli->args[1], ret);
	else if (r == 0 && store->n_entries == 1 && store->entries[0].n_texts)
		r = parse_entry(&store->entries[0], &diag, ret);
	if (file || r < 0)
		complain(cli, &diag);
	qos_diag_reset(&diag);
	if (r == -ENOMEM)
		return qos_cli_no_memory(cli);
	if (*ret)
		return QOS_EXIT_OK;
	if (file && store && store->n_entries != 1)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, "name one file", "%s: %zu contracts",
				    cli->args[1], store->n_entries);
	if (file)
		return QOS_EXIT_INVALID;
	return qos_cli_fail(cli, QOS_EXIT_NO_CONTRACT,
			    "name a contract of the search path, or a file",
			    "there is no contract or file '%s'", cli->args[1]);
}

/* The verifier's words are printed whatever it decides. */
static int verify(const struct qos_cli *cli, const struct qos_compiled *compiled,
		  const struct qos_program *program, struct qos_buf *out)
{
	_cleanup_prog_maps_ struct qos_prog_maps maps = QOS_PROG_MAPS_NONE;
	_cleanup_free_ char *log = calloc(1, QOS_PROG_LOG_BYTES);
	const struct qos_prog_type raw_tp = {.log = log};
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_close_ int fd = -1;
	struct qos_prog_code code;
	char name[128];
	int r;

	if (!log)
		return qos_cli_no_memory(cli);
	r = qos_prog_maps_new(compiled->n_state, 1, &maps);
	if (r < 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE,
				    r == -EPERM ? "the verifier works for root only"
						: qos_errno_advice("bpf(MAP_CREATE)", -r)->remedy,
				    "--stage=verifier: %s", strerror(-r));
	qos_rule_event_print(name, sizeof(name), compiled->contract, &program->event);
	code = qos_prog_code_of(&program->code, name);
	fd = qos_prog_load(&code, &maps, &raw_tp, &diag);
	qos_buf_add(out, "program on %s: %s\n%s", name, fd < 0 ? "refused" : "accepted", log);
	if (fd < 0)
		fputs(out->text ? out->text : "", cli->out.file);
	complain(cli, &diag);
	return fd < 0 ? QOS_EXIT_FAILURE : QOS_EXIT_OK;
}

static int show(const struct qos_cli *cli, const struct qos_compiled *compiled, int stage)
{
	struct qos_buf out = {};
	int r = QOS_EXIT_OK;

	if (stage < STAGE_VERIFIER)
		qos_compiled_print(compiled, (enum qos_stage)stage, &out);
	for (size_t i = 0; !r && stage == STAGE_VERIFIER && i < compiled->n_programs; i++)
		r = verify(cli, compiled, &compiled->programs[i], &out);
	if (!r && out.error < 0)
		r = qos_cli_no_memory(cli);
	if (!r && !cli->quiet)
		fputs(out.text ? out.text : "the contract has no rules\n", cli->out.file);
	qos_buf_reset(&out);
	return r;
}

int qos_cmd_compile(struct qos_cli *cli)
{
	_cleanup_compiled_ struct qos_compiled *compiled = NULL;
	_cleanup_contract_ struct qos_contract *contract = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	int stage = read_stage(cli), r;

	if (stage < 0)
		return QOS_EXIT_USAGE;
	if (cli->json)
		return qos_cli_fail(cli, QOS_EXIT_USAGE, "the stages are text for people",
				    "compile takes no --json");
	r = read_contract(cli, &contract);
	if (r)
		return r;
	r = qos_compile(contract, stage == STAGE_VERIFIER ? QOS_RULES_TEST : QOS_RULES_FRAME,
			stage == STAGE_VERIFIER ? QOS_STAGE_INSNS : (enum qos_stage)stage, &diag,
			&compiled);
	complain(cli, &diag);
	if (r == -ENOMEM)
		return qos_cli_no_memory(cli);
	return r < 0 ? QOS_EXIT_INVALID : show(cli, compiled, stage);
}
