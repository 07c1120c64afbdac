/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files extend*.c only. */
#pragma once

#include "adapt/quarantine.h"
#include "extend.h"
#include "extension/image.h"
#include "kern/chain.h"
#include "kern/genl_rules.h"
#include "network.h"

/* What a tick compares with: a stream each at the last one, and behind these now. */
struct qos_extension_memory {
	struct qos_stream_stats *cpu;
	struct qos_net_counts *net;
	size_t n_cpu;
	size_t n_net;
};

/* One event of the contract that has rules. */
struct qos_extension_program {
	struct qos_rule_event event;
	uint32_t slot;
	uint64_t next_ns; /* tick: CLOCK_MONOTONIC */
	uint64_t reads;	  /* tick: streams whose metrics it looks at, by their place; a bit each */
	uint64_t reads_rtt;		    /* of these: their round trips */
	struct qos_extension_memory memory; /* tick */
};

/* The jobs that percentiles speak of: two snapshots, so that at least half of the last
 * QOS_EXTENSION_JOBS is covered, and at most all of them. */
#define QOS_EXTENSION_JOBS 1000
struct qos_extension_window {
	struct qos_stream_stats older;
	struct qos_stream_stats newer;
};

/* What its attributes were made for. */
struct qos_extension_stream {
	uint64_t id;
	uint64_t period_ns;
};

/* streams NULL: nothing. */
struct qos_extension_told {
	struct qos_dwcs_rules_stream *streams;
	size_t n_streams;
	struct qos_dwcs_rules_flow *flows;
	size_t n_flows;
};
void qos_extension_told_reset(struct qos_extension_told *told);

struct qos_extension {
	uint32_t number;
	char *shape; /* of its rules without their numbers: versions of one shape and of equal widths
		      * share their state */
	size_t n_state;
	uint8_t widths[QOS_RULES_STATE_MAX]; /* of its words, as in struct qos_image */
	struct qos_state_map states;	     /* whose the words are */
	size_t n_keys;
	struct qos_extension_stream *streams; /* by index in the contract */
	size_t n_streams;
	size_t n_net;			/* network streams: their attributes are behind */
	bool outdated;			/* an older version's: to be exchanged */
	bool in_process;		/* placement: user */
	bool in_module;			/* it raises the events, and judges */
	struct qos_extension_told told; /* what the module was told last */
	struct qos_extension_program *programs;
	size_t n_programs;
	char **signals;
	size_t n_signals;
	struct qos_extension_window *windows; /* a stream each; only if there are ticks */
	size_t n_insns;
	struct qos_sandbox *sandbox; /* placement: user; NULL in quarantine */
	uint64_t sandbox_events;     /* that were handed to it, when that was asked last */
	uint64_t sandbox_runs;	     /* what the contract's counter was then */
	/* quarantine */
	enum qos_quarantine quarantine;
	struct qos_quarantine_state suspicion;
	struct qos_guard_contract seen; /* at the last turn */
	size_t blind; /* 1 + place of a stream of which the last tick knew nothing; 0: it knew all */
	uint64_t reversals, reversals_seen;
	uint64_t violations, violations_seen;
	int8_t *last_steps; /* sign of the last change of each attribute */
};

struct qos_extender {
	struct qos_chain *chain;
	int timer_fd;
	struct qos_sandbox_pool *sandboxes; /* NULL: none can be started; then sandbox_error */
	int sandbox_error;
	uint64_t violations_seen; /* of all contracts */
	bool rates_changed;	  /* of network streams, and that is to be carried out */
	uint32_t *
		shares; /* of each CPU, that the module was told; UINT32_MAX: none; NULL: of no CPU */
};

/* extend_record.c. new: 0 or -ENOMEM; it has no number and no programs yet; what the state means is taken out of
 * the image. */
int qos_extension_new(const struct qos_live *live, struct qos_image *image,
		      struct qos_extension **ret);
void qos_extension_free(struct qos_extension *extension);
/* Of its shape, the widths of its state and our version, whose compiler it was. */
uint32_t qos_extension_hash(const struct qos_extension *extension);
/* It differs from the older one (may be NULL) in nothing but numbers, and reads its state alike. */
bool qos_extension_goes_on(const struct qos_extension *old, const struct qos_extension *extension);
QOS_DEFINE_CLEANUP(struct qos_extension *, qos_extension_free)
#define _cleanup_extension_ QOS_CLEANUP(qos_extension_freep)

/* extend_events.c: a change that the guard let pass. true: it is to be carried out. */
bool qos_extension_change(struct qos_supervisor *supervisor, struct qos_live *live,
			  const struct qos_change *change);
/* A network stream's rate was changed; told only. */
void qos_extension_tell_rate(struct qos_supervisor *supervisor, const struct qos_live *live,
			     const struct qos_change *change);

/* extend_sandbox.c. begin: its slots forward already; `fresh`: events that wait are old. 0 or -errno with
 * words in diag. */
void qos_extension_sandbox_open(struct qos_supervisor *supervisor);
bool qos_extension_sandbox_can(const struct qos_supervisor *supervisor);
int qos_extension_sandbox_begin(struct qos_supervisor *supervisor, const struct qos_live *live,
				struct qos_extension *extension, bool fresh, struct qos_diag *diag);
void qos_extension_sandbox_end(struct qos_extension *extension);
pid_t qos_extension_sandbox_pid(const struct qos_extension *extension); /* 0: none */

/* extend_tick.c: sets the timer to the earliest tick. */
void qos_extension_arm(struct qos_supervisor *supervisor);
/* Jobs that are late and whose threads are not switched. */
void qos_extension_find_late(struct qos_supervisor *supervisor);

/* extend_load.c. load: its rules into the kernel, in the place of an older version's; 0, or -errno with words in diag:
 * then the older version's are to be dropped, for some of its places may have new programs. */
int qos_extension_load(struct qos_supervisor *supervisor, struct qos_live *live,
		       struct qos_diag *diag);
/* Where the monitor raises events of its streams; NULL: nowhere. */
void qos_extension_hooks(struct qos_supervisor *supervisor, const struct qos_live *live,
			 const struct qos_extension *extension);
bool qos_extension_in_process(const struct qos_live *live); /* placement: user */
/* Its managed threads; pos from 0 on. NULL: no more. */
const struct qos_thread *qos_extension_next_thread(const struct qos_supervisor *supervisor,
						   const struct qos_live *live, size_t *pos);

/* extend_net.c: network streams, by their place in the contract. */
struct qos_chain_attribute qos_extension_net_attribute(const struct qos_supervisor *supervisor,
						       const struct qos_live *live, size_t i);
void qos_extension_net_hold(struct qos_supervisor *supervisor, const struct qos_live *live);
bool qos_extension_can_set_rate(const struct qos_net_stream *wish);

/* extend_metrics.c. new: from now on; 0 or -ENOMEM. fill: what came since the last one; false: the extension
 * is blind, and nothing may be raised. */
int qos_extension_memory_new(struct qos_supervisor *supervisor, const struct qos_live *live,
			     struct qos_extension *extension,
			     struct qos_extension_program *program);
void qos_extension_memory_free(struct qos_extension_memory *memory);
bool qos_extension_fill(struct qos_supervisor *supervisor, struct qos_live *live,
			struct qos_extension_program *program, struct qos_rules_stream *to);

/* extend_module.c: with the module. Told again, it costs nothing: only what differs is sent. */
int qos_extension_push(struct qos_supervisor *supervisor, struct qos_live *live,
		       struct qos_diag *diag);
void qos_extension_pull(struct qos_supervisor *supervisor, struct qos_live *live);
void qos_extension_push_value(struct qos_supervisor *supervisor, const struct qos_live *live,
			      const struct qos_live_stream *stream, int64_t value);
void qos_extension_push_key(struct qos_supervisor *supervisor, pid_t tid);
int qos_extension_push_tick(struct qos_supervisor *supervisor, struct qos_live *live,
			    uint32_t program);
void qos_extension_shares(struct qos_supervisor *supervisor);
/* Of the chain, or of the module, which counts reversals too. 0, or -errno: zeroes. */
int qos_extension_counts(const struct qos_supervisor *supervisor, const struct qos_live *live,
			 struct qos_extension *extension, struct qos_guard_contract *ret);

/* Between two changes. A short job's end is told when its thread wakes up again, and the overrun of the
 * next one, when it has used at least the least runtime, must still be heard. And no more than half a period, because a
 * job that is late ends, and is told, sooner than a period after the one before. */
static inline uint64_t qos_extension_gap_ns(const struct qos_cpu_stream *wish)
{
	uint64_t period = wish->period.ns, least = wish->runtime_range.lo;

	return (least < period ? least : period) / 2;
}

/* Counters of the module, and of classes, begin anew with these. */
static inline uint64_t qos_extension_since(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

/* extend_events.c: what the guard let pass. */
void qos_extension_carry_out(struct qos_supervisor *supervisor);

/* extend_limits.c: what admission holds for it (NULL: nothing), and whether rules may set it. */
const struct qos_stream_grant *qos_extension_reserved(const struct qos_supervisor *supervisor,
						      const struct qos_live_stream *stream);
bool qos_extension_can_set(const struct qos_live_stream *stream,
			   const struct qos_stream_grant *grant);

/* extend_turn.c: takes it out, or (NONE) back in. */
void qos_extension_quarantine(struct qos_supervisor *supervisor, struct qos_live *live,
			      enum qos_quarantine cause);
/* extend_state.c: what is remembered of threads and ticks, from an older number to another. */
void qos_extension_carry(struct qos_supervisor *supervisor, const struct qos_live *live,
			 const struct qos_extension *old, const struct qos_extension *extension);
/* extend_limits.c. plan: the caller frees ret->attributes; 0 or -ENOMEM. */
int qos_extension_plan(const struct qos_supervisor *supervisor, const struct qos_live *live,
		       struct qos_chain_contract *ret);
void qos_extension_limits(struct qos_supervisor *supervisor, struct qos_live *live);
void qos_extension_hold(struct qos_supervisor *supervisor, const struct qos_live *live);
/* Asks admission for the top of each range; true: the ledger changed. */
bool qos_extension_reserve(struct qos_supervisor *supervisor, struct qos_live *live);
