/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * disable: a link goes; a contract that another directory of the search path holds is masked by a
 * link to /dev/null. A file of the administrator's own is never removed for him.
 */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "change.h"
#include "nearest.h"
#include "target.h"
#include "util/text.h"

#define MASK "/dev/null"

static int not_found(const struct qos_cli *cli, const char *name)
{
	QOS_CLEANUP(qos_names_reset) struct qos_names names = {};

	for (const char *const *dir = qos_target_path(cli); *dir; dir++) {
		if (qos_names_of_dir(&names, *dir) < 0)
			return qos_cli_no_memory(cli);
	}
	return qos_nearest_fail(cli, name, " in the search path", (const char *const *)names.names);
}

static int change(const struct qos_cli *cli, const char *name, const char *target,
		  const char *action)
{
	const struct qos_change removal = {
		.dir = qos_target_dir(cli), .name = name, .target = target};
	_cleanup_json_ json_t *document = json_pack(
		"{s:i, s:s, s:n, s:s, s:n, s:n, s:n, s:n, s:[]}", "schema", 1, "contract", name,
		"file", "action", action, "running", "state", "reason", "guarantee", "diagnostics");
	int r;

	if (!document)
		return qos_cli_no_memory(cli);
	r = qos_change_make(cli, &removal, document);
	if (r)
		return r;
	qos_cli_print(cli, document, qos_out_applied);
	return QOS_EXIT_OK;
}

/* Does another directory of the search path hold it? */
static bool elsewhere(const struct qos_cli *cli, const char *name)
{
	for (const char *const *dir = qos_target_path(cli); *dir; dir++) {
		char path[PATH_MAX];

		if (!strcmp(*dir, qos_target_dir(cli)))
			continue;
		snprintf(path, sizeof(path), "%s/%s.yaml", *dir, name);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static int disable_link(const struct qos_cli *cli, const char *name, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	/* Without the link another one would come into force; a mask stays a mask. */
	if (!strcmp(target, MASK) || elsewhere(cli, name))
		return change(cli, name, MASK, "masked");
	return change(cli, name, NULL, "disabled");
}

int qos_cmd_disable(struct qos_cli *cli)
{
	const char *name = cli->args[1];
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ char *hint = NULL;
	struct stat st;

	if (!qos_text_is_contract_name(name))
		return not_found(cli, name);
	if (asprintf(&path, "%s/%s.yaml", qos_target_dir(cli), name) < 0)
		return qos_cli_no_memory(cli);
	if (lstat(path, &st) < 0)
		return elsewhere(cli, name) ? change(cli, name, MASK, "masked")
					    : not_found(cli, name);
	if (S_ISLNK(st.st_mode))
		return disable_link(cli, name, path);
	if (asprintf(&hint, "rm %s && qosctl reload, or mask it: mv it away, then ln -s %s %s",
		     path, MASK, path) < 0)
		return qos_cli_no_memory(cli);
	return qos_cli_fail(cli, QOS_EXIT_FAILURE, hint,
			    "%s is a file of your own; qosctl removes only links", path);
}
