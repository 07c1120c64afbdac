/* SPDX-License-Identifier: GPL-2.0-only */
/* Directories laid over each other: which names there are, and which file each one means. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/cleanup.h"
#include "util/diag.h"

struct qos_store_name {
	char *name;
	char *path;
	bool unsafe; /* the directory is not root's, or others can write it */
	size_t seq;  /* order of finding */
};

/* All zeroes is an empty list. */
struct qos_store_list {
	struct qos_store_name *names;
	size_t n;
	size_t max; /* more names than that are -E2BIG */
};

/* Adds the names in `dir` that end in `suffix` and are not hidden. A directory that does not exist
 * is empty; for any other that cannot be read -errno, with words in diag. 0, -E2BIG, -ENOMEM. */
int qos_store_list_add(struct qos_store_list *list, const char *dir, const char *suffix,
		       struct qos_diag *diag);

/* Is there something of this name, or could it be? */
bool qos_store_is_there(const char *dir);

/* One more name, found after all others. 0, -E2BIG, -ENOMEM. */
int qos_store_list_put(struct qos_store_list *list, const char *name, const char *path);

/* Sorts by name; of several of one name the last that was found stays. */
void qos_store_list_settle(struct qos_store_list *list);

const struct qos_store_name *qos_store_list_find(const struct qos_store_list *list,
						 const char *name);

void qos_store_list_reset(struct qos_store_list *list);
#define _cleanup_store_list_ QOS_CLEANUP(qos_store_list_reset)

/* "dir/name", malloc'ed, or NULL. */
char *qos_store_join(const char *dir, const char *name);

bool qos_store_has_suffix(const char *name, const char *suffix);
