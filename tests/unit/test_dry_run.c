/* SPDX-License-Identifier: GPL-2.0-only */
/* What a reload would change: it touches nothing, and the reload does what was said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../harness/supervised.h"
#include "dry_run.h"

static void reload(void)
{
	struct qos_reload_summary sum;

	assert_int_equal(qos_supervisor_reload(test.supervisor, &sum), 0);
}

static json_t *plan_with(const struct qos_store_extras *extras)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	json_t *plan = NULL;

	assert_int_equal(qos_supervisor_plan(test.supervisor, extras, &diag, &plan), 0);
	assert_int_equal(diag.n_entries, 0);
	return plan;
}

static json_t *list_now(void)
{
	json_t *list = NULL;

	assert_int_equal(qos_supervisor_report(test.supervisor, "list", "", &list), 0);
	return list;
}

static const char *text_at(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* The entry of a plan whose contract, before or after, has this name. */
static json_t *entry_of(const json_t *plan, const char *name)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(plan, "contracts"), i, entry) {
		static const char *const sides[] = {"before", "after"};

		for (size_t k = 0; k < 2; k++) {
			const char *is = text_at(json_object_get(entry, sides[k]), "contract");

			if (is && !strcmp(is, name))
				return entry;
		}
	}
	fail_msg("the plan does not name %s: %s", name, json_dumps(plan, 0));
	return NULL;
}

static void test_nothing_to_do(void **state)
{
	json_auto_t *plan = NULL;

	put_contract(&test, "a", "x", "");
	reload();
	plan = plan_with(NULL);
	assert_int_equal(json_array_size(json_object_get(plan, "contracts")), 0);
	assert_int_equal(json_integer_value(json_object_get(plan, "unchanged")), 1);
}

static void test_comes_goes_changes(void **state)
{
	json_auto_t *plan = NULL, *before = NULL, *after = NULL, *done = NULL;
	struct qos_live *kept;
	uint32_t next_stream;

	put_contract(&test, "a", "goes", "");
	put_contract(&test, "b", "changes", "");
	reload();
	kept = live_of(&test, "b");
	next_stream = test.supervisor->next_stream;
	before = list_now();
	put_away(&test, "a");
	put_contract(&test, "b", "changes", ", latency: 1ms");
	put_contract(&test, "c", "comes", "");
	plan = plan_with(NULL);
	after = list_now();
	assert_true(json_equal(before, after));
	assert_ptr_equal(live_of(&test, "b"), kept);
	assert_int_equal(test.supervisor->next_stream, next_stream);
	assert_null(qos_ledger_grant(test.supervisor->ledger, "comes"));
	assert_non_null(qos_ledger_grant(test.supervisor->ledger, "goes"));
	assert_string_equal(text_at(entry_of(plan, "goes"), "change"), "remove");
	assert_string_equal(text_at(entry_of(plan, "comes"), "change"), "add");
	assert_string_equal(text_at(entry_of(plan, "changes"), "change"), "change");
	assert_true(json_is_true(json_object_get(entry_of(plan, "changes"), "rewritten")));
	reload();
	done = plan_with(NULL);
	assert_int_equal(json_array_size(json_object_get(done, "contracts")), 0);
	assert_non_null(qos_ledger_grant(test.supervisor->ledger, "comes"));
	assert_null(qos_ledger_grant(test.supervisor->ledger, "goes"));
}

static const char big[] = "version: 1\ncontract: x\nmatch: {unit: not-there.service}\n"
			  "cpu: {period: 10ms, runtime: 1ms, window: 1/10}\n";

/* This harness has no manager, so nothing that is to be scheduled is admitted. */
static void test_refused_beside_the_old(void **state)
{
	const struct qos_store_extra extra = {
		.name = "a.yaml", .path = "new.yaml", .bytes = big, .len = sizeof(big) - 1};
	const struct qos_store_extras extras = {.items = &extra, .n = 1};
	json_auto_t *plan = NULL;
	json_t *entry, *diagnostic;

	put_contract(&test, "a", "x", "");
	reload();
	plan = plan_with(&extras);
	entry = entry_of(plan, "x");
	assert_string_equal(text_at(entry, "change"), "none");
	assert_non_null(strstr(text_at(entry, "reason"), "older version in force"));
	assert_string_equal(json_string_value(json_array_get(json_object_get(plan, "refused"), 0)),
			    "x");
	diagnostic = json_array_get(json_object_get(plan, "diagnostics"), 0);
	assert_string_equal(text_at(diagnostic, "file"), "new.yaml");
	assert_false(live_of(&test, "a")->stale);
}

/* A text that is not installed, with an overlay that is. */
static void test_extra_under_overlays(void **state)
{
	static const char text[] = "version: 1\ncontract: x\nmatch: {unit: not-there.service}\n"
				   "cpu: {period: 10ms, runtime: 1ms, window: 1/10, "
				   "manage: observe}\n";
	const struct qos_store_extra extra = {
		.name = "a.yaml", .path = "new.yaml", .bytes = text, .len = sizeof(text) - 1};
	const struct qos_store_extras extras = {.items = &extra, .n = 1};
	json_auto_t *plan = NULL;
	char dir[96];

	snprintf(dir, sizeof(dir), "%s/a.yaml.d", test.dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	put_text(&test, "a.yaml.d/one", "importance: 77\n");
	plan = plan_with(&extras);
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(entry_of(plan, "x"), "after"), "importance")),
			 77);
	assert_int_equal(test.supervisor->n_lives, 0);
}

static void test_bad_file(void **state)
{
	json_auto_t *plan = NULL;

	put_contract(&test, "a", "x", "");
	reload();
	put_text(&test, "a", "version: [\n");
	plan = plan_with(NULL);
	assert_int_equal(json_array_size(json_object_get(plan, "invalid")), 1);
	assert_int_equal(json_array_size(json_object_get(plan, "refused")), 0);
	assert_true(live_of(&test, "a")->file_valid);
	assert_int_equal(live_of(&test, "a")->diag.n_entries, 0);
}

#define dry_run_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		dry_run_test(test_nothing_to_do),
		dry_run_test(test_comes_goes_changes),
		dry_run_test(test_refused_beside_the_old),
		dry_run_test(test_extra_under_overlays),
		dry_run_test(test_bad_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
