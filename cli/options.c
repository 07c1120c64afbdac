/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Options by table. Not getopt_long: it takes abbreviations, which break scripts when an option is
 * added, and cannot say which option was meant, or that an option is not this verb's.
 */
#include "options.h"

#include <errno.h>
#include <string.h>

#include "util/text.h"
#include "util/units.h"

#define WATCH_DEFAULT_NS 1000000000ULL
#define WATCH_MIN_NS	 100000000ULL

enum kind { FLAG, TEXT, LIST, WATCH };

struct option {
	const char *name;
	enum kind kind;
	size_t offset;
	const char *verbs[6]; /* empty: every verb */
};

#define FIELD(field) offsetof(struct qos_cli, field)

static const struct option options[] = {
	{"--json", FLAG, FIELD(json)},
	{"--quiet", FLAG, FIELD(quiet)},
	{"--no-pager", FLAG, FIELD(no_pager)},
	{"--version", FLAG, FIELD(version)},
	{"--help", FLAG, FIELD(help)},
	{"--socket", TEXT, FIELD(socket)},
	{"--contracts", LIST, FIELD(contracts)},
	{"--config", TEXT, FIELD(config)},
	{"--watch", WATCH, FIELD(watch), {"status", "list", "show", "explain", "top"}},
	{"--follow", FLAG, FIELD(follow), {"events"}},
	{"--since", TEXT, FIELD(since), {"events", "report"}},
	{"--html", TEXT, FIELD(html), {"report"}},
	{"--openmetrics", FLAG, FIELD(openmetrics), {"metrics"}},
	{"--check", FLAG, FIELD(check), {"status"}},
	{"--strict", FLAG, FIELD(strict), {"check", "apply", "plan"}},
	{"--host", TEXT, FIELD(host), {"check", "simulate"}},
	{"--runtime", FLAG, FIELD(runtime), {"apply", "enable"}},
	{"--confirm", TEXT, FIELD(confirm), {"apply", "enable"}},
	{"--undo", FLAG, FIELD(undo), {"confirm"}},
	{"--policies", TEXT, FIELD(policies), {"enable"}},
	{"--for", TEXT, FIELD(duration), {"adjust", "simulate", "record"}},
	{"--set", TEXT, FIELD(set), {"simulate"}},
	{"--ordering", TEXT, FIELD(ordering), {"simulate"}},
	{"--all-orderings", FLAG, FIELD(all_orderings), {"simulate"}},
	{"--seed", TEXT, FIELD(seed), {"simulate"}},
	{"--svg", TEXT, FIELD(svg), {"simulate"}},
	{"--stage", TEXT, FIELD(stage), {"compile"}},
	{"--output", TEXT, FIELD(output), {"record"}},
	{"--name", TEXT, FIELD(name), {"record"}},
	{"--dump-host", FLAG, FIELD(dump_host), {"doctor"}},
	{"--errors", FLAG, FIELD(errors), {"doctor"}},
	{"--pin-dir",
	 TEXT,
	 FIELD(pin_dir),
	 {"panic", "check", "apply", "enable", "doctor", "plan"}},
};

_Static_assert(QOS_ARRAY_SIZE(options) <= 32, "`given` is a mask of 32 bits");

static int unknown(const struct qos_cli *cli, const char *name)
{
	const char *names[QOS_ARRAY_SIZE(options) + 1] = {};
	_cleanup_free_ char *hint = NULL;
	const char *nearest;

	for (size_t i = 0; i < QOS_ARRAY_SIZE(options); i++)
		names[i] = options[i].name;
	nearest = qos_text_nearest(name, names);
	if (nearest && asprintf(&hint, "did you mean %s?", nearest) < 0)
		return qos_cli_no_memory(cli);
	return qos_cli_fail(cli, QOS_EXIT_USAGE, hint ? hint : "`qosctl --help` lists all options",
			    "there is no option %s", name);
}

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(options); i++) {
		if (!strcmp(options[i].name, name))
			return &options[i];
	}
	return NULL;
}

/* A bare number is seconds, as with watch(1); a duration is one too. */
static int set_watch(struct qos_cli *cli, const char *value)
{
	_cleanup_free_ char *seconds = NULL;
	uint64_t ns = WATCH_DEFAULT_NS;

	if (value && qos_parse_duration(value, &ns) < 0) {
		if (asprintf(&seconds, "%ss", value) < 0)
			return qos_cli_no_memory(cli);
		if (qos_parse_duration(seconds, &ns) < 0)
			return qos_cli_fail(cli, QOS_EXIT_USAGE, "write --watch=2 or --watch=500ms",
					    "--watch: %s is no time", value);
	}
	cli->watch = true;
	cli->watch_ns = ns < WATCH_MIN_NS ? WATCH_MIN_NS : ns;
	return QOS_EXIT_OK;
}

static int set(struct qos_cli *cli, const struct option *option, const char *value)
{
	void *field = (char *)cli + option->offset;

	switch (option->kind) {
	case FLAG:
		*(bool *)field = true;
		return QOS_EXIT_OK;
	case TEXT:
		*(const char **)field = value;
		return QOS_EXIT_OK;
	case LIST:
		if (cli->n_contracts == QOS_CLI_DIRS_MAX)
			return qos_cli_fail(cli, QOS_EXIT_USAGE, NULL, "more than %d times %s",
					    QOS_CLI_DIRS_MAX, option->name);
		cli->contracts[cli->n_contracts++] = value;
		return QOS_EXIT_OK;
	case WATCH:
		return set_watch(cli, value);
	}
	return QOS_EXIT_USAGE;
}

/* One option at argv[*at]; *at moves over a value that stands apart. */
static int take(struct qos_cli *cli, char **argv, int *at, uint32_t *given)
{
	char *name = argv[*at];
	char *value = strchr(name, '=');
	const struct option *option;

	if (!strcmp(name, "-h"))
		name = (char *)"--help";
	if (!strcmp(name, "-o"))
		name = (char *)"--output";
	if (value)
		*value++ = '\0';
	option = find(name);
	if (!option)
		return unknown(cli, name);
	if (option->kind == FLAG && value)
		return qos_cli_fail(cli, QOS_EXIT_USAGE, NULL, "%s takes no value", name);
	if ((option->kind == TEXT || option->kind == LIST) && !value) {
		value = argv[*at + 1];
		if (!value)
			return qos_cli_fail(cli, QOS_EXIT_USAGE, NULL, "%s needs a value", name);
		(*at)++;
	}
	*given |= 1U << (option - options);
	return set(cli, option, value);
}

static bool applies(const struct option *option, const char *verb)
{
	if (!option->verbs[0])
		return true;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(option->verbs) && option->verbs[i]; i++) {
		if (!strcmp(option->verbs[i], verb))
			return true;
	}
	return false;
}

/* An option of another verb would be ignored in silence. */
static int check_verb(const struct qos_cli *cli, uint32_t given)
{
	const char *verb = cli->n_args ? cli->args[0] : "status";

	if (cli->help || cli->version)
		return QOS_EXIT_OK;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(options); i++) {
		_cleanup_free_ char *hint = NULL;

		if (!(given & (1U << i)) || applies(&options[i], verb))
			continue;
		if (asprintf(&hint, "%s belongs to `qosctl %s`", options[i].name,
			     options[i].verbs[0]) < 0)
			return qos_cli_no_memory(cli);
		return qos_cli_fail(cli, QOS_EXIT_USAGE, hint, "%s takes no %s", verb,
				    options[i].name);
	}
	return QOS_EXIT_OK;
}

int qos_options_parse(struct qos_cli *cli, int argc, char **argv)
{
	uint32_t given = 0;
	bool ended = false;
	size_t n = 0;

	cli->socket = QOS_DEFAULT_SOCKET;
	cli->policies = QOS_DEFAULT_POLICIES;
	cli->pin_dir = QOS_DEFAULT_PIN_DIR;
	for (int i = 1; i < argc; i++) {
		int r;

		if (ended || argv[i][0] != '-' || !argv[i][1]) {
			argv[n++] = argv[i];
			continue;
		}
		ended = !strcmp(argv[i], "--");
		r = ended ? QOS_EXIT_OK : take(cli, argv, &i, &given);
		if (r)
			return r;
	}
	argv[n] = NULL;
	cli->args = (const char **)argv;
	cli->n_args = n;
	return check_verb(cli, given);
}

int qos_options_since(const struct qos_cli *cli, uint64_t *ret)
{
	int r = cli->since ? qos_parse_duration(cli->since, ret) : 0;

	if (r == 0 && !(cli->since && *ret == 0))
		return QOS_EXIT_OK;
	return qos_cli_fail(cli, QOS_EXIT_USAGE, "a number and a unit: ns us ms s m h d, as in 10m",
			    "--since: %s is no time", cli->since);
}
