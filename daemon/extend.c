/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules of contracts in force -> programs in the kernel.
 *
 * A later version of a contract keeps number and state if its rules differ in nothing but numbers:
 * then each program is exchanged in its place, and no event is lost. Else all is made anew, and what is
 * remembered goes over (extend_state.c).
 *
 * Weakness: under SCHED_DEADLINE a change takes effect when this process has carried it out, which under
 * load is some milliseconds after the event. SCHED_FIFO is cut by the monitor, which knows at once.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "extend_parts.h"
#include "module.h"
#include "tell.h"
#include "util/clock.h"

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
	qos_chain_free(supervisor->extender->chain);
	close(supervisor->extender->timer_fd);
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

/* --- one contract's --- */

void qos_extension_free(struct qos_extension *extension)
{
	if (!extension)
		return;
	for (size_t i = 0; i < extension->n_programs; i++)
		free(extension->programs[i].before);
	for (size_t i = 0; i < extension->n_signals; i++)
		free(extension->signals[i]);
	qos_state_map_reset(&extension->states);
	free(extension->programs);
	free(extension->signals);
	free(extension->windows);
	free(extension->streams);
	free(extension->shape);
	free(extension);
}

/* The rules' texts without digits. */
static char *shape_of(const struct qos_contract *contract)
{
	struct qos_buf buf = {};
	char *to;

	for (size_t i = 0; i < contract->n_rules; i++) {
		const struct qos_rule *rule = &contract->rules[i];

		qos_buf_add(&buf, "%s|%s|%s|", rule->event.text,
			    rule->when.text ? rule->when.text : "",
			    rule->emit.text ? rule->emit.text : "");
		for (size_t k = 0; k < rule->n_sets; k++)
			qos_buf_add(&buf, "%s=%s|", rule->sets[k].attribute.text,
				    rule->sets[k].value.text);
	}
	to = buf.text;
	for (const char *from = buf.text; from && *from; from++) {
		if (!isdigit((unsigned char)*from))
			*to++ = *from;
	}
	if (to)
		*to = '\0';
	return buf.text;
}

/* FNV-1a of it and of our version, whose compiler it was. */
static uint32_t hash_of(const char *text)
{
	uint32_t hash = 2166136261u;

	for (const char *c = QOS_VERSION; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619u;
	return hash;
}

static size_t count_keys(const struct qos_contract *contract)
{
	size_t n = 0;

	for (size_t i = 0; i < contract->n_cpu; i++)
		n += contract->cpu[i].max_threads;
	return n;
}

static int take_signals(struct qos_extension *extension, const struct qos_compiled *compiled)
{
	extension->signals = calloc(compiled->n_signals + 1, sizeof(*extension->signals));
	if (!extension->signals)
		return -ENOMEM;
	for (size_t i = 0; i < compiled->n_signals; i++) {
		extension->signals[i] = strdup(compiled->signals[i]);
		if (!extension->signals[i])
			return -ENOMEM;
		extension->n_signals++;
	}
	return 0;
}

static int new_extension(const struct qos_live *live, const struct qos_compiled *compiled,
			 struct qos_extension **ret)
{
	_cleanup_extension_ struct qos_extension *extension = calloc(1, sizeof(*extension));

	if (!extension)
		return -ENOMEM;
	extension->n_state = compiled->n_state;
	extension->n_keys = count_keys(live->contract);
	extension->n_streams = live->n_streams;
	extension->shape = shape_of(live->contract);
	extension->programs = calloc(compiled->n_programs + 1, sizeof(*extension->programs));
	extension->streams = calloc(live->n_streams + 1, sizeof(*extension->streams));
	if (!extension->shape || !extension->programs || !extension->streams ||
	    take_signals(extension, compiled) < 0 ||
	    qos_state_map(compiled, &extension->states) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < live->n_streams; i++)
		extension->streams[live->streams[i].index] = (struct qos_extension_stream){
			live->streams[i].id, qos_live_wish(&live->streams[i])->period.ns};
	*ret = TAKE_PTR(extension);
	return 0;
}

/* --- loading --- */

static const enum qos_hook hooks_of_event[] = {
	[QOS_RULE_JOB] = QOS_HOOK_JOB,
	[QOS_RULE_LATE] = QOS_HOOK_LATE,
	[QOS_RULE_WINDOW] = QOS_HOOK_WINDOW,
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

static int load_program(struct qos_supervisor *supervisor, const struct qos_live *live,
			uint32_t number, const struct qos_program *program, uint32_t *slot,
			struct qos_diag *diag)
{
	char event[96], name[160];
	struct qos_prog_code code;
	int r = 0;

	snprintf(name, sizeof(name), "%s %s", live->contract->name,
		 qos_rule_event_print(event, sizeof(event), live->contract, &program->event));
	code = qos_prog_code_of(&program->code, name);
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
			 const struct qos_compiled *compiled, struct qos_diag *diag)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < compiled->n_programs; i++) {
		const struct qos_program *program = &compiled->programs[i];
		struct qos_extension_program *was = find_program(old, &program->event), *place;
		uint32_t slot = was ? was->slot : 0;

		r = load_program(supervisor, live, extension->number, program, &slot, diag);
		if (r < 0)
			break;
		place = &extension->programs[extension->n_programs++];
		*place = (struct qos_extension_program){.event = program->event,
							.slot = slot,
							.next_ns = qos_clock_ns(CLOCK_MONOTONIC) +
								   program->event.tick_ns};
		if (was) {
			place->next_ns = was->next_ns;
			place->before = TAKE_PTR(was->before);
		}
		extension->n_insns += program->code.n_insns;
	}
	return r;
}

static void set_hooks(struct qos_supervisor *supervisor, const struct qos_live *live,
		      const struct qos_extension *extension)
{
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
		qos_chain_thread(supervisor->extender->chain, live->extension->number, thread->tid);
}

static bool goes_on(const struct qos_extension *old, const struct qos_extension *extension)
{
	return old && !strcmp(old->shape, extension->shape) && old->n_state == extension->n_state &&
	       old->n_keys == extension->n_keys && old->n_streams == extension->n_streams &&
	       !memcmp(old->streams, extension->streams, old->n_streams * sizeof(*old->streams)) &&
	       old->n_signals == extension->n_signals;
}

static int new_number(struct qos_supervisor *supervisor, const struct qos_live *live,
		      struct qos_extension *extension)
{
	struct qos_chain_contract plan = {.n_signals = extension->n_signals,
					  .n_state = extension->n_state,
					  .n_keys = extension->n_keys,
					  .name = live->contract->name,
					  .shape = hash_of(extension->shape)};
	int r;

	r = qos_extension_plan(supervisor, live, &plan);
	if (r == 0)
		r = qos_chain_add(supervisor->extender->chain, &plan, &extension->number);
	free((void *)plan.attributes);
	return r;
}

/* The older one goes on in the new one, or goes. */
static void succeed(struct qos_supervisor *supervisor, struct qos_live *live,
		    struct qos_extension *extension, bool same)
{
	struct qos_extension *old = live->extension;

	live->extension = extension;
	set_hooks(supervisor, live, extension);
	if (old && same) {
		unload_rest(supervisor, old, extension);
		qos_chain_mute(supervisor->extender->chain, extension->number, false);
		extension->seen = old->seen;
		extension->windows = TAKE_PTR(old->windows);
	} else if (old) {
		qos_extension_carry(supervisor, live, old, extension);
		qos_chain_remove(supervisor->extender->chain, old->number);
	}
	qos_extension_free(old);
	qos_extension_limits(supervisor, live);
	enter_threads(supervisor, live);
}

static int load_live(struct qos_supervisor *supervisor, struct qos_live *live,
		     struct qos_diag *diag)
{
	_cleanup_extension_ struct qos_extension *extension = NULL;
	_cleanup_compiled_ struct qos_compiled *compiled = NULL;
	bool same;
	int r;

	r = qos_compile(live->contract, QOS_RULES_FRAME, QOS_STAGE_INSNS, diag, &compiled);
	if (r < 0)
		return r;
	r = new_extension(live, compiled, &extension);
	if (r < 0)
		return r;
	same = goes_on(live->extension, extension);
	if (same)
		extension->number = live->extension->number;
	else
		r = new_number(supervisor, live, extension);
	if (r < 0)
		return r;
	r = load_programs(supervisor, live, extension, same ? live->extension : NULL, compiled,
			  diag);
	if (r < 0) {
		if (!same)
			qos_chain_remove(supervisor->extender->chain, extension->number);
		return r;
	}
	succeed(supervisor, live, TAKE_PTR(extension), same);
	return 0;
}

static bool wants_loading(const struct qos_supervisor *supervisor, const struct qos_live *live)
{
	if (live->state != QOS_LIVE_IN_FORCE || !live->contract->n_rules || !live->n_streams ||
	    live->contract->placement != QOS_PLACEMENT_KERNEL || supervisor->panicked ||
	    qos_module_in_charge(supervisor))
		return false;
	return live->extension ? live->extension->outdated : !live->rules_failed;
}

static void drop(struct qos_supervisor *supervisor, struct qos_live *live)
{
	if (!live->extension)
		return;
	set_hooks(supervisor, live, NULL);
	qos_chain_remove(supervisor->extender->chain, live->extension->number);
	qos_extension_free(TAKE_PTR(live->extension));
}

/* Rules that cannot be loaded cost the contract its adaptation, not its grant. */
static void fail(struct qos_supervisor *supervisor, struct qos_live *live, struct qos_diag *diag,
		 int error)
{
	const char *text = diag->n_entries ? diag->entries[0].text : strerror(-error);
	const char *hint = diag->n_entries ? diag->entries[0].hint : NULL;

	live->rules_failed = true;
	qos_tell(supervisor, QOS_HISTORY_KERNEL, live->contract->name, NULL, NULL,
		 "its rules are not in force: %s%s%s", text, hint ? "; " : "", hint ? hint : "");
	drop(supervisor, live);
}

bool qos_extend_load(struct qos_supervisor *supervisor)
{
	bool changed = false;

	if (supervisor->extender && qos_module_in_charge(supervisor))
		qos_extend_drop_all(supervisor);
	for (size_t i = 0; supervisor->extender && i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];
		struct qos_diag diag = QOS_DIAG_INIT;
		int r;

		if (!wants_loading(supervisor, live))
			continue;
		changed |= qos_extension_reserve(supervisor, live);
		r = load_live(supervisor, live, &diag);
		if (r < 0)
			fail(supervisor, live, &diag, r);
		qos_diag_reset(&diag);
	}
	if (supervisor->extender)
		qos_extension_arm(supervisor);
	return changed;
}

void qos_extend_retire(struct qos_supervisor *supervisor, struct qos_live *old,
		       struct qos_live *next)
{
	if (!old->extension)
		return;
	if (next && next->n_streams && next->contract->n_rules) {
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
}

/* --- threads --- */

void qos_extend_thread(struct qos_supervisor *supervisor, const struct qos_live_stream *stream,
		       pid_t tid)
{
	if (supervisor->extender && stream->live->extension)
		qos_chain_thread(supervisor->extender->chain, stream->live->extension->number, tid);
}

void qos_extend_thread_gone(struct qos_supervisor *supervisor, pid_t tid)
{
	if (supervisor->extender)
		qos_chain_thread_gone(supervisor->extender->chain, tid);
}
