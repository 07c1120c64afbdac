/* SPDX-License-Identifier: GPL-2.0-only */
/* Search path, masks, overlays, and everything that lies about in such a directory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "contract/doc.h"
#include "state/store.h"

static char root[64];
static char dirs[3][80]; /* vendor, run, etc */
static const char *const search_path[] = {dirs[0], dirs[1], dirs[2], NULL};

static int setup(void **state)
{
	umask(022);
	strcpy(root, "/tmp/qos-store-XXXXXX");
	assert_non_null(mkdtemp(root));
	for (int i = 0; i < 3; i++) {
		snprintf(dirs[i], sizeof(dirs[i]), "%s/%d", root, i);
		assert_int_equal(mkdir(dirs[i], 0755), 0);
	}
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static const char *at(int dir, const char *name)
{
	static char path[2][256];
	static int which;

	which = !which;
	snprintf(path[which], sizeof(path[which]), "%s/%s", dirs[dir], name);
	return path[which];
}

static void put(int dir, const char *name, const char *text)
{
	FILE *file = fopen(at(dir, name), "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void make_dir(int dir, const char *name)
{
	assert_int_equal(mkdir(at(dir, name), 0755), 0);
}

static void link_to(int dir, const char *name, const char *target)
{
	assert_int_equal(symlink(target, at(dir, name)), 0);
}

static struct qos_store *read_paths(const char *const *paths, struct qos_diag *diag)
{
	struct qos_store *store = NULL;

	assert_int_equal(qos_store_read(paths, diag, &store), 0);
	return store;
}

static void assert_text(const struct qos_store_text *text, const char *path, const char *bytes)
{
	assert_string_equal(text->path, path);
	assert_int_equal(text->len, strlen(bytes));
	assert_string_equal(text->bytes, bytes);
}

/* --- layers --- */

static void test_nothing(void **state)
{
	const char *const nowhere[] = {"/no/such/directory", NULL}, *const none[] = {NULL};
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *a = read_paths(nowhere, &diag);
	_cleanup_store_ struct qos_store *b = read_paths(none, &diag);
	_cleanup_store_ struct qos_store *c = read_paths(search_path, &diag);

	assert_int_equal(a->n_entries + b->n_entries + c->n_entries, 0);
	assert_int_equal(diag.n_entries, 0);
}

static void test_later_directory_replaces(void **state)
{
	_cleanup_store_ struct qos_store *store = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;

	put(0, "b.yaml", "b0");
	put(0, "a.yaml", "a0");
	put(2, "a.yaml", "a2");
	put(1, "a.yaml", "a1");
	put(1, "c.yaml", "");
	store = read_paths(search_path, &diag);
	assert_int_equal(diag.n_entries, 0);
	assert_int_equal(store->n_entries, 3);
	assert_string_equal(store->entries[0].name, "a.yaml");
	assert_text(&store->entries[0].texts[0], at(2, "a.yaml"), "a2");
	assert_text(&store->entries[1].texts[0], at(0, "b.yaml"), "b0");
	assert_text(&store->entries[2].texts[0], at(1, "c.yaml"), "");
	assert_int_equal(store->entries[0].n_texts, 1);
	assert_false(store->entries[0].unreadable);
}

static void test_mask(void **state)
{
	_cleanup_store_ struct qos_store *store = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;

	put(0, "a.yaml", "a0");
	link_to(2, "a.yaml", "/dev/null");
	make_dir(0, "a.yaml.d");
	put(0, "a.yaml.d/10.yaml", "x");
	put(0, "b.yaml", "b0");
	link_to(0, "c.yaml", "/dev/null");
	put(1, "c.yaml", "c1"); /* the mask lies below */
	store = read_paths(search_path, &diag);
	assert_int_equal(diag.n_entries, 0);
	assert_int_equal(store->n_entries, 2);
	assert_string_equal(store->entries[0].name, "b.yaml");
	assert_string_equal(store->entries[1].name, "c.yaml");
}

static void test_skipped_names(void **state)
{
	static const char *const names[] = {"a.yaml~",	      ".a.yaml",    "a.yaml.dpkg-new",
					    "a.yaml.rpmsave", "README",	    "a.yaml.swp",
					    ".yaml",	      "a.yaml.bak", "yaml"};
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		put(0, names[i], "x");
	store = read_paths(search_path, &diag);
	assert_int_equal(store->n_entries, 0);
	assert_int_equal(diag.n_entries, 0);
}

/* What could not be told of is not taken. */
static void test_name_that_is_no_text(void **state)
{
	_cleanup_store_ struct qos_store *store = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;

	put(0, "\xe9t\xe9.yaml", "x");
	put(0, "\xc3\xa9t\xc3\xa9.yaml", "x");
	store = read_paths(search_path, &diag);
	assert_int_equal(store->n_entries, 1);
	assert_int_equal(diag.n_entries, 1);
	assert_non_null(strstr(diag.entries[0].text, "?t?.yaml is not read"));
	qos_diag_reset(&diag);
}

static void test_yml_is_not_silently_skipped(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;

	put(1, "camera.yml", "x");
	store = read_paths(search_path, &diag);
	assert_int_equal(store->n_entries, 0);
	assert_int_equal(diag.n_warnings, 1);
	assert_string_equal(diag.entries[0].file, at(1, "camera.yml"));
	assert_non_null(strstr(diag.entries[0].hint, "camera.yaml"));
	qos_diag_reset(&diag);
}

static void test_overlays(void **state)
{
	_cleanup_store_ struct qos_store *store = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	const struct qos_store_entry *entry;

	put(1, "a.yaml", "a1");
	for (int i = 0; i < 3; i++)
		make_dir(i, "a.yaml.d");
	put(2, "a.yaml.d/10.yaml", "10 of 2");
	put(0, "a.yaml.d/20.yaml", "20 of 0");
	put(1, "a.yaml.d/20.yaml", "20 of 1");
	put(0, "a.yaml.d/05.yaml", "05 of 0");
	put(0, "a.yaml.d/30.yaml", "30 of 0");
	link_to(2, "a.yaml.d/30.yaml", "/dev/null");
	put(0, "a.yaml.d/40.yaml~", "no");
	store = read_paths(search_path, &diag);
	assert_int_equal(diag.n_entries, 0);
	assert_int_equal(store->n_entries, 1);
	entry = &store->entries[0];
	assert_int_equal(entry->n_texts, 4);
	assert_text(&entry->texts[0], at(1, "a.yaml"), "a1");
	assert_text(&entry->texts[1], at(0, "a.yaml.d/05.yaml"), "05 of 0");
	assert_text(&entry->texts[2], at(2, "a.yaml.d/10.yaml"), "10 of 2");
	assert_text(&entry->texts[3], at(1, "a.yaml.d/20.yaml"), "20 of 1");
}

static void test_orphaned_overlays(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;

	make_dir(2, "a.yaml.d");
	put(2, "a.yaml.d/10.yaml", "x");
	store = read_paths(search_path, &diag);
	assert_int_equal(store->n_entries, 0);
	assert_int_equal(diag.n_warnings, 1);
	assert_non_null(strstr(diag.entries[0].text, "does not exist"));
	qos_diag_reset(&diag);
}

static void test_too_many_overlays(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;
	char name[32];

	put(0, "a.yaml", "x");
	make_dir(0, "a.yaml.d");
	for (int i = 0; i <= QOS_STORE_OVERLAYS_MAX; i++) {
		snprintf(name, sizeof(name), "a.yaml.d/%d.yaml", i);
		put(0, name, "x");
	}
	store = read_paths(search_path, &diag);
	assert_int_equal(store->n_entries, 1);
	assert_true(store->entries[0].unreadable);
	assert_int_equal(diag.n_errors, 1);
	assert_non_null(strstr(diag.entries[0].text, "64 overlays"));
	qos_diag_reset(&diag);
}

/* --- named files --- */

static void test_named_files(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;
	char first[256], second[256];

	put(0, "a.yaml", "a0");
	put(1, "a.yaml", "a1");
	put(2, "b.txt", "b2");
	strcpy(first, at(0, "a.yaml"));
	strcpy(second, at(1, "a.yaml"));
	store = read_paths((const char *const[]){first, second, at(2, "b.txt"), NULL}, &diag);
	assert_int_equal(store->n_entries, 3); /* one does not replace the other */
	assert_string_equal(store->entries[0].name, "a.yaml");
	assert_string_equal(store->entries[1].name, "a.yaml");
	assert_string_equal(store->entries[2].name, "b.txt");
	assert_int_equal(diag.n_entries, 0);
}

static void test_trailing_slash(void **state)
{
	_cleanup_store_ struct qos_store *store = NULL;
	char path[96];

	put(0, "a.yaml", "a0");
	snprintf(path, sizeof(path), "%s//", dirs[0]);
	store = read_paths((const char *const[]){path, NULL}, NULL);
	assert_string_equal(store->entries[0].texts[0].path, at(0, "a.yaml"));
}

/* --- what cannot be read --- */

static void assert_unreadable(const char *name, const char *words)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;

	store = read_paths(search_path, &diag);
	assert_int_equal(store->n_entries, 1);
	assert_string_equal(store->entries[0].name, name);
	assert_true(store->entries[0].unreadable);
	assert_int_equal(diag.n_errors, 1);
	assert_int_equal(diag.n_entries, 1);
	assert_non_null(strstr(diag.entries[0].text, words));
	assert_non_null(diag.entries[0].hint);
	assert_non_null(strstr(diag.entries[0].file, name));
	assert_int_equal(diag.entries[0].line, 0);
	qos_diag_reset(&diag);
}

static void test_fifo(void **state)
{
	assert_int_equal(mkfifo(at(0, "a.yaml"), 0600), 0);
	assert_unreadable("a.yaml", "no regular file");
}

static void test_device(void **state)
{
	link_to(0, "a.yaml", "/dev/zero");
	assert_unreadable("a.yaml", "no regular file");
}

static void test_directory(void **state)
{
	make_dir(0, "a.yaml");
	assert_unreadable("a.yaml", "is a directory");
}

static void test_dangling_link(void **state)
{
	link_to(0, "a.yaml", "/no/such/file");
	assert_unreadable("a.yaml", "does not exist");
}

static void test_circle(void **state)
{
	link_to(0, "a.yaml", "a.yaml");
	assert_unreadable("a.yaml", "in a circle");
}

/* Not one byte of it is read: it is a hole of 10 GB. */
static void test_huge(void **state)
{
	put(0, "a.yaml", "x");
	assert_int_equal(truncate(at(0, "a.yaml"), 10000000000), 0);
	assert_unreadable("a.yaml", "larger than 1 MiB");
}

static void test_largest(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;

	put(0, "a.yaml", "x");
	assert_int_equal(truncate(at(0, "a.yaml"), QOS_DOC_BYTES_MAX), 0);
	store = read_paths(search_path, &diag);
	assert_false(store->entries[0].unreadable);
	assert_int_equal(store->entries[0].texts[0].len, QOS_DOC_BYTES_MAX);
	assert_int_equal(diag.n_entries, 0);
}

static void test_all_together_too_large(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;
	const size_t fit = QOS_STORE_BYTES_MAX / QOS_DOC_BYTES_MAX;
	char name[32];

	for (size_t i = 0; i <= fit; i++) {
		snprintf(name, sizeof(name), "%03zu.yaml", i);
		put(0, name, "x");
		assert_int_equal(truncate(at(0, name), QOS_DOC_BYTES_MAX), 0);
	}
	store = read_paths(search_path, &diag);
	assert_int_equal(store->n_entries, fit + 1);
	assert_false(store->entries[fit - 1].unreadable);
	assert_true(store->entries[fit].unreadable);
	assert_int_equal(diag.n_errors, 1);
	assert_non_null(strstr(diag.entries[0].text, "64 MiB"));
	qos_diag_reset(&diag);
}

static void test_missing_file(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;

	store = read_paths((const char *const[]){"/no/such/a.yaml", NULL}, &diag);
	assert_int_equal(store->n_entries, 1);
	assert_true(store->entries[0].unreadable);
	assert_int_equal(diag.n_errors, 1);
	qos_diag_reset(&diag);
}

/* The contract must not come into force without what was laid over it. */
static void test_bad_overlay(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;

	put(0, "a.yaml", "x");
	make_dir(0, "a.yaml.d");
	make_dir(0, "a.yaml.d/10.yaml");
	store = read_paths(search_path, &diag);
	assert_true(store->entries[0].unreadable);
	assert_int_equal(diag.n_errors, 1);
	qos_diag_reset(&diag);
}

static void test_overlay_that_is_a_file(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;

	put(0, "a.yaml", "x");
	put(0, "a.yaml.d", "x");
	store = read_paths(search_path, &diag);
	assert_int_equal(store->n_entries, 1);
	assert_true(store->entries[0].unreadable);
	assert_int_equal(diag.n_errors, 2);
	assert_non_null(strstr(diag.entries[0].text, "directory cannot be read"));
	assert_non_null(strstr(diag.entries[1].text, "its overlays cannot be read"));
	qos_diag_reset(&diag);
}

/* As somebody who may not: root may read everything. Exit code 0, or what was wrong. */
static int read_as_nobody(void)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	_cleanup_store_ struct qos_store *store = NULL;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 1;
	if (qos_store_read(search_path, &diag, &store) != -EACCES || store)
		return 2;
	if (diag.n_errors != 1 || !strstr(diag.entries[0].text, "directory cannot be read"))
		return 3;
	qos_diag_reset(&diag);
	if (qos_store_read((const char *const[]){dirs[0], NULL}, &diag, &store) != 0)
		return 4;
	if (store->n_entries != 1 || !store->entries[0].unreadable)
		return 5;
	if (diag.n_errors != 1 || !strstr(diag.entries[0].text, "may not be read"))
		return 6;
	qos_diag_reset(&diag);
	return 0;
}

static void test_permission(void **state)
{
	int status;
	pid_t pid;

	put(0, "a.yaml", "x");
	assert_int_equal(chmod(at(0, "a.yaml"), 0), 0);
	assert_int_equal(chmod(dirs[1], 0), 0);
	assert_int_equal(chmod(root, 0755), 0);
	pid = fork();
	if (pid == 0)
		_exit(read_as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(dirs[1], 0755), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_too_many_files(void **state)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_store *store = NULL;
	char name[32];

	put(0, "x.yaml", "x");
	for (int i = 0; i < QOS_STORE_ENTRIES_MAX; i++) {
		snprintf(name, sizeof(name), "%05d.yaml", i);
		assert_int_equal(link(at(0, "x.yaml"), at(0, name)), 0);
	}
	assert_int_equal(qos_store_read(search_path, &diag, &store), -EINVAL);
	assert_null(store);
	assert_non_null(strstr(diag.entries[0].text, "more than 10000"));
	qos_diag_reset(&diag);
}

/* --- who can write them --- */

static bool is_unsafe(void)
{
	_cleanup_store_ struct qos_store *store = read_paths(search_path, NULL);

	assert_int_equal(store->n_entries, 1);
	return store->entries[0].unsafe;
}

static void need_root_owner(void)
{
	if (geteuid() != 0) {
		print_message("everything is unsafe to a user who is not root\n");
		skip();
	}
}

static void test_safe_and_unsafe_modes(void **state)
{
	need_root_owner();
	put(0, "a.yaml", "x");
	assert_false(is_unsafe());
	assert_int_equal(chmod(at(0, "a.yaml"), 0664), 0);
	assert_true(is_unsafe());
	assert_int_equal(chmod(at(0, "a.yaml"), 0602), 0);
	assert_true(is_unsafe());
	assert_int_equal(chmod(at(0, "a.yaml"), 0600), 0);
	assert_false(is_unsafe());
	assert_int_equal(chmod(dirs[0], 0775), 0);
	assert_true(is_unsafe());
}

static void test_unsafe_owner(void **state)
{
	need_root_owner();
	put(0, "a.yaml", "x");
	assert_int_equal(chown(at(0, "a.yaml"), 65534, 0), 0);
	assert_true(is_unsafe());
	assert_int_equal(chown(at(0, "a.yaml"), 0, 0), 0);
	assert_false(is_unsafe());
	assert_int_equal(chown(dirs[0], 65534, 0), 0);
	assert_true(is_unsafe());
}

/* Of a link, the file that it leads to counts. */
static void test_unsafe_target(void **state)
{
	need_root_owner();
	put(1, "policy", "x");
	link_to(0, "a.yaml", at(1, "policy"));
	assert_false(is_unsafe());
	assert_int_equal(chmod(at(1, "policy"), 0666), 0);
	assert_true(is_unsafe());
}

static void test_unsafe_overlay(void **state)
{
	need_root_owner();
	put(0, "a.yaml", "x");
	make_dir(0, "a.yaml.d");
	put(0, "a.yaml.d/10.yaml", "x");
	assert_false(is_unsafe());
	assert_int_equal(chmod(at(0, "a.yaml.d/10.yaml"), 0666), 0);
	assert_true(is_unsafe());
	assert_int_equal(chmod(at(0, "a.yaml.d/10.yaml"), 0644), 0);
	assert_int_equal(chmod(at(0, "a.yaml.d"), 0777), 0);
	assert_true(is_unsafe());
}

#define store_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(test_nothing),
		store_test(test_later_directory_replaces),
		store_test(test_name_that_is_no_text),
		store_test(test_mask),
		store_test(test_skipped_names),
		store_test(test_yml_is_not_silently_skipped),
		store_test(test_overlays),
		store_test(test_orphaned_overlays),
		store_test(test_too_many_overlays),
		store_test(test_named_files),
		store_test(test_trailing_slash),
		store_test(test_fifo),
		store_test(test_device),
		store_test(test_directory),
		store_test(test_dangling_link),
		store_test(test_circle),
		store_test(test_huge),
		store_test(test_largest),
		store_test(test_all_together_too_large),
		store_test(test_missing_file),
		store_test(test_bad_overlay),
		store_test(test_overlay_that_is_a_file),
		store_test(test_permission),
		store_test(test_too_many_files),
		store_test(test_safe_and_unsafe_modes),
		store_test(test_unsafe_owner),
		store_test(test_unsafe_target),
		store_test(test_unsafe_overlay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
