/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What became of a stream, of cpu or of packets, over the last hours, for `qosctl report`. Pure: seconds
 * are of any clock that does not go back, and the caller's.
 *
 * A series is a row of points, oldest first. A new one covers QOS_SERIES_STEP_S or a little more; there
 * are at most QOS_SERIES_A_LEVEL points of a level, and then the two oldest of it become one of the next
 * level, which covers twice the time. What is too old for the last level is forgotten. So the latest
 * minutes are known in steps of 10 s, and at least 16 hours are known at all:
 * (24 - 1) points * (2^8 - 1) * 10 s; at most 17.
 *
 * Memory: less than 11 KiB a stream, and at most 90 streams a set: less than 1 MiB, whatever the number of
 * contracts. The daemon has two sets, for CPUs and for links. A stream whose threads never ran has none.
 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "qos_abi.h"
#include "util/table.h"

#define QOS_SERIES_STEP_S      10
#define QOS_SERIES_LEVELS      8
#define QOS_SERIES_A_LEVEL     24
#define QOS_SERIES_POINTS_MAX  (QOS_SERIES_LEVELS * QOS_SERIES_A_LEVEL)
#define QOS_SERIES_STREAMS_MAX 90
#define QOS_SERIES_IDLE_S                                                                          \
	60 /* so long without a thread or a job: it may be forgotten for another */

/* Buckets of qos_hist_*() in which quantiles lie; NONE where nothing was counted. */
struct qos_series_quantiles {
	uint8_t p50;
	uint8_t p99;
	uint8_t max;
};

#define QOS_SERIES_NONE UINT8_MAX

/* Counts are differences, and stay at the largest value that fits. Quantiles of points that became one
 * are the larger of the two, which no quantile of both together exceeds. */
struct qos_series_point {
	uint32_t from_s;
	uint32_t to_s;	   /* > from_s */
	uint32_t jobs;	   /* of packets: KiB sent */
	uint32_t late;	   /* of them, or packets */
	uint32_t requests; /* served and lost; of packets: sent and dropped */
	uint32_t lost;
	uint32_t windows;
	uint32_t violations;
	uint32_t granted_lo; /* in force, the least and the most that was seen: us, or kbit/s */
	uint32_t granted_hi;
	union {
		struct {
			struct qos_series_quantiles used;    /* CPU time of a job */
			struct qos_series_quantiles latency; /* wake-up to running */
		};
		uint16_t backlog_kib; /* of packets: the most that was seen */
	};
	uint8_t level; /* 2^level new points became this one */
	bool packets;
};

/* What came of packets, as far as whoever queues them counts it. */
struct qos_series_packets {
	uint64_t sent_bytes;
	uint64_t sent;
	uint64_t dropped;
	uint64_t late;
	uint64_t windows;
	uint64_t violations;
	uint64_t backlog_bytes; /* now */
};

/* A stream now: counters that only grow, though they may begin anew, and what is granted. Both borrowed, and one
 * is NULL; the same one always for one series. */
struct qos_series_sample {
	const struct qos_stream_stats *stats;
	const struct qos_series_packets *packets;
	uint64_t granted; /* ns, or bit/s */
	bool running;	  /* it has threads; packets: a place on its link */
};

/* The counters of the sample before. */
struct qos_series_before {
	uint64_t jobs;
	uint64_t late;
	uint64_t requests;
	uint64_t lost;
	uint64_t windows;
	uint64_t violations;
	uint32_t used[QOS_HIST_BUCKETS];
	uint32_t latency[QOS_HIST_BUCKETS];
};

struct qos_series {
	uint32_t id;
	bool sampled;	     /* `before` and at_s are of a sample */
	uint32_t at_s;	     /* when */
	uint32_t busy_s;     /* the last sample with threads or new jobs */
	uint32_t granted_lo; /* since the last sample */
	uint32_t granted_hi;
	uint16_t backlog_kib; /* likewise the most */
	uint32_t n;
	struct qos_series_before before;
	struct qos_series_point points[QOS_SERIES_POINTS_MAX]; /* oldest first */
};

/* All zeroes is an empty set. */
struct qos_series_set {
	struct qos_table by_id;
};

/* The series of stream `id`, or NULL. Borrowed, like all of them. */
struct qos_series *qos_series_find(const struct qos_series_set *set, uint32_t id);

/* The same; one is begun if there is none. Where there is no room the one that was idle longest goes, if
 * that was QOS_SERIES_IDLE_S. NULL: no room, or out of memory. */
struct qos_series *qos_series_start(struct qos_series_set *set, uint32_t id, uint32_t now_s);

void qos_series_drop(struct qos_series_set *set, uint32_t id);
void qos_series_reset(struct qos_series_set *set);

/* A grant, and a backlog, seen between two samples. */
void qos_series_see(struct qos_series *series, uint64_t granted, uint64_t backlog_bytes);

/* Is it time for a sample? */
bool qos_series_is_due(const struct qos_series *series, uint32_t now_s);

/* Takes a sample. The first is where counting begins; each later one makes a point, unless no time has
 * passed, or it went back: then the next sample has it all. */
void qos_series_add(struct qos_series *series, uint32_t now_s,
		    const struct qos_series_sample *sample);

/* What happened since the last sample, as a point that is not kept. False: there is none, or no time has
 * passed since. */
bool qos_series_latest(const struct qos_series *series, uint32_t now_s,
		       const struct qos_series_sample *sample, struct qos_series_point *ret);
