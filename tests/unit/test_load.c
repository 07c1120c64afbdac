/* SPDX-License-Identifier: GPL-2.0-only */
/* Files become contracts or diagnostics; what cannot be listed is no empty directory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "../harness/supervise.h"
#include "load.h"

static struct supervised test;

static int setup(void **state)
{
	memset(&test, 0, sizeof(test));
	return supervise(&test);
}

static int teardown(void **state)
{
	return supervise_end(&test);
}

static struct qos_loaded *load(const struct qos_known *known)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_loaded *loaded = NULL;

	assert_int_equal(qos_load(&qos_front_here, test.paths, NULL, known, test.supervisor->host,
				  false, &diag, &loaded),
			 0);
	assert_int_equal(diag.n_entries, 0);
	return loaded;
}

static void test_good_and_bad(void **state)
{
	_cleanup_loaded_ struct qos_loaded *loaded = NULL;

	put_contract(&test, "a", "x", "");
	put_text(&test, "b", "version: [\n");
	loaded = load(NULL);
	assert_int_equal(loaded->n_files, 2);
	assert_string_equal(loaded->files[0].contract->name, "x");
	assert_null(loaded->files[1].contract);
	assert_true(loaded->files[1].diag.n_errors > 0);
}

static void test_twins(void **state)
{
	_cleanup_loaded_ struct qos_loaded *loaded = NULL;

	put_contract(&test, "a", "x", "");
	put_contract(&test, "b", "x", "");
	loaded = load(NULL);
	assert_non_null(loaded->files[0].contract);
	assert_null(loaded->files[1].contract);
	assert_int_equal(loaded->files[1].diag.n_errors, 1);
}

static struct qos_contract *always(const void *data, const char *file)
{
	return (struct qos_contract *)data;
}

/* Only the same words in the same places are the known contract; that stays its owner's. */
static void test_known(void **state)
{
#define REST                                                                                       \
	"match: {unit: not-there.service}\ncpu: {period: 10ms, runtime: 1ms, window: 1/10, "       \
	"manage: observe}\n"
	static const struct {
		const char *text;
		bool goes_on;
	} cases[] = {{"version: 1\ncontract: x\n" REST, true},
		     {"version: 1\ncontract: y\n" REST, false},
		     {"# moved down\nversion: 1\ncontract: x\n" REST, false}};
	_cleanup_loaded_ struct qos_loaded *first = NULL;
	struct qos_known known = {.of = always};

	put_text(&test, "a", cases[0].text);
	first = load(NULL);
	known.data = first->files[0].contract;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		_cleanup_loaded_ struct qos_loaded *loaded = NULL;

		put_text(&test, "a", cases[i].text);
		loaded = load(&known);
		assert_non_null(loaded->files[0].contract);
		assert_int_equal(loaded->files[0].goes_on, cases[i].goes_on);
		assert_int_equal(loaded->files[0].contract == known.data, cases[i].goes_on);
	}
	assert_string_equal(first->files[0].contract->name, "x");
}

/* The one that loses its name is not freed with the list. */
static void test_known_twins(void **state)
{
	_cleanup_loaded_ struct qos_loaded *first = NULL, *loaded = NULL;
	struct qos_known known = {.of = always};

	put_contract(&test, "b", "x", "");
	first = load(NULL);
	known.data = first->files[0].contract;
	put_contract(&test, "a", "x", " ");
	loaded = load(&known);
	assert_int_equal(loaded->n_files, 2);
	assert_null(loaded->files[1].contract);
	assert_false(loaded->files[1].goes_on);
	assert_string_equal(first->files[0].contract->name, "x");
}

static void test_no_descriptors(void **state)
{
	struct rlimit none, before;
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_loaded *loaded = NULL;
	int r;

	put_contract(&test, "a", "x", "");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = qos_load(&qos_front_here, test.paths, NULL, NULL, test.supervisor->host, false, &diag,
		     &loaded);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, -EMFILE);
	assert_null(loaded);
	assert_int_equal(diag.n_errors, 1);
	assert_non_null(strstr(diag.entries[0].text, "cannot be read"));
	qos_diag_reset(&diag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good_and_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_twins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_known_twins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
