/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sandbox may say: each field of each message, one step too far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "extension/compile.h"
#include "extension/talk.h"

#define HEAD offsetof(struct qos_talk, requests)

static bool valid(const struct qos_talk *talk)
{
	return qos_talk_is_valid(talk, qos_talk_size(talk));
}

static struct qos_talk ask_of(uint32_t n)
{
	struct qos_talk talk = {.type = QOS_TALK_ASK, .n = n};

	for (size_t i = 0; i < QOS_RULES_REQUESTS_MAX; i++)
		talk.requests[i] = (struct qos_rules_request){1, UINT64_MAX, INT64_MIN};
	return talk;
}

static void test_good(void **state)
{
	struct qos_talk ask = ask_of(QOS_RULES_REQUESTS_MAX);

	assert_true(valid(&(struct qos_talk){.type = QOS_TALK_READY, .n = 1}));
	assert_true(valid(&(struct qos_talk){.type = QOS_TALK_READY,
					     .n = QOS_CONTRACT_RULES_MAX,
					     .serial = QOS_RULES_STATE_MAX}));
	assert_true(valid(&(struct qos_talk){.type = QOS_TALK_PONG, .serial = UINT64_MAX}));
	assert_int_equal(qos_talk_size(&ask), sizeof(ask));
	assert_true(valid(&ask));
	ask.n = 1;
	assert_int_equal(qos_talk_size(&ask), HEAD + sizeof(struct qos_rules_request));
	assert_true(valid(&ask));
}

static void test_bad_words(void **state)
{
	const struct qos_talk bad[] = {
		{.type = 0},
		{.type = QOS_TALK_PING},
		{.type = QOS_TALK_ASK + 1},
		{.type = UINT32_MAX},
		{.type = QOS_TALK_READY},
		{.type = QOS_TALK_READY, .n = QOS_CONTRACT_RULES_MAX + 1},
		{.type = QOS_TALK_READY, .n = 1, .serial = QOS_RULES_STATE_MAX + 1},
		{.type = QOS_TALK_PONG, .n = 1},
		{.type = QOS_TALK_ASK},
		{.type = QOS_TALK_ASK, .n = 1},
		{.type = QOS_TALK_ASK, .n = 1, .serial = 1, .requests = {{1, 1, 1}}},
		{.type = QOS_TALK_ASK, .n = 2, .requests = {{1, 1, 1}, {2, 1, 1}}},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(bad); i++) {
		if (valid(&bad[i]))
			fail_msg("message %zu was taken", i);
	}
}

/* The count says how much must have come, to the byte. */
static void test_bad_sizes(void **state)
{
	struct qos_talk ask = ask_of(3), pong = {.type = QOS_TALK_PONG};

	for (size_t size = 0; size <= sizeof(ask); size++) {
		assert_int_equal(qos_talk_is_valid(&ask, size), size == qos_talk_size(&ask));
		assert_int_equal(qos_talk_is_valid(&pong, size), size == HEAD);
	}
	ask.n = QOS_RULES_REQUESTS_MAX + 1;
	assert_false(qos_talk_is_valid(&ask, sizeof(ask)));
	ask.n = UINT32_MAX;
	assert_false(qos_talk_is_valid(&ask, sizeof(ask)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad_words),
		cmocka_unit_test(test_bad_sizes),
	};

	return cmocka_run_group_tests_name("talk", tests, NULL, NULL);
}
