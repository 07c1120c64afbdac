/* SPDX-License-Identifier: GPL-2.0-only */
/* The private bus of qosd: one call, one connection. */
#pragma once

#include "cli.h"

/* What came of a call. status 0: `json` is the answer. Else `text` and `hint` say why not (`text`
 * may have several lines); status is the exit status that fits. */
struct qos_answer {
	int status;
	json_t *json;
	char *text;
	char *hint;
};

/* Calls org.qosd1.Manager.METHOD with arguments of D-Bus `types` ("s" const char *, "t" uint64_t).
 * Waits at most 5 s. Returns answer->status; the caller resets the answer in any case. */
int qos_client_call(const char *socket, struct qos_answer *answer, const char *method,
		    const char *types, ...);

/* Calls Plan(a(sss)), likewise: texts as if they stood on the search path. */
struct qos_client_file {
	const char *name; /* NAME.yaml */
	const char *path; /* for diagnostics */
	const char *text;
};
int qos_client_plan(const char *socket, struct qos_answer *answer,
		    const struct qos_client_file *files, size_t n);

/* One connection for several calls. open: as above, *ret on QOS_EXIT_OK. next: waits for a signal
 * MEMBER(s json) and parses it into answer->json; without end, until the daemon goes. */
typedef struct sd_bus sd_bus;
int qos_client_open(const char *socket, struct qos_answer *answer, sd_bus **ret);
int qos_client_call_on(sd_bus *bus, struct qos_answer *answer, const char *method,
		       const char *types, ...);
int qos_client_next(sd_bus *bus, struct qos_answer *answer, const char *member);

/* Prints a failure to stderr; returns its status. */
int qos_client_complain(const struct qos_cli *cli, const struct qos_answer *answer);

void qos_answer_reset(struct qos_answer *answer);
#define _cleanup_answer_ QOS_CLEANUP(qos_answer_reset)
