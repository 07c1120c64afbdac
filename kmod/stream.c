// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contracts and their streams. A contract is set whole: what is wanted is made apart, checked
 * against what is there, then taken over stream by stream; nothing can fail from then on. All under
 * qos_mutex.
 */
#include <linux/netlink.h>
#include <linux/slab.h>

#include "flow.h"
#include "qos.h"
#include "rules.h"

LIST_HEAD(qos_contracts);
LIST_HEAD(qos_streams);
u32 qos_contracts_n;
u32 qos_streams_n;

struct qos_contract *qos_contract_find(const char *name)
{
	struct qos_contract *contract;

	list_for_each_entry(contract, &qos_contracts, in_all) {
		if (!strcmp(contract->name, name))
			return contract;
	}
	return NULL;
}

struct qos_stream *qos_stream_find(u32 id)
{
	struct qos_stream *stream;

	list_for_each_entry(stream, &qos_streams, in_all) {
		if (stream->id == id)
			return stream;
	}
	return NULL;
}

/* By id, so that a dump can go on behind the last one. */
static void stream_link(struct qos_stream *stream)
{
	struct qos_stream *next;

	list_for_each_entry(next, &qos_streams, in_all) {
		if (next->id > stream->id)
			break;
	}
	list_add_tail(&stream->in_all, &next->in_all);
	qos_streams_n++;
}

static void detach_all(struct qos_stream *stream)
{
	struct qos_thread *thread, *next;

	list_for_each_entry_safe(thread, next, &stream->threads, in_stream)
		qos_thread_detach(thread);
}

static void stream_delete(struct qos_stream *stream)
{
	detach_all(stream);
	if (stream->contract->by_index[stream->index] == stream)
		WRITE_ONCE(stream->contract->by_index[stream->index], NULL);
	list_del(&stream->in_contract);
	list_del(&stream->in_all);
	qos_streams_n--;
	kvfree_rcu(stream, rcu);
}

/* --- setting a contract --- */

static int check_streams(const struct qos_contract *wanted, const struct qos_contract *old,
			 struct netlink_ext_ack *extack)
{
	const struct qos_stream *stream, *other, *there;
	u32 n = 0, replaced = 0;

	list_for_each_entry(stream, &wanted->streams, in_contract) {
		list_for_each_entry(other, &wanted->streams, in_contract) {
			if (other == stream)
				break;
			if (other->id == stream->id) {
				NL_SET_ERR_MSG(extack,
					       "two streams of the contract have the same id");
				return -EINVAL;
			}
		}
		there = qos_stream_find(stream->id);
		if (there && there->contract != old) {
			NL_SET_ERR_MSG(extack, "another contract has a stream with that id");
			return -EEXIST;
		}
		if (!there && !stream->params.runtime_ns) {
			NL_SET_ERR_MSG(extack, "a stream that is new has no RUNTIME to keep");
			return -EINVAL;
		}
		n++;
	}
	if (old) {
		list_for_each_entry(stream, &old->streams, in_contract)
			replaced++;
	}
	if (n > QOS_DWCS_STREAMS_IN_MAX || qos_streams_n - replaced + n > QOS_DWCS_STREAMS_MAX ||
	    (!old && qos_contracts_n >= QOS_DWCS_CONTRACTS_MAX)) {
		NL_SET_ERR_MSG(extack, "too many contracts or streams");
		return -ENOSPC;
	}
	return 0;
}

static bool same_but_runtime(struct qos_params a, const struct qos_params *b)
{
	a.runtime_ns = b->runtime_ns;
	return !memcmp(&a, b, sizeof(a));
}

/* The stream goes on with what `wanted` says. */
static void stream_take(struct qos_stream *stream, const struct qos_stream *wanted)
{
	bool anew = !same_but_runtime(stream->params, &wanted->params);
	struct qos_thread *thread;

	stream->runtime_base_ns = wanted->runtime_base_ns;
	stream->limits.lo = wanted->limits.lo;
	stream->limits.hi = wanted->limits.hi;
	qos_guard_grant(stream, &wanted->params);
	stream->max_threads = wanted->max_threads;
	memcpy(stream->name, wanted->name, sizeof(stream->name));
	list_for_each_entry(thread, &stream->threads, in_stream)
		qos_cpu_change(thread, &stream->params, anew);
}

static struct qos_stream *stream_in(struct qos_contract *contract, u32 id)
{
	struct qos_stream *stream;

	list_for_each_entry(stream, &contract->streams, in_contract) {
		if (stream->id == id)
			return stream;
	}
	return NULL;
}

/* Takes what is new out of `wanted`; the caller discards the rest. */
static void contract_take(struct qos_contract *contract, struct qos_contract *wanted)
{
	struct qos_stream *stream, *next, *there;

	contract->on_expiry = wanted->on_expiry;
	contract->on_drift = wanted->on_drift;
	contract->expired = false;
	list_for_each_entry_safe(stream, next, &contract->streams, in_contract) {
		if (!stream_in(wanted, stream->id))
			stream_delete(stream);
	}
	list_for_each_entry_safe(stream, next, &wanted->streams, in_contract) {
		there = stream_in(contract, stream->id);
		if (there) {
			stream_take(there, stream);
			continue;
		}
		list_move_tail(&stream->in_contract, &contract->streams);
		stream->contract = contract;
		stream_link(stream);
	}
}

static struct qos_contract *contract_new(const struct qos_contract *wanted)
{
	struct qos_contract *contract = kzalloc(sizeof(*contract), GFP_KERNEL);
	static u32 number;

	if (!contract)
		return NULL;
	memcpy(contract->name, wanted->name, sizeof(contract->name));
	INIT_LIST_HEAD(&contract->streams);
	contract->number = ++number;
	list_add_tail(&contract->in_all, &qos_contracts);
	qos_contracts_n++;
	return contract;
}

int qos_contract_set(struct qos_contract *wanted, bool exclusive, struct netlink_ext_ack *extack)
{
	struct qos_contract *contract = qos_contract_find(wanted->name);
	int error;

	if (contract && exclusive) {
		NL_SET_ERR_MSG(extack, "there is a contract of that name");
		return -EEXIST;
	}
	error = check_streams(wanted, contract, extack);
	if (error)
		return error;
	if (!contract)
		contract = contract_new(wanted);
	if (!contract)
		return -ENOMEM;
	contract_take(contract, wanted);
	qos_generation++;
	return 0;
}

/* Of one that was wanted only. */
void qos_contract_discard(struct qos_contract *contract)
{
	struct qos_stream *stream, *next;

	list_for_each_entry_safe(stream, next, &contract->streams, in_contract)
		kvfree(stream);
	kfree(contract);
}

void qos_contract_release(struct qos_contract *contract)
{
	struct qos_stream *stream;

	list_for_each_entry(stream, &contract->streams, in_contract)
		detach_all(stream);
}

void qos_contract_delete(struct qos_contract *contract)
{
	struct qos_stream *stream, *next;

	list_for_each_entry_safe(stream, next, &contract->streams, in_contract)
		stream_delete(stream);
	qos_flows_unbind(contract);
	list_del(&contract->in_all);
	kfree(contract);
	qos_contracts_n--;
	qos_generation++;
}

void qos_stream_set_runtime(struct qos_stream *stream, u64 runtime_ns)
{
	struct qos_params params = stream->params;
	struct qos_thread *thread;

	params.runtime_ns = runtime_ns;
	qos_guard_grant(stream, &params);
	list_for_each_entry(thread, &stream->threads, in_stream)
		qos_cpu_change(thread, &stream->params, false);
	qos_generation++;
}

void qos_streams_flush(void)
{
	struct qos_contract *contract, *next;

	list_for_each_entry_safe(contract, next, &qos_contracts, in_all)
		qos_contract_delete(contract);
}
