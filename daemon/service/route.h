/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two managers under one: each thread is with the one that its stream's grant names, QOS_POLICY_DWCS
 * with the module, all else with the native one. A thread whose grant changes sides is given back by
 * the first before the second has it.
 */
#pragma once

#include "service/service.h"

/* Takes over `native` (also on failure). 0 or -ENOMEM. */
int qos_route_new(struct qos_service *native, struct qos_service **ret);

/* The module came, or NULL: it went, and threads that it had are with nobody until they are attached
 * again. Borrowed; freed by its owner after it was taken out. */
void qos_route_set_module(struct qos_service *route, struct qos_service *module);
