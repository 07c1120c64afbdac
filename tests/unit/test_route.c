/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of two managers has a thread, told by the calls that each gets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "service/route.h"

/* A manager that only writes down what it is asked, as "name:call tid". */
struct scribe {
	struct qos_service service;
	const char *name;
	int outcome; /* of attach */
};

static char said[512];

static void say(struct qos_service *service, const char *call, pid_t tid)
{
	const struct scribe *scribe = (struct scribe *)service;

	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s%s:%s %d", *said ? ", " : "",
		 scribe->name, call, tid);
}

static int attach(struct qos_service *service, pid_t tid, const struct qos_service_stream *stream,
		  struct qos_diag *diag)
{
	say(service, "attach", tid);
	return ((struct scribe *)service)->outcome;
}

static int detach(struct qos_service *service, pid_t tid)
{
	say(service, "detach", tid);
	return 0;
}

static void forget(struct qos_service *service, pid_t tid)
{
	say(service, "forget", tid);
}

static void inherit(struct qos_service *service, pid_t parent, pid_t child)
{
	say(service, "inherit", parent);
}

static void exec(struct qos_service *service, pid_t old_tid, pid_t new_tid)
{
	say(service, "exec", old_tid);
}

static int verify(struct qos_service *service, pid_t tid)
{
	say(service, "verify", tid);
	return 0;
}

static int set(struct qos_service *service, const struct qos_service_contract *contract,
	       struct qos_diag *diag)
{
	say(service, "set", (pid_t)contract->n_streams);
	return 0;
}

static void unset(struct qos_service *service, const char *contract)
{
	say(service, "unset", 0);
}

static void scribe_free(struct qos_service *service)
{
}

static const struct qos_service_ops ops = {.name = "scribe",
					   .set = set,
					   .unset = unset,
					   .attach = attach,
					   .detach = detach,
					   .forget = forget,
					   .inherit = inherit,
					   .exec = exec,
					   .verify = verify,
					   .free = scribe_free};

static struct scribe native, module;
static struct qos_service *route;
static struct qos_cpu_stream wish;
static struct qos_stream_grant grant;

static int setup(void **state)
{
	native = (struct scribe){.service.ops = &ops, .name = "n"};
	module = (struct scribe){.service.ops = &ops, .name = "m"};
	wish = (struct qos_cpu_stream){.manage = QOS_MANAGE_SCHEDULE};
	*said = '\0';
	if (qos_route_new(&native.service, &route) < 0)
		return -1;
	qos_route_set_module(route, &module.service);
	return 0;
}

static int teardown(void **state)
{
	route->ops->free(route);
	return 0;
}

static int attach_under(enum qos_policy policy, pid_t tid)
{
	const struct qos_service_stream stream = {.wish = &wish, .grant = &grant};

	grant.policy = policy;
	return route->ops->attach(route, tid, &stream, NULL);
}

static void assert_said(const char *what)
{
	assert_string_equal(said, what);
	*said = '\0';
}

static void test_by_policy(void **state)
{
	assert_int_equal(attach_under(QOS_POLICY_DWCS, 1), 0);
	assert_int_equal(attach_under(QOS_POLICY_FIFO, 2), 0);
	assert_said("m:attach 1, n:attach 2");
	route->ops->verify(route, 1);
	route->ops->verify(route, 2);
	route->ops->forget(route, 1);
	route->ops->inherit(route, 2, 9);
	assert_said("m:verify 1, n:verify 2, m:forget 1, n:inherit 2");
	/* nobody has it: the native manager knows records that are left */
	route->ops->detach(route, 1);
	assert_said("n:detach 1");
}

/* One gives back before the other has it. */
static void test_changes_sides(void **state)
{
	attach_under(QOS_POLICY_DWCS, 1);
	attach_under(QOS_POLICY_DWCS, 1);
	attach_under(QOS_POLICY_DEADLINE, 1);
	attach_under(QOS_POLICY_DWCS, 1);
	assert_said("m:attach 1, m:attach 1, m:detach 1, n:attach 1, n:detach 1, m:attach 1");
	attach_under(QOS_POLICY_NONE, 1);
	assert_said("m:detach 1");
}

static void test_refused(void **state)
{
	module.outcome = -EBUSY;
	assert_int_equal(attach_under(QOS_POLICY_DWCS, 1), -EBUSY);
	route->ops->detach(route, 1);
	assert_said("m:attach 1, n:detach 1");
	module.outcome = QOS_SERVICE_E_DRIFT;
	assert_int_equal(attach_under(QOS_POLICY_DWCS, 1), QOS_SERVICE_E_DRIFT);
	route->ops->verify(route, 1);
	assert_said("m:attach 1, m:verify 1");
}

static void test_module_goes(void **state)
{
	attach_under(QOS_POLICY_DWCS, 1);
	attach_under(QOS_POLICY_DEADLINE, 2);
	*said = '\0';
	qos_route_set_module(route, NULL);
	assert_int_equal(attach_under(QOS_POLICY_DWCS, 1), -ENODEV);
	assert_said("");
	attach_under(QOS_POLICY_FIFO, 1);
	route->ops->verify(route, 2);
	assert_said("n:attach 1, n:verify 2");
	qos_route_set_module(route, &module.service);
	attach_under(QOS_POLICY_DWCS, 2);
	assert_said("n:detach 2, m:attach 2");
}

static void test_exec(void **state)
{
	attach_under(QOS_POLICY_DWCS, 5);
	attach_under(QOS_POLICY_FIFO, 1);
	*said = '\0';
	route->ops->exec(route, 5, 1);
	assert_said("n:forget 1, m:exec 5");
	route->ops->verify(route, 1);
	assert_said("n:verify 1");
}

static void test_contracts(void **state)
{
	const struct qos_service_contract contract = {.n_streams = 2};

	assert_int_equal(route->ops->set(route, &contract, NULL), 0);
	route->ops->unset(route, "x");
	assert_said("m:set 2, m:unset 0");
	qos_route_set_module(route, NULL);
	assert_int_equal(route->ops->set(route, &contract, NULL), 0);
	route->ops->unset(route, "x");
	assert_said("");
}

#define route_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		route_test(test_by_policy), route_test(test_changes_sides),
		route_test(test_refused),   route_test(test_module_goes),
		route_test(test_exec),	    route_test(test_contracts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
