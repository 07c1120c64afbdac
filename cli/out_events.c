/* SPDX-License-Identifier: GPL-2.0-only */
/* Events, one or more lines each: what it was, then the evidence below it. */
#include "out.h"

#include <inttypes.h>
#include <string.h>

#define KIND_WIDTH 9

static enum qos_paint paint_of(const char *kind)
{
	static const struct {
		const char *kind;
		enum qos_paint paint;
	} paints[] = {
		{"violation", QOS_BAD}, {"refused", QOS_BAD},	   {"invalid", QOS_BAD},
		{"panic", QOS_BAD},	{"rolled-back", QOS_WARN}, {"quarantined", QOS_WARN},
		{"overrun", QOS_WARN},	{"drift", QOS_WARN},	   {"unproven", QOS_WARN},
		{"lease", QOS_WARN},	{"kernel", QOS_WARN},	   {"waiting", QOS_WARN},
		{"in-force", QOS_GOOD},
	};

	for (size_t i = 0; i < QOS_ARRAY_SIZE(paints); i++) {
		if (!strcmp(paints[i].kind, kind))
			return paints[i].paint;
	}
	return QOS_PLAIN;
}

static void print_instead(const struct qos_out *out, const json_t *list)
{
	const json_t *instead;
	size_t i;

	json_array_foreach(list, i, instead) {
		const char *contract = qos_json_text(instead, "contract", NULL);
		char time[QOS_OUT_NUMBER_MAX];

		qos_out_duration(time, sizeof(time), qos_json_int(instead, "ran_ns", 0));
		if (contract)
			qos_out_fact(out, QOS_PLAIN, i ? "" : "ran instead", "%s of %s/%s", time,
				     contract, qos_json_text(instead, "stream", "-"));
		else
			qos_out_fact(out, QOS_PLAIN, i ? "" : "ran instead",
				     "%s of what is not managed, or idle", time);
	}
}

void qos_out_event(const struct qos_out *out, const json_t *event)
{
	const char *kind = qos_json_text(event, "kind", "-");
	const char *contract = qos_json_text(event, "contract", NULL);
	const char *stream = qos_json_text(event, "stream", NULL);
	const char *outcomes = qos_json_text(event, "outcomes", NULL);
	int64_t muted = qos_json_int(event, "muted", 0);
	char moment[QOS_OUT_NUMBER_MAX];

	fprintf(out->file, "%s  ",
		qos_out_moment(moment, sizeof(moment), qos_json_int(event, "at", 0)));
	qos_out_paint(out, paint_of(kind), kind);
	fprintf(out->file, "%*s  ", (int)(KIND_WIDTH - strnlen(kind, KIND_WIDTH)), "");
	if (contract)
		fprintf(out->file, "%s%s%s: ", contract, stream ? "/" : "", stream ? stream : "");
	qos_out_paint(out, QOS_PLAIN, qos_json_text(event, "text", ""));
	fputc('\n', out->file);
	if (outcomes)
		qos_out_fact(out, QOS_PLAIN, "outcomes", "%s", outcomes);
	print_instead(out, json_object_get(event, "instead"));
	if (muted)
		qos_out_fact(out, QOS_DIM, "before it", "%" PRId64 " of the same, left out", muted);
}

void qos_out_events(const struct qos_out *out, const json_t *events)
{
	const json_t *event;
	size_t i;

	json_array_foreach(json_object_get(events, "events"), i, event)
		qos_out_event(out, event);
	if (!i)
		fputs("nothing happened\n", out->file);
}
