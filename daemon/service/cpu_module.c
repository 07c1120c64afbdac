/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Grants of QOS_POLICY_DWCS become contracts and streams of the module, and threads are attached to
 * them. The module itself records what a thread was and gives it back; a record of our own is pinned
 * all the same, before the first change: it says what the thread was if the module's word is lost
 * (a daemon that finds other than it left), and is what children are set right by.
 *
 * Every change goes through CONTRACT_SET with all that is known: it is idempotent, and where nothing
 * but C differs the module starts no window anew. So an adopted contract, one that is set again after
 * the lease expired, and one that only gets another runtime take the same way.
 *
 * Weakness: the module and the record can disagree for the time of one call; a kill just there
 * leaves a record of a thread that is not attached, which the next daemon restores to what it is.
 */
#include "service/cpu_module_parts.h"

#include <errno.h>
#include <stdlib.h>

#include "kern/probe.h"
#include "kern/proc.h"

_Static_assert((int)QOS_LEASE_HOLD == (int)QOS_DWCS_EXPIRY_HOLD &&
		       (int)QOS_LEASE_BASE == (int)QOS_DWCS_EXPIRY_BASE &&
		       (int)QOS_LEASE_RELEASE == (int)QOS_DWCS_EXPIRY_RELEASE,
	       "on-lease-expiry");
_Static_assert((int)QOS_DRIFT_YIELD == (int)QOS_DWCS_DRIFT_YIELD &&
		       (int)QOS_DRIFT_RESTORE == (int)QOS_DWCS_DRIFT_RESTORE &&
		       (int)QOS_DRIFT_WARN == (int)QOS_DWCS_DRIFT_WARN,
	       "on-drift");
_Static_assert((int)QOS_OVERRUN_ALLOW == (int)QOS_DWCS_OVERRUN_ALLOW &&
		       (int)QOS_JOB_PERIOD == (int)QOS_DWCS_JOB_PERIOD &&
		       (int)QOS_SILENCE_LOST == (int)QOS_DWCS_SILENCE_LOST,
	       "overrun, job, silence");

/* --- contracts and streams --- */

struct stream *qos_cpu_module_intern(struct module *module, uint32_t id, const char *contract,
				     const char *name)
{
	struct stream *stream = qos_table_get(&module->streams, id);

	if (!stream) {
		stream = calloc(1, sizeof(*stream));
		if (!stream || qos_table_set(&module->streams, id, stream) < 0) {
			free(stream);
			return NULL;
		}
		stream->id = id;
	}
	snprintf(stream->contract, sizeof(stream->contract), "%s", contract);
	snprintf(stream->name, sizeof(stream->name), "%s", name);
	return stream;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Only what it has can be left as it is. */
static bool is_left_alone(struct module *module, const struct qos_service_stream *stream)
{
	const struct stream *known = qos_table_get(&module->streams, stream->id);

	return stream->ruled && known && known->is_set && known->is_seen;
}

static struct qos_dwcs_stream params_of(struct module *module,
					const struct qos_service_stream *stream)
{
	const struct qos_cpu_stream *wish = stream->wish;
	const struct qos_range *range = &wish->runtime_range;
	uint64_t granted = stream->grant->granted_ns;
	uint64_t lo = range->set ? range->lo : granted, hi = range->set ? range->hi : granted;

	return (struct qos_dwcs_stream){
		.id = stream->id,
		.name = wish->name,
		.period_ns = wish->period.ns,
		.rate_mhz = wish->period.mhz,
		.deadline_ns = wish->deadline_ns,
		.runtime_ns = is_left_alone(module, stream) ? 0 : granted,
		.runtime_base_ns = least(wish->runtime_ns, stream->grant->guaranteed_ns),
		.runtime_min_ns = least(lo, granted),
		.runtime_max_ns = hi > granted ? hi : granted,
		.x = wish->window.x,
		.y = wish->window.y,
		.overrun = wish->overrun,
		.job = wish->job,
		.silence = wish->silence,
		.latency_ns = wish->latency_ns,
		.max_threads = wish->max_threads,
	};
}

static void forget_thread(struct module *module, struct thread *thread, bool restore)
{
	qos_table_remove(&module->threads, thread->key.tid);
	if (restore)
		qos_originals_restore_key(module->originals, &thread->key, NULL);
	free(thread);
}

/* The module has given the stream's threads back already. */
static void forget_stream(struct module *module, uint32_t id)
{
	struct thread *thread;
	size_t pos = 0;

	free(qos_table_remove(&module->streams, id));
	while ((thread = qos_table_next(&module->threads, &pos))) {
		if (thread->stream != id)
			continue;
		forget_thread(module, thread, true);
		pos = 0; /* the walk begins anew: there are few */
	}
}

/* Streams of the contract that were not set now. */
static void forget_unset(struct module *module, const char *contract)
{
	struct stream *stream;
	size_t pos = 0;

	while ((stream = qos_table_next(&module->streams, &pos))) {
		if (!qos_cpu_module_is_of(stream, contract) || stream->is_seen)
			continue;
		forget_stream(module, stream->id);
		pos = 0;
	}
}

/* Of the contract's streams none is seen; what the module has of others stays known. true: it had any. */
static bool overlook(struct module *module, const char *contract)
{
	struct stream *stream;
	bool known = false;
	size_t pos = 0;

	while ((stream = qos_table_next(&module->streams, &pos))) {
		if (!qos_cpu_module_is_of(stream, contract))
			continue;
		stream->is_seen = false;
		known = true;
	}
	return known;
}

static void unset(struct qos_service *service, const char *contract)
{
	struct module *module = qos_cpu_module_of(service);

	if (!overlook(module, contract))
		return;
	qos_dwcs_delete_contract(module->genl, contract);
	forget_unset(module, contract);
}

/* Notes what was set. Running out of memory costs a stream its counters, nothing else. */
static void note(struct module *module, const char *contract, const struct qos_dwcs_stream *streams,
		 size_t n)
{
	overlook(module, contract);
	for (size_t i = 0; i < n; i++) {
		struct stream *stream =
			qos_cpu_module_intern(module, streams[i].id, contract, streams[i].name);

		if (stream)
			stream->is_set = stream->is_seen = true;
	}
	forget_unset(module, contract);
}

static int set(struct qos_service *service, const struct qos_service_contract *wanted,
	       struct qos_diag *diag)
{
	const struct qos_contract *contract = wanted->contract;
	_cleanup_free_ struct qos_dwcs_stream *streams = NULL;
	struct module *module = qos_cpu_module_of(service);
	size_t n = 0;
	int r;

	streams = calloc(wanted->n_streams + 1, sizeof(*streams));
	if (!streams)
		return -ENOMEM;
	for (size_t i = 0; i < wanted->n_streams; i++) {
		if (wanted->streams[i].grant->policy == QOS_POLICY_DWCS)
			streams[n++] = params_of(module, &wanted->streams[i]);
	}
	if (!n) {
		unset(service, contract->name);
		return 0;
	}
	r = qos_dwcs_set_contract(module->genl, contract->name, contract->on_lease_expiry,
				  contract->on_drift, streams, n, diag);
	if (r == 0)
		note(module, contract->name, streams, n);
	return r;
}

/* --- threads --- */

static int new_thread(struct module *module, const struct qos_original_key *key,
		      struct thread **ret)
{
	_cleanup_free_ struct thread *thread = calloc(1, sizeof(*thread));
	struct qos_original original;

	if (!thread || qos_table_set(&module->threads, key->tid, thread) < 0)
		return -ENOMEM;
	thread->key = *key;
	thread->drifted = qos_originals_get(module->originals, (pid_t)key->tid, &original) == 0 &&
			  original.drifted;
	*ret = TAKE_PTR(thread);
	return 0;
}

/* A daemon that was killed had it natively: the module refuses SCHED_DEADLINE, and would take SCHED_FIFO for the thread's
 * own. */
static int take_back(struct module *module, pid_t tid)
{
	struct qos_original original;
	struct qos_dwcs_thread now;
	int r;

	if (qos_originals_get(module->originals, tid, &original) < 0 || original.drifted)
		return 0;
	r = qos_dwcs_thread(module->genl, tid, &now);
	return r == -ENOENT || r == -ESRCH ? qos_originals_restore(module->originals, tid, NULL)
					   : r;
}

/* Recorded before anything else is done with it. */
static int intern(struct module *module, pid_t tid, struct thread **ret, struct qos_diag *diag)
{
	struct thread *thread = qos_table_get(&module->threads, (uint32_t)tid);
	struct qos_original_key key;
	int r = 0;

	if (!thread)
		r = take_back(module, tid);
	if (r == 0)
		r = qos_originals_record(module->originals, tid, &key);
	if (r < 0) {
		const struct qos_errno_advice *advice =
			qos_errno_advice("bpf(MAP_UPDATE_ELEM)", -r);

		if (r != -ESRCH)
			qos_diag_warning(diag, NULL, "bpf(MAP_UPDATE_ELEM): %s", advice->cause);
		return r;
	}
	if (thread && thread->key.start_time == key.start_time) {
		*ret = thread;
		return 0;
	}
	if (thread)
		forget_thread(module, thread, true);
	return new_thread(module, &key, ret);
}

/* One ordering a CPU: the latest grant's, all of a CPU's grants name the same. */
static void set_ordering(struct module *module, uint32_t cpu, uint32_t ordering,
			 struct qos_diag *diag)
{
	if (module->orderings[cpu] != ordering + 1 &&
	    qos_dwcs_order(module->genl, cpu, ordering, diag) == 0)
		module->orderings[cpu] = ordering + 1;
}

/* The module has the thread already, from an earlier daemon or another stream. 0: it is where it
 * should be. */
static int take_over(struct module *module, struct thread *thread, const struct thread *want)
{
	pid_t tid = (pid_t)thread->key.tid;
	struct qos_dwcs_thread now;
	int r;

	r = qos_dwcs_thread(module->genl, tid, &now);
	if (r == 0 && now.stream == want->stream && now.cpu == want->cpu &&
	    now.start == thread->key.start_time) {
		thread->drifted = now.flags & QOS_DWCS_THREAD_DRIFTED;
		return 0;
	}
	if (r == 0)
		r = qos_dwcs_detach(module->genl, tid);
	return r < 0 && r != -ENOENT && r != -ESRCH ? r : -EAGAIN;
}

static int attach_to(struct module *module, struct thread *thread, const struct thread *want,
		     struct qos_diag *diag)
{
	pid_t tid = (pid_t)thread->key.tid;
	struct qos_cpus cpus = {};
	int r;

	qos_cpus_add(&cpus, want->cpu);
	if (thread->attached)
		qos_dwcs_detach(module->genl, tid);
	thread->attached = false;
	r = qos_originals_lend(module->originals, &thread->key, module->band_last, &cpus);
	if (r == 0)
		r = qos_dwcs_attach(module->genl, tid, thread->key.start_time, want->stream,
				    want->cpu, NULL);
	if (r == -EEXIST)
		r = take_over(module, thread, want);
	if (r == 0)
		return 0;
	/* again, for the words if it fails */
	return r == -ESRCH ? r
			   : qos_dwcs_attach(module->genl, tid, thread->key.start_time,
					     want->stream, want->cpu, diag);
}

int qos_cpu_module_yield(struct module *module, struct thread *thread)
{
	qos_dwcs_detach(module->genl, (pid_t)thread->key.tid);
	qos_originals_yield(module->originals, &thread->key);
	thread->attached = false;
	thread->drifted = true;
	return QOS_SERVICE_E_DRIFT;
}

static int detach(struct qos_service *service, pid_t tid)
{
	struct module *module = qos_cpu_module_of(service);
	struct thread *thread = qos_table_remove(&module->threads, (uint32_t)tid);
	bool drifted = false;
	int r = 0;

	if (!thread)
		return 0;
	if (thread->attached)
		qos_dwcs_detach(module->genl, tid);
	r = qos_originals_restore_key(module->originals, &thread->key, &drifted);
	free(thread);
	if (r < 0)
		return r;
	return drifted ? QOS_SERVICE_E_DRIFT : 0;
}

/* The thread is as it should be already, or is brought there. */
static int engage(struct module *module, struct thread *thread,
		  const struct qos_service_stream *stream, struct qos_diag *diag)
{
	const struct thread want = {.stream = stream->id,
				    .cpu = qos_cpus_next(&stream->grant->cpus, 0)};
	int r;

	if (thread->attached && thread->stream == want.stream && thread->cpu == want.cpu)
		return 0;
	set_ordering(module, want.cpu, stream->grant->ordering, diag);
	r = attach_to(module, thread, &want, diag);
	if (r < 0)
		return r;
	thread->attached = true;
	thread->claimed = true; /* for all we know, from an earlier daemon */
	thread->stream = want.stream;
	thread->cpu = want.cpu;
	return thread->drifted && stream->on_drift == QOS_DRIFT_YIELD
		       ? qos_cpu_module_yield(module, thread)
		       : 0;
}

static int attach(struct qos_service *service, pid_t tid, const struct qos_service_stream *stream,
		  struct qos_diag *diag)
{
	struct module *module = qos_cpu_module_of(service);
	struct thread *thread;
	int r;

	r = intern(module, tid, &thread, diag);
	if (r < 0)
		return r == -ESRCH ? QOS_SERVICE_E_GONE : r;
	if (thread->drifted && stream->on_drift == QOS_DRIFT_YIELD)
		return QOS_SERVICE_E_DRIFT;
	thread->drifted = false;
	thread->on_drift = (uint8_t)stream->on_drift;
	r = engage(module, thread, stream, diag);
	if (r < 0)
		detach(service, tid);
	return r == -ESRCH ? QOS_SERVICE_E_GONE : r;
}

static void forget(struct qos_service *service, pid_t tid)
{
	struct module *module = qos_cpu_module_of(service);
	struct thread *thread = qos_table_remove(&module->threads, (uint32_t)tid);

	if (thread)
		qos_originals_forget(module->originals, &thread->key);
	free(thread);
}

static void inherit(struct qos_service *service, pid_t parent, pid_t child)
{
	struct module *module = qos_cpu_module_of(service);
	const struct thread *thread = qos_table_get(&module->threads, (uint32_t)parent);

	if (thread && !qos_table_get(&module->threads, (uint32_t)child))
		qos_originals_inherit(module->originals, &thread->key, child);
}

/* The module follows the thread itself, not its number: it has it under the new one by now. */
static void exec(struct qos_service *service, pid_t old_tid, pid_t new_tid)
{
	struct module *module = qos_cpu_module_of(service);
	struct thread *thread;

	if (old_tid == new_tid) {
		detach(service, new_tid);
		return;
	}
	forget(service, new_tid);
	thread = qos_table_remove(&module->threads, (uint32_t)old_tid);
	if (!thread)
		return;
	qos_dwcs_detach(module->genl, new_tid);
	qos_originals_exec(module->originals, &thread->key, new_tid);
	free(thread);
}

static int verify(struct qos_service *service, pid_t tid)
{
	struct module *module = qos_cpu_module_of(service);
	struct thread *thread = qos_table_get(&module->threads, (uint32_t)tid);

	if (!thread)
		return 0;
	if (thread->drifted)
		return QOS_SERVICE_E_DRIFT;
	if (thread->attached)
		return 0;
	forget_thread(module, thread, true);
	return QOS_SERVICE_E_LOST;
}

/* Overruns are the module's own affair, and it needs no clock of ours. */
static void event(struct qos_service *service, const struct qos_event *event)
{
}

static uint64_t next_expiry(struct qos_service *service)
{
	return 0;
}

static void expire(struct qos_service *service, uint64_t now_ns)
{
}

static bool is_demoted(struct qos_service *service, pid_t tid)
{
	struct module *module = qos_cpu_module_of(service);
	struct qos_dwcs_thread thread;

	return qos_table_get(&module->threads, (uint32_t)tid) &&
	       qos_dwcs_thread(module->genl, tid, &thread) == 0 &&
	       thread.flags & QOS_DWCS_THREAD_EXHAUSTED;
}

static void counts(struct qos_service *service, struct qos_service_counts *ret)
{
	*ret = qos_cpu_module_of(service)->counts;
}

static void read_stats(struct qos_service *service, uint32_t id, struct qos_stream_stats *ret)
{
	const struct stream *stream = qos_table_get(&qos_cpu_module_of(service)->streams, id);

	if (stream)
		*ret = stream->stats;
}

static void module_free(struct qos_service *service)
{
	struct module *module = qos_cpu_module_of(service);
	struct stream *stream;
	struct thread *thread;
	size_t pos = 0;

	while ((stream = qos_table_next(&module->streams, &pos)))
		free(stream);
	pos = 0;
	while ((thread = qos_table_next(&module->threads, &pos)))
		free(thread);
	qos_table_reset(&module->streams);
	qos_table_reset(&module->threads);
	free(module);
}

int qos_cpu_module_new(struct qos_genl *genl, struct qos_originals *originals, uint32_t band_last,
		       struct qos_service **ret)
{
	static const struct qos_service_ops ops = {
		.name = "module",
		.set = set,
		.unset = unset,
		.attach = attach,
		.detach = detach,
		.forget = forget,
		.inherit = inherit,
		.exec = exec,
		.event = event,
		.next_expiry = next_expiry,
		.expire = expire,
		.verify = verify,
		.counts = counts,
		.is_demoted = is_demoted,
		.read = read_stats,
		.free = module_free,
	};
	struct module *module = calloc(1, sizeof(*module));
	bool forgotten;
	int r;

	if (!module)
		return -ENOMEM;
	module->service.ops = &ops;
	module->genl = genl;
	module->originals = originals;
	module->band_last = band_last;
	r = qos_cpu_module_resync(&module->service, &forgotten);
	if (r < 0) {
		module_free(&module->service);
		return r;
	}
	*ret = &module->service;
	return 0;
}
