/* SPDX-License-Identifier: GPL-2.0-only */
/* The search path, seen by those who write to it. --contracts serves instances beside the real one. */
#include "target.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "state/store.h"

#define ETC_DIR "/etc/qosd/contracts.d"
#define RUN_DIR "/run/qosd/contracts.d"

const char *qos_target_dir(const struct qos_cli *cli)
{
	if (cli->n_contracts)
		return cli->contracts[cli->n_contracts - 1];
	return cli->runtime ? RUN_DIR : ETC_DIR;
}

const char *const *qos_target_path(const struct qos_cli *cli)
{
	return cli->n_contracts ? cli->contracts : qos_store_default_path;
}

int qos_target_check_runtime(const struct qos_cli *cli, const char *name)
{
	_cleanup_free_ char *path = NULL;

	if (!cli->runtime || cli->n_contracts)
		return QOS_EXIT_OK;
	if (asprintf(&path, ETC_DIR "/%s.yaml", name) < 0)
		return qos_cli_no_memory(cli);
	if (access(path, F_OK) < 0)
		return QOS_EXIT_OK;
	return qos_cli_fail(cli, QOS_EXIT_FAILURE, "move it away first, or apply without --runtime",
			    "%s would win over one in " RUN_DIR, path);
}

int qos_target_check_free(const struct qos_cli *cli, const char *name)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/%s.yaml", qos_target_dir(cli), name) < 0)
		return qos_cli_no_memory(cli);
	if (lstat(path, &st) < 0 || S_ISLNK(st.st_mode))
		return QOS_EXIT_OK;
	return qos_cli_fail(cli, QOS_EXIT_FAILURE, "remove it first if the shipped one is wanted",
			    "%s is a file of your own, and stays in use", path);
}

static int add_name(struct qos_names *names, const char *name, size_t len)
{
	char **all = reallocarray(names->names, names->n + 2, sizeof(*all));

	if (!all)
		return -ENOMEM;
	names->names = all;
	all[names->n + 1] = NULL;
	all[names->n] = strndup(name, len);
	return all[names->n++] ? 0 : -ENOMEM;
}

int qos_names_of_dir(struct qos_names *names, const char *dir)
{
	_cleanup_closedir_ DIR *stream = opendir(dir);
	const struct dirent *entry;

	if (!names->names) {
		names->names = calloc(1, sizeof(*names->names));
		if (!names->names)
			return -ENOMEM;
	}
	while (stream && (entry = readdir(stream))) {
		size_t len = strlen(entry->d_name);

		if (entry->d_name[0] == '.' || len <= 5 || strcmp(entry->d_name + len - 5, ".yaml"))
			continue;
		if (add_name(names, entry->d_name, len - 5) < 0)
			return -ENOMEM;
	}
	return 0;
}

void qos_names_reset(struct qos_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->names[i]);
	free(names->names);
	*names = (struct qos_names){};
}
