/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is in force after a reload. Supply is counted again, what is gone gives back, and then all
 * contracts that changed leave together and their new versions come in, the important first: so two
 * files may exchange names, and one contract may grow into what another gives up in the same
 * reload. Who is refused is frozen: everything is rolled back and tried again with its old version
 * left in its place, untouched, until nobody is refused. So an old version never has to find room
 * again, and keeps its seat and what it was given beyond its contract. Files that are new come last.
 *
 * Weakness: among several that are refused together, not the best set is looked for; each is only
 * tried once more beside the old versions of the others, the important first.
 */
#include "reload.h"

#include <errno.h>
#include <string.h>

#define ATTEMPTS_MAX 16

bool qos_plan_lacks(const struct qos_plan *plan, const struct qos_live *live)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->drafts[i].old == live)
			return false;
	}
	return true;
}

static bool is_exchanged(const struct qos_draft *draft)
{
	return draft->changed && !draft->frozen && !draft->expelled;
}

/* What nobody confirmed in time is no last good version, whatever it was put back for. */
static bool is_unwanted(const struct qos_supervisor *supervisor, const struct qos_draft *draft)
{
	return draft->old && draft->old->unconfirmed && draft->old->stale && !supervisor->pending;
}

static const char *holder_of(const struct qos_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->drafts[i].contract && !strcmp(plan->drafts[i].contract->name, name))
			return plan->drafts[i].file->path;
	}
	return "another file";
}

/* 0, QOS_LEDGER_E_REFUSED with words in the draft, -ENOMEM. */
static int add(struct qos_supervisor *supervisor, const struct qos_plan *plan,
	       struct qos_draft *draft, struct qos_contract *contract)
{
	int r;

	qos_diag_reset(&draft->refusal);
	r = qos_ledger_add(supervisor->ledger, contract, &draft->refusal);
	if (r == -EEXIST) {
		qos_diag_error(&draft->refusal, &contract->loc, "the name %s is taken by %s",
			       contract->name, holder_of(plan, contract->name));
		qos_diag_hint(&draft->refusal, "each contract needs a name of its own");
		r = QOS_LEDGER_E_REFUSED;
	}
	if (!r)
		draft->contract = contract;
	return r;
}

static int resupply(struct qos_supervisor *supervisor, const struct qos_capacity *capacity,
		    struct qos_plan *plan)
{
	const char **out = NULL;
	size_t n_out = 0;
	int r;

	r = qos_ledger_resupply(supervisor->ledger, capacity, &out, &n_out);
	free(out);
	for (size_t i = 0; r >= 0 && i < plan->n; i++) {
		struct qos_draft *draft = &plan->drafts[i];
		struct qos_contract *old = qos_in_force(draft->old);

		if (old && is_unwanted(supervisor, draft))
			r = qos_ledger_remove(supervisor->ledger, old->name);
		draft->expelled = old && !qos_ledger_grant(supervisor->ledger, old->name);
		draft->keeps_old = old && !draft->expelled && !is_exchanged(draft);
		draft->contract = draft->keeps_old ? old : NULL;
	}
	return r;
}

static int take_out(struct qos_supervisor *supervisor, const struct qos_plan *plan)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (qos_in_force(live) && qos_plan_lacks(plan, live))
			r = qos_ledger_remove(supervisor->ledger, live->contract->name);
	}
	for (size_t i = 0; r >= 0 && i < plan->n; i++) {
		if (is_exchanged(&plan->drafts[i]))
			r = qos_ledger_remove(supervisor->ledger,
					      plan->drafts[i].old->contract->name);
	}
	return r < 0 ? r : 0;
}

/* *ret_clean: nobody was refused. */
static int attempt(struct qos_supervisor *supervisor, const struct qos_capacity *capacity,
		   struct qos_plan *plan, bool *ret_clean)
{
	int r;

	*ret_clean = true;
	qos_ledger_begin(supervisor->ledger);
	r = resupply(supervisor, capacity, plan);
	if (r >= 0)
		r = take_out(supervisor, plan);
	for (size_t i = 0; r >= 0 && i < plan->n; i++) {
		struct qos_draft *draft = &plan->drafts[i];

		if (!is_exchanged(draft))
			continue;
		r = add(supervisor, plan, draft, draft->file->contract);
		draft->refused = r;
		*ret_clean &= !r;
	}
	return r < 0 ? r : 0;
}

/* After too many attempts whoever is left keeps its old version too. */
static void freeze(struct qos_plan *plan, bool all)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct qos_draft *draft = &plan->drafts[i];

		if (!is_exchanged(draft) || !(all || draft->refused))
			continue;
		draft->frozen = true;
		if (draft->refused)
			continue;
		qos_diag_error(&draft->refusal, &draft->file->contract->loc,
			       "too many contracts changed at once that depend on each other");
		qos_diag_hint(&draft->refusal, "qosctl reload tries again");
	}
}

static int exchange_together(struct qos_supervisor *supervisor, const struct qos_capacity *capacity,
			     struct qos_plan *plan)
{
	bool clean = false;
	int r = 0;

	for (int i = 0; r >= 0 && !clean && i <= ATTEMPTS_MAX; i++) {
		if (i)
			qos_ledger_rollback(supervisor->ledger);
		r = attempt(supervisor, capacity, plan, &clean);
		if (r >= 0 && !clean)
			freeze(plan, i + 1 == ATTEMPTS_MAX);
	}
	return r;
}

static size_t count_frozen(const struct qos_plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n; i++)
		n += plan->drafts[i].frozen;
	return n;
}

/* Of several that were refused one may fit beside the others' old versions. */
static int thaw(struct qos_supervisor *supervisor, const struct qos_capacity *capacity,
		struct qos_plan *plan)
{
	size_t tries = count_frozen(plan);
	bool clean = true;
	int r = 0;

	if (tries < 2)
		return 0;
	tries = tries < ATTEMPTS_MAX ? tries : ATTEMPTS_MAX;
	for (size_t i = 0; r >= 0 && tries && i < plan->n; i++) {
		struct qos_draft *draft = &plan->drafts[i];
		struct qos_diag said = draft->refusal;

		if (!draft->frozen)
			continue;
		tries--;
		draft->frozen = false;
		draft->refusal = (struct qos_diag)QOS_DIAG_INIT;
		qos_ledger_rollback(supervisor->ledger);
		r = attempt(supervisor, capacity, plan, &clean);
		draft->frozen = !clean;
		qos_diag_reset(clean ? &said : &draft->refusal);
		if (!clean)
			draft->refusal = said;
	}
	if (r < 0 || clean)
		return r;
	qos_ledger_rollback(supervisor->ledger);
	return attempt(supervisor, capacity, plan, &clean);
}

/* A file with errors has no new version; the one that waits is as good as it was. */
static struct qos_contract *candidate(const struct qos_supervisor *supervisor,
				      struct qos_draft *draft)
{
	if (draft->file->contract)
		return draft->file->contract;
	draft->revives = draft->old && draft->old->contract && !is_unwanted(supervisor, draft) &&
			 (draft->expelled || draft->old->state == QOS_LIVE_WAITING);
	return draft->revives ? draft->old->contract : NULL;
}

static int admit_new(struct qos_supervisor *supervisor, struct qos_plan *plan)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < plan->n; i++) {
		struct qos_draft *draft = &plan->drafts[i];
		struct qos_contract *contract;

		if (qos_in_force(draft->old) && !draft->expelled)
			continue;
		contract = candidate(supervisor, draft);
		if (contract)
			r = add(supervisor, plan, draft, contract);
	}
	return r < 0 ? r : 0;
}

int qos_settle(struct qos_supervisor *supervisor, const struct qos_capacity *capacity,
	       struct qos_plan *plan)
{
	int r;

	for (size_t i = 0; i < plan->n; i++) {
		struct qos_draft *draft = &plan->drafts[i];
		struct qos_contract *old = qos_in_force(draft->old);

		draft->changed = old && draft->file->contract &&
				 !qos_contract_equal(old, draft->file->contract);
	}
	r = exchange_together(supervisor, capacity, plan);
	if (r >= 0)
		r = thaw(supervisor, capacity, plan);
	return r < 0 ? r : admit_new(supervisor, plan);
}
