/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events, extensions and the guard on the live kernel, with threads whose jobs are known. Hostile
 * programs stand where compiled ones would: they must lose their own requests and nothing else.
 */
#include "chain_live.h"

#define PERIOD (40 * MS)
#define JOBS   10

static uint32_t next_stream = 1000;

static const struct qos_chain_attribute plain_attribute = {
	.value = 8 * MS,
	.lo = 4 * MS,
	.hi = 12 * MS,
	.reserved = 10 * MS,
	.period_ns = PERIOD,
};

/* A contract of one stream with one thread. */
struct party {
	uint32_t number;
	uint32_t stream;
	uint32_t slot;
	struct worker *worker;
};

static void body_jobs(struct worker *worker)
{
	uint64_t next = now_ns();

	for (int i = 0; i < worker->n; i++) {
		next += worker->period_ns;
		sleep_until(next);
		work(worker->work_ns);
	}
}

static struct party party_start(const struct qos_chain_attribute *attribute, enum qos_hook hook,
				const struct program *p)
{
	const struct qos_stream_config config = {.period_ns = PERIOD,
						 .deadline_ns = 20 * MS,
						 .runtime_ns = 8 * MS,
						 .budget_ns = 9 * MS,
						 .window_x = 1,
						 .window_y = 2};
	const struct worker plan = {
		.body = body_jobs, .priority = 50, .n = JOBS, .period_ns = PERIOD, .work_ns = MS};
	struct qos_chain_attribute mine = *attribute;
	const struct qos_chain_contract contract = {
		.attributes = &mine, .n_attributes = 1, .n_signals = 2, .n_state = 4, .n_keys = 2};
	struct party party = {.stream = next_stream++};
	struct qos_stream_hooks hooks = {};

	mine.stream = party.stream;
	assert_int_equal(qos_chain_add(chain, &contract, &party.number), 0);
	party.slot = load_in(party.number, QOS_CHAIN_SWITCH, p, 0);
	assert_int_equal(qos_monitor_stream_set(monitor, party.stream, &config), 0);
	hooks.contract = party.number;
	hooks.slot[hook] = party.slot;
	assert_int_equal(qos_monitor_stream_hooks(monitor, party.stream, &hooks), 0);
	party.worker = worker_start(&plan);
	assert_int_equal(qos_chain_thread(chain, party.number, party.worker->tid), 0);
	assert_int_equal(qos_monitor_thread_attach(monitor, party.worker->tid, party.stream), 0);
	return party;
}

static void party_stop(const struct party *party)
{
	const struct qos_stream_hooks none = {};

	qos_monitor_thread_detach(monitor, party->worker->tid);
	qos_chain_thread_gone(chain, party->worker->tid);
	worker_stop(party->worker);
	qos_monitor_stream_hooks(monitor, party->stream, &none);
	qos_chain_remove(chain, party->number);
	qos_monitor_stream_remove(monitor, party->stream);
}

/* A last job long after the others makes the one before it complete. */
static void party_round(const struct party *party)
{
	worker_round(party->worker);
}

struct seen {
	struct qos_change changes[256];
	size_t n;
};

static void see(void *data, const struct qos_change *change)
{
	struct seen *seen = data;

	if (seen->n < 256)
		seen->changes[seen->n++] = *change;
}

static uint64_t refusals(const struct qos_guard_contract *counts)
{
	uint64_t n = 0;

	for (int i = QOS_REFUSED_FIRST; i < QOS_VERDICTS; i++)
		n += counts->verdicts[i];
	return n;
}

/* From the event to the attribute in force, and its record. */
static void test_acts(void **state)
{
	struct program p = {};
	struct qos_guard_contract counts;
	struct qos_stream_config config;
	struct seen seen = {};
	struct party party;

	put_begin(&p);
	put_state(&p);
	put_count(&p, 0);
	put_keep(&p, 1, QOS_RULES_USED);
	put_keep(&p, 2, QOS_RULES_SLACK);
	put_request(&p, 0, RUNTIME(0), 9 * MS);
	put_request(&p, 1, QOS_RULES_ATTRIBUTE_ID(QOS_RULES_EMIT, 1), 1);
	put_end(&p, 2);
	party = party_start(&plain_attribute, QOS_HOOK_JOB, &p);
	party_round(&party);
	counts = counts_of(party.number);
	assert_int_equal(qos_chain_value(chain, party.number, 0), 9 * MS);
	assert_int_equal(qos_monitor_stream_config(monitor, party.stream, &config), 0);
	assert_int_equal(config.runtime_ns, 9 * MS);
	assert_int_equal(config.budget_ns, 10 * MS);
	assert_int_equal(counts.verdicts[QOS_VERDICT_SET], 1);
	assert_in_range(counts.runs, JOBS - 1, JOBS + 1);
	assert_int_equal(counts.verdicts[QOS_VERDICT_SAME], counts.runs - 1);
	assert_int_equal(refusals(&counts), 0);
	assert_int_equal(counts.breaches + counts.dropped, 0);
	assert_int_equal(state_word(party.number, 1, 0), counts.runs);
	assert_in_range(state_word(party.number, 1, 1), MS, 20 * MS);
	assert_true((int64_t)state_word(party.number, 1, 2) <= (int64_t)(19 * MS));
	assert_true(counts.run_ns && counts.run_ns / counts.runs < MS);
	assert_true(qos_chain_dispatch(chain, see, &seen) >= 2);
	assert_int_equal(seen.changes[0].type, QOS_CHANGE_VALUE);
	assert_int_equal(seen.changes[0].stream, party.stream);
	assert_int_equal(seen.changes[0].old, 8 * MS);
	assert_int_equal(seen.changes[0].value, 9 * MS);
	assert_int_equal(seen.changes[1].type, QOS_CHANGE_SIGNAL);
	assert_int_equal(seen.changes[1].index, 1);
	party_stop(&party);
}

/* It writes whatever it likes into the frame: another's number, index, more requests than there are. */
static void test_only_its_own(void **state)
{
	static const int64_t wishes[] = {3, 7 * MS};
	struct program hostile = {}, quiet = {};
	struct qos_guard_contract counts;
	struct party villain, victim;

	put_begin(&quiet);
	put_end(&quiet, 0);
	victim = party_start(&plain_attribute, QOS_HOOK_JOB, &quiet);
	put_begin(&hostile);
	put(&hostile, BPF_ST | BPF_W | BPF_MEM, 7, 0, offsetof(struct qos_rules_frame, contract),
	    (int32_t)victim.number);
	put(&hostile, BPF_ST | BPF_W | BPF_MEM, 7, 0, offsetof(struct qos_rules_frame, index), 5);
	put(&hostile, BPF_ST | BPF_W | BPF_MEM, 7, 0, offsetof(struct qos_rules_frame, program),
	    (int32_t)victim.slot);
	for (int i = 0; i < QOS_RULES_REQUESTS_MAX - 1; i++)
		put_request(&hostile, i, RUNTIME(i + 1), wishes[i % 2]);
	put_end(&hostile, -1);
	villain = party_start(&plain_attribute, QOS_HOOK_JOB, &hostile);
	party_round(&villain);
	counts = counts_of(villain.number);
	assert_true(counts.runs > 0);
	assert_int_equal(counts.verdicts[QOS_REFUSED_OWNER], counts.runs * 31);
	assert_int_equal(qos_chain_value(chain, victim.number, 0), 8 * MS);
	assert_int_equal(qos_chain_value(chain, villain.number, 0), 8 * MS);
	assert_int_equal(counts_of(victim.number).requests, 0);
	party_stop(&villain);
	party_stop(&victim);
}

struct limit {
	struct qos_chain_attribute attribute;
	int64_t wish;
	enum qos_verdict verdict;
};

static void check_limit(const struct limit *limit)
{
	struct program p = {};
	struct qos_guard_contract counts;
	struct party party;

	put_begin(&p);
	put_request(&p, 0, RUNTIME(0), limit->wish);
	put_end(&p, 1);
	party = party_start(&limit->attribute, QOS_HOOK_JOB, &p);
	party.worker->n = 3;
	party_round(&party);
	counts = counts_of(party.number);
	assert_true(counts.runs > 0);
	assert_int_equal(counts.verdicts[limit->verdict], counts.runs);
	assert_int_equal(qos_chain_value(chain, party.number, 0), limit->attribute.value);
	party_stop(&party);
}

static void test_limits(void **state)
{
	struct limit limits[] = {
		{plain_attribute, 13 * MS, QOS_REFUSED_RANGE},
		{plain_attribute, 0, QOS_REFUSED_RANGE},
		{plain_attribute, INT64_MIN, QOS_REFUSED_RANGE},
		{plain_attribute, INT64_MAX, QOS_REFUSED_RANGE},
		{plain_attribute, 11 * MS, QOS_REFUSED_BUDGET},
		{plain_attribute, 9 * MS, QOS_REFUSED_STEP},
	};

	limits[5].attribute.step = MS / 2;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(limits); i++)
		check_limit(&limits[i]);
}

/* One change a second, two are asked for each job. */
static void test_rate(void **state)
{
	struct qos_chain_attribute attribute = plain_attribute;
	struct program p = {};
	struct qos_guard_contract counts;
	struct party party;

	attribute.gap_ns = 60000 * MS;
	put_begin(&p);
	put_request(&p, 0, RUNTIME(0), 7 * MS);
	put_request(&p, 1, RUNTIME(0), 6 * MS);
	put_end(&p, 2);
	party = party_start(&attribute, QOS_HOOK_JOB, &p);
	party_round(&party);
	counts = counts_of(party.number);
	assert_int_equal(counts.verdicts[QOS_VERDICT_SET], 1);
	assert_int_equal(counts.verdicts[QOS_REFUSED_RATE], counts.runs);
	assert_int_equal(qos_chain_value(chain, party.number, 0), 7 * MS);
	party_stop(&party);
}

static void test_held(void **state)
{
	struct program p = {};
	struct party party;

	put_begin(&p);
	put_request(&p, 0, RUNTIME(0), 7 * MS);
	put_end(&p, 1);
	party = party_start(&plain_attribute, QOS_HOOK_JOB, &p);
	assert_int_equal(qos_chain_set(chain, party.number, 0, 11 * MS, true), -EDQUOT);
	assert_int_equal(qos_chain_set(chain, party.number, 0, 10 * MS, true), 0);
	party_round(&party);
	assert_int_equal(qos_chain_value(chain, party.number, 0), 10 * MS);
	assert_true(counts_of(party.number).verdicts[QOS_REFUSED_HELD] > 0);
	assert_int_equal(qos_chain_set(chain, party.number, 0, 10 * MS, false), 0);
	party_round(&party);
	assert_int_equal(qos_chain_value(chain, party.number, 0), 7 * MS);
	party_stop(&party);
}

/* It ends where it likes. Another contract on the same CPU has all its runs. */
static void test_breach(void **state)
{
	struct program hostile = {}, quiet = {};
	struct qos_guard_contract counts;
	struct party villain, other;
	uint64_t jobs;

	put_begin(&hostile);
	put_request(&hostile, 0, RUNTIME(0), 7 * MS);
	put_exit(&hostile);
	put_begin(&quiet);
	put_end(&quiet, 0);
	villain = party_start(&plain_attribute, QOS_HOOK_JOB, &hostile);
	other = party_start(&plain_attribute, QOS_HOOK_JOB, &quiet);
	sem_post(&villain.worker->go);
	party_round(&other);
	until(villain.worker->rounds == 1);
	party_round(&other);
	counts = counts_of(villain.number);
	assert_int_equal(counts.breaches, 1);
	assert_int_equal(counts.requests, 0);
	assert_int_equal(counts.muted, 1);
	assert_int_equal(qos_chain_value(chain, villain.number, 0), 8 * MS);
	counts = counts_of(other.number);
	jobs = read_stats(monitor, other.stream).jobs;
	assert_true(jobs > JOBS);
	assert_in_range(counts.runs, jobs - 1, jobs);
	assert_int_equal(counts.breaches + counts.dropped, 0);
	party_stop(&other);
	party_stop(&villain);
}

/* A program is exchanged all the time; each job meets the one or the other, and the state goes on. */
static void test_swap(void **state)
{
	struct program p[2] = {};
	struct qos_guard_contract counts;
	uint64_t jobs, swaps = 0;
	struct party party;

	for (int i = 0; i < 2; i++) {
		put_begin(&p[i]);
		put_state(&p[i]);
		put_count(&p[i], 0);
		put_count(&p[i], 1 + i);
		put_end(&p[i], 0);
	}
	party = party_start(&plain_attribute, QOS_HOOK_JOB, &p[0]);
	party.worker->n = 200;
	party.worker->period_ns = 5 * MS;
	party.worker->work_ns = MS / 10;
	qos_monitor_thread_detach(monitor, party.worker->tid);
	{
		const struct qos_stream_config config = {
			.period_ns = 5 * MS, .deadline_ns = 5 * MS, .runtime_ns = MS};

		assert_int_equal(qos_monitor_stream_set(monitor, party.stream, &config), 0);
	}
	assert_int_equal(qos_monitor_thread_attach(monitor, party.worker->tid, party.stream), 0);
	sem_post(&party.worker->go);
	while (party.worker->rounds == 0 || swaps < 6)
		load_in(party.number, QOS_CHAIN_SWITCH, &p[++swaps % 2], party.slot);
	until(is_asleep(party.worker->tid));
	jobs = read_stats(monitor, party.stream).jobs;
	counts = counts_of(party.number);
	assert_true(jobs > 20);
	/* the last switch may be the one at which the last job completes */
	assert_in_range(counts.runs, jobs - 1, jobs);
	assert_int_equal(counts.dropped, 0);
	assert_int_equal(state_word(party.number, 1, 0), counts.runs);
	assert_int_equal(state_word(party.number, 1, 1) + state_word(party.number, 1, 2),
			 counts.runs);
	assert_true(state_word(party.number, 1, 1) && state_word(party.number, 1, 2));
	party_stop(&party);
}

/* Ticks: the daemon's word for the input, the same guard, key 0; and who does not end in it. */
static void test_tick(void **state)
{
	struct program tick = {}, hostile = {};
	struct qos_rules_frame *frame = qos_chain_frame(chain);
	struct party party;
	uint32_t slot;

	put_begin(&tick);
	put_state(&tick);
	put_count(&tick, 0);
	put_keep(&tick, 1, QOS_RULES_JOBS);
	put_request(&tick, 0, RUNTIME(0), 6 * MS);
	put_end(&tick, 1);
	party = party_start(&plain_attribute, QOS_HOOK_JOB, &tick);
	slot = load_in(party.number, QOS_CHAIN_RAW, &tick, 0);
	memset(frame, 0, sizeof(*frame));
	frame->stream[0].word[QOS_RULES_JOBS] = 41;
	assert_int_equal(qos_chain_raise(chain, party.number, slot), 0);
	assert_int_equal(qos_chain_value(chain, party.number, 0), 6 * MS);
	assert_int_equal(state_word(party.number, 0, 0), 1);
	assert_int_equal(state_word(party.number, 0, 1), 41);
	put_begin(&hostile);
	put_exit(&hostile);
	load_in(party.number, QOS_CHAIN_RAW, &hostile, slot);
	assert_int_equal(qos_chain_raise(chain, party.number, slot), 0);
	assert_int_equal(counts_of(party.number).breaches, 1);
	assert_int_equal(counts_of(party.number).muted, 1);
	party_stop(&party);
}

/* Late once a job, and a window of which all were lost: a thread that uses more than its deadline. */
static void test_late_and_window(void **state)
{
	struct program p = {};
	struct party late, window;
	uint64_t windows;

	put_begin(&p);
	put_state(&p);
	put_count(&p, 0);
	put_keep(&p, 1, QOS_RULES_SLACK);
	put_keep(&p, 2, QOS_RULES_LOST);
	put_keep(&p, 3, QOS_RULES_VIOLATIONS);
	put_end(&p, 0);
	late = party_start(&plain_attribute, QOS_HOOK_LATE, &p);
	late.worker->n = 4;
	late.worker->work_ns = 25 * MS;
	party_round(&late);
	assert_in_range(state_word(late.number, 1, 0), 2,
			read_stats(monitor, late.stream).late + 1);
	assert_true((int64_t)state_word(late.number, 1, 1) < 0);
	party_stop(&late);
	window = party_start(&plain_attribute, QOS_HOOK_WINDOW, &p);
	party_round(&window);
	/* on a machine that is too slow several of them close at one switch, and are one event */
	windows = read_stats(monitor, window.stream).windows;
	assert_in_range(state_word(window.number, 1, 0), 2, windows);
	assert_true(state_word(window.number, 1, 2) <= 2);
	assert_int_equal(state_word(window.number, 1, 3), state_word(window.number, 1, 2) > 1);
	party_stop(&window);
}

/* What the verifier refuses is kept with all that is needed, and people hear no word of it. */
static void test_verifier_refusal(void **state)
{
	const struct qos_chain_contract contract = {.n_keys = 1};
	char dir[] = "/tmp/qos-chain-XXXXXX", path[128], text[4096] = "";
	struct qos_diag diag = QOS_DIAG_INIT;
	struct program p = {};
	struct qos_prog_code code;
	uint32_t number, slot = 0;
	FILE *file;

	assert_non_null(mkdtemp(dir));
	chain->type.report_dir = dir;
	assert_int_equal(qos_chain_add(chain, &contract, &number), 0);
	put_mov(&p, 6, 7); /* r7 was never written */
	put_exit(&p);
	code = program_code(&p);
	assert_true(qos_chain_load(chain, number, QOS_CHAIN_SWITCH, &code, &diag, &slot) < 0);
	assert_int_equal(slot, 0);
	assert_non_null(strstr(diag.entries[0].text, "a fault of qosd"));
	assert_non_null(strstr(diag.entries[0].hint, "refused-by-hand.txt"));
	assert_null(strstr(diag.entries[0].text, "R7"));
	snprintf(path, sizeof(path), "%s/refused-by-hand.txt", dir);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_non_null(strstr(text, "R7"));
	assert_non_null(strstr(text, "   0: 00000000000076bf"));
	unlink(path);
	rmdir(dir);
	chain->type.report_dir = NULL;
	qos_diag_reset(&diag);
	qos_chain_remove(chain, number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acts),
		cmocka_unit_test(test_only_its_own),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_breach),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_tick),
		cmocka_unit_test(test_late_and_window),
		cmocka_unit_test(test_verifier_refusal),
	};

	if (geteuid()) {
		fprintf(stderr, "skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests_name("chain", tests, load_chain, unload_chain);
}
