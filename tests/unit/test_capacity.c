/* SPDX-License-Identifier: GPL-2.0-only */
/* From a machine's facts to what may be given away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>

#include "admit/capacity.h"

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

struct fixture {
	struct qos_host *host;
	struct qos_config config;
	struct qos_capacity capacity;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || qos_host_new(&f->host) < 0)
		return -1;
	qos_config_default(&f->config);
	qos_cpus_parse("0-3", &f->host->online);
	f->host->feature[QOS_FEATURE_DEADLINE] = QOS_PRESENT;
	f->host->feature[QOS_FEATURE_RT] = QOS_PRESENT;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	qos_host_free(f->host);
	free(f);
	return 0;
}

static struct qos_foreign *foreign(struct fixture *f, int policy, int priority, uint32_t used_ppm,
				   const char *cpus)
{
	struct qos_foreign *foreign = &f->host->foreign[f->host->n_foreign++];

	*foreign =
		(struct qos_foreign){.policy = policy, .priority = priority, .used_ppm = used_ppm};
	qos_cpus_parse(cpus, &foreign->cpus);
	return foreign;
}

static void measure(struct fixture *f)
{
	qos_capacity_of(f->host, &f->config, &f->capacity);
}

static void the_cap_is_the_least_of_three(void **state)
{
	struct fixture *f = *state;

	measure(f);
	assert_int_equal(f->capacity.cap_ppb, 900000000);
	assert_string_equal(f->capacity.cap_reason, "cpu.cap");

	f->host->rt_runtime_us = 333333;
	measure(f);
	assert_int_equal(f->capacity.cap_ppb, 333333000);
	assert_string_equal(f->capacity.cap_reason, "kernel.sched_rt_runtime_us");

	f->host->rt_runtime_us = -1;
	measure(f);
	assert_int_equal(f->capacity.cap_ppb, 900000000);

	f->host->fair_runtime_ns = 1;
	f->host->fair_period_ns = 3;
	measure(f);
	assert_int_equal(f->capacity.cap_ppb, 666666666);
	assert_string_equal(f->capacity.cap_reason, "the kernel's fair server");

	f->host->fair_runtime_ns = 4;
	measure(f);
	assert_int_equal(f->capacity.cap_ppb, 0);
}

static void settings_and_features_are_carried_over(void **state)
{
	struct fixture *f = *state;

	f->host->feature[QOS_FEATURE_DEADLINE] = QOS_DENIED;
	qos_cpus_parse("2-5", &f->host->isolated);
	measure(f);
	assert_int_equal(f->capacity.n_cpus, 4);
	assert_int_equal(qos_cpus_count(&f->capacity.isolated), 2);
	assert_false(f->capacity.deadline);
	assert_true(f->capacity.fifo);
	assert_int_equal(f->capacity.overhead_ns, f->config.overhead_ns);
	assert_int_equal(f->capacity.sample_cost_ns, f->host->sample_cost_ns);
	assert_int_equal(f->capacity.blocking_ns, f->config.blocking_ns);
	assert_int_equal(f->capacity.band_first, f->config.band_first);
	assert_int_equal(f->capacity.band_last, f->config.band_last);
	assert_int_equal(f->capacity.dl_period_min_ns, 100000);
}

static void without_a_clock_there_is_no_fifo(void **state)
{
	struct fixture *f = *state;
	static const struct {
		enum qos_feature_state clock;
		bool fifo;
	} cases[] = {{QOS_PRESENT, true},
		     {QOS_UNKNOWN, true},
		     {QOS_DENIED, false},
		     {QOS_OFF, false},
		     {QOS_ABSENT, false}};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		f->host->feature[QOS_FEATURE_TASK_CLOCK] = cases[i].clock;
		measure(f);
		assert_int_equal(f->capacity.fifo, cases[i].fifo);
		assert_int_equal(f->capacity.uncut, !cases[i].fifo);
		assert_true(f->capacity.deadline);
	}
	f->host->feature[QOS_FEATURE_TASK_CLOCK] = QOS_PRESENT;
	f->host->feature[QOS_FEATURE_RT] = QOS_OFF;
	measure(f);
	assert_false(f->capacity.fifo || f->capacity.uncut);
}

static void deadline_work_of_others_is_summed(void **state)
{
	struct fixture *f = *state;
	struct qos_foreign *one = foreign(f, SCHED_DEADLINE, 0, 0, "0-3");
	struct qos_foreign *two = foreign(f, SCHED_DEADLINE, 0, 0, "0-3");

	f->config.overhead_ns = 0;
	f->config.blocking_ns = 0;
	one->runtime_ns = 1000;
	one->period_ns = 3000;
	two->runtime_ns = 100;
	two->period_ns = 1000;
	measure(f);
	assert_int_equal(f->capacity.dl_foreign_ppb, 333333334 + 100000000);
	assert_int_equal(f->capacity.dl_foreign_max_ppb, 333333334);
	assert_int_equal(f->capacity.n_dl_foreign, 2);
	assert_int_equal(f->capacity.dl_foreign[1].c, 100);
	assert_int_equal(f->capacity.dl_foreign[1].d, 1000);

	two->period_ns = 0; /* not known: a whole CPU */
	measure(f);
	assert_int_equal(f->capacity.dl_foreign_max_ppb, QOS_PPB);
}

static void deadline_work_of_others_is_charged_as_ours(void **state)
{
	struct fixture *f = *state;
	struct qos_foreign *one = foreign(f, SCHED_DEADLINE, 0, 0, "0-3");

	f->config.overhead_ns = 20000;
	f->config.blocking_ns = 60000;
	one->runtime_ns = 1000000;
	one->period_ns = 10000000;
	measure(f);
	assert_int_equal(f->capacity.dl_foreign[0].c, 1040000);
	assert_int_equal(f->capacity.dl_foreign[0].late, 8960000);
	assert_int_equal(f->capacity.dl_foreign_ppb, 104000000);
	assert_int_equal(f->capacity.dl_foreign_density_ppb, 110000000);
	assert_int_equal(f->capacity.dl_foreign_max_ppb, 110000000);

	one->runtime_ns = 9960000; /* with the overhead it fills a CPU */
	measure(f);
	assert_int_equal(f->capacity.dl_foreign_ppb, QOS_PPB);
	assert_int_equal(f->capacity.dl_foreign_density_ppb, QOS_PPB);
}

static void what_the_kernel_leaves_is_carried_over(void **state)
{
	struct fixture *f = *state;

	f->host->rt_runtime_us = -1;
	measure(f);
	assert_int_equal(f->capacity.n_quotas, 0);
	f->host->rt_runtime_us = 950000;
	f->host->rt_period_us = 1000000;
	f->host->fair_runtime_ns = 50000000;
	f->host->fair_period_ns = 2000000000;
	measure(f);
	assert_int_equal(f->capacity.n_quotas, 2);
	assert_int_equal(f->capacity.quotas[0].runtime_ns, 950000000);
	assert_int_equal(f->capacity.quotas[0].period_ns, 1000000000);
	assert_int_equal(f->capacity.quotas[1].runtime_ns, 1950000000);
	assert_int_equal(f->capacity.quotas[1].period_ns, 2000000000);
	f->host->rt_runtime_us = 1000000; /* all of it: never throttled */
	measure(f);
	assert_int_equal(f->capacity.n_quotas, 1);
}

static void fixed_work_of_others_counts_once_where_it_counts_most(void **state)
{
	struct fixture *f = *state;

	foreign(f, SCHED_RR, 20, 100000, "0-3"); /* wide, and told of first */
	foreign(f, SCHED_FIFO, 20, 200000, "2");
	foreign(f, SCHED_FIFO, 20, 300000, "7"); /* not online */
	measure(f);
	assert_int_equal(f->capacity.foreign_ppb[0], 0);
	assert_int_equal(f->capacity.foreign_ppb[2], 300000000);
	assert_int_equal(f->capacity.foreign_ppb[7], 0);
}

static void work_from_the_band_upwards_disturbs_proofs(void **state)
{
	struct fixture *f = *state;

	foreign(f, SCHED_FIFO, (int)f->config.band_first - 1, 500000, "0"); /* below all of ours */
	foreign(f, SCHED_FIFO, (int)f->config.band_first, 500000, "1");
	foreign(f, SCHED_FIFO, 99, 999, "2"); /* hardly ever runs */
	foreign(f, SCHED_RR, 99, 1000, "3");
	measure(f);
	assert_false(qos_cpus_has(&f->capacity.disturbed, 0));
	assert_true(qos_cpus_has(&f->capacity.disturbed, 1));
	assert_false(qos_cpus_has(&f->capacity.disturbed, 2));
	assert_true(qos_cpus_has(&f->capacity.disturbed, 3));
	assert_int_equal(f->capacity.foreign_ppb[2], 999000);
}

static void a_list_cut_short_disturbs_all(void **state)
{
	struct fixture *f = *state;

	f->host->foreign_truncated = true;
	measure(f);
	assert_true(qos_cpus_equal(&f->capacity.disturbed, &f->host->online));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_cap_is_the_least_of_three),
		TEST(settings_and_features_are_carried_over),
		TEST(without_a_clock_there_is_no_fifo),
		TEST(deadline_work_of_others_is_summed),
		TEST(deadline_work_of_others_is_charged_as_ours),
		TEST(what_the_kernel_leaves_is_carried_over),
		TEST(fixed_work_of_others_counts_once_where_it_counts_most),
		TEST(work_from_the_band_upwards_disturbs_proofs),
		TEST(a_list_cut_short_disturbs_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
