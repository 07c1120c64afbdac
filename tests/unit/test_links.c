/* SPDX-License-Identifier: GPL-2.0-only */
/* The file of what was on interfaces: what is not there, what is damaged, what is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "state/links.h"
#include "util/file.h"

static char dir[] = "links-XXXXXX";

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/" QOS_LINKS_FILE, dir);
	unlink(path);
	return rmdir(dir);
}

static int load(const char *text, struct qos_diag *diag, struct qos_links **ret)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/" QOS_LINKS_FILE, dir);
	if (text)
		assert_int_equal(qos_file_write_atomic(path, text, strlen(text), 0600), 0);
	return qos_links_load(dir, diag, ret);
}

static void nothing(void **state)
{
	_cleanup_links_ struct qos_links *links = NULL;

	assert_int_equal(load(NULL, NULL, &links), 0);
	assert_int_equal(links->n, 0);
	assert_null(qos_links_find(links, 1));
}

static void a_record(void **state)
{
	_cleanup_links_ struct qos_links *links = NULL;
	const struct qos_link_record *record;

	assert_int_equal(
		load("{\"version\":1,\"links\":[{\"ifindex\":2,\"name\":\"eth0\",\"clsact\":true,"
		     "\"foreign\":true,\"kind\":\"pfifo\",\"handle\":2147549184,\"options\":"
		     "\"4d000000ff\"}]}",
		     NULL, &links),
		0);
	record = qos_links_find(links, 2);
	assert_non_null(record);
	assert_string_equal(record->name, "eth0");
	assert_string_equal(record->kind, "pfifo");
	assert_int_equal(record->handle, 0x80010000);
	assert_true(record->clsact && record->foreign);
	assert_int_equal(record->options_len, 5);
	assert_memory_equal(record->options, "\x4d\0\0\0\xff", 5);
}

/* Nothing is to be changed by somebody who does not know what was there. */
static void damaged(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"{\"version\":2,\"links\":[]}",
		"{\"version\":1,\"links\":[],\"more\":1}",
		"{\"version\":1,\"links\":[{\"ifindex\":2}]}",
		"{\"version\":1,\"links\":[{\"ifindex\":2,\"name\":\"a-name-of-16-let\",\"clsact\":"
		"true,\"foreign\":true,\"kind\":\"pfifo\",\"handle\":1,\"options\":\"\"}]}",
		"{\"version\":1,\"links\":[{\"ifindex\":2,\"name\":\"eth0\",\"clsact\":true,"
		"\"foreign\":true,\"kind\":\"pfifo\",\"handle\":-1,\"options\":\"\"}]}",
		"{\"version\":1,\"links\":[{\"ifindex\":2,\"name\":\"eth0\",\"clsact\":true,"
		"\"foreign\":true,\"kind\":\"pfifo\",\"handle\":1,\"options\":\"4d0\"}]}",
		"{\"version\":1,\"links\":[{\"ifindex\":2,\"name\":\"eth0\",\"clsact\":true,"
		"\"foreign\":true,\"kind\":\"pfifo\",\"handle\":1,\"options\":\"4x\"}]}",
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(texts); i++) {
		struct qos_diag diag = QOS_DIAG_INIT;
		struct qos_links *links = NULL;

		print_message("%s\n", texts[i]);
		assert_int_equal(load(texts[i], &diag, &links), -EINVAL);
		assert_null(links);
		assert_int_equal(diag.n_errors, 1);
		qos_diag_reset(&diag);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing), cmocka_unit_test(a_record),
					   cmocka_unit_test(damaged)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
