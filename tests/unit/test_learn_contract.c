/* SPDX-License-Identifier: GPL-2.0-only */
/* The text parses to the very contract, whatever names programs chose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/learn.h"
#include "adapt/learn_contract.h"
#include "contract/parse.h"

#define SPAN (10000 * MS)

static const struct plan plans[] = {
	{"ctl \"1\"\n: #", .period_ns = 5 * MS, .used_ns = MS, .n_jobs = 1900},
	{"worker-1", .period_ns = 33333333, .used_ns = 4 * MS, .n_jobs = 290},
	{"worker-2", .period_ns = 33333333, .used_ns = 4 * MS, .n_jobs = 290},
	{"odd\nname", .n_jobs = 0},
	{"odd\nname", .n_jobs = 0},
	{"rare", .period_ns = 3000 * MS, .used_ns = 20 * MS, .n_jobs = 3},
};
#define N QOS_ARRAY_SIZE(plans)

static struct qos_learn_thread threads[N];

static struct qos_learn *learn_plans(size_t n)
{
	struct qos_learn *learn = NULL;

	random_seed();
	for (size_t i = 0; i < n; i++)
		threads[i] = plan_thread(&plans[i]);
	assert_int_equal(qos_learn(threads, n, SPAN, QOS_LEARN_QUANTILE_PPM, &learn), 0);
	return learn;
}

/* Returns the text. */
static char *round_trip(const struct qos_learn *learn, const struct qos_learn_origin *origin)
{
	_cleanup_contract_ struct qos_contract *contract = NULL, *parsed = NULL;
	struct qos_diag words = QOS_DIAG_INIT, errors = QOS_DIAG_INIT;
	struct qos_buf buf = {};
	struct qos_text text;

	assert_int_equal(qos_learn_contract(learn, origin, &contract), 0);
	qos_learn_warn(learn, &words);
	qos_diag_warning(&words, NULL, "something\nmore");
	qos_diag_hint(&words, "a way\nout");
	qos_learn_print(learn, origin, contract, &words, &buf);
	assert_int_equal(buf.error, 0);
	text = (struct qos_text){"test", buf.text, buf.len};
	if (qos_contract_parse_text(&text, 1, &errors, &parsed) < 0) {
		qos_diag_print(&errors, stderr);
		fail_msg("%s", buf.text);
	}
	assert_true(qos_contract_equal(contract, parsed));
	qos_diag_reset(&words);
	qos_diag_reset(&errors);
	return buf.text;
}

static void test_file(void **state)
{
	struct qos_learn *learn = learn_plans(N);
	char *text = round_trip(learn, &(struct qos_learn_origin){.name = "app",
								  .subject = "process 7 (a\nb)",
								  .exe = "/opt/an app/bin",
								  .user = "root",
								  .cmdline = "/opt/x\\.y \"z\""});

	assert_non_null(strstr(text, "what process 7 (a?b) did in 10s."));
	assert_non_null(strstr(text, "\n# warning: something?more\n#   hint: a way?out\n"));
	assert_non_null(strstr(text, "  exe: /opt/an app/bin\n  user: root\n  cmdline: "));
	assert_non_null(strstr(text,
			       "    # between releases: 33.3ms on average, 90 % of them 33.3ms to "
			       "33.3ms; 100 % a multiple of it\n    period: 30Hz\n"));
	assert_non_null(
		strstr(text, "    # observed: 578 jobs of 2 threads\n    threads: [\"worker-*\"]\n"
			     "    max-threads: 2\n"));
	assert_non_null(strstr(text,
			       "    # CPU time of a job: p50 4ms, p99 4ms, max 4ms; here p99 (4ms) "
			       "and a fifth, at least 10us\n    runtime: 4.8ms\n"));
	assert_non_null(strstr(text,
			       "    # 0 jobs used more than runtime, of 10 in a row 0 at most\n"
			       "    window: 1/10\n"));
	assert_non_null(strstr(text, "# left out: 2 threads odd?name: did not run\n"));
	assert_non_null(strstr(text, "# left out: 1 thread rare: woke up too seldom to learn from; "
				     "3 wake-ups, 60ms of CPU"));
	free(text);
	qos_learn_free(learn);
	plan_free(threads, N);
}

static void test_one_stream_of_a_unit(void **state)
{
	struct qos_learn *learn = learn_plans(1);
	char *text = round_trip(learn, &(struct qos_learn_origin){.name = "app",
								  .subject = "unit app.service",
								  .unit = "app.service",
								  .user = "root"});

	assert_non_null(strstr(text, "match:\n  unit: app.service\ncpu:\n  # observed: 1899 jobs"));
	free(text);
	text = round_trip(learn, &(struct qos_learn_origin){.name = "app",
							    .subject = "unit app.service",
							    .user_unit = "app.service",
							    .user = "1000"});
	assert_non_null(strstr(text, "match:\n  user-unit: app.service\n  user: \"1000\"\n"));
	free(text);
	qos_learn_free(learn);
	plan_free(threads, 1);
}

static void test_warnings(void **state)
{
	struct qos_learn_stream stream = {.name = "main",
					  .n_jobs = 50,
					  .n_threads = 2,
					  .mean_ns = 20 * MS,
					  .verdict = QOS_LEARN_IRREGULAR,
					  .regular_ppm = 812345,
					  .mixed = true,
					  .clipped = true,
					  .n_late = 7,
					  .n_named = 70,
					  .max_threads = 64};
	const struct qos_learn learn = {.streams = &stream, .n_streams = 1};
	struct qos_diag words = QOS_DIAG_INIT;

	qos_learn_warn(&learn, &words);
	assert_int_equal(words.n_warnings, 6);
	assert_string_equal(words.entries[0].text,
			    "main: 50 jobs are too few to rely on; record for 1s or longer");
	qos_diag_reset(&words);
	stream = (struct qos_learn_stream){.name = "main", .n_jobs = 100, .max_threads = 1};
	qos_learn_warn(&learn, &words);
	assert_int_equal(words.n_entries, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_one_stream_of_a_unit),
		cmocka_unit_test(test_warnings),
	};

	return cmocka_run_group_tests_name("learn_contract", tests, NULL, NULL);
}
