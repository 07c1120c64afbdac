/* SPDX-License-Identifier: GPL-2.0-only */
/* Which streams are made of threads, and what is proposed for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/learn.h"

#define SPAN (10000 * MS)

static struct qos_learn *learn_plans(const struct plan *plans, size_t n,
				     struct qos_learn_thread *threads)
{
	struct qos_learn *learn = NULL;

	random_seed();
	for (size_t i = 0; i < n; i++) {
		threads[i] = plan_thread(&plans[i]);
		assert_non_null(threads[i].bursts);
	}
	assert_int_equal(qos_learn(threads, n, SPAN, QOS_LEARN_QUANTILE_PPM, &learn), 0);
	return learn;
}

static void done(struct qos_learn *learn, struct qos_learn_thread *threads, size_t n)
{
	qos_learn_free(learn);
	plan_free(threads, n);
}

static void test_one_stream(void **state)
{
	static const struct plan plan = {"camera",	  .period_ns = 20 * MS, .used_ns = 4 * MS,
					 .spread_ns = MS, .jitter_ns = MS,	.n_jobs = 500};
	struct qos_learn_thread thread;
	struct qos_learn *learn = learn_plans(&plan, 1, &thread);
	const struct qos_learn_stream *stream = learn->streams;

	assert_int_equal(learn->n_streams, 1);
	assert_int_equal(learn->n_out, 0);
	assert_string_equal(stream->name, "main");
	assert_string_equal(stream->glob, "camera");
	assert_int_equal(stream->verdict, QOS_LEARN_PERIODIC);
	assert_int_equal(stream->period.ns, 20 * MS);
	assert_int_equal(stream->n_jobs, 499);
	assert_in_range(stream->runtime_ns, 5800 * US, 6000 * US); /* 5 ms and a fifth */
	assert_in_range(stream->least_ns, 4400 * US, 4700 * US);
	assert_in_range(stream->most_ns, stream->runtime_ns, 6000 * US);
	assert_int_equal(stream->n_exceeded, 0);
	assert_int_equal(stream->window.x, 1);
	assert_int_equal(stream->window.y, 10);
	assert_int_equal(stream->max_threads, 1);
	done(learn, &thread, 1);
}

/* Every fourth job takes long: within p99, beyond p70. */
static void test_window_is_what_exceeds(void **state)
{
	static const struct plan plan = {"encoder",	    .period_ns = 10 * MS, .used_ns = 2 * MS,
					 .long_ns = 7 * MS, .long_every = 4,	  .n_jobs = 800};
	struct qos_learn_thread thread;
	struct qos_learn *learn = learn_plans(&plan, 1, &thread);

	assert_int_equal(learn->streams[0].runtime_ns, 8400 * US);
	assert_int_equal(learn->streams[0].n_exceeded, 0);
	qos_learn_free(learn);
	assert_int_equal(qos_learn(&thread, 1, SPAN, 700000, &learn), 0);
	assert_int_equal(learn->streams[0].runtime_ns, 2400 * US);
	assert_int_equal(learn->streams[0].n_exceeded, 199);
	assert_int_equal(learn->streams[0].worst, 3);
	assert_int_equal(learn->streams[0].window.x, 3);
	assert_int_equal(learn->streams[0].most_ns, 8400 * US);
	done(learn, &thread, 1);
}

/* Long jobs all in a row are no matter for a window. */
static void test_long_jobs_in_rows(void **state)
{
	static const struct plan plan = {"encoder", .period_ns = 10 * MS, .used_ns = 2 * MS,
					 .n_jobs = 800};
	struct qos_learn_thread thread;
	struct qos_learn *learn = learn_plans(&plan, 1, &thread);

	qos_learn_free(learn);
	for (size_t i = 400; i < 407; i++)
		thread.bursts[i].used_ns = 6 * MS;
	assert_int_equal(qos_learn(&thread, 1, SPAN, QOS_LEARN_QUANTILE_PPM, &learn), 0);
	assert_true(learn->streams[0].whole);
	assert_int_equal(learn->streams[0].runtime_ns, 7200 * US);
	assert_int_equal(learn->streams[0].n_exceeded, 0);
	done(learn, &thread, 1);
}

static void test_numbered_threads(void **state)
{
	static const struct plan plans[] = {
		{"worker-1", .period_ns = 10 * MS, .used_ns = MS, .n_jobs = 900},
		{"worker-2", .period_ns = 10 * MS, .used_ns = 2 * MS, .n_jobs = 900},
		{"worker-30", .period_ns = 10 * MS, .used_ns = MS, .n_jobs = 900},
		{"control", .period_ns = 5 * MS, .used_ns = MS, .n_jobs = 1800},
		{"worker-main", .period_ns = 10 * MS, .used_ns = MS, .n_jobs = 3},
	};
	struct qos_learn_thread threads[5];
	struct qos_learn *learn = learn_plans(plans, 5, threads);

	assert_int_equal(learn->n_streams, 2);
	assert_string_equal(learn->streams[0].name, "control"); /* exact names come first */
	assert_string_equal(learn->streams[1].name, "worker");
	assert_string_equal(learn->streams[1].glob, "worker-*");
	assert_int_equal(learn->streams[1].n_threads, 3);
	/* worker-main has no period, but a name that fits: it takes a place */
	assert_int_equal(learn->streams[1].max_threads, 4);
	assert_int_equal(learn->streams[1].runtime_ns, 2400 * US);
	assert_int_equal(learn->n_out, 1);
	assert_ptr_equal(learn->out[0].thread, &threads[4]);
	assert_int_equal(learn->out[0].verdict, QOS_LEARN_FEW);
	done(learn, threads, 5);
}

/* Numbered, but each with a period of its own. Harmonic: the shorter does not hide the longer. */
static void test_harmonic_threads(void **state)
{
	static const struct plan plans[] = {
		{"loop2", .period_ns = 20 * MS, .jitter_ns = MS, .used_ns = MS, .n_jobs = 450},
		{"loop1", .period_ns = 10 * MS, .jitter_ns = MS, .used_ns = MS, .n_jobs = 900},
	};
	struct qos_learn_thread threads[2];
	struct qos_learn *learn = learn_plans(plans, 2, threads);

	assert_int_equal(learn->n_streams, 2);
	assert_string_equal(learn->streams[0].name, "loop1");
	assert_int_equal(learn->streams[0].period.ns, 10 * MS);
	assert_string_equal(learn->streams[1].name, "loop2");
	assert_int_equal(learn->streams[1].period.ns, 20 * MS);
	done(learn, threads, 2);
}

/* No contract can tell threads of one name apart. */
static void test_same_name(void **state)
{
	static const struct plan plans[] = {
		{"app", .period_ns = 20 * MS, .used_ns = 3 * MS, .n_jobs = 450},
		{"app", .period_ns = 10 * MS, .used_ns = MS, .n_jobs = 900},
	};
	struct qos_learn_thread threads[2];
	struct qos_learn *learn = learn_plans(plans, 2, threads);

	assert_int_equal(learn->n_streams, 1);
	assert_true(learn->streams[0].mixed);
	assert_int_equal(learn->streams[0].max_threads, 2);
	assert_int_equal(learn->streams[0].period.ns, 10 * MS);
	assert_int_equal(learn->streams[0].runtime_ns, 3600 * US);
	done(learn, threads, 2);
}

static void test_left_out(void **state)
{
	static const struct plan plans[] = {
		{"idle", .n_jobs = 0},
		{"tiny", .period_ns = 100 * MS, .used_ns = US, .n_jobs = 100},
		{"hog", .period_ns = 3000 * MS, .used_ns = 2900 * MS, .n_jobs = 3},
		{"rare", .period_ns = 3000 * MS, .used_ns = 20 * MS, .n_jobs = 3},
		{"batch", .period_ns = 100 * MS, .used_ns = 97 * MS, .n_jobs = 90},
	};
	static const enum qos_learn_verdict expected[] = {QOS_LEARN_IDLE, QOS_LEARN_NEGLIGIBLE,
							  QOS_LEARN_SLEEPLESS, QOS_LEARN_FEW,
							  QOS_LEARN_SLEEPLESS};
	struct qos_learn_thread threads[5];
	struct qos_learn *learn = learn_plans(plans, 5, threads);

	assert_int_equal(learn->n_streams, 0);
	assert_int_equal(learn->n_out, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(learn->out[i].verdict, expected[i]);
	done(learn, threads, 5);
}

static void test_needs_more_than_its_period(void **state)
{
	static const struct plan plan = {"over", .period_ns = 10 * MS, .used_ns = 9 * MS,
					 .n_jobs = 900};
	struct qos_learn_thread thread;
	struct qos_learn *learn = learn_plans(&plan, 1, &thread);

	assert_true(learn->streams[0].clipped);
	assert_int_equal(learn->streams[0].runtime_ns, 10 * MS);
	assert_int_equal(learn->streams[0].most_ns, 10 * MS);
	done(learn, &thread, 1);
}

static void test_more_streams_than_a_contract_has(void **state)
{
	struct qos_learn_thread threads[40];
	struct plan plans[40];
	struct qos_learn *learn;
	char names[40][16];

	for (size_t i = 0; i < 40; i++) {
		snprintf(names[i], sizeof(names[i]), "%c%c", (char)('a' + i / 10),
			 (char)('a' + i % 10));
		plans[i] =
			(struct plan){names[i], .period_ns = 10 * MS, .used_ns = MS, .n_jobs = 100};
	}
	learn = learn_plans(plans, 40, threads);
	assert_int_equal(learn->n_streams, QOS_CONTRACT_STREAMS_MAX);
	assert_int_equal(learn->n_out, 8);
	assert_int_equal(learn->out[0].verdict, QOS_LEARN_BEYOND);
	done(learn, threads, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_stream),
		cmocka_unit_test(test_window_is_what_exceeds),
		cmocka_unit_test(test_long_jobs_in_rows),
		cmocka_unit_test(test_numbered_threads),
		cmocka_unit_test(test_harmonic_threads),
		cmocka_unit_test(test_same_name),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_needs_more_than_its_period),
		cmocka_unit_test(test_more_streams_than_a_contract_has),
	};

	return cmocka_run_group_tests_name("learn", tests, NULL, NULL);
}
