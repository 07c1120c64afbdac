/* SPDX-License-Identifier: GPL-2.0-only */
#include "util/callers.h"

static struct qos_caller *find(struct qos_callers *callers, uint32_t uid)
{
	for (size_t i = 0; i < QOS_CALLERS_MAX; i++) {
		if (callers->list[i].used && callers->list[i].uid == uid)
			return &callers->list[i];
	}
	return NULL;
}

/* One that was never used, else one of whom nothing counts any more. */
static struct qos_caller *make_room(struct qos_callers *callers, uint64_t second)
{
	struct qos_caller *idle = NULL;

	for (size_t i = 0; i < QOS_CALLERS_MAX; i++) {
		struct qos_caller *caller = &callers->list[i];

		if (!caller->used)
			return caller;
		if (!caller->pending && caller->second != second)
			idle = caller;
	}
	return idle;
}

bool qos_callers_count(struct qos_callers *callers, uint32_t uid, uint64_t now_ns)
{
	uint64_t second = now_ns / 1000000000;
	struct qos_caller *caller = find(callers, uid);

	if (!caller) {
		caller = make_room(callers, second);
		if (!caller)
			return false;
		*caller = (struct qos_caller){.used = true, .uid = uid, .second = second};
	}
	if (caller->second != second)
		caller->calls = 0;
	if (callers->second != second)
		callers->calls = 0;
	caller->second = callers->second = second;
	if (uid && (caller->calls >= QOS_CALLS_MAX || callers->calls >= QOS_CALLS_ALL_MAX))
		return false;
	caller->calls++;
	callers->calls += uid != 0;
	return true;
}

bool qos_callers_begin(struct qos_callers *callers, uint32_t uid)
{
	struct qos_caller *caller = find(callers, uid);

	if (!caller || (uid && (caller->pending >= QOS_PENDING_MAX ||
				callers->pending >= QOS_PENDING_ALL_MAX)))
		return false;
	caller->pending++;
	callers->pending += uid != 0;
	return true;
}

void qos_callers_end(struct qos_callers *callers, uint32_t uid)
{
	struct qos_caller *caller = find(callers, uid);

	if (!caller || !caller->pending)
		return;
	caller->pending--;
	callers->pending -= uid != 0;
}
