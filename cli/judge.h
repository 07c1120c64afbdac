/* SPDX-License-Identifier: GPL-2.0-only */
/* Judging a contract as the daemon would, without it: host, settings, an empty ledger. */
#pragma once

#include "admit/capacity.h"
#include "cli.h"
#include "config.h"
#include "contract/contract.h"
#include "contract/host.h"
#include "contract/parse.h"

/* Facts and settings; owned by the caller, who resets it. */
struct qos_judge {
	struct qos_host *host;
	struct qos_config config;
	struct qos_capacity capacity;
	bool elsewhere; /* --host: files here say nothing of that machine's */
};

/* Whose rights count: a contract is judged as for the daemon, which is root; doctor tells what the
 * caller himself can see. */
enum qos_judge_as { QOS_JUDGE_AS_DAEMON, QOS_JUDGE_AS_CALLER };

/* Probes this machine (or reads --host), reads the settings. Complains on stderr; exit status. */
int qos_judge_open(const struct qos_cli *cli, enum qos_judge_as as, struct qos_judge *ret);
void qos_judge_reset(struct qos_judge *judge);
#define _cleanup_judge_ QOS_CLEANUP(qos_judge_reset)

/* The one file of a contract that was named. Exit status, complained of. */
int qos_judge_read(const struct qos_cli *cli, const char *path, char **ret, size_t *ret_len);

/* Parses the texts of one contract and checks it against the host. 0 and *ret, -EINVAL with the
 * errors in diag, -ENOMEM. */
int qos_judge_contract(const struct qos_judge *judge, const struct qos_text *texts, size_t n_texts,
		       struct qos_diag *diag, struct qos_contract **ret);

/* What admission says of a contract that has the machine for itself. `test` is static; NULL if no
 * stream is to be scheduled. */
struct qos_verdict {
	enum qos_guarantee guarantee;
	const char *test;
};

/* 0 and *ret, QOS_LEDGER_E_REFUSED with the reasons in diag, -ENOMEM. */
int qos_judge_admit(const struct qos_judge *judge, const struct qos_contract *contract,
		    struct qos_diag *diag, struct qos_verdict *ret);
