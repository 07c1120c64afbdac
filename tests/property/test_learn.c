/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random periodic threads, with jitter, sleeps inside jobs, jobs left out and long ones among them, up
 * to tens of thousands: the period that they were made with is found, and what is proposed holds for
 * what was observed. Threads that wake up at random are not taken for periodic.
 *
 * The seed is fixed; QOS_SEED in the environment sets another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../harness/learn.h"
#include "adapt/learn_contract.h"
#include "contract/parse.h"

#define CASES 250
#define LARGE 30 /* of these one in so many */

static struct plan random_plan(void)
{
	static const uint64_t periods[] = {250 * US, MS,       2 * MS,	5 * MS,	 10 * MS,
					   20 * MS,  33333333, 40 * MS, 100 * MS};
	uint64_t period =
		rnd(2) ? periods[rnd(QOS_ARRAY_SIZE(periods))] : 200 * US + rnd(200000) * US;

	return (struct plan){
		.comm = "app",
		.period_ns = period,
		.jitter_ns = period * rnd(15) / 100,
		.used_ns = period / 20 + 1000,
		.spread_ns = period / (5 + rnd(20)),
		.long_ns = period * 2 / 5,
		.long_every = rnd(2) ? 0 : 5 + rnd(200),
		.n_jobs = rnd(LARGE) ? 150 + rnd(2000) : 30000 + rnd(20000),
		.n_bursts = rnd(2) ? 1 : 1 + rnd(4),
		.skip_every = rnd(2) ? 0 : 20 + rnd(50),
	};
}

static void check_figures(const struct qos_learn_stream *stream)
{
	assert_true(stream->least_ns <= stream->runtime_ns);
	assert_true(stream->runtime_ns <= stream->most_ns);
	assert_true(stream->most_ns <= stream->period.ns);
	assert_true(stream->used.p50 <= stream->used.p99 && stream->used.p99 <= stream->used.max);
	assert_true(stream->runtime_ns == stream->period.ns ||
		    stream->runtime_ns >= stream->used.p99);
	assert_true(stream->n_exceeded <= stream->n_jobs / 100 + 1);
	assert_true(stream->worst <= stream->window.x || stream->clipped);
}

static void check_text(const struct qos_learn *learn)
{
	static const struct qos_learn_origin origin = {
		.name = "app", .subject = "process 1", .exe = "/app", .user = "root"};
	_cleanup_contract_ struct qos_contract *contract = NULL, *parsed = NULL;
	struct qos_diag words = QOS_DIAG_INIT;
	struct qos_buf buf = {};
	struct qos_text text;

	assert_int_equal(qos_learn_contract(learn, &origin, &contract), 0);
	qos_learn_print(learn, &origin, contract, &words, &buf);
	text = (struct qos_text){"random", buf.text, buf.len};
	assert_int_equal(qos_contract_parse_text(&text, 1, &words, &parsed), 0);
	assert_true(qos_contract_equal(contract, parsed));
	qos_diag_reset(&words);
	qos_buf_reset(&buf);
}

static void test_periods_are_found(void **state)
{
	random_seed();
	for (size_t i = 0; i < CASES; i++) {
		struct plan plan = random_plan();
		struct qos_learn_thread thread = plan_thread(&plan);
		const struct qos_learn_stream *stream;
		struct qos_learn *learn = NULL;

		assert_int_equal(qos_learn(&thread, 1, plan.n_jobs * plan.period_ns,
					   QOS_LEARN_QUANTILE_PPM, &learn),
				 0);
		if (learn->n_streams != 1)
			fail_msg("case %zu: period %llu is not seen", i,
				 (unsigned long long)plan.period_ns);
		stream = learn->streams;
		if (stream->period.ns * 100 < plan.period_ns * 98 ||
		    stream->period.ns * 100 > plan.period_ns * 102)
			fail_msg("case %zu: period %llu, not %llu", i,
				 (unsigned long long)stream->period.ns,
				 (unsigned long long)plan.period_ns);
		check_figures(stream);
		check_text(learn);
		qos_learn_free(learn);
		plan_free(&thread, 1);
	}
}

/* Anything between nothing and 16 times the mean, short ones much oftener. */
static uint64_t random_wait(void)
{
	uint64_t wait = 500 * US;

	while (rnd(2) && wait < 16 * MS)
		wait *= 2;
	return rnd((uint32_t)wait) + 20 * US;
}

static void test_no_period_is_invented(void **state)
{
	random_seed();
	for (size_t i = 0; i < CASES; i++) {
		struct qos_burst bursts[1000];
		struct qos_learn_thread thread = {
			.comm = "app", .alive = true, .bursts = bursts, .n_bursts = 1000};
		struct qos_learn *learn = NULL;
		uint64_t now = MS;

		for (size_t j = 0; j < 1000; j++) {
			bursts[j] = (struct qos_burst){now, now + US, now + 15 * US, 14 * US};
			thread.used_ns += 14 * US;
			now += random_wait();
		}
		assert_int_equal(qos_learn(&thread, 1, now, QOS_LEARN_QUANTILE_PPM, &learn), 0);
		assert_int_equal(learn->n_out, 1);
		assert_int_equal(learn->out[0].verdict, QOS_LEARN_APERIODIC);
		qos_learn_free(learn);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_periods_are_found),
		cmocka_unit_test(test_no_period_is_invented),
	};

	return cmocka_run_group_tests_name("learn", tests, NULL, NULL);
}
