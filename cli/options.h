/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line -> struct qos_cli. */
#pragma once

#include "cli.h"

/* Options may stand before and after the verb, as `--name VALUE` or `--name=VALUE`; `--` ends them.
 * Sets defaults, options and args (cli->args points into argv, which is reordered). Whatever is
 * not known is refused on stderr with the nearest option there is. QOS_EXIT_OK or _USAGE. */
int qos_options_parse(struct qos_cli *cli, int argc, char **argv);

/* --since as a time > 0; *ret is as it was where none is given. QOS_EXIT_OK or _USAGE. */
int qos_options_since(const struct qos_cli *cli, uint64_t *ret);
