/* SPDX-License-Identifier: GPL-2.0-only */
/* The vocabulary: its table, and the manual page that repeats it. */
#include "../harness/rules.h"

#include <errno.h>

#include "extension/op.h"
#include "qos_rules_abi.h"

static char page[65536];

static int read_page(void **state)
{
	FILE *file = fopen(QOS_SOURCE_DIR "/man/qos-rules.7", "re");

	assert_non_null(file);
	assert_true(fread(page, 1, sizeof(page) - 1, file) > 0);
	fclose(file);
	return 0;
}

static void test_table(void **state)
{
	for (const struct qos_rule_field *field = qos_rule_fields; field->name; field++) {
		assert_true(field->word >= -1 && field->word < QOS_RULES_WORDS);
		assert_true(field->bits > 0 && field->bits < 61 && field->events && field->help);
		assert_true(!field->attribute == (field->word != QOS_RULES_ATTRIBUTE));
	}
}

static void events_of(const struct qos_rule_field *field, struct qos_buf *out)
{
	static const enum qos_rule_event_kind kinds[] = {QOS_RULE_JOB,	  QOS_RULE_OVERRUN,
							 QOS_RULE_LATE,	  QOS_RULE_DROP,
							 QOS_RULE_WINDOW, QOS_RULE_TICK};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(kinds); i++) {
		if (field->events & kinds[i])
			qos_buf_add(out, "%s ", qos_rule_event_name(kinds[i]));
	}
}

/* Events of all the page's lines of that name, for one may have a line for each. Returns their number. */
static size_t page_events_of(const struct qos_rule_field *field, struct qos_buf *out)
{
	char line[128];
	size_t n = 0;

	snprintf(line, sizeof(line), "\n.It Va %s %s Ta %s Ta ", field->section, field->name,
		 qos_rule_type_names[field->type]);
	for (const char *at = page; (at = strstr(at, line)); n++) {
		const char *end;

		at += strlen(line);
		end = strstr(at, " Ta ");
		assert_true(end && end < strchr(at, '\n'));
		if (!strncmp(at, "all ", 4))
			qos_buf_add(out, field->section[0] == 'c' ? "job overrun late window tick "
								  : "late drop window tick ");
		else
			qos_buf_add(out, "%.*s ", (int)(end - at), at);
	}
	return n;
}

/* Type and events of each row are those in the page's lines of that name, and the page has no others. */
static void test_page_has_each_field(void **state)
{
	size_t lines = 0, known = 0;

	for (const struct qos_rule_field *field = qos_rule_fields; field->name; field++) {
		struct qos_buf events = {}, said = {};
		size_t n = page_events_of(field, &said);

		if (!n)
			fail_msg("qos-rules(7) has no %s %s of that type", field->section,
				 field->name);
		events_of(field, &events);
		assert_string_equal(said.text, events.text);
		qos_buf_reset(&events);
		qos_buf_reset(&said);
		known += n;
	}
	for (const char *at = page; (at = strstr(at, "\n.It Va ")); at++)
		lines++;
	assert_int_equal(lines, known);
}

static void test_page_has_each_function(void **state)
{
	for (const struct qos_rule_op *op = qos_rule_ops; op->name; op++) {
		char word[32];

		snprintf(word, sizeof(word), "Fn %s ", op->name);
		if (op->form == QOS_FORM_CALL && !strstr(page, word))
			fail_msg("qos-rules(7) has no function %s", op->name);
	}
	for (size_t i = 0; i < QOS_TYPES; i++) {
		char line[32];

		snprintf(line, sizeof(line), "\n.It %s\n", qos_rule_type_names[i]);
		assert_non_null(strstr(page, line));
	}
}

static int parse_event(const char *text, struct qos_rule_event *ret)
{
	struct qos_contract *contract = rules_contract();
	struct qos_rule_source source = {.text = text};
	int r = qos_rule_event_parse(contract, &source, NULL, ret);
	char again[128];

	if (r == 0)
		assert_string_equal(qos_rule_event_print(again, sizeof(again), contract, ret),
				    text);
	qos_contract_free(contract);
	return r;
}

static void test_events(void **state)
{
	struct qos_rule_event event;

	assert_int_equal(parse_event("cpu.b.late", &event), 0);
	assert_true(event.kind == QOS_RULE_LATE && event.stream == 1);
	assert_int_equal(parse_event("tick 500ms", &event), 0);
	assert_true(event.kind == QOS_RULE_TICK && event.tick_ns == 500000000);
	assert_int_equal(parse_event("network.n.late", &event), 0);
	assert_true(event.kind == QOS_RULE_LATE && event.stream == 2); /* behind cpu's two */
	assert_int_equal(parse_event("network.n.drop", &event), 0);
	assert_true(event.kind == QOS_RULE_DROP && event.stream == 2);
	assert_int_equal(parse_event("network.n.window", &event), 0);
	assert_true(event.kind == QOS_RULE_WINDOW && event.stream == 2);
	assert_int_equal(parse_event("network.n.job", &event), -EINVAL);
	assert_int_equal(parse_event("cpu.a.drop", &event), -EINVAL);
	assert_int_equal(parse_event("network.late", &event), -EINVAL);
	assert_int_equal(parse_event("cpu.job", &event), -EINVAL); /* there is no main */
	assert_int_equal(parse_event("cpu.a.jobs", &event), -EINVAL);
	assert_int_equal(parse_event("ticks", &event), -EINVAL);
}

/* Whoever raises an event of a stream puts that stream first, whatever its place in the contract. */
static void test_events_of_networks_have_one_stream(void **state)
{
	struct qos_contract *contract = rules_contract();
	struct qos_rule_event event = {.kind = QOS_RULE_DROP, .stream = 2};
	struct qos_rule_source source = {.text = "network.n.rtt"};
	struct qos_rule_ref ref;

	assert_int_equal(qos_rule_field_find(contract, &event, &source, 0, 13, NULL, &ref), 0);
	assert_true(ref.stream == 2 && ref.slot == 0 && ref.field->word == QOS_RULES_RTT);
	source.text = "network.n.sent";
	assert_int_equal(qos_rule_field_find(contract, &event, &source, 0, 14, NULL, &ref),
			 -EINVAL); /* on a tick only */
	source.text = "cpu.a.runtime";
	assert_int_equal(qos_rule_field_find(contract, &event, &source, 0, 13, NULL, &ref),
			 -EINVAL);
	event = (struct qos_rule_event){.kind = QOS_RULE_WINDOW, .stream = 0};
	source.text = "network.n.rate";
	assert_int_equal(qos_rule_field_find(contract, &event, &source, 0, 14, NULL, &ref),
			 -EINVAL);
	event = (struct qos_rule_event){.kind = QOS_RULE_TICK};
	assert_int_equal(qos_rule_field_find(contract, &event, &source, 0, 14, NULL, &ref), 0);
	assert_true(ref.stream == 2 && ref.slot == 2);
	qos_contract_free(contract);
}

/* A stream that is called like a metric goes first. */
static void test_main_may_be_left_out(void **state)
{
	struct qos_contract *contract = rules_contract();
	struct qos_rule_event event = {.kind = QOS_RULE_TICK};
	struct qos_rule_source source = {.text = "cpu.used.p99"};
	struct qos_rule_ref ref;

	free(contract->cpu[0].name);
	contract->cpu[0].name = rules_dup("main");
	assert_int_equal(qos_rule_field_find(contract, &event, &source, 0, 12, NULL, &ref), 0);
	assert_string_equal(ref.field->name, "used.p99");
	assert_int_equal(ref.stream, 0);
	free(contract->cpu[1].name);
	contract->cpu[1].name = rules_dup("used");
	assert_int_equal(qos_rule_field_find(contract, &event, &source, 0, 12, NULL, &ref),
			 -EINVAL); /* stream `used` has no metric p99 */
	source.text = "cpu.used.jobs";
	assert_int_equal(qos_rule_field_find(contract, &event, &source, 0, 13, NULL, &ref), 0);
	assert_int_equal(ref.stream, 1);
	qos_contract_free(contract);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_page_has_each_field),
		cmocka_unit_test(test_page_has_each_function),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_events_of_networks_have_one_stream),
		cmocka_unit_test(test_main_may_be_left_out),
	};

	return cmocka_run_group_tests(tests, read_page, NULL);
}
