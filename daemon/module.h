/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's module in the daemon: it comes and goes, takes charge of what is pinned to a CPU, has a
 * lease, and says what happens. What it does with contracts is in service/cpu_module.h.
 */
#pragma once

#include "supervisor.h"

/* Connects, and takes over what the module holds if it is there and wanted; else waits for it. Words
 * about what cannot be had go into supervisor->diag. */
void qos_module_open(struct qos_supervisor *supervisor);

/* Undoes everything there. */
void qos_module_close(struct qos_supervisor *supervisor);

/* The connection, while it is in charge. */
struct qos_genl *qos_module_genl(const struct qos_supervisor *supervisor);

/* Is it wanted, there and usable? */
bool qos_module_in_charge(const struct qos_supervisor *supervisor);

/* Why a contract has to wait for it (managers.cpu: module); NULL: it has not. */
const char *qos_module_awaited(const struct qos_supervisor *supervisor);

/* Polls readable when something was said; -1: never. */
int qos_module_fd(const struct qos_supervisor *supervisor);
void qos_module_dispatch(struct qos_supervisor *supervisor);

/* To be called each third of the lease. */
void qos_module_renew(struct qos_supervisor *supervisor);

/* Once a turn of the slow loop: is it heard, and does it have what we think? */
void qos_module_turn(struct qos_supervisor *supervisor);

/* Does its telemetry come? Without it nothing is adapted that it schedules. */
bool qos_module_is_heard(const struct qos_supervisor *supervisor);

/* The id that it knows this stream by, from an earlier daemon; 0: none. */
uint32_t qos_module_stream_id(const struct qos_supervisor *supervisor, const char *contract,
			      const char *stream);

/* What an earlier daemon left there and nobody claims goes. */
void qos_module_prune(struct qos_supervisor *supervisor);

/* All contracts are gone there, and come back with the next reload. */
void qos_module_flush(struct qos_supervisor *supervisor);

/* For `status`: an object, and problems. */
json_t *qos_module_json(const struct qos_supervisor *supervisor);
void qos_module_problems(const struct qos_supervisor *supervisor,
			 void (*add)(void *data, const char *text, const char *hint), void *data);
