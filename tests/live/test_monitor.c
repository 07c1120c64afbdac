/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor on the live kernel: threads whose wakeups, work and waiting are known, and what must be
 * counted of them. Where the machine adds time of its own, the exact count is computed from the
 * times that the monitor itself tells, so that load on the machine breaks nothing.
 */
#include <fcntl.h>

#include "monitor_live.h"

#define ATTEMPTS     20
#define DISTURBED_NS (3 * MS)

static uint32_t next_stream = 1;

static uint32_t make_stream(struct qos_monitor *monitor, const struct qos_stream_config *config)
{
	uint32_t id = next_stream++;

	assert_int_equal(qos_monitor_stream_set(monitor, id, config), 0);
	return id;
}

static void attach(struct qos_monitor *monitor, const struct worker *worker, uint32_t stream)
{
	assert_int_equal(qos_monitor_thread_attach(monitor, worker->tid, stream), 0);
}

/* Was the worker left alone by all that has a higher priority (SCHED_DEADLINE, the fair server)?
 * What a hypervisor takes is not seen here, but in the times. */
static bool undisturbed(struct qos_monitor *monitor, const struct worker *worker, uint32_t stream)
{
	return !worker->preempted && read_stats(monitor, stream).latency_max_ns < DISTURBED_NS;
}

/* A figure that holds only for a thread that is left alone: tried until it was. An attempt asserts
 * nothing before it knows, and returns false if the thread was disturbed. */
static void try_undisturbed(struct qos_monitor *monitor,
			    bool (*attempt)(struct qos_monitor *monitor))
{
	for (int i = 0; i < ATTEMPTS; i++) {
		if (attempt(monitor))
			return;
	}
	fail_msg("other work of high priority was in the way %d times", ATTEMPTS);
}

static void finish(struct qos_monitor *monitor, struct worker *worker, uint32_t stream)
{
	assert_int_equal(qos_monitor_thread_detach(monitor, worker->tid), 0);
	worker_stop(worker);
	assert_int_equal(qos_monitor_stream_remove(monitor, stream), 0);
}

static void periodic(struct worker *worker)
{
	uint64_t next = now_ns();

	for (int i = 0; i < worker->n; i++) {
		next += worker->period_ns;
		sleep_until(next);
		work(worker->work_ns);
	}
}

static bool try_periodic_jobs(struct qos_monitor *monitor)
{
	static const struct qos_stream_config config = {
		.period_ns = 20 * MS,
		.deadline_ns = 20 * MS,
		.runtime_ns = 4 * MS,
		.latency_ns = 19 * MS,
		.window_x = 1,
		.window_y = 5,
	};
	const struct worker worker_plan = {
		.body = periodic, .priority = 50, .n = 20, .period_ns = 20 * MS, .work_ns = 2 * MS};
	struct worker *worker;
	uint32_t stream = make_stream(monitor, &config);
	struct qos_monitor_counters before, after;
	struct qos_stream_stats stats;

	qos_monitor_counters(monitor, &before);
	worker = worker_start(&worker_plan);
	attach(monitor, worker, stream);
	worker_round(worker);
	/* The last job is complete once the thread wakes up later than half a period. */
	sleep_until(now_ns() + 20 * MS);
	worker->n = 0;
	worker_round(worker);
	stats = read_stats(monitor, stream);
	if (!undisturbed(monitor, worker, stream) ||
	    stats.response_max_ns > 2 * MS + DISTURBED_NS) {
		finish(monitor, worker, stream);
		return false;
	}
	/* 20, and the wakeup at which the worker took the time */
	assert_int_equal(stats.jobs, 21);
	assert_int_equal(stats.late, 0);
	assert_int_equal(stats.served, 21);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(stats.windows, 4);
	assert_int_equal(stats.violations, 0);
	assert_int_equal(stats.latency_passed, 0);
	assert_int_equal(count_all(stats.response), 21);
	assert_int_equal(count_all(stats.slack), 21);
	assert_int_equal(count_all(stats.used), 21);
	/* but for the first wakeup, whose sleep began before the monitor looked, and those that
	 * the kernel did not show */
	qos_monitor_counters(monitor, &after);
	assert_int_equal(count_all(stats.latency) + after.no_waking - before.no_waking, 21);
	assert_in_range(stats.used_ns, 40 * MS, 21 * (2 * MS + DISTURBED_NS));
	assert_in_range(stats.response_max_ns, 2 * MS, 20 * MS);
	finish(monitor, worker, stream);
	return true;
}

static void test_periodic_jobs(void **state)
{
	try_undisturbed(*state, try_periodic_jobs);
}

static void in_three_parts(struct worker *worker)
{
	char byte;

	work(worker->work_ns);
	sleep_until(now_ns() + 10 * MS);
	work(worker->work_ns);
	worker->seen_ns = 1;
	assert_int_equal(read(worker->pipe[0], &byte, 1), 1);
	work(worker->work_ns);
}

/* Two sleeps in the middle of a job, one for time and one for data, are no ends of it. */
static bool try_job_goes_on(struct qos_monitor *monitor)
{
	static const struct qos_stream_config config = {
		.period_ns = 400 * MS, .deadline_ns = 8 * MS, .runtime_ns = 7 * MS};
	struct worker worker_plan = {.body = in_three_parts, .priority = 50, .work_ns = 2 * MS};
	struct worker *worker;
	uint32_t stream = make_stream(monitor, &config);
	struct qos_stream_stats stats;
	uint64_t released;

	assert_int_equal(pipe2(worker_plan.pipe, O_CLOEXEC), 0);
	worker = worker_start(&worker_plan);
	attach(monitor, worker, stream);
	sem_post(&worker->go);
	until(*(volatile uint64_t *)&worker->seen_ns && is_asleep(worker->tid));
	assert_int_equal(write(worker->pipe[1], "x", 1), 1);
	until(worker->rounds == 1 && is_asleep(worker->tid));
	stats = read_stats(monitor, stream);
	assert_int_equal(stats.jobs, 0);
	released = stats.last_release_ns;
	sleep_until(released + 210 * MS);
	assert_int_equal(write(worker->pipe[1], "x", 1), 1);
	worker_round(worker);
	close(worker->pipe[0]);
	close(worker->pipe[1]);
	if (!undisturbed(monitor, worker, stream)) {
		finish(monitor, worker, stream);
		return false;
	}
	stats = read_stats(monitor, stream);
	assert_int_equal(stats.jobs, 1);
	assert_int_equal(stats.late, 1);
	assert_int_equal(count_all(stats.slack), 0);
	/* asleep at the deadline, so the request was served */
	assert_int_equal(stats.served, 1);
	assert_in_range(stats.response_max_ns, 16 * MS, 200 * MS);
	assert_in_range(stats.used_ns, 12 * MS, 14 * MS);
	assert_true(stats.last_release_ns > released + 200 * MS);
	finish(monitor, worker, stream);
	return true;
}

static void test_job_goes_on(void **state)
{
	try_undisturbed(*state, try_job_goes_on);
}

static void wake_and_starve(struct worker *worker)
{
	struct worker *victim = (struct worker *)(uintptr_t)worker->seen_ns;

	sem_post(&victim->go);
	work(worker->work_ns);
}

static void nothing(struct worker *worker)
{
}

/* Hundreds of periods of waiting behind a thread of higher priority, without any event. */
static void test_starving(void **state)
{
	static const struct qos_stream_config config = {.period_ns = MS,
							.deadline_ns = MS,
							.runtime_ns = 500 * US,
							.latency_ns = 100 * MS,
							.window_x = 1,
							.window_y = 7};
	const struct worker victim_plan = {.body = nothing, .priority = 40};
	struct worker *victim;
	const struct worker hog_plan = {
		.body = wake_and_starve, .priority = 50, .work_ns = 400 * MS};
	struct worker *hog;
	uint32_t stream = make_stream(*state, &config);
	_cleanup_free_ struct heard *heard = calloc(1, sizeof(*heard));
	const struct qos_event *event;
	struct qos_stream_stats before, stats;

	victim = worker_start(&victim_plan);
	hog = worker_start(&hog_plan);
	attach(*state, victim, stream);
	hog->seen_ns = (uintptr_t)victim;
	worker_round(victim); /* so that its sleep is seen */
	before = read_stats(*state, stream);
	sleep_until(before.last_release_ns + 2 * MS);
	worker_round(hog);
	until(victim->rounds == 2 && is_asleep(victim->tid));
	stats = read_stats(*state, stream);
	assert_in_range(stats.latency_max_ns, 399 * MS, 5000 * MS);
	assert_int_equal(stats.latency_passed, 1);
	assert_int_equal(stats.lost, (stats.latency_max_ns + stats.used_ns - before.used_ns) / MS);
	assert_int_equal(stats.served, 1);
	assert_int_equal(stats.windows, (1 + stats.lost) / 7);
	assert_int_equal(stats.violations, stats.windows);
	event = heard_find(*state, heard, QOS_EVENT_VIOLATION, victim->tid);
	assert_non_null(event);
	assert_int_equal(event->stream, stream);
	assert_int_equal(event->tgid, getpid());
	assert_in_range(event->lost, 6, 7); /* the first window has the request that was served */
	worker_stop(hog);
	finish(*state, victim, stream);
}

static void run_alone(struct worker *worker)
{
	struct rusage before, after;

	getrusage(RUSAGE_THREAD, &before);
	work(worker->rounds ? worker->work_ns : 0);
	getrusage(RUSAGE_THREAD, &after);
	worker->seen_ns = after.ru_nivcsw - before.ru_nivcsw;
}

static void check_long_run(void **state, uint32_t job)
{
	const struct qos_stream_config config = {.period_ns = MS,
						 .deadline_ns = 900 * US,
						 .runtime_ns = 500 * US,
						 .window_y = 3,
						 .job = job};
	const struct worker worker_plan = {.body = run_alone, .priority = 60, .work_ns = 500 * MS};
	struct worker *worker;
	uint32_t stream = make_stream(*state, &config);
	struct qos_stream_stats before, stats;
	uint64_t elapsed, requests;

	worker = worker_start(&worker_plan);
	attach(*state, worker, stream);
	worker_round(worker); /* so that its sleep is seen */
	before = read_stats(*state, stream);
	sleep_until(before.last_release_ns + 2 * MS);
	worker_round(worker);
	stats = read_stats(*state, stream);
	assert_in_range(stats.used_ns, 490 * MS, 600 * MS);
	elapsed = stats.used_ns - before.used_ns + stats.latency_max_ns;
	/* and the one of the first round */
	requests = 1 + elapsed / MS + (elapsed % MS >= 900 * US);
	if (worker->seen_ns) {
		/* The kernel took the CPU away; how long is not known here. */
		print_message("%u switches in between\n", (unsigned int)worker->seen_ns);
		assert_true(stats.served + stats.lost >= requests);
	} else {
		assert_int_equal(stats.served + stats.lost, requests);
		assert_true(stats.lost <= 1); /* the first, if it was given the CPU too late */
		assert_int_equal(stats.windows, requests / 3);
		if (job == QOS_ABI_JOB_PERIOD)
			assert_int_equal(stats.jobs, 1 + elapsed / MS + 1);
	}
	if (job == QOS_ABI_JOB_PERIOD)
		assert_int_equal(count_all(stats.used), stats.jobs);
	else
		assert_int_equal(stats.jobs, 2);
	finish(*state, worker, stream);
}

static void test_long_run(void **state)
{
	check_long_run(state, QOS_ABI_JOB_WAKEUP);
}

static void test_long_run_by_period(void **state)
{
	check_long_run(state, QOS_ABI_JOB_PERIOD);
}

/* Without a release for a while: each period counts where the contract says so. */
static void check_silence(void **state, uint32_t flags)
{
	const struct qos_stream_config config = {.period_ns = 10 * MS,
						 .deadline_ns = 10 * MS,
						 .runtime_ns = MS,
						 .window_x = 3,
						 .window_y = 4,
						 .flags = flags};
	const struct worker worker_plan = {.body = nothing, .priority = 50};
	struct worker *worker;
	uint32_t stream = make_stream(*state, &config);
	struct qos_stream_stats before, after;
	uint64_t silent;

	worker = worker_start(&worker_plan);
	attach(*state, worker, stream);
	worker_round(worker);
	before = read_stats(*state, stream);
	sleep_until(before.last_release_ns + 120 * MS);
	worker_round(worker);
	after = read_stats(*state, stream);
	silent = (after.last_release_ns - before.last_release_ns + 5 * MS) / (10 * MS) - 1;
	assert_true(silent >= 11);
	assert_int_equal(after.served, 1);
	assert_int_equal(after.lost, flags ? silent : 0);
	assert_int_equal(after.windows, (after.served + after.lost) / 4);
	assert_int_equal(after.violations, flags ? (silent - 3) / 4 : 0);
	finish(*state, worker, stream);
}

static void test_silence_lost(void **state)
{
	check_silence(state, QOS_STREAM_SILENCE_LOST);
}

static void test_silence_ignored(void **state)
{
	check_silence(state, 0);
}

static void hog_a_while(struct worker *worker)
{
	work(worker->work_ns);
}

static bool try_overrun(struct qos_monitor *monitor)
{
	struct qos_stream_config config = {.period_ns = 200 * MS,
					   .deadline_ns = 200 * MS,
					   .runtime_ns = 4 * MS,
					   .budget_ns = 5 * MS,
					   .flags = QOS_STREAM_WATCH_BUDGET};
	const struct worker worker_plan = {.body = hog_a_while, .priority = 50};
	struct worker *worker;
	uint32_t stream = make_stream(monitor, &config);
	_cleanup_free_ struct heard *heard = calloc(1, sizeof(*heard));
	const struct qos_event *overrun, *idle;
	struct qos_stream_stats stats;

	worker = worker_start(&worker_plan);
	attach(monitor, worker, stream);
	assert_int_equal(qos_monitor_thread_clock(monitor, worker->tid, config.budget_ns / 20), 0);
	worker_round(worker); /* so that its sleep is seen */
	sleep_until(read_stats(monitor, stream).last_release_ns + 201 * MS);
	worker->work_ns = 30 * MS;
	worker_round(worker);
	if (!undisturbed(monitor, worker, stream)) {
		finish(monitor, worker, stream);
		return false;
	}
	until(heard_find(monitor, heard, QOS_EVENT_IDLE, worker->tid));
	stats = read_stats(monitor, stream);
	overrun = heard_find(monitor, heard, QOS_EVENT_OVERRUN, worker->tid);
	idle = heard_find(monitor, heard, QOS_EVENT_IDLE, worker->tid);
	assert_non_null(overrun);
	assert_int_equal(stats.overruns, 1);
	assert_int_equal(heard_count(heard, QOS_EVENT_OVERRUN, worker->tid), 1);
	assert_int_equal(heard_count(heard, QOS_EVENT_IDLE, worker->tid), 1);
	assert_int_equal(overrun->until_ns, stats.last_release_ns + 200 * MS);
	assert_int_equal(overrun->stream, stream);
	assert_int_equal(overrun->tgid, getpid());
	assert_in_range(overrun->now_ns - stats.last_release_ns, 5 * MS, 20 * MS);
	assert_int_equal(idle->until_ns, overrun->until_ns);
	assert_true(idle->now_ns > overrun->now_ns && idle->now_ns < idle->until_ns);

	/* Less than the budget: nothing. More, but nobody asked: nothing either. */
	heard->n = 0;
	worker->work_ns = 2 * MS;
	sleep_until(overrun->until_ns + MS);
	worker_round(worker);
	config.flags = 0;
	assert_int_equal(qos_monitor_stream_set(monitor, stream, &config), 0);
	worker->work_ns = 10 * MS;
	worker_round(worker);
	assert_null(heard_find(monitor, heard, QOS_EVENT_OVERRUN, worker->tid));
	assert_int_equal(read_stats(monitor, stream).overruns, 1);
	finish(monitor, worker, stream);
	return true;
}

static void test_overrun(void **state)
{
	try_undisturbed(*state, try_overrun);
}

/* Exact rates: the grid points that overruns tell of lie at floor(k * 10^12 / mhz) for ever. */
static void test_exact_rate(void **state)
{
	static const struct qos_stream_config config = {.period_mhz = 30000,
							.deadline_ns = 33333333,
							.runtime_ns = MS,
							.budget_ns = 2 * MS,
							.flags = QOS_STREAM_WATCH_BUDGET};
	const struct worker worker_plan = {
		.body = hog_a_while, .priority = 50, .work_ns = 800 * MS};
	struct worker *worker;
	uint32_t stream = make_stream(*state, &config);
	_cleanup_free_ struct heard *heard = calloc(1, sizeof(*heard));
	uint64_t base, last = 0, n = 0;

	worker = worker_start(&worker_plan);
	attach(*state, worker, stream);
	assert_int_equal(qos_monitor_thread_clock(*state, worker->tid, MS / 10), 0);
	worker_round(worker);
	base = read_stats(*state, stream).last_release_ns;
	heard_find(*state, heard, QOS_EVENT_OVERRUN, worker->tid);
	for (size_t i = 0; i < heard->n; i++) {
		const struct qos_event *event = &heard->events[i];
		uint64_t k = (event->until_ns - base + 16666666) / 33333333;

		if (event->type != QOS_EVENT_OVERRUN || event->tid != (uint32_t)worker->tid)
			continue;
		assert_int_equal(event->until_ns - base, k * 1000000000000ULL / 30000);
		assert_true(k > last);
		last = k;
		n++;
	}
	assert_true(n >= 20);
	assert_true(last >= 24);
	assert_int_equal(read_stats(*state, stream).overruns, n);
	finish(*state, worker, stream);
}

static void wake_late_and_late(struct worker *worker)
{
	for (int i = 0; i < worker->n; i++) {
		sleep_until(now_ns() + MS);
		work(1100 * US);
	}
}

/* C is all of T, so the request of each wakeup is lost by the time that waking up takes, if the
 * kernel showed the wakeup. */
static bool try_violations_are_muted(struct qos_monitor *monitor)
{
	static const struct qos_stream_config config = {
		.period_ns = MS, .deadline_ns = MS, .runtime_ns = MS, .window_x = 0, .window_y = 1};
	const struct worker worker_plan = {.body = wake_late_and_late, .priority = 50, .n = 150};
	struct worker *worker;
	uint32_t stream = make_stream(monitor, &config);
	_cleanup_free_ struct heard *heard = calloc(1, sizeof(*heard));
	struct qos_monitor_counters before, after;
	struct qos_stream_stats stats;
	uint64_t from, told;

	worker = worker_start(&worker_plan);
	attach(monitor, worker, stream);
	qos_monitor_counters(monitor, &before);
	from = now_ns();
	worker_round(worker);
	stats = read_stats(monitor, stream);
	qos_monitor_counters(monitor, &after);
	if (!undisturbed(monitor, worker, stream)) {
		finish(monitor, worker, stream);
		return false;
	}
	heard_find(monitor, heard, QOS_EVENT_VIOLATION, worker->tid);
	told = heard_count(heard, QOS_EVENT_VIOLATION, worker->tid);
	assert_true(stats.violations >= 100);
	assert_int_equal(stats.violations, stats.lost);
	assert_in_range(told, 2, (now_ns() - from) / (100 * MS) + 1);
	assert_true(after.event_muted - before.event_muted >= 100 - told);
	assert_true(after.event_muted - before.event_muted + told <= stats.violations);
	finish(monitor, worker, stream);
	return true;
}

static void test_violations_are_muted(void **state)
{
	try_undisturbed(*state, try_violations_are_muted);
}

static const struct qos_stream_config clocked = {.period_ns = 10 * MS,
						 .deadline_ns = 10 * MS,
						 .runtime_ns = 5 * MS,
						 .window_y = 3,
						 .flags = QOS_STREAM_WATCH_BUDGET,
						 .budget_ns = 5 * MS};
static const struct worker one_ms_a_round = {.body = hog_a_while, .work_ns = MS};

/* A new grant is no new thread: its window goes on, only the clock changes. */
static void test_attached_again(void **state)
{
	uint32_t stream = make_stream(*state, &clocked);
	struct worker *worker = worker_start(&one_ms_a_round);

	for (int i = 0; i < 12; i++) {
		attach(*state, worker, stream);
		assert_int_equal(qos_monitor_thread_clock(*state, worker->tid,
							  i % 4 != 3 ? (5 + i % 3) * MS / 20 : 0),
				 0);
		worker_round(worker);
		sleep_until(now_ns() + 11 * MS);
	}
	assert_in_range(read_stats(*state, stream).served, 10, 12);
	assert_true(read_stats(*state, stream).windows >= 3);
	finish(*state, worker, stream);
}

/* A thread that can have no clock, here for want of descriptors, is measured as before, and gets one
 * when it can. */
static void test_without_a_clock(void **state)
{
	uint32_t stream = make_stream(*state, &clocked);
	struct worker *worker = worker_start(&one_ms_a_round);
	struct rlimit limit, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_max = limit.rlim_max};
	for (int i = 0; i < 12; i++) {
		attach(*state, worker, stream);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		assert_int_equal(qos_monitor_thread_clock(*state, worker->tid, MS / 4), -EMFILE);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		worker_round(worker);
		sleep_until(now_ns() + 11 * MS);
	}
	assert_in_range(read_stats(*state, stream).jobs, 10, 12);
	assert_in_range(read_stats(*state, stream).served, 10, 12);
	assert_true(read_stats(*state, stream).windows >= 3);
	assert_int_equal(qos_monitor_thread_clock(*state, worker->tid, MS / 4), 0);
	finish(*state, worker, stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_periodic_jobs),
		cmocka_unit_test(test_job_goes_on),
		cmocka_unit_test(test_starving),
		cmocka_unit_test(test_long_run),
		cmocka_unit_test(test_long_run_by_period),
		cmocka_unit_test(test_silence_lost),
		cmocka_unit_test(test_silence_ignored),
		cmocka_unit_test(test_overrun),
		cmocka_unit_test(test_exact_rate),
		cmocka_unit_test(test_violations_are_muted),
		cmocka_unit_test(test_attached_again),
		cmocka_unit_test(test_without_a_clock),
	};

	if (geteuid()) {
		fprintf(stderr, "skipped: the monitor needs root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("monitor", tests, load_monitor, unload_monitor);
}
