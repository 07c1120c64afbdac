/* SPDX-License-Identifier: GPL-2.0-only */
/* One generation of contracts after the other, without kernel. Who fits is in test_settle.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "../harness/supervised.h"
#include "generation.h"

static struct qos_reload_summary sum;

static void reload(void)
{
	assert_int_equal(qos_supervisor_reload(test.supervisor, &sum), 0);
}

static void assert_rules(const char *file, const char *name)
{
	struct qos_live *live = live_of(&test, file);

	assert_non_null(live);
	assert_int_equal(live->state, QOS_LIVE_IN_FORCE);
	assert_string_equal(live->contract->name, name);
	assert_non_null(qos_ledger_grant(test.supervisor->ledger, name));
}

static void test_names_change_places(void **state)
{
	put_contract(&test, "a", "x", "");
	put_contract(&test, "b", "y", "");
	reload();
	put_contract(&test, "a", "y", "");
	put_contract(&test, "b", "x", "");
	reload();
	assert_rules("a", "y");
	assert_rules("b", "x");
	assert_int_equal(sum.n_changed, 2);
	assert_int_equal(sum.n_refused, 0);
}

/* A bad file keeps its last good version, and the name with it; others come in all the same. */
static void test_taken_name(void **state)
{
	struct qos_live *live;

	put_contract(&test, "a", "x", "");
	reload();
	put_text(&test, "a", "version: [\n");
	put_contract(&test, "b", "x", "");
	put_contract(&test, "c", "z", "");
	reload();
	assert_rules("a", "x");
	assert_true(live_of(&test, "a")->stale);
	assert_rules("c", "z");
	live = live_of(&test, "b");
	assert_int_equal(live->state, QOS_LIVE_REFUSED);
	assert_non_null(strstr(live->reason, "the name x is taken by /tmp/"));
	assert_non_null(strstr(live->reason, "a.yaml"));
	assert_ptr_equal(qos_supervisor_find(test.supervisor, "x"), live_of(&test, "a"));
	put_away(&test, "a");
	reload();
	assert_rules("b", "x");
}

static void test_changed_to_a_taken_name(void **state)
{
	put_contract(&test, "a", "x", "");
	put_contract(&test, "b", "y", "");
	reload();
	put_text(&test, "a", "version: [\n");
	put_contract(&test, "b", "x", "");
	reload();
	assert_rules("a", "x");
	assert_rules("b", "y");
	assert_true(live_of(&test, "b")->stale);
	assert_non_null(strstr(live_of(&test, "b")->reason, "the name x is taken by"));
	assert_true(live_of(&test, "b")->diag.n_errors > 0);
	assert_int_equal(sum.n_refused, 1);
}

static void test_failure_changes_nothing(void **state)
{
	struct rlimit none, before;
	struct qos_live *live;
	int r;

	put_contract(&test, "a", "x", "");
	reload();
	live = live_of(&test, "a");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = qos_supervisor_reload(test.supervisor, &sum);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(r < 0);
	assert_ptr_equal(live_of(&test, "a"), live);
	assert_rules("a", "x");
	assert_int_equal(test.supervisor->reload_diag.n_errors, 1);
	reload();
	assert_int_equal(test.supervisor->reload_diag.n_entries, 0);
	assert_int_equal(sum.n_unchanged, 1);
}

#define DEADLINE 6 /* SCHED_DEADLINE, which sched.h of glibc does not have yet */

#define PROBES(begin) ", job: {begin: 'uprobe:/bin/true:" begin "', end: 'uprobe:/bin/true:two'}"

/* One that is not mounted yet, or was renamed by mistake. */
static void test_directory_that_is_gone(void **state)
{
	char away[sizeof(test.dir) + 8];

	put_contract(&test, "a", "x", "");
	reload();
	snprintf(away, sizeof(away), "%s.away", test.dir);
	assert_int_equal(rename(test.dir, away), 0);
	assert_int_equal(qos_supervisor_reload(test.supervisor, &sum), -ENOENT);
	assert_rules("a", "x");
	assert_non_null(strstr(test.supervisor->reload_diag.entries[0].text, "gone"));
	assert_int_equal(mkdir(test.dir, 0755), 0); /* and one that is empty on purpose */
	reload();
	assert_null(live_of(&test, "a"));
	assert_int_equal(rmdir(test.dir), 0);
	assert_int_equal(rename(away, test.dir), 0);
}

static void test_probes_follow_the_contract(void **state)
{
	put_contract(&test, "a", "x", PROBES("one"));
	reload();
	assert_rules("a", "x");
	live_of(&test, "a")->streams[0].probes_attached = true;
	put_contract(&test, "a", "x", PROBES("one") ", latency: 1ms");
	reload();
	assert_true(live_of(&test, "a")->streams[0].probes_attached);
	put_contract(&test, "a", "x", PROBES("other"));
	reload();
	assert_false(live_of(&test, "a")->streams[0].probes_attached);
}

/* A stream's history keeps its name, whatever place the stream has later. */
static void test_history_keeps_names(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	json_t *json = NULL;

	put_contract(&test, "a", "x", "");
	reload();
	assert_int_equal(qos_supervisor_adjust(test.supervisor, "x", "cpu.runtime", 2000000, 0,
					       &diag, &json),
			 0);
	json_decref(json);
	put_contract(&test, "a", "x", ", latency: 1ms");
	reload();
	assert_true(live_of(&test, "a")->n_adaptations > 0);
	assert_string_equal(live_of(&test, "a")->adaptations[0].stream, "main");
}

/* What the machine's supply was is forgotten: only who waits makes it be looked at again. */
static void test_waiting_is_looked_after(void **state)
{
	struct qos_supervisor *supervisor = test.supervisor;

	put_contract(&test, "a", "x", "");
	reload();
	supervisor->host->n_foreign = 1;
	supervisor->host->foreign[0] = (struct qos_foreign){.policy = DEADLINE,
							    .runtime_ns = 5000000,
							    .period_ns = 10000000,
							    .cpus = supervisor->host->online};
	for (int i = 0; i < 20; i++)
		qos_supervisor_turn(supervisor, 1);
	assert_int_equal(supervisor->host->foreign[0].runtime_ns, 5000000);
	live_of(&test, "a")->state = QOS_LIVE_WAITING;
	qos_ledger_remove(supervisor->ledger, "x");
	for (int i = 0; i < 20; i++)
		qos_supervisor_turn(supervisor, 1);
	assert_int_not_equal(supervisor->host->foreign[0].runtime_ns, 5000000);
	assert_rules("a", "x");
}

/* What nobody asked for, and changed nothing, is no news; there are never more than so many. */
static void test_generations(void **state)
{
	struct qos_supervisor *supervisor = test.supervisor;
	const struct qos_asker asker = {.how = "reload", .uid = 7};
	json_t *first;

	put_contract(&test, "a", "x", "");
	reload();
	reload();
	assert_int_equal(supervisor->generation, 2);
	assert_int_equal(json_array_size(supervisor->generations), 1);
	supervisor->asker = &asker;
	for (int i = 0; i < QOS_GENERATIONS_MAX; i++)
		reload();
	supervisor->asker = NULL;
	assert_int_equal(json_array_size(supervisor->generations), QOS_GENERATIONS_MAX);
	first = json_array_get(supervisor->generations, 0);
	assert_int_equal(json_integer_value(json_object_get(first, "generation")), 3);
	assert_int_equal(json_integer_value(json_object_get(first, "uid")), 7);
	assert_int_equal(json_array_size(json_object_get(first, "files")), 0);
}

#define reload_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* A machine that shrank put it out; the file says the same, so its contract goes to the next entry. */
static void test_same_words_come_back(void **state)
{
	const struct qos_contract *contract;

	put_contract(&test, "a", "x", "");
	reload();
	contract = live_of(&test, "a")->contract;
	qos_ledger_begin(test.supervisor->ledger);
	assert_int_equal(qos_ledger_remove(test.supervisor->ledger, "x"), 0);
	qos_ledger_commit(test.supervisor->ledger);
	reload();
	assert_rules("a", "x");
	assert_ptr_equal(live_of(&test, "a")->contract, contract);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		reload_test(test_names_change_places),
		reload_test(test_taken_name),
		reload_test(test_changed_to_a_taken_name),
		reload_test(test_failure_changes_nothing),
		reload_test(test_directory_that_is_gone),
		reload_test(test_probes_follow_the_contract),
		reload_test(test_history_keeps_names),
		reload_test(test_waiting_is_looked_after),
		reload_test(test_generations),
		reload_test(test_same_words_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
