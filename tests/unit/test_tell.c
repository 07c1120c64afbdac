/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens to contracts ends in the history, with its evidence, and is handed on once. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../harness/supervise.h"
#include "tell.h"

static struct supervised test;
static struct qos_reload_summary sum;
static unsigned int told;

static void on_notify(void *data, const struct qos_history_event *event)
{
	assert_ptr_equal(data, &told);
	assert_non_null(event->text);
	told++;
}

static int setup(void **state)
{
	if (supervise(&test) < 0)
		return -1;
	told = 0;
	test.supervisor->notify = on_notify;
	test.supervisor->notify_data = &told;
	return 0;
}

static int teardown(void **state)
{
	return supervise_end(&test);
}

static const struct qos_history_event *latest(void)
{
	const struct qos_history *history = &test.supervisor->history;

	assert_true(history->n > 0);
	return history->events[history->n - 1];
}

/* A kind without a row would be an emergency, told to everybody at a terminal. */
static void test_levels(void **state)
{
	_cleanup_fclose_ FILE *file = tmpfile();
	int stderr_fd = dup(STDERR_FILENO);
	char line[256];
	size_t n = 0;

	assert_non_null(file);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	for (int kind = 0; kind < QOS_HISTORY_KINDS; kind++)
		qos_tell(test.supervisor, (enum qos_history_kind)kind, "x", NULL, NULL, "words");
	fflush(stderr);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	rewind(file);
	while (fgets(line, sizeof(line), file)) {
		assert_string_equal(line + 3, "x: words\n");
		assert_in_range(line[1], '4', '6');
		n++;
	}
	assert_int_equal(n, QOS_HISTORY_KINDS);
}

static void test_a_contracts_life(void **state)
{
	json_t *json = NULL;

	put_contract(&test, "a", "x", "");
	assert_int_equal(qos_supervisor_reload(test.supervisor, &sum), 0);
	assert_int_equal(latest()->kind, QOS_HISTORY_IN_FORCE);
	assert_string_equal(latest()->contract, "x");
	put_text(&test, "b", "version: [\n");
	assert_int_equal(qos_supervisor_reload(test.supervisor, &sum), 0);
	assert_int_equal(latest()->kind, QOS_HISTORY_INVALID);
	assert_string_equal(latest()->contract, "b.yaml");
	put_away(&test, "a");
	assert_int_equal(qos_supervisor_reload(test.supervisor, &sum), 0);
	assert_int_equal(test.supervisor->history.events[2]->kind, QOS_HISTORY_REMOVED);
	assert_int_equal(told, test.supervisor->history.n);
	/* it is gone, and its events are not */
	assert_int_equal(qos_supervisor_events_json(test.supervisor, "x", 0, &json), 0);
	assert_int_equal(json_array_size(json_object_get(json, "events")), 2);
	json_decref(json);
	assert_int_equal(qos_supervisor_events_json(test.supervisor, "y", 0, &json),
			 QOS_SUPERVISOR_E_NO_CONTRACT);
	assert_int_equal(qos_supervisor_events_json(test.supervisor, "", UINT64_MAX, &json), 0);
	assert_int_equal(json_array_size(json_object_get(json, "events")), told);
	json_decref(json);
}

static void test_evidence_is_copied(void **state)
{
	struct qos_history_instead instead[QOS_HISTORY_INSTEAD_MAX + 4] = {{"loop", "main", 5}};
	char outcomes[QOS_HISTORY_OUTCOMES_MAX + 100];
	struct qos_evidence evidence = {.tid = 7,
					.on_cpu = true,
					.cpu = 0,
					.muted = 3,
					.outcomes = outcomes,
					.instead = instead,
					.n_instead = QOS_ARRAY_SIZE(instead)};

	memset(outcomes, 's', sizeof(outcomes) - 1);
	outcomes[sizeof(outcomes) - 1] = '\0';
	qos_tell(test.supervisor, QOS_HISTORY_VIOLATION, "x", "main", &evidence, "%d of %d", 2, 10);
	memset(instead, 0, sizeof(instead));
	outcomes[0] = 'L';
	assert_string_equal(latest()->text, "2 of 10");
	assert_int_equal(latest()->tid, 7);
	assert_true(latest()->on_cpu);
	assert_int_equal(latest()->muted, 3);
	assert_int_equal(strlen(latest()->outcomes), QOS_HISTORY_OUTCOMES_MAX);
	assert_int_equal(latest()->outcomes[0], 's');
	assert_int_equal(latest()->n_instead, QOS_HISTORY_INSTEAD_MAX);
	assert_string_equal(latest()->instead[0].contract, "loop");
	assert_true(latest()->boot_ns > 0 && latest()->at_us > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_contracts_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_evidence_is_copied, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
