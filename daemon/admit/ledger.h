/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ledger: which contracts hold which grants. Changes are tried on a copy of the sums and
 * either committed or rolled back as a whole, so a refused contract leaves no trace. Pure.
 *
 *     qos_ledger_begin -> remove / add / change, any number -> qos_ledger_commit | _rollback
 */
#pragma once

#include "admit/capacity.h"
#include "admit/claim.h"
#include "admit/grant.h"
#include "util/diag.h"

struct qos_ledger;

/* An empty ledger over `capacity` (copied). */
int qos_ledger_new(const struct qos_capacity *capacity, struct qos_ledger **ret);
void qos_ledger_free(struct qos_ledger *ledger);
QOS_DEFINE_CLEANUP(struct qos_ledger *, qos_ledger_free)
#define _cleanup_ledger_ QOS_CLEANUP(qos_ledger_freep)

void qos_ledger_begin(struct qos_ledger *ledger);
void qos_ledger_commit(struct qos_ledger *ledger);
void qos_ledger_rollback(struct qos_ledger *ledger);

/* Within a transaction: grants on links as a commit would leave them. */
void qos_ledger_preview(struct qos_ledger *ledger);

/* Outcomes of add and change. */
#define QOS_LEDGER_E_REFUSED 1 /* it does not fit, or not with the guarantee it accepts */
#define QOS_LEDGER_E_UNKNOWN 2 /* no such contract or stream */
#define QOS_LEDGER_E_RANGE   3 /* the value lies outside the contract's range */

/*
 * Adds a contract (borrowed: it must outlive its stay in the ledger). On a refusal diag gets one
 * error in the words of DESIGN: place, what is needed, what is free, then as hint the ways out,
 * each of which was tried (wayout.c). Extra service that others hold above their `runtime` is
 * taken back first, lowest importance first. Returns 0, QOS_LEDGER_E_REFUSED, -ENOMEM, -EEXIST.
 */
int qos_ledger_add(struct qos_ledger *ledger, const struct qos_contract *contract,
		   struct qos_diag *diag);

/* Takes a contract out. 0, QOS_LEDGER_E_UNKNOWN, -ENOMEM (and it stays). */
int qos_ledger_remove(struct qos_ledger *ledger, const char *name);

/* Wishes another runtime for one stream; the reservation never falls below the contract's
 * `runtime`, so what was guaranteed can always be had again. `by_person`: may leave the range. */
int qos_ledger_change(struct qos_ledger *ledger, const char *name, const char *stream,
		      uint64_t runtime_ns, bool by_person, struct qos_diag *diag);

/* The kernel refused SCHED_DEADLINE for this stream: place it under SCHED_FIFO from now on. */
int qos_ledger_forbid_deadline(struct qos_ledger *ledger, const char *name, const char *stream,
			       struct qos_diag *diag);

/* Supply changed (CPU hotplug, somebody else's reservation): grants shrink towards the low end of
 * their ranges, lowest importance first; contracts that fit no more leave the ledger and their
 * names (borrowed from the contracts) are listed in *ret_out (free()). */
int qos_ledger_resupply(struct qos_ledger *ledger, const struct qos_capacity *capacity,
			const char ***ret_out, size_t *ret_n_out);

/* The grant in force, or NULL. Owned by the ledger, valid until the next add/remove/change. */
const struct qos_grant *qos_ledger_grant(const struct qos_ledger *ledger, const char *name);

/* What its proofs claim of the streams of a CPU under the module; see qos_claims_of. */
int qos_ledger_claims(const struct qos_ledger *ledger, unsigned int cpu, qos_claim_id_fn id,
		      void *data, struct qos_cpu_claims *ret);

/* Sums for `status`: managed utilisation, and the most that is left, over all CPUs. */
struct qos_ledger_sums {
	uint64_t used_ppb;
	uint64_t cap_ppb; /* cap * number of CPUs, less what others hold */
	size_t n_contracts;
};
void qos_ledger_sums(const struct qos_ledger *ledger, struct qos_ledger_sums *ret);
