/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The stage `extension` of the pipeline, between grant and live: a contract's rules are compiled and
 * loaded once it is in force, follow its later versions, and go with it. What they set within the
 * reservation is carried out here; what they want beyond it is asked of admission, in the slow loop.
 *
 * A contract's rules run where its streams are scheduled: all by the native manager, or all by the
 * module.
 */
#pragma once

#include <jansson.h>

#include "supervisor.h"

struct qos_extension; /* of one contract; owned by its live */

/* Opens what the monitor's programs have. Lacks are noted in the supervisor's diag. */
void qos_extend_open(struct qos_supervisor *supervisor);
/* Before the monitor goes. */
void qos_extend_close(struct qos_supervisor *supervisor);

/* Around the reconciliation: new limits before it, new programs after it. `load` returns true if the
 * ledger changed, so that others may have to follow. */
void qos_extend_limits(struct qos_supervisor *supervisor);
bool qos_extend_load(struct qos_supervisor *supervisor);
/* Links are in line with the ledger: rules over packets follow them into the module, or out of it. */
void qos_extend_links(struct qos_supervisor *supervisor);
/* What could not be loaded may be by now: the next `load` tries again. */
void qos_extend_retry(struct qos_supervisor *supervisor);

/* The contract, or this version of it, goes: at once, before its streams do. `next`, which is admitted, takes
 * over what it can (may be NULL). */
void qos_extend_retire(struct qos_supervisor *supervisor, struct qos_live *old,
		       struct qos_live *next);
void qos_extend_drop_all(struct qos_supervisor *supervisor);

/* The grant as it is in force: what rules have set of it. true: rules can set it. */
bool qos_extend_in_force(const struct qos_supervisor *supervisor,
			 const struct qos_live_stream *stream, struct qos_stream_grant *grant);

/* The same of a network stream of the contract, by its place there. */
bool qos_extend_net_rate(const struct qos_supervisor *supervisor, const struct qos_live *live,
			 size_t i, uint64_t *rate_bps);

/* A thread came under its stream, or left it. */
void qos_extend_thread(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		       pid_t tid);
void qos_extend_thread_gone(struct qos_supervisor *supervisor, pid_t tid);

/* The module says what rules set, or told; changes are carried out by the next reconciliation. true:
 * there is something to carry out. It is gone, or has forgotten what it was told. */
bool qos_extend_heard_value(struct qos_supervisor *supervisor, uint32_t stream,
			    uint64_t runtime_ns);
void qos_extend_heard_rate(struct qos_supervisor *supervisor, const char *contract, uint32_t index,
			   uint64_t rate_bps);
void qos_extend_heard_signal(struct qos_supervisor *supervisor, const char *contract,
			     uint32_t signal);
void qos_extend_module_gone(struct qos_supervisor *supervisor);
void qos_extend_module_forgot(struct qos_supervisor *supervisor);

/* Are the contract's rules in the module; do they belong there? */
bool qos_extend_in_module(const struct qos_live *live);
bool qos_extend_belongs_there(const struct qos_supervisor *supervisor, const struct qos_live *live);

/* Do rules in the module set this stream's runtime? */
bool qos_extend_rules_it(const struct qos_live_stream *stream);

/* Descriptors for the event loop, -1: none; and what is to be called when they are readable. */
int qos_extend_fd(const struct qos_supervisor *supervisor);
void qos_extend_dispatch(struct qos_supervisor *supervisor);
int qos_extend_timer_fd(const struct qos_supervisor *supervisor);
void qos_extend_tick(struct qos_supervisor *supervisor);

/* Those of rules in processes (extend_sandbox.c); and is this process one of them? */
int qos_extend_sandbox_fd(const struct qos_supervisor *supervisor);
void qos_extend_sandbox_dispatch(struct qos_supervisor *supervisor);
bool qos_extend_is_sandbox(const struct qos_supervisor *supervisor, pid_t pid);

/* Once a turn of the slow loop. */
void qos_extend_turn(struct qos_supervisor *supervisor);

/* Back into service. 0, QOS_SUPERVISOR_E_*, with words in diag. */
int qos_extend_readmit(struct qos_supervisor *supervisor, const char *contract,
		       struct qos_diag *diag, json_t **ret_json);

/* What is wrong with its rules, for `status`; false: nothing. The hint is static. */
bool qos_extend_problem(const struct qos_supervisor *supervisor, const struct qos_live *live,
			char *buf, size_t size, const char **ret_hint);

/* For `status` and `show`; null: the contract has no rules. */
json_t *qos_extend_json(const struct qos_supervisor *supervisor, const struct qos_live *live);
