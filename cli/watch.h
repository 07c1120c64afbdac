/* SPDX-License-Identifier: GPL-2.0-only */
/* `--watch`: one picture after another until ^C. */
#pragma once

#include <signal.h>

#include "cli.h"

/* Draws one picture to `out`; returns an exit status, and QOS_EXIT_OK to go on. */
typedef int (*qos_draw_fn)(struct qos_cli *cli, const struct qos_out *out);

/* Without --watch draws once. With it until SIGINT or SIGTERM, and leaves a clean terminal. */
int qos_watch(struct qos_cli *cli, qos_draw_fn draw);

/* Waits so long with the signals, which are blocked, open. True: one came. */
bool qos_watch_pause(uint64_t ns, const sigset_t *signals);
