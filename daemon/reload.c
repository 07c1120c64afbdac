/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pipeline, as one function: files -> contracts -> grants -> streams -> threads. Everything up
 * to the commit works on a new generation beside the old one and on an open ledger transaction, so
 * running out of memory or a refusal leaves the old generation as it was. Behind the commit only
 * differences are carried out.
 *
 * What is on disk is read in reload_files.c, which contracts are in force is decided in settle.c.
 */
#include "reload.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "extend.h"
#include "generation.h"
#include "module.h"
#include "network.h"
#include "state/counters.h"
#include "tell.h"
#include "util/log.h"

/* What was counted under its id is an earlier daemon's, which has told of it. */
static uint64_t overruns_before(const struct qos_supervisor *supervisor, uint32_t id)
{
	struct qos_stream_stats stats = {}, theirs = {};
	struct qos_service *service = supervisor->service;

	if (supervisor->monitor)
		qos_monitor_stream_read(supervisor->monitor, id, &stats);
	if (service && service->ops->read)
		service->ops->read(service, id, &theirs);
	return stats.overruns + theirs.overruns;
}

/* Of a daemon that was killed: what the module has goes on, else what is pinned. */
static void find_counters(const struct qos_supervisor *supervisor,
			  const struct qos_contract *contract, struct qos_live_stream *stream)
{
	const char *name = contract->cpu[stream->index].name;

	stream->id = qos_module_stream_id(supervisor, contract->name, name);
	if (!stream->id)
		stream->id = qos_counters_find(supervisor->counters, contract->name, name);
	if (stream->id)
		stream->overruns_told = overruns_before(supervisor, stream->id);
}

/* Streams of a contract that comes into force; a stream of the same name keeps its id, so that
 * its counters and its threads stay. */
static int make_streams(struct qos_supervisor *supervisor, struct qos_live *live,
			const struct qos_contract *contract, const struct qos_live *old)
{
	live->streams = calloc(contract->n_cpu + 1, sizeof(*live->streams));
	if (!live->streams)
		return -ENOMEM;
	for (size_t i = 0; i < contract->n_cpu; i++) {
		struct qos_live_stream *stream = &live->streams[i];

		*stream = (struct qos_live_stream){.live = live, .index = i};
		for (size_t k = 0; old && k < old->n_streams; k++) {
			if (!strcmp(qos_live_wish(&old->streams[k])->name, contract->cpu[i].name))
				stream->id = old->streams[k].id;
		}
		if (!stream->id)
			find_counters(supervisor, contract, stream);
		if (!stream->id)
			stream->id = ++supervisor->next_stream;
		live->n_streams++;
	}
	return 0;
}

/* A contract whose CPUs are all offline is not refused: they may come. */
static bool waits_for_cpu(const struct qos_supervisor *supervisor,
			  const struct qos_contract *contract)
{
	for (size_t i = 0; i < contract->n_cpu; i++) {
		struct qos_cpus there =
			qos_cpus_and(&contract->cpu[i].cpus, &supervisor->host->online);

		if (contract->cpu[i].where == QOS_WHERE_LIST && !qos_cpus_count(&there))
			return true;
		if (contract->cpu[i].where == QOS_WHERE_ISOLATED &&
		    !qos_cpus_count(&supervisor->host->isolated))
			return true;
	}
	return false;
}

static bool schedules(const struct qos_contract *contract)
{
	for (size_t i = 0; i < contract->n_cpu; i++) {
		if (contract->cpu[i].manage == QOS_MANAGE_SCHEDULE)
			return true;
	}
	return false;
}

/* The state stands before the reason wherever both are shown. */
static const char *bare(const char *why)
{
	size_t len = strlen("refused: ");

	return strncmp(why, "refused: ", len) ? why : why + len;
}

/* Did it rule until the machine had too little, and is the same still? Then it returns by itself. */
static bool may_return(const struct qos_live *live, const struct qos_draft *draft)
{
	const struct qos_live *old = draft->old;

	if (draft->revives)
		return true;
	return old && old->contract && live->contract &&
	       (draft->expelled || old->state == QOS_LIVE_WAITING) &&
	       qos_contract_equal(old->contract, live->contract);
}

void qos_draft_describe(const struct qos_supervisor *supervisor, struct qos_live *live,
			const struct qos_draft *draft)
{
	const struct qos_diag *refusal = &draft->refusal;
	const char *why = refusal->n_entries ? refusal->entries[0].text : "out of memory";

	live->file_valid = draft->valid;
	live->stale = draft->contract && (refusal->n_errors || !draft->valid);
	if (live->stale)
		qos_live_set_state(live, QOS_LIVE_IN_FORCE, "older version in force: %s",
				   draft->valid ? why : "the file has errors");
	else if (draft->contract)
		qos_live_set_state(live, QOS_LIVE_IN_FORCE, NULL);
	else if (live->contract && waits_for_cpu(supervisor, live->contract))
		qos_live_set_state(live, QOS_LIVE_WAITING, "its CPUs are not online");
	else if (live->contract && qos_module_awaited(supervisor) && schedules(live->contract))
		qos_live_set_state(live, QOS_LIVE_WAITING,
				   "managers.cpu names the module qos_dwcs: %s",
				   qos_module_awaited(supervisor));
	else if (may_return(live, draft))
		qos_live_set_state(live, QOS_LIVE_WAITING,
				   "the machine has too little to give now: %s", bare(why));
	else if (!draft->valid)
		qos_live_set_state(live, QOS_LIVE_INVALID, "the file has errors");
	else
		qos_live_set_state(live, QOS_LIVE_REFUSED, "%s", bare(why));
}

/* The next generation's entry for one file. An unchanged contract moves over as it is. */
static int make_live(struct qos_supervisor *supervisor, struct qos_draft *draft,
		     struct qos_live **ret)
{
	_cleanup_live_ struct qos_live *live = NULL;
	int r;

	r = qos_live_new(draft->file->file, draft->file->path, &live);
	if (r < 0)
		return r;
	if (draft->contract) {
		r = make_streams(supervisor, live, draft->contract, draft->old);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(live);
	return 0;
}

static int by_file(const void *a, const void *b)
{
	return strcmp((*(struct qos_live *const *)a)->file, (*(struct qos_live *const *)b)->file);
}

/* The new generation: lives[i] belongs to drafts[i]; NULL where the old one goes on. */
static int make_generation(struct qos_supervisor *supervisor, struct qos_plan *plan,
			   struct qos_live ***ret)
{
	struct qos_live **lives = calloc(plan->n + 1, sizeof(*lives));
	int r = lives ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && i < plan->n; i++) {
		if (!plan->drafts[i].keeps_old)
			r = make_live(supervisor, &plan->drafts[i], &lives[i]);
	}
	if (r < 0) {
		for (size_t i = 0; lives && i < plan->n; i++)
			qos_live_free(lives[i]);
		free(lives);
		return r;
	}
	*ret = lives;
	return 0;
}

static void announce(struct qos_supervisor *supervisor, const struct qos_live *live)
{
	static const enum qos_history_kind kinds[] = {
		[QOS_LIVE_IN_FORCE] = QOS_HISTORY_IN_FORCE,
		[QOS_LIVE_WAITING] = QOS_HISTORY_WAITING,
		[QOS_LIVE_REFUSED] = QOS_HISTORY_REFUSED,
		[QOS_LIVE_INVALID] = QOS_HISTORY_INVALID,
	};
	const char *name = live->contract ? live->contract->name : live->file;

	qos_tell(supervisor, kinds[live->state], name, NULL, NULL, "%s: %s%s%s", live->path,
		 qos_live_state_names[live->state], live->reason ? ": " : "",
		 live->reason ? live->reason : "");
	for (size_t i = 0; i < live->diag.n_entries; i++) {
		const struct qos_diag_entry *entry = &live->diag.entries[i];

		if (entry->severity == QOS_ERROR)
			qos_log(LOG_WARNING, QOS_MSG_INVALID, name, NULL, "%s:%u:%u: %s",
				entry->file ? entry->file : live->path, entry->line, entry->col,
				entry->text);
	}
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* What threads and monitor have now goes with the stream, but not as applied: so whatever the new
 * version says is carried out, and those that shrink are known. */
static void inherit_stream(struct qos_live_stream *stream, struct qos_live_stream *old)
{
	const struct qos_cpu_stream *wish = qos_live_wish(stream), *was = qos_live_wish(old);

	stream->n_managed = old->n_managed;
	stream->n_unmanaged = old->n_unmanaged;
	stream->overruns_told = old->overruns_told;
	stream->overrun_told_ns = old->overrun_told_ns;
	stream->applied = old->applied;
	stream->applied_period_ns = old->applied_period_ns;
	stream->kept = TAKE_PTR(old->kept);
	stream->probes_attached = old->probes_attached && wish->job == was->job &&
				  same_text(wish->job_begin, was->job_begin) &&
				  same_text(wish->job_end, was->job_end);
}

/* Hands what belongs to the file's and the streams' life to the next version. */
static void inherit(struct qos_live *live, struct qos_live *old)
{
	if (!old)
		return;
	live->adaptations = TAKE_PTR(old->adaptations);
	live->n_adaptations = old->n_adaptations;
	old->n_adaptations = 0;
	for (size_t i = 0; i < live->n_streams; i++) {
		for (size_t k = 0; k < old->n_streams; k++) {
			if (old->streams[k].id == live->streams[i].id)
				inherit_stream(&live->streams[i], &old->streams[k]);
		}
	}
}

/* Streams that the new version has not: their threads become what they were. in_force: it is admitted. */
static void retire(struct qos_supervisor *supervisor, struct qos_live *old, struct qos_live *new,
		   bool in_force)
{
	qos_extend_retire(supervisor, old, in_force ? new : NULL);
	for (size_t k = 0; k < old->n_streams; k++) {
		struct qos_live_stream *stream = &old->streams[k];
		bool goes_on = false;

		for (size_t i = 0; new &&i < new->n_streams; i++)
			goes_on |= new->streams[i].id == stream->id;
		if (goes_on)
			continue;
		qos_threads_release_stream(supervisor, stream);
		qos_table_remove(&supervisor->streams, stream->id);
		qos_series_drop(&supervisor->series, stream->id);
		if (supervisor->monitor)
			qos_monitor_stream_remove(supervisor->monitor, stream->id);
		qos_counters_drop(supervisor->counters, stream->id);
	}
	if (supervisor->service && supervisor->service->ops->unset && old->n_streams &&
	    (!new || !new->n_streams || strcmp(new->contract->name, old->contract->name)))
		supervisor->service->ops->unset(supervisor->service, old->contract->name);
}

static void enter_streams(struct qos_supervisor *supervisor, struct qos_live *live)
{
	for (size_t i = 0; i < live->n_streams; i++) {
		const struct qos_live_stream *stream = &live->streams[i];

		if (qos_table_set(&supervisor->streams, stream->id, &live->streams[i]) < 0 ||
		    qos_counters_note(supervisor->counters, stream->id, live->contract->name,
				      qos_live_wish(stream)->name) < 0)
			qos_log(LOG_ERR, NULL, live->contract->name, NULL, "out of memory");
	}
}

/* The new entry takes the old one's contract. */
static bool moves_over(const struct qos_draft *draft)
{
	return draft->old && (draft->revives || draft->file->goes_on);
}

/* `old` is asked for its names until its streams are retired, so a contract that goes on belongs to
 * both for that long. */
static void replace(struct qos_supervisor *supervisor, struct qos_draft *draft,
		    struct qos_live *next)
{
	struct qos_live *old = draft->old;

	assert(old || !draft->revives);
	next->contract = moves_over(draft) ? old->contract : TAKE_PTR(draft->file->contract);
	inherit(next, old);
	if (old)
		retire(supervisor, old, next, draft->contract);
	enter_streams(supervisor, next);
}

/* Is what rules now what somebody has still to confirm? */
static void note_unconfirmed(const struct qos_supervisor *supervisor, struct qos_live *live,
			     const struct qos_draft *draft)
{
	const struct qos_pending *pending = supervisor->pending;

	live->unconfirmed = draft->old && draft->old->unconfirmed;
	if (draft->contract && draft->contract == draft->file->contract)
		live->unconfirmed = pending && !strcmp(pending->file, live->file);
}

/* Exchanges one file's entry. Nothing here can fail. */
static struct qos_live *turn_over(struct qos_supervisor *supervisor, struct qos_draft *draft,
				  struct qos_live *next, struct qos_reload_summary *summary)
{
	struct qos_live *old = draft->old;
	bool was_stale = old && old->stale;
	struct qos_live *live = next ? next : old;

	assert(live); /* a file without a new entry goes on with its old one */
	note_unconfirmed(supervisor, live, draft);
	if (next)
		replace(supervisor, draft, next);
	live->fingerprint = 0;
	if (draft->file->goes_on || (next && !moves_over(draft)))
		live->fingerprint = draft->file->fingerprint;
	qos_draft_describe(supervisor, live, draft);
	qos_diag_reset(&live->diag);
	qos_diag_move(&live->diag, &draft->file->diag);
	qos_diag_move(&live->diag, &draft->refusal);
	if (next || live->stale != was_stale)
		announce(supervisor, live);
	summary->n_changed += next && live->state == QOS_LIVE_IN_FORCE;
	summary->n_unchanged += !next && !live->stale;
	summary->n_lost += draft->expelled && !draft->contract;
	summary->n_refused += qos_live_is_refused(live);
	summary->n_invalid += !live->file_valid;
	if (next && moves_over(draft))
		old->contract = NULL;
	if (next)
		qos_live_free(old);
	return live;
}

static void bury_the_gone(struct qos_supervisor *supervisor, const struct qos_plan *plan,
			  struct qos_reload_summary *summary)
{
	for (size_t i = 0; i < supervisor->n_lives; i++) {
		struct qos_live *live = supervisor->lives[i];

		if (!qos_plan_lacks(plan, live))
			continue;
		if (qos_in_force(live)) {
			retire(supervisor, live, NULL, false);
			qos_tell(supervisor, QOS_HISTORY_REMOVED, live->contract->name, NULL, NULL,
				 "%s: removed", live->path);
		}
		summary->n_removed++;
		qos_live_free(live);
	}
}

static void commit(struct qos_supervisor *supervisor, struct qos_plan *plan,
		   struct qos_live **lives, struct qos_reload_summary *summary)
{
	qos_ledger_commit(supervisor->ledger);
	bury_the_gone(supervisor, plan, summary);
	for (size_t i = 0; i < plan->n; i++)
		lives[i] = turn_over(supervisor, &plan->drafts[i], lives[i], summary);
	qsort(lives, plan->n, sizeof(*lives), by_file);
	free(supervisor->lives);
	supervisor->lives = lives;
	supervisor->n_lives = plan->n;
	qos_diag_reset(&supervisor->reload_diag);
	qos_diag_move(&supervisor->reload_diag, &plan->loaded->diag);
}

int qos_reload_prepare(struct qos_supervisor *supervisor, const struct qos_host *host,
		       const struct qos_store_extras *extras, struct qos_diag *diag,
		       struct qos_plan *plan, struct qos_live ***ret)
{
	_cleanup_free_ struct qos_capacity *capacity = calloc(1, sizeof(*capacity));
	int r;

	if (!capacity)
		return -ENOMEM;
	qos_capacity_of(host, &supervisor->config, capacity);
	r = qos_plan_read(supervisor, host, extras, diag, plan);
	if (r < 0)
		return r;
	r = qos_settle(supervisor, capacity, plan);
	if (r >= 0)
		r = make_generation(supervisor, plan, ret);
	if (r < 0)
		qos_ledger_rollback(supervisor->ledger);
	return r;
}

static int fail(struct qos_supervisor *supervisor, struct qos_diag *diag, int error)
{
	const char *why = diag->n_entries ? diag->entries[0].text : strerror(-error);
	const char *file = diag->n_entries ? diag->entries[0].file : NULL;
	const char *where = file ? file : "", *colon = *where ? ": " : "";

	qos_log(LOG_ERR, NULL, NULL, NULL, "reload failed, nothing changed: %s%s%s", where, colon,
		why);
	qos_diag_reset(&supervisor->reload_diag);
	qos_diag_error(&supervisor->reload_diag, NULL, "reload failed, nothing changed: %s%s%s",
		       where, colon, why);
	qos_diag_hint(&supervisor->reload_diag, "qosctl reload tries again");
	qos_diag_reset(diag);
	return error;
}

int qos_supervisor_reload(struct qos_supervisor *supervisor, struct qos_reload_summary *ret)
{
	struct qos_diag diag = QOS_DIAG_INIT;
	struct qos_reload_summary summary = {};
	struct qos_live **lives = NULL;
	struct qos_host *host = NULL;
	struct qos_plan plan = {};
	bool scan;
	int r;

	r = qos_supervisor_probe(supervisor, &host);
	if (r >= 0)
		r = qos_reload_prepare(supervisor, host, NULL, &diag, &plan, &lives);
	if (r < 0) {
		qos_host_free(host);
		qos_plan_reset(&plan);
		return fail(supervisor, &diag, r);
	}
	qos_host_free(supervisor->host);
	supervisor->host = host;
	qos_generation_note(supervisor, &plan);
	commit(supervisor, &plan, lives, &summary);
	qos_extend_retry(supervisor);
	/* without a monitor nobody tells of new threads, and whoever reloads may mean them */
	scan = summary.n_changed || summary.n_removed || summary.n_lost || supervisor->panicked ||
	       !supervisor->monitor;
	supervisor->panicked = false;
	qos_plan_reset(&plan);
	qos_supervisor_reconcile(supervisor);
	qos_network_settle(supervisor);
	qos_supervisor_reapply_overrides(supervisor);
	if (scan)
		qos_supervisor_scan(supervisor);
	*ret = summary;
	return 0;
}
