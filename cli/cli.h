/* SPDX-License-Identifier: GPL-2.0-only */
/* What main.c hands to every verb. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "out.h"

/* Exit statuses, qosctl(1). Functions of the cli return one of these. */
enum qos_exit {
	QOS_EXIT_OK = 0,
	QOS_EXIT_FAILURE = 1,
	QOS_EXIT_INVALID = 2,
	QOS_EXIT_NO_DAEMON = 3,
	QOS_EXIT_NO_CONTRACT = 4,
	QOS_EXIT_VIOLATION = 10,
	QOS_EXIT_REFUSED = 11,
	QOS_EXIT_DRIFT = 12,
	QOS_EXIT_USAGE = 64,
};

#define QOS_DEFAULT_SOCKET   "/run/qosd/private"
#define QOS_DEFAULT_POLICIES "/usr/share/qosd/policies"
#define QOS_DEFAULT_PIN_DIR  "/sys/fs/bpf/qosd"
#define QOS_CONFIG_BYTES_MAX 65536
#define QOS_HOST_BYTES_MAX   4194304
#define QOS_CLI_DIRS_MAX     16

/* Options and arguments; all strings are argv's. */
struct qos_cli {
	bool json;
	bool quiet;
	bool no_pager;
	bool version;
	bool help;
	bool check;
	bool strict;
	bool runtime;
	bool undo;
	bool dump_host;
	bool errors;
	bool all_orderings;
	bool watch;
	bool follow;
	bool openmetrics;
	uint64_t watch_ns;
	const char *socket;
	const char *config; /* NULL: the default one, if it is there */
	const char *host;
	const char *policies;
	const char *pin_dir;
	const char *duration; /* --for */
	const char *confirm;
	const char *set;
	const char *ordering;
	const char *seed;
	const char *svg;
	const char *since;
	const char *html;
	const char *stage;
	const char *output; /* -o */
	const char *name;
	const char *contracts[QOS_CLI_DIRS_MAX + 1]; /* NULL-terminated; empty: the default path */
	size_t n_contracts;
	const char **args; /* the verb first; NULL-terminated */
	size_t n_args;
	struct qos_out out; /* stdout */
	struct qos_out err; /* stderr */
};

/* One row of the verb table. */
struct qos_verb {
	const char *name;
	const char *arguments;
	const char *help;
	int (*run)(struct qos_cli *cli);
	size_t min_args;
	size_t max_args;
	bool pager;
};

/* "qosctl: error: TEXT" and, unless NULL, "  hint: HINT" on stderr. Returns `status`. */
int qos_cli_fail(const struct qos_cli *cli, int status, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int qos_cli_no_memory(const struct qos_cli *cli);

/* The result on stdout: the document with --json, nothing with --quiet, else the printer's. */
void qos_cli_print(const struct qos_cli *cli, const json_t *document,
		   void (*print)(const struct qos_out *out, const json_t *document));

/* Of a document with `invalid` and `refused`: 2, 11 or 0. */
int qos_reload_status(const json_t *reload);

/* A document's diagnostics: with --json they stay in it, else they go to stderr. */
void qos_cli_diagnostics(const struct qos_cli *cli, const json_t *diagnostics);

int qos_cmd_status(struct qos_cli *cli);
int qos_cmd_list(struct qos_cli *cli);
int qos_cmd_show(struct qos_cli *cli);
int qos_cmd_explain(struct qos_cli *cli);
int qos_cmd_events(struct qos_cli *cli);
int qos_cmd_report(struct qos_cli *cli);
int qos_cmd_top(struct qos_cli *cli);
int qos_cmd_metrics(struct qos_cli *cli);
int qos_cmd_check(struct qos_cli *cli);
int qos_cmd_compile(struct qos_cli *cli);
int qos_cmd_apply(struct qos_cli *cli);
int qos_cmd_confirm(struct qos_cli *cli);
int qos_cmd_enable(struct qos_cli *cli);
int qos_cmd_disable(struct qos_cli *cli);
int qos_cmd_plan(struct qos_cli *cli);
int qos_cmd_reload(struct qos_cli *cli);
int qos_cmd_adjust(struct qos_cli *cli);
int qos_cmd_revert(struct qos_cli *cli);
int qos_cmd_readmit(struct qos_cli *cli);
int qos_cmd_simulate(struct qos_cli *cli);
int qos_cmd_doctor(struct qos_cli *cli);
int qos_cmd_panic(struct qos_cli *cli);
int qos_cmd_record(struct qos_cli *cli);
