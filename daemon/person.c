/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What persons ask for: adjust, revert, panic; and the one door through which a runtime changes,
 * whoever asks. An override is written to disk before it is reported as done, and taken back from
 * disk only after the grant has changed: after a kill the file says what the person was told.
 */
#include "supervisor.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "extend.h"
#include "module.h"
#include "network.h"
#include "tell.h"
#include "util/clock.h"

#define RULES_TELL_NS 1000000000ULL

/* Rules may change a runtime at every job: one of these in a second is told, with how many were not. */
static bool is_muted(struct qos_live_stream *stream, struct qos_evidence *evidence)
{
	uint64_t now_ns = qos_clock_ns(CLOCK_MONOTONIC);

	if (stream->rules_told_ns && now_ns - stream->rules_told_ns < RULES_TELL_NS) {
		stream->rules_untold++;
		return true;
	}
	evidence->muted = stream->rules_untold;
	stream->rules_told_ns = now_ns;
	stream->rules_untold = 0;
	return false;
}

void qos_supervisor_journal(struct qos_supervisor *supervisor,
			    const struct qos_adapt_request *request, uint64_t old_ns,
			    uint64_t new_ns)
{
	struct qos_live_stream *stream = request->stream;
	const char *name = qos_live_wish(stream)->name;
	struct qos_adaptation adaptation = {
		.at_us = qos_clock_ns(CLOCK_REALTIME) / 1000,
		.by = request->by,
		.old_ns = old_ns,
		.new_ns = new_ns,
		.signal_ns = request->signal_ns,
		.reason = request->reason,
	};
	struct qos_evidence evidence = {};
	char old_text[QOS_UNIT_MAX], new_text[QOS_UNIT_MAX], signal[QOS_UNIT_MAX], who[32] = "";

	if (request->asker)
		snprintf(who, sizeof(who), " (uid %u)", request->asker->uid);
	qos_print_about(old_text, sizeof(old_text), old_ns);
	qos_print_about(new_text, sizeof(new_text), new_ns);
	qos_print_about(signal, sizeof(signal), request->signal_ns);
	snprintf(adaptation.stream, sizeof(adaptation.stream), "%s", name);
	qos_live_remember(stream->live, &adaptation);
	if (request->by == QOS_BY_RULES && is_muted(stream, &evidence))
		return;
	qos_tell_of(supervisor, QOS_HISTORY_ADAPTED, stream, &evidence,
		    "runtime %s -> %s by %s%s: %s (signal: %s)", old_text, new_text,
		    qos_adapted_by_names[request->by], who, request->reason, signal);
}

int qos_supervisor_adapt(struct qos_supervisor *supervisor, const struct qos_adapt_request *request,
			 struct qos_diag *diag)
{
	struct qos_live_stream *stream = request->stream;
	const char *contract = stream->live->contract->name;
	int r;

	qos_ledger_begin(supervisor->ledger);
	r = qos_ledger_change(supervisor->ledger, contract, qos_live_wish(stream)->name,
			      request->runtime_ns, request->by != QOS_BY_LAW, diag);
	if (r) {
		qos_ledger_rollback(supervisor->ledger);
		return r;
	}
	qos_ledger_commit(supervisor->ledger);
	supervisor->request = request;
	qos_supervisor_reconcile(supervisor);
	supervisor->request = NULL;
	return 0;
}

static int save(struct qos_supervisor *supervisor, struct qos_diag *diag)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (asprintf(&path, "%s/overrides.json", supervisor->options.run_dir) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = qos_overrides_save(path, supervisor->overrides);
	if (r < 0)
		qos_diag_error(diag, NULL, "%s cannot be written: %s", path, strerror(-r));
	return r;
}

/* "cpu.STREAM.runtime" or "cpu.runtime" -> the stream. */
static int find_attribute(struct qos_live *live, const char *attribute, struct qos_diag *diag,
			  struct qos_live_stream **ret)
{
	const char *contract = live->contract->name;
	_cleanup_free_ char *name = NULL;
	const char *dot, *rest;

	rest = strncmp(attribute, "cpu.", 4) ? NULL : attribute + 4;
	dot = rest ? strrchr(rest, '.') : NULL;
	name = dot ? strndup(rest, (size_t)(dot - rest)) : strdup("main");
	if (!name)
		return -ENOMEM;
	*ret = qos_live_stream(live, name);
	if (rest && *ret && !strcmp(dot ? dot + 1 : rest, "runtime"))
		return 0;
	qos_diag_error(diag, NULL, "%s: no attribute %s", contract, attribute);
	qos_diag_hint(diag,
		      "attributes have the form cpu.STREAM.runtime; qosctl show %s lists "
		      "the streams",
		      contract);
	return QOS_SUPERVISOR_E_NO_ATTRIBUTE;
}

static int outcome(int r, struct qos_diag *diag)
{
	if (r == QOS_LEDGER_E_REFUSED || r == QOS_LEDGER_E_RANGE) {
		if (!diag->n_errors)
			qos_diag_error(diag, NULL, "admission refused it");
		return QOS_SUPERVISOR_E_REFUSED;
	}
	return r == QOS_LEDGER_E_UNKNOWN ? QOS_SUPERVISOR_E_NO_CONTRACT : r;
}

/* What cannot be kept is refused before anything changes. */
static int check_adjust(uint64_t value_ns, uint64_t until_ns, struct qos_diag *diag)
{
	if (value_ns < QOS_ADJUST_MIN_NS) {
		qos_diag_error(diag, NULL, "a runtime is at least 1us");
		qos_diag_hint(diag, "was the unit forgotten, or a smaller one meant?");
		return QOS_SUPERVISOR_E_REFUSED;
	}
	if (until_ns <= INT64_MAX)
		return 0;
	qos_diag_error(diag, NULL, "the time is too long");
	qos_diag_hint(diag, "without --for it lasts until revert or reboot");
	return QOS_SUPERVISOR_E_REFUSED;
}

/* On disk, or as if nothing had been asked. */
static int keep(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		uint64_t value_ns, uint64_t until_ns, struct qos_diag *diag)
{
	const char *contract = stream->live->contract->name, *name = qos_live_wish(stream)->name;
	struct qos_overrides *overrides = supervisor->overrides;
	const struct qos_override *found = qos_overrides_find(overrides, contract, name, "runtime");
	struct qos_override before = found ? *found : (struct qos_override){};
	int r;

	r = qos_overrides_set(overrides, contract, name, "runtime", value_ns, until_ns);
	if (r < 0) {
		qos_diag_error(diag, NULL, "it cannot be kept: %s",
			       r == -E2BIG ? "there are too many adjustments" : strerror(-r));
		return r;
	}
	r = save(supervisor, diag);
	if (r >= 0)
		return 0;
	qos_diag_hint(diag, "nothing was changed");
	if (found)
		qos_overrides_set(overrides, contract, name, "runtime", before.value,
				  before.until_ns);
	else
		qos_overrides_drop(overrides, contract, name);
	return r;
}

/* Static, like what an asker has. */
static const char *how_of(const struct qos_supervisor *supervisor, const char *otherwise)
{
	return supervisor->asker ? supervisor->asker->how : otherwise;
}

int qos_supervisor_adjust(struct qos_supervisor *supervisor, const char *contract,
			  const char *attribute, uint64_t value_ns, uint64_t until_ns,
			  struct qos_diag *diag, json_t **ret_json)
{
	struct qos_adapt_request request = {.runtime_ns = value_ns,
					    .by = QOS_BY_PERSON,
					    .asker = supervisor->asker,
					    .reason = how_of(supervisor, "qosctl adjust"),
					    .signal_ns = value_ns};
	struct qos_live *live = NULL;
	const char *name;
	uint64_t old_ns;
	int r;

	r = qos_supervisor_in_force(supervisor, contract, diag, &live);
	if (!r)
		r = find_attribute(live, attribute, diag, &request.stream);
	if (!r)
		r = check_adjust(value_ns, until_ns, diag);
	if (r)
		return r;
	name = qos_live_wish(request.stream)->name;
	old_ns = request.stream->applied.granted_ns;
	r = outcome(qos_supervisor_adapt(supervisor, &request, diag), diag);
	if (r)
		return r;
	r = keep(supervisor, request.stream, value_ns, until_ns, diag);
	if (r < 0) {
		request.runtime_ns = old_ns;
		qos_supervisor_adapt(supervisor, &request, NULL);
		return r;
	}
	qos_supervisor_reconcile(supervisor); /* rules on it wait from now on */
	*ret_json = json_pack("{si ss ss ss sI sI}", "schema", 1, "contract", contract, "stream",
			      name, "attribute", "runtime", "old_ns", (json_int_t)old_ns, "new_ns",
			      (json_int_t)request.stream->applied.granted_ns);
	return *ret_json ? 0 : -ENOMEM;
}

/* Back to what the contract says; the law goes on from there. */
static int revert_stream(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
			 const char *reason, json_t *list)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	const struct qos_adapt_request request = {.stream = stream,
						  .runtime_ns = wish->runtime_ns,
						  .by = QOS_BY_REVERT,
						  .asker = supervisor->asker,
						  .reason = reason,
						  .signal_ns = wish->runtime_ns};
	uint64_t old_ns = stream->applied.granted_ns;
	int r;

	if (!qos_overrides_find(supervisor->overrides, stream->live->contract->name, wish->name,
				"runtime"))
		return 0;
	r = qos_supervisor_adapt(supervisor, &request, NULL);
	if (r)
		return r;
	qos_overrides_drop(supervisor->overrides, stream->live->contract->name, wish->name);
	qos_supervisor_reconcile(supervisor); /* rules on it go on */
	if (list)
		json_array_append_new(list,
				      json_pack("{ss ss sI sI}", "stream", wish->name, "attribute",
						"runtime", "old_ns", (json_int_t)old_ns, "new_ns",
						(json_int_t)stream->applied.granted_ns));
	return 0;
}

int qos_supervisor_revert(struct qos_supervisor *supervisor, const char *contract,
			  const char *attribute, struct qos_diag *diag, json_t **ret_json)
{
	struct qos_live_stream *only = NULL;
	struct qos_live *live = NULL;
	json_t *list;
	int r;

	r = qos_supervisor_in_force(supervisor, contract, diag, &live);
	if (!r && *attribute)
		r = find_attribute(live, attribute, diag, &only);
	if (r)
		return r;
	list = json_array();
	for (size_t i = 0; !r && i < live->n_streams; i++) {
		if (!only || only == &live->streams[i])
			r = revert_stream(supervisor, &live->streams[i],
					  how_of(supervisor, "qosctl revert"), list);
	}
	if (!r || json_array_size(list)) {
		int saved = save(supervisor, diag);

		if (saved < 0)
			qos_diag_hint(diag,
				      "what was adjusted is undone, but would be back after a "
				      "restart of qosd: make room there, then revert again");
		r = r ? r : saved;
	}
	if (r) {
		json_decref(list);
		return outcome(r, diag);
	}
	*ret_json = json_pack("{si ss so}", "schema", 1, "contract", contract, "reverted", list);
	return *ret_json ? 0 : -ENOMEM;
}

#define RETRY_MIN_NS 2000000000ULL
#define RETRY_MAX_NS 256000000000ULL

/* What was before does not fit now: it is tried again, ever more seldom. */
static void put_off(struct qos_supervisor *supervisor, struct qos_override *item,
		    uint64_t now_boot_ns)
{
	uint64_t wait = RETRY_MIN_NS << (item->refusals < 7 ? item->refusals : 7);

	if (!item->refusals++)
		qos_tell(supervisor, QOS_HISTORY_REFUSED, item->contract, item->stream, NULL,
			 "the time of what a person adjusted is over, but the contract's own "
			 "runtime does not fit now; it is tried again");
	item->retry_ns = now_boot_ns + (wait < RETRY_MAX_NS ? wait : RETRY_MAX_NS);
}

/* Has the item gone? */
static bool expire(struct qos_supervisor *supervisor, struct qos_override *item,
		   uint64_t now_boot_ns)
{
	struct qos_live *live = qos_supervisor_find(supervisor, item->contract);
	struct qos_live_stream *stream = live ? qos_live_stream(live, item->stream) : NULL;

	if (!stream) {
		qos_overrides_drop(supervisor->overrides, item->contract, item->stream);
		return true;
	}
	if (!revert_stream(supervisor, stream, "its time is over", NULL))
		return true;
	put_off(supervisor, item, now_boot_ns);
	return false;
}

void qos_supervisor_expire_overrides(struct qos_supervisor *supervisor, uint64_t now_boot_ns)
{
	struct qos_overrides *overrides = supervisor->overrides;
	bool changed = false;

	for (size_t i = overrides->n_items; i-- > 0;) {
		struct qos_override *item = &overrides->items[i];

		/* one that goes may take others of its stream with it */
		if (i >= overrides->n_items || !item->until_ns || item->until_ns > now_boot_ns ||
		    item->retry_ns > now_boot_ns)
			continue;
		changed |= expire(supervisor, item, now_boot_ns);
	}
	if (changed)
		save(supervisor, NULL);
}

void qos_supervisor_reapply_overrides(struct qos_supervisor *supervisor)
{
	for (size_t i = 0; i < supervisor->overrides->n_items; i++) {
		const struct qos_override *item = &supervisor->overrides->items[i];
		struct qos_live *live = qos_supervisor_find(supervisor, item->contract);
		struct qos_adapt_request request = {.runtime_ns = item->value,
						    .by = QOS_BY_PERSON,
						    .reason = "qosctl adjust, kept",
						    .signal_ns = item->value};

		request.stream = live ? qos_live_stream(live, item->stream) : NULL;
		if (request.stream && request.stream->applied.granted_ns != item->value &&
		    qos_supervisor_adapt(supervisor, &request, NULL))
			qos_tell(supervisor, QOS_HISTORY_REFUSED, item->contract, item->stream,
				 NULL,
				 "what a person adjusted does not fit any more; the contract's own "
				 "runtime is in force");
	}
}

int qos_supervisor_panic(struct qos_supervisor *supervisor, json_t **ret_json)
{
	size_t n = supervisor->threads.n;
	int failed = 0, links;

	supervisor->panicked = true;
	qos_extend_drop_all(supervisor);
	qos_threads_release_all(supervisor);
	qos_module_flush(supervisor);
	links = qos_network_undo(supervisor);
	if (supervisor->originals)
		failed = qos_originals_restore_all(supervisor->originals);
	if (failed < 0) /* how many is not known */
		failed = 1;
	qos_tell(supervisor, QOS_HISTORY_PANIC, NULL, NULL, NULL,
		 "panic: %zu threads are what they were; nothing is managed until a reload", n);
	*ret_json = json_pack("{si sI si}", "schema", 1, "restored", (json_int_t)n, "failed",
			      failed + links);
	return *ret_json ? 0 : -ENOMEM;
}
