/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What contracts name, looked up on this host: paths of programs, users, groups. Remembered, so that
 * neither a thousand contracts nor a thousand processes are as many look-ups, of which one in the user
 * database may wait for a server: people until everybody is looked at again, paths while that lasts.
 */
#pragma once

#include <stdbool.h>

#include "contract/match.h"
#include "util/cleanup.h"

struct qos_lookup;

/* It remembers nothing yet, and no paths before begin. 0 or -ENOMEM. */
int qos_lookup_new(struct qos_lookup **ret);
void qos_lookup_free(struct qos_lookup *lookup);
QOS_DEFINE_CLEANUP(struct qos_lookup *, qos_lookup_free)
#define _cleanup_lookup_ QOS_CLEANUP(qos_lookup_freep)

/* For match. Borrowed; NULL for NULL. */
const struct qos_resolver *qos_lookup_resolver(const struct qos_lookup *lookup);

/* Everybody is looked at from now on: all is forgotten, and then each name stays as it was when first asked for. */
void qos_lookup_begin(struct qos_lookup *lookup);

/* ... and no longer: paths are forgotten. Does every one still resolve as it did? If not, who was judged by
 * it must be judged anew. */
bool qos_lookup_end(struct qos_lookup *lookup);
