/* SPDX-License-Identifier: GPL-2.0-only */
/* A supervisor with the contract x in a.yaml, whose stream a fake manager counts. */
#pragma once

#include "supervise.h"

static struct supervised test;
static struct qos_stream_stats counted; /* what the fake manager has */

static void read_stats(struct qos_service *service, uint32_t stream, struct qos_stream_stats *ret)
{
	*ret = counted;
}

static void service_free(struct qos_service *service)
{
}

static const struct qos_service_ops ops = {
	.name = "fake", .read = read_stats, .free = service_free};
static struct qos_service service = {.ops = &ops};

static int begin_counted(void)
{
	struct qos_reload_summary sum;

	memset(&counted, 0, sizeof(counted));
	if (supervise(&test) < 0)
		return -1;
	put_contract(&test, "a", "x", "");
	if (qos_supervisor_reload(test.supervisor, &sum) < 0)
		return -1;
	test.supervisor->service = &service;
	return 0;
}

static int teardown(void **state)
{
	test.supervisor->service = NULL;
	return supervise_end(&test);
}
