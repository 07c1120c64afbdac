/* SPDX-License-Identifier: GPL-2.0-only */
/* See claims.h. A bundle is claimed as a whole or not at all: the module drops it as a whole too. */
#include "claims.h"

#include <errno.h>
#include <string.h>

#include "module_parts.h"
#include "service/cpu_module.h"
#include "tell.h"
#include "threads_parts.h"

#define PAUSE_TURNS 3 /* after one that was given up */

enum qos_guarantee qos_claims_guarantee(const struct qos_supervisor *supervisor,
					const struct qos_live_stream *stream,
					const struct qos_stream_grant *grant)
{
	bool in_force = stream->claimed && qos_threads_now_ns() >= stream->proven_ns;

	if (grant->policy == QOS_POLICY_DWCS && grant->guarantee == QOS_PROVEN &&
	    stream->n_managed && !in_force)
		return QOS_BEST_EFFORT;
	return grant->guarantee;
}

void qos_claims_due(struct qos_supervisor *supervisor, struct qos_live_stream *stream)
{
	stream->claimed = false;
	supervisor->claims_due = true;
}

void qos_claims_lost(struct qos_supervisor *supervisor, struct qos_live_stream *stream,
		     uint64_t event_ns, const struct qos_evidence *evidence, const char *reason)
{
	if (!stream->claimed || event_ns < stream->claimed_ns)
		return;
	stream->claimed = false;
	stream->unproven = true;
	stream->unproven_turn = supervisor->turns;
	qos_tell_of(supervisor, QOS_HISTORY_UNPROVEN, stream, evidence, "not proven any more: %s",
		    reason);
}

/* --- one CPU --- */

struct claiming {
	struct qos_supervisor *supervisor;
	unsigned int cpu;
	struct qos_cpu_claims claims;
	uint64_t now_ns;
};

static struct qos_live_stream *live_of(struct qos_supervisor *supervisor,
				       const struct qos_stream_claim *one)
{
	return qos_table_get(&supervisor->streams, one->id);
}

static uint32_t id_of(void *data, const char *contract, size_t index)
{
	struct qos_supervisor *supervisor = data;
	const struct qos_live_stream *stream;
	size_t pos = 0;

	while ((stream = qos_table_next(&supervisor->streams, &pos))) {
		if (stream->index == index && !strcmp(stream->live->contract->name, contract))
			return stream->id;
	}
	return 0;
}

static bool is_paused(const struct qos_supervisor *supervisor, const struct qos_live_stream *stream)
{
	return stream->unproven && supervisor->turns - stream->unproven_turn < PAUSE_TURNS;
}

static bool may_be(const struct claiming *claiming, const struct qos_stream_claim *one)
{
	const struct qos_live_stream *stream = live_of(claiming->supervisor, one);

	return stream && stream->n_managed && !is_paused(claiming->supervisor, stream);
}

/* Is anybody of its bundle missing, or in want of being claimed? */
static void look_at_bundle(const struct claiming *claiming, uint32_t bundle, bool *ret_whole,
			   bool *ret_wanting)
{
	*ret_whole = true;
	*ret_wanting = false;
	for (size_t i = 0; i < claiming->claims.n; i++) {
		const struct qos_stream_claim *one = &claiming->claims.streams[i];
		const struct qos_live_stream *stream = live_of(claiming->supervisor, one);

		if (one->claim.bundle != bundle)
			continue;
		*ret_whole &= may_be(claiming, one);
		*ret_wanting |= stream && !stream->claimed;
	}
}

static bool is_wanted(const struct claiming *claiming, const struct qos_stream_claim *one)
{
	const struct qos_live_stream *stream = live_of(claiming->supervisor, one);
	bool whole, wanting;

	if (one->claim.mode != QOS_CLAIM_BUNDLE)
		return may_be(claiming, one) && !stream->claimed;
	look_at_bundle(claiming, one->claim.bundle, &whole, &wanting);
	return whole && wanting;
}

static void conclude(struct qos_supervisor *supervisor, struct qos_live_stream *stream, int r,
		     const struct qos_diag *diag)
{
	bool again = stream->unproven;

	if (r == -ENOENT)
		return;
	stream->unproven = r < 0;
	stream->unproven_turn = supervisor->turns;
	stream->claimed = r == 0;
	if (r < 0 && !again)
		qos_tell_of(supervisor, QOS_HISTORY_UNPROVEN, stream, NULL,
			    "not proven: the module does not take the claim: %s",
			    diag->n_entries ? diag->entries[0].text : strerror(-r));
	if (r == 0 && again)
		qos_tell_of(supervisor, QOS_HISTORY_UNPROVEN, stream, NULL, "proven again");
}

static void claim_one(struct claiming *claiming, const struct qos_stream_claim *one)
{
	struct qos_supervisor *supervisor = claiming->supervisor;
	struct qos_live_stream *stream = live_of(supervisor, one);
	const struct qos_cpu_stream *wish = qos_live_wish(stream);
	const struct qos_cpu_module_claim claim = {.stream = one->id,
						   .y = wish->window.y,
						   .period_ns = wish->period.ns,
						   .claim = &one->claim};
	struct qos_diag diag = QOS_DIAG_INIT;
	int r;

	r = qos_cpu_module_claim(supervisor->module->service, claiming->cpu, &claim,
				 claiming->now_ns, &stream->proven_ns, &diag);
	stream->claimed_ns = qos_threads_now_ns();
	conclude(supervisor, stream, r, &diag);
	qos_diag_reset(&diag);
}

static void unclaim(struct qos_supervisor *supervisor, unsigned int cpu)
{
	struct qos_live_stream *stream;
	size_t pos = 0;

	while ((stream = qos_table_next(&supervisor->streams, &pos))) {
		if (qos_cpus_has(&stream->applied.cpus, cpu))
			stream->claimed = stream->unproven = false;
	}
}

static void claim_cpu(struct qos_supervisor *supervisor, unsigned int cpu)
{
	struct claiming claiming = {
		.supervisor = supervisor, .cpu = cpu, .now_ns = qos_threads_now_ns()};
	_cleanup_free_ bool *wanted = NULL;

	if (qos_ledger_claims(supervisor->ledger, cpu, id_of, supervisor, &claiming.claims) < 0)
		return; /* qos_module_turn has it tried again */
	if (qos_cpu_module_plan(supervisor->module->service, cpu, claiming.claims.plan,
				claiming.now_ns))
		unclaim(supervisor, cpu);
	wanted = calloc(claiming.claims.n + 1, sizeof(*wanted));
	for (size_t i = 0; wanted && i < claiming.claims.n; i++)
		wanted[i] = is_wanted(&claiming, &claiming.claims.streams[i]);
	for (size_t i = 0; wanted && i < claiming.claims.n; i++) {
		if (wanted[i])
			claim_one(&claiming, &claiming.claims.streams[i]);
	}
	qos_cpu_claims_reset(&claiming.claims);
}

/* --- all of them --- */

/* CPUs of the module where something may have to be claimed, or taken back. */
static struct qos_cpus wanting_cpus(struct qos_supervisor *supervisor)
{
	const struct qos_live_stream *stream;
	struct qos_cpus cpus = {};
	size_t pos = 0;

	while ((stream = qos_table_next(&supervisor->streams, &pos))) {
		const struct qos_stream_grant *applied = &stream->applied;
		bool proven = applied->guarantee == QOS_PROVEN;
		uint32_t cpu = qos_cpus_next(&applied->cpus, 0);

		if (applied->policy != QOS_POLICY_DWCS || !stream->n_managed ||
		    is_paused(supervisor, stream))
			continue;
		if (stream->claimed != proven ||
		    !qos_cpu_module_is_planned(supervisor->module->service, cpu))
			qos_cpus_add(&cpus, cpu);
	}
	return cpus;
}

void qos_claims_make(struct qos_supervisor *supervisor)
{
	struct qos_cpus cpus;

	if (!supervisor->claims_due || !qos_module_in_charge(supervisor) || supervisor->panicked)
		return;
	supervisor->claims_due = false;
	cpus = wanting_cpus(supervisor);
	QOS_CPU_FOREACH(cpu, &cpus)
		claim_cpu(supervisor, cpu);
}
