/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the facts of this machine into struct qos_host. Changes nothing; works without root. */
#pragma once

#include "contract/host.h"

/* `own`: what the caller has of its own; may be NULL. Everything that cannot be read stays unknown. 0 or -ENOMEM. */
struct qos_probe_own {
	bool (*is_own)(void *data,
		       pid_t tid); /* a real-time policy that does not count as foreign */
	void *data;
	enum qos_feature_state drift; /* the monitor's word; QOS_UNKNOWN: it is to be tried */
};
int qos_probe_host(const struct qos_probe_own *own, struct qos_host **ret);

/* Measures what one sample of a thread's task clock takes from that thread, in some 10 ms; rounded
 * up coarsely, so that the next start finds the same. 0 where it may not be asked. qos_probe_host does
 * not ask: whoever wants it does, once. */
uint64_t qos_probe_sample_cost(void);

/* Task clock events as qosd.service would have them: without CAP_SYS_ADMIN, which Debian's kernels ask
 * for where kernel.perf_event_paranoid is 3. Tried by a thread that lets go of that capability, in a
 * form that any user may have elsewhere, so that it holds whoever asks. */
enum qos_feature_state qos_probe_unit_clock(void);

/* Does the kernel take programs behind its functions that set policies and affinities? Whether it also runs them is known
 * once they are attached; to try that costs a second or two, since whoever lets go of the last one waits for every task. */
enum qos_feature_state qos_probe_drift_loads(void);

/* Do the online CPUs, the real-time limits or the limit of perf events differ from what `host` says?
 * Four small reads. */
bool qos_probe_supply_changed(const struct qos_host *host);

/* Doctor's text for a feature: what it is (with the CONFIG_ name), what its lack costs, the
 * remedy. Static strings, never NULL. */
struct qos_feature_advice {
	const char *what;
	const char *config;
	const char *cost;
	const char *remedy;
	bool needed; /* without it the daemon only parses and admits */
};
const struct qos_feature_advice *qos_feature_advice(enum qos_feature feature);

/* Errors that the kernel can answer to what the daemon does: cause and remedy for (call, errno).
 * `call` as in "sched_setattr(DEADLINE)". A generic row exists for each errno, so never NULL. */
struct qos_errno_advice {
	const char *call;
	int error; /* positive errno */
	const char *cause;
	const char *remedy;
};
const struct qos_errno_advice *qos_errno_advice(const char *call, int error);
const struct qos_errno_advice *qos_errno_advice_table(size_t *ret_n);
