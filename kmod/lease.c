// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lease: a daemon that is gone does not keep the machine reserved for ever. A timer on the
 * wheel is precise enough, and its work may sleep.
 */
#include <linux/workqueue.h>

#include "flow.h"
#include "qos.h"

u32 qos_lease_state = QOS_DWCS_LEASE_OFF;

static u64 ends_ns;

static void expire_contract(struct qos_contract *contract)
{
	struct qos_event event = {
		.kind = QOS_DWCS_EVENT_LEASE,
		.time_ns = ktime_get_ns(),
		.what = contract->on_expiry,
	};
	struct qos_stream *stream;

	switch ((enum qos_dwcs_on_expiry)contract->on_expiry) {
	case QOS_DWCS_EXPIRY_HOLD:
		break;
	case QOS_DWCS_EXPIRY_BASE:
		list_for_each_entry(stream, &contract->streams, in_contract)
			qos_stream_set_runtime(stream, stream->runtime_base_ns);
		qos_flows_own_rate(contract);
		break;
	case QOS_DWCS_EXPIRY_RELEASE:
		qos_contract_release(contract);
		qos_flows_own_rate(contract);
		break;
	}
	contract->expired = true;
	memcpy(event.contract, contract->name, sizeof(event.contract));
	qos_genl_send_event(&event);
}

static void expired(struct work_struct *work)
{
	struct qos_contract *contract;

	mutex_lock(&qos_mutex);
	if (qos_lease_state == QOS_DWCS_LEASE_LIVE && ktime_get_ns() >= ends_ns) {
		qos_lease_state = QOS_DWCS_LEASE_EXPIRED;
		list_for_each_entry(contract, &qos_contracts, in_all)
			expire_contract(contract);
		qos_generation++;
	}
	mutex_unlock(&qos_mutex);
}

static DECLARE_DELAYED_WORK(expiry, expired);

/* ns; 0: none, or it expired. qos_mutex. */
u64 qos_lease_left(void)
{
	u64 now = ktime_get_ns();

	return qos_lease_state == QOS_DWCS_LEASE_LIVE && ends_ns > now ? ends_ns - now : 0;
}

/* It starts anew, with the length that is configured; 0: there is none. qos_mutex. */
void qos_lease_renew(void)
{
	struct qos_contract *contract;

	if (!qos_config.lease_ns) {
		qos_lease_state = QOS_DWCS_LEASE_OFF;
		cancel_delayed_work(&expiry);
		return;
	}
	ends_ns = ktime_get_ns() + qos_config.lease_ns;
	qos_lease_state = QOS_DWCS_LEASE_LIVE;
	list_for_each_entry(contract, &qos_contracts, in_all)
		contract->expired = false;
	mod_delayed_work(system_wq, &expiry, nsecs_to_jiffies(qos_config.lease_ns) + 1);
}

/* Not under qos_mutex. */
void qos_lease_stop(void)
{
	cancel_delayed_work_sync(&expiry);
}
