/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection, with a family that every kernel has (nlctrl itself), and one that none has. The
 * module's own commands are tested where the module is: tests/vm/test_daemon.py.
 */
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kern/genl.h"

static const char *const no_groups[] = {NULL};

static int count(void *data, const struct nlmsghdr *message)
{
	++*(unsigned int *)data;
	return 0;
}

static int refuse(void *data, const struct nlmsghdr *message)
{
	return -EPROTO;
}

static void test_a_family_that_is_there(void **state)
{
	_cleanup_genl_ struct qos_genl *genl = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;
	struct nl_msg *message;
	unsigned int n = 0;

	assert_int_equal(qos_genl_new("nlctrl", no_groups, &genl), 0);
	assert_true(qos_genl_is_there(genl));
	assert_int_equal(qos_genl_dump(genl, qos_genl_message(genl, CTRL_CMD_GETFAMILY), count, &n),
			 0);
	assert_true(n >= 1);
	/* one answer, then the acknowledgement */
	message = qos_genl_message(genl, CTRL_CMD_GETFAMILY);
	nla_put_string(message, CTRL_ATTR_FAMILY_NAME, "nlctrl");
	n = 0;
	assert_int_equal(qos_genl_call(genl, message, count, &n, NULL), 0);
	assert_int_equal(n, 1);
	message = qos_genl_message(genl, CTRL_CMD_GETFAMILY);
	nla_put_string(message, CTRL_ATTR_FAMILY_NAME, "nlctrl");
	assert_int_equal(qos_genl_call(genl, message, refuse, NULL, NULL), -EPROTO);
	/* refusals bring words, and leave nothing behind for the next */
	message = qos_genl_message(genl, CTRL_CMD_GETFAMILY);
	nla_put_string(message, CTRL_ATTR_FAMILY_NAME, "no-such-one");
	assert_int_equal(qos_genl_call(genl, message, count, &n, &diag), -ENOENT);
	assert_int_equal(diag.n_entries, 1);
	qos_diag_reset(&diag);
	assert_int_equal(qos_genl_call(genl, qos_genl_message(genl, 250), NULL, NULL, NULL),
			 -EOPNOTSUPP);
	n = 0;
	assert_int_equal(qos_genl_dump(genl, qos_genl_message(genl, CTRL_CMD_GETFAMILY), count, &n),
			 0);
	assert_true(n >= 1);
}

static void on_presence(void *data, bool there)
{
}

static void on_message(void *data, const struct nlmsghdr *message)
{
}

static void on_lost(void *data)
{
}

static void test_one_that_is_not(void **state)
{
	static const struct qos_genl_ears ears = {
		.presence = on_presence, .message = on_message, .lost = on_lost};
	_cleanup_genl_ struct qos_genl *genl = NULL;
	struct qos_diag diag = QOS_DIAG_INIT;

	assert_int_equal(qos_genl_new("qos_none", no_groups, &genl), 0);
	assert_false(qos_genl_is_there(genl));
	assert_null(qos_genl_message(genl, 1));
	assert_int_equal(qos_genl_call(genl, NULL, NULL, NULL, &diag), -ENODEV);
	assert_non_null(strstr(diag.entries[0].text, "not loaded"));
	qos_diag_reset(&diag);
	assert_int_equal(qos_genl_dump(genl, NULL, NULL, NULL), -ENODEV);
	assert_true(qos_genl_fd(genl) >= 0);
	assert_true(qos_genl_dispatch(genl, &ears, NULL) >= 0);
}

/* An NLMSG_ERROR as the kernel makes it: the request's head or all of it, then sentences. */
static struct nl_msg *error_message(int error, bool capped, const char *words, int words_len)
{
	struct nl_msg *message = nlmsg_alloc_size(4096);
	struct nlmsgerr head = {.error = error, .msg = {.nlmsg_len = NLMSG_HDRLEN + 9}};

	assert_non_null(nlmsg_put(message, 0, 0, NLMSG_ERROR, 0,
				  NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0)));
	nlmsg_append(message, &head, sizeof(head), 0);
	if (!capped)
		nlmsg_append(message, "\1\1\1\1\1\1\1\1\1\0\0\0", 12, 0);
	nla_put_u32(message, NLMSGERR_ATTR_OFFS, 20);
	if (words)
		nla_put(message, NLMSGERR_ATTR_MSG, words_len, words);
	return message;
}

static void test_sentences(void **state)
{
	const char *words;

	for (int capped = 0; capped < 2; capped++) {
		struct nl_msg *message = error_message(-EBUSY, capped, "no room", 8);

		assert_int_equal(qos_netlink_outcome(nlmsg_hdr(message), &words), -EBUSY);
		assert_string_equal(words, "no room");
		nlmsg_free(message);
		message = error_message(-EBUSY, capped, "no end", 6);
		assert_int_equal(qos_netlink_outcome(nlmsg_hdr(message), &words), -EBUSY);
		assert_null(words);
		nlmsg_free(message);
		message = error_message(0, capped, NULL, 0);
		assert_int_equal(qos_netlink_outcome(nlmsg_hdr(message), &words), 0);
		assert_null(words);
		nlmsg_hdr(message)->nlmsg_len = NLMSG_HDRLEN + 4;
		assert_int_equal(qos_netlink_outcome(nlmsg_hdr(message), &words), -EBADMSG);
		nlmsg_free(message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_family_that_is_there),
		cmocka_unit_test(test_one_that_is_not),
		cmocka_unit_test(test_sentences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
