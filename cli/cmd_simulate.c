/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * simulate: what the module would do with contracts on a machine, without a daemon and without root.
 * The files are judged as `check` does, their threads placed, and a time simulated; a violation is an
 * exit status, so that it can stand in somebody's CI.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "contract/check.h"
#include "judge.h"
#include "simulate_parts.h"
#include "state/store.h"
#include "util/text.h"

#define HORIZON_DEFAULT_NS 10000000000ULL
#define HORIZON_MAX_NS	   86400000000000ULL
#define PHASES		   8
#define LONGEST_PERIODS	   4
#define SHORTEST_PERIODS   50

struct run {
	const struct qos_cli *cli;
	struct qos_judge judge;
	struct qos_contract **contracts;
	size_t n_contracts;
	size_t n_errors;
};

static void run_reset(struct run *run)
{
	for (size_t i = 0; i < run->n_contracts; i++)
		qos_contract_free(run->contracts[i]);
	free(run->contracts);
	qos_judge_reset(&run->judge);
}

/* --- reading --- */

/* Whatever is wrong, in words on stderr. */
static void complain(struct run *run, struct qos_diag *diag)
{
	_cleanup_json_ json_t *array = json_array();

	run->n_errors += diag->n_errors;
	if (array && qos_out_diag_json(diag, array) == 0)
		qos_out_diagnostics(&run->cli->err, array);
	qos_diag_reset(diag);
}

static int read_entry(struct run *run, const struct qos_store_entry *entry)
{
	_cleanup_free_ struct qos_text *texts = qos_store_texts(entry);
	_cleanup_contract_ struct qos_contract *contract = NULL;
	struct qos_contract **all =
		reallocarray(run->contracts, run->n_contracts + 1, sizeof(*run->contracts));
	struct qos_diag diag = QOS_DIAG_INIT;
	int r;

	if (all)
		run->contracts = all;
	if (!texts || !all)
		return -ENOMEM;
	r = qos_judge_contract(&run->judge, texts, entry->n_texts, &diag, &contract);
	complain(run, &diag);
	if (r == 0)
		all[run->n_contracts++] = TAKE_PTR(contract);
	return r == -ENOMEM ? r : 0;
}

static int read_path(struct run *run, const char *path)
{
	const char *const paths[] = {path, NULL};
	_cleanup_store_ struct qos_store *store = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	int r = qos_store_read(paths, &diag, &store);

	complain(run, &diag);
	if (r == -ENOMEM)
		return r;
	for (size_t i = 0; store && i < store->n_entries; i++) {
		if (!store->entries[i].unreadable && store->entries[i].n_texts &&
		    read_entry(run, &store->entries[i]) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int read_all(struct run *run)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	const struct qos_cli *cli = run->cli;

	for (size_t i = 1; i < cli->n_args; i++) {
		if (access(cli->args[i], F_OK) < 0)
			return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s: %s", cli->args[i],
					    strerror(errno));
		if (read_path(run, cli->args[i]) < 0)
			return qos_cli_no_memory(cli);
	}
	qos_contract_check_names(run->contracts, run->n_contracts, &diag);
	complain(run, &diag);
	return run->n_errors ? QOS_EXIT_INVALID : QOS_EXIT_OK;
}

/* --- options --- */

static int read_ordering(const struct qos_cli *cli, enum dwcs_ordering *ret)
{
	const char *name = cli->ordering ? cli->ordering : qos_ordering_names[DWCS_FIN];

	for (int i = 0; i < DWCS_ORDERINGS; i++) {
		if (!strcmp(qos_ordering_names[i], name)) {
			*ret = i;
			return QOS_EXIT_OK;
		}
	}
	return qos_cli_fail(cli, QOS_EXIT_USAGE,
			    "one of edf dwcs dwcs-skip dwcs-window vds vds-skip fin fin-guard",
			    "--ordering: there is no `%s`", name);
}

static int read_options(const struct qos_cli *cli, struct qos_whatif_options *ret)
{
	int r = read_ordering(cli, &ret->ordering);

	if (r)
		return r;
	ret->horizon_ns = HORIZON_DEFAULT_NS;
	ret->phases = PHASES;
	if (cli->duration && (qos_parse_duration(cli->duration, &ret->horizon_ns) < 0 ||
			      !ret->horizon_ns || ret->horizon_ns > HORIZON_MAX_NS))
		return qos_cli_fail(cli, QOS_EXIT_USAGE, "a duration up to a day: --for 10s",
				    "--for: %s cannot be simulated", cli->duration);
	if (cli->seed && qos_parse_count(cli->seed, UINT32_MAX, &ret->seed) < 0)
		return qos_cli_fail(cli, QOS_EXIT_USAGE, "a whole number: --seed 7",
				    "--seed: %s is no number", cli->seed);
	return QOS_EXIT_OK;
}

/* The timeline: so long that the slow ones are seen, so short that the fast ones are told apart. */
static uint64_t span_of(const struct run *run, uint64_t horizon_ns)
{
	uint64_t longest = 1, shortest = UINT64_MAX, span_ns = horizon_ns;

	for (size_t i = 0; i < run->n_contracts; i++) {
		for (size_t k = 0; k < run->contracts[i]->n_cpu; k++) {
			uint64_t period_ns = run->contracts[i]->cpu[k].period.ns;

			longest = period_ns > longest ? period_ns : longest;
			shortest = period_ns < shortest ? period_ns : shortest;
		}
	}
	if (longest < span_ns / LONGEST_PERIODS)
		span_ns = longest * LONGEST_PERIODS;
	return shortest < span_ns / SHORTEST_PERIODS ? shortest * SHORTEST_PERIODS : span_ns;
}

/* --- the document --- */

static const char *proof_of(const struct qos_whatif *whatif, const struct qos_whatif_thread *thread)
{
	for (size_t i = 0; i < whatif->n_cpus; i++) {
		if (whatif->cpus[i].cpu == thread->cpu)
			return qos_proof_names[whatif->cpus[i].proof];
	}
	return qos_proof_names[QOS_PROOF_NONE];
}

/* Windows are judged when they end: a time in which none did says nothing. */
static bool is_simulated(const struct qos_whatif_thread *thread)
{
	return thread->task.y ? thread->stats.windows && !thread->stats.violations
			      : !thread->stats.lost;
}

static bool is_proven(const struct qos_whatif *whatif, const struct qos_whatif_thread *thread)
{
	return strcmp(proof_of(whatif, thread), qos_proof_names[QOS_PROOF_NONE]) != 0;
}

static const char *guarantee_of(const struct qos_whatif *whatif,
				const struct qos_whatif_thread *thread)
{
	if (!thread->placed)
		return "refused";
	if (is_proven(whatif, thread))
		return qos_guarantee_names[QOS_PROVEN];
	return qos_guarantee_names[is_simulated(thread) ? QOS_SIMULATED : QOS_BEST_EFFORT];
}

/* How long to simulate for a window of it to end, wherever it begins; 0: one did, or none is needed. */
static uint64_t lacks_ns(const struct qos_whatif *whatif, const struct qos_whatif_thread *thread)
{
	const struct qos_sim_task *task = &thread->task;

	if (!thread->placed || is_proven(whatif, thread) || thread->stats.windows ||
	    (!task->y && thread->stats.requests))
		return 0;
	return (task->y + 1ULL) * thread->contract->cpu[thread->stream].period.ns;
}

/* The one that needs the longest; NULL: something is shown of all. */
static const struct qos_whatif_thread *undecided(const struct qos_whatif *whatif)
{
	const struct qos_whatif_thread *worst = NULL;

	for (size_t i = 0; i < whatif->n_threads; i++) {
		const struct qos_whatif_thread *thread = &whatif->threads[i];

		if (lacks_ns(whatif, thread) > (worst ? lacks_ns(whatif, worst) : 0))
			worst = thread;
	}
	return worst;
}

static json_t *kept_json(const struct qos_whatif *whatif)
{
	if (!whatif->violated && undecided(whatif))
		return json_null();
	return json_boolean(!whatif->violated);
}

static json_t *thread_json(const struct qos_whatif *whatif, const struct qos_whatif_thread *thread)
{
	const struct qos_sim_stats *stats = &thread->stats;
	json_t *object = json_pack(
		"{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "contract",
		thread->contract->name, "stream", thread->contract->cpu[thread->stream].name,
		"guarantee", guarantee_of(whatif, thread), "proof",
		thread->placed ? proof_of(whatif, thread) : "none", "requests",
		(json_int_t)stats->requests, "served", (json_int_t)stats->served, "lost",
		(json_int_t)stats->lost, "windows", (json_int_t)stats->windows, "violations",
		(json_int_t)stats->violations, "late_skipping", (json_int_t)stats->lost,
		"late_never_skipping", (json_int_t)stats->backlog_late, "response_max_ns",
		(json_int_t)stats->response_max, "response_mean_ns",
		(json_int_t)(stats->served ? stats->response_sum / stats->served : 0));

	if (object)
		json_object_set_new(object, "cpu",
				    thread->placed ? json_integer(thread->cpu) : json_null());
	return object;
}

static json_t *cpu_json(const struct qos_whatif_cpu *cpu)
{
	return json_pack("{s:i, s:i, s:f, s:f, s:s, s:I}", "cpu", (int)cpu->cpu, "threads",
			 (int)cpu->threads, "minimum_utilisation", (double)cpu->u_ppb / 1e9,
			 "demand", (double)cpu->demand_ppb / 1e9, "proof",
			 qos_proof_names[cpu->proof], "capped", (json_int_t)cpu->capped);
}

static json_t *document_of(const struct qos_whatif *whatif,
			   const struct qos_whatif_options *options)
{
	json_t *document = json_pack(
		"{s:i, s:s, s:I, s:i, s:o, s:[], s:[]}", "schema", 1, "ordering",
		qos_ordering_names[options->ordering], "for_ns", (json_int_t)options->horizon_ns,
		"phases", (int)options->phases, "kept", kept_json(whatif), "cpus", "threads");

	for (size_t i = 0; document && i < whatif->n_cpus; i++)
		json_array_append_new(json_object_get(document, "cpus"),
				      cpu_json(&whatif->cpus[i]));
	for (size_t i = 0; document && i < whatif->n_threads; i++)
		json_array_append_new(json_object_get(document, "threads"),
				      thread_json(whatif, &whatif->threads[i]));
	return document;
}

const char *qos_simulate_name(char *buf, const struct qos_whatif *whatif, size_t thread)
{
	const struct qos_whatif_thread *own = &whatif->threads[thread];
	const struct qos_cpu_stream *stream = &own->contract->cpu[own->stream];
	size_t first = thread;

	while (first && whatif->threads[first - 1].contract == own->contract &&
	       whatif->threads[first - 1].stream == own->stream)
		first--;
	if (stream->max_threads > 1)
		snprintf(buf, QOS_SIMULATE_NAME_MAX, "%s.%s/%zu", own->contract->name, stream->name,
			 thread - first);
	else
		snprintf(buf, QOS_SIMULATE_NAME_MAX, "%s.%s", own->contract->name, stream->name);
	return buf;
}

void qos_simulate_print(const struct qos_cli *cli, const json_t *document,
			void (*print)(const struct qos_out *out, const json_t *document))
{
	if (cli->json)
		qos_out_json(&cli->out, document, cli->set != NULL);
	else if (!cli->quiet)
		print(&cli->out, document);
}

/* --- the verb --- */

static int why(const struct qos_cli *cli, int r)
{
	switch (r) {
	case QOS_WHATIF_E_MANY:
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "more than %d threads",
				    QOS_WHATIF_THREADS_MAX);
	case QOS_WHATIF_E_BOUND:
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, "simulate a shorter time: --for 1s",
				    "more than %llu requests", QOS_WHATIF_REQUESTS_MAX);
	case QOS_WHATIF_E_LIMIT:
		return qos_cli_fail(
			cli, QOS_EXIT_REFUSED,
			"with cpu.overhead and cpu.blocking of qosd.yaml(5) charged, runtime "
			"must fit into the deadline; y is at most 1000, a period 9 minutes",
			"a stream is beyond what the module can schedule");
	default:
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s", strerror(-r));
	}
}

static int fail_undecided(const struct qos_cli *cli, const struct qos_whatif *whatif,
			  const struct qos_whatif_thread *thread)
{
	char name[QOS_SIMULATE_NAME_MAX], span[QOS_OUT_NUMBER_MAX], longer[160];
	const char *hint = "its window is longer than the day that can be simulated";

	qos_print_duration(span, sizeof(span), lacks_ns(whatif, thread));
	snprintf(longer, sizeof(longer), "simulate a longer time: --for %s", span);
	if (lacks_ns(whatif, thread) <= HORIZON_MAX_NS)
		hint = longer;
	return qos_cli_fail(cli, QOS_EXIT_FAILURE, hint,
			    "%s: no window ended in the time, so nothing is shown",
			    qos_simulate_name(name, whatif, (size_t)(thread - whatif->threads)));
}

static int show(const struct qos_cli *cli, const struct qos_whatif *whatif,
		const struct qos_whatif_options *options)
{
	_cleanup_json_ json_t *document = document_of(whatif, options);
	int r = 0;

	if (!document)
		return qos_cli_no_memory(cli);
	if (cli->svg)
		r = qos_svg_write(cli->svg, whatif, options->span_ns);
	if (r < 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s: %s", cli->svg, strerror(-r));
	qos_simulate_print(cli, document, qos_out_simulate);
	if (!cli->json && !cli->quiet && whatif->n_threads)
		qos_timeline_print(&cli->out, whatif, options->span_ns);
	if (whatif->violated)
		return QOS_EXIT_VIOLATION;
	return undecided(whatif) ? fail_undecided(cli, whatif, undecided(whatif)) : QOS_EXIT_OK;
}

static int simulate_files(struct qos_cli *cli, struct qos_whatif_options *options)
{
	QOS_CLEANUP(run_reset) struct run run = {.cli = cli};
	_cleanup_whatif_ struct qos_whatif whatif = {};
	int r = qos_judge_open(cli, QOS_JUDGE_AS_DAEMON, &run.judge);

	if (!r)
		r = read_all(&run);
	if (r)
		return r;
	options->span_ns = span_of(&run, options->horizon_ns);
	r = qos_whatif((const struct qos_contract *const *)run.contracts, run.n_contracts,
		       &run.judge.capacity, options, &whatif);
	return r ? why(cli, r) : show(cli, &whatif, options);
}

int qos_cmd_simulate(struct qos_cli *cli)
{
	struct qos_whatif_options options = {};
	int r = read_options(cli, &options);

	if (r)
		return r;
	if (cli->set && cli->n_args > 1)
		return qos_cli_fail(cli, QOS_EXIT_USAGE, NULL, "either files or --set, not both");
	if (cli->set)
		return qos_simulate_set(cli, options.ordering);
	if (cli->n_args == 1)
		return qos_cli_fail(cli, QOS_EXIT_USAGE,
				    "qosctl simulate FILE..., or --set \"(T,C,x/y) ...\"",
				    "nothing to simulate");
	return simulate_files(cli, &options);
}
