/* SPDX-License-Identifier: GPL-2.0-only */
/* Where qosctl writes contracts, and what stands in the search path. */
#pragma once

#include "cli.h"

/* The last of --contracts, else /run/qosd/contracts.d with --runtime, else /etc/qosd/contracts.d. */
const char *qos_target_dir(const struct qos_cli *cli);

/* With --runtime: a file of the same name in /etc would win, so this fails with a sentence. */
int qos_target_check_runtime(const struct qos_cli *cli, const char *name);

/* Fails if DIR/NAME.yaml is somebody's own file, which a link must not replace. */
int qos_target_check_free(const struct qos_cli *cli, const char *name);

/* Names of contract files without ".yaml"; `names` is NULL-terminated. */
struct qos_names {
	char **names;
	size_t n;
};
/* Adds those of one directory; one that cannot be read has none. 0 or -ENOMEM. */
int qos_names_of_dir(struct qos_names *names, const char *dir);
void qos_names_reset(struct qos_names *names);

/* The search path in force: --contracts, or the default. NULL-terminated. */
const char *const *qos_target_path(const struct qos_cli *cli);
