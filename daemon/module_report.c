/* SPDX-License-Identifier: GPL-2.0-only */
/* What `status` says of the module. */
#include "module_parts.h"

#include "util/clock.h"

static const char *const lease_states[] = {
	[QOS_DWCS_LEASE_OFF] = "off",
	[QOS_DWCS_LEASE_LIVE] = "live",
	[QOS_DWCS_LEASE_EXPIRED] = "expired",
};

static const char *state_of(const struct qos_supervisor *supervisor)
{
	if (qos_module_in_charge(supervisor))
		return "in-charge";
	if (!supervisor->module || !qos_genl_is_there(supervisor->module->genl))
		return "absent";
	return supervisor->config.cpu_manager == QOS_MANAGER_NATIVE ? "not-wanted" : "refused";
}

/* Asked now: what was true a third of a lease ago says nothing of what is left. */
static json_t *report_lease(struct qos_module *module)
{
	struct qos_dwcs_info info;

	if (!module->service || qos_dwcs_info(module->genl, &info) < 0 ||
	    info.lease_state >= QOS_ARRAY_SIZE(lease_states))
		return json_null();
	return json_pack("{ss sf sf}", "state", lease_states[info.lease_state], "length_s",
			 (double)info.lease_ns / 1e9, "left_s", (double)info.lease_left_ns / 1e9);
}

static json_t *report_telemetry(const struct qos_module *module)
{
	uint64_t now_ns = qos_clock_ns(CLOCK_MONOTONIC);

	if (!module->service)
		return json_null();
	return json_pack("{ss sf sI}", "state", module->deaf ? "stopped" : "heard", "age_s",
			 (double)(now_ns - module->heard_ns) / 1e9, "missed",
			 (json_int_t)module->hearing.n_missed);
}

json_t *qos_module_json(const struct qos_supervisor *supervisor)
{
	struct qos_module *module = supervisor->module;

	return json_pack("{ss so so so}", "state", state_of(supervisor), "why",
			 module && *module->why ? json_string(module->why) : json_null(), "lease",
			 module ? report_lease(module) : json_null(), "telemetry",
			 module ? report_telemetry(module) : json_null());
}

const char *qos_module_awaited(const struct qos_supervisor *supervisor)
{
	const struct qos_module *module = supervisor->module;

	if (supervisor->config.cpu_manager != QOS_MANAGER_MODULE ||
	    qos_module_in_charge(supervisor))
		return NULL;
	return module && *module->why ? module->why : "it is not loaded";
}

void qos_module_problems(const struct qos_supervisor *supervisor,
			 void (*add)(void *data, const char *text, const char *hint), void *data)
{
	const struct qos_module *module = supervisor->module;
	char text[QOS_MODULE_WHY_MAX + 64];

	if (!module)
		return;
	if (*module->why) {
		snprintf(text, sizeof(text), "the module qos_dwcs is there and not used: %s",
			 module->why);
		add(data, text, "qosctl doctor names the remedy");
	}
	if (!module->deaf)
		return;
	snprintf(text, sizeof(text),
		 "the module's telemetry does not come (for %.0f s): nothing that it schedules is "
		 "adapted, and its counters are as old",
		 (double)(qos_clock_ns(CLOCK_MONOTONIC) - module->heard_ns) / 1e9);
	add(data, text, "somebody switched it off, or qosd could not keep up; restart qosd");
}
