/* SPDX-License-Identifier: GPL-2.0-only */
/* What the verbs that change or judge something say when it is done. One or two lines each. */
#include "out.h"

#include <inttypes.h>
#include <string.h>

static void print_change(const struct qos_out *out, const json_t *change, const char *contract)
{
	char before[QOS_OUT_NUMBER_MAX], after[QOS_OUT_NUMBER_MAX];

	fprintf(out->file, "%s: cpu.%s.%s: %s -> %s", contract,
		qos_json_text(change, "stream", "-"), qos_json_text(change, "attribute", "-"),
		qos_out_duration(before, sizeof(before), qos_json_int(change, "old_ns", 0)),
		qos_out_duration(after, sizeof(after), qos_json_int(change, "new_ns", 0)));
}

void qos_out_adjust(const struct qos_out *out, const json_t *adjust)
{
	char age[QOS_OUT_NUMBER_MAX];

	print_change(out, adjust, qos_json_text(adjust, "contract", "-"));
	if (json_is_number(json_object_get(adjust, "until_s")))
		fprintf(out->file, ", for %s\n",
			qos_out_age(age, sizeof(age), qos_json_int(adjust, "until_s", 0)));
	else
		fputs(", until `qosctl revert`\n", out->file);
}

void qos_out_readmit(const struct qos_out *out, const json_t *readmit)
{
	fprintf(out->file, "%s: its rules are in service again\n",
		qos_json_text(readmit, "contract", "-"));
}

void qos_out_revert(const struct qos_out *out, const json_t *revert)
{
	const char *contract = qos_json_text(revert, "contract", "-");
	const json_t *reverted = json_object_get(revert, "reverted");
	const json_t *change;
	size_t i;

	json_array_foreach(reverted, i, change) {
		print_change(out, change, contract);
		fputc('\n', out->file);
	}
	if (!json_array_size(reverted))
		fprintf(out->file, "%s: nothing was adjusted\n", contract);
}

void qos_out_panic(const struct qos_out *out, const json_t *panic)
{
	bool daemon = !strcmp(qos_json_text(panic, "by", ""), "daemon");
	const char *nothing_in = qos_json_text(panic, "nothing_in", NULL);
	int64_t failed = qos_json_int(panic, "failed", 0);

	if (nothing_in)
		fprintf(out->file, "%s has no records of threads: qosd manages none from there\n",
			nothing_in);
	fprintf(out->file, "%" PRId64 " threads are as they were before\n",
		qos_json_int(panic, "restored", 0));
	if (failed)
		fprintf(out->file, "%" PRId64 " could not be restored\n", failed);
	qos_out_lines(out, 0,
		      daemon ? "qosd holds still until `qosctl reload`"
			     : "this was done without qosd");
}

static void print_names(const struct qos_out *out, enum qos_paint paint, const char *label,
			const json_t *names)
{
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
		qos_out_fact(out, paint, i ? "" : label, "%s",
			     json_is_string(name) ? json_string_value(name) : "-");
}

void qos_out_reload(const struct qos_out *out, const json_t *reload)
{
	size_t n_older = json_array_size(json_object_get(reload, "older"));

	fprintf(out->file, "reloaded: %zu in force, %" PRId64 " of them unchanged",
		json_array_size(json_object_get(reload, "in_force")),
		qos_json_int(reload, "unchanged", 0));
	if (n_older)
		fprintf(out->file, ", %zu in an older version", n_older);
	fputc('\n', out->file);
	print_names(out, QOS_PLAIN, "removed", json_object_get(reload, "removed"));
	print_names(out, QOS_BAD, "refused", json_object_get(reload, "refused"));
	print_names(out, QOS_BAD, "invalid", json_object_get(reload, "invalid"));
}

void qos_out_check(const struct qos_out *out, const json_t *check)
{
	const json_t *contract;
	size_t bad = 0;
	size_t i;

	json_array_foreach(json_object_get(check, "contracts"), i, contract)
		bad += !qos_json_bool(contract, "ok");
	fprintf(out->file, "%zu contract%s ok, %zu with errors\n", i - bad, qos_out_plural(i - bad),
		bad);
}

void qos_out_applied(const struct qos_out *out, const json_t *applied)
{
	const char *guarantee = qos_json_text(applied, "guarantee", NULL);
	const char *state = qos_json_text(applied, "state", NULL);
	const char *reason = qos_json_text(applied, "reason", NULL);
	char age[QOS_OUT_NUMBER_MAX];

	fprintf(out->file, "%s: %s: ", qos_json_text(applied, "contract", "-"),
		qos_json_text(applied, "action", "-"));
	qos_out_paint(out, QOS_PLAIN, qos_json_text(applied, "file", "-"));
	if (state || guarantee)
		fprintf(out->file, " (%s%s%s)", state ? state : "", state && guarantee ? ", " : "",
			guarantee ? guarantee : "");
	fputc('\n', out->file);
	if (reason)
		qos_out_lines(out, 2, reason);
	if (json_is_integer(json_object_get(applied, "confirm_s")))
		fprintf(out->file, "  put back in %s unless confirmed: qosctl confirm\n",
			qos_out_age(age, sizeof(age), qos_json_int(applied, "confirm_s", 0)));
}

void qos_out_confirm(const struct qos_out *out, const json_t *confirm)
{
	bool kept = !strcmp(qos_json_text(confirm, "action", ""), "kept");

	qos_out_paint(out, QOS_PLAIN, qos_json_text(confirm, "file", "-"));
	fprintf(out->file, ": %s\n", kept ? "kept" : "what was there before stands again");
}
