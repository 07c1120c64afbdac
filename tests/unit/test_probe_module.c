/* SPDX-License-Identifier: GPL-2.0-only */
/* What each machine is told about the module. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "kern/probe_module.h"
#include "uapi/qos_dwcs.h"

static void test_states(void **state)
{
	static const struct {
		struct qos_probe_module_facts facts;
		enum qos_module_state state;
	} cases[] = {
		{{.answer = -ENODEV}, QOS_MODULE_NOT_INSTALLED},
		{{.answer = -ENODEV, .only_signed = true}, QOS_MODULE_NOT_INSTALLED},
		{{.answer = -ENODEV, .installed = true}, QOS_MODULE_NOT_LOADED},
		{{.answer = -ENODEV, .installed = true, .only_signed = true}, QOS_MODULE_UNSIGNED},
		{{.answer = -ENODEV, .loaded = true, .installed = true}, QOS_MODULE_SILENT},
		{{.answer = -EAFNOSUPPORT, .loaded = true}, QOS_MODULE_SILENT},
		{{.version = QOS_DWCS_VERSION + 1, .loaded = true}, QOS_MODULE_OTHER_VERSION},
		{{.version = QOS_DWCS_VERSION, .loaded = true}, QOS_MODULE_NO_RULES},
		{{.version = QOS_DWCS_VERSION, .loaded = true, .rules = true, .only_signed = true},
		 QOS_MODULE_PRESENT},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(cases); i++)
		assert_int_equal(qos_probe_module_state(&cases[i].facts), cases[i].state);
}

static void test_words(void **state)
{
	for (int i = 0; i < QOS_MODULE_STATES; i++) {
		const struct qos_probe_module_advice *advice = qos_probe_module_advice(i);

		assert_true(strlen(advice->found) > 10 && strlen(advice->remedy) > 10);
		assert_true((advice->state == QOS_PRESENT) == (i == QOS_MODULE_PRESENT));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
