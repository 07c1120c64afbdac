/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything that happens to a contract goes through here, so that journal, `qosctl events` and the
 * bus never tell different stories. If memory runs out the journal still has the words.
 */
#include "tell.h"

#include <stdarg.h>
#include <string.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"
#include "util/units.h"

static const struct {
	int level;
	const char *message;
} kinds[] = {
	[QOS_HISTORY_IN_FORCE] = {LOG_NOTICE, QOS_MSG_ADMITTED},
	[QOS_HISTORY_WAITING] = {LOG_NOTICE, QOS_MSG_REFUSED},
	[QOS_HISTORY_REFUSED] = {LOG_WARNING, QOS_MSG_REFUSED},
	[QOS_HISTORY_INVALID] = {LOG_WARNING, QOS_MSG_INVALID},
	[QOS_HISTORY_REMOVED] = {LOG_NOTICE, QOS_MSG_REMOVED},
	[QOS_HISTORY_PANIC] = {LOG_WARNING, QOS_MSG_REMOVED},
	[QOS_HISTORY_ROLLED_BACK] = {LOG_WARNING, QOS_MSG_ROLLED_BACK},
	[QOS_HISTORY_ADAPTED] = {LOG_INFO, QOS_MSG_ADAPTED},
	[QOS_HISTORY_VIOLATION] = {LOG_WARNING, QOS_MSG_VIOLATION},
	[QOS_HISTORY_OVERRUN] = {LOG_NOTICE, QOS_MSG_OVERRUN},
	[QOS_HISTORY_DRIFT] = {LOG_WARNING, QOS_MSG_DRIFT},
	[QOS_HISTORY_UNPROVEN] = {LOG_WARNING, QOS_MSG_UNPROVEN},
	[QOS_HISTORY_SIGNAL] = {LOG_NOTICE, QOS_MSG_SIGNAL},
	[QOS_HISTORY_QUARANTINED] = {LOG_WARNING, QOS_MSG_QUARANTINED},
	[QOS_HISTORY_LEASE] = {LOG_WARNING, QOS_MSG_LEASE},
	[QOS_HISTORY_MANAGER] = {LOG_NOTICE, QOS_MSG_MANAGER},
	[QOS_HISTORY_KERNEL] = {LOG_WARNING, QOS_MSG_KERNEL},
};

/* "loop/main 3.2ms, others 1.1ms", or NULL. */
static char *words_of_instead(const struct qos_evidence *evidence)
{
	struct qos_buf buf = {};
	char time[QOS_UNIT_MAX];

	for (size_t i = 0; i < evidence->n_instead; i++) {
		const struct qos_history_instead *instead = &evidence->instead[i];

		qos_print_duration(time, sizeof(time), instead->ran_ns);
		if (*instead->contract)
			qos_buf_add(&buf, "%s%s/%s %s", i ? ", " : "", instead->contract,
				    instead->stream, time);
		else
			qos_buf_add(&buf, "%sothers %s", i ? ", " : "", time);
	}
	return buf.text;
}

static void to_journal(const struct qos_history_event *event, const struct qos_evidence *evidence)
{
	_cleanup_free_ char *instead = words_of_instead(evidence);
	char tid[16], cpu[16];
	const struct qos_log_field fields[] = {
		{"QOS_TID", evidence->tid ? tid : NULL},
		{"QOS_CPU", evidence->on_cpu ? cpu : NULL},
		{"QOS_OUTCOMES", evidence->outcomes},
		{"QOS_INSTEAD", instead},
		{},
	};

	_Static_assert(QOS_ARRAY_SIZE(fields) <= QOS_LOG_FIELDS_MAX + 1, "as many as it takes");
	snprintf(tid, sizeof(tid), "%d", evidence->tid);
	snprintf(cpu, sizeof(cpu), "%u", evidence->cpu);
	qos_log_fields(kinds[event->kind].level, kinds[event->kind].message,
		       *event->contract ? event->contract : NULL,
		       *event->stream ? event->stream : NULL, fields, event->text);
}

static bool copy_evidence(struct qos_history_event *event, const struct qos_evidence *evidence)
{
	size_t n = evidence->n_instead < QOS_HISTORY_INSTEAD_MAX ? evidence->n_instead
								 : QOS_HISTORY_INSTEAD_MAX;

	event->tid = evidence->tid;
	event->on_cpu = evidence->on_cpu;
	event->cpu = evidence->cpu;
	event->muted = evidence->muted;
	if (evidence->outcomes)
		event->outcomes = strndup(evidence->outcomes, QOS_HISTORY_OUTCOMES_MAX);
	if (n)
		event->instead = calloc(n, sizeof(*event->instead));
	if ((n && !event->instead) || (evidence->outcomes && !event->outcomes))
		return false;
	event->n_instead = n;
	if (n)
		memcpy(event->instead, evidence->instead, n * sizeof(*event->instead));
	return true;
}

void qos_tell(struct qos_supervisor *supervisor, enum qos_history_kind kind, const char *contract,
	      const char *stream, const struct qos_evidence *evidence, const char *format, ...)
{
	static const struct qos_evidence none;
	_cleanup_history_event_ struct qos_history_event *event = calloc(1, sizeof(*event));
	va_list args;
	int r = -1;

	va_start(args, format);
	if (event)
		r = vasprintf(&event->text, format, args);
	va_end(args);
	if (r < 0) {
		if (event)
			event->text = NULL;
		qos_log(LOG_ERR, NULL, contract, stream, "an event was lost: out of memory");
		return;
	}
	evidence = evidence ? evidence : &none;
	event->kind = kind;
	event->at_us = qos_clock_ns(CLOCK_REALTIME) / 1000;
	event->boot_ns = qos_clock_ns(CLOCK_BOOTTIME);
	snprintf(event->contract, sizeof(event->contract), "%s", contract ? contract : "");
	snprintf(event->stream, sizeof(event->stream), "%s", stream ? stream : "");
	to_journal(event, evidence);
	if (!copy_evidence(event, evidence))
		return;
	qos_history_add(&supervisor->history, event);
	if (supervisor->notify)
		supervisor->notify(supervisor->notify_data, event);
	TAKE_PTR(event);
}
