/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * qosctl: shows and adjusts what qosd does. A verb table and what every verb needs: options, the
 * terminal, errors. Results alone go to stdout, everything else to stderr, so that pipes work.
 */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "config.h"
#include "options.h"
#include "pager.h"
#include "util/text.h"

#define ANY 1000

static int cmd_help(struct qos_cli *cli);

static const struct qos_verb verbs[] = {
	{"status", "[--check]", "whether all is well, and every contract (the default)",
	 qos_cmd_status, 0, 0, true},
	{"list", "", "contracts, their state, and why not", qos_cmd_list, 0, 0, true},
	{"show", "CONTRACT", "one contract: grants, statistics, adaptations", qos_cmd_show, 1, 1,
	 true},
	{"explain", "PID|TID|CONTRACT|PROTO:ADDRESS:PORT|INTERFACE CLASS",
	 "why it is as it is: which line matched, who lost, wanted and actual", qos_cmd_explain, 1,
	 2, true},
	{"events", "[--follow] [--since TIME] [CONTRACT]",
	 "what happened: violations and who ran instead, adaptations, drift", qos_cmd_events, 0, 1,
	 true},
	{"report", "[--since TIME] [--html FILE] [CONTRACT...]",
	 "the last hours: misses, latency, grants, adaptations and why", qos_cmd_report, 0, ANY,
	 true},
	{"top", "[--watch=SECONDS]", "all streams, live: late jobs, violations, latency",
	 qos_cmd_top, 0, 0, false},
	{"metrics", "[--openmetrics]", "counters and the daemon's own cost, for Prometheus",
	 qos_cmd_metrics, 0, 0, true},
	{"check", "[--strict] [--host FILE] [PATH...]", "judge contract files; needs no daemon",
	 qos_cmd_check, 0, ANY, false},
	{"compile", "[--stage tokens|tree|types|ir|insns|verifier] CONTRACT|FILE",
	 "what becomes of a contract's rules, stage by stage", qos_cmd_compile, 1, 1, true},
	{"simulate",
	 "[--host FILE] [--ordering NAME] [--for TIME] [--seed N] [--svg FILE] PATH... | --set "
	 "SLOTS",
	 "what the module would do with contracts; needs no daemon", qos_cmd_simulate, 0, ANY,
	 true},
	{"record", "PID|UNIT [--for TIME] [-o FILE | --output FILE] [--name NAME]",
	 "watch a program, change nothing, propose a contract; needs no daemon", qos_cmd_record, 1,
	 1, false},
	{"plan", "[--strict] [FILE...]",
	 "what applying these, or a reload, would change; touches nothing", qos_cmd_plan, 0, ANY,
	 true},
	{"apply", "[--runtime] [--strict] [--confirm TIME] FILE",
	 "check, install and load one contract", qos_cmd_apply, 1, 1, false},
	{"confirm", "[--undo]", "keep what was applied with --confirm, or put back what was there",
	 qos_cmd_confirm, 0, 0, false},
	{"enable", "[--runtime] [--policies DIR] [--confirm TIME] NAME",
	 "take a shipped contract into use", qos_cmd_enable, 1, 1, false},
	{"disable", "NAME", "take an enabled or vendor contract out of use", qos_cmd_disable, 1, 1,
	 false},
	{"reload", "", "read all contract files again", qos_cmd_reload, 0, 0, false},
	{"adjust", "CONTRACT ATTRIBUTE=VALUE [--for TIME]", "set an attribute by hand",
	 qos_cmd_adjust, 2, 2, false},
	{"revert", "CONTRACT [ATTRIBUTE]", "undo adjust", qos_cmd_revert, 1, 2, false},
	{"readmit", "CONTRACT", "put rules that were taken out of service back", qos_cmd_readmit, 1,
	 1, false},
	{"doctor", "[--dump-host | --errors]", "what the kernel has, lacks, and the remedy",
	 qos_cmd_doctor, 0, 0, true},
	{"panic", "", "put every thread back as it was; works without the daemon", qos_cmd_panic, 0,
	 0, false},
	{"help", "[VERB]", "this text", cmd_help, 0, 1, true},
};

static const char option_help[] =
	"  --json              the result as JSON; qosctl(1) documents it\n"
	"  --quiet             errors only; list: names only\n"
	"  --no-pager          do not start $PAGER\n"
	"  --watch[=SECONDS]   status, list, show, explain, top: again until ^C\n"
	"  --socket PATH       of the daemon, default " QOS_DEFAULT_SOCKET "\n"
	"  --contracts DIR     instead of the search path; may be repeated, the last wins\n"
	"  --config FILE       settings, default " QOS_CONFIG_FILE "\n"
	"  --version, --help\n";

static int complain(const struct qos_cli *cli, int status, const char *hint, const char *format,
		    va_list args)
{
	const struct qos_out as_is = {.file = cli->err.file}; /* not folded: scripts read it */
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		return status;
	qos_out_paint(&cli->err, QOS_BOLD, "qosctl");
	fputs(": ", cli->err.file);
	qos_out_paint(&cli->err, QOS_BAD, "error");
	fputs(": ", cli->err.file);
	qos_out_hang(&as_is, QOS_PLAIN, 0, 2, text);
	if (hint && !cli->quiet)
		fprintf(cli->err.file, "  hint: %s\n", hint);
	return status;
}

int qos_cli_fail(const struct qos_cli *cli, int status, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(cli, status, hint, format, args);
	va_end(args);
	return status;
}

int qos_cli_no_memory(const struct qos_cli *cli)
{
	return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s", strerror(ENOMEM));
}

void qos_cli_print(const struct qos_cli *cli, const json_t *document,
		   void (*print)(const struct qos_out *out, const json_t *document))
{
	if (cli->json)
		qos_out_json(&cli->out, document, cli->watch);
	else if (!cli->quiet)
		print(&cli->out, document);
}

void qos_cli_diagnostics(const struct qos_cli *cli, const json_t *diagnostics)
{
	if (!cli->json)
		qos_out_diagnostics(&cli->err, diagnostics);
}

static const struct qos_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(verbs); i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

static int unknown_verb(const struct qos_cli *cli, const char *name)
{
	const char *names[QOS_ARRAY_SIZE(verbs) + 1] = {};
	_cleanup_free_ char *hint = NULL;
	const char *nearest;

	for (size_t i = 0; i < QOS_ARRAY_SIZE(verbs); i++)
		names[i] = verbs[i].name;
	nearest = qos_text_nearest(name, names);
	if (nearest && asprintf(&hint, "did you mean %s?", nearest) < 0)
		return qos_cli_no_memory(cli);
	return qos_cli_fail(cli, QOS_EXIT_USAGE, hint ? hint : "`qosctl help` lists all verbs",
			    "there is no verb %s", name);
}

static void print_verb(const struct qos_cli *cli, const struct qos_verb *verb)
{
	fprintf(cli->out.file, "qosctl [OPTION...] %s%s%s\n  %s\n", verb->name,
		*verb->arguments ? " " : "", verb->arguments, verb->help);
}

static void print_verbs(const struct qos_cli *cli)
{
	fputs("qosctl [OPTION...] [VERB [ARGUMENT...]]\n\n", cli->out.file);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(verbs); i++)
		fprintf(cli->out.file, "  %-8s  %s\n", verbs[i].name, verbs[i].help);
	fprintf(cli->out.file, "\n%s\n", option_help);
	fputs("`qosctl help VERB` shows a verb's arguments; qosctl(1) says all.\n", cli->out.file);
}

static int help_json(const struct qos_cli *cli)
{
	_cleanup_json_ json_t *document = json_pack("{s:i, s:[]}", "schema", 1, "verbs");
	json_t *array = json_object_get(document, "verbs");

	for (size_t i = 0; i < QOS_ARRAY_SIZE(verbs); i++) {
		json_t *verb = json_pack("{s:s, s:s, s:s}", "verb", verbs[i].name, "arguments",
					 verbs[i].arguments, "help", verbs[i].help);

		if (json_array_append_new(array, verb) < 0)
			return qos_cli_no_memory(cli);
	}
	qos_out_json(&cli->out, document, false);
	return QOS_EXIT_OK;
}

static int help(struct qos_cli *cli, const char *name)
{
	const struct qos_verb *verb = name ? find_verb(name) : NULL;

	if (name && !verb)
		return unknown_verb(cli, name);
	if (cli->json)
		return help_json(cli);
	if (verb)
		print_verb(cli, verb);
	else
		print_verbs(cli);
	return QOS_EXIT_OK;
}

static int cmd_help(struct qos_cli *cli)
{
	return help(cli, cli->n_args > 1 ? cli->args[1] : NULL);
}

/* Colour is for people at a terminal that can show it, and who did not say no (no-color.org). */
static void open_out(struct qos_out *out, FILE *file, const struct qos_cli *cli)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");
	struct winsize size = {};

	out->file = file;
	out->quiet = cli->quiet;
	if (!isatty(fileno(file)))
		return;
	out->colour = !(no_color && *no_color) && term && strcmp(term, "dumb") && !cli->json;
	out->width = 80;
	if (ioctl(fileno(file), TIOCGWINSZ, &size) == 0 && size.ws_col)
		out->width = size.ws_col;
}

static int check_arguments(const struct qos_cli *cli, const struct qos_verb *verb)
{
	size_t n = cli->n_args ? cli->n_args - 1 : 0;
	_cleanup_free_ char *hint = NULL;

	if (n >= verb->min_args && n <= verb->max_args)
		return QOS_EXIT_OK;
	if (asprintf(&hint, "qosctl %s%s%s", verb->name, *verb->arguments ? " " : "",
		     verb->arguments) < 0)
		return qos_cli_no_memory(cli);
	return qos_cli_fail(cli, QOS_EXIT_USAGE, hint, "%s: %s", verb->name,
			    n < verb->min_args ? "an argument is missing" : "too many arguments");
}

/* A write that failed long ago left its mark on the stream only; its errno is gone. */
static int finish_out(const struct qos_cli *cli, int status)
{
	if (fflush(stdout) != 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "stdout: %s", strerror(errno));
	if (ferror(stdout))
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, "is the disk full?",
				    "stdout: not all could be written");
	return status;
}

static int run_verb(struct qos_cli *cli)
{
	const char *name = cli->n_args ? cli->args[0] : "status";
	const struct qos_verb *verb = find_verb(name);
	pid_t pager = 0;
	int r;

	if (!verb)
		return unknown_verb(cli, name);
	if (cli->help)
		return help(cli, cli->n_args ? name : NULL);
	r = check_arguments(cli, verb);
	if (r)
		return r;
	if (verb->pager && cli->out.width && !cli->no_pager && !cli->watch && !cli->follow &&
	    !cli->json)
		pager = qos_pager_start();
	r = verb->run(cli);
	qos_pager_finish(pager);
	return pager ? r : finish_out(cli, r);
}

int main(int argc, char **argv)
{
	struct qos_cli cli = {.err = {.file = stderr}};
	int r;

	r = qos_options_parse(&cli, argc, argv);
	if (r)
		return r;
	open_out(&cli.out, stdout, &cli);
	open_out(&cli.err, stderr, &cli);
	if (cli.version) {
		puts("qosctl " QOS_VERSION);
		return fflush(stdout) == 0 ? QOS_EXIT_OK : QOS_EXIT_FAILURE;
	}
	return run_verb(&cli);
}
