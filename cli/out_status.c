/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `status` and `list`. The first line says whether all is well, then what is not, then the
 * contracts, so that a glance suffices and 24 lines show it.
 */
#include "out.h"

#include <inttypes.h>
#include <string.h>

#include "columns.h"

struct word {
	const char *word;
	enum qos_paint paint;
	const char *text;
};

static const struct word overall[] = {
	{"ok", QOS_GOOD, "all is well"},
	{"degraded", QOS_WARN, "degraded: it works, but not all is as it should be"},
	{"bad", QOS_BAD, "bad: something that was asked for is not in force"},
	{"panic", QOS_BAD, "stopped by panic: everything is undone until `qosctl reload`"},
	{NULL, QOS_BAD, "state not known"},
};

static const struct word states[] = {
	{"in-force", QOS_GOOD, "in force"},
	{"waiting", QOS_WARN, "waiting"},
	{"refused", QOS_BAD, "refused"},
	{"invalid", QOS_BAD, "invalid"},
	{NULL, QOS_PLAIN, "-"},
};

static const struct word *find_word(const struct word *words, const char *word)
{
	while (words->word && strcmp(words->word, word))
		words++;
	return words;
}

const char *qos_out_overall(const char *state, enum qos_paint *paint)
{
	const struct word *word = find_word(overall, state);

	*paint = word->paint;
	return word->text;
}

const char *qos_out_state(const char *state, enum qos_paint *paint)
{
	const struct word *word = find_word(states, state);

	*paint = word->paint;
	return word->text;
}

static void print_verdict(const struct qos_out *out, const json_t *status)
{
	const struct word *state = find_word(overall, qos_json_text(status, "state", ""));
	char age[QOS_OUT_NUMBER_MAX];

	fprintf(out->file, "qosd %s: ", qos_json_text(status, "version", "?"));
	qos_out_paint(out, state->paint, state->text);
	fputc('\n', out->file);
	qos_out_fact(out, QOS_PLAIN, "up", "%s",
		     qos_out_age(age, sizeof(age), qos_json_int(status, "uptime_s", 0)));
}

/* "3 in force, 1 refused"; *worst is the paint of the worst of them. */
static void count_states(const json_t *counts, char *text, size_t size, enum qos_paint *worst)
{
	static const struct word kinds[] = {{"in_force", QOS_PLAIN, "in force"},
					    {"waiting", QOS_WARN, "waiting"},
					    {"refused", QOS_BAD, "refused"},
					    {"invalid", QOS_BAD, "invalid"}};
	size_t len = 0;

	*worst = QOS_PLAIN;
	text[0] = '\0';
	for (size_t i = 0; i < QOS_ARRAY_SIZE(kinds); i++) {
		int64_t n = qos_json_int(counts, kinds[i].word, 0);

		if (!n || len >= size)
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s%" PRId64 " %s", len ? ", " : "",
					n, kinds[i].text);
		*worst = kinds[i].paint > *worst ? kinds[i].paint : *worst;
	}
}

static void print_counts(const struct qos_out *out, const json_t *counts)
{
	int64_t violations = qos_json_int(counts, "violations", 0);
	char states_text[256];
	enum qos_paint worst;

	count_states(counts, states_text, sizeof(states_text), &worst);
	qos_out_fact(out, worst, "contracts", "%s", *states_text ? states_text : "none");
	qos_out_fact(out, violations ? QOS_BAD : QOS_PLAIN, "service",
		     "%" PRId64 " threads managed, %" PRId64 " windows violated",
		     qos_json_int(counts, "threads", 0), violations);
}

static void print_capacity(const struct qos_out *out, const json_t *capacity)
{
	char used[QOS_OUT_NUMBER_MAX], spare[QOS_OUT_NUMBER_MAX], cap[QOS_OUT_NUMBER_MAX];

	qos_out_tenths(used, sizeof(used), json_object_get(capacity, "used_percent"));
	qos_out_tenths(spare, sizeof(spare), json_object_get(capacity, "free_percent"));
	qos_out_tenths(cap, sizeof(cap), json_object_get(capacity, "cap_percent"));
	qos_out_fact(out, QOS_PLAIN, "CPUs",
		     "%s: %s %% reserved, %s %% free, at most %s %% of each (%s)",
		     qos_json_text(capacity, "cpus", "?"), used, spare, cap,
		     qos_json_text(capacity, "cap_reason", "?"));
}

/* Only where there is something to tell. */
static void print_links(const struct qos_out *out, const json_t *network)
{
	int64_t n = qos_json_int(network, "interfaces", 0);

	if (n)
		qos_out_fact(out, QOS_PLAIN, "links",
			     "%" PRId64 " managed, manager %s: windows of packets are %s", n,
			     qos_json_text(network, "manager", "?"),
			     qos_json_bool(network, "windows_enforced") ? "enforced"
									: "measured, not enforced");
}

static void print_means(const struct qos_out *out, const json_t *status)
{
	const json_t *managers = json_object_get(status, "managers");
	const json_t *telemetry = json_object_get(status, "telemetry");
	const char *better = qos_json_text(managers, "better", NULL);

	qos_out_fact(out, QOS_PLAIN, "means", "manager %s, monitor %s, netlink %s",
		     qos_json_text(managers, "cpu", "?"), qos_json_text(status, "monitor", "?"),
		     qos_json_text(telemetry, "netlink", "?"));
	if (better && !out->quiet)
		qos_out_fact(out, QOS_DIM, "better", "%s", better);
}

static void print_lease(const struct qos_out *out, const json_t *module)
{
	const json_t *lease = json_object_get(module, "lease");
	const char *state = qos_json_text(lease, "state", "off");
	char left[QOS_OUT_NUMBER_MAX], length[QOS_OUT_NUMBER_MAX];

	if (!json_is_object(lease))
		return;
	qos_out_fact(out, strcmp(state, "live") ? QOS_WARN : QOS_PLAIN, "lease",
		     "%s, %s s of %s s left: so long the module goes on without qosd", state,
		     qos_out_tenths(left, sizeof(left), json_object_get(lease, "left_s")),
		     qos_out_tenths(length, sizeof(length), json_object_get(lease, "length_s")));
}

static void print_problem(const struct qos_out *out, const json_t *problem)
{
	const char *severity = qos_json_text(problem, "severity", "error");
	const char *contract = qos_json_text(problem, "contract", NULL);
	const char *hint = qos_json_text(problem, "hint", NULL);
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s%s%s", contract ? contract : "", contract ? ": " : "",
		     qos_json_text(problem, "text", "")) < 0)
		return;
	qos_out_paint(out, strcmp(severity, "error") ? QOS_WARN : QOS_BAD, severity);
	fputs(": ", out->file);
	qos_out_hang(out, QOS_PLAIN, (unsigned int)strlen(severity) + 2, 2, text);
	if (!hint || out->quiet)
		return;
	fputs("  hint: ", out->file);
	qos_out_hang(out, QOS_DIM, 8, 4, hint);
}

static void print_problems(const struct qos_out *out, const json_t *problems)
{
	const json_t *problem;
	size_t i;

	if (json_array_size(problems))
		fputc('\n', out->file);
	json_array_foreach(problems, i, problem)
		print_problem(out, problem);
}

static void count_cell(struct qos_columns *table, const json_t *brief, const char *key,
		       enum qos_paint if_any)
{
	int64_t n = qos_json_int(brief, key, 0);

	qos_columns_cell(table, n ? if_any : QOS_PLAIN, "%" PRId64, n);
}

static void head_cells(struct qos_columns *table, const json_t *brief)
{
	const struct word *state = find_word(states, qos_json_text(brief, "state", ""));

	qos_columns_cell(table, QOS_PLAIN, "%s", qos_json_text(brief, "contract", "-"));
	qos_columns_cell(table, state->paint, "%s", state->text);
}

static void print_briefs(const struct qos_out *out, const json_t *briefs)
{
	static const struct qos_column columns[] = {{"CONTRACT", .flex = true},
						    {"STATE"},
						    {"GUARANTEE"},
						    {"THREADS", .right = true},
						    {"JOBS", .right = true},
						    {"LATE", .right = true},
						    {"LOST", .right = true},
						    {"VIOLATED", .right = true}};
	_cleanup_columns_ struct qos_columns table = QOS_COLUMNS_INIT(columns);
	const json_t *brief;
	size_t i;

	json_array_foreach(briefs, i, brief) {
		head_cells(&table, brief);
		qos_columns_cell(&table, QOS_PLAIN, "%s", qos_json_text(brief, "guarantee", "-"));
		count_cell(&table, brief, "threads", QOS_PLAIN);
		count_cell(&table, brief, "jobs", QOS_PLAIN);
		count_cell(&table, brief, "late", QOS_PLAIN);
		count_cell(&table, brief, "lost", QOS_PLAIN);
		count_cell(&table, brief, "violations", QOS_BAD);
	}
	qos_columns_print(&table, out, 0);
}

void qos_out_status(const struct qos_out *out, const json_t *status)
{
	const json_t *briefs = json_object_get(status, "contracts");

	print_verdict(out, status);
	print_counts(out, json_object_get(status, "counts"));
	print_capacity(out, json_object_get(status, "capacity"));
	print_links(out, json_object_get(status, "network"));
	print_means(out, status);
	print_lease(out, json_object_get(status, "module"));
	print_problems(out, json_object_get(status, "problems"));
	fputc('\n', out->file);
	if (json_array_size(briefs))
		print_briefs(out, briefs);
	else
		qos_out_lines(out, 0,
			      "No contracts. `qosctl enable NAME` takes one from "
			      "/usr/share/qosd/policies, `qosctl apply FILE` one of your own.");
}

static void print_names(const struct qos_out *out, const json_t *briefs)
{
	const json_t *brief;
	size_t i;

	json_array_foreach(briefs, i, brief) {
		qos_out_paint(out, QOS_PLAIN, qos_json_text(brief, "contract", "-"));
		fputc('\n', out->file);
	}
}

/* A file that never was a good contract has none. */
static void importance_cell(struct qos_columns *table, const json_t *brief)
{
	if (json_is_integer(json_object_get(brief, "importance")))
		count_cell(table, brief, "importance", QOS_PLAIN);
	else
		qos_columns_cell(table, QOS_PLAIN, "-");
}

void qos_out_list(const struct qos_out *out, const json_t *list)
{
	static const struct qos_column columns[] = {{"CONTRACT"},
						    {"STATE"},
						    {"IMPORTANCE", .right = true},
						    {"FILE, OR WHY NOT", .flex = true}};
	_cleanup_columns_ struct qos_columns table = QOS_COLUMNS_INIT(columns);
	const json_t *briefs = json_object_get(list, "contracts");
	const json_t *brief;
	size_t i;

	if (out->quiet) {
		print_names(out, briefs);
		return;
	}
	json_array_foreach(briefs, i, brief) {
		head_cells(&table, brief);
		importance_cell(&table, brief);
		qos_columns_cell(&table, QOS_PLAIN, "%s",
				 qos_json_text(brief, "reason", qos_json_text(brief, "file", "-")));
	}
	qos_columns_print(&table, out, 0);
}
