/* SPDX-License-Identifier: GPL-2.0-only */
/* Which contracts have their rules in the kernel, and when: with the pipeline, the module, a panic. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "extend_parts.h"
#include "kern/sandbox.h"
#include "module.h"
#include "tell.h"

/* --- all of them --- */

void qos_extend_open(struct qos_supervisor *supervisor)
{
	struct qos_extender *extender;
	int r = -ENOMEM;

	if (!supervisor->monitor)
		return;
	extender = calloc(1, sizeof(*extender));
	if (extender)
		r = qos_chain_new(supervisor->monitor, supervisor->options.run_dir,
				  supervisor->originals ? supervisor->options.pin_dir : NULL,
				  &extender->chain);
	if (r == 0) {
		extender->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		r = extender->timer_fd < 0 ? -errno : 0;
	}
	if (r == 0) {
		supervisor->extender = extender;
		qos_extension_sandbox_open(supervisor);
		return;
	}
	if (extender)
		qos_chain_free(extender->chain);
	free(extender);
	qos_diag_add(&supervisor->diag, QOS_WARNING, NULL, "rules of contracts do not run: %s",
		     strerror(-r));
}

void qos_extend_close(struct qos_supervisor *supervisor)
{
	if (!supervisor->extender)
		return;
	qos_extend_drop_all(supervisor);
	qos_sandbox_pool_free(supervisor->extender->sandboxes);
	qos_chain_free(supervisor->extender->chain);
	close(supervisor->extender->timer_fd);
	free(supervisor->extender->shares);
	free(TAKE_PTR(supervisor->extender));
}

int qos_extend_fd(const struct qos_supervisor *supervisor)
{
	return supervisor->extender ? qos_chain_fd(supervisor->extender->chain) : -1;
}

int qos_extend_timer_fd(const struct qos_supervisor *supervisor)
{
	return supervisor->extender ? supervisor->extender->timer_fd : -1;
}

/* From one manager to the other. */
static bool moves(const struct qos_supervisor *supervisor, const struct qos_live *live)
{
	return live->extension->in_module != qos_extend_belongs_there(supervisor, live);
}

static bool wants_loading(const struct qos_supervisor *supervisor, const struct qos_live *live)
{
	if (live->state != QOS_LIVE_IN_FORCE || !live->contract->n_rules ||
	    !(live->n_streams + live->contract->n_net) || supervisor->panicked ||
	    (qos_extension_in_process(live) && !qos_extension_sandbox_can(supervisor)))
		return false;
	return live->extension ? live->extension->outdated || moves(supervisor, live)
			       : !live->rules_failed;
}

static void drop(struct qos_supervisor *supervisor, struct qos_live *live)
{
	if (!live->extension)
		return;
	qos_extension_hooks(supervisor, live, NULL);
	if (live->extension->in_module)
		qos_extension_pull(supervisor, live);
	qos_chain_remove(supervisor->extender->chain, live->extension->number);
	qos_extension_free(TAKE_PTR(live->extension));
}

/* Rules that cannot be loaded cost the contract its adaptation, not its grant. */
static void fail(struct qos_supervisor *supervisor, struct qos_live *live, struct qos_diag *diag,
		 int error)
{
	const struct qos_diag_entry *entry = qos_diag_first_error(diag);
	const char *text = entry ? entry->text : strerror(-error);
	const char *hint = entry ? entry->hint : NULL;

	live->rules_failed = true;
	qos_tell(supervisor, QOS_HISTORY_KERNEL, live->contract->name, NULL, NULL,
		 "its rules are not in force: %s%s%s", text, hint ? "; " : "", hint ? hint : "");
	drop(supervisor, live);
}

void qos_extend_retry(struct qos_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_lives; i++)
		supervisor->lives[i]->rules_failed = false;
}

/* What the module has forgotten, or could not take at the time. */
static void push_again(struct qos_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->extension && live->extension->in_module &&
		    !live->extension->told.streams && !live->extension->outdated &&
		    qos_module_in_charge(supervisor))
			qos_extension_push(supervisor, live, NULL);
	}
}

/* So that it can be unloaded where no rules run there. */
static void leave_module(struct qos_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		const struct qos_extension *extension = supervisor->lives[i]->extension;

		if (extension && extension->in_module)
			return;
	}
	qos_chain_module_close(supervisor->extender->chain);
}

bool qos_extend_load(struct qos_supervisor *supervisor)
{
	bool changed = false;

	for (size_t i = 0; supervisor->extender && i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];
		struct qos_diag diag = QOS_DIAG_INIT;
		int r;

		if (!wants_loading(supervisor, live)) {
			if (live->extension && live->extension->outdated)
				drop(supervisor, live);
			continue;
		}
		changed |= qos_extension_reserve(supervisor, live);
		r = qos_extension_load(supervisor, live, &diag);
		if (r < 0)
			fail(supervisor, live, &diag, r);
		qos_diag_reset(&diag);
	}
	if (!supervisor->extender)
		return false;
	push_again(supervisor);
	leave_module(supervisor);
	qos_extension_arm(supervisor);
	return changed;
}

void qos_extend_links(struct qos_supervisor *supervisor)
{
	if (qos_extend_load(supervisor))
		qos_supervisor_reconcile(supervisor);
	for (size_t i = 0; supervisor->extender && i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->contract && live->contract->n_net && qos_extend_in_module(live))
			qos_extension_limits(supervisor, live);
	}
}

void qos_extend_retire(struct qos_supervisor *supervisor, struct qos_live *old,
		       struct qos_live *next)
{
	if (!old->extension)
		return;
	if (next && next->n_streams + next->contract->n_net && next->contract->n_rules) {
		next->extension = TAKE_PTR(old->extension);
		next->extension->outdated = true;
		return;
	}
	drop(supervisor, old);
}

void qos_extend_drop_all(struct qos_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_lives; i++)
		drop(supervisor, supervisor->lives[i]);
	if (supervisor->extender)
		leave_module(supervisor);
}

/* Whatever was attached there is gone with it. */
void qos_extend_module_gone(struct qos_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (live->extension && live->extension->in_module)
			drop(supervisor, live);
	}
	qos_extend_module_forgot(supervisor);
	if (supervisor->extender)
		leave_module(supervisor);
}

/* --- threads --- */

void qos_extend_thread(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		       pid_t tid)
{
	const struct qos_extension *extension = stream->live->extension;

	if (!supervisor->extender || !extension)
		return;
	qos_chain_thread(supervisor->extender->chain, extension->number, tid);
	if (extension->in_module)
		qos_extension_push_key(supervisor, tid);
}

void qos_extend_thread_gone(struct qos_supervisor *supervisor, pid_t tid)
{
	if (supervisor->extender)
		qos_chain_thread_gone(supervisor->extender->chain, tid);
}
