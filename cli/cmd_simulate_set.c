/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * simulate --set: plain slots, without costs and cap, until the state repeats: what each ordering
 * keeps and each proof accepts. T3 counts as accepted if the table of any ordering is one.
 */
#include "simulate_parts.h"

#include <inttypes.h>
#include <string.h>

#include "admit/prove.h"
#include "slots.h"

#define REQUESTS_MAX 10000000ULL

/* Keeps it all windows for ever? 0, 1, or -1 after a complaint. */
static int keeps(const struct qos_cli *cli, const struct qos_sim_task *tasks, size_t n,
		 enum dwcs_ordering ordering)
{
	const struct qos_sim_options options = {
		.ordering = ordering, .requests_max = REQUESTS_MAX, .stop_at_violation = true};
	struct qos_sim_stats stats[QOS_SLOTS_MAX];
	struct qos_sim_result result;
	int r = qos_simulate(tasks, n, &options, stats, &result);

	if (r == 0)
		return qos_sim_keeps(&result);
	if (r == QOS_SIM_E_BOUND)
		qos_cli_fail(cli, QOS_EXIT_FAILURE,
			     "nothing was violated so far, but that proves nothing: take periods "
			     "with a smaller common multiple",
			     "%s: the state did not repeat in %llu requests",
			     qos_ordering_names[ordering], REQUESTS_MAX);
	else
		qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s", strerror(-r));
	return -1;
}

static bool proves_table(const struct qos_sim_task *tasks, size_t n,
			 const struct qos_prove_params *params)
{
	for (int ordering = 0; ordering < DWCS_ORDERINGS; ordering++) {
		if (qos_prove_table(tasks, n, ordering, params, NULL))
			return true;
	}
	return false;
}

static double u_of(const struct qos_sim_task *tasks, size_t n)
{
	double u = 0;

	for (size_t i = 0; i < n; i++)
		u += (double)tasks[i].cost / (double)tasks[i].period *
		     (tasks[i].y ? 1 - (double)tasks[i].x / tasks[i].y : 1);
	return u;
}

static json_t *document_of(const struct qos_sim_task *tasks, size_t n)
{
	const struct qos_prove_params params = {.jobs_max = QOS_PROVE_JOBS_MAX};
	bool fits = qos_prove_fits(tasks, n);

	return json_pack("{s:i, s:f, s:b, s:b, s:b, s:b, s:{}}", "schema", 1, "u", u_of(tasks, n),
			 "t1", qos_prove_sporadic(tasks, n, &params, NULL), "t2",
			 qos_prove_bundle(tasks, n, &params, NULL, NULL), "t3",
			 fits && proves_table(tasks, n, &params), "search",
			 fits && qos_prove_search(tasks, n, &params, NULL), "orderings");
}

static void print(const struct qos_out *out, const json_t *document)
{
	json_t *orderings = json_object_get(document, "orderings"), *kept;
	static const char *const proofs[] = {"t1", "t2", "t3", "search"};
	const char *name;

	fprintf(out->file, "minimum utilisation  %.3f\n",
		json_real_value(json_object_get(document, "u")));
	for (size_t i = 0; i < QOS_ARRAY_SIZE(proofs); i++)
		fprintf(out->file, "%-20s %s\n", proofs[i],
			qos_json_bool(document, proofs[i]) ? "proven" : "not proven");
	json_object_foreach(orderings, name, kept)
		fprintf(out->file, "%-20s %s\n", name,
			json_is_true(kept) ? "keeps all windows for ever" : "breaks a window");
}

int qos_simulate_set(const struct qos_cli *cli, enum dwcs_ordering ordering)
{
	struct qos_sim_task tasks[QOS_SLOTS_MAX];
	_cleanup_json_ json_t *document = NULL;
	bool violated = false;
	size_t n = 0;
	int r;

	r = qos_slots_parse(cli, cli->set, tasks, &n);
	if (r)
		return r;
	document = document_of(tasks, n);
	if (!document)
		return qos_cli_no_memory(cli);
	for (int i = 0; i < DWCS_ORDERINGS; i++) {
		if (!cli->all_orderings && i != (int)ordering)
			continue;
		r = keeps(cli, tasks, n, i);
		if (r < 0)
			return QOS_EXIT_FAILURE;
		violated |= !r;
		json_object_set_new(json_object_get(document, "orderings"), qos_ordering_names[i],
				    json_boolean(r));
	}
	qos_simulate_print(cli, document, print);
	return violated && !cli->all_orderings ? QOS_EXIT_VIOLATION : QOS_EXIT_OK;
}
