/* SPDX-License-Identifier: GPL-2.0-only */
/* Files become contracts or diagnostics; what cannot be listed is no empty directory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "../harness/supervised.h"
#include "load.h"

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

static struct qos_contract *always(const void *data, const char *file, uint64_t *ret_fingerprint)
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

static unsigned int asked;

static int counted(void *data, const struct qos_text *text, struct qos_diag *diag,
		   struct qos_doc **ret)
{
	asked++;
	return qos_front_here.doc(NULL, text, diag, ret);
}

struct remembered {
	struct qos_contract *contract;
	uint64_t fingerprint;
};

static struct qos_contract *remembered(const void *data, const char *file,
				       uint64_t *ret_fingerprint)
{
	const struct remembered *known = data;

	*ret_fingerprint = known->fingerprint;
	return known->contract;
}

static struct qos_loaded *load_counted(struct remembered *data)
{
	const struct qos_known known = {.of = remembered, .data = data};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_front front = qos_front_here;
	struct qos_loaded *loaded = NULL;

	front.doc = counted;
	asked = 0;
	assert_int_equal(qos_load(&front, test.paths, NULL, &known, test.supervisor->host, false,
				  &diag, &loaded),
			 0);
	return loaded;
}

/* The same bytes are not read again; any other are, and those that had something said about them. */
static void test_read_once(void **state)
{
	_cleanup_loaded_ struct qos_loaded *first = NULL, *same = NULL, *other = NULL,
					   *warned = NULL;
	struct remembered known = {};

	put_text(&test, "a", "version: 1\ncontract: x\n" REST);
	first = load_counted(&known);
	assert_int_equal(asked, 1);
	known = (struct remembered){first->files[0].contract, first->files[0].fingerprint};
	assert_true(known.fingerprint);
	same = load_counted(&known);
	assert_int_equal(asked, 0);
	assert_true(same->files[0].goes_on);
	assert_ptr_equal(same->files[0].contract, known.contract);
	assert_int_equal(same->files[0].fingerprint, known.fingerprint);
	put_text(&test, "a", "version: 1\ncontract: x\n" REST "# end\n");
	other = load_counted(&known);
	assert_int_equal(asked, 1);
	assert_true(other->files[0].goes_on);
	assert_int_not_equal(other->files[0].fingerprint, known.fingerprint);
	put_text(&test, "a",
		 "version: 1\ncontract: x\nmatch: {unit: x.service}\n"
		 "cpu:\n  - {name: a, period: 10ms, runtime: 1ms, window: 1/10}\n"
		 "  - {name: b, period: 10ms, runtime: 1ms, window: 1/10}\n");
	warned = load_counted(&known);
	assert_non_null(warned->files[0].contract);
	assert_true(warned->files[0].diag.n_warnings > 0);
	assert_int_equal(warned->files[0].fingerprint, 0);
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
		cmocka_unit_test_setup_teardown(test_read_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
