/* SPDX-License-Identifier: GPL-2.0-only */
/* The directory in a bpf file system where qosd pins what must outlive it. */
#pragma once

#include <stdbool.h>

#include "util/diag.h"

/*
 * Makes sure that `dir` is a directory in a bpf file system that only root can enter. With `create`
 * it is made; where no bpf file system is mounted, one with the source name "qosd" is mounted on
 * `dir`, or, since sysfs has no mkdir, on its parent /sys/fs/bpf. The source name is the fact by
 * which a later process knows that the mount is qosd's to take away.
 * 0, -ENOENT (not there and not `create`), -EPERM (others can write it), -errno; words in diag.
 */
int qos_pins_prepare(const char *dir, bool create, struct qos_diag *diag);

#define QOS_PINS_COUNTERS "counters_" /* how the names of state/counters.c begin */

/* Removes the states of rules (kern/chain_state.c) and the counters of streams, whoever left them there. */
void qos_pins_drop_kept(const char *dir);

/* Removes pins whose names begin so and do not end so: another version's. */
void qos_pins_drop_others(const char *dir, const char *begin, const char *end);

/* Removes `dir` if it is empty, then the mount if qosd made it and nothing is pinned there any
 * more. 0 (also when something of others had to stay) or -errno. */
int qos_pins_release(const char *dir);
