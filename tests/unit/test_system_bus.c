/* SPDX-License-Identifier: GPL-2.0-only */
/* Each lack of the system bus has its words, and the first of several is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "system_bus.h"
#include "util/cleanup.h"

static const struct {
	struct qos_system_bus bus;
	const char *found;
	const char *remedy;
} cases[] = {
	{{}, "no system bus", "dbus.socket"},
	{{.answers = true, .qosd = QOS_BUS_STARTABLE, .polkit = QOS_BUS_OWNED},
	 "no policy",
	 "org.qosd1.conf"},
	{{.answers = true, .policy = true, .polkit = QOS_BUS_OWNED},
	 "nobody has the name",
	 "qosd-bus"},
	{{.answers = true, .policy = true, .qosd = QOS_BUS_OWNED}, "polkit is not", "polkitd"},
	{{.answers = true, .policy = true, .qosd = QOS_BUS_OWNED, .polkit = QOS_BUS_STARTABLE},
	 "polkit knows nothing",
	 "org.qosd1.policy"},
	{{.answers = true,
	  .policy = true,
	  .actions = true,
	  .qosd = QOS_BUS_STARTABLE,
	  .polkit = QOS_BUS_STARTABLE},
	 "are there, or are started",
	 NULL},
	/* whoever has the name was let, wherever the file is */
	{{.answers = true, .actions = true, .qosd = QOS_BUS_OWNED, .polkit = QOS_BUS_OWNED},
	 "are there, or are started",
	 NULL},
};

static void test_words(void **state)
{
	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++) {
		json_t *report = qos_system_bus_report(&cases[i].bus);
		const char *cost = json_string_value(json_object_get(report, "cost"));
		const char *remedy = json_string_value(json_object_get(report, "remedy"));

		assert_non_null(strstr(json_string_value(json_object_get(report, "found")),
				       cases[i].found));
		assert_int_equal(!*cost, !cases[i].remedy);
		if (cases[i].remedy)
			assert_non_null(strstr(remedy, cases[i].remedy));
		else
			assert_string_equal(remedy, "");
		json_decref(report);
	}
}

/* No bus, and one that is a file: no, and at once. */
static void test_nobody_answers(void **state)
{
	static const char *const addresses[] = {"unix:path=/no/such/socket",
						"unix:path=/etc/passwd", "nonsense"};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(addresses); i++) {
		struct qos_system_bus bus;

		assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", addresses[i], 1), 0);
		qos_system_bus_look(&bus);
		assert_false(bus.answers);
		assert_int_equal(bus.qosd, QOS_BUS_NOBODY);
		assert_int_equal(bus.polkit, QOS_BUS_NOBODY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_nobody_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
