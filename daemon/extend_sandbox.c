/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Contracts with `placement: user`: each one's process, what it asks for, and its end. What passes the
 * guard is carried out by the same reconciliation as changes of programs. Whoever goes wrong loses his
 * own adaptation, by the quarantine that programs have; `readmit` starts a new process.
 */
#include <errno.h>
#include <string.h>

#include "contract/print.h"
#include "extend_parts.h"
#include "kern/sandbox.h"
#include "module.h"
#include "tell.h"
#include "util/clock.h"

void qos_extension_sandbox_open(struct qos_supervisor *supervisor)
{
	struct qos_extender *extender = supervisor->extender;

	extender->sandbox_error = qos_sandbox_probe();
	if (extender->sandbox_error == 0)
		extender->sandbox_error =
			qos_sandbox_pool_new(supervisor->options.sandbox,
					     supervisor->options.run_dir, &extender->sandboxes);
}

bool qos_extension_sandbox_can(const struct qos_supervisor *supervisor)
{
	return supervisor->extender && supervisor->extender->sandboxes;
}

int qos_extend_sandbox_fd(const struct qos_supervisor *supervisor)
{
	return qos_extension_sandbox_can(supervisor)
		       ? qos_sandbox_pool_fd(supervisor->extender->sandboxes)
		       : -1;
}

bool qos_extend_is_sandbox(const struct qos_supervisor *supervisor, pid_t pid)
{
	return qos_extension_sandbox_can(supervisor) &&
	       qos_sandbox_pool_has(supervisor->extender->sandboxes, pid);
}

pid_t qos_extension_sandbox_pid(const struct qos_extension *extension)
{
	return extension->sandbox ? qos_sandbox_pid(extension->sandbox) : 0;
}

void qos_extension_sandbox_end(struct qos_extension *extension)
{
	qos_sandbox_free(TAKE_PTR(extension->sandbox));
}

static void count_events(const struct qos_supervisor *supervisor, const struct qos_live *live,
			 struct qos_extension *extension)
{
	struct qos_guard_contract counts;

	if (qos_extension_counts(supervisor, live, extension, &counts) < 0)
		return;
	extension->sandbox_events += qos_extension_since(counts.runs, extension->sandbox_runs);
	extension->sandbox_runs = counts.runs;
}

int qos_extension_sandbox_begin(struct qos_supervisor *supervisor, const struct qos_live *live,
				struct qos_extension *extension, bool fresh, struct qos_diag *diag)
{
	struct qos_chain *chain = supervisor->extender->chain;
	struct qos_buf text = {};
	struct qos_sandbox_plan plan = {.n_state = extension->n_state,
					.n_keys = extension->n_keys,
					.n_programs = extension->n_programs,
					.fresh = fresh};
	int r;

	qos_contract_print(live->contract, &text);
	plan.text = text.text;
	plan.len = text.len;
	plan.ring_fd = qos_chain_ring_fd(chain, extension->number);
	plan.state_fd = qos_chain_state_fd(chain, extension->number);
	count_events(supervisor, live, extension);
	extension->sandbox_events = 0;
	r = text.error ? text.error
		       : qos_sandbox_new(supervisor->extender->sandboxes, &plan, diag,
					 &extension->sandbox);
	qos_buf_reset(&text);
	return r;
}

/* --- what they ask for --- */

/* true: something is to be carried out. */
static bool judge(struct qos_supervisor *supervisor, struct qos_live *live,
		  const struct qos_talk *talk)
{
	uint64_t now_ns = qos_clock_ns(CLOCK_MONOTONIC);
	bool changed = false;

	for (size_t i = 0; i < talk->n; i++) {
		const struct qos_chain_wish wish = {.attribute = talk->requests[i].attribute,
						    .value = talk->requests[i].value,
						    .now_ns = now_ns};
		struct qos_change change;
		enum qos_verdict verdict = qos_chain_request(
			supervisor->extender->chain, live->extension->number, &wish, &change);

		if (verdict == QOS_VERDICT_SET || verdict == QOS_VERDICT_EMIT)
			changed |= qos_extension_change(supervisor, live, &change);
	}
	return changed;
}

/* It carries out what it grants, and says so like what programs set there. */
static void ask_module(const struct qos_supervisor *supervisor, const struct qos_live *live,
		       const struct qos_talk *talk)
{
	for (size_t i = 0; i < talk->n; i++)
		qos_dwcs_ask(qos_module_genl(supervisor), live->contract->name,
			     talk->requests[i].attribute, talk->requests[i].value);
}

static bool take(struct qos_supervisor *supervisor, struct qos_live *live)
{
	struct qos_extension *extension = live->extension;
	struct qos_talk talk;
	bool changed = false;

	if (qos_sandbox_begin(extension->sandbox, extension->sandbox_events))
		count_events(supervisor, live, extension);
	while (qos_sandbox_take(extension->sandbox, extension->sandbox_events, &talk)) {
		if (extension->in_module)
			ask_module(supervisor, live, &talk);
		else
			changed |= judge(supervisor, live, &talk);
	}
	return changed;
}

static void end(struct qos_supervisor *supervisor, struct qos_live *live)
{
	qos_tell(supervisor, QOS_HISTORY_KERNEL, live->contract->name, NULL, NULL,
		 "the process of its rules: %s", qos_sandbox_end(live->extension->sandbox));
	qos_extension_quarantine(supervisor, live, QOS_QUARANTINE_SANDBOX);
}

/* When all of them were looked at. */
static void cut_greediest(const struct qos_supervisor *supervisor)
{
	struct qos_sandbox *greediest = NULL;
	unsigned int sum = 0;

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_extension *extension = supervisor->lives[i]->extension;

		if (!extension || !extension->sandbox)
			continue;
		sum += qos_sandbox_percent(extension->sandbox);
		if (!greediest ||
		    qos_sandbox_percent(extension->sandbox) > qos_sandbox_percent(greediest))
			greediest = extension->sandbox;
	}
	if (sum > QOS_SANDBOX_ALL_PERCENT)
		qos_sandbox_cut(greediest);
}

void qos_extend_sandbox_dispatch(struct qos_supervisor *supervisor)
{
	bool due = qos_sandbox_pool_dispatch(supervisor->extender->sandboxes), changed = false;
	uint64_t now_ns = qos_clock_ns(CLOCK_MONOTONIC);

	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (!live->extension || !live->extension->sandbox || live->extension->outdated)
			continue;
		changed |= take(supervisor, live);
		if (due)
			qos_sandbox_look(live->extension->sandbox, now_ns);
	}
	if (due)
		cut_greediest(supervisor);
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->extension && live->extension->sandbox &&
		    qos_sandbox_end(live->extension->sandbox))
			end(supervisor, live);
	}
	if (changed)
		qos_extension_carry_out(supervisor);
}
