/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom `qosctl record` observes, and by what a contract knows him again. */
#pragma once

#include <limits.h>

#include "adapt/learn_contract.h"
#include "cli.h"
#include "kern/proc.h"

struct qos_whom {
	pid_t tgid; /* of a process, or 0 */
	char *unit; /* or its name */
	struct qos_learn_origin origin;
	bool is_replaced;  /* the file that runs is not what its path leads to now */
	bool has_siblings; /* in the unit that its contract goes by */
	/* private: what the origin's strings are in */
	struct qos_task_facts *facts;
	char name[QOS_CONTRACT_NAME_MAX + 1];
	char exe[PATH_MAX];
	char user[LOGIN_NAME_MAX];
	char *subject;
	char *regex;
};

/* Finds the process with this id (or the one whose thread it is), or the unit; ".service" may be left
 * out. --name is taken. Exit status; complains on stderr. *ret is to be reset in any case. */
int qos_whom_find(const struct qos_cli *cli, const char *target, struct qos_whom *ret);
void qos_whom_reset(struct qos_whom *whom);
