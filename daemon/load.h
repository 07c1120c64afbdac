/* SPDX-License-Identifier: GPL-2.0-only */
/* Files on disk -> checked contracts: the first two arrows of the pipeline. Decides nothing. */
#pragma once

#include "contract/contract.h"
#include "contract/host.h"
#include "extension/front.h"
#include "util/diag.h"

/* One file of the search path. */
struct qos_loaded_file {
	char *file; /* name, "camera.yaml": the identity of a contract over reloads */
	char *path; /* for people */
	struct qos_contract *contract; /* NULL if there are errors */
	bool goes_on;		       /* it is the known one, borrowed: the file says the same */
	uint64_t fingerprint; /* of its texts and their names; 0: reading them says something */
	struct qos_diag diag;
};

struct qos_loaded {
	struct qos_loaded_file *files; /* by name */
	size_t n_files;
	struct qos_diag diag; /* what belongs to no file */
};

/* The contract that is known of a file, or NULL, and the fingerprint of what it was made of (0: that is not known). */
struct qos_known {
	struct qos_contract *(*of)(const void *data, const char *file, uint64_t *ret_fingerprint);
	const void *data;
};

/* What `front` makes of what is on the search path, with `extras` (may be NULL) as if they stood there already.
 * `known` (may be NULL): so that a generation in which little changed takes little memory beside it, and what
 * did not change is not read again.
 * `trust`: refuse files that others than root can write. Bad files are results; -errno with words in
 * diag if it cannot be said which files there are. */
struct qos_store_extras;
int qos_load(const struct qos_front *front, const char *const *paths,
	     const struct qos_store_extras *extras, const struct qos_known *known,
	     const struct qos_host *host, bool trust, struct qos_diag *diag,
	     struct qos_loaded **ret);
void qos_loaded_free(struct qos_loaded *loaded);
QOS_DEFINE_CLEANUP(struct qos_loaded *, qos_loaded_free)
#define _cleanup_loaded_ QOS_CLEANUP(qos_loaded_freep)
