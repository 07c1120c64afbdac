/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * struct qos_contract: what an application needs, as data. Made by parse.c, judged by check.c,
 * written by print.c, granted by admit/. Nothing here is derived: every field is one key of the
 * contract file (qos-contract(5)) or its default.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contract/rule.h"
#include "util/cleanup.h"
#include "util/cpus.h"
#include "util/diag.h"
#include "util/units.h"

#define QOS_CONTRACT_VERSION	 1
#define QOS_CONTRACT_NAME_MAX	 32 /* letters, without the NUL */
#define QOS_CONTRACT_STREAMS_MAX 32 /* of each resource */
#define QOS_CONTRACT_THREADS_MAX 64 /* largest max-threads, and most globs of a stream */
#define QOS_CONTRACT_MATCH_MAX	 64 /* terms of one match expression */

/* Defaults that are no zero. */
#define QOS_CONTRACT_IMPORTANCE 50
#define QOS_CONTRACT_LIMIT	1000 /* packets queued */

/* x of every y consecutive requests may be lost; 0/0 is plain EDF. */
struct qos_window {
	uint32_t x;
	uint32_t y;
};

/* An attribute's range, both ends included; `set` is false where the contract gives none. */
struct qos_range {
	bool set;
	uint64_t lo;
	uint64_t hi;
	uint64_t step; /* the largest change by one request of a rule; 0: any */
};

enum qos_overrun { QOS_OVERRUN_DEMOTE, QOS_OVERRUN_THROTTLE, QOS_OVERRUN_ALLOW };
enum qos_silence { QOS_SILENCE_IGNORE, QOS_SILENCE_LOST };
enum qos_manage { QOS_MANAGE_SCHEDULE, QOS_MANAGE_OBSERVE };
enum qos_job_kind { QOS_JOB_WAKEUP, QOS_JOB_PERIOD, QOS_JOB_PROBES };
enum qos_where { QOS_WHERE_ANY, QOS_WHERE_LIST, QOS_WHERE_ISOLATED };
enum qos_late { QOS_LATE_DROP, QOS_LATE_SEND };
enum qos_excess { QOS_EXCESS_SEND, QOS_EXCESS_HOLD };
enum qos_placement { QOS_PLACEMENT_KERNEL, QOS_PLACEMENT_USER };
enum qos_lease_expiry { QOS_LEASE_HOLD, QOS_LEASE_BASE, QOS_LEASE_RELEASE };
enum qos_drift { QOS_DRIFT_YIELD, QOS_DRIFT_RESTORE, QOS_DRIFT_WARN };

/* What a contract can be promised; ordered, so that `grant >= contract->accept` is the test. */
enum qos_guarantee { QOS_BEST_EFFORT, QOS_SIMULATED, QOS_PROVEN };

/* The words of the contract language for each enum value, NULL-terminated, in enum order. */
extern const char *const qos_overrun_names[];
extern const char *const qos_silence_names[];
extern const char *const qos_manage_names[];
extern const char *const qos_job_names[]; /* wakeup, period, probes */
extern const char *const qos_late_names[];
extern const char *const qos_excess_names[];
extern const char *const qos_placement_names[];
extern const char *const qos_lease_names[];
extern const char *const qos_drift_names[];
extern const char *const qos_guarantee_names[]; /* best-effort, simulated, proven */

/* One stream of the cpu section. Owned by its contract. */
struct qos_cpu_stream {
	char *name; /* [a-z][a-z0-9_]*, at most 32 letters */
	struct qos_loc loc;
	char **threads; /* comm globs; n_threads == 0: every thread */
	size_t n_threads;
	uint32_t max_threads;	  /* 1..64 */
	struct qos_period period; /* T > 0 */
	uint64_t runtime_ns;	  /* 0 < C <= deadline */
	uint64_t deadline_ns;	  /* 0 < D <= period.ns */
	struct qos_window window;
	uint64_t latency_ns; /* 0: not asked for */
	enum qos_where where;
	struct qos_cpus cpus; /* QOS_WHERE_LIST only */
	enum qos_overrun overrun;
	enum qos_job_kind job;
	char *job_begin; /* "usdt:PATH:PROVIDER:NAME" or "uprobe:PATH:SYMBOL"; QOS_JOB_PROBES only */
	char *job_end;
	enum qos_silence silence;
	enum qos_manage manage;
	struct qos_range runtime_range; /* ns; lo <= runtime_ns <= hi */
};

/* Fields of one flow; n == 0 or NULL: any. */
struct qos_flow_match {
	char *proto;	/* tcp udp icmp sctp dccp udplite, or a number */
	uint16_t sport; /* 0: any */
	uint16_t dport;
	char *dst;    /* address or prefix */
	int16_t dscp; /* -1: any */
	uint32_t mark;
	bool mark_set;
	char *cgroup; /* NULL: the contract's own processes */
};

/* One stream of the network section. Owned by its contract. */
struct qos_net_stream {
	char *name;
	struct qos_loc loc;
	char *interface;
	struct qos_flow_match match;
	uint64_t rate_bps;
	uint64_t packet_bytes;
	struct qos_period
		period;	      /* spacing of packet deadlines; default packet/rate, rounded down */
	uint64_t deadline_ns; /* default: period */
	struct qos_window window;
	enum qos_late late;
	enum qos_excess excess; /* packets beyond the rate, while the link is idle */
	uint32_t limit;		/* packets */
	enum qos_manage manage;
	struct qos_range rate_range; /* bits a second */
};

/* Who is meant. A node is a leaf (`key` set) or a group. Owned by its parent. */
enum qos_match_kind { QOS_MATCH_ALL, QOS_MATCH_ANY, QOS_MATCH_NOT, QOS_MATCH_TERM };

enum qos_match_key {
	QOS_MATCH_UNIT,
	QOS_MATCH_USER_UNIT,
	QOS_MATCH_CGROUP,
	QOS_MATCH_SLICE,
	QOS_MATCH_EXE,
	QOS_MATCH_COMM,
	QOS_MATCH_CMDLINE,
	QOS_MATCH_USER,
	QOS_MATCH_GROUP,
	QOS_MATCH_PARENT,
};

/* NULL-terminated, in enum order: unit user-unit cgroup slice exe comm cmdline user group parent */
extern const char *const qos_match_key_names[];

struct qos_match {
	enum qos_match_kind kind;
	struct qos_loc loc;
	enum qos_match_key key;	     /* QOS_MATCH_TERM */
	char *value;		     /* QOS_MATCH_TERM */
	struct qos_match **children; /* groups; QOS_MATCH_NOT has exactly one */
	size_t n_children;
};

struct qos_contract {
	char *name;
	char *description;   /* may be NULL */
	uint32_t importance; /* 0..100 */
	struct qos_loc loc;
	struct qos_match *match;
	struct qos_cpu_stream *cpu;
	size_t n_cpu;
	struct qos_net_stream *net;
	size_t n_net;
	bool has_adapt; /* an adapt: section stands in the file */
	enum qos_placement placement;
	struct qos_rule *rules;
	size_t n_rules;
	enum qos_guarantee accept;
	enum qos_lease_expiry on_lease_expiry;
	enum qos_drift on_drift;
	char **files; /* what the locs point into: the file, then its overlays */
	size_t n_files;
};

/* Frees everything the contract owns; NULL is fine. */
void qos_contract_free(struct qos_contract *contract);
QOS_DEFINE_CLEANUP(struct qos_contract *, qos_contract_free)
#define _cleanup_contract_ QOS_CLEANUP(qos_contract_freep)

/* Same meaning: every field but the locations and the file names. */
bool qos_contract_equal(const struct qos_contract *a, const struct qos_contract *b);

/* Time of one largest packet at the stream's rate, rounded down, at least 1 ns: the default period.
 * rate_bps > 0, packet_bytes < 2^30. */
uint64_t qos_net_packet_ns(const struct qos_net_stream *stream);

/* The same words for the same packets; without `cgroup` those are each contract's own. */
bool qos_flow_equal(const struct qos_flow_match *a, const struct qos_flow_match *b);

/* Gives the contract its own copies of the file names and points every location at them; what is in
 * no file of `files` loses its file. For whoever fills a contract in. 0 or -ENOMEM. */
int qos_contract_own_files(struct qos_contract *contract, char *const *files, size_t n_files);
