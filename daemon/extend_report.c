/* SPDX-License-Identifier: GPL-2.0-only */
/* What is told of rules: their counts, and why those that should run do not. */
#include <errno.h>
#include <stdio.h>

#include "extend_parts.h"
#include "module.h"
#include "util/cleanup.h"

/* Why rules that could be loaded are not. */
static const char *reason_not_loaded(const struct qos_supervisor *supervisor,
				     const struct qos_live *live)
{
	if (supervisor->panicked)
		return NULL;
	if (live->rules_failed)
		return "they could not be loaded";
	if (!supervisor->monitor)
		return "there is no monitor";
	if (live->contract->placement == QOS_PLACEMENT_USER &&
	    !qos_extension_sandbox_can(supervisor))
		return supervisor->extender && supervisor->extender->sandbox_error == -ENOENT
			       ? "qosd-sandbox is not installed (placement: user)"
			       : "no sandbox can be started (placement: user); see "
				 "processes.conf in qosd(8), and qosctl doctor";
	return NULL;
}

/* The hint is static. */
static bool tell_blind(const struct qos_live *live, char *buf, size_t size, const char **ret_hint)
{
	const struct qos_contract *contract = live->contract;
	size_t at = live->extension->blind - 1; /* SIZE_MAX: none */

	if (at >= contract->n_cpu + contract->n_net)
		return false;
	snprintf(buf, size, "its ticks stand still: nothing is known of stream %s",
		 at < contract->n_cpu ? contract->cpu[at].name
				      : contract->net[at - contract->n_cpu].name);
	*ret_hint = "qosctl show says what became of its queue, or of its threads' statistics";
	return true;
}

/* Rules run, and nothing that they ask for is granted. */
static const struct qos_live_stream *find_simulated(const struct qos_supervisor *supervisor,
						    const struct qos_live *live)
{
	for (size_t i = 0; i < live->n_streams; i++) {
		const struct qos_live_stream *stream = &live->streams[i];
		const struct qos_stream_grant *grant = qos_extension_reserved(supervisor, stream);

		if (qos_live_wish(stream)->runtime_range.set && grant &&
		    grant->guarantee == QOS_SIMULATED && !qos_extension_can_set(stream, grant))
			return stream;
	}
	return NULL;
}

/* The hint is static. */
static bool tell_simulated(const struct qos_supervisor *supervisor, const struct qos_live *live,
			   char *buf, size_t size, const char **ret_hint)
{
	const struct qos_live_stream *stream = find_simulated(supervisor, live);

	if (!stream)
		return false;
	snprintf(buf, size,
		 "its rules set nothing of %s, which is only simulated: that holds for one runtime",
		 qos_live_wish(stream)->name);
	*ret_hint = "accept: best-effort lets them";
	return true;
}

bool qos_extend_problem(const struct qos_supervisor *supervisor, const struct qos_live *live,
			char *buf, size_t size, const char **ret_hint)
{
	const struct qos_extension *extension = live->extension;
	const char *reason;

	if (live->state != QOS_LIVE_IN_FORCE || !live->contract || !live->contract->n_rules)
		return false;
	if (extension && !extension->quarantine)
		return tell_blind(live, buf, size, ret_hint) ||
		       tell_simulated(supervisor, live, buf, size, ret_hint);
	reason = extension ? qos_quarantine_causes[extension->quarantine]
			   : reason_not_loaded(supervisor, live);
	if (!reason)
		return false;
	snprintf(buf, size, "its rules %s: %s", extension ? "are in quarantine" : "do not run",
		 reason);
	*ret_hint = extension ? "qosctl events says since when; qosctl readmit puts them back"
		    : live->rules_failed ? "qosctl events has the words; qosctl reload tries again"
					 : "its runtimes stay as the contract has them";
	return true;
}

static const char *const refusal_names[QOS_VERDICTS] = {
	[QOS_REFUSED_OWNER] = "owner",	 [QOS_REFUSED_RANGE] = "range", [QOS_REFUSED_STEP] = "step",
	[QOS_REFUSED_BUDGET] = "budget", [QOS_REFUSED_RATE] = "rate",	[QOS_REFUSED_HELD] = "held",
	[QOS_REFUSED_BUSY] = "busy",
};

json_t *qos_extend_json(const struct qos_supervisor *supervisor, const struct qos_live *live)
{
	const struct qos_extension *extension = live->extension;
	struct qos_guard_contract counts = {};
	json_t *refused;

	if (!live->contract || !live->contract->n_rules)
		return json_null();
	if (!extension)
		return json_pack("{ss sn}", "state", live->rules_failed ? "failed" : "not loaded",
				 "cause");
	refused = json_object();
	qos_extension_counts(supervisor, live, live->extension, &counts);
	for (int i = QOS_REFUSED_FIRST; i < QOS_VERDICTS; i++)
		json_object_set_new(refused, refusal_names[i],
				    json_integer((json_int_t)counts.verdicts[i]));
	return json_pack(
		"{ss so ss so sI sI sI sf sI sI so sI sI sI sI}", "state",
		extension->quarantine ? "quarantined" : "running", "cause",
		extension->quarantine ? json_string(qos_quarantine_causes[extension->quarantine])
				      : json_null(),
		"placement", qos_placement_names[live->contract->placement], "pid",
		extension->sandbox ? json_integer(qos_extension_sandbox_pid(extension))
				   : json_null(),
		"programs", (json_int_t)extension->n_programs, "instructions",
		(json_int_t)extension->n_insns, "runs", (json_int_t)counts.runs, "ns_a_run",
		counts.runs ? (double)counts.run_ns / (double)counts.runs : 0.0, "requests",
		(json_int_t)counts.requests, "set", (json_int_t)counts.verdicts[QOS_VERDICT_SET],
		"refused", refused, "signals", (json_int_t)counts.verdicts[QOS_VERDICT_EMIT],
		"signals_muted", (json_int_t)counts.verdicts[QOS_VERDICT_MUTED], "breaches",
		(json_int_t)counts.breaches, "dropped", (json_int_t)counts.dropped);
}
