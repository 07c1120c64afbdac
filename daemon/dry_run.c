/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reload without its commit. The new generation is made by the reload's own functions, compared with
 * what is in force, and thrown away with the ledger's transaction; so the answer to "what would happen"
 * cannot differ from what happens. Only what lies behind the commit is foretold here: which threads
 * and queues would be set (dry_run_threads.c, network_foretell.c).
 *
 * Weaknesses: what the kernel itself would refuse, and what rules reserve beyond `runtime`, shows only when
 * it is asked for. Threads that start, or supply that changes, between plan and reload are not in it.
 */
#include "dry_run.h"

#include <errno.h>
#include <string.h>

#include "dry_run_parts.h"
#include "report_diag.h"

struct dry_run {
	struct qos_supervisor *supervisor;
	struct qos_plan plan;
	struct qos_live **lives; /* as qos_reload_prepare makes them */
	json_t *before;		 /* by file: `side` of what is in force */
	json_t *contracts;
	json_t *refused;
	json_t *invalid;
	size_t n_unchanged;
};

/* --- what a contract has, and would have --- */

static json_t *stream_json(const struct qos_cpu_stream *wish, const struct qos_stream_grant *grant)
{
	char cpus[QOS_CPUS_TEXT_MAX], window[32];

	snprintf(window, sizeof(window), "%u/%u", wish->window.x, wish->window.y);
	return json_pack(
		"{ss ss ss si ss sI sI ss sI sI sI ss ss}", "stream", wish->name, "manager",
		grant->policy == QOS_POLICY_NONE   ? "none"
		: grant->policy == QOS_POLICY_DWCS ? "module"
						   : "native",
		"policy", qos_policy_names[grant->policy], "priority", (int)grant->priority, "cpus",
		qos_cpus_print(cpus, sizeof(cpus), &grant->cpus), "period_ns",
		(json_int_t)wish->period.ns, "deadline_ns", (json_int_t)wish->deadline_ns, "window",
		window, "guaranteed_ns", (json_int_t)grant->guaranteed_ns, "granted_ns",
		(json_int_t)grant->granted_ns, "wanted_ns", (json_int_t)grant->wanted_ns,
		"guarantee", qos_guarantee_names[grant->guarantee], "test",
		grant->test ? grant->test : "none");
}

static json_t *net_json(const struct qos_net_stream *wish, const struct qos_net_grant *grant)
{
	return json_pack("{ss ss sI sI sI ss ss}", "stream", wish->name, "interface",
			 wish->interface, "guaranteed_bps", (json_int_t)grant->guaranteed_bps,
			 "granted_bps", (json_int_t)grant->granted_bps, "wanted_bps",
			 (json_int_t)grant->wanted_bps, "guarantee",
			 qos_guarantee_names[grant->guarantee], "test",
			 grant->test ? grant->test : "none");
}

/* `grant` NULL: not in force. `contract` NULL: the file never held one. */
static json_t *side(const struct qos_live *live, const struct qos_contract *contract,
		    const struct qos_grant *grant)
{
	json_t *streams = json_array(), *network = json_array();

	for (size_t i = 0; grant && i < grant->n_streams; i++)
		json_array_append_new(streams, stream_json(&contract->cpu[i], &grant->streams[i]));
	for (size_t i = 0; grant && i < grant->n_net; i++)
		json_array_append_new(network, net_json(&contract->net[i], &grant->net[i]));
	return json_pack("{ss? ss so? ss? so so}", "contract", contract ? contract->name : NULL,
			 "state", qos_live_state_names[live->state], "importance",
			 contract ? json_integer(contract->importance) : NULL, "guarantee",
			 grant ? qos_guarantee_names[grant->guarantee] : NULL, "streams", streams,
			 "network", network);
}

/* The ledger's transaction is not open yet. */
static json_t *sides_now(const struct qos_supervisor *supervisor)
{
	json_t *sides = json_object();

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];
		const struct qos_contract *contract = qos_in_force(live);

		const struct qos_grant *grant =
			contract ? qos_ledger_grant(supervisor->ledger, contract->name) : NULL;

		json_object_set_new(sides, live->file, side(live, live->contract, grant));
	}
	return sides;
}

/* --- entries of the answer --- */

static const char *word_of(const json_t *before, const json_t *after, bool rewritten)
{
	if (!before)
		return "add";
	if (!after)
		return "remove";
	return rewritten || !json_equal(before, after) ? "change" : "none";
}

/* Only what is to be looked at: what changes, and what is not as its file wants it. Takes before and
 * after over; NULL is none. */
static void add_entry(struct dry_run *run, const char *path, const char *reason, json_t *before,
		      json_t *after, bool rewritten)
{
	const char *word = word_of(before, after, rewritten);
	bool as_it_was = !strcmp(word, "none");

	run->n_unchanged += as_it_was;
	if (as_it_was && !reason) {
		json_decref(before);
		json_decref(after);
		return;
	}
	json_array_append_new(run->contracts,
			      json_pack("{ss ss sb ss? so? so?}", "file", path, "change", word,
					"rewritten", rewritten, "reason", reason, "before", before,
					"after", after));
}

/* An entry of its own, for the time of a look: one that goes on must not be changed. */
static int describe(const struct dry_run *run, size_t i, struct qos_live **ret)
{
	const struct qos_draft *draft = &run->plan.drafts[i];
	_cleanup_live_ struct qos_live *live = NULL;
	int r = qos_live_new(draft->file->file, draft->file->path, &live);

	if (r < 0)
		return r;
	live->contract =
		draft->revives && draft->old ? draft->old->contract : draft->file->contract;
	qos_draft_describe(run->supervisor, live, draft);
	live->contract = NULL; /* it was borrowed */
	*ret = TAKE_PTR(live);
	return 0;
}

static int add_draft(struct dry_run *run, size_t i)
{
	const struct qos_draft *draft = &run->plan.drafts[i];
	const struct qos_contract *contract =
		draft->contract ? draft->contract : draft->file->contract;
	_cleanup_live_ struct qos_live *live = NULL;
	const struct qos_grant *grant = NULL;
	json_t *before = json_object_get(run->before, draft->file->file);
	bool rewritten = draft->old && draft->old->contract && draft->file->contract &&
			 !qos_contract_equal(draft->old->contract, draft->file->contract);
	int r = describe(run, i, &live);

	if (r < 0)
		return r;
	if (draft->contract)
		grant = qos_ledger_grant(run->supervisor->ledger, draft->contract->name);
	if (qos_live_is_refused(live))
		json_array_append_new(run->refused, json_string(contract->name));
	if (!draft->valid)
		json_array_append_new(run->invalid, json_string(draft->file->path));
	add_entry(run, draft->file->path, live->reason, json_incref(before),
		  side(live, contract, grant),
		  rewritten && draft->contract == draft->file->contract);
	return 0;
}

static int add_contracts(struct dry_run *run)
{
	const struct qos_supervisor *supervisor = run->supervisor;
	int r = 0;

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_live *live = supervisor->lives[i];

		if (qos_plan_lacks(&run->plan, live))
			add_entry(run, live->path, NULL,
				  json_incref(json_object_get(run->before, live->file)), NULL,
				  false);
	}
	for (size_t i = 0; r >= 0 && i < run->plan.n; i++)
		r = add_draft(run, i);
	return r;
}

static void add_diagnostics(const struct dry_run *run, json_t *list)
{
	qos_report_diag_into(list, &run->plan.loaded->diag);
	for (size_t i = 0; i < run->plan.n; i++) {
		qos_report_diag_into(list, &run->plan.drafts[i].file->diag);
		qos_report_diag_into(list, &run->plan.drafts[i].refusal);
	}
}

/* --- what is behind the commit --- */

/* A reload puts in force again what persons adjusted, where a contract comes in anew. */
static void adjust(const struct dry_run *run)
{
	const struct qos_overrides *overrides = run->supervisor->overrides;

	for (size_t i = 0; i < overrides->n_items; i++) {
		const struct qos_override *item = &overrides->items[i];

		for (size_t k = 0; k < run->plan.n; k++) {
			const struct qos_draft *draft = &run->plan.drafts[k];

			if (draft->contract && !draft->keeps_old &&
			    !strcmp(draft->contract->name, item->contract))
				qos_ledger_change(run->supervisor->ledger, item->contract,
						  item->stream, item->value, true, NULL);
		}
	}
}

static size_t list_next(const struct dry_run *run, struct qos_next *next)
{
	size_t n = 0;

	for (size_t i = 0; i < run->plan.n; i++) {
		const struct qos_draft *draft = &run->plan.drafts[i];

		if (!draft->contract)
			continue;
		next[n++] = (struct qos_next){
			.contract = draft->contract,
			.grant = qos_ledger_grant(run->supervisor->ledger, draft->contract->name),
			.live = run->lives[i] ? run->lives[i] : draft->old,
			.goes_on = !run->lives[i]};
	}
	return n;
}

static int answer(struct dry_run *run, json_t **ret)
{
	_cleanup_free_ struct qos_next *next = calloc(run->plan.n + 1, sizeof(*next));
	json_t *diagnostics = json_array();
	size_t n;
	int r;

	if (!next)
		return -ENOMEM;
	adjust(run);
	qos_ledger_preview(run->supervisor->ledger);
	n = list_next(run, next);
	r = add_contracts(run);
	add_diagnostics(run, diagnostics);
	*ret = json_pack("{si sO sI so so sO sO so}", "schema", 1, "contracts", run->contracts,
			 "unchanged", (json_int_t)run->n_unchanged, "threads",
			 qos_dry_run_threads(run->supervisor, next, n), "links",
			 qos_network_foretell(run->supervisor, next, n), "refused", run->refused,
			 "invalid", run->invalid, "diagnostics", diagnostics);
	if (r >= 0 && *ret)
		return 0;
	json_decref(*ret);
	*ret = NULL;
	return r < 0 ? r : -ENOMEM;
}

/* --- all of it --- */

static void undo(struct dry_run *run)
{
	for (size_t i = 0; run->lives && i < run->plan.n; i++)
		qos_live_free(run->lives[i]);
	free(run->lives);
	qos_plan_reset(&run->plan);
	json_decref(run->before);
	json_decref(run->contracts);
	json_decref(run->refused);
	json_decref(run->invalid);
}

/* The host's facts are the new ones while the answer is made, as they are behind a commit. */
static int look(struct dry_run *run, struct qos_host *host, json_t **ret)
{
	struct qos_supervisor *supervisor = run->supervisor;
	struct qos_host *was = supervisor->host;
	int r;

	supervisor->host = host;
	r = answer(run, ret);
	supervisor->host = was;
	qos_ledger_rollback(supervisor->ledger);
	return r;
}

int qos_supervisor_plan(struct qos_supervisor *supervisor, const struct qos_store_extras *extras,
			struct qos_diag *diag, json_t **ret)
{
	struct dry_run run = {.supervisor = supervisor,
			      .before = sides_now(supervisor),
			      .contracts = json_array(),
			      .refused = json_array(),
			      .invalid = json_array()};
	uint32_t next_stream = supervisor->next_stream;
	struct qos_host *host = NULL;
	int r;

	r = qos_supervisor_probe(supervisor, &host);
	if (r >= 0)
		r = qos_reload_prepare(supervisor, host, extras, diag, &run.plan, &run.lives);
	if (r >= 0)
		r = look(&run, host, ret);
	supervisor->next_stream = next_stream;
	undo(&run);
	qos_host_free(host);
	return r < 0 ? r : 0;
}
