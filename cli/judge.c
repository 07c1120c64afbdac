/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's judgement, made here from the same functions. What is denied to the caller is not
 * denied to the daemon, which runs as root: a user's `check` must not call a contract impossible
 * because he himself may not set SCHED_DEADLINE. Nor is all that root may have the daemon's: its unit
 * leaves it no CAP_SYS_ADMIN, without which some kernels refuse perf events.
 *
 * Known weakness: of several contracts each is judged alone; how they fit together only the
 * daemon's ledger knows. And a user who is not root cannot tell the threads that a running qosd
 * manages from foreign real-time work, so he is told of less capacity than there is.
 */
#include "judge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "admit/ledger.h"
#include "contract/check.h"
#include "extension/compile.h"
#include "kern/probe.h"
#include "state/originals.h"
#include "util/file.h"

static void print_diag(const struct qos_cli *cli, const struct qos_diag *diag)
{
	_cleanup_json_ json_t *diagnostics = json_array();

	if (diagnostics && qos_out_diag_json(diag, diagnostics) == 0)
		qos_out_diagnostics(&cli->err, diagnostics);
}

static int parse_config(const char *path, const char *bytes, size_t len, struct qos_diag *diag,
			struct qos_config *ret)
{
	_cleanup_doc_ struct qos_doc *doc = NULL;
	int r = qos_doc_parse(path, bytes, len, diag, &doc);

	return r < 0 ? r : qos_config_parse(doc, diag, ret);
}

/* Settings that were named must be good; the machine's own, if they are bad, are the daemon's
 * trouble: defaults then, and the words. */
static int read_config(const struct qos_cli *cli, struct qos_config *ret)
{
	const char *path = cli->config ? cli->config : QOS_CONFIG_FILE;
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_free_ char *bytes = NULL;
	size_t len;
	int r;

	qos_config_default(ret);
	r = qos_file_read(AT_FDCWD, path, QOS_CONFIG_BYTES_MAX, &bytes, &len);
	if (r < 0 && cli->config)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s: %s", path, strerror(-r));
	if (r < 0)
		return QOS_EXIT_OK;
	r = parse_config(path, bytes, len, &diag, ret);
	print_diag(cli, &diag);
	qos_diag_reset(&diag);
	if (r == 0)
		return QOS_EXIT_OK;
	if (r == -ENOMEM)
		return qos_cli_no_memory(cli);
	qos_config_default(ret);
	return cli->config ? QOS_EXIT_INVALID : QOS_EXIT_OK;
}

static int read_host(const struct qos_cli *cli, struct qos_host **ret)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = qos_file_read(AT_FDCWD, cli->host, QOS_HOST_BYTES_MAX, &text, &len);
	if (r < 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE,
				    "`qosctl doctor --dump-host` writes such a file", "%s: %s",
				    cli->host, strerror(-r));
	r = qos_host_parse(cli->host, text, len, &diag, ret);
	print_diag(cli, &diag);
	qos_diag_reset(&diag);
	return r < 0 ? QOS_EXIT_FAILURE : QOS_EXIT_OK;
}

/* By name: whoever calls himself qosd only spoils the advice that he gets here. */
static bool is_daemon(pid_t tid)
{
	_cleanup_free_ char *comm = NULL;
	char path[32];
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)tid);
	return qos_file_read(AT_FDCWD, path, 64, &comm, &len) == 0 && !strcmp(comm, "qosd\n");
}

static bool is_own(void *data, pid_t tid)
{
	struct qos_original original;

	return (data && qos_originals_get(data, tid, &original) == 0) || is_daemon(tid);
}

/* A running qosd and the threads that it manages are no foreign load. Only root can read its
 * records. */
static int probe_foreign(const struct qos_cli *cli, struct qos_host **ret)
{
	_cleanup_originals_ struct qos_originals *originals = NULL;
	struct qos_probe_own own = {.is_own = is_own};

	if (geteuid() == 0 && qos_originals_open(cli->pin_dir, false, NULL, &originals) == 0)
		own.data = originals;
	return qos_probe_host(&own, ret);
}

/* Probes in programs are perf events too. */
static void judge_clock(struct qos_host *host)
{
	enum qos_feature_state clock = qos_probe_unit_clock();

	if (clock == QOS_UNKNOWN || (clock == QOS_PRESENT && geteuid() == 0))
		return;
	host->feature[QOS_FEATURE_TASK_CLOCK] = clock;
	if (clock == QOS_DENIED && qos_host_has(host, QOS_FEATURE_UPROBES))
		host->feature[QOS_FEATURE_UPROBES] = QOS_DENIED;
}

static int probe_host(const struct qos_cli *cli, enum qos_judge_as as, struct qos_host **ret)
{
	bool lend_rights = as == QOS_JUDGE_AS_DAEMON && geteuid() != 0;
	uint64_t cost;

	if (probe_foreign(cli, ret) < 0)
		return qos_cli_no_memory(cli);
	cost = qos_probe_sample_cost();
	if (cost)
		(*ret)->sample_cost_ns = cost;
	for (size_t i = 0; lend_rights && i < QOS_FEATURE_COUNT; i++) {
		if ((*ret)->feature[i] == QOS_DENIED)
			(*ret)->feature[i] = QOS_PRESENT;
	}
	judge_clock(*ret);
	return QOS_EXIT_OK;
}

int qos_judge_open(const struct qos_cli *cli, enum qos_judge_as as, struct qos_judge *ret)
{
	int r = read_config(cli, &ret->config);

	if (r)
		return r;
	r = cli->host ? read_host(cli, &ret->host) : probe_host(cli, as, &ret->host);
	if (r)
		return r;
	qos_capacity_of(ret->host, &ret->config, &ret->capacity);
	ret->elsewhere = cli->host;
	return QOS_EXIT_OK;
}

void qos_judge_reset(struct qos_judge *judge)
{
	qos_host_free(judge->host);
	judge->host = NULL;
}

int qos_judge_read(const struct qos_cli *cli, const char *path, char **ret, size_t *ret_len)
{
	int r = qos_file_read(AT_FDCWD, path, QOS_DOC_BYTES_MAX, ret, ret_len);

	switch (r) {
	case 0:
		return QOS_EXIT_OK;
	case -EISDIR:
		return qos_cli_fail(cli, QOS_EXIT_FAILURE,
				    "name the file in it; check takes directories",
				    "%s: is a directory", path);
	case -EINVAL:
		return qos_cli_fail(cli, QOS_EXIT_FAILURE,
				    "write what comes from there to a file first",
				    "%s: is no regular file", path);
	case -EFBIG:
		return qos_cli_fail(cli, QOS_EXIT_FAILURE,
				    "a contract has a few dozen lines: this is something else",
				    "%s: is larger than 1 MiB", path);
	default:
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s: %s", path, strerror(-r));
	}
}

/* The likeliest mistake of all that pass: then the contract is in force, and nobody has it. No warning, since
 * of several files in a list some may well be missing. */
static void check_programs(const struct qos_match *match, struct qos_diag *diag)
{
	for (size_t i = 0; i < match->n_children; i++)
		check_programs(match->children[i], diag);
	if (match->kind != QOS_MATCH_TERM || match->key != QOS_MATCH_EXE ||
	    access(match->value, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
		return;
	qos_diag_note(diag, &match->loc, "exe: there is no file %s here", match->value);
	qos_diag_hint(diag,
		      "until it exists no process fits this; readlink /proc/PID/exe tells what "
		      "one runs");
}

int qos_judge_contract(const struct qos_judge *judge, const struct qos_text *texts, size_t n_texts,
		       struct qos_diag *diag, struct qos_contract **ret)
{
	_cleanup_contract_ struct qos_contract *contract = NULL;
	int r;

	r = qos_contract_parse_text(texts, n_texts, diag, &contract);
	if (r == 0)
		r = qos_contract_check(contract, judge->host, diag);
	if (r == 0)
		r = qos_compile_check(contract, diag);
	if (r == 0 && !judge->elsewhere)
		check_programs(contract->match, diag);
	if (r == 0)
		*ret = TAKE_PTR(contract);
	return r;
}

/* The stream that the contract's guarantee comes from: the weakest that is scheduled. */
static const char *weakest_test(const struct qos_grant *grant)
{
	for (size_t i = 0; i < grant->n_streams; i++) {
		const struct qos_stream_grant *stream = &grant->streams[i];

		if (stream->policy != QOS_POLICY_NONE && stream->guarantee == grant->guarantee)
			return stream->test;
	}
	return NULL;
}

int qos_judge_admit(const struct qos_judge *judge, const struct qos_contract *contract,
		    struct qos_diag *diag, struct qos_verdict *ret)
{
	_cleanup_ledger_ struct qos_ledger *ledger = NULL;
	const struct qos_grant *grant;
	int r;

	r = qos_ledger_new(&judge->capacity, &ledger);
	if (r < 0)
		return r;
	qos_ledger_begin(ledger);
	r = qos_ledger_add(ledger, contract, diag);
	if (r) {
		qos_ledger_rollback(ledger);
		return r;
	}
	qos_ledger_commit(ledger);
	grant = qos_ledger_grant(ledger, contract->name);
	*ret = (struct qos_verdict){.guarantee = grant->guarantee, .test = weakest_test(grant)};
	return 0;
}
