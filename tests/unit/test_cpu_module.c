/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module is told of contracts; its commands are played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "contract/contract.h"
#include "service/cpu_module.h"

#define UNUSED 0

static struct qos_service *service;
static uint64_t told_ns; /* runtime of the stream that was set last */

/* --- the module --- */

int qos_dwcs_set_contract(struct qos_genl *genl, const char *name, uint32_t on_expiry,
			  uint32_t on_drift, const struct qos_dwcs_stream *streams, size_t n,
			  struct qos_diag *diag)
{
	told_ns = streams[n - 1].runtime_ns;
	return 0;
}

int qos_dwcs_delete_contract(struct qos_genl *genl, const char *name)
{
	return 0;
}

int qos_dwcs_dump_streams(struct qos_genl *genl, const struct qos_dwcs_visit *visit)
{
	visit->begin(visit->data);
	return 0;
}

int qos_dwcs_dump_threads(struct qos_genl *genl, const struct qos_dwcs_visit *visit)
{
	return 0;
}

int qos_dwcs_connect(struct qos_genl **ret)
{
	return UNUSED;
}

int qos_dwcs_info(struct qos_genl *genl, struct qos_dwcs_info *ret)
{
	return UNUSED;
}

int qos_dwcs_configure(struct qos_genl *genl, const struct qos_dwcs_settings *settings,
		       const struct qos_dwcs_info *now, struct qos_diag *diag)
{
	return UNUSED;
}

int qos_dwcs_order(struct qos_genl *genl, uint32_t cpu, uint32_t ordering, struct qos_diag *diag)
{
	return UNUSED;
}

int qos_dwcs_attach(struct qos_genl *genl, pid_t tid, uint64_t start, uint32_t stream, uint32_t cpu,
		    struct qos_diag *diag)
{
	return UNUSED;
}

int qos_dwcs_detach(struct qos_genl *genl, pid_t tid)
{
	return UNUSED;
}

int qos_dwcs_thread(struct qos_genl *genl, pid_t tid, struct qos_dwcs_thread *ret)
{
	return UNUSED;
}

int qos_dwcs_set_table(struct qos_genl *genl, uint32_t stream, const struct qos_dwcs_table *table,
		       struct qos_diag *diag)
{
	return UNUSED;
}

int qos_dwcs_renew(struct qos_genl *genl)
{
	return UNUSED;
}

int qos_dwcs_flush(struct qos_genl *genl)
{
	return UNUSED;
}

/* --- tests --- */

static int setup(void **state)
{
	return qos_cpu_module_new(NULL, NULL, 40, &service);
}

static int teardown(void **state)
{
	service->ops->free(service);
	return 0;
}

static void set(char *name, uint32_t id, bool ruled)
{
	struct qos_cpu_stream wish = {.name = "main", .runtime_ns = 4000000};
	const struct qos_contract contract = {.name = name, .cpu = &wish, .n_cpu = 1};
	const struct qos_stream_grant grant = {.policy = QOS_POLICY_DWCS, .granted_ns = 12000000};
	const struct qos_service_stream stream = {
		.id = id, .wish = &wish, .grant = &grant, .ruled = ruled};
	const struct qos_service_contract wanted = {
		.contract = &contract, .streams = &stream, .n_streams = 1};

	assert_int_equal(service->ops->set(service, &wanted, NULL), 0);
}

/* At first there is none that could be left. */
static void test_first(void **state)
{
	set("a", 1, true);
	assert_int_equal(told_ns, 12000000);
}

static void test_left_alone(void **state)
{
	set("a", 1, true);
	set("a", 1, true);
	assert_int_equal(told_ns, 0);
	set("a", 1, false);
	assert_int_equal(told_ns, 12000000);
}

static void test_left_alone_beside_another(void **state)
{
	set("a", 1, true);
	set("b", 2, false);
	set("a", 1, true);
	assert_int_equal(told_ns, 0);
}

/* A dump shows that the module has forgotten it. */
static void test_forgotten(void **state)
{
	bool forgotten;

	set("a", 1, true);
	assert_int_equal(qos_cpu_module_resync(service, &forgotten), 0);
	assert_true(forgotten);
	set("a", 1, true);
	assert_int_equal(told_ns, 12000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_alone_beside_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
