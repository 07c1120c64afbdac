/* SPDX-License-Identifier: GPL-2.0-only */
/* What is kept of what happened, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "history.h"

static struct qos_history history;

static int teardown(void **state)
{
	qos_history_reset(&history);
	return 0;
}

static struct qos_history_event *event_of(const char *contract, uint64_t boot_ns)
{
	struct qos_history_event *event = calloc(1, sizeof(*event));

	assert_non_null(event);
	snprintf(event->contract, sizeof(event->contract), "%s", contract);
	event->boot_ns = boot_ns;
	event->text = strdup("something");
	return event;
}

static void add(const char *contract, uint64_t boot_ns)
{
	qos_history_add(&history, event_of(contract, boot_ns));
}

static size_t count(const char *contract)
{
	size_t n = 0;

	for (size_t i = 0; i < history.n; i++)
		n += !strcmp(history.events[i]->contract, contract);
	return n;
}

/* Who makes many events pays with his own; nothing else is lost. */
static void test_a_storm_is_paid_by_its_maker(void **state)
{
	for (int i = 0; i < 100; i++)
		add("quiet", 1);
	for (int i = 0; i < 5000; i++)
		add("storm", 2);
	assert_int_equal(history.n, QOS_HISTORY_MAX);
	assert_int_equal(history.seq, 5100);
	assert_int_equal(count("quiet"), 100);
	assert_int_equal(history.events[0]->seq, 1);
	assert_int_equal(history.events[100]->seq, 5100 - (QOS_HISTORY_MAX - 100) + 1);
	assert_int_equal(history.events[history.n - 1]->seq, 5100);
}

/* Where nobody has a quarter, the oldest goes, whosever it is. */
static void test_the_oldest_goes(void **state)
{
	char name[16];

	for (int i = 0; i < QOS_HISTORY_MAX + 10; i++) {
		snprintf(name, sizeof(name), "c%d", i % 8);
		add(name, 1);
	}
	assert_int_equal(history.n, QOS_HISTORY_MAX);
	for (size_t i = 0; i < history.n; i++)
		assert_int_equal(history.events[i]->seq, i + 11);
}

static void test_what_is_asked_for(void **state)
{
	json_t *json;

	add("a", 10);
	add("b", 20);
	add("a", 30);
	assert_true(qos_history_knows(&history, "b"));
	assert_false(qos_history_knows(&history, "c"));
	json = qos_history_json(&history, "", 0);
	assert_int_equal(json_array_size(json_object_get(json, "events")), 3);
	assert_int_equal(json_integer_value(json_object_get(json, "seq")), 3);
	json_decref(json);
	json = qos_history_json(&history, "a", 0);
	assert_int_equal(json_array_size(json_object_get(json, "events")), 2);
	json_decref(json);
	json = qos_history_json(&history, "", 20);
	assert_int_equal(json_array_size(json_object_get(json, "events")), 2);
	json_decref(json);
}

/* Mistakes and roll-backs have the file's name. */
static void test_of_its_file(void **state)
{
	json_t *json;

	add("a", 1);
	add("a.yaml", 2);
	add("ab", 3);
	add("a.yaml.d", 4);
	assert_true(qos_history_is_about("a.yaml", "a"));
	assert_false(qos_history_is_about("", "a"));
	json = qos_history_json(&history, "a", 0);
	assert_int_equal(json_array_size(json_object_get(json, "events")), 2);
	json_decref(json);
}

static void test_evidence_as_json(void **state)
{
	_cleanup_history_event_ struct qos_history_event *event = event_of("a", 1);
	const json_t *list;
	json_t *json;

	event->kind = QOS_HISTORY_VIOLATION;
	event->outcomes = strdup("ssL");
	event->instead = calloc(2, sizeof(*event->instead));
	assert_non_null(event->instead);
	event->n_instead = 2;
	strcpy(event->instead[0].contract, "b");
	strcpy(event->instead[0].stream, "main");
	event->instead[0].ran_ns = 7;
	json = qos_history_event_json(event);
	assert_string_equal(json_string_value(json_object_get(json, "kind")), "violation");
	assert_string_equal(json_string_value(json_object_get(json, "outcomes")), "ssL");
	assert_true(json_is_null(json_object_get(json, "tid")));
	assert_true(json_is_null(json_object_get(json, "cpu")));
	list = json_object_get(json, "instead");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "ran_ns")), 7);
	assert_true(json_is_null(json_object_get(json_array_get(list, 1), "contract")));
	json_decref(json);
	strcpy(event->text, "no \xff text");
	json = qos_history_event_json(event);
	assert_non_null(json);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_a_storm_is_paid_by_its_maker, teardown),
		cmocka_unit_test_teardown(test_the_oldest_goes, teardown),
		cmocka_unit_test_teardown(test_what_is_asked_for, teardown),
		cmocka_unit_test_teardown(test_of_its_file, teardown),
		cmocka_unit_test_teardown(test_evidence_as_json, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
