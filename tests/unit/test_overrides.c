/* SPDX-License-Identifier: GPL-2.0-only */
/* Overrides: kept, found, written and read back; and every way in which the file can be bad. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "state/overrides.h"

static char dir[64];
static char path[96];

static int setup(void **state)
{
	strcpy(dir, "/tmp/qos-overrides-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/overrides.json", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	rmdir(path);
	return rmdir(dir);
}

static void write_file(const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static struct qos_overrides *load(struct qos_diag *diag)
{
	struct qos_overrides *overrides = NULL;

	assert_int_equal(qos_overrides_load(path, diag, &overrides), 0);
	return overrides;
}

static void test_no_file(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_overrides_ struct qos_overrides *overrides = load(&diag);

	assert_int_equal(overrides->n_items, 0);
	assert_int_equal(diag.n_entries, 0);
}

static void test_set_find_drop(void **state)
{
	_cleanup_overrides_ struct qos_overrides *overrides = load(NULL);
	const struct qos_override *found;

	assert_int_equal(qos_overrides_set(overrides, "a", "x", "runtime", 5, 0), 0);
	assert_int_equal(qos_overrides_set(overrides, "a", "y", "runtime", 6, 9), 0);
	assert_int_equal(qos_overrides_set(overrides, "b", "x", "runtime", 7, 0), 0);
	assert_int_equal(qos_overrides_set(overrides, "a", "x", "runtime", 8, 1), 0);
	assert_int_equal(overrides->n_items, 3);
	found = qos_overrides_find(overrides, "a", "x", "runtime");
	assert_non_null(found);
	assert_int_equal(found->value, 8);
	assert_int_equal(found->until_ns, 1);
	assert_null(qos_overrides_find(overrides, "a", "x", "period"));
	assert_null(qos_overrides_find(overrides, "c", "x", "runtime"));
	assert_int_equal(qos_overrides_drop(overrides, "a", "x"), 1);
	assert_int_equal(qos_overrides_drop(overrides, "a", "x"), 0);
	assert_int_equal(qos_overrides_drop(overrides, "a", NULL), 1);
	assert_int_equal(overrides->n_items, 1);
	assert_non_null(qos_overrides_find(overrides, "b", "x", "runtime"));
}

/* The names may be those of the item that goes: nothing freed is looked at (needs a sanitizer). */
static void test_drop_by_own_names(void **state)
{
	_cleanup_overrides_ struct qos_overrides *overrides = load(NULL);

	for (int i = 0; i < 3; i++) {
		const char *const names[] = {"gone", "b", "c"};

		assert_int_equal(qos_overrides_set(overrides, names[i], "x", "runtime", 1, 1), 0);
	}
	assert_int_equal(qos_overrides_set(overrides, "gone", "x", "period", 1, 1), 0);
	assert_int_equal(qos_overrides_drop(overrides, overrides->items[0].contract,
					    overrides->items[0].stream),
			 2);
	assert_int_equal(overrides->n_items, 2);
	assert_string_equal(overrides->items[0].contract, "b");
	assert_string_equal(overrides->items[1].contract, "c");
}

static void test_bounds(void **state)
{
	_cleanup_overrides_ struct qos_overrides *overrides = load(NULL);
	char name[32];

	for (int i = 0; i < QOS_OVERRIDES_MAX; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		assert_int_equal(qos_overrides_set(overrides, name, "x", "runtime", 1, 0), 0);
	}
	assert_int_equal(qos_overrides_set(overrides, "more", "x", "runtime", 1, 0), -E2BIG);
	assert_int_equal(qos_overrides_set(overrides, "c7", "x", "runtime", 2, 0), 0);
	assert_int_equal(qos_overrides_set(overrides, "c7", "x", "runtime", UINT64_MAX, 0),
			 -ERANGE);
	assert_int_equal(qos_overrides_find(overrides, "c7", "x", "runtime")->value, 2);
}

static void test_round_trip(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_overrides_ struct qos_overrides *overrides = load(NULL);
	_cleanup_overrides_ struct qos_overrides *again = NULL;
	struct stat st;

	assert_int_equal(qos_overrides_set(overrides, "camera", "capture", "runtime", 6000000, 0),
			 0);
	assert_int_equal(
		qos_overrides_set(overrides, "\"odd\"", "", "runtime", INT64_MAX, INT64_MAX), 0);
	assert_int_equal(qos_overrides_save(path, overrides), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	again = load(&diag);
	assert_int_equal(diag.n_entries, 0);
	assert_int_equal(again->n_items, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(again->items[i].contract, overrides->items[i].contract);
		assert_string_equal(again->items[i].stream, overrides->items[i].stream);
		assert_string_equal(again->items[i].attribute, overrides->items[i].attribute);
		assert_int_equal(again->items[i].value, overrides->items[i].value);
		assert_int_equal(again->items[i].until_ns, overrides->items[i].until_ns);
	}
}

static void test_save_fails(void **state)
{
	_cleanup_overrides_ struct qos_overrides *overrides = load(NULL);

	assert_int_equal(qos_overrides_save("/no/such/directory/file", overrides), -ENOENT);
}

#define GOOD                                                                                       \
	"{\"contract\":\"a\",\"stream\":\"x\",\"attribute\":\"runtime\",\"value\":1,\"until\":0}"
#define FILE_OF(items) "{\"version\":1,\"overrides\":[" items "]}"

/* Each costs a warning, and only what is concerned. */
static void test_bad_files(void **state)
{
	static const struct {
		const char *text;
		size_t n_items;
		const char *words;
	} cases[] = {
		{"", 0, "overrides are lost"},
		{"{\"version\":1,", 0, "overrides are lost"},
		{"[]", 0, "not a file of version 1"},
		{"{\"version\":2,\"overrides\":[]}", 0, "not a file of version 1"},
		{"{\"version\":1,\"overrides\":{}}", 0, "not a file of version 1"},
		{"{\"version\":1,\"overrides\":[],\"more\":1}", 0, "not a file of version 1"},
		{"{\"version\":1,\"version\":1,\"overrides\":[]}", 0, "overrides are lost"},
		{FILE_OF("7," GOOD), 1, "override 1 is malformed"},
		{FILE_OF(GOOD ",{\"contract\":\"a\"}"), 1, "override 2 is malformed"},
		{FILE_OF("{\"contract\":\"a\",\"stream\":\"x\",\"attribute\":\"runtime\","
			 "\"value\":-1,\"until\":0}"),
		 0, "override 1 is malformed"},
		{FILE_OF("{\"contract\":\"a\",\"stream\":\"x\",\"attribute\":\"runtime\","
			 "\"value\":1.5,\"until\":0}"),
		 0, "override 1 is malformed"},
		{FILE_OF("{\"contract\":\"a\",\"stream\":\"x\",\"attribute\":\"runtime\","
			 "\"value\":1,\"until\":0,\"by\":\"me\"}"),
		 0, "override 1 is malformed"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qos_diag diag = QOS_DIAG_INIT;
		struct qos_overrides *overrides;

		write_file(cases[i].text);
		overrides = load(&diag);
		assert_int_equal(overrides->n_items, cases[i].n_items);
		assert_int_equal(diag.n_warnings, 1);
		assert_non_null(strstr(diag.entries[0].text, cases[i].words));
		assert_string_equal(diag.entries[0].file, path);
		qos_overrides_free(overrides);
		qos_diag_reset(&diag);
	}
}

static void test_too_many_in_the_file(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_overrides_ struct qos_overrides *overrides = NULL;
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs("{\"version\":1,\"overrides\":[", file);
	for (int i = 0; i <= QOS_OVERRIDES_MAX; i++)
		fprintf(file,
			"%s{\"contract\":\"c%d\",\"stream\":\"x\",\"attribute\":\"runtime\","
			"\"value\":1,\"until\":0}",
			i ? "," : "", i);
	fputs("]}", file);
	fclose(file);
	overrides = load(&diag);
	assert_int_equal(overrides->n_items, QOS_OVERRIDES_MAX);
	assert_int_equal(diag.n_warnings, 1);
	assert_non_null(strstr(diag.entries[0].text, "the rest is ignored"));
	qos_diag_reset(&diag);
}

static void test_no_regular_file(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_overrides_ struct qos_overrides *overrides = NULL;

	assert_int_equal(mkdir(path, 0700), 0);
	overrides = load(&diag);
	assert_int_equal(overrides->n_items, 0);
	assert_int_equal(diag.n_warnings, 1);
	qos_diag_reset(&diag);
}

#define file_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		file_test(test_no_file),	   file_test(test_set_find_drop),
		file_test(test_drop_by_own_names), file_test(test_bounds),
		file_test(test_round_trip),	   file_test(test_save_fails),
		file_test(test_bad_files),	   file_test(test_too_many_in_the_file),
		file_test(test_no_regular_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
