/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record: observes a running program for a while and proposes a contract. The program is not changed;
 * neither is anything of the daemon, which need not run. The result is judged as `check` does it, so
 * that nobody installs what would be refused.
 */
#include "cli.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "adapt/learn_contract.h"
#include "admit/ledger.h"
#include "judge.h"
#include "observe.h"
#include "util/file.h"
#include "whom.h"

#define DEFAULT_NS  60000000000ULL
#define LEAST_NS    1000000000ULL
#define LONGEST_NS  86400000000000ULL
#define OUTPUT_MODE 0644
#define NAMED_MOST  32 /* threads that are named where nothing was learnt */

struct run {
	const struct qos_cli *cli;
	uint64_t for_ns;
	struct qos_judge host;
	struct qos_whom whom;
	struct qos_observation observation;
	struct qos_learn_thread *threads;
	struct qos_learn *learn;
	struct qos_contract *contract;
	struct qos_diag diag; /* warnings, and what admission says */
	struct qos_buf text;
};

static void run_reset(struct run *run)
{
	qos_contract_free(run->contract);
	qos_learn_free(run->learn);
	free(run->threads);
	qos_observation_reset(&run->observation);
	qos_whom_reset(&run->whom);
	qos_judge_reset(&run->host);
	qos_diag_reset(&run->diag);
	qos_buf_reset(&run->text);
}

static int observe(struct run *run)
{
	struct qos_observation *observation = &run->observation;
	struct qos_diag diag = QOS_DIAG_INIT;
	const struct qos_diag_entry *error;
	int r;

	observation->tgid = run->whom.tgid;
	observation->unit = run->whom.unit;
	r = qos_observe(observation, run->for_ns, &diag);
	error = qos_diag_first_error(&diag);
	if (r < 0)
		qos_cli_fail(run->cli, QOS_EXIT_FAILURE, error ? error->hint : NULL, "%s",
			     error ? error->text : strerror(-r));
	qos_diag_reset(&diag);
	if (r < 0)
		return QOS_EXIT_FAILURE;
	if (run->whom.is_replaced)
		qos_diag_warning(&run->diag, NULL,
				 "the file that runs was replaced or removed: start the program "
				 "again before the contract is applied");
	if (run->whom.has_siblings)
		qos_diag_warning(&run->diag, NULL,
				 "the unit has other processes, which the contract takes too: "
				 "record the unit");
	if (observation->ended)
		qos_diag_warning(&run->diag, NULL, "the program ended before the time was over");
	if (observation->n_lost)
		qos_diag_warning(&run->diag, NULL,
				 "%llu wake-ups could not be kept: figures lack them",
				 (unsigned long long)observation->n_lost);
	return QOS_EXIT_OK;
}

static int take_threads(struct run *run)
{
	struct qos_observation *observation = &run->observation;

	run->threads = calloc(observation->n_threads + 1, sizeof(*run->threads));
	if (!run->threads)
		return -ENOMEM;
	for (size_t i = 0; i < observation->n_threads; i++)
		run->threads[i] = observation->threads[i]->learn;
	return 0;
}

static int nothing_learnt(const struct run *run)
{
	const struct qos_cli *cli = run->cli;
	char span[QOS_OUT_NUMBER_MAX];

	qos_cli_fail(cli, QOS_EXIT_FAILURE,
		     "observe for longer, while the program does its work; what has no period can "
		     "be given one by hand, see qos-contract(5)",
		     "nothing periodic was seen of %s in %s", run->whom.origin.subject,
		     qos_out_duration(span, sizeof(span), (int64_t)run->learn->span_ns));
	for (size_t i = 0; !cli->quiet && i < run->learn->n_out && i < NAMED_MOST; i++) {
		const struct qos_learn_out *out = &run->learn->out[i];

		fprintf(cli->err.file, "  thread ");
		qos_out_paint(&cli->err, QOS_PLAIN, out->thread->comm);
		fprintf(cli->err.file, " (%d): %s\n", out->thread->tid,
			qos_learn_why(out->verdict));
	}
	return QOS_EXIT_FAILURE;
}

static void take_words(struct run *run, const struct qos_diag *words)
{
	for (size_t i = 0; i < words->n_entries; i++) {
		const struct qos_diag_entry *entry = &words->entries[i];

		qos_diag_add(&run->diag, entry->severity == QOS_NOTE ? QOS_NOTE : QOS_WARNING, NULL,
			     "%s", entry->text);
		if (entry->hint)
			qos_diag_hint(&run->diag, "%s", entry->hint);
	}
}

/* As `check` would: alone on this machine. 0, QOS_LEDGER_E_REFUSED or -errno, with words. */
static int judge(const struct run *run, struct qos_diag *words)
{
	const struct qos_judge *host = &run->host;
	_cleanup_contract_ struct qos_contract *parsed = NULL;
	struct qos_buf plain = {};
	struct qos_verdict verdict;
	struct qos_text text;
	int r;

	qos_learn_print(run->learn, &run->whom.origin, run->contract, words, &plain);
	text = (struct qos_text){"record", plain.text ? plain.text : "", plain.len};
	r = plain.error < 0 ? plain.error : qos_judge_contract(host, &text, 1, words, &parsed);
	if (r == 0)
		r = qos_judge_admit(host, parsed, words, &verdict);
	if (r == 0)
		qos_diag_note(words, NULL, "alone on this machine it is %s (%s)",
			      qos_guarantee_names[verdict.guarantee],
			      verdict.test ? verdict.test : "nothing is scheduled");
	qos_buf_reset(&plain);
	return r;
}

static int learn(struct run *run, uint32_t quantile_ppm)
{
	int r;

	qos_learn_free(TAKE_PTR(run->learn));
	qos_contract_free(TAKE_PTR(run->contract));
	r = qos_learn(run->threads, run->observation.n_threads, run->observation.span_ns,
		      quantile_ppm, &run->learn);
	if (r < 0 || !run->learn->n_streams)
		return r;
	return qos_learn_contract(run->learn, &run->whom.origin, &run->contract);
}

/* What the machine cannot promise to nearly all jobs it may promise to most of them: the window says
 * what is lost then. If nothing is admitted, the first is what the program needs. A contract that is
 * invalid is shown too, with the reasons. */
static int learn_admissible(struct run *run)
{
	static const uint32_t quantiles[] = {QOS_LEARN_QUANTILE_PPM, 950000, 900000, 750000,
					     QOS_LEARN_QUANTILE_PPM};
	int r = QOS_LEDGER_E_REFUSED;

	for (size_t i = 0; r == QOS_LEDGER_E_REFUSED && i < QOS_ARRAY_SIZE(quantiles); i++) {
		struct qos_diag words = QOS_DIAG_INIT;

		r = learn(run, quantiles[i]);
		if (r < 0 || !run->learn->n_streams)
			return r;
		r = judge(run, &words);
		if (r != QOS_LEDGER_E_REFUSED || i + 1 == QOS_ARRAY_SIZE(quantiles))
			take_words(run, &words);
		if (r == 0 && i)
			qos_diag_warning(&run->diag, NULL,
					 "this machine cannot promise the CPU time of more than "
					 "%u %% of the jobs: the window allows for the rest",
					 quantiles[i] / 10000);
		qos_diag_reset(&words);
	}
	return r == -ENOMEM ? r : 0;
}

static int propose(struct run *run)
{
	if (take_threads(run) < 0 || learn_admissible(run) < 0)
		return qos_cli_no_memory(run->cli);
	if (!run->learn->n_streams)
		return nothing_learnt(run);
	qos_learn_warn(run->learn, &run->diag);
	qos_learn_print(run->learn, &run->whom.origin, run->contract, &run->diag, &run->text);
	return run->text.error < 0 ? qos_cli_no_memory(run->cli) : QOS_EXIT_OK;
}

/* --- the result --- */

static json_t *figures_json(const struct qos_learn_figures *figures)
{
	return json_pack("{s:I, s:I, s:I}", "p50_ns", (json_int_t)figures->p50, "p99_ns",
			 (json_int_t)figures->p99, "max_ns", (json_int_t)figures->max);
}

static json_t *stream_json(const struct qos_learn_stream *stream)
{
	char window[32];

	snprintf(window, sizeof(window), "%u/%u", stream->window.x, stream->window.y);
	return json_pack(
		"{s:s, s:s, s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:I, s:I, s:s, s:[I, I], s:I}",
		"stream", stream->name, "threads", stream->glob, "max_threads",
		(json_int_t)stream->max_threads, "jobs", (json_int_t)stream->n_jobs, "mean_ns",
		(json_int_t)stream->mean_ns, "regular_percent", stream->regular_ppm / 1e4, "used",
		figures_json(&stream->used), "response", figures_json(&stream->response), "latency",
		figures_json(&stream->latency), "period_ns", (json_int_t)stream->period.ns,
		"runtime_ns", (json_int_t)stream->runtime_ns, "window", window, "range_ns",
		(json_int_t)stream->least_ns, (json_int_t)stream->most_ns, "exceeded",
		(json_int_t)stream->n_exceeded);
}

static json_t *out_json(const struct qos_learn_out *out)
{
	json_t *comm = json_string(out->thread->comm); /* NULL: no UTF-8 */

	return json_pack("{s:i, s:o, s:s, s:I}", "tid", out->thread->tid, "comm",
			 comm ? comm : json_string("?"), "why", qos_learn_why(out->verdict),
			 "used_ns", (json_int_t)out->thread->used_ns);
}

static json_t *document_of(const struct run *run)
{
	_cleanup_json_ json_t *document =
		json_pack("{s:i, s:s, s:I, s:s, s:[], s:[], s:[]}", "schema", 1, "contract",
			  run->whom.origin.name, "span_ns", (json_int_t)run->learn->span_ns, "yaml",
			  run->text.text, "streams", "left_out", "diagnostics");
	int r = document ? qos_out_diag_json(&run->diag, json_object_get(document, "diagnostics"))
			 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < run->learn->n_streams; i++)
		r = json_array_append_new(json_object_get(document, "streams"),
					  stream_json(&run->learn->streams[i]));
	for (size_t i = 0; r == 0 && i < run->learn->n_out; i++)
		r = json_array_append_new(json_object_get(document, "left_out"),
					  out_json(&run->learn->out[i]));
	return r == 0 ? TAKE_PTR(document) : NULL;
}

static void print_text(const struct qos_out *out, const json_t *document)
{
	fputs(qos_json_text(document, "yaml", ""), out->file);
}

/* Atomically, but what is no file (a device, a pipe) is not replaced by one. */
static int write_file(const char *path, const struct qos_buf *text)
{
	_cleanup_fclose_ FILE *file = NULL;
	struct stat st;

	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return qos_file_write_atomic(path, text->text, text->len, OUTPUT_MODE);
	file = fopen(path, "we");
	if (!file)
		return -errno;
	fputs(text->text, file);
	return fflush(file) || ferror(file) ? -errno : 0;
}

/* What was learnt is not lost where it cannot be written. */
static int write_text(const struct run *run)
{
	const struct qos_cli *cli = run->cli;
	int r = write_file(cli->output, &run->text);

	if (r < 0) {
		fputs(run->text.text, cli->out.file);
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, NULL, "%s: %s", cli->output,
				    strerror(-r));
	}
	if (!cli->quiet && !cli->json)
		fprintf(cli->out.file, "%s: %s\n", run->whom.origin.name, cli->output);
	return QOS_EXIT_OK;
}

static int show(const struct run *run)
{
	_cleanup_json_ json_t *document = document_of(run);
	const struct qos_cli *cli = run->cli;
	int r = QOS_EXIT_OK;

	if (!document)
		return qos_cli_no_memory(cli);
	qos_cli_diagnostics(cli, json_object_get(document, "diagnostics"));
	if (cli->output)
		r = write_text(run);
	if (!r && (cli->json || !cli->output))
		qos_cli_print(cli, document, print_text);
	return r;
}

static int read_options(const struct qos_cli *cli, uint64_t *ret)
{
	if (cli->name && !qos_text_is_contract_name(cli->name))
		return qos_cli_fail(cli, QOS_EXIT_USAGE,
				    "a letter, then letters, digits and -, 32 at most",
				    "--name: %s is no name of a contract", cli->name);
	*ret = DEFAULT_NS;
	if (cli->duration &&
	    (qos_parse_duration(cli->duration, ret) < 0 || *ret < LEAST_NS || *ret > LONGEST_NS))
		return qos_cli_fail(cli, QOS_EXIT_USAGE, "from a second to a day: --for 60s",
				    "--for: %s cannot be observed", cli->duration);
	return QOS_EXIT_OK;
}

int qos_cmd_record(struct qos_cli *cli)
{
	QOS_CLEANUP(run_reset) struct run run = {.cli = cli};
	int r = read_options(cli, &run.for_ns);

	if (r)
		return r;
	if (geteuid() != 0)
		return qos_cli_fail(cli, QOS_EXIT_FAILURE, "run it as root",
				    "what the scheduler does is shown to root only");
	r = qos_whom_find(cli, cli->args[1], &run.whom);
	if (!r) /* before, so that nobody waits in vain */
		r = qos_judge_open(cli, QOS_JUDGE_AS_DAEMON, &run.host);
	if (!r)
		r = observe(&run);
	if (!r)
		r = propose(&run);
	return r ? r : show(&run);
}
