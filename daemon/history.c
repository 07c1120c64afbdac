/* SPDX-License-Identifier: GPL-2.0-only */
/* A sorted array of pointers and no ring: an event may go from the middle, and few do. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

const char *const qos_history_kind_names[] = {
	"in-force",    "waiting",     "refused",   "invalid", "removed", "panic",
	"rolled-back", "adapted",     "violation", "overrun", "drift",	 "unproven",
	"signal",      "quarantined", "lease",	   "manager", "kernel",
};

_Static_assert(sizeof(qos_history_kind_names) / sizeof(qos_history_kind_names[0]) ==
		       QOS_HISTORY_KINDS,
	       "a name for each kind");

void qos_history_event_free(struct qos_history_event *event)
{
	if (!event)
		return;
	free(event->text);
	free(event->outcomes);
	free(event->instead);
	free(event);
}

/* Whose oldest goes in favour of an event of this contract? */
static size_t victim(const struct qos_history *history, const char *contract)
{
	size_t n = 0, own = 0;

	for (size_t i = history->n; i-- > 0;) {
		if (strcmp(history->events[i]->contract, contract))
			continue;
		own = i;
		n++;
	}
	return n >= QOS_HISTORY_MAX / 4 ? own : 0;
}

void qos_history_add(struct qos_history *history, struct qos_history_event *event)
{
	size_t gone;

	event->seq = ++history->seq;
	if (history->n == QOS_HISTORY_MAX) {
		gone = victim(history, event->contract);
		qos_history_event_free(history->events[gone]);
		history->n--;
		memmove(&history->events[gone], &history->events[gone + 1],
			(history->n - gone) * sizeof(*history->events));
	}
	history->events[history->n++] = event;
}

void qos_history_reset(struct qos_history *history)
{
	for (size_t i = 0; i < history->n; i++)
		qos_history_event_free(history->events[i]);
	memset(history, 0, sizeof(*history));
}

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

/* They may quote names of files, which need not be text. */
static json_t *words(const char *text)
{
	json_t *json = json_string(text ? text : "");

	return json ? json : json_string("(words that are no UTF-8)");
}

static json_t *instead_json(const struct qos_history_event *event)
{
	json_t *list = json_array();

	for (size_t i = 0; i < event->n_instead; i++) {
		const struct qos_history_instead *instead = &event->instead[i];

		json_array_append_new(list, json_pack("{so so sI}", "contract",
						      text_or_null(instead->contract), "stream",
						      text_or_null(instead->stream), "ran_ns",
						      (json_int_t)instead->ran_ns));
	}
	return list;
}

json_t *qos_history_event_json(const struct qos_history_event *event)
{
	return json_pack("{sI sf ss so so so so so so so sI}", "seq", (json_int_t)event->seq, "at",
			 (double)event->at_us / 1e6, "kind", qos_history_kind_names[event->kind],
			 "contract", text_or_null(event->contract), "stream",
			 text_or_null(event->stream), "tid",
			 event->tid ? json_integer(event->tid) : json_null(), "cpu",
			 event->on_cpu ? json_integer(event->cpu) : json_null(), "text",
			 words(event->text), "outcomes", text_or_null(event->outcomes), "instead",
			 instead_json(event), "muted", (json_int_t)event->muted);
}

bool qos_history_is_about(const char *name, const char *contract)
{
	size_t len = strlen(contract);

	return !strncmp(name, contract, len) && (!name[len] || !strcmp(name + len, ".yaml"));
}

json_t *qos_history_json(const struct qos_history *history, const char *contract,
			 uint64_t from_boot_ns)
{
	json_t *list = json_array();

	for (size_t i = 0; i < history->n; i++) {
		const struct qos_history_event *event = history->events[i];

		if (event->boot_ns >= from_boot_ns &&
		    (!*contract || qos_history_is_about(event->contract, contract)))
			json_array_append_new(list, qos_history_event_json(event));
	}
	return json_pack("{si sI so}", "schema", 1, "seq", (json_int_t)history->seq, "events",
			 list);
}

bool qos_history_knows(const struct qos_history *history, const char *contract)
{
	for (size_t i = 0; i < history->n; i++) {
		if (qos_history_is_about(history->events[i]->contract, contract))
			return true;
	}
	return false;
}
