/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What can be asked over the bus. Each method reads its arguments, makes one call of the supervisor,
 * and answers with its document, or with an error that qosctl turns into an exit status.
 */
#include "bus_parts.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "confirm.h"
#include "dry_run.h"
#include "explain.h"
#include "extend.h"
#include "util/clock.h"

/* --- answers --- */

static int answer(sd_bus_message *call, json_t *json)
{
	_cleanup_free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return text ? sd_bus_reply_method_return(call, "s", text) : -ENOMEM;
}

/* All errors of a diag as one text, a line each, hints behind them. */
static char *words_of(const struct qos_diag *diag)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < diag->n_entries; i++) {
		fprintf(out, "%s%s", i ? "\n" : "", diag->entries[i].text);
		if (diag->entries[i].hint)
			fprintf(out, "\nhint: %s", diag->entries[i].hint);
	}
	fclose(out);
	return text;
}

static int answer_outcome(sd_bus_message *call, int r, struct qos_diag *diag, json_t *json)
{
	static const char *const names[] = {
		[QOS_SUPERVISOR_E_NO_CONTRACT] = "org.qosd1.Error.NoSuchContract",
		[QOS_SUPERVISOR_E_NO_ATTRIBUTE] = "org.qosd1.Error.NoSuchAttribute",
		[QOS_SUPERVISOR_E_REFUSED] = "org.qosd1.Error.Refused",
	};
	_cleanup_free_ char *text = words_of(diag);

	qos_diag_reset(diag);
	if (r == 0)
		return answer(call, json);
	if (r > 0 && r < (int)QOS_ARRAY_SIZE(names))
		return sd_bus_reply_method_errorf(call, names[r], "%s",
						  text && *text ? text : "no such contract");
	return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_FAILED, "%s",
					  text && *text ? text : strerror(-r));
}

static int deny(sd_bus_message *call)
{
	return sd_bus_reply_method_errorf(call, "org.qosd1.Error.AccessDenied",
					  "only root may change anything; members of the group "
					  "qos may read");
}

static bool may_change(const struct client *client)
{
	return client->rights == QOS_BUS_ALL || client->asker;
}

/* --- methods --- */

static int on_report(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client *client = data;
	struct qos_diag diag = QOS_DIAG_INIT;
	const char *what, *name;
	json_t *json = NULL;
	int r;

	r = sd_bus_message_read(call, "ss", &what, &name);
	if (r < 0)
		return r;
	r = qos_supervisor_report(client->bus->supervisor, what, name, &json);
	if (r == -EINVAL)
		return sd_bus_reply_method_errorf(call, "org.qosd1.Error.Invalid",
						  "there is no such report");
	return answer_outcome(call, r, &diag, json);
}

static int answer_since(sd_bus_message *call, struct client *client,
			int (*ask)(struct qos_supervisor *supervisor, const char *contract,
				   uint64_t since_ns, json_t **ret))
{
	struct qos_diag diag = QOS_DIAG_INIT;
	const char *contract;
	uint64_t since_ns;
	json_t *json = NULL;
	int r;

	r = sd_bus_message_read(call, "st", &contract, &since_ns);
	if (r < 0)
		return r;
	r = ask(client->bus->supervisor, contract, since_ns, &json);
	return answer_outcome(call, r, &diag, json);
}

static int on_events(sd_bus_message *call, void *data, sd_bus_error *error)
{
	return answer_since(call, data, qos_supervisor_events_json);
}

static int on_series(sd_bus_message *call, void *data, sd_bus_error *error)
{
	return answer_since(call, data, qos_supervisor_series_json);
}

/* Who only reads cannot make the daemon walk over all processes. */
static int on_explain(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client *client = data;
	struct qos_diag diag = QOS_DIAG_INIT;
	const char *what, *class;
	json_t *json = NULL;
	int r;

	r = sd_bus_message_read(call, "ss", &what, &class);
	if (r < 0)
		return r;
	r = qos_supervisor_explain(client->bus->supervisor, what, class, may_change(client), &diag,
				   &json);
	return answer_outcome(call, r, &diag, json);
}

int qos_bus_reload(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client *client = data;
	struct qos_supervisor *supervisor = client->bus->supervisor;
	const struct qos_asker own = {.how = "reload", .uid = client->uid};
	struct qos_reload_summary summary = {};
	int r;

	if (!may_change(client))
		return deny(call);
	supervisor->asker = client->asker ? client->asker : &own;
	r = qos_supervisor_reload(supervisor, &summary);
	supervisor->asker = NULL;
	if (r < 0)
		return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_FAILED, "%s",
						  supervisor->reload_diag.n_entries
							  ? supervisor->reload_diag.entries[0].text
							  : strerror(-r));
	return answer(call, qos_report_reload(supervisor, &summary));
}

#define PLAN_FILES_MAX 64

/* Strings stay the message's. -E2BIG: more than PLAN_FILES_MAX. */
static int read_extras(sd_bus_message *call, struct qos_store_extra *items, size_t *ret_n)
{
	const char *name, *path, *text;
	size_t n = 0;
	int r = sd_bus_message_enter_container(call, 'a', "(sss)");

	while (r >= 0 && (r = sd_bus_message_read(call, "(sss)", &name, &path, &text)) > 0) {
		if (n == PLAN_FILES_MAX)
			return -E2BIG;
		items[n++] = (struct qos_store_extra){
			.name = name, .path = path, .bytes = text, .len = strlen(text)};
	}
	*ret_n = n;
	return r < 0 ? r : 0;
}

/* Costs what a reload costs, and parses what it is given: not for those who only read. */
static int on_plan(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct qos_store_extra items[PLAN_FILES_MAX];
	struct qos_store_extras extras = {.items = items};
	struct client *client = data;
	struct qos_diag diag = QOS_DIAG_INIT;
	json_t *json = NULL;
	int r;

	if (!may_change(client))
		return deny(call);
	r = read_extras(call, items, &extras.n);
	if (r == -E2BIG)
		return sd_bus_reply_method_errorf(call, "org.qosd1.Error.Invalid",
						  "more than %d files; plan fewer at a time",
						  PLAN_FILES_MAX);
	if (r < 0)
		return r;
	r = qos_supervisor_plan(client->bus->supervisor, &extras, &diag, &json);
	return answer_outcome(call, r, &diag, json);
}

int qos_bus_adjust(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client *client = data;
	struct qos_diag diag = QOS_DIAG_INIT;
	const char *contract, *attribute;
	uint64_t value_ns, for_ns, until_ns;
	json_t *json = NULL;
	int r;

	if (!may_change(client))
		return deny(call);
	r = sd_bus_message_read(call, "sstt", &contract, &attribute, &value_ns, &for_ns);
	if (r < 0)
		return r;
	if (for_ns && (__builtin_add_overflow(qos_clock_ns(CLOCK_BOOTTIME), for_ns, &until_ns) ||
		       until_ns > INT64_MAX))
		return sd_bus_reply_method_errorf(call, "org.qosd1.Error.Invalid",
						  "the time is too long");
	r = qos_supervisor_adjust(client->bus->supervisor, contract, attribute, value_ns,
				  for_ns ? until_ns : 0, &diag, &json);
	if (r == 0)
		json_object_set_new(json, "until_s",
				    for_ns ? json_real((double)for_ns / 1e9) : json_null());
	return answer_outcome(call, r, &diag, json);
}

int qos_bus_revert(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client *client = data;
	struct qos_diag diag = QOS_DIAG_INIT;
	const char *contract, *attribute;
	json_t *json = NULL;
	int r;

	if (!may_change(client))
		return deny(call);
	r = sd_bus_message_read(call, "ss", &contract, &attribute);
	if (r < 0)
		return r;
	r = qos_supervisor_revert(client->bus->supervisor, contract, attribute, &diag, &json);
	return answer_outcome(call, r, &diag, json);
}

int qos_bus_readmit(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client *client = data;
	struct qos_diag diag = QOS_DIAG_INIT;
	const char *contract;
	json_t *json = NULL;
	int r;

	if (!may_change(client))
		return deny(call);
	r = sd_bus_message_read(call, "s", &contract);
	if (r < 0)
		return r;
	r = qos_extend_readmit(client->bus->supervisor, contract, &diag, &json);
	return answer_outcome(call, r, &diag, json);
}

static int on_guard(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client *client = data;
	struct qos_diag diag = QOS_DIAG_INIT;
	const char *dir, *name;
	json_t *json = NULL;
	uint64_t for_ns;
	int r;

	if (!may_change(client))
		return deny(call);
	r = sd_bus_message_read(call, "sst", &dir, &name, &for_ns);
	if (r < 0)
		return r;
	if (for_ns > QOS_CONFIRM_MAX_NS)
		return sd_bus_reply_method_errorf(call, "org.qosd1.Error.Invalid",
						  "the time is too long");
	r = qos_confirm_begin(client->bus->supervisor, dir, name,
			      qos_clock_ns(CLOCK_BOOTTIME) + for_ns, &diag, &json);
	return answer_outcome(call, r, &diag, json);
}

static int on_confirm(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client *client = data;
	struct qos_diag diag = QOS_DIAG_INIT;
	json_t *json = NULL;
	int keep, r;

	if (!may_change(client))
		return deny(call);
	r = sd_bus_message_read(call, "b", &keep);
	if (r < 0)
		return r;
	r = qos_confirm_end(client->bus->supervisor, keep, &diag, &json);
	return answer_outcome(call, r, &diag, json);
}

static int on_panic(sd_bus_message *call, void *data, sd_bus_error *error)
{
	struct client *client = data;
	json_t *json = NULL;
	int r;

	if (!may_change(client))
		return deny(call);
	r = qos_supervisor_panic(client->bus->supervisor, &json);
	return r < 0 ? r : answer(call, json);
}

const sd_bus_vtable qos_bus_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Report", "ss", "s", on_report, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Events", "st", "s", on_events, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Series", "st", "s", on_series, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Explain", "ss", "s", on_explain, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Reload", "", "s", qos_bus_reload, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Plan", "a(sss)", "s", on_plan, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Adjust", "sstt", "s", qos_bus_adjust, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Revert", "ss", "s", qos_bus_revert, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Readmit", "s", "s", qos_bus_readmit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Guard", "sst", "s", on_guard, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Confirm", "b", "s", on_confirm, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Panic", "", "s", on_panic, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL("Event", "s", 0),
	SD_BUS_SIGNAL("ContractChanged", "sss", 0),
	SD_BUS_SIGNAL("Adapted", "sss", 0),
	SD_BUS_SIGNAL("Violation", "sss", 0),
	SD_BUS_VTABLE_END,
};
