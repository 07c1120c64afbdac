/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules of a contract in force -> programs in the kernel: in the chain, or in the module.
 *
 * A later version of a contract keeps number and state if its rules differ in nothing but numbers:
 * then each program is exchanged in its place, and no event is lost. Else all is made anew, and what is
 * remembered goes over (extend_state.c).
 *
 * Weakness: under SCHED_DEADLINE a change takes effect when this process has carried it out, which under
 * load is some milliseconds after the event. SCHED_FIFO is cut by the monitor, which knows at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "extend_parts.h"
#include "util/clock.h"

bool qos_extension_in_process(const struct qos_live *live)
{
	return live->contract->placement == QOS_PLACEMENT_USER;
}

static const enum qos_hook hooks_of_event[] = {
	[QOS_RULE_JOB] = QOS_HOOK_JOB,
	[QOS_RULE_LATE] = QOS_HOOK_LATE,
	[QOS_RULE_WINDOW] = QOS_HOOK_WINDOW,
	[QOS_RULE_OVERRUN] = QOS_HOOK_OVERRUN,
};

static struct qos_extension_program *find_program(struct qos_extension *extension,
						  const struct qos_rule_event *event)
{
	for (size_t i = 0; extension && i < extension->n_programs; i++) {
		if (qos_rule_event_is(&extension->programs[i].event, event))
			return &extension->programs[i];
	}
	return NULL;
}

/* Ticks have all streams, other events one; `late` is both raised and called. */
static int forward_program(struct qos_supervisor *supervisor, const struct qos_live *live,
			   const struct qos_extension *extension,
			   const struct qos_image_program *program, uint32_t index, uint32_t *slot,
			   struct qos_diag *diag)
{
	struct qos_chain *chain = supervisor->extender->chain;
	uint32_t number = extension->number;
	size_t n = live->contract->n_cpu + live->contract->n_net;
	int r = 0;

	if (extension->in_module)
		return qos_chain_forward(chain, number, QOS_CHAIN_MODULE, index,
					 program->event.kind == QOS_RULE_TICK ? n : 1, diag, slot);
	if (program->event.kind == QOS_RULE_TICK)
		return qos_chain_forward(chain, number, QOS_CHAIN_RAW, index, n, diag, slot);
	r = qos_chain_forward(chain, number, QOS_CHAIN_SWITCH, index, 1, diag, slot);
	if (r == 0 && program->event.kind == QOS_RULE_LATE)
		r = qos_chain_forward(chain, number, QOS_CHAIN_RAW, index, 1, diag, slot);
	return r;
}

static int load_program(struct qos_supervisor *supervisor, const struct qos_live *live,
			const struct qos_extension *extension,
			const struct qos_image_program *program, uint32_t *slot,
			struct qos_diag *diag)
{
	uint32_t number = extension->number;
	char event[96], name[160];
	struct qos_prog_code code;
	int r = 0;

	snprintf(name, sizeof(name), "%s %s", live->contract->name,
		 qos_rule_event_print(event, sizeof(event), live->contract, &program->event));
	code = qos_prog_code_of(&program->code, name);
	if (extension->in_module)
		return qos_chain_load(supervisor->extender->chain, number, QOS_CHAIN_MODULE, &code,
				      diag, slot);
	if (program->event.kind != QOS_RULE_TICK)
		r = qos_chain_load(supervisor->extender->chain, number, QOS_CHAIN_SWITCH, &code,
				   diag, slot);
	if (r == 0 && program->event.kind & (QOS_RULE_TICK | QOS_RULE_LATE))
		r = qos_chain_load(supervisor->extender->chain, number, QOS_CHAIN_RAW, &code, diag,
				   slot);
	return r;
}

/* Into the places that the older version's programs have, where it goes on. */
static int load_programs(struct qos_supervisor *supervisor, struct qos_live *live,
			 struct qos_extension *extension, struct qos_extension *old,
			 const struct qos_image *image, struct qos_diag *diag)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < image->n_programs; i++) {
		const struct qos_image_program *program = &image->programs[i];
		struct qos_extension_program *was = find_program(old, &program->event), *place;
		uint32_t slot = was ? was->slot : 0;

		r = extension->in_process
			    ? forward_program(supervisor, live, extension, program, (uint32_t)i,
					      &slot, diag)
			    : load_program(supervisor, live, extension, program, &slot, diag);
		if (r < 0)
			break;
		place = &extension->programs[extension->n_programs++];
		*place = (struct qos_extension_program){.event = program->event,
							.slot = slot,
							.reads = program->reads,
							.reads_rtt = program->reads_rtt,
							.next_ns = qos_clock_ns(CLOCK_MONOTONIC) +
								   program->event.tick_ns};
		if (was) {
			place->next_ns = was->next_ns;
			place->memory = was->memory;
			was->memory = (struct qos_extension_memory){};
		} else if (program->event.kind == QOS_RULE_TICK) {
			r = qos_extension_memory_new(supervisor, live, extension, place);
		}
		if (!extension->in_process)
			extension->n_insns += program->code.n_insns;
	}
	return r;
}

/* Of the monitor: those of the module are pushed (extend_module.c). Nothing raises events of network streams
 * here, whose places are behind those of all cpu streams. */
void qos_extension_hooks(struct qos_supervisor *supervisor, const struct qos_live *live,
			 const struct qos_extension *extension)
{
	if (extension && extension->in_module)
		extension = NULL;
	for (size_t i = 0; i < live->n_streams; i++) {
		const struct qos_live_stream *stream = &live->streams[i];
		struct qos_stream_hooks hooks = {};

		if (extension)
			hooks = (struct qos_stream_hooks){.contract = extension->number,
							  .index = (uint32_t)stream->index};
		for (size_t k = 0; extension && k < extension->n_programs; k++) {
			const struct qos_extension_program *program = &extension->programs[k];

			if (program->event.kind != QOS_RULE_TICK &&
			    program->event.stream == stream->index)
				hooks.slot[hooks_of_event[program->event.kind]] = program->slot;
		}
		qos_monitor_stream_hooks(supervisor->monitor, stream->id, &hooks);
	}
}

/* Those of the older version that the new one has not. */
static void unload_rest(struct qos_supervisor *supervisor, struct qos_extension *old,
			struct qos_extension *extension)
{
	for (size_t i = 0; i < old->n_programs; i++) {
		if (!find_program(extension, &old->programs[i].event))
			qos_chain_unload(supervisor->extender->chain, extension->number,
					 old->programs[i].slot);
	}
}

const struct qos_thread *qos_extension_next_thread(const struct qos_supervisor *supervisor,
						   const struct qos_live *live, size_t *pos)
{
	const struct qos_thread *thread;

	while ((thread = qos_table_next(&supervisor->threads, pos))) {
		const struct qos_live_stream *stream =
			qos_table_get(&supervisor->streams, thread->stream);

		if (stream && stream->live == live && thread->managed)
			return thread;
	}
	return NULL;
}

static void enter_threads(struct qos_supervisor *supervisor, const struct qos_live *live)
{
	const struct qos_thread *thread;
	size_t pos = 0;

	while ((thread = qos_extension_next_thread(supervisor, live, &pos)))
		qos_extend_thread(supervisor, qos_table_get(&supervisor->streams, thread->stream),
				  thread->tid);
}

static int new_number(struct qos_supervisor *supervisor, const struct qos_live *live,
		      struct qos_extension *extension, struct qos_diag *diag)
{
	struct qos_chain_contract plan = {.n_signals = extension->n_signals,
					  .n_state = extension->n_state,
					  .n_keys = extension->n_keys,
					  .name = live->contract->name,
					  .mappable = extension->in_process,
					  .shape = qos_extension_hash(extension)};
	int r;

	r = qos_extension_plan(supervisor, live, &plan);
	if (r == 0)
		r = qos_chain_add(supervisor->extender->chain, &plan, &extension->number);
	free((void *)plan.attributes);
	if (r == -ENOSPC) {
		qos_diag_error(diag, NULL, "there are rules of too many contracts already");
		qos_diag_hint(diag,
			      "at most %d contracts, with %d streams together, have rules at a "
			      "time: take `adapt` out of others",
			      QOS_GUARD_CONTRACTS - 1, QOS_GUARD_ATTRIBUTES - 1);
	}
	return r;
}

/* The module's counters are older than these rules. */
static void begin_counting(struct qos_supervisor *supervisor, const struct qos_live *live)
{
	qos_extension_counts(supervisor, live, live->extension, &live->extension->seen);
	live->extension->reversals_seen = live->extension->reversals;
}

/* The older one goes on in the new one, or goes. */
static void succeed(struct qos_supervisor *supervisor, struct qos_live *live,
		    struct qos_extension *extension, bool same)
{
	struct qos_extension *old = live->extension;

	if (old && old->in_module && !extension->in_module)
		qos_extension_pull(supervisor, live);
	live->extension = extension;
	qos_extension_hooks(supervisor, live, extension);
	if (old && same) {
		unload_rest(supervisor, old, extension);
		qos_chain_mute(supervisor->extender->chain, extension->number, false);
		extension->seen = old->seen;
		extension->reversals = old->reversals;
		extension->reversals_seen = old->reversals_seen;
		extension->violations_seen = old->violations_seen;
		extension->windows = TAKE_PTR(old->windows);
	} else if (old) {
		qos_extension_carry(supervisor, live, old, extension);
	}
	qos_extension_limits(supervisor, live);
	enter_threads(supervisor, live);
	if (old && !same) /* the module named its programs until now */
		qos_chain_remove(supervisor->extender->chain, old->number);
	qos_extension_free(old);
	if (extension->in_module && !same)
		begin_counting(supervisor, live);
}

/* Something is attached there from now on, and each CPU's share is told with the next limits. */
static int prepare_module(struct qos_supervisor *supervisor, const struct qos_live *live,
			  struct qos_diag *diag)
{
	for (size_t i = 0; i < live->n_streams; i++) {
		const struct qos_stream_grant *grant =
			qos_extension_reserved(supervisor, &live->streams[i]);

		if (!grant || grant->policy == QOS_POLICY_DWCS || grant->policy == QOS_POLICY_NONE)
			continue;
		qos_diag_error(diag, NULL,
			       "the module schedules some of its streams and the kernel others");
		qos_diag_hint(diag, "streams with rules need one manager: give them `job: wakeup` "
				    "or `job: period`, or set managers.cpu: native");
		return -EOPNOTSUPP;
	}
	for (size_t i = 0; i < live->contract->n_net; i++) {
		if (!qos_extension_can_set_rate(&live->contract->net[i]) ||
		    qos_network_by_module(supervisor))
			continue;
		qos_diag_error(diag, &live->contract->net[i].loc,
			       "the module schedules its threads, and the kernel its packets");
		qos_diag_hint(diag, "rules over both need one manager: set managers.network to "
				    "module too, or give the network streams a contract of their "
				    "own");
		return -EOPNOTSUPP;
	}
	if (!supervisor->extender->shares)
		supervisor->extender->shares = calloc(QOS_CPUS_MAX, sizeof(uint32_t));
	if (!supervisor->extender->shares)
		return -ENOMEM;
	qos_extension_shares(supervisor);
	return qos_chain_module_open(supervisor->extender->chain, diag);
}

int qos_extension_load(struct qos_supervisor *supervisor, struct qos_live *live,
		       struct qos_diag *diag)
{
	_cleanup_extension_ struct qos_extension *extension = NULL;
	const struct qos_front *front = supervisor->options.front;
	_cleanup_image_ struct qos_image *image = NULL;
	bool in_module = qos_extend_belongs_there(supervisor, live), same;
	int r;

	r = in_module ? prepare_module(supervisor, live, diag) : 0;
	if (r == 0)
		r = front->image(front->data, live->contract,
				 in_module ? QOS_RULES_KFUNC : QOS_RULES_FRAME, diag, &image);
	if (r == 0)
		r = qos_extension_new(live, image, &extension);
	if (r || !extension)
		return r;
	extension->in_module = in_module;
	same = qos_extension_goes_on(live->extension, extension);
	if (same)
		extension->number = live->extension->number;
	else
		r = new_number(supervisor, live, extension, diag);
	if (r < 0)
		return r;
	r = load_programs(supervisor, live, extension, same ? live->extension : NULL, image, diag);
	if (r == 0 && qos_extension_in_process(live)) {
		if (same) /* two would take each other's events */
			qos_extension_sandbox_end(live->extension);
		r = qos_extension_sandbox_begin(supervisor, live, extension, false, diag);
	}
	if (r < 0) {
		if (!same)
			qos_chain_remove(supervisor->extender->chain, extension->number);
		return r;
	}
	succeed(supervisor, live, TAKE_PTR(extension), same);
	return 0;
}
