/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of `qosctl simulate` share; nobody else includes it. */
#pragma once

#include "admit/whatif.h"
#include "cli.h"

/* --set. Exit status. */
int qos_simulate_set(const struct qos_cli *cli, enum dwcs_ordering ordering);

/* As qos_cli_print; a set's document is one line, to be read by line. */
void qos_simulate_print(const struct qos_cli *cli, const json_t *document,
			void (*print)(const struct qos_out *out, const json_t *document));

/* The timeline as a picture of its own, no network needed. 0 or -errno. */
int qos_svg_write(const char *path, const struct qos_whatif *whatif, uint64_t span_ns);

/* The timeline as text, at most `width` columns; columns are slots of span / columns. */
void qos_timeline_print(const struct qos_out *out, const struct qos_whatif *whatif,
			uint64_t span_ns);

/* "camera.capture", and the thread's number where there are several; buf as large as two names. */
#define QOS_SIMULATE_NAME_MAX 96
const char *qos_simulate_name(char *buf, const struct qos_whatif *whatif, size_t thread);
