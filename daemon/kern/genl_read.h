/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of the family qos_dwcs (kmod/uapi/qos_dwcs.h, where all terms are explained) -> structs.
 * Strict: a known attribute of the wrong length, one that comes twice or is missing, a text without
 * its end, and trailing bytes are -EBADMSG. Attributes that are not known are left alone: a later
 * module may say more.
 */
#pragma once

#include <linux/types.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stdint.h>

#include "qos_abi.h"
#include "qos_guard_abi.h"
#include "uapi/qos_dwcs.h"

/* One more than the family's own bound, so that what is no name is found out when it is compared. */
#define QOS_DWCS_NAME_SIZE 64

struct qos_dwcs_info {
	uint32_t version;
	uint32_t features;
	uint32_t generation;
	uint64_t lease_ns;
	uint32_t lease_state;
	uint64_t lease_left_ns;
	uint32_t band_first;
	uint32_t band_last;
	uint32_t cap_ppm;
	uint64_t telemetry_ns;
	uint32_t contracts;
	uint32_t streams;
	uint32_t threads;
	uint64_t events_lost;
	uint64_t dispatch_ns;
	uint64_t blocking_ns;
};

/* What a contract's rules did. */
struct qos_dwcs_contract {
	uint64_t raised;
	uint64_t dropped;
	uint64_t verdicts[QOS_VERDICTS];
	uint64_t reversals;
	uint64_t run_ns;
};

/* STREAM_GET and TELEMETRY. */
struct qos_dwcs_report {
	uint32_t id;
	char name[QOS_DWCS_NAME_SIZE];
	char contract[QOS_DWCS_NAME_SIZE];
	uint64_t period_ns;
	uint64_t runtime_ns;
	uint32_t threads;
	uint32_t table;
	uint8_t proven;
	uint32_t seq; /* TELEMETRY */
	uint64_t time_ns;
	struct qos_stream_stats stats;
	uint64_t mandatory;
	uint64_t mandatory_lost;
	uint64_t spare_ns;
	uint64_t drifts;
};

struct qos_dwcs_thread {
	uint32_t tid;
	uint32_t stream;
	uint32_t cpu;
	uint64_t start;
	uint32_t level;
	uint32_t flags;
};

#define QOS_DWCS_OUTCOMES_MAX QOS_DWCS_WINDOW_Y_MAX
#define QOS_DWCS_READ_INSTEAD 16 /* so many are read; more are left out */

struct qos_dwcs_event {
	uint32_t kind;
	uint32_t seq;
	uint64_t time_ns;
	uint32_t muted;
	char contract[QOS_DWCS_NAME_SIZE];
	uint32_t stream;
	uint32_t tid;
	uint32_t cpu;
	bool on_cpu;
	uint32_t lost;
	uint32_t n_outcomes;
	uint8_t outcomes[(QOS_DWCS_OUTCOMES_MAX + 7) / 8]; /* bit 0 the latest, 1: served */
	struct {
		uint32_t stream; /* 0: all the rest */
		uint64_t ns;
	} instead[QOS_DWCS_READ_INSTEAD];
	size_t n_instead;
	uint32_t what;
	uint32_t reason;
	uint32_t on_expiry;
	uint64_t runtime_ns;
	uint32_t signal;
	uint32_t index; /* of a flow in its contract's attributes */
	uint64_t rate_bps;
};

/* The command of a message of the family; -EBADMSG: it has no generic header. */
int qos_dwcs_command(const struct nlmsghdr *message);

/* 0, or -EBADMSG: then *ret is undefined. */
int qos_dwcs_read_info(const struct nlmsghdr *message, struct qos_dwcs_info *ret);
int qos_dwcs_read_contract(const struct nlmsghdr *message, struct qos_dwcs_contract *ret);
int qos_dwcs_read_report(const struct nlmsghdr *message, struct qos_dwcs_report *ret);
int qos_dwcs_read_thread(const struct nlmsghdr *message, struct qos_dwcs_thread *ret);
int qos_dwcs_read_event(const struct nlmsghdr *message, struct qos_dwcs_event *ret);
