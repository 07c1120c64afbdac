/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages that are not as the specification says count as missed too: then a dump, which is asked
 * for and answered as a whole, is what is believed.
 */
#include "kern/genl_events.h"

#include <errno.h>

static void follow(struct qos_dwcs_hearing *hearing, struct qos_dwcs_sequence *sequence,
		   uint32_t seq)
{
	hearing->missed |= sequence->begun && seq != sequence->next;
	*sequence = (struct qos_dwcs_sequence){.begun = true, .next = seq + 1};
}

static int take_event(struct qos_dwcs_hearing *hearing, const struct nlmsghdr *message)
{
	struct qos_dwcs_event event;
	int r = qos_dwcs_read_event(message, &event);

	if (r < 0)
		return r;
	follow(hearing, &hearing->events, event.seq);
	hearing->ears->event(hearing->data, &event);
	return 0;
}

static int take_telemetry(struct qos_dwcs_hearing *hearing, const struct nlmsghdr *message)
{
	struct qos_dwcs_report report;
	int r = qos_dwcs_read_report(message, &report);

	if (r < 0)
		return r;
	follow(hearing, &hearing->telemetry, report.seq);
	hearing->ears->telemetry(hearing->data, &report);
	return 0;
}

void qos_dwcs_take(struct qos_dwcs_hearing *hearing, const struct nlmsghdr *message)
{
	int cmd = qos_dwcs_command(message), r = cmd < 0 ? cmd : 0;

	if (cmd == QOS_DWCS_CMD_EVENT)
		r = take_event(hearing, message);
	else if (cmd == QOS_DWCS_CMD_TELEMETRY)
		r = take_telemetry(hearing, message);
	if (r == 0)
		return;
	hearing->n_malformed++;
	hearing->missed = true;
}

static void on_message(void *data, const struct nlmsghdr *message)
{
	qos_dwcs_take(data, message);
}

/* Another module counts anew. */
static void on_presence(void *data, bool there)
{
	struct qos_dwcs_hearing *hearing = data;

	hearing->events.begun = hearing->telemetry.begun = hearing->missed = false;
	hearing->ears->presence(hearing->data, there);
}

static void on_lost(void *data)
{
	struct qos_dwcs_hearing *hearing = data;

	hearing->missed = true;
}

int qos_dwcs_hear(struct qos_dwcs_hearing *hearing, struct qos_genl *genl)
{
	static const struct qos_genl_ears ears = {
		.presence = on_presence, .message = on_message, .lost = on_lost};
	int r = qos_genl_dispatch(genl, &ears, hearing);

	if (!hearing->missed)
		return r;
	hearing->missed = false;
	hearing->n_missed++;
	hearing->ears->missed(hearing->data);
	return r;
}
