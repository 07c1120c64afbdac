/* SPDX-License-Identifier: GPL-2.0-only */
/* What the daemon knows of each contract file: its version in force, and how that came about. */
#pragma once

#include <linux/types.h>

#include "adapt/law.h"
#include "admit/grant.h"
#include "contract/contract.h"
#include "qos_abi.h"
#include "util/diag.h"

enum qos_live_state {
	QOS_LIVE_IN_FORCE,
	QOS_LIVE_WAITING, /* for a CPU that is not there */
	QOS_LIVE_REFUSED, /* by admission */
	QOS_LIVE_INVALID, /* and no good version was ever seen */
};

extern const char *const qos_live_state_names[];

struct qos_live;
struct qos_extension;

/* Counters at the last slow-loop turn; only streams that the law adapts have it. */
struct qos_live_before {
	uint64_t jobs;
	uint64_t late;
	uint64_t overruns;
	uint32_t used[QOS_HIST_BUCKETS];
};

/* One cpu stream in force. Owned by its qos_live; `id` names it in the monitor. In an order without holes,
 * for there may be thousands. */
struct qos_live_stream {
	struct qos_live *live;
	size_t index;			 /* into contract->cpu and the grant */
	struct qos_stream_grant applied; /* what monitor and threads have now */
	uint64_t applied_period_ns;
	uint32_t id;
	uint32_t n_managed;
	uint32_t n_unmanaged; /* beyond max-threads, or not to be set */
	bool is_applied;      /* false: `applied` is an older version's, or nothing */
	bool probes_attached;
	bool claimed;  /* claims.c: the module has its proof, and follows, for all we know */
	bool unproven; /* ... gave it up, or refused it */
	uint64_t overruns_told;	     /* of these the journal knows */
	uint64_t overrun_told_ns;    /* and since when */
	uint64_t unmeasured_told_ns; /* and that a thread could not be measured */
	int unwatched_told;	     /* ... or got no clock: the last -errno */
	struct qos_live_before *before;
	uint64_t run_before_ns;	       /* taskstats at the last turn, where there is no monitor */
	struct qos_stream_stats *kept; /* counted by modules that are gone; NULL: nothing */
	uint64_t claimed_ns;	       /* CLOCK_MONOTONIC, like the next */
	uint64_t proven_ns;	       /* the proof begins then */
	uint64_t unproven_turn;
	uint64_t rules_told_ns; /* a change by rules; CLOCK_MONOTONIC */
	uint32_t rules_untold;	/* since then */
	struct qos_law_state law;
};

enum qos_adapted_by { QOS_BY_LAW, QOS_BY_PERSON, QOS_BY_REVERT, QOS_BY_SUPPLY, QOS_BY_RULES };

extern const char *const qos_adapted_by_names[];

struct qos_adaptation {
	uint64_t at_us;				/* CLOCK_REALTIME */
	char stream[QOS_CONTRACT_NAME_MAX + 1]; /* which a later version may not have */
	enum qos_adapted_by by;
	uint64_t old_ns;
	uint64_t new_ns;
	uint64_t signal_ns;
	const char *reason; /* static */
};

#define QOS_ADAPTATIONS_MAX 32

struct qos_live {
	char *file;
	char *path;
	enum qos_live_state state;
	struct qos_contract *contract; /* in force, waiting or refused; NULL: invalid */
	uint64_t fingerprint;	       /* of the texts that made it (load.h); 0: unknown */
	bool stale;	      /* the file on disk is bad or gone bad: an older version rules */
	bool file_valid;      /* the file on disk holds a contract */
	bool unconfirmed;     /* what rules was applied with --confirm, not confirmed */
	struct qos_diag diag; /* of the file on disk */
	char *reason;	      /* why not in force, or why stale; may be NULL */
	struct qos_live_stream *streams; /* contract->n_cpu, IN_FORCE only */
	size_t n_streams;
	struct qos_adaptation *adaptations; /* oldest first */
	size_t n_adaptations;
	struct qos_extension *extension; /* extend.c's; NULL: no rules run */
	bool rules_failed;		 /* they could not be loaded; told */
};

/* One contract file, state INVALID. */
int qos_live_new(const char *file, const char *path, struct qos_live **ret);
/* The caller has taken its streams out of all tables. */
void qos_live_free(struct qos_live *live);
QOS_DEFINE_CLEANUP(struct qos_live *, qos_live_free)
#define _cleanup_live_ QOS_CLEANUP(qos_live_freep)

/* Sets state and reason (printf, or NULL). */
void qos_live_set_state(struct qos_live *live, enum qos_live_state state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The stream of this name, or NULL. */
struct qos_live_stream *qos_live_stream(struct qos_live *live, const char *name);

/* Remembers one change; the oldest of more than QOS_ADAPTATIONS_MAX is forgotten. */
void qos_live_remember(struct qos_live *live, const struct qos_adaptation *adaptation);

/* Did admission refuse what stands in the file? An older version may rule all the same. */
static inline bool qos_live_is_refused(const struct qos_live *live)
{
	return live->file_valid && (live->stale || live->state == QOS_LIVE_REFUSED);
}

static inline const struct qos_cpu_stream *qos_live_wish(const struct qos_live_stream *stream)
{
	return &stream->live->contract->cpu[stream->index];
}
