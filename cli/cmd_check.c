/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check: every file is judged, and every mistake shown in one run. Directories that are named are
 * judged apart (one does not replace files of another, as in the search path), but names must be
 * unique over all of them.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "contract/check.h"
#include "judge.h"
#include "state/store.h"

struct run {
	const struct qos_cli *cli;
	struct qos_judge judge;
	json_t *document;
	struct qos_contract **contracts; /* the good ones */
	size_t n_contracts;
	size_t n_errors;
	size_t n_not_root; /* files that are fine here, but not where the daemon reads */
};

static void run_reset(struct run *run)
{
	for (size_t i = 0; i < run->n_contracts; i++)
		qos_contract_free(run->contracts[i]);
	free(run->contracts);
	json_decref(run->document);
	qos_judge_reset(&run->judge);
}

/* Takes the diagnostics over into the document. 0 or -ENOMEM. */
static int record(struct run *run, struct qos_diag *diag)
{
	int r = qos_out_diag_json(diag, json_object_get(run->document, "diagnostics"));

	run->n_errors += diag->n_errors;
	qos_diag_reset(diag);
	return r;
}

static int record_contract(struct run *run, const char *file, const struct qos_contract *contract,
			   bool ok, const struct qos_verdict *verdict)
{
	const char *guarantee = verdict ? qos_guarantee_names[verdict->guarantee] : NULL;
	json_t *object = json_pack("{s:s?, s:s, s:b, s:s?, s:s?}", "contract",
				   contract ? contract->name : NULL, "file", file, "ok", ok,
				   "guarantee", guarantee, "test", verdict ? verdict->test : NULL);

	return json_array_append_new(json_object_get(run->document, "contracts"), object) < 0
		       ? -ENOMEM
		       : 0;
}

/* A clone or a build tree belongs to whoever works in it: only writable by group or others, or a
 * file where the daemon would read it, is worth a warning each. Never an error: --strict is about
 * the machine, not about who keeps the file. */
static void warn_unsafe(struct run *run, const struct qos_store_entry *entry, struct qos_diag *diag)
{
	struct qos_loc loc = {.file = entry->texts[0].path};
	bool own_path = run->cli->n_args == 1;
	bool open = false;
	bool strict = diag->strict;
	struct stat st;

	if (!entry->unsafe)
		return;
	for (size_t i = 0; i < entry->n_texts; i++)
		open |= stat(entry->texts[i].path, &st) == 0 &&
			(st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
	if (!own_path && !open) {
		run->n_not_root++;
		return;
	}
	diag->strict = false;
	qos_diag_warning(diag, &loc, "%s can write this file: the daemon refuses it",
			 open ? "its group or others" : "others than root");
	qos_diag_hint(diag, "chown root and chmod go-w it and its directory; `qosctl apply` "
			    "installs it so");
	diag->strict = strict;
}

/* Admission of the contract alone: a refusal here is the machine's fault, so only a warning. */
static int admit(const struct run *run, const struct qos_contract *contract, struct qos_diag *diag,
		 struct qos_verdict *ret)
{
	struct qos_diag reasons = QOS_DIAG_INIT;
	int r = qos_judge_admit(&run->judge, contract, &reasons, ret);

	if (r == 0 && ret->test)
		qos_diag_note(diag, &contract->loc, "%s: alone on this machine: %s (%s)",
			      contract->name, qos_guarantee_names[ret->guarantee], ret->test);
	else if (r == 0)
		qos_diag_note(diag, &contract->loc, "%s: schedules nothing", contract->name);
	for (size_t i = 0; r > 0 && i < reasons.n_entries; i++) {
		const struct qos_diag_entry *entry = &reasons.entries[i];
		struct qos_loc loc = {.file = entry->file, .line = entry->line, .col = entry->col};

		qos_diag_warning(diag, &loc, "%s: alone on this machine: %s", contract->name,
				 entry->text);
		if (entry->hint)
			qos_diag_hint(diag, "%s", entry->hint);
	}
	qos_diag_reset(&reasons);
	return r;
}

static int judge_texts(struct run *run, const struct qos_store_entry *entry, struct qos_diag *diag,
		       struct qos_contract **ret)
{
	_cleanup_free_ struct qos_text *texts = qos_store_texts(entry);

	if (!texts)
		return -ENOMEM;
	return qos_judge_contract(&run->judge, texts, entry->n_texts, diag, ret);
}

static int keep(struct run *run, struct qos_contract *contract)
{
	struct qos_contract **all =
		reallocarray(run->contracts, run->n_contracts + 1, sizeof(*run->contracts));

	if (!all) {
		qos_contract_free(contract);
		return -ENOMEM;
	}
	run->contracts = all;
	all[run->n_contracts++] = contract;
	return 0;
}

/* One contract file. 0 or -ENOMEM. */
static int check_entry(struct run *run, const struct qos_store_entry *entry, struct qos_diag *diag)
{
	const char *path = entry->n_texts ? entry->texts[0].path : entry->name;
	_cleanup_contract_ struct qos_contract *contract = NULL;
	struct qos_verdict verdict;
	bool admitted = false;
	int r;

	if (entry->unreadable || !entry->n_texts)
		return record_contract(run, path, NULL, false, NULL);
	warn_unsafe(run, entry, diag);
	r = judge_texts(run, entry, diag, &contract);
	if (r == -ENOMEM)
		return r;
	if (r == 0) {
		r = admit(run, contract, diag, &verdict);
		if (r < 0)
			return r;
		admitted = r == 0;
	}
	r = record_contract(run, path, contract, diag->n_errors == 0, admitted ? &verdict : NULL);
	return r < 0 || !contract ? r : keep(run, TAKE_PTR(contract));
}

/* One path list as the store reads it. 0 or -ENOMEM. */
static int check_paths(struct run *run, const char *const *paths)
{
	_cleanup_store_ struct qos_store *store = NULL;
	struct qos_diag diag = {.strict = run->cli->strict};
	int r;

	r = qos_store_read(paths, &diag, &store);
	if (r == -ENOMEM || record(run, &diag) < 0)
		return -ENOMEM;
	for (size_t i = 0; store && i < store->n_entries; i++) {
		r = check_entry(run, &store->entries[i], &diag);
		if (record(run, &diag) < 0 || r < 0)
			return -ENOMEM;
	}
	return 0;
}

static void mark_bad(const struct run *run, const char *file)
{
	json_t *contract;
	size_t i;

	json_array_foreach(json_object_get(run->document, "contracts"), i, contract) {
		if (!strcmp(qos_json_text(contract, "file", ""), file))
			json_object_set_new(contract, "ok", json_false());
	}
}

static int check_names(struct run *run)
{
	struct qos_diag diag = QOS_DIAG_INIT;

	qos_contract_check_names(run->contracts, run->n_contracts, &diag);
	for (size_t i = 0; i < diag.n_entries; i++)
		mark_bad(run, diag.entries[i].file ? diag.entries[i].file : "");
	return record(run, &diag);
}

static int note_not_root(struct run *run)
{
	struct qos_diag diag = QOS_DIAG_INIT;

	if (run->n_not_root) {
		qos_diag_note(&diag, NULL, "%zu of these files belong to a user other than root",
			      run->n_not_root);
		qos_diag_hint(&diag, "fine here; the daemon takes only root's files, and `qosctl "
				     "apply` installs them so");
	}
	return record(run, &diag);
}

static int check_all(struct run *run)
{
	const struct qos_cli *cli = run->cli;
	int r = 0;

	if (cli->n_args == 1)
		r = check_paths(run, cli->n_contracts ? cli->contracts : qos_store_default_path);
	for (size_t i = 1; r == 0 && i < cli->n_args; i++) {
		const char *const paths[] = {cli->args[i], NULL};

		r = check_paths(run, paths);
	}
	if (r == 0)
		r = check_names(run);
	return r < 0 ? r : note_not_root(run);
}

static int check_exist(const struct qos_cli *cli)
{
	for (size_t i = 1; i < cli->n_args; i++) {
		if (access(cli->args[i], F_OK) < 0)
			return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s: %s", cli->args[i],
					    strerror(errno));
	}
	return QOS_EXIT_OK;
}

int qos_cmd_check(struct qos_cli *cli)
{
	QOS_CLEANUP(run_reset) struct run run = {.cli = cli};
	int r;

	r = check_exist(cli);
	if (!r)
		r = qos_judge_open(cli, QOS_JUDGE_AS_DAEMON, &run.judge);
	if (r)
		return r;
	run.document = json_pack("{s:i, s:[], s:[]}", "schema", 1, "contracts", "diagnostics");
	if (!run.document || check_all(&run) < 0)
		return qos_cli_no_memory(cli);
	qos_cli_diagnostics(cli, json_object_get(run.document, "diagnostics"));
	qos_cli_print(cli, run.document, qos_out_check);
	return run.n_errors ? QOS_EXIT_INVALID : QOS_EXIT_OK;
}
