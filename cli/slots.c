/* SPDX-License-Identifier: GPL-2.0-only */
/* "(T,C,x/y,phase) ...": read by hand, character by character, so that a mistake has a place. */
#include "slots.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define NUMBER_MAX 1000000000ULL

struct reader {
	const char *text;
	const char *at;
	const char *expected; /* the first mistake; NULL: none yet */
};

static void skip_blanks(struct reader *in)
{
	while (isspace((unsigned char)*in->at))
		in->at++;
}

static void fail(struct reader *in, const char *expected)
{
	if (!in->expected)
		in->expected = expected;
}

static bool accept(struct reader *in, char c)
{
	skip_blanks(in);
	if (in->expected || *in->at != c)
		return false;
	in->at++;
	return true;
}

static void expect(struct reader *in, char c, const char *what)
{
	if (!accept(in, c))
		fail(in, what);
}

static uint64_t number(struct reader *in, const char *what)
{
	uint64_t value = 0;

	skip_blanks(in);
	if (in->expected || !isdigit((unsigned char)*in->at)) {
		fail(in, what);
		return 0;
	}
	for (; isdigit((unsigned char)*in->at); in->at++) {
		value = value * 10 + (uint64_t)(*in->at - '0');
		if (value > NUMBER_MAX) {
			fail(in, "a number of at most 1000000000");
			return 0;
		}
	}
	return value;
}

static struct qos_sim_task one(struct reader *in)
{
	struct qos_sim_task task = {};

	expect(in, '(', "`(`");
	task.period = number(in, "the period T");
	expect(in, ',', "`,`");
	task.cost = number(in, "the work C");
	expect(in, ',', "`,`");
	task.x = (uint32_t)number(in, "x, how many may be lost");
	expect(in, '/', "`/`");
	task.y = (uint32_t)number(in, "y, of how many");
	if (accept(in, ','))
		task.phase = number(in, "the phase");
	task.deadline = task.period;
	if (!in->expected && (!task.cost || task.cost > task.period))
		fail(in, "0 < C <= T");
	if (!in->expected && (task.x > task.y || task.y > DWCS_Y_MAX))
		fail(in, "x <= y <= 1000");
	expect(in, ')', "`,` and a phase, or `)`");
	return task;
}

int qos_slots_parse(const struct qos_cli *cli, const char *text, struct qos_sim_task *ret_tasks,
		    size_t *ret_n)
{
	struct reader in = {.text = text, .at = text};
	size_t n = 0;

	for (skip_blanks(&in); *in.at && !in.expected; skip_blanks(&in)) {
		if (n == QOS_SLOTS_MAX)
			return qos_cli_fail(cli, QOS_EXIT_USAGE, NULL,
					    "--set: more than %d streams", QOS_SLOTS_MAX);
		ret_tasks[n++] = one(&in);
	}
	if (in.expected || !n)
		return qos_cli_fail(cli, QOS_EXIT_USAGE,
				    "write --set \"(T,C,x/y,phase) ...\", in slots: "
				    "--set \"(2,2,1/3,0) (3,1,0/3,0)\"",
				    "--set:%zu: expected %s", (size_t)(in.at - text) + 1,
				    in.expected ? in.expected : "a stream");
	*ret_n = n;
	return QOS_EXIT_OK;
}
