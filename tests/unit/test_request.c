/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine of the BPF monitor (bpf/request.bpf.h, job.bpf.h, hist.bpf.h), compiled for user space,
 * against an oracle that goes through the same life of a thread nanosecond by nanosecond and keeps
 * every request in a list. The engine has closed forms for long stretches; the oracle has none.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <linux/types.h>

#include "qos_abi.h"
#include "request.bpf.h"

#define SEED	 20240229u
#define LIVES	 3000
#define SEGMENTS 40

static uint64_t random_state;
static uint64_t failing_seed;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 33) % below;
}

struct oracle {
	const struct qos_stream_config *config;
	uint32_t doing;
	uint64_t t;
	/* request */
	bool current, decided, ended;
	uint64_t base, index, got;
	uint64_t last_start; /* of the last request; 0: none */
	/* windows */
	uint32_t n_in_window, lost_in_window;
	/* job */
	uint64_t release, slept, used, last_release;
	struct qos_stream_stats stats;
};

static uint64_t point(const struct oracle *o, uint64_t index)
{
	if (!o->config->period_mhz)
		return o->base + index * o->config->period_ns;
	return o->base +
	       (uint64_t)((unsigned __int128)index * 1000000000000ULL / o->config->period_mhz);
}

static void o_request(struct oracle *o, bool lost)
{
	*(lost ? &o->stats.lost : &o->stats.served) += 1;
	if (!o->config->window_y)
		return;
	o->lost_in_window += lost;
	if (++o->n_in_window < o->config->window_y)
		return;
	o->stats.windows++;
	o->stats.violations += o->lost_in_window > o->config->window_x;
	o->n_in_window = o->lost_in_window = 0;
}

static void o_complete(struct oracle *o, uint64_t at)
{
	uint64_t response = at - o->release;

	o->stats.jobs++;
	o->stats.response[qos_hist_bucket(response)]++;
	o->stats.used[qos_hist_bucket(o->used)]++;
	if (response > o->stats.response_max_ns)
		o->stats.response_max_ns = response;
	if (response > o->config->deadline_ns)
		o->stats.late++;
	else
		o->stats.slack[qos_hist_bucket(o->config->deadline_ns - response)]++;
	o->release = 0;
}

static void o_release(struct oracle *o)
{
	o->release = o->last_release = o->t;
	o->used = 0;
}

static void o_open(struct oracle *o)
{
	o->current = true;
	o->decided = o->ended = false;
	o->got = 0;
	o->last_start = o->t;
	if (o->config->job == QOS_ABI_JOB_PERIOD && !o->release)
		o_release(o);
}

static void o_anchor(struct oracle *o)
{
	uint64_t since = o->last_start > o->last_release ? o->last_start : o->last_release;

	if (o->config->flags & QOS_STREAM_SILENCE_LOST && since && o->doing == QOS_DOES_SLEEP) {
		/* Each full period by which the gap, rounded, is longer than one. */
		while (since + o->config->period_ns + (o->config->period_ns + 1) / 2 <= o->t) {
			o_request(o, true);
			since += o->config->period_ns;
		}
	}
	o->base = o->t;
	o->index = 0;
	o_open(o);
}

static void o_edges(struct oracle *o)
{
	bool runnable = o->doing == QOS_DOES_RUN || o->doing == QOS_DOES_WAIT;

	if (o->current && !o->decided && o->t == point(o, o->index) + o->config->deadline_ns) {
		o->decided = true;
		o_request(o, o->got < o->config->runtime_ns && !o->ended &&
				     o->doing != QOS_DOES_SLEEP);
	}
	if (!o->current || o->t != point(o, o->index + 1))
		return;
	o->current = false;
	if (!runnable)
		return;
	o->index++;
	o_open(o);
}

/* The thread does `doing` from o->t on, for ns. */
static void o_do(struct oracle *o, uint32_t doing, uint64_t ns)
{
	bool wakes = (o->doing == QOS_DOES_SLEEP || o->doing == QOS_DOES_BLOCK) &&
		     (doing == QOS_DOES_WAIT || doing == QOS_DOES_RUN);
	uint64_t half = o->config->period_ns / 2;
	bool wakeup = o->config->job == QOS_ABI_JOB_WAKEUP, over = false;

	if (wakes && wakeup && o->doing == QOS_DOES_SLEEP) {
		over = !o->release || o->t - o->release >= half;
		if (o->release && over) {
			o_complete(o, o->slept);
			o->ended = true;
		}
	}
	if (wakes && !o->current)
		o_anchor(o);
	if (over)
		o_release(o);
	if (doing == QOS_DOES_SLEEP) {
		o->slept = o->t;
		if (o->release && (!wakeup || o->t - o->release >= half)) {
			o_complete(o, o->t);
			o->ended = true;
		} else if (!wakeup) {
			o->ended = true;
		}
	}
	o->doing = doing;
	while (ns--) {
		o->t++;
		if (doing == QOS_DOES_RUN) {
			o->got++;
			o->used++;
			o->stats.used_ns++;
			if (!wakeup && o->release && o->used >= o->config->runtime_ns)
				o_complete(o, o->t);
		}
		o_edges(o);
	}
}

static void make_config(struct qos_stream_config *config, uint32_t job)
{
	*config = (struct qos_stream_config){.job = job};
	config->period_ns = 20 + rnd(300);
	if (rnd(3) == 0) {
		config->period_mhz = 1000000000u + rnd(3000000000u);
		config->period_ns = 1000000000000ULL / config->period_mhz;
		config->period_rem = 1000000000000ULL % config->period_mhz;
	}
	config->deadline_ns = 1 + rnd(config->period_ns);
	if (rnd(2))
		config->deadline_ns = config->period_ns;
	config->runtime_ns = 1 + rnd(config->deadline_ns);
	config->window_y = rnd(5);
	config->window_x = config->window_y ? rnd(config->window_y) : 0;
	config->flags = rnd(2) ? QOS_STREAM_SILENCE_LOST : 0;
}

static uint64_t stretch(const struct qos_stream_config *config)
{
	switch (rnd(6)) {
	case 0:
		return 1 + rnd(20 * config->period_ns);
	case 1:
		return 1 + rnd(3 * config->period_ns);
	case 2:
		return config->period_ns;
	default:
		return 1 + rnd(config->period_ns / 2);
	}
}

static void check_same(const struct oracle *o, const struct qos_task_state *task,
		       const struct qos_stream_stats *stats)
{
	assert_int_equal(stats->used_ns, o->stats.used_ns);
	assert_int_equal(stats->served, o->stats.served);
	assert_int_equal(stats->lost, o->stats.lost);
	assert_int_equal(stats->windows, o->stats.windows);
	assert_int_equal(stats->violations, o->stats.violations);
	assert_int_equal(stats->jobs, o->stats.jobs);
	assert_int_equal(stats->late, o->stats.late);
	assert_int_equal(stats->response_max_ns, o->stats.response_max_ns);
	assert_memory_equal(stats->response, o->stats.response, sizeof(stats->response));
	assert_memory_equal(stats->slack, o->stats.slack, sizeof(stats->slack));
	assert_memory_equal(stats->used, o->stats.used, sizeof(stats->used));
	assert_int_equal(!!(task->request & QOS_REQUEST_CURRENT), o->current);
	if (o->current)
		assert_int_equal(task->grid_ns, point(o, o->index));
}

static int call(struct qos_task_state *task, const struct oracle *o, struct qos_stream_stats *stats,
		int doing)
{
	task->exec_now_ns = o->stats.used_ns;
	if (doing == QOS_DOES_RUN)
		return qos_switch_in(task, o->config, stats, o->t);
	return qos_switch_out(task, o->config, stats, o->t, doing);
}

/* One thread: it sleeps, wakes, waits, runs, is preempted ..., each for a random time. Some switches
 * are not seen; that must show in no figure. */
static void live(uint32_t job)
{
	struct qos_stream_config config;
	struct qos_stream_stats stats = {};
	struct qos_task_state task = {.woken_ns = 1000};
	struct oracle o = {.config = &config, .t = 1000, .doing = QOS_DOES_SLEEP};
	bool blind_out = false;

	make_config(&config, job);
	for (int i = 0; i < SEGMENTS; i++) {
		bool blind_in = i && !blind_out && rnd(8) == 0;
		uint32_t doing = QOS_DOES_WAIT + rnd(3);

		if (rnd(2))
			o_do(&o, QOS_DOES_WAIT, stretch(&config));
		if (!blind_in)
			assert_int_equal(call(&task, &o, &stats, QOS_DOES_RUN),
					 blind_out ? QOS_SAW_NO_SWITCH : 0);
		o_do(&o, QOS_DOES_RUN, stretch(&config));
		blind_out = !blind_in && doing == QOS_DOES_WAIT && rnd(8) == 0;
		if (rnd(4) == 0 && !blind_out) {
			task.exec_now_ns = o.stats.used_ns;
			assert_int_equal(qos_run_on(&task, &config, &stats, o.t),
					 blind_in ? QOS_SAW_NO_SWITCH : 0);
			blind_in = false;
		}
		if (!blind_out)
			assert_int_equal(call(&task, &o, &stats, doing),
					 blind_in ? QOS_SAW_NO_SWITCH : 0);
		o_do(&o, doing, 0);
		if (!blind_out)
			check_same(&o, &task, &stats);
		o_do(&o, doing, stretch(&config));
		task.woken_ns = doing == QOS_DOES_WAIT ? 0 : o.t;
	}
}

static void test_oracle(void **state)
{
	for (uint32_t i = 0; i < LIVES; i++) {
		random_state = failing_seed = SEED + i;
		live(i % 2 ? QOS_ABI_JOB_WAKEUP : QOS_ABI_JOB_PERIOD);
	}
	failing_seed = 0;
}

static int tell_seed(void **state)
{
	if (failing_seed)
		fprintf(stderr, "failed with seed %" PRIu64 "\n", failing_seed);
	return 0;
}

/* Exact rates: 30 Hz for 100 days, in one step of waiting, has no drift. */
static void test_rate_does_not_drift(void **state)
{
	struct qos_stream_config config = {
		.period_ns = 33333333,
		.period_mhz = 30000,
		.period_rem = 1000000000000ULL % 30000,
		.deadline_ns = 33333333,
		.runtime_ns = 1000,
	};
	uint64_t day = 86400ULL * 1000000000ULL;
	struct qos_stream_stats stats = {};
	struct qos_task_state task = {};

	assert_int_equal(qos_switch_out(&task, &config, &stats, 1, QOS_DOES_WAIT), 0);
	assert_int_equal(qos_switch_in(&task, &config, &stats, 1 + 100 * day), 0);
	assert_int_equal(stats.lost, 100ULL * 86400 * 30);
	assert_int_equal(task.grid_ns, 1 + 100 * day);
	assert_int_equal(task.grid_err, 0);
}

static void test_odd_events(void **state)
{
	struct qos_stream_config config = {.period_ns = 100, .deadline_ns = 100, .runtime_ns = 10};
	struct qos_stream_stats stats = {};
	struct qos_task_state task = {};

	assert_int_equal(qos_run_on(&task, &config, &stats, 999), 0);
	assert_int_equal(task.doing, QOS_DOES_NEW);
	assert_int_equal(qos_switch_in(&task, &config, &stats, 1000), 0);
	assert_int_equal(qos_switch_in(&task, &config, &stats, 1010), QOS_SAW_NO_SWITCH);
	assert_int_equal(qos_switch_out(&task, &config, &stats, 1020, QOS_DOES_SLEEP), 0);
	assert_int_equal(qos_switch_out(&task, &config, &stats, 1025, QOS_DOES_SLEEP),
			 QOS_SAW_NO_SWITCH | QOS_SAW_NO_WAKING);
	assert_int_equal(qos_switch_in(&task, &config, &stats, 1030), QOS_SAW_NO_WAKING);
	/* The waker came before the thread was off its CPU: no latency below zero. */
	assert_int_equal(qos_switch_out(&task, &config, &stats, 1040, QOS_DOES_BLOCK), 0);
	task.woken_ns = 1035;
	assert_int_equal(qos_switch_in(&task, &config, &stats, 1050), 0);
	assert_int_equal(stats.latency_max_ns, 10);
	config.period_ns = config.deadline_ns = 1;
	config.period_mhz = 1;
	config.period_rem = 0;
	assert_int_equal(qos_account(&task, &config, &stats, 1ULL << 40), QOS_SAW_GAVE_UP);
	assert_int_equal(qos_account(NULL, &config, &stats, 1), 0);
	assert_int_equal(qos_run_on(NULL, &config, &stats, 1), 0);
	assert_int_equal(qos_switch_in(NULL, &config, &stats, 1), 0);
	assert_int_equal(qos_switch_out(NULL, &config, &stats, 1, 0), 0);
}

/* A stream driven by probes: a request opens at the first begin, and is served by an end in it. */
static void test_probe_marks(void **state)
{
	struct qos_stream_config config = {
		.period_ns = 100, .deadline_ns = 50, .runtime_ns = 40, .job = QOS_ABI_JOB_PROBES};
	struct qos_stream_stats stats = {};
	struct qos_task_state task = {.woken_ns = 1000};

	assert_int_equal(qos_switch_in(&task, &config, &stats, 1000), 0);
	assert_int_equal(task.request, 0);
	task.probe_begin_ns = task.release_ns = 1005;
	task.probe_end_ns = 1020;
	task.release_ns = 0;
	assert_int_equal(qos_switch_out(&task, &config, &stats, 1030, QOS_DOES_WAIT), 0);
	assert_int_equal(task.grid_ns, 1005);
	assert_int_equal(qos_account(&task, &config, &stats, 1056), 0);
	assert_int_equal(stats.served, 1);
	/* runnable at 1105: the next one; no end, and only waiting */
	assert_int_equal(qos_switch_in(&task, &config, &stats, 1160), 0);
	assert_int_equal(stats.lost, 1);
	/* asleep, but in the middle of a job */
	task.probe_begin_ns = task.release_ns = 1170;
	assert_int_equal(qos_switch_out(&task, &config, &stats, 1210, QOS_DOES_SLEEP), 0);
	task.woken_ns = 1290;
	assert_int_equal(qos_switch_in(&task, &config, &stats, 1290), 0);
	assert_int_equal(stats.lost, 2);
	assert_int_equal(stats.served, 1);
}

static void test_budget(void **state)
{
	struct qos_stream_config config = {.period_ns = 100,
					   .deadline_ns = 100,
					   .runtime_ns = 10,
					   .budget_ns = 20,
					   .flags = QOS_STREAM_WATCH_BUDGET};
	struct qos_stream_stats stats = {};
	struct qos_task_state task = {.woken_ns = 1000};

	assert_int_equal(qos_switch_in(&task, &config, &stats, 1000), 0);
	assert_int_equal(qos_account(&task, &config, &stats, 1019), 0);
	assert_false(request_over_budget(&task, &config));
	assert_int_equal(qos_account(&task, &config, &stats, 1020), 0);
	assert_true(request_over_budget(&task, &config));
	config.flags = 0;
	assert_false(request_over_budget(&task, &config));
	config.flags = QOS_STREAM_WATCH_BUDGET;
	task.request |= QOS_REQUEST_REPORTED;
	assert_false(request_over_budget(&task, &config));
	/* the next grid point: a new budget, and a new report */
	assert_int_equal(qos_account(&task, &config, &stats, 1110), 0);
	assert_false(request_over_budget(&task, &config));
	assert_int_equal(qos_account(&task, &config, &stats, 1120), 0);
	assert_true(request_over_budget(&task, &config));
	config.budget_ns = 0;
	assert_false(request_over_budget(&task, &config));
}

static void test_buckets(void **state)
{
	static const struct {
		uint64_t ns;
		uint32_t bucket;
	} rows[] = {
		{0, 0},
		{1023, 0},
		{1024, 1},
		{1024 + 127, 1},
		{1024 + 128, 2},
		{2047, 8},
		{2048, 9},
		{(1ULL << 36) - 1, QOS_HIST_BUCKETS - 2},
		{1ULL << 36, QOS_HIST_BUCKETS - 1},
		{UINT64_MAX, QOS_HIST_BUCKETS - 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(qos_hist_bucket(rows[i].ns), rows[i].bucket);
	for (uint64_t ns = 1, last = 0; ns >> 37 == 0; ns += ns / 64 + 1) {
		assert_true(qos_hist_bucket(ns) >= last);
		assert_true(qos_hist_bucket(ns) <= last + 1);
		last = qos_hist_bucket(ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_oracle, tell_seed),
		cmocka_unit_test(test_rate_does_not_drift),
		cmocka_unit_test(test_odd_events),
		cmocka_unit_test(test_probe_marks),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_buckets),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
