/* SPDX-License-Identifier: GPL-2.0-only */
/* `job: {begin, end}` on the live kernel: this program has the functions and marks that are probed. */
#include "monitor_live.h"

#define STREAM 7

/* An address in the file's notes, as <sys/sdt.h> writes them. */
#if defined(__LP64__)
#define MARK(name)                                                                                 \
	asm volatile("990: nop\n"                                                                  \
		     ".pushsection .note.stapsdt,\"?\",\"note\"\n"                                 \
		     ".balign 4\n"                                                                 \
		     ".4byte 992f-991f, 994f-993f, 3\n"                                            \
		     "991: .asciz \"stapsdt\"\n"                                                   \
		     "992: .balign 4\n"                                                            \
		     "993: .8byte 990b\n"                                                          \
		     ".8byte _.stapsdt.base\n"                                                     \
		     ".8byte 0\n"                                                                  \
		     ".asciz \"qostest\"\n"                                                        \
		     ".asciz \"" name "\"\n"                                                       \
		     ".asciz \"\"\n"                                                               \
		     "994: .balign 4\n"                                                            \
		     ".popsection\n"                                                               \
		     ".ifndef _.stapsdt.base\n"                                                    \
		     ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"       \
		     ".weak _.stapsdt.base\n"                                                      \
		     ".hidden _.stapsdt.base\n"                                                    \
		     "_.stapsdt.base: .space 1\n"                                                  \
		     ".size _.stapsdt.base, 1\n"                                                   \
		     ".popsection\n"                                                               \
		     ".endif\n")
#endif

void qos_test_begin(void);
void qos_test_end(void);

__attribute__((noinline)) void qos_test_begin(void)
{
	MARK("begin");
}

__attribute__((noinline)) void qos_test_end(void)
{
	MARK("end");
}

/* Jobs without a sleep in between; 1 ms of other work around each. */
static void probed_jobs(struct worker *worker)
{
	for (int i = 0; i < worker->n; i++) {
		work(MS);
		qos_test_begin();
		work(worker->work_ns);
		qos_test_end();
	}
}

static void check_probes(void **state, const char *begin, const char *end)
{
	const struct qos_stream_config config = {.period_ns = 20 * MS,
						 .deadline_ns = 15 * MS,
						 .runtime_ns = 10 * MS,
						 .job = QOS_ABI_JOB_PROBES};
	const struct worker worker_plan = {
		.body = probed_jobs, .priority = 50, .n = 5, .work_ns = 3 * MS};
	struct worker *worker;
	const struct worker stranger_plan = {
		.body = probed_jobs, .priority = 50, .n = 2, .work_ns = MS};
	struct worker *stranger;
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_monitor_counters before, after;
	struct qos_stream_stats stats;
	int r;

	qos_monitor_counters(*state, &before);
	assert_int_equal(qos_monitor_stream_set(*state, STREAM, &config), 0);
	r = qos_monitor_stream_probes(*state, STREAM, begin, end, &diag);
	qos_diag_print(&diag, stderr);
	assert_int_equal(r, 0);
	worker = worker_start(&worker_plan);
	stranger = worker_start(&stranger_plan);
	assert_int_equal(qos_monitor_thread_attach(*state, worker->tid, STREAM), 0);
	worker_round(worker);
	worker_round(stranger);
	stats = read_stats(*state, STREAM);
	qos_monitor_counters(*state, &after);
	assert_int_equal(stats.jobs, 5);
	assert_int_equal(count_all(stats.used), 5);
	assert_true(stats.response_max_ns >= 3 * MS);
	assert_true(stats.used_ns >= 19 * MS);
	/* Each used 3 ms and a little. */
	for (int i = 0; i < QOS_HIST_BUCKETS; i++) {
		uint64_t low = 1024ULL << (i > 0 ? (i - 1) / 8 : 0);

		if (stats.used[i])
			assert_in_range(low, 2 * MS, 4 * MS);
	}
	/* The five jobs take 20 ms in a row: the requests are those of a runnable thread. */
	assert_true(stats.served + stats.lost >= 1);
	assert_int_equal(after.probe_stray - before.probe_stray, 0);
	assert_int_equal(after.probe_twice - before.probe_twice, 0);
	assert_int_equal(qos_monitor_thread_detach(*state, worker->tid), 0);
	worker_stop(worker);
	worker_stop(stranger);
	assert_int_equal(qos_monitor_stream_remove(*state, STREAM), 0);
	qos_diag_reset(&diag);
}

static const char *own_path(void)
{
	static char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	assert_true(n > 0);
	path[n] = '\0';
	return path;
}

static void test_uprobes(void **state)
{
	char begin[600], end[600];

	snprintf(begin, sizeof(begin), "uprobe:%s:qos_test_begin", own_path());
	snprintf(end, sizeof(end), "uprobe:%s:qos_test_end", own_path());
	check_probes(state, begin, end);
}

static void test_usdt(void **state)
{
	char begin[600], end[600];

	snprintf(begin, sizeof(begin), "usdt:%s:qostest:begin", own_path());
	snprintf(end, sizeof(end), "usdt:%s:qostest:end", own_path());
	check_probes(state, begin, end);
}

static void test_bad_probes(void **state)
{
	static const char *const wrong[] = {
		"",
		"uprobe",
		"uprobe:/bin/true",
		"uprobe::main",
		"usdt:/bin/true:a",
		"kprobe:/bin/true:main",
		"uprobe:/bin/true:main:more",
		"usdt:/bin/true:a:b:c",
	};
	static const char *const absent[] = {
		"uprobe:/no/such/file:main",
		"uprobe:/bin/true:no_such_symbol",
		"usdt:/bin/true:no:such",
	};
	char good[600];

	snprintf(good, sizeof(good), "uprobe:%s:qos_test_begin", own_path());
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct qos_diag diag = QOS_DIAG_INIT;

		assert_int_equal(qos_monitor_stream_probes(*state, 1, wrong[i], good, &diag),
				 -EINVAL);
		assert_int_equal(diag.n_errors, 1);
		assert_non_null(diag.entries[0].hint);
		qos_diag_reset(&diag);
	}
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		struct qos_diag diag = QOS_DIAG_INIT;

		assert_int_equal(qos_monitor_stream_probes(*state, 1, good, absent[i], &diag),
				 -ENOENT);
		assert_int_equal(diag.n_errors, 1);
		assert_non_null(strstr(diag.entries[0].text, absent[i]));
		qos_diag_reset(&diag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uprobes),
		cmocka_unit_test(test_usdt),
		cmocka_unit_test(test_bad_probes),
	};

	if (geteuid()) {
		fprintf(stderr, "skipped: the monitor needs root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("monitor_probes", tests, load_monitor, unload_monitor);
}
