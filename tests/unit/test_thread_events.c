/* SPDX-License-Identifier: GPL-2.0-only */
/* Who inherits from a managed thread, told by the calls that the service manager gets. The numbers are
 * above all that the kernel gives, so that nobody of this machine is meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "../harness/supervise.h"

#define PARENT	 0x70000001
#define CHILD	 0x70000002
#define GRAND	 0x70000003
#define STRANGER 0x70000011

static struct supervised test;
static char said[256];

static void inherit(struct qos_service *service, pid_t parent, pid_t child)
{
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%x>%x ", parent - 0x70000000,
		 child - 0x70000000);
}

static int detach(struct qos_service *service, pid_t tid)
{
	return 0;
}

static void forget(struct qos_service *service, pid_t tid)
{
}

static void nothing(struct qos_service *service)
{
}

static const struct qos_service_ops ops = {
	.name = "scribe", .inherit = inherit, .detach = detach, .forget = forget, .free = nothing};
static struct qos_service scribe = {.ops = &ops};

static int setup(void **state)
{
	struct qos_thread *thread = calloc(1, sizeof(*thread));

	*said = '\0';
	if (!thread || supervise(&test) < 0)
		return -1;
	*thread = (struct qos_thread){.tid = PARENT, .tgid = PARENT, .managed = true};
	test.supervisor->service = &scribe;
	return qos_table_set(&test.supervisor->threads, PARENT, thread);
}

static int teardown(void **state)
{
	return supervise_end(&test);
}

static void born(pid_t parent, pid_t child)
{
	const struct qos_event event = {.type = QOS_EVENT_FORK,
					.tid = (uint32_t)child,
					.tgid = (uint32_t)child,
					.parent = (uint32_t)parent};

	qos_threads_event(test.supervisor, &event);
}

static void test_children_and_theirs(void **state)
{
	born(PARENT, CHILD);
	born(CHILD, GRAND);
	assert_string_equal(said, "1>2 1>3 ");
}

static void test_stranger(void **state)
{
	born(STRANGER, CHILD);
	born(CHILD, GRAND);
	assert_string_equal(said, "");
}

/* The child ended, and somebody else's has its number. */
static void test_number_of_another(void **state)
{
	born(PARENT, CHILD);
	born(STRANGER, CHILD);
	born(CHILD, GRAND);
	assert_string_equal(said, "1>2 ");
}

static void test_lost_events(void **state)
{
	born(PARENT, CHILD);
	qos_threads_lost(test.supervisor, 1);
	born(CHILD, GRAND);
	assert_string_equal(said, "1>2 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_children_and_theirs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stranger, setup, teardown),
		cmocka_unit_test_setup_teardown(test_number_of_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_events, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
