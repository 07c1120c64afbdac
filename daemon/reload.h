/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to reload*.c, settle.c, confirm.c and dry_run*.c: the new generation while it is being decided. */
#pragma once

#include "load.h"
#include "supervisor.h"

/* One file of the new generation. */
struct qos_draft {
	struct qos_loaded_file *file;
	struct qos_live *old;	       /* NULL: new file */
	struct qos_contract *contract; /* borrowed: what will be in force; NULL: nothing */
	struct qos_diag refusal;
	bool valid;	/* the file on disk holds a contract */
	bool changed;	/* and another one than rules now */
	bool frozen;	/* it has been refused: the old version stays where it is */
	bool refused;	/* in this attempt */
	bool expelled;	/* it ruled until now; the machine has too little */
	bool keeps_old; /* the old entry goes on */
	bool revives;	/* the old version, which was waiting, is tried for want of another */
};

struct qos_plan {
	struct qos_loaded *loaded;
	struct qos_draft *drafts; /* of loaded->files, by importance */
	size_t n;
};

/* The version that rules now, if any. */
static inline struct qos_contract *qos_in_force(const struct qos_live *live)
{
	return live && live->state == QOS_LIVE_IN_FORCE ? live->contract : NULL;
}

/* Loads (extras: see qos_load) and decides; on failure nothing has changed, on success the ledger's
 * transaction is open, and (*ret)[i], the caller's like the array, is the next entry of drafts[i], still
 * without its contract; NULL where the old one goes on. The plan is to be reset in any case.
 * 0 or -errno, words in diag. */
struct qos_store_extras;
int qos_reload_prepare(struct qos_supervisor *supervisor, const struct qos_host *host,
		       const struct qos_store_extras *extras, struct qos_diag *diag,
		       struct qos_plan *plan, struct qos_live ***ret);
void qos_plan_reset(struct qos_plan *plan);

/* The first stage of it: what is on disk. Likewise. */
int qos_plan_read(struct qos_supervisor *supervisor, const struct qos_host *host,
		  const struct qos_store_extras *extras, struct qos_diag *diag,
		  struct qos_plan *plan);

/* The entry of this file name, or NULL. Borrowed. */
struct qos_live *qos_plan_find_file(const struct qos_supervisor *supervisor, const char *file);

/* Sets state and reason of an entry as they are with this draft. */
void qos_draft_describe(const struct qos_supervisor *supervisor, struct qos_live *live,
			const struct qos_draft *draft);

/* Has the file of this entry gone? */
bool qos_plan_lacks(const struct qos_plan *plan, const struct qos_live *live);

/* Decides for each draft what is in force. Leaves the ledger's transaction open, also on failure:
 * the caller commits or rolls back. 0 or -ENOMEM. */
int qos_settle(struct qos_supervisor *supervisor, const struct qos_capacity *capacity,
	       struct qos_plan *plan);
