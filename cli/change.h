/* SPDX-License-Identifier: GPL-2.0-only */
/* One change of one file in a contract directory, and what the daemon makes of it. */
#pragma once

#include "cli.h"

/* The new state of the file: a link, bytes, or (neither) nothing. Strings are borrowed. */
struct qos_change {
	const char *dir;      /* made if it does not exist */
	const char *name;     /* the file is DIR/NAME.yaml */
	const char *contract; /* NULL: nothing has to come into force (disable) */
	const char *target;
	const char *bytes;
	size_t len;
	uint64_t confirm_ns; /* the daemon puts all back after this time; 0: it stays */
};

/*
 * Makes the change and reloads. Where the daemon then refuses `contract`, or finds the file
 * invalid, or does not answer as it should, everything is put back and said on stderr. The
 * document (owned by the caller) gets "file", "running", "state", "reason", "guarantee",
 * "diagnostics", and with confirm_ns "confirm_s". Without a daemon the change stands, but with confirm_ns there
 * must be one. Nothing is changed while another change waits for its confirmation. An exit status.
 */
int qos_change_make(const struct qos_cli *cli, const struct qos_change *change, json_t *document);
