/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Printers of qosctl: canned documents (tests/golden/cli/NAME.json) against what is printed
 * (NAME.txt, NAME.html). QOS_GOLDEN_UPDATE=1 writes those; read the difference before it is committed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "columns.h"
#include "out.h"

#define GOLDEN_DIR QOS_SOURCE_DIR "/tests/golden/cli/"

struct golden {
	const char *document; /* NAME.json */
	const char *text;     /* NAME.txt, or the name of a file */
	void (*print)(const struct qos_out *out, const json_t *document);
	unsigned int width;
	bool colour;
	bool quiet;
};

static const struct golden goldens[] = {
	{"status-ok", "status-ok", qos_out_status, 80},
	{"status-bad", "status-bad", qos_out_status, 80},
	{"status-bad", "status-bad-colour", qos_out_status, 80, .colour = true},
	{"status-bad", "status-bad-pipe", qos_out_status, 0},
	{"status-bad", "status-bad-narrow", qos_out_status, 40},
	{"status-none", "status-none", qos_out_status, 80},
	{"status-module", "status-module", qos_out_status, 80},
	{"list", "list", qos_out_list, 80},
	{"list", "list-pipe", qos_out_list, 0},
	{"list", "list-quiet", qos_out_list, 80, .quiet = true},
	{"list-none", "list-none", qos_out_list, 80},
	{"show", "show", qos_out_show, 80},
	{"show", "show-pipe", qos_out_show, 0},
	{"show", "show-quiet", qos_out_show, 80, .quiet = true},
	{"show-waiting", "show-waiting", qos_out_show, 80},
	{"events", "events", qos_out_events, 80},
	{"events", "events-colour", qos_out_events, 60, .colour = true},
	{"events-none", "events-none", qos_out_events, 80},
	{"report", "report", qos_out_report, 80},
	{"report", "report-pipe", qos_out_report, 0},
	{"report", "report.html", qos_out_report_page, 0},
	{"report-none", "report-none", qos_out_report, 80},
	{"report-hostile", "report-hostile", qos_out_report, 80},
	{"report-hostile", "report-hostile.html", qos_out_report_page, 0},
	{"explain", "explain", qos_out_explain, 80},
	{"explain-drift", "explain-drift", qos_out_explain, 80},
	{"explain-none", "explain-none", qos_out_explain, 80},
	{"explain-contract", "explain-contract", qos_out_explain, 80},
	{"explain-contract-idle", "explain-contract-idle", qos_out_explain, 80},
	{"explain-flow", "explain-flow", qos_out_explain, 80},
	{"explain-flow-none", "explain-flow-none", qos_out_explain, 80},
	{"explain-class", "explain-class", qos_out_explain, 80},
	{"explain-drift", "explain-drift-pipe", qos_out_explain, 0},
	{"check", "check", qos_out_check, 80},
	{"simulate", "simulate", qos_out_simulate, 80},
	{"applied", "applied", qos_out_applied, 80},
	{"applied-waiting", "applied-waiting", qos_out_applied, 80},
	{"applied-confirm", "applied-confirm", qos_out_applied, 80},
	{"confirm", "confirm", qos_out_confirm, 80},
	{"confirm-undo", "confirm-undo", qos_out_confirm, 80},
	{"plan", "plan", qos_out_plan, 80},
	{"plan", "plan-colour", qos_out_plan, 60, .colour = true},
	{"plan-none", "plan-none", qos_out_plan, 80},
	{"reload", "reload", qos_out_reload, 80},
	{"adjust", "adjust", qos_out_adjust, 80},
	{"revert", "revert", qos_out_revert, 80},
	{"revert-none", "revert-none", qos_out_revert, 80},
	{"readmit", "readmit", qos_out_readmit, 80},
	{"panic", "panic", qos_out_panic, 80},
	{"panic-alone", "panic-alone", qos_out_panic, 80},
	{"doctor", "doctor", qos_out_doctor, 80},
	{"doctor", "doctor-colour", qos_out_doctor, 80, .colour = true},
	{"doctor-alone", "doctor-alone", qos_out_doctor, 80},
	{"errors", "errors", qos_out_errors, 80},
};

static json_t *read_document(const char *name)
{
	_cleanup_free_ char *path = NULL;
	json_error_t error;
	json_t *document;

	assert_true(asprintf(&path, GOLDEN_DIR "%s.json", name) > 0);
	document = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!document)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	return document;
}

static char *print_document(const struct golden *golden, const json_t *document)
{
	struct qos_out out = {
		.width = golden->width, .colour = golden->colour, .quiet = golden->quiet};
	char *text = NULL;
	size_t len;

	out.file = open_memstream(&text, &len);
	assert_non_null(out.file);
	golden->print(&out, document);
	assert_int_equal(fclose(out.file), 0);
	return text;
}

static void compare(const char *path, const char *printed)
{
	_cleanup_fclose_ FILE *file = fopen(path, getenv("QOS_GOLDEN_UPDATE") ? "w+" : "r");
	char expected[65536];
	size_t n;

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	if (getenv("QOS_GOLDEN_UPDATE")) {
		fputs(printed, file);
		return;
	}
	n = fread(expected, 1, sizeof(expected) - 1, file);
	expected[n] = '\0';
	if (strcmp(expected, printed))
		fail_msg("%s differs; printed was:\n%s", path, printed);
}

static void test_goldens(void **state)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(goldens); i++) {
		_cleanup_json_ json_t *document = read_document(goldens[i].document);
		_cleanup_free_ char *printed = print_document(&goldens[i], document);
		_cleanup_free_ char *path = NULL;

		assert_true(asprintf(&path, GOLDEN_DIR "%s%s", goldens[i].text,
				     strchr(goldens[i].text, '.') ? "" : ".txt") > 0);
		compare(path, printed);
	}
}

/* Escapes come only from paint: names in documents cannot write to the terminal. */
static void test_no_control_characters(void **state)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(goldens); i++) {
		_cleanup_json_ json_t *document = read_document(goldens[i].document);
		_cleanup_free_ char *printed = print_document(&goldens[i], document);

		for (const char *c = printed; !goldens[i].colour && *c; c++)
			assert_true(*c == '\n' || (unsigned char)*c >= 0x20);
	}
}

/* A page's elements are its own, whatever names and texts say. */
static void test_no_foreign_markup(void **state)
{
	static const char own[] =
		" !DOCTYPE html head meta title style body h1 h2 h3 p svg text path "
		"rect table tr td th ";
	const struct golden golden = {"report-hostile", "", qos_out_report_page};
	_cleanup_json_ json_t *document = read_document(golden.document);
	_cleanup_free_ char *page = print_document(&golden, document);

	for (const char *at = page; (at = strchr(at, '<')); at++) {
		const char *name = at[1] == '/' ? at + 2 : at + 1;
		char word[32];

		snprintf(word, sizeof(word), " %.*s ", (int)strcspn(name, " >"), name);
		if (!strstr(own, word))
			fail_msg("an element that is not the page's: %.40s", at);
	}
	assert_non_null(strstr(page, "&#34;&#62;&#60;script&#62;"));
	assert_non_null(strstr(page, "&#39; onload=&#39;"));
	assert_non_null(strstr(page, "&#38;lt;"));
}

/* All but diagnostics, which editors read line by line, keep to the terminal. */
static void test_width(void **state)
{
	static const char *const names[] = {"status-ok",  "status-bad", "status-none",	"list",
					    "show-quiet", "doctor",	"doctor-alone", "errors",
					    "panic",	  "reload",	"report",	"plan"};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(goldens); i++) {
		for (size_t k = 0; k < QOS_ARRAY_SIZE(names); k++) {
			_cleanup_json_ json_t *document = NULL;
			_cleanup_free_ char *printed = NULL;

			if (strcmp(goldens[i].text, names[k]))
				continue;
			document = read_document(goldens[i].document);
			printed = print_document(&goldens[i], document);
			for (char *line = strtok(printed, "\n"); line; line = strtok(NULL, "\n")) {
				if (qos_columns_width(line, strlen(line)) > 80)
					fail_msg("%s: wider than 80: %s", names[k], line);
			}
		}
	}
}

/* Any document: a key that is missing, null or of a wrong type prints as nothing. */
static void test_odd_documents(void **state)
{
	static const char *const odd[] = {
		"{}", "[]",
		"{\"contracts\":[null,1,{},{\"streams\":[{},{\"points\":[{},7,{\"from\":5,\"to\":1}"
		"],"
		"\"latency\":[{},{\"below_ns\":-1,\"count\":-1},{\"count\":9}]}],\"events\":[{},"
		"{\"kind\":\"adapted\"}]}],\"problems\":[{}],\"streams\":[{},3],"
		"\"adaptations\":[{}],\"network\":[{}],\"diagnostics\":[{}],"
		"\"threads\":[{},7],\"links\":[{\"classes\":[{}]}],\"reverted\":[{}],\"refused\":["
		"1],\"features\":[{}],\"foreign\":[{}],"
		"\"errors\":[{}],\"daemon\":{\"running\":true,\"problems\":[{}]}}"};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(goldens); i++) {
		for (size_t k = 0; k < QOS_ARRAY_SIZE(odd); k++) {
			_cleanup_json_ json_t *document = json_loads(odd[k], 0, NULL);

			assert_non_null(document);
			free(print_document(&goldens[i], document));
		}
	}
}

static void test_duration(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = {{0, "0"},
		     {1, "1ns"},
		     {999, "999ns"},
		     {1500, "1.5us"},
		     {8000000, "8ms"},
		     {8437500, "8.437ms"},
		     {33333333, "33.333ms"},
		     {1000000000, "1s"},
		     {90050000000, "90.05s"},
		     {-2500000, "-2.5ms"},
		     {INT64_MIN, "-9223372036.854s"}};
	char buf[QOS_OUT_NUMBER_MAX];

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++)
		assert_string_equal(qos_out_duration(buf, sizeof(buf), cases[i].ns), cases[i].text);
}

static void test_age(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {{-5, "0 s"},	 {0, "0 s"},	      {59, "59 s"},
		     {60, "1 min"},	 {61, "1 min 1 s"},   {3599, "59 min 59 s"},
		     {7200, "2 h"},	 {7380, "2 h 3 min"}, {90061, "1 d 1 h"},
		     {34560000, "400 d"}};
	char buf[QOS_OUT_NUMBER_MAX];

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++)
		assert_string_equal(qos_out_age(buf, sizeof(buf), cases[i].seconds), cases[i].text);
}

static void test_clean(void **state)
{
	char text[] = "a\033[31mb\n\tc\x7f\xc2\x9b"
		      "d\xc3\xa4";
	char again[] = "a\nb";

	qos_out_clean(text, true);
	assert_string_equal(text, "a?[31mb\n?c???d\xc3\xa4");
	qos_out_clean(again, false);
	assert_string_equal(again, "a?b");
}

static char *print_table(unsigned int width, const char *cell)
{
	static const struct qos_column columns[] = {
		{"NAME", .flex = true}, {"N", .right = true}, {"WORD"}};
	_cleanup_columns_ struct qos_columns table = QOS_COLUMNS_INIT(columns);
	struct qos_out out = {.width = width};
	char *text = NULL;
	size_t len;

	qos_columns_cell(&table, QOS_PLAIN, "%s", cell);
	qos_columns_cell(&table, QOS_BAD, "%d", 7);
	qos_columns_cell(&table, QOS_PLAIN, "end");
	out.file = open_memstream(&text, &len);
	assert_non_null(out.file);
	qos_columns_print(&table, &out, 2);
	fclose(out.file);
	return text;
}

static void test_table(void **state)
{
	_cleanup_free_ char *whole = print_table(0, "a-name-of-some-length");
	_cleanup_free_ char *cut = print_table(23, "a-name-of-some-length");
	_cleanup_free_ char *least = print_table(5, "a-name-of-some-length");
	_cleanup_free_ char *letters = print_table(24, "\xc3\xa4\xc3\xb6\xc3\xbc");

	assert_string_equal(whole, "  NAME                   N  WORD\n"
				   "  a-name-of-some-length  7  end\n");
	assert_string_equal(cut, "  NAME          N  WORD\n"
				 "  a-name-of...  7  end\n");
	assert_string_equal(least, cut);
	assert_string_equal(letters, "  NAME  N  WORD\n"
				     "  \xc3\xa4\xc3\xb6\xc3\xbc   7  end\n");
}

static char *print_lines(unsigned int width, const char *lines)
{
	struct qos_out out = {.width = width};
	char *text = NULL;
	size_t len;

	out.file = open_memstream(&text, &len);
	assert_non_null(out.file);
	qos_out_lines(&out, 2, lines);
	fclose(out.file);
	return text;
}

static void test_lines(void **state)
{
	_cleanup_free_ char *folded = print_lines(24, "one two three four five six\nseven");
	_cleanup_free_ char *word = print_lines(24, "a-word-that-is-longer-than-a-line x");
	_cleanup_free_ char *pipe = print_lines(0, "one two three four five six seven eight");

	assert_string_equal(folded, "  one two three four\n  five six\n  seven\n");
	assert_string_equal(word, "  a-word-that-is-longer-than-a-line\n  x\n");
	assert_string_equal(pipe, "  one two three four five six seven eight\n");
}

static void test_diag_json(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_loc loc = {.file = "camera.yaml", .line = 3, .col = 5};
	_cleanup_json_ json_t *array = json_array();

	qos_diag_error(&diag, &loc, "no such key");
	qos_diag_hint(&diag, "did you mean period?");
	for (int i = 0; i < QOS_DIAG_MAX + 1; i++)
		qos_diag_note(&diag, NULL, "note %d", i);
	assert_int_equal(qos_out_diag_json(&diag, array), 0);
	assert_int_equal(json_array_size(array), QOS_DIAG_MAX + 1);
	assert_int_equal(qos_json_int(json_array_get(array, 0), "line", 0), 3);
	assert_string_equal(qos_json_text(json_array_get(array, 0), "hint", ""),
			    "did you mean period?");
	assert_string_equal(qos_json_text(json_array_get(array, QOS_DIAG_MAX), "text", ""),
			    "2 more diagnostics are not shown");
	qos_diag_reset(&diag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goldens),
		cmocka_unit_test(test_no_control_characters),
		cmocka_unit_test(test_no_foreign_markup),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_odd_documents),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_diag_json),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
