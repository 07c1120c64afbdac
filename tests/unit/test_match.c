/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is meant: every key against a task, groups and negation, the order of asking, what never
 * matches, anchors, threads of streams, and which of several contracts has a task.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "contract/match.h"
#include "contract/parse.h"

#define REST "cpu: {period: 10ms, runtime: 2ms, window: 1/10}\n"

static const uint32_t gids[] = {1000, 44};

static const struct qos_task task = {
	.tid = 100,
	.tgid = 99,
	.comm = "queue0:src",
	.process_comm = "gst-launch-1.0",
	.cmdline = "gst-launch-1.0 v4l2src ! fakesink",
	.parent_comm = "supervisor",
	.cgroup = "/system.slice/camera.service/sub",
	.unit = "camera@front\\x2d1.service",
	.user_unit = "pipewire.service",
	.slice = "system.slice",
	.uid = 1000,
	.gids = gids,
	.n_gids = 2,
	.exe_dev = 8,
	.exe_ino = 42,
};

static const struct {
	enum qos_match_key key;
	const char *name;
	struct qos_named named;
} host[] = {
	{QOS_MATCH_EXE, "/usr/bin/gst", {8, 42}}, /* the task's */
	{QOS_MATCH_EXE, "/usr/bin/other", {8, 43}}, {QOS_MATCH_EXE, "/media/gst", {9, 42}},
	{QOS_MATCH_USER, "camera", {0, 1000}},	    {QOS_MATCH_USER, "root", {0, 0}},
	{QOS_MATCH_USER, "video", {0, 44}},	    {QOS_MATCH_GROUP, "camera", {0, 1000}},
	{QOS_MATCH_GROUP, "video", {0, 44}},	    {QOS_MATCH_GROUP, "adm", {0, 4}},
};

/* How often each key was asked for. */
static unsigned int asked[QOS_MATCH_PARENT + 1];

static bool resolve(void *data, enum qos_match_key key, const char *name, struct qos_named *ret)
{
	asked[key]++;
	for (size_t i = 0; i < QOS_ARRAY_SIZE(host); i++) {
		if (host[i].key != key || strcmp(host[i].name, name))
			continue;
		*ret = host[i].named;
		return true;
	}
	return false;
}

static const struct qos_resolver names = {.resolve = resolve};

static struct qos_contract *parsed(const char *text)
{
	const struct qos_text one = {"a.yaml", text, strlen(text)};
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_contract *contract = NULL;
	int r = qos_contract_parse_text(&one, 1, &diag, &contract);

	qos_diag_print(&diag, stdout);
	assert_int_equal(r, 0);
	qos_diag_reset(&diag);
	return contract;
}

/* A contract by its match expression, in flow style. */
static struct qos_contract *contract_of(const char *expr)
{
	char text[1024];

	snprintf(text, sizeof(text), "version: 1\ncontract: a\nmatch: %s\n" REST, expr);
	return parsed(text);
}

static bool matches_task(const char *expr, const struct qos_task *who)
{
	_cleanup_contract_ struct qos_contract *contract = contract_of(expr);

	return qos_match_task(contract->match, who, &names);
}

static void test_keys(void **state)
{
	static const struct {
		const char *expr;
		bool holds;
	} cases[] = {
		{"{unit: 'camera@*.service'}", true},
		{"{unit: 'camera@front\\x2d?.service'}", true},
		{"{unit: camera}", false},
		{"{user-unit: pipewire.service}", true},
		{"{user-unit: 'pulse*'}", false},
		{"{slice: system.slice}", true},
		{"{slice: user.slice}", false},
		{"{cgroup: /system.slice/camera.service}", true},
		{"{cgroup: /system.slice/camera.service/}", true},
		{"{cgroup: /system.slice}", true},
		{"{cgroup: /system.slice/camera}", false},
		{"{cgroup: /system.slice/camera.service/sub/x}", false},
		{"{exe: /usr/bin/gst}", true},
		{"{exe: /usr/bin/other}", false},
		{"{exe: /media/gst}", false},
		{"{exe: /missing}", false},
		{"{user: camera}", true},
		{"{user: '1000'}", true},
		{"{user: '1001'}", false},
		{"{user: root}", false},
		{"{group: video}", true},
		{"{group: vide}", false},
		{"{user: camera, comm: 'gst-*'}", true},
		{"{user: camera, comm: 'queue*'}", false},
		{"{user: camera, parent: superviso?}", true},
		{"{user: camera, parent: init}", false},
		{"{user: camera, cmdline: 'gst-launch.* v4l2src ! .*'}", true},
		{"{user: camera, cmdline: 'v4l2src'}", false},
		{"{user: camera, cmdline: 'ls|gst-launch-1.0'}", false},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++)
		if (matches_task(cases[i].expr, &task) != cases[i].holds)
			fail_msg("%s: not %d", cases[i].expr, cases[i].holds);
}

static void test_groups(void **state)
{
	assert_true(matches_task("[{user: root}, {user: camera}]", &task));
	assert_false(matches_task("[{user: root}, {user: nobody}]", &task));
	assert_false(matches_task("{user: camera, group: adm}", &task));
	assert_true(matches_task("{user: camera, not: {group: adm}}", &task));
	assert_false(matches_task("{user: camera, not: {group: video}}", &task));
	assert_false(matches_task("{user: camera, not: [{group: adm}, {group: video}]}", &task));
	assert_true(matches_task("{user: camera, not: {not: {group: video}}}", &task));
	assert_true(matches_task("{user: camera, not: {group: video, comm: other}}", &task));
}

static void test_unknown_facts_match_nothing(void **state)
{
	static const struct qos_task blank = {.tid = 5, .tgid = 5, .uid = 1};
	static const char *const exprs[] = {
		"{unit: a*}",
		"{user-unit: a*}",
		"{slice: a*}",
		"{cgroup: /a}",
		"{exe: /usr/bin/gst}",
		"{user: camera}",
		"{group: video}",
		"{user: '1', comm: a*}",
		"{user: '1', parent: a*}",
		"{user: '1', cmdline: '.*'}",
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(exprs); i++)
		if (matches_task(exprs[i], &blank))
			fail_msg("%s holds for a task of which nothing is known", exprs[i]);
}

static void test_never_matches(void **state)
{
	struct qos_task who = task;

	assert_true(matches_task("{user: camera}", &who));
	who.tgid = 1;
	assert_false(matches_task("{user: camera}", &who));
	who = task;
	who.own = true;
	assert_false(matches_task("{user: camera}", &who));
	who = task;
	who.kernel_thread = true;
	assert_false(matches_task("{user: camera}", &who));
	assert_false(qos_match_task(NULL, &task, NULL));
}

static void test_no_resolver(void **state)
{
	_cleanup_contract_ struct qos_contract *contract = contract_of("{exe: /usr/bin/gst}");

	assert_false(qos_match_task(contract->match, &task, NULL));
}

static void test_files_are_asked_last(void **state)
{
	_cleanup_contract_ struct qos_contract *contract =
		contract_of("{exe: /usr/bin/gst, user: root}");

	memset(asked, 0, sizeof(asked));
	assert_false(qos_match_task(contract->match, &task, &names));
	assert_int_equal(asked[QOS_MATCH_USER], 1);
	assert_int_equal(asked[QOS_MATCH_EXE], 0);
}

static void test_anchors(void **state)
{
	/* Parse refuses what has no anchor, so a good tree is bent. */
	_cleanup_contract_ struct qos_contract *contract =
		contract_of("[{unit: a, comm: b}, {exe: /c}, {user: d, not: {comm: e}}]");
	struct qos_match *any = contract->match, *all = any->children[0];

	assert_true(qos_match_is_anchored(any));
	for (enum qos_match_key key = QOS_MATCH_UNIT; key <= QOS_MATCH_PARENT; key++) {
		all->children[0]->key = key;
		assert_int_equal(qos_match_is_anchored(any), key != QOS_MATCH_COMM &&
								     key != QOS_MATCH_CMDLINE &&
								     key != QOS_MATCH_PARENT);
	}
	all->children[0]->key = QOS_MATCH_UNIT;
	any->children[2]->children[0]->key = QOS_MATCH_COMM;
	assert_false(qos_match_is_anchored(any));
	any->children[2]->children[1]->children[0]->key = QOS_MATCH_USER;
	assert_false(qos_match_is_anchored(any));
}

static void test_regex(void **state)
{
	assert_int_equal(qos_match_check_regex("a(b|c)*"), 0);
	assert_int_equal(qos_match_check_regex("a(b"), -EINVAL);
}

static void test_streams(void **state)
{
	_cleanup_contract_ struct qos_contract *contract = parsed(
		"version: 1\ncontract: a\nmatch: {user: a}\ncpu:\n"
		"  - {name: a, threads: [x, 'w?rk*'], period: 1s, runtime: 1ms, window: 0/1}\n"
		"  - {name: b, threads: ['*:src'], period: 1s, runtime: 1ms, window: 0/1}\n"
		"  - {name: c, threads: [worker], period: 1s, runtime: 1ms, window: 0/1}\n");
	struct qos_task who = {.comm = "worker"};

	assert_int_equal(qos_match_stream(contract, &who), 0);
	who.comm = "queue:src";
	assert_int_equal(qos_match_stream(contract, &who), 1);
	who.comm = "none";
	assert_int_equal(qos_match_stream(contract, &who), -1);
	who.comm = NULL;
	assert_int_equal(qos_match_stream(contract, &who), -1);
}

static void test_stream_without_threads_takes_all(void **state)
{
	_cleanup_contract_ struct qos_contract *contract = contract_of("{user: a}");
	struct qos_task who = {};

	assert_int_equal(qos_match_stream(contract, &who), 0);
}

static void test_select(void **state)
{
	static const char *const texts[] = {
		"version: 1\ncontract: low\nimportance: 10\nmatch: {user: camera}\n" REST,
		"version: 1\ncontract: high-b\nimportance: 60\nmatch: {user: camera}\n" REST,
		"version: 1\ncontract: other\nimportance: 99\nmatch: {user: root}\n" REST,
		"version: 1\ncontract: high-a\nimportance: 60\nmatch: {group: video}\n" REST,
		"version: 1\ncontract: middle\nmatch: {slice: system.slice}\n" REST,
	};
	struct qos_contract *contracts[QOS_ARRAY_SIZE(texts)];
	int losers[2] = {-1, -1};
	size_t n_losers = 0;

	for (size_t i = 0; i < QOS_ARRAY_SIZE(texts); i++)
		contracts[i] = parsed(texts[i]);
	assert_int_equal(qos_match_select(contracts, 5, &task, &names, losers, 2, &n_losers), 3);
	assert_int_equal(n_losers, 3);
	assert_int_equal(losers[0], 0);
	assert_int_equal(losers[1], 1);
	assert_int_equal(qos_match_select(contracts, 1, &task, &names, NULL, 0, NULL), 0);
	assert_int_equal(qos_match_select(contracts + 2, 1, &task, &names, NULL, 0, &n_losers), -1);
	assert_int_equal(n_losers, 0);
	for (size_t i = 0; i < QOS_ARRAY_SIZE(texts); i++)
		qos_contract_free(contracts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_unknown_facts_match_nothing),
		cmocka_unit_test(test_never_matches),
		cmocka_unit_test(test_no_resolver),
		cmocka_unit_test(test_files_are_asked_last),
		cmocka_unit_test(test_anchors),
		cmocka_unit_test(test_regex),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_stream_without_threads_takes_all),
		cmocka_unit_test(test_select),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
