/* SPDX-License-Identifier: GPL-2.0-only */
/* Internal to reload.c and settle.c: the new generation while it is being decided. */
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

/* Has the file of this entry gone? */
bool qos_plan_lacks(const struct qos_plan *plan, const struct qos_live *live);

/* Decides for each draft what is in force. Leaves the ledger's transaction open, also on failure:
 * the caller commits or rolls back. 0 or -ENOMEM. */
int qos_settle(struct qos_supervisor *supervisor, const struct qos_capacity *capacity,
	       struct qos_plan *plan);
