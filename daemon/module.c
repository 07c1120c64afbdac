/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The module takes charge of all that admission pins to a CPU as soon as it is there and may be used; the
 * native manager has the rest, and everything when the module is gone. Both are changes of supply like
 * a CPU that comes or goes: contracts are admitted again, under another capacity, and move.
 *
 * Gone is gone: a module that ends has given its threads back, so there is nothing to hurry for, and
 * what it counted until its last telemetry is kept.
 *
 * Weakness: threads of a contract that moves have their own policy for the time in between, some
 * milliseconds.
 */
#include "module_parts.h"

#include <errno.h>
#include <string.h>

#include "claims.h"
#include "extend.h"
#include "kern/probe.h"
#include "service/cpu_module.h"
#include "service/route.h"
#include "stats.h"
#include "tell.h"
#include "threads_parts.h"
#include "util/clock.h"
#include "util/log.h"

#define DEAF_TURNS  3
#define DEAF_MIN_NS 3000000000ULL
#define LOOK_EVERY  10 /* turns */

static void refuse(struct qos_module *module, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void refuse(struct qos_module *module, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(module->why, sizeof(module->why), format, args);
	va_end(args);
}

bool qos_module_in_charge(const struct qos_supervisor *supervisor)
{
	return supervisor->module && supervisor->module->service;
}

struct qos_genl *qos_module_genl(const struct qos_supervisor *supervisor)
{
	return supervisor->module->genl;
}

/* --- taking charge --- */

static struct qos_dwcs_settings settings_of(const struct qos_config *config)
{
	return (struct qos_dwcs_settings){.lease_ns = config->lease_ns,
					  .telemetry_ns = config->slow_loop_ns,
					  .band_first = config->band_first,
					  .band_last = config->band_last,
					  .cap_ppm = config->cap_ppm,
					  .dispatch_ns = config->overhead_ns,
					  .blocking_ns = config->blocking_ns};
}

static bool fits(struct qos_module *module)
{
	const struct qos_dwcs_info *info = &module->info;

	if (info->version != QOS_DWCS_VERSION)
		refuse(module, "it speaks version %u of its family, this qosd version %u",
		       info->version, QOS_DWCS_VERSION);
	else if (!(info->features & QOS_DWCS_FEATURE_CPU))
		refuse(module, "it schedules no threads in this build");
	else if (!module->supervisor->service)
		refuse(module, "what threads were before could not be kept, so none is managed");
	return !*module->why;
}

/* What is left there from before must go if nobody adopts it, or if it stands in the way. */
static bool must_flush(const struct qos_module *module, bool adopts)
{
	const struct qos_config *config = &module->supervisor->config;
	const struct qos_dwcs_info *info = &module->info;
	bool other_band =
		info->band_first != config->band_first || info->band_last != config->band_last;

	return info->contracts && (!adopts || other_band);
}

static int configure(struct qos_module *module, bool adopts)
{
	const struct qos_dwcs_settings settings = settings_of(&module->supervisor->config);
	struct qos_diag diag = QOS_DIAG_INIT;
	int r = 0;

	if (must_flush(module, adopts))
		r = qos_dwcs_flush(module->genl);
	if (r == 0)
		r = qos_dwcs_configure(module->genl, &settings, &module->info, &diag);
	if (r == 0)
		r = qos_dwcs_renew(module->genl);
	if (r == 0)
		r = qos_dwcs_info(module->genl, &module->info);
	if (r < 0)
		refuse(module, "it refuses the settings: %s",
		       diag.n_entries ? diag.entries[0].text : strerror(-r));
	qos_diag_reset(&diag);
	return r;
}

/* Leaves `service` NULL and `why` said if it cannot be. */
static void take_charge(struct qos_module *module, bool adopts)
{
	struct qos_supervisor *supervisor = module->supervisor;
	int r;

	*module->why = '\0';
	if (!qos_genl_is_there(module->genl))
		return;
	r = qos_dwcs_info(module->genl, &module->info);
	if (r < 0) {
		refuse(module, "it does not answer: %s", strerror(-r));
		return;
	}
	if (supervisor->config.cpu_manager == QOS_MANAGER_NATIVE) {
		if (module->info.contracts && adopts)
			qos_dwcs_flush(module->genl);
		return;
	}
	if (!fits(module) || configure(module, adopts) < 0)
		return;
	r = qos_cpu_module_new(module->genl, supervisor->originals, supervisor->config.band_last,
			       &module->service);
	if (r < 0) {
		refuse(module, "it does not say what it holds: %s", strerror(-r));
		return;
	}
	qos_route_set_module(supervisor->service, module->service);
	module->heard_ns = qos_threads_now_ns();
	module->deaf = module->missed = module->forgot = false;
	if (supervisor->next_stream < qos_cpu_module_last_id(module->service))
		supervisor->next_stream = qos_cpu_module_last_id(module->service);
}

static void each_stream(struct qos_supervisor *supervisor,
			void (*act)(struct qos_supervisor *supervisor,
				    struct qos_live_stream *stream))
{
	struct qos_live_stream *stream;
	size_t pos = 0;

	while ((stream = qos_table_next(&supervisor->streams, &pos)))
		act(supervisor, stream);
}

static void mark_unapplied(struct qos_supervisor *supervisor, struct qos_live_stream *stream)
{
	if (stream->applied.policy == QOS_POLICY_DWCS)
		stream->is_applied = false;
}

static void leave_charge(struct qos_module *module)
{
	struct qos_supervisor *supervisor = module->supervisor;
	struct qos_service *service = module->service;

	each_stream(supervisor, qos_stats_keep);
	each_stream(supervisor, mark_unapplied);
	qos_extend_module_gone(supervisor);
	qos_route_set_module(supervisor->service, NULL);
	qos_cpu_module_abandon(service);
	module->service = NULL;
	service->ops->free(service);
}

/* It came, or went, or both. */
static void follow(struct qos_module *module)
{
	struct qos_supervisor *supervisor = module->supervisor;
	struct qos_reload_summary summary;
	bool was = module->service;

	module->changed = false;
	if (module->service && (module->went || !qos_genl_is_there(module->genl)))
		leave_charge(module);
	module->went = false;
	if (!module->service)
		take_charge(module, false);
	if (*module->why)
		qos_tell(supervisor, QOS_HISTORY_MANAGER, NULL, NULL, NULL,
			 "the module qos_dwcs is there and not used: %s", module->why);
	else if (module->service)
		qos_tell(supervisor, QOS_HISTORY_MANAGER, NULL, NULL, NULL,
			 "the module qos_dwcs is in charge%s", was ? ", loaded anew" : "");
	else if (was)
		qos_tell(supervisor, QOS_HISTORY_MANAGER, NULL, NULL, NULL,
			 "the module qos_dwcs is gone");
	if ((was || module->service) && !supervisor->panicked)
		qos_supervisor_reload(supervisor, &summary);
}

void qos_module_open(struct qos_supervisor *supervisor)
{
	struct qos_module *module = calloc(1, sizeof(*module));
	int r = module ? qos_dwcs_connect(&module->genl) : -ENOMEM;

	if (r < 0) {
		qos_diag_add(&supervisor->diag, QOS_WARNING, NULL,
			     "the module qos_dwcs cannot be used: %s",
			     qos_errno_advice("genl(qos_dwcs)", -r)->cause);
		qos_diag_hint(&supervisor->diag, "%s",
			      qos_errno_advice("genl(qos_dwcs)", -r)->remedy);
		free(module);
		return;
	}
	module->supervisor = supervisor;
	module->hearing = (struct qos_dwcs_hearing){.ears = &qos_module_ears, .data = module};
	supervisor->module = module;
	take_charge(module, true);
}

void qos_module_close(struct qos_supervisor *supervisor)
{
	const struct qos_dwcs_settings off = {.band_first = 0};
	struct qos_module *module = TAKE_PTR(supervisor->module);
	struct qos_dwcs_settings settings;

	if (!module)
		return;
	if (module->service) {
		qos_dwcs_flush(module->genl);
		settings = settings_of(&supervisor->config);
		settings.lease_ns = off.lease_ns;
		settings.telemetry_ns = off.telemetry_ns;
		qos_dwcs_configure(module->genl, &settings, &module->info, NULL);
		qos_route_set_module(supervisor->service, NULL);
		module->service->ops->free(module->service);
	}
	qos_genl_free(module->genl);
	free(module);
}

/* --- while it is there --- */

int qos_module_fd(const struct qos_supervisor *supervisor)
{
	return supervisor->module ? qos_genl_fd(supervisor->module->genl) : -1;
}

/* It is asked for everything; what it lacks it gets again. */
static void resync(struct qos_module *module)
{
	struct qos_supervisor *supervisor = module->supervisor;
	bool forgotten = false;
	int r;

	module->missed = false;
	r = qos_cpu_module_resync(module->service, &forgotten);
	if (r < 0) {
		module->missed = true; /* the next turn tries again */
		return;
	}
	if ((forgotten || module->forgot) && !supervisor->panicked) {
		each_stream(supervisor, mark_unapplied);
		qos_extend_module_forgot(supervisor);
		qos_supervisor_reconcile(supervisor);
	}
	module->forgot = false;
	if (!supervisor->panicked)
		qos_threads_verify(supervisor);
}

void qos_module_dispatch(struct qos_supervisor *supervisor)
{
	struct qos_module *module = supervisor->module;
	int r = qos_dwcs_hear(&module->hearing, module->genl);

	if (r < 0)
		qos_log(LOG_ERR, QOS_MSG_KERNEL, NULL, NULL, "the module cannot be heard: %s",
			strerror(-r));
	if (module->changed)
		follow(module);
	if (module->service && module->missed)
		resync(module);
	qos_claims_make(supervisor);
}

/* An expiry that was not heard of shows here. */
void qos_module_renew(struct qos_supervisor *supervisor)
{
	struct qos_module *module = supervisor->module;
	int r;

	if (!qos_module_in_charge(supervisor))
		return;
	r = qos_dwcs_info(module->genl, &module->info);
	if (r == 0 && module->info.lease_state == QOS_DWCS_LEASE_EXPIRED)
		module->forgot = module->missed = true;
	if (r == 0)
		r = qos_dwcs_renew(module->genl);
	if (r < 0 && r != -ENODEV && r != -ENOENT)
		qos_log(LOG_WARNING, QOS_MSG_LEASE, NULL, NULL, "the lease cannot be renewed: %s",
			strerror(-r));
	if (module->missed)
		resync(module);
}

static bool serves_any(struct qos_supervisor *supervisor)
{
	const struct qos_live_stream *stream;
	size_t pos = 0;

	while ((stream = qos_table_next(&supervisor->streams, &pos))) {
		if (stream->applied.policy == QOS_POLICY_DWCS)
			return true;
	}
	return false;
}

static void listen_for_telemetry(struct qos_module *module)
{
	struct qos_supervisor *supervisor = module->supervisor;
	uint64_t limit_ns = DEAF_TURNS * supervisor->config.slow_loop_ns;
	uint64_t now_ns = qos_threads_now_ns();
	bool deaf;

	if (!serves_any(supervisor))
		module->heard_ns = now_ns;
	limit_ns = limit_ns > DEAF_MIN_NS ? limit_ns : DEAF_MIN_NS;
	deaf = now_ns - module->heard_ns > limit_ns;
	if (deaf == module->deaf)
		return;
	module->deaf = deaf;
	qos_tell(supervisor, QOS_HISTORY_MANAGER, NULL, NULL, NULL,
		 deaf ? "the module's telemetry does not come any more: nothing that it "
			"schedules is adapted"
		      : "the module's telemetry comes again");
}

void qos_module_turn(struct qos_supervisor *supervisor)
{
	struct qos_module *module = supervisor->module;
	uint32_t generation;

	if (!qos_module_in_charge(supervisor))
		return;
	listen_for_telemetry(module);
	if (supervisor->turns % LOOK_EVERY == 0) {
		supervisor->claims_due = true; /* what one rested on may be there again */
		generation = module->info.generation;
		if (qos_dwcs_info(module->genl, &module->info) == 0)
			module->missed |= generation != module->info.generation;
	}
	if (module->missed)
		resync(module);
	/* It is in force there already; to note it ten times a second would cost more than the rules do. */
	if (module->rules_changed && !supervisor->panicked)
		qos_supervisor_reconcile(supervisor);
	module->rules_changed = false;
	qos_claims_make(supervisor);
}

bool qos_module_is_heard(const struct qos_supervisor *supervisor)
{
	return qos_module_in_charge(supervisor) && !supervisor->module->deaf;
}

uint32_t qos_module_stream_id(const struct qos_supervisor *supervisor, const char *contract,
			      const char *stream)
{
	return qos_module_in_charge(supervisor)
		       ? qos_cpu_module_known(supervisor->module->service, contract, stream)
		       : 0;
}

void qos_module_prune(struct qos_supervisor *supervisor)
{
	if (qos_module_in_charge(supervisor))
		qos_cpu_module_prune(supervisor->module->service);
}

void qos_module_flush(struct qos_supervisor *supervisor)
{
	if (!qos_module_in_charge(supervisor))
		return;
	each_stream(supervisor, qos_stats_keep);
	each_stream(supervisor, mark_unapplied);
	qos_dwcs_flush(supervisor->module->genl);
}
